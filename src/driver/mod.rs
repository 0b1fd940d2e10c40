//! Keeps a login alive: when to ask, when to renew, how long to back off, what a 401 means, when to
//! stop. What a run loop holds.
//!
//! A [`Driver`] owns an [`AnySession`](crate::AnySession) and adds policy to it: of the session's
//! transitions it repeats none. Its inputs are [`start`](Driver::start), [`stop`](Driver::stop),
//! [`handle_response`](Driver::handle_response), [`handle_failure`](Driver::handle_failure),
//! [`handle_unauthorized`](Driver::handle_unauthorized), [`set_online`](Driver::set_online), and time.
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
//! let mut driver = Driver::new(Arc::new(config), 42);
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
//! 5. **401 renews once.** A token that the API refuses is renewed, and serves meanwhile. If the API
//!    refuses what that gave, an event says so instead. A renewal on schedule allows for another try.
//! 6. **Servers are left alone** as long as their `Retry-After` asks, up to a cap, per endpoint; stop and
//!    start don't shorten it. (Where more than four endpoints ask at the same time, the others share the
//!    longest wait.) Between failed tries passes a backoff: exponential, with full jitter from
//!    the seed.
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
mod login;
mod machine;
mod not_authorized;
mod output;
mod policy;
mod poll;
mod reading;
mod recovery;

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
