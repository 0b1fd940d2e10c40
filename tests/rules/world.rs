//! A driver, its clocks, and everything that was sent and said: what the rules are held against.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, DATE, HeaderValue, RETRY_AFTER};
use http::{Request, Response, Uri};
use videokit_session::driver::{Canonical, Counters, Policy, Stalled, Start};
use videokit_session::exchange::{BuildError, Denial, Endpoint, Exchange, Reply};
use videokit_session::session::transitions::StateName;
use videokit_session::session::{Generation, RequestId};
use videokit_session::{
    AllowedOrigin, ApiToken, Backend, Config, Credentials, Driver, Event, Gateway, Grant, Identity,
    Moment, Output, SessionToken, TransportFailure, Wake,
};

use crate::ops::{Op, Say, Sequence, To, Who};

/// 2026-11-24T04:00:00Z, where every world begins.
const T0: i64 = 1_795_492_800_000;

/// The most that one reading may add to the driver's time, as its docs say.
const LEAP: u64 = 1 << 40;

/// What every secret in a world has in it.
pub(crate) const SECRET: &str = "hush";

/// A driver and its surroundings.
pub(crate) struct World {
    pub(crate) driver: Driver,
    pub(crate) now: Moment,
    /// Monotonic time as the driver may count it: no step back, and no leap.
    pub(crate) ticks: u64,
    last_mono: u64,
    /// True time, which the servers' clock shows.
    truth: i64,
    pub(crate) sent: Vec<Sent>,
    /// The request that is neither answered nor given up.
    pub(crate) live: Option<RequestId>,
    pub(crate) wake: Option<Wake>,
    tokens: u32,
    generations: Vec<Generation>,
    foreign: RequestId,
}

/// A request that was handed out.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) id: RequestId,
    pub(crate) uri: Uri,
    pub(crate) at: u64,
    pub(crate) secret: Bytes,
}

/// One thing that the driver did, or that was done to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    Sent(RequestId),
    Abandoned(RequestId),
    Event(Event),
    Wait(Wake),
    /// The API's 401 to the token of this generation.
    Refused(Generation),
    /// What a reply or a failure met with.
    Reported {
        id: RequestId,
        taken: bool,
    },
}

/// What a caller can see of a driver at one time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    pub(crate) state: StateName,
    pub(crate) token: Option<String>,
    pub(crate) generation: Option<Generation>,
    pub(crate) identity: Option<Identity>,
    pub(crate) stalled: Option<Stalled>,
    pub(crate) counters: Counters,
    pub(crate) queued: usize,
    pub(crate) epoch: u64,
    pub(crate) canonical: Canonical,
}

/// One step of a play: what was done, and what came of it.
pub(crate) struct Step<'a> {
    pub(crate) op: Op,
    pub(crate) before: View,
    pub(crate) after: View,
    pub(crate) seen: &'a [Seen],
    pub(crate) live_before: Option<RequestId>,
    pub(crate) world: &'a World,
}

impl World {
    pub(crate) fn new(policy: Policy, seed: u64) -> Self {
        let now = Moment::from_millis(5_000, T0);
        let mut driver = Driver::with_policy(config(), policy, seed);
        let mut other = Driver::new(config(), seed ^ 1);
        other.start(credentials(Who::Cookie(0)), now);
        let Output::Send(outgoing) = other.poll(now) else { panic!("a new driver asks at once") };
        // The first reading, so that the driver's ticks and the world's start together.
        driver.stop(now);
        Self {
            driver,
            now,
            ticks: 0,
            last_mono: 5_000,
            truth: T0,
            sent: Vec::new(),
            live: None,
            wake: None,
            tokens: 0,
            generations: Vec::new(),
            foreign: outgoing.id(),
        }
    }

    /// Does one thing. What was seen comes back in order.
    pub(crate) fn apply(&mut self, op: Op) -> Vec<Seen> {
        let mut seen = Vec::new();
        match op {
            Op::Poll => self.poll(&mut seen),
            Op::Drain => {
                for _ in 0..20 {
                    self.poll(&mut seen);
                    if matches!(seen.last(), Some(Seen::Wait(_))) {
                        break;
                    }
                }
                let waits = matches!(seen.last(), Some(Seen::Wait(_)));
                assert!(waits, "twenty polls at one moment, and still busy: {seen:?}");
            }
            Op::Start(who) => self.start(who),
            Op::Stop => {
                self.driver.stop(self.now);
                self.live = None;
            }
            Op::Online(online) => self.driver.set_online(online, self.now),
            Op::Answer(to, say) => {
                let id = self.addressee(to);
                let reply = self.reply(id, say);
                let taken = self.driver.handle_response(id, &reply, self.now).is_ok();
                self.report(id, taken, &mut seen);
            }
            Op::Fail(to, why) => {
                let id = self.addressee(to);
                let taken = self.driver.handle_failure(id, why, self.now).is_ok();
                self.report(id, taken, &mut seen);
            }
            Op::Unauthorized { current } => self.unauthorized(current, &mut seen),
            Op::RoundTrip => self.round_trip(),
            time => self.pass(time),
        }
        self.generations.extend(self.driver.generation());
        self.generations.dedup();
        seen
    }

    fn poll(&mut self, seen: &mut Vec<Seen>) {
        seen.push(match self.driver.poll(self.now) {
            Output::Send(outgoing) => {
                let id = outgoing.id();
                let headers = outgoing.request().headers();
                let secret = headers.get(AUTHORIZATION).or(headers.get(COOKIE));
                let secret = secret.map(|value| Bytes::copy_from_slice(value.as_bytes()));
                let secret = secret.unwrap_or_default();
                let uri = outgoing.request().uri().clone();
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
        });
    }

    fn start(&mut self, who: Who) {
        let epoch = self.driver.epoch();
        self.driver.start(start(who), self.now);
        if self.driver.epoch() != epoch {
            self.live = None;
        }
    }

    fn unauthorized(&mut self, current: bool, seen: &mut Vec<Seen>) {
        let generation = match (current, self.driver.generation()) {
            (true, Some(generation)) => generation,
            _ => match self.generations.first() {
                Some(generation) => *generation,
                None => return,
            },
        };
        self.driver.handle_unauthorized(generation, self.now);
        seen.push(Seen::Refused(generation));
    }

    fn round_trip(&mut self) {
        let policy = *self.driver.policy();
        let placeholder = Driver::new(config(), 0);
        let session = std::mem::replace(&mut self.driver, placeholder).into_session();
        self.driver = Driver::from_session(session, policy);
    }

    fn report(&mut self, id: RequestId, taken: bool, seen: &mut Vec<Seen>) {
        if taken {
            self.live = None;
        }
        seen.push(Seen::Reported { id, taken });
    }

    fn addressee(&self, to: To) -> RequestId {
        let last = self.sent.len().checked_sub(1);
        let at = match to {
            To::Live => last,
            To::Old(back) => last.and_then(|last| last.checked_sub(1 + usize::from(back))),
            To::Foreign => None,
        };
        at.and_then(|at| self.sent.get(at)).map_or(self.foreign, |sent| sent.id)
    }

    /// Lets time pass, and the driver see it: the readings that it gets are all that it can count.
    fn pass(&mut self, time: Op) {
        let (mono, wall) =
            (u64::try_from(self.now.since_start().as_millis()).unwrap(), self.now.wall_millis());
        let (dm, dw, truth) = match time {
            Op::Pass(ms) => (i64::from(ms), i64::from(ms), i64::from(ms)),
            Op::PassToWake => {
                let wait = match self.wake {
                    Some(Wake::In(wait, _)) => i64::try_from(wait.as_millis()).unwrap(),
                    _ => 60_000,
                };
                (wait, wait, wait)
            }
            Op::Sleep(s) => (0, i64::from(s) * 1_000, i64::from(s) * 1_000),
            Op::SetWall(s) => (0, i64::from(s) * 1_000, 0),
            Op::MonoBack(ms) => (-i64::from(ms), 0, 0),
            Op::Nonsense(mono, wall) => {
                self.read(Moment::from_millis(mono, wall));
                (0, 0, 0)
            }
            _ => unreachable!("{time:?} is no passing of time"),
        };
        self.truth += truth;
        self.read(Moment::from_millis(mono.saturating_add_signed(dm), wall + dw));
    }

    fn read(&mut self, now: Moment) {
        self.now = now;
        let mono = u64::try_from(now.since_start().as_millis()).unwrap();
        self.ticks += mono.saturating_sub(self.last_mono).min(LEAP);
        self.last_mono = mono;
        // A call that changes nothing else.
        let online = self.driver.is_online();
        self.driver.set_online(online, now);
    }

    pub(crate) fn reply(&mut self, id: RequestId, say: Say) -> Response<Bytes> {
        let asked = self.sent.iter().find(|sent| sent.id == id);
        let user = match asked {
            Some(sent) if sent.uri.path().starts_with("/named/") => {
                sent.uri.path().trim_start_matches("/named/").to_owned()
            }
            Some(sent) if sent.uri.path().starts_with("/app/") => {
                sent.uri.path().trim_start_matches("/app/").to_owned()
            }
            // Who is behind a cookie, the server knows.
            Some(sent) => format!("cookie-{}", sent.secret.last().copied().unwrap_or(b'0')),
            None => "user-0".to_owned(),
        };
        self.tokens += 1;
        let token = format!("{SECRET}-{}-{user}", self.tokens);
        let dated = HeaderValue::try_from(http_date(self.truth)).unwrap();
        let (status, body) = match say {
            Say::Grant(s) | Say::GrantUndated(s) => {
                (200, granting(&token, &user, Some(self.expiry(s))))
            }
            Say::GrantUnstated => (201, granting(&token, &user, None)),
            Say::GrantDead => {
                let dead = self.truth - 3_600_000;
                (200, granting(&token, &user, Some(timestamp(dead))))
            }
            Say::GrantForAnother(s) => (
                200,
                granting(&format!("{token}-else"), &format!("{user}-else"), Some(self.expiry(s))),
            ),
            Say::Deny(204, _) => (204, String::new()),
            Say::Deny(status, _) => (status, format!(r#"{{"error":"{SECRET}"}}"#)),
            Say::Portal => (200, format!("<html>{SECRET}</html>")),
            Say::CutOff => (200, format!(r#"{{"sessionToken":"{token}"#)),
        };
        let mut reply = Response::new(Bytes::from(body));
        *reply.status_mut() = status.try_into().unwrap();
        if !matches!(say, Say::GrantUndated(_)) {
            reply.headers_mut().insert(DATE, dated);
        }
        if let Say::Deny(_, Some(wait)) = say {
            reply.headers_mut().insert(RETRY_AFTER, wait.into());
        }
        reply
    }

    fn expiry(&self, seconds: u32) -> String {
        timestamp(self.truth + i64::from(seconds) * 1_000)
    }

    /// The token that an API request gets now.
    pub(crate) fn token(&self) -> Option<String> {
        let mut request = Request::get("https://api.example/v1/videos").body(()).unwrap();
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer stray"));
        let authorized = self.driver.authorize(&mut request, self.now);
        let header = request.headers().get(AUTHORIZATION);
        assert_eq!(authorized.is_ok(), header.is_some(), "a header without authorization");
        Some(header?.to_str().unwrap().trim_start_matches("Bearer ").to_owned())
    }

    pub(crate) fn view(&self) -> View {
        View {
            state: self.driver.state(),
            token: self.token(),
            generation: self.driver.generation(),
            identity: self.driver.identity().cloned(),
            stalled: self.driver.stalled(),
            counters: self.driver.counters(),
            queued: self.driver.queued(),
            epoch: self.driver.epoch(),
            canonical: self.driver.canonical(self.now),
        }
    }
}

/// Plays a sequence, and shows each step to a rule.
pub(crate) fn play<E>(
    sequence: &Sequence,
    policy: Policy,
    seed: u64,
    mut rule: impl FnMut(&Step<'_>) -> Result<(), E>,
) -> Result<World, E> {
    let mut world = World::new(policy, seed);
    let mut view = world.view();
    for op in sequence.steps() {
        let (before, live_before) = (view, world.live);
        let happened = world.apply(op);
        view = world.view();
        let after = view.clone();
        rule(&Step { op, before, after, seen: &happened, live_before, world: &world })?;
    }
    Ok(world)
}

fn config() -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Arc::new(Config::builder(origin).build().unwrap())
}

fn granting(token: &str, user: &str, expires_at: Option<String>) -> String {
    let expires_at = expires_at.map_or(String::new(), |at| format!(r#","expiresAt":"{at}""#));
    format!(r#"{{"sessionToken":"{token}","identity":"{user}"{expires_at}}}"#)
}

fn timestamp(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).unwrap().to_string()
}

fn http_date(millis: i64) -> String {
    let since_1970 = std::time::Duration::from_millis(millis.try_into().unwrap());
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + since_1970)
}

pub(crate) fn user(number: u8) -> Identity {
    Identity::new(format!("user-{number}")).unwrap()
}

fn start(who: Who) -> Start {
    match who {
        Who::Token(number) => SessionToken::new(format!("{SECRET}-bare-{number}")).unwrap().into(),
        Who::TokenOf { user: of, number } => {
            let token = SessionToken::new(format!("{SECRET}-{number}-user-{of}")).unwrap();
            Grant::new(token).with_identity(user(of)).into()
        }
        _ => credentials(who).into(),
    }
}

fn credentials(who: Who) -> Credentials {
    let endpoint = |path: String| Endpoint::https(format!("https://login.example{path}")).unwrap();
    let cookie = |number: u8| HeaderValue::try_from(format!("{SECRET}={number}")).unwrap();
    match who {
        Who::App { user: of, secret } => {
            let token = ApiToken::new(format!("{SECRET}-{secret}")).unwrap();
            let gateway =
                Gateway::new(token, user(of)).endpoint(endpoint(format!("/app/user-{of}")));
            Credentials::for_development(gateway)
        }
        Who::Cookie(number) => Credentials::backend(
            Backend::new(endpoint("/me".into())).header(COOKIE, cookie(number)),
        ),
        Who::Named { user: of, cookie: number } => {
            let backend = Backend::new(endpoint(format!("/named/user-{of}"))).identity(user(of));
            Credentials::backend(backend.header(COOKIE, cookie(number)))
        }
        Who::Broken | Who::Token(_) | Who::TokenOf { .. } => Credentials::custom(Arc::new(Broken)),
    }
}

/// An exchange that has nothing to ask.
struct Broken;

impl Exchange for Broken {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        Err(BuildError::Custom("nothing to ask with"))
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        Err(reply.granting_body(0).expect_err("no body is short enough"))
    }
}

/// Only for the sake of `Op::Fail` in tests that name one.
pub(crate) const UNREACHABLE: TransportFailure = TransportFailure::Unreachable;
