//! Copies of a driver, and what of it decides its future: for exhaustive checks (feature `_model`).

use core::mem::{Discriminant, discriminant};

use super::backoff::Backoff;
use super::budget::Budget;
use super::event::Event;
use super::floors::Floors;
use super::learned_age::LearnedAge;
use super::login::{Login, Stalled};
use super::machine::Driver;
use super::output::Queued;
use super::token_status::TokenStatus;
use crate::exchange::{Grant, Identity};
use crate::session::CanonicalSession;
use crate::session::transitions::Transition;
use crate::time::Moment;

/// What decides a driver's future, and nothing else, so that two drivers with equal ones act alike from
/// now on. Times are relative to now and clipped where they no longer matter. Requests count as in flight
/// or not, without their ids. Left out: tokens, counters, epochs and generations, and with these the
/// jitter of backoffs and margins to come.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Canonical {
    session: CanonicalSession,
    login: CanonicalLogin,
    online: bool,
    budget: Budget,
    floors: Floors,
    backoff: Backoff,
    token: Option<TokenStatus>,
    learned: LearnedAge,
    age: u64,
    announced: Option<(u64, Transition)>,
    queue: Vec<CanonicalQueued>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum CanonicalLogin {
    Nobody,
    Pending(u64),
    Adopted(Option<u64>),
    Renewable {
        credentials: u64,
        pinned: Option<Identity>,
        unset: bool,
        adopt_first: Option<u64>,
        stalled: Option<Stalled>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum CanonicalQueued {
    Abandon,
    Transition(Transition),
    Other(Discriminant<Event>),
}

#[doc(hidden)]
impl Driver {
    /// The same driver once more. Whoever drives both has twice the budget.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            session: self.session.fork(),
            login: self.login.clone(),
            floors: self.floors.clone(),
            announced: self.announced.clone(),
            queue: self.queue.clone(),
            ..*self
        }
    }

    /// What decides this driver's future from `now` on.
    #[must_use]
    pub fn canonical(&self, now: Moment) -> Canonical {
        let ticks = self.session.ticks_at(now);
        let holds = self.generation().is_some();
        Canonical {
            login: self.canonical_login(),
            online: self.online,
            budget: self.budget.relative_to(&self.policy, ticks),
            floors: self.floors.relative_to(ticks),
            backoff: self.backoff.relative_to(&self.policy, ticks),
            token: holds.then_some(self.token),
            learned: self.learned.relative_to(&self.policy, ticks),
            age: self.canonical_age(now),
            announced: self
                .announced
                .as_ref()
                .map(|next| (next.credentials.fingerprint(), next.transition)),
            queue: self.queue.iter().map(CanonicalQueued::of).collect(),
            session: self.session.canonical(now),
        }
    }

    /// How often the pause between tries has grown since a try last succeeded.
    #[must_use]
    pub fn pauses(&self) -> u32 {
        self.backoff.pauses()
    }

    /// Gives the pause that began at `now` the least or the most jitter that chance could have given it.
    /// Says how long it was, in milliseconds.
    pub fn redraw_pause(&mut self, longest: bool, now: Moment) -> u64 {
        let ticks = self.session.observe(now);
        let drawn = self.backoff.until().saturating_sub(ticks);
        self.backoff.redraw(&self.policy, ticks, longest);
        drawn
    }

    /// The age of a token that teaches, as far as it matters.
    fn canonical_age(&self, now: Moment) -> u64 {
        let age = self.token_age(now).filter(|_| self.token.is_asked_for());
        age.map_or(0, |age| age.millis.min(self.learned.oldest(&self.policy, age.stated)))
    }

    fn canonical_login(&self) -> CanonicalLogin {
        match &self.login {
            Login::Nobody => CanonicalLogin::Nobody,
            Login::Pending(grant) => CanonicalLogin::Pending(grant.fingerprint()),
            Login::Adopted => CanonicalLogin::Adopted(self.session.token_fingerprint()),
            Login::Renewable(login) => CanonicalLogin::Renewable {
                credentials: login.credentials.fingerprint(),
                pinned: login.pinned.clone(),
                unset: login.unset,
                adopt_first: login.adopt_first.as_ref().map(Grant::fingerprint),
                stalled: login.stalled,
            },
        }
    }
}

impl CanonicalQueued {
    fn of(queued: &Queued) -> Self {
        match queued {
            Queued::Abandon(_) => Self::Abandon,
            Queued::Event(event) => match event.transition() {
                Some(transition) => Self::Transition(transition),
                None => Self::Other(discriminant(event)),
            },
        }
    }
}
