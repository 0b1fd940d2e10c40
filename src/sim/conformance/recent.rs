//! The last calls of the loop, to be shown with a violation.

use std::collections::VecDeque;

use super::report::seconds;

/// How many lines are kept.
const KEPT: usize = 5;

#[derive(Debug, Default)]
pub(super) struct RecentCalls {
    lines: VecDeque<Line>,
}

#[derive(Debug)]
struct Line {
    at: u64,
    text: String,
    /// The number of consecutive polls that only answered `Wait`.
    waits: u64,
}

impl RecentCalls {
    pub(super) fn add(&mut self, at: u64, text: impl Into<String>) {
        self.push(Line { at, text: text.into(), waits: 0 });
    }

    /// Adds a poll that answered `Wait`. Consecutive ones share a line, so a text is made for the first only.
    pub(super) fn add_wait(&mut self, at: u64, text: impl FnOnce() -> String) {
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
