//! Policy: what the driver does about replies that stay malformed, and about superseded credentials.

use videokit_session::driver::{Policy, WakeReason};
use videokit_session::exchange::Flaw;
use videokit_session::{Event, Wake};

use crate::world::{DAY, HOUR, MINUTE, SECOND, Server, World, config, login_with, says};

/// A login that gets this reply to every request.
fn answered(status: u16, body: &'static str) -> World {
    let mut world = World::new(HOUR);
    world.server = Server::Says(says(status, body));
    world.start("user-17");
    world
}

/// The flaws that the driver says stay.
fn still_malformed(world: &World) -> Vec<Flaw> {
    let flaw = |event: &Event| match event {
        Event::StillMalformed(flaw) => Some(*flaw),
        _ => None,
    };
    world.events.iter().filter_map(flaw).collect()
}

#[test]
fn p3_replies_that_stay_malformed_are_reported_once_and_asked_for_seldom() {
    let mut world = answered(200, r#"{"identity":"user-17"}"#);
    world.run(DAY);
    let missing = Flaw::Missing { member: "sessionToken" };
    assert_eq!(still_malformed(&world), [missing]);
    // At pauses of up to ten minutes, with full jitter: about one in five minutes.
    let requests = world.sent.len();
    assert!((150..=400).contains(&requests), "{requests} requests in a day");
}

#[test]
fn p3_the_fifth_denial_in_a_row_is_reported_with_its_flaw() {
    let mut world = answered(200, r#"{"identity":"user-17"}"#);
    while world.sent.len() < 4 {
        world.run_to_next_request();
    }
    world.poll_until_idle();
    assert_eq!(still_malformed(&world), []);
    world.run_to_next_request();
    world.poll_until_idle();
    assert_eq!(still_malformed(&world).len(), 1);
    let told = Event::StillMalformed(Flaw::Missing { member: "sessionToken" }).to_string();
    let text = "replies stay malformed, which waiting does not mend: `sessionToken` is missing";
    assert_eq!(told, text);
}

#[test]
fn p3_positions_make_no_other_flaw_and_another_outcome_begins_anew() {
    let bodies = [r#"{"sessionToken":"a" 1}"#, r#"{"sessionToken":"a"    2}"#];
    let mut world = answered(200, bodies[0]);
    while world.sent.len() < 5 {
        world.server = Server::Says(says(200, bodies[world.sent.len() % 2]));
        world.run_to_next_request();
    }
    world.poll_until_idle();
    assert!(matches!(still_malformed(&world)[..], [Flaw::Syntax { .. }]));

    world.server = Server::Says(says(503, ""));
    world.run_to_next_request();
    world.server = Server::Says(says(200, bodies[0]));
    while world.sent.len() < 10 {
        world.run_to_next_request();
    }
    world.poll_until_idle();
    assert_eq!(still_malformed(&world).len(), 1, "four since the outage");
    world.run_to_next_request();
    world.poll_until_idle();
    assert_eq!(still_malformed(&world).len(), 2, "five");
}

#[test]
fn p3_a_captive_portal_keeps_the_short_cap_and_ends_with_news_of_a_network() {
    for (status, body) in [(200, "<html>log in</html>"), (302, "")] {
        let mut world = answered(status, body);
        world.run(HOUR);
        let asked_before = world.sent.len();
        assert!(asked_before > 60, "{asked_before} requests in an hour");
        // Just after a request that the portal answered: a pause has begun.
        world.run_to_next_request();
        world.server = Server::Up;
        world.run(SECOND * 11);
        if world.header().is_none() {
            assert!(matches!(world.wake(), Wake::In(_, WakeReason::Backoff)));
            world.driver.set_online(true, world.now());
            world.poll_until_idle();
        }
        assert_eq!(world.served_to(), "user-17");
    }
}

#[test]
fn p3_news_of_a_network_is_no_other_outcome() {
    let mut world = answered(200, "<html>log in</html>");
    for _ in 0..12 {
        world.run_to_next_request();
        world.poll_until_idle();
        world.driver.set_online(true, world.now());
    }
    assert_eq!(still_malformed(&world), [Flaw::Markup], "once, whatever ends its pauses");
}

#[test]
fn p3_news_of_a_network_ends_no_pause_that_the_service_caused() {
    let mut world = answered(200, r#"{"identity":"user-17"}"#);
    world.run(MINUTE * 30);
    world.run_to_next_request();
    let Wake::In(wait, WakeReason::Backoff) = world.wake() else { panic!("it pauses") };
    world.driver.set_online(true, world.now());
    assert_eq!(world.wake(), Wake::In(wait, WakeReason::Backoff));
}

#[test]
fn p5_what_superseded_credentials_meet_is_no_reason_to_pause() {
    // Whatever chance makes of a pause.
    for seed in 0..20 {
        for reply in [says(503, ""), says(200, "<html></html>")] {
            let mut world = World::with(config(|config| config), Policy::default(), HOUR, seed);
            world.server = Server::Silent;
            world.start("user-17");
            world.poll_until_idle();
            world.driver.start(login_with("app:hush-two", "user-17"), world.now());
            world.answer(world.sent[0].id, &reply);
            let wake = world.wake();
            assert!(matches!(wake, Wake::In(_, WakeReason::Budget)), "{wake:?}");
        }
    }
}
