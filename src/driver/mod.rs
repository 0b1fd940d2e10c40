//! Keeps a login alive: decides when to request a token, when to renew it, how long to back off, what a 401
//! leads to, and when to stop. A run loop holds a [`Driver`].
//!
//! All transitions are the session's; the driver only decides when. Its inputs are [`start`](Driver::start),
//! [`set_credentials`](Driver::set_credentials), [`stop`](Driver::stop),
//! [`handle_response`](Driver::handle_response), [`handle_failure`](Driver::handle_failure),
//! [`handle_unauthorized`](Driver::handle_unauthorized), [`set_online`](Driver::set_online), and time
//! ([`observe`](Driver::observe), and the moment that each call is given). [`Input`] has them as values, for
//! [`handle`](Driver::handle). Any order of calls is valid:
//!
//! 1. Give the driver an input.
//! 2. [`poll`](Driver::poll), and carry out what it answers, until it answers [`Output::Wait`].
//! 3. Wait for the next input, or for as long as the answer says, and go on with 1 or 2.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use videokit_session::driver::WakeReason;
//! use videokit_session::*;
//!
//! let config = Config::builder(AllowedOrigin::https("https://api.video.io")?).build()?;
//! let user = Identity::new("user-17")?;
//! let gateway = Gateway::new(ApiToken::new("my-app:my-secret")?, user);
//! let credentials = Credentials::for_development(gateway);
//! let mut driver = Driver::new(Arc::new(config), 42); // yours has a random seed
//! let mut now = Moment::from_millis(0, 1_795_492_800_000); // yours comes from two clocks
//!
//! driver.start(credentials, now);
//! let Output::Event(event) = driver.poll(now) else { panic!("it says what it does") };
//! assert_eq!(event.to_string(), "Unauthenticated -> Authenticating: Started");
//! let Output::Send(outgoing) = driver.poll(now) else { panic!("and asks for a token") };
//!
//! // Whoever does the I/O brings the reply.
//! let reply = http::Response::builder()
//!     .header("date", "Tue, 24 Nov 2026 04:00:00 GMT")
//!     .body(
//!         r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T04:10:00Z","identity":"user-17"}"#,
//!     )?;
//! driver.handle_response(outgoing.id(), &reply, now);
//! let mut call = http::Request::get("https://api.video.io/v1/videos").body(())?;
//! driver.authorize(&mut call, now)?;
//! assert_eq!(call.headers()["authorization"], "Bearer tok-1");
//!
//! let Output::Event(event) = driver.poll(now) else { panic!("the session is active") };
//! assert_eq!(event.to_string(), "Authenticating -> Active: Granted");
//! let Output::Wait(Wake::In(wait, WakeReason::Renewal)) = driver.poll(now) else { panic!() };
//! assert!(wait > Duration::from_secs(8 * 60));
//!
//! now = now.after(wait);
//! let Output::Event(event) = driver.poll(now) else { panic!("renewal is due") };
//! assert_eq!(event.to_string(), "Active: RenewalSent");
//! let Output::Send(renewal) = driver.poll(now) else { panic!("and is sent") };
//! # let _ = renewal;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Ten rules
//!
//! They hold under any order, loss, duplication and delay of inputs, and any reading of the clocks. The
//! test `rules` has a property for each.
//!
//! 1. **Budget.** At most one request is in flight, and any window of length *w*, its ends included,
//!    holds at most **k(w) = min(b + ⌊w/T⌋, 1 + ⌊w/g⌋)** of them, whatever is started, stopped, granted
//!    or brought back online in it: [`Policy::most_requests_in`]. With the defaults that is 5 in a
//!    second, 11 in a minute, 365 in an hour.
//! 2. **Stale is stale.** A reply to another request, of another epoch or for another identity gives no
//!    token and takes none.
//! 3. **Failure does no harm.** A renewal that fails leaves the token as it is. No failure of transport
//!    ends a login, nor does a 429 or a 5xx. (Credentials that are [usable once](#credentials-that-change) are
//!    not sent again after a reply that is lost.)
//! 4. **Refused is refused.** A permanent refusal ends the asking until other credentials come. Nothing
//!    loops.
//! 5. **A 401 renews a token that may have died of age**, once, and the token is used meanwhile. A 401 that age
//!    doesn't explain is reported as an event instead. The age at which tokens die is learned, and an API that
//!    refuses everything causes about one renewal an hour: see [below](#tokens-that-die-early). 403 never renews.
//! 6. **Servers are left alone.**
//!    - Nothing is sent as long as an endpoint's `Retry-After` asks, up to a
//!      [cap](PolicyBuilder::retry_after_cap). Stop, start and news of the network don't shorten it. (Where
//!      more than four endpoints ask at the same time, the others share the longest wait.)
//!    - Between failed tries passes a backoff: exponential, with full jitter from the seed, up to a
//!      [cap](PolicyBuilder::backoff).
//!    - After five denials in a row with the same flaw, the token service counts as broken:
//!      [`Event::StillMalformed`] is emitted, and the backoff's cap is at least ten minutes. For a captive
//!      portal's page, the event is emitted, and the cap stays.
//!    - [`set_online(true)`](Driver::set_online) ends a backoff that a captive portal caused, and, when the
//!      network comes back, one that the network caused.
//! 7. **Stop stops**, in every state, without a network. The token is wiped, and a late reply revives
//!    nothing.
//! 8. **Each transition gives one event**, with the state before, the state after and the cause. No event
//!    and no error shows a secret.
//! 9. **There is a way back** to Active from every state, once network and credentials are good. (Credentials
//!    that are used up are not good: others have to be set.)
//! 10. **The same seed and the same inputs give the same outputs.**
//!
//! The window of rule 1 and all pauses are counted in monotonic time, which sleep prolongs, where the
//! monotonic clock stops for it. The token's own end is judged by both clocks: see [`time`](crate::time).
//! Read the clocks while you hold the driver: readings passed out of order count elapsed time twice.
//!
//! # Credentials that change
//!
//! Some services give new credentials with each token: OAuth 2.0 with rotation of refresh tokens, for example.
//! A custom [`Exchange`](crate::exchange::Exchange) returns them by [`Grant::with_successor`](crate::Grant::with_successor):
//!
//! 1. When the token is held, or had expired on arrival, the driver replaces its credentials by the successor and
//!    reports [`Event::CredentialsChanged`]. [`Driver::credentials`] returns the new ones: store them. Their secret is in
//!    the exchange, which [`Credentials::downcast_ref`] returns.
//! 2. With a stale reply, a grant for another identity, or where newer credentials were set while the request was
//!    in flight, the successor is dropped.
//! 3. A [`start`](Driver::start) with the credentials that the login began with still joins it. What is learned of
//!    the age of tokens is kept, unless the successor asks at another endpoint.
//!
//! An exchange may say that its secret is [usable once](crate::exchange::Exchange::is_single_use). If the reply to such a
//! request is lost, the service may have used the secret up, and sending it again may revoke the login. So the
//! driver doesn't: the current token stays in use, [`Event::CredentialsSpent`] is reported, and
//! [`Driver::set_credentials`] mends it. This also holds after [`stop`](Driver::stop) and another start. Of several
//! secrets that were used up in this way, the driver knows the last one, and the one that it was given meanwhile.
//!
//! | what came of the request | the secret |
//! |---|---|
//! | timed out, interrupted, failed in another way, or abandoned | is used up |
//! | 200 or 201 with a body that is cut off, empty or malformed, or for another identity, and without a successor | is used up |
//! | no connection; 429, 5xx or another status that denies; a redirect, a captive portal's page | may be sent again |
//!
//! # Tokens that die early
//!
//! An API may refuse tokens sooner than their replies state: the statement is wrong, a clock is off, or the
//! server forgets them. It may also refuse every token, because of a scope or an account, so that renewing
//! can't help. The driver sees 401s only, and tells these cases apart by a token's *age*: the time
//! since its reply was received, sleep included. At a 401, it is the age at which the call was
//! [authorized](crate::session::Authorized::age_millis): a slow call makes no token old. The *threshold* is
//! [10 s](PolicyBuilder::age_threshold) at first.
//!
//! A 401 on a token that this driver asked for makes **renewal** due in three cases; otherwise it is reported as
//! [`Event::Unauthorized`], once per token:
//!
//! 1. The token is as old as the threshold, or older.
//! 2. The threshold is at its least, and the token came from no renewal after a 401.
//! 3. The token came from a renewal after a 401, and this is its first 401, at an age of at least the least
//!    threshold and three quarters of its predecessor's.
//!
//! A token that the caller brought, by [`start`](Driver::start) or with a session, teaches nothing. Any 401 on it
//! makes renewal due, if there are credentials to renew it with.
//!
//! A renewal after a 401 **cured** if its token reaches its schedule, or the threshold, without a 401, or in the
//! third case. Then the predecessor's age is **learned**: from here on, this login's tokens are scheduled as if
//! they lived no longer. An age below the least threshold, or beyond what was stated, teaches nothing.
//!
//! A longer age is **tried** after one token that reached the learned schedule without a 401: twice the age. A
//! trial that holds teaches the age that its token reached, and the next one follows, until what is stated is
//! reached. After one that fails, the next comes after 2, 4, 8, … tokens, 64 at most.
//!
//! A 401 that age doesn't explain is a **strike**: the threshold becomes four times as long, up to an hour.
//!
//! 1. A token from a renewal after a 401 is refused before that renewal cured.
//! 2. Under a learned age, a token is refused for the first time at less than half of that age, or below the
//!    least threshold. What was learned is forgotten, and this 401 teaches nothing. (Where the token came from a
//!    renewal that cured, and is as old as the threshold, the age that was learned was only too long: it is
//!    forgotten without a strike.)
//!
//! A 401 that comes late, when its token was replaced on a learned schedule already, shows that this token didn't
//! reach it. If it is the first on that token, and that token was the last one:
//!
//! - It is a strike as in the second case, also where no token had reached this schedule before.
//! - Otherwise a trial has failed, or the learned age is too long: of the age that held and the one of this 401, the
//!   lower one is learned.
//!
//! An API that refuses everything so causes about one renewal an hour, however late its 401s come. One endpoint that
//! does, beside others that don't, causes up to four.
//!
//! The threshold falls back to its least once no 401 came for four times the longest gap between two 401s (of
//! which no more than an hour counts), and four times the threshold.
//!
//! Learning moves the schedule only: a token is Valid, Unsure or Expired by what was stated, and
//! [`Event::TokenNeeded`] goes by that, too. New credentials for the same login keep the learned age, and take
//! the threshold back; another login forgets both. An app that calls its API in bursts, with hours between them,
//! pays about one refused call a burst where tokens die early: an idle app can't see that they do.
//!
//! # Lifetimes
//!
//! A token whose end nobody stated counts as valid for the [assumed
//! lifetime](crate::session::ConfigBuilder::assumed_lifetime), is renewed toward the end of it, and stays in
//! use if that fails. A token that is already unsure when it comes in a reply is taken, and the next request
//! waits for a backoff; if the device's wall clock alone puts it in doubt, or an `Age` that can't be read, it
//! is renewed on the schedule that it would have without that doubt, since asking again would give the same.
//! One that is certainly dead when it comes is a failed try. A token to start with that is in doubt is renewed
//! at once.

mod backoff;
mod budget;
mod counters;
mod drive;
mod event;
mod input;
mod learned_age;
mod login;
#[cfg(test)]
#[path = "../../tests/model/mod.rs"]
mod model;
mod output;
mod policy;
mod poll;
mod query;
mod reply;
mod retry_after;
mod start;
mod token_status;

use core::fmt;
use core::num::NonZeroU64;
use std::sync::Arc;

use self::backoff::{Backoff, FailureCause};
use self::budget::Budget;
use self::counters::bump;
use self::learned_age::{LearnedAge, TokenAge};
use self::login::{Login, Lookup, Renewable, digest, same_endpoint};
use self::output::{Idle, Queue, Queued, Wait};
use self::poll::Announced;
use self::retry_after::{Endpoint, RetryAfter};
use self::token_status::{Refusal, TokenStatus};
use crate::exchange::{Credentials, Grant};
use crate::session::transitions::Transition;
use crate::session::{AnySession, Config, Machine};
use crate::time::{Moment, Stamp};

pub use counters::Counters;
pub use drive::Drive;
pub use event::Event;
pub use input::Input;
pub use output::{Delivery, Output, Wake, WakeReason};
pub use policy::{Policy, PolicyBuilder, PolicyError};
pub use start::Start;

pub use crate::session::{AuthorizeError, Blocked};

/// Keeps one login alive: what a run loop holds. See the [module](crate::driver) for the loop and for
/// the rules that hold under any order of calls.
///
/// Not `Clone`: a copy would double what is sent.
pub struct Driver {
    shared: Shared,
    local: Local,
}

/// The parts that many sessions can share.
#[derive(Debug, Clone)]
struct Shared {
    config: Arc<Config>,
    /// `None` for the default.
    policy: Option<Arc<Policy>>,
}

impl Shared {
    fn policy(&self) -> &Policy {
        self.policy.as_deref().unwrap_or(&Policy::DEFAULT)
    }
}

/// The parts of one session.
#[derive(Clone)]
struct Local {
    machine: Machine,
    login: Login,
    /// A token that is adopted with the next poll.
    pending: Option<Box<Grant>>,
    /// A digest of the token that the login was last started with.
    began_with: Option<NonZeroU64>,
    online: bool,
    budget: Budget,
    retry_after: RetryAfter,
    backoff: Backoff,
    token: TokenStatus,
    /// What 401s have taught; `None` before the first.
    learned: Option<Box<LearnedAge>>,
    announced: Option<Box<Announced>>,
    /// Set while an exchange is called that may panic.
    calling: Option<Calling>,
    /// Credentials that are usable once and whose reply was lost: the last ones, and before them those that the
    /// login had meanwhile. Neither stop nor start clears them.
    spent: Box<[Credentials]>,
    /// What the last poll waits for, if no input came since.
    idle: Option<Idle>,
    queue: Queue,
    epoch: u64,
    counters: Counters,
}

/// One call of a driver: what is shared, and the reading of the clocks.
#[derive(Debug, Clone, Copy)]
struct Turn<'a> {
    shared: &'a Shared,
    now: Moment,
    /// The elapsed time at `now`.
    at: Stamp,
}

impl<'a> Turn<'a> {
    fn ticks(self) -> u64 {
        self.at.ticks
    }

    fn config(self) -> &'a Config {
        &self.shared.config
    }

    fn policy(self) -> &'a Policy {
        self.shared.policy()
    }
}

/// A call of an exchange, and what it has failed to do if it is still noted with the next input.
#[derive(Debug, Clone, Copy)]
enum Calling {
    /// To build the request that this transition announces.
    Request(Transition),
    /// To read the reply to a request; if it panics, this transition has happened.
    Read {
        failed: Transition,
        /// Whether the request was made with the current credentials.
        is_current: bool,
    },
}

/// Making a driver.
impl Driver {
    /// The most events and abandoned requests that are ever queued between two polls, however many calls come
    /// between them.
    pub const MOST_QUEUED: usize = 6;

    /// Returns a driver with the default policy, without a login.
    ///
    /// The seed has to be a random number: two drivers with one seed share their request ids, so that one
    /// user's reply would be accepted as another's. [`Session::new`](crate::Session::new) shows a source.
    #[must_use]
    pub fn new(config: Arc<Config>, seed: u64) -> Self {
        Self::over(AnySession::new(config, seed), None)
    }

    /// Returns a driver with a policy of your own: an `Arc` to share it between drivers, or the policy itself.
    /// The seed is as for [`new`](Self::new).
    #[must_use]
    pub fn with_policy(config: Arc<Config>, policy: impl Into<Arc<Policy>>, seed: u64) -> Self {
        Self::from_session(AnySession::new(config, seed), policy)
    }

    /// Takes over a session, in whatever state it is.
    ///
    /// - A request of its in flight may be reported to the driver, which goes on with the credentials of that
    ///   request. Otherwise the session has none: [`set_credentials`](Self::set_credentials) gives the driver
    ///   those that its tokens are renewed with.
    /// - The driver can't know what the session has sent before. If it has sent anything at all, the budget
    ///   starts empty: the next request goes an interval (10 s by default) after the last call to the
    ///   session, at the earliest. So a round trip through [`into_session`](Self::into_session) never
    ///   exceeds the budget.
    /// - The driver is online, and takes the credentials for good ones.
    #[must_use]
    pub fn from_session(session: impl Into<AnySession>, policy: impl Into<Arc<Policy>>) -> Self {
        Self::over(session.into(), Some(policy.into()))
    }

    fn over(session: AnySession, policy: Option<Arc<Policy>>) -> Self {
        let AnySession { config, machine } = session;
        let shared = Shared { config, policy };
        let budget = if machine.core.requests() == 0 {
            Budget::default()
        } else {
            Budget::spent(shared.policy(), machine.core.ticks())
        };
        let local = Local {
            login: Login::of(&machine),
            machine,
            pending: None,
            began_with: None,
            online: true,
            budget,
            retry_after: RetryAfter::default(),
            backoff: Backoff::default(),
            token: TokenStatus::default(),
            learned: None,
            announced: None,
            calling: None,
            spent: Box::default(),
            idle: None,
            queue: Queue::default(),
            epoch: 0,
            counters: Counters::default(),
        };
        Self { shared, local }
    }

    /// Returns the session, to be driven by hand. Its token, its identity and its request in flight go along.
    /// [Credentials](Self::credentials) are the driver's: take a clone of them before.
    ///
    /// What the driver added is lost: queued outputs (poll first, until it waits), a start that no poll has
    /// carried out yet, backoff, waits that servers asked for, whether the credentials were refused or the
    /// driver gave up, what 401s have taught, whether there is a network, the epoch, counters. A request that
    /// was announced, and not handed out yet, was never made: the session is in the state before.
    pub fn into_session(self) -> AnySession {
        AnySession { config: self.shared.config, machine: self.local.machine }
    }
}

impl fmt::Debug for Driver {
    /// State, epoch, why it is blocked, and counters. No token, no credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("state", &self.state())
            .field("epoch", &self.epoch())
            .field("online", &self.is_online())
            .field("blocked", &self.blocked())
            .field("queued", &self.queued())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
