//! The ranges of a policy, the bound that follows from it, and attempts.

use std::time::Duration;

use videokit_session::driver::{Blocked, Policy, PolicyBuilder, PolicyError, WakeReason};
use videokit_session::session::transitions::StateName;
use videokit_session::{Event, Output, Validity, Wake};

use crate::fixture::*;

#[test]
fn a_policy_is_held_to_its_ranges() {
    use PolicyError as E;
    type Set = fn(PolicyBuilder) -> PolicyBuilder;
    let rows: &[(&str, Set, Option<PolicyError>)] = &[
        ("burst 0", |p| p.burst(0), Some(E::Burst)),
        ("burst 1", |p| p.burst(1), None),
        ("burst 1000", |p| p.burst(1_000), None),
        ("burst 1001", |p| p.burst(1_001), Some(E::Burst)),
        ("burst max", |p| p.burst(u32::MAX), Some(E::Burst)),
        ("interval 0", |p| p.interval(Duration::ZERO), Some(E::Interval)),
        ("interval under 1 ms", |p| p.interval(Duration::from_nanos(999_999)), Some(E::Interval)),
        ("interval 1 ms", |p| p.interval(ms(1)), None),
        ("interval 24 h", |p| p.interval(ms(DAY)), None),
        ("interval over 24 h", |p| p.interval(ms(DAY + 1)), Some(E::Interval)),
        ("interval max", |p| p.interval(Duration::MAX), Some(E::Interval)),
        ("spacing 0", |p| p.spacing(Duration::ZERO), Some(E::Spacing)),
        ("spacing 1 ms", |p| p.spacing(ms(1)), None),
        ("spacing 1 h", |p| p.spacing(ms(HOUR)), None),
        ("spacing over 1 h", |p| p.spacing(ms(HOUR + 1)), Some(E::Spacing)),
        ("spacing max", |p| p.spacing(Duration::MAX), Some(E::Spacing)),
        ("base 0", |p| p.backoff(ms(0), ms(1)), Some(E::Backoff)),
        ("base and cap 0", |p| p.backoff(ms(0), ms(0)), Some(E::Backoff)),
        ("base and cap 1 ms", |p| p.backoff(ms(1), ms(1)), None),
        ("base up to the cap", |p| p.backoff(ms(9), ms(9)), None),
        ("base over the cap", |p| p.backoff(ms(10), ms(9)), Some(E::Backoff)),
        ("cap 24 h", |p| p.backoff(ms(DAY), ms(DAY)), None),
        ("cap over 24 h", |p| p.backoff(ms(1), ms(DAY + 1)), Some(E::Backoff)),
        ("cap max", |p| p.backoff(ms(1), Duration::MAX), Some(E::Backoff)),
        ("retry 0", |p| p.retry_after_cap(Duration::ZERO), Some(E::RetryAfterCap)),
        ("retry under 1 s", |p| p.retry_after_cap(ms(999)), Some(E::RetryAfterCap)),
        ("retry 1 s", |p| p.retry_after_cap(ms(SECOND)), None),
        ("retry 7 days", |p| p.retry_after_cap(ms(7 * DAY)), None),
        ("retry over 7 days", |p| p.retry_after_cap(ms(7 * DAY + 1)), Some(E::RetryAfterCap)),
        ("retry max", |p| p.retry_after_cap(Duration::MAX), Some(E::RetryAfterCap)),
        ("attempts 0", |p| p.attempts(0), Some(E::Attempts)),
        ("attempts 1", |p| p.attempts(1), None),
        ("attempts max", |p| p.attempts(u32::MAX), None),
        ("the defaults", |p| p, None),
    ];
    for (name, set, wanted) in rows {
        assert_eq!(set(Policy::builder()).build().err(), *wanted, "{name}");
    }
    assert_eq!(Policy::builder().build(), Ok(Policy::default()));
}

#[test]
fn the_most_requests_in_a_window_are_counted_to_the_millisecond() {
    let policy = |burst, interval, spacing| {
        let policy = Policy::builder().burst(burst).interval(ms(interval)).spacing(ms(spacing));
        policy.build().unwrap()
    };
    let rows: &[(Policy, &[(u64, u64)])] = &[
        (
            Policy::default(),
            &[(0, 1), (249, 1), (250, 2), (999, 4), (1_000, 5), (9_999, 5), (10_000, 6)],
        ),
        (Policy::default(), &[(60 * SECOND, 11), (HOUR, 365), (DAY, 8_645)]),
        (policy(1, 1_000, 1), &[(0, 1), (999, 1), (1_000, 2), (1_999, 2), (2_000, 3)]),
        (policy(1_000, DAY, HOUR), &[(0, 1), (HOUR - 1, 1), (HOUR, 2), (DAY, 25)]),
        (policy(3, 1, 1), &[(0, 1), (1, 2), (u64::MAX, u64::MAX)]),
    ];
    for (policy, windows) in rows {
        for (window, most) in *windows {
            assert_eq!(policy.most_requests_in(ms(*window)), *most, "{window} of {policy:?}");
        }
    }
    let whole = Duration::from_nanos(249_999_999);
    assert_eq!(Policy::default().most_requests_in(whole), 1, "cut to milliseconds");
    assert_eq!(policy(1, 1, 1).most_requests_in(Duration::MAX), u64::MAX);
}

/// Lets tries fail in one way until the driver asks no more, and counts them.
fn tries(fixture: &mut Fixture, way: usize) -> u32 {
    let mut tries = 0;
    while fixture.driver.blocked().is_none() {
        let (_, _, id) = fixture.until_sent();
        fixture.fail(id, way);
        tries += 1;
        assert!(tries < 100, "it never gives up");
    }
    assert_eq!(fixture.driver.blocked(), Some(Blocked::GaveUp));
    tries
}

/// The ways in which a try can fail, and whether it is the network that does, or a captive portal in it.
const BY_NETWORK: [(usize, bool); 6] =
    [(0, true), (1, false), (2, true), (3, true), (4, false), (5, true)];

fn with_attempts(attempts: u32) -> Fixture {
    Fixture::started(open().attempts(attempts).build().unwrap(), 1)
}

#[test]
fn it_gives_up_after_exactly_so_many_tries_and_a_start_makes_it_try_as_many_again() {
    for (attempts, way) in (1..=6).flat_map(|attempts| (0..4).map(move |way| (attempts, way))) {
        let mut fixture = with_attempts(attempts);
        assert_eq!(tries(&mut fixture, way), attempts);
        assert_eq!(fixture.driver.state(), StateName::Unauthenticated);
        assert_eq!(fixture.next(), Output::Wait(Wake::OnInput));
        fixture.pass(366 * DAY);
        assert_eq!(fixture.next(), Output::Wait(Wake::OnInput));

        fixture.start(gateway_login());
        assert_eq!(fixture.driver.blocked(), None);
        assert_eq!(tries(&mut fixture, way), attempts, "after a start with the same");
        assert_eq!(fixture.driver.epoch(), 1, "which is the same login");
    }
}

#[test]
fn the_network_coming_back_makes_it_try_again_if_it_was_the_network_that_failed() {
    for (way, by_network) in BY_NETWORK {
        let mut fixture = with_attempts(2);
        assert_eq!(tries(&mut fixture, way), 2);
        // Whether or not anybody said that it was away.
        for away in [true, false] {
            assert_eq!(fixture.driver.blocked(), Some(Blocked::GaveUp));
            if away {
                fixture.driver.set_online(false, fixture.now);
            }
            fixture.driver.set_online(true, fixture.now);
            assert_eq!(fixture.driver.blocked().is_none(), by_network, "{way}");
            if by_network {
                assert_eq!(tries(&mut fixture, way), 2, "{way}");
            }
        }
    }
}

#[test]
fn the_network_coming_back_ends_a_pause_that_it_had_caused() {
    for (way, by_network) in BY_NETWORK {
        let mut fixture = Fixture::started(with_backoff(60_000, 60_000), 1);
        let id = fixture.sent();
        fixture.fail(id, way);
        let (pause, why) = fixture.wait();
        assert!(pause > 1 && why == WakeReason::Backoff, "{pause} for {why:?}");
        fixture.driver.set_online(false, fixture.now);
        fixture.driver.set_online(true, fixture.now);
        assert_eq!(fixture.until_sent().0, if by_network { 0 } else { pause }, "{way}");
    }
}

#[test]
fn consecutive_failures_are_counted_and_the_token_outlives_them() {
    let mut fixture = with_attempts(3);
    let mut id = fixture.sent();
    for n in 0..2 {
        fixture.fail(id, n);
        (_, _, id) = fixture.until_sent();
    }
    fixture.grant(id, 600 * SECOND);
    assert_eq!(tries(&mut fixture, 1), 3);
    assert_eq!(fixture.driver.validity(fixture.now), Some(Validity::Valid), "it stays in use");
    let (_, why) = fixture.wait();
    assert_eq!(why, WakeReason::Expiry);

    fixture.start(gateway_login());
    let (_, _, id) = fixture.until_sent();
    fixture.grant(id, 600 * SECOND);
    assert_eq!(fixture.driver.blocked(), None);
    assert_eq!(fixture.wait().1, WakeReason::Renewal);
}

#[test]
fn a_refusal_ends_the_asking_at_once_and_a_start_with_the_same_changes_nothing() {
    let mut fixture = with_attempts(3);
    let id = fixture.sent();
    fixture.answer(id, &reply(403, ""));
    fixture.start(gateway_login());
    fixture.driver.set_online(false, fixture.now);
    fixture.driver.set_online(true, fixture.now);
    assert_eq!(fixture.driver.blocked(), Some(Blocked::Refused));
    assert_eq!(fixture.next(), Output::Wait(Wake::OnInput));
    let denied = fixture.events.iter().filter(|event| matches!(event, Event::Denied(..))).count();
    assert_eq!(denied, 1);
}

/// What was asked for with an older secret says nothing about a newer one.
#[test]
fn failures_of_an_older_secret_do_not_give_up_a_newer_one() {
    for (way, late) in (0..4).flat_map(|way| [(way, false), (way, true)]) {
        let policy = open().attempts(1).build().unwrap();
        let mut fixture = Fixture::new(config(|config| config), policy, 1);
        fixture.start(backend_login("https://app.example/token", "a"));
        let old = fixture.sent();
        fixture.start(backend_login("https://app.example/token", "b"));
        if late {
            fixture.pass(TIMEOUT);
            fixture.until_sent();
        } else {
            fixture.fail(old, way);
        }
        assert_eq!(fixture.driver.blocked(), None, "{way}, late: {late}");
        assert_eq!(fixture.driver.epoch(), 1);
    }
}

/// A token whose life is in doubt is no failed try: the row begins again after it.
#[test]
fn a_token_in_doubt_breaks_the_row_of_failed_tries() {
    let mut fixture = with_attempts(2);
    for _ in 0..5 {
        let (.., id) = fixture.until_sent();
        fixture.fail(id, 1);
        let (.., id) = fixture.until_sent();
        fixture.grant(id, 2 * SECOND);
        assert_eq!(fixture.driver.validity(fixture.now), Some(Validity::Unsure));
        assert_eq!(fixture.driver.blocked(), None);
    }
    assert_eq!(tries(&mut fixture, 1), 2);
}

#[test]
fn a_request_says_its_deadline_on_the_callers_clock() {
    let mut fixture = Fixture::new(
        config(|config| config.request_timeout(ms(7_000))),
        open().build().unwrap(),
        1,
    );
    fixture.pass(5_000);
    fixture.start(gateway_login());
    for _ in 0..3 {
        let Output::Send(outgoing) = fixture.next() else { panic!("a request is due") };
        assert_eq!(outgoing.timeout(), ms(7_000));
        assert_eq!(outgoing.deadline(), fixture.now.since_start() + ms(7_000));
        // And that is when the driver gives it up.
        fixture.pass(6_999);
        assert_eq!(fixture.wait(), (1, WakeReason::Deadline));
        fixture.pass(1);
        assert_eq!(fixture.driver.poll(fixture.now), Output::Abandon(outgoing.id()));
        assert!(matches!(fixture.driver.poll(fixture.now), Output::Event(Event::Failed(..))));
        fixture.pass(1);
    }
}
