//! The clients whose operations are counted. Everything is in memory: there are no sockets.
//!
//! ```text
//! clients               # counts allocations and bytes, and prints a `Report`
//! clients CASE NUMBER   # repeats a case, for valgrind to count its instructions
//! ```

mod allocator;
mod case;
mod driver;
mod fixtures;
mod floor;
mod handwritten;
mod oauth2_client;
mod ours;
mod resident;
mod typed;

use std::env::{args, current_exe};
use std::error::Error;

use videokit_session_bench::Report;

use crate::case::Case;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            ours::assert_requests();
            println!("{}", serde_json::to_string(&report()?)?);
        }
        [id, repetitions] => {
            let case = case::all().find(|case| case.id() == *id).ok_or("no such case")?;
            (case.run)(repetitions.parse()?);
        }
        _ => return Err("usage: clients [CASE NUMBER]".into()),
    }
    Ok(())
}

fn report() -> Result<Report, Box<dyn Error>> {
    Ok(Report {
        executable: current_exe()?,
        cases: case::all().map(Case::report).collect(),
        sessions: resident::SESSIONS.into(),
        resident: resident::resident().to_vec(),
    })
}
