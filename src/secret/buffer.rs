//! Buffers that are wiped: one for each token, which is a whole header value.

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroize;

/// The default scheme before a token (wire facts, N for API tokens; for session tokens it is not known, and RFC 6750
/// is this project's choice).
pub(crate) const BEARER: &str = "Bearer ";

/// The longest token, in bytes. Common servers refuse a header of more than 8 KiB.
const TOKEN_LIMIT: usize = 8_192;

/// A string that is not a token. The message does not repeat it.
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
    /// The token contains a space: most often the one after a scheme such as `Bearer`.
    #[error(
        "the token has a space at index {at}: give it alone, without its scheme or white space"
    )]
    Space {
        /// The index of the space, which is the first byte that isn't visible ASCII.
        at: usize,
    },
    /// The token contains a byte that is neither visible ASCII nor a space: a line break (often from a file),
    /// another control character, or a character of more than one byte.
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
pub(crate) struct ZeroizingBuffer(Vec<u8>);

impl ZeroizingBuffer {
    /// Returns an empty buffer with a fixed capacity: growing would leave a copy behind.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(crate) fn from_vec(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn zeroed(len: usize) -> Self {
        Self(vec![0; len])
    }

    /// Appends, or returns `None` where the buffer would have to grow.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let free = self.0.capacity().checked_sub(self.0.len())?;
        (bytes.len() <= free).then(|| self.0.extend_from_slice(bytes))
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for ZeroizingBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for ZeroizingBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for ZeroizingBuffer {
    fn drop(&mut self) {
        // As two slices, which are wiped in bulk: `Vec::zeroize` goes byte by byte.
        self.0.as_mut_slice().zeroize();
        self.0.spare_capacity_mut().zeroize();
    }
}

/// A header value of a scheme and a token, in one buffer that is shared and wiped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HeaderSecret {
    header: HeaderValue,
    /// Where the token begins.
    start: usize,
}

impl HeaderSecret {
    /// `scheme` is all that precedes the token, with the separator at its end.
    pub(crate) fn new(scheme: &str, token: &[u8]) -> Result<Self, TokenError> {
        check(token)?;
        let mut buffer = ZeroizingBuffer::with_capacity(scheme.len().saturating_add(token.len()));
        let written = buffer.push(scheme.as_bytes()).and_then(|()| buffer.push(token));
        debug_assert!(written.is_some(), "the capacity is the sum of both");
        // A scheme is checked where it is configured, so this error has no name of its own.
        let mut header = HeaderValue::from_maybe_shared(buffer.into_bytes())
            .map_err(|_| TokenError::NotVisibleAscii { at: 0 })?;
        header.set_sensitive(true);
        Ok(Self { header, start: scheme.len() })
    }

    /// Returns the same token behind another scheme, in a buffer of its own.
    pub(crate) fn behind(&self, scheme: &str) -> Result<Self, TokenError> {
        Self::new(scheme, self.token())
    }

    /// Returns the whole header value, marked sensitive.
    pub(super) fn header(&self) -> &HeaderValue {
        &self.header
    }

    pub(super) fn into_header(self) -> HeaderValue {
        self.header
    }

    pub(crate) fn token(&self) -> &[u8] {
        self.header.as_bytes().get(self.start..).unwrap_or_default()
    }
}

/// Checks that a header can carry the token, and that it has no scheme before it.
fn check(token: &[u8]) -> Result<(), TokenError> {
    if token.is_empty() {
        return Err(TokenError::Empty);
    }
    if token.len() > TOKEN_LIMIT {
        return Err(TokenError::TooLong { len: token.len(), limit: TOKEN_LIMIT });
    }
    // As one maximum, which is vectorised.
    if token.iter().fold(0, |most, byte| byte.wrapping_sub(b'!').max(most))
        <= b'~'.wrapping_sub(b'!')
    {
        return Ok(());
    }
    match token.iter().enumerate().find(|(_, byte)| !byte.is_ascii_graphic()) {
        Some((at, b' ')) => Err(TokenError::Space { at }),
        other => Err(TokenError::NotVisibleAscii { at: other.map_or(0, |(at, _)| at) }),
    }
}

/// Implements what both kinds of token have in common: construction, sharing and redaction.
macro_rules! header_token {
    ($Token:ident, $redacted:literal) => {
        impl $Token {
            /// Copies a token into a new buffer. The caller has to wipe the argument; `try_from` wipes the
            /// `String` that it takes.
            ///
            /// # Errors
            /// [`TokenError`] if the token is empty, over 8192 bytes long, or not all visible ASCII.
            pub fn new(token: impl AsRef<[u8]>) -> Result<Self, TokenError> {
                HeaderSecret::new(BEARER, token.as_ref()).map(Self)
            }

            /// Returns this token behind another scheme. The default one shares the buffer.
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

            /// Copies the token into a new buffer and wipes the string, whether the token is valid or not.
            fn try_from(token: String) -> Result<Self, TokenError> {
                Self::new(ZeroizingBuffer::from_vec(token.into_bytes()))
            }
        }
    };
}

pub(super) use header_token;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visible_character_and_no_other_byte_is_part_of_a_token() {
        let visible: Vec<u8> = (b'!'..=b'~').collect();
        assert_eq!(check(&visible), Ok(()));
        for byte in (0..=u8::MAX).filter(|byte| !visible.contains(byte)) {
            let expected = match byte {
                b' ' => TokenError::Space { at: 40 },
                _ => TokenError::NotVisibleAscii { at: 40 },
            };
            let mut token = [b'a'; 80];
            token[40] = byte;
            assert_eq!(check(&token), Err(expected), "{byte}");
        }
        let sizes = [0, 1, TOKEN_LIMIT, TOKEN_LIMIT + 1].map(|len| check(&vec![b'a'; len]).is_ok());
        assert_eq!(sizes, [false, true, true, false]);
    }
}
