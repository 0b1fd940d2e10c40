//! A driver whose inputs and outputs are recorded.

use core::fmt;
use core::mem;
use std::sync::Arc;

use serde::Serialize;

use super::header::Header;
use super::line::{Input, Line, Output, Record, TokenNote};
use super::pseudonym::Pseudonyms;
use super::{LONGEST_LINE, MOST_LINES};
use crate::driver::{self, Delivery, Drive, Driver, Policy};
use crate::session::transitions::StateName;
use crate::session::{Config, Generation};
use crate::time::{Moment, Validity, millis};

/// A [`Driver`] that is recorded: it does what that driver does, and records each input and each output. See the
/// [module](crate::trace) for an example and for what is in a trace.
///
/// To recognise them, it keeps every token and all credentials that it has seen. They are wiped when it
/// is dropped, and not before: not even by [`stop`](Driver::stop).
pub struct Recorder {
    driver: Driver,
    pseudonyms: Pseudonyms,
    lines: usize,
    text: String,
    full: bool,
    last: Observed,
}

/// What the latest line says about the session.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Observed {
    state: StateName,
    token: Option<(Generation, Validity)>,
}

impl Default for Observed {
    fn default() -> Self {
        Self { state: StateName::Unauthenticated, token: None }
    }
}

impl Observed {
    /// Returns the line of a call that was made just now, with what changed since the latest line.
    pub(super) fn line<'a>(
        &mut self,
        driver: &Driver,
        now: Moment,
        input: &'a Input,
        output: Option<Output>,
    ) -> Record<'a> {
        let held = driver.generation().zip(driver.remaining(now));
        let token = held.map(|(generation, remaining)| (generation, remaining.validity()));
        let before = mem::replace(self, Self { state: driver.state(), token });
        let note = held.map(|(generation, remaining)| TokenNote {
            generation,
            validity: remaining.validity(),
            at_least_ms: remaining.at_least_millis(),
            at_most_ms: remaining.at_most_millis(),
        });
        Line {
            mono: millis(now.since_start()),
            wall: now.wall_millis(),
            input,
            output,
            state: (self.state != before.state).then_some(self.state),
            token: (self.token != before.token).then_some(note),
        }
    }
}

impl Recorder {
    /// Makes a driver, as [`Driver::with_policy`] does, and records it from its beginning. The seed has to
    /// be random, as there.
    #[must_use]
    pub fn new(config: Arc<Config>, policy: Policy, seed: u64) -> Self {
        let header = json(&Header::new(&config, &policy, seed));
        let mut recorder = Self {
            driver: Driver::with_policy(config, policy, seed),
            pseudonyms: Pseudonyms::default(),
            lines: 0,
            text: String::new(),
            full: false,
            last: Observed::default(),
        };
        recorder.append(&header);
        recorder
    }

    /// Returns the lines that were recorded since this was called last, each with its line break: append them to
    /// a file. The first ones begin with the trace's header. What is not taken stays in memory.
    #[must_use = "these lines are not given out again"]
    pub fn take_lines(&mut self) -> String {
        mem::take(&mut self.text)
    }

    /// Returns whether the trace has ended before the latest call: with that it would have had over
    /// [`MOST_LINES`], or a line of over [`LONGEST_LINE`] bytes. Nothing more is recorded. The driver is
    /// driven on, and what was recorded can be replayed.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Ends the recording. Lines that were not taken are lost.
    #[must_use = "to end the recording and the driver, drop the recorder"]
    pub fn into_driver(self) -> Driver {
        self.driver
    }

    fn record(&mut self, now: Moment, input: &Input, output: Option<Output>) {
        let line = json(&self.last.line(&self.driver, now, input, output));
        self.append(&line);
    }

    fn append(&mut self, line: &str) {
        self.full |= line.len() > LONGEST_LINE || self.lines >= MOST_LINES;
        if self.full {
            // Nothing is named any more, so nothing has to be recognised.
            self.pseudonyms = Pseudonyms::default();
            return;
        }
        self.lines = self.lines.saturating_add(1);
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// Returns an object as JSON. What is written has nothing in it that could fail.
fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

impl Drive for Recorder {
    fn handle(&mut self, input: driver::Input, now: Moment) -> Delivery {
        let note = self.pseudonyms.input(&input, &self.driver);
        let before = self.driver.credentials().cloned();
        let delivery = self.driver.handle(input, now);
        // The driver has read the reply once more, and so may have made the same successor once more.
        let after = self.driver.credentials().filter(|after| Some(*after) != before.as_ref());
        if let (Input::Response { .. }, Some(successor), Some(after)) =
            (&note, note.credentials(), after)
        {
            self.pseudonyms.credentials.share(after, &successor.name);
        }
        self.record(now, &note, Output::answer(&note, delivery));
        delivery
    }

    fn poll(&mut self, now: Moment) -> driver::Output {
        let output = self.driver.poll(now);
        let Self { driver, pseudonyms, .. } = self;
        let note = Output::new(&output, |uri| {
            // The request that was just made is the one in flight.
            let asked_with = driver.asked_with();
            let name = asked_with.map(|credentials| pseudonyms.credentials.name(credentials));
            (name.unwrap_or_default(), pseudonyms.endpoint(uri))
        });
        self.record(now, &Input::Poll, Some(note));
        output
    }

    fn driver(&self) -> &Driver {
        &self.driver
    }
}

impl fmt::Debug for Recorder {
    /// Shows the driver, and how much was recorded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("driver", &self.driver)
            .field("lines", &self.lines)
            .field("full", &self.full)
            .finish_non_exhaustive()
    }
}
