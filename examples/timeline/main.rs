//! Draws a trace: what a session was, what it sent, what came back, and how long its tokens lived.
//!
//! ```sh
//! cargo run --example timeline -- trace.jsonl trace.svg
//! ```
//!
//! The picture is one SVG without scripts or fonts, light or dark as the viewer prefers. Where nothing
//! happens for long, its time axis is broken.

mod bands;
mod frame;
mod labels;
mod messages;
mod picture;
mod scale;
mod story;
mod svg;
mod teller;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use videokit_session::trace::{Replayed, replay};

const USAGE: &str = "\
Usage: timeline TRACE PICTURE
Draws a trace, as a videokit_session::trace::Recorder writes it, to an SVG.";

/// What went wrong, and with which file.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{USAGE}")]
    Usage,
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error("{}: {error}", path.display())]
    Trace { path: PathBuf, error: videokit_session::trace::TraceError },
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(failure) => {
            eprintln!("timeline: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<OsString>) -> Result<(), Failure> {
    let [trace, picture]: [OsString; 2] = arguments.try_into().map_err(|_| Failure::Usage)?;
    let (trace, picture) = (PathBuf::from(trace), PathBuf::from(picture));
    let lines = match fs::read(&trace) {
        Ok(lines) => lines,
        Err(error) => return Err(Failure::File { path: trace, error }),
    };
    // A replay reads all lines, and says which one is wrong.
    let replayed = replay(&lines);
    if let Ok(Some(difference)) = replayed.as_ref().map(Replayed::difference) {
        eprintln!("timeline: this release acts otherwise than the trace: {difference}");
    }
    if let Err(error) = replayed {
        return Err(Failure::Trace { path: trace, error });
    }
    let story = teller::tell(&String::from_utf8_lossy(&lines));
    let svg = picture::draw(&story);
    fs::write(&picture, svg).map_err(|error| Failure::File { path: picture, error })
}
