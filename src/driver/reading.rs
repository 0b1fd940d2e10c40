//! What a driver can be asked, and the token put to use. Nothing here changes anything.

use std::sync::Arc;

use super::counters::Counters;
use super::login::{Login, Stalled};
use super::machine::Driver;
use super::not_authorized::NotAuthorized;
use super::policy::Policy;
use crate::exchange::{AllowedOrigin, Credentials, Identity, Scopes};
use crate::session::transitions::StateName;
use crate::session::{AnySession, Authorization, Authorized, Config, Generation, authorize};
use crate::time::{Moment, Remaining, Validity};

impl Driver {
    /// Puts the token on an API request: sets the `Authorization` header, or the one configured.
    ///
    /// It is the token of this moment. Don't keep the request: authorize again before a retry.
    ///
    /// # Errors
    /// [`NotAuthorized`] says what to do. The request then has no such header at all, not even one that
    /// it came with.
    pub fn authorize<B>(
        &self,
        request: &mut http::Request<B>,
        now: Moment,
    ) -> Result<Authorized, NotAuthorized> {
        authorize(request, self.config(), |origin| self.authorization(origin, now))
    }

    /// The header to put on an API request to `origin`, for HTTP stacks that don't use
    /// [`http::Request`].
    ///
    /// # Errors
    /// [`NotAuthorized`] says what to do.
    pub fn authorization(
        &self,
        origin: &AllowedOrigin,
        now: Moment,
    ) -> Result<Authorization<'_>, NotAuthorized> {
        if !self.config().origins().contains(origin) {
            return Err(NotAuthorized::OtherOrigin);
        }
        let authorization = match &self.session {
            AnySession::Active(session) => session.authorization(origin, now).ok(),
            _ => None,
        };
        // The origin is allowed, so it is a token that is missing.
        authorization
            .ok_or_else(|| self.stalled().map_or(NotAuthorized::Wait, NotAuthorized::Start))
    }

    /// Returns the state that the events have led to. A session whose token has expired is active until the
    /// next poll, and serves no token meanwhile.
    #[must_use]
    pub fn state(&self) -> StateName {
        self.announced.as_ref().map_or_else(|| self.session.state(), |next| next.transition.to)
    }

    /// Why the driver asks for no token by itself; `None` while it does, or would when it is due.
    #[must_use]
    pub fn stalled(&self) -> Option<Stalled> {
        self.login.stalled()
    }

    /// What the next request will be made with; `None` if nobody is logged in, or with a token only.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        match &self.login {
            Login::Renewable(login) => Some(&login.credentials),
            Login::Nobody | Login::Pending(_) | Login::Adopted => None,
        }
    }

    /// For whom the token is, was, or has to be, as far as that is known.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.login.identity(&self.session)
    }

    /// The number of the current token; `None` without one.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        match &self.session {
            AnySession::Active(session) => Some(session.generation()),
            _ => None,
        }
    }

    /// The scopes that were granted with the current token, if the reply said so.
    #[must_use]
    pub fn granted_scopes(&self) -> Option<&Scopes> {
        match &self.session {
            AnySession::Active(session) => session.granted_scopes(),
            _ => None,
        }
    }

    /// How long the current token still lives; `None` without one.
    #[must_use]
    pub fn remaining(&self, now: Moment) -> Option<Remaining> {
        match &self.session {
            AnySession::Active(session) => Some(session.remaining(now)),
            _ => None,
        }
    }

    /// Whether the current token is good at `now`; `None` without one.
    #[must_use]
    pub fn validity(&self, now: Moment) -> Option<Validity> {
        self.remaining(now).map(Remaining::validity)
    }

    /// Which login this is: each [`start`](Self::start) that is not for the current one begins another,
    /// from 1. 0 before the first, and for a login that was taken over with its session.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the driver was last told that there is a network. At first it takes that for granted.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.online
    }

    /// Returns how many events and abandoned requests are queued for the next polls, at most
    /// [`MOST_QUEUED`](Self::MOST_QUEUED).
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// What the driver has done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns the session. Between the event that announces a request and the poll that hands the
    /// request out, it is in the state before.
    pub fn session(&self) -> &AnySession {
        &self.session
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The configuration of its session.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        self.session.config()
    }
}
