//! Any reply to any exchange is a grant or a denial: the same one each time, a grant only with a token that
//! a header can carry, and a denial that shows nothing of what the server wrote.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AGE, DATE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode, Uri};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use videokit_session::driver::{Drive, Policy};
use videokit_session::exchange::{
    BODY_LIMIT, BuildError, Denial, DenialKind, Endpoint, Exchange, Flaw, Reply,
};
use videokit_session::session::ReceiveError;
use videokit_session::sim::SECRET;
use videokit_session::trace::{Recorder, replay};
use videokit_session::{
    AllowedOrigin, ApiToken, Backend, Config, Credentials, Gateway, Grant, Identity, Moment,
    Output, Session, SessionToken,
};

const USER: &str = "user-17";

/// The members that a flaw may name.
const MEMBERS: [&str; 4] = ["sessionToken", "session_key", "identity", "expiresAt"];

/// The limit of the exchange that is neither the gateway's nor a backend's.
const PLAIN_LIMIT: usize = 100;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Gateway,
    Legacy,
    Backend,
    BackendFor,
    Plain,
}

/// The first byte says who is asked, the next two which status the reply has. Then come `Date`, `Age` and
/// `Retry-After`, each behind its length, which is 0 for none. The rest is the body.
pub(crate) fn check(data: &[u8]) {
    let Some((asked, response)) = parse(data) else { return };
    let credentials = credentials(asked);
    let read = credentials.exchange().read((&response).into());
    assert_eq!(read, credentials.exchange().read((&response).into()), "read again");
    match &read {
        Ok(grant) => check_grant(asked, &response, grant),
        Err(denial) => check_denial(asked, &response, denial),
    }
    check_session(&credentials, &response, &read);
    check_trace(credentials, &response);
}

fn parse(data: &[u8]) -> Option<(Asked, Response<Bytes>)> {
    let (&[asked, low, high], mut rest) = data.split_first_chunk()?;
    let all = [Asked::Gateway, Asked::Legacy, Asked::Backend, Asked::BackendFor, Asked::Plain];
    let asked = all[usize::from(asked) % all.len()];
    let mut response = Response::new(Bytes::new());
    *response.status_mut() =
        StatusCode::from_u16(100 + u16::from_le_bytes([low, high]) % 900).unwrap();
    for name in [DATE, AGE, RETRY_AFTER] {
        let (&length, after) = rest.split_first()?;
        let (value, after) = after.split_at_checked(length.into())?;
        rest = after;
        add(&mut response, name, value);
    }
    *response.body_mut() = Bytes::copy_from_slice(rest);
    Some((asked, response))
}

fn add(response: &mut Response<Bytes>, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value)
        && !value.is_empty()
    {
        response.headers_mut().insert(name, value);
    }
}

fn credentials(asked: Asked) -> Credentials {
    let token = ApiToken::new("api-token").unwrap();
    let user = Identity::new(USER).unwrap();
    let backend = Backend::new(Endpoint::https("https://app.example/token").unwrap())
        .retry_on(StatusCode::PAYMENT_REQUIRED);
    match asked {
        Asked::Gateway => Credentials::for_development(Gateway::new(token, user)),
        Asked::Legacy => Credentials::for_development(Gateway::legacy(&token, user).unwrap()),
        Asked::Backend => Credentials::backend(backend),
        Asked::BackendFor => Credentials::backend(backend.identity(user)),
        Asked::Plain => Credentials::custom(Arc::new(Plain)),
    }
}

/// An endpoint that answers with the bare token as text.
struct Plain;

impl Exchange for Plain {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = Uri::from_static("https://app.example/plain-token");
        Ok(request)
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let body = reply.granting_body(PLAIN_LIMIT)?;
        SessionToken::new(body)
            .map(Grant::new)
            .map_err(|error| Denial::new(DenialKind::Malformed(Flaw::Token(error)), reply.status()))
    }
}

fn check_grant(asked: Asked, response: &Response<Bytes>, grant: &Grant) {
    assert!(matches!(response.status().as_u16(), 200 | 201), "{}", response.status());
    let token = grant.token().expose();
    assert!((1..=8_192).contains(&token.len()), "a token of {} bytes", token.len());
    assert!(token.bytes().all(|byte| byte.is_ascii_graphic()), "{token:?}");
    let named = grant.identity().map(Identity::as_str);
    match asked {
        Asked::Gateway | Asked::Legacy => assert_eq!(named, Some(USER)),
        Asked::BackendFor => assert!(named.is_none_or(|named| named == USER), "{named:?}"),
        Asked::Plain => assert_eq!(response.body(), token),
        Asked::Backend => {}
    }
    if let Some(expected) = expected(asked, response) {
        let expected = expected.expect("nothing was granted");
        assert_eq!(expected, (token.to_owned(), named.map(ToOwned::to_owned)));
    }
    if token.contains(SECRET) {
        let but_for_the_rest = format!("{grant:?} {:?}", Reply::from(response));
        assert!(!but_for_the_rest.contains(SECRET), "{but_for_the_rest}");
    }
    // What a backend passes on is read as the same again, unless it looks like JavaScript's mistake.
    let app = Backend::new(Endpoint::https("https://app.example/").unwrap());
    let passed_on = app.read(&grant.to_token_reply());
    if ["undefined", "null"].contains(&token) {
        let kind = passed_on.map_err(|denial| denial.kind());
        assert!(matches!(kind, Err(DenialKind::Malformed(Flaw::Stringified { .. }))), "{kind:?}");
        return;
    }
    let passed_on = passed_on.expect("a backend's reply grants");
    assert_eq!(passed_on.token(), grant.token());
    assert_eq!(passed_on.identity(), grant.identity());
    assert_eq!(passed_on.expires_at(), grant.expires_at());
}

fn check_denial(asked: Asked, response: &Response<Bytes>, denial: &Denial) {
    let status = response.status().as_u16();
    assert_eq!(denial.status(), response.status());
    let kind = denial.kind();
    assert!(kind_fits(status, response.body(), kind), "{status} as {kind:?}");
    let passing = asked != Asked::Gateway && asked != Asked::Legacy && status == 402;
    assert!(passing || denial.is_permanent() == (kind == DenialKind::Refused), "{denial:?}");
    if let DenialKind::Malformed(
        Flaw::Unquoted { member }
        | Flaw::Stringified { member, .. }
        | Flaw::Missing { member }
        | Flaw::Duplicate { member }
        | Flaw::Mistyped { member, .. }
        | Flaw::Unusable { member },
    ) = kind
    {
        assert!(MEMBERS.contains(&member) || ["scopes", "error"].contains(&member), "{member}");
    }
    let message = denial.server_message();
    assert!(message.is_none_or(|text| text.chars().count() <= 256));
    // Nothing but these four goes into the texts, and none of them is made of the body's.
    let bare = Denial::new(kind, denial.status())
        .with_permanence(denial.is_permanent())
        .with_retry_after(denial.retry_after());
    assert_eq!(denial.to_string(), bare.to_string());
    let bare = bare.with_server_message(message.map(|_| "said".into()));
    assert_eq!(format!("{denial:?}"), format!("{bare:?}"));
    assert!(!format!("{denial} {denial:?}").contains(SECRET), "{denial}");
    if let Some(expected) = expected(asked, response) {
        assert_eq!(expected, None, "this was to be granted, and not: {denial}");
    }
}

/// Whether the first thing in a body, but for white space and a byte order mark, is a tag.
fn is_page(body: &[u8]) -> bool {
    let marked = body.starts_with(&[0xef, 0xbb, 0xbf]);
    let first =
        body.iter().skip(if marked { 3 } else { 0 }).find(|byte| !b" \t\r\n\x0c".contains(byte));
    first == Some(&b'<')
}

/// Whether a denial of this kind can come of this status.
fn kind_fits(status: u16, body: &[u8], kind: DenialKind) -> bool {
    use DenialKind::{Malformed, Redirect, Refused, Throttled, Transient};
    match status {
        200 | 201 => matches!(kind, Refused | Transient | Malformed(_)),
        202..=299 => matches!(kind, Refused | Malformed(Flaw::Status)),
        300..=399 => kind == Redirect,
        407 | 408 | 421 | 425 | 500..=599 => kind == Transient,
        429 => kind == Throttled,
        401 => kind == Refused,
        400..=499 if is_page(body) => kind == Malformed(Flaw::Markup),
        400..=499 => kind == Refused,
        _ => kind == Malformed(Flaw::Status),
    }
}

/// A session makes the same of a reply, but that a token may be dead when it comes.
fn check_session(
    credentials: &Credentials,
    response: &Response<Bytes>,
    read: &Result<Grant, Denial>,
) {
    let config = Config::builder(AllowedOrigin::https("https://api.example").unwrap()).build();
    let now = Moment::from_millis(5_000, 1_795_492_800_000);
    let session = Session::new(Arc::new(config.unwrap()), 1);
    let (session, outgoing) = session.authenticate(credentials, now).unwrap();
    match (session.receive(outgoing.id(), response, now), read) {
        (Ok((session, next)), Ok(grant)) => {
            assert_eq!(next, *credentials, "nothing came in their place");
            let mut call = Request::get("https://api.example/v1/videos").body(()).unwrap();
            session.authorize(&mut call, now).expect("it serves");
            let expected = format!("Bearer {}", grant.token().expose());
            assert_eq!(call.headers()["authorization"], expected.as_str());
            assert_eq!(session.granted_scopes(), grant.scopes());
            assert!(session.lapses_in(now).is_none_or(|left| !left.is_zero()));
        }
        (Err(ReceiveError::Denied(rejected, next)), read) => {
            assert_eq!(next, *credentials, "nothing came in their place");
            let shown = format!("{rejected} {rejected:?}");
            assert!(!shown.contains(SECRET), "{shown}");
            let dead = DenialKind::Malformed(Flaw::ExpiredOnArrival);
            let kind = read.as_ref().map_or_else(Denial::kind, |_| dead);
            assert_eq!(rejected.reason().kind(), kind);
        }
        (received, _) => panic!("{received:?} of {read:?}"),
    }
}

/// A trace of the exchange has no secret of the body in it, and plays again.
fn check_trace(credentials: Credentials, response: &Response<Bytes>) {
    let config = Config::builder(AllowedOrigin::https("https://api.example").unwrap()).build();
    let now = Moment::from_millis(5_000, 1_795_492_800_000);
    let mut recorder = Recorder::new(Arc::new(config.unwrap()), Policy::default(), 1);
    recorder.start(credentials, now);
    assert!(matches!(recorder.poll(now), Output::Event(_)), "it says what it does");
    let Output::Send(outgoing) = recorder.poll(now) else { panic!("it asks for a token") };
    assert!(
        recorder.handle_response(outgoing.id(), response, now).is_accepted(),
        "it is in flight"
    );
    let waits = (0..20).any(|_| matches!(recorder.poll(now), Output::Wait(_)));
    assert!(waits, "twenty polls, and still busy");
    let trace = recorder.take_lines();
    assert!(!trace.contains(SECRET), "{trace}");
    let replayed = replay(&trace).expect("it was just recorded");
    assert!(replayed.is_exact(), "{}", replayed.difference.unwrap());
}

/// What another reader of JSON finds to be granted: a token and an identity, or nothing. `None` where the
/// two may differ.
#[expect(clippy::option_option, reason = "what is unclear is not what is denied")]
fn expected(asked: Asked, response: &Response<Bytes>) -> Option<Option<(String, Option<String>)>> {
    let body = response.body();
    let limit = if asked == Asked::Plain { PLAIN_LIMIT } else { BODY_LIMIT };
    let granting = matches!(response.status().as_u16(), 200 | 201);
    if !granting || body.is_empty() || body.len() > limit {
        return Some(None);
    }
    let Ok(text) = core::str::from_utf8(body) else { return Some(None) };
    if asked == Asked::Plain {
        let token = text.bytes().all(|byte| byte.is_ascii_graphic());
        return Some(token.then(|| (text.to_owned(), None)));
    }
    if text.matches(['{', '[']).count() > 32 {
        return None;
    }
    let json = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Names as bytes may have control characters, and JSON may not.
    match (serde_json::from_str::<IgnoredAny>(json), serde_json::from_str(json)) {
        (Ok(_), Ok(members)) => granted(asked, &members),
        _ => Some(None),
    }
}

#[expect(clippy::option_option, reason = "what is unclear is not what is denied")]
fn granted(asked: Asked, members: &Members<'_>) -> Option<Option<(String, Option<String>)>> {
    let name = if asked == Asked::Legacy { "session_key" } else { "sessionToken" };
    let known = [name, "identity", "expiresAt", "scopes", "error"];
    if known.iter().any(|name| members.named(name).count() > 1) {
        return Some(None);
    }
    let value = |name| match members.named(name).next() {
        Some(raw) => serde_json::from_str(raw.get()).ok(),
        None => Some(Value::Null),
    };
    // What the other reader can't make a value of is unclear.
    let [token, identity, expires_at, error] =
        [value(name)?, value("identity")?, value("expiresAt")?, value("error")?];
    let Value::String(token) = token else { return Some(None) };
    let graphic = token.bytes().all(|byte| byte.is_ascii_graphic());
    let wanted = match (&identity, asked) {
        (Value::String(named), Asked::Backend) => (1..=1_024).contains(&named.len()),
        (Value::String(named), _) => named == USER,
        (Value::Null, Asked::Backend | Asked::BackendFor) => true,
        _ => false,
    };
    let dated = match members.named("expiresAt").next() {
        Some(raw) => expires_at.is_null() || expires_at.is_string() && raw.get().len() <= 49_154,
        None => true,
    };
    let granted = graphic
        && (1..=8_192).contains(&token.len())
        && wanted
        && dated
        && !truthy(&error)
        && !["undefined", "null"].contains(&token.as_str());
    Some(granted.then(|| (token, identity.as_str().map(ToOwned::to_owned))))
}

/// Whether JavaScript's `if` takes a value for true.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(value) => value.as_f64() != Some(0.0),
        Value::String(value) => !value.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// The members of an object, doubles included.
struct Members<'a>(Vec<(Name, &'a RawValue)>);

impl<'a> Members<'a> {
    fn named(&self, name: &str) -> impl Iterator<Item = &'a RawValue> {
        self.0.iter().filter(move |(found, _)| found.0 == name.as_bytes()).map(|(_, value)| *value)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        json.deserialize_map(Object)
    }
}

/// A member's name, which may have half a surrogate pair.
struct Name(Vec<u8>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Name;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a name")
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<Name, E> {
                Ok(Name(name.to_owned()))
            }
        }

        json.deserialize_bytes(Bytes)
    }
}
