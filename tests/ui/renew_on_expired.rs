//! An expired token can't be renewed: the session authenticates again.
use videokit_session::{Credentials, Expired, Moment, Session};

fn misuse(session: &mut Session<Expired>, credentials: &Credentials, now: Moment) {
    let _ = session.renew(credentials, now);
}

fn main() {}
