//! The two clocks that the library leaves to its caller, and the seed.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Instant, SystemTime};

use videokit_session::Moment;

/// The two clocks of a [`Moment`]. Neither is corrected: the library knows what they may do.
pub(crate) struct Clocks {
    start: Instant,
}

impl Clocks {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::new(self.start.elapsed(), SystemTime::now())
    }
}

/// Returns a random number, another one for each driver: two drivers with one seed share their request
/// ids, and pause alike. The standard library has no other source of chance.
pub(crate) fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
