//! A typed session that is driven by hand, its untyped twin, and in the end a driver that takes the twin
//! over: given the same, they say the same.

mod typed;

use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use http::Response;
use videokit_session::driver::{Policy, Start};
use videokit_session::exchange::Denial;
use videokit_session::session::transitions::TABLE;
use videokit_session::session::{
    AdoptError, Advance, AuthorizeError, Input, ReceiveError, Rejection, RenewError, RequestId,
    SendError, Step, TypedSession,
};
use videokit_session::sim::{Answer, Login, SECRET, To};
use videokit_session::{
    Active, AllowedOrigin, AnySession, Authenticating, Config, Credentials, Driver, Expired, Grant,
    Identity, Moment, Outgoing, Output, Session, SessionToken, TransportFailure, Unauthenticated,
};

use typed::{Typed, Untyped, any_of};

const MOST_STEPS: usize = 64;

/// 2026-11-24T04:00:00Z, in milliseconds since 1970.
const T0: i64 = 1_795_492_800_000;

/// One thing that is done to both.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Op {
    Authenticate(Who),
    /// Authenticates with the credentials that are known.
    Reauthenticate,
    /// Renews with them.
    Renew,
    /// A token for so many seconds, or without a word about its life.
    Adopt(Who, Option<u16>),
    /// The next request is made with others.
    SetCredentials(Who),
    Answer(To, Say),
    Fail(To, TransportFailure),
    Advance,
    Stop,
    /// Seconds pass on both clocks.
    Pass(u16),
    /// A reading of the clocks that is nonsense.
    Nonsense(Moment),
}

/// A reply, most often a good one.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Say {
    Grant(u8),
    Any(Answer),
}

/// One of two users, with one of a few logins.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Who {
    user: u8,
    login: u8,
}

pub(crate) fn check(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut pair = Pair::new(u64::arbitrary(&mut input).unwrap_or(0));
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        let Ok(op) = Op::arbitrary(&mut input) else { break };
        pair.apply(op);
    }
    pair.hand_over();
}

/// What came of an input, whichever way it was given.
#[derive(Debug, PartialEq)]
enum StepResult {
    Sent(Outgoing),
    Granted(Credentials),
    Denied(Denial, Credentials),
    Moved,
    Unchanged,
    Stale,
    NotSent(SendError),
    NotAdopted(AdoptError),
    /// There is no such method.
    Meaningless,
}

impl From<Step> for StepResult {
    fn from(step: Step) -> Self {
        match step {
            Step::Sent(_, outgoing) => Self::Sent(outgoing),
            Step::Granted(_, next) => Self::Granted(next),
            Step::Denied(_, denial, next) => Self::Denied(denial, next),
            Step::Moved(_) => Self::Moved,
            Step::Unchanged => Self::Unchanged,
            Step::Rejected(Rejection::Misuse(_)) => Self::Meaningless,
            Step::Rejected(Rejection::Stale(_)) => Self::Stale,
            Step::Rejected(Rejection::NotSent(why)) => Self::NotSent(why),
            Step::Rejected(Rejection::NotAdopted(why)) => Self::NotAdopted(why),
            Step::Rejected(other) => panic!("{other:?}"),
        }
    }
}

struct Pair {
    by_hand: TypedSession,
    any: AnySession,
    now: Moment,
    /// What the next request is made with, as far as it isn't said.
    credentials: Credentials,
    /// What the last request was made with.
    asked_with: Credentials,
    /// Whom the first token that was held is for, until a stop.
    held: Option<Identity>,
    sent: Vec<RequestId>,
    foreign: RequestId,
    tokens: u32,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let config = config();
        let now = Moment::from_millis(5_000, T0);
        let other = Session::new(Arc::clone(&config), !seed);
        let credentials = credentials(0, 0);
        let (_, outgoing) = other.authenticate(&credentials, now).unwrap();
        Self {
            by_hand: TypedSession::Unauthenticated(Session::new(Arc::clone(&config), seed)),
            any: AnySession::new(config, seed),
            now,
            asked_with: credentials.clone(),
            credentials,
            held: None,
            sent: Vec::new(),
            foreign: outgoing.id(),
            tokens: 0,
        }
    }

    fn apply(&mut self, op: Op) {
        let mut now = self.now;
        let input = match op {
            Op::Pass(seconds) => {
                self.now = now.after(Duration::from_secs(seconds.into()));
                return self.compare();
            }
            Op::SetCredentials(who) => {
                self.credentials = who.credentials();
                return self.compare();
            }
            Op::Nonsense(moment) => {
                now = moment;
                Input::Advance
            }
            Op::Authenticate(who) => Input::Authenticate(who.credentials()),
            Op::Reauthenticate => Input::Authenticate(self.credentials.clone()),
            Op::Renew => Input::Renew(self.credentials.clone()),
            Op::Adopt(who, seconds) => Input::Adopt(self.grant(who, seconds)),
            Op::Answer(to, say) => Input::Reply(self.addressee(to), self.reply(say)),
            Op::Fail(to, why) => Input::Failure(self.addressee(to), why),
            Op::Advance => Input::Advance,
            Op::Stop => Input::Stop,
        };
        self.step(input, now);
        self.compare();
    }

    /// Gives both the same.
    fn step(&mut self, input: Input, now: Moment) {
        let (before, last) = (self.any.state(), self.any.last_transition());
        let step = self.any.step(input.clone(), now);
        let done = match &step {
            Step::Sent(done, _)
            | Step::Granted(done, _)
            | Step::Denied(done, ..)
            | Step::Moved(done) => Some(*done),
            _ => None,
        };
        match done {
            Some(done) => {
                assert!(TABLE.contains(&done), "{done:?} is in no row of the table");
                assert_eq!((done.from, done.to), (before, self.any.state()));
                assert_eq!(self.any.last_transition(), Some(done));
            }
            None => assert_eq!((self.any.state(), self.any.last_transition()), (before, last)),
        }
        let shown = format!("{step:?} {input:?}");
        assert!(!shown.contains(SECRET), "{shown}");
        self.note(&input, &step);
        let placeholder = TypedSession::Unauthenticated(Session::new(config(), 0));
        let by_hand = std::mem::replace(&mut self.by_hand, placeholder);
        let (by_hand, said) = by_hand_step(by_hand, input, now);
        self.by_hand = by_hand;
        assert_eq!(StepResult::from(step), said);
    }

    /// The credentials come back from each reply, and the identity of a login is kept until a stop.
    fn note(&mut self, input: &Input, step: &Step) {
        match (input, step) {
            (Input::Authenticate(with) | Input::Renew(with), Step::Sent(_, outgoing)) => {
                self.sent.push(outgoing.id());
                self.asked_with = with.clone();
                self.credentials = with.clone();
            }
            (_, Step::Granted(_, next) | Step::Denied(_, _, next)) => {
                let rotates = self.asked_with.exchange().is_single_use();
                assert!(
                    rotates || *next == self.asked_with,
                    "{next:?} after {:?}",
                    self.asked_with
                );
                self.credentials = next.clone();
            }
            _ => {}
        }
        match (input, step) {
            (Input::Stop, _) => self.held = None,
            (_, Step::Granted(..)) | (Input::Adopt(_), Step::Moved(_)) => {
                let named = self.any.identity().cloned();
                assert!(
                    self.held.is_none() || named == self.held,
                    "{named:?} after {:?}",
                    self.held
                );
                self.held = named;
            }
            _ => {}
        }
        let kept = self.held.is_none() || self.any.identity() == self.held.as_ref();
        assert!(kept, "{:?} after {:?}", self.any.identity(), self.held);
    }

    /// Both look the same from outside, as an `AnySession` and in the type that it is.
    fn compare(&mut self) {
        let now = self.now;
        let before = Untyped::of(&self.any, now);
        let placeholder = AnySession::new(config(), 0);
        let session = std::mem::replace(&mut self.any, placeholder).into_typed();
        let typed = Typed::of(&session, now);
        assert_eq!(typed, Typed::of(&self.by_hand, now));
        self.any = any_of(session);
        assert_eq!(Untyped::of(&self.any, now), before, "there and back");
        assert_eq!(
            (before.state, before.last, before.in_flight),
            (typed.state, typed.last, typed.in_flight)
        );
        assert_eq!(before.identity, typed.identity);
        let token = typed.token.as_ref();
        assert_eq!(before.generation, token.map(|token| token.generation));
        assert_eq!(before.remaining, token.map(|token| token.remaining));
        let not_active = Err(AuthorizeError::NotActive(typed.state));
        assert_eq!(before.header, token.map_or(not_active, |token| token.header.clone()));
        // It shows the same, but for what only the state knows.
        let rest = typed.shown.split_once(", cause: ").map(|(_, rest)| rest);
        let shown = format!("Session {{ state: {}, cause: {}", typed.state, rest.unwrap());
        assert_eq!(before.shown, shown);
    }

    /// A driver that takes the session over has the same token, and gives the same session back.
    fn hand_over(mut self) {
        let (state, last) = (self.any.state(), self.any.last_transition());
        let placeholder = AnySession::new(config(), 0);
        let any = std::mem::replace(&mut self.any, placeholder);
        let identity = any.identity().cloned();
        // The driver takes the credentials of a request in flight, and whom they state.
        let in_flight = any.in_flight().map(|_| &self.asked_with);
        let stated = in_flight.and_then(|credentials| credentials.exchange().identity());
        let driver = Driver::from_session(any, Policy::default());
        assert_eq!(driver.identity(), identity.as_ref().or(stated));
        assert_eq!((driver.state(), driver.last_transition()), (state, last));
        let authorized = token_by_hand(&self.by_hand, self.now);
        assert_eq!(token_of(&driver, self.now), authorized);
        self.any = driver.into_session();
        assert_eq!((self.any.state(), self.any.last_transition()), (state, last));
        self.compare();
        // It goes on from there: without credentials it asks for nothing, and with them once at most.
        let asking = self.any.in_flight().is_some();
        let mut driver = Driver::from_session(self.any, Policy::default());
        let without = requests(&mut driver, self.now);
        assert!(asking || without == 0, "{without} requests without credentials");
        driver.set_credentials(self.credentials, self.now);
        let with = requests(&mut driver, self.now);
        assert!(without + with <= 1, "{without} requests, and then {with}");
    }

    fn addressee(&self, to: To) -> RequestId {
        let mut latest_first = self.sent.iter().rev().copied();
        let named = match to {
            To::Live => latest_first.next(),
            To::Old(back) => latest_first.nth(usize::from(back % 4) + 1),
            To::Foreign => None,
        };
        named.unwrap_or(self.foreign)
    }

    /// A reply for whom the session is, as far as that is known.
    fn reply(&mut self, say: Say) -> Response<Bytes> {
        self.tokens += 1;
        let answer = match say {
            Say::Grant(minutes) => Answer::Grant(60 * u32::from(minutes)),
            Say::Any(answer) => answer,
        };
        let named = self.any.identity().map_or("user-0".to_owned(), ToString::to_string);
        answer.reply(&format!("{SECRET}-{}", self.tokens), &named, self.now.wall_millis())
    }

    fn grant(&mut self, who: Who, seconds: Option<u16>) -> Grant {
        self.tokens += 1;
        let token = SessionToken::new(format!("{SECRET}-{}", self.tokens)).unwrap();
        let Start::Token(named) = (Login::TokenOf { user: who.user % 2, number: 0 }).start() else {
            panic!("a token is a token")
        };
        let grant = Grant::new(token);
        let grant = match named.identity().filter(|_| who.login.is_multiple_of(2)) {
            Some(identity) => grant.with_identity(identity.clone()),
            None => grant,
        };
        // Seconds after the full hour, whatever time it is.
        match seconds {
            Some(at) => {
                grant.with_expires_at(format!("2026-11-24T04:{:02}:{:02}Z", at / 60 % 60, at % 60))
            }
            None => grant,
        }
    }
}

fn by_hand_step(session: TypedSession, input: Input, now: Moment) -> (TypedSession, StepResult) {
    match session {
        TypedSession::Unauthenticated(session) => unauthenticated(session, input, now),
        TypedSession::Authenticating(session) => authenticating(session, input, now),
        TypedSession::Active(session) => active(session, input, now),
        TypedSession::Expired(session) => expired(session, input, now),
    }
}

fn token_by_hand(session: &TypedSession, now: Moment) -> Option<String> {
    let TypedSession::Active(session) = session else { return None };
    let mut call = http::Request::get("https://api.example/").body(()).unwrap();
    session.authorize(&mut call, now).ok()?;
    Some(call.headers()["authorization"].to_str().unwrap().to_owned())
}

/// How many requests a driver makes before it waits.
fn requests(driver: &mut Driver, now: Moment) -> usize {
    let outputs = std::iter::repeat_with(|| driver.poll(now)).take(20);
    let outputs: Vec<_> = outputs.take_while(|output| !matches!(output, Output::Wait(_))).collect();
    assert!(outputs.len() < 20, "it never waits: {outputs:?}");
    outputs.iter().filter(|output| matches!(output, Output::Send(_))).count()
}

fn token_of(driver: &Driver, now: Moment) -> Option<String> {
    let origin = &driver.config().origins()[0];
    let authorization = driver.authorization(origin, now).ok()?;
    Some(authorization.value().to_str().unwrap().to_owned())
}

fn unauthenticated(
    session: Session<Unauthenticated>,
    input: Input,
    now: Moment,
) -> (TypedSession, StepResult) {
    let unchanged = |session, said| (TypedSession::Unauthenticated(session), said);
    match input {
        Input::Authenticate(credentials) => match session.authenticate(&credentials, now) {
            Ok((session, outgoing)) => {
                (TypedSession::Authenticating(session), StepResult::Sent(outgoing))
            }
            Err(rejected) => {
                let (session, why) = rejected.into_parts();
                unchanged(session, StepResult::NotSent(why))
            }
        },
        Input::Adopt(grant) => match session.adopt(grant, now) {
            Ok(session) => (TypedSession::Active(session), StepResult::Moved),
            Err(rejected) => {
                let (session, why) = rejected.into_parts();
                unchanged(session, StepResult::NotAdopted(why))
            }
        },
        // Nothing is in flight, nothing passes, and there is nothing to stop.
        Input::Reply(..) | Input::Failure(..) => unchanged(session, StepResult::Stale),
        Input::Advance => unchanged(session, StepResult::Unchanged),
        Input::Stop => unchanged(session.stop(), StepResult::Unchanged),
        _ => unchanged(session, StepResult::Meaningless),
    }
}

fn authenticating(
    session: Session<Authenticating>,
    input: Input,
    now: Moment,
) -> (TypedSession, StepResult) {
    let unchanged = |session, said| (TypedSession::Authenticating(session), said);
    match input {
        Input::Reply(id, reply) => match session.receive(id, &reply, now) {
            Ok((session, next)) => (TypedSession::Active(session), StepResult::Granted(next)),
            Err(ReceiveError::Stale(rejected)) => {
                unchanged(rejected.into_session(), StepResult::Stale)
            }
            Err(ReceiveError::Denied(rejected, next)) => {
                let (session, denial) = rejected.into_parts();
                (TypedSession::Unauthenticated(session), StepResult::Denied(denial, next))
            }
        },
        Input::Failure(id, why) => match session.fail(id, why, now) {
            Ok(session) => (TypedSession::Unauthenticated(session), StepResult::Moved),
            Err(rejected) => unchanged(rejected.into_session(), StepResult::Stale),
        },
        Input::Stop => (TypedSession::Unauthenticated(session.stop()), StepResult::Moved),
        Input::Advance => unchanged(session, StepResult::Unchanged),
        _ => unchanged(session, StepResult::Meaningless),
    }
}

fn active(mut session: Session<Active>, input: Input, now: Moment) -> (TypedSession, StepResult) {
    let said = match input {
        Input::Renew(credentials) => {
            session.renew(&credentials, now).map_or_else(StepResult::NotSent, StepResult::Sent)
        }
        Input::Reply(id, reply) => match session.receive(id, &reply, now) {
            Ok((generation, next)) => {
                assert_eq!(generation, session.generation());
                StepResult::Granted(next)
            }
            Err(RenewError::Stale(_)) => StepResult::Stale,
            Err(RenewError::Denied(denial, next)) => StepResult::Denied(denial, next),
        },
        Input::Failure(id, why) => {
            session.fail(id, why, now).map_or(StepResult::Stale, |()| StepResult::Moved)
        }
        Input::Adopt(grant) => {
            session.replace(grant, now).map_or_else(StepResult::NotAdopted, |_| StepResult::Moved)
        }
        Input::Advance => {
            return match session.advance(now) {
                Advance::Live(session) => (TypedSession::Active(session), StepResult::Unchanged),
                Advance::Lapsed(session) => (TypedSession::Expired(session), StepResult::Moved),
                Advance::Reauthenticating(session) => {
                    (TypedSession::Authenticating(session), StepResult::Moved)
                }
            };
        }
        Input::Stop => return (TypedSession::Unauthenticated(session.stop()), StepResult::Moved),
        _ => StepResult::Meaningless,
    };
    (TypedSession::Active(session), said)
}

fn expired(session: Session<Expired>, input: Input, now: Moment) -> (TypedSession, StepResult) {
    let unchanged = |session, said| (TypedSession::Expired(session), said);
    match input {
        Input::Authenticate(credentials) => match session.authenticate(&credentials, now) {
            Ok((session, outgoing)) => {
                (TypedSession::Authenticating(session), StepResult::Sent(outgoing))
            }
            Err(rejected) => {
                let (session, why) = rejected.into_parts();
                unchanged(session, StepResult::NotSent(why))
            }
        },
        Input::Adopt(grant) => match session.adopt(grant, now) {
            Ok(session) => (TypedSession::Active(session), StepResult::Moved),
            Err(rejected) => {
                let (session, why) = rejected.into_parts();
                unchanged(session, StepResult::NotAdopted(why))
            }
        },
        Input::Stop => (TypedSession::Unauthenticated(session.stop()), StepResult::Moved),
        Input::Reply(..) | Input::Failure(..) => unchanged(session, StepResult::Stale),
        Input::Advance => unchanged(session, StepResult::Unchanged),
        _ => unchanged(session, StepResult::Meaningless),
    }
}

fn config() -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Arc::new(Config::builder(origin).build().unwrap())
}

impl Who {
    fn credentials(self) -> Credentials {
        credentials(self.user % 2, self.login)
    }
}

fn credentials(user: u8, login: u8) -> Credentials {
    let login = match (login, login % 8) {
        (224..240, _) => Login::Rotating { user, number: login - 224 },
        (_, 0..4) => Login::App { user, secret: login % 2 },
        (_, 4) => Login::Unbuildable,
        (_, 5) => Login::Named { user, cookie: 0 },
        _ => Login::Cookie(user),
    };
    match login.start() {
        Start::Exchange(credentials) => credentials,
        Start::Token(_) => panic!("these are credentials"),
    }
}
