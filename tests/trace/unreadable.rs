//! Lines that can't be understood, and what is said of them.

use videokit_session::trace::{TraceError, replay};

use crate::sessions;

/// A part of a line, what it is replaced by, and what is said about it: `field: problem`.
type Row = (&'static str, &'static str, &'static str);

/// All sessions' traces, to be changed in one place each.
fn traces() -> Vec<String> {
    sessions::all().into_iter().map(|mut recording| recording.trace()).collect()
}

fn check(rows: &[Row]) {
    let traces = traces();
    for (part, other, said) in rows {
        let trace = traces.iter().find(|trace| trace.contains(part));
        let trace = trace.unwrap_or_else(|| panic!("no trace has {part}"));
        let changed = trace.replacen(part, other, 1);
        let line = 1 + trace[..trace.find(part).unwrap()].matches('\n').count();
        let error = replay(&changed).map(|_| "it is read").expect_err(other);
        assert!(matches!(error, TraceError::Unreadable { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("line {line}: {said}"), "{part} as {other}");
        assert_eq!(error.line(), line);
    }
}

const HEADERS: &[Row] = &[
    (
        "\"trace\":\"videokit-session\"",
        "\"trace\":\"another\"",
        "trace: expected the first line of a trace: {\"trace\":\"videokit-session\",…}",
    ),
    ("\"seed\":1,", "\"seed\":-1,", "seed: invalid value: integer `-1`, expected u64"),
    ("\"seed\":1,", "", "line: missing field `seed`"),
    (
        "\"seed\":1,",
        "\"seed\":1,\"sed\":1,",
        "sed: unknown field `sed`, expected one of `trace`, `version`, `crate`, `seed`, `config`, `policy`",
    ),
    (
        "\"https://api.example\"",
        "\"http://api.example\"",
        "config.origins[0]: expected https, or http to a loopback address",
    ),
    (
        "\"https://api.example\"",
        "\"ftp://api.example\"",
        "config.origins[0]: expected https, or http to a loopback address",
    ),
    (
        "\"https://api.example\"",
        "\"https://api.example/path\"",
        "config.origins[0]: an origin ends after its host and port, without a path",
    ),
    (
        "\"https://api.example\"",
        "\"https://api.example\",7",
        "config.origins[1]: invalid type: integer `7`, expected a string",
    ),
    ("[\"https://api.example\"]", "[]", "config.origins: expected at least one origin"),
    (
        "\"header\":\"authorization\"",
        "\"header\":\"é\"",
        "config.header: expected the name of a header",
    ),
    (
        "\"scheme\":\"Bearer \"",
        "\"scheme\":\"\\n\"",
        "config.scheme: the scheme is not visible ASCII, with spaces allowed inside and at the end",
    ),
    (
        "\"scheme\":\"Bearer \"",
        "\"scheme\":\"Bearer\"",
        "config.scheme: the scheme would run into the token: end it with a space or `=`, as in \"Bearer \"",
    ),
    (
        "\"request_timeout_ms\":15000",
        "\"request_timeout_ms\":0",
        "config.request_timeout_ms: the request time-out is not from 1 ms to 1 h",
    ),
    ("\"request_timeout_ms\":15000,", "", "config: missing field `request_timeout_ms`"),
    (
        "\"renewal_percent\":25",
        "\"renewal_percent\":256",
        "config.renewal_percent: invalid value: integer `256`, expected u8",
    ),
    (
        "\"renewal_percent\":25",
        "\"renewal_percent\":51",
        "config.renewal_percent: the renewal percentage is not from 1 to 50",
    ),
    (
        "\"gateway_skew_ms\":1000",
        "\"gateway_skew_ms\":99999999999",
        "config: a skew, the wall clock's error or the renewal margin is over 366 days",
    ),
    ("\"burst\":5", "\"burst\":0", "policy.burst: the burst is not from 1 to 1000 requests"),
    (
        "\"interval_ms\":10000",
        "\"interval_ms\":0",
        "policy.interval_ms: the interval is not from 1 ms to 24 h",
    ),
    (
        "\"spacing_ms\":250",
        "\"spacing_ms\":3600001",
        "policy.spacing_ms: the spacing is not from 1 ms to 1 h",
    ),
    (
        "\"backoff_base_ms\":1000",
        "\"backoff_base_ms\":60001",
        "policy: the backoff's base is not from 1 ms to its cap, or the cap is over 24 h",
    ),
    (
        "\"retry_after_cap_ms\":3600000",
        "\"retry_after_cap_ms\":999",
        "policy.retry_after_cap_ms: the cap of Retry-After is not from 1 s to 7 days",
    ),
    (
        "\"burst\":5",
        "\"burst\":5,\"attempts\":0",
        "policy.attempts: the number of attempts is 0: allow at least one, or set no limit",
    ),
];

#[test]
fn headers() {
    check(HEADERS);
}

const INPUTS: &[Row] = &[
    (
        "\"mono\":5000",
        "\"mono\":5000.5",
        "mono: invalid type: floating point `5000.5`, expected u64",
    ),
    (
        "\"wall\":1795492800000",
        "\"wall\":9223372036854775808",
        "wall: invalid value: integer `9223372036854775808`, expected i64",
    ),
    (
        "\"in\":\"poll\"",
        "\"in\":\"pull\"",
        "in: unknown variant `pull`, expected one of `poll`, `start`, `set_credentials`, `response`, `failure`, `unauthorized`, `online`, `stop`, `observe`",
    ),
    (
        "\"in\":\"poll\"",
        "\"on\":\"poll\"",
        "on: unknown field `on`, expected one of `mono`, `wall`, `in`, `out`, `state`, `token`",
    ),
    ("\"in\":\"poll\",", "", "line: missing field `in`"),
    ("\"in\":\"poll\"", "\"in\":null", "in: invalid type: null, expected string or map"),
    (
        "\"in\":\"poll\"",
        "\"in\":\"poll\"}x",
        "line: expected JSON: trailing characters, at column 47",
    ),
    (
        "\"online\":false",
        "\"online\":0",
        "in.online: invalid type: integer `0`, expected a boolean",
    ),
    (
        "\"unauthorized\":{\"generation\":1",
        "\"unauthorized\":{\"generation\":{}",
        "in.unauthorized.generation: invalid type: map, expected u64",
    ),
    (
        "\"why\":\"Unreachable\"",
        "\"why\":\"Unreached\"",
        "in.failure.why: unknown variant `Unreached`, expected one of `TimedOut`, `Unreachable`, `Interrupted`, `Other`",
    ),
    (
        "\"failure\":{\"id\":\"",
        "\"failure\":{\"id\":\"x",
        "in.failure.id: expected 16 hexadecimal digits, a hyphen and a number in decimal",
    ),
    (
        "\"response\":{\"id\":\"",
        "\"response\":{\"id\":\"-",
        "in.response.id: expected 16 hexadecimal digits, a hyphen and a number in decimal",
    ),
];

#[test]
fn inputs() {
    check(INPUTS);
}

const STARTS: &[Row] = &[
    ("\"token\":\"token-1\"}}", "\"token\":\"\"}}", "in.start.token.token: the token is empty"),
    (
        "\"expires_at\":\"expiry-1\"",
        "\"expires_at\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"",
        "in.start.token.expires_at: expected at most 64 bytes",
    ),
    (
        "\"identity\":\"identity-1\"",
        "\"identity\":\"\"",
        "in.start.credentials.identity: the identity is empty",
    ),
    (
        "\"scopes\":\"scopes-1",
        "\"scopes\":\"scope\u{7f}1",
        "in.start.credentials.scopes: a scope is 1 to 256 visible ASCII characters",
    ),
    (
        "\"endpoint\":\"https://endpoint-1/\"",
        "\"endpoint\":\"https://endpoint 1/\"",
        "in.start.credentials.endpoint: expected a URI, such as https://endpoint-1/",
    ),
    (
        "\"stated_endpoint\":\"https://endpoint-1/\"",
        "\"stated_endpoint\":\"https://endpoint 1/\"",
        "in.start.credentials.stated_endpoint: expected a URI, such as https://endpoint-1/",
    ),
    (
        "\"set_credentials\":{\"name\":\"credentials-5\",\"endpoint\":\"https://endpoint-1/\"",
        "\"set_credentials\":{\"name\":\"credentials-5\",\"endpoint\":\"\"",
        "in.set_credentials.endpoint: expected a URI, such as https://endpoint-1/",
    ),
    (
        "\"set_credentials\":{\"name\":\"credentials-6\"",
        "\"set_credentials\":{\"name\":\"credentials-4\"",
        "in: expected the same as line 28 says of credentials-4",
    ),
    (
        "\"error\":{\"Custom\":\"nothing to ask with\"}",
        "\"error\":{\"Endpoint\":\"Odd\"}",
        "in.start.credentials.error.Endpoint: unknown variant `Odd`, expected one of `NotAUri`, `NotAbsolute`, `UserInfo`, `Port`, `Insecure`, `NotLoopback`, `Wildcard`, `Path`",
    ),
    (
        "\"issuer_writes_date\":true",
        "\"issuer_writes_date\":1",
        "in.start.credentials.issuer_writes_date: invalid type: integer `1`, expected a boolean",
    ),
    (
        "\"name\":\"credentials-2\",\"endpoint\":\"http://endpoint-1/\"",
        "\"name\":\"credentials-1\",\"endpoint\":\"http://endpoint-1/\"",
        "in: expected the same as line 2 says of credentials-1",
    ),
    (
        "\"successor\":{\"name\":\"credentials-2\",\"endpoint\":\"https://endpoint-1/\"",
        "\"successor\":{\"name\":\"credentials-2\",\"endpoint\":\"\"",
        "in.response.reply.body.grant.successor.endpoint: expected a URI, such as https://endpoint-1/",
    ),
    (
        "\"token\":\"token-6\",\"successor\":{\"name\":\"credentials-7\"",
        "\"token\":\"token-6\",\"successor\":{\"name\":\"credentials-1\"",
        "in: expected the same as line 2 says of credentials-1",
    ),
];

#[test]
fn starts() {
    check(STARTS);
}

const REPLIES: &[Row] = &[
    (
        "\"status\":200,\"headers\"",
        "\"status\":99,\"headers\"",
        "in.response.reply.status: expected 100 to 999",
    ),
    (
        "\"date\":\"Tue, 24 Nov 2026 04:00:00 GMT\"",
        "\"date\":\"\\n\"",
        "in.response.reply.headers.date: expected the value of a header",
    ),
    (
        "\"age\":\"30\"",
        "\"age\":30",
        "in.response.reply.headers.age: invalid type: integer `30`, expected a string",
    ),
    (
        "\"age\":\"30\"",
        "\"cookie\":\"30\"",
        "in.response.reply.headers.cookie: unknown field `cookie`, expected one of `date`, `age`, `retry-after`",
    ),
    (
        "\"body\":{\"grant\":{\"token\":\"token-1\"",
        "\"body\":{\"grant\":{\"token\":\"token 1\"",
        "in.response.reply.body.grant.token: the token has a space at index 5: give it alone, without its scheme or white space",
    ),
    (
        "\"body\":{\"grant\"",
        "\"body\":{\"gift\"",
        "in.response.reply.body: unknown variant `gift`, expected `grant` or `denial`",
    ),
    (
        "\"kind\":\"Throttled\"",
        "\"kind\":\"Throttles\"",
        "in.response.reply.body.denial.kind: unknown variant `Throttles`, expected one of `Refused`, `Throttled`, `Transient`, `Redirect`, `Malformed`",
    ),
    (
        "\"permanent\":false",
        "\"permanent\":\"no\"",
        "in.response.reply.body.denial.permanent: invalid type: string \"no\", expected a boolean",
    ),
    (
        "{\"Malformed\":\"Markup\"}",
        "{\"Malformed\":\"Markdown\"}",
        "in.response.reply.body.denial.kind.Malformed: unknown variant `Markdown`, expected one of `Status`, `TooLarge`, `NotUtf8`, `Markup`, `Unquoted`, `UnexpectedEnd`, `Syntax`, `TooDeep`, `NotAnObject`, `Missing`, `Duplicate`, `Mistyped`, `Unusable`, `Stringified`, `Token`, `WrongIdentity`, `ExpiredOnArrival`, `Custom`",
    ),
    (
        "{\"Malformed\":\"Markup\"}",
        "{\"Malformed\":{\"TooLarge\":{\"len\":1}}}",
        "in.response.reply.body.denial.kind.Malformed.TooLarge: missing field `limit`",
    ),
];

#[test]
fn replies() {
    check(REPLIES);
}

#[test]
fn an_expiry_is_read_as_long_as_a_grant_keeps_it() {
    let member = "\"expires_at\":\"expiry-1\"";
    let traces = traces();
    let trace = traces.iter().find(|trace| trace.contains(member)).unwrap();
    let replayed = |length| {
        let other = format!("\"expires_at\":\"{}\"", "x".repeat(length));
        replay(trace.replacen(member, &other, 1))
    };
    assert!(replayed(64).is_ok());
    for length in [65, 66] {
        let error = replayed(length).unwrap_err().to_string();
        assert!(error.ends_with("in.start.token.expires_at: expected at most 64 bytes"), "{error}");
    }
}

/// Answers of a later release may be others, so none is unreadable.
#[test]
fn an_answer_that_no_driver_gives_is_a_difference() {
    let traces = traces();
    for (part, other) in [
        ("\"in\":\"poll\",", "\"in\":\"poll\",\"out\":\"ok\",\"more\":"),
        ("\"in\":\"stop\"", "\"in\":\"stop\",\"out\":\"accepted\""),
        ("\"out\":{\"wait\":{\"ms\":", "\"out\":{\"wait\":{\"s\":"),
        ("\"out\":{\"send\":{\"id\":", "\"out\":{\"sand\":{\"id\":"),
        ("\"out\":\"accepted\"", "\"out\":null"),
        ("\"state\":\"Active\"", "\"state\":\"Active \""),
        ("\"state\":\"Active\",", ""),
        ("\"validity\":\"Valid\",", ""),
    ] {
        let trace = traces.iter().find(|trace| trace.contains(part)).unwrap();
        let line = 1 + trace[..trace.find(part).unwrap()].matches('\n').count();
        match replay(trace.replacen(part, other, 1)) {
            Ok(replayed) => assert_eq!(replayed.difference.unwrap().line, line, "{other}"),
            Err(error) => {
                assert!(other.contains("more"), "{error}");
                assert_eq!(error.line(), line);
            }
        }
    }
}

#[test]
fn words_run_out() {
    let mut recording = crate::recording::Recording::new(1);
    for n in 0..41 {
        let word: &'static str = format!("reason {n}").leak();
        recording.start(crate::recording::own("", word));
    }
    let error = replay(recording.trace()).unwrap_err().to_string();
    let said =
        "in.start.credentials.error.Custom: expected no more than 40 different words in a trace";
    assert!(error.ends_with(said), "{error}");
}

#[test]
fn of_two_wrong_lines_the_first_is_named() {
    let trace = sessions::renewals().trace();
    let wrong = trace.replacen("\"burst\":5", "\"burst\":0", 1);
    let wrong = wrong.replacen("\"in\":\"poll\"", "\"in\":\"pull\"", 1);
    assert_eq!(replay(&wrong).unwrap_err().line(), 1);
}

/// Errors go to terminals, and anybody can write a trace.
#[test]
fn what_is_quoted_is_harmless() {
    let evil = "\u{1b}[2J\u{7}\nline 1: all is well\u{202e}\u{9b}";
    let json = serde_json::to_string(evil).unwrap();
    let trace = sessions::renewals().trace();
    let wrong = trace.replacen("\"in\":\"poll\"", &format!("\"in\":{json}"), 1);
    let member = trace.replacen("\"in\":\"poll\"", &format!("{json}:\"poll\""), 1);
    let newer = format!("{{\"trace\":\"videokit-session\",\"version\":3,\"crate\":{json}}}");
    let mut said = Vec::new();
    for trace in [wrong, member, newer] {
        said.push(replay(trace).unwrap_err().to_string());
    }
    // What differs is quoted as well.
    let (from, to) = ("\"cause\":\"Granted\"", format!("\"cause\":{json}"));
    let other = replay(trace.replacen(from, &to, 1)).unwrap();
    let difference = other.difference.unwrap();
    assert!(difference.expected.contains('\u{202e}'), "{difference:?}");
    let lines = difference.to_string();
    assert_eq!(lines.lines().count(), 3);
    said.extend(lines.lines().map(str::to_owned));
    for said in said {
        assert!(!said.contains(['\u{1b}', '\u{7}', '\n', '\u{202e}', '\u{9b}']), "{said:?}");
    }
    assert!(lines.contains("\"cause\":\"\\u001b[2J"), "JSON stays JSON: {lines}");
}

#[test]
fn what_is_quoted_is_short() {
    let trace = sessions::renewals().trace();
    for text in ["x", "\\u001b", "\u{e000}"] {
        let long = format!("\"in\":\"{}\"", text.repeat(10_000));
        let error = replay(trace.replacen("\"in\":\"poll\"", &long, 1)).unwrap_err();
        assert!(error.to_string().len() < 700, "{}", error.to_string().len());
    }
}
