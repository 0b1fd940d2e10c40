//! The pause after failures.

use super::policy::Policy;

/// How often in a row a try came to nothing, and until when to pause for it. Ticks, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Backoff {
    /// How often the pause has grown.
    failures: u32,
    /// How many tries failed in a row: not those that gave a token of doubtful life.
    tries: u32,
    until: u64,
    /// Whether the last of them was the network's: then its coming back ends the pause.
    by_network: bool,
}

impl Backoff {
    /// A longer pause. `seed` and the number of tokens so far make the jitter.
    pub(super) fn grow(&mut self, policy: &Policy, now: u64, chance: (u64, u64), by_network: bool) {
        let (seed, generations) = chance;
        self.failures = self.failures.saturating_add(1);
        self.until = now.saturating_add(policy.backoff(self.failures, seed, generations));
        self.by_network = by_network;
    }

    /// One more try failed. Says how many it are in a row.
    pub(super) fn fail(&mut self) -> u32 {
        self.tries = self.tries.saturating_add(1);
        self.tries
    }

    /// A try did not fail.
    pub(super) fn succeed(&mut self) {
        self.tries = 0;
    }

    /// The same, as it is at `now`, and with failures that make no difference any more as one number.
    #[cfg(feature = "_model")]
    pub(super) fn relative_to(self, policy: &Policy, now: u64) -> Self {
        Self {
            failures: policy.significant(self.failures),
            tries: policy.tries_that_count(self.tries),
            until: self.until.saturating_sub(now),
            by_network: self.by_network,
        }
    }

    /// How often the pause has grown.
    #[cfg(feature = "_model")]
    pub(super) fn pauses(self) -> u32 {
        self.failures
    }

    /// The least or the longest pause that this one could have become.
    #[cfg(feature = "_model")]
    pub(super) fn redraw(&mut self, policy: &Policy, now: u64, longest: bool) {
        let pause = if longest { policy.backoff_ceiling(self.failures) } else { 0 };
        self.until = now.saturating_add(pause);
    }

    /// The tick until which nothing is sent.
    pub(super) fn until(self) -> u64 {
        self.until
    }

    /// Counts from the start again, after the pause.
    pub(super) fn forget_failures(&mut self) {
        self.failures = 0;
        self.tries = 0;
    }

    pub(super) fn was_by_network(self) -> bool {
        self.by_network
    }
}
