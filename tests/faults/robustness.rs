//! Misuse, and inputs that nobody sends by accident.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use videokit_session::driver::Policy;
use videokit_session::exchange::{BuildError, Denial, Exchange, Reply};
use videokit_session::session::transitions::StateName;
use videokit_session::session::{Generation, Input, RequestId, Step};
use videokit_session::{
    Credentials, Driver, Grant, Moment, Output, SessionToken, TransportFailure, Wake,
};

use crate::world::{HOUR, SECOND, T0, World, config, login, says};

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
    world.poll_until_idle();
    assert!(world.events.is_empty(), "no event follows it");
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
    world.poll_until_idle();
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
        world.poll_until_idle();
        assert_eq!((world.sent.len(), world.served_to()), (requests + 1, "user-17".to_owned()));
    }
}

#[test]
fn r12_the_same_login_once_more_leaves_an_announced_request_alone() {
    let mut world = announced(false);
    world.start("user-17");
    world.poll_until_idle();
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

/// A user's endpoint whose replies can't be read without a panic, where they say so.
struct Panicking(&'static str);

impl Exchange for Panicking {
    fn request(&self) -> Result<http::Request<Bytes>, BuildError> {
        let uri = format!("https://login.example/{}", self.0);
        Ok(http::Request::post(uri).body(Bytes::new()).unwrap())
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        assert_ne!(reply.body(), b"panic", "this reply is not foreseen");
        Ok(Grant::new(SessionToken::new(format!("{}-token", self.0)).unwrap()))
    }
}

fn user(name: &'static str) -> Credentials {
    Credentials::custom(Arc::new(Panicking(name)))
}

/// Gives the driver a reply over which its exchange panics, as a framework does that catches panics.
fn panics(driver: &mut Driver, id: RequestId, now: Moment) {
    let reply = says(200, "panic");
    let caught = catch_unwind(AssertUnwindSafe(|| driver.handle_response(id, &reply, now)));
    assert!(caught.is_err());
}

/// When the next request goes, and its id.
fn next_request(driver: &mut Driver, mut now: Moment) -> (Moment, RequestId) {
    loop {
        match driver.poll(now) {
            Output::Send(outgoing) => return (now, outgoing.id()),
            Output::Event(_) | Output::Abandon(_) => {}
            Output::Wait(Wake::In(wait, _)) => now = now.after(wait),
            Output::Wait(Wake::OnInput) => panic!("it asks no more: {driver:?}"),
        }
    }
}

#[test]
fn r1_ids_and_budget_run_on_after_a_panic_in_an_exchange() {
    let mut driver = Driver::new(config(|config| config), 1);
    let mut now = Moment::from_millis(5_000, T0);
    driver.start(user("first"), now);
    let (mut seen, mut sent_at) = (Vec::new(), Vec::new());
    for n in 0..20 {
        let (at, id) = next_request(&mut driver, now);
        assert!(!seen.contains(&id), "request {n} has the id of an earlier one: {id}");
        seen.push(id);
        sent_at.push(at.since_start());
        now = at;
        panics(&mut driver, id, now);
    }
    for (n, first) in sent_at.iter().enumerate() {
        for (count, last) in (1..).zip(&sent_at[n..]) {
            let window = last.saturating_sub(*first);
            let most = driver.policy().most_requests_in(window);
            assert!(count <= most, "{count} requests within {window:?}, and the most is {most}");
        }
    }
}

#[test]
fn r1_a_late_reply_after_a_panic_stays_its_own() {
    let mut driver = Driver::new(config(|config| config), 1);
    let now = Moment::from_millis(5_000, T0);
    driver.start(user("first"), now);
    let (now, first) = next_request(&mut driver, now);
    panics(&mut driver, first, now);
    driver.start(user("second"), now);
    let (now, second) = next_request(&mut driver, now);
    let late = says(200, "the first user's");
    assert!(driver.handle_response(first, &late, now).is_stale(), "{first} and {second}");
    assert!(driver.handle_response(second, &late, now).is_accepted());
}

#[test]
fn r1_ids_and_generations_run_on_in_a_session_that_is_taken_out() {
    let (config, now) = (config(|config| config), Moment::from_millis(5_000, T0));
    let mut driver = Driver::new(config, 1);
    driver.start(user("first"), now);
    let (now, first) = next_request(&mut driver, now);
    driver.handle_response(first, &says(200, ""), now);
    let mut session = driver.into_session();
    assert!(matches!(session.step(Input::Stop, now), Step::Moved(_)));
    assert_eq!((session.state(), session.in_flight()), (StateName::Unauthenticated, None));

    let mut driver = Driver::from_session(session, Policy::default());
    driver.start(user("second"), now);
    let (at, second) = next_request(&mut driver, now);
    assert_ne!(second, first);
    let due = now.since_start() + 10 * SECOND;
    assert_eq!(at.since_start(), due, "a driver that doesn't know what was sent waits an interval");
    driver.handle_response(second, &says(200, ""), at);
    assert_eq!(driver.generation().map(Generation::number), Some(2), "generations run on");
}

#[test]
fn r7_seeds_from_the_standard_library_give_different_ids() {
    let seed = || RandomState::new().build_hasher().finish();
    let first_id = |seed| {
        let mut driver = Driver::new(config(|config| config), seed);
        driver.start(login("user-17"), Moment::default());
        next_request(&mut driver, Moment::default()).1
    };
    assert_ne!(first_id(seed()), first_id(seed()));
}

/// By rule 10 they have to: the documentation of `Session::new` says what follows.
#[test]
fn r7_equal_seeds_give_equal_ids() {
    let [mut first, mut second] = ["first", "second"].map(|name| {
        let mut driver = Driver::new(config(|config| config), 42);
        driver.start(user(name), Moment::default());
        driver
    });
    let ids = [&mut first, &mut second].map(|driver| next_request(driver, Moment::default()).1);
    assert_eq!(ids[0], ids[1]);
    let of_the_first = says(200, "");
    assert!(second.handle_response(ids[0], &of_the_first, Moment::default()).is_accepted());
}
