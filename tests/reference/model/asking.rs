//! The rules of asking: when the driver may, when it must, and what it waits for otherwise.

use videokit_session::driver::WakeReason;
use videokit_session::session::transitions::{Cause, StateName};

use super::clock::{Elapsed, Life};
use super::early::Refused;
use super::jitter::Between;
use super::words::Settings;
use super::words::Told;
use super::{Model, Sent, Token};
use crate::steps::Mark;
use crate::trial::same;

const DAY: i64 = 24 * 3_600_000;
const NEVER: i64 = i64::MAX / 4;

/// What a request has to wait for, and until when, in ticks.
struct Limit {
    why: WakeReason,
    until: Between,
}

impl Token {
    /// Its life, where it is scheduled by this age.
    fn scheduled(&self, age: Option<i64>) -> Life {
        age.map_or(self.life, |age| self.life.until(age))
    }

    /// What is known of its margin then.
    fn margin(&self, age: Option<i64>, set: &Settings) -> Between {
        if let Some(margin) = self.margins.get(&age) {
            return *margin;
        }
        let lo = self.scheduled(age).begins_with().max(0);
        let margin = set.margin.min(lo * set.percent / 100);
        Between::new(margin, margin + margin / 2)
    }
}

impl Model {
    /// The driver says that it is about to send a request.
    pub(super) fn announces(
        &mut self,
        from: StateName,
        to: StateName,
        cause: Cause,
    ) -> Result<(), String> {
        self.meet_limits()?;
        if self.next_endpoint().is_none() {
            return Err("there is no request to send".into());
        }
        let (before, announces) = (self.state(), self.sending());
        self.announced = self.next_ask().cloned();
        same("the announcement", (from, to, cause), (before, self.state(), announces))
    }

    /// Why the session changes when a request is sent.
    fn sending(&self) -> Cause {
        match (&self.token, self.expired) {
            (Some(_), _) => Cause::RenewalSent,
            (None, true) => Cause::Reauthenticated,
            (None, false) => Cause::Started,
        }
    }

    /// The driver sent a request.
    pub(super) fn sends(&mut self, number: usize) -> Result<(), String> {
        let ask = self.announced.take().ok_or("it sends what it did not announce")?;
        self.sends.push(Sent { at: self.readings.now(), ask });
        self.spent.push(self.now());
        let (before, cause) = (self.state(), self.sending());
        self.flight = Some(number);
        self.expired = false;
        self.news.push(Told::Moved(before, self.state(), cause));
        self.bump("requests");
        Ok(())
    }

    /// The driver waits.
    pub(super) fn waits(&mut self, wait: Option<(i64, WakeReason)>) -> Result<(), String> {
        let limits = self.limits();
        let ends = self.ends();
        let Some((millis, why)) = wait else {
            let nothing = limits.is_none() && ends.is_empty();
            return if nothing {
                Ok(())
            } else {
                Err("it waits for input, with time to wait for".into())
            };
        };
        if !(1..=DAY).contains(&millis) {
            return Err(format!("it waits for {millis} ms"));
        }
        let until = self.now() + millis;
        // A longer wait is cut to a day.
        let at_most = if millis == DAY { NEVER } else { until };
        if let Some((sooner, at)) = ends.iter().find(|(_, at)| *at < until) {
            return Err(format!("it waits until {until}, past the {sooner:?} at {at}"));
        }
        let limits = limits.unwrap_or_default();
        if limits.iter().all(|limit| limit.until.most < until) && !limits.is_empty() {
            return Err(format!("it waits until {until}, when it might have asked before"));
        }
        if matches!(why, WakeReason::Deadline | WakeReason::Expiry) {
            let known = ends.iter().any(|(end, at)| *end == why && (until..=at_most).contains(at));
            return if known { Ok(()) } else { Err(format!("no {why:?} is at {until}: {ends:?}")) };
        }
        if limits.iter().all(|limit| limit.why != why) {
            return Err(format!("it waits for {why:?}, which is no limit now"));
        }
        for limit in limits {
            let least = if limit.why == why { until } else { i64::MIN };
            self.learn(&limit, least, at_most)?;
        }
        Ok(())
    }

    /// What has to pass before the next request, or before `TokenNeeded` is emitted.
    /// `None` if only an input can bring that about.
    fn limits(&self) -> Option<Vec<Limit>> {
        let login = self.login.as_ref()?;
        let due = self.due();
        if login.ask.is_none() {
            return self.token.as_ref().filter(|token| !token.needed).map(|_| vec![due]);
        }
        if self.flight.is_some() || self.blocked().is_some() || !self.online {
            return None;
        }
        let floor = self.floor(self.next_endpoint());
        let pause = self.pause.as_ref().map_or(Between::exactly(i64::MIN), |pause| pause.until);
        let limit = |why, until| Limit { why, until };
        Some(vec![
            due,
            limit(WakeReason::Backoff, pause),
            limit(WakeReason::RetryAfter, Between::exactly(floor)),
            limit(WakeReason::Budget, Between::exactly(self.budget())),
        ])
    }

    /// When renewal is due: now, without a token, and for one that was refused.
    fn due(&self) -> Limit {
        let at_once = Between::exactly(i64::MIN);
        let until = match &self.token {
            Some(token) if !self.has_ask() => self.due_by(token, None),
            Some(token) if !matches!(token.status.refused, Refused::Wanted(_)) => {
                let due = self.due_by(token, self.limit(token));
                match self.proof(token) {
                    Some((shown_at, age)) => {
                        let cured = self.due_by(token, age);
                        let least = due.least.min(cured.least.max(shown_at));
                        Between::new(least, due.most.min(cured.most.max(shown_at)))
                    }
                    None => due,
                }
            }
            _ => at_once,
        };
        Limit { why: WakeReason::Renewal, until }
    }

    /// The age that a token is scheduled by, where that is less than what is stated.
    fn limit(&self, token: &Token) -> Option<i64> {
        self.early.age().filter(|age| token.status.own && *age < token.life.stated())
    }

    /// When, in ticks, a token shows that the renewal before it cured, and what it is scheduled by then.
    fn proof(&self, token: &Token) -> Option<(i64, Option<i64>)> {
        let (shown_at, age) = self.early.proof(token.status).filter(|_| token.status.own)?;
        let left = shown_at - token.life.age(self.readings.now());
        Some((self.now() + left, age.filter(|age| *age < token.life.stated())))
    }

    /// When renewal is due for a token that is scheduled by this age.
    fn due_by(&self, token: &Token, age: Option<i64>) -> Between {
        let (now, life) = (self.readings.now(), token.scheduled(age));
        let margin = token.margin(age, &self.set);
        Between::new(
            life.when_scheduled_is(margin.most, now),
            life.when_scheduled_is(margin.least, now),
        )
    }

    /// The earliest that the budget allows the next request: no window that ends with it, and begins with
    /// any of those before, may hold more than b + w/T; nor, if it begins with the last, than 1 + w/g.
    fn budget(&self) -> i64 {
        let count = |first: usize| i64::try_from(self.spent.len() - first + 1).expect("few");
        let by_rate = self
            .spent
            .iter()
            .enumerate()
            .map(|(first, at)| at + (count(first) - self.set.burst).max(0) * self.set.interval);
        let by_spacing = self.spent.last().map(|last| last + self.set.spacing);
        by_rate.chain(by_spacing).max().unwrap_or(i64::MIN)
    }

    /// The ends that time brings by itself.
    fn ends(&self) -> Vec<(WakeReason, i64)> {
        let deadline = self.flight.map(|flight| self.sends[flight].at.ticks + self.set.timeout);
        let now = self.readings.now();
        let expiry = self.token.as_ref().and_then(|token| token.life.when_expired(now));
        let deadline = deadline.map(|at| (WakeReason::Deadline, at));
        deadline.into_iter().chain(expiry.map(|at| (WakeReason::Expiry, at))).collect()
    }

    /// The driver has shown that a limit ends between these ticks.
    fn learn(&mut self, limit: &Limit, least: i64, most: i64) -> Result<(), String> {
        let said = |wrong| format!("{:?}: {wrong}", limit.why);
        let until = limit.until.and(least, most).map_err(said)?;
        let now = self.readings.now();
        let age =
            self.token.as_ref().and_then(|token| self.limit(token).filter(|_| self.has_ask()));
        // Two schedules may be behind it, and it isn't known which.
        let certain = self.token.as_ref().is_some_and(|token| self.proof(token).is_none());
        let set = self.set;
        match (limit.why, &mut self.token, &mut self.pause) {
            (WakeReason::Backoff, _, Some(pause)) => pause.until = until,
            (WakeReason::Renewal, Some(token), _) if limit.until != until && certain => {
                // Due at some time is a margin of at least what is left then, and of less than was.
                let life = token.scheduled(age);
                let left = |ticks| life.scheduled(Elapsed { ticks, ..now });
                let most = if least > now.ticks { left(until.least - 1) - 1 } else { i64::MAX };
                let margin = token.margin(age, &set).and(left(until.most), most).map_err(said)?;
                token.margins.insert(age, margin);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether there is nothing to wait for, whatever chance says.
    pub(super) fn is_surely_due(&self) -> bool {
        let now = self.now();
        self.limits().is_some_and(|limits| limits.iter().all(|limit| limit.until.most <= now))
    }

    /// Everything that a request, or a word that a token is needed, has to wait for is over.
    pub(super) fn meet_limits(&mut self) -> Result<(), String> {
        let now = self.now();
        let limits = self.limits().ok_or("there is nothing to ask for")?;
        limits.iter().try_for_each(|limit| self.learn(limit, i64::MIN, now))
    }

    /// When something is due, as far as that is known.
    pub(crate) fn due_at(&self, mark: Mark) -> Option<i64> {
        let end = |why| self.ends().into_iter().find(|(end, _)| *end == why).map(|(_, at)| at);
        let retry_after =
            || self.retry_after.values().copied().filter(|until| *until >= self.now()).min();
        let now = self.readings.now();
        match mark {
            Mark::Wake => None,
            Mark::Deadline => end(WakeReason::Deadline),
            Mark::Expired => end(WakeReason::Expiry),
            Mark::Renewal => self.token.as_ref().map(|_| self.due().until.least),
            Mark::Unsure => self.token.as_ref().map(|token| token.life.when_lo_is(0, now)),
            Mark::Pause => self.pause.as_ref().map(|pause| pause.until.most),
            Mark::Floor => retry_after(),
            Mark::Budget => Some(self.budget()),
            Mark::Threshold | Mark::Learned | Mark::HalfLearned | Mark::Similar => {
                let (age, _) = self.token_age()?;
                let at = match mark {
                    Mark::Threshold => Some(self.early.threshold),
                    Mark::Learned => self.early.age(),
                    Mark::HalfLearned => self.early.known.map(|known| known / 2),
                    _ => self.early.suspected.map(|died| (died * 3 + 3) / 4),
                };
                Some(self.now() + at? - age)
            }
        }
        .filter(|at| *at > i64::MIN)
    }
}
