//! The network, and the gateway behind it.

use bytes::Bytes;
use http::Request;
use http::header::{AGE, HeaderValue};

use super::{LIFETIME, Outcome, Script};
use crate::session::TransportFailure;
use crate::sim::faulty::delay;
use crate::sim::{Fault, FaultPlan, Gateway};
use crate::time::millis;

/// How long after its time-out a client reports it, in milliseconds, unless the loop blocks in it.
pub(super) const TIMEOUT_DELAY: u64 = 1_500;

/// How long a request takes, in milliseconds, unless there is a fault: long enough that whatever a loop omits
/// before the reply is late.
pub(super) const ROUND_TRIP: u64 = 3_000;

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
        Self { gateway, plan: FaultPlan(script.faults.clone()) }
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
        let outcome = self.outcome(request, &faults, wall).map(|outcome| (back, outcome));
        let timed_out =
            limit.map(|limit| (at.saturating_add(limit), Err(TransportFailure::TimedOut)));
        outcome.into_iter().chain(timed_out).min_by_key(|(at, _)| *at)
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
