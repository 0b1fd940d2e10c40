//! The two clocks that the library leaves to its caller, and the seed.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Instant, SystemTime};

use videokit_session::Moment;

/// The two clocks of a [`Moment`]. Neither is corrected: the library knows what they may do.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    start: Instant,
}

impl Clocks {
    /// Starts the monotonic clock at zero.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Reads both.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::new(self.start.elapsed(), SystemTime::now())
    }
}

/// Returns a random number, for a driver or a simulated gateway: two with one seed make the same ids or tokens. The
/// standard library has no other source of chance.
#[must_use]
pub fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
