//! The reply to an authentication is read once.
use videokit_session::session::RequestId;
use videokit_session::{Authenticating, Moment, Session};

fn misuse(session: Session<Authenticating>, id: RequestId, reply: &http::Response<&str>, now: Moment) {
    let _ = session.receive(id, reply, now);
    let _ = session.receive(id, reply, now);
}

fn main() {}
