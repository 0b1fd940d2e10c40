//! The ten rules of the driver, each as a property over sequences of at least 100 steps: every call, in
//! any order, with replies from good to hostile and clocks from honest to nonsense. `PROPTEST_CASES=10000`
//! plays more of them.

extern crate videokit_session_inside as videokit_session;

#[path = "../oracle/early.rs"]
mod early;
mod pins;
mod rotation;
mod rules;
mod shadow;
mod unauthorized;
mod view;
mod world;

use proptest::test_runner::Config;

/// So many sequences, shrunk to the end. What fails is printed as a list of steps and a seed, to be made a
/// separate test; no file remembers it.
fn cases(cases: u32) -> Config {
    let asked = Config::default().cases;
    let cases = if asked == 256 { cases } else { asked };
    Config { cases, max_shrink_iters: 20_000, failure_persistence: None, ..Config::default() }
}
