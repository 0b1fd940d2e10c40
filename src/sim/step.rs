//! Everything that can be done to a driver, as plain values: calls, replies, logins, and time.

use bytes::Bytes;
use http::header::{COOKIE, DATE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use jiff::Timestamp;
use std::sync::Arc;

use super::faulty::http_date;
use crate::driver::Start;
use crate::exchange::{
    Backend, BuildError, Credentials, Denial, Endpoint, Exchange, Gateway, Grant, Identity, Reply,
};
use crate::secret::{ApiToken, SessionToken};
use crate::session::TransportFailure;

/// What every secret that a [`Login`] or an [`Answer`] is made with has in it, so that a test can look for
/// it where no secret belongs.
pub const SECRET: &str = "hush";

/// One call to a driver, or one thing that happens between calls. A [`Harness`](super::Harness) carries it
/// out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum Step {
    /// One poll.
    Poll,
    /// Polls until the driver waits.
    Drain,
    /// A start.
    Start(Login),
    /// Credentials are set: those of the login, if it has any.
    SetCredentials(Login),
    /// A stop.
    Stop,
    /// There is a network, or there is none.
    Online(bool),
    /// Both clocks run for so many milliseconds.
    Pass(u32),
    /// Time passes until the driver wants to be polled; a minute if it doesn't.
    PassToWake,
    /// The device sleeps for so many seconds: its monotonic clock stands still.
    Sleep(u16),
    /// The wall clock is set by so many seconds.
    SetWall(i32),
    /// The monotonic clock goes back by so many milliseconds, against its nature.
    MonoBack(u32),
    /// One reading is nonsense: milliseconds of the monotonic and of the wall clock. The next is sane.
    Nonsense(u64, i64),
    /// A reply comes.
    Answer(To, Answer),
    /// A request fails.
    Fail(To, TransportFailure),
    /// The API answers 401: to the current token, or to the first one that there was.
    Unauthorized {
        /// Whether it is the current token.
        current: bool,
    },
}

/// Which request a reply or a failure names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[expect(clippy::exhaustive_enums, reason = "the last one, an earlier one or nobody's")]
pub enum To {
    /// The last one that went out, whether it is still in flight or not.
    Live,
    /// One before it: 0 for the one just before.
    Old(u8),
    /// One of another driver.
    Foreign,
}

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum Answer {
    /// A token for the identity asked for, living so many seconds.
    Grant(u32),
    /// The same without a `Date`.
    GrantUndated(u32),
    /// A token of unstated life.
    GrantUnstated,
    /// A token that expired an hour ago.
    GrantDead,
    /// A token for another identity.
    GrantForAnother(u32),
    /// A denial with this status, and a `Retry-After` in seconds. A status that HTTP doesn't know is 500.
    Deny(u16, Option<u32>),
    /// A 200 with a captive portal's page.
    Portal,
    /// A 200 whose body is cut off.
    CutOff,
}

/// Who logs in, with what. Of users, secrets, cookies and tokens there are as many as there are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum Login {
    /// The gateway's credentials.
    App {
        /// For whom.
        user: u8,
        /// With which API token.
        secret: u8,
    },
    /// A backend that states nobody, with a cookie.
    Cookie(u8),
    /// A backend that states for whom.
    Named {
        /// For whom.
        user: u8,
        /// With which cookie.
        cookie: u8,
    },
    /// A bare token.
    Token(u8),
    /// A token of a stated user.
    TokenOf {
        /// Of whom.
        user: u8,
        /// Which token.
        number: u8,
    },
    /// Credentials that state nobody, and are usable once: each token brings those with the next number, up to 15.
    Rotating {
        /// For whom, as the server knows.
        user: u8,
        /// Which of 16 secrets.
        number: u8,
    },
    /// An exchange that can't build its request.
    Unbuildable,
}

/// How many secrets a user has whose credentials change with each token.
pub(super) const ROTATIONS: u8 = 16;

impl Answer {
    /// The reply: `token` and `identity` are those of a grant, `now` is the server's clock in milliseconds
    /// since 1970.
    #[must_use]
    pub fn reply(self, token: &str, identity: &str, now: i64) -> Response<Bytes> {
        let after = |seconds: u32| now.saturating_add(i64::from(seconds).saturating_mul(1_000));
        let (status, body) = match self {
            Self::Grant(seconds) | Self::GrantUndated(seconds) => {
                (200, granting(token, identity, Some(after(seconds))))
            }
            Self::GrantUnstated => (201, granting(token, identity, None)),
            Self::GrantDead => {
                (200, granting(token, identity, Some(now.saturating_sub(3_600_000))))
            }
            Self::GrantForAnother(seconds) => {
                let (token, other) = (format!("{token}-else"), format!("{identity}-else"));
                (200, granting(&token, &other, Some(after(seconds))))
            }
            Self::Deny(204, _) => (204, String::new()),
            Self::Deny(status, _) => (status, format!(r#"{{"error":"{SECRET}"}}"#)),
            Self::Portal => (200, format!("<html>{SECRET}</html>")),
            Self::CutOff => (200, format!(r#"{{"sessionToken":"{token}"#)),
        };
        let mut reply = Response::new(Bytes::from(body));
        *reply.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if !matches!(self, Self::GrantUndated(_)) {
            reply.headers_mut().insert(DATE, http_date(now));
        }
        if let Self::Deny(_, Some(wait)) = self {
            reply.headers_mut().insert(RETRY_AFTER, wait.into());
        }
        reply
    }

    /// Whether it gives a token that can be taken, to whoever asked.
    #[must_use]
    pub const fn grants(self) -> bool {
        matches!(self, Self::Grant(_) | Self::GrantUndated(_) | Self::GrantUnstated)
    }
}

/// A response that no server of tokens gives, but what it may be by chance. Headers that HTTP doesn't know are left
/// out.
#[cfg(any(feature = "proptest", feature = "arbitrary"))]
pub(super) fn wild_response(
    status: u16,
    headers: Vec<(http::HeaderName, Vec<u8>)>,
    body: Vec<u8>,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

impl Login {
    /// What a driver is started with. A custom exchange is made anew, so that it equals none that was made before:
    /// a [`Harness`](super::Harness) keeps those of rotating credentials.
    #[must_use]
    pub fn start(self) -> Start {
        // Letters, digits and dashes are valid everywhere: nothing is broken but what is meant to be.
        self.made().unwrap_or_else(|_| Credentials::custom(Arc::new(Unbuildable)).into())
    }

    fn made(self) -> Result<Start, Box<dyn core::error::Error>> {
        let identity = |user: u8| Identity::new(format!("user-{user}"));
        let token = |text: String| SessionToken::new(text);
        let endpoint = |path: String| Endpoint::https(format!("https://login.example{path}"));
        let cookie = |cookie: u8| HeaderValue::try_from(format!("{SECRET}={cookie}"));
        let credentials = match self {
            Self::App { user, secret } => {
                let api_token = ApiToken::new(format!("{SECRET}-{secret}"))?;
                let endpoint = endpoint(format!("/app/user-{user}"))?;
                let gateway = Gateway::new(api_token, identity(user)?).endpoint(endpoint);
                Credentials::for_development(gateway)
            }
            Self::Cookie(number) => {
                let backend = Backend::new(endpoint("/me".to_owned())?);
                Credentials::backend(backend.header(COOKIE, cookie(number)?))
            }
            Self::Named { user, cookie: number } => {
                let backend = Backend::new(endpoint(format!("/named/user-{user}"))?);
                let backend = backend.header(COOKIE, cookie(number)?);
                Credentials::backend(backend.identity(identity(user)?))
            }
            Self::Rotating { user, number } => {
                let number = usize::from(number % ROTATIONS);
                rotations(user)?.into_iter().nth(number).ok_or("there are as many")?
            }
            Self::Unbuildable => Credentials::custom(Arc::new(Unbuildable)),
            Self::Token(number) => return Ok(token(format!("{SECRET}-bare-{number}"))?.into()),
            Self::TokenOf { user, number } => {
                let token = token(format!("{SECRET}-{number}-user-{user}"))?;
                return Ok(Grant::new(token).with_identity(identity(user)?).into());
            }
        };
        Ok(credentials.into())
    }
}

/// The credentials of a user that change with each token, from the first to the last.
pub(super) fn rotations(user: u8) -> Result<Vec<Credentials>, Box<dyn core::error::Error>> {
    let mut later = Vec::new();
    for number in (0..ROTATIONS).rev() {
        let endpoint = Endpoint::https(format!("https://login.example/rotating/user-{user}"))?;
        let secret = HeaderValue::try_from(format!("{SECRET}={number}"))?;
        let backend = Backend::new(endpoint).header(COOKIE, secret);
        let successor = later.last().cloned();
        later.push(Credentials::custom(Arc::new(Rotating { backend, successor })));
    }
    later.reverse();
    Ok(later)
}

/// A backend whose secret is usable once.
struct Rotating {
    backend: Backend,
    successor: Option<Credentials>,
}

impl Exchange for Rotating {
    fn request(&self) -> Result<http::Request<Bytes>, BuildError> {
        Ok(self.backend.request())
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let grant = Exchange::read(&self.backend, reply)?;
        Ok(self.successor.iter().cloned().fold(grant, Grant::with_successor))
    }

    fn endpoint(&self) -> Option<&http::Uri> {
        Exchange::endpoint(&self.backend)
    }

    fn is_single_use(&self) -> bool {
        true
    }
}

fn granting(token: &str, identity: &str, expires_at: Option<i64>) -> String {
    let [token, identity] = [token, identity].map(serde_json::Value::from);
    let expires_at = expires_at.and_then(|at| Timestamp::from_millisecond(at).ok());
    let expires_at = expires_at.map_or(String::new(), |at| format!(r#","expiresAt":"{at}""#));
    format!(r#"{{"sessionToken":{token},"identity":{identity}{expires_at}}}"#)
}

/// An exchange that has nothing to ask.
struct Unbuildable;

impl Exchange for Unbuildable {
    fn request(&self) -> Result<http::Request<Bytes>, BuildError> {
        Err(BuildError::Custom("nothing to ask with"))
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        Err(reply.flawed(crate::exchange::Flaw::Custom("nothing was asked")))
    }
}
