//! The ten rules, under any order of anything.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use videokit_session::driver::{Policy, Stalled};
use videokit_session::session::transitions::{Cause, StateName, TABLE};
use videokit_session::{Event, Output, Wake};

use crate::ops::{self, Op, Say, To, Who, sequence};
use crate::shadow::{Bucket, densest_window_is_within};
use crate::world::{SECRET, Seen, Sent, Step, UNREACHABLE, World, play};

type Checked = Result<(), TestCaseError>;

fn policy(burst: u32, interval: u64, spacing: u64) -> Policy {
    use std::time::Duration;
    let policy = Policy::builder()
        .burst(burst)
        .interval(Duration::from_millis(interval))
        .spacing(Duration::from_millis(spacing));
    policy.build().expect("in range")
}

/// A mix that presses for requests: logins, failures, 401s, nets that come and go.
fn pushy() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => Just(Op::Drain),
        4 => ops::op(),
        4 => (ops::to(), ops::failure()).prop_map(|(to, why)| Op::Fail(to, why)),
        4 => (Just(To::Live), ops::say()).prop_map(|(to, say)| Op::Answer(to, say)),
        3 => (0_u32..900).prop_map(Op::Pass),
        2 => Just(Op::PassToWake),
        2 => Just(Op::Stop),
        3 => ops::who().prop_map(Op::Start),
        2 => any::<bool>().prop_map(Op::Online),
        2 => Just(Op::Unauthorized { current: true }),
        1 => Just(Op::RoundTrip),
    ]
}

proptest! {
    #![proptest_config(crate::cases(256))]

    /// One live request, and a bucket that nothing resets.
    #[test]
    fn rule_01_the_budget_holds(
        ops in sequence(pushy()),
        seed: u64,
        (burst, interval, spacing) in (1_u32..7, 1_u64..20_000, 1_u64..3_000),
    ) {
        let policy = policy(burst, interval, spacing);
        let mut bucket = Bucket::full(burst.into(), interval, spacing);
        let world = play(&ops, policy, seed, |step| -> Checked {
            for seen in step.seen {
                let Seen::Sent(id) = seen else { continue };
                let overlap = step.live_before.filter(|_| {
                    // Given up in this very step, before the request.
                    !step.seen.iter().any(|other| matches!(other, Seen::Abandoned(gone) if Some(*gone) == step.live_before))
                });
                prop_assert_eq!(overlap, None, "request {} goes out beside another", id);
                let at = step.world.ticks;
                prop_assert!(bucket.take(at), "request {} at {} ms is over the budget", id, at);
            }
            Ok(())
        })?;
        let sent: Vec<u64> = world.sent.iter().map(|sent| sent.at).collect();
        densest_window_is_within(&sent, &policy).map_err(TestCaseError::fail)?;
    }

    /// What comes for another request changes nothing, and what comes for another identity gives nothing.
    #[test]
    fn rule_02_stale_and_foreign_replies_change_nothing(ops in sequence(ops::op()), seed: u64) {
        play(&ops, Policy::default(), seed, |step| -> Checked {
            for seen in step.seen {
                let Seen::Reported { id, taken } = seen else { continue };
                let live = step.live_before == Some(*id);
                prop_assert_eq!(*taken, live, "request {} was taken, or not, though live is {}", id, live);
                if !live {
                    let mut expected = step.before.clone();
                    expected.counters.stale += 1;
                    prop_assert_eq!(&step.after, &expected, "a stale reply changed something");
                }
            }
            first_identity_is_kept(step)
        })?;
    }

    /// Behind a cookie that states nobody, the first identity that a reply names is kept for the whole
    /// login, through lapses and failures.
    #[test]
    fn rule_02_the_first_identity_is_kept(
        ops in sequence(prop_oneof![
            6 => Just(Op::Drain),
            2 => Just(Op::Answer(To::Live, Say::Grant(30))),
            2 => Just(Op::Answer(To::Live, Say::GrantForAnother(30))),
            2 => Just(Op::Answer(To::Live, Say::Deny(503, None))),
            4 => (5_000_u32..30_000).prop_map(Op::Pass),
            1 => Just(Op::Start(Who::Cookie(0))),
        ]),
        seed: u64,
    ) {
        play(&ops, Policy::default(), seed, first_identity_is_kept)?;
    }

    /// No failed renewal touches the token, and no failure but a refusal ends a login.
    #[test]
    fn rule_03_failures_do_no_harm(
        ops in sequence(prop_oneof![
            6 => ops::op(),
            4 => (Just(To::Live), ops::soft_denial()).prop_map(|(to, say)| Op::Answer(to, say)),
            2 => ops::failure().prop_map(|why| Op::Fail(To::Live, why)),
            4 => Just(Op::Drain),
            2 => Just(Op::PassToWake),
        ]),
        seed: u64,
    ) {
        play(&ops, Policy::default(), seed, |step| -> Checked {
            let failed = match step.op {
                Op::Answer(_, Say::Grant(_) | Say::GrantUndated(_) | Say::GrantUnstated) => false,
                // The first to be named behind a cookie is no other.
                Op::Answer(_, Say::GrantForAnother(_)) => {
                    step.before.identity.as_ref().is_some_and(|named| !named.as_str().ends_with("else"))
                }
                Op::Answer(..) | Op::Fail(..) => true,
                Op::Poll | Op::Drain => only_failures(step.seen),
                _ => false,
            };
            if failed {
                prop_assert_eq!(&step.after.token, &step.before.token, "{:?} took the token", step.op);
                prop_assert_eq!(step.after.epoch, step.before.epoch);
            }
            let refuses = matches!(step.op, Op::Answer(_, Say::Deny(400..=404, _)));
            if step.after.stalled == Some(Stalled::Refused) && step.before.stalled.is_none() {
                prop_assert!(refuses, "{:?} was taken for a refusal", step.op);
            }
            let ended = step.after.stalled == Some(Stalled::NotStarted) && step.before.stalled.is_none();
            let died_on_arrival = step.seen.iter().any(|seen| matches!(seen, Seen::Event(Event::NotAdopted(_))));
            if ended && !died_on_arrival {
                prop_assert_eq!(step.op, Op::Stop, "a login ended");
            }
            Ok(())
        })?;
    }

    /// After a refusal nothing is asked with the credentials that were refused.
    #[test]
    fn rule_04_a_refusal_ends_the_asking(
        ops in sequence(prop_oneof![
            8 => ops::op(),
            2 => (Just(To::Live), ops::refusal()).prop_map(|(to, say)| Op::Answer(to, say)),
            6 => Just(Op::Drain),
            2 => Just(Op::PassToWake),
            1 => ops::who().prop_map(Op::Start),
        ]),
        seed: u64,
    ) {
        // The secret that was refused last, until a stop or a start with another.
        let mut refused: Option<Sent> = None;
        let mut started: Option<Who> = None;
        play(&ops, Policy::default(), seed, |step| -> Checked {
            let restarted = matches!(step.op, Op::Start(who) if started.replace(who) != Some(who));
            if restarted || step.after.epoch != step.before.epoch || step.op == Op::Stop {
                refused = None;
            }
            for seen in step.seen {
                match seen {
                    Seen::Reported { id, taken: true } if matches!(step.op, Op::Answer(_, Say::Deny(400..=404, _))) => {
                        refused = step.world.sent.iter().find(|sent| sent.id == *id).cloned();
                    }
                    Seen::Sent(id) => {
                        let sent = step.world.sent.iter().find(|sent| sent.id == *id);
                        let again = sent.zip(refused.as_ref()).is_some_and(|(now, then)| {
                            now.uri == then.uri && now.secret == then.secret
                        });
                        prop_assert!(!again, "request {} asks again with what was refused", id);
                        refused = None;
                    }
                    _ => {}
                }
            }
            Ok(())
        })?;
    }

    /// A server's wait holds for its endpoint, whatever is stopped and started meanwhile.
    #[test]
    fn rule_06_servers_are_left_alone(ops in sequence(pushy().prop_filter("keeps what it knows", |op| *op != Op::RoundTrip)), seed: u64) {
        // No other reason to wait: whatever holds a request back for longer than a moment is the floor.
        let policy = Policy::builder()
            .burst(1_000)
            .interval(std::time::Duration::from_millis(1))
            .spacing(std::time::Duration::from_millis(1))
            .backoff(std::time::Duration::from_millis(1), std::time::Duration::from_millis(1))
            .build()
            .expect("in range");
        let mut floors: BTreeMap<String, u64> = BTreeMap::new();
        play(&ops, policy, seed, |step| -> Checked {
            let at = step.world.ticks;
            for seen in step.seen {
                let uri = |id| step.world.sent.iter().find(|sent| sent.id == id).map(|sent| sent.uri.to_string());
                match (seen, step.op) {
                    (Seen::Reported { id, taken: true }, Op::Answer(_, Say::Deny(_, Some(wait)))) => {
                        let until = at + u64::from(wait.min(3_600)) * 1_000;
                        let floor = floors.entry(uri(*id).unwrap()).or_default();
                        *floor = until.max(*floor);
                    }
                    (Seen::Sent(id), _) => {
                        let floor = floors.get(&uri(*id).unwrap()).copied().unwrap_or(0);
                        prop_assert!(at >= floor, "request {} goes at {} ms, and the server said {} ms", id, at, floor);
                    }
                    _ => {}
                }
            }
            Ok(())
        })?;
    }

    /// A stop leaves nothing, and nothing that comes later revives it.
    #[test]
    fn rule_07_stop_stops(ops in sequence(ops::op()), seed: u64, say in ops::say()) {
        let world = play(&ops, Policy::default(), seed, |step| -> Checked {
            if step.op == Op::Stop {
                prop_assert_eq!(step.after.state, StateName::Unauthenticated);
                prop_assert_eq!(&step.after.token, &None);
                prop_assert_eq!(step.after.stalled, Some(Stalled::NotStarted));
                prop_assert_eq!(step.world.driver.identity(), None);
            }
            Ok(())
        })?;
        let mut world: World = world;
        world.apply(Op::Stop);
        world.apply(Op::Drain);
        for sent in world.sent.clone() {
            let reply = world.reply(sent.id, say);
            prop_assert!(world.driver.handle_response(sent.id, &reply, world.now).is_err());
            prop_assert!(world.driver.handle_failure(sent.id, UNREACHABLE, world.now).is_err());
        }
        for later in [0, 1_000, 100_000_000] {
            world.apply(Op::Pass(later));
            for online in [false, true] {
                world.apply(Op::Online(online));
                prop_assert_eq!(world.driver.poll(world.now), Output::Wait(Wake::OnInput));
            }
        }
        prop_assert_eq!(world.token(), None);
    }

    /// One event for each transition, one chain from the first state to the last, and no secret in it.
    #[test]
    fn rule_08_each_transition_gives_one_event(ops in sequence(ops::op()), seed: u64) {
        let mut chain = Chain { state: StateName::Unauthenticated };
        play(&ops, Policy::default(), seed, |step| -> Checked {
            let calls = match step.op {
                Op::Stop | Op::Start(_) => {
                    u8::from(step.before.state != step.after.state)
                }
                Op::Answer(..) | Op::Fail(..) => step.seen.iter().filter(|seen| matches!(seen, Seen::Reported { taken: true, .. })).count().try_into().unwrap(),
                _ => 0,
            };
            if calls > 0 || matches!(step.op, Op::Stop | Op::Start(_) | Op::Answer(..) | Op::Fail(..)) {
                let abandoned = step.after.counters.abandoned - step.before.counters.abandoned;
                let queued = step.before.queued + usize::from(calls) + usize::try_from(abandoned).unwrap();
                prop_assert_eq!(step.after.queued, queued, "{:?} queued something else", step.op);
            }
            chain.follow(step)
        })?;
    }

    /// From wherever it is, it comes back by itself, or says that it needs a start.
    #[test]
    fn rule_09_there_is_a_way_back(ops in sequence(prop_oneof![9 => ops::op(), 1 => Just(Op::RoundTrip)]), seed: u64) {
        let mut world = play(&ops, Policy::default(), seed, |_| -> Checked { Ok(()) })?;
        world.apply(Op::Online(true));
        let begun = world.ticks;
        for _ in 0..40 {
            for seen in world.apply(Op::Drain) {
                if let Seen::Sent(_) = seen {
                    world.apply(Op::Answer(To::Live, Say::Grant(3_600)));
                }
            }
            if world.driver.stalled().is_some() {
                // It says so, and new credentials are what it says: a secret that nobody had.
                let user = match world.driver.identity().map(|identity| identity.as_str()) {
                    Some("user-0") => 0,
                    Some("user-1") => 1,
                    _ => 9,
                };
                world.apply(Op::Start(Who::App { user, secret: 9 }));
                continue;
            }
            if world.token().is_some() {
                break;
            }
            let wake = world.wake;
            prop_assert_ne!(wake, Some(Wake::OnInput), "it waits for an input that it never asked for");
            world.apply(Op::PassToWake);
        }
        prop_assert_eq!(world.driver.state(), StateName::Active, "{:?}", world.driver);
        prop_assert!(world.token().is_some());
        // The longest wait there is: a server's, at its cap.
        prop_assert!(world.ticks - begun <= 3_600_000 + 100_000, "it took {} ms", world.ticks - begun);
    }

    /// The same again gives the same again.
    #[test]
    fn rule_10_the_same_inputs_give_the_same_outputs(ops in sequence(ops::op()), seed: u64) {
        let mut first = Vec::new();
        play(&ops, Policy::default(), seed, |step| -> Checked {
            first.push((step.seen.to_vec(), step.after.clone()));
            Ok(())
        })?;
        let mut again = first.into_iter();
        play(&ops, Policy::default(), seed, |step| -> Checked {
            let (seen, after) = again.next().expect("as many steps");
            prop_assert_eq!(step.seen, &seen[..]);
            prop_assert_eq!(&step.after, &after);
            Ok(())
        })?;
    }

    /// However many calls come between two polls, little is queued; and a copy goes on as the original.
    #[test]
    fn the_queue_is_bounded(ops in sequence(pushy()), seed: u64, attempts in 1_u32..4) {
        play(&ops, giving_up(attempts), seed, |step| -> Checked {
            prop_assert!(step.after.queued <= videokit_session::Driver::MOST_QUEUED, "{:?}", step.world.driver);
            let (mut fork, now) = (step.world.driver.fork(), step.world.now);
            let mut again = step.world.driver.fork();
            prop_assert_eq!(fork.poll(now), again.poll(now));
            prop_assert_eq!(fork.canonical(now), again.canonical(now));
            Ok(())
        })?;
    }

    /// Every request that went out is accounted for.
    #[test]
    fn the_counters_add_up(ops in sequence(ops::op()), seed: u64) {
        play(&ops, Policy::default(), seed, |step| -> Checked {
            let counters = step.after.counters;
            let ended = counters.authentications + counters.renewals + counters.refused
                + counters.throttled + counters.transient + counters.redirected + counters.malformed
                + counters.unanswered + counters.abandoned;
            let live = u64::from(step.world.live.is_some());
            prop_assert_eq!(counters.requests, ended + live, "{:?}", counters);
            Ok(())
        })?;
    }
}

/// A token that is new at hand is for whom the login is, and somebody is on record for it.
fn first_identity_is_kept(step: &Step<'_>) -> Checked {
    let (Some(token), Op::Answer(..)) = (&step.after.token, step.op) else { return Ok(()) };
    if step.before.token.as_ref() == Some(token) {
        return Ok(());
    }
    if let Some(wanted) = &step.before.identity {
        prop_assert!(token.ends_with(wanted.as_str()), "{} serves {}", token, wanted);
    }
    prop_assert!(step.after.identity.is_some(), "nobody is on record for {}", token);
    Ok(())
}

/// Whether requests were given up, and nothing else happened.
fn only_failures(seen: &[Seen]) -> bool {
    let mut causes = seen.iter().filter_map(|seen| match seen {
        Seen::Event(event) => event.transition().map(|transition| transition.cause),
        _ => None,
    });
    let given_up = seen.iter().any(|seen| matches!(seen, Seen::Abandoned(_)));
    given_up && causes.all(|cause| matches!(cause, Cause::Failed | Cause::RenewalFailed))
}

/// The chain of transitions that the events tell.
struct Chain {
    state: StateName,
}

impl Chain {
    fn follow(&mut self, step: &Step<'_>) -> Checked {
        let mut sent = 0;
        let mut told = 0;
        for seen in step.seen {
            sent += usize::from(matches!(seen, Seen::Sent(_)));
            let Seen::Event(event) = seen else { continue };
            for text in [event.to_string(), format!("{event:?}")] {
                prop_assert!(!text.contains(SECRET), "a secret in {}", text);
            }
            let Some(transition) = event.transition() else { continue };
            prop_assert!(TABLE.contains(&transition), "{:?} is no row of the table", transition);
            prop_assert_eq!(transition.from, self.state, "{} doesn't follow", event);
            self.state = transition.to;
            told += usize::from(matches!(
                transition.cause,
                Cause::Started | Cause::Reauthenticated | Cause::RenewalSent
            ));
        }
        if step.op == Op::Drain {
            prop_assert_eq!(self.state, step.after.state, "an event is missing");
            prop_assert!(told >= sent, "a request without its event");
        }
        Ok(())
    }
}

/// The bound is not only held, it is reached: there is no smaller one.
#[test]
fn the_queue_reaches_its_bound() {
    let mut world = World::new(giving_up(1), 1);
    let refused = Op::Unauthorized { current: true };
    let login = [Op::Start(Who::App { user: 0, secret: 0 }), Op::Drain];
    let login = login.into_iter().chain([Op::Answer(To::Live, Say::Grant(3_600)), Op::Drain]);
    let renewal = [refused, Op::Pass(1_000), Op::Poll, Op::Fail(To::Live, UNREACHABLE)];
    for op in login.chain(renewal).chain([refused, Op::Stop]) {
        world.apply(op);
    }
    let mut told = Vec::new();
    while let Output::Event(event) = world.driver.poll(world.now) {
        told.push(event.to_string());
    }
    assert_eq!(told.len(), videokit_session::Driver::MOST_QUEUED);
    assert_eq!(
        told,
        [
            "Active: RenewalSent",
            "Active: RenewalFailed: no connection could be made",
            "too many tries failed in a row: start again",
            "the API refuses token 1, and renewing won't help",
            "Active -> Unauthenticated: Stopped",
        ]
    );
}

fn giving_up(attempts: u32) -> Policy {
    Policy::builder().attempts(attempts).build().expect("in range")
}
