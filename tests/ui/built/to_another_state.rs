//! A denial leads to Unauthenticated, and not to Expired.
include!("states.in");

fn main() {
    let _row = between(&Authenticating, why::Denied, &Expired);
}
