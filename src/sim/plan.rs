//! A plan of faults, as a list that can be written down.

use core::fmt;
use core::fmt::Write;

use serde::{Deserialize, Serialize};

use super::fault::Fault;

/// The version of the text form that this crate writes, and the newest that it reads.
const VERSION: u32 = 1;

/// The most incidents that a text may have: a plan is read whole.
const MOST_INCIDENTS: usize = 100_000;

/// What goes wrong, when, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// When it begins, in milliseconds from the start.
    pub at_ms: u64,
    /// How long it lasts, in milliseconds. Of no account for what happens at once.
    pub lasts_ms: u64,
    /// What it is.
    pub fault: Fault,
}

/// What goes wrong in a simulation: any number of incidents, in any order, overlapping or not.
///
/// Its text form has one JSON object a line. The first names the version; each of the others is an
/// [`Incident`].
///
/// ```
/// use videokit_session::sim::{Fault, FaultPlan, Incident};
///
/// let text = r#"{"fault_plan":1}
/// {"at_ms":60000,"lasts_ms":5000,"fault":"lost"}
/// {"at_ms":90000,"lasts_ms":1000,"fault":{"throttled":{"retry_after":30,"as_date":false}}}
/// "#;
/// let plan: FaultPlan = text.parse()?;
/// assert_eq!(plan.incidents()[0], Incident { at_ms: 60_000, lasts_ms: 5_000, fault: Fault::Lost });
/// assert_eq!(plan.to_string(), text);
///
/// let wrong = "{\"fault_plan\":1}\n{\"at_ms\":true,\"lasts_ms\":0,\"fault\":\"lost\"}".parse::<FaultPlan>();
/// assert_eq!(wrong.unwrap_err().to_string(), "line 2, `at_ms`: invalid type: boolean `true`, expected u64");
/// # Ok::<(), videokit_session::sim::PlanError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FaultPlan(Vec<Incident>);

/// Why a text is no fault plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The text doesn't begin with the version.
    #[error("line 1: this is no fault plan, which begins with {{\"fault_plan\":1}}")]
    NoHeader,
    /// The text was written by a newer version of this crate.
    #[error(
        "line 1, `fault_plan`: version {found} is newer than {VERSION}, the newest that this crate reads"
    )]
    Newer {
        /// The version that it names.
        found: u32,
    },
    /// A line is not an incident.
    #[error("line {line}, `{field}`: {expected}")]
    Unreadable {
        /// The line, from 1.
        line: usize,
        /// The field, as a path; `.` for the whole line.
        field: String,
        /// What was found, and what was expected.
        expected: String,
    },
    /// There are too many lines.
    #[error("line {line}: a plan has at most {MOST_INCIDENTS} incidents")]
    TooLong {
        /// The first line that is too many.
        line: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    fault_plan: u32,
}

impl FaultPlan {
    /// The incidents, as they were given.
    #[must_use]
    pub fn incidents(&self) -> &[Incident] {
        &self.0
    }

    /// The same plan without one of its incidents; unchanged if there is none at this index.
    #[must_use]
    pub fn without(&self, index: usize) -> Self {
        let kept = self.0.iter().enumerate().filter(|(at, _)| *at != index);
        kept.map(|(_, incident)| *incident).collect()
    }

    /// The faults that last at this time, in milliseconds from the start.
    pub fn lasting(&self, at_ms: u64) -> impl Iterator<Item = Fault> {
        self.0
            .iter()
            .filter(move |incident| {
                let since = at_ms.checked_sub(incident.at_ms);
                since.is_some_and(|since| since < incident.lasts_ms)
            })
            .map(|incident| incident.fault)
    }
}

impl FromIterator<Incident> for FaultPlan {
    fn from_iter<I: IntoIterator<Item = Incident>>(incidents: I) -> Self {
        Self(incidents.into_iter().collect())
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_line(f, &Header { fault_plan: VERSION })?;
        self.0.iter().try_for_each(|incident| write_line(f, incident))
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, line: &impl Serialize) -> fmt::Result {
    f.write_str(&serde_json::to_string(line).map_err(|_| fmt::Error)?)?;
    f.write_char('\n')
}

impl core::str::FromStr for FaultPlan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut lines = text.lines();
        let header: Header = lines
            .next()
            .and_then(|line| serde_json::from_str(line).ok())
            .ok_or(PlanError::NoHeader)?;
        if header.fault_plan > VERSION {
            return Err(PlanError::Newer { found: header.fault_plan });
        }
        let mut incidents = Vec::new();
        for (index, text) in lines.enumerate() {
            let line = index.saturating_add(2);
            if text.trim().is_empty() {
                continue;
            }
            if incidents.len() == MOST_INCIDENTS {
                return Err(PlanError::TooLong { line });
            }
            incidents.push(read_line(text, line)?);
        }
        Ok(Self(incidents))
    }
}

fn read_line(text: &str, line: usize) -> Result<Incident, PlanError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let incident = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| (error.path().to_string(), error.into_inner()));
    let whole = incident.and_then(|incident| {
        reader.end().map_err(|error| (".".to_owned(), error))?;
        Ok(incident)
    });
    whole.map_err(|(field, error)| {
        // The position is within the line, which is what serde_json can't know.
        let text = error.to_string();
        let expected = text.split(" at line ").next().unwrap_or_default().to_owned();
        PlanError::Unreadable { line, field, expected }
    })
}
