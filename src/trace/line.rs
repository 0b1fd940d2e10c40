//! The lines of a trace after the first one: a call, and what it did. Types and members are named as in the API.

use core::time::Duration;

use bytes::Bytes;
use http::header::{AGE, DATE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode, Uri};
use serde::de::{Deserializer, Error, IgnoredAny};
use serde::{Deserialize, Serialize, Serializer};

use super::placeholder::Placeholder;
use crate::driver::{self, Delivery, Event, Wake, WakeReason};
use crate::exchange::{
    AllowedOrigin, Denial, DenialKind, Flaw, Grant, Identity, OriginError, Scope, Scopes,
};
use crate::secret::{SessionToken, TokenError};
use crate::session::transitions::{StateName, Transition};
use crate::session::{AdoptError, Generation, RequestId, SendError, TransportFailure};
use crate::time::{Moment, Validity, millis};

/// A line. What the call did is written; where a line is read, it is compared as it is, and not understood.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line<I, O, S, T> {
    pub(super) mono: u64,
    pub(super) wall: i64,
    #[serde(rename = "in")]
    pub(super) input: I,
    #[serde(rename = "out", skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<O>,
    /// The session's state, if the call changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<S>,
    /// The current token, if the call changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<T>,
}

/// A line as it is read.
pub(super) type Call = Line<Input, IgnoredAny, IgnoredAny, IgnoredAny>;

/// A line as it is written. A token that is gone is `null`.
pub(super) type Record<'a> = Line<&'a Input, Output, StateName, Option<TokenNote>>;

/// The current token.
#[derive(Debug, Serialize)]
pub(super) struct TokenNote {
    pub(super) generation: Generation,
    pub(super) validity: Validity,
    pub(super) at_least_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at_most_ms: Option<i64>,
}

impl Call {
    pub(super) fn now(&self) -> Moment {
        Moment::from_millis(self.mono, self.wall)
    }
}

/// A call to a driver: a poll, or an [`Input`](driver::Input) with placeholders in place of secrets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Input {
    Poll,
    Start(Start),
    SetCredentials(Placeholder),
    Response {
        id: Text<RequestId>,
        /// Missing for a stale one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply: Option<ReplyNote>,
    },
    Failure {
        id: Text<RequestId>,
        why: TransportFailure,
    },
    Unauthorized {
        generation: Generation,
        age_ms: u64,
    },
    Online(bool),
    Stop,
    Observe,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Start {
    Credentials(Placeholder),
    Token(GrantNote),
}

/// A reply: the headers that count, and what its exchange made of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplyNote {
    pub(super) status: Status,
    pub(super) headers: Headers,
    pub(super) body: Body,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Headers {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) date: Option<Text<HeaderValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) age: Option<Text<HeaderValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retry_after: Option<Text<HeaderValue>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Body {
    Grant(GrantNote),
    Denial(DenialNote),
}

/// A [`Grant`] with placeholders.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantNote {
    #[serde(deserialize_with = "token")]
    pub(super) token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<Text<Identity>>,
    #[serde(default, deserialize_with = "expires_at", skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lifetime_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scopes: Option<Text<Scopes>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) successor: Option<Box<Placeholder>>,
}

/// A [`Denial`] without the server's own words.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DenialNote {
    kind: DenialKind,
    status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    permanent: bool,
}

impl Input {
    /// Returns the credentials that the input brings.
    pub(super) fn credentials(&self) -> Option<&Placeholder> {
        match self {
            Self::Start(Start::Credentials(credentials)) | Self::SetCredentials(credentials) => {
                Some(credentials)
            }
            Self::Start(Start::Token(grant))
            | Self::Response { reply: Some(ReplyNote { body: Body::Grant(grant), .. }), .. } => {
                grant.successor.as_deref()
            }
            _ => None,
        }
    }
}

impl ReplyNote {
    /// Returns a reply that says this of itself, for a [`Placeholder`] to read.
    pub(super) fn response(&self) -> Response<Bytes> {
        let body = serde_json::to_vec(&self.body).unwrap_or_default();
        let mut response = Response::new(body.into());
        *response.status_mut() = self.status.0;
        let Headers { date, age, retry_after } = &self.headers;
        for (name, value) in [(DATE, date), (AGE, age), (RETRY_AFTER, retry_after)] {
            if let Some(Text(value)) = value {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }
}

impl GrantNote {
    pub(super) fn into_grant(self) -> Result<Grant, TokenError> {
        let grant = Grant::new(SessionToken::new(self.token)?);
        let identity = self.identity.into_iter().map(|text| text.0);
        let grant = identity.fold(grant, Grant::with_identity);
        let grant = self.expires_at.into_iter().fold(grant, Grant::with_expires_at);
        let lifetime = self.lifetime_ms.into_iter().map(Duration::from_millis);
        let grant = lifetime.fold(grant, Grant::with_lifetime);
        let scopes = self.scopes.into_iter().map(|text| text.0);
        let grant = scopes.fold(grant, Grant::with_scopes);
        let successor =
            self.successor.into_iter().map(|placeholder| placeholder.into_credentials());
        Ok(successor.fold(grant, Grant::with_successor))
    }
}

impl From<&Denial> for DenialNote {
    fn from(denial: &Denial) -> Self {
        Self {
            kind: denial.kind(),
            status: Status(denial.status()),
            retry_after_ms: denial.retry_after().map(millis),
            permanent: denial.is_permanent(),
        }
    }
}

impl DenialNote {
    pub(super) fn denial(&self) -> Denial {
        Denial::new(self.kind, self.status.0)
            .with_permanence(self.permanent)
            .with_retry_after(self.retry_after_ms.map(Duration::from_millis))
    }
}

/// What a call answered: a poll with an [`Output`](driver::Output), a reply and a failure with a
/// [`Delivery`](driver::Delivery).
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Output {
    Send {
        id: Text<RequestId>,
        credentials: String,
        endpoint: Option<Text<Uri>>,
        timeout_ms: u64,
        deadline_ms: u64,
    },
    Abandon(Text<RequestId>),
    Event(#[serde(with = "EventNote")] Event),
    Wait(WakeNote),
    Accepted,
    Stale,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum WakeNote {
    In { ms: u64, why: WakeReason },
    OnInput(&'static str),
}

impl Output {
    /// Returns the note of the answer to an input, if it is one that is answered.
    pub(super) fn answer(input: &Input, delivery: Delivery) -> Option<Self> {
        let answer = if delivery.is_accepted() { Self::Accepted } else { Self::Stale };
        matches!(input, Input::Response { .. } | Input::Failure { .. }).then_some(answer)
    }

    /// Returns the note of an output. `names` returns the placeholders of the credentials and of the endpoint of a
    /// request.
    pub(super) fn new(
        output: &driver::Output,
        names: impl FnOnce(&Uri) -> (String, Option<Text<Uri>>),
    ) -> Self {
        match output {
            driver::Output::Send(outgoing) => {
                let (credentials, endpoint) = names(outgoing.request().uri());
                Self::Send {
                    id: Text(outgoing.id()),
                    credentials,
                    endpoint,
                    timeout_ms: millis(outgoing.timeout()),
                    deadline_ms: millis(outgoing.deadline()),
                }
            }
            driver::Output::Abandon(id) => Self::Abandon(Text(*id)),
            driver::Output::Event(event) => Self::Event(event.clone()),
            driver::Output::Wait(Wake::OnInput) => Self::Wait(WakeNote::OnInput("OnInput")),
            driver::Output::Wait(Wake::In(wait, why)) => {
                Self::Wait(WakeNote::In { ms: millis(*wait), why: *why })
            }
        }
    }
}

#[derive(Serialize)]
#[serde(remote = "Event")]
enum EventNote {
    Moved(Transition),
    Denied(Transition, #[serde(serialize_with = "denial")] Denial),
    Failed(Transition, TransportFailure),
    TokenNeeded(Generation),
    Unauthorized(Generation),
    StillMalformed(Flaw),
    GaveUp,
    NotAdopted(AdoptError),
    NotSent(SendError),
    CredentialsChanged,
    CredentialsSpent,
}

fn denial<S: Serializer>(denial: &Denial, serializer: S) -> Result<S::Ok, S::Error> {
    DenialNote::from(denial).serialize(serializer)
}

fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let token = String::deserialize(deserializer)?;
    SessionToken::new(&token).map(|_| token).map_err(D::Error::custom)
}

fn expires_at<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    // A longer one would not be kept.
    let most = Grant::EXPIRES_AT_LIMIT;
    if text.len() > most {
        return Err(D::Error::custom(format_args!("expected at most {most} bytes")));
    }
    Ok(Some(text))
}

/// A status as its number.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub(super) struct Status(pub(super) StatusCode);

impl From<Status> for u16 {
    fn from(status: Status) -> Self {
        status.0.as_u16()
    }
}

impl TryFrom<u16> for Status {
    type Error = &'static str;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        StatusCode::from_u16(number).map(Self).map_err(|_| "expected 100 to 999")
    }
}

/// A value that is written as its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<T>(pub(super) T);

/// The text of a value, there and back.
pub(super) trait Textual: Sized {
    fn text(&self) -> String;

    /// Returns the value, or what was expected.
    fn read(text: &str) -> Result<Self, String>;
}

impl<T: Textual> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.text())
    }
}

impl<'de, T: Textual> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::read(&text).map(Self).map_err(D::Error::custom)
    }
}

/// The text of a type, and what is read from it.
macro_rules! textual {
    ($Type:ty, $value:ident => $text:expr, $read:expr) => {
        impl Textual for $Type {
            fn text(&self) -> String {
                let $value = self;
                $text
            }

            fn read(text: &str) -> Result<Self, String> {
                $read(text)
            }
        }
    };
}

textual!(RequestId, id => id.to_string(), |text: &str| {
    Self::parse(text)
        .ok_or("expected 16 hexadecimal digits, a hyphen and a number in decimal".into())
});
textual!(Identity, identity => identity.to_string(), |text: &str| {
    Self::new(text).map_err(|error| error.to_string())
});
textual!(Scopes, scopes => scopes.to_string(), |text: &str| {
    let names = text.split(' ').filter(|name| !name.is_empty()).map(Scope::new);
    names.collect::<Result<_, _>>().map_err(|error| error.to_string())
});
textual!(Uri, uri => uri.to_string(), |text: &str| {
    text.parse().map_err(|_| "expected a URI, such as https://endpoint-1/".into())
});
textual!(HeaderValue, value => String::from_utf8_lossy(value.as_bytes()).into(), |text: &str| {
    Self::from_str(text).map_err(|_| "expected the value of a header".into())
});
textual!(HeaderName, name => name.to_string(), |text: &str| {
    text.parse().map_err(|_| "expected the name of a header".into())
});
textual!(AllowedOrigin, origin => origin.to_string(), |text: &str| {
    match Self::https(text) {
        Err(OriginError::Insecure) => Self::loopback(text)
            .map_err(|_| "expected https, or http to a loopback address".into()),
        other => other.map_err(|error| error.to_string()),
    }
});
