//! Who logs in, with what: as the crate's values, and in the model's words.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, HeaderName, HeaderValue};
use videokit_session::driver::Start;
use videokit_session::exchange::{BuildError, Denial, DenialKind, Endpoint, Exchange, Flaw, Reply};
use videokit_session::{
    ApiToken, Backend, Credentials, Gateway, Grant, Identity, Scope, SessionToken,
};

use crate::model::clock::Statements;
use crate::model::words::{Ask, AskKind, Bearer, StartWith};
use crate::replies::{date, jwt};

/// Few of everything, so that sequences of them join, rotate and replace each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// The gateway's credentials. All users have one endpoint.
    Gateway { user: u8, secret: u8, scopes: bool },
    /// A backend at one of a few paths. The one at `PATIENT` may change its mind after a 403.
    Backend { user: User, cookie: u8, path: u8 },
    /// A custom exchange with one of a few secrets that change with each token, at one of two paths.
    Rotating { user: User, secret: u8, path: u8, says_where: bool, once: bool },
    /// An exchange that has no request to offer.
    Unbuildable(u8),
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
        Err(Denial::new(DenialKind::Malformed(flaw), reply.status()))
    }
}

/// How many secrets there are for the same, of those that change with each token.
pub(crate) const ROTATIONS: u8 = 4;

/// Says which successor a reply brings: its place among all of them.
pub(crate) const SUCCESSOR: HeaderName = HeaderName::from_static("x-successor");

/// A backend whose replies bring the next secret.
struct Rotating {
    backend: Backend,
    says_where: bool,
    once: bool,
}

impl Exchange for Rotating {
    fn request(&self) -> Result<http::Request<Bytes>, BuildError> {
        Ok(self.backend.request())
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let grant = Exchange::read(&self.backend, reply)?;
        let Some(next) = reply.headers().get(SUCCESSOR) else { return Ok(grant) };
        let next: usize = next.to_str().unwrap().parse().unwrap();
        Ok(grant.with_successor(SUCCESSORS[next].1.clone()))
    }

    fn identity(&self) -> Option<&Identity> {
        Exchange::identity(&self.backend)
    }

    fn endpoint(&self) -> Option<&http::Uri> {
        Exchange::endpoint(&self.backend).filter(|_| self.says_where)
    }

    fn is_single_use(&self) -> bool {
        self.once
    }
}

/// All credentials that a reply can bring: those that change again, and a backend's.
static SUCCESSORS: LazyLock<Vec<(Ask, Credentials)>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for user in [None, Some(0), Some(1), Some(2), Some(3), Some(4)] {
        for (secret, path) in (0..ROTATIONS).flat_map(|secret| [(secret, 0), (secret, 1)]) {
            for (says_where, once) in [(false, true), (true, true), (true, false)] {
                let endpoint = format!("rotating/{path}");
                let backend = backend_at(&endpoint, user, secret);
                let exchange = Rotating { backend, says_where, once };
                let kind = AskKind::Rotating { says_where, once };
                let endpoint = Some(endpoint);
                let ask = Ask { endpoint, scopes: false, identity: user, secret, kind };
                all.push((ask, Credentials::custom(Arc::new(exchange))));
            }
            if let (Start::Exchange(credentials), StartWith::Ask(ask)) = backend(user, secret, path)
            {
                all.push((ask, credentials));
            }
        }
    }
    all
});

/// The place of these credentials among those that a reply can bring.
pub(crate) fn place(ask: &Ask) -> usize {
    SUCCESSORS.iter().position(|(known, _)| known == ask).expect("there are only these")
}

/// Two custom exchanges are the same only if they are one.
static BROKEN: LazyLock<[Arc<Nothing>; 2]> =
    LazyLock::new(|| [Arc::new(Nothing), Arc::new(Nothing)]);

impl Login {
    /// What the driver is started with, and the same for the model.
    pub(crate) fn start(self, before: Before<'_>) -> (Start, StartWith) {
        match self {
            Self::Gateway { user, secret, scopes } => gateway(user, secret, scopes),
            Self::Backend { user, cookie, path } => {
                backend(user.number(before.known), cookie, path)
            }
            Self::Rotating { user, secret, path, says_where, once } => {
                // All that can be used again say where they are sent.
                let kind = AskKind::Rotating { says_where: says_where || !once, once };
                let endpoint = Some(format!("rotating/{path}"));
                let identity = user.number(before.known);
                let ask = Ask { endpoint, scopes: false, identity, secret, kind };
                (credentials(&ask).into(), StartWith::Ask(ask))
            }
            Self::Unbuildable(number) => {
                let exchange: Arc<Nothing> = Arc::clone(&BROKEN[usize::from(number % 2)]);
                let secret = number % 2;
                let kind = AskKind::Unbuildable;
                let ask = Ask { endpoint: None, scopes: false, identity: None, secret, kind };
                (Credentials::custom(exchange).into(), StartWith::Ask(ask))
            }
            Self::Token { user, number, life } => {
                let identity = user.number(before.known);
                let (text, said) = life.of(format!("own-{number}"), before.wall);
                adopted(Bearer { text, identity, said })
            }
            Self::Rotated => match before.ask {
                Some(Ask {
                    identity,
                    secret,
                    endpoint: Some(path),
                    kind: AskKind::Backend,
                    ..
                }) => backend(*identity, u8::from(*secret == 0), path.parse().unwrap()),
                Some(Ask {
                    identity: Some(user), secret, scopes, kind: AskKind::Gateway, ..
                }) => gateway(*user, u8::from(*secret == 0), *scopes),
                Some(ask @ Ask { secret, kind: AskKind::Rotating { .. }, .. }) => {
                    let ask = Ask { secret: (secret + 1) % ROTATIONS, ..ask.clone() };
                    (credentials(&ask).into(), StartWith::Ask(ask))
                }
                _ => gateway(before.known.unwrap_or(0), 0, false),
            },
            Self::AtHand { user } => {
                // What it says of itself, it says again.
                let text = before.current.map_or("nothing", |bearer| &bearer.text).to_owned();
                let jwt = before.current.and_then(|bearer| bearer.said.jwt);
                let identity = user.number(before.known);
                adopted(Bearer {
                    text,
                    identity,
                    said: Statements { jwt, ..Statements::default() },
                })
            }
        }
    }
}

impl Stated {
    /// The token's text, and what is said of it.
    fn of(self, text: String, wall: i64) -> (String, Statements) {
        match self {
            Self::Unknown => (text, Statements::default()),
            Self::Lives(seconds) => {
                let lifetime = Some(i64::from(seconds) * 1_000);
                (text, Statements { lifetime, ..Statements::default() })
            }
            Self::Expires(seconds) => {
                let expires_at = Some(wall + i64::from(seconds) * 1_000);
                (text, Statements { expires_at, ..Statements::default() })
            }
            Self::Jwt(seconds) => {
                let life = Some(i64::from(seconds) * 1_000);
                (jwt(&text, seconds), Statements { jwt: life, ..Statements::default() })
            }
        }
    }
}

fn gateway(user: u8, secret: u8, scopes: bool) -> (Start, StartWith) {
    let gateway = Gateway::new(ApiToken::new(format!("api-{secret}")).unwrap(), identity(user));
    let asked = scopes.then_some(Scope::VIDEOS_READ).into_iter().collect();
    let credentials = Credentials::for_development(gateway.scopes(asked));
    let endpoint = Some("gateway".to_owned());
    let kind = AskKind::Gateway;
    let ask = Ask { endpoint, scopes, identity: Some(user), secret, kind };
    (credentials.into(), StartWith::Ask(ask))
}

fn backend(user: Option<u8>, cookie: u8, path: u8) -> (Start, StartWith) {
    let mut backend = backend_at(&path.to_string(), user, cookie);
    if path == PATIENT {
        backend = backend.retry_on(http::StatusCode::FORBIDDEN);
    }
    let endpoint = Some(path.to_string());
    let kind = AskKind::Backend;
    let ask = Ask { endpoint, scopes: false, identity: user, secret: cookie, kind };
    (Credentials::backend(backend).into(), StartWith::Ask(ask))
}

fn backend_at(path: &str, user: Option<u8>, cookie: u8) -> Backend {
    let endpoint = Endpoint::https(format!("https://app.example/{path}")).unwrap();
    let value = HeaderValue::try_from(format!("login={cookie}")).unwrap();
    let backend = Backend::new(endpoint).header(COOKIE, value);
    user.map(identity).into_iter().fold(backend, Backend::identity)
}

/// The credentials that these words stand for.
pub(crate) fn credentials(ask: &Ask) -> Credentials {
    let Ask { endpoint, scopes, identity, secret, kind } = ask;
    let (start, _) = match kind {
        AskKind::Gateway => gateway(identity.expect("it states one"), *secret, *scopes),
        AskKind::Backend => {
            backend(*identity, *secret, endpoint.as_ref().unwrap().parse().unwrap())
        }
        AskKind::Rotating { .. } => return SUCCESSORS[place(ask)].1.clone(),
        AskKind::Unbuildable => Login::Unbuildable(*secret).start(Before::default()),
    };
    let Start::Exchange(credentials) = start else { unreachable!("these are no token") };
    credentials
}

fn adopted(bearer: Bearer) -> (Start, StartWith) {
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
    (grant.into(), StartWith::Token(bearer))
}
