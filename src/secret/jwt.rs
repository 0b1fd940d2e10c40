//! Hints from a token that happens to be a JWT. None is required (wire facts: a token's shape is not
//! known), none is trusted further than to shorten a lifetime.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// The registered claims of RFC 7519 that speak of time; each a `NumericDate`, which may have a fraction.
/// Raw, since a reader of numbers would quote in its error what it found instead.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    exp: &'a RawValue,
    #[serde(borrow)]
    iat: &'a RawValue,
}

/// `exp - iat` in milliseconds, if the token is a JWT that has both.
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
    let claims: Claims<'_> = serde_json::from_slice(json).ok()?;
    let millis = (number(claims.exp)? - number(claims.iat)?) * 1_000.0;
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

fn number(value: &RawValue) -> Option<f64> {
    value.get().parse().ok()
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
    fn other_shapes_give_no_hint() {
        for token in ["opaque", "a.b", "a.b.c", "a.b.c.d", "..", "a.====.c", "é.é.é"] {
            assert_eq!(lifetime(token), None, "{token}");
        }
    }
}
