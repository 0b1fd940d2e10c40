//! A scenario as a schedule of what comes when.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HeaderValue};
use http::{Method, Request, StatusCode, Uri};

use super::{CallerId, Input};
use crate::driver::{Driver, Policy, PolicyBuilder, Start};
use crate::exchange::{AllowedOrigin, Backend, Credentials, Endpoint, Identity};
use crate::session::{Authorized, Config, RequestId};
use crate::sim::{Fault, Incident};

/// The lifetime of tokens.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);

/// How long an API call takes, in milliseconds.
const CALL_TIME: u64 = 200;

/// An API call that the gateway answers.
pub(super) const CALL: Scheduled = Scheduled::Call(None, CALL_TIME);

/// An input that will come, or what makes it when it comes.
#[derive(Debug)]
pub(super) enum Scheduled {
    Input(Input),
    /// A login of this user, with this secret.
    Start(u8, u8),
    /// An API call that is answered with this status, or else with the gateway's, after so many milliseconds.
    Call(Option<u16>, u64),
    /// The device sleeps for so many milliseconds.
    Sleep(u64),
}

/// What will come, in the order of time, and then of scheduling.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    items: Vec<(u64, Scheduled)>,
    /// The status of the next API calls, unless it is the gateway's, and how long they take.
    calls: VecDeque<(Option<u16>, u64)>,
}

impl Schedule {
    pub(super) fn add(&mut self, at: u64, item: Scheduled) {
        let index = self.items.partition_point(|(due, _)| *due <= at);
        self.items.insert(index, (at, item));
    }

    /// Sets how the next API call is answered.
    pub(super) fn expect_call(&mut self, status: Option<u16>, takes: u64) {
        self.calls.push_back((status, takes));
    }

    /// Adds the reply to an API call.
    pub(super) fn add_call(&mut self, at: u64, of: Authorized, status: StatusCode) {
        let (other, takes) = self.calls.pop_front().unwrap_or((None, CALL_TIME));
        let other = other.and_then(|status| StatusCode::from_u16(status).ok());
        let reply = Input::Called(of, other.unwrap_or(status));
        self.add(at.saturating_add(takes), Scheduled::Input(reply));
    }

    pub(super) fn next_at(&self) -> Option<u64> {
        Some(self.items.first()?.0)
    }

    /// Takes the first item that is due by then, with its time.
    pub(super) fn take_due(&mut self, by: u64) -> Option<(u64, Scheduled)> {
        (self.next_at()? <= by).then(|| self.items.remove(0))
    }

    /// Takes the reply to a request, or its failure, with its time.
    pub(super) fn take_outcome(&mut self, of: RequestId) -> Option<(u64, Input)> {
        let index = self.items.iter().position(|(_, item)| match item {
            Scheduled::Input(Input::Reply(id, _) | Input::Failure(id, _)) => *id == of,
            _ => false,
        })?;
        let (at, Scheduled::Input(input)) = self.items.remove(index) else { return None };
        Some((at, input))
    }
}

/// Times are milliseconds since the scenario began.
#[derive(Default)]
pub(super) struct Script {
    pub(super) schedule: Schedule,
    pub(super) faults: Vec<Incident>,
    pub(super) end: u64,
    /// The number of failed attempts after which the driver gives up.
    attempts: Option<u32>,
}

impl Script {
    pub(super) fn at<const N: usize>(mut self, at: u64, items: [Scheduled; N]) -> Self {
        for item in items {
            self.schedule.add(at, item);
        }
        self
    }

    /// Adds API calls that don't wait, and that the gateway answers.
    pub(super) fn calls<const N: usize>(self, times: [u64; N]) -> Self {
        times.into_iter().fold(self, |script, at| script.at(at, [CALL]))
    }

    /// Adds callers that wait, numbered from `first`.
    pub(super) fn callers<const N: usize>(self, first: u8, times: [u64; N]) -> Self {
        (first..).map(CallerId).zip(times).fold(self, |script, (caller, at)| {
            let call = Input::WaitingCall(caller, api_call(Some(caller)));
            script.at(at, [Scheduled::Input(call)])
        })
    }

    pub(super) fn fault(mut self, at_ms: u64, lasts_ms: u64, fault: Fault) -> Self {
        self.faults.push(Incident { at_ms, lasts_ms, fault });
        self
    }

    pub(super) fn attempts(self, attempts: u32) -> Self {
        Self { attempts: Some(attempts), ..self }
    }

    pub(super) fn until(self, end: u64) -> Self {
        Self { end, ..self.at(end, [Scheduled::Input(Input::End)]) }
    }

    /// Returns the driver of the scenario; `None` if the scenario can't be set up.
    pub(super) fn driver(&self) -> Option<Driver> {
        for (_, item) in &self.schedule.items {
            if let Scheduled::Start(user, secret) = *item {
                login(user, secret)?;
            }
        }
        let origin = AllowedOrigin::https("https://api.example").ok()?;
        let config = Arc::new(Config::builder(origin).build().ok()?);
        let policy = self.attempts.into_iter().fold(Policy::builder(), PolicyBuilder::attempts);
        Some(Driver::with_policy(config, policy.build().ok()?, 17))
    }
}

/// Returns what a user logs in with.
pub(super) fn login(user: u8, secret: u8) -> Option<Start> {
    let identity = format!("user-{user}");
    let endpoint = Endpoint::https(format!("https://backend.example/token/{identity}")).ok()?;
    let cookie = HeaderValue::try_from(format!("login={user}-{secret}")).ok()?;
    let mut backend = Backend::new(endpoint).header(COOKIE, cookie);
    if user == 0 {
        // One user posts, so that a loop has to send method and body.
        let json = HeaderValue::from_static("application/json");
        backend =
            backend.method(Method::POST).header(CONTENT_TYPE, json).body(r#"{"device":"tv"}"#);
    }
    Some(Credentials::backend(backend.identity(Identity::new(identity).ok()?)).into())
}

/// Returns an API call, not yet authorized. Those of callers that wait differ in their query.
pub(super) fn api_call(caller: Option<CallerId>) -> Request<Bytes> {
    let query = caller.map(|CallerId(number)| format!("?caller={number}")).unwrap_or_default();
    let mut request = Request::new(Bytes::new());
    if let Ok(uri) = Uri::try_from(format!("https://api.example/v1/videos{query}")) {
        *request.uri_mut() = uri;
    }
    request
}
