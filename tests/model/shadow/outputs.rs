//! What comes out of a driver, judged by what is known of it.

use super::super::early::Refused;
use super::super::fixtures::{INTERVAL, Instant, Name, SPACING, TIMEOUT, owner};
use super::super::token::Flight;
use super::{Failed, Owed, Shadow, Stall, Verdict, Violation, check};
use crate::session::RequestId;
use crate::session::transitions::{Cause, StateName, TABLE, Transition};
use crate::{Event, Outgoing};

/// What came out of the driver.
impl Shadow {
    /// A request is announced. `due` says whether the current token asks for one by its age.
    fn announces(&mut self, cause: Cause, due: bool, now: u64) -> Verdict {
        let name = self.may_send(due, now)?;
        self.announced = Some(name);
        let wakes = match cause {
            Cause::RenewalSent => self.token.is_some(),
            _ => self.token.is_none(),
        };
        check(8, wakes, "it announces another request than follows")
    }

    /// A request comes out.
    pub(crate) fn sends(&mut self, outgoing: &Outgoing, at: Instant) -> Verdict {
        let now = at.mono;
        check(8, !self.owes(), "something else was to come first")?;
        let Some((person, secret)) = self.announced.take() else {
            return check(8, false, "a request comes out that was not announced");
        };
        check(1, self.flight.is_none(), "two requests are in flight")?;
        check(6, self.online, "there is no network")?;
        let header = outgoing.request().headers().get("authorization");
        let mine =
            header.is_some_and(|value| value.as_bytes().ends_with(format!(":{secret}").as_bytes()));
        check(3, !self.spent.contains(&Some((person, secret))), "its secret is used up")?;
        let there = outgoing.request().uri() == person.endpoint();
        check(2, mine && there, "it asks for another login")?;
        self.credit = (self.credit(now) - INTERVAL, now);
        self.last_sent = Some(now);
        self.flight = Some(Flight {
            id: outgoing.id(),
            asked: (person, secret),
            sent: now,
            slept_before: at.slept,
            slept: false,
        });
        Ok(())
    }

    /// Whether a request is wanted and allowed, and with what.
    fn may_send(&self, due: bool, now: u64) -> Result<Name, Violation> {
        check(8, !self.owes(), "something else was to come first")?;
        let none = self.flight.is_none() && self.announced.is_none();
        check(1, none, "two requests are in flight")?;
        check(1, self.credit(now) >= INTERVAL, "the bucket is empty")?;
        let spaced = self.last_sent.is_none_or(|last| now >= last + SPACING);
        check(1, spaced, "two requests come too close")?;
        check(7, self.login.is_some(), "nobody is logged in")?;
        let Some((person, secret)) = self.credentials else {
            return Err(Violation { rule: 2, how: "there is nothing to ask with" });
        };
        check(3, !self.is_spent(), "the credentials are used up")?;
        check(4, self.stall != Some(Stall::Refused), "the credentials were refused")?;
        check(6, self.stall.is_none(), "it had given up")?;
        check(6, self.online, "there is no network")?;
        check(6, now >= self.retry_after[person as usize], "the endpoint asked to be left alone")?;
        check(6, now >= self.pause.until, "the pause after a failure isn't over")?;
        check(5, due || self.recovers(), "nothing asks for a renewal")?;
        check(5, self.to_adopt.is_none(), "there is a token to be taken first")?;
        Ok((person, secret))
    }

    /// Whether a 401 asks for a renewal.
    fn recovers(&self) -> bool {
        self.token.is_some_and(|token| matches!(token.status.refused, Refused::Wanted(_)))
    }

    /// A request is given up: as was to come, or since its time is over.
    pub(crate) fn abandons(&mut self, id: RequestId, pause: u64, now: u64) -> Verdict {
        if self.owes() {
            let next = self.owed.pop_front();
            return check(7, next == Some(Owed::Abandon(id)), "something else was to come first");
        }
        let Some(flight) = self.flight.filter(|flight| flight.id == id) else {
            return check(9, false, "no such request is in flight");
        };
        check(9, now >= flight.sent + TIMEOUT, "its time is not over")?;
        let up_to_date = self.is_up_to_date();
        self.lose(flight.asked);
        self.complete();
        let failed = if self.token.is_some() { Cause::RenewalFailed } else { Cause::Failed };
        self.owe(Owed::Event(failed));
        self.fail(Failed::Network, None, up_to_date, pause);
        Ok(())
    }

    /// A transition is reported.
    pub(crate) fn moves(&mut self, transition: Transition, due: bool, at: Instant) -> Verdict {
        check(8, TABLE.contains(&transition), "there is no such transition")?;
        check(8, transition.from == self.told, "it begins where none ended")?;
        self.told = transition.to;
        if let Some(next) = self.owed.pop_front() {
            return check(
                8,
                next == Owed::Event(transition.cause),
                "something else was to come first",
            );
        }
        match transition.cause {
            Cause::Started | Cause::RenewalSent | Cause::Reauthenticated => {
                self.announces(transition.cause, due, at.mono)
            }
            Cause::Lapsed | Cause::LapsedInFlight => {
                check(8, self.token.is_some(), "there was no token to lapse")?;
                self.end_token(at);
                self.give_up_suspicion();
                self.drop_token();
                Ok(())
            }
            // The caller of this keeps the account of a token that is taken.
            Cause::Adopted | Cause::Replaced => {
                check(8, self.to_adopt.is_some(), "there was no token to be taken")
            }
            _ => check(8, false, "nothing had happened"),
        }
    }

    /// Another event is reported.
    pub(crate) fn tells(&mut self, event: &Event, due: bool) -> Verdict {
        let next = self.owed.pop_front();
        let current = self.token.as_mut();
        match event {
            Event::Unauthorized(of) => {
                check(5, next == Some(Owed::Unauthorized(*of)), "no 401 was to be told")
            }
            Event::StillMalformed(_) => {
                check(8, next == Some(Owed::StillMalformed), "no flaw had stayed")
            }
            Event::GaveUp => check(9, next == Some(Owed::GaveUp), "it had not given up"),
            Event::CredentialsChanged => {
                check(8, next == Some(Owed::CredentialsChanged), "no reply brought a successor")
            }
            Event::CredentialsSpent => {
                let first = !std::mem::replace(&mut self.spent_emitted, true);
                let so = next.is_none() && first && self.is_spent();
                check(8, so, "no credentials were used up")
            }
            Event::TokenNeeded(of) => {
                let Some(token) = current else {
                    return check(8, false, "there is no token that could need another");
                };
                let first = !std::mem::replace(&mut token.told.needed, true);
                let so = next.is_none() && first && due && token.generation == *of;
                let stuck = self.credentials.is_none();
                check(8, so && stuck, "no token was needed")
            }
            _ => check(8, false, "this was not to be told"),
        }
    }

    /// It waits: for nothing that could be had now.
    pub(crate) fn waits(&self, state: StateName, due: bool, now: u64) -> Verdict {
        let in_time = self.flight.is_none_or(|flight| now < flight.sent + TIMEOUT);
        check(9, in_time, "it waits for a reply whose time is over")?;
        check(8, !self.owes(), "it waits, and had something to tell")?;
        check(8, self.announced.is_none(), "it waits, and had announced a request")?;
        check(8, self.told == state, "a transition was not told")?;
        let silent = self.is_spent() && !self.spent_emitted;
        check(8, !silent, "it waits, and nobody was asked for other credentials")?;
        let rule = if self.recovers() { 5 } else { 9 };
        check(
            rule,
            self.may_send(due, now).is_err(),
            "it waits, and a request is wanted and allowed",
        )
    }
}

/// Whose token an API request gets.
pub(crate) fn may_serve(shadow: &Shadow, header: &str) -> Verdict {
    let Some(token) = shadow.token else { return check(7, false, "there is no token to serve") };
    check(2, owner(header) == token.of, "it is somebody else's token")?;
    check(7, shadow.login.is_some(), "nobody is logged in")?;
    check(2, token.of.is_none() || token.of == shadow.whose(), "it is not for who is logged in")
}
