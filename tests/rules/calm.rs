//! Rules whose point is what happens to a token that lives long: 401s, and how long pauses are.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use videokit_session::driver::{Policy, WakeReason};
use videokit_session::session::Generation;
use videokit_session::{Event, Wake};

use crate::ops::{self, Op, Say, To, Who, sequence};
use crate::shadow::{Recoveries, Recovery};
use crate::world::{Seen, Step, World, play};

type Checked = Result<(), TestCaseError>;

/// How long tokens live here, in seconds: renewal on schedule is hours away, so that a renewal can only
/// have been asked for by a 401.
const LONG: u32 = 1_000_000;

/// Calls that leave a long-lived token at hand, and 401s.
fn refusing() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => Just(Op::Drain),
        3 => Just(Op::Poll),
        5 => any::<bool>().prop_map(|current| Op::Unauthorized { current }),
        6 => Just(Op::Answer(To::Live, Say::Grant(LONG))),
        2 => (ops::to(), ops::soft_denial()).prop_map(|(to, say)| Op::Answer(to, say)),
        1 => ops::refusal().prop_map(|say| Op::Answer(To::Live, say)),
        2 => (ops::to(), ops::failure()).prop_map(|(to, why)| Op::Fail(to, why)),
        5 => (0_u32..60_000).prop_map(Op::Pass),
        1 => any::<bool>().prop_map(Op::Online),
        1 => (0_u8..2).prop_map(|secret| Op::Start(Who::App { user: 0, secret })),
        1 => (0_u8..2).prop_map(|number| Op::Start(Who::TokenOf { user: 0, number })),
    ]
}

/// Holds each step against a record of what every token's 401s should have led to.
#[derive(Default)]
struct Watch {
    recoveries: Recoveries,
    /// Whether the request in flight was asked for by a 401.
    after_401: bool,
    told: Vec<Generation>,
    started: Option<Who>,
}

impl Watch {
    fn follow(&mut self, step: &Step<'_>) -> Checked {
        let (before, after) = (&step.before, &step.after);
        if let [Seen::Refused(generation)] = *step.seen {
            let serves = before.generation == Some(generation);
            let expected = serves && self.recoveries.refused(generation, before.stalled);
            let queued = after.queued - before.queued;
            prop_assert_eq!(queued, usize::from(expected), "a 401 on {:?}", generation);
            prop_assert_eq!(&after.token, &before.token, "the token serves meanwhile");
        }
        if let Op::Start(who) = step.op {
            let another = self.started.replace(who) != Some(who);
            if another && before.epoch == after.epoch && matches!(who, Who::App { .. }) {
                self.reopen(after.generation);
            }
        }
        for seen in step.seen {
            match seen {
                Seen::Sent(_) => {
                    let wanted = after.generation.map(|generation| self.recoveries.of(generation));
                    self.after_401 = wanted == Some(Recovery::Wanted);
                    let asked_for = wanted.is_none() || self.after_401;
                    prop_assert!(asked_for, "{:?} is renewed, and nobody asked", after.generation);
                }
                Seen::Event(Event::Unauthorized(generation)) => {
                    let twice = self.told.contains(generation);
                    prop_assert!(!twice, "{:?} was told of twice", generation);
                    self.told.push(*generation);
                }
                _ => {}
            }
        }
        if let (Op::Answer(..), Some(generation)) = (step.op, after.generation)
            && before.generation != Some(generation)
            && self.after_401
        {
            self.recoveries.set(generation, Recovery::Spent);
        }
        Ok(())
    }

    /// New credentials give a token another chance.
    fn reopen(&mut self, generation: Option<Generation>) {
        let Some(generation) = generation else { return };
        let next = match self.recoveries.of(generation) {
            Recovery::Wanted | Recovery::Told => Recovery::Wanted,
            Recovery::Untried | Recovery::Spent => Recovery::Untried,
        };
        self.told.retain(|told| *told != generation);
        self.recoveries.set(generation, next);
    }
}

proptest! {
    #![proptest_config(crate::cases(256))]

    /// A 401 renews its token once; what that gives is not renewed for a 401.
    #[test]
    fn rule_05_a_401_renews_once(ops in sequence(refusing()), seed: u64) {
        let mut watch = Watch::default();
        play(&ops, Policy::default(), seed, |step| watch.follow(step))?;
    }

    /// After n failures in a row, the pause is at most base·2^(n-1), and at most the cap.
    #[test]
    fn rule_06_pauses_double_and_are_capped(
        seed: u64,
        failures in proptest::collection::vec(prop_oneof![
            ops::failure().prop_map(|why| Op::Fail(To::Live, why)),
            Just(Op::Answer(To::Live, Say::Deny(503, None))),
        ], 1..40),
    ) {
        let policy = Policy::builder()
            .burst(1)
            .interval(Duration::from_millis(1))
            .spacing(Duration::from_millis(1))
            .backoff(Duration::from_secs(1), Duration::from_secs(60))
            .build()
            .expect("in range");
        let mut world = World::new(policy, seed);
        world.apply(Op::Start(Who::App { user: 0, secret: 0 }));
        let mut total = Duration::ZERO;
        for (n, failure) in failures.iter().enumerate() {
            for _ in 0..3 {
                world.apply(Op::Drain);
                if world.live.is_some() {
                    break;
                }
                world.apply(Op::PassToWake);
            }
            prop_assert!(world.live.is_some(), "it asks again");
            world.apply(*failure);
            world.apply(Op::Drain);
            let ceiling = Duration::from_secs(1 << n.min(6)).min(Duration::from_secs(60));
            match world.wake {
                Some(Wake::In(wait, WakeReason::Backoff)) => {
                    prop_assert!(wait <= ceiling, "{:?} after {} failures", wait, n + 1);
                    total += wait;
                }
                // Nothing, or next to it, is a pause as good as any.
                Some(Wake::In(_, WakeReason::Deadline | WakeReason::Budget)) => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
        // The mean is half the ceiling: a run of small draws this long is not chance.
        let most = failures.len() >= 20;
        prop_assert!(!most || total > Duration::from_secs(120), "{:?} in all", total);
    }
}

/// A renewal on schedule allows for another try after a 401, and a 401 on an old token means nothing.
#[test]
fn rule_05_a_renewal_on_schedule_allows_another_try() {
    let mut world = World::new(Policy::default(), 3);
    let granted = Op::Answer(To::Live, Say::Grant(1_000));
    let refused = Op::Unauthorized { current: true };
    let renewals = |world: &World| world.driver.counters().renewals;
    for op in [Op::Start(Who::App { user: 0, secret: 0 }), Op::Drain, granted, Op::Drain] {
        world.apply(op);
    }
    for op in [refused, refused, Op::Pass(1_000), Op::Drain, granted, refused, refused, Op::Drain] {
        world.apply(op);
    }
    assert_eq!(renewals(&world), 1, "the second token isn't renewed for its 401");
    for op in [Op::Pass(1_000), Op::Drain, Op::PassToWake, Op::Drain, granted, Op::Drain] {
        world.apply(op);
    }
    assert_eq!(renewals(&world), 2, "on schedule");
    let old = Op::Unauthorized { current: false };
    for op in [old, Op::Pass(1_000), Op::Drain] {
        world.apply(op);
    }
    assert_eq!(world.driver.counters().requests, 3, "an old token's 401");
    for op in [refused, Op::Drain, granted] {
        world.apply(op);
    }
    assert_eq!(renewals(&world), 3, "the third token is, again");
}

/// A token that lapsed while its 401 was still to be answered casts no doubt on the one that a new login
/// gives.
#[test]
fn rule_05_a_login_after_a_lapse_is_no_recovery() {
    let mut world = World::new(Policy::default(), 3);
    let granted = Op::Answer(To::Live, Say::Grant(60));
    let refused = Op::Unauthorized { current: true };
    for op in [Op::Start(Who::App { user: 0, secret: 0 }), Op::Drain, granted, Op::Drain] {
        world.apply(op);
    }
    for op in [Op::Online(false), refused, Op::Drain, Op::Pass(100_000), Op::Drain] {
        world.apply(op);
    }
    for op in [Op::Online(true), Op::Drain, granted, Op::Drain, refused, Op::Pass(1_000), Op::Drain]
    {
        world.apply(op);
    }
    let counters = world.driver.counters();
    assert_eq!(
        (counters.authentications, counters.requests),
        (2, 3),
        "the second token is renewed"
    );
}
