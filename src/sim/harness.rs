//! Carries out steps on a driver, or on anything that stands in for one, and tells what came of them.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HeaderValue};
use http::{Response, Uri};

use super::T0;
use super::step::{Answer, Login, Rotations, SECRET, Step, To};
use crate::driver::{Drive, Driver, Event, Input, Output, Wake};
use crate::session::{Authorized, Generation, RequestId, Session};
use crate::time::{Moment, millis};

/// The most that one reading adds to a driver's time, in milliseconds.
const LEAP: u64 = 1 << 40;

/// The most polls in a row that a driver may ask for at one moment.
const MOST_POLLS: usize = 20;

/// A driver, its clocks, and a server that says what the steps say. What it does follows from the steps
/// alone, so that a list of steps that a test has found can be shrunk, kept and played again.
///
/// ```
/// use std::sync::Arc;
/// use videokit_session::sim::{Answer, Harness, Login, Seen, Step, To};
/// use videokit_session::{AllowedOrigin, Config, Driver};
///
/// let config = Config::builder(AllowedOrigin::https("https://api.example")?).build()?;
/// let mut harness = Harness::new(Driver::new(Arc::new(config), 1));
/// for step in [
///     Step::Start(Login::App { user: 0, secret: 0 }),
///     Step::Drain,
///     Step::Answer(To::Live, Answer::Grant(600)),
/// ] {
///     println!("{:?}", harness.apply(step));
/// }
/// assert!(harness.token().is_some());
///
/// // A second reply to the same request is stale, and changes nothing.
/// let seen = harness.apply(Step::Answer(To::Live, Answer::Deny(401, None)));
/// assert!(matches!(seen[..], [Seen::Reported { taken: false, .. }]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Harness<D> {
    driver: D,
    state: State,
}

/// Everything in a harness but its driver.
#[derive(Debug, Default)]
struct State {
    now: Moment,
    ticks: u64,
    /// True time, which the server's clock shows.
    truth: i64,
    sent: Vec<Sent>,
    live: Option<RequestId>,
    wake: Option<Wake>,
    tokens: u32,
    /// The generation of the first token.
    first: Option<Generation>,
    foreign: Option<RequestId>,
    /// Rotating credentials are equal if they are the same.
    rotations: Rotations,
}

/// A request that went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub id: RequestId,
    /// The URI that it went to.
    pub uri: Uri,
    /// The time, in the harness's [`ticks`](Harness::ticks).
    pub at: u64,
    /// Its `Authorization` or `Cookie` header.
    pub secret: Bytes,
}

/// One thing that a driver did, or that was done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// It sent a request.
    Sent(RequestId),
    /// It abandoned one.
    Abandoned(RequestId),
    /// It told of an event.
    Event(Event),
    /// It waits.
    Wait(Wake),
    /// It asked to be polled more often, at one moment, than it can have reason to.
    Busy,
    /// It was told of the API's 401 to a call that was authorized so.
    Unauthorized(Authorized),
    /// It was told of a reply or a failure.
    Reported {
        /// The request.
        id: RequestId,
        /// Whether it was in flight.
        taken: bool,
    },
}

impl<D: Drive> Harness<D> {
    /// A driver at its first reading of the clocks.
    #[must_use]
    pub fn new(driver: D) -> Self {
        let now = Moment::from_millis(5_000, T0);
        let foreign = foreign(driver.driver(), now);
        let state = State { now, truth: T0, foreign, ..State::default() };
        let mut harness = Self { driver, state };
        // The first reading, so that the driver's time and the harness's begin together.
        harness.read(now);
        harness
    }

    /// Carries out one step. What was seen comes back in order.
    pub fn apply(&mut self, step: Step) -> Vec<Seen> {
        let mut seen = Vec::new();
        match step {
            Step::Poll => seen.push(self.poll()),
            Step::Drain => self.drain(&mut seen),
            _ => seen.extend(self.carry_out(step)),
        }
        self.state.first = self.state.first.or(self.driver.driver().generation());
        seen
    }

    /// Returns the driver.
    pub fn driver(&self) -> &D {
        &self.driver
    }

    /// Returns the driver, for calls that no step makes. The harness doesn't see what comes of them.
    pub fn driver_mut(&mut self) -> &mut D {
        &mut self.driver
    }

    /// Puts another driver in the place of this one, made of it.
    #[must_use]
    pub fn map<E: Drive>(self, change: impl FnOnce(D) -> E) -> Harness<E> {
        Harness { driver: change(self.driver), state: self.state }
    }

    /// Returns the last reading of the clocks.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.state.now
    }

    /// Monotonic milliseconds so far, as a driver may count them: no step back, and no leap of more than
    /// 2^40 ms.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.state.ticks
    }

    /// Returns the requests that went out.
    #[must_use]
    pub fn sent(&self) -> &[Sent] {
        &self.state.sent
    }

    /// Returns the request that is neither answered nor given up.
    #[must_use]
    pub fn live(&self) -> Option<RequestId> {
        self.state.live
    }

    /// Returns the request of another driver that [`To::Foreign`] names.
    #[must_use]
    pub fn foreign(&self) -> Option<RequestId> {
        self.state.foreign
    }

    /// Returns what the driver last waited for.
    #[must_use]
    pub fn wake(&self) -> Option<Wake> {
        self.state.wake
    }

    /// Returns the token that an API request to the first allowed origin gets now.
    #[must_use]
    pub fn token(&self) -> Option<String> {
        let driver = self.driver.driver();
        let origin = driver.config().origins().first()?;
        let authorization = driver.authorization(origin, self.state.now).ok()?;
        let value = authorization.value().to_str().ok()?;
        Some(value.strip_prefix("Bearer ").unwrap_or(value).to_owned())
    }

    /// Returns the reply to a request, as the server would make it now.
    pub fn reply(&mut self, id: RequestId, answer: Answer) -> Response<Bytes> {
        self.state.tokens = self.state.tokens.saturating_add(1);
        let sent = self.state.sent.iter().find(|sent| sent.id == id);
        let path = sent.map_or("", |sent| sent.uri.path());
        let user = match path.split('/').collect::<Vec<_>>()[..] {
            ["", "named" | "app" | "rotating", user] => user.to_owned(),
            // Who is behind a cookie, the server knows.
            _ => format!("cookie-{}", sent.and_then(|sent| sent.secret.last()).unwrap_or(&b'0')),
        };
        let token = format!("{SECRET}-{}-{user}", self.state.tokens);
        answer.reply(&token, &user, self.state.truth)
    }

    fn poll(&mut self) -> Seen {
        match self.driver.poll(self.state.now) {
            Output::Send(outgoing) => {
                let (id, request) = (outgoing.id(), outgoing.into_request());
                let secret = request.headers().get(AUTHORIZATION).or(request.headers().get(COOKIE));
                let secret = secret.map_or(&[][..], HeaderValue::as_bytes);
                let (secret, uri) = (Bytes::copy_from_slice(secret), request.uri().clone());
                self.state.sent.push(Sent { id, uri, at: self.state.ticks, secret });
                self.state.live = Some(id);
                Seen::Sent(id)
            }
            Output::Abandon(id) => {
                self.state.live.take_if(|live| *live == id);
                Seen::Abandoned(id)
            }
            Output::Event(event) => Seen::Event(event),
            Output::Wait(wake) => {
                self.state.wake = Some(wake);
                Seen::Wait(wake)
            }
        }
    }

    fn drain(&mut self, seen: &mut Vec<Seen>) {
        for _ in 0..MOST_POLLS {
            seen.push(self.poll());
            if matches!(seen.last(), Some(Seen::Wait(_))) {
                return;
            }
        }
        seen.push(Seen::Busy);
    }

    /// Carries out a step that is no poll. One for which there is no request, token or credentials does nothing.
    fn carry_out(&mut self, step: Step) -> Option<Seen> {
        let input = match step {
            Step::Start(login) => Input::Start(login.start_with(&mut self.state.rotations)),
            Step::SetCredentials(login) => {
                Input::SetCredentials(login.credentials(&mut self.state.rotations)?)
            }
            Step::Stop => {
                self.state.live = None;
                Input::Stop
            }
            Step::Online(online) => Input::Online(online),
            Step::Answer(to, answer) => {
                let id = self.addressee(to)?;
                Input::Response(id, self.reply(id, answer))
            }
            Step::Fail(to, why) => Input::Failure(self.addressee(to)?, why),
            Step::Unauthorized { current, late_ms } => {
                let driver = self.driver.driver();
                let used = driver.authorization(driver.config().origins().first()?, self.state.now);
                let age = used.map_or(u64::MAX, |used| used.authorized().age_millis);
                let serving = driver.generation().filter(|_| current).or(self.state.first)?;
                Input::Unauthorized(Authorized::valid(serving, age.saturating_sub(late_ms.into())))
            }
            time => {
                self.pass(time);
                return None;
            }
        };
        self.handle(input)
    }

    fn handle(&mut self, input: Input) -> Option<Seen> {
        let (id, refused) = match input {
            Input::Response(id, _) | Input::Failure(id, _) => (Some(id), None),
            Input::Unauthorized(authorized) => (None, Some(authorized)),
            _ => (None, None),
        };
        let epoch = self.driver.driver().epoch();
        let taken = self.driver.handle(input, self.state.now).is_accepted();
        if self.driver.driver().epoch() != epoch || (id.is_some() && taken) {
            self.state.live = None;
        }
        let reported = id.map(|id| Seen::Reported { id, taken });
        reported.or(refused.map(Seen::Unauthorized))
    }

    fn addressee(&self, to: To) -> Option<RequestId> {
        let back = match to {
            To::Live => 0,
            To::Old(back) => usize::from(back).saturating_add(1),
            To::Foreign => return self.state.foreign,
        };
        let named = self.state.sent.iter().rev().nth(back);
        named.map(|sent| sent.id).or(self.state.foreign)
    }

    /// Lets time pass, and the driver see it.
    fn pass(&mut self, step: Step) {
        let (mono, wall) = (millis(self.state.now.since_start()), self.state.now.wall_millis());
        let in_millis = |seconds: i64| seconds.saturating_mul(1_000);
        // How far the monotonic clock runs, the wall clock and true time.
        let [ran, set, true_time] = match step {
            Step::Pass(ms) => [ms.into(); 3],
            Step::PassToWake => match self.state.wake {
                Some(Wake::In(wait, _)) => [i64::try_from(millis(wait)).unwrap_or(0); 3],
                _ => [60_000; 3],
            },
            Step::Sleep(seconds) => [0, in_millis(seconds.into()), in_millis(seconds.into())],
            Step::SetWall(seconds) => [0, in_millis(seconds.into()), 0],
            Step::MonoBack(ms) => [i64::from(ms).saturating_neg(), 0, 0],
            Step::Nonsense(mono, wall) => {
                self.read(Moment::from_millis(mono, wall));
                [0; 3]
            }
            _ => [0; 3],
        };
        self.state.truth = self.state.truth.saturating_add(true_time);
        self.read(Moment::from_millis(mono.saturating_add_signed(ran), wall.saturating_add(set)));
    }

    fn read(&mut self, now: Moment) {
        let before = core::mem::replace(&mut self.state.now, now).since_start();
        let passed = millis(now.since_start()).saturating_sub(millis(before)).min(LEAP);
        self.state.ticks = self.state.ticks.saturating_add(passed);
        self.driver.observe(now);
    }
}

/// The id of a request of another session.
fn foreign(of: &Driver, now: Moment) -> Option<RequestId> {
    let credentials = Login::Cookie(0).credentials(&mut Rotations::new())?;
    let other = Session::new(Arc::clone(of.config()), u64::MAX);
    let (_, outgoing) = other.authenticate(&credentials, now).ok()?;
    Some(outgoing.id())
}
