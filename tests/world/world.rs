//! A simulated day: apps, devices, a network and a gateway on virtual time, from one seed.

use core::time::Duration;

use crate::millis;
use crate::play::Play;
use crate::random::{Rng, mixed_plan, sharp_plan};
use crate::report::{Report, Violation};
use videokit_session::driver::Policy;
use videokit_session::sim::FaultPlan;

/// Any number of apps, one gateway, and everything that goes wrong between them, on virtual time.
///
/// What happens follows from the seed and the [`FaultPlan`] alone. While it runs, each driver is watched
/// from outside: every promise that it makes is checked, and time is compared with the true clock, which
/// no driver sees.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) plan: FaultPlan,
    pub(crate) lasts: u64,
    pub(crate) apps: usize,
    /// Whether clocks are as wrong as they may be.
    pub(crate) sharp: bool,
    /// What the drivers keep to. They are held to the default one, whatever this is.
    pub(crate) policy: Policy,
}

impl World {
    /// A day of one to three apps, with a mix of faults that the seed makes. On one day in four everything
    /// that the [contract of time](videokit_session::time) allows for comes together instead.
    #[must_use]
    pub(crate) fn day(seed: u64) -> Self {
        let lasts = 24 * 3_600_000;
        let mut chance = Rng::new(seed);
        let apps = usize::try_from(chance.below(3)).unwrap_or(0).saturating_add(1);
        let sharp = chance.below(4) == 0;
        let plan =
            if sharp { sharp_plan(&mut chance, lasts) } else { mixed_plan(&mut chance, lasts) };
        Self { seed, plan, lasts, apps, sharp, policy: Policy::default() }
    }

    /// A world in which nothing goes wrong but what is planned here.
    pub(crate) fn new(seed: u64, apps: usize, lasts: Duration, plan: FaultPlan) -> Self {
        let lasts = millis(lasts);
        Self { seed, plan, lasts, apps, sharp: false, policy: Policy::default() }
    }

    /// What is planned to go wrong.
    #[must_use]
    pub(crate) fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    /// The same world with another plan.
    #[must_use]
    pub(crate) fn with_plan(&self, plan: FaultPlan) -> Self {
        Self { plan, ..*self }
    }

    /// Plays the world to its end. It has one, whatever the plan: every time in it is in range, and an app
    /// lets time pass between any two things that it does.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn run(&self) -> Result<Report, Box<Violation>> {
        Play::new(self).run().map_err(|(promise, what, at_ms, driver)| {
            let (seed, plan) = (self.seed, self.plan.clone());
            Box::new(Violation { promise, what, at_ms, driver, seed, plan })
        })
    }

    /// Takes away from the plan what the break doesn't need, as long as it stays broken in the same way.
    #[must_use]
    pub(crate) fn shortest(&self, broken: &Violation) -> Violation {
        let mut best = broken.clone();
        let mut index = 0;
        while index < best.plan.incidents().len() {
            let shorter = best.plan.without(index);
            match self.with_plan(shorter).run() {
                Err(still) if still.promise == best.promise => best = *still,
                _ => index = index.saturating_add(1),
            }
        }
        best
    }
}

#[cfg(test)]
mod tests;
