//! A state of the model: a driver, its shadow, and the time; and what can be done to them.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use videokit_session::driver::{Canonical, Output, Stalled};
use videokit_session::session::transitions::{Cause, StateName};
use videokit_session::session::{StaleRequest, TransportFailure};
use videokit_session::time::Validity;
use videokit_session::{Driver, Event};

use crate::cast::{Answer, Cast, Instant, PAUSE, Person, UNIT, Wish};
use crate::shadow::{Broken, Flight, Owed, Shadow, Token, Verdict, hold, may_serve};

/// What is done to a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Poll(Jitter),
    /// Until the next instant of the grid.
    Pass,
    /// For a unit: the monotonic clock stands, the wall clock runs.
    Sleep,
    Start(Wish),
    Stop,
    Online(bool),
    /// The reply to the request in flight.
    Answer(Answer, Jitter),
    /// The request in flight gets none.
    Lose(Jitter),
    /// A reply to a request that isn't in flight any more, or once more.
    LateAnswer(Answer),
    LateLoss,
    /// An API call with the token at hand was answered 401.
    Unauthorized,
    /// A call with an older token was.
    LateUnauthorized,
}

/// How a pause that begins is drawn, where chance has a say in it: both ends of what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Jitter {
    Least,
    Most,
}

impl Jitter {
    const BOTH: [Self; 2] = [Self::Least, Self::Most];

    fn pause(self) -> u64 {
        match self {
            Self::Least => 0,
            Self::Most => PAUSE,
        }
    }
}

/// Which of these a search tries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) name: &'static str,
    pub(crate) starts: &'static [Wish],
    pub(crate) answers: &'static [Answer],
    /// What can still come in reply to a request that is over; if nothing can, nothing else is late.
    pub(crate) late_answers: &'static [Answer],
    pub(crate) network: bool,
    pub(crate) sleep: bool,
    pub(crate) calls: bool,
    pub(crate) attempts: Option<u32>,
}

/// What a driver says to an action.
#[derive(PartialEq)]
enum Said {
    Output(Box<Output>),
    Taken(Result<(), StaleRequest>),
    Nothing,
}

/// A driver at a point in time, with what is known about it.
pub(crate) struct State {
    pub(crate) driver: Driver,
    pub(crate) at: Instant,
    pub(crate) shadow: Shadow,
    pub(crate) broken: Option<Broken>,
    /// Of everything that decides what can follow: two states with one key are one state.
    pub(crate) key: u64,
}

impl State {
    pub(crate) fn first(cast: &Cast, bounds: &Bounds) -> Self {
        let mut first = Self {
            driver: cast.driver(),
            at: Instant::FIRST,
            shadow: Shadow::new(bounds.attempts, !bounds.late_answers.is_empty()),
            broken: None,
            key: 0,
        };
        first.key = first.hash_of(&Some(first.driver.canonical(first.at.moment())));
        first
    }

    fn hash_of(&self, canonical: &impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        canonical.hash(&mut hasher);
        self.shadow.key(self.at.mono).hash(&mut hasher);
        (self.at.phase(), self.broken).hash(&mut hasher);
        hasher.finish()
    }

    /// Whether the token at hand asks to be replaced, by its age. The margin is one millisecond.
    fn is_due(&self) -> bool {
        let remaining = self.driver.remaining(self.at.moment());
        remaining.is_none_or(|remaining| remaining.at_least_millis() <= 1)
    }

    /// Whether there is a token that is certainly good.
    pub(crate) fn is_served(&self) -> bool {
        self.driver.validity(self.at.moment()) == Some(Validity::Valid)
    }

    /// Whether the driver has to come back to such a token by itself, once network and answers are good.
    pub(crate) fn must_come_back(&self) -> bool {
        self.driver.credentials().is_some() && self.driver.stalled().is_none()
    }

    /// What the next poll will tell.
    pub(crate) fn next_event(&self) -> Option<Event> {
        match self.driver.fork().poll(self.at.moment()) {
            Output::Event(event) => Some(event),
            _ => None,
        }
    }

    pub(crate) fn actions(&self, bounds: &Bounds, actions: &mut Vec<Action>) {
        if self.broken.is_some() {
            return;
        }
        let overdue = self.shadow.flight.is_some_and(|f| self.at.mono >= f.sent + UNIT);
        actions.push(Action::Poll(Jitter::Least));
        if overdue {
            actions.push(Action::Poll(Jitter::Most));
        }
        // A caller may be late with polling, but not for ever.
        if self.shadow.flight.is_none_or(|f| self.at.mono < f.sent + 2 * UNIT) {
            actions.push(Action::Pass);
        }
        if bounds.sleep && self.shadow.flight.is_none_or(|flight| !flight.slept) {
            actions.push(Action::Sleep);
        }
        actions.extend(bounds.starts.iter().map(|wish| Action::Start(*wish)));
        actions.push(Action::Stop);
        if bounds.network {
            actions.push(Action::Online(!self.shadow.online));
            // Being told once more what is known already.
            actions.push(Action::Online(self.shadow.online));
        }
        if self.shadow.flight.is_some() {
            for answer in bounds.answers {
                actions.extend(Jitter::BOTH.map(|jitter| Action::Answer(*answer, jitter)));
            }
            actions.extend(Jitter::BOTH.map(Action::Lose));
        }
        if self.shadow.stale.is_some() {
            actions.extend(bounds.late_answers.iter().map(|answer| Action::LateAnswer(*answer)));
            actions.push(Action::LateLoss);
        }
        if bounds.calls && self.shadow.token.is_some() {
            actions.push(Action::Unauthorized);
        }
        if bounds.calls && self.shadow.previous.is_some() {
            actions.push(Action::LateUnauthorized);
        }
    }

    /// The state that follows.
    pub(crate) fn after(&self, action: Action, cast: &Cast) -> Self {
        let mut next = self.clone();
        match action {
            Action::Pass => next.at = next.at.next(),
            Action::Sleep => {
                next.at.slept += UNIT;
                if let Some(flight) = &mut next.shadow.flight {
                    flight.slept = true;
                }
            }
            _ => {}
        }
        let (said, canonical) = next.act(action, cast);
        next.broken = canonical
            .as_ref()
            .ok_or(Broken { rule: 10, how: "the same input did another thing" })
            .and_then(|canonical| next.judge(self, action, said, canonical))
            .and_then(|()| next.judge_token(cast))
            .err();
        next.key = next.hash_of(&canonical);
        next
    }

    /// What the driver says, and what it is then; `None` if a copy of it is something else.
    fn act(&mut self, action: Action, cast: &Cast) -> (Said, Option<Canonical>) {
        let mut twin = self.driver.fork();
        let twin_said = Self::drive(&mut twin, &self.shadow, self.at, action, cast);
        let said = Self::drive(&mut self.driver, &self.shadow, self.at, action, cast);
        let now = self.at.moment();
        let canonical = self.driver.canonical(now);
        let same = twin_said == said && twin.canonical(now) == canonical;
        (said, same.then_some(canonical))
    }

    fn drive(
        driver: &mut Driver,
        shadow: &Shadow,
        at: Instant,
        action: Action,
        cast: &Cast,
    ) -> Said {
        let now = at.moment();
        let pauses = driver.pauses();
        let mut drawn = None;
        let said = match action {
            Action::Pass | Action::Sleep => Said::Nothing,
            Action::Poll(jitter) => {
                drawn = Some(jitter);
                Said::Output(Box::new(driver.poll(now)))
            }
            Action::Start(wish) => {
                driver.start(cast.start(wish), now);
                Said::Nothing
            }
            Action::Stop => {
                driver.stop(now);
                Said::Nothing
            }
            Action::Online(online) => {
                driver.set_online(online, now);
                Said::Nothing
            }
            Action::Answer(answer, jitter) => {
                drawn = Some(jitter);
                let Flight { id, asked, .. } = shadow.flight.unwrap();
                Said::Taken(driver.handle_response(id, cast.reply(answer, asked.0), now))
            }
            Action::Lose(jitter) => {
                drawn = Some(jitter);
                let id = shadow.flight.unwrap().id;
                Said::Taken(driver.handle_failure(id, TransportFailure::Unreachable, now))
            }
            Action::LateAnswer(answer) => {
                let reply = cast.reply(answer, Person::Ann);
                Said::Taken(driver.handle_response(shadow.stale.unwrap(), reply, now))
            }
            Action::LateLoss => Said::Taken(driver.handle_failure(
                shadow.stale.unwrap(),
                TransportFailure::Unreachable,
                now,
            )),
            Action::Unauthorized => {
                driver.handle_unauthorized(shadow.token.unwrap().generation, now);
                Said::Nothing
            }
            Action::LateUnauthorized => {
                driver.handle_unauthorized(shadow.previous.unwrap(), now);
                Said::Nothing
            }
        };
        if let Some(jitter) = drawn
            && driver.pauses() == pauses + 1
        {
            driver.redraw_pause(jitter == Jitter::Most, now);
        }
        said
    }
}

/// What the rules say to it.
impl State {
    fn judge(
        &mut self,
        before: &Self,
        action: Action,
        said: Said,
        canonical: &Canonical,
    ) -> Verdict {
        hold(8, self.driver.queued() <= Driver::MOST_QUEUED, "the queue is too long")?;
        match (action, said) {
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
                hold(2, taken.is_ok(), "a reply to the request in flight was not taken")?;
                self.judge_answer(answer, jitter, before)
            }
            (Action::Lose(jitter), Said::Taken(taken)) => {
                hold(2, taken.is_ok(), "a failure of the request in flight was not taken")?;
                self.judge_failure(true, jitter, before)
            }
            (Action::LateAnswer(_) | Action::LateLoss, Said::Taken(taken)) => {
                hold(2, taken.is_err(), "a stale reply was taken")?;
                self.judge_unchanged(before, canonical)
            }
            (Action::LateUnauthorized, _) => self.judge_unchanged(before, canonical),
            (Action::Unauthorized, _) => {
                self.shadow.refuse_token();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn judge_output(&mut self, output: Output, jitter: Jitter) -> Verdict {
        let now = self.at.mono;
        let due = self.is_due();
        match output {
            Output::Send(outgoing) => self.shadow.sends(&outgoing, due, now),
            Output::Abandon(id) => self.shadow.abandons(id, now + jitter.pause(), now),
            Output::Wait(_) => self.shadow.waits(self.driver.state()),
            Output::Event(event) => match event.transition() {
                None => self.shadow.tells(&event, due),
                Some(transition) => {
                    let to_adopt = self.shadow.to_adopt.filter(|_| !self.shadow.owes());
                    self.shadow.moves(transition)?;
                    match (to_adopt, transition.cause) {
                        (Some(of), Cause::Adopted | Cause::Replaced) => self.judge_adoption(of),
                        _ => Ok(()),
                    }
                }
            },
        }
    }

    /// A token that was started with is taken before anything else is done.
    fn judge_adoption(&mut self, of: Option<Person>) -> Verdict {
        let Some(generation) = self.driver.generation() else {
            return hold(8, false, "a token was taken, and isn't there");
        };
        let shadow = &mut self.shadow;
        shadow.to_adopt = None;
        shadow.drop_token();
        shadow.token = Some(Token::new(generation, of, true));
        Ok(())
    }

    fn judge_start(&mut self, wish: Wish, before: &Self) -> Verdict {
        let shadow = &mut self.shadow;
        let whose = |wish| match wish {
            Wish::Asks(person, _) | Wish::Token(person, _) => Some(person),
            Wish::BareToken => None,
        };
        let at_hand = shadow.wish.and_then(whose);
        let same_person = at_hand.is_some() && at_hand == whose(wish);
        let has_token = shadow.to_adopt.is_some() || shadow.token.is_some();
        match (shadow.wish, wish) {
            (Some(at_hand @ Wish::Asks(..)), wish) if at_hand == wish => shadow.join(),
            (Some(at_hand), wish) if at_hand == wish && has_token => {}
            (Some(_), Wish::Asks(..)) if same_person => shadow.rotate(wish),
            (Some(Wish::Token(..)), Wish::Token(person, _)) if same_person => {
                shadow.wish = Some(wish);
                shadow.to_adopt = Some(Some(person));
            }
            _ => {
                shadow.end(before.driver.state());
                shadow.wish = Some(wish);
                shadow.to_adopt = match wish {
                    Wish::Asks(..) => None,
                    Wish::Token(person, _) => Some(Some(person)),
                    Wish::BareToken => Some(None),
                };
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
        hold(7, !stopped || self.driver.stalled() == Some(Stalled::NotStarted), "a login is left")
    }

    fn judge_answer(&mut self, answer: Answer, jitter: Jitter, before: &Self) -> Verdict {
        let now = self.at.mono;
        let up_to_date = self.shadow.is_up_to_date();
        if answer == Answer::Throttle {
            self.shadow.throttle(self.shadow.flight.unwrap().asked.0, now);
        }
        if answer.grants() {
            return self.judge_grant(jitter, up_to_date);
        }
        if answer != Answer::Refuse {
            return self.judge_failure(false, jitter, before);
        }
        self.shadow.land();
        self.shadow.owe(Owed::Event(self.denied()));
        self.shadow.refused |= up_to_date;
        self.judge_harmless(before)?;
        let refused = self.driver.stalled() == Some(Stalled::Refused);
        hold(4, refused == self.shadow.refused, "a refusal was not kept, or made up")
    }

    fn judge_grant(&mut self, jitter: Jitter, up_to_date: bool) -> Verdict {
        let Some(generation) = self.driver.generation() else {
            return hold(9, false, "a token was granted, and isn't there");
        };
        let flight = self.shadow.land().unwrap();
        let cause = match self.shadow.token {
            Some(_) => Cause::Renewed,
            None => Cause::Granted,
        };
        self.shadow.owe(Owed::Event(cause));
        let recovers = !(flight.after_401 && up_to_date);
        let token = Token::new(generation, Some(flight.asked.0), recovers);
        let pause = self.at.mono + jitter.pause();
        let served = self.is_served();
        self.shadow.hold_token(token, served, pause);
        Ok(())
    }

    fn denied(&self) -> Cause {
        if self.shadow.token.is_some() { Cause::RenewalDenied } else { Cause::Denied }
    }

    fn judge_failure(&mut self, by_network: bool, jitter: Jitter, before: &Self) -> Verdict {
        let up_to_date = self.shadow.is_up_to_date();
        self.shadow.land();
        let cause = match (by_network, self.shadow.token) {
            (false, _) => self.denied(),
            (true, Some(_)) => Cause::RenewalFailed,
            (true, None) => Cause::Failed,
        };
        self.shadow.owe(Owed::Event(cause));
        self.shadow.fail(by_network, up_to_date, self.at.mono + jitter.pause());
        self.judge_harmless(before)?;
        let refused = self.driver.stalled() == Some(Stalled::Refused);
        hold(3, refused == self.shadow.refused, "a failure was taken for a refusal")
    }

    /// What didn't give a token took none, and ended no login.
    fn judge_harmless(&self, before: &Self) -> Verdict {
        let now = self.at.moment();
        let kept = before.driver.generation() == self.driver.generation()
            && before.driver.remaining(now) == self.driver.remaining(now);
        hold(3, kept, "the token at hand was harmed")?;
        let login = before.driver.credentials() == self.driver.credentials();
        hold(3, login, "the login was ended")
    }

    fn judge_unchanged(&self, before: &Self, canonical: &Canonical) -> Verdict {
        let now = self.at.moment();
        let same = before.driver.canonical(now) == *canonical;
        hold(2, same, "what is stale changed something")
    }

    /// The token that an API request gets, if it gets one.
    fn judge_token(&self, cast: &Cast) -> Verdict {
        let now = self.at.moment();
        match self.driver.authorization(&cast.origin, now) {
            Ok(authorization) => {
                hold(
                    7,
                    self.driver.validity(now) != Some(Validity::Expired),
                    "a dead token serves",
                )?;
                may_serve(&self.shadow, authorization.value().to_str().unwrap())
            }
            Err(_) => {
                let lives = self.driver.validity(now).is_some_and(|v| v != Validity::Expired);
                hold(3, !lives, "a good token doesn't serve")
            }
        }
    }
}

impl Clone for State {
    fn clone(&self) -> Self {
        Self {
            driver: self.driver.fork(),
            at: self.at,
            shadow: self.shadow.clone(),
            broken: self.broken,
            key: self.key,
        }
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for State {}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key.hash(hasher);
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} at {:?}", self.driver, self.shadow, self.at)
    }
}
