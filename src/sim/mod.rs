//! The other side of the wire, pure and deterministic (feature `sim`): what a session talks to, for
//! tests, examples and fuzzers.
//!
//! [`Gateway`] takes requests and answers them, on a clock that is passed in. Put it behind any server,
//! or behind none. [`Fault`]s are values that it can be put under, and a [`FaultPlan`] is a list of them
//! that can be written down. [`World`] plays whole days of apps, devices, a network and a gateway on
//! virtual time, and checks every promise of the driver as it goes.

mod chance;
mod client;
mod device;
mod fault;
mod faulty;
mod gateway;
mod plan;
mod play;
mod referee;
mod report;
mod world;

pub use fault::Fault;
pub use gateway::{Counts, Gateway};
pub use plan::{FaultPlan, Incident, PlanError};
pub use report::{Broken, Promise, Report};
pub use world::World;
