//! Reads a trace: every line is checked before anything is replayed.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::TraceError;
use super::header::{Header, NAME, Peek};
use super::line::{Input, Line};
use super::sum::{Sum, unsealed};
use super::troupe::{Call, Troupe};
use super::{LONGEST_LINE, MOST_LINES, VERSION};
use crate::driver::Policy;
use crate::session::Config;
use crate::time::Moment;

/// A trace that was read.
pub(super) struct Trace {
    pub(super) config: Arc<Config>,
    pub(super) policy: Policy,
    pub(super) seed: u64,
    pub(super) steps: Vec<Step>,
    pub(super) troupe: Troupe,
}

/// A call, and the lines that were recorded of it, without checksums.
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) now: Moment,
    pub(super) call: Call,
    pub(super) recorded: Vec<String>,
}

/// Reads a trace, or says what is wrong with it, where.
pub(super) fn read(trace: &[u8]) -> Result<Trace, TraceError> {
    let mut lines = Lines { rest: Some(trace), number: 0, sum: Sum::default() };
    let header = header(&mut lines)?;
    // Before the other lines: of two wrong ones, the first is named.
    let (config, policy, seed) = (header.config()?, header.policy()?, header.seed);
    let mut steps = Vec::new();
    let mut troupe = Troupe::default();
    while let Some((number, object)) = lines.next()? {
        let line = line(number, &object)?;
        let Some(input) = line.input else {
            let problem = "expected an input: no call is waiting for an answer";
            return Err(TraceError::unreadable(number, "out", problem));
        };
        let mut recorded = vec![object];
        if matches!(input, Input::Poll | Input::Response { .. } | Input::Failure { .. }) {
            recorded.push(answer(&mut lines, number)?);
        }
        steps.push(Step {
            line: number,
            now: Moment::from_millis(line.mono, line.wall),
            call: troupe.call(number, input)?,
            recorded,
        });
    }
    Ok(Trace { config, policy, seed, steps, troupe })
}

/// The output that has to follow the input of a line.
fn answer(lines: &mut Lines<'_>, asked: usize) -> Result<String, TraceError> {
    let missing = |number| {
        let problem = format!("expected an output: what line {asked} was answered");
        TraceError::unreadable(number, "out", problem)
    };
    let Some((number, object)) = lines.next()? else {
        return Err(missing(asked.saturating_add(1)));
    };
    if line(number, &object)?.output.is_none() {
        return Err(missing(number));
    }
    Ok(object)
}

fn header(lines: &mut Lines<'_>) -> Result<Header, TraceError> {
    let not_ours = || {
        let problem = format!("expected the first line of a trace: {{\"trace\":\"{NAME}\",…}}");
        TraceError::unreadable(1, "trace", problem)
    };
    let text = lines.text()?.ok_or_else(not_ours)?;
    if text.starts_with(b"\xef\xbb\xbf") {
        let problem = "expected the first line of a trace, and no byte order mark before it";
        return Err(TraceError::unreadable(1, "trace", problem));
    }
    let peek: Peek = serde_json::from_slice(text).map_err(|_| not_ours())?;
    if peek.trace != NAME {
        return Err(not_ours());
    }
    // Before the checksum: a newer version may have another one.
    if peek.version > VERSION {
        return Err(TraceError::newer(peek.version, &peek.release));
    }
    if peek.version < VERSION {
        return Err(TraceError::unreadable(1, "version", format!("expected {VERSION}")));
    }
    parse(1, &lines.checked(1, text)?)
}

/// The lines of a trace, with what is known about where they stand.
struct Lines<'a> {
    rest: Option<&'a [u8]>,
    number: usize,
    sum: Sum,
}

impl<'a> Lines<'a> {
    /// The next line, as bytes. The last line break may be missing, or have blank lines after it.
    fn text(&mut self) -> Result<Option<&'a [u8]>, TraceError> {
        let more = |rest: &&[u8]| rest.iter().any(|byte| *byte != b'\n');
        let Some(rest) = self.rest.filter(more) else { return Ok(None) };
        self.number = self.number.saturating_add(1);
        let mut parts = rest.splitn(2, |byte| *byte == b'\n');
        let line = parts.next().unwrap_or_default();
        self.rest = parts.next();
        if line.len() > LONGEST_LINE {
            return Err(TraceError::TooLong { line: self.number });
        }
        if self.number > MOST_LINES {
            return Err(TraceError::TooMany { line: self.number });
        }
        Ok(Some(line))
    }

    /// The next line, with its number, and without its checksum, which fits.
    fn next(&mut self) -> Result<Option<(usize, String)>, TraceError> {
        let Some(line) = self.text()? else { return Ok(None) };
        let number = self.number;
        Ok(Some((number, self.checked(number, line)?)))
    }

    fn checked(&mut self, number: usize, line: &[u8]) -> Result<String, TraceError> {
        if !self.sum.check(line) {
            return Err(self.misfit(number, line));
        }
        let line = core::str::from_utf8(line);
        line.map(unsealed).map_err(|_| TraceError::unreadable(number, "line", "expected UTF-8"))
    }

    /// Why a line is not the one that belongs here.
    fn misfit(&mut self, line: usize, text: &[u8]) -> TraceError {
        #[derive(Deserialize)]
        struct Numbered {
            n: u64,
        }
        if text.strip_suffix(b"\r").is_some_and(|line| self.sum.check(line)) {
            let problem = "expected a line break of LF alone, and it is CR LF";
            return TraceError::unreadable(line, "line", problem);
        }
        let expected = position(line);
        match serde_json::from_slice::<Numbered>(text) {
            Ok(Numbered { n: found }) if line > 1 && found != expected => {
                TraceError::OutOfOrder { line, expected, found }
            }
            _ => TraceError::Altered { line },
        }
    }
}

fn line(number: usize, object: &str) -> Result<Line, TraceError> {
    let line: Line = parse(number, object)?;
    let expected = position(number);
    if line.n != expected {
        return Err(TraceError::OutOfOrder { line: number, expected, found: line.n });
    }
    if line.input.is_some() == line.output.is_some() {
        return Err(TraceError::unreadable(number, "line", "expected either `in` or `out`"));
    }
    Ok(line)
}

/// The number that a line has in itself: they count from the one after the header.
fn position(line: usize) -> u64 {
    u64::try_from(line.saturating_sub(1)).unwrap_or(u64::MAX)
}

/// Reads JSON, and says where it is not what it has to be.
fn parse<T: DeserializeOwned>(number: usize, text: &str) -> Result<T, TraceError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "line" } else { &path };
        let problem = error.inner().to_string();
        // The line of the JSON is always 1.
        let problem = problem.split(" at line 1 column ").next().unwrap_or(&problem);
        TraceError::unreadable(number, field, problem)
    })?;
    json.end().map_err(|_| {
        TraceError::unreadable(number, "line", "expected nothing behind the object")
    })?;
    Ok(value)
}
