//! Where a time is on the page: in proportion, but for what happens in close succession, which is
//! stretched until it can be read, and for long times in which nothing happens, which are broken.

use crate::words::{Format, STEPS};

/// How wide the middle of a break is.
pub(crate) const GAP: f64 = 14.0;

/// How much wider a break is for each time that what it leaves out doubles.
const PER_DOUBLING: f64 = 12.0;

/// What two events have to be apart, to be told from each other, as long as most of the axis remains.
const ROOM: f64 = 28.0;
const MOST_STRETCHED: f64 = 0.6;

/// What one more break is worth, in pairs of events that need not be stretched.
const BREAK_COST: f64 = 3.0;

/// The least distance of two ticks.
const TICK_ROOM: f64 = 76.0;

/// With more events than these, no breaks are looked for.
const MANY: usize = 3_000;

/// A time axis.
#[derive(Debug)]
pub(crate) struct Scale {
    pieces: Vec<Piece>,
    pub(crate) breaks: Vec<Break>,
    per_milli: f64,
}

/// The time between two events.
#[derive(Debug, Clone, Copy)]
struct Piece {
    from: u64,
    to: u64,
    left: f64,
    right: f64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Even,
    Stretched,
    Broken,
}

/// A long time in which nothing happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Break {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Its middle.
    pub(crate) x: f64,
}

/// Milliseconds as a number to reckon with: no picture shows the difference.
#[expect(clippy::cast_precision_loss, reason = "a page has a few thousand pixels")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

impl Scale {
    /// The axis from `left` for `width`. `events` are the times at which something happens that needs
    /// room, in order, with the first and the last time of all; `times` are all times.
    pub(crate) fn new(events: &[u64], times: &[u64], left: f64, width: f64) -> Self {
        let longest = events.windows(2).map(|pair| float(pair[1] - pair[0])).fold(1.0, f64::max);
        let mut best = Self::with_knee(events, longest, left, width);
        let mut least = best.cost();
        let mut knee = longest * 0.75;
        while knee > 200.0 && events.len() < MANY {
            let scale = Self::with_knee(events, knee, left, width);
            let cost = scale.cost();
            if cost < least {
                (best, least) = (scale, cost);
            }
            knee *= 0.75;
        }
        best.breaks = best.find_breaks(times);
        best
    }

    /// The axis on which times up to `knee` are in proportion, and longer ones grow with their logarithm.
    fn with_knee(events: &[u64], knee: f64, left: f64, width: f64) -> Self {
        let count = float(events.len() as u64).max(1.0);
        let room = ROOM.min(width * MOST_STRETCHED / count);
        let wide = |gap: f64, per_milli: f64| {
            let even = gap.min(knee) * per_milli;
            (even + (gap / knee).log2().max(0.0) * PER_DOUBLING).max(room)
        };
        let gaps = || events.windows(2).map(|pair| (pair[0], pair[1], float(pair[1] - pair[0])));
        // The scale for which all of it is as wide as the page: it grows with the scale, and is no
        // larger than one that has no room for anything else.
        let even: f64 = gaps().map(|(_, _, gap)| gap.min(knee)).sum();
        let (mut low, mut high) = (0.0, width / even.max(1.0));
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            let sum: f64 = gaps().map(|(_, _, gap)| wide(gap, middle)).sum();
            if sum < width { low = middle } else { high = middle }
        }
        let mut x = left;
        let mut pieces = Vec::new();
        for (from, to, gap) in gaps() {
            let (even, right) = (gap * low, x + wide(gap, low));
            let kind = if gap > knee * 1.01 {
                Kind::Broken
            } else if right - x > even + 1.0 {
                Kind::Stretched
            } else {
                Kind::Even
            };
            pieces.push(Piece { from, to, left: x, right, kind });
            x = right;
        }
        Self { pieces, breaks: Vec::new(), per_milli: low }
    }

    fn cost(&self) -> f64 {
        let costs = self.pieces.iter().map(|piece| match piece.kind {
            Kind::Even => 0.0,
            Kind::Stretched => 1.0,
            Kind::Broken => BREAK_COST,
        });
        costs.sum()
    }

    /// Puts each break where nothing at all happens for the longest time.
    fn find_breaks(&self, times: &[u64]) -> Vec<Break> {
        let broken = self.pieces.iter().filter(|piece| piece.kind == Kind::Broken);
        let placed = broken.filter_map(|piece| {
            let first = times.partition_point(|at| *at < piece.from);
            let within = times[first..].windows(2).take_while(|pair| pair[1] <= piece.to);
            let longest = within.max_by_key(|pair| pair[1] - pair[0])?;
            let x = f64::midpoint(self.x(longest[0]), self.x(longest[1]));
            Some(Break { from: piece.from, to: piece.to, x })
        });
        placed.collect()
    }

    /// Where a time is.
    pub(crate) fn x(&self, time: u64) -> f64 {
        let at = self.pieces.partition_point(|piece| piece.to < time);
        match self.pieces.get(at).or(self.pieces.last()) {
            Some(Piece { from, to, left, right, .. }) => {
                let part = float(time.saturating_sub(*from)) / float(to - from).max(1.0);
                left + (right - left) * part.min(1.0)
            }
            None => 0.0,
        }
    }

    /// The pieces between two places that have no break in them.
    pub(crate) fn unbroken(&self, left: f64, right: f64) -> Vec<(f64, f64)> {
        let mut pieces = Vec::new();
        let mut from = left;
        for gap in self.breaks.iter().filter(|gap| left < gap.x + GAP && gap.x - GAP < right) {
            pieces.push((from, gap.x - GAP / 2.0));
            from = gap.x + GAP / 2.0;
        }
        pieces.push((from, right));
        pieces
    }

    /// Where time is stretched, from and to.
    pub(crate) fn stretched(&self) -> Vec<(f64, f64)> {
        let mut zones: Vec<(f64, f64)> = Vec::new();
        for piece in self.pieces.iter().filter(|piece| piece.kind == Kind::Stretched) {
            match zones.last_mut().filter(|zone| piece.left - zone.1 < 1.0) {
                Some(zone) => zone.1 = piece.right,
                None => zones.push((piece.left, piece.right)),
            }
        }
        zones
    }

    /// The last time on it.
    pub(crate) fn end(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.to)
    }

    /// How its times are written, and where; the more important ones first.
    pub(crate) fn ticks(&self) -> (Format, Vec<(f64, String)>) {
        let fits = |step: &&u64| float(**step) * self.per_milli >= TICK_ROOM;
        let step = STEPS.iter().find(fits).copied().unwrap_or(u64::MAX);
        let format = Format::new(step, self.end());
        let tick = |at: u64| (self.x(at), format.write(at));
        let odd_tick = |at: u64| (self.x(at), format.finer().write(at));
        let mut ticks = vec![tick(0)];
        // Where it goes on behind a break, and where it begins to stretch.
        let mut even = true;
        for piece in &self.pieces {
            if even && piece.kind == Kind::Stretched {
                ticks.push(odd_tick(piece.from));
            }
            if piece.kind == Kind::Broken {
                ticks.push(odd_tick(piece.to));
            }
            even = piece.kind == Kind::Even;
        }
        for piece in self.pieces.iter().filter(|piece| piece.kind == Kind::Even) {
            let times = (piece.from.div_ceil(step)..).map_while(|n| n.checked_mul(step));
            ticks.extend(times.take_while(|at| *at < piece.to).take(1_000).map(tick));
        }
        (format, ticks)
    }
}
