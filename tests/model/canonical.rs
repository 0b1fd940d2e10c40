//! What decides the future of a driver, and nothing else: two drivers with equal ones act alike from now on.
//!
//! Times are relative to now, and clipped where they no longer matter. Left out: tokens, the numbers of requests,
//! epochs and generations, and with these the jitter of backoffs and margins to come; counters; and the wait that
//! the last poll has cached, which must never change an answer.

use core::mem::{Discriminant, discriminant};
use core::num::NonZeroU64;

use super::fixtures::{Fixtures, Login as Known, Name};
use crate::driver::backoff::Backoff;
use crate::driver::budget::Budget;
use crate::driver::learned_age::{LearnedAge, QUIET_GAPS};
use crate::driver::login::{Login, Lookup, Renewable};
use crate::driver::output::Queued;
use crate::driver::policy::Policy;
use crate::driver::retry_after::{Endpoint, RetryAfter, Waits};
use crate::driver::token_status::TokenStatus;
use crate::driver::{Calling, Driver, Event, Output};
use crate::exchange::Identity;
use crate::session::transitions::{StateName, Transition};
use crate::session::{Active, Blocked, Generation, Machine};
use crate::time::{Moment, Stamp, Validity};

/// What decides the future of a driver.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Canonical {
    session: CanonicalSession,
    login: CanonicalLogin,
    /// The token that is to be adopted.
    pending: Option<Known>,
    /// A digest of the token that the login was started with.
    began_with: Option<NonZeroU64>,
    online: bool,
    budget: Budget,
    retry_after: Waits,
    /// Whether an exchange that panics is asked where its requests go.
    looks_up: bool,
    backoff: Backoff,
    token: Option<TokenStatus>,
    learned: LearnedAge,
    ages: [u64; 2],
    announced: Option<(Name, Transition)>,
    calling: Option<(Transition, Option<bool>)>,
    spent: Vec<Name>,
    queue: Vec<CanonicalQueued>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CanonicalSession {
    state: StateName,
    identity: Option<Identity>,
    drift: i64,
    flight: Option<CanonicalFlight>,
    token: Option<CanonicalToken>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CanonicalFlight {
    credentials: Name,
    overdue_in: u64,
    since_sent: u64,
    ahead_since_sent: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CanonicalToken {
    margin: i64,
    scheduled: i64,
    at_least: i64,
    at_most: Option<i64>,
    phases: (u64, u64),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum CanonicalLogin {
    None,
    /// The token in use, if there is one, unless another is to be adopted.
    Adopted(Option<Known>),
    Renewable {
        credentials: Name,
        given: Option<Name>,
        /// Whether it was looked up where requests go, and found.
        looked_up: Option<Lookup>,
        blocked: Option<Blocked>,
        spent_emitted: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum CanonicalQueued {
    Abandon,
    Transition(Transition),
    Other(Discriminant<Event>),
}

impl Canonical {
    /// Returns what decides the driver's future from `now` on.
    pub(crate) fn of(driver: &Driver, fixtures: &Fixtures, now: Moment) -> Self {
        let (local, policy) = (&driver.local, driver.shared.policy());
        let core = &local.machine.core;
        let at = core.stamp_at(now);
        let ticks = at.ticks;
        let learned = match &local.learned {
            Some(learned) => relative_learned(**learned, policy, &local.machine, ticks),
            None => LearnedAge::new(policy),
        };
        let active = local.machine.active();
        let age = local.token_age(at).filter(|_| local.token.is_asked_for());
        let ages = age.zip(active).map(|(age, active)| {
            let sent = active.token.lifetime.sent;
            let since_sent = at.ticks.saturating_sub(sent.ticks);
            let since_sent = since_sent.saturating_add_signed(at.ahead_since(sent));
            [age.millis, since_sent].map(|of| of.min(oldest(&learned, policy, age.stated)))
        });
        Self {
            session: CanonicalSession::of(driver, fixtures, now),
            login: canonical_login(
                &local.login,
                active.filter(|_| local.pending.is_none()),
                fixtures,
            ),
            began_with: local.began_with,
            pending: local.pending.as_ref().map(|grant| fixtures.name_of_grant(grant)),
            online: local.online,
            budget: relative_budget(local.budget, policy, ticks),
            retry_after: relative_retry_after(&local.retry_after, ticks),
            looks_up: fixtures.panics && !local.retry_after.is_empty(),
            backoff: relative_backoff(&local.backoff, policy, ticks),
            token: active.map(|_| local.token),
            learned,
            ages: ages.unwrap_or_default(),
            announced: local
                .announced
                .as_ref()
                .map(|next| (fixtures.name(&next.prepared.credentials), next.transition)),
            calling: local.calling.map(|calling| match calling {
                Calling::Request(announced) => (announced, None),
                Calling::Read { failed, is_current } => (failed, Some(is_current)),
            }),
            spent: local.spent.iter().map(|spent| fixtures.name(spent)).collect(),
            queue: local
                .queue
                .first
                .iter()
                .chain(&local.queue.rest)
                .map(CanonicalQueued::of)
                .collect(),
        }
    }
}

impl CanonicalSession {
    fn of(driver: &Driver, fixtures: &Fixtures, now: Moment) -> Self {
        let (machine, config) = (&driver.local.machine, &driver.shared.config);
        let clock = machine.core.clock.advanced(now);
        let at = clock.stamp();
        Self {
            state: machine.state(),
            identity: machine.core.identity.clone(),
            drift: clock.drift,
            flight: machine.flight().map(|flight| CanonicalFlight {
                credentials: fixtures.name(&flight.credentials),
                overdue_in: flight.overdue_in(config, at),
                since_sent: at.ticks.saturating_sub(flight.sent.ticks),
                ahead_since_sent: at.ahead_since(flight.sent),
            }),
            token: machine.active().map(|active| CanonicalToken::of(active, at)),
        }
    }
}

impl CanonicalToken {
    fn of(active: &Active, at: Stamp) -> Self {
        let lifetime = &active.token.lifetime;
        let remaining = lifetime.remaining(at);
        // Where in the rounding of both bounds it is: with what remains, this says what will remain later.
        let phase = |since: Stamp| at.ticks.saturating_sub(since.ticks) % 1_024;
        let scheduled = lifetime.scheduled_at(at).max(0);
        let falls = scheduled > 0 || remaining.at_least_millis() > 0;
        let is_finite = remaining.at_most_millis().is_some();
        let lives = remaining.validity() != Validity::Expired;
        Self {
            margin: active.token.margin,
            scheduled,
            at_least: remaining.at_least_millis().max(0),
            at_most: remaining.at_most_millis().map(|hi| hi.max(0)),
            phases: (
                if falls { phase(lifetime.sent) } else { 0 },
                if is_finite && lives { phase(lifetime.received) } else { 0 },
            ),
        }
    }
}

fn canonical_login(login: &Login, active: Option<&Active>, fixtures: &Fixtures) -> CanonicalLogin {
    match login {
        Login::None => CanonicalLogin::None,
        Login::Token => {
            CanonicalLogin::Adopted(active.and_then(|active| fixtures.name_of_token(active)))
        }
        Login::Renewable(login) => {
            let Renewable { credentials, given, endpoint, blocked, spent_emitted } = login;
            // Only an exchange that panics makes a difference.
            let panics = credentials.exchange().endpoint().is_none();
            CanonicalLogin::Renewable {
                credentials: fixtures.name(credentials),
                given: given.as_ref().map(|given| fixtures.name(given)),
                looked_up: panics.then_some(*endpoint),
                blocked: *blocked,
                spent_emitted: *spent_emitted,
            }
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

fn relative_budget(budget: Budget, policy: &Policy, now: u64) -> Budget {
    // Counted from a spacing before now, so that it doesn't go below nothing.
    let since = |last: u64| last.saturating_add(policy.spacing).saturating_sub(now);
    Budget {
        tat: budget.tat.saturating_sub(now),
        last: budget.last.map(since).filter(|left| *left > 0),
    }
}

/// The same waits, as they are at `now`, in an order that follows from them alone.
fn relative_retry_after(waits: &RetryAfter, now: u64) -> Waits {
    let Some(waits) = &waits.0 else { return Waits::default() };
    let left = |(endpoint, until): &(Endpoint, u64)| (*endpoint, until.saturating_sub(now));
    let mut apart: Vec<_> = waits.apart.iter().map(left).filter(|(_, left)| *left > 0).collect();
    apart.sort_unstable();
    Waits { apart, others: waits.others.saturating_sub(now) }
}

fn relative_backoff(backoff: &Backoff, policy: &Policy, now: u64) -> Backoff {
    let ceiling = |failures| policy.backoff_ceiling(failures, true);
    let longest = (1..backoff.failures).find(|&fewer| ceiling(fewer) == ceiling(u32::MAX));
    Backoff {
        failures: longest.unwrap_or(backoff.failures),
        tries: policy.attempts.map_or(0, |attempts| backoff.tries.min(attempts)),
        until: backoff.until.saturating_sub(now),
        cause: backoff.cause,
        malformed: backoff.malformed.clone(),
    }
}

fn relative_learned(
    learned: LearnedAge,
    policy: &Policy,
    machine: &Machine,
    now: u64,
) -> LearnedAge {
    let mut longest = policy.age_threshold_cap;
    if learned.threshold > policy.age_threshold {
        let quiet = learned.longest_gap.max(learned.threshold).saturating_mul(QUIET_GAPS);
        longest = longest.max(quiet);
    }
    let since = learned.last_refused.map(|last| now.saturating_sub(last).min(longest));
    // Only the token before the current one can be refused late.
    let last = machine.core.generations() - u64::from(machine.active().is_some());
    let on_schedule = learned.on_schedule.filter(|(of, _)| of.number() == last);
    let on_schedule = on_schedule.map(|(_, limit)| (Generation::from_number(0), limit));
    LearnedAge { last_refused: since, on_schedule, ..learned }
}

/// Returns the age beyond which a token is treated as one of this age.
fn oldest(learned: &LearnedAge, policy: &Policy, stated: u64) -> u64 {
    // A late 401 brings back the limit of the token before.
    let before = learned.on_schedule.map(|(_, limit)| LearnedAge { limit, ..*learned });
    let before = before.and_then(|before| before.limit());
    let ages = [learned.limit(), learned.held(), learned.unproven, before];
    let ages = ages.into_iter().flatten().max();
    ages.unwrap_or(0).max(stated).max(policy.age_threshold_cap)
}

/// What a search may do to a driver besides its inputs.
impl Driver {
    /// Returns the same driver once more.
    pub(crate) fn fork(&self) -> Self {
        Self { shared: self.shared.clone(), local: self.local.clone() }
    }

    /// Returns the same driver without the wait that it has cached.
    pub(crate) fn uncached(&self) -> Self {
        let mut driver = self.fork();
        driver.local.idle = None;
        driver
    }

    /// Returns the same driver with the wait cached that a poll would answer at `now`, if it would wait.
    pub(crate) fn cached(&self, now: Moment) -> Option<Self> {
        let mut driver = self.fork();
        let waits = matches!(driver.poll(now), Output::Wait(_));
        // What the poll has looked up makes a difference to a search: an exchange may panic over it.
        driver.local.login = self.local.login.clone();
        waits.then_some(driver)
    }

    /// Returns whether the next poll answers with a wait that was computed before.
    pub(crate) fn has_cached_wait(&self) -> bool {
        self.local.idle.is_some()
    }

    /// Returns whether the next call reports a request over which its exchange has panicked.
    pub(crate) fn has_panicked(&self) -> bool {
        self.local.calling.is_some()
    }

    /// Returns whether the exchange has panicked when it was asked where its requests go.
    pub(crate) fn misses_endpoint(&self) -> bool {
        self.local.login.renewable().is_some_and(|login| login.endpoint == Lookup::Unknown)
    }

    /// Returns how often the backoff has grown since a try last succeeded.
    pub(crate) fn backoffs(&self) -> u32 {
        self.local.backoff.failures
    }

    /// Gives the backoff that began at `now` the least or the most jitter that chance could have given it.
    /// Returns how long it was before, in milliseconds.
    pub(crate) fn redraw_backoff(&mut self, longest: bool, now: Moment) -> u64 {
        self.local.machine.core.observe(now);
        let (ticks, backoff) = (self.local.machine.core.ticks(), &mut self.local.backoff);
        let drawn = backoff.until.saturating_sub(ticks);
        let ceiling = self.shared.policy().backoff_ceiling(backoff.failures, backoff.is_broken());
        backoff.until = ticks.saturating_add(if longest { ceiling } else { 0 });
        drawn
    }
}
