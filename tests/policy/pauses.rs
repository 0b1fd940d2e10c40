//! The pause after failures, and the margin before a token's end.

use std::collections::BTreeSet;

use videokit_session::driver::{Blocked, PolicyBuilder, WakeReason};
use videokit_session::{Validity, Wake};

use crate::fixture::*;

#[test]
fn a_pause_lies_between_nothing_and_its_ceiling_and_comes_close_to_both() {
    for (base, cap) in [(1_000, 60_000), (7, 1_000_000), (60_000, 60_000), (1_000, DAY)] {
        let all: Vec<_> = (0..300).map(|seed| pauses(with_backoff(base, cap), seed, 14)).collect();
        for failures in 1..=14 {
            let ceiling = ceiling(base, cap, failures);
            let after = || all.iter().map(|pauses| pauses[failures - 1]);
            let (least, most) = (after().min().unwrap(), after().max().unwrap());
            let case = format!("{least} to {most} after {failures} of {base} to {cap}");
            assert!(most <= ceiling, "{case}");
            assert!(least * 10 < ceiling && most * 10 > ceiling * 9, "{case}");
        }
    }
}

#[test]
fn a_seed_gives_its_pauses_again_and_another_gives_others() {
    let policy = with_backoff(1_000, 60_000);
    assert_eq!(pauses(policy, 5, 30), pauses(policy, 5, 30));
    assert_ne!(pauses(policy, 5, 30), pauses(policy, 6, 30));
}

/// The pause after eight failures, a token of this lifetime, and one more failure unless the token was
/// none to build on.
fn pause_after_grant(seed: u64, lifetime: u64) -> u64 {
    let mut fixture = Fixture::started(with_backoff(1_000, 60_000), seed);
    let mut id = fixture.sent();
    for n in 0..8 {
        fixture.fail(id, n);
        (_, _, id) = fixture.until_sent();
    }
    fixture.grant(id, lifetime);
    if fixture.driver.validity(fixture.now) == Some(Validity::Valid) {
        let (_, why, renewal) = fixture.until_sent();
        assert_eq!(why, Some(WakeReason::Renewal));
        fixture.fail(renewal, 0);
    }
    fixture.until_sent().0
}

#[test]
fn a_valid_token_ends_the_row_of_failures_and_an_unsure_one_does_not() {
    let most = |lifetime| (0..200).map(|seed| pause_after_grant(seed, lifetime)).max().unwrap();
    let valid = most(600 * SECOND);
    assert!((900..=1_000).contains(&valid), "{valid}");
    let unsure = most(2 * SECOND);
    assert!((54_000..=60_000).contains(&unsure), "{unsure}");
}

/// The pause, and the row of failures that made it long, are the old secret's.
#[test]
fn a_rotation_ends_the_backoff() {
    let login = |cookie| backend_login("https://app.example/token", cookie);
    for seed in 0..20 {
        let mut fixture = Fixture::new(config(|config| config), with_backoff(60_000, DAY), seed);
        fixture.start(login("login=old"));
        let mut id = fixture.sent();
        for _ in 0..8 {
            fixture.fail(id, 1);
            (_, _, id) = fixture.until_sent();
        }
        fixture.fail(id, 1);
        assert_eq!(fixture.wait().1, WakeReason::Backoff);
        fixture.start(login("login=new"));
        let id = fixture.sent();
        fixture.fail(id, 1);
        let (pause, ..) = fixture.until_sent();
        assert!(pause <= 60_000, "the pause after the first failure is {pause} ms");
    }
}

#[test]
fn a_start_with_the_same_credentials_leaves_the_pause_as_it_is() {
    for attempts in [None, Some(1)] {
        let policy = open().backoff(ms(DAY), ms(DAY));
        let policy = attempts.into_iter().fold(policy, PolicyBuilder::attempts).build().unwrap();
        let mut fixture = Fixture::started(policy, 1);
        let id = fixture.sent();
        fixture.fail(id, 0);
        let gave_up = attempts.map(|_| Blocked::GaveUp);
        assert_eq!(fixture.driver.blocked(), gave_up);
        let until = fixture.now.after(ms(pauses(with_backoff(DAY, DAY), 1, 1)[0]));
        fixture.pass(SECOND);
        fixture.start(gateway_login());
        let left = millis(until.since_start().saturating_sub(fixture.now.since_start()));
        assert_eq!(fixture.wait(), (left, WakeReason::Backoff), "{gave_up:?}");
    }
}

#[test]
fn thousands_of_failures_stay_under_the_cap() {
    for (base, cap) in [(1_000, 60_000), (DAY, DAY)] {
        let pauses = pauses(with_backoff(base, cap), 3, 4_000);
        assert!(pauses.iter().all(|pause| *pause <= cap));
        for late in pauses[1_000..].chunks(500) {
            let (least, most) = (late.iter().min().unwrap(), late.iter().max().unwrap());
            assert!(least * 10 < cap && most * 10 > cap * 9, "{least} to {most}");
        }
    }
}

/// A configuration's margin and percentage.
#[derive(Debug, Clone, Copy)]
struct Margin {
    configured: u64,
    percent: u8,
}

impl Margin {
    /// A driver that holds a token of this lifetime.
    fn fixture(self, lifetime: u64, seed: u64) -> Fixture {
        let config = config(|config| {
            config.renewal_margin(ms(self.configured)).renewal_percent(self.percent)
        });
        let mut fixture = Fixture::new(config, open().build().unwrap(), seed);
        fixture.start(gateway_login());
        let id = fixture.sent();
        fixture.grant(id, lifetime);
        fixture
    }

    /// The margin of a token that certainly lives for `lo`, without chance.
    fn of(self, lo: i64) -> i64 {
        let fraction = lo * i64::from(self.percent) / 100;
        fraction.min(i64::try_from(self.configured).unwrap())
    }
}

fn lo(fixture: &Fixture) -> i64 {
    fixture.driver.remaining(fixture.now).unwrap().at_least_millis()
}

#[test]
fn renewal_leaves_one_to_one_and_a_half_margins_and_a_quarter_of_the_life() {
    let lifetimes = [5, 6, 10, 60, 600, 3_600, 86_400, 7 * 86_400, 366 * 86_400];
    for configured in [0, 100, SECOND, 60 * SECOND, HOUR, 366 * DAY] {
        for (percent, lifetime) in [1, 25, 50].into_iter().flat_map(|p| lifetimes.map(|l| (p, l))) {
            let margin = Margin { configured, percent };
            let (mut waits, mut jitter) = (BTreeSet::new(), 0);
            for seed in 0..8 {
                let mut fixture = margin.fixture(lifetime * SECOND, seed);
                let initial = lo(&fixture);
                let (wait, why, _) = fixture.until_sent();
                let (left, least) = (lo(&fixture), margin.of(initial));
                let case = format!("{margin:?} {lifetime} s {seed}: {left} of {initial}");
                assert_eq!(why, Some(WakeReason::Renewal), "{case}");
                // `lo` falls by two in some of its milliseconds, so it may step over the margin by one.
                assert!((least - 1..=least + least / 2).contains(&left), "{case}");
                assert!(left * 4 <= initial * 3, "{case}");
                waits.insert(wait);
                jitter = least / 2;
            }
            assert!(jitter < 1_000 || waits.len() == 8, "{margin:?} {lifetime} s: {waits:?}");
        }
    }
}

#[test]
fn seeds_spread_renewals_over_half_a_margin() {
    let margin = Margin { configured: 60 * SECOND, percent: 25 };
    let left = |seed| {
        let mut fixture = margin.fixture(600 * SECOND, seed);
        let (_, why, _) = fixture.until_sent();
        assert_eq!(why, Some(WakeReason::Renewal));
        lo(&fixture)
    };
    let (least, most) = ((0..200).map(left).min().unwrap(), (0..200).map(left).max().unwrap());
    assert!((59_999..63_000).contains(&least), "{least}");
    assert!((87_000..=90_000).contains(&most), "{most}");
}

#[test]
fn a_token_too_short_to_be_valid_is_renewed_by_backoff() {
    for lifetime in [1, 2, 3, 4] {
        let margin = Margin { configured: 60 * SECOND, percent: 25 };
        let mut fixture = margin.fixture(lifetime * SECOND, 1);
        assert_eq!(fixture.driver.validity(fixture.now), Some(Validity::Unsure), "{lifetime} s");
        let (wait, why, _) = fixture.until_sent();
        assert!(wait <= 1 && why != Some(WakeReason::Renewal), "{lifetime} s: {wait} for {why:?}");
    }
}

#[test]
fn no_wait_is_longer_than_a_day() {
    assert_eq!(Wake::LONGEST, ms(DAY));
    let margin = Margin { configured: 60 * SECOND, percent: 25 };
    let mut fixture = margin.fixture(10 * DAY, 1);
    assert_eq!(fixture.wait(), (DAY, WakeReason::Renewal));
    fixture.pass(DAY / 2);
    assert_eq!(fixture.wait(), (DAY, WakeReason::Renewal), "an early poll counts from itself");
    fixture.pass(9 * DAY);
    let (wait, why) = fixture.wait();
    assert!(wait < DAY / 2 && why == WakeReason::Renewal, "{wait} for {why:?}");

    let mut held_back = Fixture::started(open().retry_after_cap(ms(7 * DAY)).build().unwrap(), 1);
    let id = held_back.sent();
    held_back.answer(id, &asking_to_wait(429, "604800"));
    assert_eq!(held_back.wait(), (DAY, WakeReason::RetryAfter));
    assert_eq!(held_back.until_sent().0, 7 * DAY);
}
