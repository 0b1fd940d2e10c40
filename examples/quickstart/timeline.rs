//! Prints what happens, when, and who does it: one aligned line each, in colour on a terminal only.

use std::fmt::Display;
use std::time::{Duration, Instant};

use http::Uri;
use videokit_session::driver::WakeReason;
use videokit_session::session::transitions::StateName;
use videokit_session::time::Remaining;
use videokit_session::{Event, Wake};
use yansi::{Paint, Style};

use crate::run_loop::News;

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dim();

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
        println!("\n{}", title.paint(BOLD));
    }

    /// The app does or sees something.
    pub(crate) fn app(self, what: impl Display) {
        self.line("app", PLAIN.blue(), &what);
    }

    /// The loop tells something.
    pub(crate) fn hear(self, news: &News<'_>) {
        match news {
            News::Sends(outgoing) => {
                let (method, uri) = (outgoing.request().method(), outgoing.request().uri());
                self.line("driver", PLAIN, &format_args!("-> {method} {}", without_query(uri)));
            }
            News::Event(event) => self.line("driver", style(event), event),
            News::Late(id) => {
                self.line(
                    "driver",
                    PLAIN.yellow(),
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

    fn line(self, who: &str, style: Style, what: &dyn Display) {
        let at = self.start.elapsed().as_secs_f64();
        println!("{}  {}", format_args!("{at:7.3} s  {who:<6}").paint(DIM), what.paint(style));
    }
}

fn style(event: &Event) -> Style {
    match event.transition().map(|transition| transition.to) {
        Some(StateName::Active) => PLAIN.green(),
        Some(StateName::Authenticating) | None => PLAIN.yellow(),
        Some(StateName::Unauthenticated) => BOLD,
        Some(StateName::Expired) => PLAIN.red(),
    }
}

/// An address without its query, which may hold a secret.
pub(crate) fn without_query(uri: &Uri) -> String {
    let scheme = uri.scheme_str().map_or(String::new(), |scheme| format!("{scheme}://"));
    let host = uri.host().unwrap_or_default();
    let port = uri.port().map_or(String::new(), |port| format!(":{port}"));
    format!("{scheme}{host}{port}{}", uri.path())
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
