//! How long a token still lives, as an interval that holds the truth.

use core::time::Duration;

use super::clock::Stamp;
use super::moment::{Moment, millis};
use super::timestamp::ExpiresAt;

/// A `Date` is cut to the second (RFC 9110, section 5.6.7), so up to this much of it had passed
/// already, in milliseconds; likewise an `expiresAt` or a JWT's `exp` that names a whole second.
const SECOND: i64 = 1_000;

/// What the formula allows for drift that [`Clock`](super::Clock) has not banked yet, in milliseconds.
const UNBANKED: i64 = 1_000;

/// The longest lifetime that is believed on the device's wall clock alone, in milliseconds: 366 days.
/// Beyond it the wall clock is the likelier error (many devices start in 1970). Chosen by this project.
const LONGEST_BY_WALL: i64 = 366 * 24 * 3_600 * 1_000;

/// What a grant and its reply say about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[must_use]
pub struct Evidence {
    expires_at: Option<ExpiresAt>,
    date: Option<i64>,
    age: u64,
    lifetime: Option<i64>,
}

impl Evidence {
    /// When the token expires, on the issuer's clock; `None` if the reply doesn't say, or not readably.
    pub const fn expires_at(self, at: Option<ExpiresAt>) -> Self {
        Self { expires_at: at, ..self }
    }

    /// The reply's `Date`, in milliseconds since 1970; `None` without one.
    pub const fn date(self, date: Option<i64>) -> Self {
        Self { date, ..self }
    }

    /// The reply's `Age`: how long a cache held it.
    pub fn age(self, age: Duration) -> Self {
        Self { age: millis(age), ..self }
    }

    /// A JWT's `exp - iat`, in milliseconds: the longest the token can live, whatever else is said.
    pub const fn longest(self, lifetime: Option<i64>) -> Self {
        Self { lifetime, ..self }
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

/// The remaining lifetime of one token, fixed when its grant was read.
///
/// ```text
/// lo = L - 1000 - σ - Age - (Δticks_sent + Δticks_sent/1024 + Δahead_sent + 1000)
/// hi = L + r + σ          - (Δticks_received - Δticks_received/1024)
/// ```
///
/// with `L = expiresAt - Date`, and `r` = 1000 where `expiresAt` names a whole second. The remaining
/// lifetime is at least `lo` and at most `hi`, under the [contract](crate::time).
///
/// Without `Date`, the wall clock at receipt stands in for it, and ω for σ. Where that gives a token
/// that is long expired, or one that lives for more than 366 days, the wall clock is not believed and
/// the expiry is unknown: `lo` starts at the assumed lifetime and `hi` has no end. A JWT's `exp - iat`
/// bounds both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lifetime {
    sent: Stamp,
    received: Stamp,
    at_least: i64,
    at_most: Option<i64>,
}

impl Lifetime {
    /// The lifetime of a token whose request was sent at `sent` and whose reply came in at `received`,
    /// when the wall clock of `now` was read. For a token that came by other ways, all three are one
    /// moment.
    #[must_use]
    pub fn new(
        evidence: Evidence,
        tolerances: Tolerances,
        (sent, received): (Stamp, Stamp),
        now: Moment,
    ) -> Self {
        let (mut at_least, mut at_most) = match stated(evidence, tolerances, now) {
            Some((at_least, at_most)) => (at_least, Some(at_most)),
            None => (tolerances.assumed, None),
        };
        if let Some(longest) = evidence.lifetime {
            // The token was issued before its reply came in, so no more than this is left; `exp` and
            // `iat` are whole seconds, and one clock wrote both.
            let (lo, hi) = bounds(longest, true, tolerances.skew, evidence.age);
            at_least = at_least.min(lo);
            at_most = Some(at_most.map_or(hi, |stated| stated.min(hi)));
        }
        Self { sent, received, at_least, at_most }
    }

    /// What is left at `at`.
    #[must_use]
    pub fn remaining(&self, at: Stamp) -> Remaining {
        let since_sent = signed(at.ticks().saturating_sub(self.sent.ticks()));
        let since_received = signed(at.ticks().saturating_sub(self.received.ticks()));
        // A slow clock hides up to 1/1024 of the time; sleep hides what the wall clock ran ahead.
        let passed_at_most = since_sent
            .saturating_add(since_sent / 1_024)
            .saturating_add(at.ahead().saturating_sub(self.sent.ahead()))
            .saturating_add(UNBANKED);
        // A fast clock adds up to 1/1024. The wall clock has no say: it may have been set forward.
        let passed_at_least = since_received.saturating_sub(since_received / 1_024);
        Remaining {
            at_least: self.at_least.saturating_sub(passed_at_most),
            at_most: self.at_most.map(|hi| hi.saturating_sub(passed_at_least)),
        }
    }

    /// Returns how many milliseconds have passed since sending, as far as either clock shows.
    pub(crate) fn age_at(&self, at: Stamp) -> u64 {
        let ticks = signed(at.ticks().saturating_sub(self.sent.ticks()));
        let ahead = at.ahead().saturating_sub(self.sent.ahead());
        u64::try_from(ticks.saturating_add(ahead)).unwrap_or(0)
    }

    /// Returns the bound that the schedule counts from, in milliseconds since sending.
    pub(crate) fn scheduled(&self) -> i64 {
        self.at_least
    }

    /// Returns this lifetime with a schedule that counts from no more than `limit` milliseconds.
    pub(crate) fn shortened(self, limit: u64) -> Self {
        Self { at_least: self.at_least.min(signed(limit)), ..self }
    }

    /// Returns what the schedule had left when the reply came in.
    pub(crate) fn initial(&self) -> Remaining {
        self.remaining(self.received)
    }

    /// Where in the rounding of `lo` and `hi` the stamp `at` lies: with what remains at `at`, this says
    /// what will remain at every later stamp.
    #[cfg(feature = "_model")]
    pub(crate) fn phases(&self, at: Stamp) -> (u64, u64) {
        let phase = |since: Stamp| at.ticks().saturating_sub(since.ticks()) % 1_024;
        (phase(self.sent), phase(self.received))
    }

    /// How many milliseconds of monotonic time from `at` until `lo` has fallen to `level`, if the
    /// wall clock does not run ahead meanwhile; 0 if it has.
    #[must_use]
    pub fn until_at_least(&self, level: i64, at: Stamp) -> u64 {
        let since_sent = signed(at.ticks().saturating_sub(self.sent.ticks()));
        let lo = self.remaining(at).at_least;
        if lo <= level {
            return 0;
        }
        // lo falls by t + t/1024, each part rounded down: solve for the total, then step to the edge.
        let fall = since_sent.saturating_add(since_sent / 1_024);
        let wanted = fall.saturating_add(lo.saturating_sub(level));
        let total = first_reaching(wanted, |t| t.saturating_add(t / 1_024), 1_025);
        total.saturating_sub(since_sent).max(1).unsigned_abs()
    }

    /// How many milliseconds of monotonic time from `at` until `hi` has fallen to 0; 0 if it has,
    /// `None` if it never does.
    #[must_use]
    pub fn until_expired(&self, at: Stamp) -> Option<u64> {
        let since_received = signed(at.ticks().saturating_sub(self.received.ticks()));
        let hi = self.remaining(at).at_most?;
        if hi <= 0 {
            return Some(0);
        }
        let fall = since_received.saturating_sub(since_received / 1_024);
        let total = first_reaching(fall.saturating_add(hi), |t| t.saturating_sub(t / 1_024), 1_023);
        Some(total.saturating_sub(since_received).max(1).unsigned_abs())
    }
}

/// The interval at the reply's making, from what was stated about expiry; `None` if nothing useful was.
fn stated(evidence: Evidence, tolerances: Tolerances, now: Moment) -> Option<(i64, i64)> {
    let expires_at = evidence.expires_at?;
    let whole = expires_at.is_whole_second();
    if let Some(date) = evidence.date {
        let length = expires_at.as_millis().saturating_sub(date);
        return Some(bounds(length, whole, tolerances.skew, evidence.age));
    }
    let length = expires_at.as_millis().saturating_sub(now.wall_millis());
    let (lo, hi) = bounds(length, whole, tolerances.wall_error, evidence.age);
    (hi > 0 && length <= LONGEST_BY_WALL).then_some((lo, hi))
}

/// `L - 1000 - σ - Age` and `L + r + σ`.
fn bounds(length: i64, whole_second: bool, slack: i64, age: u64) -> (i64, i64) {
    let lo = length.saturating_sub(SECOND).saturating_sub(slack).saturating_sub_unsigned(age);
    let r = if whole_second { SECOND } else { 0 };
    (lo, length.saturating_add(r).saturating_add(slack))
}

/// The least `t` with `fall(t) >= wanted`, where `fall` grows by about `per_1024`/1024 of `t`.
fn first_reaching(wanted: i64, fall: impl Fn(i64) -> i64, per_1024: i64) -> i64 {
    let guess = i128::from(wanted).saturating_mul(1_024).checked_div(i128::from(per_1024));
    let mut t = i64::try_from(guess.unwrap_or(0)).unwrap_or(i64::MAX).saturating_sub(2).max(0);
    // The rounding of the two divisions is at most a few milliseconds.
    while fall(t) < wanted && t < i64::MAX {
        t = t.saturating_add(1);
    }
    t
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// The remaining lifetime of a token: at least one bound, at most the other. Negative values are time
/// past expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Remaining {
    at_least: i64,
    at_most: Option<i64>,
}

impl Remaining {
    /// `lo`, in milliseconds: the token lives at least this long.
    #[must_use]
    pub const fn at_least_millis(self) -> i64 {
        self.at_least
    }

    /// `hi`, in milliseconds: the token lives at most this long; `None` where no end is known.
    #[must_use]
    pub const fn at_most_millis(self) -> Option<i64> {
        self.at_most
    }

    /// What the interval means.
    #[must_use]
    pub const fn validity(self) -> Validity {
        match self {
            Self { at_most: Some(i64::MIN..=0), .. } => Validity::Expired,
            Self { at_least: i64::MIN..=0, .. } => Validity::Unsure,
            _ => Validity::Valid,
        }
    }
}

/// The judgement about a token's life at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Validity {
    /// It certainly lives (`lo > 0`).
    Valid,
    /// It may have expired (`lo <= 0 < hi`): it is still served, and renewed at once.
    Unsure,
    /// It has certainly expired (`hi <= 0`): it is not served.
    Expired,
}

#[cfg(test)]
mod tests {
    use super::super::Clock;
    use super::*;

    const T0: i64 = 1_795_492_800_000;

    fn tolerances() -> Tolerances {
        Tolerances::new(
            Duration::from_millis(500),
            Duration::from_secs(60),
            Duration::from_secs(900),
        )
    }

    fn clock(mono: u64, wall: i64) -> Clock {
        Clock::default().advanced(Moment::from_millis(mono, wall))
    }

    fn lifetime(evidence: Evidence, wall: i64) -> (Lifetime, Clock) {
        let sent = clock(100_000, wall);
        let now = Moment::from_millis(100_200, wall + 200);
        let received = sent.advanced(now);
        (Lifetime::new(evidence, tolerances(), (sent.stamp(), received.stamp()), now), received)
    }

    fn interval(evidence: Evidence, wall: i64) -> (i64, Option<i64>) {
        let (lifetime, received) = lifetime(evidence, wall);
        let left = lifetime.remaining(received.stamp());
        (left.at_least_millis(), left.at_most_millis())
    }

    fn expires(evidence: Evidence, millis: i64) -> Evidence {
        evidence.expires_at(Some(ExpiresAt::from_millis(millis)))
    }

    #[test]
    fn each_term_counts_as_the_formula_says() {
        let base = expires(Evidence::default(), T0 + 60_000).date(Some(T0));
        // L = 60 000; lo also loses 1000 + σ 500 + (200 + 0 + 0 + 1000); hi gains r 1000 + σ 500.
        assert_eq!(interval(base, 0), (57_300, Some(61_500)));
        let fraction = expires(base, T0 + 60_001);
        assert_eq!(interval(fraction, 0), (57_301, Some(60_501)), "no r for a fraction");
        let aged = base.age(Duration::from_secs(10));
        assert_eq!(interval(aged, 0), (47_300, Some(61_500)), "Age shortens lo alone");
    }

    #[test]
    fn without_date_the_wall_clock_stands_in() {
        let evidence = expires(Evidence::default(), T0 + 600_000);
        // L = 600 000 - 200 by the wall; ω = 60 000 for σ.
        assert_eq!(interval(evidence, T0), (537_600, Some(660_800)));
        let unknown = (900_000 - 1_200, None);
        assert_eq!(interval(evidence, T0 + 661_000), unknown, "expired by a wall clock alone");
        assert_eq!(interval(evidence, 0), unknown, "56 years by a wall clock alone");
        let edge = T0 + 600_000 - LONGEST_BY_WALL - 200;
        assert_ne!(interval(evidence, edge), unknown, "366 days are believed");
        assert_eq!(interval(evidence, edge - 1), unknown, "one more millisecond is not");
        assert_eq!(interval(Evidence::default(), T0), unknown, "nothing was stated");
    }

    #[test]
    fn a_jwt_lifetime_bounds_both_ends_and_never_stretches_them() {
        let base = expires(Evidence::default(), T0 + 60_000).date(Some(T0));
        assert_eq!(interval(base.longest(Some(30_000)), 0), (27_300, Some(31_500)));
        assert_eq!(interval(base.longest(Some(90_000)), 0), (57_300, Some(61_500)));
        let unknown = Evidence::default().longest(Some(30_000));
        assert_eq!(interval(unknown, 0), (27_300, Some(31_500)));
        let long = Evidence::default().longest(Some(9_000_000));
        assert_eq!(interval(long, 0), (898_800, Some(9_001_500)));
    }

    #[test]
    fn time_passes_slower_for_hi_and_faster_for_lo() {
        let base = expires(Evidence::default(), T0 + 60_000).date(Some(T0));
        let (lifetime, received) = lifetime(base, 0);
        let later = received.advanced(Moment::from_millis(100_200 + 10_240, 200 + 10_240 + 400));
        let left = lifetime.remaining(later.stamp());
        // Since sending: 10 440 + 10; drift 400 ahead. Since receiving: 10 240 - 10.
        assert_eq!(left.at_least_millis(), 60_000 - 1_500 - (10_440 + 10 + 400 + 1_000));
        assert_eq!(left.at_most_millis(), Some(61_500 - 10_230));
    }

    #[test]
    fn judgement_flips_on_the_millisecond() {
        let rows = [
            (1, Some(1), Validity::Valid),
            (1, None, Validity::Valid),
            (0, Some(1), Validity::Unsure),
            (i64::MIN, None, Validity::Unsure),
            (0, Some(0), Validity::Expired),
            (5, Some(0), Validity::Expired),
            (i64::MIN, Some(i64::MIN), Validity::Expired),
        ];
        for (at_least, at_most, validity) in rows {
            assert_eq!(
                Remaining { at_least, at_most }.validity(),
                validity,
                "{at_least} {at_most:?}"
            );
        }
    }

    #[test]
    fn waiting_times_end_exactly_at_their_edge() {
        let base = expires(Evidence::default(), T0 + 3_600_000).date(Some(T0));
        let (lifetime, received) = lifetime(base, 0);
        for passed in [0, 1, 1_023, 1_024, 77_777, 2_000_000] {
            let at = |ms: u64| {
                let ms = passed + ms;
                let wall = 200 + i64::try_from(ms).unwrap();
                received.advanced(Moment::from_millis(100_200 + ms, wall)).stamp()
            };
            for level in [0, 1, 60_000, 900_001] {
                let wait = lifetime.until_at_least(level, at(0));
                assert!(lifetime.remaining(at(wait)).at_least <= level, "{passed} {level}");
                assert!(lifetime.remaining(at(wait - 1)).at_least > level, "{passed} {level}");
            }
            let wait = lifetime.until_expired(at(0)).unwrap();
            assert_eq!(lifetime.remaining(at(wait)).validity(), Validity::Expired);
            assert_ne!(lifetime.remaining(at(wait - 1)).validity(), Validity::Expired);
        }
    }

    #[test]
    fn extremes_saturate() {
        for expires_at in [i64::MIN, -1, 0, i64::MAX] {
            for date in [None, Some(i64::MIN), Some(0), Some(i64::MAX)] {
                for longest in [None, Some(i64::MIN), Some(i64::MAX)] {
                    let evidence = expires(Evidence::default(), expires_at)
                        .date(date)
                        .age(Duration::MAX)
                        .longest(longest);
                    let (lifetime, received) = lifetime(evidence, i64::MAX - 300);
                    let end = received.advanced(Moment::from_millis(u64::MAX, i64::MAX)).stamp();
                    let _ = (lifetime.until_at_least(0, end), lifetime.until_expired(end));
                    assert_ne!(lifetime.remaining(end).validity(), Validity::Valid);
                }
            }
        }
    }
}
