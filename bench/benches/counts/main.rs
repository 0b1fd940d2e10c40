//! What a session costs in instructions and allocations, beside a hand-written client, the crate `oauth2`, and the
//! least that the work can cost.
//!
//! ```text
//! cargo bench --bench counts               # prints the tables; fails if a committed count is exceeded
//! cargo bench --bench counts -- --update   # writes the counts into bench/counts.toml
//! ```
//!
//! Counts repeat where times don't. The program `clients` does the work; it counts allocations itself, and valgrind's
//! callgrind counts its instructions, in a process for each case.
//!
//! | operation | what it is |
//! |---|---|
//! | `request` | the request for a token, from a new client; for a driver, until it waits for the reply |
//! | `consume` | the reply, with the headers that a server writes (`undated`: without; `claims`: with a readable JWT) |
//! | `authorize` | the header of an API request that has another one |
//! | `lend` | the header alone, borrowed, for an origin that was checked before |
//! | `renew` | a request and a reply, for a client that has a token |
//! | `cycle10` | a new client: a request, a reply, 10 API requests, a renewal |
//! | `idle-poll` | a poll of a driver with nothing to do |
//!
//! The floor, the hand-written client and `oauth2` read no headers of replies.

mod check;
mod committed;
mod measure;
mod table;

use std::process::ExitCode;

use lexopt::Arg::Long;

use crate::committed::Committed;
use crate::measure::{Measured, Result};

/// The command line.
#[derive(Debug, Default)]
struct Arguments {
    /// Set by `cargo bench`.
    bench: bool,
    /// Whether to write the counts into `counts.toml`.
    update: bool,
}

impl Arguments {
    fn read() -> Result<Self> {
        let mut arguments = Self::default();
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("bench") => arguments.bench = true,
                Long("update") => arguments.update = true,
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(arguments)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether the counts are as they should be.
fn run() -> Result<bool> {
    let arguments = Arguments::read()?;
    if !arguments.bench {
        println!("nothing is counted: run `cargo bench --bench counts`");
        return Ok(true);
    }
    let measured = Measured::take()?;
    if arguments.update {
        committed::update(&measured)?;
    }
    let committed = Committed::read()?;
    table::print_counts(&measured, &committed);
    table::print_resident(&measured, &committed);
    table::print_limits(&measured, &committed);
    let findings = check::check(&measured, &committed);
    println!();
    for hint in &findings.hints {
        println!("hint: {hint}");
    }
    for failure in &findings.failures {
        eprintln!("error: {failure}");
    }
    Ok(findings.failures.is_empty())
}
