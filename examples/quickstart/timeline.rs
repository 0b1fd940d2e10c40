//! Prints what happens, when, and in which state: one aligned line each, in colour on a terminal only.

use std::fmt::{Arguments, Display};
use std::time::{Duration, Instant};

use anstream::println;
use videokit_session::session::transitions::StateName;
use videokit_session::time::Remaining;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const BLUE: &str = "\x1b[34m";
const RESET: &str = "\x1b[0m";

/// The timeline of one run.
pub(crate) struct Timeline {
    start: Instant,
}

impl Timeline {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// An act begins.
    pub(crate) fn act(title: &str) {
        println!("\n{BOLD}{title}{RESET}");
    }

    /// The client sends something.
    pub(crate) fn sent(&self, state: StateName, what: impl Display) {
        self.line(state, "->", format_args!("{what}"));
    }

    /// Something comes back.
    pub(crate) fn came(&self, state: StateName, what: impl Display) {
        self.line(state, "<-", format_args!("{what}"));
    }

    /// Something happens without the network.
    pub(crate) fn note(&self, state: StateName, what: impl Display) {
        self.line(state, "  ", format_args!("{what}"));
    }

    fn line(&self, state: StateName, arrow: &str, what: Arguments<'_>) {
        let at = self.start.elapsed().as_secs_f64();
        let colour = match state {
            StateName::Unauthenticated => DIM,
            StateName::Authenticating => YELLOW,
            StateName::Active => GREEN,
            StateName::Expired => RED,
        };
        let state = state.to_string();
        println!("{DIM}{at:7.3} s{RESET}  {colour}{state:<15}{RESET}  {BLUE}{arrow}{RESET} {what}");
    }
}

/// How long a token still lives, in words.
pub(crate) fn life(remaining: Remaining) -> String {
    let validity = remaining.validity();
    let seconds =
        |millis: i64| Duration::from_millis(u64::try_from(millis).unwrap_or(0)).as_secs_f64();
    match remaining.at_most_millis() {
        Some(at_most) => format!(
            "{validity:?}, with {:.1} to {:.1} s to live",
            seconds(remaining.at_least_millis()),
            seconds(at_most)
        ),
        None => format!("{validity:?}, with an expiry that nobody stated"),
    }
}
