//! Reads the few members of a reply that matter, without copying a secret.

use core::num::FpCategory;
use std::borrow::Cow;

use memchr::memchr2;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Flaw, JsonType};
use crate::secret::{SessionToken, TOKEN_LIMIT, ZeroizingBuffer};

/// How deep arrays and objects may nest. A real reply has two levels. Chosen by this project.
const DEPTH_LIMIT: usize = 32;

/// The longest raw string that is decoded, in bytes: the longest token, wholly escaped, in quotes.
const STRING_LIMIT: usize = 6 * TOKEN_LIMIT + 2;

/// The members of a reply that matter.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Members<'a> {
    pub(super) token: Option<Value<'a>>,
    pub(super) identity: Option<Value<'a>>,
    pub(super) expires_at: Option<Value<'a>>,
    pub(super) scopes: Option<Value<'a>>,
    pub(super) error: Option<Value<'a>>,
    /// A member that appears twice.
    duplicate: Option<&'static str>,
    /// Whether a name or value is no plain string, so that the body may be nested, or not ASCII.
    is_complex: bool,
}

impl<'a> Members<'a> {
    /// Reads an object; `None` for anything else.
    fn read(json: &'a [u8], token: &'static str) -> Option<Self> {
        let mut members = Self::default();
        for_each_member(json, |name, value| {
            members.is_complex |= !name.is_plain || !value.is_plain;
            let (name, slot) = match name.text().as_deref() {
                Some(name) if name == token.as_bytes() => (token, &mut members.token),
                Some(b"identity") => ("identity", &mut members.identity),
                Some(b"expiresAt") => ("expiresAt", &mut members.expires_at),
                Some(b"scopes") => ("scopes", &mut members.scopes),
                Some(b"error") => ("error", &mut members.error),
                _ => return Some(()),
            };
            if slot.replace(value).is_some() {
                members.duplicate = Some(name);
            }
            Some(())
        })?;
        Some(members)
    }
}

/// Returns whether a body is empty or white space.
pub(super) fn is_blank(body: &[u8]) -> bool {
    without_mark(body).trim_ascii_start().is_empty()
}

/// Returns whether a body begins as HTML or XML does.
pub(super) fn is_markup(body: &[u8]) -> bool {
    without_mark(body).trim_ascii_start().starts_with(b"<")
}

/// Returns a body without its byte order mark, which a reader may ignore (RFC 8259, section 8.1).
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)
}

/// Reads a body whose member `token` is the token.
pub(super) fn read<'a>(body: &'a [u8], token: &'static str) -> Result<Members<'a>, Flaw> {
    if is_markup(body) {
        return Err(Flaw::Markup);
    }
    let Some(members) = Members::read(without_mark(body), token) else {
        return Err(flaw(body, token));
    };
    if members.is_complex {
        check_text(body)?;
    }
    members.duplicate.map_or(Ok(members), |member| Err(Flaw::Duplicate { member }))
}

/// Reads a body that is an object. A `T` made by a derive would take an array, too.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Flaw> {
    if is_markup(body) {
        return Err(Flaw::Markup);
    }
    check_text(body)?;
    let json = trim(without_mark(body));
    if type_of(json) != JsonType::Object {
        return Err(flaw(body, ""));
    }
    serde_json::from_slice(json).map_err(|error| {
        let shape = Flaw::Custom("the object has not the members that the exchange reads");
        if error.is_data() { shape } else { flaw(body, "") }
    })
}

/// Checks that a body is UTF-8, except for its end, and not nested too deeply.
fn check_text(body: &[u8]) -> Result<(), Flaw> {
    if let Err(error) = core::str::from_utf8(body)
        && error.error_len().is_some()
    {
        return Err(Flaw::NotUtf8 { at: error.valid_up_to() });
    }
    let brackets = body.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if brackets > DEPTH_LIMIT {
        innermost_open(body).map_err(|at| Flaw::TooDeep { at, limit: DEPTH_LIMIT })?;
    }
    Ok(())
}

/// Returns what is wrong with a body that is not an object.
fn flaw(body: &[u8], token: &'static str) -> Flaw {
    if let Err(flaw) = check_text(body) {
        return flaw;
    }
    let unexpected_end =
        || Flaw::UnexpectedEnd { missing: innermost_open(body).unwrap_or_default() };
    // The only error left is a last character that is cut off.
    let Ok(text) = core::str::from_utf8(without_mark(body)) else { return unexpected_end() };
    let start = text.trim_ascii_start();
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Flaw::NotAnObject { found: type_of(start.as_bytes()) },
        Err(_) if is_unquoted(start, token) => Flaw::Unquoted { member: token },
        Err(error) if error.is_eof() => unexpected_end(),
        Err(error) => Flaw::Syntax { line: error.line(), column: error.column() },
    }
}

/// Returns whether this begins as an object whose first member is `name`, with a value without quotes: what the
/// vendor's Express example sends (wire facts, S).
fn is_unquoted(start: &str, name: &str) -> bool {
    let value = start
        .strip_prefix('{')
        .and_then(|rest| rest.trim_ascii_start().strip_prefix('"'))
        .and_then(|rest| rest.strip_prefix(name))
        .and_then(|rest| rest.strip_prefix('"'))
        .and_then(|rest| rest.trim_ascii_start().strip_prefix(':'))
        .map(str::trim_ascii_start);
    value.is_some_and(|value| {
        let word = value.split([',', '}']).next().unwrap_or(value).trim_ascii_end();
        let literal = ["null", "true", "false"].iter().any(|literal| literal.starts_with(word));
        let followed = word.len() < value.len();
        let number = followed && serde_json::from_str::<IgnoredAny>(word).is_ok();
        !literal && !number && !value.starts_with(['"', '{', '['])
    })
}

/// Returns the character that closes the innermost string, array or object that is open at the end.
///
/// # Errors
/// The index of the first bracket beyond the depth limit.
fn innermost_open(text: &[u8]) -> Result<Option<char>, usize> {
    let mut closing = [' '; DEPTH_LIMIT];
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                *closing.get_mut(depth).ok_or(at)? = if *byte == b'{' { '}' } else { ']' };
                depth = depth.saturating_add(1);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let bracket = depth.checked_sub(1).and_then(|last| closing.get(last).copied());
    Ok(if in_string { Some('"') } else { bracket })
}

/// Returns the type of the value that `json` begins with.
pub(crate) fn type_of(json: &[u8]) -> JsonType {
    match json.first() {
        Some(b'n') => JsonType::Null,
        Some(b't' | b'f') => JsonType::Boolean,
        Some(b'"') => JsonType::String,
        Some(b'[') => JsonType::Array,
        Some(b'{') => JsonType::Object,
        _ => JsonType::Number,
    }
}

/// A value, as written in its text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) json: &'a [u8],
    /// Whether this is a string of ASCII in which nothing is escaped.
    is_plain: bool,
}

impl<'a> Value<'a> {
    /// Splits off the value that `json` begins with, after white space.
    fn split(json: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let json = trim(json);
        let plain = plain_len(json);
        let len = plain.or_else(|| integer_len(json)).or_else(|| any_len(json))?;
        let (json, rest) = json.split_at_checked(len)?;
        Some((Self { json, is_plain: plain.is_some() }, rest))
    }

    pub(super) fn unless_null(self) -> Option<Self> {
        (self.json != b"null").then_some(self)
    }

    /// Returns whether JavaScript takes the value for false: `null`, `false`, `""` and every number that
    /// it reads as zero.
    pub(super) fn is_falsy(self) -> bool {
        let number = || core::str::from_utf8(self.json).ok()?.parse::<f64>().ok();
        matches!(self.json, b"null" | b"false" | b"\"\"")
            || number().is_some_and(|number| number.classify() == FpCategory::Zero)
    }

    /// Returns the text of a string that is no secret, as UTF-8. `member` is its name in an error.
    pub(super) fn string(self, member: &'static str) -> Result<Cow<'a, [u8]>, Flaw> {
        self.check_string(member)?;
        self.text().ok_or(Flaw::Unusable { member })
    }

    /// Returns the token that a string is. It is copied into no buffer that isn't wiped.
    pub(super) fn token(self, member: &'static str) -> Result<SessionToken, Flaw> {
        self.check_string(member)?;
        if self.is_plain {
            return token(self.inner(), member);
        }
        let unescaped = unescaped(self.inner()).ok_or(Flaw::Unusable { member })?;
        token(unescaped.as_ref(), member)
    }

    /// Returns what an error says: a string's text, or any other value as JSON.
    pub(super) fn message(self) -> String {
        let text = self.text().unwrap_or(Cow::Borrowed(self.json));
        String::from_utf8_lossy(&text).into_owned()
    }

    fn check_string(self, member: &'static str) -> Result<(), Flaw> {
        match type_of(self.json) {
            JsonType::String if self.json.len() <= STRING_LIMIT => Ok(()),
            JsonType::String => Err(Flaw::Unusable { member }),
            found => Err(Flaw::Mistyped { member, found }),
        }
    }

    /// Returns a string without its quotes.
    fn inner(self) -> &'a [u8] {
        self.json.get(1..self.json.len().saturating_sub(1)).unwrap_or_default()
    }

    /// Returns the text of a string; `None` for half a surrogate pair, and for other values.
    fn text(self) -> Option<Cow<'a, [u8]>> {
        if self.is_plain {
            return Some(Cow::Borrowed(self.inner()));
        }
        let text: String = serde_json::from_slice(self.json).ok()?;
        Some(Cow::Owned(text.into_bytes()))
    }
}

/// Calls `each` with the name and the value of each member. Returns `None` if `json` is not one object, or `each`
/// does.
pub(super) fn for_each_member<'a>(
    json: &'a [u8],
    mut each: impl FnMut(Value<'a>, Value<'a>) -> Option<()>,
) -> Option<()> {
    let mut rest = after(b'{', json)?;
    let mut is_last = after(b'}', rest).is_some();
    while !is_last {
        let (name, behind) = Value::split(rest)?;
        let (value, behind) = Value::split(after(b':', behind)?)?;
        if type_of(name.json) != JsonType::String {
            return None;
        }
        each(name, value)?;
        let next = after(b',', behind);
        is_last = next.is_none();
        rest = next.unwrap_or(behind);
    }
    trim(after(b'}', rest)?).is_empty().then_some(())
}

fn after(symbol: u8, json: &[u8]) -> Option<&[u8]> {
    json.strip_prefix(&[symbol]).or_else(|| trim(json).strip_prefix(&[symbol]))
}

fn trim(mut json: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = json {
        json = rest;
    }
    json
}

/// Returns the length, with its quotes, of the string that `json` begins with, if it is plain.
fn plain_len(json: &[u8]) -> Option<usize> {
    let text = json.strip_prefix(b"\"")?;
    let words = [0_usize, 16].into_iter().zip(text.as_chunks().0);
    let mut ends = words.filter_map(|(start, word)| start.checked_add(end_of_plain(*word)?));
    let len = ends.next().or_else(|| {
        let len = memchr2(b'"', b'\\', text)?;
        // One maximum, so that it is vectorised: 0x60 characters, from the space on.
        let most = text.get(..len)?.iter().fold(0, |most, byte| byte.wrapping_sub(b' ').max(most));
        (most < 0x60).then_some(len)
    })?;
    (text.get(len) == Some(&b'"')).then(|| len.saturating_add(2))
}

/// Returns the index of the first byte that is not plain, or is a quote: sixteen are compared at once.
fn end_of_plain(word: [u8; 16]) -> Option<usize> {
    const ONES: u128 = u128::MAX / 0xff;
    let word = u128::from_le_bytes(word);
    // The highest bit of a byte becomes set if it is zero, never before the first such byte.
    let zeros = |word: u128| word.wrapping_sub(ONES) & !word;
    let found = zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5c));
    let found = (found | word.wrapping_sub(ONES * 0x20) | word) & (ONES << 7);
    usize::try_from(found.trailing_zeros() / 8).ok().filter(|_| found != 0)
}

/// Returns the length of the natural number that `json` begins with, if a comma or a bracket follows it.
fn integer_len(json: &[u8]) -> Option<usize> {
    let len = json.iter().position(|byte| !byte.is_ascii_digit())?;
    let is_integer = len > 0
        && (len == 1 || json.first() != Some(&b'0'))
        && matches!(json.get(len), Some(b',' | b'}'));
    is_integer.then_some(len)
}

/// Returns the length of the value that `json` begins with.
fn any_len(json: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(json).into_iter();
    let IgnoredAny = values.next()?.ok()?;
    Some(values.byte_offset())
}

fn token(text: &[u8], member: &'static str) -> Result<SessionToken, Flaw> {
    match ["undefined", "null"].into_iter().find(|missing| text == missing.as_bytes()) {
        Some(text) => Err(Flaw::Stringified { member, text }),
        None => SessionToken::new(text).map_err(Flaw::Token),
    }
}

/// Undoes the escapes of RFC 8259, section 7, as far as they make visible ASCII. Any other character, which no token
/// has, becomes one byte that is not.
fn unescaped(mut inner: &[u8]) -> Option<ZeroizingBuffer> {
    const NOT_VISIBLE: u8 = 0x80;
    let mut out = ZeroizingBuffer(Vec::with_capacity(inner.len()));
    while let [first, rest @ ..] = inner {
        let (byte, rest) = match (first, rest) {
            (b'\\', [b'u', digits @ ..]) => {
                let (digits, rest) = digits.split_at_checked(4)?;
                let code = u16::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?;
                (u8::try_from(code).unwrap_or(NOT_VISIBLE), rest)
            }
            (b'\\', [b'b' | b'f' | b'n' | b'r' | b't', rest @ ..]) => (NOT_VISIBLE, rest),
            (b'\\', [escaped, rest @ ..]) => (*escaped, rest),
            (b'\\', []) => return None,
            (plain, rest) => (*plain, rest),
        };
        out.0.push(byte);
        inner = rest;
    }
    Some(out)
}

#[cfg(test)]
mod tests;
