//! Records what a driver is told and what it answers, without a secret, and plays it again.
//!
//! A [`Recorder`] is a driver that takes notes: drive it as any other, through
//! [`Drive`](crate::driver::Drive), and append [its lines](Recorder::take_lines) to a file. Whoever has
//! the file can [`replay`] it, on another machine and without any server: since a driver does no I/O and
//! reads no clock, the same inputs give the same outputs, and what doesn't is named with its line.
//!
//! ```
//! use std::sync::Arc;
//! use videokit_session::driver::{Drive, Policy};
//! use videokit_session::trace::{Recorder, replay};
//! use videokit_session::*;
//!
//! let config = Config::builder(AllowedOrigin::https("https://api.video.io")?).build()?;
//! // A fixed seed for the example: yours is random.
//! let mut driver = Recorder::new(Arc::new(config), Policy::default(), 42);
//!
//! let user = Identity::new("user-17")?;
//! let gateway = Gateway::new(ApiToken::new("my-app:my-secret")?, user);
//! let now = Moment::from_millis(0, 1_795_492_800_000); // yours comes from two clocks
//! driver.start(Credentials::for_development(gateway), now);
//! let Output::Event(event) = driver.poll(now) else { panic!("it says what it does") };
//! println!("{event}");
//! let Output::Send(outgoing) = driver.poll(now) else { panic!("it asks for a token") };
//! let reply = http::Response::builder()
//!     .header("date", "Tue, 24 Nov 2026 04:00:00 GMT")
//!     .body(r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T04:10:00Z","identity":"user-17"}"#)?;
//! driver.handle_response(outgoing.id(), &reply, now);
//! while let Output::Event(event) = driver.poll(now) {
//!     println!("{event}");
//! }
//!
//! let trace = driver.take_lines();
//! assert!(trace.lines().any(|line| line.contains(r#""grant":{"token":"token-1","#)));
//! for secret in ["my-secret", "tok-1", "user-17"] {
//!     assert!(!trace.contains(secret));
//! }
//! let replayed = replay(&trace)?;
//! assert!(replayed.is_exact());
//! assert_eq!(replayed.into_driver().state(), session::transitions::StateName::Active);
//!
//! // A byte that changed on the way.
//! let changed = trace.replacen("Granted", "granted", 1);
//! let error = replay(changed).unwrap_err();
//! let line = error.line();
//! assert_eq!(error.to_string(), format!("line {line}: the checksum doesn't fit: the line was changed or cut off"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The example `timeline` draws a trace: `cargo run --example timeline -- trace.jsonl trace.svg`. With
//! `--large` it draws a slide.
//!
//! # What is in a trace
//!
//! Lines of JSON, each an object. The first one has all that the driver is made of: `trace` (always
//! `videokit-session`), `version`, `crate` (the release), `seed`, `config` and `policy`. Each other line
//! has
//!
//! | member | what it is |
//! |---|---|
//! | `n` | the line's number, counted from the one after the first |
//! | `mono`, `wall` | the moment of the call: milliseconds since the caller's start, and since 1970 |
//! | `in` | a call: `start`, `set_credentials`, `poll`, `response`, `failure`, `unauthorized`, `online`, `stop` or `observe` |
//! | or `out` | what it answered: `send`, `abandon`, `event` or `wait` to a poll, `ok` or `stale` to a response and a failure; the other calls answer nothing |
//! | `state` | the session's state, on the last line of a call that changed it. It begins as Unauthenticated |
//! | `token` | the token's generation, its [validity](crate::Validity) and its [remaining lifetime](crate::time::Remaining), on the last line of a call that changed one of the first two; `none` when it is gone. It begins as that |
//! | `sum` | the checksum |
//!
//! Of a reply it says status, `Date`, `Age` (or that it can't be read), `Retry-After`, and what the exchange made of it: what was
//! granted, with the credentials that it brings for the next request, or the [`Denial`](crate::exchange::Denial). A stale
//! reply is not looked at. Of credentials it says their stand-in, where they ask and where they state that they do, whose
//! they are, their scopes, and whether their secret is usable once.
//!
//! Names ending in `_ms` are milliseconds. Values that this crate's API has names for are called by those
//! names.
//!
//! # What is not
//!
//! No secret, and nothing that a server or a caller could have put one into: tokens, credentials,
//! identities, endpoints (origin, path and query), all scopes of a set other than the known ones, and
//! `expiresAt`s that are no date have stand-ins, such as `token-2`, the same one for the same secret
//! within one trace. Of requests there is nothing but id, time-out, deadline, and the stand-ins of
//! endpoint and credentials; of replies no body, no other header, and not what the server says about an
//! error. A date is written as the driver understands it, in UTC and to the millisecond; another way to
//! write the same one gets further digits behind the milliseconds, which count for nothing. A token that is a JWT has a JWT as its stand-in, which
//! keeps `exp - iat` alone, to the millisecond.
//!
//! What is in it as it is: the configuration (the origins and the header's name and scheme among it), the
//! seed, scopes by their known names, and the constants by which exchanges of your own explain themselves
//! ([`Flaw::Custom`](crate::exchange::Flaw::Custom),
//! [`BuildError::Custom`](crate::exchange::BuildError::Custom)).
//!
//! # Checksums
//!
//! Each line's `sum` is FNV-1a (64 bits, 16 hexadecimal digits) over all lines up to this one, each without
//! its `,"sum":"…"}` and its line break. It guards against accidents, such as a changed byte, or lines that
//! were doubled, sorted, or lost before the last one, and names the first line that is wrong. A trace that
//! ends early is a shorter trace. It does not guard against forgery: anybody can compute it.
//!
//! # Limits
//!
//! A recorder keeps in memory what it has to know again: one token for each that was granted, above all.
//! It ends its trace before the call with which that would have over [`MOST_LINES`], or a line of over
//! [`LONGEST_LINE`] bytes, and a replay reads no more than that. A trace in which exchanges of your own use more than 32 different
//! words is recorded, and can't be replayed. What is exact presumes that such exchanges are pure, as
//! [`Exchange`](crate::exchange::Exchange) demands: a reply is read twice, once for the recorder.

mod error;
mod header;
mod known;
mod line;
mod naming;
mod read;
mod recorder;
mod replay;
mod sum;
mod troupe;
mod words;

pub use error::TraceError;
pub use recorder::Recorder;
pub use replay::{Difference, Replayed, replay};

/// The version of the format that is written, and the newest one that is read.
pub const VERSION: u64 = 1;

/// The longest line, in bytes, without its line break: 64 KiB.
pub const LONGEST_LINE: usize = 64 * 1_024;

/// The most lines of a trace: a million.
pub const MOST_LINES: usize = 1_000_000;
