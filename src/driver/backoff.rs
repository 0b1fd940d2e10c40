//! The pause after failures.

use super::Policy;
use crate::exchange::Flaw;
use crate::rng::mix;

/// The cause of a failure, as far as it decides what ends the pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum FailureCause {
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

/// The number of failures in a row, and the end of the pause that they cause. Ticks, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Backoff {
    /// How often the pause has grown.
    pub(super) failures: u32,
    /// How many tries failed in a row: not those that gave a token of doubtful life.
    pub(super) tries: u32,
    pub(super) until: u64,
    /// What failed last.
    pub(super) cause: Option<FailureCause>,
    /// The flaw of the last denials, without its position, and how many in a row had it.
    pub(super) malformed: Option<Box<(Flaw, u32)>>,
}

impl Backoff {
    /// Begins a longer pause. `seed` and the number of tokens so far make the jitter.
    pub(super) fn grow(
        &mut self,
        policy: &Policy,
        now: u64,
        chance: (u64, u64),
        cause: FailureCause,
    ) {
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
        let before = self.malformed.take().filter(|last| Some(last.0) == flaw);
        let count = before.map_or(0, |last| last.1).saturating_add(1);
        let counted = count.min(STILL_MALFORMED.saturating_add(1));
        self.malformed = flaw.map(|flaw| Box::new((flaw, counted)));
        flaw.is_some() && count == STILL_MALFORMED
    }

    /// Returns whether the service is taken for broken, rather than out of reach behind a portal.
    pub(super) fn is_broken(&self) -> bool {
        let last = self.malformed.as_deref();
        last.is_some_and(|(flaw, count)| *flaw != Flaw::Markup && *count >= STILL_MALFORMED)
    }

    /// Ends the pause, and resets the counts. The last flaw is kept.
    pub(super) fn end_pause(&mut self) {
        *self = Self { malformed: self.malformed.take(), ..Self::default() };
    }
}
