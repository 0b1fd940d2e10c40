//! An expired session can't authorize a request.
use videokit_session::{Expired, Moment, Session};

fn misuse(session: &Session<Expired>, call: &mut http::Request<()>, now: Moment) {
    let _ = session.authorize(call, now);
}

fn main() {}
