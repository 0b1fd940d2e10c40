//! The header that authorizes an API request, and the checks before a request gets it.

use core::fmt;

use http::header::HOST;
use http::{HeaderName, HeaderValue, Request};

use super::{AuthorizeError, Config, Generation};
use crate::time::Validity;

/// The token that a request was authorized with, as it was then. Keep it with the request, for the day when the API
/// answers 401:
///
/// - With a driver, give it to [`handle_unauthorized`](crate::Driver::handle_unauthorized).
/// - With a session, compare its generation with [`Session::generation`](super::Session::generation). If it is the
///   same, renew the token; otherwise a newer one is in already: authorize again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authorized {
    /// The number of the token.
    pub generation: Generation,
    /// [`Valid`](Validity::Valid), or [`Unsure`](Validity::Unsure) when the token may have expired.
    pub validity: Validity,
    /// The age of the token, in milliseconds: the time since its reply was received, or since it was adopted, sleep
    /// included.
    pub age_millis: u64,
}

#[cfg(any(feature = "sim", feature = "trace"))]
impl Authorized {
    /// Returns that of a valid token of this age.
    pub(crate) fn valid(generation: Generation, age_millis: u64) -> Self {
        Self { generation, validity: Validity::Valid, age_millis }
    }
}

/// The header that authorizes an API request, borrowed from the session. `Debug` doesn't show its value.
#[derive(Clone, Copy)]
pub struct Authorization<'a> {
    pub(super) name: &'a HeaderName,
    pub(super) value: &'a HeaderValue,
    pub(super) authorized: Authorized,
}

impl<'a> Authorization<'a> {
    /// Returns the header's name: `authorization`, or the one configured.
    #[must_use]
    pub fn name(&self) -> &'a HeaderName {
        self.name
    }

    /// Returns the header's value: scheme and token, marked sensitive. Cloning shares the wiped buffer.
    #[must_use]
    pub fn value(&self) -> &'a HeaderValue {
        self.value
    }

    /// Returns the token's generation, validity and age.
    #[must_use]
    pub fn authorized(&self) -> Authorized {
        self.authorized
    }
}

/// Puts an authorization on a request. If the request goes elsewhere, or there is none, removes whatever stands
/// in its place: a request that failed to be authorized must not go out with an older token.
pub(crate) fn authorize<'a, B>(
    request: &mut Request<B>,
    config: &Config,
    authorization: impl FnOnce() -> Result<Authorization<'a>, AuthorizeError>,
) -> Result<Authorized, AuthorizeError> {
    let authorized = check_request(request, config).and_then(|()| authorization()).and_then(
        |Authorization { name, value, authorized }| {
            let inserted = request.headers_mut().try_insert(name, value.clone());
            inserted.map(|_| authorized).map_err(|_| AuthorizeError::TooManyHeaders)
        },
    );
    if authorized.is_err() {
        request.headers_mut().remove(config.header_name());
    }
    authorized
}

/// Checks that a request goes to an allowed origin: by its URI, and by its `Host` header if it has one.
fn check_request<B>(request: &Request<B>, config: &Config) -> Result<(), AuthorizeError> {
    let Some(origin) = config.origin_of(request.uri()) else {
        let relative = request.uri().host().is_none_or(str::is_empty);
        return Err(if relative { AuthorizeError::NoHost } else { AuthorizeError::OtherOrigin });
    };
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(()),
        (Some(host), None) if origin.is_named_by(host) => Ok(()),
        _ => Err(AuthorizeError::OtherOrigin),
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
