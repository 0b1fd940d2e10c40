//! The example `quickstart`, run as a user runs it.

extern crate videokit_session_inside as videokit_session;

mod example;

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

static EXAMPLE: LazyLock<PathBuf> = LazyLock::new(|| example::build("quickstart"));

fn quickstart(arguments: &[&str], api_token: Option<&str>) -> Output {
    let mut command = Command::new(&*EXAMPLE);
    // Whatever the tests' own environment says of proxies.
    command.args(arguments).env_remove(TOKEN_VARIABLE).env("NO_PROXY", "127.0.0.1");
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

/// What each of the two says, scenario by scenario, in its order. How they interleave is the machine's to say.
const SCRIPT: &str = r#"
1. A wrong API token
app: start: user-17, with a wrong API token
driver: Unauthenticated -> Authenticating: Started
driver: -> POST http://127.0.0.1:
driver: Denied: the server refused (status 401); the same request won't be granted
driver: waits for the app
app: is not sent: no token is in use: the credentials were refused
2. In development
app: start: user-17
driver: -> POST
driver: Authenticating -> Active: Granted
driver:  s: Renewal
app: has token 1: Valid
app: with token 1 (Valid): 200 {"videos"
3. The token goes to allowed origins only
app: https://elsewhere.example/v1/videos is not sent: the request does not go to an allowed origin
4. Renewal
driver: Active: RenewalSent
driver: -> POST
app: with token 1 (
app: with token 1 (
driver: Active: Renewed
app: with token 2 (
5. An outage
driver: RenewalDenied: the server could not answer for now (status 503); try again later
driver: RenewalDenied: the server could not answer for now (status 503); try again later
app: with token 2 (
driver: Active: Renewed
app: with token 3 (
6. A busy gateway
driver: RenewalDenied: the server is throttling requests (status 429); it asks to wait 1 s
driver:  s: RetryAfter
app: had asked for 1 s, and was left alone for
app: with token 3 (
driver: Active: Renewed
app: with token 4 (
7. A captive portal
driver: RenewalDenied: the reply is malformed: the body is markup
app: with token 4 (
driver: Active: Renewed
8. The network is lost
driver: RenewalFailed: no connection could be made
app: set_online(false)
driver:  s: Expiry
app: sees no request for 0.5 s: the driver is offline
app: has token 5:
app: set_online(true)
driver: Active: Renewed
app: with token 6 (
9. Another user
driver: Active: RenewalSent
app: start: user-18
driver: Active -> Unauthenticated: Stopped
driver: Unauthenticated -> Authenticating: Started
app: is not sent: no token is in use
driver: too late: request
app: is not sent: no token is in use
driver: Authenticating -> Active: Granted
app: has token 7: Valid
app: with token 7 (Valid): 200 {"videos":[],"identity":"user-18"}
10. The API answers 401
app: with token 7 (Valid): 401
driver: Active: RenewalSent
driver: Active: Renewed
app: with token 8 (Valid): 200
11. The API answers 401 to the renewed token
app: with token 8 (Valid): 401
driver: the API refuses token 8, and no renewal follows for now
app: with token 8 (Valid): 401
app: sees no request for 0.5 s: its age is not the cause
12. Stop
app: stop
driver: Active -> Unauthenticated: Stopped
app: is not sent: no token is in use: no login
app: start: user-18
driver: Unauthenticated -> Authenticating: Started
app: stop
driver: Authenticating -> Unauthenticated: Stopped
driver: too late: request
app: is not sent: no token is in use: no login
13. Expiry
app: start: user-17, with a token
driver: Unauthenticated -> Active: Adopted
driver: token 9 is due for renewal: start with another
app: has token 9: Unsure, with 0.0 to
app: with token 9 (Unsure): 200
driver: Active -> Expired: Lapsed
app: is not sent: no token is in use: there are no credentials
14. In production
app: start: user-17, at the app's backend
driver: Expired -> Authenticating: Reauthenticated
driver: /token/user-17
driver: Authenticating -> Active: Granted
app: has token 10: Valid
app: with token 10 (Valid): 200
app: stop
driver: Active -> Unauthenticated: Stopped
"#;

#[test]
fn plays_every_act_and_agrees_with_the_servers() {
    let trace = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("quickstart.jsonl");
    let output = quickstart(&["--trace", trace.to_str().expect("text")], None);
    let text = stdout(&output);
    assert!(output.status.success(), "{text}{}", stderr(&output));

    for who in ["app", "driver"] {
        let (speaks, cue) = (format!(" s  {who} "), format!("{who}: "));
        let spoken = text.lines().filter(|line| line.contains(&speaks));
        assert_in_order(spoken, SCRIPT.lines().filter_map(|line| line.strip_prefix(&cue)), &text);
    }
    let is_title = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
    assert_in_order(text.lines(), SCRIPT.lines().filter(is_title), &text);
    assert_in_order(text.lines(), [" s: Backoff", "They agree.", "Next: "], &text);

    for (what, count) in [
        ("requests for a token", 17),
        ("  granted", 12),
        ("  refused", 1),
        ("  put off (503)", 2),
        ("  throttled (429)", 1),
        ("  malformed (200, a page)", 1),
        ("API calls served", 14),
        ("API calls answered 401", 3),
        ("anything else", 0),
    ] {
        assert_eq!(counted(&text, what), [count, count], "{what}");
    }
    assert!(!text.contains('\u{1b}'), "colour, though this is no terminal");
    let trace = std::fs::read_to_string(trace).expect("the trace that it names");
    assert_no_secret_in(&trace, "quickstart-secret");
    let replayed = videokit_session::trace::replay(&trace).expect("it can be read");
    assert_eq!(replayed.difference, None);
    assert_no_secret(&output, "quickstart-secret");
    assert_no_secret(&output, "not-the-token");
}

/// Each of the expected pieces stands in its own line, in their order.
fn assert_in_order<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    expected: impl IntoIterator<Item = &'a str>,
    text: &str,
) {
    let mut lines = lines.into_iter();
    for piece in expected {
        assert!(lines.any(|line| line.contains(piece)), "{piece:?} not in order in:\n{text}");
    }
}

/// Neither a session token nor the API token is printed anywhere.
fn assert_no_secret(output: &Output, api_token: &str) {
    for text in [stdout(output), stderr(output)] {
        assert_no_secret_in(&text, api_token);
    }
}

fn assert_no_secret_in(text: &str, api_token: &str) {
    assert!(!text.contains(api_token), "the API token is there:\n{text}");
    let token = text
        .match_indices("st-")
        .find(|(at, _)| text[at + 3..].bytes().take_while(u8::is_ascii_hexdigit).count() >= 8);
    assert_eq!(token, None, "a session token is there:\n{text}");
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
        (&["--trace"], None, "missing argument"),
        (&[gateway[0], gateway[1], "--trace", "x"], None, "don't go with --gateway"),
        (&["--identity", "user-17"], None, "--gateway is missing"),
        (&["--backend"], None, "missing argument"),
        (&["--backend", "https://app.example", gateway[0], gateway[1]], None, "exclude each"),
        (&["--backend", "http://app.example"], None, "--backend: "),
        (&["--backend", "https://app.example", "--legacy"], None, "don't go with --backend"),
        (&["--backend", "https://app.example", "--cookie", "login=abc"], None, "give @FILE"),
        (
            &["--backend", "https://app.example", "--cookie", "@/no/such"],
            None,
            "--cookie /no/such: ",
        ),
        (&["--cookie", "login=abc"], None, "--cookie takes a file"),
        (&gateway, None, "--identity is missing"),
        (&[gateway[0], gateway[1], "--identity", ""], None, "the identity is empty"),
        (&[gateway[0], gateway[1], "--identity", "u"], None, "VIDEOKIT_API_TOKEN is not set"),
        (&[gateway[0], gateway[1], "--identity", "u"], Some("two words"), "VIDEOKIT_API_TOKEN: "),
        (&["--gateway", "gateway.example", "--identity", "u"], None, "--gateway: the URI"),
        (
            &["--gateway", "http://gateway.example", "--identity", "u"],
            None,
            "loopback address: use https",
        ),
        (&[gateway[0], gateway[1], "--scope", ""], None, "a scope is"),
        (&[gateway[0], gateway[1], "--legacy", "--scope", "videos.read"], None, "exclude each"),
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
        ("/v1/sessions", None, ["validity  Valid, with 5", "asked: none"]),
        ("/", Some("--scope=videos.read"), ["Valid, with 5", "asked: videos.read"]),
        ("", Some("--legacy"), ["an expiry that nobody stated", "asked: none"]),
    ] {
        let (origin, gateway) = gateway();
        let url = format!("{origin}{path}");
        let mut arguments = vec!["--gateway", &url, "--identity", "user-17"];
        arguments.extend(option);
        let output = quickstart(&arguments, Some("right:token"));
        let text = stdout(&output);
        assert!(output.status.success(), "{text}{}", stderr(&output));
        let [validity, scopes] = expected;
        let expected = [
            "Authenticating -> Active: Granted",
            "identity  user-17",
            validity,
            scopes,
            "Active -> Unauthenticated: Stopped",
            "the token is forgotten and wiped",
        ];
        assert_in_order(text.lines(), expected, &text);
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
        let why = format!("Authenticating -> Unauthenticated: {why}");
        assert!(text.contains(&why), "{why}: {text}");
        assert!(error.contains(way_out), "{error}");
        assert_no_secret(&output, api_token);
    };
    let (origin, gateway) = gateway();
    let refused = "Denied: the server refused (status 401); the same request won't be granted";
    fails(&origin, "wrong:token", refused, "the API token in VIDEOKIT_API_TOKEN");
    assert_eq!(gateway.lock().unwrap().counts().refused, 1);

    // A redirect is not followed, and a reply that is too large is not read to its end.
    fails(&format!("{origin}/moved"), "right:token", "Denied: the server redirects", "the address");
    fails(
        &format!("{origin}/large"),
        "right:token",
        "Denied: the reply is malformed: the body has",
        "--legacy",
    );
    assert_eq!(gateway.lock().unwrap().counts().granted, 0);

    // A port that was free a moment ago: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = format!("http://{free}");
    let unreachable = "Failed: no connection could be made";
    fails(&silent, "right:token", unreachable, "the address and the network");
}

/// Replies of backends, and what is said about each.
const REPLIES: &[(u16, &str, &str)] = &[
    // The vendor's example, with its two mistakes: no quotes, and no brace.
    (
        200,
        r#"{"sessionToken": st-0123456789abcdef"#,
        "res.json({ sessionToken, expiresAt, identity })",
    ),
    (200, r#"{"sessionToken": "st-0123456789abcdef""#, "a brace or a quote is missing"),
    (200, r#"{"sessionToken": undefined"#, "none for an empty identity"),
    (200, r#"{"sessionToken": undefined}"#, "none for an empty identity"),
    (200, r#"{"sessionToken": "undefined"}"#, "a missing value was turned into text"),
    (200, r#"{"token": "st-0123456789abcdef"}"#, "has to be called `sessionToken`"),
    (200, r#"{"sessionToken": {"token": "x"}}"#, "members are strings"),
    (200, r#"{"sessionToken": "x y"}"#, "what the gateway replied, unchanged"),
    (200, r#"{"error": "invalid token"}"#, "check its API token"),
    (200, "Session Service", "its tokens are at /token"),
    (200, "st-0123456789abcdef", "a JSON function"),
    (200, "<!doctype html><title>Log in</title>", "a page"),
    (200, "", "the reply is empty"),
    (401, "", "pass a login with --cookie @FILE"),
    (403, "<!doctype html><title>Forbidden</title>", "pass a login with --cookie @FILE"),
    (404, "Cannot GET /tokens", "a GET of /token"),
    (404, "<!doctype html><pre>Cannot GET /tokens</pre>", "a GET of /token"),
    (400, "", "see its log"),
    (429, "", "asks to wait"),
    (502, "", "the backend failed"),
    (302, "", "give the address that it redirects to"),
];

#[test]
fn a_backend_whose_reply_is_no_token_is_told_what_to_change() {
    for (status, body, expected) in REPLIES {
        let url = backend(*status, body);
        let output = quickstart(&["--backend", &url, "--identity", "user-17"], None);
        let (text, error) = (stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{body}: {text}{error}");
        assert!(text.contains(&format!("{status} ")), "{body}: {text}");
        assert!(error.contains(expected), "{body}: {error}");
        assert_no_secret(&output, "0123456789");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = quickstart(&["--backend", &format!("http://{free}/token")], None);
    assert!(stderr(&output).contains("is the backend running"), "{}", stderr(&output));
}

#[test]
fn a_backend_that_grants_is_told_what_it_could_say_besides() {
    let full = r#"{"sessionToken":"st-0123456789abcdef","expiresAt":"2126-11-24T05:00:00Z","identity":"user-17"}"#;
    for (body, expected) in [
        (full, ["identity  user-17", "expires   2126-11-24T05:00:00Z", "no-store"]),
        (
            r#"{"sessionToken":"st-0123456789abcdef"}"#,
            ["reply with `identity`", "reply with `expiresAt`", "no-store"],
        ),
        (
            r#"{"sessionToken":"st-0123456789abcdef","expiresAt":"now","identity":"END_USER_ID"}"#,
            ["END_USER_ID, which is the placeholder", "is not RFC 3339", "no-store"],
        ),
    ] {
        let output = quickstart(&["--backend", &backend(200, body)], None);
        let text = stdout(&output);
        assert!(output.status.success(), "{text}{}", stderr(&output));
        assert_in_order(text.lines(), ["a session token"].into_iter().chain(expected), &text);
        assert_no_secret(&output, "0123456789");
    }
    let output = quickstart(&["--backend", &backend(200, full), "--identity", "user-18"], None);
    assert!(
        stderr(&output).contains("who is logged in to `getSessionToken`"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_login_at_a_backend_comes_from_a_file_and_is_shown_nowhere() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (cookie, header) = (folder.join("cookie.txt"), folder.join("header.txt"));
    std::fs::write(&cookie, "login=canary-1\n").unwrap();
    std::fs::write(&header, "X-Login: canary-2\n").unwrap();
    let url = serve(Router::new().fallback(|request: Request| async move {
        let named = |name| request.headers().get(name).is_some();
        assert!(named("cookie") && named("x-login"));
        format!(r#"{{"sessionToken":"{}"}}"#, request.headers()["x-login"].to_str().unwrap())
    }));
    let [cookie, header] = [cookie, header].map(|file| format!("@{}", file.display()));
    let output = quickstart(&["--backend", &url, "--cookie", &cookie, "--header", &header], None);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_no_secret(&output, "canary");
}

/// A backend that has one reply.
fn backend(status: u16, body: &'static str) -> String {
    let status = StatusCode::from_u16(status).unwrap();
    let headers = [(LOCATION, "/login?next=canary")];
    format!("{}/token", serve(Router::new().fallback((status, headers, body))))
}

fn serve(app: Router) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || runtime.block_on(axum::serve(listener, app).into_future()));
    origin
}

type Shared = Arc<Mutex<sim::Gateway>>;

/// A gateway on a loopback port, at this origin. It has two more paths, for replies that are no tokens.
fn gateway() -> (String, Shared) {
    let gateway =
        Arc::new(Mutex::new(sim::Gateway::new("right:token", Duration::from_secs(600), 1)));
    let app = Router::new()
        .route("/moved", post((StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/v1/sessions")])))
        .route("/large", post(" ".repeat(200_000)))
        .fallback(answer)
        .with_state(Arc::clone(&gateway));
    (serve(app), gateway)
}

async fn answer(State(gateway): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 16 * 1_024).await.unwrap();
    let request = http::Request::from_parts(parts, body);
    gateway.lock().unwrap().handle(&request, 1_795_492_800_000).map(Into::into)
}
