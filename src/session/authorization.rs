//! What an API request carries, and why it may not.

use core::fmt;

use http::{HeaderName, HeaderValue, Request};

use super::config::Config;
use super::core::Generation;
use crate::exchange::AllowedOrigin;
use crate::time::Validity;

/// How a request was authorized: with which token, and how good that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Authorized {
    /// The number of the token. Keep it with the request: if the API answers 401, it says which token
    /// was not taken. If it is still the session's [`generation`](super::Session::generation), renew it;
    /// otherwise a newer one is in already: authorize again.
    pub generation: Generation,
    /// [`Valid`](Validity::Valid), or [`Unsure`](Validity::Unsure) when the token may have expired.
    pub validity: Validity,
}

/// The header that authorizes an API request, borrowed from the session. `Debug` doesn't show its value.
#[derive(Clone, Copy)]
pub struct Authorization<'a> {
    name: &'a HeaderName,
    value: &'a HeaderValue,
    authorized: Authorized,
}

impl<'a> Authorization<'a> {
    pub(super) fn new(
        name: &'a HeaderName,
        value: &'a HeaderValue,
        authorized: Authorized,
    ) -> Self {
        Self { name, value, authorized }
    }

    /// The header's name: `authorization`, or the one configured.
    #[must_use]
    pub fn name(&self) -> &'a HeaderName {
        self.name
    }

    /// The header's value: scheme and token, marked sensitive. Cloning shares the wiped buffer.
    #[must_use]
    pub fn value(&self) -> &'a HeaderValue {
        self.value
    }

    /// With which token, and how good it is.
    #[must_use]
    pub fn authorized(&self) -> Authorized {
        self.authorized
    }
}

/// Puts the authorization for a request's origin on it, or, where there is none, takes off whatever stands
/// in its place: a request that failed to be authorized must not go out with an older token.
pub(crate) fn authorize<'a, B, E>(
    request: &mut Request<B>,
    config: &Config,
    other_origin: E,
    authorization: impl FnOnce(&AllowedOrigin) -> Result<Authorization<'a>, E>,
) -> Result<Authorized, E> {
    match config.origin_of(request.uri()).ok_or(other_origin).and_then(authorization) {
        Ok(authorization) => {
            request.headers_mut().insert(authorization.name, authorization.value.clone());
            Ok(authorization.authorized)
        }
        Err(reason) => {
            request.headers_mut().remove(config.header_name());
            Err(reason)
        }
    }
}

impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("name", self.name)
            .field("authorized", &self.authorized)
            .finish_non_exhaustive()
    }
}

/// Why a request was not authorized. It carries no authorization now, not even one that it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NotAuthorized {
    /// The request doesn't go to one of the configured origins: another scheme, host or port, no host
    /// at all, or user information before it. Configure the origin, if it should have the token.
    #[error("the request does not go to an allowed origin")]
    OtherOrigin,
    /// The token has certainly expired: advance the session, and authenticate again.
    #[error("the session's token has expired")]
    Expired,
}
