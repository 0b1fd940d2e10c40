//! The user or device that a session belongs to.

use core::fmt;
use core::str::FromStr;
use std::sync::Arc;

/// The longest identity, in bytes. Chosen by this project: no limit is known.
const IDENTITY_LIMIT: usize = 1_024;

/// The unique id of the user or device that a session belongs to.
///
/// Any text of 1 to 1024 bytes, compared byte by byte: the same letters in another case, or in another Unicode
/// normalization, are another identity. Videos belong to the identity that made them (wire facts, D), so a reply
/// for another identity is never accepted.
///
/// ```
/// use videokit_session::Identity;
///
/// let user: Identity = "user-17".parse()?;
/// assert_eq!(user.as_str(), "user-17");
/// assert_ne!(user, "User-17".parse()?);
/// # Ok::<(), videokit_session::exchange::IdentityError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(Arc<str>);

/// A string that is not an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The identity is the empty string.
    #[error("the identity is empty")]
    Empty,
    /// The identity is longer than the limit.
    #[error("the identity has {len} bytes, more than the limit of {limit}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

impl Identity {
    /// Creates an identity.
    ///
    /// # Errors
    /// [`IdentityError`] for an empty string or one over 1024 bytes.
    pub fn new(identity: impl AsRef<str>) -> Result<Self, IdentityError> {
        match identity.as_ref() {
            "" => Err(IdentityError::Empty),
            long if long.len() > IDENTITY_LIMIT => {
                Err(IdentityError::TooLong { len: long.len(), limit: IDENTITY_LIMIT })
            }
            identity => Ok(Self(identity.into())),
        }
    }

    /// Returns whether two identities, as far as they are known, can be the same.
    pub(crate) fn can_match(one: Option<&Self>, other: Option<&Self>) -> bool {
        one.zip(other).is_none_or(|(one, other)| one == other)
    }

    /// Returns the identity as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(identity: &str) -> Result<Self, IdentityError> {
        Self::new(identity)
    }
}
