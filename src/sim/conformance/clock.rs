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

/// How many notes may be written that nobody has read: the loop takes nothing out of its inbox.
const UNREAD: u64 = 100_000;

/// What a loop that was cut off unwinds with.
pub(super) struct CutOff;

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
    /// How many notes were written since the inbox was looked into last.
    unread: AtomicU64,
    /// How often anything was called when there had been too much already.
    beyond: AtomicU64,
}

impl Clock {
    pub(super) fn new(end: u64) -> Self {
        let zero = || AtomicU64::new(0);
        Self { at: zero(), slept: zero(), end, calls: zero(), unread: zero(), beyond: zero() }
    }

    pub(super) fn at(&self) -> u64 {
        self.at.load(Relaxed)
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
            std::panic::resume_unwind(Box::new(CutOff));
        }
    }

    /// Counts a note.
    pub(super) fn count_note(&self) {
        self.unread.fetch_add(1, Relaxed);
    }

    /// The inbox was looked into.
    pub(super) fn read(&self) {
        self.unread.store(0, Relaxed);
    }

    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Relaxed) >= UNREAD
    }

    /// Whether the loop spins; and how often it has called at this moment.
    pub(super) fn spins(&self) -> Option<u64> {
        Some(self.calls.load(Relaxed)).filter(|calls| *calls >= SPINS)
    }
}
