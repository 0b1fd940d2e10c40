//! What the examples share.

pub mod block;
pub mod clocks;
pub mod interrupt;
pub mod loopback;
pub mod send;
pub mod session;
pub mod settings;
pub mod signal;
pub mod target;
pub mod token_service;

use std::sync::Mutex;
