//! One driver in a harness, and plays of it, turn by turn.

use std::sync::Arc;

use videokit_session::driver::Policy;
use videokit_session::sim::Harness;
use videokit_session::sim::strategies::Script;
use videokit_session::{AllowedOrigin, Config, Driver};

use crate::view::{Turn, World, view};

pub(crate) fn world(policy: Policy, seed: u64) -> World {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    let config = Arc::new(Config::builder(origin).build().unwrap());
    Harness::new(Driver::with_policy(config, policy, seed))
}

/// Makes a session of the driver, and a driver of the session, with the same credentials.
pub(crate) fn round_trip(world: World) -> World {
    let now = world.now();
    world.map(|driver| {
        let policy = *driver.policy();
        let credentials = driver.credentials().cloned();
        let mut driver = Driver::from_session(driver.into_session(), policy);
        if let Some(credentials) = credentials {
            driver.set_credentials(credentials, now);
        }
        driver
    })
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
    let mut after = view(&world);
    for (number, step) in script.steps().enumerate() {
        if trips.contains(&number) {
            world = round_trip(world);
            after = view(&world);
        }
        let (before, live_before) = (after, world.live());
        let seen = world.apply(step);
        after = view(&world);
        rule(&Turn {
            step,
            before: &before,
            after: &after,
            seen: &seen,
            live_before,
            world: &world,
        })?;
    }
    Ok(world)
}
