//! Places labels so that none covers another, or the line from another to what it is about.

use std::cmp::Ordering;

use crate::svg::width;

/// The height of a row, in ems. There are four.
pub(crate) const ROW: f64 = 1.5;

/// More labels than these are too many to read.
const MOST: usize = 150;

/// A label for what is at `x`. Row 0 is nearest to that.
#[derive(Debug, Clone, Default)]
pub(crate) struct Label {
    pub(crate) x: f64,
    pub(crate) class: &'static str,
    pub(crate) text: String,
    pub(crate) row: usize,
    pub(crate) left: f64,
    pub(crate) right: f64,
}

impl Label {
    pub(crate) fn new(x: f64, class: &'static str, text: &str) -> Self {
        Self { x, class, text: text.to_owned(), ..Self::default() }
    }

    /// Of two that have no room together, the heavier one stays.
    fn weight(&self) -> usize {
        let all = ["granted", "app", "event", "abandoned", "clock", "denied", "failed", "fault"];
        all.iter().position(|class| *class == self.class).unwrap_or(0)
    }

    /// Reports whether this text and its line stay clear of another and its line.
    fn is_clear_of(&self, other: &Self, em: f64) -> bool {
        let crosses = |x: f64, over: &Self| over.left - 0.4 * em < x && x < over.right + 0.4 * em;
        match self.row.cmp(&other.row) {
            Ordering::Equal => self.right + em < other.left || other.right + em < self.left,
            Ordering::Less => !crosses(other.x, self),
            Ordering::Greater => !crosses(self.x, other),
        }
    }
}

/// Places as many labels as there is room for. Equal ones side by side become one, with a count.
pub(crate) fn place(mut labels: Vec<Label>, limits: [f64; 2], em: f64) -> Vec<Label> {
    labels.sort_by(|a, b| a.x.total_cmp(&b.x));
    let runs = labels.chunk_by(|a, b| a.text == b.text && b.x - a.x < 1.5 * em);
    let merged = runs.map(|run| match run {
        [label] => label.clone(),
        _ => Label { text: format!("{} \u{d7}{}", run[0].text, run.len()), ..run[0].clone() },
    });
    let mut labels: Vec<Label> = merged.collect();
    labels.sort_by_key(|label| std::cmp::Reverse(label.weight()));
    labels.truncate(MOST);
    labels.sort_by(|a, b| a.x.total_cmp(&b.x));
    loop {
        match place_all(&labels, limits, em) {
            Ok(placed) => return placed,
            Err(lightest) => drop(labels.remove(lightest)),
        }
    }
}

/// Places all labels from right to left, or returns the index of one to leave out: the lightest nearby.
fn place_all(labels: &[Label], limits: [f64; 2], em: f64) -> Result<Vec<Label>, usize> {
    let mut placed: Vec<Label> = Vec::new();
    for (n, label) in labels.iter().enumerate().rev() {
        let (length, line) = (width(&label.text, em), 0.3 * em);
        let (right, left) = (label.x + line, label.x - line - length);
        // A text goes to the left of its line only if it hides no other label's line.
        let alone = n == 0 || labels[n - 1].x < left - em;
        let sides = if alone { [right, left] } else { [right, right] };
        let rows = [0, 2].into_iter().flat_map(|row| sides.map(|x| [(row, x), (row + 1, x)]));
        let mut free = rows
            .flatten()
            .map(|(row, left)| Label { row, left, right: left + length, ..label.clone() })
            .filter(|label| label.left >= limits[0] && label.right <= limits[1]);
        let Some(label) = free.find(|it| placed.iter().all(|other| it.is_clear_of(other, em)))
        else {
            let nearby = labels[n..].windows(2).take_while(|it| it[1].x - it[0].x < 12.0 * em);
            let nearby = n..=n + nearby.count();
            return Err(nearby.min_by_key(|at| labels[*at].weight()).unwrap_or(n));
        };
        placed.push(label);
    }
    Ok(placed)
}
