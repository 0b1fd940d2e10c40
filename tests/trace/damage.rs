//! Traces that were cut, shortened, edited or damaged.

use std::fmt::Write;
use std::sync::LazyLock;

use videokit_session::trace::{LONGEST_LINE, MOST_LINES, TraceError, VERSION, replay};

use crate::recording::{Recording, app};
use crate::sessions;

/// A trace of a few lines.
static SHORT: LazyLock<String> = LazyLock::new(|| {
    let mut recording = Recording::new(1);
    recording.start(app("anna", 1));
    let grant = recording.granting("anna", 600);
    recording.answer(&grant);
    recording.stop();
    recording.trace()
});

fn line_of(trace: &[u8], position: usize) -> usize {
    trace[..position].split(|byte| *byte == b'\n').count()
}

/// Returns whether a byte of a line is part of what a driver did: `out`, `state` or `token`.
fn is_answer(trace: &str, position: usize) -> bool {
    let start = trace[..position].rfind('\n').map_or(0, |at| at + 1);
    let line = trace[start..].lines().next().unwrap();
    let answer = ["\"out\":", "\"state\":", "\"token\":{\"gen", "\"token\":null"];
    let begin = answer.iter().filter_map(|mark| line.find(mark)).min();
    start > 0 && begin.is_some_and(|begin| (start + begin..start + line.len()).contains(&position))
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
    let (mut unreadable, mut different, mut harmless) = (0, 0, 0);
    for position in 0..trace.len() {
        for other in others(trace[position]) {
            let mut changed = trace.to_vec();
            changed[position] = other;
            let line = line_of(trace, position);
            let what = format!("byte {position} as {other:#04x}");
            match replay(&changed) {
                Err(error) => {
                    assert!((line..=line + 1).contains(&error.line()), "{what}: {error}");
                    unreadable += 1;
                }
                Ok(replayed) => {
                    if let Some(difference) = &replayed.difference {
                        assert!(difference.line >= line, "{what}: {difference}");
                        different += 1;
                        continue;
                    }
                    // White space, a last line that counts as cut off, or an input that makes no difference here.
                    let [before, after] =
                        [trace[position], other].map(|byte| byte.is_ascii_whitespace());
                    let last = replayed.cut_off.is_some();
                    assert!((before && after) || last || !is_answer(&SHORT, position), "{what}");
                    harmless += 1;
                }
            }
        }
    }
    println!("{unreadable} unreadable, {different} different, {harmless} harmless");
    assert!(unreadable > 10_000 && different > 2_000);
}

#[test]
fn a_trace_that_was_shortened_by_hand_plays() {
    let trace = sessions::logins().trace();
    let lines: Vec<&str> = trace.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    for n in 1..lines.len() - 1 {
        let mut lost = lines.clone();
        lost.remove(n);
        let replayed = replay(joined(&lost)).unwrap();
        assert_eq!(replayed.calls, lines.len() - 2);
        assert!(replayed.difference.is_none_or(|difference| difference.line > n));

        let mut swapped = lines.clone();
        swapped.swap(n, n + 1);
        let replayed = replay(joined(&swapped)).unwrap();
        assert!(replayed.difference.is_none_or(|difference| difference.line > n));

        let mut doubled = lines.clone();
        doubled.insert(n, lines[n]);
        let replayed = replay(joined(&doubled)).unwrap();
        assert!(replayed.difference.is_none_or(|difference| difference.line > n + 1));
    }
    // Without its first line, it is no trace.
    assert_eq!(replay(joined(&lines[1..])).unwrap_err().line(), 1);
}

#[test]
fn lines_that_changed_nothing_can_be_removed() {
    let mut recording = Recording::new(1);
    recording.start(app("anna", 1));
    let grant = recording.granting("anna", 600);
    recording.answer(&grant);
    for _ in 0..5 {
        recording.pass(1_000);
    }
    let trace = recording.trace();
    let removable = |line: &str| line.contains("\"out\":{\"wait\"") && !line.contains("\"token\":");
    let shortened: Vec<&str> = trace.lines().filter(|line| !removable(line)).collect();
    assert!(shortened.len() < trace.lines().count(), "{trace}");
    assert!(replay(shortened.join("\n")).unwrap().is_exact());
}

#[test]
fn the_rest_is_played_after_a_difference() {
    let lines: Vec<&str> = SHORT.lines().collect();
    // Without the start, there is nothing to reply to.
    let rest = [&lines[..1], &lines[2..]].concat().join("\n");
    let replayed = replay(rest).unwrap();
    assert_eq!(replayed.difference.unwrap().line, 2);
    assert_eq!(replayed.calls, lines.len() - 2);
    assert_eq!(replayed.driver.counters().stale, 1);
}

#[test]
fn a_last_line_that_was_cut_off_is_reported_and_the_rest_plays() {
    let header = SHORT.find('\n').unwrap();
    let complete = |n: usize| SHORT[..n].ends_with('\n') || SHORT[n..].starts_with('\n');
    for n in header..=SHORT.len() {
        let replayed = replay(&SHORT[..n]).unwrap();
        assert!(replayed.is_exact(), "{n}");
        let line = line_of(SHORT.as_bytes(), n);
        let cut_off = (!complete(n)).then_some(line);
        assert_eq!(replayed.cut_off, cut_off, "{n}");
        let whole = SHORT[..n].lines().count() - 1 - usize::from(cut_off.is_some());
        assert_eq!(replayed.calls, whole, "{n}");
    }
    for n in 0..header {
        assert_eq!(replay(&SHORT[..n]).unwrap_err().line(), 1);
    }
    // Within the trace, it is an error, and so is a last line that is no part of one.
    let half = SHORT.lines().nth(1).unwrap().split_at(20).0;
    let (first, rest) = SHORT.split_at(header + 1);
    let said = replay(format!("{first}{half}\n{rest}")).unwrap_err().to_string();
    assert_eq!(said, "line 2: line: expected JSON: EOF while parsing a value, at column 20");
    let said = replay(format!("{}}}", *SHORT)).unwrap_err().to_string();
    let last = SHORT.lines().count() + 1;
    assert_eq!(said, format!("line {last}: line: expected JSON: expected value, at column 1"));
}

#[test]
fn another_version_is_named() {
    for (version, release) in [(1, "0.1.0"), (3, "0.9.0")] {
        let ours = format!("\"version\":{VERSION},\"crate\":\"{}\"", env!("CARGO_PKG_VERSION"));
        let theirs = format!("\"version\":{version},\"crate\":\"{release}\",\"more\":true");
        let other = SHORT.replacen(&ours, &theirs, 1);
        // Whatever else that version has.
        for trace in [&*other, other.lines().next().unwrap()] {
            let error = replay(trace).unwrap_err();
            assert_eq!(error, TraceError::Version { version, release: release.into() });
            assert_eq!(
                error.to_string(),
                format!(
                    "line 1: the trace is of version {version}, written by release {release}; this release reads version 2"
                )
            );
        }
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
fn other_line_breaks_blank_lines_spaces_and_a_byte_order_mark_change_nothing() {
    let calls = replay(&*SHORT).unwrap().calls;
    for changed in [
        SHORT.replace('\n', "\r\n"),
        format!("\u{feff}{}", *SHORT),
        SHORT.replace('\n', "\n\n \t\n"),
        format!("{}\n\n\n", *SHORT),
        SHORT.replace("\":", "\" : "),
    ] {
        let replayed = replay(&changed).unwrap();
        assert_eq!((replayed.difference, replayed.cut_off), (None, None), "{changed}");
        assert_eq!(replayed.calls, calls, "{changed}");
    }
}

#[test]
fn the_order_of_members_makes_no_difference() {
    let sorted: Vec<String> = SHORT
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap().to_string())
        .collect();
    assert_ne!(sorted.join("\n") + "\n", *SHORT);
    assert!(replay(sorted.join("\n")).unwrap().is_exact());
}

#[test]
fn length_and_number_of_lines_are_bounded() {
    let header = SHORT.lines().next().unwrap();
    let said = |trace: String| replay(trace).unwrap_err().to_string();
    let too_long = "line: expected at most 65536 bytes";
    let long = format!("{header}\n{{\"mono\":\"{}\"}}\n", "x".repeat(LONGEST_LINE));
    assert_eq!(said(long), format!("line 2: {too_long}"));
    assert_eq!(said(" ".repeat(LONGEST_LINE + 1)), format!("line 1: {too_long}"));

    let mut trace = format!("{header}\n");
    for _ in 1..=MOST_LINES {
        let _ = writeln!(trace, "{{\"mono\":0,\"wall\":0,\"in\":\"stop\"}}");
    }
    let too_many = "line 1000001: line: expected at most 1000000 lines in a trace";
    assert_eq!(said(trace), too_many);
}
