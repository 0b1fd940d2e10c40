//! Those who play the secrets in a replay: credentials, tokens and replies made of their stand-ins.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http::header::{AGE, DATE, RETRY_AFTER};
use http::{Request, Response, StatusCode, Uri};

use super::error::TraceError;
use super::line::{
    BuildErrorNote, CredentialsNote, DenialNote, FlawNote, GrantNote, Input, KindNote, Meaning,
    ReplyNote, StartNote,
};
use super::naming::{Kept, Naming, endpoint_uri};
use super::words::{self, Words};
use crate::driver;
use crate::exchange::{
    BuildError, Credentials, Denial, DenialKind, Exchange, Flaw, Grant, Identity, OriginError,
    Reply, Scope, Scopes,
};
use crate::secret::SessionToken;
use crate::session::{Generation, RequestId};

/// A call to a driver.
pub(super) enum Call {
    Poll,
    Handle(driver::Input),
}

/// Everybody who was on stage so far.
#[derive(Default)]
pub(super) struct Troupe {
    words: Words,
    /// By their names. One for each, since a driver compares credentials by who they are.
    credentials: BTreeMap<String, (CredentialsNote, Credentials)>,
}

/// Where in a line something stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    line: usize,
    field: &'a str,
}

impl Place<'_> {
    /// The place of the successor in that of a grant.
    fn successor(self) -> Self {
        let field = if self.field == GRANT {
            "in.response.reply.means.grant.successor"
        } else {
            "in.start.token.successor"
        };
        Self { field, ..self }
    }

    fn wrong<T>(self, member: &str, problem: &str) -> Result<T, TraceError> {
        Err(self.error(member, problem))
    }

    fn error(self, member: &str, problem: &str) -> TraceError {
        TraceError::unreadable(self.line, &format!("{}.{member}", self.field), problem)
    }
}

impl Troupe {
    /// What a replay's recorder has to know of it.
    pub(super) fn into_naming(self) -> Naming {
        Naming::Keep(Kept { words: self.words })
    }

    /// The call that an input is.
    pub(super) fn call(&mut self, line: usize, input: Input) -> Result<Call, TraceError> {
        Ok(Call::Handle(match input {
            Input::Poll => return Ok(Call::Poll),
            Input::Stop => driver::Input::Stop,
            Input::Observe => driver::Input::Observe,
            Input::Online(online) => driver::Input::Online(online),
            Input::Unauthorized { generation } => {
                driver::Input::Unauthorized(Generation::from_number(generation))
            }
            Input::Failure { id, why } => {
                driver::Input::Failure(request_id(Place { line, field: "in.failure" }, &id)?, why)
            }
            Input::Response { id, reply } => {
                let id = request_id(Place { line, field: "in.response" }, &id)?;
                // A stale one is not looked at.
                let reply = match reply {
                    Some(reply) => self.reply(Place { line, field: "in.response.reply" }, reply)?,
                    None => Response::default(),
                };
                driver::Input::Response(id, reply)
            }
            Input::Start(StartNote::Token(note)) => {
                let place = Place { line, field: "in.start.token" };
                driver::Input::Start(self.grant(place, note)?.into())
            }
            Input::Start(StartNote::Credentials(note)) => {
                let place = Place { line, field: "in.start.credentials" };
                driver::Input::Start(self.credentials(place, note)?.into())
            }
            Input::SetCredentials(note) => {
                let place = Place { line, field: "in.set_credentials" };
                driver::Input::SetCredentials(self.credentials(place, note)?)
            }
        }))
    }

    fn credentials(
        &mut self,
        place: Place<'_>,
        note: CredentialsNote,
    ) -> Result<Credentials, TraceError> {
        if let Some((known, credentials)) = self.credentials.get(&note.name) {
            return if *known == note {
                Ok(credentials.clone())
            } else {
                place.wrong("name", "expected the same as an earlier line says of this name")
            };
        }
        let credentials = stand_in(place, &note, |word| self.words.constant(word))?;
        self.credentials.insert(note.name.clone(), (note, credentials.clone()));
        Ok(credentials)
    }

    /// A grant whose successor is known from then on.
    fn grant(&mut self, place: Place<'_>, note: GrantNote) -> Result<Grant, TraceError> {
        if let Some(successor) = &note.successor {
            self.credentials(place.successor(), CredentialsNote::clone(successor))?;
        }
        grant(place, note, |word| self.words.constant(word))
    }

    /// A reply with the same headers, as far as they count, and a body that says what it means.
    fn reply(&mut self, place: Place<'_>, note: ReplyNote) -> Result<Response<Bytes>, TraceError> {
        let mut reply = Response::default();
        *reply.status_mut() = status(place, note.status)?;
        if let Some(date) = note.date_ms {
            let date = http_date(date).ok_or_else(|| {
                place.error("date_ms", "expected a whole second of the years 1970 to 9999")
            })?;
            insert(&mut reply, DATE, &date);
        }
        for (name, wait) in [(AGE, note.age_ms), (RETRY_AFTER, note.retry_after_ms)] {
            if let Some(wait) = wait {
                // Read back, the largest count is the largest number of milliseconds again.
                insert(&mut reply, name, &wait.div_ceil(1_000).to_string());
            }
        }
        if note.age_unreadable {
            insert(&mut reply, AGE, "unreadable");
        }
        let read = match note.means {
            Meaning::Grant(note) => Ok(self.grant(Place { field: GRANT, ..place }, note)?),
            Meaning::Denial(note) => {
                let constant = |word: &str| self.words.constant(word);
                Err(denial(Place { field: DENIAL, ..place }, note, constant)?)
            }
        };
        let meaning = Naming::Keep(Kept::default()).meaning(read);
        *reply.body_mut() = serde_json::to_vec(&meaning).unwrap_or_default().into();
        Ok(reply)
    }
}

const GRANT: &str = "in.response.reply.means.grant";
const DENIAL: &str = "in.response.reply.means.denial";

fn too_many_words() -> String {
    format!("expected no more than {} different words of custom exchanges", Words::MOST)
}

fn insert(reply: &mut Response<Bytes>, name: http::HeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        reply.headers_mut().insert(name, value);
    }
}

/// The text of a `Date`; `None` where none reads as that.
fn http_date(millis: i64) -> Option<String> {
    const LAST: u64 = 253_402_300_799_000;
    let millis = u64::try_from(millis).ok().filter(|millis| *millis <= LAST)?;
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(millis))?;
    millis.is_multiple_of(1_000).then(|| httpdate::fmt_http_date(at))
}

fn request_id(place: Place<'_>, text: &str) -> Result<RequestId, TraceError> {
    RequestId::parse(text).ok_or_else(|| {
        place.error("id", "expected 16 hexadecimal digits, a hyphen and a number in decimal")
    })
}

fn status(place: Place<'_>, number: u16) -> Result<StatusCode, TraceError> {
    StatusCode::from_u16(number).map_err(|_| place.error("status", "expected 100 to 999"))
}

fn identity(place: Place<'_>, text: &str) -> Result<Identity, TraceError> {
    Identity::new(text).map_err(|_| place.error("identity", "expected 1 to 1024 bytes"))
}

fn scopes(place: Place<'_>, names: &[String]) -> Result<Scopes, TraceError> {
    let scopes: Result<Scopes, _> = names.iter().map(Scope::new).collect();
    scopes.map_err(|error| place.error("scopes", &format!("expected other names: {error}")))
}

/// Credentials that stand in for those of the note. `constant` finds a constant for a word.
fn stand_in(
    place: Place<'_>,
    note: &CredentialsNote,
    constant: impl FnMut(&str) -> Option<&'static str>,
) -> Result<Credentials, TraceError> {
    let error = match &note.error {
        Some(error) => Some(build_error(place, error, constant)?),
        None => None,
    };
    let insecure = BuildError::Endpoint(OriginError::Insecure);
    let request = match (&note.endpoint, error) {
        (None, None) => return place.wrong("endpoint", "expected one, or an `error`"),
        (None, Some(error)) => Err(error),
        (Some(endpoint), error) if error.is_none_or(|error| error == insecure) => {
            let uri = endpoint_uri(endpoint, error.is_none());
            let problem = "expected a stand-in, such as endpoint-1";
            Ok(uri.ok_or_else(|| place.error("endpoint", problem))?)
        }
        (Some(_), _) => return place.wrong("error", "expected none, or `Insecure`"),
    };
    let stated_endpoint = match note.stated_endpoint.as_deref() {
        Some(name) => Some(endpoint_uri(name, true).ok_or_else(|| {
            place.error("stated_endpoint", "expected a stand-in, such as endpoint-1")
        })?),
        None => None,
    };
    let understudy = Understudy {
        request,
        stated_endpoint,
        identity: note.identity.as_deref().map(|text| identity(place, text)).transpose()?,
        scopes: note.scopes.as_deref().map(|names| scopes(place, names)).transpose()?,
        issuer_writes_date: note.issuer_writes_date,
        single_use: note.single_use,
    };
    Ok(Credentials::standing_in(&note.name, Arc::new(understudy)))
}

fn build_error(
    place: Place<'_>,
    note: &BuildErrorNote,
    mut constant: impl FnMut(&str) -> Option<&'static str>,
) -> Result<BuildError, TraceError> {
    Ok(match note {
        BuildErrorNote::Endpoint(error) => BuildError::Endpoint(*error),
        BuildErrorNote::Custom(word) => match constant(word) {
            Some(word) => BuildError::Custom(word),
            None => return place.wrong("error", &too_many_words()),
        },
    })
}

fn grant(
    place: Place<'_>,
    note: GrantNote,
    constant: impl FnMut(&str) -> Option<&'static str>,
) -> Result<Grant, TraceError> {
    let token = SessionToken::new(&note.token)
        .map_err(|error| place.error("token", &format!("expected another: {error}")))?;
    let mut grant = Grant::new(token);
    if let Some(text) = note.identity {
        grant = grant.with_identity(identity(place, &text)?);
    }
    if let Some(text) = note.expires_at {
        grant = grant.with_expires_at(text);
        if grant.expires_at().is_none() {
            return place.wrong("expires_at", "expected at most 64 bytes");
        }
    }
    if let Some(lifetime) = note.lifetime_ms {
        grant = grant.with_lifetime(Duration::from_millis(lifetime));
    }
    if let Some(names) = note.scopes {
        grant = grant.with_scopes(scopes(place, &names)?);
    }
    if let Some(note) = note.successor {
        grant = grant.with_successor(stand_in(place.successor(), &note, constant)?);
    }
    Ok(grant)
}

/// `constant` finds a constant for a word.
fn denial(
    place: Place<'_>,
    note: DenialNote,
    constant: impl FnMut(&str) -> Option<&'static str>,
) -> Result<Denial, TraceError> {
    let kind = match note.kind {
        KindNote::Refused => DenialKind::Refused,
        KindNote::Throttled => DenialKind::Throttled,
        KindNote::Transient => DenialKind::Transient,
        KindNote::Redirect => DenialKind::Redirect,
        KindNote::Malformed(note) => match flaw(note, constant) {
            Some(flaw) => DenialKind::Malformed(flaw),
            None => return place.wrong("kind", &too_many_words()),
        },
    };
    Ok(Denial::new(kind, status(place, note.status)?)
        .with_permanence(note.permanent)
        .with_retry_after(note.retry_after_ms.map(Duration::from_millis)))
}

fn flaw(note: FlawNote, mut constant: impl FnMut(&str) -> Option<&'static str>) -> Option<Flaw> {
    Some(match note {
        FlawNote::Status => Flaw::Status,
        FlawNote::TooLarge { len, limit } => Flaw::TooLarge { len, limit },
        FlawNote::NotUtf8 { at } => Flaw::NotUtf8 { at },
        FlawNote::Markup => Flaw::Markup,
        FlawNote::Unquoted { member } => Flaw::Unquoted { member: constant(&member)? },
        FlawNote::UnexpectedEnd { missing } => Flaw::UnexpectedEnd { missing },
        FlawNote::Syntax { line, column } => Flaw::Syntax { line, column },
        FlawNote::TooDeep { at, limit } => Flaw::TooDeep { at, limit },
        FlawNote::NotAnObject { found } => Flaw::NotAnObject { found },
        FlawNote::Missing { member } => Flaw::Missing { member: constant(&member)? },
        FlawNote::Duplicate { member } => Flaw::Duplicate { member: constant(&member)? },
        FlawNote::Mistyped { member, found } => {
            Flaw::Mistyped { member: constant(&member)?, found }
        }
        FlawNote::Unusable { member } => Flaw::Unusable { member: constant(&member)? },
        FlawNote::Token(error) => Flaw::Token(error),
        FlawNote::Stringified { member, text } => {
            Flaw::Stringified { member: constant(&member)?, text: constant(&text)? }
        }
        FlawNote::WrongIdentity { expected } => Flaw::WrongIdentity { expected },
        FlawNote::ExpiredOnArrival => Flaw::ExpiredOnArrival,
        FlawNote::Custom(text) => Flaw::Custom(constant(&text)?),
    })
}

/// Stands in for an exchange: asks at the same endpoint's stand-in, and reads what a reply of the trace
/// says of itself.
struct Understudy {
    request: Result<Uri, BuildError>,
    stated_endpoint: Option<Uri>,
    identity: Option<Identity>,
    scopes: Option<Scopes>,
    issuer_writes_date: bool,
    single_use: bool,
}

impl Exchange for Understudy {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        let mut request = Request::default();
        *request.uri_mut() = self.request.clone()?;
        Ok(request)
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let nowhere = Place { line: 0, field: "" };
        match serde_json::from_slice(reply.body()) {
            Ok(Meaning::Grant(note)) => {
                grant(nowhere, note, words::constant).map_err(|_| unknown(reply))
            }
            Ok(Meaning::Denial(note)) => {
                Err(denial(nowhere, note, words::constant).unwrap_or_else(|_| unknown(reply)))
            }
            Err(_) => Err(unknown(reply)),
        }
    }

    fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    fn endpoint(&self) -> Option<&Uri> {
        self.stated_endpoint.as_ref()
    }

    fn issuer_writes_date(&self) -> bool {
        self.issuer_writes_date
    }

    fn is_single_use(&self) -> bool {
        self.single_use
    }
}

/// A reply that was stale when it was recorded, and isn't now.
fn unknown(reply: Reply<'_>) -> Denial {
    reply.flawed(Flaw::Custom("the trace doesn't say what this reply means"))
}
