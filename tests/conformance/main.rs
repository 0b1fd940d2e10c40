//! Valid run loops pass the conformance kit, and each mistake in a loop is reported with what to change.
//!
//! To copy: `threads` blocks on a channel, with a thread for each request; `tokio_tasks` has a task for each
//! request and each caller, and is tested on tokio's paused clock.

extern crate videokit_session_inside as videokit_session;

mod event_loop;
mod faulty_loop;
mod faulty_loops;
mod game_loop;
mod paused;
mod report;
mod threads;
mod tokio_tasks;
mod valid_variations;
mod waiting;
