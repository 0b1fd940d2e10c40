//! The number of a token.

/// The number of a token of a session: the first one is generation 1, and each token that follows is one more,
/// whether it was granted or adopted. An API call that is answered 401 names the generation it was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Generation(u64);

impl Generation {
    /// Returns the number, from 1.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_number(number: u64) -> Self {
        Self(number)
    }
}
