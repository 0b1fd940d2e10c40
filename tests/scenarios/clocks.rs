//! Clocks that are wrong, stand still or jump, and tokens that come too late.

use std::time::Duration;

use videokit_session::driver::{AuthorizeError, Policy, WakeReason};
use videokit_session::exchange::{DenialKind, Flaw};
use videokit_session::session::transitions::{Cause, StateName};
use videokit_session::{Event, Validity, Wake};

use crate::world::{DAY, HOUR, MINUTE, SECOND, Server, T0, World, config, says};

/// supabase auth-js #926: the device's clock is off, so that every token seems to have expired, or
/// never to expire.
#[test]
fn a_skewed_clock_does_not_log_the_user_out() {
    const YEAR: i64 = 365 * 86_400_000;
    let sent = |skew: i64| {
        let mut world = World::new(MINUTE * 10);
        world.skew = skew;
        let mut world = world.logged_in();
        for _ in 0..3_600 {
            world.run(SECOND);
            assert_eq!(world.served_to(), "user-17", "{skew} ms");
            assert_eq!(world.driver.validity(world.now()), Some(Validity::Valid), "{skew} ms");
        }
        world.sent.iter().map(|sent| sent.at).collect::<Vec<_>>()
    };
    let right = sent(0);
    for skew in [-T0, -10 * YEAR, -3_600_000, -90_000, 90_000, 3_600_000, 10 * YEAR] {
        assert_eq!(sent(skew), right, "{skew} ms");
    }
}

/// supabase auth-js #926: the clock is set while the user is logged in.
#[test]
fn a_clock_that_is_set_does_not_log_the_user_out() {
    for jump in [-10 * T0, -86_400_000, -3_600_000, 3_600_000, 86_400_000, 10 * T0] {
        let mut world = World::new(MINUTE * 10).logged_in();
        world.run(MINUTE);
        world.skew = jump;
        assert_eq!(world.served_to(), "user-17", "{jump} ms");
        world.poll_until_idle();
        assert_eq!(world.driver.validity(world.now()), Some(Validity::Valid), "{jump} ms");
        // Forward may have been sleep: the token is renewed at once. Backward means nothing.
        assert_eq!(world.sent.len(), if jump > 0 { 2 } else { 1 }, "{jump} ms");
        for _ in 0..1_200 {
            world.run(SECOND);
            assert_eq!(world.served_to(), "user-17", "{jump} ms");
        }
        assert!(world.sent.len() <= 5, "{jump} ms: {} requests", world.sent.len());
    }
}

/// stream-chat-swift #3032: the token that was just fetched has expired when it comes, each time.
#[test]
fn a_token_that_is_expired_on_arrival_does_not_loop() {
    let mut world = World::new(HOUR);
    let mut cached = says(
        200,
        r#"{"sessionToken":"st-1","expiresAt":"2026-11-24T03:30:00Z","identity":"user-17"}"#,
    );
    cached.headers_mut().insert("date", "Tue, 24 Nov 2026 04:00:00 GMT".parse().unwrap());
    world.server = Server::Says(cached);
    world.start("user-17");
    world.run(HOUR);
    assert_eq!(world.call(), Err(AuthorizeError::Wait));
    // Once a backoff: five minutes on average, and less at first.
    assert!((12..60).contains(&world.sent.len()), "{} in an hour", world.sent.len());
    let stays = Event::StillMalformed(Flaw::ExpiredOnArrival);
    assert_eq!(world.events.iter().filter(|event| **event == stays).count(), 1);
    let denied = world.events.iter().filter_map(|event| match event {
        Event::Denied(_, denial) => Some(denial.kind()),
        _ => None,
    });
    let kinds: Vec<_> = denied.collect();
    assert_eq!(kinds, vec![DenialKind::Malformed(Flaw::ExpiredOnArrival); world.sent.len()]);

    world.server = Server::Up;
    world.run(MINUTE * 10);
    assert_eq!(world.served_to(), "user-17");
}

/// stream-chat-swift #3032: tokens that live for so short that they may have expired when they come.
#[test]
fn a_token_that_is_unsure_on_arrival_serves_and_does_not_loop() {
    let mut world = World::new(SECOND * 2);
    world.start("user-17");
    world.poll_until_idle();
    assert_eq!(world.driver.validity(world.now()), Some(Validity::Unsure));
    assert_eq!(world.served_to(), "user-17", "it may be good, and is");
    world.run(HOUR);
    assert!((60..240).contains(&world.sent.len()), "{} in an hour", world.sent.len());
    assert_eq!(world.driver.blocked(), None);
}

/// supabase #6464: the timer for the renewal stands still while the device sleeps.
#[test]
fn a_timer_that_stops_while_the_device_sleeps_does_no_harm() {
    for asleep in [MINUTE * 9, MINUTE * 11, HOUR * 8, DAY * 300] {
        let mut world = World::new(MINUTE * 10).logged_in();
        world.run(SECOND);
        world.sleep(asleep);
        assert_eq!(world.sent.len(), 1);
        // The first thing that runs may be a call, and may be refused: it was not said to be valid.
        let validity = world.driver.validity(world.now()).unwrap();
        let status = world.call().unwrap();
        assert!(status == 200 || validity == Validity::Unsure, "{asleep:?}");
        world.poll_until_idle();
        assert_eq!(world.sent.len(), 2, "{asleep:?}: one poll on waking up renews it");
        assert_eq!(world.driver.validity(world.now()), Some(Validity::Valid));
        assert_eq!(world.served_to(), "user-17");
        world.run(MINUTE);
        assert_eq!(world.sent.len(), 2, "{asleep:?}: and no 401 of the old one renews it again");
    }
}

/// A token expires while its renewal is in flight: the renewal goes on, and nothing is sent twice.
#[test]
fn a_token_that_lapses_during_its_renewal_is_followed_by_what_that_gives() {
    let patient = config(|config| config.request_timeout(MINUTE * 10));
    let mut world = World::with(patient, Policy::default(), MINUTE * 5, 1).logged_in();
    world.server = Server::Silent;
    world.run_to_next_request();
    let renewal = world.sent[1].id;
    world.run(MINUTE * 2);
    assert_eq!(world.driver.state(), StateName::Authenticating);
    assert_eq!(world.driver.in_flight(), Some(renewal));
    assert_eq!(world.call(), Err(AuthorizeError::Wait));
    assert!(world.abandoned.is_empty());

    let (id, reply) = world.late_reply();
    assert_eq!(id, renewal);
    world.answer(id, &reply);
    world.poll_until_idle();
    assert_eq!(world.served_to(), "user-17");
    assert_eq!(world.sent.len(), 2);
    let causes = world.causes();
    let end = [Cause::RenewalSent, Cause::LapsedInFlight, Cause::Granted];
    assert_eq!(causes[causes.len() - 3..], end);
}

/// One absurd reading of the monotonic clock, and then a normal one again.
#[test]
fn the_end_of_the_monotonic_clock_and_then_a_normal_one_does_no_harm() {
    for in_flight in [false, true] {
        let mut world = World::new(MINUTE * 10).logged_in();
        if in_flight {
            world.server = Server::Silent;
            world.run_to_next_request();
            world.server = Server::Up;
        }
        let normal = world.mono;
        world.mono = u64::MAX;
        world.poll_until_idle();
        world.mono = normal;
        // At worst the token is taken for expired, and a request for overdue: both are made good.
        world.run(MINUTE);
        assert_eq!(world.served_to(), "user-17", "in flight: {in_flight}");
        let sent = world.sent.len();
        assert!(sent <= 4, "{sent} requests");
        for _ in 0..3_600 {
            world.run(SECOND);
            assert_eq!(world.served_to(), "user-17");
        }
        assert!((sent + 6..sent + 9).contains(&world.sent.len()), "as often as ever");
        world.server = Server::Silent;
        world.run_to_next_request();
        let wake = world.wake();
        assert_eq!(wake, Wake::In(Duration::from_secs(15), WakeReason::Deadline));
    }
}
