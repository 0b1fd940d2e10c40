//! Two clocks in, one judgement out.
//!
//! A [`Moment`] is one reading of the caller's monotonic clock and wall clock. A session folds its readings into
//! elapsed time, which survives sleep, steps of the wall clock and absurd values. From that and from what the
//! reply states follows how long a token still lives: [`Remaining`], an interval that contains the true time.
//! [`Validity`] is what the interval means.
//!
//! # The remaining lifetime
//!
//! ```text
//! lo = L - 1000 - σ - Age - (Δticks_sent + Δticks_sent/1024 + Δahead_sent + 1000)
//! hi = L + r + σ          - (Δticks_received - Δticks_received/1024)
//! ```
//!
//! in milliseconds, with `L = expiresAt - Date`, and `r` = 1000 where `expiresAt` names a whole second. Ticks are
//! the monotonic time since the request was sent or since its reply was received, and *ahead* is how far the
//! wall clock ran ahead of it. What stands before the brackets, and the bound that the schedule of renewals
//! counts from:
//!
//! | what is known | `lo` | `hi` | schedule |
//! |---|---|---|---|
//! | `expiresAt` and `Date` | L - 1000 - σ - Age | L + r + σ | as `lo` |
//! | `expiresAt`, and the wall clock at receipt in place of `Date` | L - 1000 - ω - Age | L + r + ω | as `lo` |
//! | the same, with `hi <= 0`: the wall clock is not believed | L - 1000 - ω - Age | no end | the assumed lifetime; as `lo` for an adopted token |
//! | the same, with L over 366 days; or nothing is stated: the expiry is unknown | the assumed lifetime | no end | as `lo` |
//! | a [relative](crate::Grant::with_lifetime) lifetime L, with `r` = 1000 for whole seconds | L - Age | L + r | as `lo` |
//!
//! * Of an `expiresAt` and a relative lifetime, the shorter bound counts at each end.
//! * A JWT's `exp - iat` bounds all three.
//! * An `Age` that can't be read leaves no lower bound: `lo` is `i64::MIN`, so the token is never Valid. The
//!   schedule goes as if there were no `Age`.
//!
//! The skews σ and ω and the assumed lifetime are [configured](crate::Config).
//!
//! # The contract
//!
//! A token is never [`Valid`](Validity::Valid) after its true expiry and never [`Expired`](Validity::Expired)
//! before it, provided that:
//!
//! 1. **The issuer's clocks agree.** The clock that wrote `expiresAt` and the one that wrote `Date` differ by at
//!    most the skew σ of the exchange. Where the reply has no `Date`, the device's wall clock is at most ω away
//!    from the issuer's.
//! 2. **`Date` was written between sending and receiving**, or before that by at most `Age`.
//! 3. **The monotonic clock** runs at most 1/1024 too fast, and no more than 1/1025 too slow, counting only the
//!    time in which it runs at all (many stop while the device sleeps).
//! 4. For Valid only: **sleep is visible on the wall clock**, as its running ahead of the monotonic one, between two
//!    readings: the moments of calls that take `&mut self`, or the session. (Other calls judge by theirs, and forget
//!    it.) These hide sleep, if they come after the request:
//!     * a wall clock set back between the same two readings as the sleep, by any amount;
//!     * one set back between other readings: a step of up to two seconds hides as much, a larger one at most
//!       the second before it;
//!     * one that runs slow: by any amount in sleep, else by more than 1/1025.
//!
//!    The formula absorbs one second of hidden sleep in all, and no more. Where the wall clock stood when the
//!    request was sent hides nothing.
//! 5. For Valid only: **the expiry is stated.** A token of unknown expiry counts as valid for an assumed
//!    lifetime, whatever is true. An expiry more than 366 days ahead of a wall clock that stands in for `Date` is
//!    unknown, too.
//!
//! Two cases are special:
//!
//! * A token that seems long expired by a wall clock that stands in for `Date` is neither Valid nor Expired. It is
//!   Unsure for as long as it is held, unless a relative lifetime or a JWT's `exp - iat` ends it.
//! * A token with a relative lifetime needs neither server clocks nor `Date`. What is left of condition 2 is that
//!   its reply was written between sending and receiving, or before that by at most `Age`; for an adopted token,
//!   that it was issued when it was adopted.
//!
//! A fraction in `expiresAt` is taken to be exact to the millisecond. Where an issuer cuts it to tenths, or rounds
//! instead of cutting, σ has to cover the difference. Each bound holds to within three milliseconds: readings and
//! `expiresAt` are cut to whole ones.
//!
//! The caller's part is small: pass both clocks as they are, with every call, and don't repair them.

mod calendar;
mod clock;
mod evidence;
mod lifetime;
mod moment;
#[cfg(test)]
#[path = "../../tests/time/mod.rs"]
mod tests;
mod timestamp;

use calendar::from_seconds;
use clock::DRIFT;
use evidence::Bounds;
use moment::signed;

pub use lifetime::{Remaining, Validity};
pub use moment::Moment;
pub use timestamp::ExpiresAt;

pub(crate) use calendar::{to_seconds, two_digits};
pub(crate) use clock::{Clock, Stamp};
pub(crate) use evidence::{Evidence, Tolerances};
pub(crate) use lifetime::Lifetime;
pub(crate) use moment::millis;
