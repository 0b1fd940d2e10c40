//! Whatever is done to a recorded driver, the trace plays again exactly.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::AGE;
use proptest::prelude::*;
use videokit_session::driver::{Drive, Policy, Start};
use videokit_session::session::{Generation, RequestId};
use videokit_session::trace::replay;
use videokit_session::{
    Credentials, Driver, Grant, Moment, Output, SessionToken, TransportFailure,
};

use crate::oauth::{self, RefreshToken};
use crate::recording::{
    Recording, SECRET, aged, app, backend, config, dated, denying, granting, jwt, own, portal,
    redirect, reply, timestamp, token, user, with,
};
use crate::refused::call_with;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Poll,
    Settle,
    Start(Who),
    Set(Who),
    /// Starts with the credentials in use, or sets them.
    Current {
        sets: bool,
    },
    Stop,
    Online(bool),
    Pass(u32),
    /// One reading of both clocks, of any kind.
    Read(u64, i64),
    Answer(To, Say),
    Fail(To, TransportFailure),
    /// Of the current token, or of one so many generations back.
    Unauthorized(u8),
    Take,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum To {
    Latest,
    Older(u8),
    Foreign,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Say {
    Grant(u16),
    GrantUndated(u16),
    GrantAged(u16, u8),
    GrantOfUnreadableAge(u16),
    GrantJwt(i16),
    GrantUnstated,
    GrantAgain,
    GrantOdd,
    GrantForAnother,
    /// A token, and the next credentials where the exchange reads them.
    GrantNext(u16, u8),
    Deny(u16, Option<u64>),
    Portal,
    Redirect,
    Nothing,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    App(u8, u8),
    Backend(u8),
    Named(u8, u8),
    Token(u8),
    TokenOf(u8, u8),
    Jwt(i16),
    Own(bool),
    Refresh(bool),
    Unbuildable,
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        5 => (0_u8..2, 0_u8..3).prop_map(|(user, version)| Who::App(user, version)),
        2 => (0_u8..2).prop_map(Who::Backend),
        2 => (0_u8..2, 0_u8..2).prop_map(|(user, cookie)| Who::Named(user, cookie)),
        1 => (0_u8..2).prop_map(Who::Token),
        2 => (0_u8..2, 0_u8..4).prop_map(|(user, number)| Who::TokenOf(user, number)),
        1 => (-10_i16..300).prop_map(Who::Jwt),
        1 => any::<bool>().prop_map(Who::Own),
        3 => any::<bool>().prop_map(Who::Refresh),
        1 => Just(Who::Unbuildable),
    ]
}

fn say() -> impl Strategy<Value = Say> {
    let wait = prop_oneof![
        Just(None),
        (0_u64..100).prop_map(Some),
        Just(Some(u64::MAX)),
        Just(Some(5_000))
    ];
    let status = prop_oneof![
        Just(429),
        Just(503),
        Just(500),
        Just(408),
        Just(401),
        Just(404),
        Just(407),
        Just(204),
        Just(999)
    ];
    prop_oneof![
        6 => (1_u16..2_000).prop_map(Say::Grant),
        1 => (1_u16..2_000).prop_map(Say::GrantUndated),
        1 => (1_u16..2_000, 0_u8..255).prop_map(|(life, age)| Say::GrantAged(life, age)),
        1 => (1_u16..2_000).prop_map(Say::GrantOfUnreadableAge),
        2 => (-10_i16..2_000).prop_map(Say::GrantJwt),
        1 => Just(Say::GrantUnstated),
        1 => Just(Say::GrantAgain),
        1 => Just(Say::GrantOdd),
        1 => Just(Say::GrantForAnother),
        4 => (1_u16..2_000, 0_u8..3).prop_map(|(life, next)| Say::GrantNext(life, next)),
        4 => (status, wait).prop_map(|(status, wait)| Say::Deny(status, wait)),
        1 => Just(Say::Portal),
        1 => Just(Say::Redirect),
        1 => Just(Say::Nothing),
    ]
}

fn to() -> impl Strategy<Value = To> {
    prop_oneof![8 => Just(To::Latest), 2 => (1_u8..5).prop_map(To::Older), 1 => Just(To::Foreign)]
}

fn failure() -> impl Strategy<Value = TransportFailure> {
    prop_oneof![
        Just(TransportFailure::TimedOut),
        Just(TransportFailure::Unreachable),
        Just(TransportFailure::Interrupted),
        Just(TransportFailure::Other),
    ]
}

fn reading() -> impl Strategy<Value = (u64, i64)> {
    prop_oneof![
        (any::<u64>(), any::<i64>()),
        (0_u64..100_000, 0_i64..100_000),
        Just((u64::MAX, i64::MAX)),
        Just((0, i64::MIN))
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Poll),
        14 => Just(Op::Settle),
        6 => who().prop_map(Op::Start),
        2 => who().prop_map(Op::Set),
        1 => any::<bool>().prop_map(|sets| Op::Current { sets }),
        1 => Just(Op::Stop),
        2 => any::<bool>().prop_map(Op::Online),
        8 => (0_u32..3_000).prop_map(Op::Pass),
        8 => (3_000_u32..1_000_000).prop_map(Op::Pass),
        1 => reading().prop_map(|(mono, wall)| Op::Read(mono, wall)),
        14 => (to(), say()).prop_map(|(to, say)| Op::Answer(to, say)),
        3 => (to(), failure()).prop_map(|(to, why)| Op::Fail(to, why)),
        3 => prop_oneof![4 => Just(0_u8), 1 => 0_u8..4].prop_map(Op::Unauthorized),
        1 => Just(Op::Take),
    ]
}

/// A seed, whether the policy gives up, and what to do.
pub(crate) type Plan = (u64, bool, Vec<Op>);

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let ops = proptest::collection::vec(op(), 1..150);
    (any::<u64>(), any::<bool>(), who(), ops).prop_map(|(seed, gives_up, first, mut ops)| {
        ops.insert(0, Op::Start(first));
        (seed, gives_up, ops)
    })
}

pub(crate) fn played((seed, gives_up, ops): Plan) -> Recording {
    let mut play = Play::new(seed, gives_up);
    for op in ops {
        play.apply(op);
    }
    play.recording
}

/// A recording, and what only these plays need.
struct Play {
    recording: Recording,
    /// One of each, so that it may be started again.
    own: [Credentials; 2],
    refresh: [Credentials; 2],
    broken: Credentials,
    foreign: RequestId,
    generations: Vec<Generation>,
}

impl Play {
    fn new(seed: u64, gives_up: bool) -> Self {
        let policy = Policy::builder();
        let policy = if gives_up { policy.attempts(2) } else { policy };
        let mut other = Driver::new(config(), seed ^ 1);
        other.start(app("anna", 1), Moment::default());
        assert!(matches!(other.poll(Moment::default()), Output::Event(_)), "it says what it does");
        let Output::Send(outgoing) = other.poll(Moment::default()) else { panic!("a request") };
        Self {
            recording: Recording::with(config(), policy.build().unwrap(), seed),
            own: [own("https://own.example/", "because"), own("https://own.example/", "since")],
            refresh: [
                RefreshToken::new(format!("{SECRET}-refresh")).credentials(),
                RefreshToken::new(format!("{SECRET}-of-0"))
                    .of(user("0").as_str())
                    .reusable()
                    .credentials(),
            ],
            broken: own("", "broken"),
            foreign: outgoing.id(),
            generations: Vec::new(),
        }
    }

    fn apply(&mut self, op: Op) {
        self.act(op);
        let generation = self.recording.driver.driver().generation();
        if generation.is_some() && generation.as_ref() != self.generations.last() {
            self.generations.extend(generation);
        }
    }

    fn act(&mut self, op: Op) {
        let Self { recording, .. } = self;
        let now = recording.now;
        match op {
            Op::Poll => {
                if let Output::Send(outgoing) = recording.driver.poll(now) {
                    recording.sent.push(outgoing.id());
                }
            }
            Op::Settle => recording.poll_until_idle(),
            Op::Start(who) => {
                let start = self.who(who);
                self.recording.driver.start(start, now);
            }
            Op::Set(who) => {
                if let Start::Exchange(credentials) = self.who(who) {
                    self.recording.driver.set_credentials(credentials, now);
                }
            }
            Op::Current { sets } => match recording.driver.driver().credentials().cloned() {
                Some(current) if sets => recording.driver.set_credentials(current, now),
                Some(current) => recording.driver.start(current, now),
                None => {}
            },
            Op::Stop => recording.driver.stop(now),
            Op::Online(online) => recording.driver.set_online(online, now),
            Op::Pass(millis) => {
                recording.now = now.after(Duration::from_millis(millis.into()));
            }
            Op::Read(mono, wall) => {
                recording.driver.set_online(true, Moment::from_millis(mono, wall));
            }
            Op::Answer(to, say) => {
                let (id, reply) = (self.id(to), self.reply(say));
                self.recording.driver.handle_response(id, &reply, now);
            }
            Op::Fail(to, why) => {
                let id = self.id(to);
                self.recording.driver.handle_failure(id, why, now);
            }
            Op::Unauthorized(back) => {
                let generation = self.generations.iter().rev().nth(back.into());
                if let Some(generation) = generation {
                    recording.driver.handle_unauthorized(call_with(*generation), now);
                }
            }
            Op::Take => drop(recording.trace()),
        }
    }

    fn id(&self, to: To) -> RequestId {
        let sent = &self.recording.sent;
        let at = match to {
            To::Latest => sent.len().checked_sub(1),
            To::Older(back) => sent.len().checked_sub(1 + usize::from(back)),
            To::Foreign => None,
        };
        at.map_or(self.foreign, |at| sent[at])
    }

    fn reply(&mut self, say: Say) -> Response<Bytes> {
        let now = self.recording.now;
        // Where the wall clock is beyond all dates, the server's isn't.
        let dates = crate::recording::T0..crate::recording::T0 * 2;
        let now = if dates.contains(&now.wall_millis()) {
            now
        } else {
            Moment::from_millis(0, dates.start)
        };
        let whole = self.recording.now;
        self.recording.now = now;
        let reply = match say {
            Say::Grant(life) => self.recording.granting("0", life.into()),
            Say::GrantUndated(life) => {
                let mut reply = self.recording.granting("0", life.into());
                reply.headers_mut().clear();
                reply
            }
            Say::GrantAged(life, age) => {
                aged(self.recording.granting("0", life.into()), age.into())
            }
            Say::GrantOfUnreadableAge(life) => {
                with(self.recording.granting("0", life.into()), AGE, SECRET)
            }
            Say::GrantJwt(life) => dated(now, granting(&jwt(life.into()), "0", "")),
            Say::GrantUnstated => reply(201, granting(&format!("{SECRET}-unstated"), "0", "")),
            Say::GrantAgain => {
                let at = timestamp(now.wall_millis() + 60_000);
                dated(now, granting(SECRET, "0", &format!(r#","expiresAt":"{at}""#)))
            }
            Say::GrantOdd => {
                let more =
                    format!(r#","expiresAt":"{SECRET}","scopes":["{SECRET}","videos.edit"]"#);
                reply(200, granting(SECRET, "0", &more))
            }
            Say::GrantForAnother => self.recording.granting("1", 600),
            Say::GrantNext(life, next) => {
                let next = format!(r#","refresh_token":"{SECRET}-next-{next}""#);
                let body = oauth::granting(&format!("{SECRET}-access"), life.into(), &next);
                reply(200, body)
            }
            Say::Deny(status, wait) => denying(status, wait),
            Say::Portal => portal(),
            Say::Redirect => redirect(),
            Say::Nothing => reply(200, ""),
        };
        self.recording.now = whole;
        reply
    }

    fn who(&self, who: Who) -> Start {
        match who {
            Who::App(user, version) => app(&user.to_string(), version.into()).into(),
            Who::Backend(cookie) => Credentials::backend(backend(cookie.into())).into(),
            Who::Named(name, cookie) => {
                let backend = backend(cookie.into()).identity(user(&name.to_string()));
                Credentials::backend(backend).into()
            }
            Who::Token(number) => token(&number.to_string()).into(),
            Who::TokenOf(name, number) => {
                let grant = Grant::new(token(&number.to_string()));
                let grant = grant.with_identity(user(&name.to_string()));
                match number {
                    0 => grant,
                    1 => grant.with_expires_at(SECRET),
                    2 => grant.with_lifetime(Duration::from_millis(90_500)),
                    _ => grant.with_expires_at(timestamp(crate::recording::T0 + 600_000)),
                }
                .into()
            }
            Who::Jwt(life) => SessionToken::new(jwt(life.into())).unwrap().into(),
            Who::Own(one) => self.own[usize::from(one)].clone().into(),
            Who::Refresh(one) => self.refresh[usize::from(one)].clone().into(),
            Who::Unbuildable => self.broken.clone().into(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_sequence_plays_again_exactly(plan in plans()) {
        let mut recording = played(plan);
        let trace = recording.trace();
        prop_assert!(!trace.contains(SECRET), "{trace}");
        let replayed = match replay(&trace) {
            Ok(replayed) => replayed,
            Err(error) => return Err(TestCaseError::fail(format!("{error}\n{trace}"))),
        };
        prop_assert_eq!(replayed.difference, None, "{}", trace);
        let (again, driver) = (replayed.driver, recording.driver.into_driver());
        prop_assert_eq!(again.state(), driver.state());
        prop_assert_eq!(again.counters(), driver.counters());
        prop_assert_eq!(again.epoch(), driver.epoch());
        prop_assert_eq!(again.remaining(recording.now), driver.remaining(recording.now));
        prop_assert_eq!(again.blocked(), driver.blocked());
    }
}
