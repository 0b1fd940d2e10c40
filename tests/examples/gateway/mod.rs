//! The example `gateway`, by a real client over real sockets.

mod command;
mod faults;
mod page;
mod program;
mod requests;

use std::thread::sleep;
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, ORIGIN};
use http::{Request, Response};
use program::Program;
use program::example::arguments::Options;
use serde_json::Value;

/// The API token that a gateway knows unless it is given another.
const API_TOKEN: &str = "my-app:my-secret";

fn gateway() -> Program {
    Program::start(Options::default())
}

/// Sends a request by a new connection, and returns the reply, whatever its status.
fn send<B: ureq::AsSendBody>(request: Request<B>) -> Result<Response<String>, ureq::Error> {
    send_within(request, Duration::from_secs(20))
}

fn send_within<B: ureq::AsSendBody>(
    request: Request<B>,
    time: Duration,
) -> Result<Response<String>, ureq::Error> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(time));
    let (parts, mut body) = ureq::Agent::from(config.build()).run(request)?.into_parts();
    let text = String::from_utf8_lossy(&body.read_to_vec()?).into_owned();
    Ok(Response::from_parts(parts, text))
}

/// A request for a token, as the current dialect has it.
fn ask(program: &Program, api_token: &str, identity: &str) -> Request<String> {
    Request::post(format!("{}/v1/sessions", program.gateway))
        .header(AUTHORIZATION, format!("Bearer {api_token}"))
        .header(CONTENT_TYPE, "application/json")
        .body(format!(r#"{{"identity":"{identity}","scopes":[]}}"#))
        .expect("a request")
}

/// A token for `user-17`.
fn token(program: &Program) -> String {
    let reply = send(ask(program, API_TOKEN, "user-17")).expect("a reply");
    text(&json(&reply)["sessionToken"])
}

fn call(program: &Program, token: &str) -> Request<()> {
    let request = Request::get(format!("{}/v1/videos", program.gateway));
    request.header(AUTHORIZATION, format!("Bearer {token}")).body(()).expect("a request")
}

fn get(program: &Program, path: &str) -> Request<()> {
    Request::get(format!("{}{path}", program.gateway)).body(()).expect("a request")
}

fn backend(program: &Program, path: &str) -> Request<()> {
    let mut request = get(program, path);
    request.headers_mut().insert(COOKIE, "login=abc".parse().expect("a value"));
    request
}

/// Begins a fault as its button does, or ends it.
fn set(program: &Program, fault: &str, on: bool) {
    let request = Request::builder()
        .method(if on { "PUT" } else { "DELETE" })
        .uri(format!("{}/faults/{fault}", program.page))
        .header(ORIGIN, &program.page)
        .body(());
    let reply = send(request.expect("a request")).expect("a reply");
    assert_eq!(reply.status(), 204, "{fault}: {}", reply.body());
}

fn json(reply: &Response<String>) -> Value {
    serde_json::from_str(reply.body()).expect("JSON")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// Waits until a condition holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "not in 30 s: {what}");
        sleep(Duration::from_millis(10));
    }
}
