//! Carries out steps on a driver, or on anything that stands in for one, and tells what came of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::Uri;
use http::header::{AUTHORIZATION, COOKIE};

use super::step::{Answer, Login, ROTATIONS, SECRET, Step, To, rotations};
use crate::driver::{Drive, Driver, Event, Output, Start, Wake};
use crate::exchange::Credentials;
use crate::session::{Generation, RequestId};
use crate::time::{Moment, millis};

/// 2026-11-24T04:00:00Z, in milliseconds since 1970.
const T0: i64 = 1_795_492_800_000;

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
    now: Moment,
    ticks: u64,
    last_mono: u64,
    /// True time, which the server's clock shows.
    truth: i64,
    sent: Vec<Sent>,
    live: Option<RequestId>,
    wake: Option<Wake>,
    tokens: u32,
    generations: Vec<Generation>,
    foreign: Option<RequestId>,
    /// Of each user, the credentials that change with each token: equal ones are the same.
    rotations: BTreeMap<u8, Vec<Credentials>>,
}

/// A request that went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub id: RequestId,
    /// Where it went.
    pub uri: Uri,
    /// When, in the harness's [`ticks`](Harness::ticks).
    pub at: u64,
    /// What it was authorized with: its `Authorization` or `Cookie`.
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
    /// It was told of the API's 401 to the token of this generation.
    Unauthorized(Generation),
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
        let mut harness = Self {
            now,
            ticks: 0,
            last_mono: millis(now.since_start()),
            truth: T0,
            sent: Vec::new(),
            live: None,
            wake: None,
            tokens: 0,
            generations: Vec::new(),
            foreign: foreign(driver.driver(), now),
            rotations: BTreeMap::new(),
            driver,
        };
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
            Step::Start(login) => self.start(login),
            Step::SetCredentials(login) => self.set_credentials(login),
            Step::Stop => {
                self.driver.stop(self.now);
                self.live = None;
            }
            Step::Online(online) => self.driver.set_online(online, self.now),
            Step::Answer(to, answer) => {
                if let Some(id) = self.addressee(to) {
                    let reply = self.reply(id, answer);
                    let taken = self.driver.handle_response(id, &reply, self.now).is_accepted();
                    seen.push(self.reported(id, taken));
                }
            }
            Step::Fail(to, why) => {
                if let Some(id) = self.addressee(to) {
                    let taken = self.driver.handle_failure(id, why, self.now).is_accepted();
                    seen.push(self.reported(id, taken));
                }
            }
            Step::Unauthorized { current } => seen.extend(self.unauthorized(current)),
            time => self.pass(time),
        }
        let generation = self.driver.driver().generation();
        self.generations.extend(generation.filter(|new| Some(new) != self.generations.last()));
        seen
    }

    /// The driver.
    pub fn driver(&self) -> &D {
        &self.driver
    }

    /// The driver, for calls that no step makes. The harness doesn't see what comes of them.
    pub fn driver_mut(&mut self) -> &mut D {
        &mut self.driver
    }

    /// Puts another driver in the place of this one, made of it.
    #[must_use]
    pub fn map<E: Drive>(self, change: impl FnOnce(D) -> E) -> Harness<E> {
        Harness {
            driver: change(self.driver),
            now: self.now,
            ticks: self.ticks,
            last_mono: self.last_mono,
            truth: self.truth,
            sent: self.sent,
            live: self.live,
            wake: self.wake,
            tokens: self.tokens,
            generations: self.generations,
            foreign: self.foreign,
            rotations: self.rotations,
        }
    }

    /// The last reading of the clocks.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Monotonic milliseconds so far, as a driver may count them: no step back, and no leap of more than
    /// 2^40 ms.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// The requests that went out.
    #[must_use]
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// The request that is neither answered nor given up.
    #[must_use]
    pub fn live(&self) -> Option<RequestId> {
        self.live
    }

    /// The request of another driver that [`To::Foreign`] names.
    #[must_use]
    pub fn foreign(&self) -> Option<RequestId> {
        self.foreign
    }

    /// What the driver last waited for.
    #[must_use]
    pub fn wake(&self) -> Option<Wake> {
        self.wake
    }

    /// The token that an API request to the first allowed origin gets now.
    #[must_use]
    pub fn token(&self) -> Option<String> {
        let driver = self.driver.driver();
        let origin = driver.config().origins().first()?;
        let authorization = driver.authorization(origin, self.now).ok()?;
        let value = authorization.value().to_str().ok()?;
        Some(value.strip_prefix("Bearer ").unwrap_or(value).to_owned())
    }

    /// The reply to a request, as the server would make it now.
    pub fn reply(&mut self, id: RequestId, answer: Answer) -> Response<Bytes> {
        self.tokens = self.tokens.saturating_add(1);
        let sent = self.sent.iter().find(|sent| sent.id == id);
        let path = sent.map_or("", |sent| sent.uri.path());
        let known = ["/named/", "/app/", "/rotating/"];
        let stated = known.iter().find_map(|known| path.strip_prefix(known));
        // Who is behind a cookie, the server knows.
        let cookie = || sent.and_then(|sent| sent.secret.last()).copied().unwrap_or(b'0');
        let user = stated.map_or_else(|| format!("cookie-{}", cookie()), ToOwned::to_owned);
        let token = format!("{SECRET}-{}-{user}", self.tokens);
        answer.reply(&token, &user, self.truth)
    }

    fn poll(&mut self) -> Seen {
        match self.driver.poll(self.now) {
            Output::Send(outgoing) => {
                let id = outgoing.id();
                let headers = outgoing.request().headers();
                let secret = headers.get(AUTHORIZATION).or(headers.get(COOKIE));
                let secret = secret.map(|value| Bytes::copy_from_slice(value.as_bytes()));
                let (uri, secret) = (outgoing.request().uri().clone(), secret.unwrap_or_default());
                self.sent.push(Sent { id, uri, at: self.ticks, secret });
                self.live = Some(id);
                Seen::Sent(id)
            }
            Output::Abandon(id) => {
                self.live.take_if(|live| *live == id);
                Seen::Abandoned(id)
            }
            Output::Event(event) => Seen::Event(event),
            Output::Wait(wake) => {
                self.wake = Some(wake);
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

    fn start(&mut self, login: Login) {
        let start = self.what_starts(login);
        self.begin(|driver, now| driver.start(start, now));
    }

    fn set_credentials(&mut self, login: Login) {
        if let Start::Exchange(credentials) = self.what_starts(login) {
            self.begin(|driver, now| driver.set_credentials(credentials, now));
        }
    }

    /// Makes a call that may begin another login.
    fn begin(&mut self, call: impl FnOnce(&mut D, Moment)) {
        let epoch = self.driver.driver().epoch();
        call(&mut self.driver, self.now);
        if self.driver.driver().epoch() != epoch {
            self.live = None;
        }
    }

    fn what_starts(&mut self, login: Login) -> Start {
        let Login::Rotating { user, number } = login else { return login.start() };
        let made = || rotations(user).unwrap_or_default();
        let all = self.rotations.entry(user).or_insert_with(made);
        let one = all.get(usize::from(number % ROTATIONS));
        one.cloned().map_or_else(|| login.start(), Start::from)
    }

    fn unauthorized(&mut self, current: bool) -> Option<Seen> {
        let first = || self.generations.first().copied();
        let serving = self.driver.driver().generation().filter(|_| current);
        let generation = serving.or_else(first)?;
        self.driver.handle_unauthorized(generation, self.now);
        Some(Seen::Unauthorized(generation))
    }

    fn reported(&mut self, id: RequestId, taken: bool) -> Seen {
        if taken {
            self.live = None;
        }
        Seen::Reported { id, taken }
    }

    fn addressee(&self, to: To) -> Option<RequestId> {
        let mut latest_first = self.sent.iter().rev().map(|sent| sent.id);
        let named = match to {
            To::Live => latest_first.next(),
            To::Old(back) => latest_first.nth(usize::from(back).saturating_add(1)),
            To::Foreign => None,
        };
        named.or(self.foreign)
    }

    /// Lets time pass, and the driver see it.
    fn pass(&mut self, step: Step) {
        let (mono, wall) = (millis(self.now.since_start()), self.now.wall_millis());
        let (ran, set, true_time) = match step {
            Step::Pass(ms) => (i64::from(ms), i64::from(ms), i64::from(ms)),
            Step::PassToWake => {
                let wait = match self.wake {
                    Some(Wake::In(wait, _)) => i64::try_from(millis(wait)).unwrap_or(0),
                    _ => 60_000,
                };
                (wait, wait, wait)
            }
            Step::Sleep(seconds) => {
                let slept = i64::from(seconds).saturating_mul(1_000);
                (0, slept, slept)
            }
            Step::SetWall(seconds) => (0, i64::from(seconds).saturating_mul(1_000), 0),
            Step::MonoBack(ms) => (i64::from(ms).saturating_neg(), 0, 0),
            Step::Nonsense(mono, wall) => {
                self.read(Moment::from_millis(mono, wall));
                (0, 0, 0)
            }
            _ => (0, 0, 0),
        };
        self.truth = self.truth.saturating_add(true_time);
        self.read(Moment::from_millis(mono.saturating_add_signed(ran), wall.saturating_add(set)));
    }

    fn read(&mut self, now: Moment) {
        self.now = now;
        let mono = millis(now.since_start());
        let passed = mono.saturating_sub(self.last_mono).min(LEAP);
        self.ticks = self.ticks.saturating_add(passed);
        self.last_mono = mono;
        self.driver.observe(now);
    }
}

/// The id of a request that another driver made.
fn foreign(of: &Driver, now: Moment) -> Option<RequestId> {
    let mut other = Driver::new(Arc::clone(of.config()), u64::MAX);
    other.start(Login::Cookie(0).start(), now);
    // An event comes before the request.
    (0..2).find_map(|_| match other.poll(now) {
        Output::Send(outgoing) => Some(outgoing.id()),
        _ => None,
    })
}
