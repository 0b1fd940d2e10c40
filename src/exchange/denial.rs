//! Replies that grant no token.

use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use super::json_reply;
use crate::secret::TokenError;

/// A reply that granted no token.
///
/// `Debug` and `Display` show its status, kind and flaw, but not what the server wrote, which may repeat a secret:
/// see [`server_message`](Denial::server_message).
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[must_use]
pub struct Denial(Box<Parts>);

/// The parts of a denial. They are boxed: many results may hold a denial, and few do.
#[derive(Clone, PartialEq, Eq)]
struct Parts {
    kind: DenialKind,
    status: StatusCode,
    retry_after: Option<Duration>,
    message: Option<Box<str>>,
    permanent: bool,
    advice: Option<StaticStr>,
}

/// The kinds of denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum DenialKind {
    /// The server understood the request and refused it: 401 whatever its body, any other 4xx that is not named
    /// below, or a 2xx with an `error` member that JavaScript would take for true. The only kind that is
    /// permanent, unless the exchange decides otherwise.
    Refused,
    /// 429: too many requests.
    Throttled,
    /// The next request may succeed: 407 or 421 (from a proxy), 408, 425, 5xx, or a granting status with an empty
    /// body.
    Transient,
    /// 3xx. Redirects are never followed, so that no reply decides where credentials are sent.
    Redirect,
    /// Anything else: no reply of a token service, or none for this login. That includes a 4xx whose body is
    /// markup, unless its status is named above: it is a page of a captive portal or a proxy, and not permanent.
    Malformed(Flaw),
}

/// A string constant: no flaw and no error shows a text that came from elsewhere.
pub type StaticStr = &'static str;

/// The flaw of a malformed reply, and its place. An index counts bytes from 0; a line and a column count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Flaw {
    /// The status is neither 200 nor 201, nor one that names an error.
    #[error("the status is none that a token service answers with")]
    Status,
    /// The body is longer than the limit, and was not parsed.
    #[error("the body has {len} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is not UTF-8.
    #[error("the byte at index {at} of the body is not UTF-8")]
    NotUtf8 {
        /// The index of the first such byte.
        at: usize,
    },
    /// The body is markup: most often a page of a captive portal or a proxy. Once the user has passed the
    /// portal, [`Driver::set_online(true)`](crate::Driver::set_online) ends the pause.
    #[error("the body is markup, not JSON: a captive portal, or a proxy's page")]
    Markup,
    /// The value of a string member has no quotes, as in the vendor's Express example.
    #[error(
        "the value of `{member}` has no quotes around it, so the body is not JSON; more may be wrong \
         after it"
    )]
    Unquoted {
        /// The member.
        #[cfg_attr(feature = "trace", serde(deserialize_with = "super::words::read"))]
        member: StaticStr,
    },
    /// The body ends inside its JSON: it was cut off, or is unfinished.
    #[error("the body ends inside its JSON: {}", unfinished(*.missing))]
    UnexpectedEnd {
        /// The character that closes the innermost open part: `}`, `]` or `"`. `None` for a body that ends inside
        /// a single word or number.
        missing: Option<char>,
    },
    /// The body is not JSON for another reason.
    #[error("the body is not JSON, at line {line}, column {column}")]
    Syntax {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// Arrays and objects are nested too deeply.
    #[error("the body nests deeper than {limit} levels, at index {at}")]
    TooDeep {
        /// The index of the first bracket beyond the limit.
        at: usize,
        /// The limit.
        limit: usize,
    },
    /// The body is JSON, and not an object.
    #[error("the body is {found}, where an object belongs")]
    NotAnObject {
        /// The type that was found.
        found: JsonType,
    },
    /// A required member is missing.
    #[error("`{member}` is missing")]
    Missing {
        /// The member.
        #[cfg_attr(feature = "trace", serde(deserialize_with = "super::words::read"))]
        member: StaticStr,
    },
    /// A member appears more than once, so that readers may disagree about its value.
    #[error("`{member}` appears more than once")]
    Duplicate {
        /// The member.
        #[cfg_attr(feature = "trace", serde(deserialize_with = "super::words::read"))]
        member: StaticStr,
    },
    /// A member has the wrong type.
    #[error("`{member}` is {found}, where a string belongs")]
    Mistyped {
        /// The member.
        #[cfg_attr(feature = "trace", serde(deserialize_with = "super::words::read"))]
        member: StaticStr,
        /// The type that was found.
        found: JsonType,
    },
    /// A member is a string that can't be used.
    #[error("`{member}` can't be used: it is empty, too long, or broken by its escapes")]
    Unusable {
        /// The member.
        #[cfg_attr(feature = "trace", serde(deserialize_with = "super::words::read"))]
        member: StaticStr,
    },
    /// The token is the text `undefined` or `null`: a missing value that JavaScript turned into a string. Replies of
    /// gateways and backends are checked for it; [`SessionToken::new`](crate::SessionToken::new) accepts both.
    #[error("`{member}` is the text `{text}`, as JavaScript writes a missing value")]
    Stringified {
        /// The member.
        #[cfg_attr(feature = "trace", serde(deserialize_with = "super::words::read"))]
        member: StaticStr,
        /// Its text.
        #[cfg_attr(feature = "trace", serde(deserialize_with = "super::words::read"))]
        text: StaticStr,
    },
    /// A header can't carry the token.
    #[error("the reply's token can't be used: {0}")]
    Token(TokenError),
    /// The reply names another identity than the expected one. The message shows neither.
    #[error("the reply names another identity than {expected}")]
    WrongIdentity {
        /// The source of the expected identity.
        expected: IdentitySource,
    },
    /// The token had expired before the reply came.
    #[error("the token had already expired when it came")]
    ExpiredOnArrival,
    /// The text of a custom exchange.
    #[error("{0}")]
    Custom(
        #[cfg_attr(feature = "trace", serde(deserialize_with = "super::words::read"))] StaticStr,
    ),
}

/// The source of the identity that a reply has to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum IdentitySource {
    /// The credentials name it.
    Credentials,
    /// The credentials name none; an earlier token of the same login named it.
    EarlierToken,
}

impl fmt::Display for IdentitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => "the one that the credentials ask for",
            Self::EarlierToken => "the one that an earlier token of this login is for",
        })
    }
}

fn unfinished(missing: Option<char>) -> String {
    let closing = |closing| format!("a `{closing}` is missing");
    missing.map_or_else(|| "its last value is incomplete".to_owned(), closing)
}

impl Flaw {
    /// Returns the flaw without its position and sizes, which makes it equal for two bodies with the same mistake.
    pub(crate) fn without_position(self) -> Self {
        match self {
            Self::TooLarge { limit, .. } => Self::TooLarge { len: 0, limit },
            Self::NotUtf8 { .. } => Self::NotUtf8 { at: 0 },
            Self::UnexpectedEnd { .. } => Self::UnexpectedEnd { missing: None },
            Self::Syntax { .. } => Self::Syntax { line: 0, column: 0 },
            Self::TooDeep { limit, .. } => Self::TooDeep { at: 0, limit },
            // How a token is unusable may change with each token.
            Self::Token(_) => Self::Token(TokenError::Empty),
            other => other,
        }
    }
}

/// The types of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "RFC 8259 has six")]
pub enum JsonType {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}

impl Denial {
    /// Creates a denial. It is permanent if it is [`Refused`](DenialKind::Refused).
    pub fn new(kind: DenialKind, status: StatusCode) -> Self {
        let permanent = kind == DenialKind::Refused;
        let (retry_after, message, advice) = (None, None, None);
        Self(Box::new(Parts { kind, status, retry_after, message, permanent, advice }))
    }

    /// Sets whether the same credentials will never be granted a token. Only the exchange can know: at a backend, an
    /// expired login cookie may look like a bad token.
    pub fn with_permanence(mut self, permanent: bool) -> Self {
        self.0.permanent = permanent;
        self
    }

    /// Sets how long the server asks to wait before the next request.
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Sets the server's message.
    pub fn with_server_message(mut self, message: Option<Box<str>>) -> Self {
        self.0.message = message;
        self
    }

    /// Sets what is wrong and what to do about it, in words of the exchange: `Display` ends with them. They are a
    /// constant, so that they repeat no secret. A trace leaves them out.
    ///
    /// ```
    /// use http::StatusCode;
    /// use videokit_session::Denial;
    /// use videokit_session::exchange::DenialKind;
    ///
    /// let denial = Denial::new(DenialKind::Refused, StatusCode::BAD_REQUEST)
    ///     .with_advice("the refresh token was revoked: log in again");
    /// assert_eq!(
    ///     denial.to_string(),
    ///     "the server refused (status 400); the refresh token was revoked: log in again",
    /// );
    /// ```
    pub fn with_advice(mut self, advice: StaticStr) -> Self {
        self.0.advice = Some(advice);
        self
    }

    /// Returns the kind of denial.
    #[must_use]
    pub fn kind(&self) -> DenialKind {
        self.0.kind
    }

    /// Returns the reply's status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns whether the same credentials will never be granted a token. Otherwise, retry later, with backoff.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.0.permanent
    }

    /// Returns how long the server asks to wait before the next request, counted from its reply: `Retry-After`, in
    /// seconds or as a date (RFC 9110, section 10.2.3).
    ///
    /// - Of several headers, or several numbers of seconds in one, the longest counts.
    /// - A date counts from the reply's own `Date`. In a reply without `Date`, it asks for no wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the reply's `error` member: the text of a string, or another type as JSON, cut to 256 characters. A
    /// custom exchange that reads the body by itself may set it.
    /// **It may repeat a secret**, so nothing else shows it.
    #[must_use]
    pub fn server_message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Returns what the exchange says to do about it, if it says anything.
    #[must_use]
    pub fn advice(&self) -> Option<StaticStr> {
        self.0.advice
    }

    /// Returns the reply with which a backend passes the denial on to its own app: JSON with an `error` that says
    /// what to do, in words of this crate. It shows nothing of what the server wrote: keep that for your log.
    ///
    /// | kind | status | for the app |
    /// |---|---|---|
    /// | [`Throttled`](DenialKind::Throttled) | 429 | ask again after the wait |
    /// | [`Transient`](DenialKind::Transient) | 503 | ask again after the wait, or later |
    /// | [`Refused`](DenialKind::Refused), [`Redirect`](DenialKind::Redirect), [`Malformed`](DenialKind::Malformed) | 502 | the backend has to be mended |
    ///
    /// It has `Cache-Control: no-store` and, if the server [asks to wait](Self::retry_after), `Retry-After` in whole
    /// seconds, rounded up.
    ///
    /// ```
    /// use std::time::Duration;
    /// use http::StatusCode;
    /// use videokit_session::exchange::{Denial, DenialKind};
    ///
    /// let denial = Denial::new(DenialKind::Throttled, StatusCode::TOO_MANY_REQUESTS)
    ///     .with_retry_after(Some(Duration::from_millis(1_500)))
    ///     .with_server_message(Some("too many from my-app:my-secret".into()));
    /// let reply = denial.to_reply();
    /// assert_eq!(reply.status(), StatusCode::TOO_MANY_REQUESTS);
    /// assert_eq!(reply.headers()["retry-after"], "2");
    /// assert_eq!(reply.body(), r#"{"error":"too many requests for tokens"}"#);
    /// ```
    #[must_use]
    pub fn to_reply(&self) -> http::Response<Bytes> {
        let (status, error) = match self.0.kind {
            DenialKind::Throttled => {
                (StatusCode::TOO_MANY_REQUESTS, "too many requests for tokens")
            }
            DenialKind::Transient => {
                (StatusCode::SERVICE_UNAVAILABLE, "no token for now: ask again")
            }
            _ => (StatusCode::BAD_GATEWAY, "the token service grants none: see the backend's log"),
        };
        let mut reply = json_reply(format!(r#"{{"error":"{error}"}}"#).into());
        *reply.status_mut() = status;
        if let Some(wait) = self.0.retry_after {
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            DenialKind::Refused => f.write_str("the server refused")?,
            DenialKind::Throttled => f.write_str("the server is throttling requests")?,
            DenialKind::Transient if self.0.status.is_success() => {
                f.write_str("the server's reply is empty")?;
            }
            DenialKind::Transient => f.write_str("the server could not answer for now")?,
            DenialKind::Redirect => f.write_str("the server redirects, which is never followed")?,
            DenialKind::Malformed(flaw) => write!(f, "the reply is malformed: {flaw}")?,
        }
        write!(f, " (status {})", self.0.status.as_u16())?;
        if let Some(wait) = self.0.retry_after {
            write!(f, "; it asks to wait {} s", wait.as_millis().div_ceil(1_000))?;
        }
        if let Some(advice) = self.0.advice {
            return write!(f, "; {advice}");
        }
        f.write_str(match (self.0.permanent, self.0.kind) {
            (true, _) => "; the same request won't be granted",
            (false, DenialKind::Malformed(_) | DenialKind::Redirect) => {
                "; asking again helps only if the server answers differently"
            }
            (false, _) => "; try again later",
        })
    }
}

impl fmt::Debug for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denial")
            .field("kind", &self.0.kind)
            .field("status", &self.0.status.as_u16())
            .field("retry_after", &self.0.retry_after)
            .field("message", &self.0.message.as_ref().map(|_| "redacted"))
            .field("permanent", &self.0.permanent)
            .field("advice", &self.0.advice)
            .finish()
    }
}
