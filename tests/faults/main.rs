//! Faults that were found from outside, each with a test named after it: its letter and number, and the
//! behaviour that it asks for.

extern crate videokit_session_inside as videokit_session;

mod fragile;
mod identity;
mod panics;
mod policy;
#[path = "../refused.rs"]
mod refused;
mod replies;
mod requests;
mod robustness;
mod secrets;
mod sessions;
mod simulator;
mod time;
mod unauthorized;
mod words;

#[path = "../scenarios/world.rs"]
#[allow(dead_code, reason = "shared with `scenarios`, which uses the rest of it")]
mod world;
