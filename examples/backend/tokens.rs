//! Session tokens for users: a driver for each, which asks the gateway when somebody calls. A `Retry-After` of the
//! gateway holds for all of them, since they share the API token.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use lru::LruCache;
use reqwest::Client;
use shared::clocks::seed;
use shared::send::reqwest::{client, send};
use tokio::sync::{Notify, Semaphore};
use videokit_session::exchange::DenialKind;
use videokit_session::{
    AllowedOrigin, ApiToken, Config, Credentials, Denial, Driver, Endpoint, Event, Gateway,
    Identity, Moment, Outgoing, Output, TransportFailure, Wake,
};

/// The least life, in milliseconds, with which a token is handed out while a better one is on its way: an app that
/// uses this library renews a token with less.
const LEAST_LIFE: i64 = 60_000;

/// When the driver asks for the better one: soon enough that few callers have to wait for it.
const RENEWAL_MARGIN: Duration = Duration::from_secs(120);

/// How many of the users idle longest are looked at in one call, to be dropped.
const MOST_LOOKED_AT: usize = 64;

/// How much is kept for how long, and how the gateway is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How many users have a driver. One takes about 3 KB, with its login.
    pub(super) users: usize,
    /// How long a driver is kept without a call.
    pub(super) idle: Duration,
    /// How many requests to the gateway are made at a time.
    pub(super) requests: usize,
    /// How long one may take, and so how long a caller waits: less than the 15 s after which an app that uses this
    /// library gives up.
    pub(super) timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let (idle, timeout) = (Duration::from_secs(3_600), Duration::from_secs(10));
        Self { users: 20_000, idle, requests: 256, timeout }
    }
}

/// Hands out tokens.
pub(super) struct Tokens {
    gateway: Endpoint,
    api_token: ApiToken,
    config: Arc<Config>,
    client: Client,
    now: Box<dyn Fn() -> Moment + Send + Sync>,
    limits: Limits,
    requests: Semaphore,
    /// When the gateway's longest `Retry-After` ends, from the start of the clock. No request is sent before.
    retry_at: Mutex<Duration>,
    /// With the time of the last call.
    users: Mutex<LruCache<Identity, (Duration, Arc<User>)>>,
}

/// One user.
struct User {
    state: Mutex<State>,
    /// A request to the gateway has ended.
    ended: Notify,
}

struct State {
    driver: Driver,
    /// Why the last request brought no token.
    denial: Denial,
    /// How long the driver waits before it asks again; `None` if it doesn't.
    wait: Option<Duration>,
}

impl Tokens {
    /// `now` reads both clocks.
    pub(super) fn new(
        gateway: Endpoint,
        api_token: ApiToken,
        limits: Limits,
        now: impl Fn() -> Moment + Send + Sync + 'static,
    ) -> Result<Arc<Self>, Box<dyn Error>> {
        // A driver has to know an API, though this one makes no call to it.
        let config = Config::builder(AllowedOrigin::https("https://api.video.io")?)
            .request_timeout(limits.timeout)
            .renewal_margin(RENEWAL_MARGIN)
            .build()?;
        // A proxy of the environment would see the API token.
        let client = client(Client::builder().no_proxy())?;
        Ok(Arc::new(Self {
            gateway,
            api_token,
            config: Arc::new(config),
            client,
            now: Box::new(now),
            limits,
            requests: Semaphore::new(limits.requests),
            retry_at: Mutex::default(),
            users: Mutex::new(LruCache::unbounded()),
        }))
    }

    /// Answers a call of this user: with the token that is there, or once the gateway has answered. The driver takes
    /// a token for this identity only, since its credentials name it.
    pub(super) async fn reply(self: &Arc<Self>, identity: &Identity) -> Response<Bytes> {
        let Some(user) = self.user(identity) else {
            tracing::warn!(users = self.limits.users, "all of them wait for a token");
            return unavailable().with_retry_after(Some(self.limits.timeout)).to_reply();
        };
        // Listens from here on, so that no end is missed.
        let ended = user.ended.notified();
        if let Some(reply) = self.reply_now(&user, true) {
            return reply;
        }
        // The driver gives a request up in time, also if its task did not live to report it.
        let _in_time = tokio::time::timeout(self.limits.timeout, ended).await;
        self.reply_now(&user, false).unwrap_or_else(|| unavailable().to_reply())
    }

    /// Returns the reply of this moment; `None` if it is better to wait, as far as the caller `may_wait`.
    fn reply_now(self: &Arc<Self>, user: &Arc<User>, may_wait: bool) -> Option<Response<Bytes>> {
        let mut state = lock(&user.state);
        self.poll(user, &mut state);
        let now = (self.now)();
        let left = state.driver.remaining(now);
        let lasts = left.is_some_and(|left| left.at_least_millis() >= LEAST_LIFE);
        if may_wait && !lasts && state.driver.in_flight().is_some() {
            return None;
        }
        Some(match state.driver.grant(now) {
            Ok(grant) => grant.to_token_reply(),
            Err(_) => state.denial.clone().with_retry_after(state.wait).to_reply(),
        })
    }

    /// Carries out what the driver says, until it waits. Nothing wakes it then but the next call: a token that
    /// nobody asks for is not renewed. During a `Retry-After`, the driver is offline: it serves its token, and sends
    /// nothing.
    fn poll(self: &Arc<Self>, user: &Arc<User>, state: &mut State) {
        let retry_after = self.retry_after();
        if state.driver.is_online() == retry_after.is_some() {
            state.driver.set_online(retry_after.is_none(), (self.now)());
        }
        loop {
            match state.driver.poll((self.now)()) {
                Output::Send(outgoing) => {
                    // A task, which goes on if the caller hangs up.
                    tokio::spawn(Arc::clone(self).send(Arc::clone(user), outgoing));
                }
                Output::Event(event) => self.note(state, event),
                // Its task ends in time.
                Output::Abandon(_) => {}
                Output::Wait(Wake::In(wait, _)) => return state.wait = Some(wait),
                Output::Wait(Wake::OnInput) => return state.wait = retry_after,
            }
        }
    }

    /// Sends a request of the driver, and reports what became of it.
    async fn send(self: Arc<Self>, user: Arc<User>, outgoing: Outgoing) {
        let body_limit = outgoing.body_limit();
        let (id, request, timeout) = outgoing.into_parts();
        let exchange = async {
            let permit = self.requests.acquire().await.ok();
            // Meanwhile, the gateway may have answered another request with a `Retry-After`.
            let reply = match self.retry_after() {
                Some(_) => Err(TransportFailure::Unreachable),
                None => send(&self.client, request, timeout, body_limit).await,
            };
            (permit, reply)
        };
        // The permit is held until the reply is read, and so until the next request can know of its `Retry-After`.
        let (_permit, reply) = tokio::time::timeout(timeout, exchange)
            .await
            .unwrap_or((None, Err(TransportFailure::TimedOut)));
        let mut state = lock(&user.state);
        let now = (self.now)();
        match reply {
            Ok(reply) => state.driver.handle_response(id, &reply, now),
            Err(why) => state.driver.handle_failure(id, why, now),
        };
        self.poll(&user, &mut state);
        user.ended.notify_waiters();
    }

    /// Returns the user with this identity, a new one if need be; `None` if there is no room, since somebody waits
    /// for each of the others. Drops those who were idle for too long, and the one idle longest if room is needed.
    fn user(&self, identity: &Identity) -> Option<Arc<User>> {
        let (now, mut users) = ((self.now)().since_start(), lock(&self.users));
        let most = self.limits.users.saturating_sub(usize::from(!users.contains(identity)));
        let is_idle = |called| now.saturating_sub(called) >= self.limits.idle;
        for _ in 0..MOST_LOOKED_AT {
            let oldest = users.peek_lru().map(|(_, (called, _))| *called);
            if !oldest.is_some_and(|called| users.len() > most || is_idle(called)) {
                break;
            }
            // Whoever waits has a clone, and so has a request to the gateway.
            if let Some((oldest, entry)) = users.pop_lru()
                && Arc::strong_count(&entry.1) > 1
            {
                users.put(oldest, entry);
            }
        }
        if let Some((called, user)) = users.get_mut(identity) {
            // Where the gateway refuses, calls don't keep the driver: once it is idle, a new one asks again.
            if lock(&user.state).driver.blocked().is_none() {
                *called = now;
            }
            if !is_idle(*called) {
                return Some(Arc::clone(user));
            }
        }
        if users.len() > most {
            return None;
        }
        let user = Arc::new(self.new_user(identity.clone()));
        users.put(identity.clone(), (now, Arc::clone(&user)));
        Some(user)
    }

    fn new_user(&self, identity: Identity) -> User {
        let gateway = Gateway::new(self.api_token.clone(), identity).endpoint(self.gateway.clone());
        let mut driver = Driver::new(Arc::clone(&self.config), seed());
        // It is named for clients, which must not hold the API token. This is where it belongs.
        driver.start(Credentials::for_development(gateway), (self.now)());
        let state = State { driver, denial: unavailable(), wait: None };
        User { state: Mutex::new(state), ended: Notify::new() }
    }

    /// Logs an event, none of which shows a secret, and keeps why there is no token, and a `Retry-After` for all users.
    fn note(&self, state: &mut State, event: Event) {
        let user = state.driver.identity().map_or("", Identity::as_str);
        tracing::info!(user, "{event}");
        match event {
            Event::Denied(_, denial) => {
                let wait = denial.retry_after().unwrap_or_default();
                let wait = wait.min(state.driver.policy().retry_after_cap());
                let mut retry_at = lock(&self.retry_at);
                *retry_at = (*retry_at).max((self.now)().since_start() + wait);
                state.denial = denial;
            }
            Event::Failed(..) => state.denial = unavailable(),
            _ => {}
        }
    }

    /// Returns how long the gateway still asks to wait.
    fn retry_after(&self) -> Option<Duration> {
        let left = lock(&self.retry_at).checked_sub((self.now)().since_start());
        left.filter(|left| !left.is_zero())
    }
}

/// What a caller hears where the gateway has said nothing.
fn unavailable() -> Denial {
    Denial::new(DenialKind::Transient, StatusCode::SERVICE_UNAVAILABLE)
}

/// Whoever panicked with the lock did no harm: a driver is valid under any order of calls.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
