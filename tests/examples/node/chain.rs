//! The whole chain: an app of the example `tokio`, a backend in Express as the seed document shows it, and the
//! example `gateway`. And what the quickstart says of each mistake of that backend. `npm ci` in this folder installs
//! Express.

#[path = "../../example/mod.rs"]
mod build;

#[path = "../gateway/program.rs"]
mod program;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use program::Program;
use program::example::arguments::Options;

const API_TOKEN: &str = "chain:secret";

fn gateway() -> Program {
    Program::start(Options { api_token: API_TOKEN.to_owned(), ..Options::default() })
}

/// A backend in Express. It ends with the test.
struct Backend {
    node: Child,
    url: String,
}

impl Backend {
    fn start(gateway: &str, mistake: &str) -> Self {
        let script =
            PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/examples/node"));
        let mut node = Command::new("node")
            .arg(script.join("backend.mjs"))
            .args([gateway, mistake])
            .env("VIDEOKIT_API_TOKEN", API_TOKEN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Node runs");
        let mut url = String::new();
        let stdout = node.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut url).expect("the backend's URL");
        Self { node, url: url.trim().to_owned() }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ended = self.node.kill();
        let _ended = self.node.wait();
    }
}

/// Runs an example to its end.
fn run(example: &str, arguments: &[&str]) -> Output {
    let mut program = Command::new(build::build(example));
    program.args(arguments).env("NO_PROXY", "127.0.0.1").output().expect("the example runs")
}

#[test]
fn an_app_gets_its_tokens_from_the_backend_and_calls_the_api() {
    let gateway = gateway();
    let backend = Backend::start(&gateway.gateway, "none");
    let (login, api) = (format!("{}/token", backend.url), format!("{}/v1/videos", gateway.gateway));
    let output = run("tokio", &["--backend", &login, "--api", &api]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}");
    assert!(text.contains("Authenticating -> Active: Granted"), "{text}");
    assert_eq!(text.matches("200 OK").count(), 15, "{text}");
    assert!(text.contains("Active -> Unauthenticated: Stopped"), "{text}");

    let probe = run("quickstart", &["--backend", &login, "--identity", "user-17"]);
    let text = String::from_utf8(probe.stdout).expect("text");
    assert!(probe.status.success() && text.contains("identity  user-17"), "{text}");
    // It has nothing to add.
    assert!(!text.contains("reply with"), "{text}");
}

/// The mistakes, and what explains each.
const MISTAKES: &[(&str, &str)] = &[
    ("as shown", "res.json({ sessionToken, expiresAt, identity })"),
    ("no quotes", "res.json({ sessionToken, expiresAt, identity })"),
    ("no brace", "a brace or a quote is missing"),
    ("no value", "returns none for an empty identity"),
    ("placeholder", "the vendor's example has a fixed one"),
    // Both end in an error of the route, which Express answers with 500.
    ("empty identity", "the backend failed"),
    ("wrong API token", "the backend failed"),
];

#[test]
fn each_mistake_of_the_seeds_backend_is_explained() {
    let gateway = gateway();
    for (mistake, expected) in MISTAKES {
        let backend = Backend::start(&gateway.gateway, mistake);
        let login = format!("{}/token", backend.url);
        let output = run("quickstart", &["--backend", &login, "--identity", "user-17"]);
        let error = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{mistake}: {error}");
        assert!(error.contains(expected), "{mistake}: {error}");
    }
    let backend = Backend::start(&gateway.gateway, "none");
    let output = run("quickstart", &["--backend", &backend.url]);
    let error = String::from_utf8(output.stderr).expect("text");
    assert!(error.contains("its tokens are at /token"), "{error}");
}

#[test]
fn a_token_alone_is_taken_and_what_is_missing_is_named() {
    let gateway = gateway();
    let backend = Backend::start(&gateway.gateway, "token alone");
    let output = run("quickstart", &["--backend", &format!("{}/token", backend.url)]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}");
    for missing in ["`identity`", "`expiresAt`", "`Cache-Control: no-store`"] {
        assert!(text.contains(&format!("reply with {missing}")), "{text}");
    }
}
