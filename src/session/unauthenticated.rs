//! No token, and none on its way.

use core::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;

use super::active::Active;
use super::authenticating::Authenticating;
use super::config::Config;
use super::core::{Core, Session, State, sealed};
use super::flight::{self, Flight};
use super::outgoing::Outgoing;
use super::rejected::Rejected;
use super::transitions::{StateName, why};
use crate::exchange::{BuildError, Credentials, Denial, Grant, Identity};
use crate::time::Moment;

/// No token, and none on its way: where a session starts, and where it ends.
#[cfg_attr(feature = "_model", derive(Clone))]
pub struct Unauthenticated(pub(super) ());

impl sealed::Sealed for Unauthenticated {}

impl State for Unauthenticated {
    const NAME: StateName = StateName::Unauthenticated;
}

impl fmt::Debug for Unauthenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unauthenticated")
    }
}

impl Session<Unauthenticated> {
    /// A new session.
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
        Self { core: Core::new(config, seed), state: Unauthenticated(()) }
    }

    /// Asks for a token. Send the [`Outgoing`], and report what became of it to the session.
    ///
    /// An unauthenticated session remembers no credentials: keep a clone of them to try again with.
    ///
    /// # Errors
    /// [`BuildError`] if the exchange's request can't be built or would go to an unsafe place. Only a
    /// custom exchange can fail so.
    pub fn authenticate(
        self,
        credentials: Credentials,
        now: Moment,
    ) -> Result<(Session<Authenticating>, Outgoing), Rejected<Unauthenticated, BuildError>> {
        match credentials.request() {
            Ok(request) => {
                let pinned = credentials.exchange().identity().cloned();
                Ok(self.authenticate_as(credentials, pinned, request, now))
            }
            Err(reason) => Err(Rejected::new(self, reason)),
        }
    }

    /// Sends `request`, which was made with `credentials`, for an identity that an earlier reply may have
    /// named: the credentials need not state it.
    pub(super) fn authenticate_as(
        mut self,
        credentials: Credentials,
        pinned: Option<Identity>,
        request: Request<Bytes>,
        now: Moment,
    ) -> (Session<Authenticating>, Outgoing) {
        let (flight, outgoing) = Flight::launch(&mut self.core, &credentials, request, now);
        let state = Authenticating { flight, credentials, pinned };
        (self.core.become_state::<Unauthenticated, _, why::Started>(state), outgoing)
    }

    /// Takes a token that was obtained elsewhere, without any request: a
    /// [`SessionToken`](crate::SessionToken), or a [`Grant`] that says more about it.
    ///
    /// A stated expiry is compared with the device's own wall clock, which may be off by the
    /// [configured error](super::ConfigBuilder::wall_error):
    ///
    /// * An expiry that is past by more than that makes the token Unsure: it serves, is due for renewal at once,
    ///   and never expires by that clock, which may be wrong.
    /// * One more than 366 days ahead is unknown: the token counts as valid for the
    ///   [assumed lifetime](super::ConfigBuilder::assumed_lifetime), and never expires.
    ///
    /// A [lifetime](Grant::with_lifetime) counts from now. The token can't be renewed until
    /// [`set_credentials`](Session::set_credentials) says with what.
    ///
    /// # Errors
    /// [`Flaw::ExpiredOnArrival`](crate::exchange::Flaw::ExpiredOnArrival), for a JWT whose own claims
    /// leave it no life.
    pub fn adopt(
        mut self,
        grant: impl Into<Grant>,
        now: Moment,
    ) -> Result<Session<Active>, Rejected<Unauthenticated, Denial>> {
        let mut pinned = None;
        match flight::adopt(&mut self.core, &grant.into(), now, &mut pinned) {
            Ok(held) => {
                let state = Active { held, pinned, renewal: None };
                Ok(self.core.become_state::<Unauthenticated, _, why::Adopted>(state))
            }
            Err(denial) => Err(Rejected::new(self, denial)),
        }
    }
}
