//! The examples, and what they share.

mod apps;
mod backend;
mod conformance;
#[path = "../example/mod.rs"]
mod example;
#[allow(
    unreachable_pub,
    dead_code,
    reason = "it belongs to a library, and not all of it is explored"
)]
mod explored;
mod gateway;
mod loops;
mod oauth;
mod orders;
#[path = "../conformance/paused.rs"]
mod paused;
mod send;
mod waiting;

// As in the example whose loop is tested.
use shared::session;
