//! One app on one device: its login, its clocks, and the driver that it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{COOKIE, HeaderValue};

use super::device::Device;
use super::fault::Fault;
use super::faulty::date_error;
use super::invariant_checker::InvariantChecker;
use crate::driver::{Driver, Policy, Start};
use crate::exchange::{Backend, Credentials, Endpoint, Gateway, Identity};
use crate::secret::ApiToken;
use crate::session::{Config, Generation};
use crate::time::{Moment, Validity};

/// A token that serves, its number, and how good it is.
pub(super) type Serving = (String, Generation, Validity);

/// How an app gets its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the gateway, with an API token.
    Gateway,
    /// From the gateway, in the legacy dialect: no expiry is stated.
    Legacy,
    /// From a backend that states for whom.
    Named,
    /// From a backend that doesn't.
    Cookie,
    /// By a way of its own: the driver is given tokens, and no credentials.
    Own,
}

/// What a token said about its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing: Valid is an assumption.
    Unstated,
    /// That it was long past, by nothing but a wall clock: it is never Valid, and never Expired.
    Doubted,
    /// When it is.
    Stated,
}

/// What is true of a token, and what the contract of time asks of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Truth {
    /// True time, in milliseconds from the start.
    pub(super) expires_at: i64,
    /// Whether anything was beyond what the contract allows when it was made: then it promises nothing.
    pub(super) excused: bool,
    /// What it said about its end.
    pub(super) end: End,
    /// Whether the reply had no `Date`, so that the device's wall clock stood in.
    pub(super) undated: bool,
    /// How much sleep the device's wall clock could have hidden when the token was asked for.
    pub(super) set_back: u64,
}

pub(super) struct Client {
    pub(super) driver: Driver,
    pub(super) device: Device,
    pub(super) checker: InvariantChecker,
    pub(super) way: Way,
    number: usize,
    user: u32,
    secret: u32,
    /// Counts the waits, so that a timer of an older one can be told from the present one's.
    pub(super) wait: u64,
    pub(super) truths: BTreeMap<String, Truth>,
    /// The token that was granted last.
    pub(super) held: Option<String>,
    /// The secret that the app has started with last.
    pub(super) started_with: Option<String>,
    /// For whom the tokens of this login are: as the first of them said.
    pub(super) named: Option<String>,
    /// When the current token is looked at next, just before it stops being Valid.
    pub(super) probe_at: Option<u64>,
    /// A token that the app fetched itself, until it is adopted.
    pub(super) fetched: Option<String>,
    /// The token whose 401 the driver reported as an event.
    pub(super) told_unauthorized: Option<Generation>,
    /// How much sleep the device's wall clock could have hidden when a token was asked for last.
    set_back: u64,
    /// How many of the next readings are not to be trusted.
    distrusted_readings: u8,
    pub(super) last_now: Moment,
}

impl Client {
    pub(super) fn new(
        number: usize,
        config: Arc<Config>,
        seed: u64,
        way: Way,
        mut device: Device,
        policy: Policy,
    ) -> Self {
        let now = device.read(0);
        let mut driver = Driver::with_policy(config, policy, seed);
        // The first reading, so that the checker's time and the driver's begin together.
        driver.observe(now);
        Self {
            checker: InvariantChecker::new(Policy::default(), now),
            driver,
            device,
            way,
            number,
            user: 0,
            secret: 0,
            wait: 0,
            truths: BTreeMap::new(),
            held: None,
            started_with: None,
            named: None,
            probe_at: None,
            fetched: None,
            told_unauthorized: None,
            set_back: 0,
            distrusted_readings: 0,
            last_now: now,
        }
    }

    /// Reads the clocks, as every call to the driver does.
    pub(super) fn now(&mut self, at: u64) -> Moment {
        let now = self.device.read(at);
        if let Some(left) = self.distrusted_readings.checked_sub(1) {
            self.distrusted_readings = left;
            // A reading that is nonsense, and the leap back from it, may age every current token.
            self.truths.values_mut().for_each(|truth| truth.excused = true);
        }
        self.checker.read(now);
        self.last_now = now;
        now
    }

    pub(super) fn show_nonsense(&mut self, nonsense: Moment) {
        self.device.show_nonsense(nonsense);
        self.distrusted_readings = 3;
    }

    /// Whether only another start helps: the driver said so, or somebody else was named first behind a
    /// cookie that states nobody, and is kept for the whole login.
    pub(super) fn needs_start(&self) -> bool {
        let named = self.driver.identity().map(Identity::as_str);
        let refused =
            self.told_unauthorized.is_some_and(|told| Some(told) == self.driver.generation());
        refused
            || self.driver.blocked().is_some()
            || named.is_some_and(|named| named != self.identity())
    }

    /// For whom the app is logged in.
    fn identity(&self) -> String {
        format!("user-{}-{}", self.number, self.user)
    }

    /// The secret that it logs in with.
    pub(super) fn secret(&self) -> String {
        match self.way {
            Way::Gateway | Way::Legacy => format!("api-{}-{}", self.number, self.secret),
            Way::Named | Way::Cookie | Way::Own => {
                format!("login={}-{}", self.identity(), self.secret)
            }
        }
    }

    pub(super) fn next_secret(&mut self) {
        self.secret = self.secret.saturating_add(1);
    }

    pub(super) fn next_user(&mut self) {
        self.user = self.user.saturating_add(1);
    }

    /// What it logs in with; `None` if it has to fetch a token first.
    pub(super) fn start(&self) -> Option<Start> {
        let identity = Identity::new(self.identity()).ok()?;
        let credentials = match self.way {
            Way::Gateway => Credentials::for_development(Gateway::new(
                ApiToken::new(self.secret()).ok()?,
                identity,
            )),
            Way::Legacy => {
                let token = ApiToken::new(self.secret()).ok()?;
                Credentials::for_development(Gateway::legacy(&token, identity).ok()?)
            }
            Way::Named => Credentials::backend(self.backend()?.identity(identity)),
            Way::Cookie => Credentials::backend(self.backend()?),
            Way::Own => return None,
        };
        Some(credentials.into())
    }

    pub(super) fn backend(&self) -> Option<Backend> {
        let endpoint = format!("https://backend.example/token/{}", self.identity());
        let cookie = HeaderValue::try_from(self.secret()).ok()?;
        Some(Backend::new(Endpoint::https(endpoint).ok()?).header(COOKIE, cookie))
    }

    /// The most that the issuer's `Date` may be off for this way in, in milliseconds.
    pub(super) fn skew(&self) -> u64 {
        let issuer_writes_date = matches!(self.way, Way::Gateway | Way::Legacy);
        crate::time::millis(self.driver.config().skew(issuer_writes_date))
    }

    /// The token that serves at the last reading, with its judgement.
    pub(super) fn token(&self) -> Option<Serving> {
        let origin = self.driver.config().origins().first()?;
        let authorization = self.driver.authorization(origin, self.last_now).ok()?;
        let token = authorization.value().to_str().ok()?.strip_prefix("Bearer ")?.to_owned();
        let authorized = authorization.authorized();
        Some((token, authorized.generation, authorized.validity))
    }

    /// What is true of the token that was granted last.
    pub(super) fn truth(&self) -> Option<Truth> {
        self.truths.get(self.held.as_ref()?).copied()
    }

    /// Notes that a token is asked for now.
    pub(super) fn asks(&mut self) {
        self.set_back = self.device.set_back();
    }

    /// Notes what is true of the token that the gateway has just made for this app.
    pub(super) fn learn(&mut self, gateway: &super::Gateway, lasting: &[Fault]) {
        let Some((token, expires_at)) = gateway.newest() else { return };
        let off = date_error(lasting).unsigned_abs();
        let has = |fault| lasting.contains(&fault);
        // A token that was obtained elsewhere has no reply with a `Date`.
        let undated = has(Fault::DateMissing) || self.way == Way::Own;
        let unread = has(Fault::ExpiryMissing) || has(Fault::ExpiryUnreadable);
        let end = if unread || self.way == Way::Legacy {
            End::Unstated
        } else if undated && has(Fault::ExpiredToken) {
            End::Doubted
        } else {
            End::Stated
        };
        let excused = off > self.skew();
        let truth = Truth { expires_at, excused, end, undated, set_back: self.set_back };
        self.truths.insert(token.to_owned(), truth);
    }

    /// A token without a `Date` is about to be held against the wall clock, which may be off by more than
    /// allowed.
    pub(super) fn note_wall_error(&mut self, true_offset: i64) {
        let off = self.device.wall_error(true_offset);
        let tolerated = crate::time::millis(self.driver.config().wall_error());
        if off > tolerated {
            let undated = self.truths.values_mut().filter(|truth| truth.undated);
            undated.for_each(|truth| truth.excused = true);
        }
    }
}
