//! How a login begins, goes on with other credentials, and ends.

use super::{Backoff, Event, Local, Login, Renewable, TokenStatus, Turn, digest, same_endpoint};
use crate::exchange::{Backend, Credentials, Grant, Identity};
use crate::secret::SessionToken;
use crate::session::Blocked;
use crate::session::transitions::{self, StateName};

/// A login: what to start with, for [`Driver::start`](super::Driver::start). Credentials, backends, tokens and
/// grants become one by `into()`. A [`Gateway`](crate::Gateway) doesn't:
/// [`Credentials::for_development`] says why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a token, or a way to get one")]
pub enum Start {
    /// Request a token with these credentials, and each token that follows.
    Exchange(Credentials),
    /// Take a token that was obtained elsewhere. It can't be renewed without credentials: see
    /// [`Event::TokenNeeded`](super::Event::TokenNeeded).
    Token(Grant),
}

impl From<Credentials> for Start {
    fn from(credentials: Credentials) -> Self {
        Self::Exchange(credentials)
    }
}

impl From<Backend> for Start {
    fn from(backend: Backend) -> Self {
        Self::Exchange(backend.into())
    }
}

impl From<Grant> for Start {
    fn from(grant: Grant) -> Self {
        Self::Token(grant)
    }
}

impl From<SessionToken> for Start {
    fn from(token: SessionToken) -> Self {
        Self::Token(token.into())
    }
}

/// The relation of a new start to the current login.
pub(super) enum Relation {
    /// It is the same.
    Joined,
    /// It is for the same identity, with other credentials.
    Rotated(Credentials),
    /// It is for the same identity, with another token.
    Replaced(Grant),
    /// It is another login, or may be.
    Other(Start),
}

impl Local {
    /// Returns the identity of the login, as far as it is known: the one of its tokens, the stated one, or the one
    /// that the request under way asks for.
    pub(super) fn identity(&self) -> Option<&Identity> {
        let login = || self.login.renewable()?.credentials.exchange().identity();
        let pending = || self.pending.as_ref()?.identity();
        let announced = self.announced.as_ref().map(|next| &next.prepared.credentials);
        let asked = || announced.or_else(|| Some(&self.machine.flight()?.credentials));
        let asked = || asked()?.exchange().identity();
        self.machine.core.identity.as_ref().or_else(login).or_else(pending).or_else(asked)
    }

    /// Compares a new start with the current login. Changes nothing, so a panic in an exchange does no harm.
    ///
    /// Two logins are the same only if both state their identity: a token or a cookie that names nobody may be
    /// anybody's, and the current token must not be used for somebody else.
    pub(super) fn relation(&self, start: Start) -> Relation {
        let same_identity = |named: Option<&Identity>| named.is_some() && named == self.identity();
        match (&self.login, start) {
            (Login::Renewable(login), Start::Exchange(new)) if login.was_given(&new) => {
                Relation::Joined
            }
            (Login::Token | Login::Renewable(_), Start::Token(new)) if self.has(&new) => {
                Relation::Joined
            }
            (Login::Renewable(login), Start::Exchange(new))
                if same_identity(new.exchange().identity())
                    && login.same_endpoint_and_scopes(&new) =>
            {
                Relation::Rotated(new)
            }
            (Login::Token, Start::Exchange(new)) if same_identity(new.exchange().identity()) => {
                Relation::Rotated(new)
            }
            (Login::Token, Start::Token(new)) if same_identity(new.identity()) => {
                Relation::Replaced(new)
            }
            (_, start) => Relation::Other(start),
        }
    }

    /// Compares credentials that join the login by declaration. Only a stated identity can differ.
    pub(super) fn declared(&self, credentials: Credentials) -> Relation {
        let stated = credentials.exchange().identity();
        let known = self.identity();
        match &self.login {
            Login::Renewable(current) if current.credentials == credentials => Relation::Joined,
            Login::None => Relation::Other(credentials.into()),
            _ if !Identity::can_match(stated, known) => Relation::Other(credentials.into()),
            _ => Relation::Rotated(credentials),
        }
    }

    /// Returns whether this very grant is to be adopted, or its token is in use, or credentials renew the token that
    /// the login was started with, and that was this one. Its identity, if it names one, has to be the login's.
    fn has(&self, grant: &Grant) -> bool {
        if let Some(pending) = &self.pending {
            return **pending == *grant;
        }
        let active = self.machine.active().is_some_and(|active| active.token.is_from(grant));
        let began = self.began_with == digest(grant.token().as_bytes());
        let known = grant.identity().is_none() || grant.identity() == self.identity();
        known && (active || began && self.login.renewable().is_some())
    }

    fn begin_with(&mut self, grant: Grant) {
        self.began_with = digest(grant.token().as_bytes());
        self.pending = Some(Box::new(grant));
    }

    /// Carries out a start, or credentials that are set.
    pub(super) fn relate(&mut self, relation: Relation, turn: Turn<'_>) {
        self.observe_age(turn);
        match relation {
            Relation::Joined => self.try_again(),
            Relation::Rotated(credentials) => self.rotate(credentials, turn),
            Relation::Replaced(grant) => self.begin_with(grant),
            Relation::Other(start) => {
                self.end();
                self.epoch = self.epoch.saturating_add(1);
                match start {
                    Start::Exchange(new) => self.login = Login::Renewable(Renewable::new(new)),
                    Start::Token(new) => {
                        self.login = Login::Token;
                        self.begin_with(new);
                    }
                }
            }
        }
    }

    /// Takes other credentials of the same login.
    fn rotate(&mut self, credentials: Credentials, turn: Turn<'_>) {
        let before = self.login.renewable();
        let moves = before.is_some_and(|before| !same_endpoint(&before.credentials, &credentials));
        self.login = Login::Renewable(Renewable::new(credentials));
        if moves {
            self.forget_ages();
        } else if let Some(learned) = &mut self.learned {
            learned.renew_trust(turn.policy());
        }
        self.backoff = Backoff::default();
        self.token.reopen();
    }

    /// Forgets what 401s have taught: requests go to another endpoint from now on.
    pub(super) fn forget_ages(&mut self) {
        self.learned = None;
        self.token.teach_nothing();
    }

    /// Ends the login.
    pub(super) fn end(&mut self) {
        self.abandon();
        let announced = self.announced.take().map(|next| next.transition.to);
        let mut stopped = self.machine.stop();
        if announced == Some(StateName::Authenticating) {
            // It ends as one that was sent, though the session has not begun it.
            self.machine.end_announced(transitions::STOPPED_AUTHENTICATING);
            stopped = Some(transitions::STOPPED_AUTHENTICATING);
        }
        if let Some(transition) = stopped {
            self.emit(Event::Moved(transition));
        }
        (self.login, self.pending, self.began_with) = (Login::None, None, None);
        self.backoff = Backoff::default();
        self.token = TokenStatus::default();
        self.learned = None;
    }

    /// Clears `GaveUp`. The current backoff still applies.
    pub(super) fn try_again(&mut self) {
        if let Some(login) = self.login.renewable_mut()
            && login.blocked == Some(Blocked::GaveUp)
        {
            login.blocked = None;
            // The pause goes on.
            (self.backoff.failures, self.backoff.tries) = (0, 0);
        }
    }
}
