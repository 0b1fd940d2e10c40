//! The example `timeline`, run as a user runs it, on traces from seconds to a day.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use proptest::prelude::*;

use crate::example;
use crate::plays::{adopted, hours, idle, minutes, seconds, workday};
use crate::properties::{plans, played};
use crate::sessions;
use crate::stage::Stage;

static EXAMPLE: LazyLock<PathBuf> = LazyLock::new(|| example::build("timeline"));

/// Where this test's files are.
pub(crate) fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("timeline");
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

pub(crate) fn timeline(arguments: &[&Path]) -> Output {
    Command::new(&*EXAMPLE).args(arguments).output().expect("the example runs")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The picture of a trace.
pub(crate) fn drawn(name: &str, trace: &str) -> String {
    let lines = file(&format!("{name}.jsonl"));
    fs::write(&lines, trace).unwrap();
    draw(&lines, &file(&format!("{name}.svg")), &[])
}

/// The picture of a trace as a slide.
pub(crate) fn drawn_large(name: &str, trace: &str) -> String {
    let lines = file(&format!("{name}-large.jsonl"));
    fs::write(&lines, trace).unwrap();
    draw(&lines, &file(&format!("{name}-large.svg")), &[Path::new("--large")])
}

fn draw(lines: &Path, picture: &Path, flags: &[&Path]) -> String {
    let output = timeline(&[flags, &[lines, picture]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    fs::read_to_string(picture).unwrap()
}

/// All of them drawn, by their names: each on a page, and as a slide.
pub(crate) static PICTURES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let lengths = [
        ("seconds", seconds()),
        ("minutes", minutes()),
        ("hours", hours()),
        ("idle", idle()),
        ("adopted", adopted()),
        ("workday", workday()),
    ];
    let lengths = lengths.into_iter().map(|(name, stage)| (name.to_owned(), stage));
    let all = sessions::all().into_iter().enumerate();
    let all = lengths.chain(all.map(|(n, stage)| (format!("session-{n}"), stage)));
    let draw = |(name, mut stage): (String, Stage)| {
        let trace = stage.trace();
        let (page, slide) = (drawn(&name, &trace), drawn_large(&name, &trace));
        [(format!("{name}-large"), slide), (name, page)]
    };
    all.flat_map(draw).collect()
});

/// A text of a picture: where it is, and what it says.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) class: String,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    pub(crate) x: f64,
    pub(crate) said: String,
}

/// The value of an attribute, in the first element that has it.
pub(crate) fn attribute<'a>(markup: &'a str, name: &str) -> &'a str {
    let value = markup.split(&format!(" {name}=\"")).nth(1).unwrap();
    value.split('"').next().unwrap()
}

pub(crate) fn number(markup: &str, name: &str) -> f64 {
    attribute(markup, name).parse().unwrap()
}

/// All texts, as wide as a usual font makes them.
pub(crate) fn texts(svg: &str) -> Vec<Text> {
    let mut texts = Vec::new();
    let em = number(svg, "font-size");
    for element in svg.split("<text").skip(1) {
        let said = element.split_once('>').unwrap().1.split_once('<').unwrap().0;
        let said = said.replace("&quot;", "\"").replace("&lt;", "<").replace("&amp;", "&");
        let (class, x, y) =
            (attribute(element, "class"), number(element, "x"), number(element, "y"));
        let size = if class == "title" { 1.6 * em } else { em };
        let width = size * 0.57 * f64::from(u32::try_from(said.chars().count()).unwrap());
        let left = match class {
            "tick" | "on-span" => x - width / 2.0,
            "lane" => x - width,
            _ if class.ends_with(" left") => x - width,
            _ => x,
        };
        let class = class.trim_end_matches(" left").to_owned();
        let (right, top, bottom) = (left + width, y - size * 0.75, y + size * 0.2);
        texts.push(Text { class, left, right, top, bottom, x, said });
    }
    texts
}

/// Whether every element that is opened is closed, in order, and no text has markup in it.
pub(crate) fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag that ends");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        match tag {
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name), "{tag}"),
            _ if tag.ends_with('/') => {}
            _ => open.push(name),
        }
        let escapes = ["&amp;", "&lt;", "&gt;", "&quot;"];
        let bare = escapes.iter().fold(text.to_owned(), |text, escape| text.replace(escape, ""));
        assert!(!bare.contains(['&', '\u{0}']), "{text}");
    }
    assert_eq!(open, [""; 0]);
}

#[test]
fn traces_of_every_length_are_drawn() {
    for (name, svg) in PICTURES.iter() {
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{name}");
        assert_well_formed(svg);
        assert!(svg.contains("prefers-color-scheme: dark"), "{name}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
    }
}

/// What covers something or is cut off, if anything is.
pub(crate) fn crowded(svg: &str) -> Option<String> {
    let (width, height) = (number(svg, "width"), number(svg, "height"));
    let texts = texts(svg);
    for (n, text) in texts.iter().enumerate() {
        let inside = text.left >= 0.0 && text.right <= width && text.top >= 0.0;
        if !inside || text.bottom > height {
            return Some(format!("{text:?} is cut off"));
        }
        let apart = |other: &&Text| {
            text.right <= other.left
                || other.right <= text.left
                || text.bottom <= other.top
                || other.bottom <= text.top
        };
        if let Some(other) = texts[n + 1..].iter().find(|other| !apart(other)) {
            return Some(format!("{text:?} covers {other:?}"));
        }
    }
    None
}

#[test]
fn no_text_covers_another_or_leaves_the_page() {
    for (name, svg) in PICTURES.iter() {
        assert!(texts(svg).len() > 15, "{name}");
        assert_eq!(crowded(svg), None, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_trace_is_drawn(plan in plans()) {
        let trace = played(plan).trace();
        for svg in [drawn("any", &trace), drawn_large("any", &trace)] {
            assert_well_formed(&svg);
            prop_assert_eq!(crowded(&svg), None);
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }
}

#[test]
fn what_happened_is_written_there() {
    let said = |wanted: &str| {
        let (_, svg) = PICTURES.iter().find(|(name, _)| name == wanted).unwrap();
        texts(svg).into_iter().map(|text| text.said).collect::<Vec<_>>()
    };
    let minutes = said("minutes");
    for wanted in [
        "start identity-1",
        "start identity-2",
        "401 from the API",
        "offline",
        "online",
        "stop",
        "503",
        "429, wait 20 s",
        "200 a web page",
        "unreachable",
        "no reply in time",
        "late reply",
        "given up",
        "200 token-1",
        "time is stretched",
    ] {
        assert!(minutes.iter().any(|text| text == wanted), "{wanted}: {minutes:?}");
    }
    let hours = said("hours");
    for wanted in ["62 tokens", "18 \u{d7} 503", "asleep, or clock set: 7 h", "12h"] {
        assert!(hours.iter().any(|text| text == wanted), "{wanted}: {hours:?}");
    }
    let idle = said("idle");
    for wanted in ["time is shortened", "3h", "9h"] {
        assert!(idle.iter().any(|text| text == wanted), "{wanted}: {idle:?}");
    }
}

#[test]
fn what_goes_wrong_is_said_and_where() {
    let (lines, picture) = (file("wrong.jsonl"), file("wrong.svg"));
    let failed = |arguments: &[&Path], code: i32| {
        let output = timeline(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        stderr(&output)
    };
    let usage = "Usage: timeline [--large] TRACE PICTURE";
    assert!(failed(&[], 2).starts_with(usage));
    assert!(failed(&[&lines, &picture, &picture], 2).starts_with(usage));
    let missing = file("missing.jsonl");
    let said = failed(&[&missing, &picture], 1);
    assert!(said.starts_with(&format!("timeline: {}: ", missing.display())), "{said}");

    let trace = seconds().trace();
    let changed = trace.replacen("Granted", "granted", 1);
    let line = 1 + changed[..changed.find("granted").unwrap()].matches('\n').count();
    fs::write(&lines, changed).unwrap();
    let said = failed(&[&lines, &picture], 1);
    let wanted = format!("timeline: {}: line {line}: the checksum doesn't fit", lines.display());
    assert!(said.starts_with(&wanted), "{said}");
    assert!(!picture.exists());
    fs::write(&lines, "not a trace").unwrap();
    assert!(failed(&[&lines, &picture], 1).contains("expected the first line of a trace"));

    fs::write(&lines, &trace).unwrap();
    let nowhere = file("no-such-folder").join("out.svg");
    let said = failed(&[&lines, &nowhere], 1);
    assert!(said.starts_with(&format!("timeline: {}: ", nowhere.display())), "{said}");

    // Of a release that acted otherwise: said, and drawn all the same.
    let other = trace.replacen("\"seed\":7,", "\"seed\":8,", 1);
    fs::write(&lines, crate::damage::resealed(&other)).unwrap();
    let output = timeline(&[&lines, &picture]);
    assert!(output.status.success());
    assert!(stderr(&output).contains("acts otherwise than the trace: line "), "{output:?}");
    assert!(picture.exists());
    fs::remove_file(&picture).unwrap();
    let help = timeline(&[Path::new("--help")]);
    assert!(help.status.success() && help.stdout.starts_with(usage.as_bytes()));
}
