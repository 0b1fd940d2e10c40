//! Tokens where they don't belong: in logs, on redirects, at other origins.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue, LOCATION};
use http::{Request, Response};
use videokit_session::driver::AuthorizeError;
use videokit_session::session::transitions::StateName;
use videokit_session::{AllowedOrigin, Output, Wake};

use crate::world::{API_TOKEN, DAY, HOUR, MINUTE, SECOND, Server, World};

/// golang/oauth2 #805, azure-sdk-for-net #59606: the credentials go where a redirect says.
#[test]
fn no_redirect_is_followed() {
    for status in [301, 302, 303, 307, 308] {
        let mut world = World::new(MINUTE * 10).logged_in();
        let redirect = Response::builder().status(status);
        let redirect = redirect.header(LOCATION, "https://elsewhere.example/v1/sessions");
        world.server = Server::Says(redirect.body(Bytes::new()).unwrap());
        world.run(HOUR);
        assert!(world.sent.len() > 20, "{status}: it tries again");
        for sent in &world.sent {
            assert_eq!(sent.request.uri(), "https://gateway.video.io/v1/sessions", "{status}");
        }
        assert_eq!(world.call(), Err(AuthorizeError::Wait), "{status}: and is not logged out");
    }
}

/// golang/oauth2 #805, azure-sdk-for-net #59606: an API call that was redirected, or is not the API's,
/// takes the token along.
#[test]
fn no_other_origin_is_sent_the_token() {
    let world = World::new(HOUR).logged_in();
    let token = world.header().unwrap();
    for uri in [
        "https://elsewhere.example/v1/videos",
        "http://api.example/v1/videos",
        "https://api.example:8443/v1/videos",
        "https://api.example.elsewhere.example/v1/videos",
        "https://v2.api.example/v1/videos",
        "https://user@api.example/v1/videos",
        "https://gateway.video.io/v1/sessions",
        "/v1/videos",
    ] {
        let reason =
            if uri.starts_with('/') { AuthorizeError::NoHost } else { AuthorizeError::OtherOrigin };
        // As it is when an HTTP client follows a redirect with the headers that it has.
        let redirected = Request::get(uri).header(AUTHORIZATION, &token);
        let mut redirected = redirected.body(()).unwrap();
        let refused = world.driver.authorize(&mut redirected, world.now());
        assert_eq!(refused, Err(reason), "{uri}");
        assert_eq!(redirected.headers().get(AUTHORIZATION), None, "{uri}");
    }
}

/// golang/oauth2 #805, azure-sdk-for-net #59606: a debug line or an error shows the token.
#[test]
fn no_log_shows_a_token() {
    let mut world = World::new(MINUTE * 10);
    let mut log = String::new();
    let mut note = |line: String| {
        log.push_str(&line);
        log.push('\n');
    };
    world.start("user-17");
    for n in 0..40 {
        note(format!("{:?} {:?}", world.driver, world.driver.credentials()));
        match world.driver.poll(world.now()) {
            Output::Send(outgoing) => {
                note(format!("{outgoing:?} {:?}", outgoing.request().headers()));
                let reply = match n % 5 {
                    4 => {
                        // A server that repeats what it was sent.
                        let body = format!(r#"{{"error":"bad token {API_TOKEN}"}}"#);
                        Response::builder().status(503).body(Bytes::from(body)).unwrap()
                    }
                    _ => world.gateway.handle(outgoing.request(), world.truth),
                };
                world.answer(outgoing.id(), &reply);
            }
            Output::Event(event) => note(format!("{event:?} {event}")),
            output @ Output::Abandon(_) => note(format!("{output:?}")),
            Output::Wait(wake) => {
                note(format!("{wake:?}"));
                if let Wake::In(wait, _) = wake {
                    world.pass(wait);
                }
            }
        }
        let mut call = crate::world::video_call();
        let authorized = world.driver.authorize(&mut call, world.now());
        note(format!("{call:?} {authorized:?}"));
    }
    assert!(log.contains("RenewalDenied") && log.contains("Renewed"), "{log}");
    assert!(log.contains("Sensitive"), "headers show that there is something");
    for secret in ["hush", "st-", "bad token"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

/// What was on a call before, such as a token of the last login, does not go out after the end of that.
#[test]
fn a_call_without_a_token_has_none() {
    let mut world = World::new(MINUTE * 10).logged_in();
    let stale = HeaderValue::from_str(&world.header().unwrap()).unwrap();
    let fails = |world: &World, wanted: fn(AuthorizeError) -> bool| {
        let mut call = crate::world::video_call();
        call.headers_mut().insert(AUTHORIZATION, stale.clone());
        let refused = world.driver.authorize(&mut call, world.now()).unwrap_err();
        assert!(wanted(refused), "{refused:?}");
        assert_eq!(call.headers().get(AUTHORIZATION), None);
    };
    world.server = Server::Unreachable;
    world.pass(DAY);
    fails(&world, |refused| refused == AuthorizeError::Wait);
    world.run(SECOND);
    assert_ne!(world.driver.state(), StateName::Active);
    fails(&world, |refused| refused == AuthorizeError::Wait);
    world.stop();
    fails(&world, |refused| matches!(refused, AuthorizeError::Start(_)));
}

/// With a current token and without one.
#[test]
fn a_call_to_another_place_is_told_so() {
    let mut world = World::new(MINUTE * 10);
    let elsewhere = AllowedOrigin::https("https://other.example").unwrap();
    let refused = |world: &World| world.driver.authorization(&elsewhere, world.now()).err();
    assert_eq!(refused(&world), Some(AuthorizeError::OtherOrigin));
    world = world.logged_in();
    assert_eq!(refused(&world), Some(AuthorizeError::OtherOrigin));
    world.stop();
    assert_eq!(refused(&world), Some(AuthorizeError::OtherOrigin));
}
