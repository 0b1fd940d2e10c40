//! The last calls of the loop, to be shown with a violation.

use std::collections::VecDeque;

use super::seconds;

/// How many lines are kept.
const KEPT: usize = 5;

/// Lines with their time, a text, and the number of consecutive polls that only answered `Wait`.
#[derive(Debug, Default)]
pub(super) struct RecentCalls(VecDeque<(u64, String, u64)>);

impl RecentCalls {
    pub(super) fn add(&mut self, at: u64, text: impl Into<String>) {
        self.push(at, text.into(), 0);
    }

    /// Adds a poll that answered `Wait`. Consecutive ones share a line, so a text is made for the first only.
    pub(super) fn add_wait(&mut self, at: u64, text: impl FnOnce() -> String) {
        match self.0.back_mut() {
            Some((_, _, waits)) if *waits > 0 => *waits = waits.saturating_add(1),
            _ => self.push(at, text(), 1),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(at, text, waits): &(u64, String, u64)| match waits {
            0 | 1 => format!("{}: {text}", seconds(*at)),
            more => format!("{}: {text}; {more} times", seconds(*at)),
        };
        self.0.iter().map(line).collect()
    }

    fn push(&mut self, at: u64, text: String, waits: u64) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back((at, text, waits));
    }
}
