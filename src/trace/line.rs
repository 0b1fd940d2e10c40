//! What stands in a line. Names of types are those of the API, so that nobody has to look them up.

use serde::{Deserialize, Serialize};

use crate::exchange::{IdentitySource, JsonType, OriginError};
use crate::secret::TokenError;
use crate::session::TransportFailure;
use crate::session::transitions::StateName;

/// An input or an output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// The number, from 1.
    pub(super) n: u64,
    pub(super) mono: u64,
    pub(super) wall: i64,
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<Input>,
    #[serde(rename = "out", skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<Output>,
    /// The state of the session, on the last line of a call that changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<StateNote>,
    /// The token, on the last line of a call that changed it, or after which it is judged otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<Holding>,
}

/// A call.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Input {
    Start(StartNote),
    SetCredentials(CredentialsNote),
    Poll,
    Response {
        id: String,
        /// Missing for a stale one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply: Option<ReplyNote>,
    },
    Failure {
        id: String,
        #[serde(with = "TransportFailureDef")]
        why: TransportFailure,
    },
    Unauthorized {
        generation: u64,
    },
    Online(bool),
    Stop,
    Observe,
}

impl Input {
    /// Returns the name of the credentials that a reply brings.
    pub(super) fn successor(&self) -> Option<&str> {
        match self {
            Self::Response {
                reply: Some(ReplyNote { means: Meaning::Grant(grant), .. }), ..
            } => Some(&grant.successor.as_ref()?.name),
            _ => None,
        }
    }
}

/// What a call answered. `ok` and `stale` answer a response and a failure, the others a poll.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Output {
    Send { id: String, credentials: String, endpoint: String, timeout_ms: u64, deadline_ms: u64 },
    Abandon { id: String },
    Event(EventNote),
    Wait(WakeNote),
    Ok,
    Stale,
}

/// A [`StateName`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum StateNote {
    Unauthenticated,
    Authenticating,
    Active,
    Expired,
}

impl From<StateName> for StateNote {
    fn from(state: StateName) -> Self {
        match state {
            StateName::Unauthenticated => Self::Unauthenticated,
            StateName::Authenticating => Self::Authenticating,
            StateName::Active => Self::Active,
            StateName::Expired => Self::Expired,
        }
    }
}

/// The current token.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Holding {
    None,
    Held {
        generation: u64,
        validity: String,
        lo_ms: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hi_ms: Option<i64>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StartNote {
    Credentials(CredentialsNote),
    Token(GrantNote),
}

/// What credentials are, apart from their secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialsNote {
    pub(super) name: String,
    /// Where the request goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<String>,
    /// Where it goes as far as the exchange says without a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stated_endpoint: Option<String>,
    /// Why there is no request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<BuildErrorNote>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scopes: Option<Vec<String>>,
    pub(super) issuer_writes_date: bool,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(super) single_use: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplyNote {
    pub(super) status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) date_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) age_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(super) age_unreadable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retry_after_ms: Option<u64>,
    pub(super) means: Meaning,
}

/// What an exchange made of a reply.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Meaning {
    Grant(GrantNote),
    Denial(DenialNote),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantNote {
    pub(super) token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lifetime_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scopes: Option<Vec<String>>,
    /// The credentials that take the place of those that the request was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) successor: Option<Box<CredentialsNote>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DenialNote {
    pub(super) kind: KindNote,
    pub(super) status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retry_after_ms: Option<u64>,
    pub(super) permanent: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum KindNote {
    Refused,
    Throttled,
    Transient,
    Redirect,
    Malformed(FlawNote),
}

/// A [`Flaw`](crate::exchange::Flaw), whose words need not be constants.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum FlawNote {
    Status,
    TooLarge {
        len: usize,
        limit: usize,
    },
    NotUtf8 {
        at: usize,
    },
    Markup,
    Unquoted {
        member: String,
    },
    UnexpectedEnd {
        missing: Option<char>,
    },
    Syntax {
        line: usize,
        column: usize,
    },
    TooDeep {
        at: usize,
        limit: usize,
    },
    NotAnObject {
        #[serde(with = "JsonTypeDef")]
        found: JsonType,
    },
    Missing {
        member: String,
    },
    Duplicate {
        member: String,
    },
    Mistyped {
        member: String,
        #[serde(with = "JsonTypeDef")]
        found: JsonType,
    },
    Unusable {
        member: String,
    },
    Stringified {
        member: String,
        text: String,
    },
    Token(#[serde(with = "TokenErrorDef")] TokenError),
    WrongIdentity {
        #[serde(with = "IdentitySourceDef")]
        expected: IdentitySource,
    },
    ExpiredOnArrival,
    Custom(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum BuildErrorNote {
    Endpoint(#[serde(with = "OriginErrorDef")] OriginError),
    Custom(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum EventNote {
    Moved {
        transition: Move,
    },
    Denied {
        transition: Move,
        denial: DenialNote,
    },
    Failed {
        transition: Move,
        #[serde(with = "TransportFailureDef")]
        why: TransportFailure,
    },
    StillMalformed {
        flaw: FlawNote,
    },
    GaveUp,
    TokenNeeded {
        generation: u64,
    },
    Unauthorized {
        generation: u64,
    },
    NotAdopted {
        error: AdoptErrorNote,
    },
    NotSent {
        error: SendErrorNote,
    },
    CredentialsChanged,
    CredentialsSpent,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AdoptErrorNote {
    OtherIdentity,
    Expired,
    Token(#[serde(with = "TokenErrorDef")] TokenError),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SendErrorNote {
    InFlight,
    OtherIdentity,
    Build(BuildErrorNote),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Move {
    pub(super) from: StateNote,
    pub(super) to: StateNote,
    pub(super) cause: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum WakeNote {
    In { ms: u64, why: String },
    OnInput,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "TransportFailure")]
enum TransportFailureDef {
    TimedOut,
    Unreachable,
    Interrupted,
    Other,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "JsonType")]
enum JsonTypeDef {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "IdentitySource")]
enum IdentitySourceDef {
    Credentials,
    EarlierToken,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "TokenError")]
enum TokenErrorDef {
    Empty,
    TooLong { len: usize, limit: usize },
    Space { at: usize },
    NotVisibleAscii { at: usize },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OriginError")]
enum OriginErrorDef {
    NotAUri,
    NotAbsolute,
    UserInfo,
    Port,
    Insecure,
    NotLoopback,
    Path,
}
