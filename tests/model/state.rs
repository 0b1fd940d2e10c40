//! A state of the model: a driver, its shadow, and the time; and what can be done to them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use ahash::RandomState;

use super::canonical::Canonical;
use super::fixtures::{Answer, Beside, Fixtures, Instant, Login, PAUSE, Person, UNIT, with_panics};
use super::shadow::{Shadow, Violation, check};
use super::token::Flight;
use crate::Driver;
use crate::driver::{Delivery, Output};
use crate::session::Authorized;
use crate::session::TransportFailure;
use crate::session::transitions::Transition;
use crate::time::Validity;

/// What is done to a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Poll(Jitter),
    /// The exchange panics if it is asked for a request.
    PollPanic,
    /// Until the next instant of the grid.
    Pass,
    /// For a unit: the monotonic clock stands, the wall clock runs.
    Sleep,
    Start(Login),
    /// The credentials are set.
    Set(Login),
    Stop,
    Online(bool),
    /// The reply to the request in flight.
    Answer(Answer, Jitter),
    /// The request in flight gets none.
    Lose(TransportFailure, Jitter),
    /// A reply to a request that isn't in flight any more, or once more.
    LateAnswer(Answer),
    LateLoss,
    /// An API call with the current token was answered 401 at once.
    Unauthorized,
    /// A call that was made as soon as there was the current token was.
    SlowUnauthorized,
    /// A call with the token before was, which was authorized at this age.
    LateUnauthorized(u64),
}

/// How a pause that begins is drawn, where chance has a say in it: both ends of what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Jitter {
    Least,
    Most,
}

impl Jitter {
    const BOTH: [Self; 2] = [Self::Least, Self::Most];

    pub(crate) fn pause(self) -> u64 {
        match self {
            Self::Least => 0,
            Self::Most => PAUSE,
        }
    }
}

/// Which of these a search tries.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a kind of input that a search leaves out or not"
)]
pub(crate) struct Bounds {
    pub(crate) name: &'static str,
    pub(crate) starts: &'static [Login],
    pub(crate) sets: &'static [Login],
    pub(crate) answers: &'static [Answer],
    /// What can still come in reply to a request that is over; if nothing can, nothing else is late.
    pub(crate) late_answers: &'static [Answer],
    /// How a request fails.
    pub(crate) losses: &'static [TransportFailure],
    pub(crate) panics: bool,
    pub(crate) network: bool,
    pub(crate) sleep: bool,
    pub(crate) calls: bool,
    pub(crate) attempts: Option<u32>,
    pub(crate) beside: Beside,
}

/// What a driver says to an action.
#[derive(PartialEq)]
pub(crate) struct Answered {
    pub(crate) said: CallResult,
    /// How long the pause is that began, before it was drawn anew.
    pub(crate) pause: Option<u64>,
}

/// The answer itself.
#[derive(PartialEq)]
pub(crate) enum CallResult {
    Output(Box<Output>),
    Taken(Delivery),
    Nothing,
    /// The exchange panicked, and the driver with it.
    Panicked,
}

/// A driver at a point in time, with what is known about it.
pub(crate) struct State {
    pub(crate) driver: Driver,
    pub(crate) at: Instant,
    pub(crate) shadow: Shadow,
    pub(crate) violation: Option<Violation>,
    /// Of everything that decides what can follow: two states with one key are one state.
    pub(crate) key: u64,
    /// Of the driver's part of that.
    canonical: u64,
    next_transition: OnceLock<Option<Transition>>,
}

impl State {
    pub(crate) fn first(fixtures: &Fixtures, bounds: &Bounds) -> Self {
        let mut first = Self {
            driver: fixtures.driver(),
            at: Instant::FIRST,
            shadow: Shadow::new(bounds.attempts, !bounds.late_answers.is_empty()),
            violation: None,
            key: 0,
            canonical: 0,
            next_transition: OnceLock::new(),
        };
        first.canonical = hash_of(&Canonical::of(&first.driver, fixtures, first.at.moment()));
        first.key = first.hash();
        first
    }

    fn hash(&self) -> u64 {
        let shadow = self.shadow.key(self.at);
        hash_of(&(self.canonical, shadow, self.at.phase(), self.violation))
    }

    /// Whether the driver would act from now on as it would have before, in the same moment.
    pub(crate) fn acts_like(&self, before: &Self) -> bool {
        self.canonical == before.canonical
    }

    /// Whether the current token asks to be replaced, by its age. The margin is one millisecond.
    pub(crate) fn is_due(&self) -> bool {
        let remaining = self.driver.remaining(self.at.moment());
        remaining.is_none_or(|remaining| remaining.at_least_millis() <= 1)
    }

    /// Whether there is a token that is certainly good.
    pub(crate) fn is_served(&self) -> bool {
        self.driver.validity(self.at.moment()) == Some(Validity::Valid)
    }

    /// Whether the driver has to come back to such a token by itself, once network and answers are good.
    pub(crate) fn must_come_back(&self) -> bool {
        // A panic that is still to be reported may be the last try.
        let works = self.driver.blocked().is_none() && !self.shadow.has_panicked();
        self.driver.credentials().is_some() && works
    }

    /// The transition that the next poll will tell.
    pub(crate) fn next_transition(&self) -> Option<Transition> {
        *self.next_transition.get_or_init(|| match self.driver.fork().poll(self.at.moment()) {
            Output::Event(event) => event.transition(),
            _ => None,
        })
    }

    pub(crate) fn actions(&self, bounds: &Bounds, actions: &mut Vec<Action>) {
        if self.violation.is_some() {
            return;
        }
        let overdue = self.shadow.flight.is_some_and(|f| self.at.mono >= f.sent + UNIT);
        actions.push(Action::Poll(Jitter::Least));
        if overdue || self.shadow.has_panicked() {
            actions.push(Action::Poll(Jitter::Most));
        }
        if bounds.panics {
            actions.push(Action::PollPanic);
        }
        // A caller may be late with polling, but not for ever.
        if self.shadow.flight.is_none_or(|f| self.at.mono < f.sent + 2 * UNIT) {
            actions.push(Action::Pass);
        }
        if bounds.sleep && self.shadow.flight.is_none_or(|flight| !flight.slept) {
            actions.push(Action::Sleep);
        }
        actions.extend(bounds.starts.iter().map(|login| Action::Start(*login)));
        actions.extend(bounds.sets.iter().map(|login| Action::Set(*login)));
        actions.push(Action::Stop);
        if bounds.network {
            actions.push(Action::Online(!self.shadow.online));
            // Being told once more what is known already.
            actions.push(Action::Online(self.shadow.online));
        }
        if let Some(Flight { asked, .. }) = self.shadow.flight {
            for answer in bounds.answers {
                actions.extend(Jitter::BOTH.map(|jitter| Action::Answer(*answer, jitter)));
            }
            for why in bounds.losses {
                actions.extend(Jitter::BOTH.map(|jitter| Action::Lose(*why, jitter)));
            }
            if bounds.panics && asked.0 == Person::Rotating {
                actions.push(Action::Answer(Answer::Panic, Jitter::Least));
            }
        }
        if self.shadow.stale.is_some() {
            actions.extend(bounds.late_answers.iter().map(|answer| Action::LateAnswer(*answer)));
            actions.push(Action::LateLoss);
        }
        if bounds.calls && self.shadow.token.is_some() {
            actions.extend([Action::Unauthorized, Action::SlowUnauthorized]);
        }
        if bounds.calls && self.shadow.previous.is_some() {
            actions.extend([0, u64::MAX].map(Action::LateUnauthorized));
        }
    }

    /// The state that follows; `None` if chance had no say, and another action covers it.
    pub(crate) fn after(
        &self,
        action: Action,
        beside: Beside,
        fixtures: &Fixtures,
    ) -> Option<Self> {
        let mut next = self.clone();
        match action {
            Action::Pass => next.at = next.at.next(beside),
            Action::Sleep => {
                next.at.slept += UNIT;
                if let Some(flight) = &mut next.shadow.flight {
                    flight.slept = true;
                }
            }
            _ => {}
        }
        let answered = Self::drive(&mut next.driver, &self.shadow, next.at, action, fixtures);
        if action.pause() == PAUSE && answered.pause.is_none() {
            return None;
        }
        if action == Action::PollPanic && answered.said != CallResult::Panicked {
            return None;
        }
        let canonical = Canonical::of(&next.driver, fixtures, next.at.moment());
        next.canonical = hash_of(&canonical);
        let same = self.is_repeated(action, next.at, fixtures, &answered, &canonical);
        next.violation = check(10, same, "the same input did another thing")
            .and_then(|()| next.judge(self, action, answered, fixtures))
            .and_then(|()| next.judge_token(fixtures))
            .err();
        next.key = next.hash();
        Some(next)
    }

    /// Whether a copy of the driver says the same to the same, and is the same then: with or without the wait that
    /// the driver has cached.
    fn is_repeated(
        &self,
        action: Action,
        at: Instant,
        fixtures: &Fixtures,
        answered: &Answered,
        canonical: &Canonical,
    ) -> bool {
        if let Action::Pass | Action::Sleep = action {
            // Nothing was asked of it.
            return true;
        }
        let now = at.moment();
        let polls = matches!(action, Action::Poll(_) | Action::PollPanic);
        let cached = if polls { None } else { self.driver.cached(now) };
        // A poll that waits may have learned from the time that has passed.
        let same = |twin: &Driver| hash_of(&Canonical::of(twin, fixtures, now)) == self.canonical;
        let mut twin = cached.filter(same).unwrap_or_else(|| self.driver.uncached());
        let twins = Self::drive(&mut twin, &self.shadow, at, action, fixtures);
        // An input may change what the driver waits for.
        let cleared = polls || !twin.has_cached_wait();
        cleared && twins == *answered && Canonical::of(&twin, fixtures, now) == *canonical
    }

    fn drive(
        driver: &mut Driver,
        shadow: &Shadow,
        at: Instant,
        action: Action,
        fixtures: &Fixtures,
    ) -> Answered {
        let before = driver.backoffs();
        let act = || Self::act(driver, shadow, at, action, fixtures);
        let said = catch_unwind(AssertUnwindSafe(act)).unwrap_or(CallResult::Panicked);
        let grew = driver.backoffs() == before + 1;
        // A start after a panic counts anew, and the pause goes on.
        let began = shadow.has_panicked_over_current();
        let drawn = action.is_call() && (grew || began);
        let longest = action.pause() == PAUSE;
        let pause = drawn.then(|| driver.redraw_backoff(longest, at.moment()));
        Answered { said, pause }
    }

    fn act(
        driver: &mut Driver,
        shadow: &Shadow,
        at: Instant,
        action: Action,
        fixtures: &Fixtures,
    ) -> CallResult {
        let now = at.moment();
        match action {
            Action::Pass | Action::Sleep => {}
            Action::Poll(_) => return CallResult::Output(Box::new(driver.poll(now))),
            Action::PollPanic => {
                return CallResult::Output(Box::new(with_panics(|| driver.poll(now))));
            }
            Action::Start(login) => driver.start(fixtures.start(login), now),
            Action::Set(login) => driver.set_credentials(fixtures.credentials(login), now),
            Action::Stop => driver.stop(now),
            Action::Online(online) => driver.set_online(online, now),
            Action::Answer(answer, _) => {
                let Flight { id, asked, .. } = shadow.flight.unwrap();
                let successor = answer.successor(asked, &shadow.spent);
                let reply = fixtures.reply(answer, asked.0, successor);
                return CallResult::Taken(driver.handle_response(id, reply, now));
            }
            Action::Lose(why, _) => {
                let id = shadow.flight.unwrap().id;
                return CallResult::Taken(driver.handle_failure(id, why, now));
            }
            Action::LateAnswer(answer) => {
                // One that brings credentials, if the login's are such.
                let asked = shadow.credentials.unwrap_or((Person::Ann, 0));
                let successor = answer.successor(asked, &[]);
                let reply = fixtures.reply(answer, asked.0, successor);
                return CallResult::Taken(driver.handle_response(
                    shadow.stale.unwrap(),
                    reply,
                    now,
                ));
            }
            Action::LateLoss => {
                let why = TransportFailure::Unreachable;
                return CallResult::Taken(driver.handle_failure(shadow.stale.unwrap(), why, now));
            }
            Action::Unauthorized => {
                let call = Authorized::valid(shadow.token.unwrap().generation, u64::MAX);
                driver.handle_unauthorized(call, now);
            }
            Action::SlowUnauthorized => {
                let call = Authorized::valid(shadow.token.unwrap().generation, 0);
                driver.handle_unauthorized(call, now);
            }
            Action::LateUnauthorized(age) => {
                let call = Authorized::valid(shadow.previous.unwrap(), age);
                driver.handle_unauthorized(call, now);
            }
        }
        CallResult::Nothing
    }
}

impl Action {
    /// Whether it is a call to the driver.
    pub(crate) fn is_call(self) -> bool {
        !matches!(self, Self::Pass | Self::Sleep)
    }

    /// How long a pause is that begins with it. Where chance has a say, there is the same action with the longest
    /// pause, and with the shortest, which covers the case in which there is none.
    pub(crate) fn pause(self) -> u64 {
        match self {
            Self::Poll(jitter) | Self::Answer(_, jitter) | Self::Lose(_, jitter) => jitter.pause(),
            _ => 0,
        }
    }
}

fn hash_of(value: &impl Hash) -> u64 {
    RandomState::with_seeds(1, 2, 3, 4).hash_one(value)
}

impl Clone for State {
    fn clone(&self) -> Self {
        Self {
            driver: self.driver.fork(),
            at: self.at,
            shadow: self.shadow.clone(),
            violation: self.violation,
            key: self.key,
            canonical: self.canonical,
            next_transition: OnceLock::new(),
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
