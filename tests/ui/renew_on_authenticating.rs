//! There is nothing to renew before the first token.
use videokit_session::{Authenticating, Credentials, Moment, Session};

fn misuse(session: &mut Session<Authenticating>, credentials: &Credentials, now: Moment) {
    let _ = session.renew(credentials, now);
}

fn main() {}
