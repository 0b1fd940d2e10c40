//! A typed session that is driven by hand, its untyped twin, and in the end a driver that takes the twin
//! over: given the same, they say the same.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use http::Response;
use videokit_session::driver::{Policy, Start};
use videokit_session::exchange::Denial;
use videokit_session::session::transitions::{StateName, TABLE};
use videokit_session::session::{
    AdoptError, Advance, Input, ReceiveError, Rejection, RenewError, RequestId, SendError, Step,
    TypedSession,
};
use videokit_session::sim::{Answer, Login, SECRET, To};
use videokit_session::{
    Active, AllowedOrigin, AnySession, Authenticating, Config, Credentials, Driver, Expired, Grant,
    Identity, Moment, Outgoing, Output, Session, SessionToken, TransportFailure, Unauthenticated,
};

const MOST_STEPS: usize = 64;

/// 2026-11-24T04:00:00Z, in milliseconds since 1970.
const T0: i64 = 1_795_492_800_000;

/// One thing that is done to both.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Op {
    Authenticate(Who),
    Renew(Who),
    /// A token for so many seconds, or without a word about its life.
    Adopt(Who, Option<u16>),
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

/// One of two users, with one of four logins.
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
enum Said {
    Sent(Outgoing),
    Moved,
    Granted(Credentials),
    Denied(Denial, Credentials),
    Unchanged,
    Stale,
    NotSent(SendError),
    NotAdopted(AdoptError),
    /// There is no such method.
    Meaningless,
}

impl From<Step> for Said {
    fn from(step: Step) -> Self {
        match step {
            Step::Sent(_, outgoing) => Self::Sent(outgoing),
            Step::Moved(_) => Self::Moved,
            Step::Granted(_, credentials) => Self::Granted(credentials),
            Step::Denied(_, denial, credentials) => Self::Denied(denial, credentials),
            Step::Unchanged => Self::Unchanged,
            Step::Rejected(Rejection::Misuse(_)) => Self::Meaningless,
            Step::Rejected(Rejection::Stale(_)) => Self::Stale,
            Step::Rejected(Rejection::NotSent(why)) => Self::NotSent(why),
            Step::Rejected(Rejection::NotAdopted(error)) => Self::NotAdopted(error),
            Step::Rejected(other) => panic!("{other:?}"),
        }
    }
}

struct Pair {
    by_hand: TypedSession,
    any: AnySession,
    now: Moment,
    sent: Vec<RequestId>,
    /// Whom the session has held a token for, since it was stopped: it may be nobody else's.
    held: Option<Identity>,
    foreign: RequestId,
    tokens: u32,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let config = config();
        let now = Moment::from_millis(5_000, T0);
        let other = Session::new(Arc::clone(&config), !seed);
        let (_, outgoing) = other.authenticate(&credentials(0, 0), now).unwrap();
        Self {
            by_hand: TypedSession::Unauthenticated(Session::new(Arc::clone(&config), seed)),
            any: AnySession::new(config, seed),
            now,
            sent: Vec::new(),
            held: None,
            foreign: outgoing.id(),
            tokens: 0,
        }
    }

    fn apply(&mut self, op: Op) {
        let mut now = self.now;
        let input = match op {
            Op::Pass(seconds) => {
                self.now = now.after(std::time::Duration::from_secs(seconds.into()));
                self.compare();
                return;
            }
            Op::Nonsense(moment) => {
                now = moment;
                Input::Advance
            }
            Op::Authenticate(who) => Input::Authenticate(who.credentials()),
            Op::Renew(who) => Input::Renew(who.credentials()),
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
        let stops = matches!(input, Input::Stop);
        let step = self.any.step(input.clone(), now);
        let done = match &step {
            Step::Sent(done, _)
            | Step::Moved(done)
            | Step::Granted(done, _)
            | Step::Denied(done, ..) => Some(*done),
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
        let placeholder = TypedSession::Unauthenticated(Session::new(config(), 0));
        let by_hand = std::mem::replace(&mut self.by_hand, placeholder);
        let (by_hand, said) = step_by_hand(by_hand, input, now);
        self.by_hand = by_hand;
        if let Said::Sent(outgoing) = &said {
            self.sent.push(outgoing.id());
        }
        assert_eq!(Said::from(step), said);
        if stops {
            self.held = None;
        }
        let identity = self.any.identity();
        assert!(self.held.is_none() || self.held.as_ref() == identity, "{:?}", self.held);
        if self.any.generation().is_some() {
            self.held = identity.cloned();
        }
    }

    /// Both look the same from outside. The untyped one becomes a typed one, and untyped again.
    fn compare(&mut self) {
        let now = self.now;
        let any = std::mem::replace(&mut self.any, AnySession::new(config(), 0));
        let seen = (any.state(), any.in_flight(), any.identity().cloned());
        let shown = format!("{any:?}");
        assert!(
            shown.starts_with(&format!("Session {{ state: {}, cause: ", any.state())),
            "{shown}"
        );
        let token = any.generation().zip(any.remaining(now));
        let typed = any.into_typed();
        let by_hand = look(&self.by_hand, now);
        assert_eq!(look(&typed, now), by_hand);
        assert_eq!((by_hand.0, by_hand.1, by_hand.2), seen);
        if let (TypedSession::Active(session), TypedSession::Active(by_hand)) =
            (&typed, &self.by_hand)
        {
            assert_eq!(use_of(session, now), use_of(by_hand, now));
            assert_eq!(token, Some((session.generation(), session.remaining(now))));
        } else {
            assert_eq!(token, None);
        }
        self.any = match typed {
            TypedSession::Unauthenticated(session) => session.into(),
            TypedSession::Authenticating(session) => session.into(),
            TypedSession::Active(session) => session.into(),
            TypedSession::Expired(session) => session.into(),
        };
    }

    /// A driver that takes the session over has the same token, and gives the same session back.
    fn hand_over(mut self) {
        let (state, last) = (self.any.state(), self.any.last_transition());
        let identity = self.any.identity().cloned();
        let none = AnySession::new(config(), 0);
        let driver =
            Driver::from_session(std::mem::replace(&mut self.any, none), Policy::default());
        assert_eq!(driver.state(), state);
        assert_eq!(driver.identity(), identity.as_ref());
        let authorized = token_by_hand(&self.by_hand, self.now);
        assert_eq!(token_of(&driver, self.now), authorized);
        self.any = driver.into_session();
        assert_eq!((self.any.state(), self.any.last_transition()), (state, last));
        self.compare();
        // It goes on from there, with one request at most.
        let mut driver = Driver::from_session(self.any, Policy::default());
        let outputs = std::iter::repeat_with(|| driver.poll(self.now)).take(20);
        let outputs: Vec<_> =
            outputs.take_while(|output| !matches!(output, Output::Wait(_))).collect();
        assert!(outputs.len() < 20, "it never waits: {outputs:?}");
        let sent = outputs.iter().filter(|output| matches!(output, Output::Send(_)));
        assert!(sent.count() <= 1, "{outputs:?}");
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

fn step_by_hand(session: TypedSession, input: Input, now: Moment) -> (TypedSession, Said) {
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

fn token_of(driver: &Driver, now: Moment) -> Option<String> {
    let origin = &driver.config().origins()[0];
    let authorization = driver.authorization(origin, now).ok()?;
    Some(authorization.value().to_str().unwrap().to_owned())
}

type Look = (StateName, Option<RequestId>, Option<Identity>, String);

/// What can be seen of a session in any state.
fn look(session: &TypedSession, now: Moment) -> Look {
    let (state, in_flight, identity, shown) = match session {
        TypedSession::Unauthenticated(session) => {
            (session.state(), None, session.identity(), format!("{session:?}"))
        }
        TypedSession::Authenticating(session) => {
            assert_eq!(session.is_overdue(now), session.overdue_in(now).is_zero());
            let in_flight = Some(session.in_flight());
            (session.state(), in_flight, session.identity(), format!("{session:?}"))
        }
        TypedSession::Active(session) => {
            (session.state(), session.in_flight(), session.identity(), format!("{session:?}"))
        }
        TypedSession::Expired(session) => {
            (session.state(), None, session.identity(), format!("{session:?}"))
        }
    };
    (state, in_flight, identity.cloned(), shown)
}

/// Everything that an active session can be asked about its token.
fn use_of(session: &Session<Active>, now: Moment) -> impl PartialEq + core::fmt::Debug {
    let origin = &session.config().origins()[0];
    let header = session.authorization(origin, now);
    (
        header.map(|header| (header.value().as_bytes().to_vec(), header.authorized())),
        (session.generation(), session.remaining(now), session.validity(now)),
        (session.renewal_due_in(now), session.lapses_in(now), session.overdue_in(now)),
        session.granted_scopes().cloned(),
    )
}

fn unauthenticated(
    session: Session<Unauthenticated>,
    input: Input,
    now: Moment,
) -> (TypedSession, Said) {
    let stay = |session, said| (TypedSession::Unauthenticated(session), said);
    match input {
        Input::Authenticate(credentials) => match session.authenticate(&credentials, now) {
            Ok((session, outgoing)) => {
                (TypedSession::Authenticating(session), Said::Sent(outgoing))
            }
            Err(rejected) => {
                let (session, why) = rejected.into_parts();
                stay(session, Said::NotSent(why))
            }
        },
        Input::Adopt(grant) => match session.adopt(grant, now) {
            Ok(session) => (TypedSession::Active(session), Said::Moved),
            Err(rejected) => {
                let (session, error) = rejected.into_parts();
                stay(session, Said::NotAdopted(error))
            }
        },
        // Nothing is in flight, nothing passes, and a stop is no transition.
        Input::Reply(..) | Input::Failure(..) => stay(session, Said::Stale),
        Input::Stop => stay(session.stop(), Said::Unchanged),
        Input::Advance => stay(session, Said::Unchanged),
        _ => stay(session, Said::Meaningless),
    }
}

fn authenticating(
    session: Session<Authenticating>,
    input: Input,
    now: Moment,
) -> (TypedSession, Said) {
    let stay = |session, said| (TypedSession::Authenticating(session), said);
    match input {
        Input::Reply(id, reply) => match session.receive(id, &reply, now) {
            Ok((session, credentials)) => {
                (TypedSession::Active(session), Said::Granted(credentials))
            }
            Err(ReceiveError::Stale(rejected)) => stay(rejected.into_session(), Said::Stale),
            Err(ReceiveError::Denied(rejected, credentials)) => {
                let (session, denial) = rejected.into_parts();
                (TypedSession::Unauthenticated(session), Said::Denied(denial, credentials))
            }
        },
        Input::Failure(id, why) => match session.fail(id, why, now) {
            Ok(session) => (TypedSession::Unauthenticated(session), Said::Moved),
            Err(rejected) => stay(rejected.into_session(), Said::Stale),
        },
        Input::Stop => (TypedSession::Unauthenticated(session.stop()), Said::Moved),
        Input::Advance => stay(session, Said::Unchanged),
        _ => stay(session, Said::Meaningless),
    }
}

fn active(mut session: Session<Active>, input: Input, now: Moment) -> (TypedSession, Said) {
    let said = match input {
        Input::Renew(credentials) => {
            session.renew(&credentials, now).map_or_else(Said::NotSent, Said::Sent)
        }
        Input::Reply(id, reply) => match session.receive(id, &reply, now) {
            Ok((generation, credentials)) => {
                assert_eq!(generation, session.generation());
                Said::Granted(credentials)
            }
            Err(RenewError::Stale(_)) => Said::Stale,
            Err(RenewError::Denied(denial, credentials)) => Said::Denied(denial, credentials),
        },
        Input::Failure(id, why) => session.fail(id, why, now).map_or(Said::Stale, |()| Said::Moved),
        Input::Adopt(grant) => {
            session.replace(grant, now).map_or_else(Said::NotAdopted, |_| Said::Moved)
        }
        Input::Advance => {
            return match session.advance(now) {
                Advance::Live(session) => (TypedSession::Active(session), Said::Unchanged),
                Advance::Lapsed(session) => (TypedSession::Expired(session), Said::Moved),
                Advance::Reauthenticating(session) => {
                    (TypedSession::Authenticating(session), Said::Moved)
                }
            };
        }
        Input::Stop => return (TypedSession::Unauthenticated(session.stop()), Said::Moved),
        _ => Said::Meaningless,
    };
    (TypedSession::Active(session), said)
}

fn expired(session: Session<Expired>, input: Input, now: Moment) -> (TypedSession, Said) {
    let stay = |session, said| (TypedSession::Expired(session), said);
    match input {
        Input::Authenticate(credentials) => match session.authenticate(&credentials, now) {
            Ok((session, outgoing)) => {
                (TypedSession::Authenticating(session), Said::Sent(outgoing))
            }
            Err(rejected) => {
                let (session, why) = rejected.into_parts();
                stay(session, Said::NotSent(why))
            }
        },
        Input::Adopt(grant) => match session.adopt(grant, now) {
            Ok(session) => (TypedSession::Active(session), Said::Moved),
            Err(rejected) => {
                let (session, error) = rejected.into_parts();
                stay(session, Said::NotAdopted(error))
            }
        },
        Input::Stop => (TypedSession::Unauthenticated(session.stop()), Said::Moved),
        Input::Reply(..) | Input::Failure(..) => stay(session, Said::Stale),
        Input::Advance => stay(session, Said::Unchanged),
        _ => stay(session, Said::Meaningless),
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
    let login = match login % 8 {
        0..3 => Login::App { user, secret: login % 2 },
        3 => Login::Rotating { user, number: 0 },
        4 => Login::Broken,
        5 => Login::Named { user, cookie: 0 },
        _ => Login::Cookie(user),
    };
    match login.start() {
        Start::Exchange(credentials) => credentials,
        Start::Token(_) => panic!("these are credentials"),
    }
}
