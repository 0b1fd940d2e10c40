//! A request for a token is in flight, and no token is in use.

use core::fmt;
use core::time::Duration;

use super::{
    Active, Context, Core, Flight, Outcome, Outgoing, Prepared, ReceiveError, Rejected, RequestId,
    Sealed, Session, StaleRequest, State, StateName, TransportFailure, Unauthenticated, Why, why,
};
use crate::exchange::{Credentials, Denial, Identity, Reply};
use crate::time::Moment;

/// A request for a token is in flight, and no token is in use.
#[derive(Clone)]
pub struct Authenticating {
    pub(super) flight: Flight,
}

impl Sealed for Authenticating {}

impl State for Authenticating {
    const NAME: StateName = StateName::Authenticating;
}

impl fmt::Debug for Authenticating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticating").finish_non_exhaustive()
    }
}

impl Authenticating {
    /// Sends the request for a token. The table allows it from `Unauthenticated` and `Expired`.
    pub(super) fn begin(
        from: &impl State,
        because: impl Why,
        prepared: Prepared,
        cx: &mut Context<'_>,
    ) -> (Self, Outgoing) {
        let (flight, outgoing) = Flight::send(prepared, cx);
        (cx.core.transition(from, because, Self { flight }), outgoing)
    }

    /// Reads the reply to the request in flight. If the exchange panics, the request has failed.
    pub(super) fn receive(
        self,
        reply: Reply<'_>,
        current: Option<&Credentials>,
        cx: &mut Context<'_>,
    ) -> Outcome<Result<Active, (Unauthenticated, Denial)>> {
        cx.core.transition(&self, why::Failed, Unauthenticated);
        let (result, successor) = self.flight.read(reply, current, cx);
        let result = match result {
            Ok(token) => {
                Ok(cx.core.transition(&self, why::Granted, Active { token, flight: None }))
            }
            Err(denial) => Err((cx.core.transition(&self, why::Denied, Unauthenticated), denial)),
        };
        Outcome { result, credentials: self.flight.credentials, successor }
    }

    pub(super) fn fail(&self, core: &mut Core, now: Moment) -> Unauthenticated {
        core.observe(now);
        core.transition(self, why::Failed, Unauthenticated)
    }

    /// Returns the identity that the token has to be for.
    pub(super) fn identity<'a>(&'a self, core: &'a Core) -> Option<&'a Identity> {
        core.identity.as_ref().or_else(|| self.flight.credentials.exchange().identity())
    }
}

impl Session<Authenticating> {
    /// Reads the reply to the request. Returns the session, and the credentials for the next request: those that
    /// this one was made with, or their [successor](crate::Grant::with_successor) if the reply brought one.
    ///
    /// # Errors
    /// * [`ReceiveError::Stale`] hands the session back unchanged: the reply is to another request.
    /// * [`ReceiveError::Denied`] hands back an unauthenticated one: the reply gave no token. Whether asking
    ///   again can help is for [`Denial::is_permanent`] to say.
    pub fn receive<B: AsRef<[u8]>>(
        self,
        id: RequestId,
        reply: &http::Response<B>,
        now: Moment,
    ) -> Result<(Session<Active>, Credentials), ReceiveError> {
        if id != self.in_flight() {
            return Err(ReceiveError::Stale(Rejected {
                session: self,
                reason: StaleRequest { id },
            }));
        }
        let Self { config, mut core, state } = self;
        let cx = &mut Context { core: &mut core, config: &config, now };
        match state.receive(reply.into(), None, cx).into_parts() {
            (Ok(state), credentials) => Ok((Session { config, core, state }, credentials)),
            (Err((state, denial)), credentials) => {
                let session = Session { config, core, state };
                Err(ReceiveError::Denied(Rejected { session, reason: denial }, credentials))
            }
        }
    }

    /// Reports that the request got no reply. `why` is for your own records: the session draws no
    /// conclusion from it.
    ///
    /// The identity of a login that has held a token before is kept.
    ///
    /// # Errors
    /// [`StaleRequest`] hands the session back unchanged: the failure is another request's.
    pub fn fail(
        self,
        id: RequestId,
        why: TransportFailure,
        now: Moment,
    ) -> Result<Session<Unauthenticated>, Rejected<Authenticating, StaleRequest>> {
        let _ = why;
        if id != self.in_flight() {
            return Err(Rejected { session: self, reason: StaleRequest { id } });
        }
        let Self { config, mut core, state } = self;
        let state = state.fail(&mut core, now);
        Ok(Session { config, core, state })
    }

    /// Gives the request up, and ends the login. A reply that comes later is stale.
    pub fn stop(self) -> Session<Unauthenticated> {
        self.end_login()
    }

    /// Returns the id of the request in flight.
    #[must_use]
    pub fn in_flight(&self) -> RequestId {
        self.state.flight.id
    }

    /// Returns how long until the request is past its deadline; zero if it is, so that it is time to
    /// [`fail`](Self::fail) it as [`TimedOut`](TransportFailure::TimedOut). A reply that comes first is
    /// still read.
    #[must_use]
    pub fn overdue_in(&self, now: Moment) -> Duration {
        let at = self.core.stamp_at(now);
        Duration::from_millis(self.state.flight.overdue_in(&self.config, at))
    }

    /// Returns the identity that the token has to be for: the one stated, or the one that an earlier token of
    /// this login was for.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.state.identity(&self.core)
    }

    /// Returns the credentials that the request was made with.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.state.flight.credentials
    }
}
