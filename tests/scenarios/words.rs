//! What sessions, inputs and events say of themselves in a log, beside never saying a secret.

use std::error::Error;
use std::fmt::Debug;

use http::Response;
use videokit_session::driver::Event;
use videokit_session::session::transitions::{Cause, TABLE};
use videokit_session::session::{Advance, Input, TransportFailure};
use videokit_session::{
    AllowedOrigin, AnySession, Grant, Identity, Scope, Scopes, Session, SessionToken,
};

use crate::refused::call_with;
use crate::world::{GRANT, HOUR, Server, World, config, login, says};

#[test]
fn a_driver_and_its_session_say_where_they_stand() {
    let mut world = World::new(HOUR);
    assert!(world.driver.is_online(), "by default");
    world.driver.set_online(false, world.now());
    assert!(!world.driver.is_online());
    world.driver.set_online(true, world.now());
    assert!(world.driver.is_online());
    world.start("user-17");
    world.server = Server::Silent;
    world.poll_until_idle();
    let id = world.sent[0].id;
    assert_eq!(world.driver.in_flight(), Some(id));
    let cause = |world: &World| world.driver.last_transition().map(|transition| transition.cause);
    assert_eq!(cause(&world), Some(Cause::Started));

    world.answer(id, &says(200, GRANT));
    assert_eq!((world.driver.in_flight(), cause(&world)), (None, Some(Cause::Granted)));
    let text = format!("{:?}", world.driver);
    let part = "Driver { state: Active, epoch: 1, online: true, blocked: None, queued: 1";
    assert!(text.starts_with(part), "{text}");
}

#[test]
fn a_session_says_where_it_stands() {
    let now = World::new(HOUR).now();
    let session = Session::new(config(|config| config), 1);
    let new = format!("{session:?}");
    let (session, outgoing) = session.authenticate(&login("user-17"), now).unwrap();
    let authenticating = format!("{session:?}");
    let (session, _) = session.receive(outgoing.id(), &says(200, GRANT), now).unwrap();
    let active = format!("{session:?}");
    let any = format!("{:?}", AnySession::from(session));
    for (text, inside) in [
        (new, "state: Unauthenticated, cause: None, generations: 0"),
        (authenticating, "state: Authenticating { .. }, cause: Some(Started), generations: 0"),
        (
            active,
            "state: Active { generation: Generation(1), .. }, cause: Some(Granted), generations: 1",
        ),
        (any, "state: Active, cause: Some(Granted), generations: 1"),
    ] {
        assert_eq!(text, format!("Session {{ {inside}, .. }}"));
    }
}

#[test]
fn a_driver_returns_the_scopes_of_the_current_token() {
    let mut world = World::new(HOUR);
    let grant = r#"{"sessionToken":"tok-1","identity":"user-17","scopes":["videos.read"]}"#;
    world.server = Server::Says(says(200, grant));
    assert_eq!(world.driver.granted_scopes(), None);
    world.start("user-17");
    world.poll_until_idle();
    let scopes = [Scope::VIDEOS_READ].into_iter().collect::<Scopes>();
    assert_eq!(world.driver.granted_scopes(), Some(&scopes));
    world.stop();
    assert_eq!(world.driver.granted_scopes(), None);
}

#[test]
fn a_lapsed_session_says_for_whom_it_was() {
    let mut world = World::new(HOUR);
    let session = Session::new(config(|config| config), 1);
    let (session, outgoing) = session.authenticate(&login("user-17"), world.now()).unwrap();
    let (session, _) = session.receive(outgoing.id(), &says(200, GRANT), world.now()).unwrap();
    world.pass(HOUR);
    let Advance::Lapsed(session) = session.advance(world.now()) else { panic!("it has lapsed") };
    assert_eq!(session.identity().map(Identity::as_str), Some("user-17"));
    let text = format!("{session:?}");
    assert_eq!(text, "Session { state: Expired, cause: Some(Lapsed), generations: 1, .. }");
}

#[test]
fn a_reply_that_leaves_a_session_without_a_token_says_why() {
    let now = World::new(HOUR).now();
    let begin = || {
        let session = Session::new(config(|config| config), 1);
        session.authenticate(&login("user-17"), now).unwrap()
    };
    let (session, outgoing) = begin();
    let denied = session.receive(outgoing.id(), &says(503, ""), now).unwrap_err();
    let (session, first) = begin();
    let session = session.fail(first.id(), TransportFailure::Unreachable, now).unwrap();
    let (session, _second) = session.authenticate(&login("user-17"), now).unwrap();
    let too_late = session.fail(first.id(), TransportFailure::Unreachable, now).unwrap_err();
    let reason = too_late.source().unwrap().to_string();
    assert_eq!(too_late.to_string(), format!("the session stays Authenticating: {reason}"));
    let text = format!("{too_late:?}");
    assert!(
        text.contains("Session { state: Authenticating { .. }, cause: Some(Started), "),
        "{text}"
    );
    let session = too_late.into_session();
    let stale = session.receive(first.id(), &says(503, ""), now).unwrap_err();
    for (error, state) in [(denied, "authentication failed: "), (stale, "still authenticating: ")] {
        let cause = error.source().unwrap().to_string();
        assert_eq!(error.to_string(), format!("{state}{cause}"));
    }
}

#[test]
fn an_authorization_names_its_header_and_not_its_value() {
    let world = World::new(HOUR).logged_in();
    let header = world.header().unwrap();
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    let now = world.now();
    let authorization = world.driver.authorization(&origin, now).unwrap();
    let text = format!("{authorization:?}");
    assert!(text.starts_with("Authorization { name: \"authorization\", authorized: "), "{text}");
    assert!(!text.contains(header.trim_start_matches("Bearer ")), "{text}");
}

#[test]
fn an_event_names_what_moved_and_why() {
    let told = |cause: Cause| {
        let row = TABLE.iter().find(|row| row.cause == cause).unwrap();
        Event::Moved(*row).to_string()
    };
    assert_eq!(told(Cause::Started), "Unauthenticated -> Authenticating: Started");
    assert_eq!(told(Cause::RenewalSent), "Active: RenewalSent");

    let mut world = World::new(HOUR);
    world.server = Server::Says(says(503, ""));
    world.start("user-17");
    world.poll_until_idle();
    let denied = world.events.iter().find(|event| matches!(event, Event::Denied(..))).unwrap();
    let text = denied.to_string();
    assert!(text.starts_with("Authenticating -> Unauthenticated: Denied: "), "{text}");
    assert!(text.contains("503"), "{text}");
}

#[test]
fn an_input_names_itself_and_what_it_carries() {
    let session = Session::new(config(|config| config), 1);
    let (_, outgoing) = session.authenticate(&login("user-17"), World::new(HOUR).now()).unwrap();
    let id = outgoing.id();
    let grant = Grant::new(SessionToken::new("hush").unwrap());
    let rows = [
        (Input::Advance, "Advance"),
        (Input::Stop, "Stop"),
        (Input::Renew(login("user-17")), "Renew("),
        (Input::Failure(id, TransportFailure::Unreachable), "Failure("),
        (Input::Reply(id, Response::new("hush".into())), "Reply("),
        (Input::Adopt(grant), "Adopt("),
        (Input::Authenticate(login("user-17")), "Authenticate("),
    ];
    for (input, name) in rows {
        names_itself(&input, name);
    }
}

/// The same for the inputs of a driver.
#[test]
fn an_input_of_a_driver_names_itself_and_what_it_carries() {
    use videokit_session::driver::Input;
    let mut world = World::new(HOUR).logged_in();
    let id = world.sent[0].id;
    let rows = [
        (Input::Start(login("user-17").into()), "Start(Exchange(Credentials("),
        (Input::Start(SessionToken::new("hush").unwrap().into()), "Start(Token(Grant "),
        (Input::SetCredentials(login("user-17")), "SetCredentials(Credentials("),
        (Input::Response(id, Response::new("hush".into())), "Response("),
        (Input::Failure(id, TransportFailure::Unreachable), "Failure("),
        (
            Input::Unauthorized(call_with(world.driver.generation().unwrap())),
            "Unauthorized(Authorized {",
        ),
        (Input::Online(true), "Online(true)"),
        (Input::Stop, "Stop"),
        (Input::Observe, "Observe"),
    ];
    for (n, (input, name)) in rows.iter().enumerate() {
        names_itself(input, name);
        for (m, (other, _)) in rows.iter().enumerate() {
            assert_eq!(input == other, n == m, "{input:?} {other:?}");
        }
    }
    // Each is also a call that a driver takes.
    for (input, _) in rows {
        world.driver.handle(input, world.now());
        world.poll_until_idle();
    }
}

fn names_itself(input: &impl Debug, name: &str) {
    let text = format!("{input:?}");
    assert!(text.starts_with(name) && !text.contains("hush"), "{text}");
    assert!(!name.ends_with('(') || text.len() > name.len() + 2, "{text}");
}
