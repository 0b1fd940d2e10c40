//! The one request that a session may have in flight, and the only code that reads a reply.

use core::time::Duration;

use bytes::Bytes;
use http::Request;

use super::{ActiveToken, AdoptError, Config, Context, Outgoing, RequestId, SendError};
use crate::exchange::{Credentials, Denial, Flaw, Grant, Identity, IdentitySource, Reply, jwt};
use crate::time::{Evidence, Lifetime, Stamp, millis};

/// A request that was built and is not sent yet. Sending it calls no exchange.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) credentials: Credentials,
    request: Box<Request<Bytes>>,
    body_limit: usize,
    single_use: bool,
}

impl Prepared {
    /// Builds the request of a login for `identity`, if that is known.
    pub(crate) fn new(
        credentials: &Credentials,
        identity: Option<&Identity>,
    ) -> Result<Self, SendError> {
        let exchange = credentials.exchange();
        if !Identity::can_match(identity, exchange.identity()) {
            return Err(SendError::OtherIdentity);
        }
        Ok(Self {
            request: Box::new(credentials.request()?),
            body_limit: exchange.body_limit(),
            single_use: exchange.is_single_use(),
            credentials: credentials.clone(),
        })
    }

    pub(crate) fn uri(&self) -> &http::Uri {
        self.request.uri()
    }
}

/// A request in flight.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    pub(crate) id: RequestId,
    pub(crate) sent: Stamp,
    /// The credentials that the request was made with.
    pub(crate) credentials: Credentials,
    /// Whether a reply that is lost may have used the credentials up.
    pub(crate) single_use: bool,
}

/// The outcome of a reply.
pub(crate) struct Outcome<T> {
    pub(crate) result: T,
    /// The credentials that the request was made with.
    pub(crate) credentials: Credentials,
    /// The credentials that take their place.
    pub(crate) successor: Option<Credentials>,
}

impl<T> Outcome<T> {
    pub(super) fn map<U>(self, to: impl FnOnce(T) -> U) -> Outcome<U> {
        let Self { result, credentials, successor } = self;
        Outcome { result: to(result), credentials, successor }
    }

    /// Returns the result, and the credentials for the next request.
    pub(super) fn into_parts(self) -> (T, Credentials) {
        (self.result, self.successor.unwrap_or(self.credentials))
    }
}

impl Flight {
    /// Sends a request: takes its id, its time stamp and its deadline.
    pub(super) fn send(prepared: Prepared, cx: &mut Context<'_>) -> (Self, Outgoing) {
        let Prepared { credentials, request, body_limit, single_use } = prepared;
        let sent = cx.observe();
        let id = cx.core.next_request();
        let timeout = cx.config.request_timeout();
        let deadline = cx.now.since_start().saturating_add(timeout);
        let outgoing = Outgoing { id, request, timeout, deadline, body_limit };
        (Self { id, sent, credentials, single_use }, outgoing)
    }

    /// Returns how many milliseconds are left until the deadline, which counts in the session's own ticks: a
    /// clock that goes back doesn't move it.
    pub(crate) fn overdue_in(&self, config: &Config, at: Stamp) -> u64 {
        let deadline = self.sent.ticks.saturating_add(millis(config.request_timeout()));
        deadline.saturating_sub(at.ticks)
    }

    /// Reads the reply: a token or a denial, and the successor of the credentials. The exchange may panic. The token
    /// has to be for the identity that the credentials state, or else for the one that the login's `current` ones state.
    pub(super) fn read(
        &self,
        reply: Reply<'_>,
        current: Option<&Credentials>,
        cx: &mut Context<'_>,
    ) -> (Result<ActiveToken, Denial>, Option<Credentials>) {
        let span = (self.sent, cx.observe());
        let exchange = self.credentials.exchange();
        let grant = match exchange.read(reply) {
            Ok(grant) => grant,
            Err(denial) => return (Err(reply.with_its_wait(denial)), None),
        };
        let stated = exchange.identity().or_else(|| current?.exchange().identity());
        if !Identity::can_match(stated, grant.identity()) {
            let flaw = Flaw::WrongIdentity { expected: IdentitySource::Credentials };
            return (Err(reply.flawed(flaw)), None);
        }
        let tolerances = cx.config.tolerances(exchange.issuer_writes_date());
        let lifetime = Lifetime::new(evidence(&grant, Some(reply)), tolerances, span, cx.now);
        // Before the grant is held: the successor's exchange may panic.
        let known = cx.core.identity.as_ref().or(stated).or(grant.identity());
        let successor = next_credentials(&grant, known);
        let held = ActiveToken::hold(&grant, stated, lifetime, cx);
        let successor = successor.filter(|_| !matches!(held, Err(AdoptError::OtherIdentity)));
        (held.map_err(|error| reply.flawed(error.into())), successor)
    }
}

/// Returns the successor that a grant brings, unless it states another identity than the login's.
fn next_credentials(grant: &Grant, known: Option<&Identity>) -> Option<Credentials> {
    let successor = grant.successor()?;
    Identity::can_match(known, successor.exchange().identity()).then(|| successor.clone())
}

/// Returns what a grant and its reply say about the token's life.
fn evidence(grant: &Grant, reply: Option<Reply<'_>>) -> Evidence {
    Evidence {
        expires_at: grant.expiry(),
        lifetime: grant.lifetime(),
        longest: jwt::lifetime(grant.token().as_bytes()),
        date: reply.and_then(Reply::date),
        age: reply.map_or(Some(Duration::ZERO), Reply::age),
        is_adopted: reply.is_none(),
    }
}

/// Holds a token that was obtained elsewhere: there is no reply whose `Date` could be compared with the device's
/// own clock.
pub(super) fn adopt(grant: &Grant, cx: &mut Context<'_>) -> Result<ActiveToken, AdoptError> {
    let stamp = cx.observe();
    let tolerances = cx.config.tolerances(false);
    let lifetime = Lifetime::new(evidence(grant, None), tolerances, (stamp, stamp), cx.now);
    ActiveToken::hold(grant, None, lifetime, cx)
}

impl From<AdoptError> for Flaw {
    /// Returns the flaw of a reply whose grant can't be held.
    fn from(error: AdoptError) -> Self {
        match error {
            AdoptError::OtherIdentity => {
                Self::WrongIdentity { expected: IdentitySource::EarlierToken }
            }
            AdoptError::Expired => Self::ExpiredOnArrival,
            AdoptError::Token(error) => Self::Token(error),
        }
    }
}
