//! The current login, and how a new `start` compares with it.

use super::Local;
use super::retry_after::Endpoint;
use crate::exchange::{Backend, Credentials, Grant, Identity};
use crate::secret::SessionToken;
use crate::session::transitions::StateName;
use crate::session::{Blocked, Machine};

/// What to log in with, for [`Driver::start`](super::Driver::start). Credentials, backends, tokens and
/// grants become one by `into()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Request a token with these credentials, and each token that follows.
    Exchange(Credentials),
    /// Take a token that was obtained elsewhere. It can't be renewed without credentials: see
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

/// The login that the driver works for.
#[derive(Debug, Clone)]
pub(super) enum Login {
    /// None.
    None,
    /// A token that was obtained elsewhere: to be adopted with the next poll, or adopted already.
    Token(Option<Box<Grant>>),
    /// Credentials, with which tokens are requested.
    Renewable(Renewable),
}

/// A login with credentials.
#[derive(Debug, Clone)]
pub(super) struct Renewable {
    pub(super) credentials: Credentials,
    /// The credentials that the caller last started with or set, where successors have taken their place.
    pub(super) given: Option<Credentials>,
    /// Where the credentials are sent; `None` if the exchange has no request.
    pub(super) endpoint: Option<Endpoint>,
    /// A token that is adopted with the next poll.
    pub(super) pending: Option<Box<Grant>>,
    pub(super) blocked: Option<Blocked>,
    /// Whether `CredentialsSpent` was emitted.
    pub(super) spent_emitted: bool,
}

/// How a new start compares with the current login.
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
            Start::Token(grant) => Self::Token(Some(Box::new(grant))),
        }
    }

    /// Returns the login that a session is in the middle of.
    pub(super) fn of(machine: &Machine) -> Self {
        match machine.flight() {
            Some(flight) => Self::Renewable(Renewable::new(flight.credentials.clone())),
            None if machine.state() == StateName::Unauthenticated => Self::None,
            None => Self::Token(None),
        }
    }

    pub(super) fn renewable(&self) -> Option<&Renewable> {
        if let Self::Renewable(login) = self { Some(login) } else { None }
    }

    pub(super) fn renewable_mut(&mut self) -> Option<&mut Renewable> {
        if let Self::Renewable(login) = self { Some(login) } else { None }
    }

    /// Takes out the token that is still to be adopted, if there is one.
    pub(super) fn take_pending(&mut self) -> Option<Box<Grant>> {
        match self {
            Self::None => None,
            Self::Token(pending) => pending.take(),
            Self::Renewable(login) => login.pending.take(),
        }
    }

    /// Returns the identity that is stated by what the login was started with.
    pub(super) fn stated_identity(&self) -> Option<&Identity> {
        match self {
            Self::None => None,
            Self::Token(pending) => pending.as_ref()?.identity(),
            Self::Renewable(login) => login.credentials.exchange().identity(),
        }
    }
}

impl Renewable {
    pub(super) fn new(credentials: Credentials) -> Self {
        let endpoint = Endpoint::of(&credentials);
        Self {
            credentials,
            given: None,
            endpoint,
            pending: None,
            blocked: None,
            spent_emitted: false,
        }
    }

    /// Returns whether the caller has started with these credentials, or set them.
    fn was_given(&self, credentials: &Credentials) -> bool {
        self.credentials == *credentials || self.given.as_ref() == Some(credentials)
    }

    /// Returns whether these credentials ask the same endpoint for the same scopes. An exchange without a
    /// request has no endpoint to differ from.
    fn same_endpoint_and_scopes(&self, credentials: &Credentials) -> bool {
        !self.differs(Endpoint::of(credentials))
            && self.credentials.exchange().scopes() == credentials.exchange().scopes()
    }

    /// Returns whether this is known to be another endpoint.
    pub(super) fn differs(&self, endpoint: Option<Endpoint>) -> bool {
        self.endpoint.zip(endpoint).is_some_and(|(current, other)| current != other)
    }
}

impl Local {
    /// Returns the identity of the login, as far as it is known: the one of its tokens, the stated one, or the one
    /// that the request under way asks for.
    pub(super) fn identity(&self) -> Option<&Identity> {
        let announced = self.announced.as_ref().map(|next| &next.prepared.credentials);
        let asked = || announced.or_else(|| Some(&self.machine.flight()?.credentials));
        let stated = || self.login.stated_identity().or_else(|| asked()?.exchange().identity());
        self.machine.held_identity().or_else(stated)
    }

    /// Compares a new start with the current login. Changes nothing, so a panic in an exchange does no harm.
    ///
    /// Two logins are the same only if both state their identity: a token or a cookie that names nobody may be
    /// anybody's, and the current token must not be used for somebody else.
    pub(super) fn relation(&self, start: Start) -> Relation {
        let same_identity = |named: Option<&Identity>| named.is_some() && named == self.identity();
        match (&self.login, start) {
            (Login::Renewable(current), Start::Exchange(credentials)) => {
                if current.was_given(&credentials) {
                    Relation::Joined
                } else if same_identity(credentials.exchange().identity())
                    && current.same_endpoint_and_scopes(&credentials)
                {
                    Relation::Rotated(credentials)
                } else {
                    Relation::Other(credentials.into())
                }
            }
            (Login::Token(_), Start::Exchange(credentials))
                if same_identity(credentials.exchange().identity()) =>
            {
                Relation::Rotated(credentials)
            }
            (Login::Token(current), Start::Token(grant))
                if self.has(current.as_deref(), &grant) =>
            {
                Relation::Joined
            }
            (Login::Token(_), Start::Token(grant)) if same_identity(grant.identity()) => {
                Relation::Replaced(grant)
            }
            (_, start) => Relation::Other(start),
        }
    }

    /// Compares credentials that join the login by declaration. Only a stated identity can differ.
    pub(super) fn declared(&self, credentials: Credentials) -> Relation {
        let stated = credentials.exchange().identity();
        let known = self.identity();
        match &self.login {
            Login::Renewable(current) if current.credentials == credentials => Relation::Joined,
            Login::None => Relation::Other(credentials.into()),
            _ if stated.is_some() && known.is_some() && stated != known => {
                Relation::Other(credentials.into())
            }
            _ => Relation::Rotated(credentials),
        }
    }

    /// Returns whether this very grant is to be adopted, or its token is in use. Its identity, if it names one,
    /// has to be known.
    fn has(&self, pending: Option<&Grant>, grant: &Grant) -> bool {
        match (pending, self.machine.active()) {
            (Some(pending), _) => pending == grant,
            (None, Some(active)) => {
                let known =
                    grant.identity().is_none() || grant.identity() == self.machine.held_identity();
                known && active.holds(grant)
            }
            (None, None) => false,
        }
    }
}
