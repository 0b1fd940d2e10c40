//! A token serves. It may be renewed while it does.

use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use http::Request;

use super::authenticating::Authenticating;
use super::authorization::{Authorization, Authorized, NotAuthorized, authorize};
use super::core::{Generation, Session, State, sealed};
use super::expired::Expired;
use super::flight::{self, Flight, pin};
use super::held::Held;
use super::outgoing::{NotSent, Outgoing, RequestId, StaleRequest, TransportFailure};
use super::transitions::{StateName, why};
use super::unauthenticated::Unauthenticated;
use crate::exchange::{AllowedOrigin, Credentials, Denial, Flaw, Grant, Identity, Scopes};
use crate::secret::SessionToken;
use crate::time::{Moment, Remaining, Validity};

/// A token serves. A renewal may be in flight meanwhile.
#[cfg_attr(feature = "_model", derive(Clone))]
pub struct Active {
    pub(super) held: Held,
    pub(super) pinned: Option<Identity>,
    /// None for a token that was adopted: there is nothing to renew it with.
    pub(super) renewal: Option<Renewal>,
}

/// What a token can be renewed with, and the renewal in flight.
#[cfg_attr(feature = "_model", derive(Clone))]
pub(super) struct Renewal {
    pub(super) credentials: Credentials,
    pub(super) flight: Option<Flight>,
}

impl sealed::Sealed for Active {}

impl State for Active {
    const NAME: StateName = StateName::Active;
}

impl fmt::Debug for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Active").field("generation", &self.held.generation).finish_non_exhaustive()
    }
}

/// Using the token.
impl Session<Active> {
    /// Puts the token on an API request: sets the `Authorization` header, or the one configured.
    ///
    /// It is the token of this moment. Don't keep the request: authorize again before a retry.
    ///
    /// # Errors
    /// [`NotAuthorized`] if the request doesn't go to an allowed origin, has no room for another header, or
    /// the token has expired. The request then has no such header at all, not even one that it came with.
    pub fn authorize<B>(
        &self,
        request: &mut Request<B>,
        now: Moment,
    ) -> Result<Authorized, NotAuthorized> {
        authorize(request, &self.core.config, |origin| self.authorization(origin, now))
    }

    /// The header to put on an API request to `origin`, for HTTP stacks that don't use
    /// [`http::Request`].
    ///
    /// # Errors
    /// [`NotAuthorized`] if `origin` is not one of the configured ones, or the token has expired.
    pub fn authorization(
        &self,
        origin: &AllowedOrigin,
        now: Moment,
    ) -> Result<Authorization<'_>, NotAuthorized> {
        if !self.core.config.origins().contains(origin) {
            return Err(NotAuthorized::OtherOrigin);
        }
        let validity = self.validity(now);
        if validity == Validity::Expired {
            return Err(NotAuthorized::Expired);
        }
        let authorized = Authorized { generation: self.state.held.generation, validity };
        Ok(Authorization::new(
            self.core.config.header_name(),
            self.state.held.token.header(),
            authorized,
        ))
    }

    /// The number of the token that serves.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.state.held.generation
    }

    /// For whom the token is: as asked for, or as the first reply that named somebody said.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.state.pinned.as_ref()
    }

    /// What the token is renewed with; `None` for one that was adopted.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        Some(&self.state.renewal.as_ref()?.credentials)
    }

    /// The token itself, to hold against another.
    pub(crate) fn token(&self) -> &SessionToken {
        &self.state.held.token
    }

    /// The scopes that were granted, if the reply said so.
    #[must_use]
    pub fn granted_scopes(&self) -> Option<&Scopes> {
        self.state.held.scopes.as_ref()
    }

    /// The scopes that the credentials ask for, which need not be granted.
    #[must_use]
    pub fn requested_scopes(&self) -> Option<&Scopes> {
        self.credentials()?.exchange().scopes()
    }
}

/// Time.
impl Session<Active> {
    /// How long the token still lives.
    #[must_use]
    pub fn remaining(&self, now: Moment) -> Remaining {
        self.state.held.remaining(self.core.clock.advanced(now).stamp())
    }

    /// Whether the token is good at `now`.
    #[must_use]
    pub fn validity(&self, now: Moment) -> Validity {
        self.state.held.validity(self.core.clock.advanced(now).stamp())
    }

    /// How long until renewal is due; nothing if it is.
    ///
    /// It is due when the token certainly lives for no more than the margin: the configured one, or a
    /// fraction of the lifetime if that is shorter, and up to half as much again by chance, so that
    /// clients that started together don't renew together. A token whose reply leaves its life in doubt, so
    /// that asking again would give the same reply, is due later than that: see
    /// [`Lifetime`](crate::time::Lifetime). What a [`Driver`](crate::Driver) has
    /// [learned](crate::driver#tokens-that-die-early) from 401s has no say here.
    ///
    /// It stays due while a renewal is in flight and after one has failed: how long to wait before the
    /// next try, [`Denial::retry_after`] included, is the caller's to say.
    #[must_use]
    pub fn renewal_due_in(&self, now: Moment) -> Duration {
        let Held { lifetime, margin, .. } = &self.state.held;
        Duration::from_millis(
            lifetime.until_at_least(*margin, self.core.clock.advanced(now).stamp()),
        )
    }

    /// Returns how many milliseconds have passed since the token's request was sent, as far as either clock
    /// shows.
    pub(crate) fn age(&self, now: Moment) -> u64 {
        self.state.held.lifetime.age_at(self.core.clock.advanced(now).stamp())
    }

    /// Returns the age, in milliseconds, at which the token would be scheduled to die if nothing but its
    /// statement were known.
    pub(crate) fn stated_age(&self) -> u64 {
        u64::try_from(self.state.held.lifetime.scheduled()).unwrap_or(0)
    }

    /// Returns in how many milliseconds renewal is due, if the token is scheduled as one that lives no longer
    /// than `limit` milliseconds from its sending.
    pub(crate) fn renewal_due_within(&self, limit: Option<u64>, now: Moment) -> u64 {
        let Held { lifetime, margin, generation, .. } = &self.state.held;
        let at = self.core.clock.advanced(now).stamp();
        let Some(limit) = limit.filter(|limit| *limit < self.stated_age()) else {
            return lifetime.until_at_least(*margin, at);
        };
        let shortened = lifetime.shortened(limit);
        let margin = self.core.config.margin(
            shortened.scheduled_at_receipt(),
            self.core.seed(),
            *generation,
        );
        shortened.until_at_least(margin, at)
    }

    /// How long until the token has certainly expired, and [`advance`](Self::advance) lapses it;
    /// `None` if its expiry is unknown.
    #[must_use]
    pub fn lapses_in(&self, now: Moment) -> Option<Duration> {
        let at = self.core.clock.advanced(now).stamp();
        self.state.held.lifetime.until_expired(at).map(Duration::from_millis)
    }

    /// Lets time pass. The token stays in use, unless it has certainly expired. One of unknown expiry never
    /// has.
    pub fn advance(mut self, now: Moment) -> Advance {
        self.core.observe(now);
        if self.state.held.validity(self.core.clock.stamp()) != Validity::Expired {
            return Advance::Live(self);
        }
        let Active { pinned, renewal, .. } = self.state;
        let core = self.core;
        match renewal {
            Some(Renewal { credentials, flight: Some(flight) }) => {
                let state = Authenticating { flight, credentials, pinned };
                Advance::Reauthenticating(
                    core.become_state::<Active, _, why::LapsedInFlight>(state),
                )
            }
            idle => {
                let credentials = idle.map(|renewal| renewal.credentials);
                let state = Expired { credentials, pinned };
                Advance::Lapsed(core.become_state::<Active, _, why::Lapsed>(state))
            }
        }
    }
}

/// Renewal.
impl Session<Active> {
    /// Asks for the next token, whether it is due or not: after a 401, say. The current one stays in use.
    ///
    /// A token that has expired can be renewed too, until [`advance`](Self::advance) lapses the session;
    /// nothing serves meanwhile.
    ///
    /// # Errors
    /// [`NotSent`] if a renewal is in flight, or there is nothing to renew with. Nothing changed.
    pub fn renew(&mut self, now: Moment) -> Result<Outgoing, NotSent> {
        let Some(renewal) = &self.state.renewal else {
            return Err(NotSent::NoCredentials);
        };
        if renewal.flight.is_some() {
            return Err(NotSent::InFlight);
        }
        let request = renewal.credentials.request()?;
        self.renew_with(request, now)
    }

    /// Sends `request`, which was made with the session's credentials.
    pub(super) fn renew_with(
        &mut self,
        request: Request<Bytes>,
        now: Moment,
    ) -> Result<Outgoing, NotSent> {
        let Some(renewal) = &mut self.state.renewal else {
            return Err(NotSent::NoCredentials);
        };
        let (flight, outgoing) = Flight::launch(&mut self.core, &renewal.credentials, request, now);
        renewal.flight = Some(flight);
        self.core.stay::<Active, why::RenewalSent>();
        Ok(outgoing)
    }

    /// Reads the reply to the renewal. The new token serves from here on.
    ///
    /// # Errors
    /// [`NotRenewed::Stale`] if the reply is to another request: nothing changed.
    /// [`NotRenewed::Denied`] if it gave no token: the current one stays in use, untouched, and another
    /// renewal may be made.
    pub fn receive<B: AsRef<[u8]>>(
        &mut self,
        id: RequestId,
        reply: &http::Response<B>,
        now: Moment,
    ) -> Result<Generation, NotRenewed> {
        let flight = self.take_flight(id)?;
        match flight.land(reply.into(), now, &mut self.core, &mut self.state.pinned) {
            Ok(held) => {
                let generation = held.generation;
                self.state.held = held;
                self.core.stay::<Active, why::Renewed>();
                Ok(generation)
            }
            Err(denial) => {
                self.core.stay::<Active, why::RenewalDenied>();
                Err(NotRenewed::Denied(denial))
            }
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
        let _given_up = self.take_flight(id)?;
        self.core.observe(now);
        self.core.stay::<Active, why::RenewalFailed>();
        Ok(())
    }

    /// Takes a token that was obtained elsewhere in place of the current one. A renewal in flight is
    /// given up: its reply, when it comes, is stale. The new token's expiry counts as in
    /// [`adopt`](Session::<Unauthenticated>::adopt).
    ///
    /// # Errors
    /// [`Denial`] if the token is for another identity, or dead on arrival. Nothing changed.
    pub fn replace(&mut self, grant: impl Into<Grant>, now: Moment) -> Result<Generation, Denial> {
        let held = flight::adopt(&mut self.core, &grant.into(), now, &mut self.state.pinned)?;
        let generation = held.generation;
        self.state.held = held;
        if let Some(renewal) = &mut self.state.renewal {
            renewal.flight = None;
        }
        self.core.stay::<Active, why::Replaced>();
        Ok(generation)
    }

    /// Sets what the token is renewed with from now on. A renewal in flight goes on as it was sent.
    ///
    /// # Errors
    /// [`Flaw::WrongIdentity`] if the credentials are for another identity than the token: stop, and
    /// authenticate anew. Nothing changed.
    pub fn set_credentials(&mut self, credentials: Credentials) -> Result<(), Flaw> {
        pin(&mut self.state.pinned, credentials.exchange().identity())?;
        let flight = self.state.renewal.take().and_then(|renewal| renewal.flight);
        self.state.renewal = Some(Renewal { credentials, flight });
        self.core.stay::<Active, why::CredentialsSet>();
        Ok(())
    }

    /// The renewal in flight, if there is one.
    #[must_use]
    pub fn in_flight(&self) -> Option<RequestId> {
        Some(self.flight()?.id())
    }

    /// Whether the renewal in flight is past its deadline, so that it is time to
    /// [`fail`](Self::fail) it as [`TimedOut`](TransportFailure::TimedOut). A reply that comes first is
    /// still read.
    #[must_use]
    pub fn is_overdue(&self, now: Moment) -> bool {
        self.overdue_in(now).is_some_and(|left| left.is_zero())
    }

    /// How long until the renewal in flight is past its deadline, nothing if it is; `None` if none is in
    /// flight.
    #[must_use]
    pub fn overdue_in(&self, now: Moment) -> Option<Duration> {
        Some(self.flight()?.overdue_in(&self.core, now))
    }

    /// Ends the login: the token is forgotten, and wiped unless a request still holds it. Needs no
    /// network. A reply that comes later can't be given to what is left, and may be dropped;
    /// [`AnySession`](super::AnySession) takes it, and says that it is stale.
    pub fn stop(self) -> Session<Unauthenticated> {
        let state = Unauthenticated(());
        self.core.become_state::<Active, _, why::Stopped>(state)
    }

    pub(super) fn flight(&self) -> Option<&Flight> {
        self.state.renewal.as_ref()?.flight.as_ref()
    }

    fn take_flight(&mut self, id: RequestId) -> Result<Flight, StaleRequest> {
        let slot = self.state.renewal.as_mut().map(|renewal| &mut renewal.flight);
        match slot {
            Some(slot) => {
                slot.take_if(|flight| flight.check(id).is_ok()).ok_or(StaleRequest::new(id))
            }
            None => Err(StaleRequest::new(id)),
        }
    }
}

/// What became of an active session as time passed.
#[derive(Debug)]
#[must_use = "the session is in here"]
pub enum Advance {
    /// The token still serves.
    Live(Session<Active>),
    /// The token has expired.
    Lapsed(Session<Expired>),
    /// The token has expired while its renewal was in flight: that request, under the same id, is now
    /// the authentication.
    Reauthenticating(Session<Authenticating>),
}

/// Why a reply renewed nothing. The current token stays in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[must_use]
pub enum NotRenewed {
    /// The reply is to another request: nothing changed.
    #[error(transparent)]
    Stale(#[from] StaleRequest),
    /// The reply gave no token.
    #[error("renewal failed: {0}; the current token stays in use")]
    Denied(Denial),
}
