//! Time: the contract in random worlds, its limits by hand, and any integer at all.

mod chance;
mod contract;
mod draft;
mod integers;
mod kind;
mod limits;
mod world;
