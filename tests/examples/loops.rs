//! The modules of the examples that other tests use.

#[allow(dead_code, reason = "the example's `main` is not called here")]
#[path = "../../examples/event_loop/main.rs"]
pub(crate) mod event_loop;

#[path = "../../examples/tokio/run.rs"]
pub(crate) mod tokio_loop;
