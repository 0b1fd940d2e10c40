//! How much memory a session takes that has a token.

use std::mem::size_of;

use videokit_session_bench::{Column, Resident};

use crate::allocator::live_bytes;
use crate::fixtures;
use crate::ours::{Active, App, Driver, Session};
use crate::{driver, typed};

/// They share their configuration and their credentials.
pub(crate) const SESSIONS: u32 = 10_000;

/// Measures a `Session<Active>` and a `Driver`.
pub(crate) fn resident() -> [Resident; 2] {
    let (app, reply) = (App::new(), fixtures::dated());
    [
        of::<Session<Active>>(Column::Typed, || typed::active(&app, &reply)),
        of::<Driver>(Column::Driver, || driver::active(&app, &reply).0),
    ]
}

fn of<T>(column: Column, make: impl Fn() -> T) -> Resident {
    // What is allocated once, with the first use of it.
    drop(make());
    let mut sessions = Vec::with_capacity(SESSIONS as usize);
    let heap = live_bytes(|| {
        sessions.extend((0..SESSIONS).map(|_| make()));
        sessions
    });
    Resident { column, size: size_of::<T>() as u64, heap: heap.div_ceil(SESSIONS.into()) }
}
