//! The operations that are counted.

use videokit_session_bench::{CaseReport, Column, REPETITIONS};

use crate::allocator::allocations;
use crate::{driver, floor, handwritten, oauth2_client, typed};

/// An operation of a client.
pub(crate) struct Case {
    /// The rows that it stands in; the first is part of its id.
    rows: &'static [&'static str],
    column: Column,
    /// Sets up, then does the operation this many times.
    pub(crate) run: fn(u64),
    less: Option<(&'static str, u64)>,
}

impl Case {
    pub(crate) const fn new(rows: &'static [&'static str], column: Column, run: fn(u64)) -> Self {
        Self { rows, column, run, less: None }
    }

    /// Subtracts a case that is part of this one's work but not of the operation.
    pub(crate) const fn less(mut self, id: &'static str, times: u64) -> Self {
        self.less = Some((id, times));
        self
    }

    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.rows[0], self.column.name())
    }

    /// Counts the allocations.
    pub(crate) fn report(&self) -> CaseReport {
        // What is allocated once, with the first use of it.
        (self.run)(1);
        let once = allocations(|| (self.run)(REPETITIONS));
        let twice = allocations(|| (self.run)(2 * REPETITIONS));
        // One in twenty may be the executor's: tokio interrupts a future that has been busy for long. A larger
        // fraction counts as one: an operation that allocates now and then is not free.
        let counted = (twice - once).saturating_sub(REPETITIONS / 20).div_ceil(REPETITIONS);
        CaseReport {
            id: self.id(),
            rows: self.rows.iter().copied().map(String::from).collect(),
            column: self.column,
            allocations: counted,
            less: self.less.map(|(id, times)| (id.to_owned(), times)),
        }
    }
}

/// Returns the cases of all clients.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [floor::CASES, handwritten::CASES, oauth2_client::CASES, typed::CASES, driver::CASES]
        .into_iter()
        .flatten()
}
