//! A token endpoint that gives another refresh token with each token, as OAuth 2.0 allows (RFC 6749, section 6).

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Uri};
use serde::Deserialize;
use videokit_session::exchange::{BuildError, Denial, DenialKind, Exchange, Flaw, Reply};
use videokit_session::{Credentials, Grant, Identity, SessionToken};

/// Where refresh tokens are sent, unless a test says otherwise.
pub(crate) const ENDPOINT: &str = "https://login.example/token";

/// A refresh token, which is used up by a request that is answered.
#[derive(Clone)]
pub(crate) struct RefreshToken {
    secret: String,
    uri: Uri,
    user: Option<Identity>,
    reusable: bool,
}

impl RefreshToken {
    pub(crate) fn new(secret: impl Into<String>) -> Self {
        let uri = Uri::from_static(ENDPOINT);
        Self { secret: secret.into(), uri, user: None, reusable: false }
    }

    /// Sends it elsewhere.
    #[allow(dead_code, reason = "`trace` has no use for it")]
    pub(crate) fn at(self, uri: &'static str) -> Self {
        Self { uri: Uri::from_static(uri), ..self }
    }

    /// States whose it is.
    pub(crate) fn of(self, user: &str) -> Self {
        Self { user: Some(Identity::new(user).unwrap()), ..self }
    }

    /// It may be sent any number of times.
    pub(crate) fn reusable(self) -> Self {
        Self { reusable: true, ..self }
    }

    pub(crate) fn credentials(self) -> Credentials {
        Credentials::custom(Arc::new(self))
    }
}

/// What the endpoint answers.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    refresh_token: Option<String>,
    /// Where the next refresh token is sent, and whose it is.
    #[serde(default)]
    next_endpoint: Option<String>,
    #[serde(default)]
    next_user: Option<String>,
}

impl Exchange for RefreshToken {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        let form = format!("grant_type=refresh_token&refresh_token={}", self.secret);
        let request = Request::post(&self.uri).header("cache-control", "no-store");
        Ok(request.body(form.into()).expect("its parts are valid"))
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let body = reply.granting_body(8_192)?;
        let malformed = |flaw| Denial::new(DenialKind::Malformed(flaw), reply.status());
        if body.starts_with(b"<") {
            return Err(malformed(Flaw::Markup));
        }
        let granted: Granted = serde_json::from_slice(body)
            .map_err(|_| malformed(Flaw::Custom("not the reply of a token endpoint")))?;
        let token = SessionToken::new(granted.access_token);
        let grant = Grant::new(token.map_err(|error| malformed(Flaw::Token(error)))?);
        let named = |name: &String| Identity::new(name).expect("an identity");
        let grant = granted.user.iter().map(named).fold(grant, Grant::with_identity);
        let lifetime = granted.expires_in.map(std::time::Duration::from_secs);
        let grant = lifetime.into_iter().fold(grant, Grant::with_lifetime);
        let grant = granted.expires_at.into_iter().fold(grant, Grant::with_expires_at);
        let Some(secret) = granted.refresh_token else { return Ok(grant) };
        let next = Self {
            secret,
            uri: granted.next_endpoint.map_or_else(|| self.uri.clone(), |uri| uri.parse().unwrap()),
            user: granted.next_user.as_ref().map(named).or_else(|| self.user.clone()),
            reusable: self.reusable,
        };
        Ok(grant.with_successor(next.credentials()))
    }

    fn identity(&self) -> Option<&Identity> {
        self.user.as_ref()
    }

    fn endpoint(&self) -> Option<&Uri> {
        Some(&self.uri)
    }

    fn is_single_use(&self) -> bool {
        !self.reusable
    }
}

/// A body that grants a token for so many seconds, with more members.
pub(crate) fn granting(token: &str, seconds: u64, more: &str) -> String {
    format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{seconds}{more}}}"#)
}

/// A reply with this body.
#[allow(dead_code, reason = "`trace` has no use for it")]
pub(crate) fn reply(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(body.into()).unwrap()
}
