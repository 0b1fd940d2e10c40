//! Simulated days with everything that can go wrong, watched promise by promise.
//!
//! `VIDEOKIT_WORLDS=100000 cargo test --release --test world -- --nocapture` plays ten times as many.

extern crate videokit_session_inside as videokit_session;

mod client;
mod device;
mod invariant_checker;
mod play;
mod random;
mod report;
// The library's own, which is not public.
#[path = "../../src/rng.rs"]
mod rng;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use videokit_session::session::transitions::{TABLE, Transition};
use videokit_session::sim::{Fault, FaultPlan, Incident};

use crate::report::{Report, fault_row};
use crate::world::World;

/// A duration in whole milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("it is short")
}

/// How many days are played.
fn worlds() -> u64 {
    let wanted = std::env::var("VIDEOKIT_WORLDS").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(10_000)
}

#[test]
fn days_in_which_everything_goes_wrong() {
    let (next, total) = (AtomicU64::new(0), Mutex::new(Report::default()));
    let play = || {
        let mut mine = Report::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= worlds() {
                break;
            }
            let world = World::day(seed);
            match world.run() {
                Ok(report) => mine.merge(&report),
                Err(broken) => {
                    // One is enough to look at.
                    next.store(worlds(), Ordering::Relaxed);
                    panic!("{}", world.shortest(&broken));
                }
            }
        }
        total.lock().unwrap().merge(&mine);
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..2).map(|_| scope.spawn(play)).collect();
        play();
        for other in others {
            other.join().unwrap();
        }
    });
    let total = total.into_inner().unwrap();
    for (what, count) in total.counts() {
        println!("{count:>12} {what}");
    }
    for fault in Fault::KINDS {
        assert_ne!(total.count(&fault_row(*fault)), 0, "{fault:?}");
    }
    for Transition { from, to, cause, .. } in TABLE {
        assert_ne!(total.count(&format!("cause {cause:?}")), 0, "{cause:?}");
        let row = format!("{from} -> {to}: {cause:?}");
        assert_ne!(total.count(&row), 0, "{row}");
    }
    for checked in ["Valid compared with the true clock", "Expired compared with the true clock"] {
        assert_ne!(total.count(checked), 0, "{checked}");
    }
    for reason in ["Deadline", "Renewal", "Backoff", "RetryAfter", "Budget", "Expiry"] {
        assert_ne!(total.count(&format!("waits for {reason}")), 0, "{reason}");
    }
    for event in ["TokenNeeded", "Unauthorized"] {
        assert_ne!(total.count(&format!("event {event}")), 0, "{event}");
    }
}

#[test]
fn the_same_seed_gives_the_same_day() {
    for seed in 0..50 {
        let [first, again] = [0, 1].map(|_| World::day(seed).run().expect("nothing is broken"));
        assert_eq!(first, again, "seed {seed}");
    }
    let [one, another] = [1, 2].map(|seed| World::day(seed).run().expect("nothing is broken"));
    assert_ne!(one.digest(), another.digest());
}

/// Each fault alone, at both ends of the range of times; the last is a device that sleeps for two years.
#[test]
fn s2_a_world_ends_and_keeps_its_promises_at_the_ends_of_the_range() {
    const HOUR: u64 = 3_600_000;
    let most = 366 * 24 * HOUR;
    for &fault in Fault::KINDS {
        for (at_ms, lasts_ms) in [(0, 0), (0, most), (1_000, most), (HOUR, most), (most, most)] {
            let plan = FaultPlan::new([Incident { at_ms, lasts_ms, fault }]).unwrap();
            let world = World::new(1, 1, Duration::from_millis(HOUR), plan);
            world.run().unwrap_or_else(|broken| panic!("{broken}"));
        }
    }
    let asleep = |at_ms| Incident { at_ms, lasts_ms: most, fault: Fault::Asleep };
    let plan = FaultPlan::new([asleep(1_000), asleep(most)]).unwrap();
    let world = World::new(1, 2, Duration::from_millis(most), plan);
    world.run().unwrap_or_else(|broken| panic!("{broken}"));
}
