//! The stage's clock: virtual time, which passes when somebody waits, and a bound on what may be done
//! without letting it pass.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::time::Moment;

/// 2026-11-24T04:00:00Z, when every scenario begins, in milliseconds since 1970.
const T0: i64 = 1_795_492_800_000;

/// How many calls at one moment are a loop that spins: it is told that the scenario is over.
const SPINS: u64 = 3_000;

/// How many calls at one moment are a loop that doesn't listen: it is cut off.
const DEAF: u64 = 10_000;

/// How many notes may be written while there is something in the inbox that nobody looks at.
const UNREAD: u64 = 100_000;

/// How many may be written even if nothing is due there: they are kept until somebody looks.
const KEPT: u64 = 1_000_000;

/// What a loop that was cut off unwinds with.
pub(super) struct CutOff;

/// When and why a loop was cut off first. It may have caught that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) at: u64,
    /// How much it did without looking into its inbox, if that was too much.
    pub(super) unread: Option<u64>,
}

/// No time yet.
const NEVER: u64 = u64::MAX;

/// Times are milliseconds since the scenario began, in which the device was awake.
///
/// Atomic, so that loops compile that are made to be sent to another thread; all of them stay on one.
#[derive(Debug)]
pub(super) struct Clock {
    at: AtomicU64,
    slept: AtomicU64,
    end: u64,
    /// How often anything was called since time passed last.
    calls: AtomicU64,
    /// How many notes were written since the inbox was looked into last; and how many of them since
    /// something was due in it.
    unread: AtomicU64,
    overlooked: AtomicU64,
    /// When something is due in the inbox, unless the loop does something that is answered sooner.
    due: AtomicU64,
    /// How often anything was called when there had been too much already.
    beyond: AtomicU64,
    /// When the loop was cut off first.
    cut_at: AtomicU64,
    /// What was unread then, if that was the reason.
    cut_unread: AtomicU64,
}

impl Clock {
    pub(super) fn new(end: u64) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            at: zero(),
            slept: zero(),
            end,
            calls: zero(),
            unread: zero(),
            overlooked: zero(),
            due: zero(),
            beyond: zero(),
            cut_at: AtomicU64::new(NEVER),
            cut_unread: zero(),
        }
    }

    pub(super) fn at(&self) -> u64 {
        self.at.load(Relaxed)
    }

    /// When the scenario is over.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// What the device's clocks show.
    pub(super) fn now(&self) -> Moment {
        Moment::from_millis(self.at(), self.true_wall(self.at()))
    }

    /// What a right wall clock shows at a time that has come, or will come unless the device sleeps.
    pub(super) fn true_wall(&self, at: u64) -> i64 {
        T0.saturating_add_unsigned(at.saturating_add(self.slept.load(Relaxed)))
    }

    /// Lets time pass. It goes no further than to the scenario's end, and never back.
    pub(super) fn pass_to(&self, at: u64) {
        let at = at.min(self.end);
        if self.at.fetch_max(at, Relaxed) < at {
            self.calls.store(0, Relaxed);
        }
    }

    /// The device sleeps: only the wall clock runs.
    pub(super) fn sleep(&self, millis: u64) {
        self.slept.fetch_add(millis, Relaxed);
    }

    /// Counts a call. One that comes after far too many others doesn't return: there is no other way
    /// to stop a loop that never asks whether it should.
    ///
    /// What the loop calls while it is unwound returns, since to unwind it twice at once would abort. One
    /// that catches this, and goes on, is cut off again after as many calls.
    pub(super) fn count_call(&self) {
        let too_many = self.calls.fetch_add(1, Relaxed) >= DEAF || self.is_unread();
        if too_many && self.beyond.fetch_add(1, Relaxed).is_multiple_of(DEAF) {
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
            self.overlooked.fetch_add(1, Relaxed);
        }
    }

    /// The inbox was looked into.
    pub(super) fn read(&self) {
        self.unread.store(0, Relaxed);
        self.overlooked.store(0, Relaxed);
    }

    /// The inbox is empty until then.
    pub(super) fn nothing_before(&self, due: u64) {
        self.due.store(due, Relaxed);
    }

    fn is_unread(&self) -> bool {
        self.overlooked.load(Relaxed) >= UNREAD || self.unread.load(Relaxed) >= KEPT
    }

    /// Whether the loop was cut off. It may have caught that, and gone on.
    pub(super) fn cut(&self) -> Option<Cut> {
        let at = Some(self.cut_at.load(Relaxed)).filter(|at| *at != NEVER)?;
        let unread = Some(self.cut_unread.load(Relaxed)).filter(|unread| *unread > 0);
        Some(Cut { at, unread })
    }

    /// Whether the loop spins; and how often it has called at this moment.
    pub(super) fn spins(&self) -> Option<u64> {
        Some(self.calls.load(Relaxed)).filter(|calls| *calls >= SPINS)
    }
}
