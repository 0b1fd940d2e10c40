//! One buffer per token: a whole header value, shared, wiped on the last drop.

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroize;

/// The scheme before a token, unless a dialect or the configuration says otherwise (wire facts, N for
/// API tokens; for session tokens it is not known, and RFC 6750 is this project's default).
pub(crate) const BEARER: &str = "Bearer ";

/// The longest token taken, in bytes. Common servers refuse a header of more than 8 KiB.
const TOKEN_LIMIT: usize = 8_192;

/// Why a string is not a token. Names the rule, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token is the empty string.
    #[error("the token is empty")]
    Empty,
    /// The token is longer than the limit.
    #[error(
        "the token has {len} bytes, more than the {limit} that a header can be trusted to carry"
    )]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A space: most often what stands between a scheme such as `Bearer` and the token.
    #[error(
        "the token has a space at index {at}: give it alone, without its scheme or white space"
    )]
    Space {
        /// The index of the space, which is the first byte that isn't visible ASCII.
        at: usize,
    },
    /// A byte that is neither visible ASCII nor a space: a line break (often from a file), another control
    /// character, or a character of more than one byte.
    #[error("the byte at index {at} of the token is not a visible ASCII character")]
    NotVisibleAscii {
        /// The index of the first such byte.
        at: usize,
    },
}

impl TokenError {
    /// Returns the error without its position and length.
    pub(crate) fn without_position(self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::TooLong { limit, .. } => Self::TooLong { len: 0, limit },
            Self::Space { .. } => Self::Space { at: 0 },
            Self::NotVisibleAscii { .. } => Self::NotVisibleAscii { at: 0 },
        }
    }
}

/// Bytes that are wiped when they are dropped.
pub(crate) struct Wiped(Vec<u8>);

impl Wiped {
    /// An empty buffer that holds `capacity` bytes without moving: moving would leave a copy behind.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(crate) fn from_vec(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Appends, or gives `None` where the buffer would have to move.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let free = self.0.capacity().checked_sub(self.0.len())?;
        (bytes.len() <= free).then(|| self.0.extend_from_slice(bytes))
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A token behind its scheme, as a header value that shares one wiped buffer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HeaderSecret {
    header: HeaderValue,
    token: Bytes,
}

impl HeaderSecret {
    /// `scheme` is what stands before the token, with the character that parts them.
    pub(crate) fn new(scheme: &str, token: &[u8]) -> Result<Self, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        if token.len() > TOKEN_LIMIT {
            return Err(TokenError::TooLong { len: token.len(), limit: TOKEN_LIMIT });
        }
        if let Some((at, byte)) = token.iter().enumerate().find(|(_, b)| !b.is_ascii_graphic()) {
            return Err(match byte {
                b' ' => TokenError::Space { at },
                _ => TokenError::NotVisibleAscii { at },
            });
        }
        let mut buffer = Wiped::with_capacity(scheme.len().saturating_add(token.len()));
        let written = buffer.push(scheme.as_bytes()).and_then(|()| buffer.push(token));
        debug_assert!(written.is_some(), "the capacity is the sum of both");
        let buffer = buffer.into_bytes();
        // A scheme is checked where it is configured, so what is left to fail has no other name.
        let mut header = HeaderValue::from_maybe_shared(buffer.clone())
            .map_err(|_| TokenError::NotVisibleAscii { at: 0 })?;
        header.set_sensitive(true);
        Ok(Self { header, token: buffer.slice(scheme.len().min(buffer.len())..) })
    }

    /// The same token behind another scheme, in a buffer of its own.
    pub(crate) fn behind(&self, scheme: &str) -> Result<Self, TokenError> {
        Self::new(scheme, &self.token)
    }

    /// The whole header value, marked sensitive.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }

    pub(crate) fn token(&self) -> &str {
        core::str::from_utf8(&self.token).unwrap_or_default()
    }
}

/// What the two kinds of token have in common: construction, sharing and redaction.
macro_rules! header_token {
    ($Token:ident, $redacted:literal) => {
        impl $Token {
            /// Copies a token into a buffer of its own. The argument stays the caller's to wipe;
            /// giving a `String` to `try_from` instead wipes it.
            ///
            /// # Errors
            /// [`TokenError`] for an empty token, one over 8192 bytes, or one with anything but
            /// visible ASCII.
            pub fn new(token: impl AsRef<[u8]>) -> Result<Self, TokenError> {
                HeaderSecret::new(BEARER, token.as_ref()).map(Self)
            }

            /// The header value: scheme and token, marked sensitive.
            pub(crate) fn header(&self) -> &http::HeaderValue {
                self.0.header()
            }

            /// This token behind another scheme; shares the buffer where it can.
            pub(crate) fn behind(&self, scheme: &str) -> Result<Self, TokenError> {
                if scheme == BEARER { Ok(self.clone()) } else { self.0.behind(scheme).map(Self) }
            }
        }

        impl core::fmt::Debug for $Token {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str($redacted)
            }
        }

        impl core::str::FromStr for $Token {
            type Err = TokenError;

            fn from_str(token: &str) -> Result<Self, TokenError> {
                Self::new(token)
            }
        }

        impl TryFrom<String> for $Token {
            type Error = TokenError;

            /// Takes the token over and wipes the string, whether it is valid or not.
            fn try_from(token: String) -> Result<Self, TokenError> {
                Self::new(Wiped::from_vec(token.into_bytes()))
            }
        }
    };
}

pub(super) use header_token;
