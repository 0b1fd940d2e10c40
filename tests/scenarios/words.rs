//! What sessions, inputs and events say of themselves in a log, beside never saying a secret.

use std::error::Error;

use http::Response;
use videokit_session::driver::Event;
use videokit_session::session::transitions::{Cause, TABLE};
use videokit_session::session::{Advance, Input, TransportFailure};
use videokit_session::{AllowedOrigin, Grant, Scope, Scopes, Session, SessionToken};

use crate::world::{GRANT, HOUR, Server, World, config, login, says};

#[test]
fn a_driver_and_its_session_say_where_they_stand() {
    let mut world = World::new(HOUR);
    assert!(world.driver.is_online(), "until it is told otherwise");
    world.driver.set_online(false, world.now());
    assert!(!world.driver.is_online());
    world.driver.set_online(true, world.now());
    assert!(world.driver.is_online());
    assert_eq!(
        format!("{:?}", world.driver.session()),
        "Unauthenticated(Session { state: Unauthenticated, cause: None, generations: 0, .. })",
    );
    world.start("user-17");
    world.server = Server::Silent;
    world.settle();
    let session = format!("{:?}", world.driver.session());
    let id = world.sent[0].id;
    assert!(session.contains("Authenticating { flight: "), "{session}");
    assert!(session.contains(&format!("{id:?}")), "{session}");

    world.answer(id, &says(200, GRANT));
    let (driver, session) =
        (format!("{:?}", world.driver), format!("{:?}", world.driver.session()));
    for (part, whole) in [
        ("Driver { state: Active, epoch: 1, online: true, blocked: None, queued: 1", &driver),
        ("Active { generation: Generation(1), .. }", &session),
    ] {
        assert!(whole.contains(part), "{whole}");
    }
}

#[test]
fn a_driver_returns_the_scopes_of_the_current_token() {
    let mut world = World::new(HOUR);
    let grant = r#"{"sessionToken":"tok-1","identity":"user-17","scopes":["videos.read"]}"#;
    world.server = Server::Says(says(200, grant));
    assert_eq!(world.driver.granted_scopes(), None);
    world.start("user-17");
    world.settle();
    let scopes = [Scope::VIDEOS_READ].into_iter().collect::<Scopes>();
    assert_eq!(world.driver.granted_scopes(), Some(&scopes));
    world.stop();
    assert_eq!(world.driver.granted_scopes(), None);
}

#[test]
fn a_lapsed_session_says_for_whom_it_was() {
    let mut world = World::new(HOUR);
    let session = Session::new(config(|config| config), 1);
    let (session, outgoing) = session.authenticate(login("user-17"), world.now()).unwrap();
    let session = session.receive(outgoing.id(), &says(200, GRANT), world.now()).unwrap();
    world.pass(HOUR);
    let Advance::Lapsed(session) = session.advance(world.now()) else { panic!("it has lapsed") };
    assert_eq!(session.credentials(), Some(&login("user-17")));
    let text = format!("{session:?}");
    assert!(text.contains("Expired { identity: Some(Identity(\"user-17\")), .. }"), "{text}");
}

#[test]
fn a_reply_that_leaves_a_session_without_a_token_says_why() {
    let now = World::new(HOUR).now();
    let begin = || {
        let session = Session::new(config(|config| config), 1);
        session.authenticate(login("user-17"), now).unwrap()
    };
    let (session, outgoing) = begin();
    let denied = session.receive(outgoing.id(), &says(503, ""), now).unwrap_err();
    let (session, first) = begin();
    let session = session.fail(first.id(), TransportFailure::Unreachable, now).unwrap();
    let (session, _second) = session.authenticate(login("user-17"), now).unwrap();
    let too_late = session.fail(first.id(), TransportFailure::Unreachable, now).unwrap_err();
    let reason = too_late.source().unwrap().to_string();
    assert_eq!(too_late.to_string(), format!("the session stays Authenticating: {reason}"));
    let text = format!("{too_late:?}");
    assert!(text.contains("Session { state: Authenticating { flight: "), "{text}");
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
    world.settle();
    let denied = world.events.iter().find(|event| matches!(event, Event::Denied(..))).unwrap();
    let text = denied.to_string();
    assert!(text.starts_with("Authenticating -> Unauthenticated: Denied: "), "{text}");
    assert!(text.contains("503"), "{text}");
}

#[test]
fn an_input_names_itself_and_what_it_carries() {
    let session = Session::new(config(|config| config), 1);
    let (_, outgoing) = session.authenticate(login("user-17"), World::new(HOUR).now()).unwrap();
    let id = outgoing.id();
    let grant = Grant::new(SessionToken::new("hush").unwrap());
    let rows = [
        (Input::Renew, "Renew"),
        (Input::Stop, "Stop"),
        (Input::Failure(id, TransportFailure::Unreachable), "Failure("),
        (Input::Reply(id, Response::new("hush".into())), "Reply("),
        (Input::Adopt(grant), "Adopt("),
        (Input::Authenticate(login("user-17")), "Authenticate("),
    ];
    for (input, name) in rows {
        let text = format!("{input:?}");
        assert!(text.starts_with(name) && !text.contains("hush"), "{text}");
        assert!(!name.ends_with('(') || text.len() > name.len() + 5, "{text}");
    }
}
