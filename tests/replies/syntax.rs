//! Replies with a granting status whose bodies are empty, cut off, not JSON, too large, or not an object.

use videokit_session::exchange::{BODY_LIMIT, Flaw, JsonType};

use super::bodies::{body, granted, token, transient, unexpected_end};
use super::{Asked, Expected, Row, flaw, grant, missing, ok, row};

fn syntax(column: usize) -> Expected {
    flaw(Flaw::Syntax { line: 1, column })
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = empty();
    rows.extend(cut_off());
    rows.extend(unquoted());
    rows.extend(not_text());
    rows.extend(not_json());
    rows.extend(shapes());
    rows
}

/// A body that has nothing in it.
fn empty() -> Vec<Row> {
    vec![
        ok("empty", "", transient()),
        ok("white space", " \r\n\t ", transient()),
        ok("byte order mark alone", "\u{feff}", transient()),
        ok("byte order mark and white space", "\u{feff}\r\n", transient()),
    ]
}

/// A body that ends inside its JSON.
fn cut_off() -> Vec<Row> {
    fn is(name: &str, body: impl AsRef<[u8]>, missing: impl Into<Option<char>>) -> Row {
        ok(name, body, unexpected_end(missing))
    }
    vec![
        is("cut after the brace", "{", '}'),
        is("cut in a name", "{\"sessionTo", '"'),
        is("cut before the value", "{\"sessionToken\": ", '}'),
        is("cut in the token", "{\"sessionToken\":\"tok", '"'),
        is("cut in an escape", "{\"sessionToken\":\"tok\\u00", '"'),
        is("cut after an escaped quote", "{\"sessionToken\":\"tok\\\"", '"'),
        is("cut before the end", "{\"sessionToken\":\"tok-1\",\"identity\":\"user-17\"", '}'),
        is("cut in a character", b"{\"sessionToken\":\"tok-1\",\"identity\":\"us\xc3", '"'),
        is("quote missing at the end", r#"{"sessionToken": "tok-1}"#, '"'),
        is("seed's reply with quotes, brace missing", r#"{"sessionToken": "tok-1""#, '}'),
        is("cut in an array", "[{\"sessionToken\":\"tok-1\"", '}'),
        is("cut after an object in an array", "[{\"sessionToken\":\"tok-1\"}", ']'),
        is("cut in a token of an object", "{\"sessionToken\":{\"t\":", '}'),
        is("cut in a token of an array", "{\"sessionToken\": [\"tok-1\",", ']'),
        is("cut after brackets in a string", r#"{"sessionToken":"[[","x":["[{"#, '"'),
        is("cut after a token of digits", r#"{"sessionToken":17,"identity":"us"#, '"'),
        is("cut in a literal", "nul", None),
        is("cut in a literal of a member", r#"{"x":nul"#, '}'),
        is("cut in a string alone", "\"tok-1", '"'),
        is("cut byte order mark", b"\xef\xbb", None),
        is("cut in a character, to a backend", b"{\"sessionToken\":\"\xf0\x9f\x98", '"')
            .asked(Asked::Backend),
        is("error in an object without end", "\u{feff}{\"error\":\"x\"", '}'),
    ]
}

/// The seed's reply, whose token has no quotes and whose brace is missing, and its variants.
fn unquoted() -> Vec<Row> {
    let flawed = |member| flaw(Flaw::Unquoted { member });
    let is = |name: &str, body: &str| ok(name, body, flawed("sessionToken"));
    vec![
        is("seed's reply", r#"{"sessionToken": eyJhbGciOiJub25lIn0.e30.c2ln"#),
        is("seed's reply, mended brace", r#"{"sessionToken": 1nU73GCsMnqT2}"#),
        is("seed's reply, digits", r#"{"sessionToken":12345"#),
        is("seed's reply, undefined", "{ \"sessionToken\" :undefined"),
        is("seed's reply, indented", "\r\n {\r\n \"sessionToken\" : eyJ.e30.c2ln"),
        is("seed's reply after a byte order mark", "\u{feff}{\"sessionToken\": eyJ"),
        is("seed's reply, mended brace and more", r#"{"sessionToken": 1nU, "identity": user-17}"#),
        is("seed's reply, single quotes", "{\"sessionToken\": 'tok-1'}"),
        row("seed's reply, created", 201, r#"{"sessionToken": tok-1"#, flawed("sessionToken")),
        is("seed's reply, to a backend", r#"{"sessionToken": tok-1"#).asked(Asked::Backend),
        ok("seed's reply, legacy", r#"{"session_key": tok-1"#, flawed("session_key"))
            .asked(Asked::Legacy),
    ]
}

/// What is not text, and what is markup.
fn not_text() -> Vec<Row> {
    let latin_1 = b"{\"identity\":\"us\xe9r\",\"sessionToken\":\"tok-1\"}";
    let not_utf8 = |at| flaw(Flaw::NotUtf8 { at });
    let markup = || flaw(Flaw::Markup);
    vec![
        ok("not UTF-8", latin_1, not_utf8(15)),
        ok("UTF-16", b"\xff\xfe{\0", not_utf8(0)),
        ok("page", "<!DOCTYPE html><title>Welcome to the airport</title>", markup()),
        ok("page after white space", "\n\n  <html>", markup()),
        ok("half a pair in UTF-8", b"{\"x\":\"\xed\xa0\x80\"}", not_utf8(6)),
        ok("overlong NUL", b"{\"x\":\"\xc0\x80\"}", not_utf8(6)),
        ok("page in another encoding", b"<p>\xe9</p>", markup()),
        ok("page cut in a character", b"<p>\xc3", markup()),
        ok("gzip", b"\x1f\x8b\x08\x00\x00", not_utf8(1)),
        ok("page after a byte order mark", "\u{feff}\n<html>", markup()),
        ok("page to a backend", "<html>", markup()).asked(Asked::Backend),
        row("XML to the legacy gateway", 201, "<?xml version=\"1.0\"?><error>x</error>", markup())
            .asked(Asked::Legacy),
    ]
}

fn not_json() -> Vec<Row> {
    vec![
        ok("unquoted identity", r#"{"sessionToken":"tok-1","identity":user-17}"#, syntax(36)),
        ok("broken after a token of digits", r#"{"sessionToken":17,"identity":'x'}"#, syntax(31)),
        ok("broken after a null token", r#"{"sessionToken":null,"identity":'x'}"#, syntax(33)),
        ok("unquoted name", r#"{sessionToken:"tok-1"}"#, syntax(2)),
        ok("root's answer", "Session Service", syntax(1)).asked(Asked::Backend),
        ok("form", "sessionToken=tok-1&identity=user-17", syntax(1)),
        ok("object printed as text", "[object Object]", syntax(2)),
        ok(
            "broken on line three",
            "{\n\"sessionToken\":\"tok-1\",\n \"x\":?}",
            flaw(Flaw::Syntax { line: 3, column: 6 }),
        ),
        ok("broken above an end that a number could have", "{x\n1-", syntax(2)),
        ok("cut in a number", "{\"x\":1.", syntax(7)),
        ok("two byte order marks", "\u{feff}\u{feff}{}", syntax(1)),
        ok("number with a zero before", body(",\"x\":01"), syntax(51)),
        ok("not a number", body(",\"x\":NaN"), syntax(50)),
        ok("escape of no kind", token(r#""a\x41""#), syntax(20)),
        ok("escape of four with a sign", token(r#""\u+041""#), syntax(23)),
        ok("comment", "/* */{}", syntax(1)),
        ok("comma for a colon", r#"{"sessionToken","tok-1"}"#, syntax(16)),
        ok("NUL after", body("") + "\0", syntax(46)),
        ok("bare token", "tok-1", syntax(2)),
        ok("NUL", "\0", syntax(1)),
        ok("NUL inside", "{\0}", syntax(2)),
        ok("control character in a string", token("\"a\nb\""), syntax(18)),
        ok("single quotes", "{'sessionToken':'tok-1'}", syntax(2)),
        ok("comma at the end", body(","), syntax(46)),
        ok("word in an object for a token", r#"{"sessionToken":{"a":x}}"#, syntax(22)),
        ok("word in an array for a token", r#"{"sessionToken":[x]}"#, syntax(18)),
        ok("garbage after", body("") + "x", syntax(46)),
        ok("two values", body("") + "{}", syntax(46)),
        ok("brace of the wrong kind", r#"{"sessionToken":"tok-1"]"#, syntax(24)),
    ]
}

fn shapes() -> Vec<Row> {
    let is =
        |json: &str, found| ok(format!("body {json}"), json, flaw(Flaw::NotAnObject { found }));
    // The body is one level, so the member has one less than the limit.
    let nested = |levels: usize| {
        body(&format!(",\"x\":{}{}", "[".repeat(levels - 1), "]".repeat(levels - 1)))
    };
    let in_string = |start| body(&format!(",\"x\":\"{start}{}\"", "[{".repeat(99)));
    let objects = format!("{}1{}", "{\"x\":".repeat(40), "}".repeat(40));
    let padded = |len: usize| {
        let whole = body("");
        whole.clone() + &" ".repeat(len - whole.len())
    };
    let too_deep = |at| flaw(Flaw::TooDeep { at, limit: 32 });
    let too_large = Flaw::TooLarge { len: BODY_LIMIT + 1, limit: BODY_LIMIT };
    vec![
        is("null", JsonType::Null),
        is("true", JsonType::Boolean),
        is("-17", JsonType::Number),
        is("\"tok-1\"", JsonType::String),
        is("[{\"sessionToken\":\"tok-1\"}]", JsonType::Array),
        is("false", JsonType::Boolean),
        is("0", JsonType::Number),
        is("1e999999", JsonType::Number),
        is("[]", JsonType::Array),
        is(" null ", JsonType::Null),
        is("\"<html>\"", JsonType::String),
        ok(
            "nested 100000 deep, over the limit of bytes",
            "[".repeat(100_000),
            flaw(Flaw::TooLarge { len: 100_000, limit: BODY_LIMIT }),
        ),
        ok("nested 100000 deep, in a limit of more", "[".repeat(100_000), too_deep(32))
            .asked(Asked::Roomy),
        ok("objects 100000 deep", "{\"x\":".repeat(100_000), too_deep(160)).asked(Asked::Roomy),
        ok("large, in a limit of more", padded(BODY_LIMIT + 1), granted()).asked(Asked::Roomy),
        ok("as large as a small limit", "{\"sessionToken\":\"tok-1\"}", grant("tok-1", ""))
            .asked(Asked::Tight),
        ok(
            "larger than a small limit",
            "{\"sessionToken\":\"tok-12\"}",
            flaw(Flaw::TooLarge { len: 25, limit: 24 }),
        )
        .asked(Asked::Tight),
        row("too large, created", 201, padded(BODY_LIMIT + 1), flaw(too_large)),
        ok("too large, to a backend", padded(BODY_LIMIT + 1), flaw(too_large))
            .asked(Asked::BackendFor),
        ok(
            "many brackets side by side",
            body(&format!(",\"x\":[{}1]", "[],".repeat(999))),
            granted(),
        ),
        ok("empty object", "{}", missing("sessionToken")),
        ok("nested at the limit", nested(32), granted()),
        ok("nested too deeply", nested(33), too_deep(80)),
        ok("nested too deeply behind spaces", format!("  {}", nested(33)), too_deep(82)),
        ok("nested objects", objects, too_deep(160)),
        ok("nested without end", "[".repeat(60_000), too_deep(32)),
        ok(
            "nested without end, after white space",
            " \n".to_owned() + &"[".repeat(40),
            too_deep(34),
        ),
        ok("brackets in a string", in_string(""), granted()),
        ok("brackets behind an escaped quote", in_string(r#"\""#), granted()),
        ok("brackets behind an escaped backslash", in_string(r"\\"), granted()),
        ok("as large as may be", padded(BODY_LIMIT), granted()),
        ok("too large", padded(BODY_LIMIT + 1), flaw(too_large)),
    ]
}
