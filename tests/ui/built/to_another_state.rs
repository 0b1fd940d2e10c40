//! A denial leads to Unauthenticated, and not to Expired.
include!("states.in");

fn main() {
    let mut last = LastTransition::default();
    let _expired = last.transition(&Authenticating, why::Denied, Expired);
}
