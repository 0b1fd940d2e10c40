//! The gateway, the faults that it is under, and the history of both.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::json;
use shared::loopback::{Outcome, Parts, Site};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use videokit_session::Moment;
use videokit_session::sim::{self, Fault, FaultPlan};

use super::faults;

/// How many entries of the history are kept.
pub(crate) const KEPT: usize = 500;

/// The most characters of a path or an identity that are kept.
const LONGEST_TEXT: usize = 120;

/// The most faults that are named beside a request.
const NAMED: usize = 10;

/// A gateway with its history. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Simulation {
    start: Instant,
    api_token: Arc<str>,
    site: Site,
    state: Arc<Mutex<State>>,
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    lasting: Vec<Lasting>,
    entries: VecDeque<Entry>,
    /// The number of the last entry.
    last: u64,
}

/// Who began a fault.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    Hand,
    Plan,
}

/// A fault that lasts.
#[derive(Clone, Serialize)]
struct Lasting {
    #[serde(skip)]
    fault: Fault,
    name: String,
    label: String,
    by: By,
    since_ms: u64,
}

/// What happened, and when, in milliseconds from the start.
#[derive(Clone, Serialize)]
struct Entry {
    number: u64,
    at_ms: u64,
    #[serde(flatten)]
    happened: Happened,
}

#[derive(Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Happened {
    Request(Handled),
    /// A fault ended.
    Ended(Lasting),
    /// All tokens were revoked.
    Revoked,
}

/// A request, without anything secret.
#[derive(Clone, Serialize)]
struct Handled {
    method: String,
    path: String,
    identity: Option<String>,
    /// None if there was no reply.
    status: Option<u16>,
    reset: bool,
    delay_ms: u64,
    faults: Vec<String>,
    session: Option<Issued>,
    /// A fault kept it from being processed.
    kept_away: bool,
}

/// A session that the request got.
#[derive(Clone, Serialize)]
struct Issued {
    /// The first is 1.
    number: u64,
    /// In milliseconds from the start.
    expires_ms: i64,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Simulation {
    pub(crate) fn new(gateway: sim::Gateway, api_token: &str) -> Self {
        Self {
            start: Instant::now(),
            api_token: api_token.into(),
            site: Site::with_gateway(gateway),
            state: Arc::default(),
            changes: watch::Sender::new(()),
        }
    }

    /// Answers a request, and writes it down.
    pub(crate) fn handle(&self, request: &Request<Bytes>) -> Outcome {
        let mut state = self.lock();
        let parts = &mut *self.site.lock();
        let before = parts.gateway.counts();
        let outcome = parts.handle(request);
        let after = parts.gateway.counts();
        let session = if after.granted > before.granted { self.issued(parts) } else { None };
        let newest = parts.gateway.newest().map(|(token, _)| token);
        let token = if session.is_some() { newest } else { bearer(request) };
        let identity = token.and_then(|token| parts.gateway.identity_of(token));
        let (status, delay) = match &outcome {
            Outcome::Reply(reply) => (Some(reply.response.status().as_u16()), reply.delay),
            Outcome::Reset(delay) => (None, *delay),
            Outcome::Nothing => (None, Duration::ZERO),
        };
        let happened = Happened::Request(Handled {
            method: self.public(request.method().as_str()),
            path: self.public(request.uri().path()),
            identity: identity.map(|identity| self.public(identity)),
            status,
            reset: matches!(outcome, Outcome::Reset(_)),
            delay_ms: millis(delay),
            faults: state.lasting.iter().take(NAMED).map(|one| one.label.clone()).collect(),
            session,
            kept_away: after.kept_away > before.kept_away,
        });
        self.record(&mut state, happened);
        outcome
    }

    /// Begins a fault, or ends one that the same side began. By hand, a fault is on once at most.
    pub(crate) fn set(&self, fault: Fault, by: By, on: bool) {
        let mut state = self.lock();
        let found = state.lasting.iter().position(|one| one.fault == fault && one.by == by);
        match (on, found) {
            (true, Some(_)) if by == By::Hand => return,
            (true, _) => {
                let (name, label) = (faults::name(fault), faults::label(fault));
                state.lasting.push(Lasting { fault, name, label, by, since_ms: self.now() });
            }
            (false, None) => return,
            (false, Some(found)) => {
                let ended = state.lasting.remove(found);
                self.record(&mut state, Happened::Ended(ended));
            }
        }
        self.site.lock().faults = state.lasting.iter().map(|one| one.fault).collect();
        self.changes.send_replace(());
    }

    /// Makes the gateway forget all tokens.
    pub(crate) fn revoke(&self) {
        let mut state = self.lock();
        self.site.lock().gateway.revoke_all();
        self.record(&mut state, Happened::Revoked);
    }

    /// Begins and ends the faults of a plan, whose times count from the start.
    pub(crate) async fn follow(self, plan: FaultPlan) {
        let mut changes = Vec::new();
        for incident in plan.incidents().iter().filter(|one| faults::is_of_the_server(one.fault)) {
            let fault = incident.fault;
            if fault == Fault::Revoked {
                changes.push((incident.at_ms, true, fault));
            } else if incident.lasts_ms > 0 {
                changes.push((incident.at_ms, true, fault));
                changes.push((incident.at_ms + incident.lasts_ms, false, fault));
            }
        }
        // What ends when another begins, ends first.
        changes.sort_by_key(|&(at_ms, begins, _)| (at_ms, begins));
        for (at_ms, begins, fault) in changes {
            sleep_until(self.start + Duration::from_millis(at_ms)).await;
            match fault {
                Fault::Revoked => self.revoke(),
                fault => self.set(fault, By::Plan, begins),
            }
        }
    }

    /// Returns a receiver that sees each change of the history and of the faults.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Returns what happened after the entry of this number, as JSON, and the number of the last entry.
    pub(crate) fn since(&self, number: u64) -> (String, u64) {
        let state = self.lock();
        let counts = self.site.lock().gateway.counts();
        let entries: Vec<_> = state.entries.iter().filter(|entry| entry.number > number).collect();
        let news = json!({
            "now_ms": self.now(),
            "counts": {
                "granted": counts.granted,
                "refused": counts.refused,
                "served": counts.served,
                "unauthorized": counts.unauthorized,
                "unknown": counts.unknown,
                "kept_away": counts.kept_away,
            },
            "lasting": state.lasting,
            "entries": entries,
        });
        (news.to_string(), state.last)
    }

    fn issued(&self, parts: &Parts) -> Option<Issued> {
        let (_, expires_at) = parts.gateway.newest()?;
        let wall = Moment::new(Duration::ZERO, SystemTime::now()).wall_millis();
        let expires_ms = (expires_at - wall).saturating_add_unsigned(self.now());
        Some(Issued { number: parts.gateway.counts().granted, expires_ms })
    }

    fn record(&self, state: &mut State, happened: Happened) {
        state.last += 1;
        if state.entries.len() == KEPT {
            state.entries.pop_front();
        }
        state.entries.push_back(Entry { number: state.last, at_ms: self.now(), happened });
        self.changes.send_replace(());
    }

    /// Returns what may be shown of a text that a client sent: it may have put a token there by mistake.
    fn public(&self, text: &str) -> String {
        let decoded = percent_decode_str(text).decode_utf8_lossy();
        if [text, &decoded].iter().any(|text| text.contains(&*self.api_token) || has_token(text)) {
            return "(contains a token)".to_owned();
        }
        match text.char_indices().nth(LONGEST_TEXT) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        }
    }

    fn now(&self) -> u64 {
        millis(self.start.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a text has a session token in it, as the simulator makes them.
fn has_token(text: &str) -> bool {
    let mut ends = text.split("st-").skip(1);
    ends.any(|end| end.bytes().take_while(u8::is_ascii_hexdigit).count() >= 16)
}

fn bearer<B>(request: &Request<B>) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    Some(value.split_once(' ')?.1.trim())
}
