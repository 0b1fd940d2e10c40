//! The lifetime that a JWT states. A token need not be a JWT (wire facts: its shape is not known), and the claims of
//! one are only ever used to shorten its life.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use memchr::{memchr, memrchr};

use super::json;
use crate::secret::ZeroizingBuffer;

/// Returns `exp - iat` in milliseconds, if the token is a JWT that has both.
///
/// These are registered claims of RFC 7519. Each has to appear once, as a `NumericDate`, which may have a fraction.
/// A claim whose name is written with escapes is ignored.
#[expect(
    clippy::cast_possible_truncation,
    clippy::as_conversions,
    reason = "saturates, and a hint may be absurd"
)]
pub(crate) fn lifetime(token: &[u8]) -> Option<i64> {
    let json = decode(claims(token)?)?;
    let (mut exp, mut iat) = (None, None);
    json::for_each_member(json.as_ref(), |name, value| {
        let slot = match name.json {
            b"\"exp\"" => &mut exp,
            b"\"iat\"" => &mut iat,
            _ => return Some(()),
        };
        slot.replace(value.json).is_none().then_some(())
    })?;
    let millis = (number(exp?)? - number(iat?)?) * 1_000.0;
    millis.is_finite().then_some(millis as i64)
}

/// Reads a number. The usual one is a whole second of this century.
fn number(json: &[u8]) -> Option<f64> {
    let whole = json.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    });
    whole.map(f64::from).or_else(|| core::str::from_utf8(json).ok()?.parse().ok())
}

/// Returns the second of three parts. The first two are JSON objects, so both begin with `{`: `e` in base64.
fn claims(token: &[u8]) -> Option<&[u8]> {
    let token = token.strip_prefix(b"e")?;
    let (first, last) = (memchr(b'.', token)?, memrchr(b'.', token)?);
    // Another dot between them is not base64.
    token.get(first.checked_add(1)?..last).filter(|claims| claims.starts_with(b"e"))
}

/// Decodes base64url without padding (RFC 4648, section 5) into a buffer that is wiped.
fn decode(text: &[u8]) -> Option<ZeroizingBuffer> {
    let mut buffer = ZeroizingBuffer(Vec::new());
    URL_SAFE_NO_PAD.decode_vec(text, &mut buffer.0).ok()?;
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            assert_eq!(lifetime(jwt(claims).as_bytes()), *wanted, "{claims}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for json in ["1:", "1/", "4294967296:", "\"1\"", "null"] {
            assert_eq!(number(json.as_bytes()), None, "{json}");
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
            assert_eq!(lifetime(jwt(&beside).as_bytes()), Some(1_000), "{beside}");
            let instead = format!(r#"{{"iat":1,"x":{other}}}"#);
            assert_eq!(lifetime(jwt(&instead).as_bytes()), None, "{instead}");
        }
    }

    #[test]
    fn other_shapes_give_no_hint() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"exp":2,"iat":1}"#);
        assert_eq!(lifetime(format!("e30.{claims}.c").as_bytes()), Some(1_000));
        assert_eq!(lifetime(format!("a30.{claims}.c").as_bytes()), None, "its header is no object");
        for token in ["opaque", "a.b", "a.b.c", "a.b.c.d", "..", "a.====.c", "é.é.é"] {
            assert_eq!(lifetime(token.as_bytes()), None, "{token}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None, ..ProptestConfig::with_cases(20_000)
        })]

        #[test]
        fn a_number_is_what_the_standard_library_reads(text in "-?[0-9]{1,12}(\\.[0-9]{1,3})?(e-?[0-9]{1,2})?|true") {
            prop_assert_eq!(number(text.as_bytes()), text.parse().ok());
        }
    }
}
