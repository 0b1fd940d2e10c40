//! What can go wrong, by fault: the caller's ([`SendError`], [`AdoptError`], [`AuthorizeError`], [`Misuse`]),
//! the server's (a [`Denial`]), or nobody's ([`StaleRequest`]). None loses the session.

use core::error::Error;
use core::fmt;

use super::{Authenticating, RequestId, Session, State, StateName, Unauthenticated};
use crate::exchange::{BuildError, Credentials, Denial};
use crate::secret::TokenError;

/// A transition that failed: the reason, and the session, which is not lost.
///
/// ```
/// # use videokit_session::*;
/// # use videokit_session::session::SendError;
/// # fn restart(session: Session<Expired>, credentials: &Credentials, now: Moment) -> Result<Session<Authenticating>, SendError> {
/// match session.authenticate(credentials, now) {
///     Ok((session, _outgoing)) => Ok(session),
///     Err(rejected) => {
///         println!("not now: {}", rejected.reason());
///         let session: Session<Expired> = rejected.into_session(); // still yours
///         # let _ = session;
///         # return Err(SendError::OtherIdentity);
///     }
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the session stays {}: {reason}", S::NAME)]
#[must_use = "the session is in here"]
pub struct Rejected<S: State, E> {
    pub(super) session: Session<S>,
    #[source]
    pub(super) reason: E,
}

impl<S: State, E> Rejected<S, E> {
    /// Returns why the transition failed.
    pub fn reason(&self) -> &E {
        &self.reason
    }

    /// Returns the session, in the state named by the type.
    pub fn into_session(self) -> Session<S> {
        self.session
    }

    /// Returns both.
    pub fn into_parts(self) -> (Session<S>, E) {
        (self.session, self.reason)
    }
}

/// The reason why no request for a token was made. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "trace", derive(serde::Serialize))]
#[non_exhaustive]
pub enum SendError {
    /// A renewal is in flight already: wait for its reply, or report its failure. (Renewals only.)
    #[error("a renewal is in flight already: wait for its reply, or report its failure")]
    InFlight,
    /// The credentials state another identity than the login's. Stop, then authenticate with them.
    #[error("the credentials are for another identity than the session: stop, then authenticate")]
    OtherIdentity,
    /// The exchange's request could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// The reason why a token that was obtained elsewhere was not taken. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "trace", derive(serde::Serialize))]
#[non_exhaustive]
pub enum AdoptError {
    /// The grant names another identity than the login's. Stop, then adopt it.
    #[error("the token is for another identity than the session: stop, then adopt it")]
    OtherIdentity,
    /// By its own claims (a JWT's `exp` and `iat`), the token never had any life. An expiry that is past by the
    /// device's wall clock alone is no such reason.
    #[error("the token has expired by its own claims: adopt a newer one")]
    Expired,
    /// The token does not fit behind the scheme that is configured. Behind a scheme that
    /// [`ConfigBuilder::build`](super::ConfigBuilder::build) accepts, every token fits.
    #[error("the token can't be used: {0}")]
    Token(TokenError),
}

/// A reply or failure for a request that is not in flight: it was given up, it was answered already,
/// or it belongs to another session. Nothing changed, and nothing needs to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error(
    "request {id} is not in flight: it was given up or answered before, or is another session's"
)]
pub struct StaleRequest {
    pub(super) id: RequestId,
}

impl StaleRequest {
    /// Returns the id that was given.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.id
    }
}

/// The reason why a reply didn't make the session active. The session is inside.
#[derive(Debug)]
#[must_use = "the session is in here"]
#[expect(clippy::exhaustive_enums, reason = "the session is in one of them")]
pub enum ReceiveError {
    /// The reply is to another request. The session still waits for its own.
    Stale(Rejected<Authenticating, StaleRequest>),
    /// The reply gave no token. The credentials are those for the next request: the ones that this one was made
    /// with, or their [successor](crate::Grant::with_successor) if the reply brought one.
    Denied(Rejected<Unauthenticated, Denial>, Credentials),
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(rejected) => write!(f, "still authenticating: {}", rejected.reason()),
            Self::Denied(rejected, _) => write!(f, "authentication failed: {}", rejected.reason()),
        }
    }
}

impl Error for ReceiveError {
    /// The reason; the session adds nothing to it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Stale(rejected) => rejected.source(),
            Self::Denied(rejected, _) => rejected.source(),
        }
    }
}

/// The reason why a reply renewed nothing. The current token stays in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the credentials are in one of them")]
pub enum RenewError {
    /// The reply is to another request: nothing changed.
    #[error(transparent)]
    Stale(#[from] StaleRequest),
    /// The reply gave no token. The credentials are those for the next request: the ones that this one was made
    /// with, or their [successor](crate::Grant::with_successor) if the reply brought one.
    #[error("renewal failed: {0}; the current token stays in use")]
    Denied(Denial, Credentials),
}

/// The reason why a driver requests no token by itself. The caller has to change that, most often by
/// [`start`](crate::Driver::start).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Blocked {
    /// There is no login: nothing was started, or it was stopped.
    #[error("no login: call `start`")]
    NotStarted,
    /// The token was adopted, or came with a session, and there are no credentials to renew it with. It stays in use
    /// until it expires.
    #[error(
        "there are no credentials to renew with: start with the next token, or set credentials"
    )]
    NoCredentials,
    /// The credentials were refused for good. A token that they gave before stays in use until it expires.
    #[error("the credentials were refused: start with new ones")]
    Refused,
    /// The credentials are usable once, and the reply to their request was lost: see
    /// [`Event::CredentialsSpent`](crate::Event::CredentialsSpent).
    #[error("the credentials are used up: set new ones")]
    Spent,
    /// As many tries failed in a row as the policy allows.
    #[error("too many tries failed: start again")]
    GaveUp,
    /// The exchange could not build its request.
    #[error("the exchange built no request: start with another exchange")]
    NoRequest,
}

/// The reason why an API request was not authorized, and what to do. The request carries no authorization now, not even
/// one that it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// The request doesn't go to one of the configured origins: another scheme, host or port, user
    /// information before the host, or a `Host` header that names another origin than the URI. Configure
    /// the origin, if it should have the token.
    #[error(
        "the request does not go to an allowed origin, by scheme, host, port or `Host` header: correct \
         it, or allow the origin with `ConfigBuilder::origin`"
    )]
    OtherOrigin,
    /// The request's URI is relative, so its origin isn't known. Authorize the absolute URI.
    #[error("the URI has no host, so its origin is not known: use an absolute URI")]
    NoHost,
    /// The request has as many headers as an [`http::HeaderMap`] can hold: 24,576. Send fewer.
    #[error("the request's headers are full, so the token's has no room: send fewer")]
    TooManyHeaders,
    /// The session's token has certainly expired: advance the session, and authenticate again. (From a
    /// [`Session`].)
    #[error("the session's token has expired: advance the session, and authenticate again")]
    Expired,
    /// The session holds no token in this state. (From an [`AnySession`](super::AnySession).)
    #[error("the session is {state}, and holds no token: {}", way_out(*.0), state = .0)]
    NotActive(StateName),
    /// No token is in use, and the driver gets one, once there is a network: by [`poll`](crate::Driver::poll),
    /// which says what to send and when to poll again. Try again after the next event that leads to Active.
    /// (From a [`Driver`](crate::Driver).)
    #[error("no token is in use: poll the driver, and try again when an event leads to Active")]
    Wait,
    /// No token is in use, and the driver requests none by itself: the reason says what to do, which is most
    /// often to [`start`](crate::Driver::start). (From a [`Driver`](crate::Driver).)
    #[error("no token is in use: {0}")]
    Start(Blocked),
}

/// An input that has no meaning in the state of the session. With a typed [`Session`], it would not have
/// compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("`{input}` means nothing to a session that is {state}: {}", way_out(*.state))]
pub struct Misuse {
    /// The state.
    pub state: StateName,
    /// The input, by the name of its [`Input`](super::Input) variant.
    pub input: &'static str,
}

/// Returns what a session in this state can do.
fn way_out(state: StateName) -> &'static str {
    match state {
        StateName::Unauthenticated | StateName::Expired => "authenticate, or adopt a token",
        StateName::Authenticating => "wait for the reply, or stop",
        StateName::Active => "renew, or stop",
    }
}

/// The rejection of an input by an [`AnySession`](super::AnySession).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// It has no meaning in this state.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// It is about a request that is not in flight.
    #[error(transparent)]
    Stale(#[from] StaleRequest),
    /// No request was made.
    #[error(transparent)]
    NotSent(#[from] SendError),
    /// The token to adopt was not taken.
    #[error(transparent)]
    NotAdopted(#[from] AdoptError),
}
