//! Virtual time, which passes when the loop waits, and a limit on what it may do without waiting.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sim::T0;
use crate::time::Moment;

/// The number of calls at one moment after which a loop is given [`Input::End`](super::Input::End).
const TOO_MANY_CALLS: u64 = 3_000;

/// The number of calls at one moment after which a loop is cut off: it ignores its inbox.
const MOST_CALLS: u64 = 10_000;

/// The number of notes after which a loop is cut off that doesn't read its inbox: they are kept until then. A loop
/// that polls a thousand times a second makes fewer between two renewals.
const MOST_NOTES: u64 = 600_000;

/// The payload of the unwinding of a loop that is cut off.
pub(super) struct CutOff;

/// No time yet.
const NEVER: u64 = u64::MAX;

/// Times are milliseconds since the scenario began, at [`T0`] by the wall clock, in which the device was awake.
///
/// Atomic, so that loops compile that have to be `Send`; all of it stays on one thread.
#[derive(Debug, Default)]
pub(super) struct Clock {
    at: AtomicU64,
    slept: AtomicU64,
    /// When the scenario is over.
    pub(super) end: u64,
    /// The number of calls since time last passed.
    calls: AtomicU64,
    /// The number of notes since the inbox was last read.
    unread: AtomicU64,
    /// The number of calls beyond what is allowed.
    beyond: AtomicU64,
    /// When the loop was first cut off.
    cut_at: AtomicU64,
}

impl Clock {
    pub(super) fn new(end: u64) -> Self {
        Self { end, cut_at: AtomicU64::new(NEVER), ..Self::default() }
    }

    pub(super) fn at(&self) -> u64 {
        self.at.load(Relaxed)
    }

    /// Returns what the device's clocks show.
    pub(super) fn now(&self) -> Moment {
        Moment::from_millis(self.at(), self.true_wall(self.at()))
    }

    /// Returns what a right wall clock shows then, unless the device sleeps meanwhile.
    pub(super) fn true_wall(&self, at: u64) -> i64 {
        T0.saturating_add_unsigned(at.saturating_add(self.slept.load(Relaxed)))
    }

    /// Lets time pass: not beyond the scenario's end, and not back.
    pub(super) fn advance_to(&self, at: u64) {
        let at = at.min(self.end);
        if self.at.fetch_max(at, Relaxed) < at {
            self.calls.store(0, Relaxed);
        }
    }

    /// Lets the device sleep: only the wall clock runs.
    pub(super) fn sleep(&self, millis: u64) {
        self.slept.fetch_add(millis, Relaxed);
    }

    /// Counts a call. After far too many it doesn't return: nothing else stops a loop that ignores its inbox.
    ///
    /// Calls of a loop that is being unwound return, since unwinding twice would abort. One that catches it and
    /// goes on is cut off again after as many calls.
    pub(super) fn count_call(&self) {
        let unread = self.unread.load(Relaxed) >= MOST_NOTES;
        let too_many = self.calls.fetch_add(1, Relaxed) >= MOST_CALLS || unread;
        if too_many && self.beyond.fetch_add(1, Relaxed).is_multiple_of(MOST_CALLS) {
            self.cut_at.fetch_min(self.at(), Relaxed);
            std::panic::resume_unwind(Box::new(CutOff));
        }
    }

    /// Counts a note.
    pub(super) fn count_note(&self) {
        self.unread.fetch_add(1, Relaxed);
    }

    /// The inbox was read.
    pub(super) fn read(&self) {
        self.unread.store(0, Relaxed);
    }

    /// Returns when the loop was cut off, if it was. It may have caught that, and gone on.
    pub(super) fn cut_at(&self) -> Option<u64> {
        Some(self.cut_at.load(Relaxed)).filter(|at| *at != NEVER)
    }

    /// Returns the number of calls at this moment, if there are too many.
    pub(super) fn too_many_calls(&self) -> Option<u64> {
        Some(self.calls.load(Relaxed)).filter(|calls| *calls >= TOO_MANY_CALLS)
    }
}
