//! Prints what happens, when, and who does it: one aligned line each, in colour on a terminal only.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anstream::println;
use http::Uri;
use videokit_session::driver::WakeReason;
use videokit_session::session::transitions::StateName;
use videokit_session::time::Remaining;
use videokit_session::{Event, Wake};

use crate::run_loop::News;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const BLUE: &str = "\x1b[34m";
const RESET: &str = "\x1b[0m";

/// The timeline of one run.
#[derive(Clone, Copy)]
pub(crate) struct Timeline {
    start: Instant,
}

impl Timeline {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Begins a scenario.
    pub(crate) fn scenario(title: &str) {
        println!("\n{BOLD}{title}{RESET}");
    }

    /// The app does or sees something.
    pub(crate) fn app(self, what: impl Display) {
        self.line("app", BLUE, &what);
    }

    /// The loop tells something.
    pub(crate) fn hear(self, news: &News<'_>) {
        match news {
            News::Sends(outgoing) => {
                let (method, uri) = (outgoing.request().method(), outgoing.request().uri());
                self.line("driver", "", &format_args!("-> {method} {}", without_query(uri)));
            }
            News::Event(event) => self.line("driver", colour(event), event),
            News::Late(id) => {
                self.line(
                    "driver",
                    YELLOW,
                    &format_args!("too late: request {id} is not in flight"),
                );
            }
            // Each request has a deadline: nothing that tells one wait from another.
            News::Waits(Wake::In(_, WakeReason::Deadline)) => {}
            News::Waits(Wake::In(time, why)) => {
                let seconds = time.as_secs_f64();
                self.line("driver", DIM, &format_args!("waits {seconds:.2} s: {why:?}"));
            }
            News::Waits(Wake::OnInput) => self.line("driver", DIM, &"waits for the app"),
            News::Called(uri, with, reply) => {
                let (token, validity) = (with.generation.number(), with.validity);
                let status = reply.status().as_u16();
                let body = String::from_utf8_lossy(reply.body());
                let path = uri.path();
                self.app(format_args!(
                    "GET {path} with token {token} ({validity:?}): {status} {body}"
                ));
            }
        }
    }

    fn line(self, who: &str, colour: &str, what: &dyn Display) {
        let at = self.start.elapsed().as_secs_f64();
        println!("{DIM}{at:7.3} s  {who:<6}{RESET}  {colour}{what}{RESET}");
    }
}

fn colour(event: &Event) -> &'static str {
    match event.transition().map(|transition| transition.to) {
        Some(StateName::Active) => GREEN,
        Some(StateName::Authenticating) | None => YELLOW,
        Some(StateName::Unauthenticated) => BOLD,
        Some(StateName::Expired) => RED,
    }
}

/// An address without its query, which may hold a secret.
fn without_query(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{scheme}://{authority}{}", uri.path())
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
