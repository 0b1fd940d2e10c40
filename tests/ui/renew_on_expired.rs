//! An expired token can't be renewed: the session authenticates again.
use videokit_session::{Expired, Moment, Session};

fn misuse(session: &mut Session<Expired>, now: Moment) {
    let _ = session.renew(now);
}

fn main() {}
