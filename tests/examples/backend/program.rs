//! The backend's program: its arguments, and its end.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::{COOKIE, SET_COOKIE};
use serde_json::Value;
use shared::loopback::Site;
use videokit_session::sim::Fault;

use super::{API_TOKEN, PATIENCE, run};
use crate::example;

/// The example's program, killed if the test fails.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Program {
    /// Starts it with an API token that `give` gives it, and returns its address.
    fn start(gateway: &str, give: impl FnOnce(&mut Command) -> &mut Command) -> (Self, String) {
        let mut command = Command::new(example::build("backend"));
        let mut child = give(&mut command)
            .args(["--port", "0"])
            .env("VIDEOKIT_GATEWAY", format!("{gateway}/v1/sessions"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("session service listening on ").unwrap().to_owned();
        (Self(child), url)
    }
}

/// Logs Ann in, and returns the cookie.
async fn login(client: &reqwest::Client, url: &str) -> String {
    let reply = client.post(format!("{url}/login")).body("user=ann").send().await.unwrap();
    reply.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[test]
fn what_is_secret_may_come_from_files_that_end_with_a_line_break() {
    let site = Site::new(API_TOKEN, Duration::from_secs(600));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (token, gateway) = (folder.join("api-token"), folder.join("gateway"));
    let url = site.serve().unwrap();
    std::fs::write(&token, format!("{API_TOKEN}\n")).unwrap();
    std::fs::write(&gateway, format!("{url}/v1/sessions\r\n")).unwrap();
    let (_program, url) = Program::start("not an address", |command| {
        command.env_remove("VIDEOKIT_API_TOKEN");
        command.arg("--api-token-file").arg(&token).arg("--gateway-file").arg(&gateway)
    });
    run(async {
        let client = reqwest::Client::new();
        let cookie = login(&client, &url).await;
        let call = client.get(format!("{url}/token")).header(COOKIE, cookie).send();
        assert_eq!(call.await.unwrap().status(), StatusCode::OK);
    });
}

#[test]
#[cfg(unix)]
fn the_program_answers_the_call_under_way_when_it_is_asked_to_end() {
    let site = Site::new(API_TOKEN, Duration::from_secs(600));
    let (mut program, url) = Program::start(&site.serve().unwrap(), |command| {
        command.env("VIDEOKIT_API_TOKEN", API_TOKEN)
    });
    let log = run(async {
        let client = reqwest::Client::new();
        let home = client.get(&url).send().await.unwrap();
        assert_eq!(home.text().await.unwrap(), "Session Service");
        let cookie = login(&client, &url).await;
        site.lock().faults = vec![Fault::Slow { ms: 500 }];
        let call = client.get(format!("{url}/token")).header(COOKIE, &cookie).send();
        let call = tokio::spawn(call);
        let start = Instant::now();
        while site.lock().gateway.counts().granted == 0 {
            assert!(start.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let pid = program.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let reply = call.await.unwrap().unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        let body = reply.text().await.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        let token = body["sessionToken"].as_str().unwrap().to_owned();
        assert_eq!(site.lock().gateway.identity_of(&token), Some("ann"));
        let mut log = String::new();
        program.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(!log.contains(&token) && !log.contains(&cookie["session=".len()..]), "{log}");
        log
    });
    assert!(program.0.wait().unwrap().success(), "{log}");
    assert!(log.contains("no call is taken any more"), "{log}");
    assert!(!log.contains("canary"), "{log}");
}

#[test]
fn the_program_says_what_is_wrong_with_its_arguments_and_repeats_no_secret() {
    let program = example::build("backend");
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = Command::new(&program)
            .args(arguments)
            .env_remove("VIDEOKIT_GATEWAY")
            .env_remove("VIDEOKIT_API_TOKEN")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let gateway = ("VIDEOKIT_GATEWAY", "http://127.0.0.1:9/v1/sessions");
    for (arguments, variables, expected) in [
        (&["--port", "x"][..], &[][..], "\"x\""),
        (&["--api-token", "canary"], &[], "--api-token"),
        (&[], &[gateway], "VIDEOKIT_API_TOKEN"),
        (&[], &[("VIDEOKIT_API_TOKEN", "canary")], "VIDEOKIT_GATEWAY"),
        (&[], &[gateway, ("VIDEOKIT_API_TOKEN", "canary secret")], "VIDEOKIT_API_TOKEN"),
        (&["--api-token-file", "/nowhere"], &[gateway], "/nowhere"),
        (
            &[],
            &[("VIDEOKIT_GATEWAY", "http://example.com/"), ("VIDEOKIT_API_TOKEN", "canary")],
            "VIDEOKIT_GATEWAY",
        ),
    ] {
        let (success, error) = run(arguments, variables);
        assert!(!success && error.contains(expected), "{expected}: {error}");
        assert!(!error.contains("canary"), "{error}");
    }
}
