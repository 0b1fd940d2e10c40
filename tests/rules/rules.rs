//! The ten rules, under any order of anything.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use videokit_session::driver::{Blocked, Policy};
use videokit_session::session::transitions::{Cause, StateName, TABLE, Transition};
use videokit_session::sim::strategies::{self, script};
use videokit_session::sim::{Answer, Login, SECRET, Seen, Sent, Step, To};
use videokit_session::{Driver, Event, Identity, Output, TransportFailure, Wake};

use crate::shadow::{Bucket, densest_window_is_within};
use crate::view::{
    Turn, World, is_start, names_another, only_failures, stale_reports_change_nothing,
};
use crate::world::{play, play_with_trips, world};

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
fn pushy() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => Just(Step::Drain),
        4 => strategies::step(),
        4 => (strategies::to(), strategies::failure()).prop_map(|(to, why)| Step::Fail(to, why)),
        4 => (Just(To::Live), strategies::answer()).prop_map(|(to, say)| Step::Answer(to, say)),
        3 => (0_u32..900).prop_map(Step::Pass),
        2 => Just(Step::PassToWake),
        2 => Just(Step::Stop),
        3 => strategies::login().prop_map(Step::Start),
        2 => strategies::login().prop_map(Step::SetCredentials),
        2 => any::<bool>().prop_map(Step::Online),
        2 => Just(Step::Unauthorized { current: true, late_ms: 0 }),
    ]
}

proptest! {
    #![proptest_config(crate::cases(256))]

    /// One live request, and a bucket that nothing resets.
    #[test]
    fn rule_01_the_budget_holds(
        script in script(pushy()),
        trips in proptest::collection::vec(0_usize..180, 0..8),
        seed: u64,
        (burst, interval, spacing) in (1_u32..7, 1_u64..20_000, 1_u64..3_000),
    ) {
        let policy = policy(burst, interval, spacing);
        let mut bucket = Bucket::full(burst.into(), interval, spacing);
        let world = play_with_trips(&script, world(policy, seed), &trips, |turn| -> Checked {
            for seen in turn.seen {
                let Seen::Sent(id) = seen else { continue };
                let overlap = turn.live_before.filter(|_| {
                    // Given up in this very step, before the request.
                    !turn.seen.iter().any(|other| matches!(other, Seen::Abandoned(gone) if Some(*gone) == turn.live_before))
                });
                prop_assert_eq!(overlap, None, "request {} goes out beside another", id);
                let at = turn.world.ticks();
                prop_assert!(bucket.take(at), "request {} at {} ms is over the budget", id, at);
            }
            Ok(())
        })?;
        let sent: Vec<u64> = world.sent().iter().map(|sent| sent.at).collect();
        densest_window_is_within(&sent, &policy).map_err(TestCaseError::fail)?;
    }

    /// What comes for another request changes nothing, and what comes for another identity gives nothing.
    #[test]
    fn rule_02_stale_and_foreign_replies_change_nothing(script in script(strategies::step()), seed: u64) {
        let mut played = Vec::new();
        play(&script, world(Policy::default(), seed), |turn| -> Checked {
            played.push((turn.step, turn.seen.to_vec(), turn.after.clone()));
            for seen in turn.seen {
                let Seen::Reported { id, taken } = seen else { continue };
                let live = turn.live_before == Some(*id);
                prop_assert_eq!(*taken, live, "request {} was taken, or not, though live is {}", id, live);
                if !live {
                    let mut expected = turn.before.clone();
                    expected.counters.stale += 1;
                    prop_assert_eq!(turn.after, &expected, "a stale reply changed something");
                }
            }
            first_identity_is_kept(turn)
        })?;
        let replayed = world(Policy::default(), seed);
        stale_reports_change_nothing(&played, replayed).map_err(TestCaseError::fail)?;
    }

    /// Behind a cookie that states nobody, the first identity that a reply names is kept for the whole
    /// login, through lapses and failures.
    #[test]
    fn rule_02_the_first_identity_is_kept(
        script in script(prop_oneof![
            6 => Just(Step::Drain),
            2 => Just(Step::Answer(To::Live, Answer::Grant(30))),
            2 => Just(Step::Answer(To::Live, Answer::GrantForAnother(30))),
            2 => Just(Step::Answer(To::Live, Answer::Deny(503, None))),
            4 => (5_000_u32..30_000).prop_map(Step::Pass),
            1 => Just(Step::Start(Login::Cookie(0))),
        ]),
        seed: u64,
    ) {
        play(&script, world(Policy::default(), seed), first_identity_is_kept)?;
    }

    /// No failed renewal touches the token, and no failure but a refusal ends a login.
    #[test]
    fn rule_03_failures_do_no_harm(
        script in script(prop_oneof![
            6 => strategies::step(),
            4 => (Just(To::Live), strategies::soft_denial()).prop_map(|(to, say)| Step::Answer(to, say)),
            2 => strategies::failure().prop_map(|why| Step::Fail(To::Live, why)),
            4 => Just(Step::Drain),
            2 => Just(Step::PassToWake),
        ]),
        seed: u64,
    ) {
        play(&script, world(Policy::default(), seed), |turn| -> Checked {
            let failed = match turn.step {
                Step::Answer(_, Answer::Grant(_) | Answer::GrantUndated(_) | Answer::GrantUnstated) => false,
                // The first to be named behind a cookie is no other.
                Step::Answer(_, Answer::GrantForAnother(_)) => {
                    turn.before.identity.as_ref().is_some_and(|named| !named.as_str().ends_with("else"))
                }
                Step::Answer(..) | Step::Fail(..) => true,
                Step::Poll | Step::Drain => only_failures(turn.seen),
                _ => false,
            };
            if failed {
                prop_assert_eq!(&turn.after.token, &turn.before.token, "{:?} took the token", turn.step);
                prop_assert_eq!(turn.after.epoch, turn.before.epoch);
            }
            let refuses = matches!(turn.step, Step::Answer(_, Answer::Deny(400..=404, _)));
            if turn.after.blocked == Some(Blocked::Refused) && turn.before.blocked.is_none() {
                prop_assert!(refuses, "{:?} was taken for a refusal", turn.step);
            }
            let ended = turn.after.blocked == Some(Blocked::NotStarted) && turn.before.blocked.is_none();
            let died_on_arrival = turn.seen.iter().any(|seen| matches!(seen, Seen::Event(Event::NotAdopted(_))));
            if ended && !died_on_arrival {
                prop_assert_eq!(turn.step, Step::Stop, "a login ended");
            }
            Ok(())
        })?;
    }

    /// After a refusal nothing is asked with the credentials that were refused.
    #[test]
    fn rule_04_a_refusal_ends_the_asking(
        script in script(prop_oneof![
            8 => strategies::step(),
            2 => (Just(To::Live), strategies::refusal()).prop_map(|(to, say)| Step::Answer(to, say)),
            6 => Just(Step::Drain),
            2 => Just(Step::PassToWake),
            1 => strategies::login().prop_map(Step::Start),
            1 => strategies::login().prop_map(Step::SetCredentials),
        ]),
        seed: u64,
    ) {
        // The secret that was refused last, until a stop or a start with another.
        let mut refused: Option<Sent> = None;
        play(&script, world(Policy::default(), seed), |turn| -> Checked {
            let others = turn.after.credentials != turn.before.credentials;
            let restarted = is_start(turn.step) && others;
            if restarted || turn.after.epoch != turn.before.epoch || turn.step == Step::Stop {
                refused = None;
            }
            for seen in turn.seen {
                match seen {
                    Seen::Reported { id, taken: true } if matches!(turn.step, Step::Answer(_, Answer::Deny(400..=404, _))) => {
                        refused = turn.world.sent().iter().find(|sent| sent.id == *id).cloned();
                    }
                    Seen::Sent(id) => {
                        let sent = turn.world.sent().iter().find(|sent| sent.id == *id);
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
    fn rule_06_servers_are_left_alone(script in script(pushy()), seed: u64) {
        // No other reason to wait: whatever holds a request back for longer than a moment is the floor.
        let policy = Policy::builder()
            .burst(1_000)
            .interval(std::time::Duration::from_millis(1))
            .spacing(std::time::Duration::from_millis(1))
            .backoff(std::time::Duration::from_millis(1), std::time::Duration::from_millis(1))
            .build()
            .expect("in range");
        let mut retry_after: BTreeMap<String, u64> = BTreeMap::new();
        play(&script, world(policy, seed), |turn| -> Checked {
            let at = turn.world.ticks();
            for seen in turn.seen {
                let uri = |id| turn.world.sent().iter().find(|sent| sent.id == id).map(|sent| sent.uri.to_string());
                match (seen, turn.step) {
                    (Seen::Reported { id, taken: true }, Step::Answer(_, Answer::Deny(_, Some(wait)))) => {
                        let until = at + u64::from(wait.min(3_600)) * 1_000;
                        let floor = retry_after.entry(uri(*id).unwrap()).or_default();
                        *floor = until.max(*floor);
                    }
                    (Seen::Sent(id), _) => {
                        let floor = retry_after.get(&uri(*id).unwrap()).copied().unwrap_or(0);
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
    fn rule_07_stop_stops(script in script(strategies::step()), seed: u64, say in strategies::answer()) {
        let world = play(&script, world(Policy::default(), seed), |turn| -> Checked {
            if turn.step == Step::Stop {
                prop_assert_eq!(turn.after.state, StateName::Unauthenticated);
                prop_assert_eq!(&turn.after.token, &None);
                prop_assert_eq!(turn.after.blocked, Some(Blocked::NotStarted));
                prop_assert_eq!(turn.world.driver().identity(), None);
            }
            Ok(())
        })?;
        let mut world: World = world;
        world.apply(Step::Stop);
        world.apply(Step::Drain);
        for id in world.sent().iter().map(|sent| sent.id).collect::<Vec<_>>() {
            let reply = world.reply(id, say);
            let now = world.now();
            prop_assert!(world.driver_mut().handle_response(id, &reply, now).is_stale());
            let why = TransportFailure::Unreachable;
            prop_assert!(world.driver_mut().handle_failure(id, why, now).is_stale());
        }
        for later in [0, 1_000, 100_000_000] {
            world.apply(Step::Pass(later));
            for online in [false, true] {
                world.apply(Step::Online(online));
                let now = world.now();
                prop_assert_eq!(world.driver_mut().poll(now), Output::Wait(Wake::OnInput));
            }
        }
        prop_assert_eq!(world.token(), None);
    }

    /// One event for each transition, one chain from the first state to the last, and no secret in it.
    #[test]
    fn rule_08_each_transition_gives_one_event(script in script(strategies::step()), seed: u64) {
        let mut chain = Chain { last: None, announced: false };
        play(&script, world(Policy::default(), seed), |turn| -> Checked {
            let calls = match turn.step {
                Step::Stop | Step::Start(_) | Step::SetCredentials(_) => {
                    u8::from(turn.before.state != turn.after.state)
                }
                Step::Answer(..) | Step::Fail(..) => {
                    let taken = |seen: &&Seen| matches!(seen, Seen::Reported { taken: true, .. });
                    let swapped = turn.before.credentials != turn.after.credentials;
                    u8::try_from(turn.seen.iter().filter(taken).count()).unwrap() + u8::from(swapped)
                }
                _ => 0,
            };
            let answers = matches!(turn.step, Step::Stop | Step::Answer(..) | Step::Fail(..));
            if answers || is_start(turn.step) {
                let abandoned = turn.after.counters.abandoned - turn.before.counters.abandoned;
                let queued = turn.before.queued + usize::from(calls) + usize::try_from(abandoned).unwrap();
                prop_assert_eq!(turn.after.queued, queued, "{:?} queued something else", turn.step);
            }
            chain.follow(turn)
        })?;
    }

    /// From wherever it is, it comes back by itself, or says that it needs a start.
    #[test]
    fn rule_09_there_is_a_way_back(script in script(strategies::step()), trips in proptest::collection::vec(0_usize..180, 0..3), seed: u64) {
        let mut world = play_with_trips(&script, world(Policy::default(), seed), &trips, |_| -> Checked { Ok(()) })?;
        world.apply(Step::Online(true));
        let begun = world.ticks();
        for _ in 0..40 {
            let mut mistaken = false;
            for seen in world.apply(Step::Drain) {
                mistaken |= names_another(&seen);
                if let Seen::Sent(_) = seen {
                    world.apply(Step::Answer(To::Live, Answer::Grant(3_600)));
                }
            }
            let named = world.driver().identity().map(Identity::as_str);
            mistaken |= named.is_some_and(|named| named.ends_with("-else"));
            if world.driver().blocked().is_some() || mistaken {
                // It says so, or it is for somebody else: a secret that nobody had is what helps.
                let user = match named {
                    Some("user-0") => 0,
                    Some("user-1") => 1,
                    _ => 9,
                };
                world.apply(Step::Start(Login::App { user, secret: 9 }));
                continue;
            }
            if world.token().is_some() {
                break;
            }
            let wake = world.wake();
            prop_assert_ne!(wake, Some(Wake::OnInput), "it waits for an input that it never asked for");
            world.apply(Step::PassToWake);
        }
        prop_assert_eq!(world.driver().state(), StateName::Active, "{:?}", world.driver());
        prop_assert!(world.token().is_some());
        // The longest wait there is: a server's, at its cap.
        prop_assert!(world.ticks() - begun <= 3_600_000 + 100_000, "it took {} ms", world.ticks() - begun);
    }

    /// The same again gives the same again.
    #[test]
    fn rule_10_the_same_inputs_give_the_same_outputs(script in script(strategies::step()), seed: u64) {
        let mut first = Vec::new();
        play(&script, world(Policy::default(), seed), |turn| -> Checked {
            first.push((turn.seen.to_vec(), turn.after.clone()));
            Ok(())
        })?;
        let mut again = first.into_iter();
        play(&script, world(Policy::default(), seed), |turn| -> Checked {
            let (seen, after) = again.next().expect("as many steps");
            prop_assert_eq!(turn.seen, &seen[..]);
            prop_assert_eq!(turn.after, &after);
            Ok(())
        })?;
    }

    /// However many calls come between two polls, little is queued.
    #[test]
    fn the_queue_is_bounded(script in script(pushy()), seed: u64, attempts in 1_u32..4) {
        play(&script, world(giving_up(attempts), seed), |turn| -> Checked {
            prop_assert!(turn.after.queued <= Driver::MOST_QUEUED, "{:?}", turn.world.driver());
            Ok(())
        })?;
    }

    /// Every request that went out is accounted for.
    #[test]
    fn the_counters_add_up(script in script(strategies::step()), seed: u64) {
        play(&script, world(Policy::default(), seed), |turn| -> Checked {
            let counters = turn.after.counters;
            let ended = counters.authentications + counters.renewals + counters.refused
                + counters.throttled + counters.transient + counters.redirected + counters.malformed
                + counters.unanswered + counters.abandoned;
            let live = u32::from(turn.world.live().is_some());
            prop_assert_eq!(counters.requests, ended + live, "{:?}", counters);
            Ok(())
        })?;
    }
}

/// A new token is for the login's identity, which is on record.
fn first_identity_is_kept(turn: &Turn<'_>) -> Checked {
    let (Some(token), Step::Answer(..)) = (&turn.after.token, turn.step) else { return Ok(()) };
    if turn.before.token.as_ref() == Some(token) {
        return Ok(());
    }
    if let Some(wanted) = &turn.before.identity {
        prop_assert!(token.ends_with(wanted.as_str()), "{} serves {}", token, wanted);
    }
    prop_assert!(turn.after.identity.is_some(), "nobody is on record for {}", token);
    Ok(())
}

/// The chain of transitions that the events tell.
struct Chain {
    last: Option<Transition>,
    /// Whether the last transition announces a request that has not gone out yet.
    announced: bool,
}

impl Chain {
    fn state(&self) -> StateName {
        self.last.map_or(StateName::Unauthenticated, |last| last.to)
    }

    fn follow(&mut self, turn: &Turn<'_>) -> Checked {
        for seen in turn.seen {
            if let Seen::Sent(id) = seen {
                let announced = std::mem::take(&mut self.announced);
                prop_assert!(announced, "{} went out, and nobody was told", id);
            }
            let Seen::Event(event) = seen else { continue };
            for text in [event.to_string(), format!("{event:?}")] {
                prop_assert!(!text.contains(SECRET), "a secret in {}", text);
            }
            let Some(transition) = event.transition() else { continue };
            prop_assert!(TABLE.contains(&transition), "{:?} is no row of the table", transition);
            prop_assert_eq!(transition.from, self.state(), "{} doesn't follow", event);
            self.last = Some(transition);
            self.announced = matches!(
                transition.cause,
                Cause::Started | Cause::Reauthenticated | Cause::RenewalSent
            );
        }
        if turn.step == Step::Drain {
            prop_assert_eq!(self.state(), turn.after.state, "an event is missing");
            prop_assert_eq!(self.last, turn.after.last, "the session tells another story");
            prop_assert!(!self.announced, "a request was announced, and did not go out");
        }
        Ok(())
    }
}

/// The bound is not only held, it is reached: there is no smaller one.
#[test]
fn the_queue_reaches_its_bound() {
    let mut world = world(giving_up(5), 1);
    let refused = Step::Unauthorized { current: true, late_ms: 0 };
    let login = [Step::Start(Login::Rotating { user: 0, number: 0 }), Step::Drain];
    let login =
        login.into_iter().chain([Step::Answer(To::Live, Answer::Grant(3_600)), Step::Drain]);
    for op in login.chain([refused]) {
        world.apply(op);
    }
    for n in 0..5 {
        while world.live().is_none() {
            for op in [Step::Drain, Step::PassToWake, Step::Drain] {
                world.apply(op);
            }
        }
        world.apply(Step::Answer(To::Live, Answer::GrantDead));
        if n < 4 {
            world.apply(Step::Drain);
        }
    }
    for op in [refused, Step::Stop] {
        world.apply(op);
    }
    let (mut told, now) = (Vec::new(), world.now());
    while let Output::Event(event) = world.driver_mut().poll(now) {
        told.push(event.to_string());
    }
    assert_eq!(told.len(), Driver::MOST_QUEUED);
    let ends = [
        "Active: RenewalDenied: ",
        "replies stay malformed, which waiting does not mend: ",
        "too many tries failed in a row: start again",
        "the reply brought new credentials: store them",
        "the API refuses token 1, and no renewal follows for now",
        "Active -> Unauthenticated: Stopped",
    ];
    for (told, begins) in told.iter().zip(ends) {
        assert!(told.starts_with(begins), "{told}");
    }
}

fn giving_up(attempts: u32) -> Policy {
    Policy::builder().attempts(attempts).build().expect("in range")
}
