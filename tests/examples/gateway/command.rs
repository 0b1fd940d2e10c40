//! The command line, and the program as a process.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use crate::example;

static EXAMPLE: LazyLock<PathBuf> = LazyLock::new(|| example::build("gateway"));

const TOKEN_VARIABLE: &str = "VIDEOKIT_API_TOKEN";

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(&*EXAMPLE);
    command.args(arguments).env_remove(TOKEN_VARIABLE);
    command
}

/// Runs it to its end: with arguments that it refuses, or asks for help.
fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the example runs")
}

fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("a file");
    path.to_str().expect("text").to_owned()
}

#[test]
fn says_what_is_wrong_with_a_command_line_or_a_file() {
    let header = "{\"fault_plan\":1}\n";
    let no_plan = file("gateway-no-plan.jsonl", "lost\n");
    let wrong_time = file(
        "gateway-wrong-time.jsonl",
        &format!("{header}{{\"at_ms\":0,\"lasts_ms\":true,\"fault\":\"lost\"}}\n"),
    );
    let wrong_fault = file(
        "gateway-wrong-fault.jsonl",
        &format!("{header}\n{{\"at_ms\":0,\"lasts_ms\":0,\"fault\":\"losst\"}}\n"),
    );
    let token = file("gateway-token", "two words\n");
    let rows: &[(&[&str], &str)] = &[
        (&["--host", "x"], "--host"),
        (&["x"], "x"),
        (&["--port"], "missing argument"),
        (&["--port", "65536"], "65536"),
        (&["--page-port", "x"], "x"),
        (&["--lifetime", "0"], "--lifetime: expected 1 to 31622400, found \"0\""),
        (&["--lifetime", "1m"], "--lifetime: expected 1 to 31622400, found \"1m\""),
        (&["--seed", "-1"], "-1"),
        (&["--identity", ""], "identity is empty"),
        (&["--plan", "no-such-file"], "no-such-file: No such file"),
        (&["--plan", &no_plan], "gateway-no-plan.jsonl: line 1: this is no fault plan"),
        (&["--plan", &wrong_time], "gateway-wrong-time.jsonl: line 2, `lasts_ms`: invalid type"),
        (&["--plan", &wrong_fault], "gateway-wrong-fault.jsonl: line 3, `fault"),
        (&["--api-token-file", &token], "gateway-token: "),
    ];
    for (arguments, expected) in rows {
        let output = run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
        assert!(error.contains("--help"), "{arguments:?}: {error}");
        assert!(!error.contains("two words"), "{error}");
    }
    let help = run(&["--help"]);
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("--plan FILE"));
}

/// A running program, ended when the test is over.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it, and returns what it prints until it is ready.
fn start(command: &mut Command) -> (Running, String) {
    let free = ["--port", "0", "--page-port", "0"];
    let child = command.args(free).stdout(Stdio::piped()).spawn().expect("the example runs");
    let mut running = Running(child);
    let mut lines = BufReader::new(running.0.stdout.take().expect("a pipe"));
    let mut text = String::new();
    while !text.contains("Ctrl-C") {
        assert_ne!(lines.read_line(&mut text).expect("text"), 0, "it ended: {text}");
    }
    (running, text)
}

#[test]
fn prints_its_addresses_and_where_the_api_token_is_from() {
    let path = file("gateway-good-token", "canary:file\n");
    for (variable, arguments, source) in [
        (None, &[][..], "my-app:my-secret"),
        (Some("canary:variable"), &[], "from VIDEOKIT_API_TOKEN"),
        (Some("canary:variable"), &["--api-token-file", &path], "gateway-good-token"),
    ] {
        let mut command = command(arguments);
        command.envs(variable.map(|token| (TOKEN_VARIABLE, token)));
        let (_running, text) = start(&mut command);
        for expected in ["gateway         http://127.0.0.1:", "page    http://127.0.0.1:", source] {
            assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
        }
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn a_port_in_use_is_a_failure_that_says_what_to_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let output = run(&["--port", &port]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&port) && error.contains("give another with --port"), "{error}");
}

#[test]
fn says_how_much_of_a_plan_changes_nothing() {
    let line = |fault| format!("{{\"at_ms\":0,\"lasts_ms\":9,\"fault\":\"{fault}\"}}\n");
    let lines = ["offline", "lost", "other_user"].map(line).concat();
    let plan = file("gateway-client-plan.jsonl", &format!("{{\"fault_plan\":1}}\n{lines}"));
    // It ends at once: the port is in use.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let output = run(&["--plan", &plan, "--port", &port]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("2 incidents of the plan change nothing"), "{error}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_with_success() {
    let (mut running, _) = start(&mut command(&[]));
    let id = running.0.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().expect("kill runs");
    assert!(sent.success());
    assert!(running.0.wait().expect("it ends").success());
}
