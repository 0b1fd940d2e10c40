//! The two kinds of token. Each is a whole header value.

use core::fmt;
use core::str::FromStr;

use bytes::Bytes;
use http::HeaderValue;

use super::ZeroizingBuffer;

/// The default scheme before a token (wire facts, N for API tokens; for session tokens it is not known, and RFC 6750
/// is this project's choice).
pub(crate) const BEARER: &str = "Bearer ";

/// The longest token, in bytes, without its scheme. Chosen by this project: common servers refuse a header of much
/// more than 8 KiB.
pub(crate) const TOKEN_LIMIT: usize = 8_192;

/// A string that is not a token. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
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

/// An API token: the app-wide secret that mints session tokens for any identity.
///
/// It belongs on a backend. An app that ships it gives it away (wire facts, S: "low security"). Its layout is not
/// known: it is any 1 to 8192 visible ASCII characters. It is shared, wiped and redacted like a
/// [`SessionToken`](crate::SessionToken).
///
/// ```
/// use videokit_session::ApiToken;
///
/// let token = ApiToken::new("my-app:my-secret")?;
/// assert_eq!(format!("{token:?}"), "ApiToken(redacted)");
/// // From an environment variable or a file, mind the line break at the end:
/// assert!(ApiToken::new("my-app:my-secret\n").is_err());
/// # Ok::<(), videokit_session::secret::TokenError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken(HeaderSecret);

/// A session token: the short-lived token that an app sends to the API, on behalf of one identity.
///
/// Any 1 to 8192 visible ASCII characters; it need not be a JWT. Equality compares the tokens, and clones share the
/// buffer. There is no `Display`, and `Debug` shows no part of the token.
///
/// ```
/// use videokit_session::{SessionToken, secret::TokenError};
///
/// let token: SessionToken = "1nU73GCsMnqT2sudzHPMo6az".parse()?;
/// assert_eq!(format!("{token:?}"), "SessionToken(redacted)");
/// assert_eq!("a b".parse::<SessionToken>(), Err(TokenError::Space { at: 1 }));
/// # Ok::<(), TokenError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(HeaderSecret);

impl ApiToken {
    /// Returns the header value: scheme and token, marked sensitive.
    pub(crate) fn into_header(self) -> HeaderValue {
        self.0.header
    }
}

impl SessionToken {
    /// Returns the token itself. A copy of it is not wiped.
    #[must_use]
    pub fn expose(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Returns the header value: scheme and token, marked sensitive.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.0.header
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.token()
    }
}

/// Implements what both kinds of token have in common: construction, sharing and redaction.
macro_rules! header_token {
    ($Token:ident) => {
        impl $Token {
            /// Copies a token into a new buffer. The caller has to wipe the argument; `try_from` wipes the
            /// `String` that it takes.
            ///
            /// # Errors
            /// [`TokenError`] if the token is empty, over 8192 bytes long, or not all visible ASCII.
            pub fn new(token: impl AsRef<[u8]>) -> Result<Self, TokenError> {
                HeaderSecret::new(BEARER, token.as_ref()).map(Self)
            }

            /// Returns this token behind another scheme. Behind its own, the buffer is shared.
            pub(crate) fn behind(&self, scheme: &str) -> Result<Self, TokenError> {
                self.0.behind(scheme).map(Self)
            }
        }

        impl fmt::Debug for $Token {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($Token), "(redacted)"))
            }
        }

        impl FromStr for $Token {
            type Err = TokenError;

            fn from_str(token: &str) -> Result<Self, TokenError> {
                Self::new(token)
            }
        }

        impl TryFrom<String> for $Token {
            type Error = TokenError;

            /// Copies the token into a new buffer and wipes the string, whether the token is valid or not.
            fn try_from(token: String) -> Result<Self, TokenError> {
                Self::new(ZeroizingBuffer(token.into_bytes()))
            }
        }
    };
}

header_token!(ApiToken);
header_token!(SessionToken);

/// A header value of a scheme and a token, in one buffer that is shared and wiped.
#[derive(Clone, PartialEq, Eq)]
struct HeaderSecret {
    header: HeaderValue,
    /// Where the token begins.
    start: usize,
}

impl HeaderSecret {
    /// `scheme` is all that precedes the token, with the separator at its end.
    fn new(scheme: &str, token: &[u8]) -> Result<Self, TokenError> {
        check(token)?;
        let buffer = ZeroizingBuffer([scheme.as_bytes(), token].concat());
        // A scheme is checked where it is configured, so this error has no name.
        let mut header = HeaderValue::from_maybe_shared(Bytes::from_owner(buffer))
            .map_err(|_| TokenError::NotVisibleAscii { at: 0 })?;
        header.set_sensitive(true);
        Ok(Self { header, start: scheme.len() })
    }

    /// Returns the same token behind `scheme`. Where it is behind that already, the buffer is shared.
    fn behind(&self, scheme: &str) -> Result<Self, TokenError> {
        if self.header.as_bytes().get(..self.start) == Some(scheme.as_bytes()) {
            Ok(self.clone())
        } else {
            Self::new(scheme, self.token())
        }
    }

    fn token(&self) -> &[u8] {
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
    let most = token.iter().fold(0, |most, byte| byte.wrapping_sub(b'!').max(most));
    if most <= b'~'.wrapping_sub(b'!') {
        return Ok(());
    }
    match token.iter().enumerate().find(|(_, byte)| !byte.is_ascii_graphic()) {
        Some((at, b' ')) => Err(TokenError::Space { at }),
        other => Err(TokenError::NotVisibleAscii { at: other.map_or(0, |(at, _)| at) }),
    }
}

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
