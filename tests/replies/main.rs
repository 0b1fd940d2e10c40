//! The classifier: every reply is a grant or a denial, and which one is written in tables, row by row.

extern crate videokit_session_inside as videokit_session;

mod bodies;
mod statuses;
mod subtle;
mod syntax;
mod total;

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Response, StatusCode};
use videokit_session::exchange::{Denial, DenialKind, Endpoint, Flaw, JsonType};
use videokit_session::{ApiToken, Backend, Gateway, Grant, Identity};

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Asked {
    Gateway,
    Legacy,
    Backend,
    BackendFor,
    /// The gateway, for an identity with an accent in one character.
    Accented,
    /// The gateway, with a limit that even the longest row keeps.
    Roomy,
    /// A backend, with a limit of a few bytes.
    Tight,
}

/// What is expected. The default of each part is "nothing".
#[derive(Debug, Clone, PartialEq)]
enum Expected {
    Grant {
        token: String,
        identity: Option<String>,
        expires_at: Option<String>,
        scopes: Option<String>,
    },
    Denial {
        kind: DenialKind,
        permanent: bool,
        retry_after: Option<Duration>,
        message: Option<String>,
    },
}

struct Row {
    name: String,
    asked: Asked,
    status: u16,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    expected: Expected,
}

fn row(name: impl Into<String>, status: u16, body: impl AsRef<[u8]>, expected: Expected) -> Row {
    let (name, body) = (name.into(), body.as_ref().to_vec());
    Row { name, asked: Asked::Gateway, status, headers: Vec::new(), body, expected }
}

/// A row with the status 200.
fn ok(name: impl Into<String>, body: impl AsRef<[u8]>, expected: Expected) -> Row {
    row(name, 200, body, expected)
}

impl Row {
    fn asked(self, asked: Asked) -> Self {
        Self { asked, ..self }
    }

    fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name, value.as_ref().to_vec()));
        self
    }
}

fn grant(token: &str, identity: &str) -> Expected {
    Expected::Grant {
        token: token.to_owned(),
        identity: (!identity.is_empty()).then(|| identity.to_owned()),
        expires_at: None,
        scopes: None,
    }
}

fn denial(kind: DenialKind) -> Expected {
    let permanent = kind == DenialKind::Refused;
    Expected::Denial { kind, permanent, retry_after: None, message: None }
}

fn flaw(flaw: Flaw) -> Expected {
    denial(DenialKind::Malformed(flaw))
}

impl Expected {
    fn expires_at(mut self, text: &str) -> Self {
        if let Self::Grant { expires_at, .. } = &mut self {
            *expires_at = Some(text.to_owned());
        }
        self
    }

    fn scopes(mut self, text: &str) -> Self {
        if let Self::Grant { scopes, .. } = &mut self {
            *scopes = Some(text.to_owned());
        }
        self
    }

    fn saying(mut self, text: &str) -> Self {
        if let Self::Denial { message, .. } = &mut self {
            *message = Some(text.to_owned());
        }
        self
    }

    fn after(mut self, seconds: u64) -> Self {
        if let Self::Denial { retry_after, .. } = &mut self {
            *retry_after = Some(Duration::from_millis(seconds.saturating_mul(1_000)));
        }
        self
    }

    fn passing(mut self) -> Self {
        if let Self::Denial { permanent, .. } = &mut self {
            *permanent = false;
        }
        self
    }
}

impl From<Result<Grant, Denial>> for Expected {
    fn from(read: Result<Grant, Denial>) -> Self {
        match read {
            Ok(grant) => Self::Grant {
                token: grant.token().expose().to_owned(),
                identity: grant.identity().map(ToString::to_string),
                expires_at: grant.expires_at().map(str::to_owned),
                scopes: grant.scopes().map(ToString::to_string),
            },
            Err(denial) => Self::Denial {
                kind: denial.kind(),
                permanent: denial.is_permanent(),
                retry_after: denial.retry_after(),
                message: denial.server_message().map(str::to_owned),
            },
        }
    }
}

fn identity() -> Identity {
    Identity::new("user-17").unwrap()
}

fn read(asked: Asked, response: &Response<Vec<u8>>) -> Result<Grant, Denial> {
    let token = ApiToken::new("api-token").unwrap();
    let backend = Backend::new(Endpoint::https("https://app.example/token").unwrap())
        .retry_on(StatusCode::PAYMENT_REQUIRED);
    match asked {
        Asked::Gateway => Gateway::new(token, identity()).read(response),
        Asked::Legacy => Gateway::legacy(&token, identity()).unwrap().read(response),
        Asked::Backend => backend.read(response),
        Asked::BackendFor => backend.identity(identity()).read(response),
        Asked::Accented => Gateway::new(token, Identity::new("zo\u{eb}").unwrap()).read(response),
        Asked::Roomy => Gateway::new(token, identity()).body_limit(1 << 20).read(response),
        Asked::Tight => backend.body_limit(24).read(response),
    }
}

fn response(row: &Row) -> Response<Vec<u8>> {
    let mut response = Response::builder().status(row.status);
    for (name, value) in &row.headers {
        response = response.header(*name, value.as_slice());
    }
    response.body(row.body.clone()).unwrap()
}

fn rows() -> Vec<Row> {
    let mut rows = bodies::rows();
    rows.extend(syntax::rows());
    rows.extend(statuses::rows());
    rows
}

#[test]
fn every_row_is_read_as_the_table_says() {
    let rows = rows();
    let names: BTreeSet<_> = rows.iter().map(|row| &row.name).collect();
    assert_eq!(names.len(), rows.len(), "two rows have one name");
    let mut wrong = Vec::new();
    for row in &rows {
        let read = read(row.asked, &response(row));
        if let Err(denial) = &read {
            assert_eq!(denial.status().as_u16(), row.status, "{}", row.name);
        }
        let read = Expected::from(read);
        if read != row.expected {
            wrong.push(format!("{}\n  expected {:?}\n  read     {read:?}", row.name, row.expected));
        }
    }
    println!("{} rows", rows.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.len() >= 80);
}

#[test]
fn every_kind_of_denial_and_every_flaw_is_in_the_table() {
    let mut kinds = BTreeSet::new();
    for row in rows() {
        if let Expected::Denial { kind, .. } = row.expected {
            kinds.insert(match kind {
                DenialKind::Malformed(flaw) => named(&flaw),
                kind => named(&kind),
            });
        }
    }
    // Not among them: what only a session (on arrival) and a custom exchange (its own) can say.
    let all = "Duplicate Markup Missing Mistyped NotAnObject NotUtf8 Redirect Refused Status \
               Stringified Syntax Throttled Token TooDeep TooLarge Transient UnexpectedEnd Unquoted \
               Unusable WrongIdentity";
    assert_eq!(kinds.into_iter().collect::<Vec<_>>().join(" "), all);
}

/// The name of a variant.
fn named(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

fn mistyped(member: &'static str, found: JsonType) -> Expected {
    flaw(Flaw::Mistyped { member, found })
}

fn missing(member: &'static str) -> Expected {
    flaw(Flaw::Missing { member })
}

fn duplicate(member: &'static str) -> Expected {
    flaw(Flaw::Duplicate { member })
}
