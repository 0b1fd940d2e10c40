//! Plays a trace again, and compares.

use core::fmt;

use super::error::{TraceError, shown};
use super::read::{Step, read};
use super::recorder::Recorder;
use super::sum::unsealed;
use super::troupe::Call;
use crate::driver::{Drive, Driver};

/// What became of a replay: the same outputs, or the first one that differs.
#[derive(Debug)]
#[must_use]
pub struct Replayed {
    driver: Driver,
    calls: usize,
    difference: Option<Difference>,
}

/// The first step of a replay that differs from the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The line of the trace, counted from 1.
    pub line: usize,
    /// What the trace says, without the checksum.
    pub expected: Box<str>,
    /// What the driver did in the replay.
    pub got: Box<str>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [expected, got] = [&self.expected, &self.got].map(|text| shown(text, usize::MAX));
        write!(f, "line {} differs:\n  expected: {expected}\n       got: {got}", self.line)
    }
}

impl Replayed {
    /// The first step that differs; `None` if the replay is exact.
    #[must_use]
    pub fn difference(&self) -> Option<&Difference> {
        self.difference.as_ref()
    }

    /// Whether every output, every change of state and every lifetime was the same.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.difference.is_none()
    }

    /// How many calls were played.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// The driver, as it is after the last call that was played: to be asked, or stepped into with a
    /// debugger. Its tokens are stand-ins.
    #[must_use]
    pub fn into_driver(self) -> Driver {
        self.driver
    }
}

/// Plays a trace again: makes a driver as the first line says, gives it the inputs of all lines, records
/// that, and compares it with the trace. Ends with the first difference.
///
/// The trace is read to its end beforehand. It may be cut off after any call.
///
/// # Errors
/// [`TraceError`] if the trace can't be read, with the line.
pub fn replay(trace: impl AsRef<[u8]>) -> Result<Replayed, TraceError> {
    let trace = read(trace.as_ref())?;
    let naming = trace.troupe.into_naming();
    let mut again = Recorder::with_naming(trace.config, trace.policy, trace.seed, naming);
    let _header = again.take_lines();
    let mut calls = 0_usize;
    let mut difference = None;
    for step in trace.steps {
        calls = calls.saturating_add(1);
        difference = play(&mut again, step);
        if difference.is_some() {
            break;
        }
    }
    Ok(Replayed { driver: again.into_driver(), calls, difference })
}

fn play(again: &mut Recorder, step: Step) -> Option<Difference> {
    let Step { line, now, call, recorded } = step;
    // What comes of the call is in the lines.
    match call {
        Call::Poll => drop(again.poll(now)),
        Call::Handle(input) => drop(again.handle(input, now)),
    }
    let replayed = again.take_lines();
    let mut replayed = replayed.lines().map(unsealed);
    let mut numbered = (line..).zip(recorded);
    numbered.find_map(|(line, expected)| {
        let got = replayed.next().unwrap_or_default();
        (got != expected).then(|| Difference { line, expected: expected.into(), got: got.into() })
    })
}
