//! Everything that a caller can do, as values that shrink and that a person can read; and how often each is
//! tried.

use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::ReferenceStateMachine;
use videokit_session::TransportFailure;

use crate::logins::{Login, ROTATIONS, Stated, User};
use crate::model::words::Settings;
use crate::replies::{Life, Next, RetryAfter, Say, Whose};

/// One call, or time that passes between calls. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    Poll,
    /// Polls until it waits.
    Drain,
    Start(Login),
    SetCredentials(Login),
    Stop,
    Online(bool),
    Reply(To, Say),
    Fail(To, TransportFailure),
    /// The API answers 401: to the current token, or to one so many before it. The call took so long.
    Unauthorized(u8, u32),
    Pass(u32),
    /// Time passes until so long after something is due, if it is ahead.
    PassTo(Mark, i8),
    /// The device sleeps: its monotonic clock stands still.
    Sleep(u32),
    /// The wall clock is set forward, or back.
    SetWall(i32),
    /// The monotonic clock goes back, against its nature.
    MonoBack(u32),
    /// The monotonic clock leaps by more than is believed of one reading: 35,000 years.
    Leap,
    /// Another driver takes the session over, and is given the credentials again, or is not.
    HandOver {
        restores: bool,
    },
}

/// Which request a reply or a failure names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum To {
    /// The last one, whether it is still in flight or not.
    Last,
    /// One so many before it.
    Before(u8),
    /// One of another driver.
    Foreign,
}

/// What time can pass to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mark {
    /// What the driver last waited for.
    Wake,
    Deadline,
    Renewal,
    /// `lo` is 0.
    Unsure,
    /// `hi` is 0.
    Expired,
    Pause,
    Floor,
    Budget,
    /// The token is as old as the threshold of 401s.
    Threshold,
    /// It is as old as the age that is learned.
    Learned,
    /// It is half as old.
    HalfLearned,
    /// It is three quarters as old as its predecessor became.
    Similar,
}

/// What a driver is made with, and what the steps so far suggest for the next one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) settings: Settings,
    /// Whether the clocks are honest, but for long sleeps.
    pub(crate) steady: bool,
    mix: Mix,
    phase: Phase,
    offline: bool,
}

/// What a sequence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mix {
    /// Long lives of tokens.
    Life,
    /// Many logins.
    Logins,
    /// Failures, waits and a tight budget.
    Storm,
    /// Many servers that ask to be left alone.
    Servers,
    /// Tokens that the API refuses.
    Refusals,
    /// A token service that is broken, or a portal before it.
    Unbuildable,
    /// Credentials that change with each token, and replies that are lost.
    Rotation,
}

/// What would be sensible next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nobody is logged in.
    Idle,
    /// Nothing may come of it any more: another start.
    Stuck,
    /// Something happened: a poll.
    Stirred,
    /// It was polled: replies come, and time passes.
    Polled,
}

/// How sequences are made.
///
/// The model itself is compared with the driver while the steps are carried out, not while they are made: it
/// learns from the driver what chance decides. So steps name what they are about (the last request, the time
/// at which renewal is due) instead of naming a number, and any step can follow any other.
pub(crate) struct Sequence;

impl ReferenceStateMachine for Sequence {
    type State = Setup;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Setup> {
        let mix = prop_oneof![
            6 => Just(Mix::Life),
            3 => Just(Mix::Logins),
            4 => Just(Mix::Storm),
            2 => Just(Mix::Servers),
            2 => Just(Mix::Refusals),
            1 => Just(Mix::Unbuildable),
            3 => Just(Mix::Rotation),
        ];
        (any::<u64>(), settings(), mix, any::<bool>())
            .prop_map(|(seed, settings, mix, steady)| {
                let phase = Phase::Idle;
                Setup { seed, settings, steady, mix, phase, offline: false }
            })
            .boxed()
    }

    fn transitions(setup: &Setup) -> BoxedStrategy<Step> {
        thread_local! {
            /// Made once: this is called for every step.
            static STEPS: [Vec<BoxedStrategy<Step>>; 2] =
                [false, true].map(|steady| weights().map(|weights| step(weights, steady)).collect());
        }
        let mix = match setup.mix {
            Mix::Life => 0,
            Mix::Logins => 1,
            Mix::Storm => 2,
            Mix::Servers => 3,
            Mix::Refusals => 4,
            Mix::Unbuildable => 5,
            Mix::Rotation => 6,
        };
        let phase = match setup.phase {
            _ if setup.offline => 0,
            Phase::Idle => 1,
            Phase::Stuck => 2,
            Phase::Stirred => 3,
            Phase::Polled => 4,
        };
        STEPS.with(|steps| steps[usize::from(setup.steady)][mix * 5 + phase].clone())
    }

    fn apply(setup: Setup, step: &Step) -> Setup {
        let stays = matches!(setup.phase, Phase::Idle | Phase::Stuck);
        let phase = match step {
            Step::Stop => Phase::Idle,
            Step::Start(
                Login::Gateway { .. }
                | Login::Backend { .. }
                | Login::Rotating { .. }
                | Login::Rotated,
            )
            | Step::SetCredentials(_) => Phase::Stirred,
            Step::Start(_) | Step::Reply(To::Last, Say::Status(400..=404, _)) => Phase::Stuck,
            _ if stays => setup.phase,
            Step::Poll | Step::Drain => Phase::Polled,
            _ => Phase::Stirred,
        };
        let offline = if let Step::Online(online) = step { !online } else { setup.offline };
        Setup { phase, offline, ..setup }
    }
}

/// How often each step is tried.
#[derive(Debug, Clone, Copy)]
struct Weights {
    poll: u32,
    start: u32,
    set: u32,
    stop: u32,
    offline: u32,
    online: u32,
    back: u32,
    unauthorized: u32,
    time: u32,
    hostile: u32,
    /// Grants among a hundred replies.
    grants: u32,
    logins: Logins,
}

/// Which logins there are, and what servers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logins {
    Any,
    /// At many backends, which ask to be left alone. Time passes slowly.
    Backends,
    /// Mostly with another secret for the same.
    Rotated,
    /// At services whose replies are mostly malformed.
    Unbuildable,
    /// Mostly with secrets that are usable once.
    Rotating,
}

/// By mix, and within that by phase.
fn weights() -> impl Iterator<Item = Weights> {
    let life = Weights {
        poll: 300,
        start: 4,
        set: 3,
        stop: 1,
        offline: 6,
        online: 2,
        back: 250,
        unauthorized: 30,
        time: 250,
        hostile: 20,
        grants: 80,
        logins: Logins::Any,
    };
    let logins = Weights { start: 200, set: 60, stop: 10, ..life };
    let storm = Weights { start: 10, stop: 3, offline: 20, unauthorized: 15, grants: 25, ..life };
    let servers = Weights { logins: Logins::Backends, start: 250, grants: 10, ..life };
    let refusals = Weights { logins: Logins::Rotated, start: 60, unauthorized: 250, ..life };
    let broken = Weights { logins: Logins::Unbuildable, grants: 2, back: 400, ..life };
    let rotation = Weights { logins: Logins::Rotating, start: 20, set: 60, grants: 70, ..life };
    let rotation = Weights { unauthorized: 150, ..rotation };
    [life, logins, storm, servers, refusals, broken, rotation].into_iter().flat_map(|mix| {
        [
            Weights { online: 150, back: 80, ..mix },
            Weights { start: 1_500, back: 20, time: 100, ..mix },
            Weights { start: 80, ..mix },
            Weights { poll: 1_000, ..mix },
            Weights { poll: 40, ..mix },
        ]
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    let policy = (
        (
            1_i64..7,
            prop_oneof![Just(10_000_i64), 1_i64..30_000],
            prop_oneof![Just(250_i64), 1_i64..3_000],
        ),
        select(
            &[(1_000_i64, 60_000_i64), (1, 1), (500, 4_000), (20_000, 20_000), (3_000, 1_000_000)]
                [..],
        ),
        select(&[3_600_000_i64, 30_000, 7 * 24 * 3_600_000][..]),
        select(
            &[(10_000_i64, 3_600_000_i64), (1_000, 1_000), (1_000, 20_000), (30_000, 300_000)][..],
        ),
        prop_oneof![3 => Just(None), 2 => (1_u32..4).prop_map(Some)],
    );
    let config = (
        select(&[15_000_i64, 1, 40_000][..]),
        select(&[(1_000_i64, 10_000_i64, 120_000_i64), (0, 0, 0), (5_000, 2_000, 1_000)][..]),
        select(&[900_000_i64, 1_000, 86_400_000][..]),
        (select(&[60_000_i64, 0, 86_400_000][..]), select(&[25_i64, 1, 50][..])),
    );
    (policy, config).prop_map(|(policy, config)| {
        let ((burst, interval, spacing), backoff, retry_after_cap, threshold, attempts) = policy;
        let (timeout, skews, assumed, (margin, percent)) = config;
        let (gateway_skew, backend_skew, wall_error) = skews;
        Settings {
            burst,
            interval,
            spacing,
            backoff,
            retry_after_cap,
            threshold,
            attempts,
            timeout,
            gateway_skew,
            backend_skew,
            wall_error,
            assumed,
            margin,
            percent,
        }
    })
}

/// Any step, with these weights. Shrinks to a poll.
fn step(weights: Weights, steady: bool) -> BoxedStrategy<Step> {
    let Weights {
        poll, start, set, stop, offline, online, back, unauthorized, time, hostile, ..
    } = weights;
    let Weights { grants, logins, .. } = weights;
    let servers = logins == Logins::Backends;
    let took = prop_oneof![2 => Just(0), 1 => 0..60_000_u32];
    let refused = (prop_oneof![5 => Just(0_u8), 1 => 1_u8..3], took);
    let refused = refused.prop_map(|(back, took)| Step::Unauthorized(back, took));
    prop_oneof![
        poll => prop_oneof![1 => Just(Step::Poll), 3 => Just(Step::Drain)],
        start => login(logins).prop_map(Step::Start),
        set => login(logins).prop_map(Step::SetCredentials),
        stop => Just(Step::Stop),
        offline => Just(Step::Online(false)),
        online => Just(Step::Online(true)),
        back => prop_oneof![
            5 => (to(), say(grants, logins)).prop_map(|(to, say)| Step::Reply(to, say)),
            1 => (to(), failure()).prop_map(|(to, why)| Step::Fail(to, why)),
        ],
        unauthorized => refused,
        time => if servers { short_time().boxed() } else { honest_time().boxed() },
        2 => any::<bool>().prop_map(|restores| Step::HandOver { restores }),
        hostile => if steady { long_sleep().boxed() } else { hostile_time().boxed() },
    ]
    .boxed()
}

fn short_time() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0_u32..2_000).prop_map(Step::Pass),
        3 => select(&[Mark::Budget, Mark::Pause][..]).prop_map(|mark| Step::PassTo(mark, 0)),
    ]
}

fn honest_time() -> impl Strategy<Value = Step> {
    let offset = prop_oneof![1 => Just(-1_i8), 3 => Just(0), 1 => Just(1)];
    let marks = &[
        Mark::Wake,
        Mark::Wake,
        Mark::Wake,
        Mark::Deadline,
        Mark::Renewal,
        Mark::Unsure,
        Mark::Expired,
        Mark::Pause,
        Mark::Floor,
        Mark::Budget,
        Mark::Threshold,
        Mark::Threshold,
        Mark::Learned,
        Mark::HalfLearned,
        Mark::Similar,
    ][..];
    let pass = prop_oneof![4 => 0_u32..2_000, 4 => 2_000_u32..100_000, 1 => Just(100_000_000)];
    prop_oneof![
        1 => pass.prop_map(Step::Pass),
        4 => (select(marks), offset).prop_map(|(mark, by)| Step::PassTo(mark, by)),
    ]
}

fn long_sleep() -> impl Strategy<Value = Step> {
    (2_000_u32..4_000_000).prop_map(Step::Sleep)
}

fn hostile_time() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => prop_oneof![999_u32..1_002, 0_u32..3_000, 0_u32..4_000_000].prop_map(Step::Sleep),
        2 => prop_oneof![-1_001_i32..-998, -2_000_i32..2_000, -100_000_i32..100_000]
            .prop_map(Step::SetWall),
        1 => (0_u32..100_000).prop_map(Step::MonoBack),
        1 => Just(Step::Leap),
    ]
}

pub(crate) fn to() -> impl Strategy<Value = To> {
    prop_oneof![12 => Just(To::Last), 2 => (1_u8..5).prop_map(To::Before), 1 => Just(To::Foreign)]
}

pub(crate) fn failure() -> impl Strategy<Value = TransportFailure> {
    select(
        &[
            TransportFailure::Unreachable,
            TransportFailure::TimedOut,
            TransportFailure::Interrupted,
            TransportFailure::Other,
        ][..],
    )
}

pub(crate) fn say(grants: u32, logins: Logins) -> BoxedStrategy<Say> {
    if logins == Logins::Unbuildable {
        let said = &[Say::NoToken, Say::NoToken, Say::NoToken, Say::NoToken, Say::Portal][..];
        let portal = Say::Status(302, RetryAfter::Nothing);
        return prop_oneof![
            grants => Just(Say::Grant(Life::Ms(600_000), Whose::Asked, Next::Secret)),
            90 => select(said),
            5 => Just(portal),
            5 => Just(Say::CutOff),
        ]
        .boxed();
    }
    let servers = logins == Logins::Backends;
    let whose =
        prop_oneof![12 => Just(Whose::Asked), 1 => Just(Whose::Nobody), 1 => Just(Whose::Another)];
    let next = prop_oneof![
        12 => Just(Next::Secret),
        1 => Just(Next::OfAnother),
        2 => Just(Next::Elsewhere),
        1 => Just(Next::Lasting),
        2 => Just(Next::Nothing),
    ];
    let statuses =
        &[400_u16, 401, 403, 404, 302, 307, 407, 408, 421, 425, 500, 503, 503, 429, 429, 204, 102]
            [..];
    let busy = || (1_u32..3_000).prop_map(|wait| Say::Status(503, RetryAfter::Seconds(wait)));
    let any =
        (select(statuses), retry_after()).prop_map(|(status, wait)| Say::Status(status, wait));
    let bodies = [Say::ErrorMember, Say::Portal, Say::CutOff, Say::Empty, Say::NoToken];
    let pages = [401, 403, 404, 407].map(Say::Page);
    let said = [&bodies[..], &pages].concat();
    prop_oneof![
        grants => (life(), whose, next).prop_map(|(life, whose, next)| Say::Grant(life, whose, next)),
        (100 - grants) * 4 / 5 => if servers { busy().boxed() } else { any.boxed() },
        (100 - grants) / 5 => select(said),
    ]
    .boxed()
}

fn life() -> impl Strategy<Value = Life> {
    let short = -4_000_i32..20_000;
    let long = (30_i32..4_000).prop_map(|seconds| seconds * 1_000);
    let ms = prop_oneof![1 => short, 2 => long, 1 => 20_000_i32..2_000_000];
    prop_oneof![
        8 => ms.clone().prop_map(Life::Ms),
        1 => (ms.clone(), 0_u8..40).prop_map(|(ms, age)| Life::Aged(ms, age)),
        1 => ms.clone().prop_map(Life::OfUnreadableAge),
        2 => (-200_000_i32..2_000_000).prop_map(Life::Undated),
        1 => Just(Life::Unstated),
        1 => (-30_i32..3_000, ms).prop_map(|(seconds, ms)| Life::Jwt(seconds, ms)),
    ]
}

fn retry_after() -> impl Strategy<Value = RetryAfter> {
    prop_oneof![
        4 => Just(RetryAfter::Nothing),
        3 => prop_oneof![0_u32..100, 0_u32..1_000_000].prop_map(RetryAfter::Seconds),
        1 => (-10_i32..100).prop_map(RetryAfter::Date),
        1 => (0_i32..100).prop_map(RetryAfter::DateAlone),
    ]
}

pub(crate) fn login(logins: Logins) -> BoxedStrategy<Login> {
    let user = || {
        prop_oneof![
            2 => (0_u8..2).prop_map(User::Number),
            2 => Just(User::Nobody),
            3 => Just(User::Same),
        ]
    };
    let backend = |paths: Range<u8>| {
        (user(), 0_u8..2, paths).prop_map(|(user, cookie, path)| Login::Backend {
            user,
            cookie,
            path,
        })
    };
    if logins == Logins::Backends {
        return backend(0..7).boxed();
    }
    let rotated = if logins == Logins::Rotated { 100 } else { 5 };
    let rotating = if logins == Logins::Rotating { 60 } else { 3 };
    let once = prop::bool::weighted(0.8);
    let changing = (user(), 0..ROTATIONS, 0_u8..2, any::<bool>(), once);
    let stated = prop_oneof![
        4 => Just(Stated::Unknown),
        2 => (-300_i32..2_000).prop_map(Stated::Expires),
        1 => (0_u16..2_000).prop_map(Stated::Lives),
        // More than 366 days.
        1 => Just(Stated::Expires(32_000_000)),
        2 => (-30_i32..2_000).prop_map(Stated::Jwt),
        1 => Just(Stated::Jwt(-60)),
    ];
    prop_oneof![
        8 => (0_u8..2, 0_u8..2, prop::bool::weighted(0.1))
            .prop_map(|(user, secret, scopes)| Login::Gateway { user, secret, scopes }),
        7 => backend(0..2),
        rotating => changing.prop_map(|(user, secret, path, says_where, once)| {
            Login::Rotating { user, secret, path, says_where, once }
        }),
        1 => (0_u8..2).prop_map(Login::Unbuildable),
        4 => (user(), 0_u8..3, stated)
            .prop_map(|(user, number, life)| Login::Token { user, number, life }),
        1 => user().prop_map(|user| Login::AtHand { user }),
        rotated => Just(Login::Rotated),
    ]
    .boxed()
}
