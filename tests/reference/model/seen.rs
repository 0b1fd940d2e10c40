//! What a caller can see, and what the trial asks for besides.

use videokit_session::driver::Blocked;
use videokit_session::session::transitions::StateName;

use super::clock::{Bounds, Elapsed, Life};
use super::words::{Ask, Bearer, Told};
use super::{Model, Pause};

impl Model {
    pub(crate) fn state(&self) -> StateName {
        match (&self.token, self.flight) {
            (Some(_), _) => StateName::Active,
            (None, Some(_)) => StateName::Authenticating,
            (None, None) if self.announced.is_some() => StateName::Authenticating,
            (None, None) if self.expired => StateName::Expired,
            (None, None) => StateName::Unauthenticated,
        }
    }

    pub(crate) fn blocked(&self) -> Option<Blocked> {
        let Some(login) = &self.login else { return Some(Blocked::NotStarted) };
        match (&login.ask, &login.adopt) {
            (Some(ask), _) if self.used_up.contains(ask) => Some(Blocked::Spent),
            (Some(_), _) => self.stall,
            // Adopting it is what comes next.
            (None, Some(_)) => None,
            (None, None) => Some(Blocked::NoCredentials),
        }
    }

    /// The token that an API request gets, or what there is to wait for: `Err(None)` for the next event.
    pub(crate) fn serves(&self, now: Elapsed) -> Result<(&Bearer, u64), Option<Blocked>> {
        let dead = |life: Life| life.at(now).1.is_some_and(|hi| hi <= 0);
        match &self.token {
            Some(token) if !dead(token.life) => Ok((&token.bearer, token.generation)),
            _ if self.login.as_ref().is_some_and(|login| login.adopt.is_some()) => Err(None),
            _ => Err(self.blocked()),
        }
    }

    pub(crate) fn remaining(&self, now: Elapsed) -> Option<Bounds> {
        self.token.as_ref().map(|token| token.life.at(now))
    }

    /// The time as of another reading, which is not taken yet.
    pub(crate) fn elapsed_at(&self, mono: u64, wall: i64) -> Elapsed {
        let mut ahead = self.readings.clone();
        ahead.take(mono, wall);
        ahead.now()
    }

    /// What a request was made with.
    pub(crate) fn asked(&self, number: usize) -> &Ask {
        &self.sends[number].ask
    }

    /// What the next one would be made with.
    pub(crate) fn next_ask(&self) -> Option<&Ask> {
        self.login.as_ref()?.ask.as_ref()
    }

    pub(crate) fn last_asked(&self) -> Option<&Ask> {
        self.sends.last().map(|sent| &sent.ask)
    }

    pub(crate) fn generation(&self) -> Option<u64> {
        self.token.as_ref().map(|token| token.generation)
    }

    /// Whose login it is, as far as that is known: who its tokens are for, who the credentials or a token to be
    /// adopted state, or who the request under way asks for.
    pub(crate) fn identity(&self) -> Option<u8> {
        let login = self.login.as_ref()?;
        let adopt = login.adopt.as_ref().and_then(|bearer| bearer.identity);
        let stated = login.ask.as_ref().and_then(|ask| ask.identity).or(adopt);
        let flight = self.flight.map(|flight| &self.sends[flight].ask);
        let under_way = self.announced.as_ref().or(flight).and_then(|ask| ask.identity);
        self.held.or(stated).or(under_way)
    }

    /// The same, as the session knows it.
    pub(crate) fn session_identity(&self) -> Option<u8> {
        let first = self.flight.filter(|_| self.token.is_none());
        self.held.or_else(|| self.sends[first?].ask.identity)
    }

    /// Whether the request of this number is in flight for somebody that its credentials don't state, and newer ones
    /// do.
    pub(crate) fn knows_better(&self, number: usize) -> bool {
        let states = |ask: &Ask| ask.identity.is_some();
        self.flight == Some(number)
            && !states(&self.sends[number].ask)
            && self.held.is_none()
            && self.next_ask().is_some_and(states)
    }

    /// What is used up, and may not be sent again.
    pub(crate) fn used_up(&self) -> &[Ask] {
        &self.used_up
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn counted(&self, what: &str) -> u64 {
        self.count.get(what).copied().unwrap_or(0)
    }

    /// All pauses so far.
    pub(crate) fn pauses(&self) -> impl Iterator<Item = &Pause> {
        self.paused.iter().chain(&self.pause)
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// What came to be told since the last time.
    pub(crate) fn news(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.news)
    }
}
