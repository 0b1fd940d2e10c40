//! The one request that a session may have in flight, and the only code that reads a reply.

use core::time::Duration;

use bytes::Bytes;
use http::Request;

use super::core::Core;
use super::held::Held;
use super::outgoing::{Outgoing, RequestId, StaleRequest};
use crate::exchange::{
    Credentials, Denial, DenialKind, Flaw, Grant, Identity, IdentitySource, Reply, check_identity,
    jwt,
};
use crate::time::{Evidence, Lifetime, Moment, Stamp, Validity, millis};

/// A request in flight.
#[cfg_attr(feature = "_model", derive(Clone))]
pub(super) struct Flight {
    id: RequestId,
    sent: Stamp,
    /// In ticks: the session's own time, which a clock that goes back doesn't move.
    deadline: u64,
    /// Those that the request was made with: the session's may be newer when the reply comes.
    credentials: Credentials,
}

impl Flight {
    /// Puts `request`, which was made with `credentials`, in flight.
    pub(super) fn launch(
        core: &mut Core,
        credentials: &Credentials,
        request: Request<Bytes>,
        now: Moment,
    ) -> (Self, Outgoing) {
        core.observe(now);
        let sent = core.clock.stamp();
        let timeout = core.config.request_timeout();
        let id = core.next_request();
        let flight = Self {
            id,
            sent,
            deadline: sent.ticks().saturating_add(millis(timeout)),
            credentials: credentials.clone(),
        };
        let deadline = now.since_start().saturating_add(timeout);
        let body_limit = credentials.exchange().body_limit();
        (flight, Outgoing::new(id, request, (timeout, deadline), body_limit))
    }

    pub(super) fn id(&self) -> RequestId {
        self.id
    }

    #[cfg(feature = "_model")]
    pub(super) fn sent(&self) -> Stamp {
        self.sent
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Whether `id` is this flight's.
    pub(super) fn check(&self, id: RequestId) -> Result<(), StaleRequest> {
        if id == self.id { Ok(()) } else { Err(StaleRequest::new(id)) }
    }

    /// How long until the deadline; nothing if it has passed.
    pub(super) fn overdue_in(&self, core: &Core, now: Moment) -> Duration {
        let ticks = core.clock.advanced(now).stamp().ticks();
        Duration::from_millis(self.deadline.saturating_sub(ticks))
    }

    /// Reads the reply. `pinned` is the identity that the token has to be for, and becomes the one
    /// that it is for.
    pub(super) fn land(
        self,
        reply: Reply<'_>,
        now: Moment,
        core: &mut Core,
        pinned: &mut Option<Identity>,
    ) -> Result<Held, Denial> {
        core.observe(now);
        let exchange = self.credentials.exchange();
        let grant = exchange.read(reply).map_err(|denial| reply.with_its_wait(denial))?;
        if let Some(identity) = exchange.identity() {
            check_identity(&grant, identity).map_err(|flaw| reply.flawed(flaw))?;
        }
        let config = &core.config;
        let tolerances = config.tolerances(exchange.issuer_writes_date());
        let evidence = Evidence::default().date(reply.date());
        let evidence = match reply.age() {
            Some(age) => evidence.age(age),
            None => evidence.unreadable_age(),
        };
        let span = (self.sent, core.clock.stamp());
        let lifetime = |evidence| Lifetime::new(evidence, tolerances, span, now);
        accept(core, &grant, evidence, lifetime, pinned).map_err(|flaw| reply.flawed(flaw))
    }
}

/// Takes a token that was obtained elsewhere: there is no reply whose `Date` could be held against the
/// device's own clock.
pub(super) fn adopt(
    core: &mut Core,
    grant: &Grant,
    now: Moment,
    pinned: &mut Option<Identity>,
) -> Result<Held, Denial> {
    core.observe(now);
    let tolerances = core.config.tolerances(false);
    let stamp = core.clock.stamp();
    let lifetime = |evidence| Lifetime::new(evidence, tolerances, (stamp, stamp), now);
    accept(core, grant, Evidence::default().adopted(), lifetime, pinned)
        .map_err(|flaw| Denial::new(DenialKind::Malformed(flaw), None))
}

/// Holds a grant, if it is for the right identity and not dead on arrival. Changes nothing otherwise.
fn accept(
    core: &mut Core,
    grant: &Grant,
    evidence: Evidence,
    lifetime: impl FnOnce(Evidence) -> Lifetime,
    pinned: &mut Option<Identity>,
) -> Result<Held, Flaw> {
    let evidence = evidence
        .expires_at(grant.expiry())
        .lifetime(grant.lifetime())
        .longest(jwt::lifetime(grant.token().as_bytes()));
    let lifetime = lifetime(evidence);
    let now = core.clock.stamp();
    if lifetime.remaining(now).validity() == Validity::Expired {
        return Err(Flaw::ExpiredOnArrival);
    }
    let token = grant.token().behind(core.config.scheme()).map_err(Flaw::Token)?;
    pin(pinned, grant.identity())?;
    let generation = core.next_generation();
    let margin = core.config.margin(lifetime.scheduled_at(now), core.seed(), generation);
    Ok(Held { token, lifetime, margin, generation, scopes: grant.scopes().cloned() })
}

/// Holds what is said about an identity against the one that the login is for; the first to be named is
/// the one to keep.
pub(super) fn pin(pinned: &mut Option<Identity>, named: Option<&Identity>) -> Result<(), Flaw> {
    match (&pinned, named) {
        (Some(pinned), Some(named)) if pinned != named => {
            Err(Flaw::WrongIdentity { expected: IdentitySource::EarlierToken })
        }
        (None, Some(named)) => {
            *pinned = Some(named.clone());
            Ok(())
        }
        _ => Ok(()),
    }
}
