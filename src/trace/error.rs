//! Why a trace can't be read.

use super::{LONGEST_LINE, MOST_LINES, VERSION};

/// How much of a description is kept, in characters: it may quote the trace.
const DESCRIPTION_LIMIT: usize = 300;

/// Why a trace can't be read, and at which line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The trace is of a newer format.
    #[error(
        "line 1: the trace is of version {version}, written by release {release}; this release reads up to version {VERSION}"
    )]
    Newer {
        /// The format's version.
        version: u64,
        /// The release of this crate that wrote it, as far as the header says.
        release: Box<str>,
    },
    /// The line is not the one that was written: the checksum says so.
    #[error("line {line}: the checksum doesn't fit: the line was changed or cut off")]
    Altered {
        /// The line.
        line: usize,
    },
    /// The line is not the one that belongs here: lines are missing, doubled or out of order.
    #[error(
        "line {line}: this is number {found}, and number {expected} belongs here: lines are missing, doubled or out of order"
    )]
    OutOfOrder {
        /// The line.
        line: usize,
        /// The number that belongs there.
        expected: u64,
        /// The number that the line has.
        found: u64,
    },
    /// A line can't be understood.
    #[error("line {line}: {field}: {problem}")]
    Unreadable {
        /// The line.
        line: usize,
        /// Where in the line, as a path such as `in.response.id`.
        field: Box<str>,
        /// What is wrong there, and what was expected.
        problem: Box<str>,
    },
    /// The line is longer than any that is written.
    #[error("line {line}: the line has more than {LONGEST_LINE} bytes")]
    TooLong {
        /// The line.
        line: usize,
    },
    /// There are more lines than are ever written.
    #[error("line {line}: the trace has more than {MOST_LINES} lines")]
    TooMany {
        /// The first line that is one too many.
        line: usize,
    },
}

impl TraceError {
    pub(super) fn unreadable(line: usize, field: &str, problem: impl Into<String>) -> Self {
        let problem: String = problem.into().chars().take(DESCRIPTION_LIMIT).collect();
        let field: String = field.chars().take(DESCRIPTION_LIMIT).collect();
        Self::Unreadable { line, field: field.into(), problem: problem.into() }
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        match self {
            Self::Newer { .. } => 1,
            Self::Altered { line }
            | Self::OutOfOrder { line, .. }
            | Self::Unreadable { line, .. }
            | Self::TooLong { line }
            | Self::TooMany { line } => *line,
        }
    }
}
