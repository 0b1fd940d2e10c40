//! Elapsed time, from the readings of two unreliable clocks.

use super::Moment;

/// The most that the two clocks may drift apart, either way, before the difference counts as a step, in
/// milliseconds. Clock slewing and rounding stay below it; sleep and time settings that matter to a
/// token exceed it. Chosen by this project.
pub(super) const DRIFT: i64 = 1_000;

/// The most that one reading may add to either count, in milliseconds (about 35 years): one absurd
/// reading must not use up the counter's range and so blind the clock to what follows.
const LEAP: i64 = 1 << 40;

/// Elapsed time, from all readings so far. It is plain data: a copy can be advanced to look ahead.
///
/// Monotonic time counts as read. A monotonic clock that goes back adds nothing, and counts from there. Where the
/// wall clock runs ahead of it, the device may have slept: that counts apart, as time that *may* have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Clock {
    last: Moment,
    ticks: u64,
    pub(crate) drift: i64,
    jumps: i64,
}

impl Clock {
    /// Takes one more reading.
    pub(crate) fn advance(&mut self, now: Moment) {
        if now == self.last {
            return;
        }
        // A monotonic clock that went back adds nothing and re-bases.
        let dm = now.mono.saturating_sub(self.last.mono).min(LEAP.unsigned_abs());
        let dw = now.wall_millis().saturating_sub(self.last.wall_millis());
        self.last = now;
        self.ticks = self.ticks.saturating_add(dm);
        self.drift = self.drift.saturating_add(dw.saturating_sub_unsigned(dm));
        if self.drift > DRIFT {
            // Sleep, or a wall clock set forward: either way this much may have passed.
            self.jumps = self.jumps.saturating_add(self.drift.min(LEAP));
            self.drift = 0;
        } else if self.drift < -DRIFT {
            // A wall clock set back takes nothing away from what was banked.
            self.drift = 0;
        }
    }

    /// Returns this clock after one more reading.
    pub(crate) fn advanced(mut self, now: Moment) -> Self {
        self.advance(now);
        self
    }

    /// Returns the elapsed time as of the last reading.
    pub(crate) fn stamp(self) -> Stamp {
        Stamp {
            ticks: self.ticks,
            ahead: self.jumps.saturating_add(self.drift.max(0)),
            behind: self.drift.min(0),
        }
    }
}

/// A point in a [`Clock`]'s elapsed time. Only the difference between two stamps has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamp {
    /// Monotonic milliseconds: time that has certainly passed.
    pub(crate) ticks: u64,
    /// By how many milliseconds the wall clock ran ahead: time that may have passed besides.
    pub(crate) ahead: i64,
    /// How far the wall clock stands behind the monotonic one, not banked: 0 or less.
    behind: i64,
}

impl Stamp {
    /// Returns the ticks that many milliseconds later; 0, which is always past, if there are none.
    pub(super) fn ticks_after(self, millis: i64) -> u64 {
        if millis > 0 { self.ticks.saturating_add_signed(millis) } else { 0 }
    }

    /// Returns by how many milliseconds the wall clock ran ahead since an earlier stamp.
    ///
    /// A wall clock that stood behind the monotonic one at the earlier stamp counts from where it stood, so
    /// sleep that only lets it catch up counts in full. The result is below 0 where the wall clock took back
    /// what it had run ahead by then.
    pub(crate) const fn ahead_since(self, earlier: Self) -> i64 {
        self.ahead.saturating_sub(earlier.ahead.saturating_add(earlier.behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(readings: &[(u64, i64)]) -> Stamp {
        let start = Clock::default().advanced(Moment::from_millis(10_000, 0));
        let end = readings
            .iter()
            .fold(start, |clock, &(mono, wall)| clock.advanced(Moment::from_millis(mono, wall)));
        Stamp {
            ticks: end.stamp().ticks - start.stamp().ticks,
            ahead: end.stamp().ahead - start.stamp().ahead,
            behind: end.stamp().behind,
        }
    }

    #[test]
    fn readings_table() {
        type Row = (&'static str, &'static [(u64, i64)], u64, (i64, i64));
        let rows: &[Row] = &[
            ("both run", &[(11_000, 1_000), (15_000, 5_000)], 5_000, (0, 0)),
            ("drift at the limit is not a jump", &[(11_000, 2_000)], 1_000, (1_000, 0)),
            (
                "drift past the limit is banked",
                &[(11_000, 2_001), (12_000, 3_001)],
                2_000,
                (1_001, 0),
            ),
            (
                "small drift adds up to a jump",
                &[(11_000, 1_600), (12_000, 3_200)],
                2_000,
                (1_200, 0),
            ),
            (
                "a jump stays when the wall goes back",
                &[(10_000, 9_000), (10_000, 0)],
                0,
                (9_000, 0),
            ),
            ("set back at the limit", &[(10_000, -1_000), (10_000, 0)], 0, (0, 0)),
            ("and not forward again", &[(10_000, -1_000)], 0, (0, -1_000)),
            ("set back past the limit re-bases", &[(10_000, -1_001), (10_000, 0)], 0, (1_001, 0)),
            ("monotonic back re-bases", &[(4_000, 0), (5_000, 1_000)], 1_000, (0, 0)),
            ("one absurd reading is cut", &[(u64::MAX, 0)], 1 << 40, (0, 0)),
            (
                "and then a normal clock",
                &[(u64::MAX, 0), (20_000, 0), (21_000, 1_000)],
                (1 << 40) + 1_000,
                (0, 0),
            ),
        ];
        for &(name, readings, ticks, (ahead, behind)) in rows {
            assert_eq!(clock(readings), Stamp { ticks, ahead, behind }, "{name}");
        }
    }

    #[test]
    fn a_wall_clock_that_stands_behind_at_a_stamp_counts_from_there() {
        let start = Clock::default().advanced(Moment::from_millis(10_000, 0));
        // Where the wall clock stands at the first stamp, and how far it goes from there.
        for (first, then, ahead) in [
            (0, 500, 500),
            (-900, 900, 900),
            (-900, 400, 900), // it is still behind: all that may be hidden counts
            (-1_000, 1_000, 1_000),
            (-1_001, 1_000, 1_000), // re-based
            (900, -900, -900),
            (900, 200, 200),
        ] {
            let earlier = start.advanced(Moment::from_millis(10_000, first));
            let later = earlier.advanced(Moment::from_millis(10_000, first + then));
            assert_eq!(later.stamp().ahead_since(earlier.stamp()), ahead, "{first} {then}");
        }
    }

    #[test]
    fn no_time_after_a_stamp_is_always_past() {
        let stamp = Stamp { ticks: 7, ..Stamp::default() };
        let after = [i64::MIN, -1, 0, 1, i64::MAX].map(|millis| stamp.ticks_after(millis));
        assert_eq!(after, [0, 0, 0, 8, (1 << 63) + 6]);
    }

    #[test]
    fn sleep_is_time_that_may_have_passed() {
        let start = Clock::default().advanced(Moment::from_millis(0, 1_000_000));
        // An hour of sleep: the monotonic clock stopped, the wall clock did not.
        let awake = start.advanced(Moment::from_millis(5, 4_600_005));
        assert_eq!(awake.stamp().ticks - start.stamp().ticks, 5);
        assert_eq!(awake.stamp().ahead - start.stamp().ahead, 3_600_000);
        // The wall clock is set back by 900 ms, then the device sleeps for 900 ms.
        let behind = start.advanced(Moment::from_millis(0, 999_100));
        let awake = behind.advanced(Moment::from_millis(0, 1_000_000));
        assert_eq!(awake.stamp().ahead_since(behind.stamp()), 900);
    }

    #[test]
    fn extremes_saturate() {
        let mut clock = Clock::default();
        for (mono, wall) in [(u64::MAX, i64::MAX), (0, i64::MIN), (u64::MAX, i64::MAX), (7, 7)] {
            clock = clock.advanced(Moment::from_millis(mono, wall));
        }
        let before = clock.stamp();
        clock = clock.advanced(Moment::from_millis(1_007, 1_007));
        let after = clock.advanced(Moment::from_millis(1_007, 61_007)).stamp();
        assert_eq!(after.ticks - before.ticks, 1_000);
        assert_eq!(after.ahead - before.ahead, 60_000, "sleep is still seen");
    }
}
