//! A 401 to a call that a test doesn't make.

use videokit_session::Validity;
use videokit_session::session::{Authorized, Generation};

/// Returns how a call was authorized with the token of this generation, at the age that the token has when the 401
/// comes.
pub(crate) fn call_with(generation: Generation) -> Authorized {
    Authorized { generation, validity: Validity::Valid, age_millis: u64::MAX }
}
