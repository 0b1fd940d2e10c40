//! What users of session and token libraries suffer from, each as a scenario with a name: a driver, a
//! simulated gateway, and virtual time.

extern crate videokit_session_inside as videokit_session;

mod clocks;
mod failures;
mod layers;
mod logins;
#[path = "../refused.rs"]
mod refused;
mod secrets;
mod starts;
mod storms;
mod words;
mod world;
