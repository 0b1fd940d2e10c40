//! An expired session can't be renewed: no row leads from Expired to Active for this cause.
include!("states.in");

fn main() {
    let mut last = LastTransition::default();
    let _active = last.transition(&Expired, why::Renewed, Active);
}
