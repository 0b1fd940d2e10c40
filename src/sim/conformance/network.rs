//! What becomes of a request: the network and the gateway of a scenario, and what is due when.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use http::header::{AGE, HeaderValue};
use http::{Request, Response, StatusCode};

use super::script::{Act, LIFETIME, Script};
use crate::session::{Generation, RequestId, TransportFailure};
use crate::sim::faulty::delay;
use crate::sim::{Fault, FaultPlan, Gateway};
use crate::time::millis;

/// How long after its time-out a client reports it, in milliseconds.
pub(super) const LATE: u64 = 1_500;

/// What is due.
#[derive(Debug)]
pub(super) enum Item {
    Act(Act),
    Reply(RequestId, Response<Bytes>),
    Failure(RequestId, TransportFailure),
    Called(Generation, StatusCode),
    End,
}

/// What is due, in the order of time, and of planning.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    items: BTreeMap<(u64, u64), Item>,
    planned: u64,
    /// How the next API calls are answered, and after how long.
    calls: VecDeque<(Option<u16>, u64)>,
}

impl Agenda {
    pub(super) fn plan(&mut self, at: u64, item: Item) {
        self.planned = self.planned.saturating_add(1);
        self.items.insert((at, self.planned), item);
    }

    /// The next API call is answered so.
    pub(super) fn expect_call(&mut self, status: Option<u16>, takes: u64) {
        self.calls.push_back((status, takes));
    }

    /// An API call is made at `at`; the gateway would answer it with `status`.
    pub(super) fn answer_call(&mut self, at: u64, generation: Generation, status: StatusCode) {
        let (other, takes) = self.calls.pop_front().unwrap_or((None, 0));
        let other = other.and_then(|status| StatusCode::from_u16(status).ok());
        let answer = Item::Called(generation, other.unwrap_or(status));
        self.plan(at.saturating_add(takes), answer);
    }

    pub(super) fn next_at(&self) -> Option<u64> {
        self.items.keys().next().map(|(at, _)| *at)
    }

    /// What is due by then, with the time at which it was.
    pub(super) fn take_due(&mut self, by: u64) -> Option<(u64, Item)> {
        let first = self.items.first_entry().filter(|first| first.key().0 <= by)?;
        let ((at, _), item) = first.remove_entry();
        Some((at, item))
    }

    /// What was to come of a request, and when.
    pub(super) fn take_outcome(&mut self, of: RequestId) -> Option<(u64, Item)> {
        let is_its =
            |item: &Item| matches!(item, Item::Reply(id, _) | Item::Failure(id, _) if *id == of);
        let key = *self.items.iter().find(|(_, item)| is_its(item))?.0;
        Some((key.0, self.items.remove(&key)?))
    }
}

/// The network, and the gateway behind it.
#[derive(Debug)]
pub(super) struct Network {
    gateway: Gateway,
    plan: FaultPlan,
    round_trip: u64,
}

/// What a cache on the way says about a granting reply, in seconds: the driver takes it off the lifetime.
const AGE_OF_GRANTS: HeaderValue = HeaderValue::from_static("2");

impl Network {
    pub(super) fn new(script: &Script) -> Self {
        let gateway = Gateway::new("none", LIFETIME, 17);
        Self { gateway, plan: script.plan(), round_trip: script.round_trip }
    }

    /// Carries a request that is sent at `at`, and says what comes of it, and when. `wall` is the true
    /// time then. `late` is how much longer the client waits than it was told.
    pub(super) fn carry(
        &mut self,
        (id, request): (RequestId, &Request<Bytes>),
        (at, wall): (u64, i64),
        timeout: Option<Duration>,
        late: u64,
    ) -> Option<(u64, Item)> {
        let faults: Vec<Fault> = self.plan.lasting(at).collect();
        let slow = millis(delay(&faults));
        let back = at.saturating_add(self.round_trip).saturating_add(slow);
        let gives_up =
            timeout.map(|timeout| at.saturating_add(millis(timeout)).saturating_add(late));
        let outcome = self.outcome(id, request, &faults, wall).map(|item| (back, item));
        match (outcome, gives_up) {
            (Some((back, item)), Some(gives_up)) if back <= gives_up => Some((back, item)),
            (_, Some(gives_up)) => Some((gives_up, Item::Failure(id, TransportFailure::TimedOut))),
            (outcome, None) => outcome,
        }
    }

    fn outcome(
        &mut self,
        id: RequestId,
        request: &Request<Bytes>,
        faults: &[Fault],
        wall: i64,
    ) -> Option<Item> {
        let failed = |why| Some(Item::Failure(id, why));
        let has = |fault| faults.contains(&fault);
        if has(Fault::Lost) {
            return None;
        }
        if has(Fault::Offline) {
            return failed(TransportFailure::Unreachable);
        }
        let half = i64::try_from(self.round_trip / 2).unwrap_or(0);
        let wall = wall.saturating_add(half);
        let mut reply = self.gateway.handle_under(faults, request, wall).response;
        if reply.status().is_success() {
            reply.headers_mut().insert(AGE, AGE_OF_GRANTS);
        }
        if has(Fault::ResetAfter) {
            return failed(TransportFailure::Interrupted);
        }
        Some(Item::Reply(id, reply))
    }

    /// When a token expires, by the true wall clock.
    pub(super) fn expires_at(&self, token: &str) -> Option<i64> {
        self.gateway.expires_at(token)
    }

    /// The status that the API answers a call with, at the true time `wall`.
    pub(super) fn call(&mut self, request: &Request<Bytes>, wall: i64) -> StatusCode {
        self.gateway.handle(request, wall).status()
    }
}

/// How late a client is with its time-out that a loop doesn't wait for.
pub(super) const fn client_lateness(waits: bool) -> u64 {
    if waits { 0 } else { LATE }
}
