//! Only an active session is renewed in place.
include!("states.in");

fn main() {
    let _row = between(&Expired, why::RenewalSent, &Expired);
}
