//! A struct that holds a session in any state has an `AnySession`.
use videokit_session::Session;

struct Player<S> {
    session: Session<S>,
}

fn main() {}
