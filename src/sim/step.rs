//! Everything that can be done to a driver, as plain values: calls, replies, logins, and time.

use bytes::Bytes;
use http::header::{COOKIE, DATE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::ask::Dialect;
use super::faulty::{expiry, grant, http_date};
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
    /// The API answers 401 to a call with the current token, or with the first one that there was.
    Unauthorized {
        /// Whether it is the current token.
        current: bool,
        /// How long ago the call was authorized, in milliseconds; for more than the token's age, when it came.
        late_ms: u32,
    },
}

/// The request that a reply or a failure names.
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

/// The content of a reply.
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

/// A user and the credentials that the user logs in with. Each number is another user, secret, cookie or token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum Login {
    /// The gateway's credentials.
    App {
        /// The user.
        user: u8,
        /// The API token.
        secret: u8,
    },
    /// A backend that states nobody, with a cookie.
    Cookie(u8),
    /// A backend that states for whom.
    Named {
        /// The user.
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
        /// The token.
        number: u8,
    },
    /// Credentials that state nobody, and are usable once: each token brings those with the next number, up to 15.
    Rotating {
        /// The user, whom the server knows.
        user: u8,
        /// The secret, one of 16.
        number: u8,
    },
    /// An exchange that can't build its request.
    Unbuildable,
}

impl Answer {
    /// The reply: `token` and `identity` are those of a grant, `now` is the server's clock in milliseconds
    /// since 1970.
    #[must_use]
    pub fn reply(self, token: &str, identity: &str, now: i64) -> Response<Bytes> {
        let granted = |token: &str, identity: &str, seconds: i64| {
            let expires_at = expiry(now.saturating_add(seconds.saturating_mul(1_000)));
            (200, grant(Dialect::Current, token, identity, expires_at.as_deref()))
        };
        let (status, body) = match self {
            Self::Grant(seconds) | Self::GrantUndated(seconds) => {
                granted(token, identity, seconds.into())
            }
            Self::GrantUnstated => (201, grant(Dialect::Current, token, identity, None)),
            Self::GrantDead => granted(token, identity, -3_600),
            Self::GrantForAnother(seconds) => {
                granted(&format!("{token}-else"), &format!("{identity}-else"), seconds.into())
            }
            Self::Deny(204, _) => (204, String::new()),
            Self::Deny(status, _) => (status, format!(r#"{{"error":"{SECRET}"}}"#)),
            Self::Portal => (200, format!("<html>{SECRET}</html>")),
            Self::CutOff => (200, format!(r#"{{"sessionToken":"{token}"#)),
        };
        let mut reply = Response::new(Bytes::from(body));
        let unknown = StatusCode::INTERNAL_SERVER_ERROR;
        *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(unknown);
        if !matches!(self, Self::GrantUndated(_)) {
            reply.headers_mut().insert(DATE, http_date(now));
        }
        if let Self::Deny(_, Some(wait)) = self {
            reply.headers_mut().insert(RETRY_AFTER, wait.into());
        }
        reply
    }

    /// Returns whether the reply gives a usable token for the identity asked for.
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
    let valid = |(name, value): (_, Vec<u8>)| Some((name, HeaderValue::from_bytes(&value).ok()?));
    response.headers_mut().extend(headers.into_iter().filter_map(valid));
    response
}

/// Of each user, the credentials that change with each token, from the first to the last.
pub(super) type Rotations = BTreeMap<u8, Vec<Credentials>>;

/// How many secrets a user has whose credentials change with each token.
const ROTATIONS: u8 = 16;

impl Login {
    /// Returns the value to start a driver with. A custom exchange is made anew, so that it equals none that was made before:
    /// a [`Harness`](super::Harness) keeps those of rotating credentials.
    #[must_use]
    pub fn start(self) -> Start {
        self.start_with(&mut Rotations::new())
    }

    /// Returns the same as [`start`](Self::start), with the rotating credentials that were made before.
    pub(super) fn start_with(self, rotations: &mut Rotations) -> Start {
        // Letters, digits and dashes are valid everywhere: nothing is broken but what is meant to be.
        self.made(rotations).unwrap_or_else(|_| Credentials::custom(Arc::new(Unbuildable)).into())
    }

    /// Returns the credentials; `None` for a token.
    pub(super) fn credentials(self, rotations: &mut Rotations) -> Option<Credentials> {
        match self.start_with(rotations) {
            Start::Exchange(credentials) => Some(credentials),
            Start::Token(_) => None,
        }
    }

    fn made(self, rotations: &mut Rotations) -> Result<Start, Box<dyn core::error::Error>> {
        let identity = |user: u8| Identity::new(format!("user-{user}"));
        let token = |text: String| SessionToken::new(text);
        let credentials = match self {
            Self::App { user, secret } => {
                let api_token = ApiToken::new(format!("{SECRET}-{secret}"))?;
                let endpoint = Endpoint::https(format!("https://login.example/app/user-{user}"))?;
                let gateway = Gateway::new(api_token, identity(user)?).endpoint(endpoint);
                Credentials::for_development(gateway)
            }
            Self::Cookie(number) => backend("me", number)?.into(),
            Self::Named { user, cookie } => {
                backend(&format!("named/user-{user}"), cookie)?.identity(identity(user)?).into()
            }
            Self::Rotating { user, number } => {
                let chain = rotations.entry(user).or_default();
                if chain.is_empty() {
                    *chain = rotating(user)?;
                }
                chain.get(usize::from(number % ROTATIONS)).ok_or("there are as many")?.clone()
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

/// Returns a backend at this path that is asked with this cookie.
fn backend(path: &str, cookie: u8) -> Result<Backend, Box<dyn core::error::Error>> {
    let cookie = HeaderValue::try_from(format!("{SECRET}={cookie}"))?;
    let endpoint = Endpoint::https(format!("https://login.example/{path}"))?;
    Ok(Backend::new(endpoint).header(COOKIE, cookie))
}

/// Returns the credentials of a user that change with each token, from the first to the last.
fn rotating(user: u8) -> Result<Vec<Credentials>, Box<dyn core::error::Error>> {
    let mut chain = Vec::new();
    for number in (0..ROTATIONS).rev() {
        let backend = backend(&format!("rotating/user-{user}"), number)?;
        let successor = chain.last().cloned();
        chain.push(Credentials::custom(Arc::new(Rotating { backend, successor })));
    }
    chain.reverse();
    Ok(chain)
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
