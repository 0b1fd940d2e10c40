//! A recorded driver with its clocks and its servers: what the tests make traces with.

use crate::refused::call_with;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AGE, COOKIE, DATE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Request, Response, Uri};
use videokit_session::driver::{Delivery, Drive, Policy, Start};
use videokit_session::exchange::{BuildError, Denial, DenialKind, Endpoint, Exchange, Flaw, Reply};
use videokit_session::session::RequestId;
use videokit_session::trace::Recorder;
use videokit_session::{
    AllowedOrigin, ApiToken, Backend, Config, Credentials, Gateway, Grant, Identity, Moment,
    Output, Scope, Scopes, SessionToken, TransportFailure, Wake,
};

/// What every secret has in it: tokens, cookies, queries, bodies, identities, words of servers.
pub(crate) const SECRET: &str = "c4n4ry";

/// 2026-11-24T04:00:00Z.
pub(crate) const T0: i64 = 1_795_492_800_000;

pub(crate) struct Recording {
    pub(crate) driver: Recorder,
    pub(crate) now: Moment,
    /// All requests, the latest last.
    pub(crate) sent: Vec<RequestId>,
    pub(crate) trace: String,
    tokens: u32,
}

pub(crate) fn config() -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Arc::new(Config::builder(origin).build().unwrap())
}

impl Recording {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(config(), Policy::default(), seed)
    }

    pub(crate) fn with(config: Arc<Config>, policy: Policy, seed: u64) -> Self {
        Self {
            driver: Recorder::new(config, policy, seed),
            now: Moment::from_millis(5_000, T0),
            sent: Vec::new(),
            trace: String::new(),
            tokens: 0,
        }
    }

    /// The trace so far.
    pub(crate) fn trace(&mut self) -> String {
        let lines = self.driver.take_lines();
        self.trace.push_str(&lines);
        self.trace.clone()
    }

    pub(crate) fn start(&mut self, start: impl Into<Start>) {
        self.driver.start(start, self.now);
        self.poll_until_idle();
    }

    pub(crate) fn set_credentials(&mut self, credentials: Credentials) {
        self.driver.set_credentials(credentials, self.now);
        self.poll_until_idle();
    }

    pub(crate) fn stop(&mut self) {
        self.driver.stop(self.now);
        self.poll_until_idle();
    }

    pub(crate) fn online(&mut self, online: bool) {
        self.driver.set_online(online, self.now);
        self.poll_until_idle();
    }

    /// Polls until the driver waits.
    pub(crate) fn poll_until_idle(&mut self) {
        let _ = self.wake();
    }

    fn wake(&mut self) -> Wake {
        for _ in 0..20 {
            match self.driver.poll(self.now) {
                Output::Send(outgoing) => self.sent.push(outgoing.id()),
                Output::Wait(wake) => return wake,
                Output::Event(_) | Output::Abandon(_) => {}
            }
        }
        panic!("twenty polls, and still busy");
    }

    /// Both clocks run on.
    pub(crate) fn pass(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
        self.poll_until_idle();
    }

    /// The device sleeps, and its monotonic clock with it.
    pub(crate) fn sleep(&mut self, seconds: u64) {
        let mono = u64::try_from(self.now.since_start().as_millis()).unwrap();
        let wall = self.now.after(Duration::from_secs(seconds)).wall_millis();
        self.now = Moment::from_millis(mono, wall);
        self.poll_until_idle();
    }

    /// Lets time pass as the driver wants to wait, until a request is in flight.
    pub(crate) fn until_asked(&mut self) {
        for _ in 0..20 {
            let wake = self.wake();
            if self.driver.driver().in_flight().is_some() {
                return;
            }
            let Wake::In(wait, _) = wake else { panic!("it waits for an input") };
            self.pass(u64::try_from(wait.as_millis()).unwrap());
        }
        panic!("twenty waits, and no request");
    }

    /// How long both clocks have run.
    pub(crate) fn hours(&self) -> f64 {
        self.now.since_start().as_secs_f64() / 3_600.0
    }

    pub(crate) fn latest(&self) -> RequestId {
        *self.sent.last().expect("a request")
    }

    /// Answers the next request, after a while.
    pub(crate) fn answer(&mut self, reply: &Response<Bytes>) {
        self.answer_in(120, reply);
    }

    pub(crate) fn answer_in(&mut self, millis: u64, reply: &Response<Bytes>) {
        self.until_asked();
        self.pass(millis);
        assert!(self.answer_to(self.latest(), reply).is_accepted(), "it is in flight");
    }

    pub(crate) fn answer_to(&mut self, id: RequestId, reply: &Response<Bytes>) -> Delivery {
        let taken = self.driver.handle_response(id, reply, self.now);
        self.poll_until_idle();
        taken
    }

    pub(crate) fn fail(&mut self, why: TransportFailure) {
        self.until_asked();
        self.now = self.now.after(Duration::from_millis(900));
        self.driver.handle_failure(self.latest(), why, self.now);
        self.poll_until_idle();
    }

    /// The API answers 401 to the current token.
    pub(crate) fn unauthorized(&mut self) {
        let generation = self.driver.driver().generation().expect("a token");
        self.driver.handle_unauthorized(call_with(generation), self.now);
        self.poll_until_idle();
    }

    /// A reply that grants another token, for so many seconds.
    pub(crate) fn granting(&mut self, user: &str, seconds: i64) -> Response<Bytes> {
        self.tokens += 1;
        let token = format!("{SECRET}-token-{}", self.tokens);
        let expires_at = timestamp(self.now.wall_millis() + seconds * 1_000);
        dated(self.now, granting(&token, user, &format!(r#","expiresAt":"{expires_at}""#)))
    }
}

/// A granting body, with more members.
pub(crate) fn granting(token: &str, user: &str, more: &str) -> String {
    format!(r#"{{"sessionToken":"{token}","identity":"{SECRET}-{user}"{more}}}"#)
}

pub(crate) fn reply(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status.try_into().unwrap();
    reply
}

pub(crate) fn dated(now: Moment, body: impl Into<Bytes>) -> Response<Bytes> {
    with(reply(200, body), DATE, &http_date(now.wall_millis()))
}

pub(crate) fn with(mut reply: Response<Bytes>, name: HeaderName, value: &str) -> Response<Bytes> {
    reply.headers_mut().insert(name, value.parse().unwrap());
    reply
}

pub(crate) fn denying(status: u16, retry_after: Option<u64>) -> Response<Bytes> {
    let reply = reply(status, format!(r#"{{"error":"no, {SECRET}"}}"#));
    match retry_after {
        Some(seconds) => with(reply, RETRY_AFTER, &seconds.to_string()),
        None => reply,
    }
}

pub(crate) fn portal() -> Response<Bytes> {
    dated(Moment::from_millis(0, T0), format!("<html>{SECRET}</html>"))
}

pub(crate) fn redirect() -> Response<Bytes> {
    with(reply(302, ""), LOCATION, &format!("https://elsewhere.example/{SECRET}"))
}

pub(crate) fn aged(reply: Response<Bytes>, seconds: u64) -> Response<Bytes> {
    with(reply, AGE, &seconds.to_string())
}

pub(crate) fn timestamp(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).unwrap().to_string()
}

pub(crate) fn http_date(millis: i64) -> String {
    let since_1970 = Duration::from_millis(millis.try_into().unwrap());
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + since_1970)
}

/// A JWT with a lifetime, and secrets in its other claim and its signature.
pub(crate) fn jwt(seconds: i64) -> String {
    let iat = T0 / 1_000;
    let claims = format!(r#"{{"iat":{iat},"sub":"{SECRET}","exp":{}}}"#, iat + seconds);
    format!(
        "eyJhbGciOiJFUzI1NiJ9.{}.{}",
        URL_SAFE_NO_PAD.encode(claims),
        URL_SAFE_NO_PAD.encode(format!("{SECRET}-signature"))
    )
}

pub(crate) fn user(name: &str) -> Identity {
    Identity::new(format!("{SECRET}-{name}")).unwrap()
}

/// The app-wide API token, in one of several versions.
pub(crate) fn app(name: &str, version: u32) -> Credentials {
    let token = ApiToken::new(format!("my-app:{SECRET}-{version}")).unwrap();
    Credentials::for_development(Gateway::new(token, user(name)).scopes(scopes()))
}

/// A known scope and one of this name.
pub(crate) fn scopes() -> Scopes {
    let unknown = Scope::new(format!("{SECRET}.read")).unwrap();
    [Scope::VIDEOS_READ, unknown].into_iter().collect()
}

/// A backend with secrets in each part of its request.
pub(crate) fn backend(cookie: u32) -> Backend {
    let endpoint = format!("https://{SECRET}.example/{SECRET}?key={SECRET}");
    let cookie = HeaderValue::try_from(format!("{SECRET}={cookie}")).unwrap();
    Backend::new(Endpoint::https(endpoint).unwrap()).header(COOKIE, cookie).body(SECRET)
}

pub(crate) fn token(name: &str) -> SessionToken {
    SessionToken::new(format!("{SECRET}-{name}")).unwrap()
}

/// An exchange of somebody's own, with its own words.
pub(crate) struct Own {
    pub(crate) uri: &'static str,
    pub(crate) word: &'static str,
}

impl Exchange for Own {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        if self.uri.is_empty() {
            return Err(BuildError::Custom(self.word));
        }
        let mut request = Request::new(Bytes::from_static(SECRET.as_bytes()));
        *request.uri_mut() = Uri::from_static(self.uri);
        Ok(request)
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let body = reply.granting_body(1_024)?;
        SessionToken::new(body).map(Grant::new).map_err(|_| {
            Denial::new(DenialKind::Malformed(Flaw::Custom(self.word)), reply.status())
                .with_retry_after(Some(Duration::from_micros(1_500_999)))
                .with_permanence(true)
        })
    }
}

pub(crate) fn own(uri: &'static str, word: &'static str) -> Credentials {
    Credentials::custom(Arc::new(Own { uri, word }))
}
