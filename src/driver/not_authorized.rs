//! Why an API request was not authorized, and what to do.

use super::login::Stalled;
use crate::session::Unauthorizable;

/// Why an API request was not authorized, and what to do. The request carries no authorization now, not
/// even one that it came with.
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
    /// No token serves, and the driver gets one, once there is a network: by [`poll`](super::Driver::poll),
    /// which says what to send and when to poll again. Try again after the next event that leads to Active.
    #[error("no token serves yet: poll the driver, and try again when an event leads to Active")]
    Wait,
    /// No token serves, and none will by itself: the reason says what to do, which is most often to
    /// [`start`](super::Driver::start).
    #[error("no token serves: {0}")]
    Start(Stalled),
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
