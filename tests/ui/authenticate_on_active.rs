//! An active session is renewed, and not authenticated.
use videokit_session::{Active, Credentials, Moment, Session};

fn misuse(session: Session<Active>, credentials: &Credentials, now: Moment) {
    let _ = session.authenticate(credentials, now);
}

fn main() {}
