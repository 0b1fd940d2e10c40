//! Calls that wait for a token, for the loops of this test.

use bytes::Bytes;
use http::Request;
use videokit_session::driver::{AuthorizeError, Drive};
use videokit_session::sim::conformance::{CallerId, Environment};

pub(crate) type Waiting = Vec<(CallerId, Request<Bytes>)>;

/// Makes each call that gets a token, and fails each that will get none.
pub(crate) fn answer<D: Drive>(driver: &D, environment: &Environment, waiting: &mut Waiting) {
    waiting.retain_mut(|(caller, call)| {
        match driver.driver().authorize(call, environment.now()) {
            Ok(authorized) => environment.call(*caller, call, authorized),
            Err(AuthorizeError::Wait) => return true,
            Err(error) => environment.fail_call(*caller, error),
        }
        false
    });
}
