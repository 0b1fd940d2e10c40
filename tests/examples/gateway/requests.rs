//! What the wire facts list, over real sockets.

use std::time::{Duration, SystemTime};

use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use videokit_session::{ApiToken, Gateway, Identity};

use super::{
    API_TOKEN, Options, Program, ask, backend, call, gateway, get, json, send, text, token, until,
};

const FORM: &str = "application/x-www-form-urlencoded";

fn legacy(program: &Program, content_type: &str, body: &'static str) -> Request<&'static str> {
    Request::post(format!("{}/v1/sessions", program.gateway))
        .header(AUTHORIZATION, format!("App token={API_TOKEN}"))
        .header("accept", "application/json; charset=utf-8")
        .header(CONTENT_TYPE, content_type)
        .body(body)
        .expect("a request")
}

#[test]
fn the_current_dialect_gets_a_token_that_serves_with_odd_headers_too() {
    let program = gateway();
    let mut request = ask(&program, API_TOKEN, "user-17");
    for (name, value) in
        [("accept-charset", "utf-8"), ("redirect", "follow"), ("referrerpolicy", "no-referrer")]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let reply = send(request).unwrap();
    assert_eq!(reply.status(), 200);
    let exchange = Gateway::new(ApiToken::new(API_TOKEN).unwrap(), "user-17".parse().unwrap());
    let grant = exchange.read(&reply.map(String::into_bytes)).unwrap();
    assert!(grant.expires_at().is_some());
    let served = send(call(&program, grant.token().expose())).unwrap();
    assert_eq!(json(&served), json!({"videos": [], "identity": "user-17"}));
}

#[test]
fn the_legacy_dialect_takes_a_form_and_json() {
    let program = gateway();
    for (content_type, body) in
        [(FORM, "identity=user+18%21"), ("application/json", r#"{"identity":"user 18!"}"#)]
    {
        let reply = send(legacy(&program, content_type, body)).unwrap();
        let reply = json(&reply);
        assert_eq!(reply["identity"], "user 18!");
        assert_eq!(reply["expiresAt"], Value::Null, "the legacy dialect states no expiry");
        let served = send(call(&program, &text(&reply["session_key"]))).unwrap();
        assert_eq!(served.status(), 200);
    }
}

#[test]
fn the_backend_grants_for_the_configured_identity() {
    let identity = Some(Identity::new("user 19").unwrap());
    let program = Program::start(Options { identity, ..Options::default() });
    let reply = send(get(&program, "/")).unwrap();
    assert_eq!((reply.status().as_u16(), reply.body().as_str()), (200, "Session Service"));
    let reply = json(&send(get(&program, "/token")).unwrap());
    assert_eq!(reply["identity"], "user 19");
    let served = send(call(&program, &text(&reply["sessionToken"]))).unwrap();
    assert_eq!(json(&served)["identity"], "user 19");
}

#[test]
fn without_a_configured_identity_the_backend_answers_400() {
    let program = gateway();
    let reply = send(get(&program, "/token")).unwrap();
    assert_eq!(reply.status(), 400);
    assert!(text(&json(&reply)["error"]).contains("no identity is set"));
}

#[test]
fn a_path_names_the_identity_if_somebody_is_logged_in() {
    let program = gateway();
    let reply = send(backend(&program, "/token/user%2F20")).unwrap();
    assert_eq!(json(&reply)["identity"], "user/20");
    let reply = send(get(&program, "/token/user%2F20")).unwrap();
    assert_eq!(reply.status(), 401);
    assert_eq!(json(&reply)["error"], "nobody is logged in");
}

#[test]
fn errors_come_in_error() {
    let program = gateway();
    let mut untyped = ask(&program, API_TOKEN, "user-17");
    untyped.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().unwrap());
    let replies = [
        (send(ask(&program, "another", "user-17")), 401, "unknown API token"),
        (send(untyped), 415, "content type"),
        (send(ask(&program, API_TOKEN, "")), 400, "`identity` is empty"),
        (send(ask(&program, API_TOKEN, r#"u","identity":"v"#)), 400, "duplicate field"),
        (send(legacy(&program, FORM, "user=1")), 400, "`identity` is missing"),
        (send(backend(&program, "/token/%ff")), 400, "percent-encoded"),
        (send(call(&program, API_TOKEN)), 401, "no live session token"),
        (send(get(&program, "/v1/sessions")), 404, "no such resource"),
        (send(get(&program, "/v2")), 404, "no such resource"),
    ];
    for (reply, status, error) in replies {
        let reply = reply.unwrap();
        assert_eq!(reply.status(), status, "{error}");
        assert!(text(&json(&reply)["error"]).contains(error), "{}", reply.body());
    }
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let program = gateway();
    let reply = send(ask(&program, API_TOKEN, &"u".repeat(16 * 1_024))).unwrap();
    assert_eq!(reply.status(), 413);
}

#[test]
fn a_token_lives_for_the_lifetime_that_was_given() {
    let lifetime = Duration::from_secs(2);
    let program = Program::start(Options { lifetime, ..Options::default() });
    let before = SystemTime::now();
    let token = token(&program);
    until("the token expires", || send(call(&program, &token)).unwrap().status() == 401);
    let lived = before.elapsed().unwrap();
    assert!(lived >= Duration::from_millis(1_990), "{lived:?}");
}

#[test]
fn a_seed_repeats_the_tokens_and_without_one_they_differ() {
    let seeded = || token(&Program::start(Options { seed: 7, ..Options::default() }));
    assert_eq!(seeded(), seeded());
    assert_ne!(token(&gateway()), token(&gateway()));
}
