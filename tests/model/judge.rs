//! What the rules say to an action and to what the driver said.

use std::time::Duration;

use super::fixtures::{Answer, Fixtures, Instant, Login, PAUSE, Person, UNIT};
use super::shadow::{Failed, Owed, Stall, Verdict, check, may_serve};
use super::state::{Action, Answered, CallResult, Jitter, State};
use super::token::Token;
use crate::Driver;
use crate::driver::{Blocked, Output, Wake};
use crate::exchange::Identity;
use crate::session::TransportFailure;
use crate::session::transitions::{Cause, StateName};
use crate::time::Validity;

/// What the rules say to it.
impl State {
    pub(crate) fn judge(
        &mut self,
        before: &Self,
        action: Action,
        answered: Answered,
        fixtures: &Fixtures,
    ) -> Verdict {
        check(8, self.driver.queued() <= Driver::MOST_QUEUED, "the queue is too long")?;
        let drawn = answered.pause.is_none_or(|pause| pause <= PAUSE);
        check(6, drawn, "the pause is longer than the policy allows")?;
        let mut state = before.driver.state();
        if action.is_call() && self.shadow.report_panic(self.at.mono + action.pause()) {
            // A login that had expired is not, once its request has failed.
            state = if state == StateName::Active { state } else { StateName::Unauthenticated };
        }
        self.judge_action(before, state, action, answered)?;
        let works = self.driver.blocked() == self.shadow.blocked();
        check(9, works, "it works on what it can't have, or doesn't on what it could")?;
        let credentials = self.driver.credentials().map(|next| fixtures.name(next));
        check(3, credentials == self.shadow.credentials, "it has other credentials")?;
        let identity = self.driver.identity().map(Identity::as_str);
        check(2, identity == self.shadow.whose().map(Person::name), "it is for somebody else")
    }

    /// `state` is the driver's when the action began.
    fn judge_action(
        &mut self,
        before: &Self,
        state: StateName,
        action: Action,
        answered: Answered,
    ) -> Verdict {
        match (action, answered.said) {
            (_, CallResult::Panicked) => {
                self.judge_harmless(before)?;
                if !self.driver.has_panicked() {
                    // Asked where a request would go, the exchange has lost none.
                    let kept = self.driver.in_flight() == before.driver.in_flight();
                    return check(3, kept, "the request in flight was lost");
                }
                self.shadow.panic();
                let over = self.driver.in_flight().is_none();
                check(3, over, "the request goes on over which the exchange panicked")
            }
            (Action::Poll(jitter), CallResult::Output(output)) => {
                self.judge_output(*output, jitter)
            }
            (Action::Start(login), _) => self.judge_start(login, before, state),
            (Action::Set(login), _) => self.judge_set(login, before, state),
            (Action::Stop, _) => {
                self.shadow.end(state);
                self.judge_end()
            }
            (Action::Online(online), _) => {
                self.shadow.set_online(online);
                Ok(())
            }
            (Action::Answer(answer, jitter), CallResult::Taken(taken)) => {
                check(2, taken.is_accepted(), "a reply to the request in flight was not taken")?;
                self.judge_answer(answer, jitter, before)
            }
            (Action::Lose(why, jitter), CallResult::Taken(taken)) => {
                check(2, taken.is_accepted(), "a failure of the request in flight was not taken")?;
                if why != TransportFailure::Unreachable {
                    let asked = self.shadow.flight.unwrap().asked;
                    self.shadow.lose(asked);
                }
                self.judge_failure(None, jitter, before)
            }
            (Action::LateAnswer(_) | Action::LateLoss, CallResult::Taken(taken)) => {
                check(2, taken.is_stale(), "a stale reply was taken")?;
                self.judge_unchanged(before)
            }
            (Action::LateUnauthorized(age), _) => {
                let learned = self.shadow.early;
                self.shadow.refuse_previous(self.at, age.try_into().unwrap_or(i64::MAX));
                if self.shadow.early == learned { self.judge_unchanged(before) } else { Ok(()) }
            }
            (Action::Unauthorized | Action::SlowUnauthorized, _) => {
                let latest = if action == Action::Unauthorized { i64::MAX } else { 0 };
                self.shadow.refuse_token(self.at, latest);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn judge_output(&mut self, output: Output, jitter: Jitter) -> Verdict {
        let now = self.at.mono;
        self.shadow.live(self.at);
        let stated = self.is_due();
        let due = stated || self.shadow.is_learned_due(self.at);
        match output {
            Output::Send(outgoing) => self.shadow.sends(&outgoing, self.at),
            Output::Abandon(id) => self.shadow.abandons(id, now + jitter.pause(), now),
            Output::Wait(wake) => {
                self.shadow.waits(self.driver.state(), due, now)?;
                self.judge_wake(wake)
            }
            Output::Event(event) => match event.transition() {
                None => self.shadow.tells(&event, stated),
                Some(transition) => {
                    let to_adopt = self.shadow.to_adopt.filter(|_| !self.shadow.owes());
                    self.shadow.moves(transition, due, self.at)?;
                    match (to_adopt, transition.cause) {
                        (Some(token), Cause::Adopted | Cause::Replaced) => {
                            self.judge_adoption(token)
                        }
                        _ => Ok(()),
                    }
                }
            },
        }
    }

    /// A caller that sleeps until then misses nothing, and doesn't wake up for nothing. Until then, the wait that
    /// the driver has cached is the one that it would compute.
    fn judge_wake(&self, wake: Wake) -> Verdict {
        self.judge_cached_wait(wake)?;
        let Wake::In(time, _) = wake else { return Ok(()) };
        let now = self.at.moment();
        let just_before =
            self.driver.fork().poll(now.after(time.saturating_sub(Duration::from_millis(1))));
        check(
            9,
            matches!(just_before, Output::Wait(_)),
            "there is something to do before it wakes",
        )?;
        let then = self.driver.fork().poll(now.after(time));
        // Where a request goes is known then, if the exchange has panicked when it was asked for that.
        let idles = matches!(then, Output::Wait(_)) && !self.driver.misses_endpoint();
        check(9, !idles, "it wakes for nothing")
    }

    /// Until the driver has to wake up, and beyond, with the device awake or asleep on the way there.
    fn judge_cached_wait(&self, wake: Wake) -> Verdict {
        let wait = if let Wake::In(wait, _) = wake { wait } else { Duration::ZERO };
        let wait = u64::try_from(wait.as_millis()).unwrap();
        for ran in [1, UNIT / 2, UNIT, wait.saturating_sub(1), wait, wait + 1, wait + UNIT] {
            for slept in [0, 1, UNIT] {
                let Instant { mono, slept: before } = self.at;
                let then = Instant { mono: mono + ran, slept: before + slept }.moment();
                let (cached, computed) =
                    (self.driver.fork().poll(then), self.driver.uncached().poll(then));
                check(10, cached == computed, "the cached wait is another than the true one")?;
            }
        }
        Ok(())
    }

    /// A token that was started with is taken before anything else is done.
    fn judge_adoption(&mut self, login: Login) -> Verdict {
        let Some(generation) = self.driver.generation() else {
            return check(8, false, "a token was taken, and isn't there");
        };
        let shadow = &mut self.shadow;
        shadow.to_adopt = None;
        shadow.give_up_suspicion();
        shadow.drop_token();
        shadow.token = Some(Token::brought(generation, login.person()));
        shadow.held = shadow.held.or(login.person());
        Ok(())
    }

    fn judge_start(&mut self, login: Login, before: &Self, state: StateName) -> Verdict {
        self.shadow.live(self.at);
        let shadow = &mut self.shadow;
        let whose = shadow.whose();
        let same_person = whose.is_some() && whose == login.person();
        let has_token = shadow.to_adopt.is_some() || shadow.token.is_some();
        match (shadow.credentials, login.credentials()) {
            (Some(current), Some(next)) => {
                if current == next || shadow.login == Some(login) {
                    shadow.join();
                } else if same_person && current.0 == next.0 {
                    shadow.rotate(login);
                } else {
                    return self.judge_another(login, state);
                }
            }
            (None, Some(_)) if shadow.login.is_some() && same_person => shadow.rotate(login),
            (None, None) if shadow.login == Some(login) && has_token => {}
            (Some(_), None) if shadow.began_with == Some(login) => shadow.join(),
            (None, None) if shadow.login.is_some() && same_person => {
                shadow.login = Some(login);
                shadow.to_adopt = Some(login);
                shadow.began_with = Some(login);
            }
            _ => return self.judge_another(login, state),
        }
        let kept = before.driver.generation() == self.driver.generation();
        check(3, kept, "a start for the same login cost the token")
    }

    fn judge_set(&mut self, login: Login, before: &Self, state: StateName) -> Verdict {
        self.shadow.live(self.at);
        let shadow = &mut self.shadow;
        let differs = matches!((shadow.whose(), login.person()), (Some(a), Some(b)) if a != b);
        if shadow.login.is_none() || differs {
            return self.judge_another(login, state);
        }
        if shadow.credentials == login.credentials() {
            shadow.join();
        } else {
            shadow.rotate(login);
        }
        let kept = before.driver.generation() == self.driver.generation()
            && before.driver.in_flight() == self.driver.in_flight()
            && before.driver.epoch() == self.driver.epoch();
        check(3, kept, "new credentials cost the token, or the request in flight")
    }

    /// The login ends, and another one begins.
    fn judge_another(&mut self, login: Login, state: StateName) -> Verdict {
        self.shadow.end(state);
        self.shadow.begin(login);
        self.judge_end()
    }

    /// Nothing is left of a login that ended.
    fn judge_end(&self) -> Verdict {
        check(7, self.driver.generation().is_none(), "a token is left")?;
        check(7, self.driver.state() == StateName::Unauthenticated, "the session goes on")?;
        check(7, self.driver.in_flight().is_none(), "a request is still waited for")?;
        let stopped = self.shadow.login.is_none();
        check(7, !stopped || self.driver.blocked() == Some(Blocked::NotStarted), "a login is left")
    }

    fn judge_answer(&mut self, answer: Answer, jitter: Jitter, before: &Self) -> Verdict {
        let now = self.at.mono;
        let up_to_date = self.shadow.is_up_to_date();
        let asked = self.shadow.flight.unwrap().asked;
        let successor = answer.successor(asked, &self.shadow.spent).filter(|_| up_to_date);
        if answer == Answer::Throttle {
            self.shadow.throttle(asked.0, now);
        }
        let mut flaw = answer.flaw();
        if let Some(named) = answer.names(asked.0) {
            if self.shadow.accepts(asked.0, named) {
                if answer == Answer::DeadGrant {
                    self.judge_failure(Some((answer, flaw)), jitter, before)?;
                } else {
                    self.judge_grant(answer, named, jitter, up_to_date)?;
                }
                if let Some(successor) = successor {
                    self.shadow.succeed(successor);
                }
                return Ok(());
            }
            flaw = Some(Answer::WRONG_IDENTITY);
            let kept = before.driver.generation() == self.driver.generation();
            check(2, kept, "a token for somebody else was taken")?;
        }
        if flaw.is_some() && !answer.is_portal() {
            // It may have been a grant, so the credentials may be used up.
            self.shadow.lose(asked);
        }
        if answer != Answer::Refuse {
            return self.judge_failure(Some((answer, flaw)), jitter, before);
        }
        self.shadow.complete();
        self.shadow.owe(Owed::Event(self.denied()));
        if up_to_date {
            self.shadow.note_flaw(None);
            self.shadow.stall = Some(Stall::Refused);
        }
        self.judge_harmless(before)?;
        let refused = self.driver.blocked() == Some(Blocked::Refused);
        check(
            4,
            refused == (self.shadow.blocked() == Some(Blocked::Refused)),
            "a refusal was not kept, or made up",
        )
    }

    fn judge_grant(
        &mut self,
        answer: Answer,
        person: Person,
        jitter: Jitter,
        up_to_date: bool,
    ) -> Verdict {
        let Some(generation) = self.driver.generation() else {
            return check(9, false, "a token was granted, and isn't there");
        };
        let flight = self.shadow.complete().unwrap();
        let cause = match self.shadow.token {
            Some(_) => Cause::Renewed,
            None => Cause::Granted,
        };
        self.shadow.owe(Owed::Event(cause));
        let after_401 = self.shadow.end_token(self.at) && up_to_date;
        if !after_401 {
            self.shadow.give_up_suspicion();
        }
        let token = Token::granted(generation, person, flight, answer, after_401, self.at);
        self.shadow.held = self.shadow.held.or(Some(person));
        let pause = self.at.mono + jitter.pause();
        let served = self.is_served();
        self.shadow.hold_token(token, served, pause);
        Ok(())
    }

    fn denied(&self) -> Cause {
        if self.shadow.token.is_some() { Cause::RenewalDenied } else { Cause::Denied }
    }

    /// A reply that grants and refuses nothing, or none at all.
    fn judge_failure(
        &mut self,
        answer: Option<(Answer, Option<u8>)>,
        jitter: Jitter,
        before: &Self,
    ) -> Verdict {
        let failed = match answer {
            None => Failed::Network,
            Some((answer, _)) if answer.is_portal() => Failed::Portal,
            Some(_) => Failed::Server,
        };
        let flaw = answer.and_then(|(_, flaw)| flaw);
        let up_to_date = self.shadow.is_up_to_date();
        self.shadow.complete();
        let cause = match (answer.is_none(), self.shadow.token) {
            (false, _) => self.denied(),
            (true, Some(_)) => Cause::RenewalFailed,
            (true, None) => Cause::Failed,
        };
        self.shadow.owe(Owed::Event(cause));
        let until = self.at.mono + jitter.pause();
        self.shadow.fail(failed, flaw, up_to_date, until);
        self.judge_harmless(before)?;
        let refused = self.driver.blocked() == Some(Blocked::Refused);
        check(
            3,
            refused == (self.shadow.blocked() == Some(Blocked::Refused)),
            "a failure was taken for a refusal",
        )
    }

    /// What didn't give a token took none, and ended no login.
    fn judge_harmless(&self, before: &Self) -> Verdict {
        let now = self.at.moment();
        let kept = before.driver.generation() == self.driver.generation()
            && before.driver.remaining(now) == self.driver.remaining(now);
        check(3, kept, "the current token was harmed")?;
        let login = before.driver.credentials().is_some() == self.driver.credentials().is_some()
            && before.driver.epoch() == self.driver.epoch();
        check(3, login, "the login was ended")
    }

    fn judge_unchanged(&self, before: &Self) -> Verdict {
        // Every call reports a panic before.
        let same = self.acts_like(before) || before.shadow.has_panicked();
        check(2, same, "what is stale changed something")
    }

    /// The token that an API request gets, if it gets one.
    pub(crate) fn judge_token(&self, fixtures: &Fixtures) -> Verdict {
        let now = self.at.moment();
        let served = self.driver.authorization(&fixtures.origin, now);
        let validity = self.driver.validity(now);
        let lives = validity.is_some_and(|validity| validity != Validity::Expired);
        let Ok(authorization) = served else {
            return check(3, !lives, "a good token doesn't serve");
        };
        check(7, lives, "a dead token serves")?;
        may_serve(&self.shadow, authorization.value().to_str().unwrap())
    }
}
