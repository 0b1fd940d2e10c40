//! The login that a driver works for: a token, or credentials to request tokens with.

use core::hash::{Hash, Hasher};
use core::num::NonZeroU64;
use std::hash::DefaultHasher;

use super::Endpoint;
use crate::exchange::Credentials;
use crate::session::transitions::StateName;
use crate::session::{Blocked, Machine};

/// The login that the driver works for.
#[derive(Debug, Clone)]
pub(super) enum Login {
    /// None.
    None,
    /// A token that was obtained elsewhere: to be adopted with the next poll, or adopted already.
    Token,
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
    /// Returns the login that a session is in the middle of.
    pub(super) fn of(machine: &Machine) -> Self {
        match machine.flight() {
            Some(flight) => Self::Renewable(Renewable::new(flight.credentials.clone())),
            None if machine.state() == StateName::Unauthenticated
                && machine.core.identity.is_none() =>
            {
                Self::None
            }
            None => Self::Token,
        }
    }

    pub(super) fn renewable(&self) -> Option<&Renewable> {
        if let Self::Renewable(login) = self { Some(login) } else { None }
    }

    pub(super) fn renewable_mut(&mut self) -> Option<&mut Renewable> {
        if let Self::Renewable(login) = self { Some(login) } else { None }
    }
}

impl Renewable {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            given: None,
            endpoint: Lookup::None,
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

/// Returns a number that equal things share, and others hardly ever; `None` for one that has none.
pub(super) fn digest(thing: impl Hash) -> Option<NonZeroU64> {
    // Its keys are fixed, so that the same thing has the same digest everywhere.
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    NonZeroU64::new(hasher.finish())
}
