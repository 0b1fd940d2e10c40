//! How long a token still lives, as an interval that contains the true time.

use super::{Bounds, DRIFT, Evidence, ExpiresAt, Moment, Stamp, Tolerances, signed};

/// The most sleep that a wall clock which stands behind can hide, in milliseconds: as far as it may drift.
const UNBANKED: i64 = DRIFT;

/// The remaining lifetime of one token, fixed when its grant was read. The formula is the
/// [module](crate::time#the-remaining-lifetime)'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) sent: Stamp,
    pub(crate) received: Stamp,
    /// `lo` before any time is counted, in milliseconds.
    at_least: i64,
    /// `hi` likewise; `None` where no end is known.
    at_most: Option<i64>,
    /// What the schedule counts from.
    pub(crate) scheduled: i64,
    /// When the token expires, as it was stated.
    pub(crate) expires_at: Option<ExpiresAt>,
    /// Before this tick the token is Valid, as long as the wall clock runs ahead by no more than it may drift.
    valid_until: u64,
    /// From this tick on, `hi` is 0 or less; `u64::MAX` where no end is known.
    expires: u64,
}

impl Lifetime {
    /// Returns the lifetime of a token whose request was sent at `sent` and whose reply came in at
    /// `received`, when the wall clock of `now` was read. For an adopted token, all three are one moment.
    pub(crate) fn new(
        evidence: Evidence,
        tolerances: Tolerances,
        (sent, received): (Stamp, Stamp),
        now: Moment,
    ) -> Self {
        let Bounds { at_least, at_most, scheduled } = evidence.bounds(tolerances, now);
        let expires_at = evidence.expires_at;
        let expires = at_most.map_or(u64::MAX, |hi| received.ticks_after(to_lose_slowly(hi)));
        let certain = at_least.saturating_sub(UNBANKED).saturating_sub(DRIFT);
        let valid_until = sent.ticks_after(to_lose_quickly(certain)).min(expires);
        let scheduled = scheduled.unwrap_or(at_least);
        Self { sent, received, at_least, at_most, scheduled, expires_at, valid_until, expires }
    }

    /// Returns what the interval means at `at`: the [validity](Remaining::validity) of what remains.
    pub(crate) fn validity(&self, at: Stamp) -> Validity {
        if at.ticks < self.valid_until && at.ahead_since(self.sent) <= DRIFT {
            return Validity::Valid;
        }
        self.remaining(at).validity()
    }

    /// Returns what is left at `at`.
    pub(crate) fn remaining(&self, at: Stamp) -> Remaining {
        let since_received = signed(at.ticks.saturating_sub(self.received.ticks));
        // A fast clock adds up to 1/1024. The wall clock has no say: it may have been set forward.
        let passed_at_least = since_received.saturating_sub(since_received / 1_024);
        Remaining {
            at_least_millis: self.at_least.saturating_sub(self.passed_at_most(at)),
            at_most_millis: self.at_most.map(|hi| hi.saturating_sub(passed_at_least)),
        }
    }

    /// Returns the most that has passed between sending and `at`, in milliseconds.
    fn passed_at_most(&self, at: Stamp) -> i64 {
        let since_sent = signed(at.ticks.saturating_sub(self.sent.ticks));
        // A slow clock hides up to 1/1024 of the time; sleep hides what the wall clock ran ahead.
        since_sent
            .saturating_add(since_sent / 1_024)
            .saturating_add(at.ahead_since(self.sent))
            .saturating_add(UNBANKED)
    }

    /// Returns what is left of [`scheduled`](Self::scheduled) at `at`, in milliseconds, counted as `lo` is.
    pub(crate) fn scheduled_at(&self, at: Stamp) -> i64 {
        self.scheduled.saturating_sub(self.passed_at_most(at))
    }

    /// Returns the token's age at `at`, in milliseconds: Δticks + Δahead since its reply was received, not below 0.
    pub(crate) fn age_at(&self, at: Stamp) -> u64 {
        let ticks = at.ticks.saturating_sub(self.received.ticks);
        ticks.saturating_add_signed(at.ahead_since(self.received))
    }

    /// Returns this lifetime with a schedule that counts from no more than `limit` milliseconds.
    pub(crate) fn shortened(self, limit: u64) -> Self {
        Self { scheduled: self.scheduled.min(signed(limit)), ..self }
    }

    /// Returns how many milliseconds of monotonic time there are from `at` until the bound that the
    /// schedule counts from has fallen to `level`, if the wall clock does not run ahead meanwhile; 0 if it
    /// has. That bound is `lo`, except where the [table](crate::time#the-remaining-lifetime) names another.
    pub(crate) fn until_at_least(&self, level: i64, at: Stamp) -> u64 {
        let to_lose = self.scheduled.saturating_sub(UNBANKED).saturating_sub(level);
        let total = to_lose_quickly(to_lose.saturating_sub(at.ahead_since(self.sent)));
        self.sent.ticks_after(total).saturating_sub(at.ticks)
    }

    /// Returns how many milliseconds of monotonic time there are from `at` until `hi` has fallen to 0; 0 if
    /// it has, `None` if it never does.
    pub(crate) fn until_expired(&self, at: Stamp) -> Option<u64> {
        self.at_most.map(|_| self.expires.saturating_sub(at.ticks))
    }
}

/// Returns the least `t` for which `t + t/1024`, cut to whole milliseconds, is at least `wanted`.
const fn to_lose_quickly(wanted: i64) -> i64 {
    wanted.saturating_sub(wanted / 1_025)
}

/// Returns the least `t` for which `t - t/1024`, with the quotient cut, is at least `wanted`.
const fn to_lose_slowly(wanted: i64) -> i64 {
    wanted.saturating_add(wanted.saturating_sub(1) / 1_023)
}

/// The remaining lifetime of a token, as an interval. A negative bound is time since the expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Remaining {
    at_least_millis: i64,
    at_most_millis: Option<i64>,
}

impl Remaining {
    /// Returns `lo`, in milliseconds: the token lives at least this long.
    #[must_use]
    pub const fn at_least_millis(self) -> i64 {
        self.at_least_millis
    }

    /// Returns `hi`, in milliseconds: the token lives at most this long. `None` if no end is known.
    #[must_use]
    pub const fn at_most_millis(self) -> Option<i64> {
        self.at_most_millis
    }

    /// Returns the judgement that follows from the interval.
    #[must_use]
    pub const fn validity(self) -> Validity {
        match self {
            Self { at_most_millis: Some(i64::MIN..=0), .. } => Validity::Expired,
            Self { at_least_millis: i64::MIN..=0, .. } => Validity::Unsure,
            _ => Validity::Valid,
        }
    }
}

/// The judgement whether a token has expired, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "trace", derive(serde::Serialize))]
#[expect(clippy::exhaustive_enums, reason = "an interval is before, around or after the end")]
pub enum Validity {
    /// The token has certainly not expired (`lo > 0`).
    Valid,
    /// The token may have expired (`lo <= 0 < hi`). It is still used, and renewal is due, except where another
    /// request would give the same: see the [schedule](crate::time#the-remaining-lifetime).
    Unsure,
    /// The token has certainly expired (`hi <= 0`). It is not used.
    Expired,
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::super::Clock;
    use super::super::evidence::LONGEST_BY_WALL;
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
        let base = expires(Evidence::NONE, T0 + 60_000).date(Some(T0));
        // L = 60 000; lo also loses 1000 + σ 500 + (200 + 0 + 0 + 1000); hi gains r 1000 + σ 500.
        assert_eq!(interval(base, 0), (57_300, Some(61_500)));
        let fraction = expires(base, T0 + 60_001);
        assert_eq!(interval(fraction, 0), (57_301, Some(60_501)), "no r for a fraction");
        let aged = base.age(Duration::from_secs(10));
        assert_eq!(interval(aged, 0), (47_300, Some(61_500)), "Age shortens lo alone");
    }

    #[test]
    fn without_date_the_wall_clock_stands_in() {
        let evidence = expires(Evidence::NONE, T0 + 600_000);
        // L = 600 000 - 200 by the wall; ω = 60 000 for σ.
        assert_eq!(interval(evidence, T0), (537_600, Some(660_800)));
        let unknown = (900_000 - 1_200, None);
        assert_eq!(interval(evidence, 0), unknown, "56 years by a wall clock alone");
        let edge = T0 + 600_000 - LONGEST_BY_WALL - 200;
        assert_ne!(interval(evidence, edge), unknown, "366 days are believed");
        assert_eq!(interval(evidence, edge - 1), unknown, "one more millisecond is not");
        assert_eq!(interval(Evidence::NONE, T0), unknown, "nothing was stated");
    }

    /// What is left of the schedule's bound in the moment of receipt.
    fn scheduled(evidence: Evidence, wall: i64) -> i64 {
        let (lifetime, received) = lifetime(evidence, wall);
        lifetime.scheduled_at(received.stamp())
    }

    #[test]
    fn a_wall_clock_alone_never_calls_a_token_expired() {
        let evidence = expires(Evidence::NONE, T0 + 600_000);
        let lo = |wall: i64| (T0 + 600_000 - (wall + 200)) - 61_000 - 1_200;
        // `hi` would be 600 000 - 660 799 - 200 + 61 000 = 1.
        let edge = T0 + 660_799;
        assert_eq!(interval(evidence, edge), (lo(edge), Some(1)), "believed");
        assert_eq!(scheduled(evidence, edge), lo(edge));
        assert_eq!(scheduled(evidence.adopted(), edge), lo(edge));
        for wall in [edge + 1, T0 + 86_400_000] {
            assert_eq!(interval(evidence, wall), (lo(wall), None));
            assert_eq!(interval(evidence.adopted(), wall), (lo(wall), None));
            // Due at once if it was adopted; as one of unknown expiry if it has just come in a reply.
            assert_eq!(scheduled(evidence.adopted(), wall), lo(wall));
            assert_eq!(scheduled(evidence, wall), 900_000 - 1_200);
            let jwt = evidence.longest(Some(30_000));
            assert_eq!(
                (interval(jwt, wall), scheduled(jwt, wall)),
                ((lo(wall), Some(31_500)), 27_300)
            );
            // A relative lifetime is one to go by.
            let both = evidence.lifetime(Some(Duration::from_secs(60)));
            assert_eq!(
                (interval(both, wall), scheduled(both, wall)),
                ((lo(wall), Some(61_000)), 58_800)
            );
        }
    }

    #[test]
    fn a_relative_lifetime_needs_no_clock_but_the_callers() {
        let lives = |millis| Evidence::NONE.lifetime(Some(Duration::from_millis(millis)));
        for wall in [0, T0, i64::MAX - 300] {
            // lo loses (200 + 0 + 0 + 1000); hi gains r.
            assert_eq!(interval(lives(60_000), wall), (58_800, Some(61_000)), "{wall}");
            assert_eq!(
                interval(lives(60_001), wall),
                (58_801, Some(60_001)),
                "no r for a fraction"
            );
            let aged = lives(60_000).age(Duration::from_secs(10));
            assert_eq!(interval(aged, wall), (48_800, Some(61_000)), "Age shortens lo alone");
            assert_eq!(scheduled(aged, wall), 48_800);
        }
        assert_eq!(
            interval(lives(0), 0),
            (-1_200, Some(1_000)),
            "nothing is left but what was cut"
        );
        let bounded = lives(60_000).longest(Some(30_000));
        assert_eq!(interval(bounded, 0), (27_300, Some(31_500)), "a JWT bounds it");
    }

    #[test]
    fn of_a_lifetime_and_an_expiry_the_shorter_bound_counts_at_each_end() {
        let expiry = expires(Evidence::NONE, T0 + 60_000).date(Some(T0)); // 57 300 to 61 500
        let both = |millis| {
            let both = expiry.lifetime(Some(Duration::from_millis(millis)));
            let (lo, hi) = interval(both, 0);
            assert_eq!(scheduled(both, 0), lo);
            (lo, hi.unwrap())
        };
        assert_eq!(both(30_000), (28_800, 31_000));
        assert_eq!(both(90_000), (57_300, 61_500));
        // 60 001 ms: its `lo` is over the other's, its `hi` under it.
        assert_eq!(both(60_001), (57_300, 60_001));
    }

    #[test]
    fn an_age_that_cannot_be_read_leaves_no_lower_bound_and_the_schedule_alone() {
        let dated = expires(Evidence::NONE, T0 + 60_000).date(Some(T0));
        let relative = Evidence::NONE.lifetime(Some(Duration::from_secs(60)));
        for evidence in [dated, relative, Evidence::NONE, Evidence::NONE.longest(Some(9_000))] {
            let unread = evidence.unreadable_age();
            let (_, hi) = interval(evidence, 0);
            assert_eq!(interval(unread, 0), (i64::MIN, hi));
            assert_eq!(scheduled(unread, 0), scheduled(evidence, 0));
        }
    }

    #[test]
    fn the_age_of_a_token_counts_sleep_and_is_not_below_zero() {
        let sent = clock(100_000, T0);
        let now = Moment::from_millis(100_200, T0 + 200);
        let received = sent.advanced(now);
        let stamps = (sent.stamp(), received.stamp());
        let lifetime = Lifetime::new(Evidence::NONE, tolerances(), stamps, now);
        let age = |mono: u64, wall: i64| {
            lifetime.age_at(received.advanced(Moment::from_millis(mono, T0 + wall)).stamp())
        };
        assert_eq!((age(100_200, 200), age(101_200, 1_200)), (0, 1_000), "since its reply");
        assert_eq!(age(101_200, 61_200), 61_000, "a minute of sleep");
        assert_eq!(age(101_200, -999_999), 1_000, "a wall clock set back");
        assert_eq!(lifetime.age_at(Clock::default().stamp()), 0, "before its reply came");
        assert_eq!(lifetime.scheduled, 900_000);
    }

    #[test]
    fn a_limit_shortens_the_schedule_alone_and_never_stretches_it() {
        let base = expires(Evidence::NONE, T0 + 600_000).date(Some(T0));
        let (stated, received) = lifetime(base, 0);
        let at = received.stamp();
        for (limit, scheduled) in [(60_000, 58_800), (1_000_000, 597_300), (u64::MAX, 597_300)] {
            let shortened = stated.shortened(limit);
            assert_eq!(shortened.scheduled_at(shortened.received), scheduled, "{limit}");
            assert_eq!(shortened.remaining(at), stated.remaining(at), "{limit}");
        }
    }

    #[test]
    fn a_jwt_lifetime_bounds_both_ends_and_never_stretches_them() {
        let base = expires(Evidence::NONE, T0 + 60_000).date(Some(T0));
        assert_eq!(interval(base.longest(Some(30_000)), 0), (27_300, Some(31_500)));
        assert_eq!(interval(base.longest(Some(90_000)), 0), (57_300, Some(61_500)));
        let unknown = Evidence::NONE.longest(Some(30_000));
        assert_eq!(interval(unknown, 0), (27_300, Some(31_500)));
        let long = Evidence::NONE.longest(Some(9_000_000));
        assert_eq!(interval(long, 0), (898_800, Some(9_001_500)));
    }

    #[test]
    fn the_short_way_to_a_judgement_ends_where_the_wall_clock_could_make_a_difference() {
        let base = expires(Evidence::NONE, T0 + 60_000).date(Some(T0));
        let (lifetime, received) = lifetime(base, 0);
        // `lo` was 57 300 at the receipt, 200 ms after the sending: 56 300 if the wall clock runs ahead by 1000.
        let at = |ticks: u64| {
            received.advanced(Moment::from_millis(
                100_200 + ticks,
                1_200 + i64::try_from(ticks).unwrap(),
            ))
        };
        let last = (0..60_000)
            .rev()
            .find(|ticks| lifetime.remaining(at(*ticks).stamp()).at_least_millis() > 0)
            .unwrap();
        assert_eq!(at(last).stamp().ticks + 1, lifetime.valid_until);
        let [before, after] = [last, last + 1].map(|ticks| lifetime.validity(at(ticks).stamp()));
        assert_eq!([before, after], [Validity::Valid, Validity::Unsure]);
    }

    #[test]
    fn time_passes_slower_for_hi_and_faster_for_lo() {
        let base = expires(Evidence::NONE, T0 + 60_000).date(Some(T0));
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
                Remaining { at_least_millis: at_least, at_most_millis: at_most }.validity(),
                validity,
                "{at_least} {at_most:?}"
            );
        }
    }

    #[test]
    fn the_least_time_in_which_a_bound_falls_by_so_much() {
        let quick = |t: i64| t + t / 1_024;
        let slow = |t: i64| t - t / 1_024;
        let year = 366 * 86_400_000;
        for wanted in
            (1..5_000).chain(1_048_500..1_052_700).chain(year..year + 2_100).chain([1 << 52])
        {
            let t = to_lose_quickly(wanted);
            assert!(quick(t) >= wanted && quick(t - 1) < wanted, "{wanted}");
            let t = to_lose_slowly(wanted);
            assert!(slow(t) >= wanted && slow(t - 1) < wanted, "{wanted}");
        }
        assert_eq!((to_lose_quickly(0), to_lose_slowly(0)), (0, 0));
        assert!(to_lose_quickly(i64::MIN) < 0);
    }

    #[test]
    fn waiting_times_end_exactly_at_their_edge() {
        let base = expires(Evidence::NONE, T0 + 3_600_000).date(Some(T0));
        let (lifetime, received) = lifetime(base, 0);
        for passed in [0, 1, 1_023, 1_024, 77_777, 2_000_000] {
            let at = |ms: u64| {
                let ms = passed + ms;
                let wall = 200 + i64::try_from(ms).unwrap();
                received.advanced(Moment::from_millis(100_200 + ms, wall)).stamp()
            };
            for level in [0, 1, 60_000, 900_001] {
                let wait = lifetime.until_at_least(level, at(0));
                assert!(
                    lifetime.remaining(at(wait)).at_least_millis() <= level,
                    "{passed} {level}"
                );
                assert!(
                    lifetime.remaining(at(wait - 1)).at_least_millis() > level,
                    "{passed} {level}"
                );
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
                    let evidence = expires(Evidence::NONE, expires_at)
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
