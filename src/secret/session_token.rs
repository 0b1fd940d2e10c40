//! The short-lived token that stands for one identity.

use http::HeaderValue;

use super::buffer::{BEARER, HeaderSecret, TokenError, ZeroizingBuffer, header_token};

/// A session token: what an app presents to the API for the identity it was made for.
///
/// 1 to 8192 visible ASCII characters of any shape; a JWT is not required. Equality compares the
/// tokens; cloning shares the buffer; there is no `Display`, and `Debug` shows no part of it.
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
    /// The token itself. Whatever this is copied to is not wiped.
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
