//! The outcomes of requests: the token or the failure that each ends in, and what follows from that.

use std::collections::BTreeMap;

use videokit_session::TransportFailure;
use videokit_session::driver::Blocked;
use videokit_session::session::transitions::{Cause, StateName};

use super::clock::Life;
use super::early::{Refused, TokenStatus};
use super::jitter::Between;
use super::words::{Bearer, Kind, Told, What};
use super::{Failed, Model, Pause, Sent, Token};

/// The outcomes of requests.
impl Model {
    /// Takes the request of this number out of the air, if it is there.
    pub(super) fn complete(&mut self, number: Option<usize>) -> Option<Sent> {
        if number.is_none() || self.flight != number {
            self.bump("stale");
            return None;
        }
        self.flight.take().map(|flight| self.sends[flight].clone())
    }

    pub(super) fn granted(&mut self, sent: &Sent, bearer: Bearer, life: Life) {
        let (cause, counter) = match self.token {
            Some(_) => (Cause::Renewed, "renewals"),
            None => (Cause::Granted, "authentications"),
        };
        self.bump(counter);
        self.completed(cause, StateName::Active, Told::Moved);
        let after_401 = self.end_token() && self.is_own(sent);
        if !after_401 {
            self.early.give_up_suspicion();
        }
        self.hold(bearer, life, TokenStatus { own: true, after_401, refused: Refused::Never });
        self.tries = 0;
        if life.at(self.readings.now()).0 > 0 {
            self.forget_failures();
        } else {
            self.malformed = None;
            self.pause_after_one_more(Failed::Server, true);
        }
    }

    pub(super) fn denied(&mut self, sent: &Sent, kind: Kind, permanent: bool, wait: Option<i64>) {
        self.bump(match kind {
            Kind::Refused => "refused",
            Kind::Throttled => "throttled",
            Kind::Transient => "transient",
            Kind::Redirect => "redirected",
            Kind::Malformed(_) => "malformed",
        });
        if let (Some(endpoint), Some(wait)) = (&sent.ask.endpoint, wait) {
            self.leave_alone(endpoint.clone(), self.now() + wait.min(self.set.retry_after_cap));
        }
        let cause = self.either(Cause::RenewalDenied, Cause::Denied);
        self.completed(cause, StateName::Unauthenticated, |from, to, cause| {
            Told::Denied(from, to, cause, kind)
        });
        match (permanent, self.is_own(sent)) {
            (true, true) => {
                self.malformed = None;
                self.stall = Some(Blocked::Refused);
            }
            (_, false) => {}
            (false, true) => {
                let what = if let Kind::Malformed(what) = kind { Some(what) } else { None };
                self.note(what);
                let portal = kind == Kind::Redirect || what == Some(What::Markup);
                self.one_more_failure(if portal { Failed::Portal } else { Failed::Server });
            }
        }
    }

    /// A server asks to be left alone: longer than it did before, or as long. Four endpoints are told apart,
    /// the others share the longest wait.
    fn leave_alone(&mut self, endpoint: String, until: i64) {
        let now = self.now();
        self.retry_after.retain(|_, until| *until > now);
        let until = until.max(self.floor(Some(&endpoint)));
        if self.retry_after.contains_key(&endpoint) || self.retry_after.len() < 4 {
            self.retry_after.insert(endpoint, until);
        } else {
            self.others = until;
        }
    }

    /// Until when an endpoint is left alone.
    pub(super) fn floor(&self, endpoint: Option<&String>) -> i64 {
        let own = endpoint.and_then(|endpoint| self.retry_after.get(endpoint));
        own.copied().unwrap_or(self.others)
    }

    pub(super) fn failed(&mut self, sent: &Sent, why: TransportFailure) {
        let cause = self.either(Cause::RenewalFailed, Cause::Failed);
        self.completed(cause, StateName::Unauthenticated, |from, to, cause| {
            Told::Failed(from, to, cause, why)
        });
        if self.is_own(sent) {
            self.note(None);
            self.one_more_failure(Failed::Network);
        }
    }

    /// Five denials in a row with one flaw are told of, once.
    fn note(&mut self, what: Option<What>) {
        self.malformed = match (what, self.malformed) {
            (Some(what), Some((known, count))) if what == known => Some((what, count + 1)),
            (what, _) => what.map(|what| (what, 1)),
        };
        if let Some((what, 5)) = self.malformed {
            self.emit(Told::StillMalformed(what));
        }
    }

    /// Tells of a transition that ends a request. A current token stays; without one, the state is `to`.
    fn completed(
        &mut self,
        cause: Cause,
        to: StateName,
        event: impl Fn(StateName, StateName, Cause) -> Told,
    ) {
        let (from, to) = match self.token {
            Some(_) => (StateName::Active, StateName::Active),
            None => (StateName::Authenticating, to),
        };
        self.emit(event(from, to, cause));
    }

    /// What older credentials met says nothing about newer ones.
    fn one_more_failure(&mut self, cause: Failed) {
        self.pause_after_one_more(cause, false);
        self.tries += 1;
        if self.set.attempts.is_some_and(|attempts| self.tries >= attempts) {
            self.stall = Some(Blocked::GaveUp);
            self.emit(Told::GaveUp);
        }
    }

    /// Exponential, with full jitter: from nothing to a ceiling that doubles with each failure.
    fn pause_after_one_more(&mut self, cause: Failed, doubtful: bool) {
        let (base, mut cap) = self.set.backoff;
        // A service that is broken, and not hidden by a portal, is left alone for longer.
        if self.malformed.is_some_and(|(what, count)| count >= 5 && what != What::Markup) {
            cap = cap.max(600_000);
        }
        let ceiling = (0..self.failures).fold(base, |ceiling, _| (ceiling * 2).min(cap)).min(cap);
        self.failures += 1;
        let from = self.now();
        let until = Between::new(from, from + ceiling);
        let pause = Pause { from, ceiling, until, cause, doubtful };
        self.paused.extend(self.pause.replace(pause));
    }

    pub(super) fn forget_failures(&mut self) {
        (self.failures, self.tries, self.malformed) = (0, 0, None);
        self.paused.extend(self.pause.take());
    }

    pub(super) fn hold(&mut self, bearer: Bearer, life: Life, status: TokenStatus) {
        self.generations += 1;
        self.expired = false;
        self.token = Some(Token {
            generation: self.generations,
            bearer,
            life,
            margins: BTreeMap::new(),
            status,
            told: false,
            needed: false,
        });
    }
}
