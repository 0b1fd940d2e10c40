//! What a start is, compared with the one before: the same, another, or somebody else's.

use std::time::Duration;

use http::HeaderValue;
use http::header::COOKIE;
use videokit_session::driver::{Policy, Stalled, Start};
use videokit_session::exchange::Endpoint;
use videokit_session::session::transitions::StateName;
use videokit_session::{
    AnySession, Backend, Credentials, Driver, Grant, Identity, Session, SessionToken,
};

use crate::world::{HOUR, MINUTE, Server, World, config, login, login_with, says};

fn nameless(token: &str) -> Start {
    SessionToken::new(token).unwrap().into()
}

fn named(token: &str, identity: &str) -> Start {
    let grant = Grant::new(SessionToken::new(token).unwrap());
    grant.with_identity(Identity::new(identity).unwrap()).into()
}

/// How many logins a driver counts after these starts, polled after each or not.
fn epochs(starts: &[Start], polled: bool) -> u64 {
    let mut world = World::new(HOUR);
    for start in starts {
        world.driver.start(start.clone(), world.now());
        if polled {
            world.settle();
        }
    }
    world.driver.epoch()
}

#[test]
fn the_same_start_twice_is_one_login_whether_it_was_polled_for_or_not() {
    let user = || login_with("app:hush", "user-17").into();
    let rows: &[(&[Start], u64)] = &[
        (&[nameless("a"), nameless("a")], 1),
        (&[nameless("a"), nameless("b")], 2),
        (&[named("a", "user-17"), named("a", "user-17")], 1),
        (&[named("a", "user-17"), named("b", "user-17")], 1),
        (&[named("a", "user-17"), named("b", "user-18")], 2),
        (&[named("a", "user-17"), nameless("b")], 2),
        (&[named("a", "user-17"), user()], 1),
        (&[nameless("a"), user()], 2),
        (&[user(), user()], 1),
        (&[user(), login_with("app:next-hush", "user-17").into()], 1),
        (&[user(), login_with("app:hush", "user-18").into()], 2),
        (&[user(), named("a", "user-17")], 2),
    ];
    for (n, (starts, logins)) in rows.iter().enumerate() {
        for polled in [false, true] {
            assert_eq!(epochs(starts, polled), *logins, "row {n}, polled: {polled}");
        }
    }
}

/// A session that was driven by hand goes on for whom it was, even when an authentication fails.
#[test]
fn a_session_taken_over_keeps_for_whom_it_is() {
    let mut world = World::new(MINUTE);
    let backend = Backend::new(Endpoint::https("https://app.example/token").unwrap())
        .header(COOKIE, HeaderValue::from_static("login=1"));
    let session = Session::new(config(|config| config), 1);
    let credentials = Credentials::backend(backend);
    let (session, outgoing) = session.authenticate(credentials, world.now()).unwrap();
    let granting = says(200, r#"{"sessionToken":"tok-1","identity":"user-17"}"#);
    let mut session = session.receive(outgoing.id(), &granting, world.now()).unwrap();
    let renewal = session.renew(world.now()).unwrap();
    world.driver = Driver::from_session(AnySession::from(session), Policy::default());
    world.server = Server::Silent;
    let named = |world: &World| world.driver.identity().map(ToString::to_string);
    assert_eq!(named(&world).as_deref(), Some("user-17"));

    // Whoever answers now is somebody else.
    let other = says(200, r#"{"sessionToken":"tok-2","identity":"user-18"}"#);
    world.answer(renewal.id(), &other);
    assert_eq!(named(&world).as_deref(), Some("user-17"));
    assert_eq!(world.header().as_deref(), Some("Bearer tok-1"));
    assert_eq!(world.driver.epoch(), 0, "no start has been made");

    // And a session that was on its way to its first token.
    let session = Session::new(config(|config| config), 2);
    let (session, outgoing) = session.authenticate(login("user-17"), world.now()).unwrap();
    world.driver = Driver::from_session(session, Policy::default());
    world.answer(outgoing.id(), &says(503, ""));
    assert_eq!(world.driver.state(), StateName::Unauthenticated);
    assert_eq!(named(&world).as_deref(), Some("user-17"));
    assert_eq!(world.driver.stalled(), None, "it asks again by itself");
    world.server = Server::Up;
    world.pass(Duration::from_secs(120));
    world.settle();
    assert_eq!(world.driver.state(), StateName::Active);
}

#[test]
fn each_reason_to_start_says_what_to_do() {
    let rows = [
        (Stalled::NotStarted, "nobody is logged in: start"),
        (Stalled::NoCredentials, "start with the next one, or with credentials"),
        (Stalled::Refused, "start with new ones"),
        (Stalled::GaveUp, "start again"),
        (Stalled::NoRequest, "start with another"),
    ];
    for (stalled, cure) in rows {
        assert!(stalled.to_string().ends_with(cure), "{stalled}");
    }
}
