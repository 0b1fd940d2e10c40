//! The state before is the type of the value: it can't be named in its place.
include!("states.in");

fn main() {
    let _row = between::<Authenticating, _, _>(&Unauthenticated, why::Granted, &Active);
}
