//! Worlds find drivers that break their promises; here these keep to another policy.

use super::*;
use videokit_session::driver::PolicyBuilder;
use videokit_session::sim::{Fault, Incident};

use crate::report::Invariant;

const HOUR: u64 = 3_600_000;

/// Hours in which the gateway fails and throttles, and much else happens, with drivers that keep to
/// another policy than promised.
fn hours(seed: u64, policy: PolicyBuilder) -> World {
    let incident = |at_ms, lasts_ms, fault| Incident { at_ms, lasts_ms, fault };
    let plan = FaultPlan::new([
        incident(0, 60_000, Fault::Slow { ms: 500 }),
        incident(60_000, 0, Fault::Revoked),
        incident(0, HOUR, Fault::Throttled { retry_after: Some(600), as_date: true }),
        incident(HOUR, 0, Fault::Rotated),
        incident(HOUR, HOUR, Fault::Unavailable { status: 503, retry_after: None }),
    ]);
    let world = World::new(seed, 1, Duration::from_millis(2 * HOUR), plan.unwrap());
    World { policy: policy.build().unwrap(), ..world }
}

fn first_broken(policy: &PolicyBuilder) -> (World, Box<Violation>) {
    let mut worlds = (0..100).map(|seed| hours(seed, policy.clone()));
    worlds.find_map(|world| Some((world.clone(), world.run().err()?))).unwrap()
}

#[test]
fn a_driver_that_breaks_a_promise_is_found_and_shown_with_the_least_that_it_takes() {
    let ms = Duration::from_millis;
    let hasty = Policy::builder().burst(1_000).interval(ms(1)).spacing(ms(1));
    let rows = [
        (hasty.backoff(ms(1), ms(1)), Invariant::Budget),
        (Policy::builder().retry_after_cap(ms(1_000)), Invariant::ServersAreLeftAlone),
        (Policy::builder().backoff(ms(24 * HOUR), ms(24 * HOUR)), Invariant::WayBack),
    ];
    for (policy, promise) in rows {
        let (world, broken) = first_broken(&policy);
        assert_eq!(broken.promise, promise, "{broken}");
        assert_eq!((broken.seed, &broken.plan), (world.seed, world.plan()));
        let shortest = world.shortest(&broken);
        assert_eq!(shortest.promise, promise, "{shortest}");
        let incidents = shortest.plan.incidents().len();
        assert!(incidents < world.plan().incidents().len(), "{shortest}");
        let again = world.with_plan(shortest.plan.clone());
        assert_eq!(again.run(), Err(Box::new(shortest.clone())), "it is played as it was told");
        for index in 0..incidents {
            let shorter = world.with_plan(shortest.plan.without(index)).run();
            let other = shorter.err().map(|broken| broken.promise);
            assert_ne!(other, Some(promise), "incident {index} wasn't needed:\n{shortest}");
        }
        let text = shortest.to_string();
        assert!(text.starts_with(&format!("{promise}: {}\nby driver 0, ", shortest.what)));
        assert!(text.ends_with(&format!("fault plan:\n{}", shortest.plan)), "{text}");
    }
}

#[test]
fn the_same_hours_break_no_promise_that_is_kept() {
    let mut all = Report::default();
    for seed in 0..100 {
        all.merge(&hours(seed, Policy::builder()).run().unwrap());
    }
    // Not each of them: some apps get their tokens by a way of their own.
    assert!(all.count("requests") > 100, "{all:?}");
}
