//! What lasts: states, tokens, waits, and times without a network.

use std::fmt::Write;

use crate::picture::{BAND, LEFT, Layout, RIGHT, TOKEN, WIDTH, rows};
use crate::scale::Scale;
use crate::story::{Story, Token, Wait};
use crate::svg::{Area, Columns, Svg, width};
use crate::words;

/// The most rows of tokens.
const TOKEN_ROWS: usize = 3;

pub(crate) fn states(svg: &mut Svg, story: &Story, scale: &Scale, layout: &Layout) {
    // A short state is drawn over the long ones beside it, so that it is seen at all.
    let mut spans: Vec<_> = story.states.iter().collect();
    spans.sort_by_key(|span| std::cmp::Reverse(span.to - span.from));
    let mut columns = Columns::default();
    for span in spans {
        let (left, right) = (scale.x(span.from), scale.x(span.to));
        if span.from == span.to && span.to != story.length {
            continue;
        }
        if right - left < 1.0 && !columns.first(span.state, left) {
            continue;
        }
        let area = Area { x: left, y: layout.band, width: (right - left).max(2.0), height: BAND };
        let lasted = words::duration(span.to - span.from);
        svg.open_group("span", Some(&format!("{} for {lasted}", span.state)));
        svg.rect(span.state, area, 2.0);
        svg.close_group();
    }
}

/// Tokens, each in a row where it has room.
pub(crate) struct Packed {
    pub(crate) rows: usize,
    bars: Vec<Bar>,
}

struct Bar {
    row: usize,
    title: String,
    name: String,
    /// The parts of its life: class, from, to.
    parts: Vec<(&'static str, f64, f64)>,
}

impl Bar {
    fn ends(&self) -> (f64, f64) {
        let first = self.parts.first().map_or(0.0, |(_, from, _)| *from);
        (first, self.parts.last().map_or(first, |(_, _, to)| *to))
    }
}

pub(crate) fn pack(story: &Story, scale: &Scale) -> Packed {
    let mut ends = [f64::MIN; TOKEN_ROWS];
    let mut bars: Vec<Bar> = Vec::new();
    for token in &story.tokens {
        let left = scale.x(token.from);
        let free = ends.iter().position(|end| *end <= left + 0.5);
        let row = free.unwrap_or_else(|| least(&ends));
        // What is left of a token that was replaced makes room.
        for bar in bars.iter_mut().rev().take(12).filter(|bar| bar.row == row) {
            bar.parts.retain_mut(|(_, from, to)| {
                *to = to.min(left - 1.0);
                *from < *to
            });
        }
        let parts = parts(token, scale);
        ends[row] = parts.last().map_or(left, |(_, _, to)| *to).max(left + 2.0);
        bars.push(Bar { row, title: title(token), name: token.name.clone(), parts });
    }
    Packed { rows: bars.iter().map(|bar| bar.row + 1).max().unwrap_or(0), bars }
}

fn least(ends: &[f64]) -> usize {
    let least = ends.iter().enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
    least.map_or(0, |(row, _)| row)
}

fn title(token: &Token) -> String {
    let life = |end: u64| words::duration(end.saturating_sub(token.from));
    let sure = life(token.sure);
    let mut title = match token.dead {
        Some(dead) => format!("{}: lives for {sure} to {}", token.name, life(dead)),
        None => format!("{}: no end is known; {sure} are assumed", token.name),
    };
    if let Some(refused) = token.refused {
        let _ = write!(title, "; refused by the API after {}", life(refused));
    }
    title
}

/// While it serves, and afterwards: first surely alive, then perhaps.
fn parts(token: &Token, scale: &Scale) -> Vec<(&'static str, f64, f64)> {
    let end = scale.end();
    // What is only assumed is shown of the current token. What the API refused doesn't live on.
    let assumed = if token.held { token.until.max(token.sure) } else { token.until };
    let last = if token.refused.is_some() { token.until } else { end };
    let dead = token.dead.unwrap_or(assumed).min(last).min(end);
    let sure = token.sure.min(dead);
    let until = token.until.min(end);
    let pieces = [
        ("serves", token.from, sure.min(until)),
        ("rest", until, sure),
        ("unsure", sure.max(token.from), dead),
    ];
    let placed = pieces.map(|(class, from, to)| (class, scale.x(from), scale.x(to.max(from))));
    let mut parts: Vec<_> =
        placed.into_iter().filter(|(_, from, to)| to - from > 0.3 && *from < RIGHT).collect();
    if parts.is_empty() {
        let left = scale.x(token.from);
        parts.push(("serves", left, left + 1.5));
    }
    parts
}

pub(crate) fn tokens(svg: &mut Svg, packed: &Packed, layout: &Layout) {
    let mut columns = Columns::default();
    for bar in &packed.bars {
        let y = row_top(bar, layout);
        let (from, to) = bar.ends();
        if to - from < 2.0 && !columns.first("token", from + rows(bar.row, WIDTH)) {
            continue;
        }
        svg.open_group("token", Some(&bar.title));
        for (class, from, to) in &bar.parts {
            let area = Area { x: *from, y, width: to - from, height: TOKEN - 4.0 };
            svg.rect(class, area, 2.0);
        }
        svg.close_group();
    }
}

/// The names of states and tokens, where there is room between two breaks.
pub(crate) fn names(svg: &mut Svg, story: &Story, packed: &Packed, scale: &Scale, layout: &Layout) {
    let bold = |text: &str, size: f64| width(text, size) * 1.1 + 8.0;
    for span in &story.states {
        let (left, right) = widest(scale, span.from, span.to);
        if bold(span.state, 12.0) < right - left {
            let at = (f64::midpoint(left, right), layout.band + BAND / 2.0 + 4.5);
            svg.text("state", at, span.state);
        }
    }
    for (from, to) in &story.offline {
        let (left, right) = widest(scale, *from, *to);
        if bold("offline", 12.0) < right - left {
            let at = (f64::midpoint(left, right), f64::midpoint(layout.client, layout.server));
            svg.text("offline-text", at, "offline");
        }
    }
    for bar in &packed.bars {
        let Some(("serves", from, to)) = bar.parts.first() else { continue };
        let room = |piece: &(f64, f64)| bold(&bar.name, 11.0) < piece.1 - piece.0;
        if let Some((left, _)) = scale.unbroken(*from, *to).into_iter().find(room) {
            svg.text("token-name", (left + 5.0, row_top(bar, layout) + 11.5), &bar.name);
        }
    }
}

/// The widest piece of a time that has no break in it.
fn widest(scale: &Scale, from: u64, to: u64) -> (f64, f64) {
    let pieces = scale.unbroken(scale.x(from), scale.x(to));
    let widest = pieces.into_iter().max_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)));
    widest.unwrap_or((0.0, 0.0))
}

fn row_top(bar: &Bar, layout: &Layout) -> f64 {
    layout.tokens + rows(bar.row, TOKEN)
}

pub(crate) fn waits(svg: &mut Svg, story: &Story, scale: &Scale, layout: &Layout) {
    let mut columns = Columns::default();
    for Wait { from, asked, counts } in &story.waits {
        let to = from.saturating_add(*counts).min(scale.end());
        let (left, right) = (scale.x(*from), scale.x(to));
        if right - left < 1.0 && !columns.first("wait", left) {
            continue;
        }
        let mut title = format!("Retry-After: {}", words::duration(*asked));
        if counts < asked {
            let _ = write!(title, ", of which {} count", words::duration(*counts));
        }
        svg.open_group("retry-after", Some(&title));
        let width = (right - left).max(2.0);
        svg.rect("wait", Area { x: left, y: layout.client - 11.0, width, height: 5.0 }, 2.0);
        svg.close_group();
    }
}

pub(crate) fn offline(svg: &mut Svg, story: &Story, scale: &Scale, layout: &Layout) {
    let mut columns = Columns::default();
    for (from, to) in &story.offline {
        let (left, right) = (scale.x(*from), scale.x(*to));
        if right - left < 1.0 && !columns.first("offline", left) {
            continue;
        }
        let height = layout.server - layout.client;
        let area = Area { x: left.max(LEFT), y: layout.client, width: right - left, height };
        svg.rect("offline", area, 0.0);
    }
}
