//! What the loop did last, to be shown before what it did wrong.

use std::collections::VecDeque;

use super::report::seconds;

/// How many lines are kept.
const KEPT: usize = 5;

#[derive(Debug, Default)]
pub(super) struct Trail {
    lines: VecDeque<Line>,
}

#[derive(Debug)]
struct Line {
    at: u64,
    text: String,
    /// How many polls in a row that only had the driver wait.
    waits: u64,
}

impl Trail {
    pub(super) fn add<T: Into<String>>(&mut self, at: u64, text: impl FnOnce() -> T) {
        self.push(Line { at, text: text().into(), waits: 0 });
    }

    /// Another poll that had the driver wait: those in a row make one line.
    pub(super) fn waits(&mut self, at: u64, text: impl FnOnce() -> String) {
        match self.lines.back_mut() {
            Some(line) if line.waits > 0 => line.waits = line.waits.saturating_add(1),
            _ => self.push(Line { at, text: text(), waits: 1 }),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let line = |Line { at, text, waits }: &Line| match waits {
            0 | 1 => format!("{}: {text}", seconds(*at)),
            more => format!("{}: {text}; {more} times", seconds(*at)),
        };
        self.lines.iter().map(line).collect()
    }

    fn push(&mut self, line: Line) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}
