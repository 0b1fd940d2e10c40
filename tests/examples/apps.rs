//! The apps with a run loop, each as a program, on good days and bad ones.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use shared::clocks::Clocks;
use shared::loopback::Site;
use shared::session::Session;
use videokit_session::sim::Fault;
use videokit_session::{AllowedOrigin, Backend, Config, Driver, Endpoint};

use crate::example;
use crate::loops::event_loop::Sockets;

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
        let mut command = Command::new(example::build(name));
        command
            .args(["--backend", &format!("{url}/token/user-17")])
            .args(["--api", &format!("{url}/v1/videos")])
            .env("VIDEOKIT_COOKIE", "login=abc");
        Self::spawn(name, &mut command)
    }

    /// Starts the OAuth client of this token endpoint.
    fn start_oauth(url: &str) -> Self {
        let mut command = Command::new(example::build("oauth"));
        command
            .args(["--token-endpoint", url, "--client-id", "app-1"])
            .env("OAUTH_CLIENT_SECRET", "canary");
        Self::spawn("oauth", &mut command)
    }

    fn spawn(name: &'static str, command: &mut Command) -> Self {
        let mut child =
            command.env("NO_PROXY", "127.0.0.1").stdout(Stdio::piped()).spawn().unwrap();
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

#[test]
fn the_event_loop_closes_the_socket_of_a_request_when_it_ends() {
    let (site, url) = site();
    site.lock().faults = vec![Fault::Lost];
    let config = Config::builder(AllowedOrigin::loopback(&url).unwrap()).build().unwrap();
    let clocks = Clocks::start();
    let session = Session::new(Driver::new(Arc::new(config), 17), move || clocks.now());
    session.start(Backend::new(Endpoint::loopback(format!("{url}/token")).unwrap()));
    let mut sockets = Sockets::new().unwrap();
    session.run(&mut sockets, |sockets, _, _| {
        assert_eq!(sockets.open.len(), 1);
        assert!(sockets.wait(Some(Duration::from_millis(1))).is_empty());
        session.close();
    });
    assert!(sockets.open.is_empty());
}

/// A token endpoint that gives each of these replies, and then the last one again.
fn token_endpoint(replies: &'static [(u16, &'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while stream.read_line(&mut line).unwrap() > 2 {
                let header = line.to_ascii_lowercase();
                if let Some(value) = header.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            stream.read_exact(&mut vec![0; length]).unwrap();
            let (status, headers, body) = replies[number.min(replies.len() - 1)];
            let length = body.len();
            let head = format!("HTTP/1.1 {status} Reply\r\nContent-Length: {length}\r\n");
            let close = "Connection: close\r\n";
            write!(stream.get_mut(), "{head}{close}{headers}\r\n{body}").unwrap();
        }
    });
    url
}

#[test]
fn the_oauth_client_goes_through_an_overload_and_renews_a_short_token() {
    const GRANT: &str = r#"{"access_token":"at-1","token_type":"bearer","expires_in":4}"#;
    let url = token_endpoint(&[(503, "", ""), (429, "Retry-After: 1\r\n", ""), (200, "", GRANT)]);
    let app = App::start_oauth(&url);
    app.until("could not answer for now (status 503)");
    app.until("asks to wait 1 s");
    app.until("Active: Granted");
    app.until("Active: Renewed");
}

#[test]
fn the_oauth_client_ends_with_what_to_do_about_a_wrong_secret() {
    let url = token_endpoint(&[(401, "", r#"{"error":"invalid_client"}"#)]);
    let mut app = App::start_oauth(&url);
    app.until("the service doesn't know this id and secret: correct them");
    assert!(!app.child.wait().unwrap().success());
}

#[test]
fn the_oauth_client_says_that_nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    App::start_oauth(&format!("http://{free}/token")).until("no connection could be made");
}
