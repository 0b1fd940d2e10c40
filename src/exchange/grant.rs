//! Granted tokens.

use core::fmt;
use core::time::Duration;
use std::time::SystemTime;

use bytes::Bytes;
use serde::Serialize;

use super::{Credentials, Identity, Scopes, json_reply};
use crate::secret::{SessionToken, ZeroizingBuffer};
use crate::time::{ExpiresAt, Moment, millis};

/// A short text, without an allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ShortText {
    bytes: [u8; Grant::EXPIRES_AT_LIMIT],
    len: u8,
}

impl ShortText {
    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; Grant::EXPIRES_AT_LIMIT];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, len: u8::try_from(text.len()).ok()? })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }
}

/// A session token, and what is known about it.
///
/// It is not `Serialize`: only [`to_token_reply`](Grant::to_token_reply) writes the token. `Debug` shows neither the
/// token nor any text of the server, which might repeat it.
///
/// ```
/// use std::time::Duration;
/// use videokit_session::{Grant, Identity, SessionToken};
///
/// // A token that was obtained elsewhere, for a session to adopt:
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
    /// The longest `expiresAt` that is kept, in bytes. A longer one is no date, and is dropped.
    pub(crate) const EXPIRES_AT_LIMIT: usize = 64;

    /// Creates a grant of which only the token is known.
    pub fn new(token: SessionToken) -> Self {
        Self::read(token, None, None, None)
    }

    /// Creates a grant from what a reply states. `expires_at` is UTF-8.
    pub(super) fn read(
        token: SessionToken,
        identity: Option<Identity>,
        expires_at: Option<&[u8]>,
        scopes: Option<Scopes>,
    ) -> Self {
        let expires_at = expires_at.and_then(ShortText::new);
        Self { token, identity, expires_at, lifetime: None, scopes, successor: None }
    }

    /// Sets the identity that the token is for.
    pub fn with_identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// Sets when the token expires, as the issuer wrote it. The expiry is unknown if that is not
    /// [RFC 3339](ExpiresAt::parse). A text of more than 64 bytes is dropped.
    pub fn with_expires_at(self, expires_at: impl AsRef<str>) -> Self {
        Self { expires_at: ShortText::new(expires_at.as_ref().as_bytes()), ..self }
    }

    /// Sets when the token expires. It is kept as RFC 3339.
    pub fn with_expiry(self, at: ExpiresAt) -> Self {
        self.with_expires_at(at.to_string())
    }

    /// Sets how long the token lives (OAuth's `expires_in`), from 0, cut to whole milliseconds.
    ///
    /// * In an [`Exchange`](super::Exchange), it counts from the writing of the reply. It depends neither on the
    ///   reply's `Date` nor on the issuer's clock.
    /// * For a token that is adopted, it counts from the adoption. A driver adopts in the
    ///   [`poll`](crate::Driver::poll) after [`start`](crate::Driver::start).
    /// * A whole number of seconds may have been cut to that, so the token may live up to a second longer.
    /// * If an expiry is set too, the sooner end counts.
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime: Some(Duration::from_millis(millis(lifetime))), ..self }
    }

    /// Sets the scopes that were granted.
    pub fn with_scopes(self, scopes: Scopes) -> Self {
        Self { scopes: Some(scopes), ..self }
    }

    /// Sets the credentials that replace those of the request: the next refresh token of a service that rotates
    /// them (RFC 6749, section 6), for example.
    ///
    /// * The owner of the credentials takes the successor when the grant is held, and when its token had expired on
    ///   arrival. With a grant for another identity, or a stale reply, the successor is dropped.
    /// * A successor that states another identity than the login's is ignored.
    /// * A token that is adopted has no request before it, so its successor is ignored.
    /// * A reply that is refused loses the successor in it. Where a secret is usable once, refuse none for a member
    ///   that you can do without.
    ///
    /// A refresh token that rotates:
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    ///
    /// use bytes::Bytes;
    /// use http::{Request, Uri};
    /// use videokit_session::exchange::{BODY_LIMIT, BuildError, DenialKind, Exchange, Flaw, Reply};
    /// use videokit_session::{Credentials, Denial, Endpoint, Grant, SessionToken};
    ///
    /// struct Refresh {
    ///     endpoint: Endpoint,
    ///     token: String,
    /// }
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Granted {
    ///     access_token: String,
    ///     refresh_token: Option<String>,
    ///     // Anything but a number is as good as none.
    ///     #[serde(default)]
    ///     expires_in: serde_json::Value,
    /// }
    ///
    /// impl Exchange for Refresh {
    ///     fn request(&self) -> Result<Request<Bytes>, BuildError> {
    ///         // Of other characters than these tokens have, some would have to be escaped.
    ///         let form = format!("grant_type=refresh_token&refresh_token={}", self.token);
    ///         Request::post(self.endpoint.uri())
    ///             .header("content-type", "application/x-www-form-urlencoded")
    ///             .body(form.into())
    ///             .map_err(|_| BuildError::Custom("its parts make no request"))
    ///     }
    ///
    ///     fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
    ///         let granted: Granted = reply.granting_json(BODY_LIMIT)?;
    ///         let token = SessionToken::new(granted.access_token).map_err(|error| {
    ///             Denial::new(DenialKind::Malformed(Flaw::Token(error)), reply.status())
    ///         })?;
    ///         let mut grant = Grant::new(token);
    ///         if let Some(seconds) = granted.expires_in.as_u64() {
    ///             grant = grant.with_lifetime(Duration::from_secs(seconds));
    ///         }
    ///         if let Some(token) = granted.refresh_token {
    ///             let next = Self { endpoint: self.endpoint.clone(), token };
    ///             grant = grant.with_successor(Credentials::custom(Arc::new(next)));
    ///         }
    ///         Ok(grant)
    ///     }
    ///
    ///     fn endpoint(&self) -> Option<&Uri> {
    ///         Some(self.endpoint.uri())
    ///     }
    ///
    ///     fn is_single_use(&self) -> bool {
    ///         true
    ///     }
    /// }
    ///
    /// let endpoint = Endpoint::https("https://login.example/token")?;
    /// let first = Refresh { endpoint, token: "refresh-1".to_owned() };
    /// let reply = http::Response::new(r#"{"access_token":"tok-1","refresh_token":"refresh-2"}"#);
    /// let grant = first.read((&reply).into())?;
    /// let next: Option<&Refresh> = grant.successor().and_then(Credentials::downcast_ref);
    /// assert_eq!(next.map(|next| next.token.as_str()), Some("refresh-2"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_successor(self, credentials: Credentials) -> Self {
        Self { successor: Some(credentials), ..self }
    }

    /// Returns the token.
    #[must_use]
    pub fn token(&self) -> &SessionToken {
        &self.token
    }

    /// Returns the identity that the token is for, if the reply names one.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Returns when the token expires, as the reply states it. It need not be a date.
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

    /// Returns the scopes that were granted, if the reply states them. They may differ from those asked for.
    #[must_use]
    pub fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    /// Returns the credentials that replace those of the request, if the reply brings any.
    #[must_use]
    pub fn successor(&self) -> Option<&Credentials> {
        self.successor.as_ref()
    }

    /// Returns the reply with which a backend hands the token to its own app: 200, and JSON with `sessionToken` and,
    /// if they are stated, `expiresAt` and `identity` (wire facts, A). It has `Cache-Control: no-store`, and its
    /// body is wiped when it is dropped.
    ///
    /// It does not contain a [lifetime](Self::with_lifetime): without an `expiresAt`, the app treats the expiry as
    /// unknown. See [`to_token_reply_at`](Self::to_token_reply_at).
    #[must_use]
    pub fn to_token_reply(&self) -> http::Response<Bytes> {
        self.token_reply(self.expires_at())
    }

    /// Returns the same reply as [`to_token_reply`](Self::to_token_reply), with an `expiresAt` that is computed if a
    /// lifetime is set: `wall` plus the lifetime, or the stated expiry if that is sooner.
    ///
    /// `wall` is the backend's own wall clock when it sent its request for the token, so that the app never treats
    /// the token as valid after its end. The computed expiry and the backend's `Date` in this reply have to agree
    /// within the app's [`backend_skew`](crate::session::ConfigBuilder::backend_skew) (10 s by default).
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
        // Writing strings into memory does not fail. An empty body would be no token.
        if serde_json::to_writer(&mut buffer, &body).is_err() {
            buffer.clear();
        }
        json_reply(Bytes::from_owner(ZeroizingBuffer(buffer)))
    }
}

impl fmt::Debug for Grant {
    /// Shows the server's text as far as it was understood, and nothing else of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redacted = format_args!("redacted");
        let expires_at = self
            .expires_at
            .map(|_| self.expiry().map_or_else(|| "unreadable".to_owned(), |at| at.to_string()));
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
