//! Why a reply gave no token.

use core::fmt;
use core::time::Duration;

use http::StatusCode;

use crate::secret::TokenError;

/// A reply that gave no token: what kind of denial it is, and what is known about it.
///
/// `Debug` and `Display` show status, kind and flaw, and never what the server wrote: that may repeat
/// a secret. It is there for those who want it, as [`server_message`](Denial::server_message).
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[must_use]
pub struct Denial {
    kind: DenialKind,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    message: Option<Box<str>>,
    permanent: bool,
}

/// The kinds of denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DenialKind {
    /// 401, 403, another 4xx, or a 2xx with an `error` member: the server understood, and won't. The
    /// only kind that is permanent, unless the exchange says otherwise.
    Refused,
    /// 429: too many requests.
    Throttled,
    /// 408, 425, 5xx, or a reply that was empty or cut off: it may well work next time.
    Transient,
    /// 3xx. Never followed: credentials don't go where a reply says.
    Redirect,
    /// Anything else: this is not a token service's reply, or not one for us. A captive portal looks
    /// like this, so it is worth another try later.
    Malformed(Flaw),
}

/// What is wrong with a malformed reply, and where. Positions count bytes from 0, unless they are said
/// to be a line and column, which count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The status is neither 200 nor 201, nor one that says what went wrong.
    #[error("the status is none that a token service answers with")]
    Status,
    /// The body was not parsed, being over the limit.
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
    /// The body is markup: most often a captive portal's or a proxy's page.
    #[error("the body is markup, not JSON: a captive portal, or a proxy's page")]
    Markup,
    /// The value of a string member stands without quotes, as in the vendor's Express example.
    #[error("the value of `{member}` has no quotes around it, so the body is not JSON")]
    Unquoted {
        /// The member.
        member: &'static str,
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
        /// The index of the bracket that is one too many.
        at: usize,
        /// The limit.
        limit: usize,
    },
    /// The body is JSON, and not an object.
    #[error("the body is {found}, where an object belongs")]
    NotAnObject {
        /// What it is instead.
        found: JsonType,
    },
    /// A member that has to be there is not.
    #[error("`{member}` is missing")]
    Missing {
        /// The member.
        member: &'static str,
    },
    /// A member stands more than once, so that readers may disagree about the value.
    #[error("`{member}` stands more than once")]
    Duplicate {
        /// The member.
        member: &'static str,
    },
    /// A member has the wrong type.
    #[error("`{member}` is {found}, where a string belongs")]
    Mistyped {
        /// The member.
        member: &'static str,
        /// What it is instead.
        found: JsonType,
    },
    /// A member is a string, and not a usable one.
    #[error("`{member}` can't be used: it is empty, too long, or broken by its escapes")]
    Unusable {
        /// The member.
        member: &'static str,
    },
    /// The token is not one that a header can carry.
    #[error("the reply's token can't be used: {0}")]
    Token(TokenError),
    /// The reply is for another identity than the one asked for, or the one before.
    #[error("the reply is for another identity")]
    WrongIdentity,
    /// The token had expired when it came.
    #[error("the token had already expired when it came")]
    ExpiredOnArrival,
    /// What a custom exchange says.
    #[error("{0}")]
    Custom(&'static str),
}

/// The types of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// A denial of a kind. Only [`DenialKind::Refused`] is permanent, until told otherwise.
    pub fn new(kind: DenialKind, status: Option<StatusCode>) -> Self {
        let permanent = kind == DenialKind::Refused;
        Self { kind, status, retry_after: None, message: None, permanent }
    }

    /// Sets whether asking again with the same credentials can't help.
    ///
    /// That is the exchange's to say: an expired login cookie at a backend, say, looks like a bad token.
    pub fn with_permanence(self, permanent: bool) -> Self {
        Self { permanent, ..self }
    }

    /// Sets how long the server wants to be left alone.
    pub fn with_retry_after(self, wait: Option<Duration>) -> Self {
        Self { retry_after: wait, ..self }
    }

    /// Sets what the server wrote about it.
    pub fn with_server_message(self, message: Option<Box<str>>) -> Self {
        Self { message, ..self }
    }

    /// The kind of denial.
    #[must_use]
    pub fn kind(&self) -> DenialKind {
        self.kind
    }

    /// The reply's status; `None` where no reply was involved, as with a token that was adopted.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Whether asking again with the same credentials can't help. Otherwise: later, with backoff.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// How long the server wants to be left alone, counted from its reply: `Retry-After`, in seconds
    /// or as a date (RFC 9110, section 10.2.3), the longest where there are several. A date counts from the reply's own `Date`, and nothing
    /// where there is none.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What the server wrote in its `error` member: a string's text, or another type as JSON; at most
    /// 256 characters of it. **It may repeat a secret**, which is why nothing else shows it.
    #[must_use]
    pub fn server_message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DenialKind::Refused => f.write_str("the server refused")?,
            DenialKind::Throttled => f.write_str("the server is throttling requests")?,
            DenialKind::Transient => f.write_str("the server could not answer for now")?,
            DenialKind::Redirect => f.write_str("the server redirects, which is never followed")?,
            DenialKind::Malformed(flaw) => write!(f, "the reply is malformed: {flaw}")?,
        }
        if let Some(status) = self.status {
            write!(f, " (status {})", status.as_u16())?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, "; it asks to wait {} s", wait.as_secs())?;
        }
        f.write_str(if self.permanent {
            "; the same request won't be granted"
        } else {
            "; try again later"
        })
    }
}

impl fmt::Debug for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denial")
            .field("kind", &self.kind)
            .field("status", &self.status.map(|status| status.as_u16()))
            .field("retry_after", &self.retry_after)
            .field("message", &self.message.as_ref().map(|_| "redacted"))
            .field("permanent", &self.permanent)
            .finish()
    }
}
