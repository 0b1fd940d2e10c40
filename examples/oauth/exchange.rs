//! OAuth 2.0 (RFC 6749) as an [`Exchange`]: client credentials, and refresh tokens with rotation.
//!
//! For clients with a secret. One without would send its `client_id` in the form, in place of the header.

use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Request, Uri};
use serde::Deserialize;
use serde_json::Value;
use videokit_session::exchange::{
    BODY_LIMIT, BuildError, Denial, DenialKind, Exchange, Flaw, Reply,
};
use videokit_session::{Credentials, Endpoint, Grant, Scope, Scopes, SessionToken};
use zeroize::Zeroizing;

/// A client of an authorization server, by client credentials (section 4.4) or with a refresh token (section 6).
#[derive(Clone)]
pub(crate) struct OAuth {
    endpoint: Endpoint,
    authorization: HeaderValue,
    scopes: Scopes,
    pub(crate) refresh_token: Option<Zeroizing<String>>,
    /// Whether a refresh token is used up when it brings the next one (RFC 9700, section 4.14.2).
    pub(crate) rotates: bool,
}

impl OAuth {
    /// Creates one with client credentials. The client authenticates by HTTP Basic (section 2.3.1).
    pub(crate) fn new(endpoint: Endpoint, id: &str, secret: &str, scopes: Scopes) -> Self {
        let secret: Zeroizing<String> =
            byte_serialize(secret.as_bytes()).collect::<String>().into();
        let id: String = byte_serialize(id.as_bytes()).collect();
        let basic =
            Zeroizing::new(BASE64_STANDARD.encode(Zeroizing::new(format!("{id}:{}", *secret))));
        let basic = Bytes::from_owner(Zeroizing::new(format!("Basic {}", *basic)));
        let authorization = HeaderValue::from_maybe_shared(basic);
        let mut authorization = authorization.expect("base64 can stand in a header");
        authorization.set_sensitive(true);
        Self { endpoint, authorization, scopes, refresh_token: None, rotates: true }
    }

    /// Returns the same client with a refresh token, which is for the scopes that it was granted with.
    pub(crate) fn with_refresh_token(&self, token: impl Into<String>) -> Self {
        Self { refresh_token: Some(Zeroizing::new(token.into())), ..self.clone() }
    }
}

impl Exchange for OAuth {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        // Room for every byte escaped: a buffer that grows leaves copies of the secret behind.
        let room = 64 + 3 * self.refresh_token.as_deref().map_or(0, String::len);
        let mut form = Serializer::new(String::with_capacity(room));
        let by = if self.refresh_token.is_some() { "refresh_token" } else { "client_credentials" };
        form.append_pair("grant_type", by);
        form.extend_pairs(self.refresh_token.as_deref().map(|token| ("refresh_token", token)));
        form.extend_pairs(self.scopes().map(|scopes| ("scope", scopes.to_string())));
        let request = Request::post(self.endpoint.uri())
            .header(AUTHORIZATION, &self.authorization)
            .header(ACCEPT, "application/json")
            .header(CACHE_CONTROL, "no-store")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = Bytes::from_owner(Zeroizing::new(form.finish()));
        request.body(body).map_err(|_| BuildError::Custom("its parts make no request"))
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let granted = reply.granting_json::<Granted>(BODY_LIMIT);
        let granted = granted.map_err(|denial| explained(denial, reply))?;
        let malformed = |flaw| Denial::new(DenialKind::Malformed(flaw), reply.status());
        if !granted.token_type.eq_ignore_ascii_case("bearer") {
            return Err(malformed(Flaw::Custom("`token_type` is not `Bearer`")));
        }
        let token = SessionToken::new(granted.access_token.as_bytes());
        let mut grant = Grant::new(token.map_err(|error| malformed(Flaw::Token(error)))?);
        // Anything but a number is as good as none: to refuse the reply would lose its refresh token.
        if let Some(seconds) = granted.expires_in.as_u64() {
            grant = grant.with_lifetime(Duration::from_secs(seconds));
        }
        let scopes = |names: String| names.split_ascii_whitespace().map(Scope::new).collect();
        if let Some(Ok(scopes)) = granted.scope.map(scopes) {
            grant = grant.with_scopes(scopes);
        }
        // Without another one, the same refresh token stays in use.
        if let (Some(next), Some(_)) = (granted.refresh_token, &self.refresh_token) {
            let next = Self { refresh_token: Some(next), ..self.clone() };
            grant = grant.with_successor(Credentials::custom(Arc::new(next)));
        }
        Ok(grant)
    }

    fn scopes(&self) -> Option<&Scopes> {
        (self.refresh_token.is_none() && !self.scopes.is_empty()).then_some(&self.scopes)
    }

    fn endpoint(&self) -> Option<&Uri> {
        Some(self.endpoint.uri())
    }

    fn is_single_use(&self) -> bool {
        self.rotates && self.refresh_token.is_some()
    }
}

/// A reply that grants a token (section 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: Zeroizing<String>,
    token_type: String,
    #[serde(default)]
    expires_in: Value,
    refresh_token: Option<Zeroizing<String>>,
    scope: Option<String>,
}

/// Adds what the `error` of a reply means (section 5.2).
fn explained(denial: Denial, reply: Reply<'_>) -> Denial {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }

    let is_refusal = denial.kind() == DenialKind::Refused || reply.status().is_success();
    let refusal = serde_json::from_slice::<Refusal>(reply.body()).ok().filter(|_| is_refusal);
    let advice = match refusal.as_ref().map(|refusal| &*refusal.error) {
        Some("invalid_grant") => "the refresh token expired, was revoked or was used twice: log in",
        Some("invalid_client") => "the service doesn't know this id and secret: correct them",
        Some("invalid_scope") => "a scope is unknown, or more than is granted: ask for less",
        Some("invalid_request") => "the service expects another request: see what it requires",
        Some("unauthorized_client" | "unsupported_grant_type") => "register this type of grant",
        // No errors of this endpoint, but services send them.
        Some("server_error" | "temporarily_unavailable") => return denial.with_permanence(false),
        _ => return denial,
    };
    Denial::new(DenialKind::Refused, reply.status()).with_advice(advice)
}
