//! Reads the few members of a reply that matter, without copying a secret and without trusting the rest.

use core::fmt;
use core::num::FpCategory;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::denial::{Flaw, JsonType};
use crate::secret::Wiped;

/// How deep arrays and objects may nest. A real reply has two levels.
const DEPTH_LIMIT: usize = 32;

/// The longest raw string that is decoded, in bytes: the longest token, wholly escaped, in quotes.
const STRING_LIMIT: usize = 6 * 8_192 + 2;

/// The members of a reply that matter, as they stand in the body.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Members<'a> {
    pub(super) token: Option<Member<'a>>,
    pub(super) identity: Option<Member<'a>>,
    pub(super) expires_at: Option<Member<'a>>,
    pub(super) scopes: Option<Member<'a>>,
    pub(super) error: Option<Member<'a>>,
}

/// Returns whether a body has nothing in it but white space.
pub(super) fn is_blank(body: &[u8]) -> bool {
    without_mark(body).trim_ascii_start().is_empty()
}

/// Returns whether a body begins as HTML or XML does.
pub(super) fn is_markup(body: &[u8]) -> bool {
    without_mark(body).trim_ascii_start().starts_with(b"<")
}

/// RFC 8259, section 8.1: a reader may ignore a byte order mark.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)
}

/// Reads a body whose token stands under the name `token`.
pub(super) fn read<'a>(body: &'a [u8], token: &'static str) -> Result<Members<'a>, Flaw> {
    if is_markup(body) {
        return Err(Flaw::Markup);
    }
    let unmarked = without_mark(body);
    let mark = body.len().saturating_sub(unmarked.len());
    let text = core::str::from_utf8(unmarked);
    if let Err(error) = text
        && error.error_len().is_some()
    {
        return Err(Flaw::NotUtf8 { at: error.valid_up_to().saturating_add(mark) });
    }
    let missing = innermost_open(unmarked)
        .map_err(|at| Flaw::TooDeep { at: at.saturating_add(mark), limit: DEPTH_LIMIT })?;
    let unexpected_end = Flaw::UnexpectedEnd { missing };
    // What is left of its errors is a last character that is cut off.
    let text = text.map_err(|_| unexpected_end)?;
    let start = text.trim_ascii_start();
    let flaw = |error: &serde_json::Error| {
        if is_unquoted(start, token) {
            Flaw::Unquoted { member: token }
        } else if error.is_eof() {
            unexpected_end
        } else {
            Flaw::Syntax { line: error.line(), column: error.column() }
        }
    };
    if !start.starts_with('{') {
        // Not for the reader of objects: its error would quote what it found instead.
        return Err(match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => Flaw::NotAnObject { found: type_of(start) },
            Err(error) => flaw(&error),
        });
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let read =
        MembersSeed { token }.deserialize(&mut json).and_then(|read| json.end().map(|()| read));
    match read {
        Ok((members, None)) => Ok(members),
        Ok((_, Some(member))) => Err(Flaw::Duplicate { member }),
        Err(error) => Err(flaw(&error)),
    }
}

/// Whether this begins as an object whose first member is `name`, with a value that isn't quoted:
/// what the vendor's Express example sends (wire facts, S).
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

/// Returns what closes the innermost string, array or object that is still open at the end; as an error,
/// the index of the bracket that opens one level too many.
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

/// The type of a value that is valid JSON, or the beginning of it.
fn type_of(json: &str) -> JsonType {
    match json.bytes().next() {
        Some(b'n') => JsonType::Null,
        Some(b't' | b'f') => JsonType::Boolean,
        Some(b'"') => JsonType::String,
        Some(b'[') => JsonType::Array,
        Some(b'{') => JsonType::Object,
        _ => JsonType::Number,
    }
}

/// One value, as it stands in the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    name: &'static str,
    json: &'a str,
}

impl<'a> Member<'a> {
    /// The value as it stands in the body.
    pub(super) fn as_json(self) -> &'a str {
        self.json
    }

    pub(super) fn is_null(self) -> bool {
        self.json == "null"
    }

    /// Returns whether JavaScript takes the value for false: `null`, `false`, `""` and every number that
    /// it reads as zero.
    pub(super) fn is_falsy(self) -> bool {
        let zero = |number: f64| number.classify() == FpCategory::Zero;
        matches!(self.json, "null" | "false" | "\"\"") || self.json.parse().is_ok_and(zero)
    }

    /// The text of a string that is no secret.
    pub(super) fn string(self) -> Result<String, Flaw> {
        let json = self.bounded_string()?;
        // Fails for escapes that are no character: half a surrogate pair.
        serde_json::from_str(json).map_err(|_| Flaw::Unusable { member: self.name })
    }

    /// The bytes of a string that is a secret, in a buffer that is wiped. What isn't ASCII, and so in
    /// no token, becomes one byte that isn't either.
    pub(super) fn secret(self) -> Result<Wiped, Flaw> {
        let json = self.bounded_string()?;
        let unusable = Flaw::Unusable { member: self.name };
        let inner = json.get(1..json.len().saturating_sub(1)).ok_or(unusable)?;
        unescaped(inner).ok_or(unusable)
    }

    /// What an error says: a string's text, or any other value as JSON.
    pub(super) fn text(self) -> String {
        serde_json::from_str(self.json).unwrap_or_else(|_| self.json.to_owned())
    }

    fn bounded_string(self) -> Result<&'a str, Flaw> {
        match type_of(self.json) {
            JsonType::String if self.json.len() <= STRING_LIMIT => Ok(self.json),
            JsonType::String => Err(Flaw::Unusable { member: self.name }),
            found => Err(Flaw::Mistyped { member: self.name, found }),
        }
    }
}

/// Undoes the escapes of RFC 8259, section 7, as far as they make ASCII.
fn unescaped(inner: &str) -> Option<Wiped> {
    const NOT_ASCII: u8 = 0x80;
    let mut out = Wiped::with_capacity(inner.len());
    let mut rest = inner.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let byte = if byte == b'\\' {
            let (&escape, after) = rest.split_first()?;
            rest = after;
            match escape {
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'u' => {
                    let (digits, after) = rest.split_at_checked(4)?;
                    rest = after;
                    let code = u16::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?;
                    u8::try_from(code).unwrap_or(NOT_ASCII)
                }
                itself => itself,
            }
        } else {
            byte
        };
        out.push(&[byte])?;
    }
    Some(out)
}

struct MembersSeed {
    token: &'static str,
}

/// The members, and the name of one that stands there twice.
type Read<'a> = (Members<'a>, Option<&'static str>);

impl<'a> DeserializeSeed<'a> for MembersSeed {
    type Value = Read<'a>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Read<'a>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for MembersSeed {
    type Value = Read<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Read<'a>, M::Error> {
        let mut members = Members::default();
        let mut duplicate = None;
        while let Some(name) = map.next_key_seed(NameSeed { token: self.token })? {
            let slot = match name {
                "identity" => &mut members.identity,
                "expiresAt" => &mut members.expires_at,
                "scopes" => &mut members.scopes,
                "error" => &mut members.error,
                "" => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                _ => &mut members.token,
            };
            let json = map.next_value::<&RawValue>()?.get();
            if slot.replace(Member { name, json }).is_some() {
                duplicate = Some(name);
            }
        }
        Ok((members, duplicate))
    }
}

/// Reads a member's name into one of the known ones, or into the empty string.
struct NameSeed {
    token: &'static str,
}

impl<'a> DeserializeSeed<'a> for NameSeed {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<&'static str, D::Error> {
        json.deserialize_identifier(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<&'static str, E> {
        let known = [self.token, "identity", "expiresAt", "scopes", "error"];
        Ok(known.into_iter().find(|known| *known == name).unwrap_or(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_outside_strings_only() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_eq!(innermost_open(nested(DEPTH_LIMIT).as_bytes()), Ok(None));
        assert_eq!(innermost_open(nested(DEPTH_LIMIT + 1).as_bytes()), Err(DEPTH_LIMIT));
        assert_eq!(innermost_open(format!("\"\\\"{}\"", nested(99)).as_bytes()), Ok(None));
        assert_eq!(innermost_open("[]".repeat(99).as_bytes()), Ok(None));
    }

    #[test]
    fn unquoted_values_are_seen_in_every_spacing() {
        for start in ["{\"t\": abc", "{ \"t\" :abc}", "{\"t\":1a"] {
            assert!(is_unquoted(start, "t"), "{start}");
        }
        for start in ["{\"t\": \"abc", "{\"t\":", "{\"t\":  ", "{\"u\": abc", "{\"t\":{", "[1", ""]
        {
            assert!(!is_unquoted(start, "t"), "{start}");
        }
    }

    #[test]
    fn escapes_table() {
        let rows: &[(&str, Option<&[u8]>)] = &[
            ("plain", Some(b"plain")),
            (r"a\/b\\c\u0022", Some(b"a/b\\c\"")),
            (r"\b\f\n\r\t", Some(b"\x08\x0c\n\r\t")),
            (r"\u0041\u00e9\u20ac", Some(b"A\xe9\x80")),
            (r"\u00", None),
            (r"\u00g0", None),
            ("\\", None),
        ];
        for (inner, wanted) in rows {
            assert_eq!(unescaped(inner).as_ref().map(AsRef::as_ref), *wanted, "{inner}");
        }
    }
}
