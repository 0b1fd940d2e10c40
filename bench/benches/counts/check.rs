//! Compares a run with what is committed.

use std::fmt;

use videokit_session_bench::Column;

use crate::committed::{Committed, Environment, Limit, cells};
use crate::measure::Measured;
use crate::table::{grouped, type_of};

/// How far a count may be from the committed one, in percent: a change of other code moves what is inlined.
const TOLERANCE: u64 = 3;

/// What a run found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// These fail the run.
    pub(crate) failures: Vec<String>,
    pub(crate) hints: Vec<String>,
}

/// Compares a run with what is committed.
pub(crate) fn check(measured: &Measured, committed: &Committed) -> Findings {
    let mut findings = Findings::default();
    let current = Environment::current();
    if committed.environment == current {
        findings.check_counts(measured, committed);
        findings.check_bytes(measured, committed);
    } else {
        findings.hints.push(format!(
            "only the limits are checked: the committed counts are those of {}, and this is {current}",
            committed.environment,
        ));
    }
    for limit in &committed.limits {
        findings.check_limit(limit, measured);
    }
    findings
}

impl Findings {
    fn check_counts(&mut self, measured: &Measured, committed: &Committed) {
        for (row, column) in cells() {
            let name = format!("{row} {}", column.name());
            match (measured.get(row, column), committed.counts(row, column)) {
                (Some(now), Some(entry)) => {
                    self.check(&format!("{name}, allocations"), now.allocations, entry.allocations);
                    let instructions = format!("{name}, instructions");
                    self.check(&instructions, now.instructions, entry.instructions);
                }
                (Some(_), None) => self.failures.push(format!("{name}: no count is committed")),
                (None, Some(_)) => self.failures.push(format!("{name}: nothing is measured")),
                (None, None) => {}
            }
        }
    }

    fn check_bytes(&mut self, measured: &Measured, committed: &Committed) {
        for now in measured.resident() {
            let name = format!("{}, bytes", type_of(now.column));
            match committed.bytes(now.column) {
                Some(entry) => self.check(&name, now.total(), entry.total),
                None => self.failures.push(format!("{name}: none are committed")),
            }
        }
    }

    fn check(&mut self, name: &str, now: u64, entry: u64) {
        let numbers = format!("{name}: {}, committed {}", grouped(now), grouped(entry));
        if now * 100 > entry * (100 + TOLERANCE) {
            self.failures.push(format!("{numbers}: more than {TOLERANCE} % over"));
        } else if now * (100 + TOLERANCE) < entry * 100 {
            self.hints.push(format!("{numbers}: commit the lower one with `--update`"));
        }
    }

    fn check_limit(&mut self, limit: &Limit, measured: &Measured) {
        match (limit.broken(measured), limit.must) {
            (None, _) => self.failures.push(format!("{limit}: not measured")),
            (Some(true), true) => self.failures.push(format!("{limit}: broken")),
            (Some(false), false) => {
                self.hints.push(format!("{limit}: holds; set `must = true` in counts.toml"));
            }
            (Some(true), false) | (Some(false), true) => {}
        }
    }
}

impl Limit {
    /// Returns the instructions of both, ours first.
    pub(crate) fn instructions(&self, measured: &Measured) -> Option<(u64, u64)> {
        let of = |column: Column| Some(measured.get(&self.row, column)?.instructions);
        Some((of(self.ours)?, of(self.peer)?))
    }

    /// Returns whether ours takes too many, or `None` if one of the two isn't measured.
    pub(crate) fn broken(&self, measured: &Measured) -> Option<bool> {
        let (ours, peer) = self.instructions(measured)?;
        Some(ours * 100 >= peer * self.percent)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, ours, peer, percent, .. } = self;
        write!(f, "{row}: {} below {percent} % of {}", ours.name(), peer.name())
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rustc {} for {} with {}", self.rustc, self.host, self.libc)
    }
}
