//! The network, the gateway behind it, and the schedule of everything that will come.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use http::header::{AGE, HeaderValue};
use http::{Request, StatusCode};

use super::requests::Outcome;
use super::script::{AppAction, LIFETIME, Script};
use crate::session::{Generation, RequestId, TransportFailure};
use crate::sim::faulty::delay;
use crate::sim::{Fault, FaultPlan, Gateway};
use crate::time::millis;

/// How long after its time-out a client reports it, in milliseconds, unless the loop blocks in it.
pub(super) const TIMEOUT_DELAY: u64 = 1_500;

/// How long a request takes, in milliseconds, unless there is a fault: long enough that whatever a loop omits
/// before the reply is late.
pub(super) const ROUND_TRIP: u64 = 3_000;

/// How long an API call takes, in milliseconds.
pub(super) const CALL_TIME: u64 = 200;

#[derive(Debug)]
pub(super) enum Scheduled {
    App(AppAction),
    Outcome(RequestId, Outcome),
    Called(Generation, StatusCode),
    End,
}

/// What will come, in the order of time, and then of scheduling.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    items: BTreeMap<(u64, u64), Scheduled>,
    count: u64,
    /// The status of the next API calls, unless it is the gateway's, and how long they take.
    calls: VecDeque<(Option<u16>, u64)>,
}

impl Schedule {
    pub(super) fn add(&mut self, at: u64, item: Scheduled) {
        self.count = self.count.saturating_add(1);
        self.items.insert((at, self.count), item);
    }

    /// Sets how the next API call is answered.
    pub(super) fn expect_call(&mut self, status: Option<u16>, takes: u64) {
        self.calls.push_back((status, takes));
    }

    /// Adds the reply to an API call.
    pub(super) fn add_call(&mut self, at: u64, of: Generation, status: StatusCode) {
        let (other, takes) = self.calls.pop_front().unwrap_or((None, CALL_TIME));
        let other = other.and_then(|status| StatusCode::from_u16(status).ok());
        self.add(at.saturating_add(takes), Scheduled::Called(of, other.unwrap_or(status)));
    }

    pub(super) fn next_at(&self) -> Option<u64> {
        self.items.keys().next().map(|(at, _)| *at)
    }

    /// Takes the first item that is due by then, with its time.
    pub(super) fn take_due(&mut self, by: u64) -> Option<(u64, Scheduled)> {
        let first = self.items.first_entry().filter(|first| first.key().0 <= by)?;
        let ((at, _), item) = first.remove_entry();
        Some((at, item))
    }

    /// Takes the outcome of a request, with its time.
    pub(super) fn take_outcome(&mut self, of: RequestId) -> Option<(u64, Outcome)> {
        let is_its = |item: &Scheduled| matches!(item, Scheduled::Outcome(id, _) if *id == of);
        let key = *self.items.iter().find(|(_, item)| is_its(item))?.0;
        match self.items.remove(&key)? {
            Scheduled::Outcome(_, outcome) => Some((key.0, outcome)),
            _ => None,
        }
    }
}

/// The network, and the gateway behind it.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) gateway: Gateway,
    plan: FaultPlan,
}

/// The `Age` of a granting reply, as a cache sets it: the driver subtracts it from the lifetime.
const AGE_OF_GRANTS: HeaderValue = HeaderValue::from_static("2");

impl Network {
    pub(super) fn new(script: &Script) -> Self {
        let gateway = Gateway::new("none", LIFETIME, 17);
        Self { gateway, plan: script.plan() }
    }

    /// Carries a request that is sent at `at`, or at `wall` by the true wall clock. Returns its outcome and
    /// when that comes. `limit` is how long the client waits.
    pub(super) fn carry(
        &mut self,
        request: &Request<Bytes>,
        (at, wall): (u64, i64),
        limit: Option<u64>,
    ) -> Option<(u64, Outcome)> {
        let faults: Vec<Fault> = self.plan.lasting(at).collect();
        let slow = millis(delay(&faults));
        let back = at.saturating_add(ROUND_TRIP).saturating_add(slow);
        let gives_up = limit.map(|limit| at.saturating_add(limit));
        let outcome = self.outcome(request, &faults, wall).map(|outcome| (back, outcome));
        match (outcome, gives_up) {
            (Some((back, outcome)), Some(gives_up)) if back <= gives_up => Some((back, outcome)),
            (_, Some(gives_up)) => Some((gives_up, Err(TransportFailure::TimedOut))),
            (outcome, None) => outcome,
        }
    }

    fn outcome(
        &mut self,
        request: &Request<Bytes>,
        faults: &[Fault],
        wall: i64,
    ) -> Option<Outcome> {
        let has = |fault| faults.contains(&fault);
        if has(Fault::Lost) {
            return None;
        }
        if has(Fault::Offline) {
            return Some(Err(TransportFailure::Unreachable));
        }
        let wall = wall.saturating_add_unsigned(ROUND_TRIP / 2);
        let mut reply = self.gateway.handle_under(faults, request, wall).response;
        if reply.status().is_success() {
            reply.headers_mut().insert(AGE, AGE_OF_GRANTS);
        }
        let reset = has(Fault::ResetAfter);
        Some(if reset { Err(TransportFailure::Interrupted) } else { Ok(reply) })
    }
}
