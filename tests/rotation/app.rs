//! A recorded driver on virtual time, and a token endpoint that rotates.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use videokit_session::driver::{Delivery, Drive, Policy, WakeReason};
use videokit_session::session::RequestId;
use videokit_session::session::transitions::Cause;
use videokit_session::trace::{Recorder, replay};
use videokit_session::{
    AllowedOrigin, Config, Credentials, Driver, Event, Moment, Output, Start, TransportFailure,
    Wake,
};

use crate::oauth::{self, RefreshToken};
use crate::refused::call_with;

/// What every secret has in it.
pub(crate) const SECRET: &str = "hush";

/// 2026-11-24T04:00:00Z.
const T0: i64 = 1_795_492_800_000;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// The server's side: each refresh token works once, and brings the next. A second use is counted: servers take it
/// for theft, and end the login (RFC 9700, section 4.14.2).
pub(crate) struct Service {
    number: u32,
    pub(crate) used_again: u32,
}

impl Service {
    fn new() -> Self {
        Self { number: 0, used_again: 0 }
    }

    /// The refresh token that works now.
    pub(crate) fn current(&self) -> String {
        secret(self.number)
    }

    /// Answers a request: the next access token, and the next refresh token.
    pub(crate) fn answer(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        self.answer_with(request, "")
    }

    /// The same, with more members.
    pub(crate) fn answer_with(&mut self, request: &Request<Bytes>, more: &str) -> Response<Bytes> {
        if sent_secret(request) != self.current() {
            self.used_again += 1;
            return oauth::reply(400, r#"{"error":"invalid_grant"}"#);
        }
        self.number += 1;
        let next = format!(r#","refresh_token":"{}"{more}"#, self.current());
        oauth::reply(200, oauth::granting(&access(self.number), 600, &next))
    }
}

/// The refresh token of a number; 0 is the one that the app has from its login.
pub(crate) fn secret(number: u32) -> String {
    format!("{SECRET}-refresh-{number}")
}

/// The access token that comes with the refresh token of the same number.
pub(crate) fn access(number: u32) -> String {
    format!("{SECRET}-access-{number}")
}

/// The first refresh token.
pub(crate) fn first() -> RefreshToken {
    RefreshToken::new(secret(0))
}

/// The refresh token that a request was made with.
pub(crate) fn sent_secret(request: &Request<Bytes>) -> String {
    let form = std::str::from_utf8(request.body()).unwrap();
    form.rsplit('=').next().unwrap().to_owned()
}

/// The refresh token that credentials are.
pub(crate) fn secret_of(credentials: &Credentials) -> String {
    sent_secret(&credentials.exchange().request().unwrap())
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

pub(crate) fn config() -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Arc::new(Config::builder(origin).build().unwrap())
}

/// An app with a driver, its clocks, and what it has seen.
pub(crate) struct App {
    driver: Recorder,
    pub(crate) service: Service,
    pub(crate) now: Moment,
    pub(crate) events: Vec<Event>,
    pub(crate) sent: Vec<(RequestId, Request<Bytes>)>,
    trace: String,
}

impl App {
    pub(crate) fn new() -> Self {
        Self::with(Policy::default())
    }

    pub(crate) fn with(policy: Policy) -> Self {
        Self {
            driver: Recorder::new(config(), policy, 1),
            service: Service::new(),
            now: Moment::from_millis(5_000, T0),
            events: Vec::new(),
            sent: Vec::new(),
            trace: String::new(),
        }
    }

    /// The same, with a login by the first refresh token, which has a token.
    pub(crate) fn logged_in() -> (Self, Credentials) {
        let mut app = Self::new();
        let credentials = first().credentials();
        app.start(credentials.clone());
        app.answer();
        assert_eq!(app.token(), Some(access(1)));
        (app, credentials)
    }

    pub(crate) fn driver(&self) -> &Driver {
        self.driver.driver()
    }

    pub(crate) fn start(&mut self, start: impl Into<Start>) {
        self.driver.start(start, self.now);
        self.poll_until_idle();
    }

    /// The same without a poll.
    pub(crate) fn start_unpolled(&mut self, start: impl Into<Start>) {
        self.driver.start(start, self.now);
    }

    pub(crate) fn set(&mut self, credentials: Credentials) {
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

    /// Comes online, and polls once: for the event that announces a request.
    pub(crate) fn announce(&mut self) {
        self.driver.set_online(true, self.now);
        let Output::Event(event) = self.driver.poll(self.now) else { panic!("it is due") };
        self.events.push(event);
    }

    /// The API answers 401 to the current token.
    pub(crate) fn refuse(&mut self) {
        let generation = self.driver().generation().expect("a token");
        self.driver.handle_unauthorized(call_with(generation), self.now);
        self.poll_until_idle();
    }

    /// How many milliseconds the monotonic clock has counted.
    pub(crate) fn elapsed(&self) -> u64 {
        millis(self.now.since_start())
    }

    /// Polls until the driver waits.
    pub(crate) fn poll_until_idle(&mut self) {
        let _ = self.wake();
    }

    /// The same, and what it waits for.
    pub(crate) fn wake(&mut self) -> Wake {
        for _ in 0..20 {
            match self.driver.poll(self.now) {
                Output::Send(outgoing) => {
                    self.sent.push((outgoing.id(), outgoing.into_request()));
                }
                Output::Event(event) => self.events.push(event),
                Output::Abandon(_) => {}
                Output::Wait(wake) => return wake,
            }
        }
        panic!("twenty polls, and still busy: {:?}", self.driver);
    }

    /// How long the driver waits, and for what.
    pub(crate) fn wait(&mut self) -> (Duration, WakeReason) {
        let Wake::In(wait, why) = self.wake() else { panic!("it waits for an input") };
        (wait, why)
    }

    /// Lets time pass, polling when the driver wants to be polled.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now.since_start() + time;
        loop {
            let wake = self.wake();
            let left = end.saturating_sub(self.now.since_start());
            if left.is_zero() {
                return;
            }
            let Wake::In(wait, _) = wake else { return self.pass(left) };
            self.now = self.now.after(wait.min(left));
        }
    }

    /// Lets time pass at once.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.poll_until_idle();
    }

    /// Lets time pass until a request is in flight, and returns its id.
    pub(crate) fn asked(&mut self) -> RequestId {
        for _ in 0..20 {
            let wake = self.wake();
            if let Some(id) = self.driver().in_flight() {
                return id;
            }
            let Wake::In(wait, _) = wake else { panic!("it asks no more: {:?}", self.driver) };
            self.now = self.now.after(wait);
        }
        panic!("twenty waits, and no request");
    }

    /// The last request.
    pub(crate) fn request(&self) -> Request<Bytes> {
        self.sent.last().expect("a request").1.clone()
    }

    /// The refresh token that the last request was made with.
    pub(crate) fn last_secret(&self) -> String {
        sent_secret(&self.request())
    }

    /// Answers the next request by the service.
    pub(crate) fn answer(&mut self) {
        self.answer_with("");
    }

    /// The same, with more members in the reply.
    pub(crate) fn answer_with(&mut self, more: &str) {
        let id = self.asked();
        let reply = self.service.answer_with(&self.request(), more);
        assert!(self.reply(id, &reply).is_accepted());
    }

    /// Gives the next request this reply.
    pub(crate) fn answer_by(&mut self, reply: &Response<Bytes>) {
        let id = self.asked();
        assert!(self.reply(id, reply).is_accepted());
    }

    pub(crate) fn reply(&mut self, id: RequestId, reply: &Response<Bytes>) -> Delivery {
        let delivery = self.driver.handle_response(id, reply, self.now);
        self.poll_until_idle();
        delivery
    }

    pub(crate) fn fail(&mut self, why: TransportFailure) {
        let id = self.asked();
        assert!(self.driver.handle_failure(id, why, self.now).is_accepted());
        self.poll_until_idle();
    }

    /// The token that an API call is authorized with.
    pub(crate) fn token(&self) -> Option<String> {
        let origin = AllowedOrigin::https("https://api.example").unwrap();
        let authorization = self.driver().authorization(&origin, self.now).ok()?;
        Some(authorization.value().to_str().unwrap().strip_prefix("Bearer ")?.to_owned())
    }

    /// The refresh token that the next request is made with.
    pub(crate) fn next_secret(&self) -> Option<String> {
        self.driver().credentials().map(secret_of)
    }

    /// How often an event has come.
    pub(crate) fn count(&self, event: &Event) -> usize {
        self.events.iter().filter(|seen| *seen == event).count()
    }

    /// The causes of the transitions so far.
    pub(crate) fn causes(&self) -> Vec<Cause> {
        let transitions = self.events.iter().filter_map(Event::transition);
        transitions.map(|transition| transition.cause).collect()
    }
}

impl Drop for App {
    /// The trace of all this shows no secret, and plays again exactly.
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        self.trace.push_str(&self.driver.take_lines());
        assert!(!self.trace.contains(SECRET), "{}", self.trace);
        for event in &self.events {
            assert!(!format!("{event:?} {event}").contains(SECRET), "{event:?}");
        }
        assert!(!format!("{:?}", self.driver).contains(SECRET));
        let replayed =
            replay(&self.trace).unwrap_or_else(|error| panic!("{error}\n{}", self.trace));
        assert_eq!(replayed.difference, None, "{}", self.trace);
    }
}
