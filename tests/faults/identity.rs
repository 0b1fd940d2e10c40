//! R10: whose login it is, is known until it is stopped.

use http::Response;
use videokit_session::driver::Policy;
use videokit_session::exchange::{DenialKind, Endpoint, Flaw, IdentitySource};
use videokit_session::session::transitions::StateName;
use videokit_session::session::{
    AdoptError, Advance, Input, ReceiveError, Rejection, RequestId, SendError, Step,
};
use videokit_session::{
    AnySession, Authenticating, Backend, Credentials, Driver, Event, Expired, Grant, Identity,
    Moment, Session, SessionToken, TransportFailure, Unauthenticated,
};

use crate::world::{GRANT, HOUR, MINUTE, Server, World, config, login, says};

/// Credentials that state nobody.
fn cookie() -> Credentials {
    Credentials::backend(Backend::new(Endpoint::https("https://app.example/token").unwrap()))
}

fn adoptable(user: &str) -> Grant {
    let grant = Grant::new(SessionToken::new("tok-adopted").unwrap());
    grant.with_identity(Identity::new(user).unwrap())
}

fn expired() -> (Session<Expired>, Moment) {
    let now = World::new(HOUR).now();
    let session = Session::new(config(|config| config), 1);
    let (session, outgoing) = session.authenticate(&cookie(), now).unwrap();
    let (session, _) = session.receive(outgoing.id(), &says(200, GRANT), now).unwrap();
    let late = now.after(HOUR);
    let Advance::Lapsed(session) = session.advance(late) else { panic!("it has lapsed") };
    (session, late)
}

fn reauthenticating() -> (Session<Authenticating>, RequestId, Moment) {
    let (session, now) = expired();
    let (session, outgoing) = session.authenticate(&cookie(), now).unwrap();
    (session, outgoing.id(), now)
}

/// The ways in which an authentication fails.
fn failed() -> Vec<(&'static str, Session<Unauthenticated>, Moment)> {
    let denied = |reply: &Response<bytes::Bytes>| {
        let (session, id, now) = reauthenticating();
        match session.receive(id, reply, now) {
            Err(ReceiveError::Denied(denied, _)) => (denied.into_session(), now),
            other => panic!("{other:?}"),
        }
    };
    let by = |name, (session, now)| (name, session, now);
    let (session, id, now) = reauthenticating();
    let unreachable = session.fail(id, TransportFailure::Unreachable, now).unwrap();
    let another = r#"{"sessionToken":"tok-2","identity":"eve"}"#;
    vec![
        ("no connection", unreachable, now),
        by("an outage", denied(&says(503, ""))),
        by("a refusal", denied(&says(401, ""))),
        by("another identity", denied(&says(200, another))),
    ]
}

#[test]
fn r10_a_failed_authentication_forgets_nobody() {
    for (name, session, now) in failed() {
        assert_eq!(session.identity().map(Identity::as_str), Some("user-17"), "{name}");

        // Neither credentials nor a token of somebody else are taken, and the session is handed back.
        let rejected = session.authenticate(&login("eve"), now).unwrap_err();
        let (session, reason) = rejected.into_parts();
        assert_eq!(reason, SendError::OtherIdentity, "{name}");
        let (session, reason) = session.adopt(adoptable("eve"), now).unwrap_err().into_parts();
        assert_eq!(reason, AdoptError::OtherIdentity, "{name}");

        // Nor is a reply that names somebody else, however often it is asked for.
        let (session, outgoing) = session.authenticate(&cookie(), now).unwrap();
        let another = says(200, r#"{"sessionToken":"tok-2","identity":"eve"}"#);
        let Err(ReceiveError::Denied(denied, _)) = session.receive(outgoing.id(), &another, now)
        else {
            panic!("{name}");
        };
        let flaw = Flaw::WrongIdentity { expected: IdentitySource::EarlierToken };
        assert_eq!(denied.reason().kind(), DenialKind::Malformed(flaw), "{name}");
        let session = denied.into_session();

        let (session, outgoing) = session.authenticate(&login("user-17"), now).unwrap();
        let back = session.receive(outgoing.id(), &says(200, GRANT), now);
        assert_eq!(back.unwrap().0.identity().map(Identity::as_str), Some("user-17"), "{name}");
    }
}

#[test]
fn r10_stop_forgets_whose_login_it_was() {
    for (name, session, now) in failed() {
        let session = session.stop();
        assert_eq!(session.identity(), None, "{name}");
        assert!(session.authenticate(&login("eve"), now).is_ok(), "{name}");
    }
    let (session, now) = expired();
    assert!(session.stop().adopt(adoptable("eve"), now).is_ok());
    let (session, _, now) = reauthenticating();
    assert!(session.stop().authenticate(&login("eve"), now).is_ok());
}

/// No token was held, so it was nobody's login yet.
#[test]
fn r10_a_first_login_that_fails_is_forgotten() {
    let now = World::new(HOUR).now();
    let session = Session::new(config(|config| config), 1);
    let (session, outgoing) = session.authenticate(&login("user-17"), now).unwrap();
    assert_eq!(session.identity().map(Identity::as_str), Some("user-17"), "the one asked for");
    let session = session.fail(outgoing.id(), TransportFailure::TimedOut, now).unwrap();
    assert_eq!(session.identity(), None);
    assert!(session.authenticate(&login("eve"), now).is_ok());
}

#[test]
fn r10_any_session_forgets_nobody() {
    let (session, id, now) = reauthenticating();
    let mut session = AnySession::from(session);
    let step = session.step(Input::Reply(id, says(503, "")), now);
    assert!(matches!(step, Step::Denied(..)));
    assert_eq!(session.identity().map(Identity::as_str), Some("user-17"));
    let refused = [
        (Input::Authenticate(login("eve")), Rejection::NotSent(SendError::OtherIdentity)),
        (Input::Adopt(adoptable("eve")), Rejection::NotAdopted(AdoptError::OtherIdentity)),
    ];
    for (input, rejection) in refused {
        assert_eq!(session.step(input, now), Step::Rejected(rejection));
        assert_eq!((session.state(), session.in_flight()), (StateName::Unauthenticated, None));
    }
    assert_eq!(session.step(Input::Stop, now), Step::Unchanged, "it is no transition");
    assert_eq!(session.identity(), None);
    assert!(matches!(session.step(Input::Adopt(adoptable("eve")), now), Step::Moved(_)));
}

#[test]
fn r10_a_driver_whose_authentication_fails_forgets_nobody() {
    let another = says(200, r#"{"sessionToken":"tok-2","identity":"eve"}"#);
    let replies = [
        (says(503, ""), StateName::Unauthenticated),
        (another, StateName::Unauthenticated),
        // It asks no more, and the token expires.
        (says(401, ""), StateName::Expired),
    ];
    for (reply, state) in replies {
        let mut world = World::new(HOUR);
        world.server = Server::Says(says(200, GRANT));
        world.driver.start(cookie(), world.now());
        world.poll_until_idle();
        world.server = Server::Says(reply.clone());
        world.run(HOUR);
        assert_eq!(world.driver.state(), state, "{reply:?}");
        assert_eq!(world.driver.identity().map(Identity::as_str), Some("user-17"), "{reply:?}");

        // The session that the driver is made of knows it, too.
        let now = world.now();
        let spare = Driver::new(config(|config| config), 0);
        let mut session = std::mem::replace(&mut world.driver, spare).into_session();
        let step = session.step(Input::Authenticate(login("eve")), now);
        assert_eq!(step, Step::Rejected(SendError::OtherIdentity.into()), "{reply:?}");
        world.driver = Driver::from_session(session, Policy::default());
        assert_eq!(world.driver.identity().map(Identity::as_str), Some("user-17"), "{reply:?}");

        world.stop();
        assert_eq!(world.driver.identity(), None, "{reply:?}");
        world.server = Server::Up;
        world.start("eve");
        world.run(MINUTE);
        assert_eq!(world.served_to(), "eve", "{reply:?}");
        let refused = |event: &Event| matches!(event, Event::NotSent(_));
        assert!(!world.events.iter().any(refused), "{reply:?}");
    }
}
