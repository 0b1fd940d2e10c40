//! Keeps a login alive: when to ask, when to renew, how long to back off, what a 401 means, when to
//! stop. What a run loop holds.
//!
//! A [`Driver`] owns an [`AnySession`](crate::AnySession) and adds policy to it: of the session's
//! transitions it repeats none. Its inputs are [`start`](Driver::start), [`stop`](Driver::stop),
//! [`handle_response`](Driver::handle_response), [`handle_failure`](Driver::handle_failure),
//! [`handle_unauthorized`](Driver::handle_unauthorized), [`set_online`](Driver::set_online), and time
//! ([`observe`](Driver::observe), and the moment that each call is given).
//! After each of them, [`poll`](Driver::poll) until it answers [`Output::Wait`]:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use videokit_session::driver::WakeReason;
//! use videokit_session::*;
//!
//! let config = Config::builder(AllowedOrigin::https("https://api.video.io")?).build()?;
//! let user = Identity::new("user-17")?;
//! let credentials = Credentials::for_development(Gateway::new(ApiToken::new("my-app:my-secret")?, user));
//! let mut driver = Driver::new(Arc::new(config), 42); // a fixed seed for the example: yours is random
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
//!     .body(r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T04:10:00Z","identity":"user-17"}"#)?;
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
//!    ends a login, nor does a 429 or a 5xx.
//! 4. **Refused is refused.** A permanent refusal ends the asking until other credentials come. Nothing
//!    loops.
//! 5. **A 401 renews a token that may have died of age**, once, and the token serves meanwhile. A 401 that age
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
//! 9. **There is a way back** to Active from every state, once network and credentials are good.
//! 10. **The same seed and the same inputs give the same outputs.**
//!
//! The window of rule 1 and all pauses are counted in monotonic time, which sleep prolongs, where the
//! monotonic clock stops for it. The token's own end is judged by both clocks: see [`time`](crate::time).
//! Read the clocks while you hold the driver: readings that come in another order than they were taken in
//! count twice.
//!
//! # Tokens that die early
//!
//! An API may refuse tokens sooner than their replies state: the statement is wrong, a clock is off, or the
//! server forgets them. It may also refuse every token, because of a scope or an account, so that renewing
//! can't help. The driver sees 401s only, and tells these cases apart by a token's *age*: the time
//! since its request was sent, sleep included. The *threshold* is [10 s](PolicyBuilder::age_threshold) at
//! first.
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
//!    renewal that cured, the age that was learned was only too long: it is forgotten without a strike.)
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
//! lifetime](crate::session::ConfigBuilder::assumed_lifetime), is renewed toward the end of it, and serves
//! on if that fails. A token that is already unsure when it comes in a reply is taken, and the next request
//! waits for a backoff; if the device's wall clock alone puts it in doubt, or an `Age` that can't be read, it
//! is renewed on the schedule that it would have without that doubt, since asking again would give the same.
//! One that is certainly dead when it comes is a failed try. A token to start with that is in doubt is renewed
//! at once.

mod backoff;
mod budget;
#[cfg(feature = "_model")]
mod canonical;
mod counters;
mod drive;
mod event;
mod floors;
mod learned_age;
mod login;
mod machine;
mod not_authorized;
mod output;
mod policy;
mod poll;
mod reading;
mod token_status;

#[cfg(feature = "_model")]
#[doc(hidden)]
pub use canonical::Canonical;
pub use counters::Counters;
pub use drive::Drive;
pub use event::Event;
pub use login::{Stalled, Start};
pub use machine::Driver;
pub use not_authorized::NotAuthorized;
pub use output::{Delivery, Output, Wake, WakeReason};
pub use policy::{Policy, PolicyBuilder, PolicyError};
