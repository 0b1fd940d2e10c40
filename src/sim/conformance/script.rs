//! A scenario as a list of what happens when.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HeaderValue};
use http::{Method, Request, Uri};

use crate::driver::{Driver, Start};
use crate::exchange::{AllowedOrigin, Backend, Credentials, Endpoint, Identity};
use crate::session::Config;
use crate::sim::{Fault, FaultPlan, Incident};

/// How long tokens live.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);

/// What the app, or its device, does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Start {
        user: u8,
        secret: u8,
    },
    Stop,
    Online(bool),
    /// An API call that takes so long, and is answered with this status, or as the gateway does.
    Call {
        status: Option<u16>,
        takes: u64,
    },
    Sleep {
        ms: u64,
    },
}

/// Times are milliseconds since the scenario began.
pub(super) struct Script {
    pub(super) acts: Vec<(u64, Act)>,
    pub(super) faults: Vec<Incident>,
    pub(super) round_trip: u64,
    pub(super) end: u64,
}

impl Script {
    pub(super) fn new(round_trip: u64) -> Self {
        Self { acts: Vec::new(), faults: Vec::new(), round_trip, end: 0 }
    }

    pub(super) fn at(mut self, at: u64, act: Act) -> Self {
        self.acts.push((at, act));
        self
    }

    pub(super) fn fault(mut self, at_ms: u64, lasts_ms: u64, fault: Fault) -> Self {
        self.faults.push(Incident { at_ms, lasts_ms, fault });
        self
    }

    pub(super) fn until(self, end: u64) -> Self {
        Self { end, ..self }
    }

    pub(super) fn plan(&self) -> FaultPlan {
        FaultPlan::cut(self.faults.iter().copied())
    }
}

impl Act {
    /// An API call that the gateway answers at once.
    pub(super) fn call() -> Self {
        Self::Call { status: None, takes: 200 }
    }
}

/// The driver of a scenario, if that can be played: the settings of all are the same every time.
pub(super) fn driver(script: &Script) -> Option<Driver> {
    script.acts.iter().try_for_each(|(_, act)| match *act {
        Act::Start { user, secret } => login(user, secret).map(drop),
        _ => Some(()),
    })?;
    let origin = AllowedOrigin::https("https://api.example").ok()?;
    Some(Driver::new(Arc::new(Config::builder(origin).build().ok()?), 17))
}

/// What a user logs in with.
pub(super) fn login(user: u8, secret: u8) -> Option<Start> {
    let identity = format!("user-{user}");
    let endpoint = Endpoint::https(format!("https://backend.example/token/{identity}")).ok()?;
    let cookie = HeaderValue::try_from(format!("login={user}-{secret}")).ok()?;
    let mut backend = Backend::new(endpoint).header(COOKIE, cookie);
    if user == 0 {
        // One posts what the others have in their cookies alone: method and body have to get through.
        let json = HeaderValue::from_static("application/json");
        backend =
            backend.method(Method::POST).header(CONTENT_TYPE, json).body(r#"{"device":"tv"}"#);
    }
    Some(Credentials::backend(backend.identity(Identity::new(identity).ok()?)).into())
}

/// An API call, not yet authorized.
pub(super) fn api_call() -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = Uri::from_static("https://api.example/v1/videos");
    request
}
