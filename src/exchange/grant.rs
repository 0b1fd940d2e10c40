//! What a granting reply gives.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use super::identity::Identity;
use super::scopes::Scopes;
use crate::secret::{SessionToken, Wiped};
use crate::time::ExpiresAt;

/// The longest `expiresAt` that is kept, in bytes. A longer one is no date, and is dropped.
const EXPIRES_AT_LIMIT: usize = 64;

/// A session token, with what is known about it. Not `Serialize`: a token leaves by
/// [`to_token_reply`](Grant::to_token_reply) only, and `Debug` doesn't show it.
///
/// ```
/// use videokit_session::{Grant, Identity, SessionToken};
///
/// // A token that came by a way of your own, to be adopted by a session:
/// let grant = Grant::new(SessionToken::new("tok-1")?)
///     .with_identity(Identity::new("user-17")?)
///     .with_expires_at("2026-11-24T05:00:00Z");
/// assert_eq!(grant.expires_at(), Some("2026-11-24T05:00:00Z"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Grant {
    token: SessionToken,
    identity: Option<Identity>,
    expires_at: Option<Box<str>>,
    scopes: Option<Scopes>,
}

impl Grant {
    /// A token of which nothing else is known.
    pub fn new(token: SessionToken) -> Self {
        Self { token, identity: None, expires_at: None, scopes: None }
    }

    /// Says for whom the token is.
    pub fn with_identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// Says when it expires, as the issuer wrote it: RFC 3339, or anything else for an unknown expiry.
    /// More than 64 bytes are dropped.
    pub fn with_expires_at(self, expires_at: impl Into<Box<str>>) -> Self {
        let text = expires_at.into();
        Self { expires_at: (text.len() <= EXPIRES_AT_LIMIT).then_some(text), ..self }
    }

    /// Says which scopes were granted.
    pub fn with_scopes(self, scopes: Scopes) -> Self {
        Self { scopes: Some(scopes), ..self }
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &SessionToken {
        &self.token
    }

    /// For whom the token is, if the reply says so.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// When the token expires, as the reply wrote it. It need not be a date.
    #[must_use]
    pub fn expires_at(&self) -> Option<&str> {
        self.expires_at.as_deref()
    }

    /// Which scopes were granted, if the reply says so. That is not what was asked for.
    #[must_use]
    pub fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    pub(crate) fn expiry(&self) -> Option<ExpiresAt> {
        ExpiresAt::parse(self.expires_at()?)
    }

    /// The reply with which a backend hands the token to its own app: 200, well-formed JSON with
    /// `sessionToken` and, where they are known, `expiresAt` and `identity` (wire facts, A), marked as
    /// not to be stored. The body's buffer is wiped when it is dropped.
    #[must_use]
    pub fn to_token_reply(&self) -> http::Response<Bytes> {
        let mut response = http::Response::new(self.token_reply_body());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn token_reply_body(&self) -> Bytes {
        let body = TokenReply {
            session_token: self.token.expose(),
            expires_at: self.expires_at(),
            identity: self.identity().map(Identity::as_str),
        };
        // Room for every byte escaped, so that the buffer never moves and leaves a copy behind.
        let length = [Some(body.session_token), body.expires_at, body.identity]
            .into_iter()
            .flatten()
            .fold(64_usize, |sum, text| sum.saturating_add(text.len().saturating_mul(6)));
        let mut buffer = Vec::with_capacity(length);
        // Strings into memory: there is nothing to fail, and an empty body would be no token.
        if serde_json::to_writer(&mut buffer, &body).is_err() {
            buffer.clear();
        }
        Wiped::from_vec(buffer).into_bytes()
    }
}

#[cfg(feature = "_model")]
impl Grant {
    /// A number for what is granted: the same for the same.
    pub(crate) fn fingerprint(&self) -> u64 {
        use core::hash::{Hash, Hasher};
        let mut hasher = std::hash::DefaultHasher::new();
        (self.token.expose(), &self.identity, &self.expires_at).hash(&mut hasher);
        hasher.finish()
    }
}

impl From<SessionToken> for Grant {
    fn from(token: SessionToken) -> Self {
        Self::new(token)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenReply<'a> {
    session_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a str>,
}
