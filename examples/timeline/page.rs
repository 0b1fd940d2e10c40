//! Lays the picture out, and draws what stands around its lanes: title, labels, time axis and legend.

use std::cmp::Ordering;

use crate::labels::{self, Label, ROW};
use crate::lanes::outcome;
use crate::scale::{Scale, float};
use crate::session::{Request, Session, runs};
use crate::svg::{Svg, escape, width};
use crate::words::{count, duration};

const STYLE: &str = include_str!("style.css");
const PATTERNS: &str = include_str!("patterns.svg");

/// A line for each kind of mark: shape, class and words.
const LEGEND: &str = include_str!("legend.txt");

/// A picture that is being drawn, and where its lanes are.
pub(crate) struct Picture<'a> {
    pub(crate) session: &'a Session,
    /// Requests as they are drawn: one by one, or many together.
    pub(crate) requests: Vec<&'a [Request]>,
    pub(crate) scale: Scale,
    pub(crate) svg: Svg,
    pub(crate) em: f64,
    pub(crate) ends: [f64; 2],
    pub(crate) band: f64,
    pub(crate) client: f64,
    pub(crate) server: f64,
    pub(crate) axis: f64,
}

/// Draws a session: as a slide of 1920 by 1080 pixels, or as high as it has to be.
pub(crate) fn draw(session: &Session, large: bool) -> String {
    let [em, width, height] = if large { [24.0, 1_920.0, 1_080.0] } else { [14.0, 1_400.0, 0.0] };
    let key = |request: &Request| request.outcome.as_ref().map(|it| (it.class, it.brief.clone()));
    let mut requests = runs(&session.requests, |a, b| {
        a.outcome.is_some() && key(a) == key(b) && session.is_quiet(a.sent, b.sent)
    });
    // More are too many to be read: then requests that aren't alike are drawn together.
    if requests.len() > 40 {
        requests = session.requests.chunks(session.requests.len().div_ceil(40)).collect();
    }
    let ends = [6.2 * em, width - 2.0 * em];
    let scale = Scale::new(&events(session, &requests), [ends[0], ends[1] - em], em);
    let limits = [4.0 * em, width - 0.3 * em];
    let marks = session.marks.iter().map(|(at, class, text)| Label::new(scale.x(*at), class, text));
    let above = labels::place(marks.collect(), limits, em);
    let below = labels::place(outcomes(&requests, &scale), limits, em);
    let rows =
        |labels: &[Label]| float(labels.iter().map(|it| it.row + 1).max().unwrap_or(0) as u64);
    let band = em * (6.6 + ROW * rows(&above));
    let (client, foot) = (band + 8.2 * em, em * (2.6 + ROW * rows(&below)));
    let lanes = if large { height - client - foot - 10.0 * em } else { 9.0 * em };
    let server = client + lanes.clamp(5.0 * em, 14.0 * em);
    let (svg, axis) = (Svg::default(), server + foot);
    let mut picture =
        Picture { session, requests, scale, svg, em, ends, band, client, server, axis };
    let ticks = picture.scale.ticks();
    for (x, _) in &ticks {
        picture.svg.line("grid", &[(*x, band), (*x, axis)]);
    }
    picture.draw_lanes();
    picture.write_labels(&above, band - em, -ROW * em);
    picture.write_labels(&below, server + 1.8 * em, ROW * em);
    picture.draw_marks();
    picture.write_axis(&ticks);
    let height = height.max((picture.write_legend() + 1.2 * em).ceil());
    let summary = summary(session);
    picture.svg.text("title", (1.6 * em, 2.6 * em), "A VideoKit session");
    picture.svg.text("subtitle", (1.6 * em, 4.4 * em), &summary);
    let (body, title) = (picture.svg.markup, escape(&summary));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" font-size=\"{em}\" role=\"img\">\n\
         <title>A VideoKit session: {title}</title>\n<style>\n{STYLE}</style>\n{PATTERNS}\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n{body}</svg>\n"
    )
}

/// Returns the times of all marks that need room, in order.
fn events(session: &Session, requests: &[&[Request]]) -> Vec<u64> {
    // Even a moment has a width.
    let mut events = vec![0, session.length.max(1)];
    events.extend(session.marks.iter().map(|(at, ..)| *at));
    let asleep = session.spans.iter().filter(|(class, _)| *class == "asleep");
    events.extend(asleep.flat_map(|(_, span)| span));
    events.extend(requests.iter().flat_map(|run| [run[0].sent, run[run.len() - 1].end]));
    events.extend(session.requests.iter().flat_map(|request| &request.late));
    let last = session.tokens.last().filter(|it| it.until.is_none() && it.refused.is_none());
    if let Some(last) = last {
        // The axis goes on for a quarter of its length, to show the rest of the last token's life.
        let latest = session.length.saturating_add(session.length / 4);
        events.push(last.expired.unwrap_or(last.valid).clamp(session.length, latest));
    }
    events.sort_unstable();
    events.dedup();
    events
}

/// Returns the labels of the requests' outcomes.
fn outcomes(requests: &[&[Request]], scale: &Scale) -> Vec<Label> {
    let mut labels = Vec::new();
    for run in requests {
        let x = f64::midpoint(scale.x(run[0].sent), scale.x(run[run.len() - 1].end));
        let (text, class) = outcome(run);
        labels.extend((!text.is_empty()).then(|| Label::new(x, class, &text)));
        let late = run.iter().flat_map(|request| &request.late);
        labels.extend(late.map(|at| Label::new(scale.x(*at), "abandoned", "late reply")));
    }
    labels
}

fn summary(session: &Session) -> String {
    let Some(began) = session.began else { return "an empty trace".to_owned() };
    let began = jiff::Timestamp::from_millisecond(began).ok();
    let began = began.map(|began| began.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    let requests = count(session.requests.len(), "request");
    let tokens = count(session.tokens.len(), "token");
    let mut parts =
        vec![began.unwrap_or("no date".to_owned()), duration(session.length), requests, tokens];
    for class in ["denied", "failed", "abandoned"] {
        let outcomes = session.requests.iter().filter_map(|request| request.outcome.as_ref());
        let count = outcomes.filter(|outcome| outcome.class == class).count();
        parts.extend((count > 0).then(|| format!("{count} {class}")));
    }
    parts.join("  \u{b7}  ")
}

impl Picture<'_> {
    /// Writes labels, row 0 at `y`, each with a line to its lane.
    fn write_labels(&mut self, labels: &[Label], y: f64, row_height: f64) {
        let (up, lane) = (row_height < 0.0, if row_height < 0.0 { self.band } else { self.server });
        for Label { x, class, text, row, left, right } in labels {
            let y = y + row_height * float(*row as u64);
            let ends = if up { [y - 0.8 * self.em, lane] } else { [lane + 0.5 * self.em, y] };
            self.svg.line("leader", &ends.map(|y| (*x, y)));
            let (side, at) = if left < x { (" left", right) } else { ("", left) };
            self.svg.text(&format!("{class}{side}"), (*at, y), text);
        }
    }

    fn draw_marks(&mut self) {
        for (at, class, text) in &self.session.marks {
            let x = self.scale.x(*at);
            if self.svg.is_first(class, x) {
                self.svg.open("mark", text);
                let size = 0.3 * self.em;
                self.svg.rect(class, [x - size, x + size], [self.band - size, self.band + size]);
                self.svg.close();
            }
        }
    }

    fn write_axis(&mut self, ticks: &[(f64, String)]) {
        let (em, axis) = (self.em, self.axis);
        for piece in self.scale.pieces.iter().filter(|piece| piece.width != Ordering::Equal) {
            let class = if piece.width == Ordering::Less { "shortened" } else { "stretched" };
            self.svg.rect(class, piece.x, [axis - 0.2 * em, axis + 0.2 * em]);
        }
        self.svg.line("rail", &self.ends.map(|x| (x, axis)));
        for (x, text) in ticks {
            self.svg.line("rail", &[(*x, axis), (*x, axis + 0.4 * em)]);
            self.svg.text("tick", (*x, axis + 1.5 * em), text);
        }
    }

    /// Explains every kind of mark that was drawn. Returns the bottom of the legend.
    fn write_legend(&mut self) -> f64 {
        let em = self.em;
        let (mut x, mut y) = (self.ends[0], self.axis + 3.6 * em);
        self.svg.open("legend", "Legend");
        for key in LEGEND.lines() {
            let (shape, key) = key.split_once(' ').unwrap_or_default();
            let (class, text) = key.split_once(' ').unwrap_or_default();
            if !self.svg.drawn.contains(class) {
                continue;
            }
            let needed = em * 3.4 + width(text, em);
            if x + needed > self.ends[1] + em {
                (x, y) = (self.ends[0], y + 1.7 * em);
            }
            let [left, right] = if shape == "dot" { [0.6, 1.2] } else { [0.0, 1.8] };
            let ends = [x + left * em, x + right * em];
            match shape {
                "line" => self.svg.line(class, &ends.map(|x| (x, y))),
                _ => self.svg.rect(class, ends, [y - 0.3 * em, y + 0.3 * em]),
            }
            self.svg.text("key", (x + 2.4 * em, y + 0.35 * em), text);
            x += needed;
        }
        self.svg.close();
        y
    }
}
