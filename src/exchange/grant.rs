//! What a granting reply gives.

use core::fmt;
use core::time::Duration;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use super::credentials::Credentials;
use super::identity::Identity;
use super::scopes::Scopes;
use crate::secret::{SessionToken, ZeroizingBuffer};
use crate::time::{ExpiresAt, Moment, millis};

/// The longest `expiresAt` that is kept, in bytes. A longer one is no date, and is dropped.
const EXPIRES_AT_LIMIT: usize = 64;

/// A text that is kept in place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ShortText {
    bytes: [u8; EXPIRES_AT_LIMIT],
    len: u8,
}

impl ShortText {
    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; EXPIRES_AT_LIMIT];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, len: u8::try_from(text.len()).ok()? })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }
}

/// A session token, with what is known about it. Not `Serialize`: a token leaves by
/// [`to_token_reply`](Grant::to_token_reply) only. `Debug` shows neither the token nor any text that a server
/// has written, which might repeat it.
///
/// ```
/// use std::time::Duration;
/// use videokit_session::{Grant, Identity, SessionToken};
///
/// // A token that came by a way of your own, to be adopted by a session:
/// let grant = Grant::new(SessionToken::new("tok-1")?)
///     .with_identity(Identity::new("user-17")?)
///     .with_expires_at("2026-11-24T05:00:00Z");
/// assert_eq!(grant.expires_at(), Some("2026-11-24T05:00:00Z"));
///
/// // The same from an OAuth reply with `"expires_in": 600`:
/// let grant = Grant::new(SessionToken::new("tok-1")?).with_lifetime(Duration::from_secs(600));
/// assert_eq!(grant.lifetime(), Some(Duration::from_secs(600)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct Grant {
    token: SessionToken,
    identity: Option<Identity>,
    expires_at: Option<ShortText>,
    lifetime: Option<Duration>,
    scopes: Option<Scopes>,
    successor: Option<Credentials>,
}

impl Grant {
    /// A token of which nothing else is known.
    pub fn new(token: SessionToken) -> Self {
        Self {
            token,
            identity: None,
            expires_at: None,
            lifetime: None,
            scopes: None,
            successor: None,
        }
    }

    /// Says for whom the token is.
    pub fn with_identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// Sets when the token expires, as the issuer wrote it: [RFC 3339](ExpiresAt::parse), or anything else for
    /// an unknown expiry. More than 64 bytes are dropped.
    pub fn with_expires_at(self, expires_at: impl AsRef<str>) -> Self {
        self.with_expiry_text(expires_at.as_ref().as_bytes())
    }

    /// As [`with_expires_at`](Self::with_expires_at), for a text that is known to be UTF-8.
    pub(super) fn with_expiry_text(self, expires_at: &[u8]) -> Self {
        Self { expires_at: ShortText::new(expires_at), ..self }
    }

    /// Sets when the token expires, as an instant. It is kept as RFC 3339.
    pub fn with_expiry(self, at: ExpiresAt) -> Self {
        self.with_expires_at(at.to_string())
    }

    /// Sets how long the token lives (OAuth's `expires_in`), from 0, cut to whole milliseconds.
    ///
    /// * In an [`Exchange`](super::Exchange), it counts from the writing of the reply. Neither the reply's
    ///   `Date` nor the issuer's clock has a say in it.
    /// * For a token that is adopted, it counts from the adoption. A driver adopts in the
    ///   [`poll`](crate::Driver::poll) after [`start`](crate::Driver::start).
    /// * A whole number of seconds may have been cut to that, so the token may live up to a second longer.
    /// * Where an expiry is set too, whichever ends sooner counts.
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime: Some(Duration::from_millis(millis(lifetime))), ..self }
    }

    /// Says which scopes were granted.
    pub fn with_scopes(self, scopes: Scopes) -> Self {
        Self { scopes: Some(scopes), ..self }
    }

    /// Sets the credentials that take the place of those that the request was made with: the next refresh
    /// token of a service that rotates them (RFC 6749, section 6), for example.
    ///
    /// * Whoever owns the credentials takes the successor when the grant is held; also when its token had
    ///   expired on arrival. With a grant for another identity, or a stale reply, it is dropped.
    /// * A successor that states another identity than the login's is ignored.
    /// * A token that is adopted has no request before it, so its successor is ignored.
    pub fn with_successor(self, credentials: Credentials) -> Self {
        Self { successor: Some(credentials), ..self }
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
        core::str::from_utf8(self.expires_at.as_ref()?.as_bytes()).ok()
    }

    /// Returns when the token expires, if that is stated and can be read.
    #[must_use]
    pub fn expiry(&self) -> Option<ExpiresAt> {
        ExpiresAt::parse_bytes(self.expires_at.as_ref()?.as_bytes())
    }

    /// Returns how long the token lives from the writing of its reply, or from its adoption, if that is stated.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// Which scopes were granted, if the reply says so. That is not what was asked for.
    #[must_use]
    pub fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    /// Returns the credentials that take the place of those that the request was made with, if the reply brings
    /// any.
    #[must_use]
    pub fn successor(&self) -> Option<&Credentials> {
        self.successor.as_ref()
    }

    /// The reply with which a backend hands the token to its own app: 200, well-formed JSON with
    /// `sessionToken` and, where they are stated, `expiresAt` and `identity` (wire facts, A), marked as
    /// not to be stored. The body's buffer is wiped when it is dropped.
    ///
    /// A [lifetime](Self::with_lifetime) is not in it: without an `expiresAt`, the app takes the expiry for
    /// unknown. See [`to_token_reply_at`](Self::to_token_reply_at).
    #[must_use]
    pub fn to_token_reply(&self) -> http::Response<Bytes> {
        self.token_reply(self.expires_at())
    }

    /// As [`to_token_reply`](Self::to_token_reply), with an `expiresAt` that is computed where a lifetime
    /// is set: `wall` plus the lifetime, or the stated expiry if that is sooner.
    ///
    /// `wall` is the backend's own wall clock when it sent its request for the token, so that the app never
    /// takes the token for valid after its end. What passed between that and the grant, and the backend's
    /// `Date` in this reply, have to agree within the app's
    /// [`backend_skew`](crate::session::ConfigBuilder::backend_skew) (10 s by default).
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use videokit_session::{Grant, SessionToken};
    ///
    /// let grant = Grant::new(SessionToken::new("tok-1")?).with_lifetime(Duration::from_secs(600));
    /// let asked = UNIX_EPOCH + Duration::from_secs(1_795_492_800); // SystemTime::now(), before it asks
    /// assert_eq!(grant.to_token_reply().body(), r#"{"sessionToken":"tok-1"}"#);
    /// assert_eq!(
    ///     grant.to_token_reply_at(asked).body(),
    ///     r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T04:10:00Z"}"#,
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_token_reply_at(&self, wall: SystemTime) -> http::Response<Bytes> {
        let Some(lifetime) = self.lifetime else { return self.to_token_reply() };
        let end = Moment::new(Duration::ZERO, wall).after(lifetime).wall_millis();
        match self.expiry() {
            Some(stated) if stated.as_millis() <= end => self.to_token_reply(),
            _ => self.token_reply(Some(&ExpiresAt::from_millis(end).to_string())),
        }
    }

    fn token_reply(&self, expires_at: Option<&str>) -> http::Response<Bytes> {
        let mut response = http::Response::new(self.token_reply_body(expires_at));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn token_reply_body(&self, expires_at: Option<&str>) -> Bytes {
        let body = TokenReply {
            session_token: self.token.expose(),
            expires_at,
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
        ZeroizingBuffer::from_vec(buffer).into_bytes()
    }
}

impl fmt::Debug for Grant {
    /// Text that a server has written is shown as far as it is understood, or not at all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redacted = format_args!("redacted");
        let unreadable = format_args!("unreadable");
        let expiry = self.expiry();
        let expires_at: Option<&dyn fmt::Debug> = match (&self.expires_at, &expiry) {
            (None, _) => None,
            (Some(_), Some(at)) => Some(at),
            (Some(_), None) => Some(&unreadable),
        };
        f.debug_struct("Grant")
            .field("token", &self.token)
            .field("identity", &self.identity.as_ref().map(|_| redacted))
            .field("expires_at", &expires_at)
            .field("lifetime", &self.lifetime)
            .field("scopes", &self.scopes.as_ref().map(|_| redacted))
            .field("successor", &self.successor.as_ref().map(|_| redacted))
            .finish()
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
