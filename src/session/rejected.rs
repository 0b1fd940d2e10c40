//! A transition that didn't happen, with the session that it didn't happen to.

use core::error::Error;
use core::fmt;

use super::core::{Session, State};

/// A transition that failed: the reason, and the session, which is not lost.
///
/// ```
/// # use std::sync::Arc;
/// # use videokit_session::*;
/// # fn restart(session: Session<Expired>, now: Moment) -> Result<Session<Authenticating>, session::NotSent> {
/// match session.reauthenticate(now) {
///     Ok((session, _outgoing)) => Ok(session),
///     Err(rejected) => {
///         println!("not now: {}", rejected.reason());
///         let session: Session<Expired> = rejected.into_session(); // still yours
///         # let _ = session;
///         # return Err(session::NotSent::NoCredentials);
///     }
/// }
/// # }
/// ```
#[must_use = "the session is in here"]
pub struct Rejected<S: State, E> {
    session: Session<S>,
    reason: E,
}

impl<S: State, E> Rejected<S, E> {
    pub(super) fn new(session: Session<S>, reason: E) -> Self {
        Self { session, reason }
    }

    /// Why the transition failed.
    pub fn reason(&self) -> &E {
        &self.reason
    }

    /// The session, in the state named by the type.
    pub fn into_session(self) -> Session<S> {
        self.session
    }

    /// The reason alone; the session is dropped, and its token with it.
    pub fn into_reason(self) -> E {
        self.reason
    }

    /// Both.
    pub fn into_parts(self) -> (Session<S>, E) {
        (self.session, self.reason)
    }
}

impl<S: State, E: fmt::Display> fmt::Display for Rejected<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session stays {}: {}", S::NAME, self.reason)
    }
}

impl<S: State, E: fmt::Debug> fmt::Debug for Rejected<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("session", &self.session)
            .field("reason", &self.reason)
            .finish()
    }
}

impl<S: State, E: Error + 'static> Error for Rejected<S, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.reason)
    }
}
