//! What probe and stage write down for the judge.

use core::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::HeaderValue;

use super::clock::Clock;
use crate::driver::{Delivery, Event, Input, Output, Wake};
use crate::session::{Generation, RequestId};
use crate::time::Moment;

/// One call that the loop made, and when.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) at: u64,
    pub(super) deed: Deed,
}

#[derive(Debug)]
pub(super) enum Deed {
    /// A call to the driver.
    Drive(Box<Drove>),
    /// A request was sent.
    Sent(RequestId, Box<Request<Bytes>>, Option<Duration>),
    /// A request was cancelled.
    Cancelled(RequestId),
    /// An event was handed on.
    HandedOn(Event),
    /// An API call was made.
    Called(Box<Request<Bytes>>, Generation),
}

/// A call to the driver.
#[derive(Debug)]
pub(super) struct Drove {
    /// The moment that was passed.
    pub(super) now: Moment,
    /// What the clocks showed.
    pub(super) shown: Moment,
    pub(super) call: Call,
    /// The token that serves afterwards.
    pub(super) holds: Option<Held>,
}

/// A token that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) generation: Generation,
    /// What an API call has for it.
    pub(super) header: HeaderValue,
}

#[derive(Debug)]
pub(super) enum Call {
    Poll(Said),
    Handle(Input, Delivery),
}

/// What a poll answered.
#[derive(Debug)]
pub(super) enum Said {
    Send(RequestId, Box<Request<Bytes>>, Duration),
    Abandon(RequestId),
    Event(Event),
    Wait(Wake),
}

impl Note {
    pub(super) fn new(clock: &Clock, deed: Deed) -> Self {
        clock.count_note();
        Self { at: clock.at(), deed }
    }
}

impl Call {
    /// The method's name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Poll(_) => "poll",
            Self::Handle(input, _) => method(input),
        }
    }
}

/// Returns the name of the driver's method for an input.
pub(super) fn method(input: &Input) -> &'static str {
    match input {
        Input::Start(_) => "start",
        Input::SetCredentials(_) => "set_credentials",
        Input::Response(..) => "handle_response",
        Input::Failure(..) => "handle_failure",
        Input::Unauthorized(_) => "handle_unauthorized",
        Input::Online(_) => "set_online",
        Input::Stop => "stop",
        Input::Observe => "observe",
    }
}

impl Said {
    pub(super) fn of(output: &Output) -> Self {
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

    /// The variant's name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Send(..) => "Send",
            Self::Abandon(_) => "Abandon",
            Self::Event(_) => "Event",
            Self::Wait(_) => "Wait",
        }
    }
}

/// The same request with a body of its own.
pub(super) fn copy_request<B: AsRef<[u8]>>(request: &Request<B>) -> Request<Bytes> {
    let mut copy = Request::new(Bytes::copy_from_slice(request.body().as_ref()));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}
