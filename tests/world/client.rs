//! One app on one device: its login, its clocks, and the driver that it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{COOKIE, HeaderValue};

use crate::device::Device;
use crate::invariant_checker::InvariantChecker;
use videokit_session::driver::{Driver, Policy, Start};
use videokit_session::exchange::{Backend, Credentials, Endpoint, Gateway, Identity};
use videokit_session::secret::ApiToken;
use videokit_session::session::{Config, Generation};
use videokit_session::sim::{self, Fault};
use videokit_session::time::{Moment, Validity};

use crate::millis;

/// A token that serves, its number, and how good it is.
pub(crate) type Serving = (String, Generation, Validity);

/// How an app gets its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenSource {
    /// From the gateway, with an API token.
    Gateway,
    /// From the gateway, in the legacy dialect: no expiry is stated.
    Legacy,
    /// From a backend that states for whom.
    Named,
    /// From a backend that doesn't.
    Cookie,
    /// By its own means: the driver is given tokens, and no credentials.
    Own,
}

/// What a token said about its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing: Valid is an assumption.
    Unstated,
    /// That it was long past, by nothing but a wall clock: it is never Valid, and never Expired.
    Doubted,
    /// When it is.
    Stated,
}

/// What is true of a token, and what the contract of time asks of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroundTruth {
    /// True time, in milliseconds from the start.
    pub(crate) expires_at: i64,
    /// Whether anything was beyond what the contract allows when it was made: then it promises nothing.
    pub(crate) excused: bool,
    /// What it said about its end.
    pub(crate) end: End,
    /// Whether the reply had no `Date`, so that the device's wall clock stood in.
    pub(crate) undated: bool,
    /// How much sleep the device's wall clock could have hidden when the token was asked for.
    pub(crate) set_back: u64,
}

pub(crate) struct Client {
    pub(crate) driver: Driver,
    pub(crate) device: Device,
    pub(crate) checker: InvariantChecker,
    pub(crate) way: TokenSource,
    number: usize,
    user: u32,
    secret: u32,
    /// Counts the waits, so that a timer of an older one can be told from the present one's.
    pub(crate) wait: u64,
    pub(crate) truths: BTreeMap<String, GroundTruth>,
    /// The token that was granted last.
    pub(crate) held: Option<String>,
    /// The secret that the app has started with last.
    pub(crate) started_with: Option<String>,
    /// For whom the tokens of this login are: as the first of them said.
    pub(crate) named: Option<String>,
    /// When the current token is looked at next, just before it stops being Valid.
    pub(crate) probe_at: Option<u64>,
    /// A token that the app fetched itself, until it is adopted.
    pub(crate) fetched: Option<String>,
    /// The token whose 401 the driver reported as an event.
    pub(crate) told_unauthorized: Option<Generation>,
    /// How much sleep the device's wall clock could have hidden when a token was asked for last.
    set_back: u64,
    /// How many of the next readings are not to be trusted.
    distrusted_readings: u8,
    pub(crate) last_now: Moment,
}

impl Client {
    pub(crate) fn new(
        number: usize,
        config: Arc<Config>,
        seed: u64,
        way: TokenSource,
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
    pub(crate) fn now(&mut self, at: u64) -> Moment {
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

    pub(crate) fn show_nonsense(&mut self, nonsense: Moment) {
        self.device.show_nonsense(nonsense);
        self.distrusted_readings = 3;
    }

    /// Whether only another start helps: the driver said so, or somebody else was named first behind a
    /// cookie that states nobody, and is kept for the whole login.
    pub(crate) fn needs_start(&self) -> bool {
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
    pub(crate) fn secret(&self) -> String {
        match self.way {
            TokenSource::Gateway | TokenSource::Legacy => {
                format!("api-{}-{}", self.number, self.secret)
            }
            TokenSource::Named | TokenSource::Cookie | TokenSource::Own => {
                format!("login={}-{}", self.identity(), self.secret)
            }
        }
    }

    pub(crate) fn next_secret(&mut self) {
        self.secret = self.secret.saturating_add(1);
    }

    pub(crate) fn next_user(&mut self) {
        self.user = self.user.saturating_add(1);
    }

    /// What it logs in with; `None` if it has to fetch a token first.
    pub(crate) fn start(&self) -> Option<Start> {
        let identity = Identity::new(self.identity()).ok()?;
        let credentials = match self.way {
            TokenSource::Gateway => Credentials::for_development(Gateway::new(
                ApiToken::new(self.secret()).ok()?,
                identity,
            )),
            TokenSource::Legacy => {
                let token = ApiToken::new(self.secret()).ok()?;
                Credentials::for_development(Gateway::legacy(&token, identity).ok()?)
            }
            TokenSource::Named => Credentials::backend(self.backend()?.identity(identity)),
            TokenSource::Cookie => Credentials::backend(self.backend()?),
            TokenSource::Own => return None,
        };
        Some(credentials.into())
    }

    pub(crate) fn backend(&self) -> Option<Backend> {
        let endpoint = format!("https://backend.example/token/{}", self.identity());
        let cookie = HeaderValue::try_from(self.secret()).ok()?;
        Some(Backend::new(Endpoint::https(endpoint).ok()?).header(COOKIE, cookie))
    }

    /// The most that the issuer's `Date` may be off for this way in, in milliseconds.
    pub(crate) fn skew(&self) -> u64 {
        let config = self.driver.config();
        millis(match self.way {
            TokenSource::Gateway | TokenSource::Legacy => config.gateway_skew(),
            TokenSource::Named | TokenSource::Cookie | TokenSource::Own => config.backend_skew(),
        })
    }

    /// The token that serves at the last reading, with its judgement.
    pub(crate) fn token(&self) -> Option<Serving> {
        let origin = self.driver.config().origins().first()?;
        let authorization = self.driver.authorization(origin, self.last_now).ok()?;
        let token = authorization.value().to_str().ok()?.strip_prefix("Bearer ")?.to_owned();
        let authorized = authorization.authorized();
        Some((token, authorized.generation, authorized.validity))
    }

    /// What is true of the token that was granted last.
    pub(crate) fn truth(&self) -> Option<GroundTruth> {
        self.truths.get(self.held.as_ref()?).copied()
    }

    /// Notes that a token is asked for now.
    pub(crate) fn asks(&mut self) {
        self.set_back = self.device.set_back();
    }

    /// Notes what is true of the token that the gateway has just made for this app.
    pub(crate) fn learn(&mut self, gateway: &sim::Gateway, lasting: &[Fault]) {
        let Some((token, expires_at)) = gateway.newest() else { return };
        let off = date_error(lasting).unsigned_abs();
        let has = |fault| lasting.contains(&fault);
        // A token that was obtained elsewhere has no reply with a `Date`.
        let undated = has(Fault::DateMissing) || self.way == TokenSource::Own;
        let unread = has(Fault::ExpiryMissing) || has(Fault::ExpiryUnreadable);
        let end = if unread || self.way == TokenSource::Legacy {
            End::Unstated
        } else if undated && has(Fault::ExpiredToken) {
            End::Doubted
        } else {
            End::Stated
        };
        let excused = off > self.skew();
        let truth = GroundTruth { expires_at, excused, end, undated, set_back: self.set_back };
        self.truths.insert(token.to_owned(), truth);
    }

    /// A token without a `Date` is about to be compared with the wall clock, which may be off by more than
    /// allowed.
    pub(crate) fn note_wall_error(&mut self, true_offset: i64) {
        let off = self.device.wall_error(true_offset);
        let tolerated = millis(self.driver.config().wall_error());
        if off > tolerated {
            let undated = self.truths.values_mut().filter(|truth| truth.undated);
            undated.for_each(|truth| truth.excused = true);
        }
    }
}

/// How far the gateway's `Date` is off.
fn date_error(faults: &[Fault]) -> i64 {
    let error = |fault: &Fault| if let Fault::DateOff { ms } = fault { i64::from(*ms) } else { 0 };
    faults.iter().map(error).sum()
}
