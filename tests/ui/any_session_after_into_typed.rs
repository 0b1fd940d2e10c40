//! A session is in its field or in the hand, not in both.
use videokit_session::AnySession;
use videokit_session::session::TypedSession;

fn misuse(session: AnySession) {
    let TypedSession::Active(active) = session.into_typed() else { return };
    let _ = (active.generation(), session.generation());
}

fn main() {}
