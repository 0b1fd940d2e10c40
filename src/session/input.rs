//! The inputs and the results of a session's steps, as values.

use core::fmt;

use bytes::Bytes;

use super::{Outgoing, Rejection, RequestId, Transition, TransportFailure};
use crate::exchange::{Credentials, Denial, Grant, Reply};

/// Anything that can happen to a session, as a plain value. `Debug` shows no secret: of a reply, its
/// status and length.
#[derive(Clone)]
#[non_exhaustive]
pub enum Input {
    /// Authenticate with these credentials.
    Authenticate(Credentials),
    /// Renew the token with these credentials.
    Renew(Credentials),
    /// Take a token that was obtained elsewhere, in place of the current one if there is one.
    Adopt(Grant),
    /// A reply came to the request with this id.
    Reply(RequestId, http::Response<Bytes>),
    /// The request with this id got no reply.
    Failure(RequestId, TransportFailure),
    /// Time has passed.
    Advance,
    /// End the login.
    Stop,
}

/// The result of a step.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a request that is not sent is lost, and so are credentials that are not stored"]
#[expect(clippy::exhaustive_enums, reason = "credentials are in some of them")]
pub enum Step {
    /// A transition that makes a request: send it.
    Sent(Transition, Outgoing),
    /// A transition by a reply that gave a token. The credentials are those for the next request: the ones that
    /// this one was made with, or their [successor](Grant::with_successor).
    Granted(Transition, Credentials),
    /// A transition by a reply that gave no token. The credentials are those for the next request.
    Denied(Transition, Denial, Credentials),
    /// Another transition.
    Moved(Transition),
    /// There was no transition, and none was due: time passed, or there was nothing to stop.
    Unchanged,
    /// The input was not taken, and changed nothing.
    Rejected(Rejection),
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authenticate(credentials) => write!(f, "Authenticate({credentials:?})"),
            Self::Renew(credentials) => write!(f, "Renew({credentials:?})"),
            Self::Adopt(grant) => write!(f, "Adopt({grant:?})"),
            Self::Reply(id, reply) => write!(f, "Reply({id}, {:?})", Reply::from(reply)),
            Self::Failure(id, why) => write!(f, "Failure({id}, {why:?})"),
            Self::Advance => f.write_str("Advance"),
            Self::Stop => f.write_str("Stop"),
        }
    }
}
