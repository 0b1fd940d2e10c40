//! Time, and what it makes due: everything that a driver does by itself happens in `poll`.

use core::time::Duration;

use bytes::Bytes;
use http::Request;

use super::backoff::Cause;
use super::counters::bump;
use super::event::Event;
use super::floors::Target;
use super::login::{Login, Stalled};
use super::machine::Driver;
use super::output::{Output, Wait, Wake, WakeReason};
use super::token_status::TokenStatus;
use crate::exchange::{Credentials, Grant};
use crate::session::transitions::{self, StateName, Transition};
use crate::session::{Active, AnySession, Input, Rejection, Session, Step, TransportFailure};
use crate::time::{Moment, millis};

/// A request that an event has announced, and that the next poll hands out. Until then the session is as it
/// was: id, budget, time stamp and deadline are the hand-out's.
#[derive(Clone)]
pub(super) struct Announced {
    pub(super) credentials: Credentials,
    request: Request<Bytes>,
    pub(super) transition: Transition,
}

/// What follows when nothing is queued.
enum Plan {
    Ask,
    Wait(Wake),
}

impl Driver {
    /// What to do next. Call it after every other call and when a wait is over, until it answers
    /// [`Output::Wait`], which it never does while there is something to do. A poll that comes early,
    /// late or twice does no harm.
    pub fn poll(&mut self, now: Moment) -> Output {
        let ticks = self.session.observe(now);
        self.observe_age(now);
        if let Some(queued) = self.queue.pop_front() {
            return queued.into();
        }
        if let Some(announced) = self.announced.take() {
            return self.send(*announced, ticks, now);
        }
        self.settle(ticks, now);
        if let Some(queued) = self.queue.pop_front() {
            return queued.into();
        }
        match self.plan(ticks, now) {
            Plan::Ask => self.announce(),
            Plan::Wait(wake) => Output::Wait(wake),
        }
    }

    /// Does one thing that is due and needs no request, if there is one.
    fn settle(&mut self, ticks: u64, now: Moment) {
        let _ = self.carry_out_wish(now)
            || self.tell_token_needed(now)
            || self.lapse(now)
            || self.time_out(ticks, now);
    }

    /// Hands a token or credentials that the caller has started with to the session.
    fn carry_out_wish(&mut self, now: Moment) -> bool {
        match &mut self.login {
            Login::Pending(grant) => {
                let grant = grant.clone();
                self.login = Login::Adopted;
                self.adopt(grant, now)
            }
            Login::Renewable(login) if login.adopt_first.is_some() => {
                let grant = login.adopt_first.take();
                grant.is_some_and(|grant| self.adopt(grant, now))
            }
            Login::Renewable(login) if login.unset => {
                let state = self.session.state();
                // A request on its way goes on with the credentials that it was made with.
                login.unset = state == StateName::Authenticating;
                let holds_others = matches!(state, StateName::Active | StateName::Expired);
                let credentials = login.credentials.clone();
                holds_others && self.set_credentials(credentials, now)
            }
            _ => false,
        }
    }

    fn adopt(&mut self, grant: Grant, now: Moment) -> bool {
        match self.step(Input::Adopt(grant), now) {
            Step::Moved(transition) => {
                self.token = TokenStatus::default();
                self.learned.abandon_proof();
                bump(&mut self.counters.adoptions);
                self.tell(Event::Moved(transition));
                true
            }
            Step::Rejected(Rejection::Denied(denial)) => {
                let nothing_else = self.login == Login::Adopted;
                if nothing_else && self.session.state() == StateName::Unauthenticated {
                    self.login = Login::Nobody;
                }
                self.tell(Event::NotAdopted(denial));
                true
            }
            _ => false,
        }
    }

    fn set_credentials(&mut self, credentials: Credentials, now: Moment) -> bool {
        let step = self.step(Input::SetCredentials(credentials), now);
        let Step::Moved(transition) = step else { return false };
        self.tell(Event::Moved(transition));
        true
    }

    /// Tells, once per token, that a token which can't be renewed is due for it.
    fn tell_token_needed(&mut self, now: Moment) -> bool {
        let AnySession::Active(session) = &self.session else { return false };
        let needed = self.login == Login::Adopted && session.renewal_due_in(now).is_zero();
        if !needed || self.token.token_needed_emitted {
            return false;
        }
        let generation = session.generation();
        self.token.token_needed_emitted = true;
        self.tell(Event::TokenNeeded(generation));
        true
    }

    fn lapse(&mut self, now: Moment) -> bool {
        let AnySession::Active(session) = &self.session else { return false };
        if session.lapses_in(now) != Some(Duration::ZERO) {
            return false;
        }
        let expiring = self.token_age(now);
        if let Step::Moved(transition) = self.step(Input::Advance, now) {
            self.retire(expiring);
            // What was known of this token is no reason to doubt the next one.
            self.learned.abandon_proof();
            self.token = TokenStatus::default();
            self.tell(Event::Moved(transition));
        }
        true
    }

    /// Gives up a request whose deadline has passed.
    fn time_out(&mut self, ticks: u64, now: Moment) -> bool {
        let Some(id) = self.session.in_flight() else { return false };
        if self.overdue_in(now) != Some(Duration::ZERO) {
            return false;
        }
        let why = TransportFailure::TimedOut;
        let up_to_date = self.asks_up_to_date();
        if let Step::Moved(transition) = self.step(Input::Failure(id, why), now) {
            self.abandon(id);
            let gave_up = self.failed(ticks, Cause::Network, up_to_date);
            self.tell(Event::Failed(transition, why));
            self.tell_if(gave_up, Event::GaveUp);
        }
        true
    }

    fn overdue_in(&self, now: Moment) -> Option<Duration> {
        match &self.session {
            AnySession::Authenticating(session) => Some(session.overdue_in(now)),
            AnySession::Active(session) => session.overdue_in(now),
            AnySession::Unauthenticated(_) | AnySession::Expired(_) => None,
        }
    }

    /// What is to be done, or waited for.
    fn plan(&self, ticks: u64, now: Moment) -> Plan {
        let deadline = self.overdue_in(now).map(|left| (millis(left), WakeReason::Deadline));
        let (next, expiry) = match &self.session {
            AnySession::Active(session) => {
                let expiry = session.lapses_in(now);
                let next = deadline.or_else(|| self.renewal(session, ticks, now));
                (next, expiry.map(|left| (millis(left), WakeReason::Expiry)))
            }
            _ => (deadline.or_else(|| self.may_ask_in(ticks)), None),
        };
        match (next, [next, expiry].into_iter().flatten().min()) {
            (Some((0, _)), _) => Plan::Ask,
            (_, Some(wait)) => Plan::Wait(Wake::after(wait)),
            (_, None) => Plan::Wait(Wake::OnInput),
        }
    }

    /// When renewal is both due and allowed, or due to be told about.
    fn renewal(&self, session: &Session<Active>, ticks: u64, now: Moment) -> Option<Wait> {
        if self.login == Login::Adopted {
            let due = (millis(session.renewal_due_in(now)), WakeReason::Renewal);
            return (!self.token.token_needed_emitted).then_some(due);
        }
        let due = (self.renewal_due_in(session, now), WakeReason::Renewal);
        let allowed = self.may_ask_in(ticks)?;
        // The later of the two; of equals, that it is due says more.
        [allowed, due].into_iter().max_by_key(|(wait, _)| *wait)
    }

    /// Returns in how many milliseconds renewal is due: at once after a 401; otherwise by what is stated and
    /// what was learned, and by what will have been learned by then.
    fn renewal_due_in(&self, session: &Session<Active>, now: Moment) -> u64 {
        if self.token.wants_renewal() {
            return 0;
        }
        if !self.token.is_asked_for() {
            return session.renewal_due_within(None, now);
        }
        let due = session.renewal_due_within(self.learned.limit(), now);
        match self.learned.cure(&self.policy) {
            Some((proven_at, limit)) => {
                let proven_in = proven_at.saturating_sub(session.age(now));
                due.min(proven_in.max(session.renewal_due_within(limit, now)))
            }
            None => due,
        }
    }

    /// When a request may be made, as far as anything but the token's age has a say in it; `None` for
    /// not before the next input.
    fn may_ask_in(&self, ticks: u64) -> Option<Wait> {
        let Login::Renewable(login) = &self.login else { return None };
        if !self.online || login.stalled.is_some() {
            return None;
        }
        let opens = [
            (self.backoff.until(), WakeReason::Backoff),
            (self.floors.until(login.target.as_ref()), WakeReason::RetryAfter),
            (self.budget.opens_at(&self.policy), WakeReason::Budget),
        ];
        opens
            .into_iter()
            .map(|(tick, reason)| (tick.saturating_sub(ticks), reason))
            .max_by_key(|(wait, _)| *wait)
    }

    /// Builds the request, and says that it is sent next.
    fn announce(&mut self) -> Output {
        let transition = transitions::sending(self.session.state());
        let (Login::Renewable(login), Some(transition)) = (&mut self.login, transition) else {
            return Output::Wait(Wake::OnInput);
        };
        match login.credentials.request() {
            Ok(request) => {
                // An exchange may have had no request to offer when it was started with.
                login.target = login.target.take().or_else(|| Target::at(request.uri()));
                let credentials = login.credentials.clone();
                self.announced = Some(Box::new(Announced { credentials, request, transition }));
                Output::Event(Event::Moved(transition))
            }
            Err(error) => {
                login.stalled = Some(Stalled::NoRequest);
                Output::Event(Event::NotSent(error))
            }
        }
    }

    /// Hands the announced request out.
    fn send(&mut self, announced: Announced, ticks: u64, now: Moment) -> Output {
        let Announced { credentials, request, .. } = announced;
        let pinned = self.login.pinned();
        let (session, step) = self.session.take().ask(credentials, pinned, request, now);
        self.session = session;
        let Step::Sent(_, outgoing) = step else { return Output::Wait(Wake::OnInput) };
        self.budget.spend(&self.policy, ticks);
        bump(&mut self.counters.requests);
        Output::Send(outgoing)
    }
}
