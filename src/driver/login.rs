//! Who is to be logged in, with what, and how a new wish relates to the one before.

use core::fmt;

use super::floors::Target;
use crate::exchange::{Backend, Credentials, Grant, Identity};
use crate::secret::SessionToken;
use crate::session::AnySession;

/// What to log in with, for [`Driver::start`](super::Driver::start). Credentials, backends, tokens and
/// grants become one by `into()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Ask for a token with these, and for each that follows.
    Exchange(Credentials),
    /// Take a token that was obtained elsewhere. It can't be renewed: see
    /// [`Event::TokenNeeded`](super::Event::TokenNeeded).
    Token(Grant),
}

impl From<Credentials> for Start {
    fn from(credentials: Credentials) -> Self {
        Self::Exchange(credentials)
    }
}

impl From<Backend> for Start {
    fn from(backend: Backend) -> Self {
        Self::Exchange(backend.into())
    }
}

impl From<Grant> for Start {
    fn from(grant: Grant) -> Self {
        Self::Token(grant)
    }
}

impl From<SessionToken> for Start {
    fn from(token: SessionToken) -> Self {
        Self::Token(token.into())
    }
}

/// Why a driver asks for no token by itself. It is for the caller to change that, most often by a
/// [`start`](super::Driver::start).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stalled {
    /// Nobody was started, or the login was stopped.
    NotStarted,
    /// The token was adopted, so there is nothing to ask for another with. It serves until it expires.
    NoCredentials,
    /// The credentials were refused for good. A token that they gave before serves until it expires.
    Refused,
    /// As many tries failed in a row as the policy allows.
    GaveUp,
    /// The exchange could not build its request.
    NoRequest,
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotStarted => "nobody is logged in: start",
            Self::NoCredentials => {
                "the token was adopted: start with the next one, or with credentials"
            }
            Self::Refused => "the credentials were refused: start with new ones",
            Self::GaveUp => "too many tries failed: start again",
            Self::NoRequest => "the exchange built no request: start with another",
        })
    }
}

/// The login that the driver works for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Login {
    Nobody,
    /// A token that was obtained elsewhere, until it is adopted.
    Pending(Grant),
    /// A token that was adopted.
    Adopted,
    Renewable(Renewable),
}

/// A login with credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Renewable {
    pub(super) credentials: Credentials,
    pub(super) target: Option<Target>,
    /// For whom the tokens of this login are, once that is known. The session forgets it when an
    /// authentication fails.
    pub(super) pinned: Option<Identity>,
    /// The session has yet to be given these credentials in place of those that it holds.
    pub(super) unset: bool,
    /// A token that is to be adopted before that.
    pub(super) adopt_first: Option<Grant>,
    pub(super) stalled: Option<Stalled>,
}

/// How a new start relates to the current login.
pub(super) enum Relation {
    /// It is the same.
    Joined,
    /// It is for the same identity, with other credentials.
    Rotated(Credentials),
    /// It is for the same identity, with another token.
    Replaced(Grant),
    /// It is another login, or may be.
    Other(Start),
}

impl Login {
    pub(super) fn new(start: Start) -> Self {
        match start {
            Start::Exchange(credentials) => Self::Renewable(Renewable::new(credentials)),
            Start::Token(grant) => Self::Pending(grant),
        }
    }

    /// The login that a session is in the middle of.
    pub(super) fn of(session: &AnySession) -> Self {
        match (session.credentials(), session) {
            (Some(credentials), _) => {
                let pinned = session.identity().cloned();
                Self::Renewable(Renewable { pinned, ..Renewable::new(credentials.clone()) })
            }
            (None, AnySession::Unauthenticated(_)) => Self::Nobody,
            (None, _) => Self::Adopted,
        }
    }

    /// Whether a current token would be renewed, if that were due.
    pub(super) fn can_renew(&self) -> bool {
        matches!(self, Self::Renewable(login) if login.stalled.is_none())
    }

    /// The token that is still to be adopted, if there is one.
    pub(super) fn take_pending(&mut self) -> Option<Grant> {
        match core::mem::replace(self, Self::Nobody) {
            Self::Pending(grant) => Some(grant),
            Self::Renewable(login) => login.adopt_first,
            Self::Nobody | Self::Adopted => None,
        }
    }

    /// The identity that tokens of this login have to be for, stated or named by a reply.
    pub(super) fn pinned(&self) -> Option<&Identity> {
        match self {
            Self::Renewable(login) => login.pinned.as_ref(),
            Self::Nobody | Self::Pending(_) | Self::Adopted => None,
        }
    }

    pub(super) fn stalled(&self) -> Option<Stalled> {
        match self {
            Self::Nobody => Some(Stalled::NotStarted),
            Self::Pending(_) => None,
            Self::Adopted => Some(Stalled::NoCredentials),
            Self::Renewable(renewable) => renewable.stalled,
        }
    }

    /// For whom the login is, as far as that is known.
    pub(super) fn identity<'a>(&'a self, session: &'a AnySession) -> Option<&'a Identity> {
        let own = match self {
            Self::Nobody | Self::Adopted => None,
            Self::Pending(grant) => grant.identity(),
            Self::Renewable(_) => self.pinned(),
        };
        own.or_else(|| session.identity())
    }

    /// Two logins are the same only if both say for whom they are: a token or a cookie that names nobody
    /// may be anybody's, and the current token must not serve somebody else.
    pub(super) fn relation(&self, start: Start, session: &AnySession) -> Relation {
        let same_identity =
            |named: Option<&Identity>| named.is_some() && named == self.identity(session);
        match (self, start) {
            (Self::Renewable(current), Start::Exchange(credentials)) => {
                if current.credentials == credentials {
                    Relation::Joined
                } else if same_identity(credentials.exchange().identity())
                    && current.asks_likewise(&credentials)
                {
                    Relation::Rotated(credentials)
                } else {
                    Relation::Other(credentials.into())
                }
            }
            (Self::Adopted | Self::Pending(_), Start::Exchange(credentials))
                if same_identity(credentials.exchange().identity()) =>
            {
                Relation::Rotated(credentials)
            }
            (Self::Pending(current), Start::Token(grant)) if *current == grant => Relation::Joined,
            (Self::Adopted, Start::Token(grant)) if holds(session, &grant) => Relation::Joined,
            (Self::Pending(_) | Self::Adopted, Start::Token(grant))
                if same_identity(grant.identity()) =>
            {
                Relation::Replaced(grant)
            }
            (_, start) => Relation::Other(start),
        }
    }
}

/// Whether the session has this very token, and knows for whom it is if the grant says so.
fn holds(session: &AnySession, grant: &Grant) -> bool {
    let AnySession::Active(session) = session else { return false };
    let known = grant.identity().is_none() || grant.identity() == session.identity();
    known && session.token().expose() == grant.token().expose()
}

impl Renewable {
    pub(super) fn new(credentials: Credentials) -> Self {
        let target = Target::of(&credentials);
        let pinned = credentials.exchange().identity().cloned();
        Self { credentials, target, pinned, unset: false, adopt_first: None, stalled: None }
    }

    /// Whether these credentials ask the same endpoint for the same scopes. An exchange that has no request
    /// to offer has no endpoint to differ from.
    fn asks_likewise(&self, credentials: &Credentials) -> bool {
        let targets = self.target.as_ref().zip(Target::of(credentials));
        targets.is_none_or(|(current, new)| *current == new)
            && self.credentials.exchange().scopes() == credentials.exchange().scopes()
    }
}
