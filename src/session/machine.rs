//! A session without its configuration, in any state: what changes, in place.

use core::mem;

use super::{
    Active, AdoptError, Authenticating, Config, Context, Core, Expired, Flight, Lapsed, Outcome,
    Outgoing, Prepared, RequestId, State, StateName, Transition, Unauthenticated, why,
};
use crate::exchange::{Credentials, Denial, Grant, Identity, Reply};
use crate::time::{Moment, Validity};

/// A session in any state. It routes each input to the state, and decides nothing. The core stays where it is
/// whatever happens to the state, a panic in an exchange included.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) core: Core,
    pub(super) state: AnyState,
}

/// One of the four states.
#[derive(Clone)]
pub(super) enum AnyState {
    Unauthenticated(Unauthenticated),
    Authenticating(Authenticating),
    Active(Active),
    Expired(Expired),
}

impl Machine {
    pub(crate) fn new(seed: u64) -> Self {
        Self { core: Core::new(seed), state: AnyState::Unauthenticated(Unauthenticated) }
    }

    pub(crate) fn state(&self) -> StateName {
        match self.state {
            AnyState::Unauthenticated(_) => Unauthenticated::NAME,
            AnyState::Authenticating(_) => Authenticating::NAME,
            AnyState::Active(_) => Active::NAME,
            AnyState::Expired(_) => Expired::NAME,
        }
    }

    pub(crate) fn active(&self) -> Option<&Active> {
        if let AnyState::Active(active) = &self.state { Some(active) } else { None }
    }

    pub(crate) fn flight(&self) -> Option<&Flight> {
        match &self.state {
            AnyState::Authenticating(state) => Some(&state.flight),
            AnyState::Active(state) => state.flight.as_deref(),
            AnyState::Unauthenticated(_) | AnyState::Expired(_) => None,
        }
    }

    pub(crate) fn in_flight(&self) -> Option<RequestId> {
        Some(self.flight()?.id)
    }

    /// Returns the identity that the next token has to be for, as far as the session knows it.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        match &self.state {
            AnyState::Authenticating(state) => state.identity(&self.core),
            _ => self.core.identity.as_ref(),
        }
    }

    /// Sends a request, by the transition that the state has for it; `None` where a first request is in flight.
    pub(crate) fn send(
        &mut self,
        prepared: Prepared,
        config: &Config,
        now: Moment,
    ) -> Option<Outgoing> {
        let cx = &mut Context { core: &mut self.core, config, now };
        let (state, outgoing) = match &mut self.state {
            AnyState::Active(active) => return Some(active.renew(prepared, cx)),
            AnyState::Authenticating(_) => return None,
            AnyState::Unauthenticated(state) => {
                Authenticating::begin(state, why::Started, prepared, cx)
            }
            AnyState::Expired(state) => {
                Authenticating::begin(state, why::Reauthenticated, prepared, cx)
            }
        };
        self.state = AnyState::Authenticating(state);
        Some(outgoing)
    }

    /// Reads a reply; `None` if it is stale. If the exchange panics, the request has failed: an active session
    /// keeps its token, another one is unauthenticated. The token has to be for the identity that the request's
    /// credentials state, or else for the one that the login's `current` ones state.
    pub(crate) fn receive(
        &mut self,
        id: RequestId,
        reply: Reply<'_>,
        current: Option<&Credentials>,
        config: &Config,
        now: Moment,
    ) -> Option<(Transition, Outcome<Option<Denial>>)> {
        let outcome = if let AnyState::Active(active) = &mut self.state {
            let flight = active.take_flight(id)?;
            let cx = &mut Context { core: &mut self.core, config, now };
            active.receive(flight, reply, current, cx).map(Result::err)
        } else {
            let state = self.take_authenticating(id)?;
            let cx = &mut Context { core: &mut self.core, config, now };
            state.receive(reply, current, cx).map(|result| {
                let (state, denial) = match result {
                    Ok(state) => (AnyState::Active(state), None),
                    Err((state, denial)) => (AnyState::Unauthenticated(state), Some(denial)),
                };
                self.state = state;
                denial
            })
        };
        Some((self.core.last?, outcome))
    }

    /// Notes that a request got no reply; `None` if it is not in flight.
    pub(crate) fn fail(&mut self, id: RequestId, now: Moment) -> Option<Transition> {
        if let AnyState::Active(active) = &mut self.state {
            active.take_flight(id)?;
            active.fail(&mut self.core, now);
        } else {
            let state = self.take_authenticating(id)?;
            self.state = AnyState::Unauthenticated(state.fail(&mut self.core, now));
        }
        self.core.last
    }

    /// Takes a token that was obtained elsewhere; `None` where a first request is in flight.
    pub(crate) fn adopt(
        &mut self,
        grant: &Grant,
        config: &Config,
        now: Moment,
    ) -> Result<Option<Transition>, AdoptError> {
        let cx = &mut Context { core: &mut self.core, config, now };
        let active = match &mut self.state {
            AnyState::Authenticating(_) => return Ok(None),
            AnyState::Active(active) => {
                active.replace(grant, cx)?;
                return Ok(self.core.last);
            }
            AnyState::Unauthenticated(state) => Active::adopt(state, grant, cx)?,
            AnyState::Expired(state) => Active::adopt(state, grant, cx)?,
        };
        self.state = AnyState::Active(active);
        Ok(self.core.last)
    }

    /// Leaves Active if the token has certainly expired, as of the last reading.
    pub(crate) fn advance(&mut self) -> Option<Transition> {
        let AnyState::Active(active) = &mut self.state else { return None };
        if active.token.lifetime.validity(self.core.clock.stamp()) != Validity::Expired {
            return None;
        }
        self.state = match active.lapse(&mut self.core) {
            Lapsed::Expired(state) => AnyState::Expired(state),
            Lapsed::Reauthenticating(state) => AnyState::Authenticating(state),
        };
        self.core.last
    }

    /// Ends the login; `None` if the session was unauthenticated.
    pub(crate) fn stop(&mut self) -> Option<Transition> {
        let core = &mut self.core;
        let state = match &self.state {
            AnyState::Unauthenticated(_) => {
                core.identity = None;
                return None;
            }
            AnyState::Authenticating(state) => core.stop(state),
            AnyState::Active(state) => core.stop(state),
            AnyState::Expired(state) => core.stop(state),
        };
        self.state = AnyState::Unauthenticated(state);
        self.core.last
    }

    /// Ends a request that was announced and never sent, by the transition that the events report. The login goes on.
    pub(crate) fn end_announced(&mut self, transition: Transition) {
        if let AnyState::Expired(_) = self.state {
            self.state = AnyState::Unauthenticated(Unauthenticated);
        }
        self.core.last = Some(transition);
    }

    /// Takes the state out if the first request with this id is in flight. Leaves Unauthenticated in its place.
    fn take_authenticating(&mut self, id: RequestId) -> Option<Authenticating> {
        match mem::replace(&mut self.state, AnyState::Unauthenticated(Unauthenticated)) {
            AnyState::Authenticating(state) if state.flight.id == id => Some(state),
            other => {
                self.state = other;
                None
            }
        }
    }
}
