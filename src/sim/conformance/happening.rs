//! What comes to a loop while it waits.

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use crate::driver::Start;
use crate::session::{Generation, RequestId, TransportFailure};

/// What comes to a loop while it waits. Each says what the loop owes for it, at once; after each but the
/// last, it [polls](crate::driver::Drive::poll) until the driver waits.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "a loop under test handles each")]
pub enum Happening {
    /// The reply to a request: give it to
    /// [`handle_response`](crate::driver::Drive::handle_response), whatever it says.
    Reply(RequestId, Response<Bytes>),
    /// A request failed: give that to [`handle_failure`](crate::driver::Drive::handle_failure).
    Failure(RequestId, TransportFailure),
    /// The app logs somebody in: [`start`](crate::driver::Drive::start).
    Start(Start),
    /// The app ends the login: [`stop`](crate::driver::Drive::stop).
    Stop,
    /// The app says whether there is a network: [`set_online`](crate::driver::Drive::set_online).
    Online(bool),
    /// The app makes this API call: [`authorize`](crate::Driver::authorize) it, and give it to
    /// [`Stage::call`](super::Stage::call). Without a token to authorize it with, there is nothing to do.
    Call(Request<Bytes>),
    /// An API call, made with the token of this generation, was answered with this status. If it is 401,
    /// [`handle_unauthorized`](crate::driver::Drive::handle_unauthorized).
    Called(Generation, StatusCode),
    /// The device has slept. No timer ran meanwhile: poll.
    Woke,
    /// The time to wait is over: poll.
    Timer,
    /// The scenario is over: return.
    End,
}
