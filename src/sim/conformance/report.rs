//! The report of a test.

use core::fmt;
use core::time::Duration;

use super::{Requirement, Scenario};

/// A violation of a requirement: where, how, and what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The requirement.
    pub requirement: Requirement,
    /// The scenario in which it was first violated.
    pub scenario: Scenario,
    /// The time, since that scenario began.
    pub at: Duration,
    /// The behaviour that was expected.
    pub expected: String,
    /// The loop's behaviour.
    pub actual: String,
    /// The change to make in the loop.
    pub hint: &'static str,
    /// The loop's last calls before, with their times.
    pub before: Vec<String>,
    /// The number of violations of this kind, in all scenarios.
    pub times: usize,
}

/// The violations of a loop. `Debug` shows the same report as `Display`, so that `unwrap` prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Failed {
    /// The violations, in the order in which they first happened; each way to violate a requirement comes once. The
    /// first may have caused the others.
    pub violations: Vec<Violation>,
    /// A scenario that this crate couldn't set up.
    pub(super) not_set_up: Option<Scenario>,
}

/// The runs of a loop that violated nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passed {
    /// The runs, one for each scenario.
    pub runs: Vec<Run>,
}

/// The counts of a loop in one scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// The scenario.
    pub scenario: Scenario,
    /// The virtual time that it lasted.
    pub duration: Duration,
    /// The number of polls.
    pub polls: u64,
    /// The number of requests for a token that were sent.
    pub requests: u64,
    /// The number of replies and failures that were reported.
    pub reports: u64,
    /// The number of events that were forwarded.
    pub events: u64,
    /// The number of API calls that were made.
    pub calls: u64,
    /// The number of waiting callers that the loop [declined](super::Environment::decline_waiting).
    pub declined: u64,
}

impl Run {
    pub(super) fn new(scenario: Scenario, duration: Duration) -> Self {
        let [polls, requests, reports, events, calls, declined] = [0; 6];
        Self { scenario, duration, polls, requests, reports, events, calls, declined }
    }
}

impl Failed {
    /// Adds a violation, or counts it if there is one of its kind.
    pub(super) fn add(violations: &mut Vec<Violation>, violation: Violation) {
        let key = |one: &Violation| (one.requirement, one.hint);
        if let Some(known) = violations.iter_mut().find(|known| key(known) == key(&violation)) {
            known.times = known.times.saturating_add(violation.times);
        } else {
            violations.push(violation);
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requirement, scenario, at, expected, actual, hint, before, times } = self;
        writeln!(f, "{requirement}")?;
        let at = seconds(crate::time::millis(*at));
        write!(f, "  where     {scenario}, at {at}")?;
        match times {
            0 | 1 => writeln!(f)?,
            times => writeln!(f, "; {times} times in all")?,
        }
        writeln!(f, "  expected  {expected}")?;
        writeln!(f, "  instead   {actual}")?;
        write!(f, "  change    {hint}")?;
        for (index, line) in before.iter().enumerate() {
            let label = if index == 0 { "before" } else { "" };
            write!(f, "\n  {label:<8}  {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scenario) = self.not_set_up {
            write!(f, "this crate can't set up \"{scenario}\", which is a bug in it: ")?;
        }
        match self.violations.len() {
            0 => f.write_str("no violation was found")?,
            1 => f.write_str("the loop violates a requirement")?,
            many => write!(f, "{many} violations; the first may have caused the others")?,
        }
        for (number, violation) in (1_usize..).zip(&self.violations) {
            write!(f, "\n\n{number}. {violation}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}\n")
    }
}

impl core::error::Error for Failed {}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.runs.len() {
            1 => f.write_str("the loop passes a scenario")?,
            many => write!(f, "the loop passes {many} scenarios")?,
        }
        for Run { scenario, duration, polls, requests, events, .. } in &self.runs {
            let minutes = duration.as_secs() / 60;
            write!(
                f,
                "\n  {scenario}: {minutes} min, requests: {requests}, events: {events}, polls: {polls}"
            )?;
        }
        let declined: u64 = self.runs.iter().map(|run| run.declined).sum();
        if declined > 0 {
            write!(f, "\n  not tested: calls that wait for a token; the loop declined {declined}")?;
        }
        Ok(())
    }
}

/// Formats a time of a scenario, or a length of it.
pub(super) fn seconds(millis: u64) -> String {
    let (whole, rest) = (millis / 1_000, millis % 1_000);
    let exact = format!("{whole}.{rest:03}");
    format!("{} s", exact.trim_end_matches('0').trim_end_matches('.'))
}
