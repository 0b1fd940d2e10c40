//! What replies, failures and denials lead to.

use super::backoff::{Backoff, Cause};
use super::counters::bump;
use super::event::Event;
use super::learned_age::TokenAge;
use super::login::{Lookup, same_endpoint};
use super::output::{Delivery, Queued};
use super::retry_after::Endpoint;
use super::token_status::TokenStatus;
use super::{Calling, Local, Shared, Turn};
use crate::exchange::{Credentials, Denial, DenialKind, Flaw, Reply};
use crate::session::transitions::{self, Transition};
use crate::session::{Blocked, Received, RequestId, TransportFailure};
use crate::time::{Moment, Stamp, Validity};

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
        let turn = self.observe(shared, now);
        let Some(flight) = self.machine.flight().filter(|_| self.machine.in_flight() == Some(id))
        else {
            bump(&mut self.counters.stale);
            return Delivery::Stale;
        };
        let is_current = self.is_current(&flight.credentials);
        // Until the reply is read, it is lost.
        let spent = self.spent.clone();
        self.spend_credentials();
        let retiring = self.token_age(turn.at);
        let failed = transitions::failing(self.machine.state());
        self.calling = Some(Calling::Read { failed, is_current });
        let current = self.login.renewable().map(|login| &login.credentials);
        let received = self.machine.receive(id, reply, current, &shared.config, now);
        let Some(Received { transition, denial, credentials, successor }) = received else {
            return Delivery::Stale;
        };
        if let Some(wait) = denial.as_ref().and_then(Denial::retry_after) {
            // The exchange may panic once more, and this is what has happened by now.
            self.calling = Some(Calling::Read { failed: transition, is_current });
            let until = turn.ticks().saturating_add(turn.policy().capped_retry_after(wait));
            self.retry_after.raise(Endpoint::of(&credentials), until, turn.ticks());
        }
        self.calling = None;
        let lost = successor.is_none() && denial.as_ref().is_some_and(is_lost);
        if let Some(denial) = denial {
            self.denied(transition, denial, is_current, turn);
        } else {
            let after_401 = self.retire(retiring, turn) && is_current;
            self.granted(transition, after_401, turn);
        }
        if !lost {
            self.spent = spent;
        }
        if let Some(successor) = successor.filter(|_| is_current) {
            self.take_successor(&successor);
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
        let turn = self.observe(shared, now);
        if !self.fail(id, why, turn) {
            bump(&mut self.counters.stale);
            return Delivery::Stale;
        }
        bump(&mut self.counters.unanswered);
        Delivery::Accepted
    }

    /// Ends the request in flight without a reply. Returns whether it has this id.
    pub(super) fn fail(&mut self, id: RequestId, why: TransportFailure, turn: Turn<'_>) -> bool {
        let flight = self.machine.flight();
        let is_current = flight.is_some_and(|flight| self.is_current(&flight.credentials));
        let used_up = flight.filter(|flight| flight.single_use).map(|flight| &flight.credentials);
        let used_up = used_up.filter(|_| why != TransportFailure::Unreachable).cloned();
        let Some(transition) = self.machine.fail(id, turn.config(), turn.now) else { return false };
        self.spent = used_up.map(Box::new).or(self.spent.take());
        self.failed(transition, (why, Cause::Network), is_current, turn);
        true
    }

    /// Reports the failure of a request whose exchange has panicked.
    pub(super) fn report_panic(&mut self, calling: Calling, turn: Turn<'_>) {
        let (transition, is_current) = match calling {
            Calling::Read { failed, is_current } => {
                bump(&mut self.counters.unanswered);
                (failed, is_current)
            }
            Calling::Request(announced) => {
                self.emit(Event::Moved(announced));
                let failed = transitions::failing(announced.to);
                self.machine.end_announced(failed);
                (failed, true)
            }
        };
        let why = (TransportFailure::Other, Cause::Server);
        self.failed(transition, why, is_current, turn);
    }

    /// Returns whether these are the login's own credentials. The outcome of a request made with superseded ones
    /// is ignored, except for its token.
    fn is_current(&self, credentials: &Credentials) -> bool {
        self.login.renewable().is_some_and(|login| login.credentials == *credentials)
    }

    /// Notes that the credentials of the request in flight are used up, if they are usable once.
    fn spend_credentials(&mut self) {
        if let Some(flight) = self.machine.flight().filter(|flight| flight.single_use) {
            self.spent = Some(Box::new(flight.credentials.clone()));
        }
    }

    /// Replaces the login's credentials by their successor. Its exchange may panic, so it is asked last.
    fn take_successor(&mut self, successor: &Credentials) {
        let Some(login) =
            self.login.renewable_mut().filter(|login| login.credentials != *successor)
        else {
            return;
        };
        let before = core::mem::replace(&mut login.credentials, successor.clone());
        login.endpoint = Lookup::None;
        login.given.get_or_insert_with(|| Box::new(before.clone()));
        self.emit(Event::CredentialsChanged);
        if !same_endpoint(&before, successor) {
            self.forget_ages();
        }
    }

    fn granted(&mut self, transition: Transition, after_401: bool, turn: Turn<'_>) {
        self.counters.count_grant(transition.cause);
        if !after_401 {
            self.abandon_proof();
        }
        self.token = TokenStatus::granted(after_401);
        self.backoff.succeed();
        let token = self.machine.active().map(|active| &active.token);
        if token.is_some_and(|token| token.lifetime.validity(turn.at) == Validity::Valid) {
            self.backoff = Backoff::default();
        } else {
            // It may have expired on its way: asking again at once would be a loop.
            self.backoff.note_flaw(None);
            self.back_off(Cause::Server, turn);
        }
        self.emit(Event::Moved(transition));
    }

    /// Draws the conclusions from a denial. One of superseded credentials allows none.
    fn denied(&mut self, transition: Transition, denial: Denial, is_current: bool, turn: Turn<'_>) {
        self.counters.count_denial(&denial);
        let Consequences { gave_up, still_malformed } =
            if is_current { self.consequences(&denial, turn) } else { Consequences::default() };
        self.emit(Event::Denied(transition, denial));
        if let Some(flaw) = still_malformed {
            self.emit(Event::StillMalformed(flaw));
        }
        if gave_up {
            self.emit(Event::GaveUp);
        }
    }

    fn consequences(&mut self, denial: &Denial, turn: Turn<'_>) -> Consequences {
        let (flaw, cause) = match denial.kind() {
            DenialKind::Malformed(Flaw::Markup) => (Some(Flaw::Markup), Cause::Portal),
            DenialKind::Malformed(flaw) => (Some(flaw), Cause::Server),
            DenialKind::Redirect => (None, Cause::Portal),
            _ => (None, Cause::Server),
        };
        let broken = self.backoff.note_flaw(flaw);
        let still_malformed = flaw.filter(|_| broken);
        if !denial.is_permanent() {
            return Consequences { gave_up: self.fail_try(cause, turn), still_malformed };
        }
        if let Some(login) = self.login.renewable_mut() {
            login.blocked = Some(Blocked::Refused);
        }
        Consequences { gave_up: false, still_malformed }
    }

    /// Draws the conclusions from a request without a reply. One of superseded credentials allows none.
    fn failed(
        &mut self,
        transition: Transition,
        (why, cause): (TransportFailure, Cause),
        is_current: bool,
        turn: Turn<'_>,
    ) {
        self.emit(Event::Failed(transition, why));
        if is_current {
            self.backoff.note_flaw(None);
            if self.fail_try(cause, turn) {
                self.emit(Event::GaveUp);
            }
        }
    }

    /// Counts one more failed try. Returns whether the driver gave up over it.
    fn fail_try(&mut self, cause: Cause, turn: Turn<'_>) -> bool {
        self.back_off(cause, turn);
        let exhausted = turn.policy().is_exhausted_by(self.backoff.fail());
        if exhausted && let Some(login) = self.login.renewable_mut() {
            login.blocked = Some(Blocked::GaveUp);
        }
        exhausted
    }

    fn back_off(&mut self, cause: Cause, turn: Turn<'_>) {
        let core = &self.machine.core;
        let chance = (core.seed(), core.generations());
        self.backoff.grow(turn.policy(), turn.ticks(), chance, cause);
    }

    /// Returns the current token's age.
    pub(super) fn token_age(&self, at: Stamp) -> Option<TokenAge> {
        let token = &self.machine.active()?.token;
        Some(TokenAge { millis: token.lifetime.age_at(at), stated: token.stated_age() })
    }

    /// A token that has lived long enough shows that the renewal before it cured.
    pub(super) fn observe_age(&mut self, turn: Turn<'_>) {
        if self.learned.is_none() {
            return;
        }
        let age = self.token_age(turn.at);
        if let Some((learned, age)) = self.learned.as_mut().zip(age) {
            learned.observe(turn.policy(), age.millis);
        }
    }

    /// The next token proves nothing.
    pub(super) fn abandon_proof(&mut self) {
        if let Some(learned) = &mut self.learned {
            learned.abandon_proof();
        }
    }

    /// The token gives way to its successor, or has expired. Returns whether a 401 asked for that.
    pub(super) fn retire(&mut self, retiring: Option<TokenAge>, turn: Turn<'_>) -> bool {
        let Some(age) = retiring else { return false };
        match &mut self.learned {
            Some(learned) => learned.retire(turn.policy(), &self.token, age),
            None => self.token.wants_renewal(),
        }
    }

    /// Gives up the request in flight, if there is one.
    pub(super) fn abandon(&mut self) {
        self.spend_credentials();
        if let Some(id) = self.machine.in_flight() {
            bump(&mut self.counters.abandoned);
            self.queue.push(Queued::Abandon(id));
        }
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.queue.push(Queued::Event(event));
    }
}

/// Returns whether a reply tells as little as a lost one: it may have been a grant, which used the credentials
/// up. Markup is a captive portal's page: the service has not seen the request.
fn is_lost(denial: &Denial) -> bool {
    let granting = denial.status().is_success();
    match denial.kind() {
        DenialKind::Malformed(Flaw::Markup | Flaw::ExpiredOnArrival) => false,
        DenialKind::Malformed(_) | DenialKind::Transient => granting,
        _ => false,
    }
}
