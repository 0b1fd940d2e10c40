//! The token has certainly expired, and no request is in flight.

use super::{
    Active, AdoptError, Authenticating, Outgoing, Rejected, Sealed, SendError, Session, State,
    StateName, Unauthenticated, why,
};
use crate::exchange::{Credentials, Grant, Identity};
use crate::time::Moment;

/// The token has certainly expired, and is wiped; no request is in flight.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Expired;

impl Sealed for Expired {}

impl State for Expired {
    const NAME: StateName = StateName::Expired;
}

impl Session<Expired> {
    /// Requests a new token, for the same identity.
    ///
    /// # Errors
    /// [`SendError::OtherIdentity`] if the credentials state another identity, or [`SendError::Build`]. Nothing
    /// changed.
    pub fn authenticate(
        self,
        credentials: &Credentials,
        now: Moment,
    ) -> Result<(Session<Authenticating>, Outgoing), Rejected<Expired, SendError>> {
        self.request_token(why::Reauthenticated, credentials, now)
    }

    /// Takes a token that was obtained elsewhere. Its expiry counts as in
    /// [`Session::<Unauthenticated>::adopt`](Session::adopt).
    ///
    /// # Errors
    /// [`AdoptError`] as there. Nothing changed.
    pub fn adopt(
        self,
        grant: impl Into<Grant>,
        now: Moment,
    ) -> Result<Session<Active>, Rejected<Expired, AdoptError>> {
        self.take_token(&grant.into(), now)
    }

    /// Returns the identity that the expired token was for, and that the next one has to be for.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.core.identity.as_ref()
    }

    /// Ends the login. Needs no network.
    pub fn stop(self) -> Session<Unauthenticated> {
        self.end_login()
    }
}
