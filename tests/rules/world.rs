//! One driver in a harness, and what a caller can see of it before and after each step.

use std::sync::Arc;

use http::Request;
use http::header::{AUTHORIZATION, HeaderValue};
use videokit_session::driver::{Canonical, Counters, Policy, Stalled};
use videokit_session::session::transitions::StateName;
use videokit_session::session::{Generation, RequestId};
use videokit_session::sim::strategies::Script;
use videokit_session::sim::{Harness, Seen, Step};
use videokit_session::{AllowedOrigin, Config, Driver, Identity};

pub(crate) type World = Harness<Driver>;

/// What a caller can see of a driver at one time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    pub(crate) state: StateName,
    pub(crate) token: Option<String>,
    pub(crate) generation: Option<Generation>,
    pub(crate) identity: Option<Identity>,
    pub(crate) stalled: Option<Stalled>,
    pub(crate) counters: Counters,
    pub(crate) queued: usize,
    pub(crate) epoch: u64,
    pub(crate) canonical: Canonical,
}

/// One step of a play: what was done, and what came of it.
pub(crate) struct Turn<'a> {
    pub(crate) step: Step,
    pub(crate) before: View,
    pub(crate) after: View,
    pub(crate) seen: &'a [Seen],
    pub(crate) live_before: Option<RequestId>,
    pub(crate) world: &'a World,
}

pub(crate) fn world(policy: Policy, seed: u64) -> World {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    let config = Arc::new(Config::builder(origin).build().unwrap());
    Harness::new(Driver::with_policy(config, policy, seed))
}

/// Makes a session of the driver, and a driver of the session.
pub(crate) fn round_trip(world: World) -> World {
    world.map(|driver| {
        let policy = *driver.policy();
        Driver::from_session(driver.into_session(), policy)
    })
}

/// The token that an API request gets now, which had another one on it.
fn token(world: &World) -> Option<String> {
    let mut request = Request::get("https://api.example/v1/videos").body(()).unwrap();
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer stray"));
    let authorized = world.driver().authorize(&mut request, world.now());
    let header = request.headers().get(AUTHORIZATION);
    assert_eq!(authorized.is_ok(), header.is_some(), "a header without authorization");
    Some(header?.to_str().unwrap().trim_start_matches("Bearer ").to_owned())
}

pub(crate) fn view(world: &World) -> View {
    let driver = world.driver();
    View {
        state: driver.state(),
        token: token(world),
        generation: driver.generation(),
        identity: driver.identity().cloned(),
        stalled: driver.stalled(),
        counters: driver.counters(),
        queued: driver.queued(),
        epoch: driver.epoch(),
        canonical: driver.canonical(world.now()),
    }
}

/// Plays a script, and shows each turn to a rule.
pub(crate) fn play<E>(
    script: &Script,
    world: World,
    rule: impl FnMut(&Turn<'_>) -> Result<(), E>,
) -> Result<World, E> {
    play_with_trips(script, world, &[], rule)
}

/// The same, with round trips through a session before the steps of these numbers.
pub(crate) fn play_with_trips<E>(
    script: &Script,
    mut world: World,
    trips: &[usize],
    mut rule: impl FnMut(&Turn<'_>) -> Result<(), E>,
) -> Result<World, E> {
    let mut now = view(&world);
    for (number, step) in script.steps().enumerate() {
        if trips.contains(&number) {
            world = round_trip(world);
            now = view(&world);
        }
        let (before, live_before) = (now, world.live());
        let happened = world.apply(step);
        now = view(&world);
        let after = now.clone();
        rule(&Turn { step, before, after, seen: &happened, live_before, world: &world })?;
    }
    Ok(world)
}
