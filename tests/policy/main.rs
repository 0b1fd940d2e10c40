//! How a driver paces its requests, as tables: backoff, renewal margin, `Retry-After`, attempts, and the
//! ranges of a policy. Everything is seen through `Driver`, in virtual time.

extern crate videokit_session_inside as videokit_session;

mod fixture;
mod limits;
mod pauses;
#[path = "../refused.rs"]
mod refused;
mod waits;
