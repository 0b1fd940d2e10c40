//! There is nothing to renew before the first token.
use videokit_session::{Authenticating, Moment, Session};

fn misuse(session: &mut Session<Authenticating>, now: Moment) {
    let _ = session.renew(now);
}

fn main() {}
