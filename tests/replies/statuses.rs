//! Replies whose status alone says what they are, and when to come back.

use http::Response;
use videokit_session::exchange::{DenialKind, Flaw, Reply};

use super::{Asked, Expected, Row, denial, flaw, row};

const GRANTING: &str = r#"{"sessionToken":"tok-1","identity":"user-17"}"#;
const ERROR: &str = r#"{"error":"x"}"#;
const DATE: &str = "Tue, 24 Nov 2026 04:00:00 GMT";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = classes();
    rows.extend(messages());
    rows.extend(waits());
    rows
}

/// Statuses that are read alike, and how.
type Class = (&'static [u16], fn() -> Expected);

/// Each status, with a body that would grant: but for 200 and 201, no body makes up for a status.
fn classes() -> Vec<Row> {
    let kinds: [Class; 5] = [
        (&[100, 101, 199, 202, 203, 204, 205, 206, 207, 299, 600, 999], || flaw(Flaw::Status)),
        (&[300, 301, 302, 303, 304, 307, 308, 399], || denial(DenialKind::Redirect)),
        (&[407, 408, 421, 425, 500, 501, 502, 503, 504, 511, 599], || {
            denial(DenialKind::Transient)
        }),
        (&[429], || denial(DenialKind::Throttled)),
        (&[400, 401, 402, 403, 404, 405, 406, 409, 410, 413, 418, 422, 426, 431, 451, 499], || {
            denial(DenialKind::Refused)
        }),
    ];
    let mut rows = Vec::new();
    for (statuses, expected) in kinds {
        for &status in statuses {
            rows.push(row(format!("status {status}"), status, GRANTING, expected()));
        }
    }
    let page = "<html>Sign in to this network</html>";
    rows.push(row("portal's redirect", 302, page, denial(DenialKind::Redirect)));
    rows.push(row("portal's page", 511, page, denial(DenialKind::Transient)));
    for status in [400, 402, 403, 404, 405, 410, 418, 422, 451, 499] {
        rows.push(row(format!("page with {status}"), status, page, flaw(Flaw::Markup)));
    }
    for (status, kind) in [
        (401, DenialKind::Refused),
        (407, DenialKind::Transient),
        (408, DenialKind::Transient),
        (421, DenialKind::Transient),
        (425, DenialKind::Transient),
        (429, DenialKind::Throttled),
    ] {
        rows.push(row(format!("page with {status}"), status, page, denial(kind)));
    }
    let large = format!("\u{feff}\r\n{page}{}", " ".repeat(64 * 1_024));
    rows.push(row("page with 403, too large", 403, large, flaw(Flaw::Markup)));
    rows.push(row("page with 403, in Latin-1", 403, b"<p>\xe9", flaw(Flaw::Markup)));
    rows.push(row("page with 403, legacy", 403, page, flaw(Flaw::Markup)).asked(Asked::Legacy));
    rows.push(row("page with 402, backend", 402, page, flaw(Flaw::Markup)).asked(Asked::Backend));
    rows.push(row("page behind text with 403", 403, "x<html>", denial(DenialKind::Refused)));
    rows.push(row("page in JSON with 403", 403, "\"<p>\"", denial(DenialKind::Refused)));
    rows.push(
        row("redirect elsewhere", 307, "", denial(DenialKind::Redirect))
            .header("location", "https://elsewhere.example/"),
    );
    rows
}

/// What a server says of an error is kept, whatever its status.
fn messages() -> Vec<Row> {
    let error = |status: u16, kind| {
        row(format!("error with {status}"), status, ERROR, denial(kind).saying("x"))
    };
    let large = format!("{ERROR}{}", " ".repeat(64 * 1_024));
    vec![
        error(202, DenialKind::Refused),
        error(204, DenialKind::Refused),
        error(299, DenialKind::Refused),
        error(100, DenialKind::Malformed(Flaw::Status)),
        error(302, DenialKind::Redirect),
        error(403, DenialKind::Refused),
        error(407, DenialKind::Transient),
        error(408, DenialKind::Transient),
        error(421, DenialKind::Transient),
        error(429, DenialKind::Throttled),
        error(500, DenialKind::Transient),
        error(999, DenialKind::Malformed(Flaw::Status)),
        row("error in a body too large", 401, &large, denial(DenialKind::Refused)),
        row("error in broken JSON", 401, "{\"error\":\"x\"", denial(DenialKind::Refused)),
        row("null error with 401", 401, "{\"error\":null}", denial(DenialKind::Refused)),
        row("null error with 202", 202, "{\"error\":null}", flaw(Flaw::Status)),
        row("a passing refusal", 402, ERROR, denial(DenialKind::Refused).saying("x").passing())
            .asked(Asked::Backend),
        row("a lasting refusal", 403, ERROR, denial(DenialKind::Refused).saying("x"))
            .asked(Asked::Backend),
        row(
            "a passing refusal, for one",
            402,
            ERROR,
            denial(DenialKind::Refused).saying("x").passing(),
        )
        .asked(Asked::BackendFor),
        row("a passing refusal without words", 402, "", denial(DenialKind::Refused).passing())
            .asked(Asked::Backend),
        row("a gateway's refusal lasts", 402, "", denial(DenialKind::Refused)),
        error(203, DenialKind::Refused),
        error(206, DenialKind::Refused),
        error(400, DenialKind::Refused),
        error(425, DenialKind::Transient),
        error(503, DenialKind::Transient),
        error(600, DenialKind::Malformed(Flaw::Status)),
        row(
            "error object with 404",
            404,
            "{\"error\":{\"code\":7}}",
            denial(DenialKind::Refused).saying("{\"code\":7}"),
        ),
        row("error in a page", 403, "<html>error</html>", flaw(Flaw::Markup)),
        row("falsy error with 401", 401, "{\"error\":false}", denial(DenialKind::Refused)),
        row("falsy error with 202", 202, "{\"error\":\"\"}", flaw(Flaw::Status)),
        row("falsy error with 503", 503, "{\"error\":0}", denial(DenialKind::Transient)),
        row("error in a large body with 202", 202, &large, flaw(Flaw::Status)),
        row("no content", 204, "", flaw(Flaw::Status)),
        row("no content, to a backend", 204, "", flaw(Flaw::Status)).asked(Asked::Backend),
        row("not modified", 304, "", denial(DenialKind::Redirect)).asked(Asked::Backend),
        row("unauthorized without words", 401, "", denial(DenialKind::Refused))
            .asked(Asked::Legacy),
        row("not UTF-8 with 400", 400, b"{\"error\":\"\xff\"}", denial(DenialKind::Refused)),
        row("a backend's own trouble", 502, "", denial(DenialKind::Transient))
            .asked(Asked::Backend),
        row("a legacy refusal", 401, ERROR, denial(DenialKind::Refused).saying("x"))
            .asked(Asked::Legacy),
    ]
}

/// `Retry-After`, in both forms, on a reply with `Date`.
fn waits() -> Vec<Row> {
    let throttled = |wait: Option<u64>| {
        let expected = denial(DenialKind::Throttled);
        wait.map_or(expected.clone(), |wait| expected.after(wait))
    };
    let huge = u64::MAX; // saturates: more than can be counted in milliseconds
    let texts = [
        ("120", Some(120)),
        ("0", Some(0)),
        (" 7 ", Some(7)),
        ("99999999999999999999999999", Some(huge)),
        ("Tue, 24 Nov 2026 04:02:00 GMT", Some(120)),
        ("Tuesday, 24-Nov-26 04:02:00 GMT", Some(120)),
        (DATE, Some(0)),
        ("Tue, 24 Nov 2026 03:00:00 GMT", Some(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(251_606_807_999)),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("Tue, 24 Nov 2026", None),
        ("Tue Nov 24 04:02:00 2026", Some(120)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("2026-11-24T04:02:00Z", None),
        ("+5", None),
        ("0x10", None),
        ("1e3", None),
        ("5, 6", Some(6)),
        ("6,5,", Some(6)),
        ("5, soon", Some(5)),
        ("7, Tue, 24 Nov 2026 04:02:00 GMT", Some(7)),
        (", ", None),
        ("18446744073709551616", Some(huge)),
    ];
    let mut rows = Vec::new();
    for (text, wait) in texts {
        let row = row(format!("wait {text:?}"), 429, "", throttled(wait));
        rows.push(row.header("date", DATE).header("retry-after", text));
    }
    let dated = row("wait until a date, by a junk date", 429, "", throttled(None));
    rows.push(dated.header("date", "yesterday").header("retry-after", DATE));
    let raw = row("wait not ASCII", 429, "", throttled(None));
    rows.push(raw.header("date", DATE).header("retry-after", b"12\xff"));
    for (lines, wait) in [
        (&["9", "90"][..], Some(90)),
        (&["90", "9"], Some(90)),
        (&["soon", "9"], Some(9)),
        (&["9", "Tue, 24 Nov 2026 04:02:00 GMT"], Some(120)),
        (&["200, 9", "Tue, 24 Nov 2026 04:02:00 GMT"], Some(200)),
        (&["soon", "later"], None),
    ] {
        let row = row(format!("waits {lines:?}"), 429, "", throttled(wait)).header("date", DATE);
        rows.push(lines.iter().fold(row, |row, line| row.header("retry-after", line)));
    }
    let undated = |name: &str, wait| row(name, 429, "", throttled(wait));
    rows.push(undated("wait in seconds without date", Some(9)).header("retry-after", "9"));
    rows.push(undated("wait until a date without date", None).header("retry-after", DATE));
    rows.push(undated("no wait", None).header("date", DATE));
    let transient = denial(DenialKind::Transient).after(30);
    rows.push(row("wait with 503", 503, "", transient).header("retry-after", "30"));
    rows.push(
        row("wait with a refusal", 403, "", denial(DenialKind::Refused).after(30))
            .header("retry-after", "30"),
    );
    let until = "Tue, 24 Nov 2026 04:01:00 GMT";
    let kinds: [(u16, &str, Expected); 8] = [
        (202, ERROR, denial(DenialKind::Refused).saying("x")),
        (200, ERROR, denial(DenialKind::Refused).saying("x")),
        (200, "", denial(DenialKind::Transient)),
        (200, "{", flaw(Flaw::UnexpectedEnd { missing: Some('}') })),
        (403, "<html>", flaw(Flaw::Markup)),
        (302, "", denial(DenialKind::Redirect)),
        (200, "<html>", flaw(Flaw::Markup)),
        (204, "", flaw(Flaw::Status)),
    ];
    for (status, body, expected) in kinds {
        let row = row(format!("wait with {status} {body:?}"), status, body, expected.after(60));
        rows.push(row.header("date", DATE).header("retry-after", until));
    }
    let passing = denial(DenialKind::Refused).saying("x").after(60).passing();
    let passing = row("wait with a passing refusal", 402, ERROR, passing).asked(Asked::Backend);
    rows.push(passing.header("retry-after", "60"));
    rows
}

/// What an exchange of one's own builds on: the body, untouched, or what the status says.
#[test]
fn a_granting_body_is_handed_over_as_it_came() {
    for (status, body, expected) in [
        (200, "\0<", Ok("\0<")),
        (201, "12345", Ok("12345")),
        (200, "123456", Err(DenialKind::Malformed(Flaw::TooLarge { len: 6, limit: 5 }))),
        (200, "", Err(DenialKind::Transient)),
        (201, "", Err(DenialKind::Transient)),
        (204, "", Err(DenialKind::Malformed(Flaw::Status))),
        (307, "x", Err(DenialKind::Redirect)),
        (403, "123456", Err(DenialKind::Refused)),
        (403, " <12345", Err(DenialKind::Malformed(Flaw::Markup))),
        (401, "<", Err(DenialKind::Refused)),
        (407, "<", Err(DenialKind::Transient)),
        (429, "x", Err(DenialKind::Throttled)),
        (503, "x", Err(DenialKind::Transient)),
    ] {
        let response = Response::builder().status(status).body(body).unwrap();
        let read = Reply::from(&response).granting_body(5).map_err(|denial| denial.kind());
        assert_eq!(read, expected.map(str::as_bytes), "{status} {body:?}");
    }
}

/// What an exchange of one's own builds on if its replies are JSON.
#[test]
fn a_granting_object_is_read_or_its_flaw_is_named() {
    use videokit_session::exchange::JsonType;

    #[derive(serde::Deserialize)]
    struct Granted<'a> {
        token: &'a str,
    }

    let malformed = |flaw| Err(DenialKind::Malformed(flaw));
    let shape = Flaw::Custom("the object has not the members that the exchange reads");
    let deep = format!("{}{}", r#"{"a":"#.repeat(33), "}".repeat(33));
    for (status, body, expected) in [
        (200, r#"{"token":"t","more":[1]}"#, Ok("t")),
        (201, "\u{feff} \n{\"token\":\"t\"} ", Ok("t")),
        (200, " \n", Err(DenialKind::Transient)),
        (200, "\u{feff}", Err(DenialKind::Transient)),
        (200, " <html>", malformed(Flaw::Markup)),
        (200, r#"["t"]"#, malformed(Flaw::NotAnObject { found: JsonType::Array })),
        (200, "17", malformed(Flaw::NotAnObject { found: JsonType::Number })),
        (200, r#"{"token":5}"#, malformed(shape)),
        (200, "{}", malformed(shape)),
        (200, r#"{"token":"t","token":"u"}"#, malformed(shape)),
        (200, r#"{"token":"t"#, malformed(Flaw::UnexpectedEnd { missing: Some('"') })),
        (200, r#"{"token":"t"}}"#, malformed(Flaw::Syntax { line: 1, column: 14 })),
        (200, "tok-1", malformed(Flaw::Syntax { line: 1, column: 2 })),
        (200, &deep, malformed(Flaw::TooDeep { at: 160, limit: 32 })),
        (400, r#"{"token":"t"}"#, Err(DenialKind::Refused)),
        (503, r#"{"token":"t"}"#, Err(DenialKind::Transient)),
    ] {
        let response = Response::builder().status(status).header("retry-after", "60").body(body);
        let response = response.unwrap();
        let read = Reply::from(&response).granting_json::<Granted<'_>>(400);
        let read = read.map(|granted| granted.token).map_err(|denial| {
            assert_eq!(denial.retry_after().map(|wait| wait.as_secs()), Some(60), "{body:?}");
            denial.kind()
        });
        assert_eq!(read, expected, "{status} {body:?}");
    }
    // Its error is the message, as in the replies of gateways.
    for (status, body, message) in [
        (400, r#"{"error":"invalid_grant"}"#, Some("invalid_grant")),
        (503, r#"{"error":"later"}"#, Some("later")),
        (400, r#"{"error":false}"#, None),
        (400, "invalid_grant", None),
    ] {
        let response = Response::builder().status(status).body(body).unwrap();
        let denial = Reply::from(&response).granting_json::<Granted<'_>>(400).map(|_| ());
        assert_eq!(denial.unwrap_err().server_message(), message, "{status} {body:?}");
    }
    let response = Response::new([&b"{\"token\":\""[..], &[0xff], b"\"}"].concat());
    let read = Reply::from(&response).granting_json::<Granted<'_>>(400);
    let kind = read.map(|granted| granted.token.to_owned()).map_err(|denial| denial.kind());
    assert_eq!(kind, malformed(Flaw::NotUtf8 { at: 10 }).map(str::to_owned));
}
