//! Credentials in a trace: what they are, apart from their secrets, and the exchange that a replay has in their place.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Uri};
use serde::{Deserialize, Serialize};

use super::line::{Body, Text};
use crate::exchange::{
    BuildError, Credentials, Denial, Exchange, Flaw, Grant, Identity, Reply, Scopes,
};

/// Credentials without their secrets. As an exchange, it sends to the placeholder of the endpoint, and reads what a
/// reply of the trace says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Placeholder {
    pub(super) name: String,
    /// Where the request goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<Text<Uri>>,
    /// Where it goes as far as the exchange says without a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stated_endpoint: Option<Text<Uri>>,
    /// Why there is no request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<BuildError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<Text<Identity>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scopes: Option<Text<Scopes>>,
    pub(super) issuer_writes_date: bool,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(super) single_use: bool,
}

impl Placeholder {
    pub(super) fn into_credentials(self) -> Credentials {
        Credentials::placeholder(&self.name.clone(), Arc::new(self))
    }
}

/// A reply that was stale when it was recorded, and isn't now; or none of a trace.
fn unknown(reply: Reply<'_>) -> Denial {
    reply.flawed(Flaw::Custom("the trace doesn't say what this reply means"))
}

impl Exchange for Placeholder {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        let Some(Text(uri)) = &self.endpoint else {
            return Err(self.error.unwrap_or(BuildError::Custom("no endpoint")));
        };
        let mut request = Request::default();
        *request.uri_mut() = uri.clone();
        Ok(request)
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        match serde_json::from_slice(reply.body()) {
            Ok(Body::Grant(grant)) => grant.into_grant().map_err(|_| unknown(reply)),
            Ok(Body::Denial(denial)) => Err(denial.denial()),
            Err(_) => Err(unknown(reply)),
        }
    }

    fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref().map(|identity| &identity.0)
    }

    fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref().map(|scopes| &scopes.0)
    }

    fn endpoint(&self) -> Option<&Uri> {
        self.stated_endpoint.as_ref().map(|endpoint| &endpoint.0)
    }

    fn issuer_writes_date(&self) -> bool {
        self.issuer_writes_date
    }

    fn is_single_use(&self) -> bool {
        self.single_use
    }
}
