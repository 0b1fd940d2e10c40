//! The ten rules of the driver as assertions, under any sequence of steps, any policy and any seed.

mod secrets;
#[path = "../../../rules/view.rs"]
mod view;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use videokit_session::driver::{Blocked, Policy};
use videokit_session::session::TypedSession;
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
    let drains = [Step::Drain].into_iter().filter(|_| setup.eager);
    let steps = steps(&mut input, MOST_STEPS);
    let steps: Vec<Step> =
        steps.iter().flat_map(|step| [*step].into_iter().chain(drains.clone())).collect();
    let (played, mut world) = play(&setup, &steps);
    let mut world_again = setup.world();
    for (step, seen, after) in &played {
        assert_eq!(*seen, world_again.apply(*step), "rule 10: the same inputs");
        assert_eq!(*after, view(&world_again), "rule 10: the same inputs");
    }
    let without_stale = stale_reports_change_nothing(&played, setup.world());
    assert_eq!(without_stale, Ok(()), "rule 2: a stale report changed something");
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

/// A step, what was seen of it, and what a caller can see afterwards.
type Played = (Step, Vec<Seen>, View);

/// Plays the steps, each of them watched.
fn play(setup: &Setup, steps: &[Step]) -> (Vec<Played>, World) {
    let mut world = setup.world();
    let mut watch = Watch::new(setup.policy());
    let mut played: Vec<Played> = Vec::new();
    let first = view(&world);
    for (number, step) in steps.iter().enumerate() {
        let live_before = world.live();
        let seen = world.apply(*step);
        let after = view(&world);
        let before = played.last().map_or(&first, |(_, _, before)| before);
        let turn =
            Turn { step: *step, before, after: &after, seen: &seen, live_before, world: &world };
        watch.follow(&turn, || due(setup, &steps[..=number]));
        played.push((*step, seen, after));
    }
    (played, world)
}

/// In which time the current token is due for renewal by its own lifetime, after these steps. Only the session says
/// so, and a driver gives it away for good: so it is that of a twin.
fn due(setup: &Setup, steps: &[Step]) -> Option<Duration> {
    let mut twin = setup.world();
    for step in steps {
        twin.apply(*step);
    }
    let now = twin.now();
    let mut due = None;
    let _gone = twin.map(|driver| {
        let config = Arc::clone(driver.config());
        if let TypedSession::Active(session) = driver.into_session().into_typed() {
            due = Some(session.renewal_due_in(now));
        }
        Driver::new(config, 0)
    });
    due
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
