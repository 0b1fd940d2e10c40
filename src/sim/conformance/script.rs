//! A scenario as a list of what happens when.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HeaderValue};
use http::{Method, Request, Uri};

use super::input::CallerId;
use super::network::CALL_TIME;
use crate::driver::{Driver, Policy, PolicyBuilder, Start};
use crate::exchange::{AllowedOrigin, Backend, Credentials, Endpoint, Identity};
use crate::session::Config;
use crate::sim::{Fault, FaultPlan, Incident};

/// The lifetime of tokens.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);

/// An action of the app, or of its device.
#[derive(Debug, Clone, Copy)]
pub(super) enum AppAction {
    /// A login of this user, with this secret.
    Start(u8, u8),
    Stop,
    Online(bool),
    /// An API call that is answered with this status, or else with the gateway's, after so many milliseconds.
    Call(Option<u16>, u64),
    WaitingCall(CallerId),
    CancelCall(CallerId),
    /// Sleeps for so many milliseconds.
    Sleep(u64),
}

/// Times are milliseconds since the scenario began.
#[derive(Default)]
pub(super) struct Script {
    pub(super) actions: Vec<(u64, AppAction)>,
    faults: Vec<Incident>,
    pub(super) end: u64,
    /// The number of failed attempts after which the driver gives up.
    attempts: Option<u32>,
}

impl Script {
    pub(super) fn at<const N: usize>(mut self, at: u64, actions: [AppAction; N]) -> Self {
        self.actions.extend(actions.map(|action| (at, action)));
        self
    }

    /// Adds callers that wait, numbered from `first`.
    pub(super) fn callers<const N: usize>(self, first: u8, times: [u64; N]) -> Self {
        (first..).zip(times).fold(self, |script, (number, at)| {
            script.at(at, [AppAction::WaitingCall(CallerId(number))])
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
        Self { end, ..self }
    }

    pub(super) fn plan(&self) -> FaultPlan {
        FaultPlan(self.faults.clone())
    }

    /// Returns the driver of the scenario; `None` if the scenario can't be set up.
    pub(super) fn driver(&self) -> Option<Driver> {
        let mut starts = self.actions.iter().filter_map(|(_, action)| match *action {
            AppAction::Start(user, secret) => Some((user, secret)),
            _ => None,
        });
        starts.try_for_each(|(user, secret)| login(user, secret).map(drop))?;
        let origin = AllowedOrigin::https("https://api.example").ok()?;
        let config = Arc::new(Config::builder(origin).build().ok()?);
        let policy = self.attempts.into_iter().fold(Policy::builder(), PolicyBuilder::attempts);
        Some(Driver::with_policy(config, policy.build().ok()?, 17))
    }
}

/// An API call that the gateway answers.
pub(super) const CALL: AppAction = AppAction::Call(None, CALL_TIME);

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
