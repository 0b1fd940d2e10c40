//! Out goes a request for a token, in comes a reply, and a [`Grant`] or a [`Denial`] is made of it.
//!
//! Three ways to a session token:
//!
//! | exchange | the client holds | for |
//! |---|---|---|
//! | [`Gateway`] | the app-wide API token and an identity | backends that mint tokens; in clients, development only |
//! | [`Backend`] | whatever its own backend asks for (a cookie, say) | apps in production |
//! | [`Exchange`], the trait | yours | someone else's token endpoint |
//!
//! A backend needs no session for this. It sends what [`Gateway::request`] gives, reads the answer
//! with [`Gateway::read`], and passes on [`Grant::to_token_reply`] (for a token endpoint that states a lifetime
//! in place of an expiry, [`Grant::to_token_reply_at`]):
//!
//! ```
//! use videokit_session::{ApiToken, Gateway, Identity, Scope};
//!
//! let gateway = Gateway::new(ApiToken::new("my-app:my-secret")?, Identity::new("user-17")?)
//!     .scopes([Scope::VIDEOS_READ].into_iter().collect());
//! let request = gateway.request();
//! assert_eq!(request.uri(), "https://gateway.video.io/v1/sessions");
//!
//! // Send it with any client. This is what comes back:
//! let response = http::Response::new(
//!     r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T05:00:00Z","identity":"user-17"}"#,
//! );
//! let grant = gateway.read(&response)?;
//! assert_eq!(
//!     grant.to_token_reply().body(),
//!     r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T05:00:00Z","identity":"user-17"}"#,
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use bytes::Bytes;
use http::{Request, Uri};

mod backend;
mod credentials;
mod denial;
mod gateway;
mod grant;
mod headers;
mod identity;
mod json;
pub(crate) mod jwt;
mod origin;
mod reply;
mod scopes;

pub use backend::Backend;
pub use credentials::Credentials;
pub use denial::{Denial, DenialKind, Flaw, IdentitySource, JsonType};
pub use gateway::Gateway;
pub use grant::Grant;
pub use identity::{Identity, IdentityError};
pub use origin::{AllowedOrigin, Endpoint, OriginError};
pub use reply::Reply;
pub use scopes::{Scope, ScopeError, Scopes};

pub(crate) use origin::Redacted;
pub(crate) use reply::check_identity;

/// The longest body that is parsed, in bytes, unless an exchange is told otherwise: 64 KiB. A real
/// reply has a few hundred bytes.
pub const BODY_LIMIT: usize = 64 * 1_024;

/// One request for a session token and the reading of its reply. Implement it for a token endpoint
/// that is neither the gateway nor shaped like a customer's backend.
///
/// Both methods are pure: they are called any number of times, and give the same for the same.
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
///                 Err(Denial::new(DenialKind::Malformed(Flaw::Token(error)), Some(reply.status())))
///             }
///         }
///     }
/// }
///
/// let granted = PlainText.read((&http::Response::new("tok-1")).into())?;
/// assert_eq!(granted.token().expose(), "tok-1");
/// # Ok::<(), Denial>(())
/// ```
pub trait Exchange: Send + Sync {
    /// The request. A session sends it only to https or loopback; mark secret headers sensitive, and
    /// set `Cache-Control: no-store`.
    ///
    /// # Errors
    /// [`BuildError::Custom`] where there is no request to offer.
    fn request(&self) -> Result<Request<Bytes>, BuildError>;

    /// Reads any reply at all as a grant or a denial. It must not panic; [`Reply::granting_body`]
    /// does the part that is common to all exchanges.
    ///
    /// # Errors
    /// The denial that the reply is.
    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial>;

    /// Whom the token is for, if that is known beforehand. A session refuses a grant that names
    /// another identity.
    fn identity(&self) -> Option<&Identity> {
        None
    }

    /// Which scopes are asked for, if any can be.
    fn scopes(&self) -> Option<&Scopes> {
        None
    }

    /// The most bytes of a reply's body that [`read`](Self::read) parses: a client may stop reading once
    /// it has one more. [`BODY_LIMIT`] unless an exchange sets another.
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

    /// Whether `Date` and `expiresAt` come from clocks that one operator keeps in step: then the
    /// smaller of the two configured skews applies. `false` unless said otherwise.
    fn issuer_writes_date(&self) -> bool {
        false
    }
}

/// A request could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The request would take credentials to a place that isn't safe for them.
    #[error("the exchange's request goes to an unsafe place: {0}")]
    Endpoint(#[from] OriginError),
    /// A custom exchange has no request to offer; the text is its own, and says why.
    #[error("the exchange built no request: {0}")]
    Custom(&'static str),
}
