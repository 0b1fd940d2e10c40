//! What the examples share, on loom's locks.

use loom::sync::Mutex;

#[path = "../../examples/shared/session.rs"]
pub(crate) mod session;
#[path = "../../examples/shared/signal.rs"]
pub(crate) mod signal;
