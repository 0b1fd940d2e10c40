//! What every state has in common: the counters, the clock and the identity of a session.

use super::generation::Generation;
use super::request::RequestId;
use super::transitions::{LastTransition, State, Transition, Why};
use crate::exchange::Identity;
use crate::time::{Clock, Moment, Stamp};

/// What stays in place while the state changes.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    pub(crate) clock: Clock,
    /// The identity of the login, once it has held a grant that was asked for it or that names it. Until `stop`.
    pub(super) identity: Option<Identity>,
    seed: u64,
    requests: u64,
    generations: u64,
    last: LastTransition,
}

impl Core {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            clock: Clock::default(),
            identity: None,
            seed,
            requests: 0,
            generations: 0,
            last: LastTransition::default(),
        }
    }

    /// Notes the transition from one state to another, and returns the other. A transition that is not in the
    /// table does not compile.
    pub(super) fn transition<To: State>(
        &mut self,
        from: &impl State,
        because: impl Why,
        to: To,
    ) -> To {
        self.last.transition(from, because, to)
    }

    /// Notes a transition that leaves the session in its state.
    pub(super) fn transition_in_place(&mut self, state: &impl State, because: impl Why) {
        self.last.transition_in_place(state, because);
    }

    /// Notes the transition that holds if the exchange, which is called next, panics.
    pub(super) fn presume<From: State, To: State>(&mut self, from: &From, because: impl Why) {
        self.last.presume::<From, To, _>(from, because);
    }

    pub(super) fn last_transition(&self) -> Option<Transition> {
        self.last.get()
    }

    /// Takes a reading of the clocks.
    pub(crate) fn observe(&mut self, now: Moment) {
        self.clock = self.clock.advanced(now);
    }

    /// Returns the elapsed time at `now`, without taking a reading.
    pub(super) fn stamp_at(&self, now: Moment) -> Stamp {
        self.clock.advanced(now).stamp()
    }

    /// Returns the monotonic milliseconds that have passed as of the last reading.
    pub(crate) fn ticks(&self) -> u64 {
        self.clock.stamp().ticks()
    }

    /// Counts one more request, and returns its number.
    pub(super) fn next_request(&mut self) -> u64 {
        self.requests = self.requests.saturating_add(1);
        self.requests
    }

    /// Returns the id of the request with this number.
    pub(super) fn request_id(&self, number: u64) -> RequestId {
        RequestId::new(self.seed, number)
    }

    pub(super) fn next_generation(&mut self) -> Generation {
        self.generations = self.generations.saturating_add(1);
        Generation::from_number(self.generations)
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
