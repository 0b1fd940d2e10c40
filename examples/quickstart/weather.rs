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
pub(crate) enum Weather {
    /// The gateway answers.
    Clear,
    /// The gateway answers, and its reply stays on its way until it is released.
    Held,
    /// Something before the gateway answers 503.
    Outage,
    /// The gateway answers 429, and asks for a pause.
    Busy,
    /// A captive portal answers 200, with its own page.
    Portal,
}

/// What the next requests will meet, in their order, and what those before have met. The weather is clear
/// where nothing is forecast.
#[derive(Default)]
pub(crate) struct Forecast {
    next: VecDeque<Weather>,
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

impl Weather {
    /// The reply to a request that doesn't reach the gateway.
    pub(crate) fn reply(self) -> Option<Response<Bytes>> {
        let busy_for = BUSY_FOR.as_secs().to_string();
        match self {
            Self::Clear | Self::Held => None,
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

impl Forecast {
    /// Adds what the requests after all those forecast will meet.
    pub(crate) fn add(&mut self, weather: &[Weather]) {
        self.next.extend(weather);
    }

    /// What the request that just came meets.
    pub(crate) fn meet(&mut self) -> Weather {
        if let Some(busy_since) = self.busy_since.take() {
            self.left_alone = Some(busy_since.elapsed());
        }
        let weather = self.next.pop_front().unwrap_or(Weather::Clear);
        self.met.requests += 1;
        match weather {
            Weather::Clear | Weather::Held => {}
            Weather::Outage => self.met.outages += 1,
            Weather::Portal => self.met.portals += 1,
            Weather::Busy => {
                self.met.busy += 1;
                self.busy_since = Some(Instant::now());
            }
        }
        weather
    }

    pub(crate) fn met(&self) -> Met {
        self.met
    }

    /// How long the gateway was left alone after it said that it was busy.
    pub(crate) fn left_alone(&self) -> Option<Duration> {
        self.left_alone
    }
}
