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
//!               ▲          ▲               │      │ ▲     │
//!               │          └───────────────┘lapse │ │ adopt
//!               │      lapse while renewing       ▼ │     │
//!               │     authenticate       ┌──────────┴┐    │
//!               └────────────────────────┤  Expired  ├────┘
//!                                        └───────────┘
//! ```
//!
//! Renewal happens inside Active: the old token is used until the new one is in. The same as data is
//! [`transitions::TABLE`].
//!
//! [`Session<S>`] has exactly the methods that mean something in state `S`; a method that moves takes
//! the session and gives the next one, and one that can fail hands the session back in its error. Where
//! a session has to live in a struct field, [`AnySession`] holds any of the four.
//!
//! The caller owns the credentials and lends them to `authenticate` and `renew`. A reply hands back the
//! credentials for the next request, since a service may rotate them. The identity of the login is the
//! session's: once a token was held, every later one has to be for the same identity, until `stop`.
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
//! let session = Session::new(Arc::new(config), 42); // yours has a random seed
//! let credentials = Credentials::for_development(gateway);
//! let (session, outgoing) = session.authenticate(&credentials, now)?;
//!
//! // ------------------------------------------------ Authenticating
//! let (id, request, _timeout) = outgoing.into_parts();
//! assert_eq!(request.uri(), "https://gateway.video.io/v1/sessions");
//! let response = http::Response::builder()
//!     .header("date", "Tue, 24 Nov 2026 04:00:00 GMT")
//!     .body(
//!         r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T04:10:00Z","identity":"user-17"}"#,
//!     )?;
//! // With the credentials for the next request.
//! let (session, credentials) = session.receive(id, &response, now)?;
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
//! let (session, outgoing) = session.authenticate(&credentials, now)?;
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
mod config;
mod core;
mod error;
mod expired;
mod flight;
mod generation;
mod input;
mod machine;
mod request;
mod token;
pub mod transitions;
mod unauthenticated;

use ::core::fmt;
use std::sync::Arc;

use self::active::Lapsed;
use self::core::{Context, Core};
use self::flight::Flight;
use self::machine::AnyState;
use self::transitions::{Sealed, StateName, Transition, Why, why};
use crate::exchange::{Credentials, Grant};
use crate::time::Moment;

pub use active::{Active, Advance};
pub use any::{AnySession, TypedSession};
pub use authenticating::Authenticating;
pub use authorization::{Authorization, Authorized};
pub use config::{Config, ConfigBuilder, ConfigError};
pub use error::{
    AdoptError, AuthorizeError, Blocked, Misuse, ReceiveError, Rejected, Rejection, RenewError,
    SendError, StaleRequest,
};
pub use expired::Expired;
pub use generation::Generation;
pub use input::{Input, Step};
pub use request::{Outgoing, RequestId, TransportFailure};
pub use transitions::State;
pub use unauthenticated::Unauthenticated;

pub(crate) use authorization::authorize;
pub(crate) use flight::{Outcome, Prepared};
pub(crate) use machine::Machine;
pub(crate) use token::ActiveToken;

/// A session in state `S`. See the [module](crate::session) for the states and a walk through them.
///
/// A transition changes the type, so a struct field that holds a session through several of them has the
/// type [`AnySession`].
///
/// Not `Clone`: a copy would use the same request ids, and double what is sent.
#[must_use = "a session that is dropped forgets its token"]
pub struct Session<S: State> {
    config: Arc<Config>,
    core: Core,
    state: S,
}

impl<S: State> Session<S> {
    /// Returns the state, as a value. Time changes it only by a method that takes the session: an active one
    /// whose token has expired is active until it is advanced, and no token is in use meanwhile.
    #[must_use]
    pub fn state(&self) -> StateName {
        S::NAME
    }

    /// Returns the last transition, which tells why the session is in this state; `None` for a new one.
    #[must_use]
    pub fn last_transition(&self) -> Option<Transition> {
        self.core.last
    }

    /// Returns the configuration.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Ends the login.
    fn end_login(mut self) -> Session<Unauthenticated> {
        let state = self.core.stop(&self.state);
        Session { config: self.config, core: self.core, state }
    }

    fn request_token(
        self,
        because: impl Why,
        credentials: &Credentials,
        now: Moment,
    ) -> Result<(Session<Authenticating>, Outgoing), Rejected<S, SendError>> {
        let prepared = match Prepared::new(credentials, self.core.identity.as_ref()) {
            Ok(prepared) => prepared,
            Err(reason) => return Err(Rejected { session: self, reason }),
        };
        let Self { config, mut core, state } = self;
        let cx = &mut Context { core: &mut core, config: &config, now };
        let (state, outgoing) = Authenticating::begin(&state, because, prepared, cx);
        Ok((Session { config, core, state }, outgoing))
    }

    fn take_token(
        self,
        grant: &Grant,
        now: Moment,
    ) -> Result<Session<Active>, Rejected<S, AdoptError>> {
        let Self { config, mut core, state } = self;
        let cx = &mut Context { core: &mut core, config: &config, now };
        match Active::adopt(&state, grant, cx) {
            Ok(state) => Ok(Session { config, core, state }),
            Err(reason) => Err(Rejected { session: Session { config, core, state }, reason }),
        }
    }
}

impl<S: State> fmt::Debug for Session<S> {
    /// The state, with its token's number, and the last cause. No token, no credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, &self.state, &self.core)
    }
}

fn debug(f: &mut fmt::Formatter<'_>, state: &dyn fmt::Debug, core: &Core) -> fmt::Result {
    f.debug_struct("Session")
        .field("state", state)
        .field("cause", &core.last.map(|transition| transition.cause))
        .field("generations", &core.generations())
        .finish_non_exhaustive()
}
