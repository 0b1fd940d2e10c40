//! The control page: who may use it, what it shows, and what it never shows.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use http::header::{CONTENT_SECURITY_POLICY, COOKIE, HeaderValue};
use http::{Method, Request};
use serde_json::Value;

use super::program::example::control::LISTENERS;
use super::program::example::simulation::KEPT;
use super::{
    Options, Program, ask, backend, call, gateway, get, json, send, set, text, token, until,
};

/// The events of a page: the lines with data, as they come.
struct Events(BufReader<Box<dyn Read>>);

fn listen(program: &Program) -> Result<Events, u16> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_recv_body(Some(Duration::from_secs(30)));
    let agent = ureq::Agent::from(config.build());
    let reply = agent.get(format!("{}/events", program.page)).call().expect("a reply");
    if reply.status() != 200 {
        return Err(reply.status().as_u16());
    }
    Ok(Events(BufReader::new(Box::new(reply.into_body().into_reader()))))
}

impl Events {
    /// Returns the next event's kind, and its data.
    fn next(&mut self) -> (String, String) {
        let mut kind = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).expect("an event in time"), 0, "it ended");
            if let Some(name) = line.strip_prefix("event: ") {
                name.trim_end().clone_into(&mut kind);
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return (kind, data.to_owned());
            }
        }
    }
}

/// All that a page learns when it connects.
pub(super) fn snapshot(program: &Program) -> Value {
    let (kind, data) = listen(program).expect("a place").next();
    assert_eq!(kind, "snapshot");
    serde_json::from_str(&data).expect("JSON")
}

/// Sends a request to the page with these headers, and returns the status.
fn status(program: &Program, method: &Method, path: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = Request::builder().method(method).uri(format!("{}{path}", program.page));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request.body(()).unwrap()).unwrap().status().as_u16()
}

#[test]
fn a_host_other_than_loopback_is_refused() {
    let program = gateway();
    for host in ["127.0.0.1", "127.0.0.1:8701", "localhost", "localhost:1", "[::1]", "[::1]:8701"] {
        for path in ["/", "/page.js"] {
            assert_eq!(status(&program, &Method::GET, path, &[("host", host)]), 200, "{host}");
        }
    }
    let port = program.page.rsplit(':').next().unwrap();
    let own = format!("evil.example:{port}");
    for host in [
        "evil.example",
        &own,
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1@evil.example",
        "0.0.0.0",
        "192.168.0.1",
        "[::2]",
        "127.0.0.1:port",
        "127.0.0.1 evil.example",
        "",
    ] {
        for path in ["/", "/page.js", "/events", "/nothing"] {
            assert_eq!(status(&program, &Method::GET, path, &[("host", host)]), 403, "{host}");
        }
        // Also where the origin is that of the host.
        let headers = [("host", host), ("origin", &format!("http://{host}"))];
        assert_eq!(status(&program, &Method::PUT, "/faults/lost", &headers), 403, "{host}");
    }
    assert_eq!(snapshot(&program)["lasting"], Value::Array(Vec::new()));
}

#[test]
fn an_origin_other_than_its_own_is_refused() {
    let program = gateway();
    let own = &*program.page;
    let localhost = own.replace("127.0.0.1", "localhost");
    let secure = own.replace("http:", "https:");
    let alien = [
        "http://evil.example",
        "null",
        "",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        &program.gateway,
        &localhost,
        &secure,
        &format!("{own}.evil.example"),
        &format!("{own}/"),
    ];
    let actions = [
        (Method::PUT, "/faults/lost"),
        (Method::DELETE, "/faults/lost"),
        (Method::POST, "/revoke"),
        (Method::POST, "/"),
    ];
    for (method, path) in &actions {
        assert_eq!(status(&program, method, path, &[]), 403, "{method} {path} without an origin");
        for origin in alien {
            assert_eq!(status(&program, method, path, &[("origin", origin)]), 403, "{origin}");
        }
        let twice = [("origin", own), ("origin", "http://evil.example")];
        assert_eq!(status(&program, method, path, &twice), 403);
    }
    for origin in alien {
        assert_eq!(status(&program, &Method::GET, "/events", &[("origin", origin)]), 403);
    }
    assert_eq!(snapshot(&program)["entries"], Value::Array(Vec::new()), "nothing was done");
    for (method, path) in &actions[..3] {
        assert_eq!(status(&program, method, path, &[("origin", own)]), 204, "{method} {path}");
    }
}

#[test]
fn requests_that_another_sites_page_makes_are_refused_and_links_are_not() {
    let program = gateway();
    for (path, site, expected) in [
        ("/", "cross-site", 200),
        ("/page.js", "same-origin", 200),
        ("/page.js", "none", 200),
        ("/page.js", "same-site", 403),
        ("/events", "cross-site", 403),
    ] {
        let status = status(&program, &Method::GET, path, &[("sec-fetch-site", site)]);
        assert_eq!(status, expected, "{path}, {site}");
    }
}

#[test]
fn the_page_has_nothing_from_elsewhere() {
    let program = gateway();
    for path in ["/", "/page.css", "/page.js"] {
        let reply = Request::get(format!("{}{path}", program.page)).body(()).unwrap();
        let reply = send(reply).unwrap();
        let policy = reply.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let urls = reply.body().matches("//").count() - reply.body().matches("// ").count();
        // That of the namespace.
        assert_eq!(urls, usize::from(path == "/page.js"), "{path}");
        assert!(!reply.body().contains("innerHTML"), "texts are set as text");
    }
}

#[test]
fn an_unknown_fault_is_not_found() {
    let program = gateway();
    let origin = [("origin", &*program.page)];
    assert_eq!(status(&program, &Method::PUT, "/faults/offline", &origin), 404);
}

#[test]
fn requests_are_shown_as_they_come() {
    let program = gateway();
    let mut events = listen(&program).unwrap();
    assert_eq!(events.next().0, "snapshot");
    let token = token(&program);
    send(call(&program, &token)).unwrap();
    send(get(&program, "/v2?key=value")).unwrap();
    let mut entries = Vec::new();
    while entries.len() < 3 {
        let (kind, data) = events.next();
        assert_eq!(kind, "change");
        let news: Value = serde_json::from_str(&data).unwrap();
        entries.extend(news["entries"].as_array().unwrap().iter().cloned());
    }
    let shown =
        |entry: &Value| ["method", "path", "identity", "status"].map(|name| entry[name].clone());
    assert_eq!(
        shown(&entries[0]),
        ["POST".into(), "/v1/sessions".into(), "user-17".into(), Value::from(200)]
    );
    assert_eq!(entries[0]["session"]["number"], 1);
    assert_eq!(
        shown(&entries[1]),
        ["GET".into(), "/v1/videos".into(), "user-17".into(), Value::from(200)]
    );
    assert_eq!(shown(&entries[2]), ["GET".into(), "/v2".into(), Value::Null, Value::from(404)]);
    let numbers: Vec<_> = entries.iter().map(|entry| entry["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(
        snapshot(&program)["entries"].as_array().unwrap(),
        &entries,
        "a late page catches up"
    );
}

#[test]
fn the_history_is_bounded() {
    let program = gateway();
    let agent = ureq::Agent::from(ureq::Agent::config_builder().proxy(None).build());
    let path = format!("/token/{}", "u".repeat(5_000));
    for _ in 0..KEPT {
        agent.get(&program.gateway).call().unwrap().body_mut().read_to_string().unwrap();
    }
    send(backend(&program, &path)).unwrap();
    let snapshot = snapshot(&program);
    let entries = snapshot["entries"].as_array().unwrap();
    assert_eq!(entries.len(), KEPT);
    assert_eq!(entries[0]["number"], 2);
    let last = &entries[KEPT - 1];
    for name in ["path", "identity"] {
        assert!(text(&last[name]).chars().count() <= 121, "a long {name} is cut");
    }
}

#[test]
fn the_number_of_listening_pages_is_bounded() {
    let program = gateway();
    let mut pages: Vec<_> = (0..LISTENERS).map(|_| listen(&program).unwrap()).collect();
    assert_eq!(listen(&program).err(), Some(503));
    pages.pop();
    until("a place is free", || listen(&program).is_ok());
}

/// Everything that the page's endpoints give out.
fn everything(program: &Program, change: impl FnOnce()) -> String {
    let mut events = listen(program).unwrap();
    let mut all = events.next().1;
    change();
    all += &events.next().1;
    for path in ["/", "/page.css", "/page.js", "/nothing", "/faults/lost", "/revoke"] {
        for method in [Method::GET, Method::POST] {
            let request = Request::builder().method(method).uri(format!("{}{path}", program.page));
            let reply = send(request.body(()).unwrap()).unwrap();
            all.extend([format!("{:?}", reply.headers()), reply.into_body()]);
        }
    }
    all
}

#[test]
fn no_token_is_shown_anywhere() {
    let api_token = "canary-app:canary/secret";
    let program = Program::start(Options { api_token: api_token.to_owned(), ..Options::default() });
    let mut tokens = Vec::new();
    for identity in ["user-17", "user-18", "user-19"] {
        let reply = json(&send(ask(&program, api_token, identity)).unwrap());
        tokens.push(text(&reply["sessionToken"]));
        let reply = json(&send(backend(&program, &format!("/token/{identity}"))).unwrap());
        tokens.push(text(&reply["sessionToken"]));
    }
    for token in &tokens {
        send(call(&program, token)).unwrap();
        // By mistake, in other places: the identity, the path, the query, a cookie.
        send(ask(&program, api_token, token)).unwrap();
        send(get(&program, &format!("/v1/{token}?token={token}"))).unwrap();
        send(backend(&program, &format!("/token/{token}"))).unwrap();
    }
    send(ask(&program, api_token, api_token)).unwrap();
    send(ask(&program, "canary-wrong", "user-17")).unwrap();
    send(call(&program, "canary-session")).unwrap();
    for path in [
        format!("/{api_token}"),
        format!("/token/{}", api_token.replace('/', "%2F").replace("can", "%63%61n")),
        format!("/token/user-17?{api_token}"),
    ] {
        let mut request = get(&program, &path);
        request.headers_mut().insert(COOKIE, HeaderValue::from_static("canary-cookie"));
        send(request).unwrap();
    }
    set(&program, "error_string", true);
    send(ask(&program, api_token, "user-17")).unwrap();
    let all = everything(&program, || drop(send(call(&program, &tokens[0]))));
    assert!(all.contains("user-19") && all.contains("200 with error text"));
    for secret in tokens.iter().map(String::as_str).chain(["canary", "Bearer"]) {
        assert!(!all.contains(secret), "{secret} is there:\n{all}");
    }
    let digits = |end: &str| end.bytes().take_while(u8::is_ascii_hexdigit).count();
    assert!(all.split("st-").skip(1).all(|end| digits(end) < 8), "a token is there:\n{all}");
}
