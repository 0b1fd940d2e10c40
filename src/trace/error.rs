//! Why a trace can't be read.

use super::VERSION;

/// How much of a description is kept, in characters: it may quote the trace.
const DESCRIPTION_LIMIT: usize = 300;

/// The same of a release's name.
const RELEASE_LIMIT: usize = 32;

/// The error of a trace that can't be read, with the line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The trace is of another version of the format.
    #[error(
        "line 1: the trace is of version {version}, written by release {release}; this release reads version {VERSION}"
    )]
    Version {
        /// The format's version.
        version: u64,
        /// The release of this crate that wrote it, as far as the header says.
        release: Box<str>,
    },
    /// A line can't be read, or is none that is written.
    #[error("line {line}: {field}: {problem}")]
    Unreadable {
        /// The line.
        line: usize,
        /// Where in the line, as a path such as `in.response.id`.
        field: Box<str>,
        /// What is wrong there, and what was expected.
        problem: Box<str>,
    },
}

/// Returns the beginning of a text of a trace, as it may be written to a terminal: without escape sequences, line
/// breaks, and whatever else can't be seen. It has at most `limit` characters.
pub(super) fn shown(text: &str, limit: usize) -> String {
    let mut length = 0_usize;
    let visible = text.chars().map(|character| match character {
        // JSON has these, and they do no harm.
        '"' | '\'' | '\\' => character.to_string(),
        _ => character.escape_debug().to_string(),
    });
    visible
        .take_while(|part| {
            length = length.saturating_add(part.chars().count());
            length <= limit
        })
        .collect()
}

impl TraceError {
    pub(super) fn unreadable(line: usize, field: &str, problem: impl AsRef<str>) -> Self {
        let [field, problem] =
            [field, problem.as_ref()].map(|text| shown(text, DESCRIPTION_LIMIT).into_boxed_str());
        Self::Unreadable { line, field, problem }
    }

    /// A line that is not JSON.
    pub(super) fn syntax(line: usize, error: &serde_json::Error) -> Self {
        let problem = error.to_string();
        // The line of the JSON is always 1.
        let problem = problem.replace(" at line 1 column ", ", at column ");
        Self::unreadable(line, "line", format!("expected JSON: {problem}"))
    }

    pub(super) fn version(version: u64, release: &str) -> Self {
        Self::Version { version, release: shown(release, RELEASE_LIMIT).into() }
    }

    /// Returns the line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        match self {
            Self::Version { .. } => 1,
            Self::Unreadable { line, .. } => *line,
        }
    }
}
