//! What time makes due, and needs no request.

use videokit_session::TransportFailure;
use videokit_session::driver::Blocked;
use videokit_session::session::transitions::{Cause, StateName};

use super::Model;
use super::clock::{Came, Life};
use super::early::{Refused, TokenStatus};
use super::words::{Answer, Told, What};

/// What follows by itself.
impl Model {
    /// Does the first thing that is due and needs no request. Where chance decides whether it is, the answer
    /// tells.
    pub(super) fn do_what_is_due(&mut self, answer: Answer) -> Result<(), String> {
        let overdue = |flight: usize| self.now() >= self.sends[flight].at.ticks + self.set.timeout;
        let told = matches!(answer, Answer::Told(Told::TokenNeeded(_)));
        if self.login.as_ref().is_some_and(|login| login.adopt.is_some()) {
            self.adopt();
        } else if self.blocked() == Some(Blocked::Spent)
            && !self.login.as_ref().is_some_and(|login| login.told_spent)
        {
            self.with_login().told_spent = true;
            self.emit(Told::CredentialsSpent);
        } else if !self.has_ask() && (told || self.is_surely_due()) {
            self.meet_limits()?;
            let token = self.token.as_mut().ok_or("no token is needed in place of none")?;
            token.needed = true;
            let generation = token.generation;
            self.emit(Told::TokenNeeded(generation));
        } else if self.token.as_ref().is_some_and(|token| self.is_dead(token.life)) {
            self.lapse();
        } else if let Some(flight) = self.flight.filter(|flight| overdue(*flight)) {
            self.flight = None;
            self.bump("abandoned");
            self.emit(Told::Abandoned(flight));
            let sent = self.sends[flight].clone();
            self.lose(sent.ask.clone());
            self.failed(&sent, TransportFailure::TimedOut);
        } else if answer == Answer::Told(Told::NotSent) {
            if self.next_endpoint().is_some() {
                return Err("there is a request to send".into());
            }
            self.meet_limits()?;
            self.stall = Some(Blocked::NoRequest);
            self.emit(Told::NotSent);
        }
        Ok(())
    }

    fn lapse(&mut self) {
        let in_flight = self.flight.is_some();
        let (cause, to) = if in_flight {
            (Cause::LapsedInFlight, StateName::Authenticating)
        } else {
            (Cause::Lapsed, StateName::Expired)
        };
        self.moved(cause, to);
        self.end_token();
        self.early.give_up_suspicion();
        self.token = None;
        self.expired = !in_flight;
    }

    /// Takes the token that the caller started with.
    fn adopt(&mut self) {
        let Some(bearer) = self.with_login().adopt.take() else { return };
        let now = self.readings.now();
        let life = Life::new(
            bearer.said,
            self.trust(false),
            now,
            now,
            self.readings.wall(),
            Came::Adopted,
        );
        if self.is_dead(life) {
            self.emit(Told::NotAdopted(What::Dead));
            let unauthenticated = self.state() == StateName::Unauthenticated;
            let nothing = unauthenticated && self.held.is_none() && !self.has_ask();
            self.login = self.login.take().filter(|_| !nothing);
            return;
        }
        let cause = if self.token.is_some() { Cause::Replaced } else { Cause::Adopted };
        self.moved(cause, StateName::Active);
        self.bump("adoptions");
        if let (Some(token), Some((age, _))) = (&self.token, self.token_age()) {
            self.early.lived(token.status, age);
        }
        self.early.give_up_suspicion();
        self.held = self.held.or(bearer.identity);
        self.hold(
            bearer,
            life,
            TokenStatus { own: false, after_401: false, refused: Refused::Never },
        );
    }
}
