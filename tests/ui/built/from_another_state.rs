//! A grant leads from Authenticating to Active. The session is in another state, and its value says so.
include!("states.in");

fn main() {
    let mut last = LastTransition::default();
    let _active = last.transition(&Unauthenticated, why::Granted, Active);
}
