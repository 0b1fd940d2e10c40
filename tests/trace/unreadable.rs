//! Lines that can't be understood, and what is said of them.

use videokit_session::trace::{TraceError, replay};

use crate::damage::resealed;
use crate::sessions;

/// A part of a line, what it is replaced by, and what is said about it: `field: problem`.
type Row = (&'static str, &'static str, &'static str);

/// All sessions' traces, to be changed in one place each.
fn traces() -> Vec<String> {
    sessions::all().into_iter().map(|mut stage| stage.trace()).collect()
}

fn check(rows: &[Row]) {
    let traces = traces();
    for (part, other, said) in rows {
        let trace = traces.iter().find(|trace| trace.contains(part));
        let trace = trace.unwrap_or_else(|| panic!("no trace has {part}"));
        let changed = resealed(&trace.replacen(part, other, 1));
        let line = 1 + trace[..trace.find(part).unwrap()].matches('\n').count();
        let error = replay(&changed).map(|_| "it is read").expect_err(other);
        assert!(matches!(error, TraceError::Unreadable { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("line {line}: {said}"), "{part} as {other}");
        assert_eq!(error.line(), line);
    }
}

const HEADERS: &[Row] = &[
    ("\"version\":1", "\"version\":0", "version: expected 1"),
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
        "in: unknown variant `pull`, expected one of `start`, `set_credentials`, `poll`, `response`, `failure`, `unauthorized`, `online`, `stop`, `observe`",
    ),
    (
        "\"in\":\"poll\"",
        "\"on\":\"poll\"",
        "on: unknown field `on`, expected one of `n`, `mono`, `wall`, `in`, `out`, `state`, `token`",
    ),
    ("\"in\":\"poll\"", "\"in\":\"poll\",\"out\":\"ok\"", "line: expected either `in` or `out`"),
    ("\"in\":\"poll\"", "\"in\":null", "line: expected either `in` or `out`"),
    (
        "\"in\":\"poll\"",
        "\"out\":\"ok\"",
        "out: expected an input: no call is waiting for an answer",
    ),
    ("\"out\":\"ok\"", "\"in\":\"stop\"", "out: expected an output: what line 13 was answered"),
    ("\"in\":\"poll\"", "\"in\":\"poll\"}x", "line: expected nothing behind the object"),
    (
        "\"online\":false",
        "\"online\":0",
        "in.online: invalid type: integer `0`, expected a boolean",
    ),
    (
        "\"unauthorized\":{\"generation\":1}",
        "\"unauthorized\":{}",
        "in.unauthorized: missing field `generation`",
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
    (
        "\"token\":\"token-1\"}}",
        "\"token\":\"\"}}",
        "in.start.token.token: expected another: the token is empty",
    ),
    (
        "\"expires_at\":\"expiry-1\"",
        "\"expires_at\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"",
        "in.start.token.expires_at: expected at most 64 bytes",
    ),
    (
        "\"identity\":\"identity-1\"",
        "\"identity\":\"\"",
        "in.start.credentials.identity: expected 1 to 1024 bytes",
    ),
    (
        "\"scopes\":[\"scopes-1\"",
        "\"scopes\":[\"scope 1\"",
        "in.start.credentials.scopes: expected other names: a scope is 1 to 256 visible ASCII characters",
    ),
    (
        "\"endpoint\":\"endpoint-1\"",
        "\"endpoint\":\"endpoint-1:80\"",
        "in.start.credentials.endpoint: expected a stand-in, such as endpoint-1",
    ),
    (
        "\"endpoint\":\"endpoint-1\",\"stated_endpoint\"",
        "\"stated_endpoint\"",
        "in.start.credentials.endpoint: expected one, or an `error`",
    ),
    (
        "\"stated_endpoint\":\"endpoint-1\"",
        "\"stated_endpoint\":\"endpoint-1/x\"",
        "in.start.credentials.stated_endpoint: expected a stand-in, such as endpoint-1",
    ),
    (
        "\"set_credentials\":{\"name\":\"credentials-5\",\"endpoint\":\"endpoint-1\"",
        "\"set_credentials\":{\"name\":\"credentials-5\",\"endpoint\":\"\"",
        "in.set_credentials.endpoint: expected a stand-in, such as endpoint-1",
    ),
    (
        "\"set_credentials\":{\"name\":\"credentials-6\"",
        "\"set_credentials\":{\"name\":\"credentials-4\"",
        "in.set_credentials.name: expected the same as an earlier line says of this name",
    ),
    (
        "\"error\":{\"Endpoint\":\"Insecure\"}",
        "\"error\":{\"Endpoint\":\"Path\"}",
        "in.start.credentials.error: expected none, or `Insecure`",
    ),
    (
        "\"error\":{\"Endpoint\":\"Insecure\"}",
        "\"error\":{\"Endpoint\":\"Odd\"}",
        "in.start.credentials.error.Endpoint: unknown variant `Odd`, expected one of `NotAUri`, `NotAbsolute`, `UserInfo`, `Port`, `Insecure`, `NotLoopback`, `Path`",
    ),
    (
        "\"issuer_writes_date\":true",
        "\"issuer_writes_date\":1",
        "in.start.credentials.issuer_writes_date: invalid type: integer `1`, expected a boolean",
    ),
    (
        "\"name\":\"credentials-2\",\"endpoint\":\"endpoint-1\",\"error\"",
        "\"name\":\"credentials-1\",\"endpoint\":\"endpoint-1\",\"error\"",
        "in.start.credentials.name: expected the same as an earlier line says of this name",
    ),
    (
        "\"successor\":{\"name\":\"credentials-2\",\"endpoint\":\"endpoint-1\"",
        "\"successor\":{\"name\":\"credentials-2\",\"endpoint\":\"\"",
        "in.response.reply.means.grant.successor.endpoint: expected a stand-in, such as endpoint-1",
    ),
    (
        "\"token\":\"token-6\",\"successor\":{\"name\":\"credentials-7\"",
        "\"token\":\"token-6\",\"successor\":{\"name\":\"credentials-1\"",
        "in.start.token.successor.name: expected the same as an earlier line says of this name",
    ),
];

#[test]
fn starts() {
    check(STARTS);
}

const REPLIES: &[Row] = &[
    (
        "\"status\":200,\"date_ms\"",
        "\"status\":99,\"date_ms\"",
        "in.response.reply.status: expected 100 to 999",
    ),
    (
        "\"date_ms\":1795492800000",
        "\"date_ms\":1795492800001",
        "in.response.reply.date_ms: expected a whole second of the years 1970 to 9999",
    ),
    (
        "\"date_ms\":1795492800000",
        "\"date_ms\":-1000",
        "in.response.reply.date_ms: expected a whole second of the years 1970 to 9999",
    ),
    (
        "\"date_ms\":1795492800000",
        "\"date_ms\":253402300800000",
        "in.response.reply.date_ms: expected a whole second of the years 1970 to 9999",
    ),
    (
        "\"age_ms\":30000",
        "\"age_ms\":\"30\"",
        "in.response.reply.age_ms: invalid type: string \"30\", expected u64",
    ),
    (
        "\"means\":{\"grant\":{\"token\":\"token-1\"",
        "\"means\":{\"grant\":{\"token\":\"token 1\"",
        "in.response.reply.means.grant.token: expected another: the token has a space at index 5: give it alone, without its scheme or white space",
    ),
    (
        "\"means\":{\"grant\"",
        "\"means\":{\"gift\"",
        "in.response.reply.means: unknown variant `gift`, expected `grant` or `denial`",
    ),
    (
        "\"kind\":\"Throttled\"",
        "\"kind\":\"Throttles\"",
        "in.response.reply.means.denial.kind: unknown variant `Throttles`, expected one of `Refused`, `Throttled`, `Transient`, `Redirect`, `Malformed`",
    ),
    (
        "\"permanent\":false",
        "\"permanent\":\"no\"",
        "in.response.reply.means.denial.permanent: invalid type: string \"no\", expected a boolean",
    ),
    (
        "{\"Malformed\":\"Markup\"}",
        "{\"Malformed\":\"Markdown\"}",
        "in.response.reply.means.denial.kind.Malformed: unknown variant `Markdown`, expected one of `Status`, `TooLarge`, `NotUtf8`, `Markup`, `Unquoted`, `UnexpectedEnd`, `Syntax`, `TooDeep`, `NotAnObject`, `Missing`, `Duplicate`, `Mistyped`, `Unusable`, `Stringified`, `Token`, `WrongIdentity`, `ExpiredOnArrival`, `Custom`",
    ),
    (
        "{\"Malformed\":\"Markup\"}",
        "{\"Malformed\":{\"TooLarge\":{\"len\":1}}}",
        "in.response.reply.means.denial.kind.Malformed.TooLarge: missing field `limit`",
    ),
];

#[test]
fn replies() {
    check(REPLIES);
}

const OUTPUTS: &[Row] = &[
    (
        "\"out\":{\"wait\":{\"In\":{\"ms\":",
        "\"out\":{\"wait\":{\"In\":{\"s\":",
        "out.wait.In.s: unknown field `s`, expected `ms` or `why`",
    ),
    (
        "\"out\":{\"send\":{\"id\":",
        "\"out\":{\"sand\":{\"id\":",
        "out: unknown variant `sand`, expected one of `send`, `abandon`, `event`, `wait`, `ok`, `stale`",
    ),
    (
        "\"state\":\"Active\"",
        "\"state\":\"Active \"",
        "state: unknown variant `Active `, expected one of `Unauthenticated`, `Authenticating`, `Active`, `Expired`",
    ),
    ("\"validity\":\"Valid\",", "", "token.held: missing field `validity`"),
];

#[test]
fn outputs() {
    check(OUTPUTS);
}

#[test]
fn words_run_out() {
    let mut stage = crate::stage::Stage::new(1);
    for n in 0..40 {
        let word: &'static str = format!("reason {n}").leak();
        stage.start(crate::stage::own("", word));
    }
    let error = replay(stage.trace()).unwrap_err().to_string();
    let said =
        "in.start.credentials.error: expected no more than 32 different words of custom exchanges";
    assert!(error.ends_with(said), "{error}");
}

#[test]
fn of_two_wrong_lines_the_first_is_named() {
    let trace = sessions::renewals().trace();
    let wrong = trace.replacen("\"burst\":5", "\"burst\":0", 1);
    let wrong = wrong.replacen("\"in\":\"poll\"", "\"in\":\"pull\"", 1);
    assert_eq!(replay(resealed(&wrong)).unwrap_err().line(), 1);
}

/// Errors go to terminals, and anybody can write a trace.
#[test]
fn what_is_quoted_is_harmless() {
    let evil = "\u{1b}[2J\u{7}\nline 1: all is well\u{202e}\u{9b}";
    let json = serde_json::to_string(evil).unwrap();
    let trace = sessions::renewals().trace();
    let wrong = trace.replacen("\"in\":\"poll\"", &format!("\"in\":{json}"), 1);
    let member = trace.replacen("\"in\":\"poll\"", &format!("{json}:\"poll\""), 1);
    let newer = format!("{{\"trace\":\"videokit-session\",\"version\":2,\"crate\":{json}}}");
    let mut said = Vec::new();
    for trace in [resealed(&wrong), resealed(&member), newer] {
        said.push(replay(trace).unwrap_err().to_string());
    }
    // What differs is quoted as well.
    let (from, to) = ("\"cause\":\"Granted\"", format!("\"cause\":{json}"));
    let other = replay(resealed(&trace.replacen(from, &to, 1))).unwrap();
    let difference = other.difference().unwrap();
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
        let error = replay(resealed(&trace.replacen("\"in\":\"poll\"", &long, 1))).unwrap_err();
        assert!(error.to_string().len() < 700, "{}", error.to_string().len());
    }
}
