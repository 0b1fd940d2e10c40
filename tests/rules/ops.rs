//! Everything that can be done to a driver, as values that shrink to a list a person can read.

use proptest::prelude::*;
use videokit_session::TransportFailure;

/// One call, or one thing that happens between calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// One poll.
    Poll,
    /// Polls until the driver waits.
    Drain,
    /// A `start`.
    Start(Who),
    /// A `stop`.
    Stop,
    /// `set_online`.
    Online(bool),
    /// Both clocks run for so many milliseconds.
    Pass(u32),
    /// Time passes until the driver wants to be polled, or a minute.
    PassToWake,
    /// The device sleeps for so many seconds: its monotonic clock stands still.
    Sleep(u32),
    /// The wall clock is set by so many seconds.
    SetWall(i32),
    /// The monotonic clock goes back by so many milliseconds, against its nature.
    MonoBack(u32),
    /// One reading is nonsense; the next is sane again.
    Nonsense(u64, i64),
    /// A reply comes.
    Answer(To, Say),
    /// A request fails.
    Fail(To, TransportFailure),
    /// The API answers 401 to the token of the present generation, or of an older one.
    Unauthorized { current: bool },
    /// The driver becomes a session, and a driver again.
    RoundTrip,
}

/// Which request a reply or failure names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// The one in flight, or the last one.
    Live,
    /// One of those before it.
    Old(u8),
    /// One of another session.
    Foreign,
}

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Say {
    /// A token for the identity asked for, living so many seconds.
    Grant(u32),
    /// The same without a `Date`.
    GrantUndated(u32),
    /// A token of unstated life.
    GrantUnstated,
    /// A token that is dead on arrival.
    GrantDead,
    /// A token for another identity.
    GrantForAnother(u32),
    /// A denial with this status, and a `Retry-After` in seconds.
    Deny(u16, Option<u32>),
    /// A 200 with a captive portal's page.
    Portal,
    /// A 200 whose body is cut off.
    CutOff,
}

/// Whose login is started, with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// The gateway's credentials of a user, with one of two API tokens.
    App { user: u8, secret: u8 },
    /// A backend that states nobody, with one of two cookies.
    Cookie(u8),
    /// A backend that states a user, with one of two cookies.
    Named { user: u8, cookie: u8 },
    /// A bare token.
    Token(u8),
    /// A token of a stated user.
    TokenOf { user: u8, number: u8 },
    /// An exchange that can't build its request.
    Broken,
}

pub(crate) fn failure() -> impl Strategy<Value = TransportFailure> + Clone {
    prop_oneof![
        Just(TransportFailure::Unreachable),
        Just(TransportFailure::TimedOut),
        Just(TransportFailure::Interrupted),
        Just(TransportFailure::Other),
    ]
}

pub(crate) fn to() -> impl Strategy<Value = To> + Clone {
    prop_oneof![8 => Just(To::Live), 2 => (0_u8..6).prop_map(To::Old), 1 => Just(To::Foreign)]
}

fn retry_after() -> impl Strategy<Value = Option<u32>> + Clone {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(0)),
        2 => (1_u32..120).prop_map(Some),
        1 => (1_000_u32..20_000).prop_map(Some),
    ]
}

pub(crate) fn soft_denial() -> impl Strategy<Value = Say> + Clone {
    prop_oneof![
        2 => (Just(429), retry_after()).prop_map(|(status, wait)| Say::Deny(status, wait)),
        3 => (prop_oneof![Just(500), Just(503), Just(408), Just(425)], retry_after())
            .prop_map(|(status, wait)| Say::Deny(status, wait)),
        1 => (prop_oneof![Just(302), Just(204), Just(307)], retry_after())
            .prop_map(|(status, wait)| Say::Deny(status, wait)),
        1 => Just(Say::Portal),
        1 => Just(Say::CutOff),
        1 => Just(Say::GrantDead),
        1 => (30_u32..4_000).prop_map(Say::GrantForAnother),
    ]
}

pub(crate) fn refusal() -> impl Strategy<Value = Say> + Clone {
    (prop_oneof![Just(401), Just(403), Just(404), Just(400)], retry_after())
        .prop_map(|(status, wait)| Say::Deny(status, wait))
}

pub(crate) fn grant() -> impl Strategy<Value = Say> + Clone {
    prop_oneof![
        6 => (30_u32..4_000).prop_map(Say::Grant),
        1 => (1_u32..30).prop_map(Say::Grant),
        1 => (60_u32..4_000).prop_map(Say::GrantUndated),
        1 => Just(Say::GrantUnstated),
    ]
}

pub(crate) fn say() -> impl Strategy<Value = Say> + Clone {
    prop_oneof![6 => grant(), 3 => soft_denial(), 1 => refusal()]
}

pub(crate) fn who() -> impl Strategy<Value = Who> + Clone {
    prop_oneof![
        6 => (0_u8..2, 0_u8..2).prop_map(|(user, secret)| Who::App { user, secret }),
        2 => (0_u8..2).prop_map(Who::Cookie),
        2 => (0_u8..2, 0_u8..2).prop_map(|(user, cookie)| Who::Named { user, cookie }),
        1 => (0_u8..2).prop_map(Who::Token),
        2 => (0_u8..2, 0_u8..2).prop_map(|(user, number)| Who::TokenOf { user, number }),
        1 => Just(Who::Broken),
    ]
}

/// Time as it passes on an honest device.
pub(crate) fn honest_time() -> impl Strategy<Value = Op> + Clone {
    prop_oneof![
        3 => (0_u32..2_000).prop_map(Op::Pass),
        2 => (2_000_u32..400_000).prop_map(Op::Pass),
        4 => Just(Op::PassToWake),
    ]
}

/// Time on a device that sleeps, or has a clock to be set, or is broken.
pub(crate) fn hostile_time() -> impl Strategy<Value = Op> + Clone {
    prop_oneof![
        (1_u32..100_000).prop_map(Op::Sleep),
        (-100_000_i32..100_000).prop_map(Op::SetWall),
        (1_u32..2_000_000).prop_map(Op::MonoBack),
        (
            prop_oneof![Just(u64::MAX), Just(0), any::<u64>()],
            prop_oneof![Just(i64::MAX), Just(i64::MIN), any::<i64>()]
        )
            .prop_map(|(mono, wall)| Op::Nonsense(mono, wall)),
    ]
}

/// Any call at all, in a mix that gets somewhere.
pub(crate) fn op() -> impl Strategy<Value = Op> + Clone {
    prop_oneof![
        8 => Just(Op::Poll),
        12 => Just(Op::Drain),
        10 => honest_time(),
        3 => hostile_time(),
        14 => (to(), say()).prop_map(|(to, say)| Op::Answer(to, say)),
        3 => (to(), failure()).prop_map(|(to, why)| Op::Fail(to, why)),
        3 => who().prop_map(Op::Start),
        1 => Just(Op::Stop),
        2 => any::<bool>().prop_map(Op::Online),
        3 => any::<bool>().prop_map(|current| Op::Unauthorized { current }),
    ]
}

/// At least 100 steps, which shrink to those that matter: a step that doesn't becomes none.
#[derive(Clone)]
pub(crate) struct Sequence(Vec<Option<Op>>);

impl Sequence {
    pub(crate) fn steps(&self) -> impl Iterator<Item = Op> {
        self.0.iter().copied().flatten()
    }
}

impl std::fmt::Debug for Sequence {
    /// One step a line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, step) in self.steps().enumerate() {
            write!(f, "\n    {n:2} {step:?}")?;
        }
        Ok(())
    }
}

/// A login, and then what comes.
pub(crate) fn sequence(op: impl Strategy<Value = Op>) -> impl Strategy<Value = Sequence> {
    let steps = proptest::collection::vec(proptest::option::weighted(0.99, op), 100..180);
    (who(), steps).prop_map(|(who, mut steps)| {
        steps.insert(0, Some(Op::Start(who)));
        Sequence(steps)
    })
}
