//! The words in which the model is spoken to and answers: what tests made of the crate's own values.

use videokit_session::TransportFailure;
use videokit_session::driver::WakeReason;
use videokit_session::session::transitions::{Cause, StateName};

use super::clock::Statements;

/// The settings that the rules speak of. Times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) burst: i64,
    pub(crate) interval: i64,
    pub(crate) spacing: i64,
    pub(crate) backoff: (i64, i64),
    pub(crate) retry_after_cap: i64,
    /// The age from which a 401 counts as age, and its cap.
    pub(crate) threshold: (i64, i64),
    pub(crate) attempts: Option<u32>,
    pub(crate) timeout: i64,
    pub(crate) gateway_skew: i64,
    pub(crate) backend_skew: i64,
    pub(crate) wall_error: i64,
    pub(crate) assumed: i64,
    pub(crate) margin: i64,
    pub(crate) percent: i64,
}

/// Credentials: what a request is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    /// `None` for an exchange that has no request to offer.
    pub(crate) endpoint: Option<String>,
    pub(crate) scopes: bool,
    pub(crate) identity: Option<u8>,
    pub(crate) secret: u8,
    pub(crate) kind: AskKind,
}

/// What kind of credentials they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskKind {
    Gateway,
    Backend,
    /// A custom exchange whose secret changes with each token.
    Rotating {
        /// Whether it says where it asks, without a request.
        says_where: bool,
        /// Whether a secret is usable once.
        once: bool,
    },
    /// A custom exchange without a request.
    Unbuildable,
}

impl Ask {
    pub(crate) fn is_single_use(&self) -> bool {
        matches!(self.kind, AskKind::Rotating { once: true, .. })
    }

    /// Which scopes are asked for: with scopes or without, if it has any.
    pub(crate) fn scopes(&self) -> Option<bool> {
        (self.kind == AskKind::Gateway).then_some(self.scopes)
    }

    /// Who is behind them, where they don't say so.
    pub(crate) fn behind(&self) -> u8 {
        // One secret follows another, and the user stays.
        if let AskKind::Rotating { .. } = self.kind { 0 } else { self.secret }
    }
}

/// A token, with what was said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) text: String,
    pub(crate) identity: Option<u8>,
    pub(crate) said: Statements,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartWith {
    Ask(Ask),
    Token(Bearer),
}

/// What a reply comes down to, whoever it is to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A token, and the credentials that take the place of those that the request was made with.
    Grant(Bearer, Option<Ask>),
    Denial {
        kind: Kind,
        permanent: bool,
        wait: Option<i64>,
        /// Whether it may have been meant for a grant: a reply of status 2xx that can't be read.
        garbled: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Refused,
    Throttled,
    Transient,
    Redirect,
    Malformed(What),
}

/// What is wrong with a malformed reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Status,
    Markup,
    Cut,
    /// A member is missing.
    Missing(&'static str),
    /// It is for somebody else than the credentials state, or than an earlier token was for.
    Identity {
        stated: bool,
    },
    Dead,
    Other,
}

/// What a poll tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Moved(StateName, StateName, Cause),
    Denied(StateName, StateName, Cause, Kind),
    Failed(StateName, StateName, Cause, TransportFailure),
    TokenNeeded(u64),
    Unauthorized(u64),
    StillMalformed(What),
    GaveUp,
    NotAdopted(What),
    NotSent,
    CredentialsChanged,
    CredentialsSpent,
    /// The request of this number.
    Abandoned(usize),
}

/// What a poll answers. Requests are numbered from 0, waits are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Sent(usize),
    Told(Told),
    Wait(Option<(i64, WakeReason)>),
}
