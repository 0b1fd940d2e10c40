//! No token, and no request in flight.

use std::sync::Arc;

use super::{
    Active, AdoptError, Authenticating, Config, Core, Outgoing, Rejected, Sealed, SendError,
    Session, State, StateName, why,
};
use crate::exchange::{Credentials, Grant, Identity};
use crate::time::Moment;

/// No token, and no request in flight: the state in which a session starts and ends.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Unauthenticated;

impl Sealed for Unauthenticated {}

impl State for Unauthenticated {
    const NAME: StateName = StateName::Unauthenticated;
}

impl Session<Unauthenticated> {
    /// Returns a new session.
    ///
    /// `seed` makes its request ids and its jitter. The same seed and the same inputs give the same outputs,
    /// which is what tests want. Everywhere else, each session needs a random seed, though not a secret one;
    /// the standard library has a source:
    ///
    /// ```
    /// use std::hash::{BuildHasher, Hasher, RandomState};
    ///
    /// let seed = RandomState::new().build_hasher().finish();
    /// # let _ = seed;
    /// ```
    ///
    /// **Two sessions with one seed share their request ids.** Where the replies of both come in at one
    /// place, one user's reply would be accepted as another's. Their renewals and retries also fall
    /// together.
    pub fn new(config: Arc<Config>, seed: u64) -> Self {
        Self { config, core: Core::new(seed), state: Unauthenticated }
    }

    /// Requests a token. Send the [`Outgoing`], and report its reply or its failure to the session.
    ///
    /// The session keeps the credentials as long as the request is in flight, and hands them back with its
    /// reply. After a failure, use your own clone of them.
    ///
    /// # Errors
    /// * [`SendError::OtherIdentity`] if a login that was not stopped has held a token for another identity
    ///   than the one that the credentials state.
    /// * [`SendError::Build`] if the exchange's request can't be built or would go to an unsafe place. Only a
    ///   custom exchange can fail so.
    pub fn authenticate(
        self,
        credentials: &Credentials,
        now: Moment,
    ) -> Result<(Session<Authenticating>, Outgoing), Rejected<Unauthenticated, SendError>> {
        self.request_token(why::Started, credentials, now)
    }

    /// Takes a token that was obtained elsewhere, without any request: a
    /// [`SessionToken`](crate::SessionToken), or a [`Grant`] that says more about it.
    ///
    /// A stated expiry is compared with the device's own wall clock, which may be off by the
    /// [configured error](super::ConfigBuilder::wall_error):
    ///
    /// * An expiry that is past by more than that makes the token Unsure: it is used, is due for renewal at once,
    ///   and never expires by that clock, which may be wrong.
    /// * One more than 366 days ahead is unknown: the token counts as valid for the
    ///   [assumed lifetime](super::ConfigBuilder::assumed_lifetime), and never expires.
    ///
    /// A [lifetime](Grant::with_lifetime) counts from now.
    ///
    /// # Errors
    /// [`AdoptError`] for a JWT whose own claims leave it no life, a token for another identity than that of a
    /// login that was not stopped, or one that is too long behind the configured scheme.
    pub fn adopt(
        self,
        grant: impl Into<Grant>,
        now: Moment,
    ) -> Result<Session<Active>, Rejected<Unauthenticated, AdoptError>> {
        self.take_token(&grant.into(), now)
    }

    /// Returns the identity of a login that has held a token, and that was not stopped: an authentication after
    /// the token expired has failed. `None` otherwise.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.core.identity.as_ref()
    }

    /// Ends the login, if there is one: the next token may be for any identity. This is no transition.
    pub fn stop(mut self) -> Self {
        self.core.identity = None;
        self
    }
}
