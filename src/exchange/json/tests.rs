//! The scanner against tables, and against serde's own reader of objects.

use core::fmt;

use proptest::prelude::*;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::*;

/// A body as serde reads it: its five members as they stand in it.
type Texts<'a> = [Option<&'a str>; 5];

fn texts<'a>(members: &Members<'a>) -> Texts<'a> {
    let members =
        [members.token, members.identity, members.expires_at, members.scopes, members.error];
    members.map(|member| Some(core::str::from_utf8(member?.json).unwrap()))
}

/// Reads a body by serde's visitors alone.
fn reference<'a>(body: &'a [u8], token: &'static str) -> Result<Texts<'a>, Flaw> {
    if is_markup(body) {
        return Err(Flaw::Markup);
    }
    let unmarked = without_mark(body);
    let mark = body.len() - unmarked.len();
    let text = core::str::from_utf8(unmarked);
    if let Err(error) = text
        && error.error_len().is_some()
    {
        return Err(Flaw::NotUtf8 { at: error.valid_up_to() + mark });
    }
    let missing = innermost_open(unmarked)
        .map_err(|at| Flaw::TooDeep { at: at + mark, limit: DEPTH_LIMIT })?;
    let unexpected_end = Flaw::UnexpectedEnd { missing };
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
    // Names as bytes, which are read below, may have control characters.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| flaw(&error))?;
    if !start.starts_with('{') {
        return Err(Flaw::NotAnObject { found: type_of(start.as_bytes()) });
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

struct MembersSeed {
    token: &'static str,
}

/// The members, and the name of one that stands there twice.
type Read<'a> = (Texts<'a>, Option<&'static str>);

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
        let mut members = Texts::default();
        let mut duplicate = None;
        while let Some(name) = map.next_key_seed(NameSeed { token: self.token })? {
            let slot = match name {
                "identity" => &mut members[1],
                "expiresAt" => &mut members[2],
                "scopes" => &mut members[3],
                "error" => &mut members[4],
                "" => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                _ => &mut members[0],
            };
            let json = map.next_value::<&RawValue>()?.get();
            if slot.replace(json).is_some() {
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
        // As bytes, which half a surrogate pair has, too.
        json.deserialize_bytes(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<&'static str, E> {
        let known = [self.token, "identity", "expiresAt", "scopes", "error"];
        Ok(known.into_iter().find(|known| known.as_bytes() == name).unwrap_or(""))
    }
}

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
    for start in ["{\"t\": \"abc", "{\"t\":", "{\"t\":  ", "{\"u\": abc", "{\"t\":{", "[1", ""] {
        assert!(!is_unquoted(start, "t"), "{start}");
    }
}

#[test]
fn escapes_table() {
    let rows: &[(&str, Option<&[u8]>)] = &[
        ("plain", Some(b"plain")),
        (r"a\/b\\c\u0022", Some(b"a/b\\c\"")),
        (r"\b\f\n\r\t", Some(b"\x80\x80\x80\x80\x80")),
        (r"\u0041\u00e9\u20ac", Some(b"A\xe9\x80")),
        (r"\u00", None),
        (r"\u00g0", None),
        ("\\", None),
    ];
    for (inner, wanted) in rows {
        assert_eq!(unescaped(inner.as_bytes()).as_ref().map(AsRef::as_ref), *wanted, "{inner}");
    }
}

/// Pieces of bodies: most of what JSON is made of, much of it broken.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    " ",
    "\n",
    "\t",
    "\r",
    "\u{c}",
    "\u{1}",
    "\u{7f}",
    "é",
    "€",
    "\u{feff}",
    "<",
    "null",
    "true",
    "false",
    "nul",
    "0",
    "7",
    "-",
    "12",
    "01",
    "1.5",
    "1e3",
    "1e999",
    ".5",
    "\"\"",
    "\"a\"",
    "\"a\\\"b\"",
    "\"\\u0041\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"a\u{1}\"",
    "\"é\"",
    "\"a string of more than sixteen bytes\"",
    "\"one of more than sixteen, with \\n in it\"",
    "\"sessionToken\":",
    "\"identity\":",
    "\"expiresAt\":",
    "\"scopes\":",
    "\"error\":",
    "\"other\":",
    "\"identi\\u0074y\":",
    "\"\\ud800\":",
    "\"sessionToken\":\"abc\",",
    "\"identity\":\"u\"",
    "[[[[[[[[",
    "]]]]]]]]",
    "{\"a\":",
    "{\"a\":{\"b\":[1,2,{}]}}",
    "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
];

/// An object of many members, or any sequence of pieces.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = || proptest::sample::select(PIECES);
    let pieces = proptest::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat());
    let member = (
        proptest::sample::select(
            &["sessionToken", "identity", "expiresAt", "scopes", "error", "x", "\\u0078", "ü"][..],
        ),
        prop_oneof![4 => "\"[ -!#-\\[\\]-~]{0,40}\"", 1 => "-?[0-9]{1,3}", 2 => piece().prop_map(String::from)],
        proptest::sample::select(&["", "", "", " ", "\n  "][..]),
    );
    let members = proptest::collection::vec(member, 0..7).prop_map(|members| {
        let member = |(name, value, space): &(&str, String, &str)| {
            format!("{space}\"{name}\"{space}:{space}{value}{space}")
        };
        format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
    });
    let change = proptest::option::weighted(0.2, (any::<proptest::sample::Index>(), any::<u8>()));
    (prop_oneof![1 => pieces, 2 => members], change).prop_map(|(text, change)| {
        let mut body = text.into_bytes();
        if let Some((at, byte)) = change
            && !body.is_empty()
        {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body
    })
}

#[test]
fn the_length_of_a_natural_number_ends_at_a_comma_or_brace() {
    for (json, len) in [
        ("0,", Some(1)),
        ("10}", Some(2)),
        ("9876543210,", Some(10)),
        ("01,", None),
        ("1.5,", None),
        ("-1,", None),
        ("1 ,", None),
        ("1", None),
        (",", None),
        ("", None),
    ] {
        assert_eq!(integer_len(json.as_bytes()), len, "{json}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn a_body_is_read_as_serde_reads_it(body in body()) {
        let read = read(&body, "sessionToken").map(|members| texts(&members));
        prop_assert_eq!(read, reference(&body, "sessionToken"), "{}", String::from_utf8_lossy(&body));
    }

    #[test]
    fn an_object_is_what_serde_takes_for_one(body in body()) {
        let scanned = for_each_member(&body, |_, _| Some(()));
        let is_object = trim(&body).starts_with(b"{")
            && serde_json::from_slice::<IgnoredAny>(&body).is_ok();
        prop_assert_eq!(scanned.is_some(), is_object, "{}", String::from_utf8_lossy(&body));
    }

    #[test]
    fn the_first_byte_that_is_not_plain_is_found_in_a_word(
        word in proptest::array::uniform16(prop_oneof![30 => 0x20_u8..0x80, 1 => any::<u8>()]),
    ) {
        let expected = word.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f | 0x80..));
        prop_assert_eq!(end_of_plain(word), expected);
    }

    #[test]
    fn a_string_is_plain_if_it_is_ascii_without_escapes_and_controls(
        text in proptest::collection::vec(
            prop_oneof![
                30 => proptest::sample::select(&b"ab !~\x7f\x21\x23\x5b\x5d"[..]),
                1 => proptest::sample::select(&b"\"\\\x01\x1f\xa2\xdc\x80\xff\0"[..]),
            ],
            0..80,
        ),
    ) {
        let end = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f | 0x80..));
        let expected = end.filter(|end| text[*end] == b'"').map(|end| end + 2);
        prop_assert_eq!(plain_len(&[b"\"", &text[..]].concat()), expected);
    }
}
