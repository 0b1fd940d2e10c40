//! What came of a test: passed, or which duties were broken, and how to mend it.

use core::fmt;
use core::time::Duration;

use super::duty::Duty;
use super::scenario::Scenario;

/// A duty that a loop broke: where, how, and what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breach {
    /// The duty.
    pub duty: Duty,
    /// The scenario in which it was broken first.
    pub scenario: Scenario,
    /// When, since that scenario began.
    pub at: Duration,
    /// What was expected.
    pub expected: String,
    /// What the loop did.
    pub did: String,
    /// What to change.
    pub cure: &'static str,
    /// What the loop did just before, with the time.
    pub before: Vec<String>,
    /// How often it was broken in this way, in all scenarios.
    pub times: usize,
}

/// The duties that a loop broke. `Debug` reads like `Display`, so that `unwrap` shows the report.
#[derive(Clone, PartialEq, Eq)]
pub struct Failed {
    pub(super) breaches: Vec<Breach>,
    /// A scenario that this crate couldn't set up.
    pub(super) not_played: Option<Scenario>,
}

/// What a loop was taken through, without a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    pub(super) played: Vec<Played>,
}

/// What was seen of a loop in one scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Played {
    /// The scenario.
    pub scenario: Scenario,
    /// How long it lasted.
    pub lasted: Duration,
    /// How often the driver was polled.
    pub polls: u64,
    /// How many requests were sent.
    pub requests: u64,
    /// How many replies and failures were reported.
    pub reports: u64,
    /// How many events were handed on.
    pub events: u64,
    /// How many API calls were made.
    pub calls: u64,
}

impl Failed {
    /// What was broken, in the order in which it first was: each way to break a duty comes once. The first
    /// may be the cause of the others.
    #[must_use]
    pub fn breaches(&self) -> &[Breach] {
        &self.breaches
    }

    /// Adds one, or counts it if the same was broken before.
    pub(super) fn add(breaches: &mut Vec<Breach>, breach: Breach) {
        let same = |known: &&mut Breach| known.duty == breach.duty && known.cure == breach.cure;
        if let Some(known) = breaches.iter_mut().find(same) {
            known.times = known.times.saturating_add(breach.times);
        } else {
            breaches.push(breach);
        }
    }
}

impl Passed {
    /// What was seen in each scenario.
    #[must_use]
    pub fn played(&self) -> &[Played] {
        &self.played
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { duty, scenario, at, expected, did, cure, before, times } = self;
        writeln!(f, "{duty}")?;
        let at = seconds(crate::time::millis(*at));
        write!(f, "  where     {scenario}, at {at}")?;
        match times {
            0 | 1 => writeln!(f)?,
            times => writeln!(f, "; {times} times in all")?,
        }
        writeln!(f, "  expected  {expected}")?;
        writeln!(f, "  instead   {did}")?;
        write!(f, "  change    {cure}")?;
        for (index, line) in before.iter().enumerate() {
            let label = if index == 0 { "before" } else { "" };
            write!(f, "\n  {label:<8}  {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scenario) = self.not_played {
            write!(f, "the crate can't set up \"{scenario}\", which is a fault of its own: ")?;
        }
        match self.breaches.len() {
            0 => f.write_str("no duty is known to be broken")?,
            1 => f.write_str("the loop breaks a duty")?,
            many => {
                write!(f, "the loop breaks {many} duties; the first may be why it breaks others")?;
            }
        }
        for (number, breach) in (1_usize..).zip(&self.breaches) {
            write!(f, "\n\n{number}. {breach}")?;
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
        match self.played.len() {
            1 => f.write_str("the loop passes a scenario")?,
            many => write!(f, "the loop passes {many} scenarios")?,
        }
        for played in &self.played {
            let Played { scenario, lasted, polls, requests, events, .. } = played;
            let minutes = lasted.as_secs() / 60;
            write!(
                f,
                "\n  {scenario}: {requests} requests, {events} events, {polls} polls in {minutes} min"
            )?;
        }
        Ok(())
    }
}

/// A time of a scenario, or a length of it, to be read.
pub(super) fn seconds(millis: u64) -> String {
    let (whole, rest) = (millis / 1_000, millis % 1_000);
    let exact = format!("{whole}.{rest:03}");
    format!("{} s", exact.trim_end_matches('0').trim_end_matches('.'))
}
