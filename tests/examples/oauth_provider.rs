//! The scenarios of the example `oauth` with a real authorization server, `oidc-provider` of npm, which each of these
//! tests starts on 127.0.0.1. Needs Node 20, and `npm ci` in `tests/examples/node`.
//!
//! Each also compares what is sent and answered with the recording that plain `cargo test` plays. With the environment
//! variable `RECORD` set, it writes the recording instead.

#[path = "oauth/app.rs"]
mod app;
#[path = "../../examples/oauth.rs"]
#[allow(dead_code, reason = "the example's `main` is not called here")]
mod example;
#[path = "oauth/record.rs"]
#[allow(dead_code, reason = "`examples` uses the part that plays a recording")]
mod record;
#[macro_use]
#[path = "oauth/scenarios.rs"]
mod scenarios;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use app::Service;
use bytes::Bytes;
use http::{Request, Response};
use record::{Answer, Asked, Line, Names};
use serde_json::Value;
use shared::send::ureq::{agent, send};
use ureq::Agent;
use videokit_session::TransportFailure;

tests_of_scenarios! { play }

fn play(name: &str, scenario: fn(&mut dyn Service)) {
    let mut provider = Provider::spawn();
    scenario(&mut provider);
    let lines = provider.lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n");
    if std::env::var_os("RECORD").is_some() {
        std::fs::write(record::file(name), lines.collect::<String>()).unwrap();
    } else {
        assert_eq!(provider.lines, record::read(name), "the recording is another: see RECORD");
    }
}

/// The authorization server, and what it was asked. It ends with this.
struct Provider {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    origin: String,
    agent: Agent,
    names: Names,
    lines: Vec<Line>,
}

impl Provider {
    fn spawn() -> Self {
        let mut node = Command::new("node");
        node.arg("provider.mjs");
        node.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/examples/node"));
        let process = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = process.expect("Node 20 is installed");
        let mut provider = Self {
            commands: process.stdin.take(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
            origin: String::new(),
            // A connection that the server closes while a request is sent would lose the request.
            agent: agent(Agent::config_builder().proxy(None).max_idle_connections(0)),
            names: Names::default(),
            lines: Vec::new(),
        };
        let port = provider.answer();
        let port = port.strip_prefix("port ").expect("it starts: run `npm ci` in its folder");
        provider.origin = format!("http://127.0.0.1:{port}");
        provider.names.alias(&provider.origin, "http://127.0.0.1:1");
        provider
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn command(&mut self, command: &str) -> String {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        self.answer()
    }

    /// Names the tokens that a reply brings.
    fn learn(&mut self, reply: &Response<Bytes>) {
        let body: Value = serde_json::from_slice(reply.body()).unwrap_or_default();
        for (member, kind) in [("access_token", "access"), ("refresh_token", "refresh")] {
            if let Some(token) = body[member].as_str() {
                self.names.add(kind, token);
            }
        }
    }
}

impl Service for Provider {
    fn origin(&self) -> String {
        self.origin.clone()
    }

    fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportFailure> {
        let asked = Asked::new(&request, &self.names);
        let outcome = send(&self.agent, request, Duration::from_secs(30), 65_536);
        let outcome = outcome.map(|reply| reply.map(Bytes::from));
        let line = match &outcome {
            Ok(reply) => {
                self.learn(reply);
                Line::Answered(asked, Answer::new(reply, &self.names))
            }
            Err(TransportFailure::Unreachable) => Line::Unreachable(asked),
            Err(other) => panic!("{other}"),
        };
        self.lines.push(line);
        outcome
    }

    fn log_in(&mut self) -> String {
        let token = self.command("log in");
        self.names.add("refresh", &token);
        self.lines.push(Line::LogIn(self.names.replace(&token)));
        token
    }

    fn stop(&mut self) {
        assert_eq!(self.command("stop"), "stopped");
    }

    fn start(&mut self) {
        assert!(self.command("start").starts_with("port "));
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It ends with its input.
        self.commands = None;
        let _ = self.process.wait();
    }
}
