//! What a run loop calls, as a trait: so that one loop runs a driver, a recorded one, or one that is
//! watched by a test.

use super::login::Start;
use super::machine::Driver;
use super::output::{Delivery, Output};
use crate::session::{Generation, RequestId, TransportFailure};
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
    /// See [`Driver::start`].
    fn start(&mut self, start: Start, now: Moment);

    /// See [`Driver::poll`].
    fn poll(&mut self, now: Moment) -> Output;

    /// See [`Driver::handle_response`].
    fn handle_response<B: AsRef<[u8]>>(
        &mut self,
        id: RequestId,
        reply: &http::Response<B>,
        now: Moment,
    ) -> Delivery;

    /// See [`Driver::handle_failure`].
    fn handle_failure(&mut self, id: RequestId, why: TransportFailure, now: Moment) -> Delivery;

    /// See [`Driver::handle_unauthorized`].
    fn handle_unauthorized(&mut self, generation: Generation, now: Moment);

    /// See [`Driver::set_online`].
    fn set_online(&mut self, online: bool, now: Moment);

    /// See [`Driver::stop`].
    fn stop(&mut self, now: Moment);

    /// See [`Driver::observe`].
    fn observe(&mut self, now: Moment);

    /// The driver inside, to be asked, and to authorize API requests with.
    fn driver(&self) -> &Driver;
}

impl Drive for Driver {
    fn start(&mut self, start: Start, now: Moment) {
        Self::start(self, start, now);
    }

    fn poll(&mut self, now: Moment) -> Output {
        Self::poll(self, now)
    }

    fn handle_response<B: AsRef<[u8]>>(
        &mut self,
        id: RequestId,
        reply: &http::Response<B>,
        now: Moment,
    ) -> Delivery {
        Self::handle_response(self, id, reply, now)
    }

    fn handle_failure(&mut self, id: RequestId, why: TransportFailure, now: Moment) -> Delivery {
        Self::handle_failure(self, id, why, now)
    }

    fn handle_unauthorized(&mut self, generation: Generation, now: Moment) {
        Self::handle_unauthorized(self, generation, now);
    }

    fn set_online(&mut self, online: bool, now: Moment) {
        Self::set_online(self, online, now);
    }

    fn stop(&mut self, now: Moment) {
        Self::stop(self, now);
    }

    fn observe(&mut self, now: Moment) {
        Self::observe(self, now);
    }

    fn driver(&self) -> &Driver {
        self
    }
}
