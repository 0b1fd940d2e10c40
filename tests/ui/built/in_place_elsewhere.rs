//! Only an active session is renewed in place.
include!("states.in");

fn main() {
    let mut last = LastTransition::default();
    last.transition_in_place(&Expired, why::RenewalSent);
}
