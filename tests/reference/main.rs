//! A reference model: the rules of the driver a second time, naive, written from the design and the public
//! docs, and long sequences of everything that a caller can do, which have to look the same to both.
//!
//! What chance decides (margins and pauses) the model reads off the driver, within the range that the design
//! gives. Where the docs leave something open, such as the order of two events of one call, it does as the
//! driver does. The clocks misbehave, but not beyond the range of integers: the test `time` does that.
//!
//! | file | what it has |
//! |---|---|
//! | `model.rs` | the rules: start here |
//! | `model/` | when to ask, what comes of it, what is due; elapsed time and lifetimes |
//! | `trial.rs` | one driver, its twin of the same seed, and all that is compared after each step |
//! | `sessions.rs`, `follow.rs` | typed sessions by hand and `AnySession::step`, on the way of the driver's own |
//! | `coverage.rs` | what a whole run has to have seen |
//! | `steps.rs`, `logins.rs`, `replies.rs`, `moves.rs` | what is done, and with what |
//!
//! 5,000 sequences of each kind run with the other tests. For 100,000:
//!
//! ```text
//! REFERENCE_CASES=100000 cargo test --release --test reference
//! ```
//!
//! `REFERENCE_SEED=1` makes others of them. A failure shrinks to a list of steps, for a separate test.

extern crate videokit_session_inside as videokit_session;

mod coverage;
mod follow;
mod logins;
mod model;
mod moves;
#[path = "../refused.rs"]
mod refused;
mod replies;
mod sessions;
mod steps;
mod trial;

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine;

use crate::coverage::Coverage;
use crate::moves::{Game, Move};
use crate::steps::{Sequence, Setup, Step};
use crate::trial::Trial;

fn from_environment(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn cases() -> u32 {
    from_environment("REFERENCE_CASES", 5_000)
}

/// The same sequences in each run, unless it is asked for others.
fn runner() -> TestRunner {
    let config = Config {
        cases: cases(),
        failure_persistence: None,
        max_shrink_iters: 50_000,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&from_environment("REFERENCE_SEED", 0).to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

#[test]
fn the_driver_agrees_with_the_model() {
    let sequences = Sequence::sequential_strategy(40..=200);
    let coverage = RefCell::new(Coverage::default());
    let outcome = runner().run(&sequences, |(setup, steps, seen)| {
        let trial = try_out(&setup, &steps, seen.as_deref()).map_err(TestCaseError::fail)?;
        trial.cover(&mut coverage.borrow_mut());
        Ok(())
    });
    if let Err(failed) = outcome {
        report(failed, |(setup, mut steps, _)| {
            let why = shorten(&mut steps, |steps| try_out(&setup, steps, None).map(drop));
            (why, list(&setup, &steps))
        });
    }
    // A short run needn't have seen everything.
    if cases() >= 1_000 {
        coverage.borrow().check();
    }
}

/// Plays a sequence. Counts the steps in `seen`, since those that are not reached need not be shrunk.
fn try_out(setup: &Setup, steps: &[Step], seen: Option<&AtomicUsize>) -> Result<Trial, String> {
    let mut trial = Trial::new(setup);
    for step in steps {
        seen.map(|seen| seen.fetch_add(1, Ordering::SeqCst));
        trial.apply(*step)?;
    }
    Ok(trial)
}

#[test]
fn typed_sessions_agree_with_step() {
    let sequences = (Sequence::init_state(), vec(moves::any(), 40..=200));
    let play = |setup: &Setup, moves: &[Move]| {
        let mut game = Game::new(setup);
        moves.iter().try_for_each(|play| game.play(*play))
    };
    let outcome = runner()
        .run(&sequences, |(setup, moves)| play(&setup, &moves).map_err(TestCaseError::fail));
    if let Err(failed) = outcome {
        report(failed, |(setup, mut moves)| {
            let why = shorten(&mut moves, |moves| play(&setup, moves));
            (why, list(&setup, &moves))
        });
    }
}

/// Drops every step that a failure doesn't need, and says why it still fails. Shrinking looks at each only
/// once, so that some are left that were needed before others went.
fn shorten<T: Copy>(steps: &mut Vec<T>, play: impl Fn(&[T]) -> Result<(), String>) -> String {
    let mut at = 0;
    while at < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        if play(&fewer).is_err() {
            (*steps, at) = (fewer, 0);
        } else {
            at += 1;
        }
    }
    play(steps).err().unwrap_or_default()
}

fn report<T: fmt::Debug>(failed: TestError<T>, shortest: impl Fn(T) -> (String, String)) -> ! {
    match failed {
        TestError::Fail(_, sequence) => {
            let (why, list) = shortest(sequence);
            panic!("{why}\n{list}")
        }
        other @ TestError::Abort(_) => panic!("{other}"),
    }
}

/// A sequence for a person to read.
fn list(setup: &Setup, steps: &[impl fmt::Debug]) -> String {
    let steps = steps.iter().enumerate().map(|(n, step)| format!("{n:6} {step:?}\n"));
    format!("{setup:?}\n{}", steps.collect::<String>())
}
