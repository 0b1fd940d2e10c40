//! The pause after failures.

use super::policy::Policy;

/// How many tries failed in a row, and until when to pause for it. Ticks, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: u64,
    /// Whether the last of them was the network's: then its coming back ends the pause.
    by_network: bool,
}

impl Backoff {
    /// One more failure. `seed` and the number of tokens so far make the jitter.
    pub(super) fn fail(&mut self, policy: &Policy, now: u64, chance: (u64, u64), by_network: bool) {
        let (seed, generations) = chance;
        self.failures = self.failures.saturating_add(1);
        self.until = now.saturating_add(policy.backoff(self.failures, seed, generations));
        self.by_network = by_network;
    }

    pub(super) fn failures(self) -> u32 {
        self.failures
    }

    /// The same, as it is at `now`, and with failures that make no difference any more as one number.
    #[cfg(feature = "_model")]
    pub(super) fn relative_to(self, policy: &Policy, now: u64) -> Self {
        Self {
            failures: policy.significant(self.failures),
            until: self.until.saturating_sub(now),
            by_network: self.by_network,
        }
    }

    /// The tick until which nothing is sent.
    pub(super) fn until(self) -> u64 {
        self.until
    }

    /// Counts from the start again, after the pause.
    pub(super) fn forget_failures(&mut self) {
        self.failures = 0;
    }

    pub(super) fn was_by_network(self) -> bool {
        self.by_network
    }
}
