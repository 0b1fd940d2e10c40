//! A device with two clocks that need not be right, and that it may sleep with.

use videokit_session::time::Moment;

/// Parts per million.
const MILLION: i64 = 1_000_000;

/// A device. True time is what the simulation counts, in milliseconds from its start; the device shows
/// something else.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    /// Monotonic time so far, in microseconds.
    mono: u64,
    /// How much the monotonic clock is fast, in parts per million.
    fast_ppm: i64,
    /// What the wall clock shows, less true time, at the start.
    wall_offset: i64,
    /// How much the wall clock is fast, in parts per million: nothing if it is kept right, and as much as the
    /// monotonic clock if both run by one crystal that nobody corrects.
    wall_ppm: i64,
    read_at: u64,
    sleeps_until: u64,
    nonsense: Option<Moment>,
    /// Whether the device has ever slept, and how much of that its wall clock can hide by having been set
    /// back, in milliseconds, all in all.
    has_slept: bool,
    set_back: u64,
}

impl Device {
    /// A device whose wall clock shows `wall_offset` at the start.
    pub(crate) fn new(mono: u64, wall_offset: i64, fast_ppm: i64, wall_ppm: i64) -> Self {
        Self {
            mono: mono.saturating_mul(1_000),
            fast_ppm,
            wall_offset,
            wall_ppm,
            read_at: 0,
            sleeps_until: 0,
            nonsense: None,
            has_slept: false,
            set_back: 0,
        }
    }

    /// What the clocks show at the true time `now`.
    pub(crate) fn read(&mut self, now: u64) -> Moment {
        self.run_to(now);
        if let Some(nonsense) = self.nonsense.take() {
            return nonsense;
        }
        let true_time = i64::try_from(now).unwrap_or(i64::MAX);
        let gained = true_time.saturating_mul(self.wall_ppm).checked_div(MILLION).unwrap_or(0);
        let wall = true_time.saturating_add(self.wall_offset).saturating_add(gained);
        Moment::from_millis(self.mono.checked_div(1_000).unwrap_or(0), wall)
    }

    pub(crate) fn has_slept(&self) -> bool {
        self.has_slept
    }

    /// Returns how much sleep the wall clock can have hidden so far by having been set back.
    pub(crate) fn set_back(&self) -> u64 {
        self.set_back
    }

    /// Whether more sleep may be hidden than the contract of time absorbs (a second) from a token that was
    /// asked for when [`set_back`](Self::set_back) was this much. A fast monotonic clock hides none: what the
    /// wall clock falls behind it, it has counted itself.
    pub(crate) fn hides_too_much(&self, set_back: u64) -> bool {
        self.has_slept && self.set_back.saturating_sub(set_back) > 1_000
    }

    /// How far the wall clock is off.
    pub(crate) fn wall_error(&self, true_offset: i64) -> u64 {
        self.wall_offset.saturating_sub(true_offset).unsigned_abs()
    }

    /// The true time at which a timer set now for so much monotonic time goes off, if the device
    /// doesn't sleep meanwhile.
    pub(crate) fn after(&self, now: u64, millis: u64) -> u64 {
        let rate = MILLION.saturating_add(self.fast_ppm).max(1).unsigned_abs();
        let whole = u128::from(millis).saturating_mul(1_000_000);
        let truly = whole.div_ceil(u128::from(rate));
        now.saturating_add(u64::try_from(truly).unwrap_or(u64::MAX))
    }

    /// Until when the device sleeps, if it does at `now`.
    pub(crate) fn asleep_until(&self, now: u64) -> Option<u64> {
        (self.sleeps_until > now).then_some(self.sleeps_until)
    }

    /// Sleeps from `now` on.
    pub(crate) fn sleep(&mut self, now: u64, until: u64) {
        self.run_to(now);
        self.sleeps_until = self.sleeps_until.max(until);
        self.has_slept = true;
    }

    pub(crate) fn set_wall(&mut self, by: i64) {
        self.wall_offset = self.wall_offset.saturating_add(by);
        // A step of more than two seconds hides no more than the second before it.
        let hides = match by {
            0.. => 0,
            -2_000..0 => by.unsigned_abs(),
            _ => 1_000,
        };
        self.set_back = self.set_back.saturating_add(hides);
    }

    pub(crate) fn set_mono_back(&mut self, now: u64, by: u64) {
        self.run_to(now);
        self.mono = self.mono.saturating_sub(by.saturating_mul(1_000));
        // To whoever reads the clock, time passed that it doesn't show.
        self.has_slept = true;
    }

    /// Shows nonsense, once.
    pub(crate) fn show_nonsense(&mut self, nonsense: Moment) {
        self.nonsense = Some(nonsense);
        // The way back from it is a step back of the wall clock, as far as anybody can see.
        self.set_back = self.set_back.saturating_add(1_000_000);
    }

    fn run_to(&mut self, now: u64) {
        let asleep = self.sleeps_until.min(now).saturating_sub(self.read_at);
        let awake = now.saturating_sub(self.read_at).saturating_sub(asleep);
        let rate = MILLION.saturating_add(self.fast_ppm).max(0).unsigned_abs();
        let ran = u128::from(awake).saturating_mul(u128::from(rate)).checked_div(1_000);
        self.mono =
            self.mono.saturating_add(ran.and_then(|ran| u64::try_from(ran).ok()).unwrap_or(0));
        self.read_at = now;
    }
}
