//! What an API request carries, and why it may not.

use core::fmt;

use http::header::HOST;
use http::{HeaderName, HeaderValue, Request};

use super::config::Config;
use super::core::Generation;
use crate::exchange::AllowedOrigin;
use crate::time::Validity;

/// How a request was authorized: with which token, and how good that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Authorized {
    /// The number of the token. Keep it with the request: if the API answers 401, it says which token
    /// was not taken.
    ///
    /// - With a driver, give it to [`handle_unauthorized`](crate::Driver::handle_unauthorized).
    /// - With a session, compare it with [`generation`](super::Session::generation). If it is the same, renew the
    ///   token; otherwise a newer one is in already: authorize again.
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

/// Why a request can't be authorized, whatever the state of the session.
pub(crate) enum Unauthorizable {
    NoHost,
    OtherOrigin,
    TooManyHeaders,
}

/// Puts the authorization for a request's origin on it, or, where there is none, removes whatever stands
/// in its place: a request that failed to be authorized must not go out with an older token.
pub(crate) fn authorize<'a, B, E: From<Unauthorizable>>(
    request: &mut Request<B>,
    config: &Config,
    authorization: impl FnOnce(&AllowedOrigin) -> Result<Authorization<'a>, E>,
) -> Result<Authorized, E> {
    let authorized = match origin_of(request, config).map_err(E::from).and_then(authorization) {
        Ok(Authorization { name, value, authorized }) => {
            let inserted = request.headers_mut().try_insert(name, value.clone());
            inserted.map(|_| authorized).map_err(|_| Unauthorizable::TooManyHeaders.into())
        }
        Err(reason) => Err(reason),
    };
    if authorized.is_err() {
        request.headers_mut().remove(config.header_name());
    }
    authorized
}

/// Returns the allowed origin that a request goes to: by its URI, and by its `Host` header if it has one.
fn origin_of<'c, B>(
    request: &Request<B>,
    config: &'c Config,
) -> Result<&'c AllowedOrigin, Unauthorizable> {
    if request.uri().host().is_none_or(str::is_empty) {
        return Err(Unauthorizable::NoHost);
    }
    let origin = config.origin_of(request.uri()).ok_or(Unauthorizable::OtherOrigin)?;
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(origin),
        (Some(host), None) if origin.is_named_by(host) => Ok(origin),
        _ => Err(Unauthorizable::OtherOrigin),
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
    /// The request doesn't go to one of the configured origins: another scheme, host or port, user
    /// information before the host, or a `Host` header that names another origin than the URI. Configure
    /// the origin, if it should have the token.
    #[error("the request does not go to an allowed origin, by its URI or its `Host` header")]
    OtherOrigin,
    /// The request's URI is relative, so its origin isn't known. Authorize the absolute URI.
    #[error("the URI has no host, so its origin is not known: use an absolute URI")]
    NoHost,
    /// The request has as many headers as an [`http::HeaderMap`] can hold: 24,576. Send fewer.
    #[error("the request's headers are full, so the token's has no room: send fewer")]
    TooManyHeaders,
    /// The token has certainly expired: advance the session, and authenticate again.
    #[error("the session's token has expired")]
    Expired,
}

impl From<Unauthorizable> for NotAuthorized {
    fn from(reason: Unauthorizable) -> Self {
        match reason {
            Unauthorizable::NoHost => Self::NoHost,
            Unauthorizable::OtherOrigin => Self::OtherOrigin,
            Unauthorizable::TooManyHeaders => Self::TooManyHeaders,
        }
    }
}
