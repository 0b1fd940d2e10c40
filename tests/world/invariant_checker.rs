//! Watches one driver from outside, and checks what it does against the ten rules. It shares no code with the
//! driver.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};

use core::hash::{Hash, Hasher};

use bytes::Bytes;
use http::Response;
use http::header::{AUTHORIZATION, COOKIE, DATE, RETRY_AFTER};

use crate::report::Invariant;
use videokit_session::driver::{Blocked, Driver, Event, Policy, Wake, WakeReason};
use videokit_session::exchange::DenialKind;
use videokit_session::session::transitions::{StateName, TABLE, Transition};
use videokit_session::session::{Generation, Outgoing, RequestId};
use videokit_session::time::{Moment, Remaining};

use crate::millis;

/// A promise that was broken, and what happened.
pub(crate) type Verdict = Result<(), (Invariant, String)>;

/// The most that one reading may add to a driver's time, in milliseconds.
const LEAP: u64 = 1 << 40;

/// The most that is certain of a token's life when it is renewed on schedule, in milliseconds: the
/// default margin, and half of it again.
const SCHEDULED: i64 = 90_000;

/// What a start was to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    /// The same once more.
    Again,
    /// The same login, with another secret.
    WithNewSecret,
    /// Another login.
    Another,
}

/// What is remembered of one driver.
#[derive(Debug)]
pub(crate) struct InvariantChecker {
    policy: Policy,
    last_mono: u64,
    /// Monotonic time as the driver may count it: no step back, and no leap.
    ticks: u64,
    /// When requests went out; the last few.
    sent_at: Vec<u64>,
    /// Requests that may go at once, in thousandths, and as of when.
    tokens: (u64, u64),
    asked: BTreeMap<RequestId, Asked>,
    live: Option<RequestId>,
    state: StateName,
    running: bool,
    refused: Option<u64>,
    /// Tokens that the API refused.
    unauthorized: BTreeSet<Generation>,
    /// Whether it refused one of this login's: from then on a shorter life may have been learned.
    has_been_unauthorized: bool,
    told: BTreeSet<Generation>,
    /// The token whose 401 has to be told of.
    expected_to_tell: Option<Generation>,
    /// The first token of a login to be refused: it has to be renewed.
    expected_to_renew: Option<Generation>,
    retry_after: BTreeMap<String, u64>,
}

#[derive(Debug, Clone)]
struct Asked {
    endpoint: String,
    /// A number for the credentials that it was made with.
    credentials: u64,
}

fn broken(promise: Invariant, what: impl Into<String>) -> Verdict {
    Err((promise, what.into()))
}

impl InvariantChecker {
    pub(crate) fn new(policy: Policy, now: Moment) -> Self {
        let full = u64::from(policy.burst()).saturating_mul(millis(policy.interval()));
        Self {
            policy,
            last_mono: mono(now),
            ticks: 0,
            sent_at: Vec::new(),
            tokens: (full, 0),
            asked: BTreeMap::new(),
            live: None,
            state: StateName::Unauthenticated,
            running: false,
            refused: None,
            unauthorized: BTreeSet::new(),
            has_been_unauthorized: false,
            told: BTreeSet::new(),
            expected_to_tell: None,
            expected_to_renew: None,
            retry_after: BTreeMap::new(),
        }
    }

    /// Notes a reading that the driver is about to get.
    pub(crate) fn read(&mut self, now: Moment) {
        let passed = mono(now).saturating_sub(self.last_mono).min(LEAP);
        self.ticks = self.ticks.saturating_add(passed);
        self.last_mono = mono(now);
    }

    /// A request went out.
    pub(crate) fn sent(&mut self, outgoing: &Outgoing, driver: &Driver, now: Moment) -> Verdict {
        let id = outgoing.id();
        if !self.running {
            return broken(Invariant::StopStops, format!("request {id} goes out after the stop"));
        }
        if let Some(live) = self.live.replace(id) {
            return broken(Invariant::Budget, format!("request {id} goes out beside {live}"));
        }
        self.spend(id)?;
        let uri = outgoing.request().uri();
        let endpoint = format!("{}{}", uri.authority().map_or("", |at| at.as_str()), uri.path());
        let floor = self.retry_after.get(&endpoint).copied().unwrap_or(0);
        if self.ticks < floor {
            let early = floor.saturating_sub(self.ticks);
            let what =
                format!("request {id} goes {early} ms before the time that the server named");
            return broken(Invariant::ServersAreLeftAlone, what);
        }
        let credentials = credentials(outgoing);
        if self.refused == Some(credentials) {
            let what = format!("request {id} asks again with what was refused for good");
            return broken(Invariant::RefusedIsRefused, what);
        }
        self.asked.insert(id, Asked { endpoint, credentials });
        self.renewal_is_asked_for(id, driver, now)
    }

    fn renewal_is_asked_for(&mut self, id: RequestId, driver: &Driver, now: Moment) -> Verdict {
        let holds = driver.generation().is_some();
        let certain = driver.remaining(now).map_or(0, Remaining::at_least_millis);
        if holds && !self.has_been_unauthorized && certain > SCHEDULED {
            let what =
                format!("renewal {id} goes {certain} ms before the end, and no 401 asked for it");
            return broken(Invariant::UnauthorizedRenewsOnce, what);
        }
        Ok(())
    }

    /// The bucket, and the bound that is published for any window.
    fn spend(&mut self, id: RequestId) -> Verdict {
        let (interval, burst) = (millis(self.policy.interval()), u64::from(self.policy.burst()));
        let (level, as_of) = self.tokens;
        let filled = level.saturating_add(self.ticks.saturating_sub(as_of));
        let filled = filled.min(burst.saturating_mul(interval));
        let spaced = self
            .sent_at
            .last()
            .is_none_or(|last| self.ticks >= last.saturating_add(millis(self.policy.spacing())));
        if filled < interval || !spaced {
            return broken(Invariant::Budget, format!("request {id} is over the budget"));
        }
        self.tokens = (filled.saturating_sub(interval), self.ticks);
        self.sent_at.push(self.ticks);
        if self.sent_at.len() > 64 {
            self.sent_at.remove(0);
        }
        for (count, first) in (1_u64..).zip(self.sent_at.iter().rev()) {
            let window = core::time::Duration::from_millis(self.ticks.saturating_sub(*first));
            if count > self.policy.most_requests_in(window) {
                return broken(Invariant::Budget, format!("{count} requests within {window:?}"));
            }
        }
        Ok(())
    }

    /// A reply or a failure is about to be reported: `before` is the token that serves.
    pub(crate) fn reported(
        &mut self,
        id: RequestId,
        reply: Option<&Response<Bytes>>,
        taken: bool,
        (before, after): (Option<&str>, Option<&str>),
    ) -> Verdict {
        let live = self.live == Some(id);
        if taken != live {
            let what = format!("request {id} was taken: {taken}; in flight: {live}");
            return broken(Invariant::StaleIsStale, what);
        }
        if !live && before != after {
            return broken(
                Invariant::StaleIsStale,
                format!("what came for {id} changed the token"),
            );
        }
        if live {
            self.live = None;
            self.note_wait(id, reply);
        }
        Ok(())
    }

    fn note_wait(&mut self, id: RequestId, reply: Option<&Response<Bytes>>) {
        let Some((asked, reply)) = self.asked.get(&id).zip(reply) else { return };
        if let Some(seconds) = wait(reply) {
            // The cap of the default policy is an hour.
            let until = self.ticks.saturating_add(seconds.min(3_600).saturating_mul(1_000));
            let floor = self.retry_after.entry(asked.endpoint.clone()).or_default();
            *floor = until.max(*floor);
        }
    }

    pub(crate) fn abandoned(&mut self, id: RequestId) -> Verdict {
        if self.live.take_if(|live| *live == id).is_none() {
            return broken(
                Invariant::StaleIsStale,
                format!("{id} was abandoned, and not in flight"),
            );
        }
        Ok(())
    }

    /// An event, with the request that it is the end of, if it is one's.
    pub(crate) fn event(
        &mut self,
        event: &Event,
        ended: Option<RequestId>,
        driver: &Driver,
    ) -> Verdict {
        if let Event::Unauthorized(generation) = event {
            self.expected_to_tell.take_if(|expected| expected == generation);
            let renewed = self.expected_to_renew == Some(*generation);
            let refused = self.unauthorized.contains(generation);
            if renewed || !refused || !self.told.insert(*generation) {
                let what = format!("an event of a 401 that was not to be told: {event}");
                return broken(Invariant::UnauthorizedRenewsOnce, what);
            }
        }
        let Some(transition) = event.transition() else { return Ok(()) };
        self.follow(event, transition)?;
        if let Event::Denied(_, denial) = event {
            if denial.kind() != DenialKind::Refused && driver.blocked() == Some(Blocked::Refused) {
                let what = format!("taken for a refusal: {denial}");
                return broken(Invariant::FailureDoesNoHarm, what);
            }
            if denial.is_permanent() {
                let asked = ended.and_then(|id| self.asked.get(&id));
                self.refused = asked.map(|asked| asked.credentials);
            }
        }
        Ok(())
    }

    fn follow(&mut self, event: &Event, transition: Transition) -> Verdict {
        if transition.from != self.state || !TABLE.contains(&transition) {
            let what = format!("{event}, though the session was {}", self.state);
            return broken(Invariant::OneEventEach, what);
        }
        self.state = transition.to;
        Ok(())
    }

    /// The driver waits: nothing is queued, so everything has been told.
    pub(crate) fn waits(&mut self, driver: &Driver, wake: Wake) -> Verdict {
        if self.state != driver.state() {
            let what =
                format!("{} without an event: the last one said {}", driver.state(), self.state);
            return broken(Invariant::OneEventEach, what);
        }
        if let Some(generation) = self.expected_to_tell {
            let what = format!("nobody was told of the 401 on token {}", generation.number());
            return broken(Invariant::UnauthorizedRenewsOnce, what);
        }
        self.renewal_is_on_its_way(driver, wake)
    }

    /// A token whose 401 was not told of is renewed: a request is in flight, or about to be.
    fn renewal_is_on_its_way(&self, driver: &Driver, wake: Wake) -> Verdict {
        let Some(generation) = driver.generation() else { return Ok(()) };
        let answered = self.unauthorized.contains(&generation) && !self.told.contains(&generation);
        let may_ask = driver.blocked().is_none() && driver.is_online() && self.live.is_none();
        let held_back = matches!(
            wake,
            Wake::In(_, WakeReason::Backoff | WakeReason::RetryAfter | WakeReason::Budget)
        );
        if answered && may_ask && !held_back && driver.credentials().is_some() {
            // The end of the token may come before that.
            if !matches!(wake, Wake::In(_, WakeReason::Expiry)) {
                let what = format!("a 401 on token {} led to nothing", generation.number());
                return broken(Invariant::UnauthorizedRenewsOnce, what);
            }
        }
        Ok(())
    }

    /// A 401 is about to be reported.
    pub(crate) fn unauthorized(&mut self, generation: Generation, driver: &Driver) {
        if driver.generation() != Some(generation) {
            return;
        }
        let renewable = driver.blocked().is_none() && driver.credentials().is_some();
        let first = !self.has_been_unauthorized && renewable;
        self.expected_to_renew = first.then_some(generation);
        self.unauthorized.insert(generation);
        self.has_been_unauthorized = true;
        if !renewable && !self.told.contains(&generation) {
            self.expected_to_tell = Some(generation);
        }
    }

    /// A start was made.
    pub(crate) fn started(&mut self, start: Started) {
        self.running = true;
        match start {
            Started::Again => {}
            // What was in flight is abandoned, and said to be so with the next polls.
            Started::Another => {
                self.refused = None;
                self.has_been_unauthorized = false;
                self.expected_to_renew = None;
            }
            Started::WithNewSecret => self.refused = None,
        }
    }

    /// A stop was made.
    pub(crate) fn stopped(&mut self, token: Option<&str>, driver: &Driver) -> Verdict {
        self.running = false;
        self.refused = None;
        if token.is_some() || driver.state() != StateName::Unauthenticated {
            return broken(Invariant::StopStops, format!("{} after a stop", driver.state()));
        }
        Ok(())
    }
}

fn mono(now: Moment) -> u64 {
    millis(now.since_start())
}

/// What the server asks to wait, in seconds: the longest of all lines.
fn wait(reply: &Response<Bytes>) -> Option<u64> {
    let lines = reply.headers().get_all(RETRY_AFTER).iter();
    lines.filter_map(|line| wait_of_line(line.to_str().ok()?, reply)).max()
}

/// A number, or a date less the reply's own, or the largest of several numbers.
fn wait_of_line(line: &str, reply: &Response<Bytes>) -> Option<u64> {
    if let Ok(seconds) = line.parse() {
        return Some(seconds);
    }
    if let Ok(until) = httpdate::parse_http_date(line) {
        let date = httpdate::parse_http_date(reply.headers().get(DATE)?.to_str().ok()?).ok()?;
        return Some(until.duration_since(date).ok()?.as_secs());
    }
    line.split(',').filter_map(|part| part.trim().parse().ok()).max()
}

fn credentials(outgoing: &Outgoing) -> u64 {
    let mut hasher = DefaultHasher::new();
    let headers = outgoing.request().headers();
    outgoing.request().uri().hash(&mut hasher);
    outgoing.request().body().hash(&mut hasher);
    (headers.get(AUTHORIZATION), headers.get(COOKIE)).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
