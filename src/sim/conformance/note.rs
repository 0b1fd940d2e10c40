//! The notes that probe and environment send to the monitor: one for each call of the loop.

use core::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::HeaderValue;

use super::CallerId;
use crate::driver::{AuthorizeError, Delivery, Event, Input as DriverInput, Output, Wake};
use crate::session::{Authorized, Generation, RequestId};
use crate::time::Moment;

/// One call of the loop, and its time.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) at: u64,
    pub(super) action: Action,
}

/// One call of the loop.
#[derive(Debug)]
pub(super) enum Action {
    Driver(Box<DriverCall>),
    Sent(RequestId, Box<Request<Bytes>>, Option<Duration>),
    Cancelled(RequestId),
    Forwarded(Event),
    /// An API call, for a caller that waited or for none.
    Called(Option<CallerId>, Box<Request<Bytes>>, Authorized),
    Failed(CallerId, AuthorizeError),
    Declined(CallerId),
}

/// A call to the driver.
#[derive(Debug)]
pub(super) struct DriverCall {
    /// The moment that was passed.
    pub(super) passed: Moment,
    pub(super) method: Method,
    /// The token in use afterwards.
    pub(super) token: TokenStatus,
}

/// The token that an API call gets, or why it gets none.
pub(super) type TokenStatus = Result<ActiveToken, AuthorizeError>;

/// A token in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ActiveToken {
    pub(super) generation: Generation,
    /// The header of an API call.
    pub(super) header: HeaderValue,
}

#[derive(Debug)]
pub(super) enum Method {
    Poll(PollResult),
    Handle(DriverInput, Delivery),
}

/// A copy of an [`Output`].
#[derive(Debug)]
pub(super) enum PollResult {
    Send(RequestId, Box<Request<Bytes>>, Duration),
    Abandon(RequestId),
    Event(Event),
    Wait(Wake),
}

/// Returns the name of the driver's method for an input.
pub(super) fn method_name(input: &DriverInput) -> &'static str {
    match input {
        DriverInput::Start(_) => "start",
        DriverInput::SetCredentials(_) => "set_credentials",
        DriverInput::Response(..) => "handle_response",
        DriverInput::Failure(..) => "handle_failure",
        DriverInput::Unauthorized(_) => "handle_unauthorized",
        DriverInput::Online(_) => "set_online",
        DriverInput::Stop => "stop",
        DriverInput::Observe => "observe",
    }
}

impl From<&Output> for PollResult {
    fn from(output: &Output) -> Self {
        match output {
            Output::Send(outgoing) => {
                let request = Box::new(outgoing.request().clone());
                Self::Send(outgoing.id(), request, outgoing.timeout())
            }
            Output::Abandon(id) => Self::Abandon(*id),
            Output::Event(event) => Self::Event(event.clone()),
            Output::Wait(wake) => Self::Wait(*wake),
        }
    }
}

/// Copies a request, with its own body.
pub(super) fn copy_request<B: AsRef<[u8]>>(request: &Request<B>) -> Request<Bytes> {
    let mut copy = Request::new(Bytes::copy_from_slice(request.body().as_ref()));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}
