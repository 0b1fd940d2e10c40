//! Requests for a session token, as a strict gateway and its backend read them.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::exchange::JsonType;

/// A status, and what is wrong with the request.
pub(super) type Refused = (StatusCode, Cow<'static, str>);

/// The scheme of an `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `Bearer <token>` (wire facts, N).
    Bearer,
    /// `App token=<token>` (wire facts, R).
    App,
}

/// Returns the scheme and the token of a request. Schemes and the names of parameters are compared without
/// regard to case (RFC 9110, 11.1 and 11.2).
pub(super) fn authorization<B>(request: &Request<B>) -> Option<(Scheme, &str)> {
    const TOKEN: &str = "token=";
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case("Bearer") {
        return Some((Scheme::Bearer, rest));
    }
    let (name, token) = rest.split_at_checked(TOKEN.len())?;
    let is_app = scheme.eq_ignore_ascii_case("App") && name.eq_ignore_ascii_case(TOKEN);
    is_app.then_some((Scheme::App, token))
}

/// Returns the identity that the body of a request names. The legacy dialect takes a form, too.
pub(super) fn identity<B: AsRef<[u8]>>(
    request: &Request<B>,
    scheme: Scheme,
) -> Result<String, Refused> {
    let body = request.body().as_ref();
    let read = match (media_type(request).as_deref(), scheme) {
        (Some("application/json"), _) => from_json(body),
        (Some("application/x-www-form-urlencoded"), Scheme::App) => from_form(body),
        (_, Scheme::Bearer) => {
            let error = "the content type has to be application/json";
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error.into()));
        }
        (_, Scheme::App) => {
            let error = "the content type has to be application/json or \
                         application/x-www-form-urlencoded";
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error.into()));
        }
    };
    read.map_err(bad_request)
}

/// Returns the identity that is the rest of a backend's path, percent-encoded.
pub(super) fn from_path(rest: &str) -> Result<String, Refused> {
    let error = match decoded(rest, Plus::Kept) {
        Some(identity) if !identity.is_empty() => return Ok(identity),
        Some(_) => "the path names no identity: expected `/token/<identity>`",
        None => "the identity in the path is not percent-encoded UTF-8",
    };
    Err(bad_request(error))
}

pub(super) fn bad_request(error: impl Into<Cow<'static, str>>) -> Refused {
    (StatusCode::BAD_REQUEST, error.into())
}

/// The content type without its parameters, in lower case.
fn media_type<B>(request: &Request<B>) -> Option<String> {
    let value = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

fn from_json(body: &[u8]) -> Result<String, Cow<'static, str>> {
    #[derive(Deserialize)]
    struct Members {
        #[serde(default, deserialize_with = "present")]
        identity: Option<Value>,
        #[serde(default, deserialize_with = "present")]
        scopes: Option<Value>,
    }

    let value: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    if !value.is_object() {
        return Err(format!("the body has to be a JSON object, and is {}", kind(&value)).into());
    }
    // What is left to be wrong is a member that comes twice, which a value doesn't show.
    let Members { identity, scopes } = serde_json::from_slice(body).map_err(|error| {
        let error = error.to_string();
        error.split(" at line ").next().unwrap_or_default().to_owned()
    })?;
    if let Some(scopes) = scopes {
        check_scopes(&scopes)?;
    }
    match identity {
        None => Err("`identity` is missing".into()),
        Some(Value::String(identity)) if identity.is_empty() => Err("`identity` is empty".into()),
        Some(Value::String(identity)) => Ok(identity),
        Some(other) => {
            Err(format!("`identity` has to be a string, and is {}", kind(&other)).into())
        }
    }
}

/// Reads a member that is there, be it `null`.
fn present<'de, D: Deserializer<'de>>(member: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(member).map(Some)
}

fn check_scopes(scopes: &Value) -> Result<(), String> {
    let Value::Array(scopes) = scopes else {
        return Err(format!("`scopes` has to be an array of strings, and is {}", kind(scopes)));
    };
    for (index, scope) in scopes.iter().enumerate() {
        match scope.as_str() {
            None => {
                let found = kind(scope);
                return Err(format!("`scopes[{index}]` has to be a string, and is {found}"));
            }
            Some("") => return Err(format!("`scopes[{index}]` is empty")),
            Some(_) => {}
        }
    }
    Ok(())
}

fn kind(value: &Value) -> JsonType {
    match value {
        Value::Null => JsonType::Null,
        Value::Bool(_) => JsonType::Boolean,
        Value::Number(_) => JsonType::Number,
        Value::String(_) => JsonType::String,
        Value::Array(_) => JsonType::Array,
        Value::Object(_) => JsonType::Object,
    }
}

/// Reads `identity=…` of a form. Other fields change nothing.
fn from_form(body: &[u8]) -> Result<String, Cow<'static, str>> {
    let form = core::str::from_utf8(body).map_err(|_| "the form is not UTF-8")?;
    let fields = form.split('&').map(|field| field.split_once('=').unwrap_or((field, "")));
    let mut identities = fields
        .filter(|(name, _)| decoded(name, Plus::Space).as_deref() == Some("identity"))
        .map(|(_, value)| value);
    let identity = identities.next().ok_or("`identity` is missing")?;
    if identities.next().is_some() {
        return Err("duplicate field `identity`".into());
    }
    match decoded(identity, Plus::Space) {
        Some(identity) if identity.is_empty() => Err("`identity` is empty".into()),
        Some(identity) => Ok(identity),
        None => Err("`identity` is not percent-encoded UTF-8".into()),
    }
}

/// What a `+` stands for: itself in a path, a space in a form.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    Kept,
    Space,
}

/// Decodes percent-encoding (RFC 3986, 2.1). `None` where a `%` has no two hexadecimal digits after it, or
/// what comes out is not UTF-8.
fn decoded(text: &str, plus: Plus) -> Option<String> {
    let mut rest = text.bytes();
    let mut bytes = Vec::with_capacity(text.len());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                high.checked_mul(16)?.checked_add(low)?
            }
            b'+' if plus == Plus::Space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}
