//! A session in any state, for struct fields, tests and fuzzers.

use core::fmt;
use std::sync::Arc;

use super::{
    Active, AnyState, Authenticating, Authorization, AuthorizeError, Authorized, Config, Expired,
    Generation, Input, Machine, Misuse, Prepared, RequestId, SendError, Session, StaleRequest,
    StateName, Step, Transition, Unauthenticated, authorize,
};
use crate::exchange::{AllowedOrigin, Credentials, Identity};
use crate::time::{Moment, Remaining};

/// A session in any of its four states: what a struct field holds.
///
/// [`step`](Self::step) takes any input in any state, and changes the session in place.
/// [`into_typed`](Self::into_typed) gives the [`Session`] with the methods of its state.
///
/// ```
/// # use std::sync::Arc;
/// use videokit_session::session::{Input, Step};
/// use videokit_session::{AnySession, Moment};
/// # use videokit_session::{AllowedOrigin, Config};
///
/// struct Player {
///     session: AnySession,
/// }
///
/// # let config = Arc::new(Config::builder(AllowedOrigin::https("https://api.video.io")?).build()?);
/// let mut player = Player { session: AnySession::new(config, 1) };
/// assert_eq!(player.session.step(Input::Stop, Moment::default()), Step::Unchanged);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a session that is dropped forgets its token"]
pub struct AnySession {
    pub(crate) config: Arc<Config>,
    pub(crate) machine: Machine,
}

/// An [`AnySession`] as the [`Session`] that it is.
#[derive(Debug)]
#[must_use = "a session that is dropped forgets its token"]
#[expect(clippy::exhaustive_enums, reason = "the states are four")]
pub enum TypedSession {
    /// No token, and no request in flight.
    Unauthenticated(Session<Unauthenticated>),
    /// A request for a token is in flight, and no token is in use.
    Authenticating(Session<Authenticating>),
    /// A token is in use.
    Active(Session<Active>),
    /// The token has certainly expired.
    Expired(Session<Expired>),
}

impl AnySession {
    /// Returns a new session, unauthenticated. See [`Session::new`], also for why no two sessions may share a
    /// seed.
    pub fn new(config: Arc<Config>, seed: u64) -> Self {
        Self { config, machine: Machine::new(seed) }
    }

    /// Returns the state, as a value.
    #[must_use]
    pub fn state(&self) -> StateName {
        self.machine.state()
    }

    /// Returns the last transition, which tells why the session is in this state; `None` for a new one.
    #[must_use]
    pub fn last_transition(&self) -> Option<Transition> {
        self.machine.core.last
    }

    /// Returns the configuration.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Returns the id of the request in flight, if there is one.
    #[must_use]
    pub fn in_flight(&self) -> Option<RequestId> {
        self.machine.in_flight()
    }

    /// Returns the identity that the token is for, or that the next one has to be for, as far as that is known.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.machine.identity()
    }

    /// Returns the number of the current token; `None` without one.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        Some(self.machine.active()?.token.generation)
    }

    /// Returns how long the current token still lives; `None` without one.
    #[must_use]
    pub fn remaining(&self, now: Moment) -> Option<Remaining> {
        Some(self.machine.active()?.token.lifetime.remaining(self.machine.core.stamp_at(now)))
    }

    /// Puts the token on an API request: see [`Session::authorize`].
    ///
    /// # Errors
    /// [`AuthorizeError`] as there, and [`AuthorizeError::NotActive`] in another state than Active.
    pub fn authorize<B>(
        &self,
        request: &mut http::Request<B>,
        now: Moment,
    ) -> Result<Authorized, AuthorizeError> {
        authorize(request, &self.config, || self.current(now))
    }

    /// Returns the header for an API request to `origin`: see [`Session::authorization`].
    ///
    /// # Errors
    /// [`AuthorizeError`] as there, and [`AuthorizeError::NotActive`] in another state than Active.
    pub fn authorization(
        &self,
        origin: &AllowedOrigin,
        now: Moment,
    ) -> Result<Authorization<'_>, AuthorizeError> {
        self.config.check_origin(origin)?;
        self.current(now)
    }

    fn current(&self, now: Moment) -> Result<Authorization<'_>, AuthorizeError> {
        let active = self.machine.active().ok_or(AuthorizeError::NotActive(self.state()))?;
        active.authorization(&self.config, self.machine.core.stamp_at(now))
    }

    /// Gives the session an input. Total: every input is taken in every state, if only to be rejected.
    ///
    /// If a custom [`Exchange`](crate::exchange::Exchange) panics while it reads a reply, that request has failed: an
    /// active session keeps its token, another one is unauthenticated. If it panics elsewhere, nothing changed.
    pub fn step(&mut self, input: Input, now: Moment) -> Step {
        let moved = match input {
            Input::Authenticate(credentials) => return self.send(&credentials, false, now),
            Input::Renew(credentials) => return self.send(&credentials, true, now),
            Input::Reply(id, reply) => return self.receive(id, &reply, now),
            Input::Adopt(grant) => match self.machine.adopt(&grant, &self.config, now) {
                Ok(Some(transition)) => Some(transition),
                Ok(None) => return self.misuse("Adopt"),
                Err(error) => return Step::Rejected(error.into()),
            },
            Input::Failure(id, _) => match self.machine.fail(id, now) {
                Some(transition) => Some(transition),
                None => return Step::Rejected(StaleRequest { id }.into()),
            },
            Input::Advance => {
                // As in a typed session, only an active one takes a reading.
                if self.state() == StateName::Active {
                    self.machine.core.observe(now);
                }
                self.machine.advance()
            }
            Input::Stop => self.machine.stop(),
        };
        moved.map_or(Step::Unchanged, Step::Moved)
    }

    /// Gives the session a reply, borrowed, with a body of any type: the same as
    /// [`step`](Self::step) with [`Input::Reply`].
    pub fn receive<B: AsRef<[u8]>>(
        &mut self,
        id: RequestId,
        reply: &http::Response<B>,
        now: Moment,
    ) -> Step {
        let received = self.machine.receive(id, reply.into(), None, &self.config, now);
        match received.map(|(transition, outcome)| (transition, outcome.into_parts())) {
            None => Step::Rejected(StaleRequest { id }.into()),
            Some((transition, (None, next))) => Step::Granted(transition, next),
            Some((transition, (Some(denial), next))) => Step::Denied(transition, denial, next),
        }
    }

    /// Makes a request: a renewal while a token is in use, an authentication otherwise.
    fn send(&mut self, credentials: &Credentials, renews: bool, now: Moment) -> Step {
        let name = if renews { "Renew" } else { "Authenticate" };
        let state = self.state();
        if renews != (state == StateName::Active) || state == StateName::Authenticating {
            return self.misuse(name);
        }
        if self.in_flight().is_some() {
            return Step::Rejected(SendError::InFlight.into());
        }
        let prepared = match Prepared::new(credentials, self.machine.core.identity.as_ref()) {
            Ok(prepared) => prepared,
            Err(error) => return Step::Rejected(error.into()),
        };
        match (self.machine.send(prepared, &self.config, now), self.last_transition()) {
            (Some(outgoing), Some(transition)) => Step::Sent(transition, outgoing),
            _ => self.misuse(name),
        }
    }

    fn misuse(&self, input: &'static str) -> Step {
        Step::Rejected(Misuse { state: self.state(), input }.into())
    }

    /// Returns the session with the methods of its state.
    pub fn into_typed(self) -> TypedSession {
        let Self { config, machine: Machine { core, state } } = self;
        match state {
            AnyState::Unauthenticated(state) => {
                TypedSession::Unauthenticated(Session { config, core, state })
            }
            AnyState::Authenticating(state) => {
                TypedSession::Authenticating(Session { config, core, state })
            }
            AnyState::Active(state) => TypedSession::Active(Session { config, core, state }),
            AnyState::Expired(state) => TypedSession::Expired(Session { config, core, state }),
        }
    }
}

impl fmt::Debug for AnySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::debug(f, &self.state(), &self.machine.core)
    }
}

macro_rules! from_typed {
    ($($State:ident),+) => {$(
        impl From<Session<$State>> for AnySession {
            fn from(Session { config, core, state }: Session<$State>) -> Self {
                Self { config, machine: Machine { core, state: AnyState::$State(state) } }
            }
        }
    )+};
}

from_typed!(Unauthenticated, Authenticating, Active, Expired);
