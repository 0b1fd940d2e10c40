//! A simulated day: apps, devices, a network and a gateway on virtual time, from one seed.

use core::time::Duration;

use super::chance::{Chance, mixed_plan, sharp_plan};
use super::plan::FaultPlan;
use super::play::Play;
use super::report::{Broken, Report};
use crate::driver::Policy;
use crate::time::millis;

/// Any number of apps, one gateway, and everything that goes wrong between them, on virtual time.
///
/// What happens follows from the seed and the [`FaultPlan`] alone. While it runs, each driver is watched
/// from outside: every promise that it makes is checked, and time is held against the true clock, which
/// no driver sees.
///
/// ```
/// use videokit_session::sim::World;
///
/// let report = World::day(17).run().unwrap_or_else(|broken| panic!("{broken}"));
/// assert!(report.count("cause Granted") > 0);
/// ```
#[derive(Debug, Clone)]
pub struct World {
    pub(super) seed: u64,
    pub(super) plan: FaultPlan,
    pub(super) lasts: u64,
    pub(super) apps: usize,
    /// Whether clocks are as wrong as they may be.
    pub(super) sharp: bool,
    /// What the drivers keep to. They are held to the default one, whatever this is.
    pub(super) policy: Policy,
}

impl World {
    /// A day of one to three apps, with a mix of faults that the seed makes. On one day in four everything
    /// that the [contract of time](crate::time) allows for comes together instead.
    #[must_use]
    pub fn day(seed: u64) -> Self {
        let lasts = 24 * 3_600_000;
        let mut chance = Chance::new(seed);
        let apps = usize::try_from(chance.below(3)).unwrap_or(0).saturating_add(1);
        let sharp = chance.below(4) == 0;
        let plan =
            if sharp { sharp_plan(&mut chance, lasts) } else { mixed_plan(&mut chance, lasts) };
        Self { seed, plan, lasts, apps, sharp, policy: Policy::default() }
    }

    /// A world in which nothing goes wrong but what is planned here.
    #[must_use]
    pub fn new(seed: u64, apps: usize, lasts: Duration, plan: FaultPlan) -> Self {
        let policy = Policy::default();
        Self { seed, plan, lasts: millis(lasts), apps, sharp: false, policy }
    }

    /// What is planned to go wrong.
    #[must_use]
    pub fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    /// The same world with another plan.
    #[must_use]
    pub fn with_plan(&self, plan: FaultPlan) -> Self {
        Self { plan, ..*self }
    }

    /// Plays the world to its end.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub fn run(&self) -> Result<Report, Box<Broken>> {
        Play::new(self).run().map_err(|(promise, what, at_ms, driver)| {
            let (seed, plan) = (self.seed, self.plan.clone());
            Box::new(Broken { promise, what, at_ms, driver, seed, plan })
        })
    }

    /// Takes away from the plan what the break doesn't need, as long as it stays broken in the same way.
    #[must_use]
    pub fn shortest(&self, broken: &Broken) -> Box<Broken> {
        let mut best = Box::new(broken.clone());
        let mut index = 0;
        while index < best.plan.incidents().len() {
            let shorter = best.plan.without(index);
            match self.with_plan(shorter).run() {
                Err(still) if still.promise == best.promise => best = still,
                _ => index = index.saturating_add(1),
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fault, Incident, Promise};
    use super::*;
    use crate::driver::PolicyBuilder;

    const HOUR: u64 = 3_600_000;

    /// Hours in which the gateway fails and throttles, and much else happens, with drivers that keep to
    /// another policy than promised.
    fn hours(seed: u64, policy: PolicyBuilder) -> World {
        let incident = |at_ms, lasts_ms, fault| Incident { at_ms, lasts_ms, fault };
        let plan = FaultPlan::from_iter([
            incident(0, 60_000, Fault::Slow { ms: 500 }),
            incident(60_000, 0, Fault::Revoked),
            incident(0, HOUR, Fault::Throttled { retry_after: Some(600), as_date: true }),
            incident(HOUR, 0, Fault::Rotated),
            incident(HOUR, HOUR, Fault::Unavailable { status: 503, retry_after: None }),
        ]);
        let world = World::new(seed, 1, Duration::from_millis(2 * HOUR), plan);
        World { policy: policy.build().unwrap(), ..world }
    }

    fn first_broken(policy: &PolicyBuilder) -> (World, Box<Broken>) {
        let mut worlds = (0..100).map(|seed| hours(seed, policy.clone()));
        worlds.find_map(|world| Some((world.clone(), world.run().err()?))).unwrap()
    }

    #[test]
    fn a_driver_that_breaks_a_promise_is_found_and_shown_with_the_least_that_it_takes() {
        let ms = Duration::from_millis;
        let hasty = Policy::builder().burst(1_000).interval(ms(1)).spacing(ms(1));
        let rows = [
            (hasty.backoff(ms(1), ms(1)), Promise::Budget),
            (Policy::builder().retry_after_cap(ms(1_000)), Promise::ServersAreLeftAlone),
            (Policy::builder().backoff(ms(24 * HOUR), ms(24 * HOUR)), Promise::WayBack),
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
            assert_eq!(again.run(), Err(shortest.clone()), "it is played as it was told");
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
}
