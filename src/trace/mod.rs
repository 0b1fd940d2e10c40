//! Records a driver's inputs and outputs, without a secret, and plays them again.
//!
//! A [`Recorder`] is a driver that records: drive it as any other, through [`Drive`](crate::driver::Drive), and append
//! [its lines](Recorder::take_lines) to a file. Whoever has the file can [`replay`] it, on another machine and without
//! any server: since a driver does no I/O and reads no clock, the same inputs give the same outputs. The first line
//! that differs is reported.
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
//!     .body(
//!         r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T04:10:00Z","identity":"user-17"}"#,
//!     )?;
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
//! assert_eq!(replayed.driver.state(), session::transitions::StateName::Active);
//!
//! // A line that was edited: the driver does something else.
//! let edited = trace.replacen("Granted", "Renewed", 1);
//! assert_eq!(replay(edited)?.difference.map(|difference| difference.line), Some(6));
//!
//! // A line that can't be read.
//! let error = replay(trace.replacen(r#""in":"poll""#, r#""in":"pull""#, 1)).unwrap_err();
//! assert!(error.to_string().starts_with("line 3: in: unknown variant `pull`, expected one of `poll`,"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The example `timeline` draws a trace: `cargo run --example timeline -- trace.jsonl trace.svg`. With
//! `--large` it draws a slide.
//!
//! # What is in a trace
//!
//! Lines of JSON, each an object. The first one has all that the driver is made of: `trace` (always
//! `videokit-session`), `version`, `crate` (the release), `seed`, `config` and `policy`. Each other line is a call:
//!
//! | member | what it is |
//! |---|---|
//! | `mono`, `wall` | the moment of the call: milliseconds since the caller's start, and since 1970 |
//! | `in` | the input: `poll`, `start`, `set_credentials`, `response`, `failure`, `unauthorized`, `online`, `stop` or `observe` |
//! | `out` | the answer: `send`, `abandon`, `event` or `wait` to a poll, `accepted` or `stale` to a response and a failure. The other inputs have none |
//! | `state` | the session's state, where the call changed it. It begins as Unauthenticated |
//! | `token` | the token's generation, its [validity](crate::Validity) and its [remaining lifetime](crate::time::Remaining), where the call changed one of the first two; `null` when it is gone. It begins as that |
//!
//! A reply has its status, its `Date`, `Age` and `Retry-After` as far as they were understood, and in place of its body
//! what the exchange read: a grant, with the credentials that it brings for the next request, or a
//! [`Denial`](crate::exchange::Denial). A stale reply is not read. Credentials have a placeholder as their name, the
//! endpoint of their request and the one that they state, their identity, their scopes, and whether their secret is
//! usable once.
//!
//! Names that end in `_ms` are milliseconds. Values have the names that they have in this crate's API.
//!
//! # What is not in a trace
//!
//! No secret, and nothing that a server or a caller could have put one into. Tokens, credentials, identities, endpoints
//! (origin, path and query), all scopes of a set other than the known ones, and an `expiresAt` that is no date have
//! placeholders, such as `token-2` or `https://endpoint-1/`: the same one for the same value within one trace. A request
//! has nothing but its id, time-out and deadline, and the placeholders of its endpoint and credentials. A reply has no
//! body and no other header; the server's message is left out.
//!
//! - A date is written as it was understood, in UTC and to the millisecond. Another text of the same date gets further
//!   digits after the milliseconds, which count for nothing.
//! - The placeholder of a JWT is a JWT that keeps `exp - iat` alone, to the millisecond.
//!
//! Written as they are: the configuration (the origins, and the header's name and scheme, among it), the seed, the known
//! scopes, and the constants by which exchanges of your own explain themselves
//! ([`Flaw::Custom`](crate::exchange::Flaw::Custom), [`BuildError::Custom`](crate::exchange::BuildError::Custom)).
//!
//! # Editing a trace
//!
//! A trace can be shortened and edited by hand: lines may be missing, blank, or have other spaces and line breaks. A
//! line that changed nothing leaves no difference when it is removed. After a difference, the rest is played all the
//! same. A last line that was cut off, as by a crash, is [reported](Replayed::cut_off), and the rest plays.
//!
//! # Limits
//!
//! - A recorder keeps in memory what it has to recognise: above all, one token for each that was granted.
//! - It ends its trace before the line that would be over [`LONGEST_LINE`] bytes, or over [`MOST_LINES`]. A replay reads
//!   no more than that.
//! - A trace whose flaws name more than 40 different members and texts is recorded, and can't be replayed: only
//!   exchanges of your own can do so.
//! - A replay is exact if such exchanges are pure, as [`Exchange`](crate::exchange::Exchange) demands: a reply is read
//!   twice, once for the recorder.

mod error;
mod header;
mod line;
mod placeholder;
mod pseudonym;
mod recorder;
mod redact;
mod replay;
mod words;

pub use error::TraceError;
pub use recorder::Recorder;
pub use replay::{Difference, Replayed, replay};

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u64 = 2;

/// The longest line, in bytes, without its line break: 64 KiB.
pub const LONGEST_LINE: usize = 64 * 1_024;

/// The most lines of a trace: a million.
pub const MOST_LINES: usize = 1_000_000;
