//! A plan of faults, as a list that can be written down.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::fault::Fault;

/// The version of the text form that this crate writes, and the newest that it reads.
const VERSION: u32 = 1;

/// The most incidents that a text may have: a plan is read whole.
pub(super) const MOST_INCIDENTS: usize = 100_000;

/// The latest and the longest that an incident can be, and the longest that a world can last: 366 days, in
/// milliseconds. This project's own limit: a simulation of a year still ends, and no clock of it overflows.
pub(super) const LONGEST: u64 = 366 * 86_400_000;

/// A fault, when it begins, and how long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Incident {
    /// When it begins, in milliseconds from the start. A plan takes 0 to 31,622,400,000: 366 days.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = arbitrary_time))]
    pub at_ms: u64,
    /// How long it lasts, in milliseconds; in the same range. Of no account for what happens at once.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = arbitrary_time))]
    pub lasts_ms: u64,
    /// The fault.
    pub fault: Fault,
}

/// Takes any time that a plan can have.
#[cfg(feature = "arbitrary")]
fn arbitrary_time(input: &mut arbitrary::Unstructured<'_>) -> arbitrary::Result<u64> {
    let any: u64 = input.arbitrary()?;
    Ok(any.checked_rem(LONGEST.saturating_add(1)).unwrap_or(0))
}

/// The faults of a simulation: up to 100,000 incidents, in any order, overlapping or not. Their times
/// are in the range that [`Incident`] names, so that every simulation ends.
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
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct FaultPlan(pub(super) Vec<Incident>);

/// The error of a text that is no fault plan.
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
    /// A time of an incident is out of range.
    #[error("line {line}, `{field}`: expected 0 to {LONGEST} (366 days), found {found_ms}")]
    OutOfRange {
        /// The line, from 1: the one that the incident has in the plan's text form, wherever it came from.
        line: usize,
        /// The name of the field.
        field: &'static str,
        /// What it was, in milliseconds.
        found_ms: u64,
    },
    /// There are too many incidents.
    #[error("line {line}: a plan has at most {MOST_INCIDENTS} incidents")]
    TooLong {
        /// The first line that is too many.
        line: usize,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    fault_plan: u32,
}

impl FaultPlan {
    /// Makes a plan of incidents.
    ///
    /// # Errors
    /// [`PlanError::OutOfRange`] for a time over 366 days, [`PlanError::TooLong`] for more than 100,000
    /// incidents. The line is the one that the incident would have in the text form: 2 for the first.
    ///
    /// ```
    /// use videokit_session::sim::{Fault, FaultPlan, Incident};
    ///
    /// let asleep = |lasts_ms| Incident { at_ms: 0, lasts_ms, fault: Fault::Asleep };
    /// let plan = FaultPlan::new([asleep(3_600_000)])?;
    /// assert_eq!(plan.incidents().len(), 1);
    /// let error = FaultPlan::new([asleep(3_600_000), asleep(u64::MAX)]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "line 3, `lasts_ms`: expected 0 to 31622400000 (366 days), found 18446744073709551615",
    /// );
    /// # Ok::<(), videokit_session::sim::PlanError>(())
    /// ```
    pub fn new(incidents: impl IntoIterator<Item = Incident>) -> Result<Self, PlanError> {
        let mut plan = Self::default();
        for (line, incident) in (2..).zip(incidents) {
            plan.push(line, incident)?;
        }
        Ok(plan)
    }

    fn push(&mut self, line: usize, incident: Incident) -> Result<(), PlanError> {
        if self.0.len() == MOST_INCIDENTS {
            return Err(PlanError::TooLong { line });
        }
        for (field, found_ms) in [("at_ms", incident.at_ms), ("lasts_ms", incident.lasts_ms)] {
            if found_ms > LONGEST {
                return Err(PlanError::OutOfRange { line, field, found_ms });
            }
        }
        self.0.push(incident);
        Ok(())
    }

    /// The incidents, as they were given.
    #[must_use]
    pub fn incidents(&self) -> &[Incident] {
        &self.0
    }

    /// The same plan without one of its incidents; unchanged if there is none at this index.
    #[must_use]
    pub fn without(&self, index: usize) -> Self {
        let kept = self.0.iter().enumerate().filter(|(at, _)| *at != index);
        Self(kept.map(|(_, incident)| *incident).collect())
    }

    /// The faults that last at this time, in milliseconds from the start.
    pub fn lasting(&self, at_ms: u64) -> impl Iterator<Item = Fault> {
        let lasts = move |incident: &&Incident| {
            let since = at_ms.checked_sub(incident.at_ms);
            since.is_some_and(|since| since < incident.lasts_ms)
        };
        self.0.iter().filter(lasts).map(|incident| incident.fault)
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{{\"fault_plan\":{VERSION}}}")?;
        for incident in &self.0 {
            writeln!(f, "{}", serde_json::to_string(incident).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

impl core::str::FromStr for FaultPlan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut lines = (1..).zip(text.lines());
        let header: Header = lines
            .next()
            .and_then(|(_, line)| serde_json::from_str(line).ok())
            .ok_or(PlanError::NoHeader)?;
        if header.fault_plan > VERSION {
            return Err(PlanError::Newer { found: header.fault_plan });
        }
        let mut plan = Self::default();
        for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
            plan.push(line, read_line(text, line)?)?;
        }
        Ok(plan)
    }
}

fn read_line(text: &str, line: usize) -> Result<Incident, PlanError> {
    let unreadable = |field: &str, error: &serde_json::Error| {
        // The position is within the line, which is what serde_json can't know.
        let error = error.to_string();
        let expected = error.split(" at line ").next().unwrap_or_default().to_owned();
        let field = if field == "?" { "." } else { field };
        PlanError::Unreadable { line, field: field.to_owned(), expected }
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let incident = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| unreadable(&error.path().to_string(), error.inner()))?;
    reader.end().map_err(|error| unreadable(".", &error))?;
    Ok(incident)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_named() {
        let second = |line: &str| format!("{{\"fault_plan\":1}}\n{line}\n").parse::<FaultPlan>();
        let rows = [
            ("{}", "line 2, `.`: missing field `at_ms`"),
            (
                r#"{"at_ms":-1,"lasts_ms":0,"fault":"lost"}"#,
                "line 2, `at_ms`: invalid value: integer `-1`, expected u64",
            ),
            (
                r#"{"at_ms":0,"lasts_ms":"x","fault":"lost"}"#,
                "line 2, `lasts_ms`: invalid type: string \"x\", expected u64",
            ),
            (
                r#"{"at_ms":0,"lasts_ms":0,"fault":{"slow":{"ms":true}}}"#,
                "line 2, `fault.slow.ms`: invalid type: boolean `true`, expected u32",
            ),
            (
                r#"{"at_ms":0,"lasts_ms":0,"fault":{"slow":{"ms":1,"s":1}}}"#,
                "line 2, `fault.slow.s`: unknown field `s`, expected `ms`",
            ),
            (
                r#"{"at_ms":0,"lasts_ms":0,"fault":"lost","more":1}"#,
                "line 2, `more`: unknown field `more`, expected one of `at_ms`, `lasts_ms`, `fault`",
            ),
            (r#"{"at_ms":0,"lasts_ms":0,"fault":"lost"} x"#, "line 2, `.`: trailing characters"),
            (r#"{"at_ms":0"#, "line 2, `.`: EOF while parsing an object"),
            ("[]", "line 2, `.`: invalid length 0, expected struct Incident with 3 elements"),
        ];
        for (line, message) in rows {
            assert_eq!(second(line).unwrap_err().to_string(), message, "{line}");
        }
        let unknown = second(r#"{"at_ms":0,"lasts_ms":0,"fault":"rain"}"#).unwrap_err().to_string();
        assert!(unknown.starts_with("line 2, `fault"), "{unknown}");
        assert!(unknown.contains("unknown variant `rain`, expected one of `slow`, `lost`"));
    }

    #[test]
    fn the_first_line_says_what_it_is() {
        let read = |text: &str| text.parse::<FaultPlan>();
        for text in ["", "\n", "{}", "{\"trace\":1}", "[]", "\u{feff}{\"fault_plan\":1}"] {
            assert_eq!(read(text), Err(PlanError::NoHeader), "{text:?}");
        }
        let newer = read("{\"fault_plan\":2}\nwhatever").unwrap_err();
        assert_eq!(
            newer.to_string(),
            "line 1, `fault_plan`: version 2 is newer than 1, the newest that this crate reads"
        );
        assert_eq!(read("{\"fault_plan\":1}"), Ok(FaultPlan::default()));
        assert_eq!(read("{\"fault_plan\":1}\r\n\r\n"), Ok(FaultPlan::default()));
    }

    #[test]
    fn every_kind_of_fault_can_be_written_down() {
        let names = "slow lost reset_before reset_after twice throttled unavailable refused error_string \
                     error_object distrusted expired_token expiry_missing expiry_unreadable date_off \
                     date_missing another_identity portal cut_off cut_in_character oversized redirected \
                     offline asleep wall_set monotonic_back clock_nonsense revoked stopped started_again \
                     other_user rotated";
        let names: Vec<&str> = names.split(' ').collect();
        assert_eq!(names.len(), Fault::KINDS.len());
        let kinds = Fault::KINDS.iter().map(|&fault| Incident { at_ms: 1, lasts_ms: 2, fault });
        let plan = FaultPlan::new(kinds).unwrap();
        assert_eq!(plan.to_string().parse(), Ok(plan.clone()));
        for (line, name) in plan.to_string().lines().skip(1).zip(names) {
            assert!(line.contains(&format!("\"{name}\"")), "{line}");
        }
    }

    #[test]
    fn a_plan_has_an_end() {
        let line = "{\"at_ms\":0,\"lasts_ms\":0,\"fault\":\"lost\"}\n";
        let text = format!("{{\"fault_plan\":1}}\n{}", line.repeat(MOST_INCIDENTS));
        assert!(text.parse::<FaultPlan>().is_ok());
        let longer = format!("{text}{line}").parse::<FaultPlan>();
        assert_eq!(longer, Err(PlanError::TooLong { line: MOST_INCIDENTS + 2 }));
        let incident = Incident { at_ms: 0, lasts_ms: 0, fault: Fault::Lost };
        let built = |count| FaultPlan::new(core::iter::repeat_n(incident, count));
        assert!(built(MOST_INCIDENTS).is_ok());
        assert_eq!(built(MOST_INCIDENTS + 1), longer);
    }
}
