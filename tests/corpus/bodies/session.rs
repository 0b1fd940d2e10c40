//! A typed session that is driven by hand, its untyped twin, and in the end a driver that takes the twin
//! over: given the same, they say the same.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use http::Response;
use videokit_session::driver::{Policy, Start};
use videokit_session::exchange::{Denial, Flaw};
use videokit_session::session::transitions::TABLE;
use videokit_session::session::{
    Advance, Input, NotActive, NotRenewed, NotSent, Rejection, RequestId, Step,
};
use videokit_session::sim::{Answer, Login, SECRET, To};
use videokit_session::{
    Active, AllowedOrigin, AnySession, Authenticating, Config, Credentials, Driver, Expired, Grant,
    Moment, Outgoing, Output, Session, SessionToken, TransportFailure, Unauthenticated,
};

const MOST_STEPS: usize = 64;

/// 2026-11-24T04:00:00Z, in milliseconds since 1970.
const T0: i64 = 1_795_492_800_000;

/// One thing that is done to both.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Op {
    Authenticate(Who),
    Reauthenticate,
    Renew,
    /// A token for so many seconds, or without a word about its life.
    Adopt(Who, Option<u16>),
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

/// A session in one of the four types.
enum ByHand {
    Unauthenticated(Session<Unauthenticated>),
    Authenticating(Session<Authenticating>),
    Active(Session<Active>),
    Expired(Session<Expired>),
}

/// What came of an input, whichever way it was given.
#[derive(Debug, PartialEq)]
enum Said {
    Sent(Outgoing),
    Moved,
    Denied(Denial),
    Unchanged,
    Stale,
    NotSent(NotSent),
    NotAdopted(Denial),
    NotSet(Flaw),
    /// There is no such method.
    Meaningless,
}

impl From<Step> for Said {
    fn from(step: Step) -> Self {
        match step {
            Step::Sent(_, outgoing) => Self::Sent(outgoing),
            Step::Moved(_) => Self::Moved,
            Step::Denied(_, denial) => Self::Denied(denial),
            Step::Unchanged => Self::Unchanged,
            Step::Rejected(Rejection::Misuse(_)) => Self::Meaningless,
            Step::Rejected(Rejection::Stale(_)) => Self::Stale,
            Step::Rejected(Rejection::NotSent(why)) => Self::NotSent(why),
            Step::Rejected(Rejection::Denied(denial)) => Self::NotAdopted(denial),
            Step::Rejected(Rejection::Credentials(flaw)) => Self::NotSet(flaw),
            Step::Rejected(other) => panic!("{other:?}"),
        }
    }
}

struct Pair {
    by_hand: ByHand,
    any: AnySession,
    now: Moment,
    sent: Vec<RequestId>,
    foreign: RequestId,
    tokens: u32,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let config = config();
        let now = Moment::from_millis(5_000, T0);
        let other = Session::new(Arc::clone(&config), !seed);
        let (_, outgoing) = other.authenticate(credentials(0, 0), now).unwrap();
        Self {
            by_hand: ByHand::Unauthenticated(Session::new(Arc::clone(&config), seed)),
            any: AnySession::new(config, seed),
            now,
            sent: Vec::new(),
            foreign: outgoing.id(),
            tokens: 0,
        }
    }

    fn apply(&mut self, op: Op) {
        let mut now = self.now;
        let input = match op {
            Op::Pass(seconds) => {
                self.now = now.after(std::time::Duration::from_secs(seconds.into()));
                return self.compare();
            }
            Op::Nonsense(moment) => {
                now = moment;
                Input::Advance
            }
            Op::Authenticate(who) => Input::Authenticate(who.credentials()),
            Op::Reauthenticate => Input::Reauthenticate,
            Op::Renew => Input::Renew,
            Op::Adopt(who, seconds) => Input::Adopt(self.grant(who, seconds)),
            Op::SetCredentials(who) => Input::SetCredentials(who.credentials()),
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
        let (any, step) = self.any.take().step(input.clone(), now);
        self.any = any;
        let done = match &step {
            Step::Sent(done, _) | Step::Moved(done) | Step::Denied(done, _) => Some(*done),
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
        let placeholder = ByHand::Unauthenticated(Session::new(config(), 0));
        let by_hand = std::mem::replace(&mut self.by_hand, placeholder);
        let (by_hand, said) = by_hand.step(input, now);
        self.by_hand = by_hand;
        if let Said::Sent(outgoing) = &said {
            self.sent.push(outgoing.id());
        }
        assert_eq!(Said::from(step), said);
    }

    /// Both look the same from outside.
    fn compare(&self) {
        let (now, shown) = (self.now, format!("{:?}", self.any));
        let (state, by_hand) = match &self.by_hand {
            ByHand::Unauthenticated(session) => (session.state(), format!("{session:?}")),
            ByHand::Authenticating(session) => {
                assert_eq!(self.any.in_flight(), Some(session.in_flight()));
                assert_eq!(self.any.credentials(), Some(session.credentials()));
                assert_eq!(self.any.identity(), session.identity());
                (session.state(), format!("{session:?}"))
            }
            ByHand::Active(session) => {
                assert_eq!(self.any.in_flight(), session.in_flight());
                assert_eq!(self.any.credentials(), session.credentials());
                assert_eq!(self.any.identity(), session.identity());
                let AnySession::Active(any) = &self.any else { panic!("{shown}") };
                assert_eq!(use_of(any, now), use_of(session, now));
                (session.state(), format!("{session:?}"))
            }
            ByHand::Expired(session) => {
                assert_eq!(self.any.credentials(), session.credentials());
                assert_eq!(self.any.identity(), session.identity());
                (session.state(), format!("{session:?}"))
            }
        };
        assert_eq!(self.any.state(), state);
        assert_eq!(shown, format!("{state}({by_hand})"));
    }

    /// A driver that takes the session over has the same token, and gives the same session back.
    fn hand_over(mut self) {
        let (state, last) = (self.any.state(), self.any.last_transition());
        let driver = Driver::from_session(self.any.take(), Policy::default());
        assert_eq!(driver.state(), state);
        let authorized = self.by_hand.token(self.now);
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

impl ByHand {
    fn step(self, input: Input, now: Moment) -> (Self, Said) {
        match self {
            Self::Unauthenticated(session) => unauthenticated(session, input, now),
            Self::Authenticating(session) => authenticating(session, input, now),
            Self::Active(session) => active(session, input, now),
            Self::Expired(session) => expired(session, input, now),
        }
    }

    fn token(&self, now: Moment) -> Option<String> {
        let Self::Active(session) = self else { return None };
        let mut call = http::Request::get("https://api.example/").body(()).unwrap();
        session.authorize(&mut call, now).ok()?;
        Some(call.headers()["authorization"].to_str().unwrap().to_owned())
    }
}

fn token_of(driver: &Driver, now: Moment) -> Option<String> {
    let origin = &driver.config().origins()[0];
    let authorization = driver.authorization(origin, now).ok()?;
    Some(authorization.value().to_str().unwrap().to_owned())
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

fn unauthenticated(session: Session<Unauthenticated>, input: Input, now: Moment) -> (ByHand, Said) {
    let stay = |session, said| (ByHand::Unauthenticated(session), said);
    match input {
        Input::Authenticate(credentials) => match session.authenticate(credentials, now) {
            Ok((session, outgoing)) => (ByHand::Authenticating(session), Said::Sent(outgoing)),
            Err(rejected) => {
                let (session, why) = rejected.into_parts();
                stay(session, Said::NotSent(why.into()))
            }
        },
        Input::Adopt(grant) => match session.adopt(grant, now) {
            Ok(session) => (ByHand::Active(session), Said::Moved),
            Err(rejected) => {
                let (session, denial) = rejected.into_parts();
                stay(session, Said::NotAdopted(denial))
            }
        },
        // Nothing is in flight, nothing passes, and there is nothing to stop.
        Input::Reply(..) | Input::Failure(..) => stay(session, Said::Stale),
        Input::Advance | Input::Stop => stay(session, Said::Unchanged),
        _ => stay(session, Said::Meaningless),
    }
}

fn authenticating(session: Session<Authenticating>, input: Input, now: Moment) -> (ByHand, Said) {
    let stay = |session, said| (ByHand::Authenticating(session), said);
    match input {
        Input::Reply(id, reply) => match session.receive(id, &reply, now) {
            Ok(session) => (ByHand::Active(session), Said::Moved),
            Err(NotActive::Stale(rejected)) => stay(rejected.into_session(), Said::Stale),
            Err(NotActive::Denied(rejected)) => {
                let (session, denial) = rejected.into_parts();
                (ByHand::Unauthenticated(session), Said::Denied(denial))
            }
        },
        Input::Failure(id, why) => match session.fail(id, why, now) {
            Ok(session) => (ByHand::Unauthenticated(session), Said::Moved),
            Err(rejected) => stay(rejected.into_session(), Said::Stale),
        },
        Input::Stop => (ByHand::Unauthenticated(session.stop()), Said::Moved),
        Input::Advance => stay(session, Said::Unchanged),
        _ => stay(session, Said::Meaningless),
    }
}

fn active(mut session: Session<Active>, input: Input, now: Moment) -> (ByHand, Said) {
    let said = match input {
        Input::Renew => session.renew(now).map_or_else(Said::NotSent, Said::Sent),
        Input::Reply(id, reply) => match session.receive(id, &reply, now) {
            Ok(generation) => {
                assert_eq!(generation, session.generation());
                Said::Moved
            }
            Err(NotRenewed::Stale(_)) => Said::Stale,
            Err(NotRenewed::Denied(denial)) => Said::Denied(denial),
        },
        Input::Failure(id, why) => session.fail(id, why, now).map_or(Said::Stale, |()| Said::Moved),
        Input::Adopt(grant) => {
            session.replace(grant, now).map_or_else(Said::NotAdopted, |_| Said::Moved)
        }
        Input::SetCredentials(credentials) => {
            session.set_credentials(credentials).map_or_else(Said::NotSet, |()| Said::Moved)
        }
        Input::Advance => {
            return match session.advance(now) {
                Advance::Live(session) => (ByHand::Active(session), Said::Unchanged),
                Advance::Lapsed(session) => (ByHand::Expired(session), Said::Moved),
                Advance::Reauthenticating(session) => {
                    (ByHand::Authenticating(session), Said::Moved)
                }
            };
        }
        Input::Stop => return (ByHand::Unauthenticated(session.stop()), Said::Moved),
        _ => Said::Meaningless,
    };
    (ByHand::Active(session), said)
}

fn expired(mut session: Session<Expired>, input: Input, now: Moment) -> (ByHand, Said) {
    let stay = |session, said| (ByHand::Expired(session), said);
    match input {
        Input::Reauthenticate => match session.reauthenticate(now) {
            Ok((session, outgoing)) => (ByHand::Authenticating(session), Said::Sent(outgoing)),
            Err(rejected) => {
                let (session, why) = rejected.into_parts();
                stay(session, Said::NotSent(why))
            }
        },
        Input::Adopt(grant) => match session.adopt(grant, now) {
            Ok(session) => (ByHand::Active(session), Said::Moved),
            Err(rejected) => {
                let (session, denial) = rejected.into_parts();
                stay(session, Said::NotAdopted(denial))
            }
        },
        Input::SetCredentials(credentials) => {
            let said =
                session.set_credentials(credentials).map_or_else(Said::NotSet, |()| Said::Moved);
            stay(session, said)
        }
        Input::Stop => (ByHand::Unauthenticated(session.stop()), Said::Moved),
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
        0..4 => Login::App { user, secret: login % 2 },
        4 => Login::Broken,
        5 => Login::Named { user, cookie: 0 },
        _ => Login::Cookie(user),
    };
    match login.start() {
        Start::Exchange(credentials) => credentials,
        Start::Token(_) => panic!("these are credentials"),
    }
}
