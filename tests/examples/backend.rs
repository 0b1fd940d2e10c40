//! The backend: one request to the gateway for many calls, each user their own token, and an answer whatever the
//! gateway does.

#[path = "../../examples/backend/app.rs"]
mod app;
mod program;
#[path = "../../examples/backend/server.rs"]
mod server;
#[path = "../../examples/backend/tokens.rs"]
mod tokens;
mod waits;

use std::future::{pending, ready};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use futures_util::{FutureExt, stream};
use http::header::{COOKIE, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use serde_json::Value;
use shared::clocks::Clocks;
use shared::loopback::Site;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tower::ServiceExt;
use videokit_session::sim::{Counts, Fault};
use videokit_session::{ApiToken, Endpoint, Moment};

use self::tokens::{Limits, Tokens};

const API_TOKEN: &str = "canary-app:canary-secret";

/// Longer than anything takes, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A backend and its gateway.
#[derive(Clone)]
struct Fixture {
    site: Site,
    router: Router,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Fixture {
    fn new(limits: Limits) -> Self {
        Self::with_lifetime(limits, Duration::from_secs(600))
    }

    fn with_lifetime(limits: Limits, lifetime: Duration) -> Self {
        let site = Site::new(API_TOKEN, lifetime);
        let router = router(&site.serve().unwrap(), limits);
        Self { site, router }
    }

    /// Returns a backend whose clocks stand still, and a function that sets them forward.
    fn paused(limits: Limits) -> (Self, impl Fn(Duration)) {
        let site = Site::new(API_TOKEN, Duration::from_secs(600));
        let now = Arc::new(Mutex::new(Clocks::start().now()));
        let reading = Arc::clone(&now);
        let router = router_at(&site.serve().unwrap(), limits, move || *reading.lock().unwrap());
        let set_forward = move |by| {
            let mut now = now.lock().unwrap();
            *now = now.after(by);
        };
        (Self { site, router }, set_forward)
    }

    fn set(&self, fault: Fault) {
        self.site.lock().faults = vec![fault];
    }

    fn counts(&self) -> Counts {
        self.site.lock().gateway.counts()
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let reply = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = reply.into_parts();
        let body = to_bytes(body, 10_000).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// Logs in, and returns the cookie.
    async fn login(&self, user: &str) -> String {
        let body: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("user", user).finish();
        let reply = self.send(Request::post("/login").body(body.into()).unwrap()).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
        let cookie = reply.headers[SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    async fn token(&self, cookie: &str) -> Reply {
        let request = Request::get("/token").header(COOKIE, cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Returns the reply to a call that waits for nothing; `None` if it waits.
    fn token_at_once(&self, cookie: &str) -> Option<Reply> {
        self.token(cookie).now_or_never()
    }

    /// Waits until the gateway has seen what it should.
    async fn until(&self, condition: impl Fn(Counts) -> bool) {
        let start = Instant::now();
        while !condition(self.counts()) {
            assert!(start.elapsed() < PATIENCE, "{:?}", self.counts());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Reply {
    fn token(&self) -> &str {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.body["sessionToken"].as_str().unwrap()
    }

    fn retry_after(&self) -> Option<u64> {
        self.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()
    }

    /// Checks that this is a denial with nothing of the gateway's in it.
    fn assert_denied(&self, status: StatusCode) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["cache-control"], "no-store");
        assert!(self.body["error"].is_string(), "{}", self.body);
        assert!(!self.body.to_string().contains("API token"), "{}", self.body);
    }
}

fn router(gateway: &str, limits: Limits) -> Router {
    let clocks = Clocks::start();
    router_at(gateway, limits, move || clocks.now())
}

fn router_at(
    gateway: &str,
    limits: Limits,
    now: impl Fn() -> Moment + Send + Sync + 'static,
) -> Router {
    let gateway = Endpoint::loopback(format!("{gateway}/v1/sessions")).unwrap();
    app::router(Tokens::new(gateway, ApiToken::new(API_TOKEN).unwrap(), limits, now).unwrap())
}

fn run<T>(test: impl Future<Output = T>) -> T {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

/// Runs a test on one thread.
fn run_alone<T>(test: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

/// Runs a test whose clock jumps to the next timer when nothing else is to be done.
fn run_paused<T>(test: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test)
}

fn patient() -> Limits {
    Limits { timeout: PATIENCE, ..Limits::default() }
}

/// Returns the fault of a gateway that asks each caller to wait for this many seconds.
fn throttle(retry_after: u32) -> Fault {
    Fault::Throttled { retry_after: Some(retry_after), as_date: false }
}

#[test]
fn a_call_is_answered_with_the_token_of_the_callers_login() {
    run(async {
        let backend = Fixture::new(Limits::default());
        let cookie = backend.login("ann").await;
        let reply = backend.token(&cookie).await;
        assert_eq!(reply.body["identity"], "ann");
        let (token, expires_at) = {
            let gateway = &backend.site.lock().gateway;
            let (token, expires_at) = gateway.newest().unwrap();
            (token.to_owned(), expires_at)
        };
        assert_eq!(reply.token(), token);
        let stated = videokit_session::time::ExpiresAt::from_millis(expires_at);
        assert_eq!(reply.body["expiresAt"], stated.to_string());
        assert_eq!(reply.body.as_object().unwrap().len(), 3);
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(backend.token(&cookie).await.token(), token, "served again");
        assert_eq!(backend.counts().granted, 1);
    });
}

#[test]
fn a_thousand_calls_of_one_user_at_once_make_one_request() {
    run(async {
        let backend = Fixture::new(patient());
        backend.set(Fault::Slow { ms: 300 });
        let cookie = backend.login("ann").await;
        let mut calls = JoinSet::new();
        for _ in 0..1_000 {
            let (backend, cookie) = (backend.clone(), cookie.clone());
            calls.spawn(async move { backend.token(&cookie).await });
        }
        let replies = calls.join_all().await;
        assert_eq!(replies.len(), 1_000);
        assert!(replies.iter().all(|reply| reply.token() == replies[0].token()));
        assert_eq!((backend.counts().granted, backend.counts().refused), (1, 0));
    });
}

/// In process: 10,000 sockets at once are more than many systems allow. Those to the gateway are real.
#[test]
fn ten_thousand_users_at_once_get_their_own_tokens_and_none_is_lost() {
    run(async {
        let backend = Fixture::new(patient());
        let mut calls = JoinSet::new();
        for n in 0..10_000 {
            let backend = backend.clone();
            calls.spawn(async move {
                let user = format!("user-{n}");
                let cookie = backend.login(&user).await;
                (user, backend.token(&cookie).await)
            });
        }
        let replies = calls.join_all().await;
        assert_eq!(replies.len(), 10_000);
        let gateway = &backend.site.lock().gateway;
        for (user, reply) in &replies {
            assert_eq!(reply.body["identity"], **user);
            assert_eq!(gateway.identity_of(reply.token()), Some(&**user));
        }
        assert_eq!((gateway.counts().granted, gateway.counts().refused), (10_000, 0));
    });
}

#[test]
fn nothing_in_a_request_but_the_login_says_whose_token_it_is() {
    run(async {
        let backend = Fixture::new(Limits::default());
        let anns = backend.token(&backend.login("ann").await).await;
        let bob = backend.login("bob").await;
        let rows: [(&str, &[(&str, &str)]); 7] = [
            ("/token", &[]),
            ("/token?identity=ann", &[]),
            ("/token?user=ann&sessionToken=x", &[]),
            ("/token", &[("x-identity", "ann"), ("identity", "ann"), ("x-user", "ann")]),
            ("/token", &[("authorization", "Bearer ann"), ("x-forwarded-user", "ann")]),
            ("/token", &[("cookie", "identity=ann; user=ann; session=ann")]),
            ("/token", &[("x-http-method-override", "POST"), ("content-type", "application/json")]),
        ];
        for (path, headers) in rows {
            let mut request = Request::get(path).header(COOKIE, &bob);
            for (name, value) in headers {
                request = request.header(HeaderName::from_static(name), *value);
            }
            let body = Body::from(r#"{"identity":"ann","user":"ann"}"#);
            let reply = backend.send(request.body(body).unwrap()).await;
            assert_eq!(reply.body["identity"], "bob", "{path} {headers:?}");
            assert_ne!(reply.token(), anns.token());
        }
        let named = Request::get("/token/ann").header(COOKIE, &bob).body(Body::empty()).unwrap();
        assert_eq!(backend.send(named).await.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn whoever_is_not_logged_in_gets_no_token() {
    run(async {
        let backend = Fixture::new(Limits::default());
        let ann = backend.login("ann").await;
        backend.token(&ann).await;
        let cut = &ann[..ann.len() - 1];
        for cookie in ["", "session=", "session=0", "session=ann", "ann", cut, "Session=ann"] {
            backend.token(cookie).await.assert_denied(StatusCode::UNAUTHORIZED);
        }
        for body in ["", "user=", "name=ann", &format!("user={}", "a".repeat(1_025))] {
            let request = Request::post("/login").body(Body::from(body.to_owned())).unwrap();
            backend.send(request).await.assert_denied(StatusCode::BAD_REQUEST);
        }
        assert_ne!(ann, backend.login("ann").await, "each login has another cookie");
        assert_eq!(backend.counts().granted, 1);
    });
}

#[test]
fn a_gateway_that_is_down_is_answered_with_503_and_a_wait() {
    run(async {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let router = router(&format!("http://{closed}"), Limits::default());
        let backend = Fixture { site: Site::new(API_TOKEN, Duration::ZERO), router };
        let cookie = backend.login("ann").await;
        let reply = backend.token(&cookie).await;
        reply.assert_denied(StatusCode::SERVICE_UNAVAILABLE);
        assert!((1..=60).contains(&reply.retry_after().unwrap()));
    });
}

#[test]
fn a_backoff_is_kept_whoever_calls_meanwhile() {
    run(async {
        let backend = Fixture::new(Limits::default());
        backend.set(Fault::Unavailable { status: 503, retry_after: Some(20) });
        let cookie = backend.login("ann").await;
        for _ in 0..10 {
            let reply = backend.token(&cookie).await;
            reply.assert_denied(StatusCode::SERVICE_UNAVAILABLE);
            assert!((1..=20).contains(&reply.retry_after().unwrap()));
        }
        assert_eq!(backend.counts().kept_away, 1);
    });
}

#[test]
fn a_valid_token_is_served_at_once_while_its_renewal_is_in_flight() {
    run_alone(async {
        // With less than a minute to live, the better one is waited for.
        for (age, is_served) in [(500, true), (560, false)] {
            let (backend, set_forward) = Fixture::paused(patient());
            let cookie = backend.login("ann").await;
            let first = backend.token(&cookie).await;
            backend.set(Fault::Slow { ms: 600_000 });
            set_forward(Duration::from_secs(age));
            let is_first = |reply: Reply| reply.token() == first.token();
            assert_eq!(backend.token_at_once(&cookie).is_some_and(is_first), is_served, "{age} s");
            backend.until(|counts| counts.granted == 2).await;
            assert_eq!(backend.token_at_once(&cookie).is_some_and(is_first), is_served, "{age} s");
        }
    });
}

#[test]
fn a_refusal_is_answered_with_502_and_asked_again_after_the_idle_time_alone() {
    run(async {
        let (backend, set_forward) = Fixture::paused(Limits::default());
        backend.site.lock().gateway.refuse(API_TOKEN);
        let cookie = backend.login("ann").await;
        for refused in [1, 1, 2, 2] {
            let reply = backend.token(&cookie).await;
            reply.assert_denied(StatusCode::BAD_GATEWAY);
            assert_eq!(reply.retry_after(), None);
            assert_eq!(backend.counts().refused, refused);
            set_forward(Limits::default().idle / 2);
        }
        backend.site.lock().gateway.accept(API_TOKEN);
        backend.token(&cookie).await.token();
    });
}

#[test]
fn a_reply_that_is_no_grant_is_answered_with_502() {
    run(async {
        for fault in [
            Fault::Portal,
            Fault::CutOff,
            Fault::Oversized,
            Fault::AnotherIdentity,
            Fault::Redirected,
        ] {
            let backend = Fixture::new(Limits::default());
            backend.set(fault);
            let reply = backend.token(&backend.login("ann").await).await;
            reply.assert_denied(StatusCode::BAD_GATEWAY);
            assert!(reply.retry_after().is_some(), "{fault:?}");
        }
    });
}

#[test]
fn a_gateway_that_is_slow_is_not_waited_for_longer_than_the_limit() {
    run(async {
        let backend =
            Fixture::new(Limits { timeout: Duration::from_millis(200), ..Limits::default() });
        backend.set(Fault::Slow { ms: 600_000 });
        let cookie = backend.login("ann").await;
        let start = Instant::now();
        backend.token(&cookie).await.assert_denied(StatusCode::SERVICE_UNAVAILABLE);
        assert!(start.elapsed() < PATIENCE);
    });
}

#[test]
fn a_request_outlives_the_caller_who_hangs_up() {
    run(async {
        let backend = Fixture::new(patient());
        backend.set(Fault::Slow { ms: 200 });
        let cookie = backend.login("ann").await;
        let call = {
            let (backend, cookie) = (backend.clone(), cookie.clone());
            tokio::spawn(async move { backend.token(&cookie).await })
        };
        backend.until(|counts| counts.granted == 1).await;
        call.abort();
        assert!(call.await.is_err_and(|error| error.is_cancelled()));
        backend.token(&cookie).await.token();
        assert_eq!(backend.counts().granted, 1);
    });
}

/// Of tokens that live for 4 s, about 1 s is certain: two clocks, a `Date` and the drift may be off by the rest.
#[test]
fn a_token_is_renewed_when_somebody_calls_and_not_otherwise() {
    run(async {
        let backend = Fixture::with_lifetime(Limits::default(), Duration::from_secs(4));
        let cookie = backend.login("ann").await;
        let first = backend.token(&cookie).await;
        let start = Instant::now();
        let second = loop {
            let reply = backend.token(&cookie).await;
            if reply.token() != first.token() {
                break reply;
            }
            assert!(start.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(backend.counts().granted, 2);
        // Long enough for the renewal of the second one, and for its end.
        let end = backend.site.lock().gateway.expires_at(second.token()).unwrap();
        let wall = || i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        while wall() <= end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(backend.counts().granted, 2, "nobody asked");
        assert_ne!(backend.token(&cookie).await.token(), second.token());
        assert_eq!(backend.counts().granted, 3);
    });
}

#[test]
fn a_driver_that_is_idle_is_dropped() {
    run(async {
        for (idle, requests) in [(Duration::ZERO, 2), (Duration::from_secs(3_600), 1)] {
            let backend = Fixture::new(Limits { idle, ..Limits::default() });
            let cookie = backend.login("ann").await;
            backend.token(&cookie).await.token();
            backend.token(&cookie).await.token();
            assert_eq!(backend.counts().granted, requests, "{idle:?}");
        }
    });
}

#[test]
fn where_there_is_room_for_no_more_the_user_idle_longest_makes_room() {
    // So that a request has ended for good once its caller is answered.
    run_alone(async {
        let backend = Fixture::new(Limits { users: 2, ..Limits::default() });
        let [ann, bob, cid] =
            [backend.login("ann").await, backend.login("bob").await, backend.login("cid").await];
        let mut expected = 0;
        for (cookie, requests) in [(&ann, 1), (&bob, 1), (&ann, 0), (&cid, 1), (&ann, 0), (&bob, 1)]
        {
            backend.token(cookie).await.token();
            expected += requests;
            assert_eq!(backend.counts().granted, expected);
        }
    });
}

#[test]
fn no_user_is_dropped_who_waits_and_one_too_many_is_asked_to_come_again() {
    run(async {
        let backend = Fixture::new(Limits { users: 2, ..patient() });
        backend.set(Fault::Slow { ms: 500 });
        let mut calls = JoinSet::new();
        for user in ["ann", "bob"] {
            let backend = backend.clone();
            calls.spawn(async move { backend.token(&backend.login(user).await).await });
        }
        backend.until(|counts| counts.granted == 2).await;
        let cid = backend.login("cid").await;
        let reply = backend.token(&cid).await;
        reply.assert_denied(StatusCode::SERVICE_UNAVAILABLE);
        assert!(reply.retry_after().is_some());
        for reply in calls.join_all().await {
            reply.token();
        }
        backend.token(&cid).await.token();
    });
}

#[test]
fn what_a_client_sends_is_limited_in_size_and_time() {
    run_paused(async {
        let gateway = "http://127.0.0.1:9";
        let backend = Fixture {
            site: Site::new(API_TOKEN, Duration::ZERO),
            router: router(gateway, Limits::default()),
        };
        let long =
            Request::post("/login").body(Body::from("user=".to_owned() + &"a".repeat(5_000)));
        assert_eq!(backend.send(long.unwrap()).await.status, StatusCode::PAYLOAD_TOO_LARGE);
        let endless = Body::from_stream(stream::pending::<Result<String, std::io::Error>>());
        let endless = Request::post("/login").body(endless).unwrap();
        backend.send(endless).await.assert_denied(StatusCode::REQUEST_TIMEOUT);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(server::serve(listener, backend.router.clone(), pending()));
        for head in
            ["GET / HTTP/1.1\r\n".to_owned(), format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000))]
        {
            let mut stream = TcpStream::connect(address).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
            let mut reply = Vec::new();
            // It is closed: in order, or while the client still writes.
            let _closed = stream.read_to_end(&mut reply).await;
            assert!(!reply.starts_with(b"HTTP/1.1 200"));
        }
    });
}

/// The lines of a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_secret_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // All of it is logged on this thread.
    let secrets = run_alone(async {
        let backend = Fixture::new(Limits { users: 1, idle: Duration::ZERO, ..Limits::default() });
        let cookie = backend.login("ann").await;
        let token = backend.token(&cookie).await.token().to_owned();
        for fault in [
            Fault::Refused,
            Fault::ErrorObject,
            Fault::CutOff,
            Fault::Portal,
            Fault::Throttled { retry_after: None, as_date: false },
        ] {
            backend.set(fault);
            assert_ne!(backend.token(&cookie).await.status, StatusCode::OK);
        }
        let down = router("http://127.0.0.1:9", Limits::default());
        let down = Fixture { router: down, ..backend };
        let other = down.login("bob").await;
        down.token(&other).await.assert_denied(StatusCode::SERVICE_UNAVAILABLE);
        [token, cookie["session=".len()..].to_owned(), other["session=".len()..].to_owned()]
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for shown in [
        "Authenticating -> Active: Granted",
        "ann",
        "bob",
        "the server refused",
        "no connection could be made",
    ] {
        assert!(log.contains(shown), "{shown} in {log}");
    }
    let api_token = [API_TOKEN, "canary-secret"].map(str::to_owned);
    for secret in secrets.iter().chain(&api_token) {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn a_server_that_ends_takes_no_call_and_closes_what_is_idle() {
    run(async {
        let backend = Fixture::new(Limits::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut idle = TcpStream::connect(address).await.unwrap();
        server::serve(listener, backend.router, ready(())).await;
        assert!(TcpStream::connect(address).await.is_err());
        let _closed = idle.read_to_end(&mut Vec::new()).await;
    });
}
