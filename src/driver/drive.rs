//! The calls of a run loop, as a trait: so that one loop runs a driver, a recorded one, or one that is
//! watched by a test.

use bytes::Bytes;

use super::{Delivery, Driver, Input, Output, Start};
use crate::exchange::Credentials;
use crate::session::{Authorized, RequestId, TransportFailure};
use crate::time::Moment;

/// The calls that change a [`Driver`]. Write a run loop for `impl Drive`, and the same loop runs a
/// [`Driver`], a recorder around one, or the probe of a conformance test.
///
/// ```
/// use videokit_session::driver::Drive;
/// use videokit_session::{Moment, Output, TransportFailure, Wake};
///
/// /// One turn of a blocking loop.
/// fn turn<D: Drive>(
///     driver: &mut D,
///     send: impl Fn(http::Request<bytes::Bytes>) -> Result<http::Response<Vec<u8>>, TransportFailure>,
///     now: impl Fn() -> Moment,
/// ) -> Wake {
///     loop {
///         match driver.poll(now()) {
///             Output::Send(outgoing) => {
///                 let (id, request, _timeout) = outgoing.into_parts();
///                 match send(request) {
///                     Ok(reply) => driver.handle_response(id, &reply, now()),
///                     Err(why) => driver.handle_failure(id, why, now()),
///                 };
///             }
///             Output::Event(event) => println!("{event}"),
///             Output::Abandon(_) => {}
///             Output::Wait(wake) => return wake,
///         }
///     }
/// }
/// ```
pub trait Drive {
    /// See [`Driver::handle`].
    fn handle(&mut self, input: Input, now: Moment) -> Delivery;

    /// See [`Driver::poll`].
    fn poll(&mut self, now: Moment) -> Output;

    /// Returns the driver inside, to be asked, and to authorize API requests with.
    fn driver(&self) -> &Driver;

    /// See [`Driver::start`].
    fn start(&mut self, start: impl Into<Start>, now: Moment) {
        self.handle(Input::Start(start.into()), now);
    }

    /// See [`Driver::set_credentials`].
    fn set_credentials(&mut self, credentials: Credentials, now: Moment) {
        self.handle(Input::SetCredentials(credentials), now);
    }

    /// See [`Driver::handle_response`]. The reply is copied, unlike there.
    fn handle_response<B: AsRef<[u8]>>(
        &mut self,
        id: RequestId,
        reply: &http::Response<B>,
        now: Moment,
    ) -> Delivery {
        let mut copy = http::Response::new(Bytes::copy_from_slice(reply.body().as_ref()));
        *copy.status_mut() = reply.status();
        *copy.version_mut() = reply.version();
        copy.headers_mut().clone_from(reply.headers());
        self.handle(Input::Response(id, copy), now)
    }

    /// See [`Driver::handle_failure`].
    fn handle_failure(&mut self, id: RequestId, why: TransportFailure, now: Moment) -> Delivery {
        self.handle(Input::Failure(id, why), now)
    }

    /// See [`Driver::handle_unauthorized`].
    fn handle_unauthorized(&mut self, authorized: Authorized, now: Moment) {
        self.handle(Input::Unauthorized(authorized), now);
    }

    /// See [`Driver::set_online`].
    fn set_online(&mut self, online: bool, now: Moment) {
        self.handle(Input::Online(online), now);
    }

    /// See [`Driver::stop`].
    fn stop(&mut self, now: Moment) {
        self.handle(Input::Stop, now);
    }

    /// See [`Driver::observe`].
    fn observe(&mut self, now: Moment) {
        self.handle(Input::Observe, now);
    }
}

impl Drive for Driver {
    fn handle(&mut self, input: Input, now: Moment) -> Delivery {
        Self::handle(self, input, now)
    }

    fn poll(&mut self, now: Moment) -> Output {
        Self::poll(self, now)
    }

    fn driver(&self) -> &Driver {
        self
    }
}
