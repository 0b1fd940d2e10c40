//! What the chapter `sending` promises of `send`, of each client, against a server with odd replies.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, LOCATION};
use http::{HeaderMap, Method, Request, Response};
use shared::send;
use videokit_session::TransportFailure;

/// Longer than anything takes here, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(30);
const LIMIT: usize = 64 * 1_024;

type Sent = Result<Response<Vec<u8>>, TransportFailure>;
type SendWith = fn(Request<Bytes>, Duration, usize) -> Sent;

const CLIENTS: [(&str, SendWith); 3] =
    [("ureq", with_ureq), ("reqwest", with_reqwest), ("hyper", with_hyper)];

fn with_ureq(request: Request<Bytes>, timeout: Duration, limit: usize) -> Sent {
    let agent = send::ureq::agent(ureq::Agent::config_builder().proxy(None));
    send::ureq::send(&agent, request, timeout, limit)
}

fn with_reqwest(request: Request<Bytes>, timeout: Duration, limit: usize) -> Sent {
    let client = send::reqwest::client(reqwest::Client::builder().no_proxy()).unwrap();
    block_on(send::reqwest::send(&client, request, timeout, limit))
}

fn with_hyper(request: Request<Bytes>, timeout: Duration, limit: usize) -> Sent {
    block_on(async { send::hyper::send(&send::hyper::client(), request, timeout, limit).await })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A server that answers each request with the same bytes.
struct Server {
    url: String,
    requests: Receiver<Heard>,
}

/// A request as it came.
struct Heard {
    line: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Server {
    /// Closes each connection after the reply.
    fn answering(reply: impl Into<Vec<u8>>) -> Self {
        Self::start(reply.into(), false)
    }

    /// Sends no more after the reply, and waits until the client goes.
    fn stalling_after(reply: impl Into<Vec<u8>>) -> Self {
        Self::start(reply.into(), true)
    }

    fn start(reply: Vec<u8>, stalls: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, sender, reply) = (stream.unwrap(), sender.clone(), reply.clone());
                thread::spawn(move || {
                    let heard = hear(&mut stream).expect("a whole request");
                    // The test, or a client that has read enough, may be gone.
                    let _ = sender.send(heard);
                    let _ = stream.write_all(&reply);
                    if stalls {
                        let _ = stream.read(&mut [0]);
                    }
                });
            }
        });
        Self { url, requests }
    }

    fn get(&self) -> Request<Bytes> {
        Request::get(&self.url).body(Bytes::new()).unwrap()
    }

    /// Returns the only request that came.
    fn only(&self) -> Heard {
        let heard = self.requests.recv_timeout(PATIENCE).expect("a request");
        assert!(self.requests.try_recv().is_err(), "one request is sent once");
        heard
    }
}

fn hear(stream: &mut TcpStream) -> io::Result<Heard> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).map_err(|_| ErrorKind::InvalidData)?;
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.trim().parse().unwrap()))
        .collect();
    let length = headers.get(CONTENT_LENGTH).map_or(0, |n| n.to_str().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Heard { line, headers, body })
}

fn whole(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

#[test]
fn a_redirect_is_a_reply_and_is_not_followed() {
    for (client, send) in CLIENTS {
        let target = Server::answering(whole("200 OK", "", "{}"));
        for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
        {
            let location = format!("Location: {}\r\n", target.url);
            let server = Server::answering(whole(status, &location, ""));
            let reply = send(server.get(), PATIENCE, LIMIT).unwrap();
            assert_eq!(reply.status().as_u16(), status[..3].parse::<u16>().unwrap(), "{client}");
            assert_eq!(reply.headers()[LOCATION], *target.url, "{client}: {status}");
            server.only();
        }
        assert!(target.requests.try_recv().is_err(), "{client} followed");
        // Nor does it matter where a redirect leads.
        for location in ["", "Location: http://\r\n", "Location: \r\n"] {
            let server = Server::answering(whole("302 Found", location, ""));
            let reply = send(server.get(), PATIENCE, LIMIT);
            assert_eq!(reply.map(|reply| reply.status().as_u16()), Ok(302), "{client}: {location}");
        }
    }
}

#[test]
fn each_status_is_a_reply_that_comes_once() {
    for (client, send) in CLIENTS {
        for status in
            [200, 201, 304, 400, 401, 403, 404, 407, 408, 421, 425, 429, 500, 502, 503, 504]
        {
            let body = if status == 304 { "" } else { r#"{"error":"x"}"# };
            let server = Server::answering(whole(&format!("{status} Text"), "", body));
            let reply = send(server.get(), PATIENCE, LIMIT).unwrap();
            assert_eq!(reply.status(), status, "{client}");
            assert_eq!(reply.body(), body.as_bytes(), "{client}: {status}");
            server.only();
        }
    }
}

#[test]
fn headers_are_handed_on() {
    let headers =
        "Date: Tue, 24 Nov 2026 04:00:00 GMT\r\nRetry-After: 7\r\nretry-after: 30\r\nAge: 3\r\n";
    for (client, send) in CLIENTS {
        let server = Server::answering(whole("503 Busy", headers, ""));
        let reply = send(server.get(), PATIENCE, LIMIT).unwrap();
        assert_eq!(reply.headers()["date"], "Tue, 24 Nov 2026 04:00:00 GMT", "{client}");
        let waits: Vec<_> = reply.headers().get_all("retry-after").iter().collect();
        assert_eq!(waits, ["7", "30"], "{client}");
        assert_eq!(reply.headers()["age"], "3", "{client}");
    }
}

#[test]
fn a_request_is_sent_as_it_is() {
    for (client, send) in CLIENTS {
        let server = Server::answering(whole("200 OK", "", "{}"));
        let mut request = server.get();
        request.headers_mut().insert(AUTHORIZATION, "Basic aWQ6c2VjcmV0".parse().unwrap());
        send(request, PATIENCE, LIMIT).unwrap();
        let heard = server.only();
        assert_eq!(heard.line, "GET /token HTTP/1.1", "{client}");
        assert_eq!(heard.headers["authorization"], "Basic aWQ6c2VjcmV0", "{client}");
        for absent in ["content-length", "transfer-encoding", "cookie"] {
            assert!(!heard.headers.contains_key(absent), "{client}: a GET with {absent}");
        }

        let form = "grant_type=client_credentials";
        let mut request = server.get().map(|_| Bytes::from(form));
        *request.method_mut() = Method::POST;
        send(request, PATIENCE, LIMIT).unwrap();
        let heard = server.only();
        assert_eq!(heard.line, "POST /token HTTP/1.1", "{client}");
        assert_eq!(heard.headers["content-length"], form.len().to_string(), "{client}");
        assert_eq!(heard.body, form.as_bytes(), "{client}");

        // A POST has a length, even if that is 0 (RFC 9110, section 8.6).
        let mut request = server.get();
        *request.method_mut() = Method::POST;
        send(request, PATIENCE, LIMIT).unwrap();
        assert_eq!(server.only().headers["content-length"], "0", "{client}");
    }
}

#[test]
fn a_body_over_the_limit_is_cut_one_byte_after_it() {
    for (client, send) in CLIENTS {
        for (length, read) in
            [(0, 0), (LIMIT - 1, LIMIT - 1), (LIMIT, LIMIT), (LIMIT + 1, LIMIT + 1)]
        {
            let server = Server::answering(whole("200 OK", "", &"x".repeat(length)));
            let reply = send(server.get(), PATIENCE, LIMIT).unwrap();
            assert_eq!(reply.body().len(), read, "{client}: {length}");
        }
        // What follows need not come.
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n";
        let server = Server::stalling_after(format!("{head}{}", "x".repeat(LIMIT + 1)));
        let reply = send(server.get(), PATIENCE, LIMIT).unwrap();
        assert_eq!(reply.body().len(), LIMIT + 1, "{client}");
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
        for (limit, read) in [(0, "a"), (4, "abcde"), (6, "abcdefg"), (99, "abcdefg")] {
            let reply = send(Server::answering(chunked).get(), PATIENCE, limit).unwrap();
            assert_eq!(reply.body(), read.as_bytes(), "{client}: {limit}");
        }
    }
}

#[test]
fn a_reply_that_is_cut_off_is_an_interruption() {
    let cuts = [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"access_token\":",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"access_token\":",
        "not HTTP at all\r\n\r\n",
    ];
    for (client, send) in CLIENTS {
        for cut in cuts {
            let server = Server::answering(cut);
            let failure = send(server.get(), PATIENCE, LIMIT).unwrap_err();
            assert_eq!(failure, TransportFailure::Interrupted, "{client}: {cut:?}");
            server.only();
        }
    }
}

#[test]
fn the_time_covers_the_whole_reply() {
    let timeout = Duration::from_millis(200);
    let begun = ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"];
    for (client, send) in CLIENTS {
        for begun in begun {
            let server = Server::stalling_after(begun);
            let start = Instant::now();
            let failure = send(server.get(), timeout, LIMIT).unwrap_err();
            assert_eq!(failure, TransportFailure::TimedOut, "{client}: {begun:?}");
            assert!(start.elapsed() >= timeout, "{client}: {begun:?}");
            server.only();
        }
    }
}

#[test]
fn no_listener_and_no_name_are_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    // The resolver of the system refuses it by itself: a label has at most 63 characters.
    let no_name = format!("http://{}.invalid/", "x".repeat(64));
    for (client, send) in CLIENTS {
        for url in [&refused, &no_name] {
            let request = Request::get(url).body(Bytes::new()).unwrap();
            let failure = send(request, PATIENCE, LIMIT).unwrap_err();
            assert_eq!(failure, TransportFailure::Unreachable, "{client}: {url}");
        }
    }
}

/// Without a network, nothing was sent: a secret that is usable once is not spent.
#[test]
fn ureqs_errors_before_a_request_was_sent_are_unreachable() {
    use ureq::Error;
    let unreachable = [
        ErrorKind::ConnectionRefused,
        ErrorKind::NetworkUnreachable,
        ErrorKind::NetworkDown,
        ErrorKind::HostUnreachable,
        ErrorKind::AddrNotAvailable,
    ];
    let io = |kind: ErrorKind| send::ureq::failure(&Error::Io(kind.into()));
    assert!(unreachable.into_iter().all(|kind| io(kind) == TransportFailure::Unreachable));
    for kind in [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof] {
        assert_eq!(io(kind), TransportFailure::Interrupted, "{kind}");
    }
    let timeout = |which| send::ureq::failure(&Error::Timeout(which));
    assert_eq!(timeout(ureq::Timeout::Connect), TransportFailure::Unreachable);
    assert_eq!(timeout(ureq::Timeout::Global), TransportFailure::TimedOut);
}
