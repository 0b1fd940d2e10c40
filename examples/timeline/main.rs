//! Draws a trace: what a session was, what it sent, what came back, and how long its tokens lived.
//!
//! ```sh
//! cargo run --example timeline -- trace.jsonl trace.svg
//! ```
//!
//! The picture is one SVG without scripts or fonts, light or dark as the viewer prefers. Where nothing
//! happens for long, its time axis is shortened; what repeats is drawn together. `--large` makes a slide.

mod labels;
mod lanes;
mod page;
mod read;
mod scale;
mod session;
mod svg;
mod words;

use std::ffi::OsString;
use std::fmt::Display;
use std::process::ExitCode;
use std::{env, fs};

use videokit_session::trace::replay;

const USAGE: &str = "\
Usage: timeline [--large] TRACE PICTURE
Draws a trace, as a videokit_session::trace::Recorder writes it, to an SVG.
With --large it is a slide: 1920 by 1080 pixels, with large text.";

fn main() -> ExitCode {
    let arguments = env::args_os().skip(1);
    let is_flag = |it: &OsString| it == "--large" || it == "--help" || it == "-h";
    let (flags, files): (Vec<_>, Vec<_>) = arguments.partition(is_flag);
    if flags.iter().any(|flag| flag != "--large") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let [trace, picture] = files.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if let Err(error) = draw(trace, picture, !flags.is_empty()) {
        eprintln!("timeline: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn draw(trace: &OsString, picture: &OsString, large: bool) -> Result<(), String> {
    let fail = |file: &OsString, error: &dyn Display| format!("{}: {error}", file.display());
    let lines = fs::read(trace).map_err(|error| fail(trace, &error))?;
    // A replay reads all lines, and says which one is wrong.
    let replayed = replay(&lines).map_err(|error| fail(trace, &error))?;
    if let Some(difference) = &replayed.difference {
        eprintln!("timeline: the driver acts otherwise than in the trace: {difference}");
    }
    if let Some(line) = replayed.cut_off {
        eprintln!("timeline: line {line} was cut off, and is left out");
    }
    let svg = page::draw(&read::read(&String::from_utf8_lossy(&lines)), large);
    fs::write(picture, svg).map_err(|error| fail(picture, &error))
}
