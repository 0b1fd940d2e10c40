//! R1: an exchange that panics, in any of its methods, at any point where one is called, and a caller that catches
//! that. The request counts as failed, and everything else runs on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use videokit_session::driver::{Blocked, Input, Policy, WakeReason};
use videokit_session::exchange::{BuildError, Denial, Exchange, Reply};
use videokit_session::session::transitions::StateName;
use videokit_session::session::{Generation, RequestId};
use videokit_session::{
    Credentials, Driver, Event, Grant, Identity, Moment, Output, SessionToken, TransportFailure,
    Wake,
};

use crate::fragile::{METHODS, Method, Method as M, Trigger, granting, panics};
use crate::refused::call_with;
use crate::world::{HOUR, MINUTE, SECOND, T0, config, video_call};

/// A driver at some point of its life, and the call at which an exchange is called there.
struct Play {
    driver: Driver,
    now: Moment,
    trigger: Trigger,
    /// Whether its exchanges say where they ask without a request.
    states_endpoint: bool,
    ids: Vec<RequestId>,
    sent_at: Vec<Duration>,
    events: Vec<Event>,
}

/// What can be told of a driver.
#[derive(Debug, PartialEq)]
struct View {
    state: StateName,
    generation: Option<Generation>,
    token: Option<String>,
    in_flight: Option<RequestId>,
    epoch: u64,
    blocked: Option<Blocked>,
    queued: usize,
}

impl Play {
    fn new(seed: u64) -> Self {
        Self {
            driver: Driver::new(config(|config| config), seed),
            now: Moment::from_millis(5_000, T0),
            trigger: Trigger::default(),
            states_endpoint: true,
            ids: Vec::new(),
            sent_at: Vec::new(),
            events: Vec::new(),
        }
    }

    fn view(&self) -> View {
        View {
            state: self.driver.state(),
            generation: self.driver.generation(),
            token: self.token(),
            in_flight: self.driver.in_flight(),
            epoch: self.driver.epoch(),
            blocked: self.driver.blocked(),
            queued: self.driver.queued(),
        }
    }

    fn token(&self) -> Option<String> {
        let mut call = video_call();
        self.driver.authorize(&mut call, self.now).ok()?;
        Some(call.headers()["authorization"].to_str().unwrap().to_owned())
    }

    fn start(&mut self, user: &str) {
        self.driver.start(self.credentials(user), self.now);
    }

    fn credentials(&self, user: &str) -> Credentials {
        let exchange = self.trigger.exchange(user);
        let exchange = if self.states_endpoint { exchange } else { exchange.without_endpoint() };
        exchange.credentials()
    }

    fn without_endpoint(self) -> Self {
        Self { states_endpoint: false, ..self }
    }

    /// Polls until the driver waits, and returns for what.
    fn wake(&mut self) -> Wake {
        for _ in 0..20 {
            match self.driver.poll(self.now) {
                Output::Send(outgoing) => {
                    assert!(!self.ids.contains(&outgoing.id()), "an id comes twice");
                    self.ids.push(outgoing.id());
                    self.sent_at.push(self.now.since_start());
                }
                Output::Event(event) => self.events.push(event),
                Output::Abandon(_) => {}
                Output::Wait(wake) => return wake,
            }
        }
        panic!("twenty polls, and still busy");
    }

    /// Lets time pass until a request is in flight.
    fn asked(&mut self) -> RequestId {
        for _ in 0..20 {
            let wake = self.wake();
            if let Some(id) = self.driver.in_flight() {
                return id;
            }
            let Wake::In(wait, _) = wake else { panic!("it asks no more: {:?}", self.driver) };
            self.now = self.now.after(wait);
        }
        panic!("twenty waits, and no request");
    }

    fn answer(&mut self, token: &'static str) {
        let id = self.asked();
        assert!(self.driver.handle_response(id, &granting(token), self.now).is_accepted());
        let _ = self.wake();
    }

    fn logged_in(mut self) -> Self {
        self.start("user-17");
        self.answer("tok-1");
        self
    }

    /// The same with a renewal in flight.
    fn renewing(mut self) -> Self {
        self = self.logged_in();
        self.asked();
        self
    }

    /// The same, and the token has expired meanwhile.
    fn lapsed_in_flight(mut self) -> Self {
        self = self.renewing();
        self.now = self.now.after(2 * HOUR);
        // The next poll would give the request up: it is overdue.
        poll(&mut self);
        assert_eq!(self.driver.state(), StateName::Authenticating);
        self
    }

    /// Renewal is due, and the poll that announces it is the next one.
    fn due(mut self) -> Self {
        self = self.logged_in();
        let Wake::In(wait, WakeReason::Renewal) = self.wake() else { panic!("it will be due") };
        self.now = self.now.after(wait);
        self
    }

    /// The token has expired, offline, and the poll after this announces a request.
    fn expired(mut self) -> Self {
        self = self.logged_in();
        self.driver.set_online(false, self.now);
        self.now = self.now.after(2 * HOUR);
        let _ = self.wake();
        assert_eq!(self.driver.state(), StateName::Expired);
        self.driver.set_online(true, self.now);
        self
    }

    fn failures(&self) -> usize {
        let failed = |event: &&Event| matches!(event, Event::Failed(_, TransportFailure::Other));
        self.events.iter().filter(failed).count()
    }

    /// What was promised holds: the driver recovers, and keeps to its budget.
    fn recovers(mut self, case: &str) {
        self.trigger.disarm();
        if self.driver.blocked() == Some(Blocked::NotStarted) {
            self.start("user-17");
        }
        self.answer("tok-recovered");
        assert_eq!(self.token().as_deref(), Some("Bearer tok-recovered"), "{case}");
        for (n, first) in self.sent_at.iter().enumerate() {
            for (count, last) in (1..).zip(&self.sent_at[n..]) {
                let most = self.driver.policy().most_requests_in(last.saturating_sub(*first));
                assert!(count <= most, "{case}: {count} requests, and the most is {most}");
            }
        }
    }
}

/// A point in the life of a driver, the call that is made there, and methods that it has to call. Where it calls
/// others, their panics are held to the same.
type Point = (&'static str, fn(Play) -> Play, fn(&mut Play), &'static [Method]);

/// Where a request is built.
const BUILDING: &[Point] = &[
    (
        "the first request",
        |mut play| {
            play.start("user-17");
            play
        },
        poll,
        BUILD,
    ),
    ("a renewal", Play::due, poll, BUILD),
    ("a request after the token expired", Play::expired, poll, BUILD),
];

const BUILD: &[Method] = &[M::Request, M::Identity, M::BodyLimit, M::IsSingleUse];

fn poll(play: &mut Play) {
    match play.driver.poll(play.now) {
        Output::Event(event) => play.events.push(event),
        other => panic!("a request is due: {other:?}"),
    }
}

/// Where a reply is read.
const READING: &[Point] = &[
    (
        "the first reply",
        |mut play| {
            play.start("user-17");
            play.asked();
            play
        },
        answer,
        READ,
    ),
    ("the reply to a renewal", Play::renewing, answer, READ),
    ("a reply after the token expired", Play::lapsed_in_flight, answer, READ),
    (
        "a first reply that asks to wait",
        |mut play| {
            play.start("user-17");
            play.asked();
            play
        },
        put_off,
        DENY,
    ),
    ("a reply to a renewal that asks to wait", Play::renewing, put_off, DENY),
];

const READ: &[Method] = &[M::Read, M::Identity, M::IssuerWritesDate];

const DENY: &[Method] = &[M::Read, M::Endpoint];

fn put_off(play: &mut Play) {
    let id = *play.ids.last().unwrap();
    play.driver.handle_response(id, &busy(), play.now);
}

fn busy() -> http::Response<Bytes> {
    http::Response::builder().status(429).header("retry-after", "60").body(Bytes::new()).unwrap()
}

fn answer(play: &mut Play) {
    let id = *play.ids.last().unwrap();
    play.driver.handle_response(id, &granting("tok-read"), play.now);
}

/// Where credentials are compared with the login's.
const COMPARING: &[Point] = &[
    (
        "a start for the same user",
        Play::logged_in,
        |play| play.start("user-17"),
        &[M::Identity, M::Scopes, M::Endpoint],
    ),
    ("a start for another user", Play::logged_in, |play| play.start("user-18"), &[M::Identity]),
    (
        "a start for the same user while a request is in flight",
        Play::renewing,
        |play| play.start("user-17"),
        &[M::Identity, M::Scopes, M::Endpoint],
    ),
    ("credentials that are set first", |play| play, set, &[M::Identity]),
    ("credentials that are set", Play::logged_in, set, &[M::Identity, M::Endpoint]),
    ("credentials that are set in flight", Play::renewing, set, &[M::Identity, M::Endpoint]),
    (
        "a poll while a server asks to wait",
        |mut play| {
            play.start("user-17");
            play.asked();
            put_off(&mut play);
            poll(&mut play);
            play
        },
        |play| assert!(matches!(play.driver.poll(play.now), Output::Wait(_))),
        &[M::Endpoint],
    ),
    (
        "a start whose endpoint has to be seen from a request",
        |play| play.without_endpoint().logged_in(),
        |play| play.start("user-17"),
        &[M::Request],
    ),
    (
        "credentials that are set, whose endpoint has to be seen from a request",
        |play| play.without_endpoint().logged_in(),
        set,
        &[M::Request],
    ),
    (
        "a question for the identity",
        |mut play| {
            play.start("user-17");
            play
        },
        |play| drop(play.driver.identity().cloned()),
        &[M::Identity],
    ),
];

fn set(play: &mut Play) {
    play.driver.set_credentials(play.credentials("user-17"), play.now);
}

/// Plays each point with each method armed: `check` gets those that panicked.
fn each(points: &[Point], check: impl Fn(Play, View, &str)) {
    for (point, arrive, call, called) in points {
        for method in METHODS {
            for seed in 0..4 {
                let case = format!("{method:?} panics at {point}");
                let mut play = arrive(Play::new(seed));
                let before = play.view();
                play.events.clear();
                play.trigger.arm(method);
                let panicked = panics(|| call(&mut play));
                assert!(panicked || !called.contains(&method), "no: {case}");
                if panicked {
                    check(play, before, &case);
                }
            }
        }
    }
}

#[test]
fn r1_a_panic_while_a_request_is_built_is_a_failed_request() {
    each(BUILDING, |mut play, before, case| {
        assert_eq!(play.view(), before, "{case}: nothing has changed yet");
        let _ = play.wake();
        assert_eq!(play.failures(), 1, "{case}: {:?}", play.events);
        // Two transitions: the request was made, and failed.
        assert_eq!(play.events.len(), 2, "{case}: {:?}", play.events);
        after_a_failure(play, &before, case);
    });
}

#[test]
fn r1_a_panic_while_a_reply_is_read_is_a_failed_request() {
    each(READING, |mut play, before, case| {
        // At once, before anything else is called.
        assert_eq!(play.driver.in_flight(), None, "{case}");
        assert_eq!(
            (play.driver.generation(), play.token()),
            (before.generation, before.token.clone())
        );
        let last = play.driver.last_transition().unwrap();
        assert_eq!(last.to, play.driver.state(), "{case}");
        let unanswered = play.driver.counters().unanswered;
        let _ = play.wake();
        assert_eq!(play.driver.counters().unanswered, unanswered + 1, "{case}");
        let [Event::Failed(transition, TransportFailure::Other)] = play.events[..] else {
            panic!("{case}: {:?}", play.events)
        };
        assert_eq!(transition, last, "{case}");
        after_a_failure(play, &before, case);
    });
}

/// An active session keeps its token, another one is unauthenticated; nothing is in flight, and a backoff has begun.
fn after_a_failure(mut play: Play, before: &View, case: &str) {
    let state = match before.state {
        StateName::Active => StateName::Active,
        _ => StateName::Unauthenticated,
    };
    let generation = before.generation.filter(|_| state == StateName::Active);
    let token = before.token.clone();
    let expected = View { state, generation, token, in_flight: None, queued: 0, ..*before };
    assert_eq!(play.view(), expected, "{case}");
    let failures = play.failures();
    let _ = play.wake();
    assert_eq!(play.failures(), failures, "{case}: reported once");
    play.recovers(case);
}

#[test]
fn r1_a_panic_while_credentials_are_compared_changes_nothing() {
    each(COMPARING, |mut play, before, case| {
        assert_eq!(play.view(), before, "{case}");
        play.trigger.disarm();
        let _ = play.wake();
        assert_eq!(play.failures(), 0, "{case}: {:?}", play.events);
        play.recovers(case);
    });
}

/// The reply was read, and its token is in use. What the next credentials say is asked last.
#[test]
fn r1_a_panic_of_a_successor_takes_neither_the_token_nor_the_successor() {
    for single_use in [false, true] {
        let mut play = Play::new(1);
        let exchange = play.trigger.exchange("user-17").rotating();
        let exchange = if single_use { exchange.single_use() } else { exchange };
        let credentials = exchange.credentials();
        play.driver.start(credentials.clone(), play.now);
        let id = play.asked();
        play.trigger.arm(M::Endpoint);
        assert!(panics(|| play.driver.handle_response(id, &granting("tok-1"), play.now)));
        play.trigger.disarm();
        assert_eq!(play.token().as_deref(), Some("Bearer tok-1"));
        let _ = play.wake();
        let successor = play.driver.credentials().cloned().unwrap();
        assert_ne!(successor, credentials);
        assert_eq!((play.failures(), play.driver.blocked()), (0, None));
        assert_eq!(
            play.events.iter().filter(|event| **event == Event::CredentialsChanged).count(),
            1
        );
        play.recovers("a successor");
    }
}

/// Whose login it is says a grant that is held: not one over which the exchange panicked.
#[test]
fn r1_a_panic_of_a_successor_pins_no_identity() {
    let mut play = Play::new(1);
    play.driver.start(Credentials::custom(Arc::new(Naming(play.trigger.clone()))), play.now);
    let id = play.asked();
    play.trigger.arm(M::Identity);
    assert!(panics(|| play.driver.handle_response(id, &granting("user-17"), play.now)));
    play.trigger.disarm();
    let _ = play.wake();
    assert_eq!((play.driver.identity(), play.failures()), (None, 1));
    play.answer("user-18");
    assert_eq!(play.driver.identity().map(Identity::as_str), Some("user-18"));
    assert_eq!(play.driver.generation().map(Generation::number), Some(1));
}

/// Names the user that a reply says, and brings a successor.
struct Naming(Trigger);

impl Exchange for Naming {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        Ok(Request::post("https://login.example/token").body(Bytes::new()).unwrap())
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let user = std::str::from_utf8(reply.granting_body(100)?).unwrap();
        let grant = Grant::new(SessionToken::new("tok").unwrap());
        let grant = grant.with_identity(Identity::new(user).unwrap());
        Ok(grant.with_successor(self.0.credentials(user)))
    }
}

/// Credentials that were set in the meantime say whose login it is, where those of the request don't.
#[test]
fn r1_a_panic_of_credentials_set_meanwhile_is_a_failed_request() {
    let mut play = Play::new(1);
    let anonymous = Trigger::default().exchange("user-17").anonymous().credentials();
    play.driver.start(anonymous, play.now);
    let id = play.asked();
    set(&mut play);
    play.events.clear();
    play.trigger.arm(M::Identity);
    assert!(panics(|| play.driver.handle_response(id, &granting("tok-read"), play.now)));
    play.trigger.disarm();
    assert_eq!((play.driver.in_flight(), play.token()), (None, None));
    let wake = play.wake();
    assert_eq!((play.failures(), play.driver.blocked()), (1, None));
    // It was superseded credentials' request: there is no reason to wait longer than the budget asks.
    assert!(matches!(wake, Wake::In(_, WakeReason::Budget)), "{wake:?}");
    play.recovers("credentials set meanwhile");
}

/// A secret that is usable once may have been used up by the request.
#[test]
fn r1_a_panic_over_the_reply_to_a_single_use_secret_spends_it() {
    let mut play = Play::new(1);
    let credentials = play.trigger.exchange("user-17").single_use().credentials();
    play.driver.start(credentials, play.now);
    play.answer("tok-1");
    let id = play.asked();
    play.trigger.arm(M::Read);
    assert!(panics(|| play.driver.handle_response(id, &granting("tok-2"), play.now)));
    play.trigger.disarm();
    let _ = play.wake();
    assert_eq!(play.driver.blocked(), Some(Blocked::Spent));
    assert_eq!((play.failures(), play.token().as_deref()), (1, Some("Bearer tok-1")));
    let sent = play.ids.len();
    play.now = play.now.after(20 * MINUTE);
    let _ = play.wake();
    assert_eq!(play.ids.len(), sent);
    set(&mut play);
    play.recovers("a single-use secret");
}

#[test]
fn r1_the_failure_is_reported_by_whichever_call_comes_next() {
    type Call = fn(&mut Driver, Moment);
    let calls: &[(&str, Call)] = &[
        ("stop", |driver, now| driver.stop(now)),
        ("observe", |driver, now| driver.observe(now)),
        ("online", |driver, now| driver.set_online(true, now)),
        ("a start", |driver, now| driver.start(SessionToken::new("tok").unwrap(), now)),
        ("unauthorized", |driver, now| {
            let generation = driver.generation().unwrap();
            driver.handle_unauthorized(call_with(generation), now);
        }),
    ];
    for (name, call) in calls {
        let mut play = Play::new(1).renewing();
        play.events.clear();
        play.trigger.arm(M::Read);
        assert!(panics(|| answer(&mut play)));
        play.trigger.disarm();
        assert_eq!(play.driver.queued(), 0, "{name}");
        call(&mut play.driver, play.now);
        let Output::Event(event) = play.driver.poll(play.now) else { panic!("{name}") };
        assert_eq!(event.to_string(), "Active: RenewalFailed: the request failed", "{name}");
        let _ = play.wake();
        assert_eq!(play.failures(), 0, "{name}: once");
    }
}

/// An exchange that panics each time is asked no more often than one whose requests fail.
#[test]
fn r1_panics_lead_to_a_backoff_and_count_as_tries() {
    for (method, requests) in [(M::Request, false), (M::Read, true)] {
        let mut play = Play::new(1);
        let policy = Policy::builder().attempts(6).build().unwrap();
        play.driver = Driver::with_policy(config(|config| config), policy, 1);
        play.start("user-17");
        play.trigger.arm(method);
        let (mut tries, mut backoffs) = (0, 0);
        while play.driver.blocked().is_none() {
            let mut wake = Wake::OnInput;
            let panicked = panics(|| wake = play.wake());
            if let Some(id) = play.driver.in_flight() {
                assert!(panics(|| play.driver.handle_response(id, &granting("tok"), play.now)));
                tries += 1;
            }
            tries += u32::from(panicked);
            if let Wake::In(wait, why) = wake {
                backoffs += u32::from(why == WakeReason::Backoff);
                play.now = play.now.after(wait);
            }
            assert!(tries <= 6, "{method:?}");
        }
        assert_eq!((tries, play.driver.blocked()), (6, Some(Blocked::GaveUp)), "{method:?}");
        assert!(backoffs >= 3, "{method:?}: {backoffs}");
        assert_eq!(!play.ids.is_empty(), requests, "{method:?}");
    }
}

/// The time until the panic has passed, whatever the clocks show afterwards.
#[test]
fn r1_the_clock_runs_on_over_a_panic() {
    let mut play = Play::new(1).renewing();
    let left = |play: &Play, now| play.driver.remaining(now).unwrap().at_least_millis();
    let before = left(&play, play.now);
    play.trigger.arm(M::Read);
    play.now = play.now.after(10 * SECOND);
    assert!(panics(|| answer(&mut play)));
    // The monotonic clock starts anew.
    let anew = Moment::from_millis(7, play.now.wall_millis());
    assert!(left(&play, anew) <= before - 10_000);
}

/// Nothing of an exchange is called where there is no request to build and no reply to read.
#[test]
fn r1_other_inputs_call_no_exchange() {
    for method in METHODS {
        let mut play = Play::new(1).renewing();
        let id = *play.ids.last().unwrap();
        play.trigger.arm(method);
        let generation = play.driver.generation().unwrap();
        for input in [
            Input::Observe,
            Input::Online(false),
            Input::Online(true),
            Input::Unauthorized(call_with(generation)),
            Input::Failure(id, TransportFailure::TimedOut),
            Input::Response(id, granting("too late")),
            Input::Stop,
            Input::Start(SessionToken::new("tok-adopted").unwrap().into()),
        ] {
            play.driver.handle(input, play.now);
        }
        let _ = play.wake();
        assert_eq!(play.token().as_deref(), Some("Bearer tok-adopted"), "{method:?}");
    }
}
