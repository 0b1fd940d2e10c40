//! The inputs of a loop under test.

use core::fmt;

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use crate::driver::Start;
use crate::session::{Authorized, RequestId, TransportFailure};

/// An input of a loop under test. Each variant says what the loop has to do with it, at once. After each but
/// the last, the loop [polls](crate::driver::Drive::poll) until the driver waits.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "a loop under test handles each")]
pub enum Input {
    /// The reply to a request: call [`handle_response`](crate::driver::Drive::handle_response), whatever the
    /// status.
    Reply(RequestId, Response<Bytes>),
    /// The failure of a request: call [`handle_failure`](crate::driver::Drive::handle_failure).
    Failure(RequestId, TransportFailure),
    /// A login: call [`start`](crate::driver::Drive::start).
    Start(Start),
    /// The end of the login: call [`stop`](crate::driver::Drive::stop).
    Stop,
    /// Whether there is a network: call [`set_online`](crate::driver::Drive::set_online).
    Online(bool),
    /// An API call that doesn't wait for a token: [`authorize`](crate::Driver::authorize) it, and make it with
    /// [`Environment::call`](super::Environment::call). On an error, drop it. A loop in which every call waits
    /// may let this one wait, too.
    Call(Request<Bytes>),
    /// An API call whose caller waits until there is a token. [`authorize`](crate::Driver::authorize) it now,
    /// and after each input until the caller is answered:
    ///
    /// | `authorize` returns | the loop |
    /// |---|---|
    /// | `Ok` | makes the call: [`Environment::call`](super::Environment::call) |
    /// | [`AuthorizeError::Wait`](crate::driver::AuthorizeError::Wait) | keeps the caller waiting |
    /// | another error | fails the call: [`Environment::fail_call`](super::Environment::fail_call) |
    ///
    /// A loop that limits how long a call waits fails it with `AuthorizeError::Wait` after that time. The limit has
    /// to be at least 10 s.
    ///
    /// A loop in which no call waits [declines](super::Environment::decline_waiting) each.
    WaitingCall(CallerId, Request<Bytes>),
    /// This caller has stopped waiting: it timed out, or was cancelled. Drop its call. The other callers still
    /// wait.
    CallCancelled(CallerId),
    /// The API's reply to a call that was authorized so. If it is 401, call
    /// [`handle_unauthorized`](crate::driver::Drive::handle_unauthorized).
    Called(Authorized, StatusCode),
    /// The device has slept, and no timer ran meanwhile: poll.
    Woke,
    /// The time to wait is over: poll.
    Timer,
    /// The scenario is over: return.
    End,
}

/// A caller that waits for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerId(pub(super) u8);

impl fmt::Display for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "caller {}", self.0)
    }
}
