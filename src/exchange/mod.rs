//! Requests for tokens, and their replies: each reply is read as a [`Grant`] or a [`Denial`].
//!
//! Three ways to a session token:
//!
//! | exchange | the client holds | for |
//! |---|---|---|
//! | [`Gateway`] | the app-wide API token and an identity | backends that mint tokens; in clients, development only |
//! | [`Backend`] | the login of the app's backend (a cookie, for example) | apps in production |
//! | [`Exchange`], the trait | anything | other token endpoints |
//!
//! A backend needs no session. It sends [`Gateway::request`], reads the reply with [`Gateway::read`], and answers its
//! app with [`Grant::to_token_reply`] or [`Denial::to_reply`]. ([`Grant::to_token_reply_at`] is for a token endpoint
//! that states a lifetime in place of an expiry.) The example `backend` holds a [`Driver`](crate::Driver) for each
//! user, which asks once for many calls, and passes its token on by [`Driver::grant`](crate::Driver::grant).
//!
//! ```
//! use videokit_session::{ApiToken, Gateway, Identity, Scope};
//!
//! let gateway = Gateway::new(ApiToken::new("my-app:my-secret")?, Identity::new("user-17")?)
//!     .scopes([Scope::VIDEOS_READ].into_iter().collect());
//! let request = gateway.request();
//! assert_eq!(request.uri(), "https://gateway.video.io/v1/sessions");
//!
//! // Send it with any client. The reply:
//! let response = http::Response::new(
//!     r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T05:00:00Z","identity":"user-17"}"#,
//! );
//! let reply = match gateway.read(&response) {
//!     Ok(grant) => grant.to_token_reply(),
//!     Err(denial) => denial.to_reply(),
//! };
//! assert_eq!(
//!     reply.body(),
//!     r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T05:00:00Z","identity":"user-17"}"#,
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::any::Any;

use bytes::Bytes;
use http::{Request, Uri};

mod backend;
mod credentials;
mod denial;
mod gateway;
mod grant;
mod headers;
mod identity;
pub(crate) mod json;
pub(crate) mod jwt;
mod origin;
mod reply;
mod scopes;
mod template;
#[cfg(feature = "trace")]
pub(crate) mod words;

pub use backend::Backend;
pub use credentials::Credentials;
pub use denial::{Denial, DenialKind, Flaw, IdentitySource, JsonType, StaticStr};
pub use gateway::Gateway;
pub use grant::Grant;
pub use identity::{Identity, IdentityError};
pub use origin::{AllowedOrigin, Endpoint, OriginError};
pub use reply::Reply;
pub use scopes::{Scope, ScopeError, Scopes};

use headers::{http_date, json_reply, whole_seconds};
use json::{Members, Value};
use template::Template;

pub(crate) use origin::Redacted;

/// The longest body that is parsed by default, in bytes: 64 KiB. A real reply has a few hundred bytes.
pub const BODY_LIMIT: usize = 64 * 1_024;

/// A way to obtain session tokens: the request, and the reading of its reply. Implement it for a token endpoint that
/// neither [`Gateway`] nor [`Backend`] can ask.
///
/// All methods are pure: they may be called any number of times, and return the same for the same arguments.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Uri};
/// use videokit_session::exchange::{BuildError, Denial, DenialKind, Exchange, Flaw, Grant, Reply};
/// use videokit_session::SessionToken;
///
/// /// An endpoint that answers with the bare token as text.
/// struct PlainText;
///
/// impl Exchange for PlainText {
///     fn request(&self) -> Result<Request<Bytes>, BuildError> {
///         let mut request = Request::new(Bytes::new());
///         *request.uri_mut() = Uri::from_static("https://app.example/plain-token");
///         Ok(request)
///     }
///
///     fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
///         let body = reply.granting_body(8_192)?; // the standard reading of statuses
///         match SessionToken::new(body) {
///             Ok(token) => Ok(Grant::new(token)),
///             Err(error) => {
///                 Err(Denial::new(DenialKind::Malformed(Flaw::Token(error)), reply.status()))
///             }
///         }
///     }
/// }
///
/// let granted = PlainText.read((&http::Response::new("tok-1")).into())?;
/// assert_eq!(granted.token().expose(), "tok-1");
/// # Ok::<(), Denial>(())
/// ```
pub trait Exchange: Any + Send + Sync {
    /// Returns the request. A session sends it only to https or loopback. Mark secret headers sensitive, and set
    /// `Cache-Control: no-store`.
    ///
    /// # Errors
    /// [`BuildError::Custom`] if no request can be made.
    fn request(&self) -> Result<Request<Bytes>, BuildError>;

    /// Reads a reply, whatever it contains, as a grant or a denial. It must not panic. [`Reply::granting_body`] does
    /// the part that is common to all exchanges, and [`Reply::granting_json`] that of those whose replies are JSON.
    ///
    /// # Errors
    /// The denial.
    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial>;

    /// Returns the identity that the token is for, if that is known beforehand. A session refuses a grant that
    /// names another identity.
    fn identity(&self) -> Option<&Identity> {
        None
    }

    /// Returns the scopes that are asked for, if this exchange has scopes.
    fn scopes(&self) -> Option<&Scopes> {
        None
    }

    /// Returns the length of the longest body that [`read`](Self::read) parses: a client may stop reading after one
    /// byte more. [`BODY_LIMIT`] by default.
    fn body_limit(&self) -> usize {
        BODY_LIMIT
    }

    /// Returns where [`request`](Self::request) goes, if that is known without building a request. Waits that
    /// a server asks for (`Retry-After`) are kept for each endpoint: scheme, host, port and path.
    ///
    /// `None`, the default, takes the endpoint from [`request`](Self::request), which is then built more often.
    fn endpoint(&self) -> Option<&Uri> {
        None
    }

    /// Returns whether the secret in these credentials is used up by a request that was answered, as an OAuth
    /// 2.0 refresh token with rotation is. `false` by default.
    ///
    /// After a reply that is lost, a [`Driver`](crate::Driver) does not send such a secret again: see
    /// [`Event::CredentialsSpent`](crate::Event::CredentialsSpent). The reply brings the next secret by
    /// [`Grant::with_successor`]; a grant without one leaves this secret in use (RFC 6749, section 6).
    fn is_single_use(&self) -> bool {
        false
    }

    /// Returns whether one operator keeps the clocks behind `Date` and `expiresAt` in step, so that the smaller of
    /// the two configured skews applies. `false` by default.
    fn issuer_writes_date(&self) -> bool {
        false
    }
}

/// A request that could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum BuildError {
    /// The request would send credentials to an unsafe place.
    #[error("the exchange's request goes to an unsafe place: {0}")]
    Endpoint(#[from] OriginError),
    /// A custom exchange made no request, for the reason in its text.
    #[error("the exchange built no request: {0}")]
    Custom(#[cfg_attr(feature = "trace", serde(deserialize_with = "words::read"))] StaticStr),
}
