//! The questions that a driver answers. Nothing here changes anything.

use std::sync::Arc;

use super::{Counters, Driver, Local, Login, Policy};
use crate::exchange::{AllowedOrigin, Credentials, Grant, Identity, Scopes};
use crate::session::transitions::{StateName, Transition};
use crate::session::{
    Authorization, AuthorizeError, Authorized, Blocked, Config, Generation, RequestId, authorize,
};
use crate::time::{Moment, Remaining, Validity};

impl Local {
    pub(super) fn blocked(&self) -> Option<Blocked> {
        match &self.login {
            Login::None => Some(Blocked::NotStarted),
            Login::Token => self.pending.is_none().then_some(Blocked::NoCredentials),
            Login::Renewable(login) => {
                let spent = self.spent.contains(&login.credentials);
                spent.then_some(Blocked::Spent).or(login.blocked)
            }
        }
    }
}

impl Driver {
    /// Puts the token on an API request: sets the `Authorization` header, or the one configured.
    ///
    /// It is the token of this moment. Don't keep the request: authorize again before a retry.
    ///
    /// # Errors
    /// [`AuthorizeError`] says what to do. The request then has no such header at all, not even one that
    /// it came with.
    pub fn authorize<B>(
        &self,
        request: &mut http::Request<B>,
        now: Moment,
    ) -> Result<Authorized, AuthorizeError> {
        authorize(request, &self.shared.config, || self.current(now))
    }

    /// Returns the header to put on an API request to `origin`, for HTTP stacks that don't use
    /// [`http::Request`].
    ///
    /// # Errors
    /// [`AuthorizeError`] says what to do.
    pub fn authorization(
        &self,
        origin: &AllowedOrigin,
        now: Moment,
    ) -> Result<Authorization<'_>, AuthorizeError> {
        self.shared.config.check_origin(origin)?;
        self.current(now)
    }

    /// Returns the current token as a grant, for a part that takes tokens and not requests: the app of a backend, by
    /// [`Grant::to_token_reply`], or an SDK, by [`Grant::token`].
    ///
    /// It has the identity of the login, the scopes that were granted, and the stated expiry, written in UTC. The
    /// expiry is absent where none was stated that can be read, and where a [lifetime](Grant::with_lifetime) was
    /// stated instead. [`remaining`](Self::remaining) says how long the token still lives.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use videokit_session::driver::AuthorizeError;
    /// # use videokit_session::{AllowedOrigin, ApiToken, Config, Credentials, Driver, Gateway, Identity, Moment, Output};
    /// # let config = Config::builder(AllowedOrigin::https("https://api.video.io")?).build()?;
    /// # let gateway = Gateway::new(ApiToken::new("my-app:my-secret")?, Identity::new("user-17")?);
    /// # let now = Moment::from_millis(0, 1_795_492_800_000);
    /// # let mut driver = Driver::new(Arc::new(config), 42);
    /// # driver.start(Credentials::for_development(gateway), now);
    /// # let reply = http::Response::builder().header("date", "Tue, 24 Nov 2026 04:00:00 GMT").body(
    /// #     r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T04:10:00Z","identity":"user-17"}"#,
    /// # )?;
    /// // A backend holds a driver for each of its users.
    /// assert_eq!(driver.grant(now), Err(AuthorizeError::Wait));
    /// // Once the gateway has replied:
    /// # let _ = driver.poll(now);
    /// # let Output::Send(outgoing) = driver.poll(now) else { panic!() };
    /// # driver.handle_response(outgoing.id(), &reply, now);
    /// let reply = driver.grant(now)?.to_token_reply();
    /// assert_eq!(
    ///     reply.body(),
    ///     r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T04:10:00Z","identity":"user-17"}"#,
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AuthorizeError`] says what to do. There is none about origins: who takes the grant decides where the token
    /// is sent.
    pub fn grant(&self, now: Moment) -> Result<Grant, AuthorizeError> {
        let _good = self.current(now)?;
        let machine = &self.local.machine;
        let active = machine.active().ok_or(AuthorizeError::Wait)?;
        Ok(active.token.to_grant(self.identity()))
    }

    fn current(&self, now: Moment) -> Result<Authorization<'_>, AuthorizeError> {
        let machine = &self.local.machine;
        machine
            .active()
            .and_then(|active| {
                active.authorization(&self.shared.config, machine.core.stamp_at(now)).ok()
            })
            .ok_or_else(|| match self.blocked() {
                Some(blocked) if self.local.pending.is_none() => AuthorizeError::Start(blocked),
                _ => AuthorizeError::Wait,
            })
    }

    /// Returns the state that the events have led to. A session whose token has expired is active until the
    /// next poll, and no token is in use meanwhile.
    #[must_use]
    pub fn state(&self) -> StateName {
        let announced = self.local.announced.as_ref();
        announced.map_or_else(|| self.local.machine.state(), |next| next.transition.to)
    }

    /// Returns the last transition of the session; `None` before the first. Between the event that announces a
    /// request and the poll that hands it out, it is the one before.
    #[must_use]
    pub fn last_transition(&self) -> Option<Transition> {
        self.local.machine.core.last
    }

    /// Returns the id of the request in flight, if there is one.
    #[must_use]
    pub fn in_flight(&self) -> Option<RequestId> {
        self.local.machine.in_flight()
    }

    /// Returns the credentials that the request in flight was made with.
    #[cfg(feature = "trace")]
    pub(crate) fn asked_with(&self) -> Option<&Credentials> {
        Some(&self.local.machine.flight()?.credentials)
    }

    /// Returns why the driver requests no token by itself; `None` while it does, or would when it is due.
    #[must_use]
    pub fn blocked(&self) -> Option<Blocked> {
        self.local.blocked()
    }

    /// Returns the credentials that the next request is made with; `None` without a login, or with a token only.
    ///
    /// They are those that the login was started with or [given](Self::set_credentials), or the last successor that
    /// a reply brought.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        Some(&self.local.login.renewable()?.credentials)
    }

    /// Returns the identity of the login, as far as it is known: the one that its tokens are for, or the one
    /// stated.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.local.identity()
    }

    /// Returns the number of the current token; `None` without one.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        Some(self.local.machine.active()?.token.generation)
    }

    /// Returns the scopes that were granted with the current token, if the reply says so.
    #[must_use]
    pub fn granted_scopes(&self) -> Option<&Scopes> {
        self.local.machine.active()?.token.scopes()
    }

    /// Returns how long the current token still lives; `None` without one.
    #[must_use]
    pub fn remaining(&self, now: Moment) -> Option<Remaining> {
        let machine = &self.local.machine;
        Some(machine.active()?.token.lifetime.remaining(machine.core.stamp_at(now)))
    }

    /// Returns whether the current token is good at `now`; `None` without one.
    #[must_use]
    pub fn validity(&self, now: Moment) -> Option<Validity> {
        self.remaining(now).map(Remaining::validity)
    }

    /// Returns the number of the login: each [`start`](Self::start) that is not for the current one begins
    /// another, from 1. 0 before the first, and for a login that was taken over with its session.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.local.epoch
    }

    /// Returns whether there is a network, as last reported. A new driver is online.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.local.online
    }

    /// Returns how many events and abandoned requests are queued for the next polls, at most
    /// [`MOST_QUEUED`](Self::MOST_QUEUED).
    #[must_use]
    pub fn queued(&self) -> usize {
        self.local.queue.len()
    }

    /// Returns what the driver has done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.local.counters
    }

    /// Returns the policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.shared.policy()
    }

    /// Returns the configuration of its session.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.shared.config
    }
}
