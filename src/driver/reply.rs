//! What replies, failures and denials lead to.

use super::backoff::{Backoff, Cause};
use super::counters::bump;
use super::event::Event;
use super::learned_age::{LearnedAge, TokenAge};
use super::output::{Delivery, Queued};
use super::retry_after::Endpoint;
use super::token_status::TokenStatus;
use super::{Calling, Local, Shared};
use crate::exchange::{Credentials, Denial, DenialKind, Flaw, Reply};
use crate::session::transitions::{self, Transition};
use crate::session::{Blocked, Received, RequestId, TransportFailure};
use crate::time::{Moment, Validity};

/// What follows from a denial, besides the pause.
#[derive(Default)]
struct Consequences {
    gave_up: bool,
    /// The flaw that came so often in a row that the service is taken for broken.
    still_malformed: Option<Flaw>,
}

impl Local {
    pub(super) fn receive(
        &mut self,
        shared: &Shared,
        id: RequestId,
        reply: Reply<'_>,
        now: Moment,
    ) -> Delivery {
        let ticks = self.observe(shared, now);
        let Some(flight) = self.machine.flight().filter(|_| self.machine.in_flight() == Some(id))
        else {
            bump(&mut self.counters.stale);
            return Delivery::Stale;
        };
        let is_current = self.is_current(&flight.credentials);
        // Until the reply is read, it is lost.
        let spent = self.spent.clone();
        self.spend_credentials();
        let retiring = self.token_age(now);
        let failed = transitions::failing(self.machine.state());
        let stated = self.login.stated_identity();
        self.calling = Some(Calling::Read { failed, is_current });
        let received = self.machine.receive(id, reply, stated, &shared.config, now);
        self.calling = None;
        let Some(Received { transition, denial, successor, .. }) = received else {
            return Delivery::Stale;
        };
        let lost = successor.is_none() && denial.as_ref().is_some_and(is_lost);
        match denial {
            Some(denial) => self.denied(shared, transition, denial, is_current, ticks),
            None => {
                let after_401 = self.retire(shared, retiring) && is_current;
                self.granted(shared, transition, after_401, (ticks, now));
            }
        }
        if let Some(successor) = successor.filter(|_| is_current) {
            self.take_successor(shared, successor);
        }
        if !lost {
            self.spent = spent;
        }
        Delivery::Accepted
    }

    pub(super) fn handle_failure(
        &mut self,
        shared: &Shared,
        id: RequestId,
        why: TransportFailure,
        now: Moment,
    ) -> Delivery {
        let ticks = self.observe(shared, now);
        if !self.fail(shared, id, why, (ticks, now)) {
            bump(&mut self.counters.stale);
            return Delivery::Stale;
        }
        bump(&mut self.counters.unanswered);
        Delivery::Accepted
    }

    /// Ends the request in flight without a reply. Returns whether it has this id.
    pub(super) fn fail(
        &mut self,
        shared: &Shared,
        id: RequestId,
        why: TransportFailure,
        (ticks, now): (u64, Moment),
    ) -> bool {
        let flight = self.machine.flight();
        let is_current = flight.is_some_and(|flight| self.is_current(&flight.credentials));
        let used_up = flight.filter(|flight| flight.single_use).map(|flight| &flight.credentials);
        let used_up = used_up.filter(|_| why != TransportFailure::Unreachable).cloned();
        let Some(transition) = self.machine.fail(id, now) else { return false };
        self.spent = used_up.or(self.spent.take());
        self.failed(shared, transition, (why, Cause::Network), is_current, ticks);
        true
    }

    /// Reports the failure of a request whose exchange has panicked.
    pub(super) fn report_panic(&mut self, shared: &Shared, calling: Calling, ticks: u64) {
        let (transition, is_current) = match calling {
            Calling::Read { failed, is_current } => {
                bump(&mut self.counters.unanswered);
                (failed, is_current)
            }
            Calling::Request(announced) => {
                self.emit(Event::Moved(announced));
                self.machine.leave_expired();
                (transitions::failing(announced.to), true)
            }
        };
        let why = (TransportFailure::Other, Cause::Server);
        self.failed(shared, transition, why, is_current, ticks);
    }

    /// Returns whether these are the login's own credentials. The outcome of a request made with superseded ones
    /// is ignored, except for its token.
    fn is_current(&self, credentials: &Credentials) -> bool {
        self.login.renewable().is_some_and(|login| login.credentials == *credentials)
    }

    /// Notes that the credentials of the request in flight are used up, if they are usable once.
    fn spend_credentials(&mut self) {
        if let Some(flight) = self.machine.flight().filter(|flight| flight.single_use) {
            self.spent = Some(flight.credentials.clone());
        }
    }

    /// Replaces the login's credentials by their successor.
    fn take_successor(&mut self, shared: &Shared, successor: Credentials) {
        let endpoint = Endpoint::of(&successor);
        let Some(login) = self.login.renewable_mut() else { return };
        if login.credentials == successor {
            return;
        }
        if login.differs(endpoint) {
            self.learned = LearnedAge::new(&shared.policy);
        }
        login.endpoint = endpoint;
        let before = core::mem::replace(&mut login.credentials, successor);
        login.given.get_or_insert(before);
        self.emit(Event::CredentialsChanged);
    }

    fn granted(
        &mut self,
        shared: &Shared,
        transition: Transition,
        after_401: bool,
        (ticks, now): (u64, Moment),
    ) {
        self.counters.count_grant(transition.cause);
        if !after_401 {
            self.learned.abandon_proof();
        }
        self.token = TokenStatus::granted(after_401);
        self.backoff.succeed();
        let core = &self.machine.core;
        let remaining = self.machine.active().map(|active| active.remaining(core, now));
        if remaining.is_some_and(|remaining| remaining.validity() == Validity::Valid) {
            self.backoff = Backoff::default();
        } else {
            // It may have expired on its way: asking again at once would be a loop.
            self.backoff.note_flaw(None);
            self.back_off(shared, ticks, Cause::Server);
        }
        self.emit(Event::Moved(transition));
    }

    /// Draws the conclusions from a denial. One of superseded credentials allows none.
    fn denied(
        &mut self,
        shared: &Shared,
        transition: Transition,
        denial: Denial,
        is_current: bool,
        ticks: u64,
    ) {
        if let Some(wait) = denial.retry_after() {
            let until = ticks.saturating_add(shared.policy.capped_retry_after(wait));
            self.retry_after.raise(self.asked, until, ticks);
        }
        self.counters.count_denial(&denial);
        let Consequences { gave_up, still_malformed } = if is_current {
            self.consequences(shared, &denial, ticks)
        } else {
            Consequences::default()
        };
        self.emit(Event::Denied(transition, denial));
        if let Some(flaw) = still_malformed {
            self.emit(Event::StillMalformed(flaw));
        }
        if gave_up {
            self.emit(Event::GaveUp);
        }
    }

    fn consequences(&mut self, shared: &Shared, denial: &Denial, ticks: u64) -> Consequences {
        let (flaw, cause) = match denial.kind() {
            DenialKind::Malformed(Flaw::Markup) => (Some(Flaw::Markup), Cause::Portal),
            DenialKind::Malformed(flaw) => (Some(flaw), Cause::Server),
            DenialKind::Redirect => (None, Cause::Portal),
            _ => (None, Cause::Server),
        };
        let broken = self.backoff.note_flaw(flaw);
        let still_malformed = flaw.filter(|_| broken);
        if !denial.is_permanent() {
            return Consequences { gave_up: self.fail_try(shared, ticks, cause), still_malformed };
        }
        if let Some(login) = self.login.renewable_mut() {
            login.blocked = Some(Blocked::Refused);
        }
        Consequences { gave_up: false, still_malformed }
    }

    /// Draws the conclusions from a request without a reply. One of superseded credentials allows none.
    fn failed(
        &mut self,
        shared: &Shared,
        transition: Transition,
        (why, cause): (TransportFailure, Cause),
        is_current: bool,
        ticks: u64,
    ) {
        self.emit(Event::Failed(transition, why));
        if is_current {
            self.backoff.note_flaw(None);
            if self.fail_try(shared, ticks, cause) {
                self.emit(Event::GaveUp);
            }
        }
    }

    /// Counts one more failed try. Returns whether the driver gave up over it.
    fn fail_try(&mut self, shared: &Shared, ticks: u64, cause: Cause) -> bool {
        self.back_off(shared, ticks, cause);
        let exhausted = shared.policy.is_exhausted_by(self.backoff.fail());
        if exhausted && let Some(login) = self.login.renewable_mut() {
            login.blocked = Some(Blocked::GaveUp);
        }
        exhausted
    }

    fn back_off(&mut self, shared: &Shared, ticks: u64, cause: Cause) {
        let core = &self.machine.core;
        let chance = (core.seed(), core.generations());
        self.backoff.grow(&shared.policy, ticks, chance, cause);
    }

    /// Returns the current token's age.
    pub(super) fn token_age(&self, now: Moment) -> Option<TokenAge> {
        let active = self.machine.active()?;
        Some(TokenAge { millis: active.age(&self.machine.core, now), stated: active.stated_age() })
    }

    /// A token that has lived long enough shows that the renewal before it cured.
    pub(super) fn observe_age(&mut self, shared: &Shared, now: Moment) {
        if self.learned.is_proving()
            && let Some(age) = self.token_age(now)
        {
            self.learned.observe(&shared.policy, age.millis);
        }
    }

    /// The token gives way to its successor, or has expired. Returns whether a 401 asked for that.
    pub(super) fn retire(&mut self, shared: &Shared, retiring: Option<TokenAge>) -> bool {
        retiring.is_some_and(|age| self.learned.retire(&shared.policy, &self.token, age))
    }

    /// Gives up the request in flight, if there is one.
    pub(super) fn abandon(&mut self) {
        self.spend_credentials();
        if let Some(id) = self.machine.in_flight() {
            bump(&mut self.counters.abandoned);
            self.queue.push_back(Queued::Abandon(id));
        }
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.queue.push_back(Queued::Event(event));
    }
}

/// Returns whether a reply with this denial tells as little as a lost one: it may have been a grant, which used
/// the credentials up. A portal's page or a redirect came from somebody else than the service.
fn is_lost(denial: &Denial) -> bool {
    let granting = denial.status().is_some_and(|status| status.is_success());
    match denial.kind() {
        DenialKind::Malformed(flaw) => granting && flaw != Flaw::Markup,
        DenialKind::Transient => granting,
        _ => false,
    }
}
