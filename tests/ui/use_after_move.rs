//! A transition takes the session: the state before it is gone.
use videokit_session::{Credentials, Moment, Session, Unauthenticated};

fn misuse(session: Session<Unauthenticated>, credentials: &Credentials, now: Moment) {
    let _ = session.authenticate(credentials, now);
    let _ = session.authenticate(credentials, now);
}

fn main() {}
