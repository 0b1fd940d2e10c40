//! A token is in use. It may be renewed meanwhile.

use core::fmt;
use core::time::Duration;

use http::Request;

use super::{
    ActiveToken, AdoptError, Authenticating, Authorization, AuthorizeError, Authorized, Config,
    Context, Core, Expired, Flight, Generation, Outcome, Outgoing, Prepared, RenewError, RequestId,
    Sealed, SendError, Session, StaleRequest, State, StateName, TransportFailure, Unauthenticated,
    authorize, flight, why,
};
use crate::exchange::{AllowedOrigin, Credentials, Denial, Grant, Identity, Reply, Scopes};
use crate::time::{Moment, Remaining, Stamp, Validity};

/// A token is in use. A renewal may be in flight meanwhile.
#[derive(Clone)]
pub struct Active {
    pub(crate) token: ActiveToken,
    /// Seldom there.
    pub(super) flight: Option<Box<Flight>>,
}

impl Sealed for Active {}

impl State for Active {
    const NAME: StateName = StateName::Active;
}

impl fmt::Debug for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Active").field("generation", &self.token.generation).finish_non_exhaustive()
    }
}

/// The state that follows when a token expires.
pub(super) enum Lapsed {
    Expired(Expired),
    Reauthenticating(Authenticating),
}

impl Active {
    /// Holds a token that was obtained elsewhere. The table allows it from `Unauthenticated` and `Expired`.
    pub(super) fn adopt(
        from: &impl State,
        grant: &Grant,
        cx: &mut Context<'_>,
    ) -> Result<Self, AdoptError> {
        let token = flight::adopt(grant, cx)?;
        Ok(cx.core.transition(from, why::Adopted, Self { token, flight: None }))
    }

    pub(super) fn renew(&mut self, prepared: Prepared, cx: &mut Context<'_>) -> Outgoing {
        let (flight, outgoing) = Flight::send(prepared, cx);
        self.flight = Some(Box::new(flight));
        cx.core.transition_in_place(self, why::RenewalSent);
        outgoing
    }

    /// Reads the reply to the renewal in flight. If the exchange panics, the renewal has failed, and the token
    /// stays.
    pub(super) fn receive(
        &mut self,
        flight: Flight,
        reply: Reply<'_>,
        current: Option<&Credentials>,
        cx: &mut Context<'_>,
    ) -> Outcome<Result<Generation, Denial>> {
        cx.core.transition_in_place(self, why::RenewalFailed);
        let (result, successor) = flight.read(reply, current, cx);
        let result = match result {
            Ok(token) => {
                self.token = token;
                cx.core.transition_in_place(self, why::Renewed);
                Ok(self.token.generation)
            }
            Err(denial) => {
                cx.core.transition_in_place(self, why::RenewalDenied);
                Err(denial)
            }
        };
        Outcome { result, credentials: flight.credentials, successor }
    }

    pub(super) fn fail(&self, core: &mut Core, now: Moment) {
        core.observe(now);
        core.transition_in_place(self, why::RenewalFailed);
    }

    pub(super) fn replace(
        &mut self,
        grant: &Grant,
        cx: &mut Context<'_>,
    ) -> Result<(), AdoptError> {
        self.token = flight::adopt(grant, cx)?;
        self.flight = None;
        cx.core.transition_in_place(self, why::Replaced);
        Ok(())
    }

    /// Leaves the state of a token that has certainly expired.
    pub(super) fn lapse(&mut self, core: &mut Core) -> Lapsed {
        match self.flight.take() {
            Some(flight) => {
                let state = Authenticating { flight: *flight };
                Lapsed::Reauthenticating(core.transition(self, why::LapsedInFlight, state))
            }
            None => Lapsed::Expired(core.transition(self, why::Lapsed, Expired)),
        }
    }

    /// Takes the renewal with this id out.
    pub(super) fn take_flight(&mut self, id: RequestId) -> Option<Flight> {
        self.flight.take_if(|flight| flight.id == id).map(|flight| *flight)
    }

    pub(crate) fn authorization<'a>(
        &'a self,
        config: &'a Config,
        at: Stamp,
    ) -> Result<Authorization<'a>, AuthorizeError> {
        let ActiveToken { token, generation, .. } = &self.token;
        let lifetime = &self.token.lifetime;
        let validity = lifetime.validity(at);
        if validity == Validity::Expired {
            return Err(AuthorizeError::Expired);
        }
        let age_millis = lifetime.age_at(at);
        let authorized = Authorized { generation: *generation, validity, age_millis };
        Ok(Authorization { name: config.header_name(), value: token.header(), authorized })
    }
}

/// Using the token.
impl Session<Active> {
    /// Puts the token on an API request: sets the `Authorization` header, or the one configured.
    ///
    /// It is the token of this moment. Don't keep the request: authorize again before a retry.
    ///
    /// # Errors
    /// [`AuthorizeError`] if the request doesn't go to an allowed origin, has no room for another header, or
    /// the token has expired. The request then has no such header at all, not even one that it came with.
    pub fn authorize<B>(
        &self,
        request: &mut Request<B>,
        now: Moment,
    ) -> Result<Authorized, AuthorizeError> {
        authorize(request, &self.config, || self.current(now))
    }

    /// Returns the header to put on an API request to `origin`, for HTTP stacks that don't use
    /// [`http::Request`].
    ///
    /// # Errors
    /// [`AuthorizeError`] if `origin` is not one of the configured ones, or the token has expired.
    pub fn authorization(
        &self,
        origin: &AllowedOrigin,
        now: Moment,
    ) -> Result<Authorization<'_>, AuthorizeError> {
        self.config.check_origin(origin)?;
        self.current(now)
    }

    fn current(&self, now: Moment) -> Result<Authorization<'_>, AuthorizeError> {
        self.state.authorization(&self.config, self.core.stamp_at(now))
    }

    /// Returns the number of the token.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.state.token.generation
    }

    /// Returns the identity that the token is for: the one asked for, or the first one that a reply named.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.core.identity.as_ref()
    }

    /// Returns the scopes that were granted, if the reply says so.
    #[must_use]
    pub fn granted_scopes(&self) -> Option<&Scopes> {
        self.state.token.scopes()
    }
}

/// Time.
impl Session<Active> {
    /// Returns how long the token still lives.
    #[must_use]
    pub fn remaining(&self, now: Moment) -> Remaining {
        self.state.token.lifetime.remaining(self.core.stamp_at(now))
    }

    /// Returns whether the token is good at `now`.
    #[must_use]
    pub fn validity(&self, now: Moment) -> Validity {
        self.remaining(now).validity()
    }

    /// Returns how long until renewal is due; zero if it is.
    ///
    /// It is due when the token certainly lives for no more than the margin: the configured one, or a
    /// fraction of the lifetime if that is shorter, and up to half as much again by chance, so that
    /// clients that started together don't renew together. A token whose reply leaves its life in doubt, so
    /// that asking again would give the same reply, is due later than that: see [time](crate::time). What a
    /// [`Driver`](crate::Driver) has [learned](crate::driver#tokens-that-die-early) from 401s has no say here.
    ///
    /// It stays due while a renewal is in flight and after one has failed: how long to wait before the
    /// next try, [`Denial::retry_after`] included, is the caller's to say.
    #[must_use]
    pub fn renewal_due_in(&self, now: Moment) -> Duration {
        Duration::from_millis(self.state.token.renewal_due_in(self.core.stamp_at(now)))
    }

    /// Returns how long until the token has certainly expired, and [`advance`](Self::advance) lapses it;
    /// `None` if its expiry is unknown.
    #[must_use]
    pub fn lapses_in(&self, now: Moment) -> Option<Duration> {
        let left = self.state.token.lifetime.until_expired(self.core.stamp_at(now));
        left.map(Duration::from_millis)
    }

    /// Lets time pass. The token stays in use, unless it has certainly expired. One of unknown expiry never
    /// has.
    pub fn advance(mut self, now: Moment) -> Advance {
        self.core.observe(now);
        if self.validity(now) != Validity::Expired {
            return Advance::Live(self);
        }
        let Self { config, mut core, mut state } = self;
        match state.lapse(&mut core) {
            Lapsed::Expired(state) => Advance::Lapsed(Session { config, core, state }),
            Lapsed::Reauthenticating(state) => {
                Advance::Reauthenticating(Session { config, core, state })
            }
        }
    }
}

/// Renewal.
impl Session<Active> {
    /// Requests the next token, whether it is due or not: after a 401, say. The current one stays in use.
    ///
    /// A token that has expired can be renewed too, until [`advance`](Self::advance) lapses the session;
    /// no token is in use meanwhile.
    ///
    /// # Errors
    /// [`SendError`] if a renewal is in flight, the credentials state another identity than the token's, or
    /// there is no request. Nothing changed.
    pub fn renew(&mut self, credentials: &Credentials, now: Moment) -> Result<Outgoing, SendError> {
        if self.state.flight.is_some() {
            return Err(SendError::InFlight);
        }
        let prepared = Prepared::new(credentials, self.core.identity.as_ref())?;
        let Self { config, core, state } = self;
        Ok(state.renew(prepared, &mut Context { core, config, now }))
    }

    /// Reads the reply to the renewal. The new token is in use from here on. Returns its generation, and the
    /// credentials for the next request: those that this one was made with, or their
    /// [successor](crate::Grant::with_successor) if the reply brought one.
    ///
    /// # Errors
    /// * [`RenewError::Stale`] if the reply is to another request: nothing changed.
    /// * [`RenewError::Denied`] if it gave no token: the current one stays in use, untouched, and another
    ///   renewal may be made.
    pub fn receive<B: AsRef<[u8]>>(
        &mut self,
        id: RequestId,
        reply: &http::Response<B>,
        now: Moment,
    ) -> Result<(Generation, Credentials), RenewError> {
        let Self { config, core, state } = self;
        let flight = state.take_flight(id).ok_or(StaleRequest { id })?;
        let cx = &mut Context { core, config, now };
        match state.receive(flight, reply.into(), None, cx).into_parts() {
            (Ok(generation), credentials) => Ok((generation, credentials)),
            (Err(denial), credentials) => Err(RenewError::Denied(denial, credentials)),
        }
    }

    /// Reports that the renewal got no reply. The current token stays in use, untouched.
    ///
    /// # Errors
    /// [`StaleRequest`] if the failure is another request's: nothing changed.
    pub fn fail(
        &mut self,
        id: RequestId,
        why: TransportFailure,
        now: Moment,
    ) -> Result<(), StaleRequest> {
        let _ = why;
        self.state.take_flight(id).ok_or(StaleRequest { id })?;
        self.state.fail(&mut self.core, now);
        Ok(())
    }

    /// Takes a token that was obtained elsewhere in place of the current one. A renewal in flight is
    /// given up: its reply, when it comes, is stale. The new token's expiry counts as in
    /// [`adopt`](Session::<Unauthenticated>::adopt).
    ///
    /// # Errors
    /// [`AdoptError`] as there. Nothing changed.
    pub fn replace(
        &mut self,
        grant: impl Into<Grant>,
        now: Moment,
    ) -> Result<Generation, AdoptError> {
        let Self { config, core, state } = self;
        state.replace(&grant.into(), &mut Context { core, config, now })?;
        Ok(state.token.generation)
    }

    /// Returns the id of the renewal in flight, if there is one.
    #[must_use]
    pub fn in_flight(&self) -> Option<RequestId> {
        Some(self.state.flight.as_ref()?.id)
    }

    /// Returns how long until the renewal in flight is past its deadline, zero if it is, so that it is time to
    /// [`fail`](Self::fail) it as [`TimedOut`](TransportFailure::TimedOut). A reply that comes first is still read.
    /// `None` if none is in flight.
    #[must_use]
    pub fn overdue_in(&self, now: Moment) -> Option<Duration> {
        let flight = self.state.flight.as_ref()?;
        Some(Duration::from_millis(flight.overdue_in(&self.config, self.core.stamp_at(now))))
    }

    /// Ends the login: the token is forgotten, and wiped unless a request still holds it. Needs no
    /// network. A reply that comes later can't be given to what is left, and may be dropped;
    /// [`AnySession`](super::AnySession) takes it, and reports that it is stale.
    pub fn stop(self) -> Session<Unauthenticated> {
        self.end_login()
    }
}

/// The result of [`Session::advance`]: the session in the state that it has at this moment.
#[derive(Debug)]
#[must_use = "the session is in here"]
#[expect(clippy::exhaustive_enums, reason = "the session is in one of them")]
pub enum Advance {
    /// The token is still in use.
    Live(Session<Active>),
    /// The token has expired.
    Lapsed(Session<Expired>),
    /// The token has expired while its renewal was in flight: that request, under the same id, is now
    /// the authentication.
    Reauthenticating(Session<Authenticating>),
}
