//! Copies of a session, and what of it decides its future: for exhaustive checks (feature `_model`).

use super::any::AnySession;
use super::core::{Core, Session, State};
use super::flight::Flight;
use super::held::Held;
use super::transitions::StateName;
use crate::exchange::{Credentials, Grant, Identity};
use crate::time::{Moment, Validity, millis};

/// What decides a session's future, with times relative to now and clipped where they no longer matter.
/// Left out: the token, numbers of requests and generations, and so the jitter of what is to come.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Canonical {
    state: StateName,
    identity: Option<Identity>,
    credentials: Option<u64>,
    drift: i64,
    flight: Option<CanonicalFlight>,
    held: Option<CanonicalHeld>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CanonicalFlight {
    credentials: u64,
    overdue_in: u64,
    since_sent: u64,
    ahead_since_sent: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CanonicalHeld {
    margin: i64,
    scheduled: i64,
    at_least: i64,
    at_most: Option<i64>,
    phases: (u64, u64),
}

impl AnySession {
    /// The same session once more. Whoever drives both sends twice as much.
    pub(crate) fn fork(&self) -> Self {
        match self {
            Self::Unauthenticated(session) => session.fork().into(),
            Self::Authenticating(session) => session.fork().into(),
            Self::Active(session) => session.fork().into(),
            Self::Expired(session) => session.fork().into(),
        }
    }

    /// A number for the current token.
    pub(crate) fn token_fingerprint(&self) -> Option<u64> {
        let Self::Active(session) = self else { return None };
        Some(Grant::new(session.token().clone()).fingerprint())
    }

    /// The session's own time at `now`, without a note that it was asked for.
    pub(crate) fn ticks_at(&self, now: Moment) -> u64 {
        self.core().clock.advanced(now).stamp().ticks()
    }

    pub(crate) fn canonical(&self, now: Moment) -> Canonical {
        let core = self.core();
        let flight = match self {
            Self::Authenticating(session) => Some(&session.state.flight),
            Self::Active(session) => session.flight(),
            Self::Unauthenticated(_) | Self::Expired(_) => None,
        };
        let held = match self {
            Self::Active(session) => Some(&session.state.held),
            _ => None,
        };
        Canonical {
            state: self.state(),
            identity: self.identity().cloned(),
            credentials: self.credentials().map(Credentials::fingerprint),
            drift: core.clock.advanced(now).drift(),
            flight: flight.map(|flight| CanonicalFlight::of(flight, core, now)),
            held: held.map(|held| CanonicalHeld::of(held, core, now)),
        }
    }
}

impl<S: State + Clone> Session<S> {
    fn fork(&self) -> Self {
        Self { core: self.core.clone(), state: self.state.clone() }
    }
}

impl CanonicalFlight {
    fn of(flight: &Flight, core: &Core, now: Moment) -> Self {
        let at = core.clock.advanced(now).stamp();
        let sent = flight.sent();
        Self {
            credentials: flight.credentials().fingerprint(),
            overdue_in: millis(flight.overdue_in(core, now)),
            since_sent: at.ticks().saturating_sub(sent.ticks()),
            ahead_since_sent: at.ahead_since(sent),
        }
    }
}

impl CanonicalHeld {
    fn of(held: &Held, core: &Core, now: Moment) -> Self {
        let at = core.clock.advanced(now).stamp();
        let remaining = held.remaining(at);
        let (sent, received) = held.lifetime.phases(at);
        let scheduled = held.lifetime.scheduled_at(at).max(0);
        let falls = scheduled > 0 || remaining.at_least_millis() > 0;
        let is_finite = remaining.at_most_millis().is_some();
        let lives = remaining.validity() != Validity::Expired;
        Self {
            margin: held.margin,
            scheduled,
            at_least: remaining.at_least_millis().max(0),
            at_most: remaining.at_most_millis().map(|hi| hi.max(0)),
            phases: (if falls { sent } else { 0 }, if is_finite && lives { received } else { 0 }),
        }
    }
}
