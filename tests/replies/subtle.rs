//! Cases that a first reading of the body gets wrong: what was cut off, and what is said beside a flaw.

use std::time::Duration;

use http::Response;
use videokit_session::exchange::{DenialKind, Flaw};

use super::bodies::body;
use super::{Asked, read};

fn ok(body: impl Into<Vec<u8>>) -> Response<Vec<u8>> {
    Response::new(body.into())
}

/// Design, rule 6: a floor for the endpoint, and other malformed replies keep it.
#[test]
fn a_reply_without_the_right_identity_keeps_its_retry_after() {
    let other = r#"{"sessionToken":"tok-1","identity":"eve"}"#;
    let silent = r#"{"sessionToken":"tok-1"}"#;
    for (asked, body) in
        [(Asked::Gateway, other), (Asked::Gateway, silent), (Asked::BackendFor, other)]
    {
        let response = Response::builder().header("retry-after", "7").body(body.into()).unwrap();
        let denial = read(asked, &response).unwrap_err();
        assert_eq!(denial.retry_after(), Some(Duration::from_secs(7)), "{asked:?} {body}");
    }
}

/// A word that is JSON is no token without quotes, so the end is what is wrong.
#[test]
fn a_body_cut_after_a_null_token_ends_too_early() {
    let cut = r#"{"sessionToken":null,"identity":"us"#;
    let flaw = Flaw::UnexpectedEnd { missing: Some('"') };
    let denial = read(Asked::Gateway, &ok(cut)).unwrap_err();
    assert_eq!(denial.kind(), DenialKind::Malformed(flaw));
}

/// `Flaw`: positions count bytes from 0, so the mark's three count too.
#[test]
fn a_byte_order_mark_counts_in_the_position_of_a_bracket_too_deep() {
    let deep = "[".repeat(33);
    let at = |at| DenialKind::Malformed(Flaw::TooDeep { at, limit: 32 });
    assert_eq!(read(Asked::Gateway, &ok(deep.as_str())).unwrap_err().kind(), at(32));
    let marked = format!("\u{feff}{deep}");
    assert_eq!(read(Asked::Gateway, &ok(marked)).unwrap_err().kind(), at(35));
}

/// `Denial::server_message`: a string's text, and only another type as JSON.
#[test]
fn a_very_long_error_string_is_kept_as_text() {
    let long = body(&format!(",\"error\":\"{}\"", "x".repeat(50_000)));
    let denial = read(Asked::Gateway, &ok(long)).unwrap_err();
    assert_eq!(denial.server_message(), Some("x".repeat(256).as_str()));
}
