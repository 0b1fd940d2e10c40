//! Pictures are readable: long ones as short ones, on light pages and dark ones, and on a wall.

use std::collections::{BTreeMap, BTreeSet};

use crate::picture::{
    PICTURES, Text, assert_well_formed, attribute, crowded, drawn, drawn_large, number, texts,
};
use crate::plays::{hours, workday};
use crate::recording::{Recording, app};

const CSS: &str = include_str!("../../examples/timeline/style.css");

/// What is no mark, but holds the others.
const SCAFFOLD: [&str; 4] = ["page", "grid", "rail", "leader"];

/// The shapes of a class, before the legend.
fn shapes<'a>(svg: &'a str, class: &str) -> Vec<&'a str> {
    let (plot, _) = svg.split_once("<g class=\"legend\">").unwrap();
    let class = format!(" class=\"{class}\"");
    plot.split('<').filter(|tag| is_shape(tag) && tag.contains(&class)).collect()
}

fn is_shape(tag: &str) -> bool {
    ["rect ", "polyline "].iter().any(|shape| tag.starts_with(shape))
}

fn ticks(svg: &str) -> Vec<Text> {
    let mut ticks: Vec<Text> = texts(svg).into_iter().filter(|text| text.class == "tick").collect();
    ticks.sort_by(|a, b| a.x.total_cmp(&b.x));
    ticks
}

/// Where the time axis begins and ends.
fn axis(svg: &str) -> [f64; 2] {
    // The client's line is as long, and is drawn first.
    let points = attribute(shapes(svg, "rail")[0], "points");
    let xs: Vec<f64> = points.split([',', ' ']).step_by(2).map(|x| x.parse().unwrap()).collect();
    [xs[0], xs[1]]
}

/// The milliseconds of a tick such as `9h 30m`, each of whose numbers has its unit.
fn millis(tick: &str) -> f64 {
    if tick == "0" {
        return 0.0;
    }
    let part = |part: &str| {
        let (number, unit) = part.split_at(part.len() - 1);
        let units = [
            ("y", 31_536e6),
            ("d", 86_400_000.0),
            ("h", 3_600_000.0),
            ("m", 60_000.0),
            ("s", 1_000.0),
        ];
        let unit = units.iter().find(|(name, _)| *name == unit).expect(tick).1;
        number.parse::<f64>().expect(tick) * unit
    };
    tick.split(' ').map(part).sum()
}

#[test]
fn ticks_go_across_the_whole_axis() {
    for (name, svg) in PICTURES.iter() {
        let ([left, right], ticks) = (axis(svg), ticks(svg));
        let places = ticks.iter().map(|tick| tick.x);
        let places: Vec<f64> = [left].into_iter().chain(places).chain([right]).collect();
        for pair in places.windows(2) {
            let part = (pair[1] - pair[0]) / (right - left);
            // A text of what lasts for millions of years is wide.
            let most = if name.starts_with("session") { 0.3 } else { 0.2 };
            assert!(part < most, "{name}: nothing over {part} of the axis: {ticks:?}");
        }
    }
}

#[test]
fn every_tick_has_its_units_and_time_goes_on() {
    for (name, svg) in PICTURES.iter() {
        let times: Vec<f64> = ticks(svg).iter().map(|tick| millis(&tick.said)).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{name}: {times:?}");
        assert_eq!(times[0].to_bits(), 0, "{name}");
    }
}

#[test]
fn what_repeats_is_one_mark() {
    for (name, svg) in PICTURES.iter().filter(|(name, _)| name.starts_with("workday")) {
        let texts = texts(svg);
        let said = |wanted: &str| texts.iter().filter(|text| text.said == wanted).count();
        for wanted in [
            "23 \u{d7} no reply",
            "9 \u{d7} 503",
            "401 from the API \u{d7}3",
            "92 tokens",
            "35 tokens",
            "38 tokens",
            // A sleep and another user end a run.
            "93 \u{d7} 200",
            "23 \u{d7} 200",
            "30 \u{d7} 200",
            "36 \u{d7} 200",
            "39 \u{d7} 200",
        ] {
            assert_eq!(said(wanted), 1, "{name}: {wanted}: {texts:?}");
        }
        // What doesn't repeat is reported besides.
        for wanted in [
            "start identity-1",
            "401 reported, no renewal",
            "asleep, or clock set: 1 h",
            "stop",
            "start identity-2",
            "offline",
            "online",
            "200 a web page",
        ] {
            assert_eq!(said(wanted), 1, "{name}: {wanted}: {texts:?}");
        }
        for single in ["no reply in time", "503, wait 1 min", "200 token-1", "token-1"] {
            assert_eq!(said(single), 0, "{name}: {single}");
        }
        let classes = ["granted", "denied", "failed", "abandoned"];
        let outcomes = texts.iter().filter(|text| classes.contains(&text.class.as_str())).count();
        assert!((5..15).contains(&outcomes), "{name}: {outcomes}");
    }
}

/// What alternates leaves no runs of what is alike.
#[test]
fn replies_that_alternate_have_few_labels() {
    let mut recording = Recording::new(1);
    recording.start(app("anna", 1));
    for n in 0..400 {
        let grant = recording.granting("anna", 120);
        recording.answer(&if n % 2 == 0 { grant } else { crate::recording::denying(503, None) });
    }
    let trace = recording.trace();
    for svg in [drawn("alternating", &trace), drawn_large("alternating", &trace)] {
        assert_well_formed(&svg);
        assert_eq!(crowded(&svg), None);
        let events = texts(&svg).into_iter().filter(|text| text.class == "event");
        assert!((10..=40).contains(&events.count()), "{svg}");
        assert!(svg.contains(">5 \u{d7} 200, 5 \u{d7} 503</text>"), "{svg}");
    }
}

#[test]
fn the_legend_has_every_mark_that_is_drawn_and_no_other() {
    for (name, svg) in PICTURES.iter() {
        let (_, plot) = svg.split_once("</defs>").unwrap();
        let (plot, legend) = plot.split_once("<g class=\"legend\">").unwrap();
        let classes = |part: &str| {
            let shapes = part.split('<').filter(|tag| is_shape(tag));
            let classes = shapes.map(|tag| attribute(tag, "class").to_owned());
            classes.filter(|it| !SCAFFOLD.contains(&it.as_str())).collect::<BTreeSet<String>>()
        };
        assert_eq!(classes(plot), classes(legend), "{name}");
        let keys = legend.matches("class=\"key\"").count();
        assert_eq!(keys, classes(legend).len(), "{name}");
    }
}

/// A session of ten minutes, with a sleep in it.
fn asleep(seconds: u64) -> String {
    let mut recording = Recording::new(1);
    recording.start(app("anna", 1));
    for n in 0..10 {
        let grant = recording.granting("anna", 120);
        recording.answer(&grant);
        recording.pass(60_000);
        if n == 5 {
            recording.sleep(seconds);
        }
    }
    recording.trace()
}

#[test]
fn a_sleep_is_as_long_as_the_wall_clock_says() {
    let hour = 3_600_000.0;
    for (name, trace, hours) in [("day", hours(), 7.0), ("workday", workday(), 1.0)] {
        let mut trace = trace;
        let svg = drawn(&format!("asleep-{name}"), &trace.trace());
        let [zone] = shapes(&svg, "asleep")[..] else { panic!("one sleep: {svg}") };
        let (from, width) = (number(zone, "x"), number(zone, "width"));
        let part = width / (axis(&svg)[1] - axis(&svg)[0]);
        assert!(part > 0.08, "{name}: {part}");
        // From the ticks beside it.
        let ticks = ticks(&svg);
        let before = ticks.iter().rfind(|tick| tick.x <= from + 1.0).unwrap();
        let after = ticks.iter().find(|tick| tick.x >= from + width).unwrap();
        let between = millis(&after.said) - millis(&before.said);
        assert!((hours * hour..(hours + 6.0) * hour).contains(&between), "{name}: {between}");
    }
}

#[test]
fn a_sleep_is_seen_and_leaves_room_for_the_rest() {
    for (name, seconds) in [("hour", 3_600), ("weekend", 216_000), ("year", 31_536_000)] {
        let trace = asleep(seconds);
        for svg in [drawn(name, &trace), drawn_large(name, &trace)] {
            assert_eq!(crowded(&svg), None, "{name}");
            let [zone] = shapes(&svg, "asleep")[..] else { panic!("one sleep: {svg}") };
            let part = number(zone, "width") / (axis(&svg)[1] - axis(&svg)[0]);
            assert!((0.02..0.6).contains(&part), "{name}: {part}");
        }
    }
}

#[test]
fn a_large_picture_is_a_slide_with_large_text() {
    for (name, svg) in PICTURES.iter() {
        let size = ["width", "height", "font-size"].map(|name| number(svg, name));
        if name.ends_with("-large") {
            assert_eq!(
                size.map(f64::to_bits),
                [1_920.0, 1_080.0, 24.0].map(f64::to_bits),
                "{name}"
            );
        } else {
            assert_eq!(size[0].to_bits(), 1_400_f64.to_bits(), "{name}");
            assert!(size[1] < 800.0 && size[2] >= 14.0, "{name}: {size:?}");
        }
    }
    let sizes = CSS.split("font-size: ").skip(1).map(|size| size.split("em").next().unwrap());
    let sizes: Vec<f64> = sizes.map(|size| size.parse().unwrap()).collect();
    assert!(!sizes.is_empty() && sizes.iter().all(|size| *size >= 1.0), "{sizes:?}");
}

/// Fill and stroke of each class.
type Colours = BTreeMap<String, BTreeMap<String, [f64; 3]>>;

/// The colours of a style, as a later rule has them.
fn colours(css: &str, colours: &mut Colours) {
    for rule in css.split('}') {
        let Some((selectors, declarations)) = rule.split_once('{') else { continue };
        for declaration in declarations.split(';') {
            let Some((name, value)) = declaration.split_once(':') else { continue };
            let (name, value) = (name.trim(), value.trim());
            if !["fill", "stroke"].contains(&name) {
                continue;
            }
            for selector in selectors.split(',') {
                let class = selector.trim().rsplit('.').next().unwrap().to_owned();
                let class = if selector.contains("text.") || selector.contains("line.") {
                    continue;
                } else {
                    class
                };
                let class = colours.entry(class).or_default();
                match value.strip_prefix('#') {
                    Some(hex) => class.insert(name.to_owned(), luminances(hex)),
                    None => class.remove(name),
                };
            }
        }
    }
}

fn luminances(hex: &str) -> [f64; 3] {
    [0, 2, 4].map(|at| {
        let part = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    })
}

/// The contrast of two colours, as WCAG 2 has it.
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let luminance = |[r, g, b]: [f64; 3]| 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    let (one, other) = (luminance(one), luminance(other));
    one.max(other) / one.min(other)
}

/// The colours on a light page and on a dark one.
fn modes() -> [(&'static str, Colours); 2] {
    let (light, dark) = CSS.split_once("@media (prefers-color-scheme: dark) {").unwrap();
    let mut colors = Colours::new();
    colours(light, &mut colors);
    let light = colors.clone();
    colours(dark, &mut colors);
    [("light", light), ("dark", colors)]
}

#[test]
fn marks_stand_out_from_light_pages_and_dark_ones() {
    let legend = include_str!("../../examples/timeline/legend.txt");
    let classes = legend.lines().map(|line| line.split(' ').nth(1).unwrap());
    let classes: Vec<&str> = classes.chain(["rail", "leader"]).collect();
    assert_eq!(classes.len(), 25);
    for (mode, colours) in modes() {
        let page = colours["page"]["fill"];
        for class in &classes {
            // What is filled with a pattern is as its lines are.
            let lines = format!("{class}-lines");
            let own = colours.get(lines.as_str()).or(colours.get(*class)).expect(class);
            let shown = own.get("fill").or(own.get("stroke")).expect(class);
            let contrast = contrast(*shown, page);
            assert!(contrast >= 3.0, "{mode}: {class}: {contrast}");
        }
    }
}

#[test]
fn texts_stand_out_from_light_pages_and_dark_ones() {
    let on_page = ["text", "title", "subtitle", "tick", "lane", "app", "event", "fault", "clock"];
    let outcomes = ["granted", "denied", "failed", "abandoned"];
    let spans = ["Unauthenticated", "Authenticating", "Active", "Expired", "serves", "offline"];
    for (mode, colours) in modes() {
        let page = colours["page"]["fill"];
        for class in on_page.iter().chain(&outcomes) {
            let contrast = contrast(colours[*class]["fill"], page);
            assert!(contrast >= 4.5, "{mode}: {class}: {contrast}");
        }
        for class in spans {
            let contrast = contrast(colours["on-span"]["fill"], colours[class]["fill"]);
            assert!(contrast >= 4.5, "{mode}: {class}: {contrast}");
        }
    }
}

/// No class is forgotten in the rules for dark pages.
#[test]
fn light_and_dark_have_colours_of_their_own() {
    let [(_, light), (_, dark)] = modes();
    for line in include_str!("../../examples/timeline/legend.txt").lines() {
        let class = line.split(' ').nth(1).unwrap();
        let lines = format!("{class}-lines");
        let of = |colours: &Colours| {
            let own = colours.get(lines.as_str()).or(colours.get(class)).unwrap().clone();
            format!("{own:?}")
        };
        assert_ne!(of(&light), of(&dark), "{class}");
    }
}
