//! The exact words of errors, one test a row.

use http::{Request, Response};
use videokit_session::exchange::{Denial, DenialKind, Endpoint, OriginError};
use videokit_session::session::RenewError;
use videokit_session::{
    AllowedOrigin, ApiToken, Backend, Driver, Gateway, Grant, Identity, Session, SessionToken,
};

use crate::world::{GRANT, HOUR, Server, World, config, login, says, video_call};

fn backend() -> Backend {
    Backend::new(Endpoint::https("https://app.example/token").unwrap())
}

/// What a backend's reply is, as its exchange reads it.
fn reading(body: impl Into<Vec<u8>>) -> Result<Grant, Denial> {
    backend().read(&Response::new(body.into()))
}

/// The text of a body's flaw.
fn flaw(body: impl Into<Vec<u8>>) -> String {
    let denial = reading(body).expect_err("nothing is granted");
    let DenialKind::Malformed(flaw) = denial.kind() else { panic!("{denial}") };
    flaw.to_string()
}

#[test]
fn a_body_that_ends_inside_its_json_says_what_is_missing() {
    let missing = |what: &str| format!("the body ends inside its JSON: {what}");
    for (body, what) in [
        (r#"{"sessionToken": "tok-1""#, "a `}` is missing"),
        ("{", "a `}` is missing"),
        (r#"{"sessionToken":"#, "a `}` is missing"),
        (r#"{"sessionToken":"tok-1","x":[{}"#, "a `]` is missing"),
        (r#"{"sessionToken":"tok-1","x":["]"#, "a `\"` is missing"),
        (r#"{"sessionToken":"tok\"#, "a `\"` is missing"),
        (r#"{"sessionToken": "tok-1}"#, "a `\"` is missing"),
        ("nul", "its last value is incomplete"),
    ] {
        assert_eq!(flaw(body), missing(what), "{body}");
    }
    assert_eq!(flaw(b"{\"identity\":\"us\xc3".as_slice()), missing("a `\"` is missing"));
}

#[test]
fn an_empty_body_is_still_transient() {
    for body in ["", " \r\n\t ", "\u{feff}"] {
        assert_eq!(reading(body).unwrap_err().kind(), DenialKind::Transient, "{body:?}");
    }
}

#[test]
fn the_seeds_reply_as_printed_may_have_more_faults_than_its_quotes() {
    let text = flaw(r#"{"sessionToken": eyJhbGciOiJub25lIn0.e30.c2ln"#);
    assert_eq!(
        text,
        "the value of `sessionToken` has no quotes around it, so the body is not JSON; more may be \
         wrong after it",
    );
}

#[test]
fn a_token_of_javascripts_missing_value_is_malformed() {
    for word in ["undefined", "null"] {
        let text = flaw(format!(r#"{{"sessionToken":"{word}"}}"#));
        assert_eq!(
            text,
            format!("`sessionToken` is the text `{word}`, as JavaScript writes a missing value"),
        );
    }
    assert!(flaw(r#"{"sessionToken":"\u0075ndefined"}"#).contains("the text `undefined`"));
    for token in ["Undefined", "undefined1", "nul", "nullnull"] {
        assert!(reading(format!(r#"{{"sessionToken":"{token}"}}"#)).is_ok(), "{token}");
    }
    let legacy = Gateway::legacy(&ApiToken::new("a").unwrap(), Identity::new("user-17").unwrap());
    let reply = Response::new(r#"{"session_key":"undefined","identity":"user-17"}"#);
    let denial = legacy.unwrap().read(&reply).unwrap_err().to_string();
    assert!(denial.contains("`session_key` is the text `undefined`"), "{denial}");
    // Outside a reply it is a token like any other: nothing is known of how it came about.
    assert!(SessionToken::new("undefined").is_ok());
}

#[test]
fn a_token_with_a_scheme_says_to_leave_the_scheme_out() {
    let error = SessionToken::new("Bearer abc").unwrap_err().to_string();
    assert_eq!(
        error,
        "the token has a space at index 6: give it alone, without its scheme or white space",
    );
    assert!(ApiToken::new("App token=abc").unwrap_err().to_string().contains("its scheme"));
    let tab = SessionToken::new("abc\t").unwrap_err().to_string();
    assert_eq!(tab, "the byte at index 3 of the token is not a visible ASCII character");
}

#[test]
fn a_relative_uri_has_no_host() {
    let world = World::new(HOUR).logged_in();
    let mut request = Request::get("/v1/videos").body(()).unwrap();
    let error = world.driver.authorize(&mut request, world.now()).unwrap_err().to_string();
    assert!(error.contains("the URI has no host"), "{error}");
    let session = Session::new(config(|config| config), 1);
    let session = session.adopt(SessionToken::new("tok-1").unwrap(), world.now()).unwrap();
    let error = session.authorize(&mut request, world.now()).unwrap_err().to_string();
    assert!(error.contains("the URI has no host"), "{error}");
}

#[test]
fn a_caller_who_never_polls_is_told_to_poll() {
    let told = |driver: &Driver, world: &World| {
        driver.authorize(&mut video_call(), world.now()).unwrap_err().to_string()
    };
    let expected =
        "no token is in use: poll the driver, and try again when an event leads to Active";
    let mut world = World::new(HOUR);
    world.start("user-17");
    assert_eq!(told(&world.driver, &world), expected);
    world.server = Server::Silent;
    world.poll_until_idle();
    assert_eq!(told(&world.driver, &world), expected);
}

#[test]
fn a_backend_starts_a_driver_as_it_is() {
    let mut world = World::new(HOUR);
    world.driver.start(backend(), world.now());
    world.server = Server::Says(says(200, GRANT));
    world.poll_until_idle();
    assert!(world.header().is_some());
    let session = Session::new(config(|config| config), 1);
    let _ = session.authenticate(&backend().into(), world.now()).unwrap();
}

#[test]
fn plain_http_elsewhere_says_what_to_do() {
    for host in ["backend:3000", "10.0.2.2", "host.docker.internal", "example.com"] {
        let url = format!("http://{host}");
        let endpoint = Endpoint::loopback(&url).unwrap_err();
        assert_eq!(Some(endpoint), AllowedOrigin::loopback(&url).err(), "{host}");
        assert_eq!(
            endpoint.to_string(),
            "the host is not a loopback address: use https, or a port of this machine that is \
             forwarded there (`docker -p`, `adb reverse`); plain http to other hosts is never sent",
        );
    }
    assert!(matches!(Endpoint::https("http://example.com"), Err(OriginError::Insecure)));
}

#[test]
fn another_identity_says_where_the_expected_one_came_from() {
    let now = World::new(HOUR).now();
    let eve = r#"{"sessionToken":"tok-2","identity":"eve"}"#;
    let asked = "the reply names another identity than the one that the credentials ask for";
    let earlier =
        "the reply names another identity than the one that an earlier token of this login is for";
    let gateway = login("user-17");
    let reply = Response::new(eve);
    let by_gateway = gateway.exchange().read((&reply).into()).unwrap_err().to_string();
    let named = backend().identity(Identity::new("user-17").unwrap());
    let by_backend = named.read(&reply).unwrap_err().to_string();
    // A backend that states nobody: the first reply that names somebody is the one to keep.
    let session = Session::new(config(|config| config), 1);
    let credentials = videokit_session::Credentials::backend(backend());
    let (session, outgoing) = session.authenticate(&credentials, now).unwrap();
    let (mut session, _) = session.receive(outgoing.id(), &says(200, GRANT), now).unwrap();
    let outgoing = session.renew(&credentials, now).unwrap();
    let Err(RenewError::Denied(by_session, _)) = session.receive(outgoing.id(), &reply, now) else {
        panic!("it is another identity's");
    };
    let by_session = by_session.to_string();
    for (text, expected) in [(by_gateway, asked), (by_backend, asked), (by_session, earlier)] {
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("eve") && !text.contains("user-17"), "{text}");
    }
}

#[test]
fn a_malformed_reply_does_not_promise_that_waiting_helps() {
    let text = |denial: Denial| denial.to_string();
    let malformed = text(reading("{}").unwrap_err());
    assert!(!malformed.contains("later"), "{malformed}");
    assert_eq!(
        malformed,
        "the reply is malformed: `sessionToken` is missing (status 200); asking again helps only if \
         the server answers differently",
    );
    let redirect = text(backend().read(&says(302, "")).unwrap_err());
    assert!(!redirect.contains("later"), "{redirect}");
    let empty = text(reading("").unwrap_err());
    assert_eq!(empty, "the server's reply is empty (status 200); try again later");
    let outage = text(backend().read(&says(503, "")).unwrap_err());
    assert!(outage.starts_with("the server could not answer for now (status 503)"), "{outage}");
    assert!(outage.contains("try again later"), "{outage}");
    // A token that isn't adopted is no reply, and nobody asks again.
    let now = World::new(HOUR).now();
    let token = |user| {
        let token = Grant::new(SessionToken::new("tok-1").unwrap());
        token.with_identity(Identity::new(user).unwrap())
    };
    let session = Session::new(config(|config| config), 1);
    let mut session = session.adopt(token("user-17"), now).unwrap();
    let replaced = session.replace(token("eve"), now).unwrap_err().to_string();
    assert!(!replaced.contains("again") && !replaced.contains("reply"), "{replaced}");
}
