//! The token that an active session holds, and what it knows about it.

use super::core::Generation;
use crate::exchange::Scopes;
use crate::secret::SessionToken;
use crate::time::{Lifetime, Remaining, Stamp, Validity};

/// A token that serves.
#[cfg_attr(feature = "_model", derive(Clone))]
pub(super) struct Held {
    pub(super) token: SessionToken,
    pub(super) lifetime: Lifetime,
    /// Renewal is due when no more than this many milliseconds are certain.
    pub(super) margin: i64,
    pub(super) generation: Generation,
    pub(super) scopes: Option<Scopes>,
}

impl Held {
    pub(super) fn remaining(&self, at: Stamp) -> Remaining {
        self.lifetime.remaining(at)
    }

    pub(super) fn validity(&self, at: Stamp) -> Validity {
        self.lifetime.validity(at)
    }
}
