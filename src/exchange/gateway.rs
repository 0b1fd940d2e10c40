//! The exchange with the gateway: an API token and an identity for a session token, in two dialects.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Uri};
use serde_json::json;

use super::{
    BuildError, Denial, Endpoint, Exchange, Flaw, Grant, Identity, Reply, Scope, Scopes, Template,
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
    /// With the API token in a header; identity and scopes as JSON.
    template: Template,
    identity: Identity,
    scopes: Scopes,
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
        let mut template = Template::new(Endpoint::known(uri), Method::POST, dialect.accept());
        let json = HeaderValue::from_static("application/json");
        template.headers.extend([(AUTHORIZATION, token.into_header()), (CONTENT_TYPE, json)]);
        let scopes = Scopes::default();
        Self { dialect, template, identity, scopes: scopes.clone() }.scopes(scopes)
    }

    /// Sets the scopes to ask for.
    pub fn scopes(mut self, scopes: Scopes) -> Self {
        let identity = self.identity.as_str();
        let names: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
        let body = match self.dialect {
            Dialect::Current => json!({ "identity": identity, "scopes": names }),
            Dialect::Legacy => json!({ "identity": identity }),
        };
        self.template.body = body.to_string().into();
        Self { scopes, ..self }
    }

    /// Sets another endpoint: a proxy, or a test server.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.template.endpoint = endpoint;
        self
    }

    /// Sets the longest body of a reply that is parsed, in bytes; 64 KiB by default.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.template.body_limit = bytes;
        self
    }

    /// Returns the request for a session token. It has `Cache-Control: no-store`, since a stored reply would give
    /// a token of unknown age.
    #[must_use]
    pub fn request(&self) -> Request<Bytes> {
        self.template.request()
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
        let grant = reply.read(member, self.template.body_limit, Some(&self.identity))?;
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
        self.template.body_limit
    }

    fn endpoint(&self) -> Option<&Uri> {
        Some(self.template.endpoint.uri())
    }

    fn issuer_writes_date(&self) -> bool {
        true
    }
}
