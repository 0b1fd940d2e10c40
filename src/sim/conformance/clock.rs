//! Virtual time, which passes when the loop waits, and a limit on what it may do without waiting.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::time::Moment;

/// 2026-11-24T04:00:00Z, when every scenario begins, in milliseconds since 1970.
const T0: i64 = 1_795_492_800_000;

/// The number of calls at one moment after which a loop is given [`Input::End`](super::Input::End).
const TOO_MANY_CALLS: u64 = 3_000;

/// The number of calls at one moment after which a loop is cut off: it ignores its inbox.
const MOST_CALLS: u64 = 10_000;

/// The number of notes after which a loop is cut off that doesn't read its inbox: while something is due there,
/// and in any case, since the notes are kept until then.
const MOST_NOTES_WHILE_DUE: u64 = 100_000;
const MOST_NOTES: u64 = 1_000_000;

/// The payload of the unwinding of a loop that is cut off.
pub(super) struct CutOff;

/// When and why a loop was first cut off. It may have caught that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) at: u64,
    /// The number of notes, if there were too many.
    pub(super) unread: Option<u64>,
}

/// No time yet.
const NEVER: u64 = u64::MAX;

/// Times are milliseconds since the scenario began, in which the device was awake.
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
    /// The number of notes since the inbox was last read, and of those while something was due in it.
    unread: AtomicU64,
    unread_while_due: AtomicU64,
    /// When the inbox next has something, if the loop sends nothing.
    due: AtomicU64,
    /// The number of calls beyond what is allowed.
    beyond: AtomicU64,
    /// When the loop was first cut off, and the number of notes, if there were too many.
    cut_at: AtomicU64,
    cut_unread: AtomicU64,
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
        let too_many = self.calls.fetch_add(1, Relaxed) >= MOST_CALLS || self.is_unread();
        if too_many && self.beyond.fetch_add(1, Relaxed).is_multiple_of(MOST_CALLS) {
            if self.cut_at.load(Relaxed) == NEVER {
                let unread = if self.is_unread() { self.unread.load(Relaxed) } else { 0 };
                self.cut_unread.store(unread, Relaxed);
                self.cut_at.store(self.at(), Relaxed);
            }
            std::panic::resume_unwind(Box::new(CutOff));
        }
    }

    /// Counts a note.
    pub(super) fn count_note(&self) {
        self.unread.fetch_add(1, Relaxed);
        if self.at() >= self.due.load(Relaxed) {
            self.unread_while_due.fetch_add(1, Relaxed);
        }
    }

    /// The inbox was read.
    pub(super) fn read(&self) {
        self.unread.store(0, Relaxed);
        self.unread_while_due.store(0, Relaxed);
    }

    /// The inbox is empty until then.
    pub(super) fn next_due(&self, due: u64) {
        self.due.store(due, Relaxed);
    }

    fn is_unread(&self) -> bool {
        self.unread_while_due.load(Relaxed) >= MOST_NOTES_WHILE_DUE
            || self.unread.load(Relaxed) >= MOST_NOTES
    }

    /// Returns when and why the loop was cut off, if it was. It may have caught that, and gone on.
    pub(super) fn cut(&self) -> Option<Cut> {
        let at = Some(self.cut_at.load(Relaxed)).filter(|at| *at != NEVER)?;
        let unread = Some(self.cut_unread.load(Relaxed)).filter(|unread| *unread > 0);
        Some(Cut { at, unread })
    }

    /// Returns the number of calls at this moment, if there are too many.
    pub(super) fn too_many_calls(&self) -> Option<u64> {
        Some(self.calls.load(Relaxed)).filter(|calls| *calls >= TOO_MANY_CALLS)
    }
}
