//! Puts labels where none covers another, each with a line to its place.

use crate::svg::width;

/// The size of a label's text.
pub(crate) const SIZE: f64 = 12.0;

/// The height of a row of labels.
pub(crate) const ROW: f64 = 17.0;

/// The most rows.
const ROWS: usize = 9;

/// What is left free between two labels.
const FREE: f64 = 8.0;

/// The longest label that is written whole, in characters.
const LONGEST: usize = 34;

/// More labels than these are too many to read; the less important ones go first.
const MOST: usize = 150;

/// Labels that say the same are written once, if they are no further apart than this.
const RUN: f64 = 22.0;

/// A label that wants to be at `x`.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) x: f64,
    pub(crate) text: String,
    /// What it says when it is said more than once.
    run: String,
    pub(crate) class: &'static str,
    /// Of two that have no room together, the greater one stays.
    pub(crate) weight: u32,
}

/// A label that has a place.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) label: Label,
    /// 0 is nearest to what the label is about.
    pub(crate) row: usize,
}

impl Label {
    pub(crate) fn new(x: f64, text: &str, class: &'static str, weight: u32) -> Self {
        let mut text = text.to_owned();
        if text.chars().count() > LONGEST {
            text = text.chars().take(LONGEST - 1).chain(['\u{2026}']).collect();
        }
        Self { x, run: text.clone(), text, class, weight }
    }

    /// Says what stands for a run of such labels.
    pub(crate) fn in_a_run(self, text: &str) -> Self {
        Self { run: text.to_owned(), ..self }
    }

    /// Cuts the text so that it ends at the `limit`.
    fn shorten(&mut self, limit: f64) {
        while self.right() > limit && self.text.chars().count() > 2 {
            let kept = self.text.chars().count() - 2;
            self.text = self.text.chars().take(kept).chain(['\u{2026}']).collect();
        }
    }

    /// The text stands to the right of the line.
    fn right(&self) -> f64 {
        self.x + width(&self.text, SIZE) + FREE
    }
}

/// Writes what repeats within a short way once, with a count.
pub(crate) fn merge(labels: Vec<Label>) -> Vec<Label> {
    /// The last place of a label, how many they are, and the first one.
    type Run = (f64, usize, Label);
    /// How many labels back the last one of a run may be.
    const NEAR: usize = 32;
    let mut runs: Vec<Run> = Vec::new();
    for label in labels {
        let same = |run: &&mut Run| run.2.run == label.run && run.2.class == label.class;
        match runs
            .iter_mut()
            .rev()
            .take(NEAR)
            .find(same)
            .filter(|run| (label.x - run.0).abs() < RUN)
        {
            Some(run) => {
                run.0 = label.x;
                run.1 += 1;
            }
            None => runs.push((label.x, 1, label)),
        }
    }
    let written = |(_, count, label): Run| match count {
        1 => label,
        _ => Label { text: format!("{} \u{d7}{count}", label.run), ..label },
    };
    runs.into_iter().map(written).collect()
}

/// Places as many as there is room for, up to the `limit` at the right.
pub(crate) fn place(mut labels: Vec<Label>, limit: f64) -> Vec<Placed> {
    for label in &mut labels {
        label.shorten(limit);
    }
    labels.sort_by_key(|label| std::cmp::Reverse(label.weight));
    labels.truncate(MOST);
    labels.sort_by(|a, b| a.x.total_cmp(&b.x));
    loop {
        match rows(&labels) {
            Ok(rows) => {
                let placed = labels.into_iter().zip(rows);
                return placed.map(|(label, row)| Placed { label, row }).collect();
            }
            Err(victim) => drop(labels.remove(victim)),
        }
    }
}

/// The row of each label, from left to right; or which one has to go.
///
/// From the right, each goes above all those that begin under its text, so that it covers none of them
/// and no line of theirs.
fn rows(labels: &[Label]) -> Result<Vec<usize>, usize> {
    let mut rows = vec![0; labels.len()];
    for (n, label) in labels.iter().enumerate().rev() {
        let under = n + 1..labels.len();
        let under = under.take_while(|other| labels[*other].x < label.right());
        rows[n] = under.clone().map(|other| rows[other] + 1).max().unwrap_or(0);
        if rows[n] >= ROWS {
            let candidates = [n].into_iter().chain(under);
            let victim = candidates.min_by_key(|candidate| labels[*candidate].weight);
            return Err(victim.unwrap_or(n));
        }
    }
    Ok(rows)
}
