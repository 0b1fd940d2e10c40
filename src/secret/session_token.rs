//! Session tokens.

use http::HeaderValue;

use super::buffer::{BEARER, HeaderSecret, TokenError, ZeroizingBuffer, header_token};

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

header_token!(SessionToken, "SessionToken(redacted)");

impl SessionToken {
    /// Returns the token itself. A copy of it is not wiped.
    #[must_use]
    pub fn expose(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Returns the header value: scheme and token, marked sensitive.
    pub(crate) fn header(&self) -> &HeaderValue {
        self.0.header()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.token()
    }
}
