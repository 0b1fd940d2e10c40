//! Time, and what it makes due: everything that a driver does by itself happens in `poll`.

use super::{
    Calling, Driver, Endpoint, Event, Idle, Local, Login, Lookup, Output, Shared, TokenStatus,
    Turn, Wait, Wake, WakeReason, bump,
};
use crate::session::transitions::{self, Transition};
use crate::session::{Active, ActiveToken, Blocked, Prepared, TransportFailure};
use crate::time::Moment;

/// A request that an event has announced, and that the next poll hands out. Until then the session is as it
/// was: the hand-out takes id, budget, time stamp and deadline.
#[derive(Clone)]
pub(super) struct Announced {
    pub(super) prepared: Prepared,
    pub(super) transition: Transition,
}

impl Driver {
    /// Returns what to do next. Call it after every other call and when a wait is over, until it answers
    /// [`Output::Wait`], which it never does while there is something to do. A poll that comes early,
    /// late or twice does no harm.
    #[inline]
    pub fn poll(&mut self, now: Moment) -> Output {
        match self.local.poll_idle(now) {
            Some(wake) => Output::Wait(wake),
            None => self.local.poll(&self.shared, now),
        }
    }
}

impl Local {
    /// Answers a poll with what is left of the last wait, if no input came since.
    fn poll_idle(&mut self, now: Moment) -> Option<Wake> {
        let idle = self.idle?;
        self.machine.core.observe(now);
        idle.wake_at(self.machine.core.clock.stamp())
    }

    // Apart from the idle case, which it would make slower.
    #[inline(never)]
    fn poll(&mut self, shared: &Shared, now: Moment) -> Output {
        let turn = self.observe(shared, now);
        self.observe_age(turn);
        if self.queue.len() == 0 && self.announced.is_none() {
            self.run_due(turn);
        }
        if let Some(queued) = self.queue.pop() {
            return queued.into();
        }
        if let Some(announced) = self.announced.take() {
            return self.send(*announced, turn);
        }
        self.look_up_endpoint();
        self.ask_or_wait(turn)
    }

    /// Looks up where the next request goes, if a server has asked for a wait: once for the same credentials, since
    /// the exchange may panic.
    fn look_up_endpoint(&mut self) {
        let asked = !self.retry_after.is_empty();
        let login = self.login.renewable_mut();
        if let Some(login) = login.filter(|login| asked && login.endpoint == Lookup::None) {
            login.endpoint = Lookup::Unknown;
            login.endpoint = Endpoint::of(&login.credentials).into();
        }
    }

    fn ask_or_wait(&mut self, turn: Turn<'_>) -> Output {
        let (request, expiry) = self.plan(turn);
        if let Some((0, _)) = request {
            return self.announce(turn).unwrap_or_else(|| self.ask_or_wait(turn));
        }
        let wait = [request, expiry].into_iter().flatten().min();
        self.idle = Some(Idle::new(wait, turn.at));
        Output::Wait(wait.map_or(Wake::OnInput, Wake::after))
    }

    /// Does one thing that is due and needs no request, if there is one.
    fn run_due(&mut self, turn: Turn<'_>) {
        let _ = self.apply_pending_start(turn)
            || self.report_spent_credentials()
            || self.report_token_needed(turn)
            || self.lapse(turn)
            || self.time_out(turn);
    }

    /// Adopts the token that the caller has started with.
    fn apply_pending_start(&mut self, turn: Turn<'_>) -> bool {
        let Some(grant) = self.pending.take() else { return false };
        match self.machine.adopt(&grant, turn.config(), turn.now) {
            Ok(Some(transition)) => {
                self.token = TokenStatus::default();
                self.abandon_proof();
                bump(&mut self.counters.adoptions);
                self.emit(Event::Moved(transition));
            }
            Ok(None) => {}
            Err(error) => {
                if matches!(self.login, Login::Token) {
                    self.login = Login::of(&self.machine);
                }
                self.emit(Event::NotAdopted(error));
            }
        }
        true
    }

    /// Reports, once, that the credentials are used up.
    fn report_spent_credentials(&mut self) -> bool {
        let spent = self.blocked() == Some(Blocked::Spent);
        let Some(login) = self.login.renewable_mut() else { return false };
        if !spent || login.spent_emitted {
            return false;
        }
        login.spent_emitted = true;
        self.emit(Event::CredentialsSpent);
        true
    }

    /// Reports, once per token, that a token which can't be renewed is due for it.
    fn report_token_needed(&mut self, turn: Turn<'_>) -> bool {
        let Some(Active { token, .. }) = self.machine.active() else { return false };
        let needed = matches!(self.login, Login::Token) && token.renewal_due_in(turn.at) == 0;
        if !needed || self.token.token_needed_emitted {
            return false;
        }
        let generation = token.generation;
        self.token.token_needed_emitted = true;
        self.emit(Event::TokenNeeded(generation));
        true
    }

    fn lapse(&mut self, turn: Turn<'_>) -> bool {
        let expiring = self.token_age(turn.at);
        let Some(transition) = self.machine.advance() else { return false };
        self.retire(expiring, turn);
        // What was known of this token is no reason to doubt the next one.
        self.abandon_proof();
        self.token = TokenStatus::default();
        self.emit(Event::Moved(transition));
        true
    }

    /// Gives up a request whose deadline has passed.
    fn time_out(&mut self, turn: Turn<'_>) -> bool {
        let overdue = self.overdue_in(turn) == Some(0);
        let Some(id) = self.machine.in_flight().filter(|_| overdue) else { return false };
        self.abandon();
        self.fail(id, TransportFailure::TimedOut, turn)
    }

    fn overdue_in(&self, turn: Turn<'_>) -> Option<u64> {
        Some(self.machine.flight()?.overdue_in(turn.config(), turn.at))
    }

    /// Returns when the next request or the deadline of the one in flight is due, and when the token expires.
    fn plan(&self, turn: Turn<'_>) -> (Option<Wait>, Option<Wait>) {
        let deadline = self.overdue_in(turn).map(|left| (left, WakeReason::Deadline));
        let Some(Active { token, .. }) = self.machine.active() else {
            return (deadline.or_else(|| self.may_ask_in(turn)), None);
        };
        let expiry = token.lifetime.until_expired(turn.at);
        let request = deadline.or_else(|| self.renewal(token, turn));
        (request, expiry.map(|left| (left, WakeReason::Expiry)))
    }

    /// Returns when renewal is both due and allowed, or due to be reported.
    fn renewal(&self, token: &ActiveToken, turn: Turn<'_>) -> Option<Wait> {
        if matches!(self.login, Login::Token) {
            let due = (token.renewal_due_in(turn.at), WakeReason::Renewal);
            return (!self.token.token_needed_emitted).then_some(due);
        }
        let allowed = self.may_ask_in(turn)?;
        let due = (self.renewal_due_in(token, turn), WakeReason::Renewal);
        // The later of the two; of equals, that it is due says more.
        [allowed, due].into_iter().max_by_key(|(wait, _)| *wait)
    }

    /// Returns in how many milliseconds renewal is due: at once after a 401; otherwise by what is stated and
    /// what was learned, and by what will have been learned by then.
    fn renewal_due_in(&self, token: &ActiveToken, turn: Turn<'_>) -> u64 {
        if self.token.wants_renewal() {
            return 0;
        }
        let jitter = (turn.config(), self.machine.core.seed());
        let due_within = |limit| token.renewal_due_within(limit, jitter, turn.at);
        if !self.token.is_asked_for() {
            return due_within(None);
        }
        let Some(learned) = &self.learned else { return due_within(None) };
        let due = due_within(learned.limit());
        match learned.proof(turn.policy()) {
            Some((proven_at, limit)) => {
                let proven_in = proven_at.saturating_sub(token.lifetime.age_at(turn.at));
                due.min(proven_in.max(due_within(limit)))
            }
            None => due,
        }
    }

    /// Returns in how many milliseconds a request may be made, whatever the token's age; `None` for not before
    /// the next input.
    fn may_ask_in(&self, turn: Turn<'_>) -> Option<Wait> {
        let login = self.login.renewable()?;
        if !self.online || self.blocked().is_some() {
            return None;
        }
        let asked_until = self.retry_after.until(login.endpoint.endpoint());
        let opens = [
            (self.backoff.until, WakeReason::Backoff),
            (asked_until, WakeReason::RetryAfter),
            (self.budget.opens_at(turn.policy()), WakeReason::Budget),
        ];
        opens
            .into_iter()
            .map(|(tick, reason)| (tick.saturating_sub(turn.ticks()), reason))
            .max_by_key(|(wait, _)| *wait)
    }

    /// Builds the request, and reports that it is sent next. Returns `None` if it turns out to go where nothing may
    /// be sent yet.
    fn announce(&mut self, turn: Turn<'_>) -> Option<Output> {
        let transition = transitions::sending(self.machine.state());
        let (Some(login), Some(transition)) = (self.login.renewable_mut(), transition) else {
            return Some(Output::Wait(Wake::OnInput));
        };
        self.calling = Some(Calling::Request(transition));
        let prepared = Prepared::new(&login.credentials, self.machine.core.identity.as_ref());
        self.calling = None;
        match prepared {
            Ok(prepared) => {
                if login.endpoint == Lookup::Unknown {
                    let endpoint = Endpoint::at(prepared.uri());
                    login.endpoint = endpoint.into();
                    if self.retry_after.until(endpoint) > turn.ticks() {
                        return None;
                    }
                }
                self.announced = Some(Box::new(Announced { prepared, transition }));
                Some(Output::Event(Event::Moved(transition)))
            }
            Err(error) => {
                login.blocked = Some(Blocked::NoRequest);
                Some(Output::Event(Event::NotSent(error)))
            }
        }
    }

    /// Hands the announced request out.
    fn send(&mut self, announced: Announced, turn: Turn<'_>) -> Output {
        let Some(outgoing) = self.machine.send(announced.prepared, turn.config(), turn.now) else {
            return Output::Wait(Wake::OnInput);
        };
        self.budget.spend(turn.policy(), turn.ticks());
        bump(&mut self.counters.requests);
        Output::Send(outgoing)
    }
}
