//! The example `quickstart`, run as a user runs it.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::StatusCode;
use http::header::LOCATION;
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
        "Unauthenticated  <- the server refused (status 401); the same request won't be granted",
        "2. In development",
        "Active           <- 200: token 1, Valid",
        "with token 1",
        "Active           <- 200: {\"videos\"",
        "3. Renewal",
        "Active           -> POST",
        "meanwhile the app goes on",
        "with token 1",
        "Active           <- 200: token 2, Valid",
        "with token 2",
        "4. The token goes to allowed origins only",
        "https://elsewhere.example/v1/videos is not sent",
        "not go to an allowed origin",
        "5. Expiry",
        "Unsure, with 0.0 to",
        "with token 2",
        "Active           <- 200: {\"videos\"",
        "/v1/videos is not sent",
        "the session's token has expired",
        "Expired             the token is forgotten and wiped",
        "6. A new login",
        "Active           <- 200: token 3, Valid",
        "7. Stop",
        "Unauthenticated     stopped",
        "Unauthenticated  <- 200: a token, which is not taken",
        "is not in flight",
        "8. In production",
        "<- 200: Session Service",
        "/token/user-17",
        "Active           <- 200: token 4, Valid",
        "Unauthenticated     stopped",
        "They agree.",
        "Next: ",
    ] {
        let at =
            rest.find(expected).unwrap_or_else(|| panic!("{expected:?} not in order in:\n{text}"));
        rest = &rest[at + expected.len()..];
    }
    for (what, count) in [
        ("tokens granted", 5),
        ("tokens refused", 1),
        ("API calls served", 6),
        ("API calls answered 401", 0),
        ("anything else", 0),
    ] {
        assert_eq!(counted(&text, what), [count, count], "{what}");
    }
    assert!(!text.contains('\u{1b}'), "colour, though this is no terminal");
    assert_no_secret(&output, "quickstart-secret");
}

/// Neither a session token nor the API token is printed anywhere.
fn assert_no_secret(output: &Output, api_token: &str) {
    for text in [stdout(output), stderr(output)] {
        assert!(!text.contains(api_token), "the API token is printed:\n{text}");
        let token = text
            .match_indices("st-")
            .find(|(at, _)| text[at + 3..].bytes().take_while(u8::is_ascii_hexdigit).count() >= 8);
        assert_eq!(token, None, "a session token is printed:\n{text}");
    }
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
        (&["--host", "x"], None, "--host"),
        (&["--gateway"], None, "missing argument"),
        (&["--identity", "user-17"], None, "--gateway is missing"),
        (&gateway, None, "--identity is missing"),
        (&[gateway[0], gateway[1], "--identity", ""], None, "the identity is empty"),
        (&[gateway[0], gateway[1], "--identity", "u"], None, "VIDEOKIT_API_TOKEN is not set"),
        (&[gateway[0], gateway[1], "--identity", "u"], Some("two words"), "VIDEOKIT_API_TOKEN: "),
        (&["--gateway", "gateway.example", "--identity", "u"], None, "--gateway: the URI"),
        (&["--gateway", "http://gateway.example", "--identity", "u"], None, "not a loopback"),
        (&[gateway[0], gateway[1], "--scope", ""], None, "a scope is"),
        (&[gateway[0], gateway[1], "--older", "--scope", "videos.read"], None, "exclude each"),
    ];
    for (arguments, token, expected) in rows {
        let output = quickstart(arguments, *token);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(text.contains("--help"), "{arguments:?}: {text}");
        assert_no_secret(&output, "two words");
    }
    let help = quickstart(&["--help"], None);
    assert!(help.status.success());
    assert!(stdout(&help).contains("--gateway URL"));
}

#[test]
fn logs_in_at_another_gateway() {
    for (path, option, expected) in [
        ("/v1/sessions", None, ["Valid, with 5", "asked: none"]),
        ("/", Some("--scope=videos.read"), ["Valid, with 5", "asked: videos.read"]),
        ("", Some("--older"), ["an expiry that nobody stated", "asked: none"]),
    ] {
        let (origin, gateway) = gateway();
        let url = format!("{origin}{path}");
        let mut arguments = vec!["--gateway", &url, "--identity", "user-17"];
        arguments.extend(option);
        let output = quickstart(&arguments, Some("right:token"));
        let text = stdout(&output);
        assert!(output.status.success(), "{text}{}", stderr(&output));
        for expected in ["a token", "identity  user-17", expected[0], expected[1], "stopped"] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert_no_secret(&output, "right:token");
        assert_eq!(gateway.lock().unwrap().counts().granted, 1);
    }
}

#[test]
fn a_gateway_that_gives_no_token_is_a_failure_that_says_what_to_do() {
    let fails = |url: &str, api_token, why: &str, way_out: &str| {
        let output = quickstart(&["--gateway", url, "--identity", "user-17"], Some(api_token));
        let (text, error) = (stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{text}{error}");
        assert!(text.contains("Unauthenticated  <- "), "{text}");
        assert!(text.contains(why), "{text}");
        assert!(error.contains(way_out), "{error}");
        assert_no_secret(&output, api_token);
    };
    let (origin, gateway) = gateway();
    let refused = "the server refused (status 401); the same request won't be granted";
    fails(&origin, "wrong:token", refused, "the API token in VIDEOKIT_API_TOKEN");
    assert_eq!(gateway.lock().unwrap().counts().refused, 1);

    // A redirect is not followed, and a reply that is too large is not read to its end.
    fails(&format!("{origin}/moved"), "right:token", "never followed", "the address");
    fails(&format!("{origin}/large"), "right:token", "more than the limit of 65536", "--older");
    assert_eq!(gateway.lock().unwrap().counts().granted, 0);

    // A port that was free a moment ago: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = format!("http://{free}");
    fails(&silent, "right:token", "no connection could be made", "the address and the network");
}

type Shared = Arc<Mutex<sim::Gateway>>;

/// A gateway on a loopback port, at this origin. It has two more paths, for replies that are no tokens.
fn gateway() -> (String, Shared) {
    let gateway =
        Arc::new(Mutex::new(sim::Gateway::new("right:token", Duration::from_secs(600), 1)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new()
        .route("/moved", post((StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/v1/sessions")])))
        .route("/large", post(" ".repeat(200_000)))
        .fallback(answer)
        .with_state(Arc::clone(&gateway));
    thread::spawn(move || runtime.block_on(axum::serve(listener, app).into_future()));
    (origin, gateway)
}

async fn answer(State(gateway): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 16 * 1_024).await.unwrap();
    let request = http::Request::from_parts(parts, body);
    gateway.lock().unwrap().handle(&request, 1_795_492_800_000).map(Into::into)
}
