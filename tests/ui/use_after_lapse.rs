//! Time may have taken the session to another state: the active one is gone.
use videokit_session::{Active, Credentials, Moment, Session};

fn misuse(mut session: Session<Active>, credentials: &Credentials, now: Moment) {
    let _later = session.advance(now);
    let _ = session.renew(credentials, now);
}

fn main() {}
