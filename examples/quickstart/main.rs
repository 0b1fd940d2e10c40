//! An app that keeps its login alive with a driver, a gateway and a backend, in one process.
//!
//! ```sh
//! cargo run --example quickstart
//! cargo run --example quickstart -- --trace quickstart.jsonl
//! VIDEOKIT_API_TOKEN=… cargo run --example quickstart -- --gateway https://gateway.video.io/v1/sessions --identity user-17
//! cargo run --example quickstart -- --backend https://app.example/token --cookie @cookie.txt
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
mod probe;
mod remote;
mod run_loop;
mod scenarios;
mod servers;
mod timeline;
mod transport;

use std::env::var_os;
use std::io::{IsTerminal, stdout};
use std::process::ExitCode;

use arguments::Command;
use yansi::Condition;

/// Where a gateway mints its tokens.
const SESSIONS: &str = "/v1/sessions";

fn main() -> ExitCode {
    yansi::whenever(Condition::from(wants_colour));
    let done = match arguments::command() {
        Ok(Command::Help) => {
            println!("{}", arguments::HELP);
            Ok(())
        }
        Ok(Command::Play { trace }) => play::run(trace.as_deref()),
        Ok(Command::Remote(remote)) => remote.run(),
        Ok(Command::Probe(probe)) => probe.run(),
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

/// Colour is for terminals, unless the user wants none (<https://no-color.org>).
fn wants_colour() -> bool {
    stdout().is_terminal() && var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
