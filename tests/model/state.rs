//! A state of the model: a driver, its shadow, and the time; and what can be done to them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use ahash::RandomState;
use videokit_session::Driver;
use videokit_session::driver::{Canonical, Delivery, Output};
use videokit_session::session::TransportFailure;
use videokit_session::session::transitions::Transition;
use videokit_session::time::Validity;

use crate::cast::{Answer, Beside, Cast, Instant, PAUSE, Person, UNIT, Wish};
use crate::shadow::{Broken, Shadow, hold};
use crate::token::Flight;

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
    /// An API call with the current token was answered 401.
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

    pub(crate) fn pause(self) -> u64 {
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
    pub(crate) beside: Beside,
}

/// What a driver says to an action.
#[derive(PartialEq)]
pub(crate) struct Answered {
    pub(crate) said: Said,
    /// How long the pause is that began, before it was drawn anew.
    pub(crate) pause: Option<u64>,
}

/// The answer itself.
#[derive(PartialEq)]
pub(crate) enum Said {
    Output(Box<Output>),
    Taken(Delivery),
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
    /// Of the driver's part of that.
    canonical: u64,
    next_transition: OnceLock<Option<Transition>>,
}

impl State {
    pub(crate) fn first(cast: &Cast, bounds: &Bounds) -> Self {
        let mut first = Self {
            driver: cast.driver(),
            at: Instant::FIRST,
            shadow: Shadow::new(bounds.attempts, !bounds.late_answers.is_empty()),
            broken: None,
            key: 0,
            canonical: 0,
            next_transition: OnceLock::new(),
        };
        first.canonical = hash_of(&first.driver.canonical(first.at.moment()));
        first.key = first.hash();
        first
    }

    fn hash(&self) -> u64 {
        let shadow = self.shadow.key(self.at);
        hash_of(&(self.canonical, shadow, self.at.phase(), self.broken))
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
        self.driver.credentials().is_some() && self.driver.blocked()().is_none()
    }

    /// The transition that the next poll will tell.
    pub(crate) fn next_transition(&self) -> Option<Transition> {
        *self.next_transition.get_or_init(|| match self.driver.fork().poll(self.at.moment()) {
            Output::Event(event) => event.transition(),
            _ => None,
        })
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

    /// The state that follows; `None` if chance had no say, and another action covers it.
    pub(crate) fn after(&self, action: Action, beside: Beside, cast: &Cast) -> Option<Self> {
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
        let answered = Self::drive(&mut next.driver, &self.shadow, next.at, action, cast);
        if action.is_drawn_longest() && answered.pause.is_none() {
            return None;
        }
        let canonical = next.driver.canonical(next.at.moment());
        next.canonical = hash_of(&canonical);
        let same = self.is_repeated(action, next.at, cast, &answered, &canonical);
        next.broken = hold(10, same, "the same input did another thing")
            .and_then(|()| next.judge(self, action, answered))
            .and_then(|()| next.judge_token(cast))
            .err();
        next.key = next.hash();
        Some(next)
    }

    /// Whether a copy of the driver says the same to the same, and is the same then.
    fn is_repeated(
        &self,
        action: Action,
        at: Instant,
        cast: &Cast,
        answered: &Answered,
        canonical: &Canonical,
    ) -> bool {
        if let Action::Pass | Action::Sleep = action {
            // Nothing was asked of it.
            return true;
        }
        let mut twin = self.driver.fork();
        let twins = Self::drive(&mut twin, &self.shadow, at, action, cast);
        twins == *answered && twin.canonical(at.moment()) == *canonical
    }

    fn drive(
        driver: &mut Driver,
        shadow: &Shadow,
        at: Instant,
        action: Action,
        cast: &Cast,
    ) -> Answered {
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
        let drawn = drawn.filter(|_| driver.pauses() == pauses + 1);
        let pause = drawn.map(|jitter| driver.redraw_pause(jitter == Jitter::Most, now));
        Answered { said, pause }
    }
}

impl Action {
    /// Whether chance, if it has a say, draws the longest pause. The same action with the shortest covers
    /// the case in which it has none.
    fn is_drawn_longest(self) -> bool {
        matches!(
            self,
            Self::Poll(Jitter::Most) | Self::Answer(_, Jitter::Most) | Self::Lose(Jitter::Most)
        )
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
            broken: self.broken,
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
