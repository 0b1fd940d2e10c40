//! Traces that came to harm.

use std::fmt::Write;
use std::sync::LazyLock;

use videokit_session::trace::{LONGEST_LINE, MOST_LINES, TraceError, VERSION, replay};

use crate::sessions;
use crate::stage::{Stage, app};

/// The same lines with checksums that fit.
pub(crate) fn resealed(trace: &str) -> String {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    let mut sealed = String::new();
    for line in trace.lines() {
        let body = line.rsplit_once(",\"sum\":\"").map_or(line.trim_end_matches('}'), |at| at.0);
        for byte in body.bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let _ = writeln!(sealed, "{body},\"sum\":\"{state:016x}\"}}");
    }
    sealed
}

/// A trace of a few lines.
static SHORT: LazyLock<String> = LazyLock::new(|| {
    let mut stage = Stage::new(1);
    stage.start(app("anna", 1));
    let grant = stage.granting("anna", 600);
    stage.answer(&grant);
    stage.stop();
    stage.trace()
});

fn line_of(trace: &[u8], position: usize) -> usize {
    trace[..position].split(|byte| *byte == b'\n').count()
}

#[test]
fn checksums_are_as_documented() {
    assert_eq!(resealed(&SHORT), *SHORT);
}

#[test]
fn a_changed_byte_is_reported_at_its_line() {
    let trace = SHORT.as_bytes();
    // Each bit, all of them, and the two that make a line break or a quote of it.
    let others = |byte: u8| {
        let mut bytes: Vec<u8> = (0..8).map(|bit| byte ^ (1 << bit)).collect();
        bytes.extend([!byte, b'\n', b'"', 0]);
        bytes.retain(|other| *other != byte);
        bytes
    };
    let mut tried = 0;
    for position in 0..trace.len() {
        for other in others(trace[position]) {
            let mut changed = trace.to_vec();
            changed[position] = other;
            let found = replay(&changed).expect_err("a changed byte").line();
            assert_eq!(found, line_of(trace, position), "byte {position} as {other:#04x}");
            tried += 1;
        }
    }
    println!("{tried} changes of {} bytes", trace.len());
    assert!(tried > 20_000);
}

#[test]
fn lost_doubled_and_sorted_lines_are_reported_where_they_are() {
    let trace = sessions::logins().trace();
    let lines: Vec<&str> = trace.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    for n in 1..lines.len() - 1 {
        let mut lost = lines.clone();
        lost.remove(n);
        let error = replay(joined(&lost)).unwrap_err();
        let (expected, found) = (n as u64, n as u64 + 1);
        assert_eq!(error, TraceError::OutOfOrder { line: n + 1, expected, found });

        let mut swapped = lines.clone();
        swapped.swap(n, n + 1);
        assert_eq!(replay(joined(&swapped)).unwrap_err(), error);

        let mut doubled = lines.clone();
        doubled.insert(n, lines[n]);
        let error = replay(joined(&doubled)).unwrap_err();
        let (expected, found) = (n as u64 + 1, n as u64);
        assert_eq!(error, TraceError::OutOfOrder { line: n + 2, expected, found });

        let half = lines[n].len() / 2;
        let cut = joined(&lines[..n]) + &lines[n][..half];
        assert_eq!(replay(cut).unwrap_err(), TraceError::Altered { line: n + 1 });
    }
    // Without its first line, it is no trace; from another trace, no line fits.
    assert_eq!(replay(joined(&lines[1..])).unwrap_err().line(), 1);
    let other = sessions::tokens().trace();
    let mixed = joined(&[lines[0], other.lines().nth(1).unwrap()]);
    assert_eq!(replay(mixed).unwrap_err(), TraceError::Altered { line: 2 });
}

#[test]
fn a_newer_version_says_so() {
    let newer = SHORT.replacen(&format!("\"version\":{VERSION}"), "\"version\":2", 1);
    let newer = newer.replacen("\"crate\":\"0.1.0\"", "\"crate\":\"0.9.0\"", 1);
    // Whatever the checksums of that version are, and whatever else it has.
    for trace in [newer.clone(), resealed(&newer), newer.lines().next().unwrap().to_owned()] {
        let error = replay(trace).unwrap_err();
        assert_eq!(error, TraceError::Newer { version: 2, release: "0.9.0".into() });
        assert_eq!(
            error.to_string(),
            "line 1: the trace is of version 2, written by release 0.9.0; this release reads up to version 1"
        );
    }
}

#[test]
fn nothing_is_too_odd_to_be_read() {
    for junk in
        ["", "\n", "\n\n\n", "{}", "null", "[]", "\u{0}", "{\"trace\":\"other\"}", "\"", "é"]
    {
        let error = replay(junk).unwrap_err();
        assert_eq!(error.line(), 1, "{junk:?}: {error}");
        assert!(error.to_string().contains("expected the first line of a trace"), "{error}");
    }
    assert_eq!(replay([0xff, 0xfe]).unwrap_err().line(), 1);
    let deep = format!("{{\"trace\":{}", "[".repeat(10_000));
    assert_eq!(replay(deep).unwrap_err().line(), 1);
}

/// What editors and mail programs do to a text.
#[test]
fn line_breaks_and_marks_of_others_are_named() {
    let said = |trace: String| replay(trace).unwrap_err().to_string();
    let breaks = "line: expected a line break of LF alone, and it is CR LF";
    assert_eq!(said(SHORT.replace('\n', "\r\n")), format!("line 1: {breaks}"));
    let last = SHORT.lines().count();
    assert_eq!(said(format!("{}\r\n", SHORT.trim_end())), format!("line {last}: {breaks}"));
    let mark =
        "line 1: trace: expected the first line of a trace, and no byte order mark before it";
    assert_eq!(said(format!("\u{feff}{}", *SHORT)), mark);

    for blank in ["\n", "\n\n\n"] {
        assert!(replay(format!("{}{blank}", *SHORT)).unwrap().is_exact());
    }
    let within = SHORT.replacen('\n', "\n\n", 1);
    assert_eq!(replay(within).unwrap_err(), TraceError::Altered { line: 2 });
}

/// Another release has a name of another length.
#[test]
fn the_longest_header_of_another_release_is_played() {
    let nameless = SHORT.replacen("\"crate\":\"0.1.0\"", "\"crate\":\"\"", 1);
    let free = LONGEST_LINE - nameless.lines().next().unwrap().len();
    let origin =
        |n: usize, label: usize| format!(",\"https://{n:05}.{}.example\"", "x".repeat(label));
    let whole = origin(0, 60).len();
    let mut origins: String = (0..free / whole - 1).map(|n| origin(n, 60)).collect();
    let rest = free - origins.len();
    let half = rest / 2 - origin(0, 0).len();
    origins += &origin(90_000, half);
    origins += &origin(90_001, free - origins.len() - origin(0, 0).len());
    let api = "\"https://api.example\"";
    let long = resealed(&nameless.replacen(api, &format!("{api}{origins}"), 1));
    assert_eq!(long.lines().next().unwrap().len(), LONGEST_LINE);
    assert_eq!(replay(long).unwrap().difference(), None);
}

#[test]
fn length_and_number_of_lines_are_bounded() {
    let header = SHORT.lines().next().unwrap();
    let long = format!("{header}\n{{\"n\":\"{}\"}}\n", "x".repeat(LONGEST_LINE));
    assert_eq!(replay(long).unwrap_err(), TraceError::TooLong { line: 2 });
    let long = " ".repeat(LONGEST_LINE + 1);
    assert_eq!(replay(long).unwrap_err(), TraceError::TooLong { line: 1 });

    let mut trace = format!("{header}\n");
    for n in 1..=MOST_LINES {
        let _ = writeln!(trace, "{{\"n\":{n},\"mono\":0,\"wall\":0,\"in\":\"stop\"}}");
    }
    let error = replay(resealed(&trace)).unwrap_err();
    assert_eq!(error, TraceError::TooMany { line: MOST_LINES + 1 });
    assert_eq!(error.to_string(), "line 1000001: the trace has more than 1000000 lines");
}
