//! The exchange with the gateway: an API token and an identity for a session token, in two dialects.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Request, Uri};
use serde_json::json;

use super::{
    BODY_LIMIT, BuildError, Denial, Endpoint, Exchange, Flaw, Grant, Identity, Reply, Scope, Scopes,
};
use crate::secret::{ApiToken, TokenError};

/// The endpoint of the current dialect (wire facts, N).
const GATEWAY: &str = "https://gateway.video.io/v1/sessions";

/// The endpoint of the legacy dialect (wire facts, R).
const LEGACY_GATEWAY: &str = "https://api.video.io/v1/sessions";

/// The authorization scheme of the legacy dialect (wire facts, R).
const APP_TOKEN: &str = "App token=";

/// The exchange with the gateway: the app-wide API token, and the identity that a session token is for.
///
/// A **backend** mints tokens for its users with it: see the [module](crate::exchange). A client that uses it
/// holds the API token, and so can act as any identity. That is for development only, hence the name
/// [`Credentials::for_development`](crate::Credentials::for_development).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Gateway {
    dialect: Dialect,
    endpoint: Endpoint,
    /// With the API token.
    headers: HeaderMap,
    identity: Identity,
    scopes: Scopes,
    /// Identity and scopes as JSON.
    body: Bytes,
    body_limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Current,
    Legacy,
}

impl Dialect {
    /// Returns the name of the reply's member that holds the token.
    fn token_member(self) -> &'static str {
        match self {
            Self::Current => "sessionToken",
            Self::Legacy => "session_key",
        }
    }

    fn accept(self) -> &'static str {
        match self {
            Self::Current => "application/json",
            Self::Legacy => "application/json; charset=utf-8",
        }
    }
}

impl Gateway {
    /// Creates an exchange with `https://gateway.video.io/v1/sessions` that asks for no scope.
    pub fn new(token: ApiToken, identity: Identity) -> Self {
        Self::with(Dialect::Current, GATEWAY, token, identity)
    }

    /// Creates an exchange with `https://api.video.io/v1/sessions` in the legacy dialect. It has no scopes, so
    /// those that are set are not sent, and its replies state no expiry.
    ///
    /// # Errors
    /// [`TokenError`] if the token can't be sent in the legacy scheme. Every token can.
    pub fn legacy(token: &ApiToken, identity: Identity) -> Result<Self, TokenError> {
        let token = token.behind(APP_TOKEN)?;
        Ok(Self::with(Dialect::Legacy, LEGACY_GATEWAY, token, identity))
    }

    fn with(dialect: Dialect, uri: &'static str, token: ApiToken, identity: Identity) -> Self {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(AUTHORIZATION, token.into_header());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static(dialect.accept()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let gateway = Self {
            dialect,
            endpoint: Endpoint::known(uri),
            headers,
            identity,
            scopes: Scopes::default(),
            body: Bytes::new(),
            body_limit: BODY_LIMIT,
        };
        gateway.scopes(Scopes::default())
    }

    /// Sets the scopes to ask for.
    pub fn scopes(self, scopes: Scopes) -> Self {
        let identity = self.identity.as_str();
        let names: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
        let body = match self.dialect {
            Dialect::Current => json!({ "identity": identity, "scopes": names }),
            Dialect::Legacy => json!({ "identity": identity }),
        };
        Self { scopes, body: body.to_string().into(), ..self }
    }

    /// Sets another endpoint: a proxy, or a test server.
    pub fn endpoint(self, endpoint: Endpoint) -> Self {
        Self { endpoint, ..self }
    }

    /// Sets the longest body of a reply that is parsed, in bytes; 64 KiB by default.
    pub fn body_limit(self, bytes: usize) -> Self {
        Self { body_limit: bytes, ..self }
    }

    /// Returns the request for a session token. It has `Cache-Control: no-store`, since a stored reply would give
    /// a token of unknown age.
    #[must_use]
    pub fn request(&self) -> Request<Bytes> {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.uri().clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Reads the reply to the request. Any response is a grant or a denial.
    ///
    /// A grant is 200 or 201 with a JSON object that has the token and the identity asked for, and no `error` that
    /// JavaScript would take for true. Without an `expiresAt`, or with a string that is no date, the expiry is
    /// unknown. An `expiresAt` of another type is malformed.
    ///
    /// # Errors
    /// The [`Denial`] that the response is: see [`DenialKind`](super::DenialKind) for the kinds.
    pub fn read<B: AsRef<[u8]>>(&self, response: &http::Response<B>) -> Result<Grant, Denial> {
        Exchange::read(self, response.into())
    }
}

impl Exchange for Gateway {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        Ok(self.request())
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let member = self.dialect.token_member();
        let grant = reply.read(member, self.body_limit, Some(&self.identity))?;
        if grant.identity().is_none() {
            return Err(reply.flawed(Flaw::Missing { member: "identity" }));
        }
        Ok(grant)
    }

    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }

    fn scopes(&self) -> Option<&Scopes> {
        Some(&self.scopes)
    }

    fn body_limit(&self) -> usize {
        self.body_limit
    }

    fn endpoint(&self) -> Option<&Uri> {
        Some(self.endpoint.uri())
    }

    fn issuer_writes_date(&self) -> bool {
        true
    }
}
