//! Why a trace can't be read.

use super::{LONGEST_LINE, MOST_LINES, VERSION};

/// How much of a description is kept, in characters: it may quote the trace.
const DESCRIPTION_LIMIT: usize = 300;

/// The same of a release's name.
const RELEASE_LIMIT: usize = 32;

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

/// The beginning of a text of a trace, as it may be written to a terminal: without escape sequences,
/// line breaks, and whatever else can't be seen. It has at most `limit` characters.
pub(super) fn shown(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    let mut room = limit;
    for character in text.chars() {
        // JSON has these, and they do no harm.
        let harmless = matches!(character, '"' | '\'' | '\\');
        let length = if harmless { 1 } else { character.escape_debug().count() };
        let Some(rest) = room.checked_sub(length) else { break };
        room = rest;
        if harmless {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
    shown
}

impl TraceError {
    pub(super) fn unreadable(line: usize, field: &str, problem: impl AsRef<str>) -> Self {
        let [field, problem] =
            [field, problem.as_ref()].map(|text| shown(text, DESCRIPTION_LIMIT).into_boxed_str());
        Self::Unreadable { line, field, problem }
    }

    pub(super) fn newer(version: u64, release: &str) -> Self {
        Self::Newer { version, release: shown(release, RELEASE_LIMIT).into() }
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
