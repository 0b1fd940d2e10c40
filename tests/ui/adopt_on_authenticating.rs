//! While the first request is in flight, no token is adopted: stop, or wait for the reply.
use videokit_session::{Authenticating, Grant, Moment, Session};

fn misuse(session: Session<Authenticating>, grant: Grant, now: Moment) {
    let _ = session.adopt(grant, now);
}

fn main() {}
