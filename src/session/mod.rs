//! The four typestates of a session, and every transition between them.
//!
//! ```text
//!                     ┌───────────────────┐
//!    ┌───────────────▶│  Unauthenticated  │◀──────────────┐
//!    │ denial,        └─────────┬─────────┘               │
//!    │ failure, stop   authenticate │ adopt               │
//!    │                ┌─────────┘   └──────────┐          │ stop
//!    │                ▼                        ▼          │
//!    │      ┌──────────────────┐  grant  ┌──────────┐     │
//!    └──────┤  Authenticating  ├────────▶│  Active  ├─────┤
//!           └──────────────────┘         └─┬──────┬─┘     │
//!               ▲          ▲   lapse while │      │ ▲     │
//!               │          └───────────────┘lapse │ │ adopt
//!               │                renewing         ▼ │     │
//!               │   reauthenticate       ┌──────────┴┐    │
//!               └────────────────────────┤  Expired  ├────┘
//!                                        └───────────┘
//! ```
//!
//! Renewal happens inside Active: the old token serves until the new one is in. The same as data is
//! [`transitions::TABLE`].
//!
//! [`Session<S>`] has exactly the methods that mean something in state `S`; a method that moves takes
//! the session and gives the next one, and one that can fail hands the session back in its error. Where
//! a session has to live in a struct field, [`AnySession`] holds any of the four.
//!
//! # All four states in one walk
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use videokit_session::session::Advance;
//! use videokit_session::*;
//!
//! let config = Config::builder(AllowedOrigin::https("https://api.video.io")?).build()?;
//! let gateway = Gateway::new(ApiToken::new("my-app:my-secret")?, Identity::new("user-17")?);
//! let mut now = Moment::from_millis(0, 1_795_492_800_000); // yours comes from two clocks
//!
//! // ------------------------------------------------ Unauthenticated
//! let session = Session::new(Arc::new(config), 42); // a fixed seed for the example: yours is random
//! let credentials = Credentials::for_development(gateway);
//! let (session, outgoing) = session.authenticate(credentials, now)?;
//!
//! // ------------------------------------------------ Authenticating
//! let (id, request, _timeout) = outgoing.into_parts();
//! assert_eq!(request.uri(), "https://gateway.video.io/v1/sessions");
//! let response = http::Response::builder()
//!     .header("date", "Tue, 24 Nov 2026 04:00:00 GMT")
//!     .body(r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T04:10:00Z","identity":"user-17"}"#)?;
//! let session = session.receive(id, &response, now)?;
//!
//! // ------------------------------------------------ Active
//! let mut api_call = http::Request::get("https://api.video.io/v1/videos").body(())?;
//! let authorized = session.authorize(&mut api_call, now)?;
//! assert_eq!(api_call.headers()["authorization"], "Bearer tok-1");
//! assert_eq!(authorized.validity, Validity::Valid);
//!
//! now = now.after(Duration::from_secs(700)); // nobody renewed
//! let Advance::Lapsed(session) = session.advance(now) else { panic!("ten minutes are over") };
//!
//! // ------------------------------------------------ Expired
//! let (session, outgoing) = session.reauthenticate(now)?;
//! assert_ne!(outgoing.id(), id);
//!
//! // ------------------------------------------------ and back
//! let session: Session<Unauthenticated> = session.stop();
//! # let _ = session;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod active;
mod any;
mod authenticating;
mod authorization;
#[cfg(feature = "_model")]
mod canonical;
mod config;
mod core;
mod expired;
mod flight;
mod held;
mod outgoing;
mod rejected;
pub mod transitions;
mod unauthenticated;

pub use active::{Active, Advance, NotRenewed};
pub use any::{AnySession, Input, Misuse, Rejection, Step};
pub use authenticating::{Authenticating, NotActive};
pub use authorization::{Authorization, Authorized, NotAuthorized};
pub use config::{Config, ConfigBuilder, ConfigError};
pub use core::{Generation, Session, State};
pub use expired::Expired;
pub use outgoing::{NotSent, Outgoing, RequestId, StaleRequest, TransportFailure};
pub use rejected::Rejected;
pub use unauthenticated::Unauthenticated;

pub(crate) use authorization::{Unauthorizable, authorize};
#[cfg(feature = "_model")]
pub(crate) use canonical::Canonical as CanonicalSession;
pub(crate) use outgoing::mix;
