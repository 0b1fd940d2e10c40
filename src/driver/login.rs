//! The login that a driver works for: a token, or credentials to request tokens with.

use super::retry_after::Endpoint;
use super::start::Start;
use crate::exchange::{Credentials, Grant, Identity};
use crate::session::transitions::StateName;
use crate::session::{Blocked, Machine};

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
    pub(super) given: Option<Box<Credentials>>,
    pub(super) endpoint: Lookup,
    /// A token that is adopted with the next poll.
    pub(super) pending: Option<Box<Grant>>,
    pub(super) blocked: Option<Blocked>,
    /// Whether `CredentialsSpent` was emitted.
    pub(super) spent_emitted: bool,
}

/// Where the next request goes. It is looked up once for the same credentials, if a server has asked for a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lookup {
    /// It was not looked up.
    None,
    /// The exchange has no request to offer, or has panicked.
    Unknown,
    At(Endpoint),
}

impl Lookup {
    pub(super) fn endpoint(self) -> Option<Endpoint> {
        if let Self::At(endpoint) = self { Some(endpoint) } else { None }
    }
}

impl From<Option<Endpoint>> for Lookup {
    fn from(found: Option<Endpoint>) -> Self {
        found.map_or(Self::Unknown, Self::At)
    }
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
            None if machine.state() == StateName::Unauthenticated
                && machine.core.identity.is_none() =>
            {
                Self::None
            }
            None => Self::Token(None),
        }
    }

    pub(super) fn renewable(&self) -> Option<&Renewable> {
        if let Self::Renewable(login) = self { Some(login) } else { None }
    }

    pub(super) fn renewable_mut(&mut self) -> Option<&mut Renewable> {
        if let Self::Renewable(login) = self { Some(login) } else { None }
    }

    /// Returns whether there is a token that is still to be adopted.
    pub(super) fn has_pending(&self) -> bool {
        match self {
            Self::None => false,
            Self::Token(pending) => pending.is_some(),
            Self::Renewable(login) => login.pending.is_some(),
        }
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
            Self::Renewable(login) => {
                let pending = || login.pending.as_ref()?.identity();
                login.credentials.exchange().identity().or_else(pending)
            }
        }
    }
}

impl Renewable {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            given: None,
            endpoint: Lookup::None,
            pending: None,
            blocked: None,
            spent_emitted: false,
        }
    }

    /// Returns whether the caller has started with these credentials, or set them.
    pub(super) fn was_given(&self, credentials: &Credentials) -> bool {
        self.credentials == *credentials || self.given.as_deref() == Some(credentials)
    }

    /// Returns whether these credentials ask the same endpoint for the same scopes.
    pub(super) fn same_endpoint_and_scopes(&self, credentials: &Credentials) -> bool {
        same_endpoint(&self.credentials, credentials)
            && self.credentials.exchange().scopes() == credentials.exchange().scopes()
    }
}

/// Returns whether two credentials ask the same endpoint. An exchange that has no request to offer has no endpoint
/// to differ from.
pub(super) fn same_endpoint(one: &Credentials, other: &Credentials) -> bool {
    let stated = [one, other].map(|credentials| credentials.exchange().endpoint());
    if let [Some(one), Some(other)] = stated
        && one == other
    {
        return true;
    }
    Endpoint::of(one).zip(Endpoint::of(other)).is_none_or(|(one, other)| one == other)
}
