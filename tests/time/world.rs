//! Worlds: a token, two bad clocks and a slow network, on a true clock that the code can't see.
//!
//! All that is true counts in microseconds; what is stated or read, in milliseconds.

use std::collections::BTreeSet;
use std::fmt;

use crate::Moment;

use super::kind::Kind;

pub(crate) const MS: i64 = 1_000;
pub(crate) const SECOND: i64 = 1_000 * MS;
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// What the grant and its reply say, in milliseconds (`Age` in seconds).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statements {
    pub(crate) expires_at: Option<i64>,
    pub(crate) lifetime: Option<u64>,
    pub(crate) date: Option<i64>,
    /// `None` if it can't be read.
    pub(crate) age: Option<u64>,
    pub(crate) jwt: Option<(i64, i64)>,
}

/// One reading of the caller's clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// The true time.
    pub(crate) truth: i64,
    pub(crate) moment: Moment,
    /// How far below the truth `lo` may be by the formula's own terms; `None` after an absurd wall.
    pub(crate) loose_lo: Option<i64>,
    /// How far above the truth `hi` may be.
    pub(crate) loose_hi: i64,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) number: u64,
    pub(crate) kinds: BTreeSet<Kind>,
    pub(crate) said: Statements,
    /// σ, ω and the assumed lifetime, in milliseconds.
    pub(crate) tolerances: [u64; 3],
    /// The true expiry.
    pub(crate) expiry: i64,
    /// Whether the wall clock may be off by more than it is allowed to be without `Date`.
    pub(crate) wild: bool,
    pub(crate) before: Vec<Moment>,
    pub(crate) sent: Reading,
    /// From the receipt on.
    pub(crate) readings: Vec<Reading>,
}

impl fmt::Display for World {
    /// All that a person needs to replay it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "world({}): {:?}", self.number, self.kinds)?;
        writeln!(f, "{:?}", self.said)?;
        writeln!(f, "skew, wall error, assumed lifetime: {:?} ms", self.tolerances)?;
        writeln!(f, "expiry: {} us; readings before the request:", self.expiry)?;
        for moment in &self.before {
            writeln!(f, "  {moment:?}")?;
        }
        writeln!(f, "sent, received, later:")?;
        for reading in [&self.sent].into_iter().chain(&self.readings) {
            let left = self.expiry - reading.truth;
            writeln!(f, "  {:?}, truly left: {left} us", reading.moment)?;
        }
        Ok(())
    }
}
