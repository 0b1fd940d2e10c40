//! Misuse, and inputs that nobody sends by accident.

use std::time::Duration;

use videokit_session::session::transitions::StateName;
use videokit_session::{Driver, Output, TransportFailure, Wake};

use crate::world::{HOUR, SECOND, World, login};

/// A loop ignores it with a semicolon, and `?` has nothing to end a loop with.
#[test]
#[deny(unused_must_use)]
fn r9_a_late_reply_is_a_value_that_needs_no_handling() {
    let (mut world, id, reply) = World::with_a_late_reply(true);
    let now = world.now();
    assert!(world.driver.handle_failure(id, TransportFailure::Interrupted, now).is_accepted());
    world.driver.handle_response(id, &reply, now);
    assert_eq!(world.driver.counters().stale, 1);
    assert!(world.driver.handle_response(id, &reply, now).is_stale());
    assert!(World::new(HOUR).driver.handle_failure(id, TransportFailure::Other, now).is_stale());
}

/// A driver that has announced a request, and not handed it out: its first one, or a renewal.
fn announced(renewing: bool) -> World {
    let mut world = World::new(HOUR);
    if renewing {
        world = world.logged_in();
        world.pass(SECOND * 3_599);
    } else {
        world.start("user-17");
    }
    let expected =
        if renewing { "Active: RenewalSent" } else { "Unauthenticated -> Authenticating: Started" };
    assert_eq!(told(&mut world), [expected]);
    world
}

/// The event that the next poll tells, if it tells one.
fn told(world: &mut World) -> Vec<String> {
    match world.driver.poll(world.now()) {
        Output::Event(event) => vec![event.to_string()],
        _ => Vec::new(),
    }
}

#[test]
fn r12_a_request_is_announced_before_it_goes_out() {
    let mut world = announced(false);
    assert_eq!(world.driver.state(), StateName::Authenticating);
    assert_eq!(world.driver.counters().requests, 0);
    // Its deadline and the budget count from the poll that hands it out.
    world.pass(SECOND * 100);
    let Output::Send(outgoing) = world.driver.poll(world.now()) else { panic!("it asks") };
    assert_eq!(outgoing.deadline(), world.now().since_start() + Duration::from_secs(15));
    assert_eq!(world.driver.counters().requests, 1);
    world.settle();
    assert!(world.events.is_empty(), "nothing is told after it");
}

#[test]
fn r12_a_stop_drops_a_request_that_was_only_announced() {
    for (renewing, end) in [
        (false, "Authenticating -> Unauthenticated: Stopped"),
        (true, "Active -> Unauthenticated: Stopped"),
    ] {
        let mut world = announced(renewing);
        let requests = world.sent.len();
        world.stop();
        assert_eq!(told(&mut world), [end]);
        assert_eq!(world.driver.poll(world.now()), Output::Wait(Wake::OnInput));
        assert_eq!((world.sent.len(), world.driver.counters().abandoned), (requests, 0));
    }
}

#[test]
fn r12_another_login_drops_a_request_that_was_only_announced() {
    let mut world = announced(false);
    world.start("user-18");
    assert_eq!(told(&mut world), ["Authenticating -> Unauthenticated: Stopped"]);
    world.settle();
    assert_eq!(world.served_to(), "user-18");
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn r12_going_offline_ends_a_request_that_was_only_announced() {
    for (renewing, end) in [
        (false, "Authenticating -> Unauthenticated: Failed: no connection could be made"),
        (true, "Active: RenewalFailed: no connection could be made"),
    ] {
        let mut world = announced(renewing);
        let requests = world.sent.len();
        world.driver.set_online(false, world.now());
        assert_eq!(told(&mut world), [end]);
        assert!(told(&mut world).is_empty());
        assert_eq!(world.sent.len(), requests);
        // It was no try that failed: there is no pause after it.
        world.driver.set_online(true, world.now());
        world.settle();
        assert_eq!((world.sent.len(), world.served_to()), (requests + 1, "user-17".to_owned()));
    }
}

#[test]
fn r12_the_same_login_once_more_leaves_an_announced_request_alone() {
    let mut world = announced(false);
    world.start("user-17");
    world.settle();
    assert_eq!((world.sent.len(), world.driver.epoch()), (1, 1));
}

#[test]
fn r12_a_session_taken_out_knows_nothing_of_an_announced_request() {
    let world = announced(false);
    let (policy, now) = (*world.driver.policy(), world.now());
    let session = world.driver.into_session();
    assert_eq!((session.state(), session.in_flight()), (StateName::Unauthenticated, None));
    let mut driver = Driver::from_session(session, policy);
    driver.start(login("user-17"), now);
    assert!(matches!(driver.poll(now), Output::Event(_)));
    assert!(matches!(driver.poll(now), Output::Send(_)), "the budget was not touched");
}
