//! What a start is, compared with the one before: the same, another, or somebody else's.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderValue;
use http::header::COOKIE;
use videokit_session::driver::{Blocked, Policy, Start};
use videokit_session::exchange::{BuildError, Denial, Endpoint, Exchange, Reply};
use videokit_session::session::transitions::{Cause, StateName};
use videokit_session::{
    AnySession, ApiToken, Backend, Credentials, Driver, Event, Gateway, Grant, Identity, Scope,
    Scopes, Session, SessionToken,
};

use crate::world::{
    API_TOKEN, GRANT, HOUR, MINUTE, Server, World, config, login, login_with, says,
};

fn nameless(token: &str) -> Start {
    SessionToken::new(token).unwrap().into()
}

fn named(token: &str, identity: &str) -> Start {
    let grant = Grant::new(SessionToken::new(token).unwrap());
    grant.with_identity(Identity::new(identity).unwrap()).into()
}

/// Credentials of a stated user that have no request to offer.
fn unready(identity: &str) -> Start {
    Credentials::custom(Arc::new(Unready(Identity::new(identity).unwrap()))).into()
}

struct Unready(Identity);

impl Exchange for Unready {
    fn request(&self) -> Result<http::Request<Bytes>, BuildError> {
        Err(BuildError::Custom("not yet"))
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        Err(reply.granting_body(0).expect_err("no body is that short"))
    }

    fn identity(&self) -> Option<&Identity> {
        Some(&self.0)
    }

    fn scopes(&self) -> Option<&Scopes> {
        static NONE: LazyLock<Scopes> = LazyLock::new(Scopes::default);
        Some(&NONE)
    }
}

/// How many logins a driver counts after these starts, polled after each or not.
fn epochs(starts: &[Start], polled: bool) -> u64 {
    let mut world = World::new(HOUR);
    for start in starts {
        world.driver.start(start.clone(), world.now());
        if polled {
            world.poll_until_idle();
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
        (&[nameless("a"), named("a", "user-17")], 2),
        (&[named("a", "user-17"), unready("user-17"), user()], 1),
        (&[named("a", "user-17"), unready("user-18"), user()], 3),
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

/// A token from the last run of the app, and then the user's credentials, before anybody has polled.
#[test]
fn a_token_to_be_adopted_is_not_lost_when_credentials_follow() {
    let mut world = World::new(HOUR);
    world.driver.set_online(false, world.now());
    world.driver.start(named("st-kept", "user-17"), world.now());
    world.start("user-17");
    world.poll_until_idle();
    assert_eq!(world.header().as_deref(), Some("Bearer st-kept"));
    assert_eq!(world.causes(), [Cause::Adopted]);
    assert_eq!(world.driver.credentials(), Some(&login("user-17")));
    assert_eq!(world.sent.len(), 0);
    world.driver.set_online(true, world.now());
    world.run_to_next_request();
    assert_eq!(world.served_to(), "user-17");
    assert_eq!(world.driver.epoch(), 1);
}

/// The stored token of the last run, then the credentials: what an app starts with each time that it is brought to the
/// foreground.
#[test]
fn start_up_code_that_runs_again_changes_nothing() {
    let begin = |world: &mut World| {
        world.driver.start(named("st-kept", "user-17"), world.now());
        world.start("user-17");
    };
    let mut world = World::new(HOUR);
    begin(&mut world);
    world.poll_until_idle();
    for _ in 0..4 {
        // Idle, with a renewal in flight, and after renewals.
        for in_flight in [false, true] {
            let seen = |world: &World| {
                let driver = &world.driver;
                let token = (driver.generation(), driver.identity().cloned());
                (driver.epoch(), driver.in_flight(), token, driver.credentials().cloned())
            };
            if in_flight {
                world.run_to_next_request();
            }
            let before = seen(&world);
            begin(&mut world);
            assert_eq!(seen(&world), before);
            world.run(MINUTE * 7);
        }
    }
    assert_eq!(world.driver.epoch(), 1);
    assert!(world.driver.generation().unwrap().number() > 2);
    // Another token begins another login, whoever it names.
    world.driver.start(named("st-other", "user-17"), world.now());
    assert_eq!(world.driver.epoch(), 2);
}

/// Nobody renews it, so there is nothing to join.
#[test]
fn a_token_that_has_expired_is_started_with_anew() {
    let token = Grant::new(SessionToken::new("st-short").unwrap());
    let token = token.with_lifetime(Duration::from_secs(60));
    let mut world = World::new(HOUR);
    for login in 1..=2 {
        world.driver.start(token.clone(), world.now());
        world.run(MINUTE * 2);
        assert_eq!(world.driver.epoch(), login);
        assert_eq!(world.driver.state(), StateName::Expired);
    }
}

#[test]
fn a_token_joins_the_login_whose_credentials_were_set_since() {
    let (token, named_so) = (nameless("st-kept"), named("st-kept", "user-17"));
    let mut world = World::new(HOUR);
    world.driver.start(token.clone(), world.now());
    world.poll_until_idle();
    world.driver.set_credentials(login("user-17"), world.now());
    let grant = world.driver.grant(world.now()).unwrap();
    assert_eq!(grant.identity(), world.driver.identity(), "by declaration");
    for start in [token, named_so] {
        world.driver.start(start, world.now());
        assert_eq!(world.driver.epoch(), 1);
        assert_eq!(world.driver.credentials(), Some(&login("user-17")));
    }
    // The same token for somebody else is another login.
    world.driver.start(named("st-kept", "eve"), world.now());
    assert_eq!(world.driver.epoch(), 2);
}

/// A token that is dead by its own claims is reported, and the credentials get another.
#[test]
fn credentials_make_up_for_a_token_that_is_dead_on_arrival() {
    let claims = URL_SAFE_NO_PAD.encode(r#"{"exp":1795492000,"iat":1795492800}"#);
    let dead = format!("e30.{claims}.c2ln");
    let mut world = World::new(HOUR);
    world.driver.start(named(&dead, "user-17"), world.now());
    world.start("user-17");
    world.poll_until_idle();
    let refused = |event: &Event| matches!(event, Event::NotAdopted(_));
    let told: Vec<_> = world.events.iter().filter(|event| refused(event)).collect();
    assert_eq!(told.len(), 1);
    let text = told[0].to_string();
    assert_eq!(
        text,
        "the token was not adopted: the token has expired by its own claims: adopt a newer one",
    );
    assert_eq!(world.served_to(), "user-17");

    // Alone, it leaves nobody logged in.
    let mut world = World::new(HOUR);
    world.driver.start(named(&dead, "user-17"), world.now());
    world.poll_until_idle();
    assert_eq!(world.driver.blocked(), Some(Blocked::NotStarted));
}

/// A session that was driven by hand goes on for whom it was, even when an authentication fails.
#[test]
fn a_session_taken_over_keeps_for_whom_it_is() {
    let mut world = World::new(MINUTE);
    let backend = Backend::new(Endpoint::https("https://app.example/token").unwrap())
        .header(COOKIE, HeaderValue::from_static("login=1"));
    let session = Session::new(config(|config| config), 1);
    let credentials = Credentials::backend(backend);
    let (session, outgoing) = session.authenticate(&credentials, world.now()).unwrap();
    let (mut session, credentials) =
        session.receive(outgoing.id(), &says(200, GRANT), world.now()).unwrap();
    let renewal = session.renew(&credentials, world.now()).unwrap();
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

    // The token is lost, and no other is to be had: neither then.
    world.server = Server::Says(says(503, ""));
    world.run(HOUR);
    assert_eq!(world.driver.state(), StateName::Unauthenticated);
    assert_eq!(named(&world).as_deref(), Some("user-17"));

    // And a session that was on its way to its first token.
    let session = Session::new(config(|config| config), 2);
    let (session, outgoing) = session.authenticate(&login("user-17"), world.now()).unwrap();
    world.driver = Driver::from_session(session, Policy::default());
    world.answer(outgoing.id(), &says(503, ""));
    assert_eq!(world.driver.state(), StateName::Unauthenticated);
    assert_eq!(named(&world).as_deref(), Some("user-17"));
    assert_eq!(world.driver.blocked(), None, "it asks again by itself");
    world.server = Server::Up;
    world.pass(Duration::from_secs(120));
    world.poll_until_idle();
    assert_eq!(world.driver.state(), StateName::Active);
}

#[test]
fn each_reason_to_start_says_what_to_do() {
    let rows = [
        (Blocked::NotStarted, "no login: call `start`"),
        (Blocked::NoCredentials, "start with the next token, or set credentials"),
        (Blocked::Refused, "start with new ones"),
        (Blocked::Spent, "set new ones"),
        (Blocked::GaveUp, "start again"),
        (Blocked::NoRequest, "start with another exchange"),
    ];
    for (blocked, hint) in rows {
        assert!(blocked.to_string().ends_with(hint), "{blocked}");
    }
}

#[test]
fn other_scopes_begin_another_login_whatever_the_secret() {
    let asking = |token: &str, scope: Scope| {
        let gateway =
            Gateway::new(ApiToken::new(token).unwrap(), Identity::new("user-17").unwrap());
        Credentials::for_development(gateway.scopes([scope].into_iter().collect()))
    };
    let rows = [
        (asking(API_TOKEN, Scope::VIDEOS_READ), 1),
        (asking("app:other", Scope::VIDEOS_READ), 1),
        (asking(API_TOKEN, Scope::VIDEOS_EDIT), 2),
        (asking("app:other", Scope::VIDEOS_EDIT), 2),
    ];
    for (next, epoch) in rows {
        let mut world = World::new(HOUR);
        world.driver.start(asking(API_TOKEN, Scope::VIDEOS_READ), world.now());
        world.poll_until_idle();
        assert!(world.header().is_some());
        world.driver.start(next.clone(), world.now());
        assert_eq!(world.driver.epoch(), epoch, "{next:?}");
        assert_eq!(
            world.header().is_some(),
            epoch == 1,
            "a token serves with its own scopes alone"
        );
    }
}

#[test]
fn a_token_to_adopt_outlives_any_number_of_rotations() {
    for rotations in 1..4 {
        let mut world = World::new(HOUR);
        world.driver.start(named("tok-1", "user-17"), world.now());
        for number in 0..rotations {
            let login = login_with(&format!("app:hush-{number}"), "user-17");
            world.driver.start(login, world.now());
        }
        world.poll_until_idle();
        assert_eq!(world.causes().first(), Some(&Cause::Adopted), "after {rotations} rotations");
        assert_eq!(world.header().as_deref(), Some("Bearer tok-1"));
        assert!(world.sent.is_empty(), "no request is needed");
    }
}
