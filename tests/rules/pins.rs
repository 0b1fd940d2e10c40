//! Whose token it has to be, once a token has said so.

use std::sync::Arc;

use http::Response;
use http::header::DATE;
use videokit_session::driver::{Driver, Policy};
use videokit_session::exchange::Endpoint;
use videokit_session::{
    AllowedOrigin, Backend, Config, Credentials, Event, Grant, Identity, Moment, Output,
    SessionToken,
};

const NOW: Moment = Moment::from_millis(5_000, 1_795_492_800_000);

fn driver() -> Driver {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    let config = Arc::new(Config::builder(origin).build().unwrap());
    let mut driver = Driver::with_policy(config, Policy::default(), 1);
    let endpoint = Endpoint::https("https://app.example/token").unwrap();
    driver.start(Credentials::backend(Backend::new(endpoint)), NOW);
    driver
}

fn reply(more: &str) -> Response<String> {
    let mut reply = Response::new(format!(r#"{{"sessionToken":"tok"{more}}}"#));
    reply.headers_mut().insert(DATE, "Tue, 24 Nov 2026 04:00:00 GMT".parse().unwrap());
    reply
}

/// What the driver says until it has sent a request and got this reply to it.
fn answered(driver: &mut Driver, now: Moment, reply: &Response<String>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut sent = None;
    for _ in 0..20 {
        match driver.poll(now) {
            Output::Send(outgoing) => {
                sent = Some(outgoing.id());
                let _ = driver.handle_response(outgoing.id(), reply, now);
            }
            Output::Event(event) => events.push(event),
            Output::Abandon(_) => {}
            Output::Wait(_) => break,
        }
    }
    assert!(sent.is_some(), "a request is due");
    events
}

/// A token that is dead on arrival, or can't be held for another reason, says nothing about whose login it is.
#[test]
fn rule_02_only_a_token_that_is_held_pins_an_identity() {
    const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
    let dead = reply(r#","identity":"anna","expiresAt":"2026-11-24T03:00:00Z""#);
    let mut driver = driver();
    // A token that names nobody serves; its renewal gives one that is dead.
    answered(&mut driver, NOW, &reply(r#","expiresAt":"2026-11-24T04:10:00Z""#));
    assert_eq!(driver.identity(), None);
    let now = NOW.after(MINUTE * 9 + MINUTE / 2);
    let events = answered(&mut driver, now, &dead);
    let denied = |event: &Event| matches!(event, Event::Denied(..));
    assert!(events.iter().any(denied), "{events:?}");
    assert_eq!(driver.identity(), None, "nobody was named by a token that serves");

    let now = now.after(MINUTE);
    let events = answered(
        &mut driver,
        now,
        &reply(r#","identity":"bert","expiresAt":"2027-01-01T00:00:00Z""#),
    );
    assert!(!events.iter().any(denied), "{events:?}");
    assert_eq!(driver.identity().map(Identity::as_str), Some("bert"));
    assert_eq!(driver.generation().unwrap().number(), 2);
}

/// The same for a token that was obtained elsewhere.
#[test]
fn rule_02_a_dead_token_in_place_of_another_names_nobody() {
    // By its claims, it lived for minus ten seconds.
    let dead = "e30.eyJleHAiOjE3MDAwMDAwMDAsImlhdCI6MTcwMDAwMDAyMH0.c2ln";
    let identity = |name| Identity::new(name).unwrap();
    let grant = |token: &str| Grant::new(SessionToken::new(token).unwrap());
    let config = Arc::clone(driver().config());
    let session = videokit_session::Session::new(config, 1);
    let mut session = session.adopt(grant("tok-1"), NOW).unwrap();
    let _ = session.replace(grant(dead).with_identity(identity("anna")), NOW).unwrap_err();
    assert_eq!(session.identity(), None);
    session.replace(grant("tok-2").with_identity(identity("bert")), NOW).unwrap();
    assert_eq!(session.identity(), Some(&identity("bert")));
    let _ = session.replace(grant("tok-3").with_identity(identity("anna")), NOW).unwrap_err();
}
