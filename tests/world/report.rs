//! What a simulation saw, and how it says that a promise was broken.

use core::fmt;
use std::collections::BTreeMap;

use videokit_session::sim::{Fault, FaultPlan};

/// The row in which faults of this kind are counted.
pub(crate) fn fault_row(fault: Fault) -> String {
    let shown = format!("{fault:?}");
    format!("fault {}", shown.split(' ').next().unwrap_or_default())
}

/// A promise of the driver, as the [ten rules](videokit_session::driver) and the [contract of time](videokit_session::time)
/// make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Invariant {
    /// Rule 1.
    Budget,
    /// Rule 2.
    StaleIsStale,
    /// Rule 3.
    FailureDoesNoHarm,
    /// Rule 4.
    RefusedIsRefused,
    /// Rule 5.
    UnauthorizedRenewsOnce,
    /// Rule 6.
    ServersAreLeftAlone,
    /// Rule 7.
    StopStops,
    /// Rule 8.
    OneEventEach,
    /// Rule 9.
    WayBack,
    /// Rule 10.
    Deterministic,
    /// Never Valid after the true expiry.
    NeverValidTooLong,
    /// Never Expired before the true expiry.
    NeverExpiredTooSoon,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Budget => "rule 1, budget",
            Self::StaleIsStale => "rule 2, stale is stale",
            Self::FailureDoesNoHarm => "rule 3, failure does no harm",
            Self::RefusedIsRefused => "rule 4, refused is refused",
            Self::UnauthorizedRenewsOnce => "rule 5, a 401 renews what may have died of age",
            Self::ServersAreLeftAlone => "rule 6, servers are left alone",
            Self::StopStops => "rule 7, stop stops",
            Self::OneEventEach => "rule 8, one event for each transition",
            Self::WayBack => "rule 9, a way back",
            Self::Deterministic => "rule 10, the same again",
            Self::NeverValidTooLong => "time, never valid after the true expiry",
            Self::NeverExpiredTooSoon => "time, never expired before the true expiry",
        })
    }
}

/// A promise that was broken: which, when, by what, and how to see it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The promise.
    pub(crate) promise: Invariant,
    /// What happened.
    pub(crate) what: String,
    /// When, in milliseconds from the start.
    pub(crate) at_ms: u64,
    /// Which of the world's drivers did it, from 0.
    pub(crate) driver: usize,
    /// The seed of the world.
    pub(crate) seed: u64,
    /// What had been planned to go wrong.
    pub(crate) plan: FaultPlan,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promise, what, at_ms, driver, seed, plan } = self;
        write!(
            f,
            "{promise}: {what}\nby driver {driver}, {at_ms} ms from the start; seed {seed}, fault plan:\n{plan}"
        )
    }
}

impl core::error::Error for Violation {}

/// How often what happened. Reports of several worlds can be merged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Report {
    counts: BTreeMap<String, u64>,
    digest: u64,
}

impl Report {
    /// How often something happened: a fault, by its name as `fault slow`; a cause, as `cause Granted`;
    /// a transition, as `Active -> Expired: Lapsed`.
    #[must_use]
    pub(crate) fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// Everything that happened at least once.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(what, count)| (what.as_str(), *count))
    }

    /// A number made of every output of every driver, in their order.
    #[must_use]
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// Adds another world's counts.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            let sum = self.counts.entry(what.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.digest ^= other.digest;
    }

    pub(crate) fn saw(&mut self, what: &str) {
        if let Some(count) = self.counts.get_mut(what) {
            *count = count.saturating_add(1);
        } else {
            self.counts.insert(what.to_owned(), 1);
        }
    }

    pub(crate) fn digest_more(&mut self, value: u64) {
        self.digest = crate::rng::mix(self.digest ^ value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_names_its_rule() {
        use Invariant as P;
        let rules = [
            P::Budget,
            P::StaleIsStale,
            P::FailureDoesNoHarm,
            P::RefusedIsRefused,
            P::UnauthorizedRenewsOnce,
            P::ServersAreLeftAlone,
            P::StopStops,
            P::OneEventEach,
            P::WayBack,
            P::Deterministic,
        ];
        for (number, promise) in (1..).zip(rules) {
            let name = promise.to_string();
            assert!(name.starts_with(&format!("rule {number}, ")), "{name}");
        }
        for promise in [P::NeverValidTooLong, P::NeverExpiredTooSoon] {
            assert!(promise.to_string().starts_with("time, never "), "{promise}");
        }
    }
}
