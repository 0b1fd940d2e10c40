//! Who logs in, with what: as the crate's values, and in the model's words.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, HeaderValue};
use videokit_session::driver::Start;
use videokit_session::exchange::{BuildError, Denial, DenialKind, Endpoint, Exchange, Flaw, Reply};
use videokit_session::{
    ApiToken, Backend, Credentials, Gateway, Grant, Identity, Scope, SessionToken,
};

use crate::model::clock::Said;
use crate::model::words::{Ask, Bearer, Wish};
use crate::replies::{date, jwt};

/// Few of everything, so that sequences of them join, rotate and replace each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// The gateway's credentials. All users have one endpoint.
    Gateway { user: u8, secret: u8, scopes: bool },
    /// A backend at one of a few paths. The one at `PATIENT` may change its mind after a 403.
    Backend { user: User, cookie: u8, path: u8 },
    /// An exchange that has no request to offer.
    Broken(u8),
    /// A token.
    Token { user: User, number: u8, life: Stated },
    /// The token that serves, again.
    AtHand { user: User },
    /// The current credentials, with another secret; without any, the gateway's.
    Rotated,
}

/// For whom a login says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    Nobody,
    Number(u8),
    /// The one that the current login is for.
    Same,
}

impl User {
    fn number(self, known: Option<u8>) -> Option<u8> {
        match self {
            Self::Nobody => None,
            Self::Number(number) => Some(number),
            Self::Same => known,
        }
    }
}

/// What there is already when a login begins.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Before<'a> {
    /// What the next request would be made with.
    pub(crate) ask: Option<&'a Ask>,
    /// The token that serves.
    pub(crate) current: Option<&'a Bearer>,
    /// For whom the login is.
    pub(crate) known: Option<u8>,
    /// The clock that an expiry is stated by.
    pub(crate) wall: i64,
}

/// What is known of the life of a token to be adopted, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stated {
    Unknown,
    /// It expires so long after now, by the wall clock.
    Expires(i32),
    /// It lives for so long.
    Lives(u16),
    /// It is a JWT whose `exp` is so long after its `iat`.
    Jwt(i32),
}

pub(crate) const PATIENT: u8 = 1;

pub(crate) fn identity(user: u8) -> Identity {
    Identity::new(format!("user-{user}")).unwrap()
}

/// An exchange that has nothing to ask.
struct Nothing;

impl Exchange for Nothing {
    fn request(&self) -> Result<http::Request<Bytes>, BuildError> {
        Err(BuildError::Custom("nothing to ask with"))
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let flaw = Flaw::Custom("nothing was asked");
        Err(Denial::new(DenialKind::Malformed(flaw), Some(reply.status())))
    }
}

/// Two custom exchanges are the same only if they are one.
static BROKEN: LazyLock<[Arc<Nothing>; 2]> =
    LazyLock::new(|| [Arc::new(Nothing), Arc::new(Nothing)]);

impl Login {
    /// What the driver is started with, and the same for the model.
    pub(crate) fn start(self, before: Before<'_>) -> (Start, Wish) {
        match self {
            Self::Gateway { user, secret, scopes } => gateway(user, secret, scopes),
            Self::Backend { user, cookie, path } => {
                backend(user.number(before.known), cookie, path)
            }
            Self::Broken(number) => {
                let exchange: Arc<Nothing> = Arc::clone(&BROKEN[usize::from(number % 2)]);
                let secret = number % 2;
                let ask =
                    Ask { endpoint: None, scopes: false, identity: None, secret, gateway: false };
                (Credentials::custom(exchange).into(), Wish::Ask(ask))
            }
            Self::Token { user, number, life } => {
                let identity = user.number(before.known);
                let (text, said) = life.of(format!("own-{number}"), before.wall);
                adopted(Bearer { text, identity, said })
            }
            Self::Rotated => match before.ask {
                Some(Ask { identity, secret, endpoint: Some(path), gateway: false, .. }) => {
                    backend(*identity, 1 - secret, path.parse().unwrap())
                }
                Some(Ask { identity: Some(user), secret, scopes, .. }) => {
                    gateway(*user, 1 - secret, *scopes)
                }
                _ => gateway(before.known.unwrap_or(0), 0, false),
            },
            Self::AtHand { user } => {
                // What it says of itself, it says again.
                let text = before.current.map_or("nothing", |bearer| &bearer.text).to_owned();
                let jwt = before.current.and_then(|bearer| bearer.said.jwt);
                let identity = user.number(before.known);
                adopted(Bearer { text, identity, said: Said { jwt, ..Said::default() } })
            }
        }
    }
}

impl Stated {
    /// The token's text, and what is said of it.
    fn of(self, text: String, wall: i64) -> (String, Said) {
        match self {
            Self::Unknown => (text, Said::default()),
            Self::Lives(seconds) => {
                let lifetime = Some(i64::from(seconds) * 1_000);
                (text, Said { lifetime, ..Said::default() })
            }
            Self::Expires(seconds) => {
                let expires_at = Some(wall + i64::from(seconds) * 1_000);
                (text, Said { expires_at, ..Said::default() })
            }
            Self::Jwt(seconds) => {
                let life = Some(i64::from(seconds) * 1_000);
                (jwt(&text, seconds), Said { jwt: life, ..Said::default() })
            }
        }
    }
}

fn gateway(user: u8, secret: u8, scopes: bool) -> (Start, Wish) {
    let gateway = Gateway::new(ApiToken::new(format!("api-{secret}")).unwrap(), identity(user));
    let asked = scopes.then_some(Scope::VIDEOS_READ).into_iter().collect();
    let credentials = Credentials::for_development(gateway.scopes(asked));
    let endpoint = Some("gateway".to_owned());
    let ask = Ask { endpoint, scopes, identity: Some(user), secret, gateway: true };
    (credentials.into(), Wish::Ask(ask))
}

fn backend(user: Option<u8>, cookie: u8, path: u8) -> (Start, Wish) {
    let endpoint = Endpoint::https(format!("https://app.example/{path}")).unwrap();
    let value = HeaderValue::try_from(format!("login={cookie}")).unwrap();
    let mut backend = Backend::new(endpoint).header(COOKIE, value);
    if let Some(user) = user {
        backend = backend.identity(identity(user));
    }
    if path == PATIENT {
        backend = backend.retry_on(http::StatusCode::FORBIDDEN);
    }
    let endpoint = Some(path.to_string());
    let ask = Ask { endpoint, scopes: false, identity: user, secret: cookie, gateway: false };
    (Credentials::backend(backend).into(), Wish::Ask(ask))
}

fn adopted(bearer: Bearer) -> (Start, Wish) {
    let mut grant = Grant::new(SessionToken::new(bearer.text.as_str()).unwrap());
    if let Some(user) = bearer.identity {
        grant = grant.with_identity(identity(user));
    }
    if let Some(expires_at) = bearer.said.expires_at {
        grant = grant.with_expires_at(date(expires_at));
    }
    if let Some(lifetime) = bearer.said.lifetime {
        grant = grant.with_lifetime(Duration::from_millis(lifetime.unsigned_abs()));
    }
    (grant.into(), Wish::Token(bearer))
}
