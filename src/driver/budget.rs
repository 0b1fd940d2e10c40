//! The request budget: a token bucket that nothing resets.

use super::Policy;

/// A token bucket: how many requests may still be sent. Times are ticks of the session's clock, in milliseconds.
///
/// The generic cell rate algorithm (ITU-T I.371): one number stands for the whole bucket, the time at
/// which it would be full again but for the burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Budget {
    /// "Theoretical arrival time": when the next request would be due at an even rate.
    pub(super) tat: u64,
    pub(super) last: Option<u64>,
}

impl Budget {
    /// A bucket with nothing in it: the first request may go an interval after `now`. Of all buckets
    /// with the same policy it allows the least, so that it can stand for one that isn't known.
    pub(super) fn spent(policy: &Policy, now: u64) -> Self {
        let refill = u64::from(policy.burst).saturating_mul(policy.interval);
        Self { tat: now.saturating_add(refill), last: Some(now) }
    }

    /// Returns the first tick at which a request may go.
    pub(super) fn opens_at(self, policy: &Policy) -> u64 {
        let credit = u64::from(policy.burst).saturating_sub(1).saturating_mul(policy.interval);
        let by_rate = self.tat.saturating_sub(credit);
        let by_spacing = self.last.map_or(0, |last| last.saturating_add(policy.spacing));
        by_rate.max(by_spacing)
    }

    /// Takes one request out of the bucket.
    pub(super) fn spend(&mut self, policy: &Policy, now: u64) {
        self.tat = self.tat.max(now).saturating_add(policy.interval);
        self.last = Some(now);
    }
}
