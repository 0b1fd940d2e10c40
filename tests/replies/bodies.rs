//! Replies with a granting status and well-formed JSON: what their members make of them.

use videokit_session::exchange::{DenialKind, Flaw, IdentitySource, JsonType};
use videokit_session::secret::TokenError;

use super::{Asked, Expected, Row, denial, duplicate, flaw, grant, missing, mistyped, ok, row};

/// A reply of the gateway's, with `rest` after token and identity.
pub(super) fn body(rest: &str) -> String {
    format!(r#"{{"sessionToken":"tok-1","identity":"user-17"{rest}}}"#)
}

/// A reply with this JSON for a token.
pub(super) fn token(json: &str) -> String {
    format!(r#"{{"sessionToken":{json},"identity":"user-17"}}"#)
}

/// A reply with this JSON for an identity.
fn identity(json: &str) -> String {
    format!(r#"{{"sessionToken":"tok-1","identity":{json}}}"#)
}

pub(super) fn granted() -> Expected {
    grant("tok-1", "user-17")
}

pub(super) fn transient() -> Expected {
    denial(DenialKind::Transient)
}

/// A body that ends before this.
pub(super) fn unexpected_end(missing: impl Into<Option<char>>) -> Expected {
    flaw(Flaw::UnexpectedEnd { missing: missing.into() })
}

fn refused(message: &str) -> Expected {
    denial(DenialKind::Refused).saying(message)
}

fn unusable(member: &'static str) -> Expected {
    flaw(Flaw::Unusable { member })
}

fn wrong_identity() -> Expected {
    flaw(Flaw::WrongIdentity { expected: IdentitySource::Credentials })
}

fn not_visible(at: usize) -> Expected {
    flaw(Flaw::Token(TokenError::NotVisibleAscii { at }))
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = grants();
    rows.extend(tokens());
    rows.extend(token_texts());
    rows.extend(identities());
    rows.extend(errors());
    rows
}

fn grants() -> Vec<Row> {
    let whole = body(r#","expiresAt":"2026-11-24T05:00:00Z""#);
    let spaced = "\r\n\t { \"identity\" : \"user-17\" ,\n \"sessionToken\" : \"tok-1\" } \n";
    let escaped_names = r#"{"session\u0054oken":"tok-1","\u0069dentity":"user-17"}"#;
    let legacy = r#"{"session_key":"tok-1","identity":"user-17"}"#;
    let silent = r#"{"sessionToken":"tok-1"}"#;
    let expiry = |len| format!(r#","expiresAt":"{}""#, "9".repeat(len));
    let (longest, long) = (expiry(64), expiry(65));
    let digits = format!(",\"x\":{}", "9".repeat(9_999));
    let legacy_whole =
        r#"{"session_key":"tok-1","identity":"user-17","expiresAt":"now","scopes":["a"]}"#;
    let decomposed = "{\"sessionToken\":\"tok-1\",\"identity\":\"zoe\u{308}\"}";
    let composed = "{\"sessionToken\":\"tok-1\",\"identity\":\"zo\u{eb}\"}";
    let composed_by_escape = r#"{"sessionToken":"tok-1","identity":"zo\u00eb"}"#;
    vec![
        ok("three fields", &whole, granted().expires_at("2026-11-24T05:00:00Z")),
        row("three fields, created", 201, &whole, granted().expires_at("2026-11-24T05:00:00Z")),
        ok("no expiry", body(""), granted()),
        ok("null expiry", body(r#","expiresAt":null"#), granted()),
        ok("expiry now", body(r#","expiresAt":"now""#), granted().expires_at("now")),
        ok("empty expiry", body(r#","expiresAt":"""#), granted().expires_at("")),
        ok("long expiry", body(&long), granted()),
        ok("longest expiry", body(&longest), granted().expires_at(&"9".repeat(64))),
        ok("expiry escaped", body(r#","expires\u0041t":"\u006eow""#), granted().expires_at("now")),
        ok("unknown members", body(r#","x":{"sessionToken":1},"y":[null]"#), granted()),
        ok("huge number", body(r#","x":1e999999,"y":-0.1E-99999"#), granted()),
        ok("number of many digits", body(&digits), granted()),
        ok("unknown member twice", body(r#","x":1,"x":2"#), granted()),
        ok("names in another case", body(r#","SessionToken":1,"ERROR":"x""#), granted()),
        ok("name with more behind a NUL", body(r#","error\u0000":"x""#), granted()),
        ok("pair of surrogates", body(r#","x":"\ud83d\ude00""#), granted()),
        ok("null error", body(r#","error":null"#), granted()),
        ok("spaces", spaced, granted()),
        ok("byte order mark", [b"\xef\xbb\xbf", body("").as_bytes()].concat(), granted()),
        ok("escaped names", escaped_names, granted()),
        ok(
            "scopes",
            body(r#","scopes":["b","videos.read","b"]"#),
            granted().scopes("b videos.read"),
        ),
        ok("no scopes", body(r#","scopes":[]"#), granted().scopes("")),
        ok("scopes in one string", body(r#","scopes":"videos.read""#), granted()),
        ok("scopes of numbers", body(r#","scopes":[1]"#), granted()),
        ok("scopes with an empty one", body(r#","scopes":["a",""]"#), granted()),
        ok("null scopes", body(r#","scopes":null"#), granted()),
        ok("scopes in an object", body(r#","scopes":{"videos.read":true}"#), granted()),
        ok("scopes with a space", body(r#","scopes":["videos.read","two words"]"#), granted()),
        ok("scope too long", body(&format!(",\"scopes\":[\"{}\"]", "s".repeat(257))), granted()),
        ok("scope escaped", body(r#","scopes":["\u0061"]"#), granted().scopes("a")),
        ok("scope with half a pair", body(r#","scopes":["\ud800"]"#), granted()),
        ok("html content type", body(""), granted()).header("content-type", "text/html"),
        ok("legacy", legacy, granted()).asked(Asked::Legacy),
        ok("legacy, three fields", legacy_whole, granted().expires_at("now").scopes("a"))
            .asked(Asked::Legacy),
        row("backend, created", 201, silent, grant("tok-1", "")).asked(Asked::Backend),
        ok("backend, the one asked for", &whole, granted().expires_at("2026-11-24T05:00:00Z"))
            .asked(Asked::BackendFor),
        ok("accent composed", composed, grant("tok-1", "zo\u{eb}")).asked(Asked::Accented),
        ok("accent composed, escaped", composed_by_escape, grant("tok-1", "zo\u{eb}"))
            .asked(Asked::Accented),
        ok("accent decomposed", decomposed, wrong_identity()).asked(Asked::Accented),
        ok("backend, one field", silent, grant("tok-1", "")).asked(Asked::Backend),
        ok("backend, asked for one", silent, grant("tok-1", "")).asked(Asked::BackendFor),
        ok("backend, any identity", identity(r#""eve""#), grant("tok-1", "eve"))
            .asked(Asked::Backend),
        ok("backend, null identity", identity("null"), grant("tok-1", "")).asked(Asked::Backend),
    ]
}

fn tokens() -> Vec<Row> {
    let no_token = r#"{"identity":"user-17"}"#;
    let legacy = r#"{"sessionToken":"tok-1","identity":"user-17"}"#;
    let legacy_null = r#"{"session_key":null,"identity":"user-17"}"#;
    let legacy_twice = r#"{"session_key":"a","identity":"user-17","session_key":"a"}"#;
    let other_case = r#"{"SessionToken":"tok-1","identity":"user-17"}"#;
    let is =
        |json, found| ok(format!("token {json}"), token(json), mistyped("sessionToken", found));
    let null_first = r#"{"sessionToken":null,"sessionToken":"tok-1","identity":"user-17"}"#;
    let twice = |name, body: String| ok(name, body, duplicate("sessionToken"));
    vec![
        ok("token missing", no_token, missing("sessionToken")),
        ok("legacy token missing", legacy, missing("session_key")).asked(Asked::Legacy),
        is("null", JsonType::Null),
        is("17", JsonType::Number),
        is("-1.5e3", JsonType::Number),
        is("true", JsonType::Boolean),
        is("[\"tok-1\"]", JsonType::Array),
        is("{\"t\":\"tok-1\"}", JsonType::Object),
        ok("token in another case", other_case, missing("sessionToken")),
        ok("legacy token of null", legacy_null, mistyped("session_key", JsonType::Null))
            .asked(Asked::Legacy),
        ok(
            "token of null, to a backend",
            r#"{"sessionToken":null}"#,
            mistyped("sessionToken", JsonType::Null),
        )
        .asked(Asked::Backend),
        ok(
            "token by an escaped name, of a number",
            r#"{"session\u0054oken":1,"identity":"user-17"}"#,
            mistyped("sessionToken", JsonType::Number),
        ),
        ok(
            "token empty, to a backend",
            r#"{"sessionToken":""}"#,
            flaw(Flaw::Token(TokenError::Empty)),
        )
        .asked(Asked::Backend),
        twice("token twice", body(r#","sessionToken":"tok-1""#)),
        twice("token twice, escaped", body(r#","sessionToke\u006e":"x""#)),
        twice("token twice, null first", null_first.to_owned()),
        ok("legacy token twice", legacy_twice, duplicate("session_key")).asked(Asked::Legacy),
    ]
}

fn stringified(text: &'static str) -> Expected {
    flaw(Flaw::Stringified { member: "sessionToken", text })
}

/// Tokens that are strings: what their escapes make, and how long they may be.
fn token_texts() -> Vec<Row> {
    let longest = "x".repeat(8_192);
    let escaped = "\\u0078".repeat(8_192);
    let too_long = TokenError::TooLong { len: 8_193, limit: 8_192 };
    let visible: String = (b'!'..=b'~').map(char::from).collect();
    let visible_escaped = visible.replace('\\', "\\\\").replace('"', "\\\"");
    let quoted = |text: &str| token(&format!("\"{text}\""));
    vec![
        ok("token with a backspace", quoted(r"tok\b1"), not_visible(3)),
        ok("token with a tab at its end", quoted(r"tok-1\t"), not_visible(5)),
        ok("token with a pair", quoted(r"\ud83d\ude00"), not_visible(0)),
        ok(
            "token of every visible character",
            quoted(&visible_escaped),
            grant(&visible, "user-17"),
        ),
        ok("token empty", quoted(""), flaw(Flaw::Token(TokenError::Empty))),
        ok("token with a space", quoted("tok 1"), flaw(Flaw::Token(TokenError::Space { at: 3 }))),
        ok(
            "token with a space escaped",
            quoted(r"tok\u00201"),
            flaw(Flaw::Token(TokenError::Space { at: 3 })),
        ),
        ok("token undefined", quoted("undefined"), stringified("undefined")),
        ok("token null, in quotes", quoted("null"), stringified("null")),
        ok("token undefined, escaped", quoted(r"\u0075ndefined"), stringified("undefined")),
        ok("token Undefined", quoted("Undefined"), grant("Undefined", "user-17")),
        ok("token that begins as null does", quoted("null1"), grant("null1", "user-17")),
        ok("token with a line break", quoted(r"tok-1\n"), not_visible(5)),
        ok("token with a NUL", quoted(r"\u0000tok-1"), not_visible(0)),
        ok("token with a DEL", quoted("tok\u{7f}1"), not_visible(3)),
        ok("token not ASCII", quoted("tök-1"), not_visible(1)),
        ok("token not ASCII, escaped", quoted(r"t\u00f6k-1"), not_visible(1)),
        ok("token with half a pair", quoted(r"tok\ud800"), not_visible(3)),
        ok("token with slashes", quoted(r"a\/b\\c\u002f"), grant(r"a/b\c/", "user-17")),
        ok("token with quotes", quoted(r#"a\"b"#), grant("a\"b", "user-17")),
        ok("longest token", quoted(&longest), grant(&longest, "user-17")),
        ok("longest token, escaped", quoted(&escaped), grant(&longest, "user-17")),
        ok("token too long", quoted(&"x".repeat(8_193)), flaw(Flaw::Token(too_long))),
        ok(
            "token too long, escaped",
            quoted(&format!("{escaped}\\u0078")),
            unusable("sessionToken"),
        ),
    ]
}

fn identities() -> Vec<Row> {
    let wrong = wrong_identity;
    let is =
        |name: &str, json: &str, expected| ok(format!("identity {name}"), identity(json), expected);
    let no_identity = r#"{"sessionToken":"tok-1"}"#;
    let [longest, long, endless] =
        [1_024, 1_025, 60_000].map(|len| format!("\"{}\"", "u".repeat(len)));
    vec![
        ok("identity missing", no_identity, missing("identity")),
        is("null", "null", missing("identity")),
        is("a number", "17", mistyped("identity", JsonType::Number)),
        is("an object", "{}", mistyped("identity", JsonType::Object)),
        is("empty", "\"\"", unusable("identity")),
        is("too long", &long, unusable("identity")),
        is("half a pair", r#""\ud800""#, unusable("identity")),
        is("true", "true", mistyped("identity", JsonType::Boolean)),
        is("an array", "[\"user-17\"]", mistyped("identity", JsonType::Array)),
        is("as long as may be", &longest, wrong()),
        is("too long to decode", &endless, unusable("identity")),
        is("of the longest, to a backend", &longest, grant("tok-1", &"u".repeat(1_024)))
            .asked(Asked::Backend),
        is("too long, to a backend", &long, unusable("identity")).asked(Asked::Backend),
        is("empty, to a backend", "\"\"", unusable("identity")).asked(Asked::Backend),
        is("a number, to a backend", "17", mistyped("identity", JsonType::Number))
            .asked(Asked::Backend),
        is("null, to a backend that asks", "null", grant("tok-1", "")).asked(Asked::BackendFor),
        is("in another case, to a backend", "\"USER-17\"", wrong()).asked(Asked::BackendFor),
        ok("legacy, no identity", r#"{"session_key":"t"}"#, missing("identity"))
            .asked(Asked::Legacy),
        is("in another case", "\"User-17\"", wrong()),
        is("with a space", "\"user-17 \"", wrong()),
        is("with a NUL", r#""user-17\u0000""#, wrong()),
        is("cut short", "\"user-1\"", wrong()),
        is("in wide letters", "\"ｕser-17\"", wrong()),
        is("escaped", r#""us\u0065r-17""#, granted()),
        is("of a stranger, to a backend", "\"eve\"", wrong()).asked(Asked::BackendFor),
        ok("legacy, another identity", r#"{"session_key":"t","identity":"eve"}"#, wrong())
            .asked(Asked::Legacy),
        ok("identity twice", body(r#","identity":"eve""#), duplicate("identity")),
        ok(
            "expiry a number",
            body(r#","expiresAt":1795492800"#),
            mistyped("expiresAt", JsonType::Number),
        ),
        ok("expiry true", body(r#","expiresAt":true"#), mistyped("expiresAt", JsonType::Boolean)),
        ok(
            "expiry an object",
            body(r#","expiresAt":{"$date":0}"#),
            mistyped("expiresAt", JsonType::Object),
        ),
        ok("expiry an array", body(r#","expiresAt":[]"#), mistyped("expiresAt", JsonType::Array)),
        ok("scopes twice", body(r#","scopes":[],"scopes":["a"]"#), duplicate("scopes")),
        ok("expiry half a pair", body(r#","expiresAt":"\udc00""#), unusable("expiresAt")),
        ok("expiry twice", body(r#","expiresAt":"a","expiresAt":"b""#), duplicate("expiresAt")),
    ]
}

fn errors() -> Vec<Row> {
    let error = |name: &str, json: &str, message: &str| {
        ok(format!("error {name}"), body(&format!(",\"error\":{json}")), refused(message))
    };
    let no_error = |name: &str, json: &str| {
        ok(format!("error {name}"), body(&format!(",\"error\":{json}")), granted())
    };
    let long = format!("\"{}\"", "é".repeat(300));
    vec![
        error("a string", "\"no such app\"", "no such app"),
        error("an object", r#"{"code": 7}"#, r#"{"code": 7}"#),
        error("an array", "[1]", "[1]"),
        error("a number", "1", "1"),
        error("a number that is nearly zero", "1e-300", "1e-300"),
        error("a number too large", "1e999", "1e999"),
        error("true", "true", "true"),
        error("the word false", "\"false\"", "false"),
        error("a space", "\" \"", " "),
        error("an empty array", "[]", "[]"),
        error("an empty object", "{}", "{}"),
        no_error("an empty string", "\"\""),
        no_error("false", "false"),
        no_error("0", "0"),
        no_error("-0", "-0"),
        no_error("0 with a point", "0.00"),
        no_error("0 with an exponent", "0E99"),
        no_error("a number that JavaScript reads as 0", "-1e-400"),
        error("half a pair", r#""\ud800""#, r#""\ud800""#),
        error("long", &long, &"é".repeat(256)),
        error("escaped", r#""\u0078\n""#, "x\n"),
        ok("error by an escaped name", r#"{"err\u006fr":"x"}"#, refused("x")),
        ok("error before a broken token", r#"{"error":"x","sessionToken":17}"#, refused("x")),
        ok("error for another identity", r#"{"error":"x","identity":"eve"}"#, refused("x"))
            .asked(Asked::BackendFor),
        ok("error in a broken object", r#"{"error":"x","#, unexpected_end('}')),
        ok("null error alone", r#"{"error":null}"#, missing("sessionToken")),
        ok("error twice, null first", body(r#","error":null,"error":"x""#), duplicate("error")),
        ok("error alone", r#"{"error":"x"}"#, refused("x")),
        row("error alone, created", 201, r#"{"error":"x"}"#, refused("x")),
        ok("error alone, legacy", r#"{"error":"x"}"#, refused("x")).asked(Asked::Legacy),
        ok("error alone, backend", r#"{"error":"x"}"#, refused("x")).asked(Asked::Backend),
        ok("error twice", r#"{"error":"x","error":"y"}"#, duplicate("error")),
        ok("error nested", body(r#","x":{"error":"y"}"#), granted()),
    ]
}
