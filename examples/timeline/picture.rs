//! Lays the picture out, and draws its parts from back to front.

use crate::bands;
use crate::frame;
use crate::labels::{self, Label, Placed, ROW};
use crate::messages;
use crate::scale::Scale;
use crate::story::{Kind, Story};
use crate::svg::{Columns, Svg};

/// The width of the page; its height is what it takes.
pub(crate) const WIDTH: f64 = 1_400.0;

/// Where the plot begins and ends. What is right of it has the legend, and the last labels' texts.
pub(crate) const LEFT: f64 = 104.0;
pub(crate) const RIGHT: f64 = 1_196.0;

/// By which part of the trace's length the axis goes on, to show the rest of the last token's life.
const OUTLOOK: u64 = 4;

/// From top to bottom.
pub(crate) struct Layout {
    pub(crate) band: f64,
    pub(crate) tokens: f64,
    pub(crate) client: f64,
    pub(crate) server: f64,
    pub(crate) axis: f64,
    pub(crate) height: f64,
    /// Whether there is anything between client and server.
    pub(crate) messages: bool,
}

/// Where the labels begin.
pub(crate) const TOP: f64 = 78.0;
pub(crate) const BAND: f64 = 36.0;
pub(crate) const TOKEN: f64 = 19.0;
const LANES: f64 = 112.0;

/// What is left free at the right end of the plot, so that the last arrow has room.
const MARGIN: f64 = 18.0;

/// The height of so many rows.
pub(crate) fn rows(count: usize, each: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * each
}

impl Layout {
    /// `messages` says whether there is anything between client and server.
    /// `foot` is the height of what is written under the axis.
    fn new([above, token_rows, below]: [usize; 3], messages: bool, foot: f64) -> Self {
        let band = TOP + rows(above, ROW) + 12.0;
        let tokens = band + BAND + 14.0;
        let bands = tokens + rows(token_rows.max(1), TOKEN);
        let client = bands + 30.0;
        let server = client + LANES;
        let axis = if messages { server + 20.0 + rows(below, ROW) + 10.0 } else { bands + 20.0 };
        let legend = band + frame::SHORT_LEGEND + 16.0;
        Self { band, tokens, client, server, axis, messages, height: (axis + foot).max(legend) }
    }
}

pub(crate) fn draw(story: &Story) -> String {
    let scale = scale(story);
    let marks = labels::place(marks(story, &scale), WIDTH);
    let messages = messages::lay_out(story, &scale);
    let fates = labels::place(messages::labels(&messages), WIDTH);
    let tokens = bands::pack(story, &scale);
    let busy = !story.requests.is_empty() || !story.offline.is_empty();
    let foot = if scale.breaks.is_empty() { 42.0 } else { 58.0 };
    let layout = Layout::new([taken(&marks), tokens.rows, taken(&fates)], busy, foot);
    let mut svg = Svg::default();
    frame::open(&mut svg, story, &layout);
    let ticks = frame::ticks(&scale);
    frame::grid(&mut svg, &scale, &layout, &ticks);
    bands::offline(&mut svg, story, &scale, &layout);
    bands::states(&mut svg, story, &scale, &layout);
    bands::tokens(&mut svg, &tokens, &layout);
    bands::waits(&mut svg, story, &scale, &layout);
    frame::rails(&mut svg, &layout);
    frame::breaks(&mut svg, &scale, &layout);
    bands::names(&mut svg, story, &tokens, &scale, &layout);
    frame::end_of_trace(&mut svg, story, &scale, &layout);
    messages::draw(&mut svg, &messages, &layout);
    write_above(&mut svg, story, &scale, &marks, &layout);
    write_below(&mut svg, &fates, &layout);
    frame::axis(&mut svg, &ticks, &layout);
    frame::legend(&mut svg, &layout);
    svg.raw("</svg>");
    svg.finish()
}

/// How many rows there are.
fn taken(placed: &[Placed]) -> usize {
    placed.iter().map(|placed| placed.row + 1).max().unwrap_or(0)
}

/// The time axis, with room for everything that happens.
fn scale(story: &Story) -> Scale {
    // Even a moment has a width.
    let mut events = vec![0, story.length.max(1)];
    events.extend(story.states.iter().map(|span| span.from));
    events.extend(story.marks.iter().map(|mark| mark.at));
    events.extend(story.requests.iter().map(|request| request.sent));
    if let Some(last) = story.tokens.last().filter(|token| token.held && token.refused.is_none()) {
        let latest = story.length.saturating_add(story.length / OUTLOOK);
        events.push(last.dead.unwrap_or(last.sure).clamp(story.length, latest));
    }
    let mut times = events.clone();
    for request in &story.requests {
        times.extend(request.end.as_ref().map(|end| end.at));
        times.extend(&request.late);
    }
    for times in [&mut events, &mut times] {
        times.sort_unstable();
        times.dedup();
    }
    Scale::new(&events, &times, LEFT, RIGHT - LEFT - MARGIN)
}

fn class(kind: Kind) -> (&'static str, &'static str, u32) {
    match kind {
        Kind::Fault => ("label fault", "dot-fault", 4),
        Kind::Event => ("label event", "dot-event", 3),
        Kind::App => ("label app", "dot-app", 2),
        Kind::Clock => ("label clock", "dot-clock", 1),
    }
}

/// What is to be written above the bands.
fn marks(story: &Story, scale: &Scale) -> Vec<Label> {
    let mut labels: Vec<Label> = Vec::new();
    for mark in &story.marks {
        let (label_class, _, weight) = class(mark.kind);
        labels.push(Label::new(scale.x(mark.at), &mark.text, label_class, weight));
    }
    labels::merge(labels)
}

fn write_above(svg: &mut Svg, story: &Story, scale: &Scale, marks: &[Placed], layout: &Layout) {
    let y = |row: usize| layout.band - 14.0 - rows(row, ROW);
    for Placed { label, row } in marks {
        svg.line("leader", (label.x, y(*row) - 9.0), (label.x, layout.band));
    }
    let mut columns = Columns::default();
    for mark in &story.marks {
        let (_, dot, _) = class(mark.kind);
        let x = scale.x(mark.at);
        if columns.first(dot, x) {
            svg.open_group("mark", Some(&mark.text));
            svg.circle(dot, (x, layout.band), 3.2);
            svg.close_group();
        }
    }
    for Placed { label, row } in marks {
        svg.text(label.class, (label.x + 4.0, y(*row)), &label.text);
    }
}

fn write_below(svg: &mut Svg, fates: &[Placed], layout: &Layout) {
    let y = |row: usize| layout.server + 22.0 + rows(row, ROW);
    for Placed { label, row } in fates {
        svg.line("leader", (label.x, layout.server), (label.x, y(*row)));
    }
    for Placed { label, row } in fates {
        svg.text(label.class, (label.x + 4.0, y(*row)), &label.text);
    }
}
