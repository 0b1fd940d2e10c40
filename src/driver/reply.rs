//! What replies, failures and denials lead to.

use super::{
    Backoff, Calling, Delivery, Endpoint, Event, FailureCause, Local, Lookup, Queued, TokenAge,
    TokenStatus, Turn, bump, same_endpoint,
};
use crate::exchange::{Credentials, Denial, DenialKind, Flaw, Reply};
use crate::session::transitions::{self, Transition};
use crate::session::{Blocked, Outcome, RequestId, TransportFailure};
use crate::time::{Stamp, Validity};

impl Local {
    pub(super) fn receive(&mut self, id: RequestId, reply: Reply<'_>, turn: Turn<'_>) -> Delivery {
        let Some(is_current) = self.is_current(id) else {
            bump(&mut self.counters.stale);
            return Delivery::Stale;
        };
        // Until the reply is read, it is lost.
        let spent = self.spent.clone();
        self.spend_credentials();
        let retiring = self.token_age(turn.at);
        let failed = transitions::failing(self.machine.state());
        self.calling = Some(Calling::Read { failed, is_current });
        let current = self.login.renewable().map(|login| &login.credentials);
        let received = self.machine.receive(id, reply, current, turn.config(), turn.now);
        let Some((transition, outcome)) = received else { return Delivery::Stale };
        let Outcome { result: denial, credentials, successor } = outcome;
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

    /// Ends the request in flight without a reply. Returns whether it has this id.
    pub(super) fn fail(&mut self, id: RequestId, why: TransportFailure, turn: Turn<'_>) -> bool {
        let Some(is_current) = self.is_current(id) else { return false };
        if why != TransportFailure::Unreachable {
            self.spend_credentials();
        }
        let Some(transition) = self.machine.fail(id, turn.now) else { return false };
        self.failed(transition, (why, FailureCause::Network), is_current, turn);
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
        let why = (TransportFailure::Other, FailureCause::Server);
        self.failed(transition, why, is_current, turn);
    }

    /// Returns whether the request with this id was made with the login's own credentials; `None` if it is not in
    /// flight. The outcome of a request made with superseded ones is ignored, except for its token.
    fn is_current(&self, id: RequestId) -> Option<bool> {
        let flight = self.machine.flight().filter(|flight| flight.id == id)?;
        Some(self.login.renewable().is_some_and(|login| login.credentials == flight.credentials))
    }

    /// Notes that the credentials of the request in flight are used up, if they are usable once. If the login has
    /// others that are, these stay known: it must not send them by itself.
    fn spend_credentials(&mut self) {
        if let Some(flight) = self.machine.flight().filter(|flight| flight.single_use) {
            let lost = &flight.credentials;
            let current = self.login.renewable().map(|login| &login.credentials);
            let kept = self.spent.iter().filter(|spent| Some(*spent) == current && *spent != lost);
            self.spent = kept.chain([lost]).cloned().collect();
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
        self.backoff.tries = 0;
        let token = self.machine.active().map(|active| &active.token);
        if token.is_some_and(|token| token.lifetime.validity(turn.at) == Validity::Valid) {
            self.backoff = Backoff::default();
        } else {
            // It may have expired on its way: asking again at once would be a loop.
            self.backoff.note_flaw(None);
            self.back_off(FailureCause::Server, turn);
        }
        self.emit(Event::Moved(transition));
    }

    /// Draws the conclusions from a denial. One of superseded credentials allows none.
    fn denied(&mut self, transition: Transition, denial: Denial, is_current: bool, turn: Turn<'_>) {
        self.counters.count_denial(&denial);
        let (kind, is_permanent) = (denial.kind(), denial.is_permanent());
        self.emit(Event::Denied(transition, denial));
        if !is_current {
            return;
        }
        let (flaw, cause) = match kind {
            DenialKind::Malformed(Flaw::Markup) => (Some(Flaw::Markup), FailureCause::Portal),
            DenialKind::Malformed(flaw) => (Some(flaw), FailureCause::Server),
            DenialKind::Redirect => (None, FailureCause::Portal),
            _ => (None, FailureCause::Server),
        };
        let is_broken = self.backoff.note_flaw(flaw);
        if let Some(flaw) = flaw.filter(|_| is_broken) {
            self.emit(Event::StillMalformed(flaw));
        }
        if is_permanent {
            self.block(Blocked::Refused);
        } else {
            self.fail_try(cause, turn);
        }
    }

    /// Draws the conclusions from a request without a reply. One of superseded credentials allows none.
    fn failed(
        &mut self,
        transition: Transition,
        (why, cause): (TransportFailure, FailureCause),
        is_current: bool,
        turn: Turn<'_>,
    ) {
        self.emit(Event::Failed(transition, why));
        if is_current {
            self.backoff.note_flaw(None);
            self.fail_try(cause, turn);
        }
    }

    /// Counts one more failed try. The driver may give up over it.
    fn fail_try(&mut self, cause: FailureCause, turn: Turn<'_>) {
        self.back_off(cause, turn);
        bump(&mut self.backoff.tries);
        if turn.policy().is_exhausted_by(self.backoff.tries) {
            self.block(Blocked::GaveUp);
            self.emit(Event::GaveUp);
        }
    }

    /// Makes no more requests with the login's credentials.
    fn block(&mut self, reason: Blocked) {
        if let Some(login) = self.login.renewable_mut() {
            login.blocked = Some(reason);
        }
    }

    fn back_off(&mut self, cause: FailureCause, turn: Turn<'_>) {
        let core = &self.machine.core;
        let chance = (core.seed(), core.generations());
        self.backoff.grow(turn.policy(), turn.ticks(), chance, cause);
    }

    /// Returns the current token's age.
    pub(super) fn token_age(&self, at: Stamp) -> Option<TokenAge> {
        let token = &self.machine.active()?.token;
        let (millis, stated) = (token.lifetime.age_at(at), token.stated_age());
        Some(TokenAge { generation: token.generation, millis, stated })
    }

    /// A token that has lived long enough shows that the renewal before it cured.
    pub(super) fn observe_age(&mut self, turn: Turn<'_>) {
        if let (Some(learned), Some(active)) = (&mut self.learned, self.machine.active()) {
            learned.observe(turn.policy(), active.token.lifetime.age_at(turn.at));
        }
    }

    /// The next token proves nothing.
    pub(super) fn abandon_proof(&mut self) {
        if let Some(learned) = &mut self.learned {
            learned.unproven = None;
        }
    }

    /// The token gives way to its successor, or has expired. Returns whether a 401 asked for that.
    pub(super) fn retire(&mut self, retiring: Option<TokenAge>, turn: Turn<'_>) -> bool {
        if let (Some(learned), Some(age)) = (&mut self.learned, retiring) {
            learned.retire(turn.policy(), &self.token, age);
        }
        self.token.wants_renewal()
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
