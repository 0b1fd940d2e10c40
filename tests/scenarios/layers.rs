//! From the driver down to its session, and up again.

use std::mem;
use std::time::Duration;

use videokit_session::driver::{Blocked, Delivery, Drive, Input, Policy, WakeReason};
use videokit_session::session::TypedSession;
use videokit_session::{
    AnySession, Driver, Event, Identity, Output, SessionToken, TransportFailure, Validity, Wake,
};

use crate::refused::call_with;
use crate::world::{API_TOKEN, HOUR, MINUTE, SECOND, Server, World, config, login, says};

impl World {
    /// Takes the session out of its driver, and gives it to another one.
    fn through_a_session(&mut self, by_hand: impl FnOnce(AnySession) -> AnySession) {
        let policy = *self.driver.policy();
        let spare = Driver::new(config(|config| config), 0);
        let session = mem::replace(&mut self.driver, spare).into_session();
        self.driver = Driver::from_session(by_hand(session), policy);
    }
}

/// Down to the session and up again: the token, its number and its identity stay. The credentials are the
/// caller's to keep.
#[test]
fn a_session_that_is_driven_by_hand_for_a_while_keeps_its_token() {
    let mut world = World::new(MINUTE * 10).logged_in();
    let (header, generation) = (world.header(), world.driver.generation());
    let credentials = world.driver.credentials().cloned().unwrap();
    let now = world.now();
    world.through_a_session(|session| {
        let TypedSession::Active(session) = session.into_typed() else {
            panic!("its token serves")
        };
        assert_eq!(Some(session.generation()), generation);
        assert_eq!(session.validity(now), Validity::Valid);
        assert_eq!(session.identity().map(Identity::as_str), Some("user-17"));
        session.into()
    });
    assert_eq!((world.header(), world.driver.generation()), (header.clone(), generation));
    assert_eq!(world.driver.credentials(), None);
    assert_eq!(world.driver.blocked(), Some(Blocked::NoCredentials));
    world.driver.set_credentials(credentials, world.now());
    assert_eq!((world.header(), world.driver.generation()), (header, generation));
    assert_eq!(world.driver.blocked(), None);
    world.start("user-17");
    assert_eq!(world.driver.epoch(), 0, "it is the login that the session is of");
    assert_eq!(world.sent.len(), 1);
    world.run(HOUR);
    assert_eq!(world.served_to(), "user-17");
    assert!(world.sent.len() > 6, "and is renewed as ever");
}

/// A request in flight goes along, both ways.
#[test]
fn a_reply_to_a_request_of_the_session_by_hand_is_taken() {
    let mut world = World::new(MINUTE * 10).logged_in();
    let now = world.now();
    let mut by_hand = None;
    world.through_a_session(|session| {
        let TypedSession::Active(mut session) = session.into_typed() else {
            panic!("its token serves")
        };
        by_hand = Some(session.renew(&login("user-17"), now).unwrap());
        session.into()
    });
    let outgoing = by_hand.unwrap();
    assert_eq!(world.driver.credentials(), Some(&login("user-17")), "those of the request");
    assert_eq!(world.wake(), Wake::In(SECOND * 15, WakeReason::Deadline));
    let reply = world.gateway.handle(outgoing.request(), world.truth);
    world.answer(outgoing.id(), &reply);
    world.poll_until_idle();
    assert_eq!(world.driver.generation().unwrap().number(), 2);
    assert_eq!(world.served_to(), "user-17");
}

/// The budget is not to be had anew by going down to the session and up again.
#[test]
fn a_round_trip_through_the_session_does_not_refill_the_budget() {
    let millisecond = Duration::from_millis(1);
    let policy = Policy::builder().backoff(millisecond, millisecond).build().unwrap();
    let mut world = World::with(config(|config| config), policy, MINUTE * 10, 1).logged_in();
    world.server = Server::Says(says(503, ""));
    world.run_to_next_request();
    let (begun, before) = (world.elapsed(), world.sent.len());
    for n in 0..600 {
        if n % 10 == 0 {
            world.through_a_session(|session| session);
            world.driver.set_credentials(login("user-17"), world.now());
        }
        world.run(Duration::from_millis(100));
    }
    assert_eq!(world.driver.policy(), &policy);
    let within = Duration::from_millis(world.elapsed() - begun);
    let sent = world.sent.len() - before + 1;
    assert!(u64::try_from(sent).unwrap() <= policy.most_requests_in(within), "{sent} requests");
    assert!(world.busiest(SECOND) <= 1, "a burst, which a budget that isn't known can't allow");

    world.server = Server::Up;
    world.run(SECOND * 10);
    assert_eq!(world.driver.generation().unwrap().number(), 2, "the interval is over");
    assert_eq!(world.sent.last().unwrap().bearer(), format!("Bearer {API_TOKEN}"));
}

/// A loop that is written for any `Drive` tells a driver the same as one that is written for it.
#[test]
fn a_driver_hears_every_input_through_the_trait() {
    let mut world = World::new(HOUR);
    let now = world.now();
    let mut driver = Driver::new(config(|config| config), 1);
    Drive::set_online(&mut driver, false, now);
    Drive::start(&mut driver, login("user-17"), now);
    assert_eq!(Drive::poll(&mut driver, now), Output::Wait(Wake::OnInput));
    Drive::set_online(&mut driver, true, now);
    assert!(matches!(Drive::poll(&mut driver, now), Output::Event(_)), "it says what it does");
    let Output::Send(outgoing) = Drive::poll(&mut driver, now) else { panic!("it asks") };
    let late = Drive::handle_failure(&mut driver, outgoing.id(), TransportFailure::Other, now);
    assert_eq!((late, driver.counters().unanswered), (Delivery::Accepted, 1));
    let reply = world.gateway.handle(outgoing.request(), world.truth);
    let stale = Drive::handle_response(&mut driver, outgoing.id(), &reply, now);
    assert!(stale.is_stale(), "it was told of its failure");
    Drive::stop(&mut driver, now);
    assert_eq!(Drive::driver(&driver).blocked(), Some(Blocked::NotStarted));

    let mut driver = Driver::new(config(|config| config), 1);
    Drive::start(&mut driver, SessionToken::new("bare").unwrap(), now);
    while let Output::Event(_) = Drive::poll(&mut driver, now) {}
    let generation = Drive::driver(&driver).generation().unwrap();
    let remaining = Drive::driver(&driver).remaining(now).unwrap();
    Drive::observe(&mut driver, now.after(SECOND));
    // What was seen to pass is not taken back by a clock that is set back.
    assert_ne!(Drive::driver(&driver).remaining(now), Some(remaining), "a reading of the clocks");
    Drive::handle_unauthorized(&mut driver, call_with(generation), now);
    let told = Output::Event(Event::Unauthorized(generation));
    assert_eq!(Drive::poll(&mut driver, now), told);
    Drive::set_credentials(&mut driver, login("user-17"), now);
    assert_eq!(Drive::driver(&driver).credentials(), Some(&login("user-17")));
    assert_eq!(Drive::handle(&mut driver, Input::Stop, now), Delivery::Accepted);
    assert_eq!(Drive::driver(&driver).blocked(), Some(Blocked::NotStarted));
}
