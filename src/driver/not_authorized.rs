//! Why an API request was not authorized, and what to do.

use super::login::Stalled;

/// Why an API request was not authorized, and what to do. The request carries no authorization now, not
/// even one that it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NotAuthorized {
    /// The request doesn't go to one of the configured origins: another scheme, host or port, no host
    /// at all, or user information before it. Configure the origin, if it should have the token.
    #[error("the request does not go to an allowed origin")]
    OtherOrigin,
    /// No token serves, and the driver will get one by itself, once there is a network. Poll, and try again
    /// after the next event that leads to Active.
    #[error("no token serves yet: wait until the session is active")]
    Wait,
    /// No token serves, and none will by itself: the reason says what to do, which is most often to
    /// [`start`](super::Driver::start).
    #[error("no token serves: {0}")]
    Start(Stalled),
}
