//! Too many requests, too early, or all at once.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Response;
use videokit_session::driver::{Blocked, Policy, WakeReason};
use videokit_session::session::transitions::{Cause, StateName};
use videokit_session::{Event, Validity, Wake};

use crate::refused::call_with;
use crate::world::{DAY, HOUR, MINUTE, SECOND, Server, World, config, says};

/// supabase-js #2145, firebase-ios-sdk #15474: a gateway that fails, and an app that asks for a token in
/// every way that it knows, ten times a second.
#[test]
fn a_refresh_storm_does_not_happen() {
    let mut world = World::new(MINUTE * 10).logged_in();
    let generation = world.driver.generation().unwrap();
    world.server = Server::Says(says(500, ""));
    for n in 0..36_000 {
        world.driver.handle_unauthorized(call_with(generation), world.now());
        world.start("user-17");
        world.driver.set_online(n % 7 == 0, world.now());
        world.driver.set_online(true, world.now());
        if n % 50 == 0 {
            world.stop();
            world.start("user-17");
        }
        world.poll_until_idle();
        world.pass(SECOND / 10);
    }
    let policy = Policy::default();
    for window in [SECOND / 100, SECOND, MINUTE, HOUR] {
        let (sent, most) = (world.busiest(window), policy.most_requests_in(window));
        assert!(u64::try_from(sent).unwrap() <= most, "{sent} of {most} in {window:?}");
    }
    assert!(world.sent.len() > 300, "{} in an hour", world.sent.len());
}

/// How many of two hundred clients ask in the busiest second, not counting their first request.
fn busiest_second(setup: fn(&mut World)) -> usize {
    let mut per_second = BTreeMap::<u64, usize>::new();
    for seed in 0..200 {
        let mut world = World::with(config(|config| config), Policy::default(), HOUR, seed);
        world.start("user-17");
        setup(&mut world);
        let late = world.sent.iter().skip(1);
        let seconds: Vec<_> = late.map(|sent| sent.at / 1_000).collect();
        for second in seconds {
            *per_second.entry(second).or_default() += 1;
        }
    }
    assert!(per_second.values().sum::<usize>() >= 200);
    per_second.into_values().max().unwrap()
}

/// google-cloud-rust #1587: clients that started together renew together, and come back together after
/// an outage.
#[test]
fn a_herd_of_clients_does_not_renew_at_once() {
    let renewals = busiest_second(|world| world.run(HOUR));
    assert!(renewals <= 20, "{renewals} of 200 renewals in one second");

    let returns = busiest_second(|world| {
        world.server = Server::Says(says(503, ""));
        world.run(MINUTE * 10);
        world.sent.truncate(1);
        world.server = Server::Up;
        world.run(MINUTE * 2);
    });
    assert!(returns <= 20, "{returns} of 200 back in one second");
}

/// `OpenMetadata` #33773: the API refuses every token, whether it is new or not.
#[test]
fn a_401_does_not_start_a_loop() {
    let mut world = World::new(HOUR).logged_in();
    let mut refused = 0;
    for _ in 0..600 {
        let token = world.header().unwrap();
        world.gateway.revoke(token.strip_prefix("Bearer ").unwrap());
        refused += u32::from(world.call() == Ok(401));
        world.run(SECOND);
    }
    assert_eq!(refused, 600);
    // Renewals at ages of 0, 10, 40 and 160 s, each of which cured nothing.
    assert_eq!(world.sent.len(), 5, "the login, and four renewals");
    let told = world.events.iter().filter(|event| matches!(event, Event::Unauthorized(_)));
    assert_eq!(told.count(), 4, "once for each token that came of them");
    assert_eq!(world.driver.state(), StateName::Active);

    // What can be cured is cured: after a long time without a 401, one is answered again.
    world.run_to_next_request();
    let token = world.header().unwrap();
    world.gateway.revoke(token.strip_prefix("Bearer ").unwrap());
    assert_eq!(world.call(), Ok(401));
    world.run(SECOND);
    assert_eq!(world.served_to(), "user-17");
    assert_eq!(world.sent.len(), 7);
}

/// Many calls are answered 401 at once, and each reports it, some of them late.
#[test]
fn a_401_that_many_calls_report_makes_one_renewal() {
    let mut world = World::new(HOUR).logged_in();
    let old = world.driver.generation().unwrap();
    for _ in 0..100 {
        world.driver.handle_unauthorized(call_with(old), world.now());
    }
    world.run(SECOND);
    for _ in 0..100 {
        world.driver.handle_unauthorized(call_with(old), world.now());
        world.run(SECOND);
    }
    assert_eq!(world.sent.len(), 2);
    assert_eq!(world.served_to(), "user-17");
    assert!(!world.events.iter().any(|event| matches!(event, Event::Unauthorized(_))));
}

/// `BeamableProduct` #4391: what can't work is tried again and again.
#[test]
fn what_cannot_work_is_not_retried() {
    for status in [400, 401, 403, 404] {
        let mut world = World::new(MINUTE * 10).logged_in();
        world.server = Server::Says(says(status, r#"{"error":"no"}"#));
        world.run_to_next_request();
        assert_eq!(world.sent.len(), 2);
        assert_eq!(world.driver.blocked(), Some(Blocked::Refused), "{status}");
        assert_eq!(world.served_to(), "user-17", "{status}: the current token is good");
        world.run(DAY);
        assert_eq!(world.sent.len(), 2, "{status}");
        assert_eq!(world.driver.state(), StateName::Expired, "{status}");
    }
}

/// `BeamableProduct` #4391: a 429 is read as a logout.
#[test]
fn a_429_is_no_logout() {
    let mut world = World::new(HOUR).logged_in();
    let (header, epoch) = (world.header(), world.driver.epoch());
    let throttled = Response::builder().status(429).header("retry-after", "20");
    world.server = Server::Says(throttled.body(Bytes::new()).unwrap());
    world.run_to_next_request();
    assert_eq!(world.driver.state(), StateName::Active);
    assert_eq!(world.driver.blocked(), None);
    assert_eq!(world.header(), header);
    let asked = world.elapsed();

    world.server = Server::Up;
    world.run_to_next_request();
    assert!(world.elapsed() >= asked + 20_000, "{} ms early", asked + 20_000 - world.elapsed());
    assert_ne!(world.header(), header);
    assert_eq!(world.served_to(), "user-17");
    assert_eq!(world.driver.epoch(), epoch);
    let causes = [Cause::Started, Cause::Granted, Cause::RenewalSent, Cause::RenewalDenied];
    assert_eq!(world.causes()[..4], causes);
}

/// keycloak-js #107: a token that lives for centuries, and timers that hold 2^31 ms.
#[test]
fn a_timer_does_not_overflow_and_spin() {
    let mut world = World::new(HOUR);
    world.server = Server::Says(says(
        200,
        r#"{"sessionToken":"st-1","expiresAt":"9999-12-31T23:59:59Z","identity":"user-17"}"#,
    ));
    if let Server::Says(reply) = &mut world.server {
        reply.headers_mut().insert("date", "Tue, 24 Nov 2026 04:00:00 GMT".parse().unwrap());
    }
    world.start("user-17");
    assert_eq!(world.wake(), Wake::In(DAY, WakeReason::Renewal));
    let before = world.polls;
    world.run(DAY * 366);
    assert_eq!(world.polls - before, 367, "one a day, and one to begin with");
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.driver.validity(world.now()), Some(Validity::Valid));
}

/// openfga js-sdk #388: a margin of an hour, and tokens that live for a minute.
#[test]
fn a_margin_longer_than_the_lifetime_leaves_the_token_most_of_its_life() {
    let config = config(|config| config.renewal_margin(HOUR));
    let mut world = World::with(config, Policy::default(), MINUTE, 1).logged_in();
    for _ in 0..3_600 {
        world.run(SECOND);
        assert_eq!(world.served_to(), "user-17");
    }
    // Three seconds of its minute are not certain; up to three eighths of the rest are margin.
    let least = 57_000 * 5 / 8;
    for (one, next) in world.sent.iter().zip(world.sent.iter().skip(1)) {
        assert!((least - 100..57_000).contains(&(next.at - one.at)), "{} ms", next.at - one.at);
    }
    assert!(world.sent.len() >= 60);
}

/// smithy-rs #3402: jitter is taken out of the margin, and the token expires before its renewal.
#[test]
fn jitter_does_not_eat_the_margin() {
    for seed in 0..300 {
        let margin = MINUTE;
        let config = config(|config| config.renewal_margin(margin));
        let mut world = World::with(config, Policy::default(), HOUR, seed).logged_in();
        world.server = Server::Silent;
        world.run_to_next_request();
        let remaining = world.driver.remaining(world.now()).unwrap().at_least_millis();
        assert!((59_999..=90_000).contains(&remaining), "{seed}: {remaining} ms");
    }
}

/// A client that fails now and then doesn't draw the same pause each time: what it draws also depends on how
/// many tokens it has had.
#[test]
fn the_first_pause_differs_from_token_to_token() {
    let differs = |seed: &u64| {
        let mut world = World::with(config(|config| config), Policy::default(), HOUR, *seed);
        world.start("user-17");
        let pauses: [u64; 2] = std::array::from_fn(|_| {
            world.server = Server::Says(says(503, ""));
            world.run_to_next_request();
            world.server = Server::Up;
            world.run_to_next_request();
            let [.., failed, next] = &world.sent[..] else { panic!("two requests at least") };
            next.at - failed.at
        });
        pauses[0] != pauses[1]
    };
    let differing = (0..32).filter(differs).count();
    assert!(differing > 16, "{differing} of 32 clients");
}
