//! The state before is the type of the value: it can't be named in its place.
include!("states.in");

fn main() {
    let mut last = LastTransition::default();
    let _active = last.transition::<Authenticating, _, _>(&Unauthenticated, why::Granted, Active);
}
