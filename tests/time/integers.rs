//! Any integer at all, in every argument.

use std::time::Duration;

use crate::Moment;
use crate::time::{Clock, Evidence, ExpiresAt, Lifetime, Tolerances};
use proptest::collection::vec;
use proptest::prelude::*;

/// Integers of every size, and those at the edges of the arithmetic.
fn integer() -> impl Strategy<Value = i64> {
    const EDGES: &[i64] =
        &[i64::MIN, i64::MIN + 1, -1_001, -1_000, 0, 1, 1_000, 1_001, 1 << 40, i64::MAX];
    prop_oneof![
        proptest::sample::select(EDGES),
        any::<i64>(),
        (any::<i64>(), 0..63_u32).prop_map(|(number, size)| number >> size),
    ]
}

fn natural() -> impl Strategy<Value = u64> {
    prop_oneof![integer().prop_map(i64::unsigned_abs), Just(u64::MAX)]
}

fn moment() -> impl Strategy<Value = Moment> {
    (natural(), integer()).prop_map(|(mono, wall)| Moment::from_millis(mono, wall))
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![natural().prop_map(Duration::from_millis), Just(Duration::MAX)]
}

fn tolerances() -> impl Strategy<Value = Tolerances> {
    (duration(), duration(), duration())
        .prop_map(|(skew, wall, assumed)| Tolerances::new(skew, wall, assumed))
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let maybe = || proptest::option::of(integer());
    let age = proptest::option::weighted(0.8, duration());
    let lifetime = proptest::option::of(duration());
    let parts = (maybe(), lifetime, maybe(), age, maybe(), any::<bool>());
    parts.prop_map(|(expires_at, lifetime, date, age, longest, adopted)| {
        let evidence = Evidence::NONE
            .expires_at(expires_at.map(ExpiresAt::from_millis))
            .lifetime(lifetime)
            .date(date)
            .longest(longest);
        let evidence = match age {
            Some(age) => evidence.age(age),
            None => evidence.unreadable_age(),
        };
        if adopted { evidence.adopted() } else { evidence }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_096) })]

    #[test]
    fn no_integer_panics_or_turns_the_interval_over(
        evidence in evidence(),
        tolerances in tolerances(),
        before in vec(moment(), 0..4),
        (sending, receiving) in (moment(), moment()),
        after in vec(moment(), 1..8),
        level in integer(),
    ) {
        let clock = before.iter().fold(Clock::default(), |clock, now| clock.advanced(*now));
        let sent = clock.advanced(sending);
        let mut clock = sent.advanced(receiving);
        let stamps = (sent.stamp(), clock.stamp());
        let lifetime = Lifetime::new(evidence, tolerances, stamps, receiving);
        let (mut ticks, mut last) = (clock.stamp().ticks, lifetime.remaining(clock.stamp()));
        for now in after {
            clock = clock.advanced(now);
            let left = lifetime.remaining(clock.stamp());
            prop_assert!(clock.stamp().ticks >= ticks);
            prop_assert_eq!(lifetime.validity(clock.stamp()), left.validity(), "the short way");
            prop_assert_eq!(left.at_most_millis().is_some(), last.at_most_millis().is_some());
            prop_assert!(left.at_most_millis() <= last.at_most_millis(), "hi never grows");
            // What the wall clock showed and took back, it took back within the second of drift.
            let lo = last.at_least_millis().saturating_add(1_000);
            prop_assert!(left.at_least_millis() <= lo, "lo grows by less than the drift");
            if let Some(hi) = left.at_most_millis() {
                // The least that lies between them is the second that `Date` loses by being cut.
                prop_assert!(left.at_least_millis() <= hi.saturating_sub(1_000), "{left:?}");
            }
            let _ = lifetime.until_at_least(level, clock.stamp());
            let _ = lifetime.until_expired(clock.stamp());
            (ticks, last) = (clock.stamp().ticks, left);
        }
    }

    #[test]
    fn no_stamp_is_too_early_to_be_asked_about(
        evidence in evidence(),
        tolerances in tolerances(),
        moments in vec(moment(), 3),
        level in integer(),
    ) {
        let mut clock = Clock::default();
        let stamps: Vec<_> = moments
            .iter()
            .map(|now| {
                clock = clock.advanced(*now);
                clock.stamp()
            })
            .collect();
        for (sent, received, at) in [(2, 1, 0), (1, 2, 0), (2, 0, 1), (0, 2, 1)] {
            let (at, span) = (stamps[at], (stamps[sent], stamps[received]));
            let lifetime = Lifetime::new(evidence, tolerances, span, moments[received]);
            let (first, now) = (lifetime.remaining(stamps[received]), lifetime.remaining(at));
            prop_assert!(now.at_most_millis() <= first.at_most_millis());
            prop_assert_eq!(lifetime.validity(at), now.validity(), "the short way");
            let _ = (lifetime.until_at_least(level, at), lifetime.until_expired(at));
        }
    }
}
