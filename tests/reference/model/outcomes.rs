//! What becomes of requests: the token or the failure that each ends in, and what follows from that.

use videokit_session::TransportFailure;
use videokit_session::driver::Stalled;
use videokit_session::session::transitions::{Cause, StateName};

use super::clock::Life;
use super::jitter::Between;
use super::words::{Bearer, Kind, Told};
use super::{Model, Pause, Refused, Sent, Token};

/// What becomes of requests.
impl Model {
    /// Takes the request of this number out of the air, if it is there.
    pub(super) fn land(&mut self, number: Option<usize>) -> Option<Sent> {
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
        self.landed(cause, StateName::Active, Told::Moved);
        self.with_login().identity = self.identity().or(bearer.identity);
        let refused =
            if sent.after_401 && self.is_own(sent) { Refused::Spent } else { Refused::Never };
        self.hold(bearer, life, refused);
        self.tries = 0;
        if life.at(self.readings.now()).0 > 0 {
            self.forget_failures();
        } else {
            self.pause_after_one_more(false, true);
        }
    }

    pub(super) fn denied(&mut self, sent: &Sent, kind: Kind, permanent: bool, wait: Option<i64>) {
        self.bump(match kind {
            Kind::Refused => "refused",
            Kind::Throttled => "throttled",
            Kind::Transient => "transient",
            Kind::Redirect => "redirected",
            Kind::Malformed => "malformed",
        });
        if let (Some(endpoint), Some(wait)) = (&sent.ask.endpoint, wait) {
            self.leave_alone(endpoint.clone(), self.now() + wait.min(self.set.retry_after_cap));
        }
        let cause = self.either(Cause::RenewalDenied, Cause::Denied);
        self.landed(cause, StateName::Unauthenticated, |from, to, cause| {
            Told::Denied(from, to, cause, kind)
        });
        match (permanent, self.is_own(sent)) {
            (true, true) => self.stall = Some(Stalled::Refused),
            (true, false) => {}
            (false, own) => self.one_more_failure(own, false),
        }
    }

    /// A server asks to be left alone: longer than it did before, or as long. Four endpoints are told apart,
    /// the others share the longest wait.
    fn leave_alone(&mut self, endpoint: String, until: i64) {
        let now = self.now();
        self.floors.retain(|_, until| *until > now);
        let until = until.max(self.floor(Some(&endpoint)));
        if self.floors.contains_key(&endpoint) || self.floors.len() < 4 {
            self.floors.insert(endpoint, until);
        } else {
            self.others = until;
        }
    }

    /// Until when an endpoint is left alone.
    pub(super) fn floor(&self, endpoint: Option<&String>) -> i64 {
        let own = endpoint.and_then(|endpoint| self.floors.get(endpoint));
        own.copied().unwrap_or(self.others)
    }

    pub(super) fn failed(&mut self, sent: &Sent, why: TransportFailure) {
        let cause = self.either(Cause::RenewalFailed, Cause::Failed);
        self.landed(cause, StateName::Unauthenticated, |from, to, cause| {
            Told::Failed(from, to, cause, why)
        });
        self.one_more_failure(self.is_own(sent), true);
    }

    /// Tells of a transition that ends a request. A token at hand stays; without one, the state is `to`.
    fn landed(
        &mut self,
        cause: Cause,
        to: StateName,
        tell: impl Fn(StateName, StateName, Cause) -> Told,
    ) {
        let (from, to) = match self.token {
            Some(_) => (StateName::Active, StateName::Active),
            None => (StateName::Authenticating, to),
        };
        self.tell(tell(from, to, cause));
    }

    /// What older credentials met says nothing about newer ones, but that it is no time to hurry.
    fn one_more_failure(&mut self, own: bool, by_network: bool) {
        self.pause_after_one_more(by_network, false);
        self.tries += u32::from(own);
        if self.set.attempts.is_some_and(|attempts| self.tries >= attempts) {
            self.stall = Some(Stalled::GaveUp);
            self.tell(Told::GaveUp);
        }
    }

    /// Exponential, with full jitter: from nothing to a ceiling that doubles with each failure.
    fn pause_after_one_more(&mut self, by_network: bool, doubtful: bool) {
        let (base, cap) = self.set.backoff;
        let ceiling = (0..self.failures).fold(base, |ceiling, _| (ceiling * 2).min(cap)).min(cap);
        self.failures += 1;
        let from = self.now();
        let until = Between::new(from, from + ceiling);
        let pause = Pause { from, ceiling, until, by_network, doubtful };
        self.paused.extend(self.pause.replace(pause));
    }

    pub(super) fn forget_failures(&mut self) {
        (self.failures, self.tries) = (0, 0);
        self.paused.extend(self.pause.take());
    }

    pub(super) fn hold(&mut self, bearer: Bearer, life: Life, refused: Refused) {
        self.generations += 1;
        self.expired = false;
        let left = life.scheduled(self.readings.now()).max(0);
        let margin = self.set.margin.min(left * self.set.percent / 100);
        self.token = Some(Token {
            generation: self.generations,
            bearer,
            life,
            margin: Between::new(margin, margin + margin / 2),
            refused,
            told: false,
            needed: false,
        });
    }
}
