//! One driver on trial: each step is carried out on it, and then on the model.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE};
use videokit_session::driver::{AuthorizeError, Counters, Policy, Start};
use videokit_session::exchange::{DenialKind, Flaw, IdentitySource};
use videokit_session::session::{AdoptError, Authorized, Generation, RequestId};
use videokit_session::{AllowedOrigin, Config, Driver, Event, Moment, Outgoing, Output, Wake};

use crate::coverage::Coverage;
use crate::follow::Followers;
use crate::logins::{Before, Login, User, credentials, identity};
use crate::model::Model;
use crate::model::words::{Answer, Ask, AskKind, Kind, Settings, StartWith, Told, What};
use crate::refused::call_with;
use crate::replies::Asked;
use crate::steps::{Mark, Setup, Step, To};

/// 2026-11-24T04:00:00.250Z, in milliseconds since 1970.
pub(crate) const T0: i64 = 1_795_492_800_250;

const DAY: i64 = 24 * 3_600_000;

/// The most polls in a row that there can be a reason for.
const MOST_POLLS: usize = 20;

type Checked = Result<(), String>;

pub(crate) struct Trial {
    settings: Settings,
    driver: Driver,
    /// One with the same inputs and queries.
    twin: Driver,
    model: Model,
    mono: u64,
    wall: i64,
    /// True time, which servers know.
    truth: i64,
    sent: Vec<RequestId>,
    foreign: RequestId,
    generations: Vec<Generation>,
    tokens: u32,
    /// Requests in flight that another driver had sent.
    inherited: u64,
    wake: Option<i64>,
    followers: Option<Followers>,
    answers: Vec<Answer>,
}

pub(crate) fn ms(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

fn policy(settings: &Settings) -> Policy {
    let (base, cap) = settings.backoff;
    let mut policy = Policy::builder()
        .burst(u32::try_from(settings.burst).unwrap())
        .interval(ms(settings.interval))
        .spacing(ms(settings.spacing))
        .backoff(ms(base), ms(cap))
        .retry_after_cap(ms(settings.retry_after_cap))
        .age_threshold(ms(settings.threshold.0), ms(settings.threshold.1));
    if let Some(attempts) = settings.attempts {
        policy = policy.attempts(attempts);
    }
    policy.build().unwrap()
}

pub(crate) fn config(settings: &Settings) -> Arc<Config> {
    let config = Config::builder(AllowedOrigin::https("https://api.example").unwrap())
        .request_timeout(ms(settings.timeout))
        .gateway_skew(ms(settings.gateway_skew))
        .backend_skew(ms(settings.backend_skew))
        .wall_error(ms(settings.wall_error))
        .assumed_lifetime(ms(settings.assumed))
        .renewal_margin(ms(settings.margin))
        .renewal_percent(u8::try_from(settings.percent).unwrap());
    Arc::new(config.build().unwrap())
}

pub(crate) fn foreign(settings: &Settings, seed: u64) -> RequestId {
    let mut other = Driver::new(config(settings), !seed);
    let login = Login::Backend { user: User::Nobody, cookie: 0, path: 0 };
    other.start(login.start(Before::default()).0, Moment::default());
    assert!(matches!(other.poll(Moment::default()), Output::Event(_)), "it says what it does");
    match other.poll(Moment::default()) {
        Output::Send(outgoing) => outgoing.id(),
        output => panic!("a request is due, not {output:?}"),
    }
}

impl Trial {
    pub(crate) fn new(setup: &Setup) -> Self {
        let driver =
            || Driver::with_policy(config(&setup.settings), policy(&setup.settings), setup.seed);
        let mut trial = Self {
            settings: setup.settings,
            driver: driver(),
            twin: driver(),
            model: Model::new(setup.settings),
            mono: 5_000,
            wall: T0,
            truth: T0,
            sent: Vec::new(),
            foreign: foreign(&setup.settings, setup.seed),
            generations: Vec::new(),
            tokens: 0,
            inherited: 0,
            wake: None,
            followers: setup.steady.then(|| Followers::new(&config(&setup.settings), setup.seed)),
            answers: Vec::new(),
        };
        // The first reading, so that both times begin together.
        trial.call(Driver::stop).unwrap();
        trial
    }

    /// Carries out one step, and says what the model doesn't agree with.
    pub(crate) fn apply(&mut self, step: Step) -> Checked {
        match step {
            Step::Poll => drop(self.poll()?),
            Step::Drain => self.drain()?,
            Step::Start(login) => self.start(login)?,
            Step::SetCredentials(login) => self.set_credentials(login)?,
            Step::Stop => {
                self.call(Driver::stop)?;
                self.model.stop();
            }
            Step::Online(online) => {
                self.call(|driver, now| driver.set_online(online, now))?;
                self.model.online(online);
            }
            Step::Reply(to, say) => self.reply(to, say)?,
            Step::Fail(to, why) => {
                let (number, id) = self.addressee(to);
                let taken =
                    self.call(|driver, now| driver.handle_failure(id, why, now).is_accepted())?;
                same("taken", taken, self.model.fail(number, why))?;
            }
            Step::Unauthorized(back, took) => {
                let nth = self.generations.len().checked_sub(1 + usize::from(back));
                if let Some(generation) = nth.map(|nth| self.generations[nth]) {
                    self.refuse(generation, took)?;
                }
            }
            Step::HandOver { restores } => self.hand_over(restores)?,
            time => self.pass(time),
        }
        self.follow(None)?;
        let generation = self.driver.generation();
        self.generations.extend(generation.filter(|new| Some(new) != self.generations.last()));
        self.compare()
    }

    /// Adds what was seen so far.
    pub(crate) fn cover(&self, coverage: &mut Coverage) {
        self.answers.iter().for_each(|answer| coverage.see(*answer));
        self.model.pauses().for_each(|pause| coverage.pause(pause));
    }

    fn now(&self) -> Moment {
        Moment::from_millis(self.mono, self.wall)
    }

    /// Makes a call to the driver and its twin, and gives the reading to the model.
    fn call<R: PartialEq + std::fmt::Debug>(
        &mut self,
        call: impl Fn(&mut Driver, Moment) -> R,
    ) -> Result<R, String> {
        let now = self.now();
        self.model.read(self.mono, self.wall);
        let answer = call(&mut self.driver, now);
        same("the same seed and inputs give the same", &answer, &call(&mut self.twin, now))?;
        Ok(answer)
    }

    fn poll(&mut self) -> Result<Answer, String> {
        let output = self.call(Driver::poll)?;
        let answer = match &output {
            Output::Send(outgoing) => {
                self.sent.push(outgoing.id());
                Answer::Sent(self.sent.len() - 1)
            }
            Output::Abandon(id) => {
                let number = self.sent.iter().position(|sent| sent == id);
                Answer::Told(Told::Abandoned(number.ok_or("it abandons what it never sent")?))
            }
            Output::Event(event) => Answer::Told(told(event)),
            Output::Wait(Wake::In(wait, why)) => Answer::Wait(Some((millis(*wait), *why))),
            Output::Wait(Wake::OnInput) => Answer::Wait(None),
        };
        self.model.poll(answer).map_err(|wrong| format!("a poll answers {answer:?}: {wrong}"))?;
        let sent = if let Output::Send(outgoing) = &output { Some(outgoing) } else { None };
        sent.map_or(Ok(()), |outgoing| self.check(outgoing))?;
        self.follow(sent)?;
        if let (Output::Event(Event::Denied(_, denial)), Some(followers)) =
            (&output, &mut self.followers)
        {
            followers.denied(denial)?;
        }
        self.answers.push(answer);
        if let Answer::Wait(wait) = answer {
            self.wake = wait.map(|(millis, _)| self.model.now() + millis);
        }
        Ok(answer)
    }

    fn drain(&mut self) -> Checked {
        for _ in 0..MOST_POLLS {
            if let Answer::Wait(_) = self.poll()? {
                return Ok(());
            }
        }
        Err("it never waits".into())
    }

    /// Lets sessions go the way that the driver's own has just gone.
    fn follow(&mut self, sent: Option<&Outgoing>) -> Checked {
        let news = self.model.news();
        let now = self.now();
        let Some(followers) = &mut self.followers else { return Ok(()) };
        followers.follow(&news, sent, &self.model, &self.driver, now)
    }

    /// A request is for the current login, and made with its latest secret.
    fn check(&self, outgoing: &Outgoing) -> Checked {
        let Ask { endpoint, secret, kind, .. } =
            self.model.last_asked().ok_or("nothing was sent")?;
        let gateway = *kind == AskKind::Gateway;
        let header = outgoing.request().headers().get(if gateway { AUTHORIZATION } else { COOKIE });
        let header = header.and_then(|value| value.to_str().ok());
        let (uri, sent) = match endpoint.as_deref() {
            Some(path) if !gateway => {
                (format!("https://app.example/{path}"), format!("login={secret}"))
            }
            _ => {
                ("https://gateway.video.io/v1/sessions".to_owned(), format!("Bearer api-{secret}"))
            }
        };
        same("the secret sent", header, Some(sent.as_str()))?;
        same("the endpoint", outgoing.request().uri().to_string(), uri)?;
        let timeout = ms(self.settings.timeout);
        same("the deadline", outgoing.deadline(), self.now().since_start() + timeout)?;
        same("the time-out", outgoing.timeout(), timeout)
    }

    fn refuse(&mut self, generation: Generation, took: u32) -> Checked {
        let age = self.model.token_age().map_or(0, |(age, _)| age);
        let at = (age - i64::from(took)).max(0);
        let call = Authorized { age_millis: at.unsigned_abs(), ..call_with(generation) };
        self.call(|driver, now| driver.handle_unauthorized(call, now))?;
        self.model.unauthorized(generation.number(), at);
        Ok(())
    }

    fn start(&mut self, login: Login) -> Checked {
        let now = self.model.elapsed_at(self.mono, self.wall);
        let current = self.model.serves(now).ok().map(|(bearer, _)| bearer);
        let known = self.model.identity();
        let before = Before { ask: self.model.next_ask(), current, known, wall: self.wall };
        let (start, told) = login.start(before);
        if let (Some(followers), Start::Token(grant)) = (&mut self.followers, &start) {
            followers.calls.grant = Some(grant.clone());
        }
        self.call(|driver, now| driver.start(start.clone(), now))?;
        self.model.start(told);
        Ok(())
    }

    /// The credentials of a login, if it has any.
    fn set_credentials(&mut self, login: Login) -> Checked {
        let known = self.model.identity();
        let before = Before { ask: self.model.next_ask(), known, ..Before::default() };
        let (Start::Exchange(credentials), StartWith::Ask(ask)) = login.start(before) else {
            return Ok(());
        };
        self.call(|driver, now| driver.set_credentials(credentials.clone(), now))?;
        self.model.set_credentials(ask);
        Ok(())
    }

    fn reply(&mut self, to: To, say: crate::replies::Say) -> Checked {
        let (number, id) = self.addressee(to);
        self.tokens += 1;
        let with = number.map(|number| self.model.asked(number));
        let asked = Asked { with, used_up: self.model.used_up() };
        let (response, reply) = say.reply(&asked, &format!("token-{}", self.tokens), self.truth);
        if let Some(followers) = &mut self.followers {
            followers.calls.reply = Some((id, response.clone()));
        }
        if number.is_some_and(|number| self.model.knows_better(number)) {
            // A session is not told whose the login is since then.
            self.followers = None;
        }
        let taken =
            self.call(|driver, now| driver.handle_response(id, &response, now).is_accepted())?;
        same("taken", taken, self.model.reply(number, reply))
    }

    /// Makes a session of the driver, and another driver of that.
    fn hand_over(&mut self, restores: bool) -> Checked {
        let credentials = self.driver.credentials().cloned().filter(|_| restores);
        let ask = self.model.next_ask().cloned();
        for driver in [&mut self.driver, &mut self.twin] {
            let policy = *driver.policy();
            let none = Driver::new(Arc::clone(driver.config()), 0);
            let session = std::mem::replace(driver, none).into_session();
            *driver = Driver::from_session(session, policy);
        }
        self.model.hand_over();
        self.inherited = u64::from(self.driver.in_flight().is_some());
        if let Some(followers) = &mut self.followers {
            followers.hand_over();
        }
        if let (Some(credentials), Some(ask)) = (credentials, ask) {
            self.call(|driver, now| driver.set_credentials(credentials.clone(), now))?;
            self.model.set_credentials(ask);
        }
        Ok(())
    }

    /// The number and the id of a request.
    fn addressee(&self, to: To) -> (Option<usize>, RequestId) {
        let number = match to {
            To::Last => self.sent.len().checked_sub(1),
            To::Before(back) => self.sent.len().checked_sub(1 + usize::from(back)),
            To::Foreign => None,
        };
        (number, number.map_or(self.foreign, |number| self.sent[number]))
    }

    fn pass(&mut self, step: Step) {
        let (ran, set, truly) = match step {
            Step::Pass(ms) => (i64::from(ms), i64::from(ms), i64::from(ms)),
            Step::PassTo(mark, by) => {
                let due = if mark == Mark::Wake { self.wake } else { self.model.due_at(mark) };
                let now = self.model.elapsed_at(self.mono, self.wall).ticks;
                let ahead = due.map_or(0, |due| due - now + i64::from(by));
                let ms = if ahead <= 3 * DAY { ahead.max(0) } else { 0 };
                (ms, ms, ms)
            }
            Step::Sleep(ms) => (0, i64::from(ms), i64::from(ms)),
            Step::SetWall(ms) => (0, i64::from(ms), 0),
            Step::MonoBack(ms) => (-i64::from(ms), 0, 0),
            Step::Leap => (1 << 50, 0, 0),
            _ => (0, 0, 0),
        };
        self.mono = self.mono.saturating_add_signed(ran);
        self.wall += set;
        self.truth += truly;
    }

    /// Holds all that a caller can see against the model.
    fn compare(&self) -> Checked {
        let (driver, model) = (&self.driver, &self.model);
        let now = model.elapsed_at(self.mono, self.wall);
        same("state", driver.state(), model.state())?;
        same("blocked", driver.blocked(), model.blocked())?;
        same("generation", driver.generation().map(Generation::number), model.generation())?;
        same("identity", driver.identity().cloned(), model.identity().map(identity))?;
        same("epoch", driver.epoch(), model.epoch())?;
        same("queued", driver.queued(), model.queued())?;
        same("counters", counted(&driver.counters()), COUNTERS.map(|what| model.counted(what)))?;
        let credentials = model.next_ask().map(credentials);
        if driver.credentials() != credentials.as_ref() {
            return Err(format!("the next request is not made with {:?}", model.next_ask()));
        }
        let remaining = driver.remaining(self.now());
        let remaining = remaining.map(|left| (left.at_least_millis(), left.at_most_millis()));
        same("remaining", remaining, model.remaining(now))?;
        let origin = &driver.config().origins()[0];
        let serves = match driver.authorization(origin, self.now()) {
            Ok(serves) => {
                let age = model.age_at(now).map(i64::unsigned_abs);
                same("the age", Some(serves.authorized().age_millis), age)?;
                let text =
                    serves.value().to_str().unwrap().trim_start_matches("Bearer ").to_owned();
                Ok((text, serves.authorized().generation.number()))
            }
            Err(AuthorizeError::Wait) => Err(None),
            Err(AuthorizeError::Start(blocked)) => Err(Some(blocked)),
            Err(other) => return Err(format!("not authorized: {other:?}")),
        };
        let expected =
            model.serves(now).map(|(bearer, generation)| (bearer.text.clone(), generation));
        same("what serves", serves, expected)?;
        self.add_up()
    }

    /// Every request ended in one way, or is in flight.
    fn add_up(&self) -> Checked {
        let [requests, authentications, renewals, _adopted, ended @ .., _stale] =
            counted(&self.driver.counters());
        let in_flight = u64::from(self.driver.in_flight().is_some());
        let ended: u64 = ended.iter().sum();
        same(
            "requests and their ends",
            requests + self.inherited,
            authentications + renewals + ended + in_flight,
        )
    }
}

/// The counters, in their order.
const COUNTERS: [&str; 12] = [
    "requests",
    "authentications",
    "renewals",
    "adoptions",
    "refused",
    "throttled",
    "transient",
    "redirected",
    "malformed",
    "unanswered",
    "abandoned",
    "stale",
];

fn counted(counters: &Counters) -> [u64; 12] {
    [
        counters.requests.into(),
        counters.authentications.into(),
        counters.renewals.into(),
        counters.adoptions.into(),
        counters.refused.into(),
        counters.throttled.into(),
        counters.transient.into(),
        counters.redirected.into(),
        counters.malformed.into(),
        counters.unanswered.into(),
        counters.abandoned.into(),
        counters.stale.into(),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "both are most often made for this")]
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, driver: T, model: T) -> Checked {
    if driver == model {
        Ok(())
    } else {
        Err(format!("{what}: the driver has {driver:?}, the model {model:?}"))
    }
}

pub(crate) fn kind(kind: DenialKind) -> Kind {
    match kind {
        DenialKind::Refused => Kind::Refused,
        DenialKind::Throttled => Kind::Throttled,
        DenialKind::Transient => Kind::Transient,
        DenialKind::Redirect => Kind::Redirect,
        DenialKind::Malformed(flaw) => Kind::Malformed(what(flaw)),
        other => panic!("a kind that is new to the model: {other:?}"),
    }
}

fn what(flaw: Flaw) -> What {
    match flaw {
        Flaw::Status => What::Status,
        Flaw::Markup => What::Markup,
        Flaw::UnexpectedEnd { .. } => What::Cut,
        Flaw::Missing { member } => What::Missing(member),
        Flaw::WrongIdentity { expected } => {
            What::Identity { stated: expected == IdentitySource::Credentials }
        }
        Flaw::ExpiredOnArrival => What::Dead,
        _ => What::Other,
    }
}

fn told(event: &Event) -> Told {
    match event {
        Event::Moved(moved) => Told::Moved(moved.from, moved.to, moved.cause),
        Event::Denied(moved, denial) => {
            Told::Denied(moved.from, moved.to, moved.cause, kind(denial.kind()))
        }
        Event::Failed(moved, why) => Told::Failed(moved.from, moved.to, moved.cause, *why),
        Event::TokenNeeded(generation) => Told::TokenNeeded(generation.number()),
        Event::Unauthorized(generation) => Told::Unauthorized(generation.number()),
        Event::StillMalformed(flaw) => Told::StillMalformed(what(*flaw)),
        Event::GaveUp => Told::GaveUp,
        Event::NotAdopted(AdoptError::Expired) => Told::NotAdopted(What::Dead),
        Event::NotAdopted(_) => Told::NotAdopted(What::Other),
        Event::NotSent(_) => Told::NotSent,
        Event::CredentialsChanged => Told::CredentialsChanged,
        Event::CredentialsSpent => Told::CredentialsSpent,
        other => panic!("an event that is new to the model: {other:?}"),
    }
}
