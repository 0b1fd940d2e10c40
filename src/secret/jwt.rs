//! Hints from a token that happens to be a JWT. None is required (wire facts: a token's shape is not
//! known), none is trusted further than to shorten a lifetime.

use core::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

/// `exp - iat` in milliseconds, if the token is a JWT that has both.
///
/// They are the registered claims of RFC 7519 that speak of time; each a `NumericDate`, which may have a
/// fraction. A claim whose name is written with escapes is none of them.
pub(super) fn lifetime(token: &str) -> Option<i64> {
    let mut parts = token.split('.');
    let (_header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    // Sized up front, so that no unwiped buffer is left behind by growth.
    let mut json = Zeroizing::new(vec![0; base64::decoded_len_estimate(claims.len())]);
    let len = URL_SAFE_NO_PAD.decode_slice(claims, &mut json).ok()?;
    let json = json.get(..len).filter(|json| json.starts_with(b"{"))?;
    // Well-formed, or no hint. What is ignored is copied nowhere, unlike a name with escapes that is read.
    let _: IgnoredAny = serde_json::from_slice(json).ok()?;
    let millis = (number(json, b"\"exp\"")? - number(json, b"\"iat\"")?) * 1_000.0;
    if !millis.is_finite() {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::as_conversions,
        reason = "saturates, and a hint may be absurd"
    )]
    let millis = millis as i64;
    Some(millis)
}

/// The claim of this name, in its quotes, if it is there once and is a number. `json` is a well-formed object.
fn number(json: &[u8], name: &[u8]) -> Option<f64> {
    let mut found = None;
    let mut members = Members { json, at: 1 };
    while let Some((key, value)) = members.next() {
        if json.get(key)? == name && found.replace(value).is_some() {
            return None;
        }
    }
    core::str::from_utf8(json.get(found?)?).ok()?.trim_ascii().parse().ok()
}

/// The members of a well-formed object, as they stand in it: names with their quotes, and values.
struct Members<'a> {
    json: &'a [u8],
    at: usize,
}

impl Members<'_> {
    fn next(&mut self) -> Option<(Range<usize>, Range<usize>)> {
        let start =
            self.at.checked_add(self.json.get(self.at..)?.iter().position(|b| *b == b'"')?)?;
        let end = self.end_of_string(start)?;
        let colon = end.checked_add(self.json.get(end..)?.iter().position(|b| *b == b':')?)?;
        let value = colon.checked_add(1)?;
        self.at = self.end_of_value(value)?;
        Some((start..end, value..self.at))
    }

    /// Where the string ends whose opening quote is at `start`.
    fn end_of_string(&self, start: usize) -> Option<usize> {
        let mut at = start.checked_add(1)?;
        loop {
            match self.json.get(at)? {
                b'"' => return at.checked_add(1),
                b'\\' => at = at.checked_add(2)?,
                _ => at = at.checked_add(1)?,
            }
        }
    }

    /// Where the comma or brace stands that ends the value which begins at `at`.
    fn end_of_value(&self, mut at: usize) -> Option<usize> {
        let mut depth = 0_usize;
        loop {
            match self.json.get(at)? {
                b'"' => {
                    at = self.end_of_string(at)?;
                    continue;
                }
                b'{' | b'[' => depth = depth.checked_add(1)?,
                b',' | b'}' if depth == 0 => return Some(at),
                b'}' | b']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            at = at.checked_add(1)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn claims_table() {
        let deep = format!("{{\"exp\":2,\"iat\":1,\"x\":{}1{}}}", "[".repeat(500), "]".repeat(500));
        let rows: &[(&str, Option<i64>)] = &[
            (r#"{"exp":1700003600,"iat":1700000000}"#, Some(3_600_000)),
            (r#"{"iat":1700000000,"sub":"u","exp":1700000000.5}"#, Some(500)),
            (r#"{"exp":1,"iat":2}"#, Some(-1_000)),
            (r#"{"exp":1e300,"iat":0}"#, Some(i64::MAX)),
            (r#"{"exp":1e308,"iat":-1e308}"#, None),
            (r#"{"exp":"1700003600","iat":1700000000}"#, None),
            (r#"{"exp":1,"exp":2,"iat":0}"#, None),
            (r#"{"exp":1700003600}"#, None),
            (&deep, Some(1_000)),
            (" {\"exp\":2,\"iat\":1}", None),
            ("{ \"iat\" : 1 , \"x\" : {\"exp\":9,\"y\":[\"}\"]} , \"exp\"\n:\t2 }", Some(1_000)),
            (r#"{"a\"exp":7,"\\":"\\","s":"\",\"exp\":5,","exp":2,"iat":1}"#, Some(1_000)),
            (r#"{"https:\/\/a\/b":{"\u0065xp":7},"exp":2,"iat":1}"#, Some(1_000)),
            (r#"{"\u0065xp":2,"iat":1}"#, None),
            (r#"{"exp":2,"\u0065xp":3,"iat":1}"#, Some(1_000)),
            (r#"{"exp":2,"iat":1,}"#, None),
            (r#"{"exp":2,"iat":1} x"#, None),
            (r#"{"exp":2,"iat":01}"#, None),
            (r#"{"exp":-0.5e1,"iat":-6}"#, Some(1_000)),
            (r#"{"exp":NaN,"iat":1}"#, None),
            (r#"{"exp":true,"iat":1}"#, None),
            (r#"{"exp":[2],"iat":{"exp":1}}"#, None),
            ("{}", None),
            ("[1,2]", None),
            (r#"{"exp":null,"iat":1}"#, None),
            (r#""text""#, None),
            ("", None),
        ];
        for (claims, wanted) in rows {
            assert_eq!(lifetime(&jwt(claims)), *wanted, "{claims}");
        }
    }

    #[test]
    fn a_name_inside_of_a_claim_is_not_a_claim() {
        for other in [
            r#"{"a":1,"exp":9}"#,
            r#"{"a":{"b":1},"exp":9}"#,
            r#"[1,{"a":1,"exp":9}]"#,
            r#"[[],"exp",{"exp":9}]"#,
        ] {
            let beside = format!(r#"{{"exp":2,"x":{other},"iat":1}}"#);
            assert_eq!(lifetime(&jwt(&beside)), Some(1_000), "{beside}");
            let instead = format!(r#"{{"iat":1,"x":{other}}}"#);
            assert_eq!(lifetime(&jwt(&instead)), None, "{instead}");
        }
    }

    #[test]
    fn other_shapes_give_no_hint() {
        for token in ["opaque", "a.b", "a.b.c", "a.b.c.d", "..", "a.====.c", "é.é.é"] {
            assert_eq!(lifetime(token), None, "{token}");
        }
    }
}
