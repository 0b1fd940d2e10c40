//! Requests for a token as the vendor's SDK for Node builds them (wire facts, N), and as the older REST pages show them
//! (R).

use std::process::Command;

use serde_json::Value;

use crate::program::Program;
use crate::program::example::arguments::Options;
use crate::run::{node, run};

#[test]
fn a_request_of_the_vendors_sdk_gets_its_token_and_errors_reach_it() {
    let program = Program::start(Options::default());
    node("vendor.mjs", &[&program.gateway, &program.page]);
}

#[test]
fn curl_gets_a_token_with_the_older_form_and_json() {
    let program = Program::start(Options::default());
    let ask = |content_type: &str, body: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--data-raw", body]);
        curl.args(["--header", "authorization: App token=my-app:my-secret"]);
        curl.args(["--header", "accept: application/json; charset=utf-8"]);
        curl.args(["--header", &format!("content-type: {content_type}")]);
        let reply = run(curl.arg(format!("{}/v1/sessions", program.gateway)));
        serde_json::from_str::<Value>(&reply).expect("JSON")
    };
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", "identity=YOUR_IDENTITY"),
        ("application/json", r#"{"identity":"YOUR_IDENTITY"}"#),
    ] {
        let reply = ask(content_type, body);
        assert_eq!(reply["identity"], "YOUR_IDENTITY");
        assert!(reply["session_key"].is_string());
        assert_eq!(reply.as_object().map(serde_json::Map::len), Some(2), "and no expiry");
    }
    assert_eq!(ask("application/json", "{}")["error"], "`identity` is missing");
}
