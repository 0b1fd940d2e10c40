//! Any reply at all: nothing panics, and nothing but a grant grants.

use http::{HeaderValue, Response};
use proptest::prelude::*;
use proptest::sample::Index;

use serde_json::Value;

use super::{Asked, read};
use videokit_session::Identity;
use videokit_session::exchange::{DenialKind, Flaw};

const ALL: [Asked; 7] = [
    Asked::Gateway,
    Asked::Legacy,
    Asked::Backend,
    Asked::BackendFor,
    Asked::Accented,
    Asked::Roomy,
    Asked::Tight,
];

/// A reply that grants, and what may become of it on the way.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop::sample::select(vec![
        r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T05:00:00Z","identity":"user-17","scopes":["a"]}"#,
        r#"{"session_key":"tok-1","identity":"user-17"}"#,
        "{\"sessionToken\":\"tok-1\",\"identity\":\"zo\u{eb}\",\"error\":null}",
    ]);
    let change = (any::<Index>(), any::<Index>(), any::<u8>(), 0..5_u8);
    (valid, prop::collection::vec(change, 0..4)).prop_map(|(valid, changes)| {
        let mut body = valid.as_bytes().to_vec();
        for (at, other, byte, how) in changes {
            if body.is_empty() {
                break;
            }
            let (at, other) = (at.index(body.len()), other.index(body.len()));
            match how {
                0 => body.truncate(at),
                1 => body[at] = byte,
                2 => body.insert(at, byte),
                3 => drop(body.drain(at.min(other)..at.max(other))),
                _ => {
                    let piece = body[at.min(other)..at.max(other)].to_vec();
                    body.splice(at..at, piece);
                }
            }
        }
        body
    })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => mutated(),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => "[\\[\\]{}\",:a-f0-9\\\\ ]{0,60}".prop_map(String::into_bytes),
    ]
}

fn header() -> impl Strategy<Value = HeaderValue> {
    let sensible = prop_oneof![
        Just("Tue, 24 Nov 2026 04:00:00 GMT".to_owned()),
        "[0-9]{1,30}",
        "[A-Za-z0-9 ,:-]{0,80}",
    ];
    let any_bytes = prop::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        sensible.prop_filter_map("a header", |text| HeaderValue::from_str(&text).ok()),
        any_bytes.prop_filter_map("a header", |bytes| HeaderValue::from_bytes(&bytes).ok()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn every_reply_is_a_grant_or_a_denial(
        asked in prop::sample::select(ALL.to_vec()),
        status in prop_oneof![3 => Just(200_u16), 1 => Just(201), 2 => 100..1_000_u16],
        body in bodies(),
        headers in prop::collection::vec(
            (prop::sample::select(vec!["date", "age", "retry-after", "content-length"]), header()),
            0..4,
        ),
    ) {
        let mut response = Response::builder().status(status).body(body).unwrap();
        for (name, value) in headers {
            response.headers_mut().append(name, value);
        }
        match read(asked, &response) {
            Ok(grant) => {
                prop_assert!(status == 200 || status == 201);
                prop_assert!(!grant.token().expose().is_empty());
                // Another reader of JSON finds the same token, where it can read the body at all.
                let text = std::str::from_utf8(response.body()).unwrap();
                let text = text.strip_prefix('\u{feff}').unwrap_or(text);
                if let Ok(json) = serde_json::from_str::<Value>(text) {
                    let member = if asked == Asked::Legacy { "session_key" } else { "sessionToken" };
                    prop_assert_eq!(json[member].as_str(), Some(grant.token().expose()));
                    prop_assert_eq!(json["identity"].as_str(), grant.identity().map(Identity::as_str));
                    prop_assert!(is_no_error(&json["error"]), "{}", json["error"]);
                }
                prop_assert!(grant.token().expose().bytes().all(|b| b.is_ascii_graphic()));
                let named = grant.identity().map(ToString::to_string);
                match asked {
                    Asked::Gateway | Asked::Legacy | Asked::Roomy => {
                        prop_assert_eq!(named.as_deref(), Some("user-17"));
                    }
                    Asked::Accented => prop_assert_eq!(named.as_deref(), Some("zo\u{eb}")),
                    Asked::BackendFor => prop_assert!(named.is_none_or(|named| named == "user-17")),
                    Asked::Backend | Asked::Tight => {}
                }
            }
            Err(denial) => {
                prop_assert_eq!(denial.status().as_u16(), status);
                prop_assert!(denial.to_string().len() < 300, "{denial}");
                // What the server wrote may be a secret: neither text shows it.
                let shown = format!("{denial} {denial:?}");
                prop_assert!(!["tok-1", "user-17"].iter().any(|text| shown.contains(text)), "{shown}");
                let refused = denial.kind() == DenialKind::Refused;
                prop_assert!(refused || !denial.is_permanent());
            }
        }
    }
}

/// What JavaScript's `if (json.error)` passes over.
fn is_no_error(error: &Value) -> bool {
    match error {
        Value::Null => true,
        Value::Bool(error) => !error,
        Value::Number(error) => error.as_f64() == Some(0.0),
        Value::String(error) => error.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// A body that ends early says what it lacks, wherever it ends: in a name, an escape or a character. Only
/// in a number, what is there is wrong by itself.
#[test]
fn every_cut_of_a_granting_reply_says_what_is_missing() {
    let whole = r#" {"sessionToken":"tok\u002d1","x":[{"y":"é😀"},-1.5e+3,true,null],"identity":"user-17"} "#;
    let whole = whole.trim_end().as_bytes();
    let number = whole.windows(7).position(|part| part == b"-1.5e+3").unwrap();
    let at = |end: usize| Response::new(whole[..end].to_vec());
    for asked in [Asked::Gateway, Asked::Backend, Asked::BackendFor] {
        for end in 0..whole.len() {
            let kind = read(asked, &at(end)).unwrap_err().kind();
            let cut = &whole[..end];
            let in_string = cut.split(|byte| *byte == b'"').count() % 2 == 0;
            let brackets = cut.iter().filter(|byte| b"{}[]".contains(byte));
            let brackets: String = brackets.map(|byte| char::from(*byte)).collect();
            let open = brackets.replace("{}", "").replace("[]", "");
            let missing = match open.chars().last() {
                _ if in_string => Some('"'),
                Some('{') => Some('}'),
                Some('[') => Some(']'),
                _ => None,
            };
            let expected = match end {
                0 | 1 => DenialKind::Transient,
                _ if [1, 3, 5, 6].map(|at| number + at).contains(&end) => {
                    DenialKind::Malformed(Flaw::Syntax { line: 1, column: end })
                }
                _ => DenialKind::Malformed(Flaw::UnexpectedEnd { missing }),
            };
            assert_eq!(kind, expected, "{asked:?}, cut to {end} bytes");
        }
        assert!(read(asked, &at(whole.len())).is_ok(), "{asked:?}");
    }
}

/// No status but 200 and 201 grants, for any exchange.
#[test]
fn every_status_but_two_denies_a_granting_body() {
    let body = br#"{"sessionToken":"tok-1","session_key":"tok-1","identity":"user-17"}"#;
    for asked in [Asked::Gateway, Asked::Legacy, Asked::Backend, Asked::BackendFor] {
        for status in 100..1_000_u16 {
            let response = Response::builder().status(status).body(body.to_vec()).unwrap();
            let granted = read(asked, &response).is_ok();
            assert_eq!(granted, status == 200 || status == 201, "{asked:?}, {status}");
        }
    }
}
