//! The pause after failures.

use super::policy::Policy;
use crate::exchange::Flaw;
use crate::session::mix;

/// What failed, as far as that decides what ends the pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    /// The server, or the token that it gave: only time ends the pause.
    Server,
    /// The network: its coming back ends the pause.
    Network,
    /// A captive portal, by its page or a redirect: news of a network ends the pause.
    Portal,
}

/// After so many denials in a row with the same flaw, the service is taken for broken. Chosen by this project:
/// with the default backoff that is after about half a minute.
const STILL_MALFORMED: u32 = 5;

/// How often in a row a try came to nothing, and until when to pause for it. Ticks, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Backoff {
    /// How often the pause has grown.
    failures: u32,
    /// How many tries failed in a row: not those that gave a token of doubtful life.
    tries: u32,
    until: u64,
    /// What failed last.
    cause: Option<Cause>,
    /// The flaw of the last denials, without its position, and how many in a row had it.
    malformed: Option<(Flaw, u32)>,
}

impl Backoff {
    /// A longer pause. `seed` and the number of tokens so far make the jitter.
    pub(super) fn grow(&mut self, policy: &Policy, now: u64, chance: (u64, u64), cause: Cause) {
        let (seed, generations) = chance;
        self.failures = self.failures.saturating_add(1);
        let ceiling = policy.backoff_ceiling(self.failures, self.is_broken());
        // Full jitter, so that clients that failed together don't come back together.
        let chance = mix(mix(seed ^ mix(generations)) ^ u64::from(self.failures));
        let pause = chance.checked_rem(ceiling.saturating_add(1)).unwrap_or(0);
        self.until = now.saturating_add(pause);
        self.cause = Some(cause);
    }

    /// Notes the flaw of a denial, or that the last try ended in another way. Returns whether this flaw has
    /// now come so often in a row that the service is taken for broken.
    pub(super) fn note_flaw(&mut self, flaw: Option<Flaw>) -> bool {
        let flaw = flaw.map(Flaw::without_position);
        let before = self.malformed.filter(|(known, _)| Some(*known) == flaw);
        let count = before.map_or(0, |(_, count)| count).saturating_add(1);
        self.malformed = flaw.map(|flaw| (flaw, count.min(STILL_MALFORMED.saturating_add(1))));
        flaw.is_some() && count == STILL_MALFORMED
    }

    /// Whether the service is taken for broken, rather than out of reach behind a portal.
    fn is_broken(&self) -> bool {
        self.malformed.is_some_and(|(flaw, count)| flaw != Flaw::Markup && count >= STILL_MALFORMED)
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
            cause: self.cause,
            malformed: self.malformed,
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
        let ceiling = policy.backoff_ceiling(self.failures, self.is_broken());
        let pause = if longest { ceiling } else { 0 };
        self.until = now.saturating_add(pause);
    }

    /// The tick until which nothing is sent.
    pub(super) fn until(self) -> u64 {
        self.until
    }

    /// Ends the pause, and counts from the start again. What is known of the service stays.
    pub(super) fn end_pause(&mut self) {
        *self = Self { malformed: self.malformed, ..Self::default() };
    }

    /// Counts from the start again, after the pause.
    pub(super) fn forget_failures(&mut self) {
        self.failures = 0;
        self.tries = 0;
    }

    /// Returns what failed last, if anything did since the pause was reset.
    pub(super) fn cause(self) -> Option<Cause> {
        self.cause
    }
}
