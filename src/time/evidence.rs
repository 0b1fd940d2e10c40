//! What is stated about a token's life, and the interval that follows from it.

use core::time::Duration;

use super::{ExpiresAt, Moment, millis, signed};

/// A `Date` is cut to the second (RFC 9110, section 5.6.7), so up to this many milliseconds of it had passed
/// already; likewise a lifetime, an `expiresAt` or a JWT's `exp` in whole seconds.
const SECOND: i64 = 1_000;

/// The longest lifetime that is believed on the device's wall clock alone, in milliseconds: 366 days.
/// Beyond it the wall clock is the likelier error (many devices start in 1970). Chosen by this project.
pub(super) const LONGEST_BY_WALL: i64 = 366 * 24 * 3_600 * 1_000;

/// The statements of a grant and its reply about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// When the token expires, by the issuer's clock.
    pub(crate) expires_at: Option<ExpiresAt>,
    /// How long the token lives from the writing of its reply, or from its adoption (OAuth's `expires_in`). A
    /// whole number of seconds may have been cut to that, by up to a second.
    pub(crate) lifetime: Option<Duration>,
    /// A JWT's `exp - iat`, in milliseconds: the longest the token can live, whatever else is stated.
    pub(crate) longest: Option<i64>,
    /// The reply's `Date`, in milliseconds since 1970.
    pub(crate) date: Option<i64>,
    /// How long caches held the reply; `None` if its `Age` can't be read.
    pub(crate) age: Option<Duration>,
    /// Whether no reply brought the token. If it seems to have expired, it is due for renewal at once: a
    /// request may give a better one.
    pub(crate) is_adopted: bool,
}

impl Evidence {
    /// Returns the bounds before any time is counted, if the wall clock of `now` was read at receipt.
    pub(super) fn bounds(self, tolerances: Tolerances, now: Moment) -> Bounds {
        let Tolerances { skew, assumed, .. } = tolerances;
        let age = self.age.map_or(0, millis);
        let by_lifetime = self.lifetime.map(|lifetime| {
            let length = signed(millis(lifetime));
            Bounds::stated(length, length.checked_rem(SECOND) == Some(0), (0, 0), age)
        });
        let unknown = Bounds { at_least: assumed, at_most: None, scheduled: None };
        let stated = [self.by_expiry(tolerances, age, now), by_lifetime].into_iter().flatten();
        let mut bounds = stated.reduce(Bounds::shorter).unwrap_or(unknown);
        bounds.scheduled = bounds.scheduled.or(Some(assumed));
        if let Some(longest) = self.longest {
            // The token was issued before its reply came in, so no more than this is left; `exp` and
            // `iat` are whole seconds, and one clock wrote both.
            bounds = bounds.shorter(Bounds::by_clocks(longest, true, skew, age));
        }
        if self.age.is_none() {
            bounds.at_least = i64::MIN;
        }
        bounds
    }

    /// Returns what `expiresAt` bounds; `None` if there is none, or it is too far off to be believed.
    fn by_expiry(self, tolerances: Tolerances, age: u64, now: Moment) -> Option<Bounds> {
        let expires_at = self.expires_at?;
        let length_from = |start: i64| expires_at.as_millis().saturating_sub(start);
        let is_whole = expires_at.is_whole_second();
        if let Some(date) = self.date {
            return Some(Bounds::by_clocks(length_from(date), is_whole, tolerances.skew, age));
        }
        let length = length_from(now.wall_millis());
        let bounds = Bounds::by_clocks(length, is_whole, tolerances.wall_error, age);
        // The wall clock alone is no reason to call a token expired. It is a reason to ask for another, unless
        // this one has just come in a reply: the next reply would say the same.
        let at_most = bounds.at_most.filter(|hi| *hi > 0);
        let scheduled = bounds.scheduled.filter(|_| at_most.is_some() || self.is_adopted);
        (length <= LONGEST_BY_WALL).then_some(Bounds { at_most, scheduled, ..bounds })
    }
}

/// The trust in clocks and statements, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tolerances {
    skew: i64,
    wall_error: i64,
    assumed: i64,
}

impl Tolerances {
    /// * `skew` (σ): the most that the clock behind `expiresAt` and the one behind `Date` differ.
    /// * `wall_error` (ω): the most that the device's wall clock is off, for replies without `Date`.
    /// * `assumed_lifetime`: how long a token of unknown expiry counts as valid.
    pub(crate) fn new(skew: Duration, wall_error: Duration, assumed_lifetime: Duration) -> Self {
        let [skew, wall_error, assumed] =
            [skew, wall_error, assumed_lifetime].map(|duration| signed(millis(duration)));
        Self { skew, wall_error, assumed }
    }
}

/// The bounds of a lifetime before any time is counted, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// `lo`.
    pub(super) at_least: i64,
    /// `hi`; `None` where no end is known.
    pub(super) at_most: Option<i64>,
    /// What the schedule counts from; `None` where what is stated is no reason for any.
    pub(super) scheduled: Option<i64>,
}

impl Bounds {
    /// Returns what two clocks bound that differ by up to `skew`.
    fn by_clocks(length: i64, is_whole: bool, skew: i64, age: u64) -> Self {
        Self::stated(length, is_whole, (skew.saturating_add(SECOND), skew), age)
    }

    /// Returns what the statement of a length bounds, which may be off by `less` and `more`.
    fn stated(length: i64, is_whole: bool, (less, more): (i64, i64), age: u64) -> Self {
        let lo = length.saturating_sub(less).saturating_sub_unsigned(age);
        let hi = length.saturating_add(if is_whole { SECOND } else { 0 }).saturating_add(more);
        Self { at_least: lo, at_most: Some(hi), scheduled: Some(lo) }
    }

    /// Returns the shorter bound at each end.
    fn shorter(self, other: Self) -> Self {
        let least = |a: Option<i64>, b: Option<i64>| [a, b].into_iter().flatten().min();
        Self {
            at_least: self.at_least.min(other.at_least),
            at_most: least(self.at_most, other.at_most),
            scheduled: least(self.scheduled, other.scheduled),
        }
    }
}

/// Evidence of one statement after another, as tests like to make it.
#[cfg(test)]
impl Evidence {
    pub(crate) const NONE: Self = Self {
        expires_at: None,
        lifetime: None,
        longest: None,
        date: None,
        age: Some(Duration::ZERO),
        is_adopted: false,
    };

    pub(crate) fn expires_at(self, expires_at: Option<ExpiresAt>) -> Self {
        Self { expires_at, ..self }
    }

    pub(crate) fn lifetime(self, lifetime: Option<Duration>) -> Self {
        Self { lifetime, ..self }
    }

    pub(crate) fn longest(self, longest: Option<i64>) -> Self {
        Self { longest, ..self }
    }

    pub(crate) fn date(self, date: Option<i64>) -> Self {
        Self { date, ..self }
    }

    pub(crate) fn age(self, age: Duration) -> Self {
        Self { age: Some(age), ..self }
    }

    pub(crate) fn unreadable_age(self) -> Self {
        Self { age: None, ..self }
    }

    pub(crate) fn adopted(self) -> Self {
        Self { is_adopted: true, ..self }
    }
}
