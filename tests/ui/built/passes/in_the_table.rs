//! A transition that the table has a row for, from the state of the value passed.
include!("../states.in");

fn main() {
    let mut last = LastTransition::default();
    let _active: Active = last.transition(&Authenticating, why::Granted, Active);
    let Some(Transition { from, to, .. }) = last.get() else { panic!("it was noted") };
    assert_eq!((from, to), (StateName::Authenticating, StateName::Active));
    last.transition_in_place(&Active, why::Renewed);
    assert_eq!(last.get().map(|row| row.cause), Some(Cause::Renewed));
}
