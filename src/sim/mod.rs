//! The other side of the wire, pure and deterministic (feature `sim`): what a session talks to, for
//! tests, examples and fuzzers.
//!
//! [`Gateway`] takes requests and answers them, on a clock that is passed in. Put it behind any server,
//! or behind none.

mod gateway;

pub use gateway::{Counts, Gateway};
