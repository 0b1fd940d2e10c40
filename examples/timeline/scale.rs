//! The time axis: in proportion, but for what happens in close succession, which is stretched until it
//! can be read, and for long times in which nothing happens, which are shortened.

use std::cmp::Ordering;

use crate::svg::width;
use crate::words::{DAY, SECOND, YEAR, tick};

/// In ems: the room of an event, and on each side of a tick; and for each doubling of a shortened time.
const ROOM: f64 = 1.4;
const TICK: f64 = 2.8;
const PER_DOUBLING: f64 = 0.9;

/// What each time costs that is narrower than is comfortable, by halving; and each one that is shortened.
const COMFORT: f64 = 6.0;
const COST: f64 = 6.0;

#[derive(Debug)]
pub(crate) struct Scale {
    pub(crate) pieces: Vec<Piece>,
    em: f64,
}

/// The time between two events, and its place.
#[derive(Debug)]
pub(crate) struct Piece {
    from: u64,
    to: u64,
    pub(crate) x: [f64; 2],
    /// How its width compares to the proportional one.
    pub(crate) width: Ordering,
}

/// Returns a number to compute places with: no picture shows the difference.
#[expect(clippy::cast_precision_loss, reason = "a page has a few thousand pixels")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

impl Scale {
    /// Fits all times into a width. Room is needed at the `events`, in order.
    pub(crate) fn new(events: &[u64], x: [f64; 2], em: f64) -> Self {
        let longest = events.windows(2).map(|pair| float(pair[1] - pair[0])).fold(1.0, f64::max);
        let cost = |piece: &Piece| match piece.width {
            Ordering::Less => COST,
            _ => (COMFORT * em / (piece.x[1] - piece.x[0])).log2().max(0.0),
        };
        let cost = |scale: &Self| scale.pieces.iter().map(cost).sum::<f64>();
        let knees = std::iter::successors(Some(longest), |knee| Some(knee * 0.75));
        // With many events, no cheaper axis is looked for.
        let knees = knees.take(if events.len() < 3_000 { 64 } else { 1 });
        let scales = knees.map(|knee| Self::with_knee(events, knee, x, em));
        scales.min_by(|a, b| cost(a).total_cmp(&cost(b))).expect("at least one")
    }

    /// Puts times up to `knee` in proportion; longer ones grow with their logarithm.
    fn with_knee(events: &[u64], knee: f64, [left, right]: [f64; 2], em: f64) -> Self {
        // However many events there are, most of the axis is in proportion.
        let room = (ROOM * em).min((right - left) * 0.6 / float(events.len() as u64));
        let wide = |gap: f64, per_milli: f64| {
            let beyond = (gap / knee).log2().max(0.0) * PER_DOUBLING * em;
            (gap.min(knee) * per_milli + beyond).max(room)
        };
        let gaps = || events.windows(2).map(|pair| (pair[0], pair[1], float(pair[1] - pair[0])));
        let even: f64 = gaps().map(|(_, _, gap)| gap.min(knee)).sum();
        let (mut low, mut high) = (0.0, (right - left) / even.max(1.0));
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            let sum: f64 = gaps().map(|(_, _, gap)| wide(gap, middle)).sum();
            if sum < right - left { low = middle } else { high = middle }
        }
        let pieces = gaps().scan(left, |x, (from, to, gap)| {
            let left = std::mem::replace(x, *x + wide(gap, low));
            let stretched = *x - left > gap * low + 1.0;
            let width = if stretched { Ordering::Greater } else { Ordering::Equal };
            let width = if gap > knee * 1.01 { Ordering::Less } else { width };
            Some(Piece { from, to, x: [left, *x], width })
        });
        Self { pieces: pieces.collect(), em }
    }

    /// Returns where a time is.
    pub(crate) fn x(&self, time: u64) -> f64 {
        let at = self.pieces.partition_point(|piece| piece.to < time);
        let Some(piece) = self.pieces.get(at).or(self.pieces.last()) else { return 0.0 };
        let part = float(time.saturating_sub(piece.from)) / float(piece.to - piece.from).max(1.0);
        piece.x[0] + (piece.x[1] - piece.x[0]) * part.min(1.0)
    }

    /// Returns which time is at a place.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within range")]
    fn time(&self, x: f64) -> u64 {
        let at = self.pieces.partition_point(|piece| piece.x[1] < x);
        let Some(piece) = self.pieces.get(at) else { return self.end() };
        let part = ((x - piece.x[0]) / (piece.x[1] - piece.x[0])).clamp(0.0, 1.0);
        piece.from + (part * float(piece.to - piece.from)) as u64
    }

    /// Returns the last time on the axis.
    pub(crate) fn end(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.to)
    }

    /// Returns ticks across the whole axis: the roundest time, wherever there is room.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let (first, room) = (self.x(0), TICK * self.em);
        let mut ticks = vec![(first, tick(0))];
        let mut free = vec![[first + room / 2.0, self.x(self.end())]];
        while let Some([left, right]) = free.pop() {
            let within = (right - left > 4.0 * room).then_some([left + room, right - room]);
            let time = within.and_then(|[left, right]| roundest(self.time(left), self.time(right)));
            let Some(time) = time else { continue };
            let (x, text) = (self.x(time), tick(time));
            let half = f64::midpoint(width(&text, self.em), self.em);
            if left <= x - half && x + half <= right {
                ticks.push((x, text));
                free.extend([[left, x - half], [x + half, right]]);
            } else {
                free.push([left + room, right - room]);
            }
        }
        ticks
    }
}

/// Returns the multiple of the largest step between two times: of several, the one in the middle.
fn roundest(from: u64, to: u64) -> Option<u64> {
    let years = (0..9).rev().flat_map(|power| [5, 1].map(|n| n * 10_u64.pow(power) * YEAR));
    let days = years.chain([100, 50, 10, 5, 1].map(|days| days * DAY));
    let seconds = [43_200, 21_600, 10_800, 3_600, 1_800, 600, 300, 60, 30, 10, 5, 1];
    let steps = days.chain(seconds.map(|seconds| seconds * SECOND)).chain([500, 100]);
    let mut multiples = steps.map(|step| (from.div_ceil(step), to / step, step));
    let (first, last, step) = multiples.find(|(first, last, _)| first <= last)?;
    Some(u64::midpoint(first, last) * step)
}
