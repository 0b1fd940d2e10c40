//! The apps with a run loop, each as a program, on good days and bad ones.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use shared::loopback::Site;
use videokit_session::sim::Fault;

use crate::example;

/// How long anything may take that doesn't take long, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(60);

const APPS: [&str; 3] = ["tokio", "blocking", "event_loop"];

/// A running program. It ends with the test.
struct App {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
}

impl App {
    /// Starts a program that logs in at the simulated backend.
    fn start(name: &'static str, url: &str) -> Self {
        let mut child = Command::new(example::build(name))
            .args(["--backend", &format!("{url}/token/user-17")])
            .args(["--api", &format!("{url}/v1/videos")])
            .env("VIDEOKIT_COOKIE", "login=abc")
            .env("NO_PROXY", "127.0.0.1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { name, child, lines }
    }

    /// Reads on until a line has this text.
    fn until(&self, text: &str) {
        let mut before = Vec::new();
        let began = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(began.elapsed()) {
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return,
                Ok(line) => before.push(line),
                Err(_) => break,
            }
        }
        panic!("{} did not say {text:?}, but {before:#?}", self.name);
    }

    /// Waits for the end, which is a success.
    fn ends(mut self) {
        for _line in &self.lines {}
        assert!(self.child.wait().unwrap().success(), "{}", self.name);
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// A site whose tokens live for ten minutes.
fn site() -> (Site, String) {
    let site = Site::new("my-app:my-secret", Duration::from_secs(600));
    let url = site.serve().unwrap();
    (site, url)
}

/// Runs a scenario with each program, all at the same time.
fn with_each(scenario: impl Fn(&'static str) + Sync) {
    thread::scope(|scope| {
        for name in APPS {
            let scenario = &scenario;
            scope.spawn(move || scenario(name));
        }
    });
}

#[test]
fn an_app_logs_in_once_calls_the_api_and_ends() {
    with_each(|name| {
        let (site, url) = site();
        let app = App::start(name, &url);
        app.until("Authenticating -> Active: Granted");
        app.until("200");
        app.until("Active -> Unauthenticated: Stopped");
        app.ends();
        let counts = site.lock().gateway.counts();
        assert_eq!((counts.granted, counts.unauthorized), (1, 0), "{name}");
        assert!(counts.served >= 4, "{name}");
    });
}

#[test]
fn an_app_waits_through_an_outage() {
    with_each(|name| {
        for (fault, says) in [
            (Fault::Unavailable { status: 503, retry_after: None }, "could not answer for now"),
            (Fault::Throttled { retry_after: Some(1), as_date: false }, "asks to wait 1 s"),
            (Fault::ResetBefore, "Failed"),
        ] {
            let (site, url) = site();
            site.lock().faults = vec![fault];
            let app = App::start(name, &url);
            app.until(says);
            site.lock().faults.clear();
            app.until("Active: Granted");
            app.until("200");
        }
    });
}

#[test]
fn an_app_says_that_nobody_listens() {
    with_each(|name| {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        App::start(name, &format!("http://{free}")).until("no connection");
    });
}

#[test]
fn an_app_waits_for_a_slow_reply() {
    with_each(|name| {
        let (site, url) = site();
        site.lock().faults = vec![Fault::Slow { ms: 1_000 }];
        App::start(name, &url).until("200");
        assert_eq!(site.lock().gateway.counts().granted, 1, "{name}");
    });
}

#[test]
fn an_app_reports_a_401() {
    with_each(|name| {
        let (site, url) = site();
        site.lock().faults = vec![Fault::Distrusted];
        let app = App::start(name, &url);
        app.until("401");
        // The loop of the event loop's example ends with its calls.
        if name != "event_loop" {
            app.until("Renewed");
            app.until("the API refuses token 2");
        }
    });
}

#[cfg(unix)]
#[test]
fn an_app_that_is_interrupted_in_the_middle_of_a_request_ends_in_order() {
    for name in ["tokio", "blocking"] {
        let (site, url) = site();
        site.lock().faults = vec![Fault::Lost];
        let app = App::start(name, &url);
        app.until("Authenticating: Started");
        let process = app.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
        app.until("Authenticating -> Unauthenticated: Stopped");
        app.ends();
    }
}
