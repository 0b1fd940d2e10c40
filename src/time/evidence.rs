//! What is said about a token's life, and what that bounds.

use core::time::Duration;

use super::moment::{Moment, millis};
use super::timestamp::ExpiresAt;

/// A `Date` is cut to the second (RFC 9110, section 5.6.7), so up to this much of it had passed
/// already, in milliseconds; likewise a lifetime, an `expiresAt` or a JWT's `exp` in whole seconds.
const SECOND: i64 = 1_000;

/// The longest lifetime that is believed on the device's wall clock alone, in milliseconds: 366 days.
/// Beyond it the wall clock is the likelier error (many devices start in 1970). Chosen by this project.
pub(super) const LONGEST_BY_WALL: i64 = 366 * 24 * 3_600 * 1_000;

/// What a grant and its reply say about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[must_use]
pub struct Evidence {
    expires_at: Option<ExpiresAt>,
    lifetime: Option<u64>,
    date: Option<i64>,
    age: Age,
    longest: Option<i64>,
    adopted: bool,
}

/// What the `Age` header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Age {
    Millis(u64),
    Unreadable,
}

impl Default for Age {
    /// There is no such header.
    fn default() -> Self {
        Self::Millis(0)
    }
}

impl Evidence {
    /// Sets when the token expires, on the issuer's clock; `None` if the reply doesn't say, or not readably.
    pub const fn expires_at(self, at: Option<ExpiresAt>) -> Self {
        Self { expires_at: at, ..self }
    }

    /// Sets how long the token lives from the writing of its reply, or from its adoption (OAuth's
    /// `expires_in`); cut to whole milliseconds. A whole number of seconds may have been cut to that, by up
    /// to a second.
    pub fn lifetime(self, lifetime: Option<Duration>) -> Self {
        Self { lifetime: lifetime.map(millis), ..self }
    }

    /// Sets the reply's `Date`, in milliseconds since 1970; `None` without one.
    pub const fn date(self, date: Option<i64>) -> Self {
        Self { date, ..self }
    }

    /// Sets the reply's `Age`: how long caches held it.
    pub fn age(self, age: Duration) -> Self {
        Self { age: Age::Millis(millis(age)), ..self }
    }

    /// Says that the reply has an `Age` that can't be read: caches may have held it for any time.
    pub const fn unreadable_age(self) -> Self {
        Self { age: Age::Unreadable, ..self }
    }

    /// Sets a JWT's `exp - iat`, in milliseconds: the longest the token can live, whatever else is said.
    pub const fn longest(self, lifetime: Option<i64>) -> Self {
        Self { longest: lifetime, ..self }
    }

    /// Marks the token as one that no reply gave. If it seems to have expired, it
    /// is due for renewal at once: a request may give a better one.
    pub const fn adopted(self) -> Self {
        Self { adopted: true, ..self }
    }

    /// Returns the bounds before any time is counted, if the wall clock of `now` was read at receipt.
    pub(super) fn bounds(self, tolerances: Tolerances, now: Moment) -> Bounds {
        let age = match self.age {
            Age::Millis(age) => age,
            Age::Unreadable => 0,
        };
        let by_expiry = self.by_expiry(tolerances, age, now);
        let by_lifetime = self.lifetime.map(|lifetime| relative(signed(lifetime), age));
        let unknown = Stated { at_least: tolerances.assumed, at_most: None, scheduled: None };
        let stated = match (by_expiry, by_lifetime) {
            (Some(by_expiry), Some(by_lifetime)) => by_expiry.shorter(by_lifetime),
            (one, other) => one.or(other).unwrap_or(unknown),
        };
        let mut bounds = Bounds {
            at_least: stated.at_least,
            at_most: stated.at_most,
            scheduled: stated.scheduled.unwrap_or(tolerances.assumed),
        };
        if let Some(longest) = self.longest {
            // The token was issued before its reply came in, so no more than this is left; `exp` and
            // `iat` are whole seconds, and one clock wrote both.
            let (lo, hi) = absolute(longest, true, tolerances.skew, age);
            bounds.at_least = bounds.at_least.min(lo);
            bounds.at_most = Some(bounds.at_most.map_or(hi, |at_most| at_most.min(hi)));
            bounds.scheduled = bounds.scheduled.min(lo);
        }
        if self.age == Age::Unreadable {
            bounds.at_least = i64::MIN;
        }
        bounds
    }

    /// What `expiresAt` bounds; `None` if there is none, or it is too far off to be believed.
    fn by_expiry(self, tolerances: Tolerances, age: u64, now: Moment) -> Option<Stated> {
        let expires_at = self.expires_at?;
        let whole = expires_at.is_whole_second();
        if let Some(date) = self.date {
            let length = expires_at.as_millis().saturating_sub(date);
            let (lo, hi) = absolute(length, whole, tolerances.skew, age);
            return Some(Stated { at_least: lo, at_most: Some(hi), scheduled: Some(lo) });
        }
        let length = expires_at.as_millis().saturating_sub(now.wall_millis());
        if length > LONGEST_BY_WALL {
            return None;
        }
        let (lo, hi) = absolute(length, whole, tolerances.wall_error, age);
        // The wall clock alone is no reason to call a token expired. It is one to ask for another, but not
        // if this one has just come by a request: the next reply would say the same.
        let believed = hi > 0;
        Some(Stated {
            at_least: lo,
            at_most: believed.then_some(hi),
            scheduled: (believed || self.adopted).then_some(lo),
        })
    }
}

/// How far clocks and statements are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub struct Tolerances {
    skew: i64,
    wall_error: i64,
    assumed: i64,
}

impl Tolerances {
    /// `skew` (σ): the most that the clock behind `expiresAt` and the one behind `Date` differ.
    /// `wall_error` (ω): the most that the device's wall clock is off, for replies without `Date`.
    /// `assumed_lifetime`: how long a token of unknown expiry counts as valid.
    pub fn new(skew: Duration, wall_error: Duration, assumed_lifetime: Duration) -> Self {
        Self {
            skew: signed(millis(skew)),
            wall_error: signed(millis(wall_error)),
            assumed: signed(millis(assumed_lifetime)),
        }
    }
}

/// The three numbers of a lifetime before any time is counted, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Bounds {
    /// `lo`.
    pub(super) at_least: i64,
    /// `hi`; `None` where no end is known.
    pub(super) at_most: Option<i64>,
    /// What the schedule counts from.
    pub(super) scheduled: i64,
}

/// What one statement bounds.
#[derive(Clone, Copy)]
struct Stated {
    at_least: i64,
    at_most: Option<i64>,
    /// `None` where the statement is no reason for any schedule.
    scheduled: Option<i64>,
}

impl Stated {
    /// The shorter of two, at each end.
    fn shorter(self, other: Self) -> Self {
        let least = |a: Option<i64>, b: Option<i64>| [a, b].into_iter().flatten().min();
        Self {
            at_least: self.at_least.min(other.at_least),
            at_most: least(self.at_most, other.at_most),
            scheduled: least(self.scheduled, other.scheduled),
        }
    }
}

/// `L - 1000 - σ - Age` and `L + r + σ`.
fn absolute(length: i64, whole_second: bool, slack: i64, age: u64) -> (i64, i64) {
    let lo = length.saturating_sub(SECOND).saturating_sub(slack).saturating_sub_unsigned(age);
    let r = if whole_second { SECOND } else { 0 };
    (lo, length.saturating_add(r).saturating_add(slack))
}

/// `L - Age` and `L + r`: no clock but the caller's has a say in it.
fn relative(length: i64, age: u64) -> Stated {
    let lo = length.saturating_sub_unsigned(age);
    let r = if length.checked_rem(SECOND) == Some(0) { SECOND } else { 0 };
    Stated { at_least: lo, at_most: Some(length.saturating_add(r)), scheduled: Some(lo) }
}

pub(super) fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}
