//! Two clocks in, one judgement out.
//!
//! A [`Moment`] is one reading of the caller's monotonic and wall clocks. [`Clock`] folds readings
//! into elapsed time that survives sleep, steps and absurd values; [`Lifetime`] says how long a token
//! still lives, as an interval that holds the truth; [`Validity`] is what that interval means. What is known of
//! a token's life, its [`Evidence`], decides where the interval starts: [`Lifetime`] has the formula.
//!
//! # The contract
//!
//! With the tolerances of [`Tolerances`], a token is never [`Valid`](Validity::Valid) after its true
//! expiry and never [`Expired`](Validity::Expired) before it, provided that:
//!
//! * **The issuer's clocks agree.** The clock that wrote `expiresAt` and the one that wrote `Date`
//!   differ by at most the skew σ of the exchange. Where the reply has no `Date`, the device's wall
//!   clock is at most ω away from the issuer's.
//! * **`Date` was written between sending and receiving**, or before that by at most `Age`.
//! * **The monotonic clock** runs at most 1/1024 too fast, and no more than 1/1025 too slow, counting
//!   only the time in which it runs at all (many stop while the device sleeps).
//! * For Valid only: **sleep is visible on the wall clock**, as its running ahead of the monotonic one. These
//!   hide sleep, if they come after the request:
//!     * a wall clock set back between the same two readings as the sleep, by any amount;
//!     * one set back between other readings: a step of up to two seconds hides as much, a larger one at most
//!       the second before it;
//!     * one that runs slow: by any amount in sleep, else by more than 1/1025.
//!
//!   The formula absorbs one second of hidden sleep in all, and no more. Where the wall clock stood when the
//!   request was sent hides nothing.
//! * For Valid only: **the expiry is stated.** A token of unknown expiry counts as valid for an assumed
//!   lifetime, whatever is true. Unknown is also an expiry more than 366 days ahead of a wall clock that
//!   stands in for `Date`.
//!
//! A token that seems long dead by a wall clock that stands in for `Date` is neither Valid nor Expired: it is
//! Unsure for as long as it is held, unless a relative lifetime or a JWT's `exp - iat` ends it. A token with a [relative](Evidence::lifetime) lifetime needs neither
//! server clocks nor `Date`: what is left of the second condition is that its reply was written between
//! sending and receiving, or before that by at most `Age`; for an adopted token, that it was issued when it
//! was adopted.
//!
//! A fraction in `expiresAt` is taken to be exact to the millisecond; where an issuer cuts it to tenths, or
//! rounds instead of cutting, σ has to cover the difference.
//!
//! Each bound holds to within three milliseconds: readings and `expiresAt` are cut to whole ones.
//!
//! The caller's part is small: pass both clocks as they are, with every call, and don't repair them.

mod calendar;
mod clock;
mod evidence;
mod lifetime;
mod moment;
mod timestamp;

pub use clock::{Clock, Stamp};
pub use evidence::{Evidence, Tolerances};
pub use lifetime::{Lifetime, Remaining, Validity};
pub use moment::Moment;
pub use timestamp::ExpiresAt;

pub(crate) use calendar::{to_seconds, two_digits};
pub(crate) use moment::millis;
