//! Requests that fail, hang, or are answered too late.

use std::time::Duration;

use videokit_session::driver::{AuthorizeError, Blocked, WakeReason};
use videokit_session::session::transitions::{Cause, StateName};
use videokit_session::{Event, TransportFailure, Validity, Wake};

use crate::world::{DAY, HOUR, MINUTE, SECOND, Server, World, says};

/// auth-js #141: the network is down when the token is to be renewed, and for a day after that.
#[test]
fn a_session_is_not_lost_because_the_network_was_down() {
    let mut world = World::new(MINUTE * 10).logged_in();
    world.causes();
    world.server = Server::Unreachable;
    world.run_to_next_request();
    assert_eq!(world.served_to(), "user-17");
    world.run(DAY);
    assert_eq!(world.call(), Err(AuthorizeError::Wait), "its token is gone, and it is on its way");
    assert_eq!(world.driver.blocked(), None);
    let causes = world.causes();
    assert!(causes.contains(&Cause::Lapsed) || causes.contains(&Cause::LapsedInFlight));
    assert!(!causes.contains(&Cause::Stopped));

    world.server = Server::Up;
    world.run(MINUTE);
    assert_eq!(world.served_to(), "user-17");
    assert_eq!(world.driver.epoch(), 1, "nobody had to log in again");
}

/// auth-js #141: a device that knows that it has no network.
#[test]
fn a_device_that_is_offline_asks_for_nothing_and_goes_on_when_it_is_back() {
    let mut world = World::new(MINUTE * 10).logged_in();
    world.driver.set_online(false, world.now());
    world.run(SECOND * 599);
    assert_eq!(world.served_to(), "user-17");
    world.run(DAY);
    assert_eq!(world.driver.state(), StateName::Expired);
    assert_eq!(world.wake(), Wake::OnInput, "no timer wakes it in vain");
    assert_eq!(world.sent.len(), 1);

    world.driver.set_online(true, world.now());
    world.poll_until_idle();
    assert_eq!(world.served_to(), "user-17");
    assert_eq!(world.sent.len(), 2);
}

/// google-cloud-rust #5809: a renewal that fails takes the valid token with it.
#[test]
fn a_failed_renewal_does_not_displace_a_valid_token() {
    let expired = r#"{"sessionToken":"t","expiresAt":"2026-11-24T04:00:00Z"}"#;
    let servers = [
        Server::Unreachable,
        Server::Silent,
        Server::Says(says(200, "")),
        Server::Says(says(200, "<html>log in to the wireless network</html>")),
        Server::Says(says(200, r#"{"sessionToken":""}"#)),
        Server::Says(says(200, r#"{"sessionToken":"t","identity":"somebody-else"}"#)),
        Server::Says(says(200, r#"{"sessionToken":"t","error":"no"}"#)),
        Server::Says({
            let mut reply = says(200, expired);
            reply.headers_mut().insert("date", "Tue, 24 Nov 2026 05:00:00 GMT".parse().unwrap());
            reply
        }),
        Server::Says(says(302, "")),
        Server::Says(says(401, "")),
        Server::Says(says(429, "")),
        Server::Says(says(503, "")),
    ];
    for (n, server) in servers.into_iter().enumerate() {
        let mut world = World::new(HOUR).logged_in();
        let before = (world.header(), world.driver.generation(), world.driver.state());
        world.server = server;
        world.run_to_next_request();
        world.run(SECOND * 20);
        let after = (world.header(), world.driver.generation(), world.driver.state());
        assert_eq!(before, after, "{n}");
        assert_eq!(world.driver.validity(world.now()), Some(Validity::Valid), "{n}");
        assert_eq!(world.served_to(), "user-17", "{n}");
    }
}

/// google-cloud-rust #5864: a task in the background dies, and every later call fails with it.
#[test]
fn no_failure_poisons_the_driver_for_ever() {
    let mut world = World::new(MINUTE * 10).logged_in();
    for server in [
        Server::Unreachable,
        Server::Silent,
        Server::Says(says(200, "<html>")),
        Server::Says(says(301, "")),
        Server::Says(says(429, "")),
        Server::Says(says(500, "")),
    ] {
        world.server = server;
        world.run(DAY);
        assert_eq!(world.call(), Err(AuthorizeError::Wait));
        world.server = Server::Up;
        // The longest backoff, and the time-out of a request that is still in flight.
        world.run(MINUTE + SECOND * 15);
        assert_eq!(world.served_to(), "user-17");
    }
}

/// google-cloud-rust #5864: the caller's own task dies, and nobody polls for a week.
#[test]
fn a_driver_that_nobody_polled_goes_on_where_it_was() {
    let mut world = World::new(MINUTE * 10).logged_in();
    world.server = Server::Silent;
    world.run_to_next_request();
    world.pass(DAY * 7);
    assert_eq!(world.call(), Err(AuthorizeError::Wait), "an old token does not serve");
    world.server = Server::Up;
    world.run(MINUTE);
    assert_eq!(world.served_to(), "user-17");
}

/// supabase-js #2013: a refresh that never ends holds a lock, and every call waits for it.
#[test]
fn a_refresh_that_hangs_holds_nothing_up() {
    let mut world = World::new(HOUR).logged_in();
    world.server = Server::Silent;
    world.run_to_next_request();
    let (hung, begun) = (world.sent[1].id, world.elapsed());
    assert_eq!(world.wake(), Wake::In(SECOND * 15, WakeReason::Deadline));
    for _ in 0..15 {
        assert_eq!(world.served_to(), "user-17", "calls don't wait");
        world.run(SECOND);
    }
    assert_eq!(world.abandoned, [hung], "its time-out is over");
    world.server = Server::Up;
    world.run(SECOND * 2);
    assert_eq!(world.sent.len(), 3, "and another took its place");
    assert!(world.sent[2].at - begun <= 17_000);
    assert_eq!(world.driver.generation().unwrap().number(), 2);
}

/// logto kotlin #253, supabase-swift #1371: a reply comes after the user has signed out.
#[test]
fn a_late_reply_does_not_revive_a_session_that_was_signed_out() {
    for renewing in [false, true] {
        let (mut world, id, reply) = World::with_a_late_reply(renewing);
        world.stop();
        assert!(world.driver.handle_response(id, &reply, world.now()).is_stale(), "at once");
        world.poll_until_idle();
        assert_eq!(world.abandoned, [id]);
        world.pass(SECOND);
        assert!(world.driver.handle_response(id, &reply, world.now()).is_stale(), "and later");
        assert!(world.driver.handle_failure(id, TransportFailure::Other, world.now()).is_stale());
        assert_eq!(world.wake(), Wake::OnInput);
        assert_eq!(world.driver.state(), StateName::Unauthenticated);
        assert_eq!(world.call(), Err(AuthorizeError::Start(Blocked::NotStarted)));
        assert_eq!(world.driver.counters().stale, 3);
        assert_eq!(world.causes().last(), Some(&Cause::Stopped));
        assert_eq!(world.driver.counters().renewals, 0);
    }
}

/// supabase-js #2501: signing out needs the server, which can't be reached.
#[test]
fn signing_out_works_offline() {
    for (server, online) in
        [(Server::Unreachable, true), (Server::Silent, true), (Server::Up, false)]
    {
        let mut world = World::new(MINUTE * 10).logged_in();
        world.server = server;
        world.driver.set_online(online, world.now());
        world.run(MINUTE * 9);
        assert_eq!(world.driver.state(), StateName::Active);
        let sent = world.sent.len();
        world.stop();
        assert_eq!(world.driver.state(), StateName::Unauthenticated, "at once");
        assert_eq!(world.header(), None);
        assert_eq!(world.driver.identity(), None);
        world.run(DAY);
        assert_eq!(world.sent.len(), sent, "and without a word to anybody");
    }
}

/// What is given up is to be cancelled, once, and nothing else is.
#[test]
fn a_request_that_is_given_up_is_abandoned_once() {
    let mut world = World::new(HOUR);
    world.server = Server::Silent;
    world.start("user-17");
    world.poll_until_idle();
    let first = world.sent[0].id;
    world.start("somebody-else");
    world.poll_until_idle();
    assert_eq!(world.abandoned, [first], "another login");
    world.run_to_next_request();
    let second = world.sent[1].id;
    world.run(SECOND * 15);
    assert_eq!(world.abandoned, [first, second], "no reply in time");
    world.server = Server::Up;
    world.run_to_next_request();
    world.stop();
    world.run(HOUR);
    assert_eq!(world.abandoned.len(), 2, "what was answered is not given up");
    assert_eq!(world.driver.counters().abandoned, 2);
    let timed_out = |event: &&Event| matches!(event, Event::Failed(_, TransportFailure::TimedOut));
    assert_eq!(world.events.iter().filter(timed_out).count(), 1);
}

/// A reply that comes after the time-out and before anybody has polled is as good as any.
#[test]
fn a_reply_that_beats_the_poll_is_taken() {
    let mut world = World::new(HOUR);
    world.server = Server::Silent;
    world.start("user-17");
    world.poll_until_idle();
    world.pass(Duration::from_secs(20));
    let (id, reply) = world.late_reply();
    world.answer(id, &reply);
    world.poll_until_idle();
    assert_eq!(world.served_to(), "user-17");
    assert!(world.abandoned.is_empty());
}
