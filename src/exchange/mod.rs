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

mod backend;
mod credentials;
mod denial;
mod gateway;
mod grant;
mod identity;
mod json;
mod origin;
mod reply;
mod scopes;

pub use backend::Backend;
pub use credentials::{Credentials, Exchange};
pub use denial::{Denial, DenialKind, Flaw, IdentitySource, JsonType};
pub use gateway::Gateway;
pub use grant::Grant;
pub use identity::{Identity, IdentityError};
pub use origin::{AllowedOrigin, BuildError, Endpoint, OriginError};
pub use reply::Reply;
pub use scopes::{Scope, ScopeError, Scopes};

pub(crate) use origin::Redacted;
pub(crate) use reply::check_identity;

/// The longest body that is parsed, in bytes, unless an exchange is told otherwise: 64 KiB. A real
/// reply has a few hundred bytes.
pub const BODY_LIMIT: usize = 64 * 1_024;
