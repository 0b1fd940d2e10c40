//! A session that waits for its token can't authorize a request.
use videokit_session::{Authenticating, Moment, Session};

fn misuse(session: &Session<Authenticating>, call: &mut http::Request<()>, now: Moment) {
    let _ = session.authorize(call, now);
}

fn main() {}
