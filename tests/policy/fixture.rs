//! One driver on virtual time, and what a test does with it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{COOKIE, HeaderValue, RETRY_AFTER};
use videokit_session::driver::{Policy, PolicyBuilder, WakeReason};
use videokit_session::exchange::Endpoint;
use videokit_session::session::{ConfigBuilder, RequestId};
use videokit_session::{
    AllowedOrigin, ApiToken, Backend, Config, Credentials, Driver, Event, Gateway, Identity,
    Moment, Output, TransportFailure, Wake, sim,
};

/// 2026-11-24T04:00:00Z.
pub(crate) const T0: i64 = 1_795_492_800_000;
pub(crate) const SECOND: u64 = 1_000;
pub(crate) const HOUR: u64 = 3_600 * SECOND;
pub(crate) const DAY: u64 = 24 * HOUR;
/// The default time-out of a request.
pub(crate) const TIMEOUT: u64 = 15 * SECOND;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A budget that holds nothing back and a backoff of no more than 1 ms, so that only what a test sets
/// itself is left to wait for.
pub(crate) fn open() -> PolicyBuilder {
    Policy::builder().burst(1_000).interval(ms(1)).spacing(ms(1)).backoff(ms(1), ms(1))
}

pub(crate) fn with_backoff(base: u64, cap: u64) -> Policy {
    open().backoff(ms(base), ms(cap)).build().unwrap()
}

pub(crate) fn config(set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Arc::new(set(Config::builder(origin)).build().unwrap())
}

pub(crate) fn identity() -> Identity {
    Identity::new("user-17").unwrap()
}

pub(crate) fn gateway_login() -> Credentials {
    let token = ApiToken::new("api-token").unwrap();
    Credentials::for_development(Gateway::new(token, identity()))
}

pub(crate) fn backend_login(uri: &str, cookie: &str) -> Credentials {
    let backend = Backend::new(Endpoint::https(uri).unwrap()).identity(identity());
    Credentials::backend(backend.header(COOKIE, HeaderValue::from_str(cookie).unwrap()))
}

pub(crate) fn reply(status: u16, body: &str) -> http::Response<Vec<u8>> {
    http::Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap()
}

pub(crate) fn asking_to_wait(status: u16, retry_after: &str) -> http::Response<Vec<u8>> {
    let mut reply = reply(status, "");
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap());
    reply
}

/// A driver and its clocks.
pub(crate) struct Fixture {
    pub(crate) driver: Driver,
    pub(crate) now: Moment,
    pub(crate) events: Vec<Event>,
}

impl Fixture {
    pub(crate) fn new(config: Arc<Config>, policy: Policy, seed: u64) -> Self {
        let driver = Driver::with_policy(config, policy, seed);
        Self { driver, now: Moment::from_millis(0, T0), events: Vec::new() }
    }

    /// One that asks the gateway.
    pub(crate) fn started(policy: Policy, seed: u64) -> Self {
        let mut fixture = Self::new(config(|config| config), policy, seed);
        fixture.start(gateway_login());
        fixture
    }

    pub(crate) fn start(&mut self, credentials: Credentials) {
        self.driver.start(credentials, self.now);
    }

    pub(crate) fn stop(&mut self) {
        self.driver.stop(self.now);
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.now = self.now.after(ms(millis));
    }

    /// The next output that asks for something to be done.
    pub(crate) fn next(&mut self) -> Output {
        loop {
            match self.driver.poll(self.now) {
                Output::Event(event) => self.events.push(event),
                Output::Abandon(_) => {}
                output => return output,
            }
        }
    }

    /// The request that it makes now.
    pub(crate) fn sent(&mut self) -> RequestId {
        match self.next() {
            Output::Send(outgoing) => outgoing.id(),
            output => panic!("a request is due, not {output:?}"),
        }
    }

    /// How long it waits now, and for what.
    pub(crate) fn wait(&mut self) -> (u64, WakeReason) {
        match self.next() {
            Output::Wait(Wake::In(wait, reason)) => (millis(wait), reason),
            output => panic!("a wait is due, not {output:?}"),
        }
    }

    /// How long until it makes the next request, why it waited first, and the request.
    pub(crate) fn until_sent(&mut self) -> (u64, Option<WakeReason>, RequestId) {
        let (mut waited, mut why) = (0, None);
        loop {
            match self.next() {
                Output::Send(outgoing) => return (waited, why, outgoing.id()),
                Output::Wait(Wake::In(wait, reason)) => {
                    let wait = millis(wait);
                    self.pass(wait - 1);
                    assert!(matches!(self.next(), Output::Wait(_)), "not a millisecond early");
                    self.pass(1);
                    waited += wait;
                    assert!(waited <= 366 * DAY, "no request for a year");
                    why = why.or(Some(reason));
                }
                output => panic!("it asks no more: {output:?}"),
            }
        }
    }

    /// Answers a request, a millisecond after it was sent, so that the spacing is over.
    pub(crate) fn answer(&mut self, id: RequestId, reply: &http::Response<Vec<u8>>) {
        self.pass(1);
        assert!(self.driver.handle_response(id, reply, self.now).is_accepted());
    }

    /// Lets a try fail, in one of the ways in which one can.
    pub(crate) fn fail(&mut self, id: RequestId, way: usize) {
        match way % 6 {
            0 => {
                self.pass(1);
                let why = TransportFailure::Unreachable;
                assert!(self.driver.handle_failure(id, why, self.now).is_accepted());
            }
            1 => self.answer(id, &reply(503, "")),
            2 => self.answer(id, &reply(200, "<html>")),
            4 => self.answer(id, &reply(200, "{}")),
            5 => self.answer(id, &reply(302, "")),
            _ => {
                self.pass(TIMEOUT);
                // What is still queued about the request itself comes first.
                let failed = (0..Driver::MOST_QUEUED).any(|_| {
                    matches!(self.driver.poll(self.now), Output::Event(Event::Failed(..)))
                });
                assert!(failed, "its deadline has passed");
            }
        }
    }

    /// Answers with a token of this lifetime, on the second.
    pub(crate) fn grant(&mut self, id: RequestId, lifetime: u64) {
        let past = u64::try_from(self.now.wall_millis()).unwrap() % SECOND;
        self.pass(SECOND - past);
        let mut gateway = sim::Gateway::new("api-token", ms(lifetime), 1);
        let request = gateway_login().exchange().request().unwrap();
        let reply = gateway.handle(&request, self.now.wall_millis());
        assert!(self.driver.handle_response(id, &reply, self.now).is_accepted());
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

pub(crate) fn ceiling(base: u64, cap: u64, failures: usize) -> u64 {
    base.saturating_mul(1 << (failures - 1).min(40)).min(cap)
}

/// The pauses after the first failures of a driver.
pub(crate) fn pauses(policy: Policy, seed: u64, failures: usize) -> Vec<u64> {
    let mut fixture = Fixture::started(policy, seed);
    let mut id = fixture.sent();
    let mut pauses = Vec::new();
    for n in 0..failures {
        fixture.fail(id, n);
        let (pause, why, next) = fixture.until_sent();
        assert_eq!(why, (pause > 0).then_some(WakeReason::Backoff));
        pauses.push(pause);
        id = next;
    }
    pauses
}
