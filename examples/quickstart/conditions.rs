//! The faults that requests for tokens meet on their way to the gateway: this example's own switch.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, Response, StatusCode};

/// How long a busy gateway asks to be left alone.
pub(crate) const BUSY_FOR: Duration = Duration::from_secs(1);

/// What one request for a token meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The gateway answers.
    Clear,
    /// The gateway answers, and its reply stays on its way until it is released.
    Delayed,
    /// Something before the gateway answers 503.
    Outage,
    /// The gateway answers 429, and asks for a pause.
    Busy,
    /// A captive portal answers 200, with its own page.
    Portal,
}

/// What the next requests for tokens will meet, in their order, and what those before have met. A request for which
/// nothing is scheduled meets [`Condition::Clear`].
#[derive(Default)]
pub(crate) struct Schedule {
    next: VecDeque<Condition>,
    met: Met,
    busy_since: Option<Instant>,
    left_alone: Option<Duration>,
}

/// How many requests for a token came, and how many of them met a fault.
#[derive(Clone, Copy, Default)]
pub(crate) struct Met {
    pub(crate) requests: u64,
    pub(crate) outages: u64,
    pub(crate) busy: u64,
    pub(crate) portals: u64,
}

impl Condition {
    /// The reply to a request that doesn't reach the gateway.
    pub(crate) fn reply(self) -> Option<Response<Bytes>> {
        let busy_for = BUSY_FOR.as_secs().to_string();
        match self {
            Self::Clear | Self::Delayed => None,
            Self::Outage => reply(StatusCode::SERVICE_UNAVAILABLE, CONTENT_TYPE, "text/plain", ""),
            Self::Busy => reply(StatusCode::TOO_MANY_REQUESTS, RETRY_AFTER, &busy_for, ""),
            Self::Portal => reply(StatusCode::OK, CONTENT_TYPE, "text/html", PORTAL),
        }
    }
}

const PORTAL: &str = "<!doctype html><title>Free Wi-Fi</title><p>Accept our terms to go on.";

fn reply(
    status: StatusCode,
    name: HeaderName,
    value: &str,
    body: &'static str,
) -> Option<Response<Bytes>> {
    Response::builder()
        .status(status)
        .header(name, value)
        .body(Bytes::from_static(body.as_bytes()))
        .ok()
}

impl Schedule {
    /// Adds what the requests after all those that are scheduled will meet.
    pub(crate) fn add(&mut self, conditions: &[Condition]) {
        self.next.extend(conditions);
    }

    /// What the request that just came meets.
    pub(crate) fn meet(&mut self) -> Condition {
        if let Some(busy_since) = self.busy_since.take() {
            self.left_alone = Some(busy_since.elapsed());
        }
        let conditions = self.next.pop_front().unwrap_or(Condition::Clear);
        self.met.requests += 1;
        match conditions {
            Condition::Clear | Condition::Delayed => {}
            Condition::Outage => self.met.outages += 1,
            Condition::Portal => self.met.portals += 1,
            Condition::Busy => {
                self.met.busy += 1;
                self.busy_since = Some(Instant::now());
            }
        }
        conditions
    }

    pub(crate) fn met(&self) -> Met {
        self.met
    }

    /// How long the gateway was left alone after it said that it was busy.
    pub(crate) fn left_alone(&self) -> Option<Duration> {
        self.left_alone
    }
}
