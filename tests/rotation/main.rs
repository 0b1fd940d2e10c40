//! Credentials that change with each token: OAuth 2.0 refresh tokens with rotation, used up by a request that is
//! answered, and credentials that the caller sets in between.
//!
//! Every driver here is recorded. When a test ends, the trace is searched for secrets, and played again.

extern crate videokit_session_inside as videokit_session;

mod app;
mod endpoints;
mod losses;
mod oauth;
#[path = "../refused.rs"]
mod refused;
mod set;
mod successors;
mod typed;
