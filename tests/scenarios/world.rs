//! A driver, the clocks of its device, and a gateway that works or doesn't: the loop that every caller
//! of a driver writes, in virtual time, with a log of what it did.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use videokit_session::driver::{AuthorizeError, Policy};
use videokit_session::session::transitions::Cause;
use videokit_session::session::{ConfigBuilder, RequestId};
use videokit_session::{
    AllowedOrigin, ApiToken, Config, Credentials, Driver, Event, Gateway, Identity, Moment, Output,
    TransportFailure, Wake, sim,
};

/// 2026-11-24T04:00:00Z, where every world begins.
pub(crate) const T0: i64 = 1_795_492_800_000;

/// The app-wide secret that the gateway knows.
pub(crate) const API_TOKEN: &str = "app:hush-hush";

/// The body of a reply that grants user-17 a token for the first minute.
pub(crate) const GRANT: &str =
    r#"{"sessionToken":"tok-1","identity":"user-17","expiresAt":"2026-11-24T04:01:00Z"}"#;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// The answer to requests for a token.
pub(crate) enum Server {
    /// The gateway answers them.
    Up,
    /// No connection comes about.
    Unreachable,
    /// Nothing ever comes back.
    Silent,
    /// This comes back, every time.
    Says(Response<Bytes>),
}

/// A request for a token, and when it was sent, in milliseconds since the world began.
pub(crate) struct Sent {
    pub(crate) id: RequestId,
    pub(crate) at: u64,
    pub(crate) request: Request<Bytes>,
}

impl Sent {
    pub(crate) fn bearer(&self) -> &str {
        self.request.headers()[AUTHORIZATION].to_str().unwrap()
    }
}

pub(crate) struct World {
    pub(crate) driver: Driver,
    pub(crate) gateway: sim::Gateway,
    pub(crate) server: Server,
    /// The device's monotonic clock.
    pub(crate) mono: u64,
    /// The time, which the gateway's clock shows.
    pub(crate) truth: i64,
    /// What the device's wall clock is ahead of that.
    pub(crate) skew: i64,
    pub(crate) sent: Vec<Sent>,
    pub(crate) events: Vec<Event>,
    pub(crate) abandoned: Vec<RequestId>,
    pub(crate) polls: u64,
}

pub(crate) fn config(set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Arc::new(set(Config::builder(origin)).build().unwrap())
}

pub(crate) fn login_with(api_token: &str, identity: &str) -> Credentials {
    let identity = Identity::new(identity).unwrap();
    Credentials::for_development(Gateway::new(ApiToken::new(api_token).unwrap(), identity))
}

pub(crate) fn login(identity: &str) -> Credentials {
    login_with(API_TOKEN, identity)
}

pub(crate) fn says(status: u16, body: &'static str) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap()
}

pub(crate) fn video_call() -> Request<()> {
    Request::get("https://api.example/v1/videos").body(()).unwrap()
}

impl World {
    /// One in which tokens live for so long, and everything else is as by default.
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self::with(config(|config| config), Policy::default(), lifetime, 1)
    }

    pub(crate) fn with(config: Arc<Config>, policy: Policy, lifetime: Duration, seed: u64) -> Self {
        Self {
            driver: Driver::with_policy(config, policy, seed),
            gateway: sim::Gateway::new(API_TOKEN, lifetime, seed),
            server: Server::Up,
            mono: 5_000,
            truth: T0,
            skew: 0,
            sent: Vec::new(),
            events: Vec::new(),
            abandoned: Vec::new(),
            polls: 0,
        }
    }

    /// The same, with user-17 logged in.
    pub(crate) fn logged_in(mut self) -> Self {
        self.start("user-17");
        self.poll_until_idle();
        assert_eq!(self.served_to(), "user-17");
        self
    }

    /// Somebody is on the way to a token, the first or the next one, and its reply is held back.
    pub(crate) fn with_a_late_reply(renewing: bool) -> (Self, RequestId, Response<Bytes>) {
        let mut world = Self::new(HOUR);
        if renewing {
            world = world.logged_in();
        } else {
            world.start("user-17");
        }
        world.server = Server::Silent;
        world.run_to_next_request();
        let (id, reply) = world.late_reply();
        (world, id, reply)
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::from_millis(self.mono, self.truth.saturating_add(self.skew))
    }

    pub(crate) fn elapsed(&self) -> u64 {
        u64::try_from(self.truth - T0).unwrap()
    }

    pub(crate) fn start(&mut self, identity: &str) {
        self.driver.start(login(identity), self.now());
    }

    pub(crate) fn stop(&mut self) {
        self.driver.stop(self.now());
    }

    /// Does what the driver says, until there is nothing to do for now.
    pub(crate) fn poll_until_idle(&mut self) {
        let _ = self.wake();
    }

    /// The same, and what the driver waits for then.
    pub(crate) fn wake(&mut self) -> Wake {
        loop {
            self.polls += 1;
            assert!(self.polls < 1_000_000, "it spins: {:?}", self.driver);
            match self.driver.poll(self.now()) {
                Output::Send(outgoing) => {
                    let (id, request, _) = outgoing.into_parts();
                    let reply = match &self.server {
                        Server::Up => Some(Ok(self.gateway.handle(&request, self.truth))),
                        Server::Unreachable => Some(Err(TransportFailure::Unreachable)),
                        Server::Silent => None,
                        Server::Says(reply) => Some(Ok(reply.clone())),
                    };
                    self.sent.push(Sent { id, at: self.elapsed(), request });
                    match reply {
                        Some(Ok(reply)) => self.answer(id, &reply),
                        Some(Err(why)) => {
                            assert!(self.driver.handle_failure(id, why, self.now()).is_accepted());
                        }
                        None => {}
                    }
                }
                Output::Abandon(id) => self.abandoned.push(id),
                Output::Event(event) => self.events.push(event),
                Output::Wait(wake) => return wake,
            }
        }
    }

    pub(crate) fn answer(&mut self, id: RequestId, reply: &Response<Bytes>) {
        assert!(self.driver.handle_response(id, reply, self.now()).is_accepted());
    }

    /// What the gateway says to the last request, now.
    pub(crate) fn late_reply(&mut self) -> (RequestId, Response<Bytes>) {
        let last = self.sent.last().unwrap();
        (last.id, self.gateway.handle(&last.request, self.truth))
    }

    /// Both clocks run, and nobody polls.
    pub(crate) fn pass(&mut self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.mono = self.mono.saturating_add(millis);
        self.truth = self.truth.saturating_add_unsigned(millis);
    }

    /// The device sleeps: its monotonic clock stands still, and its timers with it.
    pub(crate) fn sleep(&mut self, time: Duration) {
        self.truth += i64::try_from(time.as_millis()).unwrap();
    }

    /// Runs for a while, polling when the driver wants to be polled.
    pub(crate) fn run(&mut self, time: Duration) {
        self.run_to(self.elapsed() + u64::try_from(time.as_millis()).unwrap());
    }

    /// Runs until so many milliseconds have passed since the world began.
    pub(crate) fn run_to(&mut self, end: u64) {
        loop {
            let wake = self.wake();
            let left = Duration::from_millis(end - self.elapsed());
            if left.is_zero() {
                return;
            }
            self.pass(match wake {
                Wake::In(wait, _) => wait.min(left),
                Wake::OnInput => left,
            });
        }
    }

    /// Runs until the driver has sent one more request, which has to be within a day.
    pub(crate) fn run_to_next_request(&mut self) {
        let (sent, end) = (self.sent.len(), self.elapsed() + 86_400_000);
        loop {
            let wake = self.wake();
            if self.sent.len() > sent {
                return;
            }
            let Wake::In(wait, _) = wake else { panic!("it asks no more: {:?}", self.driver) };
            self.pass(wait);
            assert!(self.elapsed() <= end, "no request for a day: {:?}", self.driver);
        }
    }

    /// Makes an API call, reports a 401, and answers with the status.
    pub(crate) fn call(&mut self) -> Result<u16, AuthorizeError> {
        Ok(self.videos()?.status().as_u16())
    }

    fn videos(&mut self) -> Result<Response<Bytes>, AuthorizeError> {
        let mut request = video_call();
        let authorized = self.driver.authorize(&mut request, self.now())?;
        let reply = self.gateway.handle(&request.map(|()| Bytes::new()), self.truth);
        if reply.status() == StatusCode::UNAUTHORIZED {
            self.driver.handle_unauthorized(authorized, self.now());
        }
        Ok(reply)
    }

    /// To whom the API serves videos.
    pub(crate) fn served_to(&mut self) -> String {
        let reply = self.videos().expect("a token serves");
        assert_eq!(reply.status(), StatusCode::OK);
        let body = std::str::from_utf8(reply.body()).unwrap();
        let (_, identity) = body.split_once(r#""identity":""#).unwrap();
        identity.trim_end_matches("\"}").to_owned()
    }

    /// The header that an API call would have.
    pub(crate) fn header(&self) -> Option<String> {
        let mut request = video_call();
        self.driver.authorize(&mut request, self.now()).ok()?;
        Some(request.headers()[AUTHORIZATION].to_str().unwrap().to_owned())
    }

    /// Why the session moved, since the last time this was asked.
    pub(crate) fn causes(&mut self) -> Vec<Cause> {
        let events = mem::take(&mut self.events);
        events.iter().filter_map(Event::transition).map(|transition| transition.cause).collect()
    }

    /// The most requests that were sent in any window of this length, its ends included.
    pub(crate) fn busiest(&self, window: Duration) -> usize {
        let window = u64::try_from(window.as_millis()).unwrap();
        let within = |first: &Sent| {
            let later = self.sent.iter().filter(|sent| sent.at >= first.at);
            later.take_while(|sent| sent.at - first.at <= window).count()
        };
        self.sent.iter().map(within).max().unwrap_or(0)
    }
}
