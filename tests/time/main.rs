//! Time: random worlds of bad clocks, and the cases that have a name.

mod session;
mod worlds;

use std::time::Duration;

use proptest::prelude::*;
use videokit_session::time::{Clock, Evidence, ExpiresAt, Lifetime, Tolerances};
use videokit_session::{Moment, Validity};

fn evidence(expires_at: i64, date: i64) -> Evidence {
    Evidence::default().expires_at(Some(ExpiresAt::from_millis(expires_at))).date(Some(date))
}

fn tolerances(skew: u64) -> Tolerances {
    let seconds = Duration::from_secs;
    Tolerances::new(Duration::from_millis(skew), seconds(120), seconds(900))
}

/// What the contract excludes: a wall clock set back hides sleep, step by step.
#[test]
fn sleep_that_the_wall_clock_hides_keeps_an_expired_token_valid() {
    let mut now = Moment::from_millis(0, 0);
    let mut clock = Clock::default().advanced(now);
    let start = clock.stamp();
    let token = Lifetime::new(evidence(15_000, 0), tolerances(0), (start, start), now);
    let mut truly_passed = 0;
    for _ in 0..10 {
        // Set back by a second, then a second of sleep: the clocks look as if nothing had happened.
        for (step, sleep) in [(-1_000, 0), (0, 1_000)] {
            now = Moment::from_millis(0, now.wall_millis() + step + sleep);
            clock = clock.advanced(now);
            truly_passed += sleep;
        }
    }
    assert_eq!(truly_passed, 10_000);
    let left = token.remaining(clock.stamp());
    assert_eq!(left.at_least_millis(), 15_000 - 1_000 - 1_000, "no sleep was seen at all");
    for _ in 0..5 {
        for step in [-1_000, 1_000] {
            clock = clock.advanced(Moment::from_millis(0, now.wall_millis() + step));
            now = Moment::from_millis(0, now.wall_millis() + step);
        }
    }
    assert_eq!(token.remaining(clock.stamp()).validity(), Validity::Valid, "after 15 s of sleep");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_integers_at_all_give_an_ordered_interval(
        expires_at in prop::option::of(any::<i64>()),
        date in prop::option::of(any::<i64>()),
        longest in prop::option::of(any::<i64>()),
        age in any::<u64>(),
        tolerances in (any::<u64>(), any::<u64>(), any::<u64>()),
        readings in prop::collection::vec((any::<u64>(), any::<i64>()), 3..12),
    ) {
        let millis = Duration::from_millis;
        let tolerances =
            Tolerances::new(millis(tolerances.0), millis(tolerances.1), millis(tolerances.2));
        let evidence = Evidence::default()
            .expires_at(expires_at.map(ExpiresAt::from_millis))
            .date(date)
            .age(millis(age))
            .longest(longest);
        let mut stamps = Vec::new();
        let mut clock = Clock::default();
        for &(mono, wall) in &readings {
            clock = clock.advanced(Moment::from_millis(mono, wall));
            stamps.push(clock.stamp());
        }
        let received = Moment::from_millis(readings[1].0, readings[1].1);
        let lifetime = Lifetime::new(evidence, tolerances, (stamps[0], stamps[1]), received);
        let mut last = None;
        for &stamp in &stamps[1..] {
            let left = lifetime.remaining(stamp);
            if let Some(at_most) = left.at_most_millis() {
                prop_assert!(last.is_none_or(|last| at_most <= last), "hi grew");
                prop_assert!(left.at_least_millis() <= at_most, "lo {left:?}");
                last = Some(at_most);
            }
            prop_assert_eq!(lifetime.until_at_least(0, stamp) == 0, left.at_least_millis() <= 0);
            let expired = left.validity() == Validity::Expired;
            prop_assert_eq!(lifetime.until_expired(stamp) == Some(0), expired);
        }
    }
}
