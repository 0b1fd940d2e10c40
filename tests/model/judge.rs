//! What the rules say to an action and to what the driver said.

use std::time::Duration;

use videokit_session::Driver;
use videokit_session::driver::{Blocked, Output, Wake};
use videokit_session::session::transitions::{Cause, StateName};
use videokit_session::time::Validity;

use crate::cast::{Answer, Cast, PAUSE, Person, Wish};
use crate::shadow::{Failed, Owed, Stall, Verdict, hold, may_serve};
use crate::state::{Action, Answered, Jitter, Said, State};
use crate::token::Token;

/// What the rules say to it.
impl State {
    pub(crate) fn judge(&mut self, before: &Self, action: Action, answered: Answered) -> Verdict {
        hold(8, self.driver.queued() <= Driver::MOST_QUEUED, "the queue is too long")?;
        let drawn = answered.pause.is_none_or(|pause| pause <= PAUSE);
        hold(6, drawn, "the pause is longer than the policy allows")?;
        self.judge_action(before, action, answered)?;
        let works = self.driver.blocked()() == self.shadow.blocked()();
        hold(9, works, "it works on what it can't have, or doesn't on what it could")
    }

    fn judge_action(&mut self, before: &Self, action: Action, answered: Answered) -> Verdict {
        match (action, answered.said) {
            (Action::Poll(jitter), Said::Output(output)) => self.judge_output(*output, jitter),
            (Action::Start(wish), _) => self.judge_start(wish, before),
            (Action::Stop, _) => {
                self.shadow.end(before.driver.state());
                self.judge_end()
            }
            (Action::Online(online), _) => {
                self.shadow.set_online(online);
                Ok(())
            }
            (Action::Answer(answer, jitter), Said::Taken(taken)) => {
                hold(2, taken.is_accepted(), "a reply to the request in flight was not taken")?;
                self.judge_answer(answer, jitter, before)
            }
            (Action::Lose(jitter), Said::Taken(taken)) => {
                hold(2, taken.is_accepted(), "a failure of the request in flight was not taken")?;
                self.judge_failure(None, jitter, before)
            }
            (Action::LateAnswer(_) | Action::LateLoss, Said::Taken(taken)) => {
                hold(2, taken.is_stale(), "a stale reply was taken")?;
                self.judge_unchanged(before)
            }
            (Action::LateUnauthorized, _) => self.judge_unchanged(before),
            (Action::Unauthorized, _) => {
                self.shadow.refuse_token(self.at);
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

    /// A caller that sleeps until then misses nothing, and doesn't wake up for nothing.
    fn judge_wake(&self, wake: Wake) -> Verdict {
        let Wake::In(time, _) = wake else { return Ok(()) };
        let now = self.at.moment();
        let just_before =
            self.driver.fork().poll(now.after(time.saturating_sub(Duration::from_millis(1))));
        hold(
            9,
            matches!(just_before, Output::Wait(_)),
            "there is something to do before it wakes",
        )?;
        let then = self.driver.fork().poll(now.after(time));
        hold(9, !matches!(then, Output::Wait(_)), "it wakes for nothing")
    }

    /// A token that was started with is taken before anything else is done.
    fn judge_adoption(&mut self, wish: Wish) -> Verdict {
        let Some(generation) = self.driver.generation() else {
            return hold(8, false, "a token was taken, and isn't there");
        };
        let shadow = &mut self.shadow;
        shadow.to_adopt = None;
        shadow.give_up_suspicion();
        shadow.drop_token();
        shadow.token = Some(Token::brought(generation, wish.person()));
        Ok(())
    }

    fn judge_start(&mut self, wish: Wish, before: &Self) -> Verdict {
        self.shadow.live(self.at);
        let shadow = &mut self.shadow;
        let current = shadow.wish.and_then(Wish::person);
        let same_person = current.is_some() && current == wish.person();
        let has_token = shadow.to_adopt.is_some() || shadow.token.is_some();
        match (shadow.wish, wish) {
            (Some(current @ Wish::Asks(..)), wish) if current == wish => shadow.join(),
            (Some(current), wish) if current == wish && has_token => {}
            (Some(_), Wish::Asks(..)) if same_person => shadow.rotate(wish),
            (Some(Wish::Token(..)), Wish::Token(..)) if same_person => {
                shadow.wish = Some(wish);
                shadow.to_adopt = Some(wish);
            }
            _ => {
                shadow.end(before.driver.state());
                shadow.wish = Some(wish);
                let to_adopt = !matches!(wish, Wish::Asks(..));
                shadow.to_adopt = to_adopt.then_some(wish);
                return self.judge_end();
            }
        }
        let kept = before.driver.generation() == self.driver.generation();
        hold(3, kept, "a start for the same login cost the token")
    }

    /// Nothing is left of a login that ended.
    fn judge_end(&self) -> Verdict {
        hold(7, self.driver.generation().is_none(), "a token is left")?;
        hold(7, self.driver.state() == StateName::Unauthenticated, "the session goes on")?;
        hold(7, self.driver.session().in_flight().is_none(), "a request is still waited for")?;
        let stopped = self.shadow.wish.is_none();
        hold(7, !stopped || self.driver.blocked()() == Some(Blocked::NotStarted), "a login is left")
    }

    fn judge_answer(&mut self, answer: Answer, jitter: Jitter, before: &Self) -> Verdict {
        let now = self.at.mono;
        let up_to_date = self.shadow.is_up_to_date();
        let asked = self.shadow.flight.unwrap().asked.0;
        if answer == Answer::Throttle {
            self.shadow.throttle(asked, now);
        }
        let mut flaw = answer.flaw();
        if let Some(named) = answer.grants(asked) {
            flaw = Some(Answer::WRONG_IDENTITY);
            if self.shadow.accepts(asked, named) {
                return self.judge_grant(answer, named, jitter, up_to_date);
            }
            let kept = before.driver.generation() == self.driver.generation();
            hold(2, kept, "a token for somebody else was taken")?;
        }
        if answer != Answer::Refuse {
            return self.judge_failure(Some((answer, flaw)), jitter, before);
        }
        self.shadow.land();
        self.shadow.owe(Owed::Event(self.denied()));
        if up_to_date {
            self.shadow.note_flaw(None);
            self.shadow.stall = Some(Stall::Refused);
        }
        self.judge_harmless(before)?;
        let refused = self.driver.blocked()() == Some(Blocked::Refused);
        hold(
            4,
            refused == (self.shadow.stall == Some(Stall::Refused)),
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
            return hold(9, false, "a token was granted, and isn't there");
        };
        let flight = self.shadow.land().unwrap();
        let cause = match self.shadow.token {
            Some(_) => Cause::Renewed,
            None => Cause::Granted,
        };
        self.shadow.owe(Owed::Event(cause));
        let after_401 = self.shadow.end_token(self.at) && up_to_date;
        if !after_401 {
            self.shadow.give_up_suspicion();
        }
        let token = Token::granted(generation, person, flight, answer, after_401);
        self.shadow.named = self.shadow.named.or(Some(person));
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
        self.shadow.land();
        let cause = match (answer.is_none(), self.shadow.token) {
            (false, _) => self.denied(),
            (true, Some(_)) => Cause::RenewalFailed,
            (true, None) => Cause::Failed,
        };
        self.shadow.owe(Owed::Event(cause));
        let until = self.at.mono + jitter.pause();
        self.shadow.fail(failed, flaw, up_to_date, until);
        self.judge_harmless(before)?;
        let refused = self.driver.blocked()() == Some(Blocked::Refused);
        hold(
            3,
            refused == (self.shadow.stall == Some(Stall::Refused)),
            "a failure was taken for a refusal",
        )
    }

    /// What didn't give a token took none, and ended no login.
    fn judge_harmless(&self, before: &Self) -> Verdict {
        let now = self.at.moment();
        let kept = before.driver.generation() == self.driver.generation()
            && before.driver.remaining(now) == self.driver.remaining(now);
        hold(3, kept, "the current token was harmed")?;
        let login = before.driver.credentials() == self.driver.credentials();
        hold(3, login, "the login was ended")
    }

    fn judge_unchanged(&self, before: &Self) -> Verdict {
        hold(2, self.acts_like(before), "what is stale changed something")
    }

    /// The token that an API request gets, if it gets one.
    pub(crate) fn judge_token(&self, cast: &Cast) -> Verdict {
        let now = self.at.moment();
        let served = self.driver.authorization(&cast.origin, now);
        let validity = self.driver.validity(now);
        let lives = validity.is_some_and(|validity| validity != Validity::Expired);
        let Ok(authorization) = served else {
            return hold(3, !lives, "a good token doesn't serve");
        };
        hold(7, lives, "a dead token serves")?;
        may_serve(&self.shadow, authorization.value().to_str().unwrap())
    }
}
