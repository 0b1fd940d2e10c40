//! A request for a token is in flight, and no token serves.

use core::error::Error;
use core::fmt;
use core::time::Duration;

use super::active::{Active, Renewal};
use super::core::{Session, State, sealed};
use super::flight::Flight;
use super::outgoing::{RequestId, StaleRequest, TransportFailure};
use super::rejected::Rejected;
use super::transitions::{StateName, why};
use super::unauthenticated::Unauthenticated;
use crate::exchange::{Credentials, Denial, Identity};
use crate::time::Moment;

/// A request for a token is in flight, and no token serves.
#[cfg_attr(feature = "_model", derive(Clone))]
pub struct Authenticating {
    pub(super) flight: Flight,
    pub(super) credentials: Credentials,
    pub(super) pinned: Option<Identity>,
}

impl sealed::Sealed for Authenticating {}

impl State for Authenticating {
    const NAME: StateName = StateName::Authenticating;
}

impl fmt::Debug for Authenticating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticating").field("flight", &self.flight.id()).finish_non_exhaustive()
    }
}

impl Session<Authenticating> {
    /// Reads the reply to the request.
    ///
    /// # Errors
    /// [`NotActive::Stale`] hands the session back unchanged: the reply is to another request.
    /// [`NotActive::Denied`] hands back an unauthenticated one: the reply gave no token. Whether asking
    /// again can help is for [`Denial::is_permanent`] to say.
    pub fn receive<B: AsRef<[u8]>>(
        mut self,
        id: RequestId,
        reply: &http::Response<B>,
        now: Moment,
    ) -> Result<Session<Active>, NotActive> {
        if let Err(stale) = self.state.flight.check(id) {
            return Err(NotActive::Stale(Rejected::new(self, stale)));
        }
        let Authenticating { flight, credentials, mut pinned } = self.state;
        match flight.land(reply.into(), now, &mut self.core, &mut pinned) {
            Ok(held) => {
                let renewal = Some(Renewal { credentials, flight: None });
                let state = Active { held, pinned, renewal };
                Ok(self.core.become_state::<Authenticating, _, why::Granted>(state))
            }
            Err(denial) => {
                let state = Unauthenticated(());
                let session = self.core.become_state::<Authenticating, _, why::Denied>(state);
                Err(NotActive::Denied(Rejected::new(session, denial)))
            }
        }
    }

    /// Reports that the request got no reply. `why` is for your own records: the session draws no
    /// conclusion from it.
    ///
    /// # Errors
    /// [`StaleRequest`] hands the session back unchanged: the failure is another request's.
    pub fn fail(
        mut self,
        id: RequestId,
        why: TransportFailure,
        now: Moment,
    ) -> Result<Session<Unauthenticated>, Rejected<Authenticating, StaleRequest>> {
        let _ = why;
        if let Err(stale) = self.state.flight.check(id) {
            return Err(Rejected::new(self, stale));
        }
        self.core.observe(now);
        let state = Unauthenticated(());
        Ok(self.core.become_state::<Authenticating, _, why::Failed>(state))
    }

    /// Gives the request up. A reply that comes later is stale.
    pub fn stop(self) -> Session<Unauthenticated> {
        let state = Unauthenticated(());
        self.core.become_state::<Authenticating, _, why::Stopped>(state)
    }

    /// The request in flight.
    #[must_use]
    pub fn in_flight(&self) -> RequestId {
        self.state.flight.id()
    }

    /// Whether the request is past its deadline, so that it is time to
    /// [`fail`](Self::fail) it as [`TimedOut`](TransportFailure::TimedOut). A reply that comes first is
    /// still read.
    #[must_use]
    pub fn is_overdue(&self, now: Moment) -> bool {
        self.overdue_in(now).is_zero()
    }

    /// How long until the request is past its deadline; nothing if it is.
    #[must_use]
    pub fn overdue_in(&self, now: Moment) -> Duration {
        self.state.flight.overdue_in(&self.core, now)
    }

    /// For whom the token has to be: as asked for, or as an earlier reply named it.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.state.pinned.as_ref()
    }

    /// The credentials that the session authenticates with.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.state.credentials
    }
}

/// Why a reply didn't make the session active; the session is inside.
#[derive(Debug)]
#[must_use = "the session is in here"]
pub enum NotActive {
    /// The reply is to another request. The session still waits for its own.
    Stale(Rejected<Authenticating, StaleRequest>),
    /// The reply gave no token.
    Denied(Rejected<Unauthenticated, Denial>),
}

impl fmt::Display for NotActive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(rejected) => write!(f, "still authenticating: {}", rejected.reason()),
            Self::Denied(rejected) => write!(f, "authentication failed: {}", rejected.reason()),
        }
    }
}

impl Error for NotActive {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Stale(rejected) => Some(rejected.reason()),
            Self::Denied(rejected) => Some(rejected.reason()),
        }
    }
}
