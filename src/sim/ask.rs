//! Requests for a session token, as a strict gateway and its backend read them.

use core::fmt;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::exchange::JsonType;
use crate::exchange::json::type_of;

/// A status, and what is wrong with the request.
pub(super) type Refused = (StatusCode, String);

/// A dialect of the gateway: how it is asked, and how it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `Authorization: Bearer <token>` (wire facts, N).
    Current,
    /// `Authorization: App token=<token>` (wire facts, R).
    Legacy,
}

/// Returns the dialect of a request, by its scheme, and its token. Schemes and the names of parameters are compared
/// without regard to case (RFC 9110, 11.1 and 11.2).
pub(super) fn authorization<B>(request: &Request<B>) -> Option<(Dialect, &str)> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case("Bearer") {
        return Some((Dialect::Current, rest));
    }
    let (name, token) = rest.split_once('=')?;
    let is_app = scheme.eq_ignore_ascii_case("App") && name.eq_ignore_ascii_case("token");
    is_app.then_some((Dialect::Legacy, token))
}

/// Returns the identity that the body of a request names. The legacy dialect takes a form, too.
pub(super) fn identity<B: AsRef<[u8]>>(
    request: &Request<B>,
    dialect: Dialect,
) -> Result<String, Refused> {
    let body = request.body().as_ref();
    let takes_form = dialect == Dialect::Legacy;
    let read = match media_type(request).as_deref() {
        Some("application/json") => from_json(body),
        Some("application/x-www-form-urlencoded") if takes_form => from_form(body),
        _ => {
            let or_form = if takes_form { " or application/x-www-form-urlencoded" } else { "" };
            let error = format!("the content type has to be application/json{or_form}");
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
        }
    };
    read.map_err(bad_request)
}

/// Returns the identity that is the rest of a backend's path, percent-encoded.
pub(super) fn from_path(rest: &str) -> Result<String, Refused> {
    let error = match decoded(rest) {
        Some(identity) if !identity.is_empty() => return Ok(identity),
        Some(_) => "the path names no identity: expected `/token/<identity>`",
        None => "the identity in the path is not percent-encoded UTF-8",
    };
    Err(bad_request(error))
}

pub(super) fn bad_request(error: impl Into<String>) -> Refused {
    (StatusCode::BAD_REQUEST, error.into())
}

/// The content type without its parameters, in lower case.
fn media_type<B>(request: &Request<B>) -> Option<String> {
    let value = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

fn from_json(body: &[u8]) -> Result<String, String> {
    // Fails for a member that comes twice, which a `Value` doesn't show.
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Once {
        identity: IgnoredAny,
        scopes: IgnoredAny,
    }

    let value: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let Value::Object(members) = &value else {
        return Err(format!("the body has to be a JSON object, and is {}", kind(&value)));
    };
    serde_json::from_slice::<Once>(body).map_err(|error| {
        let error = error.to_string();
        error.split(" at line ").next().unwrap_or_default().to_owned()
    })?;
    match members.get("scopes") {
        None => {}
        Some(Value::Array(scopes)) => {
            for (index, scope) in scopes.iter().enumerate() {
                string(format_args!("scopes[{index}]"), scope)?;
            }
        }
        Some(other) => {
            let found = kind(other);
            return Err(format!("`scopes` has to be an array of strings, and is {found}"));
        }
    }
    string("identity", members.get("identity").ok_or("`identity` is missing")?)
}

/// Reads a string that isn't empty.
fn string(name: impl fmt::Display, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) if text.is_empty() => Err(format!("`{name}` is empty")),
        Value::String(text) => Ok(text.clone()),
        other => Err(format!("`{name}` has to be a string, and is {}", kind(other))),
    }
}

fn kind(value: &Value) -> JsonType {
    type_of(value.to_string().as_bytes())
}

/// Reads `identity=…` of a form, in which a `+` is a space. Other fields change nothing.
fn from_form(body: &[u8]) -> Result<String, String> {
    let form = core::str::from_utf8(body).map_err(|_| "the form is not UTF-8")?.replace('+', " ");
    let fields = form.split('&').map(|field| field.split_once('=').unwrap_or((field, "")));
    let mut identities = fields
        .filter(|(name, _)| decoded(name).as_deref() == Some("identity"))
        .map(|(_, value)| value);
    let identity = identities.next().ok_or("`identity` is missing")?;
    if identities.next().is_some() {
        return Err("duplicate field `identity`".into());
    }
    match decoded(identity) {
        Some(identity) if identity.is_empty() => Err("`identity` is empty".into()),
        Some(identity) => Ok(identity),
        None => Err("`identity` is not percent-encoded UTF-8".into()),
    }
}

/// Decodes percent-encoding (RFC 3986, 2.1). `None` where a `%` has no two hexadecimal digits after it, or
/// what comes out is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        // `from_str_radix` accepts a sign.
        let code = code.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(code)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
