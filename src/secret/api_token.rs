//! API tokens.

use http::HeaderValue;

use super::buffer::{BEARER, HeaderSecret, TokenError, ZeroizingBuffer, header_token};

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

header_token!(ApiToken, "ApiToken(redacted)");

impl ApiToken {
    /// Returns the header value: scheme and token, marked sensitive.
    pub(crate) fn into_header(self) -> HeaderValue {
        self.0.into_header()
    }
}
