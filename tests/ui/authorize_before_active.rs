//! A session that has no token yet can't authorize a request.
use videokit_session::{Moment, Session, Unauthenticated};

fn misuse(session: &Session<Unauthenticated>, call: &mut http::Request<()>, now: Moment) {
    let _ = session.authorize(call, now);
}

fn main() {}
