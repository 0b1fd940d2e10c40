//! Everything that a session can be asked, in one value.

use std::time::Duration;

use videokit_session::session::transitions::{StateName, Transition};
use videokit_session::session::{
    AuthorizeError, Authorized, Generation, RequestId, State, TypedSession,
};
use videokit_session::time::Remaining;
use videokit_session::{
    Active, AnySession, Credentials, Identity, Moment, Scopes, Session, Validity,
};

/// Everything that an `AnySession` can be asked.
#[derive(Debug, PartialEq)]
pub(super) struct Untyped {
    pub(super) state: StateName,
    pub(super) last: Option<Transition>,
    pub(super) in_flight: Option<RequestId>,
    pub(super) identity: Option<Identity>,
    pub(super) generation: Option<Generation>,
    pub(super) remaining: Option<Remaining>,
    pub(super) header: Header,
    pub(super) shown: String,
}

/// The header for an API request, and what comes with it.
type Header = Result<(Vec<u8>, Authorized), AuthorizeError>;

/// Everything that a session can be asked in the type of its state.
#[derive(Debug, PartialEq)]
pub(super) struct Typed {
    pub(super) state: StateName,
    pub(super) last: Option<Transition>,
    pub(super) in_flight: Option<RequestId>,
    pub(super) overdue_in: Option<Duration>,
    pub(super) identity: Option<Identity>,
    pub(super) credentials: Option<Credentials>,
    pub(super) token: Option<Token>,
    pub(super) shown: String,
}

/// Everything that an active session can be asked about its token.
#[derive(Debug, PartialEq)]
pub(super) struct Token {
    pub(super) header: Header,
    pub(super) generation: Generation,
    pub(super) remaining: Remaining,
    pub(super) validity: Validity,
    pub(super) renewal_due_in: Duration,
    pub(super) lapses_in: Option<Duration>,
    pub(super) scopes: Option<Scopes>,
}

impl Untyped {
    pub(super) fn of(session: &AnySession, now: Moment) -> Self {
        let origin = &session.config().origins()[0];
        let header = session.authorization(origin, now);
        Self {
            state: session.state(),
            last: session.last_transition(),
            in_flight: session.in_flight(),
            identity: session.identity().cloned(),
            generation: session.generation(),
            remaining: session.remaining(now),
            header: header.map(|header| (header.value().as_bytes().to_vec(), header.authorized())),
            shown: format!("{session:?}"),
        }
    }
}

impl Typed {
    pub(super) fn of(session: &TypedSession, now: Moment) -> Self {
        match session {
            TypedSession::Unauthenticated(session) => {
                Self { identity: session.identity().cloned(), ..Self::any(session) }
            }
            TypedSession::Authenticating(session) => Self {
                in_flight: Some(session.in_flight()),
                overdue_in: Some(session.overdue_in(now)),
                identity: session.identity().cloned(),
                credentials: Some(session.credentials().clone()),
                ..Self::any(session)
            },
            TypedSession::Active(session) => Self {
                in_flight: session.in_flight(),
                overdue_in: session.overdue_in(now),
                identity: session.identity().cloned(),
                token: Some(Token::of(session, now)),
                ..Self::any(session)
            },
            TypedSession::Expired(session) => {
                Self { identity: session.identity().cloned(), ..Self::any(session) }
            }
        }
    }

    fn any<S: State>(session: &Session<S>) -> Self {
        Self {
            state: session.state(),
            last: session.last_transition(),
            in_flight: None,
            overdue_in: None,
            identity: None,
            credentials: None,
            token: None,
            shown: format!("{session:?}"),
        }
    }
}

impl Token {
    fn of(session: &Session<Active>, now: Moment) -> Self {
        let origin = &session.config().origins()[0];
        let header = session.authorization(origin, now);
        Self {
            header: header.map(|header| (header.value().as_bytes().to_vec(), header.authorized())),
            generation: session.generation(),
            remaining: session.remaining(now),
            validity: session.validity(now),
            renewal_due_in: session.renewal_due_in(now),
            lapses_in: session.lapses_in(now),
            scopes: session.granted_scopes().cloned(),
        }
    }
}

pub(super) fn any_of(session: TypedSession) -> AnySession {
    match session {
        TypedSession::Unauthenticated(session) => session.into(),
        TypedSession::Authenticating(session) => session.into(),
        TypedSession::Active(session) => session.into(),
        TypedSession::Expired(session) => session.into(),
    }
}
