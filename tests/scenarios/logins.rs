//! Logins that change: another secret, another user, no credentials at all, another layer.

use http::HeaderValue;
use http::header::{COOKIE, DATE};
use videokit_session::driver::{AuthorizeError, Blocked, WakeReason};
use videokit_session::exchange::{DenialKind, Endpoint, Flaw, IdentitySource};
use videokit_session::session::transitions::{Cause, StateName};
use videokit_session::{
    Backend, Credentials, Event, Grant, Identity, SessionToken, Validity, Wake, sim,
};

use crate::world::{DAY, HOUR, MINUTE, SECOND, Server, World, login_with, says};

const NEXT_TOKEN: &str = "app:next-hush";

/// A login at the app's own backend, which doesn't say whose it is.
fn cookie(value: &'static str) -> Credentials {
    let backend = Backend::new(Endpoint::https("https://app.example/token").unwrap());
    Credentials::backend(backend.header(COOKIE, HeaderValue::from_static(value)))
}

/// A secret is rotated while its token serves: the next renewal is made with the new one.
#[test]
fn rotation_leaves_no_gap() {
    let mut world = World::new(MINUTE * 10).logged_in();
    let header = world.header();
    world.driver.start(login_with(NEXT_TOKEN, "user-17"), world.now());
    assert_eq!(world.header(), header, "the current token stays in use");
    world.poll_until_idle();
    assert_eq!((world.header(), world.sent.len()), (header, 1));
    world.run(MINUTE * 5);
    assert_eq!(world.served_to(), "user-17");

    // The gateway forgets the old secret, as rotation is for.
    world.gateway = sim::Gateway::new(NEXT_TOKEN, MINUTE * 10, 2);
    world.run_to_next_request();
    assert_eq!(world.sent[1].bearer(), format!("Bearer {NEXT_TOKEN}"));
    assert_eq!(world.served_to(), "user-17");
    assert_eq!(world.driver.epoch(), 1);
    assert!(!world.causes().contains(&Cause::Stopped));
}

/// The old secret is refused, before or after the new one comes: that says nothing about the new one.
#[test]
fn rotation_makes_up_for_a_refusal_of_the_old_secret() {
    for refused_first in [true, false] {
        let mut world = World::new(MINUTE * 10).logged_in();
        let header = world.header();
        world.gateway = sim::Gateway::new(NEXT_TOKEN, MINUTE * 10, 2);
        world.server = Server::Silent;
        world.run_to_next_request();
        let (id, refusal) = world.late_reply();
        assert_eq!(refusal.status(), 401);
        if refused_first {
            world.answer(id, &refusal);
            assert_eq!(world.driver.blocked(), Some(Blocked::Refused));
            world.driver.start(login_with(NEXT_TOKEN, "user-17"), world.now());
        } else {
            world.driver.start(login_with(NEXT_TOKEN, "user-17"), world.now());
            world.answer(id, &refusal);
        }
        assert_eq!(world.driver.blocked(), None, "refused first: {refused_first}");
        assert_eq!(world.header(), header, "refused first: {refused_first}");
        world.server = Server::Up;
        world.run(SECOND);
        assert_eq!(world.sent.len(), 3);
        assert_eq!(world.sent[2].bearer(), format!("Bearer {NEXT_TOKEN}"));
        assert_eq!(world.served_to(), "user-17");
    }
}

/// A secret comes while the first request is in flight: that goes on, and the new one is used next.
#[test]
fn rotation_during_the_login_does_not_start_over() {
    let mut world = World::new(MINUTE * 10);
    world.server = Server::Silent;
    world.start("user-17");
    world.poll_until_idle();
    let (id, reply) = world.late_reply();
    world.driver.start(login_with(NEXT_TOKEN, "user-17"), world.now());
    world.poll_until_idle();
    assert!(world.abandoned.is_empty());
    world.answer(id, &reply);
    world.poll_until_idle();
    assert_eq!(world.served_to(), "user-17");
    world.run_to_next_request();
    assert_eq!(world.sent[1].bearer(), format!("Bearer {NEXT_TOKEN}"));
    assert_eq!(world.driver.epoch(), 1);
}

/// A token in hand, and nothing to renew it with.
#[test]
fn a_token_that_cannot_be_renewed_is_asked_for_once_and_serves_until_it_expires() {
    let mut world = World::new(MINUTE * 10);
    // 2026-11-24T04:10:00Z is in ten minutes; the device's clock may be two minutes off.
    let token = SessionToken::new("st-adopted").unwrap();
    let grant = Grant::new(token).with_expires_at("2026-11-24T04:10:00Z");
    world.driver.start(grant, world.now());
    let Wake::In(wait, WakeReason::Renewal) = world.wake() else { panic!("it will be due") };
    assert_eq!(world.driver.blocked(), Some(Blocked::NoCredentials));
    let needed = |world: &World| {
        world.events.iter().filter(|event| matches!(event, Event::TokenNeeded(_))).count()
    };
    let due = u64::try_from(wait.as_millis()).unwrap();
    world.run_to(due - 1);
    assert_eq!(needed(&world), 0);
    assert_eq!(world.driver.validity(world.now()), Some(Validity::Valid));
    world.run_to(due);
    assert_eq!(needed(&world), 1);
    world.run_to(9 * 60_000);
    assert_eq!(world.header().as_deref(), Some("Bearer st-adopted"));
    world.run(MINUTE * 4);
    assert_eq!(world.header(), None);
    assert_eq!(world.call(), Err(AuthorizeError::Start(Blocked::NoCredentials)));
    world.run(DAY);
    assert_eq!((needed(&world), world.sent.len()), (1, 0));
    assert_eq!(world.wake(), Wake::OnInput);
    assert_eq!(world.driver.state(), StateName::Expired);

    world.driver.start(SessionToken::new("st-next").unwrap(), world.now());
    world.poll_until_idle();
    assert_eq!(world.header().as_deref(), Some("Bearer st-next"));
}

/// Tokens in hand, one after the other, for somebody: each takes the place of the one before.
#[test]
fn each_token_that_cannot_be_renewed_is_asked_for_once() {
    let mut world = World::new(HOUR);
    let named = |token: &str| {
        let grant = Grant::new(SessionToken::new(token).unwrap());
        grant.with_identity(Identity::new("user-17").unwrap())
    };
    for (n, token) in (1..).zip(["st-1", "st-2", "st-3"]) {
        let before = world.header();
        world.driver.start(named(token), world.now());
        assert_eq!(world.header(), before, "the current token serves until then");
        for _ in 0..3 {
            world.poll_until_idle();
            world.driver.start(named(token), world.now());
        }
        assert_eq!(world.header(), Some(format!("Bearer {token}")));
        assert_eq!(world.driver.generation().unwrap().number(), n, "taken once");
        world.run(DAY);
        let needed = world.events.iter().filter(|event| matches!(event, Event::TokenNeeded(_)));
        assert_eq!(u64::try_from(needed.count()), Ok(n));
    }
    assert_eq!(world.driver.epoch(), 1);
}

/// A token in hand for somebody, and then credentials for the same: the token serves until they renew it.
#[test]
fn credentials_for_a_token_in_hand_renew_it() {
    let mut world = World::new(MINUTE * 10);
    let grant = Grant::new(SessionToken::new("st-adopted").unwrap())
        .with_identity(Identity::new("user-17").unwrap());
    world.driver.start(grant, world.now());
    world.poll_until_idle();
    let epoch = world.driver.epoch();
    world.start("user-17");
    assert_eq!(world.header().as_deref(), Some("Bearer st-adopted"));
    world.run_to_next_request();
    assert_eq!(world.served_to(), "user-17");
    assert_eq!(world.driver.epoch(), epoch);
    assert!(world.elapsed() > 600_000, "not before it was due");
}

/// The API refuses a token in hand, and nothing can be done; credentials that come then renew it at once.
#[test]
fn credentials_for_a_token_that_was_refused_renew_it_at_once() {
    let mut world = World::new(MINUTE * 10);
    let grant = Grant::new(SessionToken::new("st-unknown").unwrap())
        .with_identity(Identity::new("user-17").unwrap());
    world.driver.start(grant, world.now());
    world.poll_until_idle();
    for _ in 0..3 {
        assert_eq!(world.call(), Ok(401));
        world.run(SECOND);
    }
    let told = world.events.iter().filter(|event| matches!(event, Event::Unauthorized(_)));
    assert_eq!((told.count(), world.sent.len()), (1, 0));
    world.start("user-17");
    world.poll_until_idle();
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.served_to(), "user-17");
}

/// Another user logs in on the same device: from that moment on, nothing is done as the first.
#[test]
fn a_start_for_another_user_never_serves_the_first_ones_token() {
    let mut world = World::new(HOUR).logged_in();
    let served = world.gateway.counts().served;
    for server in [Server::Silent, Server::Unreachable, Server::Says(says(503, ""))] {
        world.server = server;
        world.start("somebody-else");
        assert_eq!(world.driver.state(), StateName::Unauthenticated, "at once");
        for _ in 0..120 {
            assert_eq!(world.call(), Err(AuthorizeError::Wait));
            world.run(SECOND);
        }
    }
    assert_eq!(world.gateway.counts().served, served);
    assert_eq!(world.driver.identity().map(Identity::as_str), Some("somebody-else"));
    world.server = Server::Up;
    world.run(MINUTE * 2);
    assert_eq!(world.served_to(), "somebody-else");
    assert_eq!(world.driver.epoch(), 2);
}

/// A bare token may be anybody's, so it ends the login before it, and is followed by nobody's.
#[test]
fn a_start_with_a_nameless_token_never_serves_the_token_before_it() {
    let mut world = World::new(HOUR).logged_in();
    world.driver.start(SessionToken::new("st-bare").unwrap(), world.now());
    assert_eq!(world.call(), Err(AuthorizeError::Wait));
    assert_eq!(world.driver.identity(), None);
    world.poll_until_idle();
    assert_eq!(world.header().as_deref(), Some("Bearer st-bare"));
    world.start("user-17");
    assert_eq!(world.header(), None, "and is not taken for user-17's");
    world.run(SECOND);
    assert_eq!(world.served_to(), "user-17");
    assert_eq!(world.driver.epoch(), 3);
}

/// Cookies that name nobody may be two users', even where no reply has named one either.
#[test]
fn a_start_with_another_nameless_cookie_never_serves_the_token_before_it() {
    let mut world = World::new(HOUR);
    world.server = Server::Says(says(200, r#"{"sessionToken":"st-first"}"#));
    world.driver.start(cookie("login=first"), world.now());
    world.poll_until_idle();
    assert_eq!(world.header().as_deref(), Some("Bearer st-first"));
    world.server = Server::Says(says(200, r#"{"sessionToken":"st-second"}"#));
    world.driver.start(cookie("login=second"), world.now());
    assert_eq!(world.header(), None, "at once");
    world.run(SECOND);
    assert_eq!(world.header().as_deref(), Some("Bearer st-second"));
    assert_eq!(world.sent[1].request.headers()[COOKIE], "login=second");
    assert_eq!(world.driver.epoch(), 2);
}

/// Whom the first reply named is whom the login is for, even after the network has failed it.
#[test]
fn a_login_stays_with_whom_its_first_reply_named() {
    let says_for = |identity: &str| {
        let body = format!(
            r#"{{"sessionToken":"st","expiresAt":"2026-11-24T04:10:00Z","identity":"{identity}"}}"#
        );
        let reply = http::Response::builder().header(DATE, "Tue, 24 Nov 2026 04:00:00 GMT");
        Server::Says(reply.body(body.into()).unwrap())
    };
    let mut world = World::new(HOUR);
    world.server = says_for("first");
    world.driver.start(cookie("login"), world.now());
    world.poll_until_idle();
    world.server = Server::Unreachable;
    world.run(HOUR);
    assert_eq!(world.driver.state(), StateName::Unauthenticated);
    assert_eq!(world.driver.identity().map(Identity::as_str), Some("first"));

    world.server = says_for("second");
    world.run_to_next_request();
    let denied = |event: &Event| match event {
        Event::Denied(_, denial) => Some(denial.kind()),
        _ => None,
    };
    let wrong =
        DenialKind::Malformed(Flaw::WrongIdentity { expected: IdentitySource::EarlierToken });
    assert_eq!(world.events.iter().rev().find_map(denied), Some(wrong));
    assert_eq!(world.header(), None);

    world.server = says_for("first");
    world.run(MINUTE * 2);
    assert_eq!(world.header().as_deref(), Some("Bearer st"));
}

/// The first user's reply comes after the second has started, while the second's request is in flight,
/// and after the second has a token.
#[test]
fn the_reply_to_the_old_user_is_stale_after_the_new_start() {
    for renewing in [false, true] {
        let (mut world, old, reply) = World::with_a_late_reply(renewing);
        world.start("somebody-else");
        assert!(world.driver.handle_response(old, &reply, world.now()).is_stale());
        world.run_to_next_request();
        assert!(world.driver.handle_response(old, &reply, world.now()).is_stale());
        assert_eq!(world.call(), Err(AuthorizeError::Wait));
        assert_eq!(world.driver.state(), StateName::Authenticating);
        world.server = Server::Up;
        world.run(MINUTE);
        let header = world.header();
        assert!(world.driver.handle_response(old, &reply, world.now()).is_stale());
        assert_eq!(world.header(), header);
        assert_eq!(world.served_to(), "somebody-else");
        assert_eq!(world.driver.counters().stale, 3);
    }
}
