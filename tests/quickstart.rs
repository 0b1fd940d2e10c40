//! The example `quickstart`, run as a user runs it.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use tokio::net::TcpListener;
use videokit_session::sim;

const TOKEN_VARIABLE: &str = "VIDEOKIT_API_TOKEN";

/// The example, built as `cargo run --example quickstart` builds it.
static EXAMPLE: LazyLock<PathBuf> = LazyLock::new(|| {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "build",
        "--quiet",
        "--example",
        "quickstart",
        "--message-format=json",
    ]);
    // What cargo tells a test about its package, build scripts would take for a change of theirs.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&*name);
        }
    }
    let built = cargo.output().expect("cargo runs");
    assert!(built.status.success(), "{}", stderr(&built));
    let executable = stdout(&built).lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    executable.expect("cargo names what it built")
});

fn quickstart(arguments: &[&str], api_token: Option<&str>) -> Output {
    let mut command = Command::new(&*EXAMPLE);
    // Whatever the tests' own environment says of colours and proxies.
    command
        .args(arguments)
        .env_remove(TOKEN_VARIABLE)
        .env_remove("CLICOLOR_FORCE")
        .env("NO_PROXY", "127.0.0.1");
    if let Some(token) = api_token {
        command.env(TOKEN_VARIABLE, token);
    }
    command.output().expect("the example runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[test]
fn plays_every_act_and_agrees_with_the_gateway() {
    let output = quickstart(&[], None);
    let text = stdout(&output);
    assert!(output.status.success(), "{text}{}", stderr(&output));

    let mut rest = text.as_str();
    for expected in [
        "1. A wrong API token",
        "Unauthenticated  <- the server refused (status 401); new credentials are needed",
        "2. In development",
        "Active           <- 200: token 1, Valid",
        "with token 1",
        "3. Renewal",
        "meanwhile the app goes on",
        "with token 1",
        "Active           <- 200: token 2, Valid",
        "with token 2",
        "4. The token goes to allowed origins only",
        "is not authorized",
        "5. Expiry",
        "Unsure, with 0.0 to",
        "Expired             the token is forgotten and wiped",
        "6. A new login",
        "Active           <- 200: token 3, Valid",
        "7. Stop",
        "Unauthenticated  <- 200, not taken",
        "8. In production",
        "/token/user-17",
        "Active           <- 200: token 4, Valid",
        "They agree.",
    ] {
        let at =
            rest.find(expected).unwrap_or_else(|| panic!("{expected:?} not in order in:\n{text}"));
        rest = &rest[at + expected.len()..];
    }
    for (what, count) in [
        ("tokens granted", 5),
        ("tokens refused", 1),
        ("API calls served", 5),
        ("API calls answered 401", 0),
        ("anything else", 0),
    ] {
        assert_eq!(counted(&text, what), [count, count], "{what}");
    }
    assert!(!text.contains('\u{1b}'), "colour, though this is no terminal");
    assert!(!text.contains("st-"), "a session token is printed");
    assert!(!text.contains("quickstart-secret"), "the API token is printed");
}

/// What the client and the gateway counted.
fn counted(text: &str, what: &str) -> [u64; 2] {
    let line = text.lines().find(|line| line.starts_with(what)).expect(what);
    let numbers = line[what.len()..].split_whitespace().map(|number| number.parse().unwrap());
    numbers.collect::<Vec<_>>().try_into().expect("two numbers")
}

#[test]
fn says_what_is_wrong_with_a_command_line() {
    let gateway = ["--gateway", "https://gateway.example/v1/sessions"];
    let rows: &[(&[&str], Option<&str>, &str)] = &[
        (&["--gatway", "x"], None, "--gatway"),
        (&["--gateway"], None, "missing argument"),
        (&["--identity", "user-17"], None, "--gateway is missing"),
        (&gateway, None, "--identity is missing"),
        (&[gateway[0], gateway[1], "--identity", ""], None, "the identity is empty"),
        (&[gateway[0], gateway[1], "--identity", "u"], None, "VIDEOKIT_API_TOKEN is not set"),
        (&[gateway[0], gateway[1], "--identity", "u"], Some("two words"), "VIDEOKIT_API_TOKEN: "),
    ];
    for (arguments, token, expected) in rows {
        let output = quickstart(arguments, *token);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(text.contains("--help"), "{arguments:?}: {text}");
        assert!(!text.contains("two words"), "{text}");
    }
    let help = quickstart(&["--help"], None);
    assert!(help.status.success());
    assert!(stdout(&help).contains("--gateway URL"));
}

#[test]
fn logs_in_at_another_gateway() {
    for older in [false, true] {
        let (url, gateway) = gateway();
        let mut arguments = vec!["--gateway", &url, "--identity", "user-17"];
        arguments.extend(older.then_some("--older"));
        let output = quickstart(&arguments, Some("right:token"));
        let text = stdout(&output);
        assert!(output.status.success(), "{text}{}", stderr(&output));
        assert!(text.contains("a token, Valid"), "{text}");
        assert!(text.contains("for the identity user-17"), "{text}");
        assert_eq!(text.contains("an expiry that nobody stated"), older, "{text}");
        assert!(!text.contains("right:token") && !text.contains("st-"), "{text}");
        assert_eq!(gateway.lock().unwrap().counts().granted, 1);
    }
}

#[test]
fn a_refusal_and_a_silent_gateway_are_failures_that_say_so() {
    let (url, gateway) = gateway();
    let output = quickstart(&["--gateway", &url, "--identity", "user-17"], Some("wrong:token"));
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", stderr(&output));
    assert!(text.contains("the server refused (status 401); new credentials are needed"), "{text}");
    assert!(!text.contains("wrong:token"), "{text}");
    assert_eq!(gateway.lock().unwrap().counts().refused, 1);

    // A port that was free a moment ago: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}/v1/sessions");
    let output = quickstart(&["--gateway", &url, "--identity", "user-17"], Some("right:token"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("no connection could be made"), "{}", stdout(&output));

    let elsewhere = ["--gateway", "http://gateway.example/v1/sessions", "--identity", "user-17"];
    let output = quickstart(&elsewhere, Some("right:token"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not a loopback address"), "{}", stderr(&output));
}

type Shared = Arc<Mutex<sim::Gateway>>;

/// A gateway on a loopback port, at this address.
fn gateway() -> (String, Shared) {
    let gateway =
        Arc::new(Mutex::new(sim::Gateway::new("right:token", Duration::from_secs(600), 1)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}/v1/sessions", listener.local_addr().unwrap());
    let app = Router::new().fallback(answer).with_state(Arc::clone(&gateway));
    thread::spawn(move || runtime.block_on(axum::serve(listener, app).into_future()));
    (url, gateway)
}

async fn answer(State(gateway): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 16 * 1_024).await.unwrap();
    let request = http::Request::from_parts(parts, body);
    gateway.lock().unwrap().handle(&request, 1_795_492_800_000).map(Into::into)
}
