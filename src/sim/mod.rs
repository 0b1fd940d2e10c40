//! The other side of the wire, pure and deterministic (feature `sim`): what a session talks to, for
//! tests, examples and fuzzers.
//!
//! [`Gateway`] takes requests and answers them, on a clock that is passed in. Put it behind any server,
//! or behind none. [`Fault`]s are values that it can be put under, and a [`FaultPlan`] is a list of them
//! that can be written down. [`Step`]s are all that can be done to one driver, and a [`Harness`] carries them
//! out. `strategies` makes them and every input for property tests, with the feature `proptest`; `fuzzing` does
//! for fuzzers, with `arbitrary`. [`conformance`](conformance()) tests a run loop of yours. The chapter
//! [`testing`] is a guide to all of this.

mod ask;
pub mod conformance;
mod fault;
mod faulty;
#[cfg(feature = "arbitrary")]
pub mod fuzzing;
mod gateway;
mod harness;
mod plan;
mod step;
#[cfg(feature = "proptest")]
pub mod strategies;

pub use conformance::conformance;
pub use fault::Fault;
pub use gateway::{Counts, DelayedResponse, Gateway};
pub use harness::{Harness, Seen, Sent};
pub use plan::{FaultPlan, Incident, PlanError};
pub use step::{Answer, Login, SECRET, Step, To};

/// 2026-11-24T04:00:00Z, in milliseconds since 1970.
const T0: i64 = 1_795_492_800_000;

#[doc = include_str!("../docs/testing.md")]
pub mod testing {}
