//! A session can't be cloned: two would send twice as much, under the same ids.
use videokit_session::{Active, Session};

fn misuse(session: &Session<Active>) -> Session<Active> {
    session.clone()
}

fn main() {}
