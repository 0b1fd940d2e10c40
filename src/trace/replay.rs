//! Plays a trace again, and compares.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{TraceError, shown};
use super::header::{Header, NAME};
use super::line::{Call, Input, Output, ReplyNote, Start, Text};
use super::placeholder::Placeholder;
use super::recorder::Observed;
use super::words::StaticStrings;
use super::{LONGEST_LINE, MOST_LINES, VERSION};
use crate::driver::{self, Driver};
use crate::exchange::Credentials;
use crate::secret::TokenError;
use crate::session::Authorized;

/// The result of a replay: the same outputs, or the first one that differs.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct Replayed {
    /// The driver as it is after the last call: to be queried, or stepped into with a debugger. Its tokens are
    /// placeholders. To have it as it was after an earlier call, cut the trace after that line.
    pub driver: Driver,
    /// The number of calls that were played.
    pub calls: usize,
    /// The first call that differs; `None` if the replay is exact.
    pub difference: Option<Difference>,
    /// The last line, if it was cut off, as by a crash of the writer. It was not played.
    pub cut_off: Option<usize>,
}

/// The first call of a replay that differs from the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The line of the trace, counted from 1.
    pub line: usize,
    /// The line of the trace.
    pub expected: Box<str>,
    /// The same line as the replay would write it.
    pub got: Box<str>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [expected, got] = [&self.expected, &self.got].map(|text| shown(text, usize::MAX));
        write!(f, "line {} differs:\n  expected: {expected}\n       got: {got}", self.line)
    }
}

impl Replayed {
    /// Returns whether every output, every change of state and every lifetime was the same.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.difference.is_none()
    }
}

/// Plays a trace again: makes a driver as the first line says, gives it the inputs of all lines, and compares what
/// it does with the trace. After a difference, it goes on with the inputs of the trace.
///
/// A trace may have been shortened by hand: any lines but the first may be missing. It may end after any line, and
/// within one: see [`Replayed::cut_off`].
///
/// # Errors
/// [`TraceError`] if a line can't be read, with its number and the member.
pub fn replay(trace: impl AsRef<[u8]>) -> Result<Replayed, TraceError> {
    let mut lines = Lines::new(trace.as_ref());
    let mut replay = Replay::new(&lines.header()?)?;
    while let Some((number, text)) = lines.next()? {
        match serde_json::from_slice(text) {
            Ok(value) => replay.play(number, value)?,
            Err(error) if error.is_eof() && lines.rest.is_none() => {
                replay.played.cut_off = Some(number);
            }
            Err(error) => return Err(TraceError::syntax(number, &error)),
        }
    }
    Ok(replay.played)
}

/// A replay in progress.
struct Replay {
    /// The result so far.
    played: Replayed,
    words: StaticStrings,
    /// By their names, with the line that names them first.
    credentials: BTreeMap<String, (usize, Placeholder)>,
    last: Observed,
}

impl Replay {
    fn new(header: &Header) -> Result<Self, TraceError> {
        let config = Arc::new(header.config.config()?);
        let driver = Driver::with_policy(config, header.policy.policy()?, header.seed);
        Ok(Self {
            played: Replayed { driver, calls: 0, difference: None, cut_off: None },
            words: StaticStrings::default(),
            credentials: BTreeMap::new(),
            last: Observed::default(),
        })
    }

    /// Plays a line.
    fn play(&mut self, number: usize, recorded: Value) -> Result<(), TraceError> {
        let mut line = recorded.clone();
        if let Some(input) = line.get_mut("in") {
            self.words.replace(input);
        }
        let call: Call = typed(number, line)?;
        self.check_credentials(number, &call.input)?;
        let output = self.call(&call).map_err(|error| {
            TraceError::unreadable(number, "in.start.token.token", error.to_string())
        })?;
        self.played.calls = self.played.calls.saturating_add(1);
        let line = self.last.line(&self.played.driver, call.now(), &call.input, output);
        let mut got = serde_json::to_value(line).unwrap_or_default();
        self.words.restore(&mut got);
        let same = ["out", "state", "token"].iter().all(|key| got.get(key) == recorded.get(key));
        if !same && self.played.difference.is_none() {
            let [expected, got] = [recorded, got].map(|line| line.to_string().into_boxed_str());
            self.played.difference = Some(Difference { line: number, expected, got });
        }
        Ok(())
    }

    /// Credentials are known by their names, so a name has to mean the same each time.
    fn check_credentials(&mut self, number: usize, input: &Input) -> Result<(), TraceError> {
        let Some(credentials) = input.credentials() else { return Ok(()) };
        let name = &credentials.name;
        let described = || (number, credentials.clone());
        let (line, known) = self.credentials.entry(name.clone()).or_insert_with(described);
        if known == credentials {
            return Ok(());
        }
        let problem = format!("expected the same as line {line} says of {name}");
        Err(TraceError::unreadable(number, "in", problem))
    }

    /// Makes a call, and returns what it answered.
    fn call(&mut self, call: &Call) -> Result<Option<Output>, TokenError> {
        let (driver, now) = (&mut self.played.driver, call.now());
        let input = match &call.input {
            Input::Poll => {
                let output = driver.poll(now);
                let name = driver.asked_with().and_then(Credentials::placeholder_name);
                let note = Output::new(&output, |uri| {
                    (name.unwrap_or_default().to_owned(), Some(Text(uri.clone())))
                });
                return Ok(Some(note));
            }
            Input::Start(Start::Token(note)) => {
                driver::Input::Start(note.clone().into_grant()?.into())
            }
            Input::Start(Start::Credentials(note)) => {
                driver::Input::Start(note.clone().into_credentials().into())
            }
            Input::SetCredentials(note) => {
                driver::Input::SetCredentials(note.clone().into_credentials())
            }
            Input::Response { id, reply } => {
                // A stale one is not looked at.
                let reply = reply.as_ref().map(ReplyNote::response).unwrap_or_default();
                driver::Input::Response(id.0, reply)
            }
            Input::Failure { id, why } => driver::Input::Failure(id.0, *why),
            Input::Unauthorized { generation, age_ms } => {
                driver::Input::Unauthorized(Authorized::valid(*generation, *age_ms))
            }
            Input::Online(online) => driver::Input::Online(*online),
            Input::Stop => driver::Input::Stop,
            Input::Observe => driver::Input::Observe,
        };
        Ok(Output::answer(&call.input, driver.handle(input, now)))
    }
}

/// The lines of a trace that are not blank.
struct Lines<'a> {
    rest: Option<&'a [u8]>,
    number: usize,
}

impl<'a> Lines<'a> {
    fn new(trace: &'a [u8]) -> Self {
        // Some editors write a byte order mark.
        Self { rest: Some(trace.strip_prefix(b"\xef\xbb\xbf").unwrap_or(trace)), number: 0 }
    }

    /// Returns the next line, with its number.
    fn next(&mut self) -> Result<Option<(usize, &'a [u8])>, TraceError> {
        while let Some(rest) = self.rest {
            self.number = self.number.saturating_add(1);
            let mut parts = rest.splitn(2, |byte| *byte == b'\n');
            let line = parts.next().unwrap_or_default();
            self.rest = parts.next();
            let wrong = |problem| Err(TraceError::unreadable(self.number, "line", problem));
            if line.len() > LONGEST_LINE {
                return wrong(format!("expected at most {LONGEST_LINE} bytes"));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            if self.number > MOST_LINES {
                return wrong(format!("expected at most {MOST_LINES} lines in a trace"));
            }
            return Ok(Some((self.number, line)));
        }
        Ok(None)
    }

    fn header(&mut self) -> Result<Header, TraceError> {
        let not_ours = || {
            let problem = format!("expected the first line of a trace: {{\"trace\":\"{NAME}\",…}}");
            TraceError::unreadable(1, "trace", problem)
        };
        let (number, text) = self.next()?.ok_or_else(not_ours)?;
        let value: Value = serde_json::from_slice(text).map_err(|_| not_ours())?;
        let member = |name| value.get(name);
        let release = member("crate").and_then(Value::as_str).unwrap_or_default();
        match member("version").and_then(Value::as_u64) {
            Some(version) if member("trace").is_some_and(|name| name == NAME) => {
                if version == VERSION {
                    typed(number, value)
                } else {
                    Err(TraceError::version(version, release))
                }
            }
            _ => Err(not_ours()),
        }
    }
}

/// Reads a line, or says which member is wrong.
fn typed<T: DeserializeOwned>(number: usize, value: Value) -> Result<T, TraceError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "line" } else { &path };
        TraceError::unreadable(number, field, error.inner().to_string())
    })
}
