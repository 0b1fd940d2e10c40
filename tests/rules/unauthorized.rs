//! Rules whose point is what happens to a token that lives long: 401s, and how long pauses are.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Uri;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use videokit_session::driver::{Policy, WakeReason};
use videokit_session::session::Generation;
use videokit_session::session::transitions::{Cause, Transition};
use videokit_session::sim::strategies::{self, script};
use videokit_session::sim::{Answer, Harness, Login, SECRET, Seen, Step, To};
use videokit_session::{Driver, Event, Wake};

use crate::early::{Early, Refused, TokenStatus};
use crate::view::Turn;
use crate::world::{play, world};

type Checked = Result<(), TestCaseError>;

/// How long tokens live here, in seconds: renewal on schedule is hours away, so that a renewal can only
/// have been asked for by a 401.
const LONG: u32 = 1_000_000;

/// Calls that leave a long-lived token in use, and 401s.
fn refusing() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Drain),
        3 => Just(Step::Poll),
        5 => (any::<bool>(), prop_oneof![Just(0), 0_u32..60_000])
            .prop_map(|(current, late_ms)| Step::Unauthorized { current, late_ms }),
        6 => Just(Step::Answer(To::Live, Answer::Grant(LONG))),
        2 => (strategies::to(), strategies::soft_denial()).prop_map(|(to, say)| Step::Answer(to, say)),
        1 => strategies::refusal().prop_map(|say| Step::Answer(To::Live, say)),
        2 => (strategies::to(), strategies::failure()).prop_map(|(to, why)| Step::Fail(to, why)),
        5 => (0_u32..60_000).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Online),
        1 => (0_u8..2).prop_map(|secret| Step::Start(Login::App { user: 0, secret })),
        1 => (0_u8..2).prop_map(|secret| Step::SetCredentials(Login::App { user: 0, secret })),
        1 => (0_u8..2).prop_map(|number| Step::Start(Login::TokenOf { user: 0, number })),
    ]
}

/// The token that serves, and what follows from 401s.
#[derive(Debug, Clone, Copy)]
struct Token {
    generation: Generation,
    status: TokenStatus,
    /// When it was asked for, and when its reply came, in ticks.
    sent: i64,
    received: i64,
}

/// Checks each step against what every token's 401s lead to: the clocks are calm, so that ages are ticks.
struct Watch {
    early: Early,
    token: Option<Token>,
    /// When the request in flight went out.
    sent: i64,
    told: BTreeSet<Generation>,
    /// 401s that have to be told, and were not yet.
    owed: Vec<Generation>,
    started: Option<Login>,
    /// Where the login's requests go.
    endpoint: Option<Uri>,
    /// Whether a token of this login lives for another time than [`LONG`], so that its ages aren't known.
    lost: bool,
}

/// The age at which tokens are scheduled to die by what is stated: `L - 1000 - σ`.
const STATED: i64 = LONG as i64 * 1_000 - 2_000;

/// The default policy's.
const THRESHOLD: (i64, i64) = (10_000, 3_600_000);

const NEVER_REFUSED: TokenStatus =
    TokenStatus { own: false, after_401: false, refused: Refused::Never };

impl Watch {
    fn new() -> Self {
        Self {
            early: Early::new(THRESHOLD, 64),
            token: None,
            sent: 0,
            told: BTreeSet::new(),
            owed: Vec::new(),
            started: None,
            endpoint: None,
            lost: false,
        }
    }

    fn follow(&mut self, turn: &Turn<'_>) -> Checked {
        let now = turn.world.ticks().cast_signed();
        let age = self.token.map_or(0, |token| now - token.received);
        if let Some(token) = self.token {
            self.early.lived(token.status, age);
        }
        self.note_start(turn);
        if let [Seen::Unauthorized(call)] = *turn.seen {
            let called_at = i64::try_from(call.age_millis).unwrap_or(i64::MAX);
            if self.token.is_none_or(|token| token.generation != call.generation) {
                self.early.refuse_late(call.generation.number(), called_at, now);
            }
            self.refuse(turn, call.generation, age.min(called_at), now)?;
        }
        for seen in turn.seen {
            match seen {
                Seen::Sent(id) => {
                    let asked = self.lost || self.may_renew(now);
                    prop_assert!(asked, "{} renews, and nobody asked", id);
                    self.sent = now;
                }
                Seen::Event(Event::Unauthorized(generation)) => {
                    let owed = self.owed.iter().position(|owed| owed == generation);
                    prop_assert!(owed.is_some(), "nobody had to be told of {:?}", generation);
                    self.owed.remove(owed.unwrap_or(0));
                }
                Seen::Event(event) if event.transition().is_some_and(is_adoption) => {
                    self.early.give_up_suspicion();
                    let generation = turn.after.generation;
                    self.token = generation.map(|generation| Token {
                        generation,
                        status: NEVER_REFUSED,
                        sent: now,
                        received: now,
                    });
                }
                _ => {}
            }
        }
        if turn.step == Step::Drain {
            prop_assert!(self.owed.is_empty(), "nobody was told of {:?}", self.owed);
        }
        let (Step::Answer(..), Some(generation)) = (turn.step, turn.after.generation) else {
            return Ok(());
        };
        if turn.before.generation != Some(generation) {
            self.grant(turn, generation, age, now);
        }
        Ok(())
    }

    fn note_start(&mut self, turn: &Turn<'_>) {
        let (Step::Start(who) | Step::SetCredentials(who)) = turn.step else { return };
        let joins = matches!(who, Login::TokenOf { .. }) && turn.before.epoch == turn.after.epoch;
        if joins && turn.world.driver().credentials().is_some() {
            return;
        }
        let another = self.started.replace(who) != Some(who);
        let credentials = turn.world.driver().credentials();
        let endpoint = credentials.and_then(|now| now.exchange().endpoint().cloned());
        let before = std::mem::replace(&mut self.endpoint, endpoint);
        if turn.before.epoch != turn.after.epoch {
            (self.early, self.token, self.lost) = (Early::new(THRESHOLD, 64), None, false);
        } else if another && matches!(who, Login::App { .. }) {
            let moves = before.is_some() && before != self.endpoint;
            if moves {
                self.early = Early::new(THRESHOLD, 64);
            } else {
                self.early.trust();
            }
            if let Some(Token { status, .. }) = &mut self.token {
                status.after_401 = false;
                if let Refused::Wanted(lesson) = &mut status.refused {
                    *lesson = lesson.filter(|_| !moves);
                }
                if status.refused == Refused::Reported {
                    status.refused = Refused::Wanted(None);
                }
            }
        }
    }

    fn refuse(&mut self, turn: &Turn<'_>, generation: Generation, age: i64, now: i64) -> Checked {
        let (before, after) = (&turn.before, &turn.after);
        let renewable = before.blocked.is_none() && turn.world.driver().credentials().is_some();
        let mut expected = false;
        if let Some(token) = self.token.as_mut().filter(|token| token.generation == generation) {
            token.status.refused = self.early.refuse(token.status, age, STATED, now);
            let wanted = matches!(token.status.refused, Refused::Wanted(_));
            expected = !(wanted && renewable) && self.told.insert(generation);
        }
        let queued = after.queued - before.queued;
        if self.lost {
            expected = queued == 1;
        }
        self.owed.extend(Some(generation).filter(|_| expected));
        prop_assert_eq!(queued, usize::from(expected), "a 401 on {:?} at {} ms", generation, age);
        prop_assert_eq!(&after.token, &before.token, "the token serves meanwhile");
        Ok(())
    }

    /// Whether a 401 asks for a renewal, or what was learned may.
    fn may_renew(&self, now: i64) -> bool {
        let Some(token) = self.token else { return true };
        if matches!(token.status.refused, Refused::Wanted(_)) {
            return true;
        }
        let learned = self.early.age().filter(|limit| token.status.own && *limit < STATED);
        // The margin is at most a minute or a quarter, and half of that again by chance.
        learned.is_some_and(|limit| {
            let margin = (limit - 1_000).clamp(0, 240_000) / 4;
            let ran = now - token.sent;
            ran + ran / 1_024 + 1_000 >= limit - margin - margin / 2
        })
    }

    fn grant(&mut self, turn: &Turn<'_>, generation: Generation, age: i64, now: i64) {
        self.lost |= !matches!(turn.step, Step::Answer(_, Answer::Grant(LONG)));
        let mut after_401 = false;
        if let Some(token) = self.token {
            self.early.end(token.status, age, STATED, token.generation.number());
            after_401 = matches!(token.status.refused, Refused::Wanted(_));
        }
        after_401 &= self.was_up_to_date(turn);
        if !after_401 {
            self.early.give_up_suspicion();
        }
        let status = TokenStatus { own: true, after_401, refused: Refused::Never };
        self.token = Some(Token { generation, status, sent: self.sent, received: now });
    }

    /// Whether the request that was answered had been made with the credentials that are the latest now:
    /// what older ones gave says nothing about them.
    fn was_up_to_date(&self, turn: &Turn<'_>) -> bool {
        let Some(Login::App { secret, .. }) = self.started else { return true };
        let sent = turn.world.sent().iter().find(|sent| Some(sent.id) == turn.live_before);
        sent.is_some_and(|sent| sent.secret == format!("Bearer {SECRET}-{secret}"))
    }
}

fn is_adoption(transition: Transition) -> bool {
    matches!(transition.cause, Cause::Adopted | Cause::Replaced)
}

proptest! {
    #![proptest_config(crate::cases(256))]

    /// A 401 renews a token that may have died of age, and is reported otherwise; the age is learned.
    #[test]
    fn rule_05_a_401_renews_what_may_have_died_of_age(script in script(refusing()), seed: u64) {
        let mut watch = Watch::new();
        play(&script, world(Policy::default(), seed), |turn| watch.follow(turn))?;
    }

    /// After n failures in a row, the pause is at most base·2^(n-1), and at most the cap.
    #[test]
    fn rule_06_pauses_double_and_are_capped(
        seed: u64,
        failures in proptest::collection::vec(prop_oneof![
            strategies::failure().prop_map(|why| Step::Fail(To::Live, why)),
            Just(Step::Answer(To::Live, Answer::Deny(503, None))),
        ], 1..40),
    ) {
        let policy = Policy::builder()
            .burst(1)
            .interval(Duration::from_millis(1))
            .spacing(Duration::from_millis(1))
            .backoff(Duration::from_secs(1), Duration::from_secs(60))
            .build()
            .expect("in range");
        let mut world = world(policy, seed);
        world.apply(Step::Start(Login::App { user: 0, secret: 0 }));
        let mut total = Duration::ZERO;
        for (n, failure) in failures.iter().enumerate() {
            for _ in 0..3 {
                world.apply(Step::Drain);
                if world.live().is_some() {
                    break;
                }
                world.apply(Step::PassToWake);
            }
            prop_assert!(world.live().is_some(), "it asks again");
            world.apply(*failure);
            world.apply(Step::Drain);
            let ceiling = Duration::from_secs(1 << n.min(6)).min(Duration::from_secs(60));
            match world.wake() {
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
    let mut world = world(Policy::default(), 3);
    let granted = Step::Answer(To::Live, Answer::Grant(1_000));
    let refused = Step::Unauthorized { current: true, late_ms: 0 };
    let renewals = |world: &Harness<Driver>| world.driver().counters().renewals;
    for op in [Step::Start(Login::App { user: 0, secret: 0 }), Step::Drain, granted, Step::Drain] {
        world.apply(op);
    }
    for op in
        [refused, refused, Step::Pass(1_000), Step::Drain, granted, refused, refused, Step::Drain]
    {
        world.apply(op);
    }
    assert_eq!(renewals(&world), 1, "the second token isn't renewed for its 401");
    for op in [Step::Pass(1_000), Step::Drain, Step::PassToWake, Step::Drain, granted, Step::Drain]
    {
        world.apply(op);
    }
    assert_eq!(renewals(&world), 2, "on schedule");
    let old = Step::Unauthorized { current: false, late_ms: 0 };
    for op in [old, Step::Pass(1_000), Step::Drain] {
        world.apply(op);
    }
    assert_eq!(world.driver().counters().requests, 3, "an old token's 401");
    for op in [refused, Step::Drain, granted] {
        world.apply(op);
    }
    assert_eq!(renewals(&world), 3, "the third token is, again");
}

/// A token that lapsed while its 401 was still to be answered casts no doubt on the one that a new login
/// gives.
#[test]
fn rule_05_a_login_after_a_lapse_is_no_recovery() {
    let mut world = world(Policy::default(), 3);
    let granted = Step::Answer(To::Live, Answer::Grant(60));
    let refused = Step::Unauthorized { current: true, late_ms: 0 };
    for op in [Step::Start(Login::App { user: 0, secret: 0 }), Step::Drain, granted, Step::Drain] {
        world.apply(op);
    }
    for op in [Step::Online(false), refused, Step::Drain, Step::Pass(100_000), Step::Drain] {
        world.apply(op);
    }
    for op in [
        Step::Online(true),
        Step::Drain,
        granted,
        Step::Drain,
        refused,
        Step::Pass(1_000),
        Step::Drain,
    ] {
        world.apply(op);
    }
    let counters = world.driver().counters();
    assert_eq!(
        (counters.authentications, counters.requests),
        (2, 3),
        "the second token is renewed"
    );
}

/// New credentials give a token another chance that was refused again after its one renewal.
#[test]
fn rule_05_new_credentials_renew_a_token_that_was_told_of() {
    let mut world = world(Policy::default(), 3);
    let granted = Step::Answer(To::Live, Answer::Grant(LONG));
    let refused = Step::Unauthorized { current: true, late_ms: 0 };
    for op in [Step::Start(Login::App { user: 0, secret: 0 }), Step::Drain, granted, Step::Drain] {
        world.apply(op);
    }
    for op in [refused, Step::Pass(1_000), Step::Drain, granted, refused, Step::Pass(1_000)] {
        world.apply(op);
    }
    let requests = |world: &Harness<Driver>| world.driver().counters().requests;
    world.apply(Step::Drain);
    assert_eq!(requests(&world), 2, "it was told of, and is not renewed");
    world.apply(Step::Start(Login::App { user: 0, secret: 1 }));
    world.apply(Step::Drain);
    assert_eq!(requests(&world), 3);
}
