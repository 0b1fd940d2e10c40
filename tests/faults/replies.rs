//! Which denial a reply is.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use videokit_session::exchange::{
    BODY_LIMIT, BuildError, Denial, DenialKind, Endpoint, Exchange, Flaw, Reply,
};
use videokit_session::{Backend, Grant, SessionToken};

use crate::world::{HOUR, MINUTE, Server, World, login, says};

/// A captive portal's page.
const PAGE: &str = "<!doctype html><title>Free Wi-Fi</title>";

/// An endpoint that answers with the bare token as text.
struct PlainText;

impl Exchange for PlainText {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        Ok(Request::new(Bytes::new()))
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let token = SessionToken::new(reply.granting_body(BODY_LIMIT)?);
        Ok(Grant::new(token.expect("the tests send no other body with a granting status")))
    }
}

fn backend() -> Backend {
    Backend::new(Endpoint::https("https://app.example/token").unwrap())
}

/// What the gateway's exchange, a backend's and a custom one make of a reply: the same denial.
fn denied(status: u16, body: impl Into<Vec<u8>>) -> Denial {
    let reply = Response::builder().status(status).header("retry-after", "7").body(body.into());
    let reply = reply.unwrap();
    let gateway = login("user-17");
    let denials = [gateway.exchange(), &backend(), &PlainText]
        .map(|exchange| exchange.read(Reply::from(&reply)).expect_err("nothing is granted"));
    for denial in &denials {
        assert_eq!(denial.kind(), denials[0].kind(), "{status}");
        assert_eq!(denial.retry_after().map(|wait| wait.as_secs()), Some(7), "{status}");
    }
    let [denial, ..] = denials;
    denial
}

#[test]
fn p2_407_and_421_of_a_proxy_are_transient() {
    for status in [407, 421] {
        for body in ["", "{}", PAGE, r#"{"error":"x"}"#] {
            let denial = denied(status, body);
            assert_eq!(denial.kind(), DenialKind::Transient, "{status} {body}");
            assert!(!denial.is_permanent());
        }
    }
}

#[test]
fn p2_a_page_instead_of_a_refusal_is_malformed() {
    let latin_1 = b"\r\n <p>r\xe9sum\xe9</p>".as_slice();
    let marked = format!("\u{feff}{PAGE}");
    let large = format!("{PAGE}{}", " ".repeat(BODY_LIMIT));
    for status in [400, 402, 403, 404, 405, 406, 409, 410, 418, 422, 451, 499] {
        for page in [PAGE.as_bytes(), latin_1, marked.as_bytes(), large.as_bytes()] {
            let denial = denied(status, page);
            assert_eq!(denial.kind(), DenialKind::Malformed(Flaw::Markup), "{status}");
            assert!(!denial.is_permanent());
        }
        for body in ["", "no", "{}", r#"{"error":"<p>"}"#, "x<html>"] {
            let denial = denied(status, body);
            assert_eq!(denial.kind(), DenialKind::Refused, "{status} {body}");
            assert!(denial.is_permanent());
        }
    }
}

#[test]
fn p2_other_statuses_go_by_the_status_whatever_the_body() {
    for (status, kind) in [
        (401, DenialKind::Refused),
        (408, DenialKind::Transient),
        (425, DenialKind::Transient),
        (429, DenialKind::Throttled),
        (503, DenialKind::Transient),
        (302, DenialKind::Redirect),
        (204, DenialKind::Malformed(Flaw::Status)),
    ] {
        assert_eq!(denied(status, PAGE).kind(), kind, "{status}");
    }
}

/// A page is retried even where the app says that this status passes, and where it doesn't.
#[test]
fn p2_a_page_and_a_passing_refusal_are_told_apart() {
    let backend = backend().retry_on(StatusCode::FORBIDDEN);
    let kind = |body: &'static str| backend.read(&says(403, body)).unwrap_err().kind();
    assert_eq!(kind(PAGE), DenialKind::Malformed(Flaw::Markup));
    assert_eq!(kind(""), DenialKind::Refused);
}

#[test]
fn p2_a_login_outlives_one_page_of_a_proxy() {
    for (status, body) in [(403, PAGE), (404, PAGE), (407, ""), (421, "")] {
        let mut world = World::new(HOUR);
        world.server = Server::Says(says(status, body));
        world.start("user-17");
        world.poll_until_idle();
        world.server = Server::Up;
        world.pass(MINUTE);
        world.poll_until_idle();
        assert_eq!(world.served_to(), "user-17", "{status}");
    }
}

/// `{"error": …}` beside a good token, in 200 and 201.
fn with_error(error: &str) -> Result<Grant, Denial> {
    let body = format!(r#"{{"sessionToken":"tok-1","identity":"user-17","error":{error}}}"#);
    let gateway = login("user-17");
    let reply = Response::builder().status(201).body(body.clone()).unwrap();
    let created = gateway.exchange().read(Reply::from(&reply));
    let granted = backend().read(&Response::new(body)).is_ok();
    assert_eq!(created.is_ok(), granted, "{error}");
    created
}

#[test]
fn p4_an_error_that_javascript_takes_for_false_is_none() {
    for falsy in ["false", "\"\"", "0", "-0", "0.0", "0e5", "-0.00E-7", "1e-400", "null"] {
        assert!(with_error(falsy).is_ok(), "{falsy}: {:?}", with_error(falsy));
    }
    for truthy in [
        "true",
        "\"false\"",
        "\"0\"",
        "\" \"",
        "[]",
        "{}",
        "[0]",
        "1",
        "-1",
        "0.1",
        "1e-300",
        "1e999",
    ] {
        let denial = with_error(truthy).expect_err(truthy);
        assert_eq!(denial.kind(), DenialKind::Refused, "{truthy}");
        assert!(denial.server_message().is_some(), "{truthy}");
    }
}

#[test]
fn p4_a_falsy_error_says_nothing_under_any_status() {
    for (status, kind) in [
        (200, DenialKind::Malformed(Flaw::Missing { member: "sessionToken" })),
        (202, DenialKind::Malformed(Flaw::Status)),
        (403, DenialKind::Refused),
        (503, DenialKind::Transient),
    ] {
        for body in [r#"{"error":false}"#, r#"{"error":""}"#, r#"{"error":0}"#] {
            let denial = backend().read(&says(status, body)).unwrap_err();
            assert_eq!((denial.kind(), denial.server_message()), (kind, None), "{status} {body}");
        }
    }
}
