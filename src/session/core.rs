//! What every state has in common: the counters, the clock and the identity of a session.

use super::{
    Config, Generation, RequestId, State, Transition, Unauthenticated, Why, transitions, why,
};
use crate::exchange::Identity;
use crate::time::{Clock, Moment, Stamp};

/// The part of a session that stays in place while the state changes.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    pub(crate) clock: Clock,
    /// The identity of the login, once it has held a grant that was asked for it or that names it. Until `stop`.
    pub(crate) identity: Option<Identity>,
    seed: u64,
    requests: u64,
    generations: u64,
    /// The last transition.
    pub(crate) last: Option<Transition>,
}

impl Core {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            clock: Clock::default(),
            identity: None,
            seed,
            requests: 0,
            generations: 0,
            last: None,
        }
    }

    /// Takes a reading of the clocks.
    pub(crate) fn observe(&mut self, now: Moment) {
        self.clock.advance(now);
    }

    /// Returns the elapsed time at `now`, without taking a reading.
    pub(crate) fn stamp_at(&self, now: Moment) -> Stamp {
        self.clock.advanced(now).stamp()
    }

    /// Returns the monotonic milliseconds that have passed as of the last reading.
    pub(crate) fn ticks(&self) -> u64 {
        self.clock.stamp().ticks
    }

    /// Counts one more request, and returns its id.
    pub(super) fn next_request(&mut self) -> RequestId {
        self.requests = self.requests.saturating_add(1);
        RequestId::new(self.seed, self.requests)
    }

    pub(super) fn next_generation(&mut self) -> Generation {
        self.generations = self.generations.saturating_add(1);
        Generation::from_number(self.generations)
    }

    /// Notes the transition from one state to another, and returns the other. A transition that is not in the
    /// table does not compile.
    pub(super) fn transition<T: State>(&mut self, from: &impl State, why: impl Why, to: T) -> T {
        self.last = Some(transitions::between(from, why, &to));
        to
    }

    /// Notes a transition that leaves the session in its state.
    pub(super) fn transition_in_place(&mut self, state: &impl State, why: impl Why) {
        self.last = Some(transitions::between(state, why, state));
    }

    /// Ends the login in a state that has one.
    pub(super) fn stop(&mut self, from: &impl State) -> Unauthenticated {
        self.identity = None;
        self.transition(from, why::Stopped, Unauthenticated)
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the number of requests made so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// Returns the number of tokens held so far.
    pub(crate) fn generations(&self) -> u64 {
        self.generations
    }
}

/// The context of a transition: core, configuration, and the moment of the call.
pub(super) struct Context<'a> {
    pub(super) core: &'a mut Core,
    pub(super) config: &'a Config,
    pub(super) now: Moment,
}

impl Context<'_> {
    /// Takes a reading of the clocks, and returns the elapsed time.
    pub(super) fn observe(&mut self) -> Stamp {
        self.core.observe(self.now);
        self.core.clock.stamp()
    }
}
