//! What stands around the plot: title, time axis, breaks, and the legend.

use std::fmt::Write;

use crate::picture::{BAND, LEFT, Layout, RIGHT, WIDTH};
use crate::scale::{GAP, Scale, float};
use crate::story::{Fate, Story};
use crate::svg::{Area, Svg, escape, width};
use crate::words::{self, Format};

const STYLE: &str = include_str!("style.css");

/// What a token that may have expired is filled with.
const HATCH: &str = "<defs><pattern id=\"unsure\" width=\"6\" height=\"6\" \
patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect class=\"unsure-ground\" width=\"6\" height=\"6\"/>\
<path class=\"unsure-lines\" d=\"M0 0V6\"/></pattern></defs>";

/// Begins the document, with its title.
pub(crate) fn open(svg: &mut Svg, story: &Story, layout: &Layout) {
    let height = layout.height;
    svg.raw(&format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         width=\"{WIDTH}\" height=\"{height:.0}\" role=\"img\">"
    ));
    let summary = summary(story);
    svg.raw(&format!("<title>A VideoKit session: {}</title>", escape(&summary)));
    svg.raw(&format!("<style>\n{STYLE}</style>\n{HATCH}"));
    svg.rect("page", Area { x: 0.0, y: 0.0, width: WIDTH, height }, 0.0);
    svg.text("title", (28.0, 36.0), "A VideoKit session");
    svg.text("subtitle", (28.0, 58.0), &summary);
}

fn summary(story: &Story) -> String {
    let Some(began) = story.began else { return "an empty trace".to_owned() };
    let count = |fate| {
        let ends = story.requests.iter().filter_map(|request| request.end.as_ref());
        ends.filter(|end| end.fate == fate).count()
    };
    let mut parts: Vec<String> = words::wall(began).into_iter().collect();
    parts.push(words::duration(story.length));
    parts.push(words::count(story.requests.len(), "request"));
    parts.push(words::count(story.tokens.len(), "token"));
    for (fate, what) in
        [(Fate::Denied, "denied"), (Fate::Failed, "failed"), (Fate::Abandoned, "given up")]
    {
        let count = count(fate);
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join("  \u{b7}  ")
}

/// The time axis: the name of its unit, ticks with their times, and what is left out.
pub(crate) struct Ticks {
    format: Format,
    times: Vec<(f64, String)>,
    left_out: Vec<(f64, String)>,
}

/// Chooses what is written on the axis, so that nothing covers anything.
pub(crate) fn ticks(scale: &Scale) -> Ticks {
    let (format, all) = scale.ticks();
    let span = |x: f64, text: &str| {
        let half = width(text, 11.0) / 2.0 + 5.0;
        (x - half, x + half)
    };
    // What comes first has room; each row has its own.
    let free = |texts: Vec<(f64, String)>| {
        let mut taken: Vec<(f64, f64)> = Vec::new();
        let fits = |(x, text): &(f64, String)| {
            let (left, right) = span(*x, text);
            let free = taken.iter().all(|(from, to)| right <= *from || left >= *to);
            if free {
                taken.push((left, right));
            }
            free
        };
        texts.into_iter().filter(fits).collect::<Vec<_>>()
    };
    let left_out = scale.breaks.iter().map(|gap| (gap.x, words::duration(gap.to - gap.from)));
    Ticks { format, times: free(all), left_out: free(left_out.collect()) }
}

/// What lies behind everything: where time is stretched, and where the ticks are.
pub(crate) fn grid(svg: &mut Svg, scale: &Scale, layout: &Layout, ticks: &Ticks) {
    for (left, right) in scale.stretched() {
        let (y, height) = (layout.band, layout.axis - layout.band);
        svg.rect("stretched", Area { x: left, y, width: right - left, height }, 0.0);
    }
    for (x, _) in &ticks.times {
        svg.line("grid", (*x, layout.band), (*x, layout.axis));
    }
}

/// The lanes' names, and the two lines that messages go between.
pub(crate) fn rails(svg: &mut Svg, layout: &Layout) {
    let mut name = |name: &str, y: f64| svg.text("lane", (LEFT - 14.0, y), name);
    name("session", layout.band + BAND / 2.0 + 4.0);
    name("token", layout.tokens + 12.0);
    if layout.messages {
        name("client", layout.client + 4.0);
        name("server", layout.server + 4.0);
        for y in [layout.client, layout.server] {
            svg.line("rail", (LEFT, y), (RIGHT, y));
        }
    }
}

pub(crate) fn breaks(svg: &mut Svg, scale: &Scale, layout: &Layout) {
    let (top, bottom) = (layout.band - 6.0, layout.axis + 4.0);
    let edge = |x: f64| {
        let mut points = String::new();
        let mut y = top;
        let mut out = false;
        while y < bottom {
            let _ = write!(points, "L{:.1} {y:.1}", if out { x + 2.5 } else { x - 2.5 });
            y += 5.0;
            out = !out;
        }
        points.replacen('L', "M", 1)
    };
    for gap in &scale.breaks {
        let (left, right) = (gap.x - GAP / 2.0 + 3.0, gap.x + GAP / 2.0 - 3.0);
        let title = format!("{} are left out", words::duration(gap.to - gap.from));
        svg.open_group("break", Some(&title));
        let area = Area { x: left, y: top, width: right - left, height: bottom - top };
        svg.rect("gap", area, 0.0);
        svg.path("gap-edge", &edge(left));
        svg.path("gap-edge", &edge(right));
        svg.close_group();
    }
}

/// Where the trace ends, if the picture goes on to show the rest of a token's life.
pub(crate) fn end_of_trace(svg: &mut Svg, story: &Story, scale: &Scale, layout: &Layout) {
    if scale.end() > story.length {
        let x = scale.x(story.length);
        svg.line("end", (x, layout.band - 4.0), (x, layout.axis));
        if RIGHT - x > 100.0 {
            svg.text("end-text", (x + 8.0, layout.band + BAND / 2.0 + 4.0), "end of the trace");
        }
    }
}

pub(crate) fn axis(svg: &mut Svg, ticks: &Ticks, layout: &Layout) {
    svg.line("rail", (LEFT, layout.axis), (RIGHT, layout.axis));
    svg.text("lane", (LEFT - 26.0, layout.axis + 19.0), ticks.format.unit());
    if !ticks.left_out.is_empty() {
        svg.text("lane", (LEFT - 26.0, layout.axis + 36.0), "left out");
    }
    for (x, text) in &ticks.times {
        svg.line("rail", (*x, layout.axis), (*x, layout.axis + 5.0));
        svg.text("tick", (*x, layout.axis + 19.0), text);
    }
    for (x, text) in &ticks.left_out {
        svg.text("left-out", (*x, layout.axis + 36.0), text);
    }
}

/// What a line of the legend shows beside its words.
enum Sign {
    Box,
    Line,
    Bar,
}

/// The class of what it shows, its words, and whether it is there in every picture.
const KEYS: [(Sign, &str, &str, bool); 15] = [
    (Sign::Box, "Unauthenticated", "Unauthenticated", true),
    (Sign::Box, "Authenticating", "Authenticating", true),
    (Sign::Box, "Active", "Active", true),
    (Sign::Box, "Expired", "Expired", true),
    (Sign::Box, "serves", "the token serves", true),
    (Sign::Box, "rest", "would live on", false),
    (Sign::Box, "unsure", "may have expired", false),
    (Sign::Line, "request", "request for a token", false),
    (Sign::Line, "granted", "a token", false),
    (Sign::Line, "denied", "a denial", false),
    (Sign::Line, "failed", "no reply", false),
    (Sign::Line, "abandoned", "given up", false),
    (Sign::Bar, "wait", "Retry-After", false),
    (Sign::Bar, "offline", "no network", false),
    (Sign::Box, "stretched", "time is stretched", false),
];

/// The height of a key, where there is room.
const KEY: f64 = 17.0;

/// The height of the legend where there are no messages.
pub(crate) const SHORT_LEGEND: f64 = KEY * 8.0;

/// Explains what was drawn so far.
pub(crate) fn legend(svg: &mut Svg, layout: &Layout) {
    let there: Vec<_> =
        KEYS.iter().filter(|(_, class, _, always)| *always || svg.has(class)).collect();
    // The last labels under the server reach below it.
    let free = if layout.messages { layout.server + 8.0 - layout.band } else { SHORT_LEGEND };
    let key = KEY.min(free / float(there.len() as u64));
    let x = RIGHT + 22.0;
    let mut y = layout.band + key / 2.0;
    for (sign, class, text, _) in there {
        match sign {
            Sign::Box => svg.rect(class, Area { x, y: y - 5.0, width: 22.0, height: 10.0 }, 2.0),
            Sign::Bar => svg.rect(class, Area { x, y: y - 2.5, width: 22.0, height: 5.0 }, 2.0),
            Sign::Line => svg.line(class, (x, y), (x + 22.0, y)),
        }
        svg.text("key", (x + 30.0, y + 4.0), text);
        y += key;
    }
}
