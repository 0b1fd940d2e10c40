//! The ten rules of the driver as assertions, under any sequence of steps, any policy and any seed.

#[path = "../../../rules/view.rs"]
mod view;
mod watch;

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use videokit_session::driver::{Blocked, Policy};
use videokit_session::session::transitions::StateName;
use videokit_session::sim::{Answer, Harness, Login, Seen, Step, To};
use videokit_session::{AllowedOrigin, Config, Driver, Identity, Output, TransportFailure, Wake};

use crate::script::steps;
use view::{Turn, View, World, names_another, stale_reports_change_nothing, view};
use watch::Watch;

/// How many steps there are at most: enough to lapse, to be refused and to come back.
const MOST_STEPS: usize = 96;

/// The longest that any server's wait is heeded here.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(3_600);

/// A policy, a seed, whether each step is followed by polls, and then steps.
pub(crate) fn check(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let setup = Setup::arbitrary(&mut input).expect("bytes that are missing are zeros");
    let steps = steps(&mut input, MOST_STEPS);
    let (told, mut world) = play(&setup, &steps, true);
    let (again, world_again) = play(&setup, &steps, false);
    assert_eq!(told, again, "rule 10: the same inputs");
    let unchanged = stale_reports_change_nothing(&told, setup.world());
    assert_eq!(unchanged, Ok(()), "rule 2: a stale report changed something");
    assert_eq!(view(&world), view(&world_again), "rule 10: the same inputs");
    check_way_back(&mut world, &setup);
    check_stop(world_again);
}

#[derive(Debug, Clone, Copy, Arbitrary)]
struct Setup {
    burst: u8,
    interval: u16,
    spacing: u16,
    backoff: u16,
    attempts: u8,
    eager: bool,
    seed: u8,
}

impl Setup {
    /// A policy from the one by default to one that hardly holds back.
    fn policy(&self) -> Policy {
        let ms = |count: u16| Duration::from_millis(count.into());
        if self.burst == 0 {
            return Policy::default();
        }
        let backoff = ms(self.backoff.max(1));
        let mut policy = Policy::builder()
            .burst(u32::from(self.burst % 8) + 1)
            .interval(ms(self.interval.max(1)))
            .spacing(ms((self.spacing % 3_000).max(1)))
            .backoff(backoff, backoff * 8)
            .retry_after_cap(RETRY_AFTER_CAP);
        if !self.attempts.is_multiple_of(4) {
            policy = policy.attempts((self.attempts % 4).into());
        }
        policy.build().expect("in range")
    }

    fn world(&self) -> World {
        let origin = AllowedOrigin::https("https://api.example").unwrap();
        let config = Config::builder(origin).build().unwrap();
        Harness::new(Driver::with_policy(config.into(), self.policy(), self.seed.into()))
    }
}

/// What was done and seen, step by step, and what is left.
fn play(setup: &Setup, steps: &[Step], watched: bool) -> (Vec<(Step, Vec<Seen>, View)>, World) {
    let mut world = setup.world();
    let mut watch = Watch::new(setup.policy());
    let drains = [Step::Drain].into_iter().filter(|_| setup.eager);
    let steps = steps.iter().flat_map(|step| [*step].into_iter().chain(drains.clone()));
    let mut played = Vec::new();
    let mut after = view(&world);
    for step in steps {
        let (before, live_before) = (after, world.live());
        let seen = world.apply(step);
        after = view(&world);
        if watched {
            watch.follow(&Turn {
                step,
                before: &before,
                after: &after,
                seen: &seen,
                live_before,
                world: &world,
            });
        }
        played.push((step, seen, after.clone()));
    }
    (played, world)
}

/// Rule 9: once network and credentials are good, it comes back, or says that it needs a start.
fn check_way_back(world: &mut World, setup: &Setup) {
    world.apply(Step::Online(true));
    let begun = world.ticks();
    for _ in 0..60 {
        let mut mistaken = false;
        for seen in world.apply(Step::Drain) {
            mistaken |= names_another(&seen);
            if let Seen::Sent(_) = seen {
                world.apply(Step::Answer(To::Live, Answer::Grant(1_000_000)));
            }
        }
        let named = world.driver().identity().map(Identity::as_str);
        mistaken |= named.is_some_and(|named| named.ends_with("-else"));
        if world.driver().blocked().is_some() || mistaken {
            let user = u8::from(named == Some("user-1"));
            world.apply(Step::Start(Login::App { user, secret: 9 }));
            continue;
        }
        if world.token().is_some() {
            break;
        }
        assert_ne!(world.wake(), Some(Wake::OnInput), "rule 9: it waits for an input");
        world.apply(Step::PassToWake);
    }
    assert_eq!(world.driver().state(), StateName::Active, "rule 9: {:?}", world.driver());
    assert!(world.token().is_some(), "rule 9: {:?}", world.driver());
    // Servers' waits, and before each of a few tries a backoff, the budget and a time-out.
    let pause = u64::from(setup.backoff).max(60_000) * 8 + 100_000;
    let most = u64::try_from(RETRY_AFTER_CAP.as_millis()).unwrap() + pause * 3;
    let took = world.ticks() - begun;
    assert!(took <= most, "rule 9: it took {took} ms");
}

/// Rule 7: after a stop, nothing that comes revives anything.
fn check_stop(mut world: World) {
    world.apply(Step::Stop);
    world.apply(Step::Drain);
    let ids: Vec<_> = world.sent().iter().map(|sent| sent.id).collect();
    for id in ids {
        let reply = world.reply(id, Answer::Grant(600));
        let now = world.now();
        assert!(world.driver_mut().handle_response(id, &reply, now).is_stale(), "rule 7: {id}");
        let why = TransportFailure::Interrupted;
        assert!(world.driver_mut().handle_failure(id, why, now).is_stale(), "rule 7: {id}");
    }
    for later in [0, 1_000, 100_000_000] {
        world.apply(Step::Pass(later));
        for online in [false, true] {
            world.apply(Step::Online(online));
            let now = world.now();
            let output = world.driver_mut().poll(now);
            assert_eq!(output, Output::Wait(Wake::OnInput), "rule 7: after {later} ms");
        }
    }
    let View { token, blocked, identity, .. } = view(&world);
    assert_eq!((token, blocked, identity), (None, Some(Blocked::NotStarted), None), "rule 7");
}
