//! Transitions that the table has a row for, from the state of the value passed.
include!("../states.in");

fn main() {
    let Transition { from, to, .. } = between(&Authenticating, why::Granted, &Active);
    assert_eq!((from, to), (StateName::Authenticating, StateName::Active));
    assert_eq!(between(&Active, why::Renewed, &Active).cause, Cause::Renewed);
}
