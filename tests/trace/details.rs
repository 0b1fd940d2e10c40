//! What the pictures of the example `timeline` say in cases of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use videokit_session::driver::Drive;
use videokit_session::{Credentials, Moment};

use crate::picture::{assert_well_formed, crowded, drawn, file, stderr, texts, timeline};
use crate::plays::minutes;
use crate::recording::{Recording, SECRET, app, backend, dated, denying, granting, token, with};
use crate::sessions;

/// The picture of what happened on a recording.
fn shown(name: &str, mut recording: Recording) -> String {
    let svg = drawn(name, &recording.trace());
    assert_well_formed(&svg);
    assert_eq!(crowded(&svg), None, "{name}");
    svg
}

fn says(svg: &str, wanted: &str) -> bool {
    texts(svg).iter().any(|text| text.said == wanted)
}

/// How many shapes there are of a class; the legend may have one of them.
fn shapes(svg: &str, class: &str) -> usize {
    svg.matches(&format!(" class=\"{class}\"")).count()
}

/// All strings of a value, by the names of the members they are in.
fn strings(value: &Value, place: &str, found: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) => drop(found.entry(place.to_owned()).or_insert_with(|| text.clone())),
        Value::Array(values) => values.iter().for_each(|value| strings(value, place, found)),
        Value::Object(members) => {
            for (name, value) in members {
                strings(value, &format!("{place}.{name}"), found);
            }
        }
        _ => {}
    }
}

/// Nobody has to trust a trace: it may be made by hand. Whatever string of it
/// is markup, it is text in the picture, or the trace is refused.
#[test]
fn markup_in_a_trace_is_text() {
    let evil = "\"/></text><script>alert(1)</script>&\u{7}\u{1b}[2J";
    let json = serde_json::to_string(evil).unwrap();
    let (lines, picture) = (file("evil.jsonl"), file("evil.svg"));
    let mut tried = BTreeSet::new();
    let mut all: Vec<Recording> = sessions::all().into();
    all.push(minutes());
    for trace in all.iter_mut().map(Recording::trace) {
        let mut found = BTreeMap::new();
        for line in trace.lines() {
            strings(&serde_json::from_str(line).unwrap(), "", &mut found);
        }
        found.retain(|place, _| !tried.contains(place));
        for (place, text) in found {
            let text = serde_json::to_string(&text).unwrap();
            // As a value: before a comma, or the end of an object or a list.
            let changed = [",", "}", "]"].iter().fold(trace.clone(), |trace, end| {
                trace.replace(&format!("{text}{end}"), &format!("{json}{end}"))
            });
            assert_ne!(changed, trace, "{place}");
            fs::write(&lines, &changed).unwrap();
            let _ = fs::remove_file(&picture);
            let output = timeline(&[&lines, &picture]);
            assert!(!stderr(&output).contains(['\u{7}', '\u{1b}']), "{place}");
            if output.status.success() {
                let svg = fs::read_to_string(&picture).unwrap();
                assert_well_formed(&svg);
                assert!(!svg.contains("<script") && !svg.contains("\"/></text>"), "{place}: {svg}");
            }
            tried.insert(place);
        }
    }
    for place in [
        ".state",
        ".token.validity",
        ".out.event.Moved.cause",
        ".out.event.Moved.from",
        ".out.event.Moved.to",
        ".in.failure.why",
        ".out.wait.why",
        ".in.start.credentials.identity",
        ".in.start.credentials.name",
        ".out.send.endpoint",
        ".in.response.reply.body.grant.token",
        ".in.response.reply.body.denial.kind.Malformed.Custom",
    ] {
        assert!(tried.contains(place), "{place}: {tried:?}");
    }
    // What can be anything is there, as text.
    let trace = minutes().trace().replace("\"identity-1\"", &json);
    let svg = drawn("evil-identity", &trace);
    assert!(svg.contains("&lt;/text&gt;&lt;script&gt;"), "{svg}");
}

/// The exchange takes these for grants, and the session doesn't.
#[test]
fn what_the_session_refuses_is_a_denial() {
    let mut recording = Recording::new(1);
    recording.start(app("anna", 1));
    let dead =
        granting(&format!("{SECRET}-dead"), "anna", r#","expiresAt":"2020-01-01T00:00:00Z""#);
    recording.answer(&with(dated(recording.now, dead), http::header::RETRY_AFTER, "30"));
    recording.pass(60_000);
    let svg = shown("dead", recording);
    assert!(says(&svg, "200 dead on arrival, wait 30 s"), "{:?}", texts(&svg));
    assert!(svg.contains("<title>Retry-After: 30 s</title>"), "{svg}");
    assert!(svg.contains("1 denied"), "{svg}");
    assert!(shapes(&svg, "denied") > 1 && shapes(&svg, "granted") == 0, "{svg}");

    let mut recording = Recording::new(1);
    recording.start(Credentials::backend(backend(1)));
    for name in ["anna", "bert"] {
        let grant = recording.granting(name, 60);
        recording.answer(&grant);
    }
    recording.pass(2_000);
    let svg = shown("pinned", recording);
    assert!(says(&svg, "200 another identity"), "{:?}", texts(&svg));
    assert!(says(&svg, "200 token-1") && !says(&svg, "200 token-2"), "{:?}", texts(&svg));
}

/// The times on the axis, as they are written.
fn ticks(svg: &str) -> Vec<String> {
    let elements = svg.split("<text class=\"tick\"").skip(1);
    let said = elements.map(|element| element.split_once('>').unwrap().1);
    said.map(|said| said.split_once('<').unwrap().0.to_owned()).collect()
}

#[test]
fn the_axis_says_no_time_twice() {
    let mut days = Recording::new(1);
    for day in 0..6 {
        for n in 0..7 {
            days.online(n % 2 == 0);
            days.pass(1_000);
        }
        days.pass(86_400_000 + 40_000_000 * (day % 2));
    }
    let mut weeks = Recording::new(1);
    for day in 0..40_u64 {
        weeks.online(day % 2 == 0);
        weeks.pass(86_400_000);
        for n in 0..if day % 5 == 0 { 4 } else { 0 } {
            weeks.online(n % 2 == 0);
            weeks.pass(20_000_000);
        }
    }
    let mut hours = Recording::new(1);
    for n in 0..40 {
        hours.online(n % 2 == 0);
        hours.pass(if n % 8 == 7 { 5_000_000 } else { 700 });
    }
    for (name, recording, written) in
        [("days", days, "h"), ("weeks", weeks, "0d"), ("hours", hours, "m")]
    {
        let ticks = ticks(&shown(name, recording));
        let once: BTreeSet<&String> = ticks.iter().collect();
        assert_eq!(once.len(), ticks.len(), "{name}: {ticks:?}");
        assert!(ticks.iter().any(|tick| tick.contains(written)), "{ticks:?}");
    }
}

#[test]
fn a_wait_is_as_long_as_the_policy_lets_it_be() {
    let mut recording = Recording::new(1);
    recording.start(app("anna", 1));
    recording.answer(&denying(429, Some(5_000_000)));
    for _ in 0..20 {
        recording.pass(360_000);
    }
    let svg = shown("capped", recording);
    assert!(svg.contains("<title>Retry-After: 57 d 20 h, of which 1 h count</title>"), "{svg}");
    let bar = svg.split("<rect class=\"wait\"").nth(1).unwrap();
    let width: f64 =
        bar.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    assert!(width < 800.0, "{width}");
}

#[test]
fn every_late_reply_is_drawn() {
    let mut recording = Recording::new(1);
    recording.start(app("anna", 1));
    let grant = recording.granting("anna", 600);
    recording.answer(&grant);
    for _ in 0..3 {
        recording.pass(20_000);
        assert!(recording.answer_to(recording.latest(), &grant).is_stale());
    }
    let svg = shown("late", recording);
    assert_eq!(shapes(&svg, "late"), 3 + 1, "and one in the legend: {svg}");
}

#[test]
fn what_the_api_refused_does_not_live_on() {
    let refused = |refused: bool| {
        let mut recording = Recording::new(1);
        recording.start(app("anna", 1));
        let grant = recording.granting("anna", 600);
        recording.answer(&grant);
        recording.pass(60_000);
        if refused {
            recording.unauthorized();
        } else {
            recording.start(app("bert", 1));
        }
        let grant = recording.granting(if refused { "anna" } else { "bert" }, 600);
        recording.answer(&grant);
        recording.pass(60_000);
        recording.stop();
        recording.pass(900_000);
        recording
    };
    let svg = shown("refused", refused(true));
    assert!(svg.contains("; refused by the API after 1 min"), "{svg}");
    let parts = |svg: &str| {
        let bar = svg.split("<g class=\"token\">").nth(1).unwrap();
        shapes(bar.split("</g>").next().unwrap(), "rest")
    };
    assert_eq!(parts(&svg), 0, "{svg}");
    let svg = shown("replaced", refused(false));
    assert_eq!(parts(&svg), 1, "{svg}");
    assert!(says(&svg, "would live on"), "{svg}");
}

/// The axis goes on behind the end of the trace while there is a token, and only then.
#[test]
fn only_a_current_token_has_an_outlook() {
    let held = |stop: bool| {
        let mut recording = Recording::new(1);
        recording.start(app("anna", 1));
        let grant = recording.granting("anna", 600);
        recording.answer(&grant);
        recording.pass(60_000);
        if stop {
            recording.stop();
        }
        recording
    };
    let end = "<polyline class=\"end\"";
    assert!(shown("held", held(false)).contains(end));
    assert!(!shown("stopped", held(true)).contains(end));
    let mut recording = Recording::new(1);
    recording.start(token("unknown"));
    recording.pass(60_000);
    let svg = shown("no-end", recording);
    assert!(
        svg.contains(end) && shapes(&svg, "rest") == 2,
        "what is assumed, and the legend: {svg}"
    );
}

#[test]
fn an_empty_trace_has_no_date() {
    let svg = shown("empty", Recording::new(1));
    assert!(says(&svg, "an empty trace") && !svg.contains("1970"), "{svg}");
}

/// The size of a picture is bounded by the page's, not by the trace's.
#[test]
fn long_traces_are_small_pictures() {
    let mut recording = Recording::new(1);
    for n in 0..30_000 {
        recording.driver.stop(Moment::from_millis(n, 0));
    }
    let svg = shown("stops", recording);
    assert!(svg.len() < 300_000, "{}", svg.len());

    let mut recording = Recording::new(1);
    recording.start(app("anna", 1));
    for _ in 0..4_000 {
        let grant = recording.granting("anna", 600);
        recording.answer(&grant);
        recording.online(false);
        recording.online(true);
    }
    let svg = shown("renewals", recording);
    assert!(svg.len() < 500_000, "{}", svg.len());
}
