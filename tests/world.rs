//! Simulated days with everything that can go wrong, watched promise by promise.
//!
//! `VIDEOKIT_WORLDS=1000000 cargo test --release --test world -- --nocapture` plays a million.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use videokit_session::sim::{Report, World};

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
                Err(broken) => panic!("{}", world.shortest(&broken)),
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
}
