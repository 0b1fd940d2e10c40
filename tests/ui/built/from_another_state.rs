//! A grant leads from Authenticating to Active. The session is in another state, and its value says so.
include!("states.in");

fn main() {
    let _row = between(&Unauthenticated, why::Granted, &Active);
}
