//! Readings of the caller's clocks.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

/// A reading of two clocks at once: the monotonic clock and the wall clock.
///
/// It is kept in whole milliseconds. The monotonic part counts from any start (of the program, the device or the
/// session, for example) that is the same for all readings of one session. The wall part may be wrong, may step and
/// may go back: the [contract](crate::time#the-contract) says how far it is trusted.
///
/// Any value is valid: none makes a session panic or freeze.
///
/// ```
/// use std::time::{Duration, Instant, SystemTime};
/// use videokit_session::Moment;
///
/// let start = Instant::now(); // once
/// let now = Moment::new(start.elapsed(), SystemTime::now()); // with every call
/// assert!(now.since_start() < Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Moment {
    pub(super) mono: u64,
    wall: i64,
}

impl Moment {
    /// Creates a reading from the time since the caller's start, and the wall clock.
    ///
    /// Both are cut to milliseconds. They saturate at `u64::MAX` ms since the start, and at `i64::MIN` and
    /// `i64::MAX` ms from 1970.
    #[must_use]
    pub fn new(since_start: Duration, wall: SystemTime) -> Self {
        let wall = match wall.duration_since(UNIX_EPOCH) {
            Ok(after) => signed(millis(after)),
            Err(before) => signed(millis(before.duration())).saturating_neg(),
        };
        Self { mono: millis(since_start), wall }
    }

    /// Creates a reading from integers: milliseconds since the caller's start, and milliseconds since 1970
    /// (negative before it). For tests, foreign languages and platforms without a `SystemTime`.
    #[must_use]
    pub const fn from_millis(since_start: u64, wall: i64) -> Self {
        Self { mono: since_start, wall }
    }

    /// Returns the moment at which both clocks have run on by `by`, saturating.
    ///
    /// ```
    /// use std::time::Duration;
    /// use videokit_session::Moment;
    ///
    /// let now = Moment::from_millis(1_000, -5_000);
    /// assert_eq!(now.after(Duration::from_secs(7)), Moment::from_millis(8_000, 2_000));
    /// ```
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        let by = millis(by);
        Self { mono: self.mono.saturating_add(by), wall: self.wall.saturating_add_unsigned(by) }
    }

    /// Returns the monotonic part: the time since the caller's start.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        Duration::from_millis(self.mono)
    }

    /// Returns the wall part: milliseconds since 1970-01-01T00:00:00Z, negative before it.
    #[must_use]
    pub const fn wall_millis(self) -> i64 {
        self.wall
    }
}

/// Returns a duration in whole milliseconds, saturating.
pub(crate) fn millis(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000);
    seconds.saturating_add(duration.subsec_millis().into())
}

pub(super) fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_clocks_before_1970_are_negative() {
        let wall = UNIX_EPOCH - Duration::from_millis(1_500);
        assert_eq!(Moment::new(Duration::ZERO, wall), Moment::from_millis(0, -1_500));
    }

    #[test]
    fn extremes_saturate() {
        let far = Moment::new(Duration::MAX, UNIX_EPOCH);
        assert_eq!(far, Moment::from_millis(u64::MAX, 0));
        let end = Moment::from_millis(u64::MAX, i64::MAX);
        assert_eq!(end.after(Duration::MAX), end);
    }
}
