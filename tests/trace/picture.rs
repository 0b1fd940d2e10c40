//! The example `timeline`, run as a user runs it, on traces from seconds to a day.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use proptest::prelude::*;

use crate::example;
use crate::plays::{adopted, hours, idle, minutes, seconds, workday};
use crate::properties::{plans, played};
use crate::recording::Recording;
use crate::sessions;

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
    let lengths = lengths.into_iter().map(|(name, recording)| (name.to_owned(), recording));
    let all = sessions::all().into_iter().enumerate();
    let all = lengths.chain(all.map(|(n, recording)| (format!("session-{n}"), recording)));
    let draw = |(name, mut recording): (String, Recording)| {
        let trace = recording.trace();
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

/// The widths of printable ASCII in thousandths of an em, in `DejaVu Sans`: a wide font.
const WIDTHS: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];

/// The width of a text, in ems.
fn ems(text: &str, class: &str) -> f64 {
    let width = |character: char| {
        let at = usize::try_from(u32::from(character)).unwrap().wrapping_sub(32);
        f64::from(WIDTHS.get(at).copied().unwrap_or(838)) / 1_000.0
    };
    let bold = if ["title", "lane", "on-span"].contains(&class) { 1.15 } else { 1.0 };
    text.chars().map(width).sum::<f64>() * bold
}

/// All texts, as wide as a wide font makes them.
pub(crate) fn texts(svg: &str) -> Vec<Text> {
    let mut texts = Vec::new();
    let em = number(svg, "font-size");
    for element in svg.split("<text").skip(1) {
        let said = element.split_once('>').unwrap().1.split_once('<').unwrap().0;
        let said = said.replace("&quot;", "\"").replace("&lt;", "<").replace("&amp;", "&");
        let (class, x, y) =
            (attribute(element, "class"), number(element, "x"), number(element, "y"));
        let size = if class == "title" { 1.6 * em } else { em };
        let width = size * ems(&said, class);
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
        let crosses = |[x, top, _, bottom]: &[f64; 4]| {
            text.left < *x && *x < text.right && *top < text.bottom && text.top < *bottom
        };
        if let Some(line) = leaders(svg).iter().find(|line| crosses(line)) {
            return Some(format!("{text:?} covers the line of another one: {line:?}"));
        }
    }
    None
}

/// The lines between labels and what they are about: x and y of both ends.
fn leaders(svg: &str) -> Vec<[f64; 4]> {
    let lines = svg.split("<polyline class=\"leader\"").skip(1).map(|line| {
        let numbers = attribute(line, "points").split([' ', ',']);
        numbers.map(|number| number.parse().unwrap()).collect::<Vec<f64>>()
    });
    // Those with more points are brackets.
    lines.filter_map(|line| line.try_into().ok()).collect()
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
    let _ = fs::remove_file(&picture);
    let usage = "Usage: timeline [--large] TRACE PICTURE";
    assert!(failed(&[], 2).starts_with(usage));
    assert!(failed(&[&lines, &picture, &picture], 2).starts_with(usage));
    let missing = file("missing.jsonl");
    let said = failed(&[&missing, &picture], 1);
    assert!(said.starts_with(&format!("timeline: {}: ", missing.display())), "{said}");

    let trace = seconds().trace();
    let changed = trace.replacen("\"in\":\"poll\"", "\"in\":\"pull\"", 1);
    let line = 1 + changed[..changed.find("pull").unwrap()].matches('\n').count();
    fs::write(&lines, changed).unwrap();
    let said = failed(&[&lines, &picture], 1);
    let wanted = format!("timeline: {}: line {line}: in: unknown variant `pull`", lines.display());
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
    fs::write(&lines, &other).unwrap();
    let output = timeline(&[&lines, &picture]);
    assert!(output.status.success());
    assert!(stderr(&output).contains("acts otherwise than in the trace: line "), "{output:?}");
    assert!(picture.exists());
    fs::remove_file(&picture).unwrap();
    let help = timeline(&[Path::new("--help")]);
    assert!(help.status.success() && help.stdout.starts_with(usage.as_bytes()));
}
