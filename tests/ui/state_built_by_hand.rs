//! A state can't be built by hand: only a transition leads to it.
use videokit_session::{Active, Session, Unauthenticated};

fn misuse() -> Unauthenticated {
    Unauthenticated(())
}

fn dress_up(session: Session<Unauthenticated>, state: Active) -> Session<Active> {
    Session { state, ..session }
}

fn main() {}
