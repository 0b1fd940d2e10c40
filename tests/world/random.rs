//! Rng, from a seed.

use videokit_session::sim::{Fault, FaultPlan, Incident};

use crate::rng::mix;

/// A stream of numbers that follow from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Rng {
    seed: u64,
    drawn: u64,
}

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed: mix(seed), drawn: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        mix(self.seed ^ mix(self.drawn))
    }

    /// From 0 to one less than `end`; 0 if there is no such number.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// From `first` to one less than `end`.
    pub(crate) fn within(&mut self, first: u64, end: u64) -> u64 {
        first.saturating_add(self.below(end.saturating_sub(first)))
    }

    /// From `-most` to `most`.
    pub(crate) fn around(&mut self, most: u32) -> i32 {
        let most = i64::from(most);
        let drawn = self.below(most.unsigned_abs().saturating_mul(2).saturating_add(1));
        i32::try_from(i64::try_from(drawn).unwrap_or(0).saturating_sub(most)).unwrap_or(0)
    }

    fn small(&mut self, end: u32) -> u32 {
        u32::try_from(self.below(end.into())).unwrap_or(0)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let index = self.below(u64::try_from(from.len()).unwrap());
        from[usize::try_from(index).unwrap()]
    }
}

/// A day on which everything that the contract of time allows for comes together, and tokens run out: the
/// servers' clocks are as far apart as they may be, a wall clock falls behind, the device sleeps for as
/// long, replies are slow, and then there is no network.
pub(crate) fn sharp_plan(chance: &mut Rng, lasts: u64) -> FaultPlan {
    let off = if chance.below(2) == 0 { -1_000 } else { 1_000 };
    let date_off = Incident { at_ms: 0, lasts_ms: lasts, fault: Fault::DateOff { ms: off } };
    let set = Incident { at_ms: 0, lasts_ms: 1, fault: Fault::WallSet { ms: -990 } };
    let sleep =
        Incident { at_ms: chance.within(1_000, 3_600_000), lasts_ms: 990, fault: Fault::Asleep };
    let outages = (1..8_u64).flat_map(|n| {
        let at_ms = n.saturating_mul(10_000_000).saturating_add(chance.below(3_000_000));
        let slow = Fault::Slow { ms: chance.small(14_000) };
        let slow =
            Incident { at_ms: at_ms.saturating_sub(4_000_000), lasts_ms: 4_000_000, fault: slow };
        [slow, Incident { at_ms, lasts_ms: 5_000_000, fault: Fault::Lost }]
    });
    let first = Incident {
        at_ms: sleep.at_ms.saturating_add(1_000),
        lasts_ms: 5_000_000,
        fault: Fault::Lost,
    };
    let whole: Vec<_> = [date_off, set, sleep, first].into_iter().chain(outages).collect();
    FaultPlan::new(whole).expect("its times are within a day")
}

/// A day's worth of everything that can go wrong.
pub(crate) fn mixed_plan(chance: &mut Rng, lasts: u64) -> FaultPlan {
    let incidents = chance.within(4, 16);
    // Every other one comes in a storm: what goes wrong together goes wrong in its own ways.
    let storm = chance.below(lasts);
    let times = (0..incidents).map(|n| (n % 2 == 0, storm));
    let incidents =
        times.map(|(in_storm, storm)| incident(chance, lasts, in_storm.then_some(storm)));
    FaultPlan::new(incidents).expect("its times are within a day")
}

fn incident(chance: &mut Rng, lasts: u64, storm: Option<u64>) -> Incident {
    let at_ms = match storm {
        Some(storm) => storm.saturating_add(chance.below(600_000)),
        None => chance.below(lasts),
    };
    let fault = vary(chance.pick(Fault::KINDS), chance);
    // Mostly seconds and minutes, now and then hours.
    let most = chance.pick(&[30_000, 300_000, 300_000, 2_000_000, 10_000_000]);
    Incident { at_ms, lasts_ms: chance.within(1, most), fault }
}

/// The same kind of fault, with other numbers.
fn vary(fault: Fault, chance: &mut Rng) -> Fault {
    match fault {
        Fault::Slow { .. } => Fault::Slow { ms: chance.small(60_000) },
        Fault::Twice { .. } => Fault::Twice { ms: chance.small(60_000) },
        Fault::Throttled { .. } => Fault::Throttled {
            retry_after: (chance.below(4) > 0).then(|| chance.small(600)),
            as_date: chance.below(2) == 0,
        },
        Fault::Unavailable { .. } => Fault::Unavailable {
            status: chance.pick(&[500, 502, 503, 407, 408, 421, 425]),
            retry_after: (chance.below(4) == 0).then(|| chance.small(600)),
        },
        Fault::DateOff { .. } => {
            // Within the skew of the gateway, of backends, and of nobody.
            let most = chance.pick(&[1_000, 10_000, 3_600_000]);
            Fault::DateOff { ms: chance.around(most) }
        }
        Fault::WallSet { .. } => {
            let most = chance.pick(&[900, 60_000, 86_400_000]);
            Fault::WallSet { ms: chance.around(most) }
        }
        Fault::MonotonicBack { .. } => Fault::MonotonicBack { ms: chance.small(3_600_000) },
        same => same,
    }
}
