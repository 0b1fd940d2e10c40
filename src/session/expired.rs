//! The token has certainly expired, and no request is in flight.

use core::fmt;

use bytes::Bytes;
use http::Request;

use super::active::{Active, Renewal};
use super::authenticating::Authenticating;
use super::core::{Session, State, sealed};
use super::flight::{self, Flight, pin};
use super::outgoing::{NotSent, Outgoing};
use super::rejected::Rejected;
use super::transitions::{StateName, why};
use super::unauthenticated::Unauthenticated;
use crate::exchange::{Credentials, Denial, Flaw, Grant, Identity};
use crate::time::Moment;

/// The token has certainly expired, and is wiped; no request is in flight.
#[cfg_attr(feature = "_model", derive(Clone))]
pub struct Expired {
    pub(super) credentials: Option<Credentials>,
    pub(super) pinned: Option<Identity>,
}

impl sealed::Sealed for Expired {}

impl State for Expired {
    const NAME: StateName = StateName::Expired;
}

impl fmt::Debug for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expired").field("identity", &self.pinned).finish_non_exhaustive()
    }
}

impl Session<Expired> {
    /// Asks for a new token with the current credentials, for the same identity.
    ///
    /// # Errors
    /// [`NotSent::NoCredentials`] if the expired token had been adopted, or [`NotSent::Build`]. Nothing
    /// changed.
    pub fn reauthenticate(
        self,
        now: Moment,
    ) -> Result<(Session<Authenticating>, Outgoing), Rejected<Expired, NotSent>> {
        let Some(credentials) = self.state.credentials.clone() else {
            return Err(Rejected::new(self, NotSent::NoCredentials));
        };
        match credentials.request() {
            Ok(request) => Ok(self.reauthenticate_with(credentials, request, now)),
            Err(reason) => Err(Rejected::new(self, reason.into())),
        }
    }

    /// Sends `request`, which was made with `credentials`.
    pub(super) fn reauthenticate_with(
        mut self,
        credentials: Credentials,
        request: Request<Bytes>,
        now: Moment,
    ) -> (Session<Authenticating>, Outgoing) {
        let (flight, outgoing) = Flight::launch(&mut self.core, &credentials, request, now);
        let state = Authenticating { flight, credentials, pinned: self.state.pinned };
        (self.core.become_state::<Expired, _, why::Reauthenticated>(state), outgoing)
    }

    /// Takes a token that was obtained elsewhere. The current credentials, if any, renew it. Its expiry counts as
    /// in [`Session::<Unauthenticated>::adopt`](Session::adopt).
    ///
    /// # Errors
    /// [`Denial`] if the token is for another identity, or dead on arrival.
    pub fn adopt(
        mut self,
        grant: impl Into<Grant>,
        now: Moment,
    ) -> Result<Session<Active>, Rejected<Expired, Denial>> {
        match flight::adopt(&mut self.core, &grant.into(), now, &mut self.state.pinned) {
            Ok(held) => {
                let Expired { credentials, pinned } = self.state;
                let renewal = credentials.map(|credentials| Renewal { credentials, flight: None });
                let state = Active { held, pinned, renewal };
                Ok(self.core.become_state::<Expired, _, why::Adopted>(state))
            }
            Err(denial) => Err(Rejected::new(self, denial)),
        }
    }

    /// Sets what a new token is asked for with.
    ///
    /// # Errors
    /// [`Flaw::WrongIdentity`] if the credentials are for another identity than the expired token: stop,
    /// and authenticate anew. Nothing changed.
    pub fn set_credentials(&mut self, credentials: Credentials) -> Result<(), Flaw> {
        pin(&mut self.state.pinned, credentials.exchange().identity())?;
        self.state.credentials = Some(credentials);
        self.core.stay::<Expired, why::CredentialsSet>();
        Ok(())
    }

    /// What a new token is asked for with; `None` if the expired one was adopted.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.state.credentials.as_ref()
    }

    /// For whom the expired token was, and the next one has to be.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.state.pinned.as_ref()
    }

    /// Ends the login. Needs no network.
    pub fn stop(self) -> Session<Unauthenticated> {
        let state = Unauthenticated(());
        self.core.become_state::<Expired, _, why::Stopped>(state)
    }
}
