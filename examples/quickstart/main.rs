//! An app that keeps its login alive with a driver, a gateway and a backend, in one process.
//!
//! ```sh
//! cargo run --example quickstart
//! cargo run --example quickstart -- --trace quickstart.jsonl
//! VIDEOKIT_API_TOKEN=… cargo run --example quickstart -- --gateway https://gateway.video.io/v1/sessions --identity user-17
//! ```
//!
//! Read `run_loop.rs` first: it is what an app copies, with `transport.rs` and `clocks.rs`. The rest shows it at
//! work: `scenarios/` is what the user does, `servers.rs` the other side, and `conditions.rs` what goes wrong between
//! them.

mod app;
mod arguments;
mod clocks;
mod conditions;
mod counts;
mod play;
mod remote;
mod run_loop;
mod scenarios;
mod servers;
mod timeline;
mod transport;

use std::process::ExitCode;

use anstream::{eprintln, println};

use arguments::Command;

/// Where a gateway mints its tokens.
const SESSIONS: &str = "/v1/sessions";

fn main() -> ExitCode {
    let done = match arguments::command() {
        Ok(Command::Help) => {
            println!("{}", arguments::HELP);
            Ok(())
        }
        Ok(Command::Play { trace }) => play::run(trace.as_deref()),
        Ok(Command::Remote(remote)) => remote.run(),
        Err(error) => {
            eprintln!("quickstart: {error}\nSee --help.");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}
