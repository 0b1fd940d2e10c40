//! What every state has in common, and the one place where a session changes state.

use core::fmt;
use std::sync::Arc;

use super::config::Config;
use super::outgoing::RequestId;
use super::transitions::why::Why;
use super::transitions::{self, StateName, Transition};
use crate::time::{Clock, Moment};

pub(super) mod sealed {
    /// Closes the set of states, each of which is shown as a part of its session.
    pub trait Sealed: core::fmt::Debug {}
}

/// A state of a [`Session`]: [`Unauthenticated`](super::Unauthenticated),
/// [`Authenticating`](super::Authenticating), [`Active`](super::Active) or [`Expired`](super::Expired).
/// The set is closed. [`AnySession`](super::AnySession) holds a session in any of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a state of a session",
    note = "the states are `Unauthenticated`, `Authenticating`, `Active` and `Expired`",
    note = "a struct field that holds a session in any state has the type `AnySession`"
)]
pub trait State: sealed::Sealed {
    /// The state, as a value.
    const NAME: StateName;
}

/// A session in state `S`. See the [module](crate::session) for the states and a walk through them.
///
/// A transition changes the type, so a struct field that holds a session through several of them has the
/// type [`AnySession`](super::AnySession).
///
/// Not `Clone`: a copy would use the same request ids, and double what is sent.
#[must_use = "a session that is dropped forgets its token"]
pub struct Session<S: State> {
    pub(super) core: Core,
    pub(super) state: S,
}

/// How many tokens a session has held: the first one is generation 1, and each token that follows, by
/// whatever way, is one more. An API call that is answered 401 names the generation it was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub(super) u64);

impl Generation {
    /// The number, from 1.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    #[cfg(feature = "trace")]
    pub(crate) const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// What outlives every transition.
#[cfg_attr(feature = "_model", derive(Clone))]
pub(super) struct Core {
    pub(super) config: Arc<Config>,
    pub(super) clock: Clock,
    seed: u64,
    requests: u64,
    generations: u64,
    last: Option<Transition>,
}

impl Core {
    pub(super) fn new(config: Arc<Config>, seed: u64) -> Self {
        Self { config, clock: Clock::default(), seed, requests: 0, generations: 0, last: None }
    }

    /// Returns a core that counts on from this one: requests, tokens and time.
    pub(super) fn continued(&self) -> Self {
        Self {
            config: Arc::clone(&self.config),
            clock: self.clock,
            seed: self.seed,
            requests: self.requests,
            generations: self.generations,
            last: None,
        }
    }

    /// Changes state. There has to be a row of the table for it, or this doesn't compile.
    pub(super) fn become_state<From: State, To: State, Because: Why>(
        mut self,
        state: To,
    ) -> Session<To> {
        self.last = Some(const { transitions::require(From::NAME, Because::CAUSE, To::NAME) });
        Session { core: self, state }
    }

    /// Notes a transition that stays in its state. There has to be a row of the table for it.
    pub(super) fn stay<S: State, Because: Why>(&mut self) {
        self.last = Some(const { transitions::require(S::NAME, Because::CAUSE, S::NAME) });
    }

    pub(super) fn observe(&mut self, now: Moment) {
        self.clock = self.clock.advanced(now);
    }

    pub(super) fn next_request(&mut self) -> RequestId {
        self.requests = self.requests.saturating_add(1);
        RequestId::new(self.seed, self.requests)
    }

    pub(super) fn next_generation(&mut self) -> Generation {
        self.generations = self.generations.saturating_add(1);
        Generation(self.generations)
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// How many requests were made.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// How many tokens were held.
    pub(super) fn generations(&self) -> u64 {
        self.generations
    }

    pub(super) fn last(&self) -> Option<Transition> {
        self.last
    }
}

impl<S: State> Session<S> {
    /// The state, as a value. Time changes it only by a method that takes the session: an active one
    /// whose token has expired is active until it is advanced, and serves no token meanwhile.
    #[must_use]
    pub fn state(&self) -> StateName {
        S::NAME
    }

    /// The last transition, which says why the session is in this state; `None` for a new one.
    #[must_use]
    pub fn last_transition(&self) -> Option<Transition> {
        self.core.last
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.core.config
    }
}

impl<S: State> fmt::Debug for Session<S> {
    /// The state, with its request or its token's number, and the last cause. No token, no credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("state", &self.state)
            .field("cause", &self.core.last.map(|transition| transition.cause))
            .field("generations", &self.core.generations)
            .finish_non_exhaustive()
    }
}
