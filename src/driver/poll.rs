//! Time, and what it makes due: everything that a driver does by itself happens in `poll`.

use super::counters::bump;
use super::event::Event;
use super::output::{Idle, Output, Wait, Wake, WakeReason};
use super::retry_after::Endpoint;
use super::start::Login;
use super::token_status::TokenStatus;
use super::{Calling, Driver, Local, Shared};
use crate::exchange::Grant;
use crate::session::transitions::{self, StateName, Transition};
use crate::session::{Active, Blocked, Prepared, TransportFailure};
use crate::time::Moment;

/// A request that an event has announced, and that the next poll hands out. Until then the session is as it
/// was: the hand-out takes id, budget, time stamp and deadline.
#[derive(Clone)]
pub(super) struct Announced {
    pub(super) prepared: Prepared,
    pub(super) transition: Transition,
    /// Where it is sent. The login's may be another one by then.
    endpoint: Option<Endpoint>,
}

/// What follows when nothing is queued.
enum Plan {
    Ask,
    Wait(Option<Wait>),
}

impl Driver {
    /// Returns what to do next. Call it after every other call and when a wait is over, until it answers
    /// [`Output::Wait`], which it never does while there is something to do. A poll that comes early,
    /// late or twice does no harm.
    pub fn poll(&mut self, now: Moment) -> Output {
        self.local.poll(&self.shared, now)
    }
}

impl Local {
    fn poll(&mut self, shared: &Shared, now: Moment) -> Output {
        if let Some(idle) = self.idle {
            self.machine.core.observe(now);
            if let Some(wake) = idle.wake_at(self.machine.core.clock.stamp()) {
                return Output::Wait(wake);
            }
        }
        let ticks = self.observe(shared, now);
        self.observe_age(shared, now);
        if let Some(queued) = self.queue.pop_front() {
            return queued.into();
        }
        if let Some(announced) = self.announced.take() {
            return self.send(shared, *announced, ticks, now);
        }
        self.run_due(shared, ticks, now);
        if let Some(queued) = self.queue.pop_front() {
            return queued.into();
        }
        match self.plan(shared, ticks, now) {
            Plan::Ask => self.announce(),
            Plan::Wait(wait) => {
                let idle = Idle::new(wait, self.machine.core.clock.stamp());
                // What is being proven changes the plan with time alone.
                self.idle = (!self.learned.is_proving()).then_some(idle);
                Output::Wait(wait.map_or(Wake::OnInput, Wake::after))
            }
        }
    }

    /// Does one thing that is due and needs no request, if there is one.
    fn run_due(&mut self, shared: &Shared, ticks: u64, now: Moment) {
        let _ = self.apply_pending_start(shared, now)
            || self.report_spent_credentials()
            || self.report_token_needed(now)
            || self.lapse(shared, now)
            || self.time_out(shared, ticks, now);
    }

    /// Adopts the token that the caller has started with.
    fn apply_pending_start(&mut self, shared: &Shared, now: Moment) -> bool {
        let Some(grant) = self.login.take_pending() else { return false };
        self.adopt(shared, &grant, now);
        true
    }

    fn adopt(&mut self, shared: &Shared, grant: &Grant, now: Moment) {
        match self.machine.adopt(grant, &shared.config, now) {
            Ok(Some(transition)) => {
                self.token = TokenStatus::default();
                self.learned.abandon_proof();
                bump(&mut self.counters.adoptions);
                self.emit(Event::Moved(transition));
            }
            Ok(None) => {}
            Err(error) => {
                let nothing_else = matches!(self.login, Login::Token(_));
                if nothing_else && self.machine.state() == StateName::Unauthenticated {
                    self.login = Login::None;
                }
                self.emit(Event::NotAdopted(error));
            }
        }
    }

    /// Reports, once per login, that its credentials are used up.
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
    fn report_token_needed(&mut self, now: Moment) -> bool {
        let Some(active) = self.machine.active() else { return false };
        let needed = matches!(self.login, Login::Token(_))
            && active.renewal_due_in(&self.machine.core, now) == 0;
        if !needed || self.token.token_needed_emitted {
            return false;
        }
        let generation = active.generation();
        self.token.token_needed_emitted = true;
        self.emit(Event::TokenNeeded(generation));
        true
    }

    fn lapse(&mut self, shared: &Shared, now: Moment) -> bool {
        let expiring = self.token_age(now);
        let Some(transition) = self.machine.advance(now) else { return false };
        self.retire(shared, expiring);
        // What was known of this token is no reason to doubt the next one.
        self.learned.abandon_proof();
        self.token = TokenStatus::default();
        self.emit(Event::Moved(transition));
        true
    }

    /// Gives up a request whose deadline has passed.
    fn time_out(&mut self, shared: &Shared, ticks: u64, now: Moment) -> bool {
        let overdue = self.overdue_in(shared, now) == Some(0);
        let Some(id) = self.machine.in_flight().filter(|_| overdue) else { return false };
        self.abandon();
        self.fail(shared, id, TransportFailure::TimedOut, (ticks, now))
    }

    fn overdue_in(&self, shared: &Shared, now: Moment) -> Option<u64> {
        let flight = self.machine.flight()?;
        Some(flight.overdue_in(&self.machine.core, &shared.config, now))
    }

    /// Returns what is to be done, or waited for.
    fn plan(&self, shared: &Shared, ticks: u64, now: Moment) -> Plan {
        let deadline = self.overdue_in(shared, now).map(|left| (left, WakeReason::Deadline));
        let (next, expiry) = match self.machine.active() {
            Some(active) => {
                let expiry = active.lapses_in(&self.machine.core, now);
                let next = deadline.or_else(|| self.renewal(shared, active, ticks, now));
                (next, expiry.map(|left| (left, WakeReason::Expiry)))
            }
            None => (deadline.or_else(|| self.may_ask_in(shared, ticks)), None),
        };
        match (next, [next, expiry].into_iter().flatten().min()) {
            (Some((0, _)), _) => Plan::Ask,
            (_, wait) => Plan::Wait(wait),
        }
    }

    /// Returns when renewal is both due and allowed, or due to be reported.
    fn renewal(&self, shared: &Shared, active: &Active, ticks: u64, now: Moment) -> Option<Wait> {
        if matches!(self.login, Login::Token(_)) {
            let due = (active.renewal_due_in(&self.machine.core, now), WakeReason::Renewal);
            return (!self.token.token_needed_emitted).then_some(due);
        }
        let allowed = self.may_ask_in(shared, ticks)?;
        let due = (self.renewal_due_in(shared, active, now), WakeReason::Renewal);
        // The later of the two; of equals, that it is due says more.
        [allowed, due].into_iter().max_by_key(|(wait, _)| *wait)
    }

    /// Returns in how many milliseconds renewal is due: at once after a 401; otherwise by what is stated and
    /// what was learned, and by what will have been learned by then.
    fn renewal_due_in(&self, shared: &Shared, active: &Active, now: Moment) -> u64 {
        if self.token.wants_renewal() {
            return 0;
        }
        let core = &self.machine.core;
        let due_within = |limit| active.renewal_due_within(limit, core, &shared.config, now);
        if !self.token.is_asked_for() {
            return due_within(None);
        }
        let due = due_within(self.learned.limit());
        match self.learned.cure(&shared.policy) {
            Some((proven_at, limit)) => {
                let proven_in = proven_at.saturating_sub(active.age(core, now));
                due.min(proven_in.max(due_within(limit)))
            }
            None => due,
        }
    }

    /// Returns in how many milliseconds a request may be made, whatever the token's age; `None` for not before
    /// the next input.
    fn may_ask_in(&self, shared: &Shared, ticks: u64) -> Option<Wait> {
        let login = self.login.renewable()?;
        if !self.online || self.blocked().is_some() {
            return None;
        }
        let opens = [
            (self.backoff.until(), WakeReason::Backoff),
            (self.retry_after.until(login.endpoint), WakeReason::RetryAfter),
            (self.budget.opens_at(&shared.policy), WakeReason::Budget),
        ];
        opens
            .into_iter()
            .map(|(tick, reason)| (tick.saturating_sub(ticks), reason))
            .max_by_key(|(wait, _)| *wait)
    }

    /// Builds the request, and reports that it is sent next.
    fn announce(&mut self) -> Output {
        let transition = transitions::sending(self.machine.state());
        let (Some(login), Some(transition)) = (self.login.renewable_mut(), transition) else {
            return Output::Wait(Wake::OnInput);
        };
        self.calling = Some(Calling::Request(transition));
        let prepared = Prepared::new(&login.credentials, self.machine.held_identity());
        self.calling = None;
        match prepared {
            Ok(prepared) => {
                let endpoint = login.endpoint;
                self.announced = Some(Box::new(Announced { prepared, transition, endpoint }));
                Output::Event(Event::Moved(transition))
            }
            Err(error) => {
                login.blocked = Some(Blocked::NoRequest);
                Output::Event(Event::NotSent(error))
            }
        }
    }

    /// Hands the announced request out.
    fn send(&mut self, shared: &Shared, announced: Announced, ticks: u64, now: Moment) -> Output {
        let Announced { prepared, endpoint, .. } = announced;
        let Some(outgoing) = self.machine.send(prepared, &shared.config, now) else {
            return Output::Wait(Wake::OnInput);
        };
        self.asked = endpoint;
        self.budget.spend(&shared.policy, ticks);
        bump(&mut self.counters.requests);
        Output::Send(outgoing)
    }
}
