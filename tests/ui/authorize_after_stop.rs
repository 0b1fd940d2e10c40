//! A session that was stopped is gone; what is left has no token.
use videokit_session::{Active, Moment, Session};

fn misuse(session: Session<Active>, call: &mut http::Request<()>, now: Moment) {
    let _stopped = session.stop();
    let _ = session.authorize(call, now);
}

fn main() {}
