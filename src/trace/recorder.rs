//! A driver that writes down everything that it is told and everything that it answers.

use core::fmt;
use core::mem;
use std::sync::Arc;

use serde::Serialize;

use super::header::Header;
use super::known::StandIns;
use super::line::{
    AdoptErrorNote, EventNote, Holding, Input, Line, Move, Output, SendErrorNote, WakeNote,
};
use super::naming::Naming;
use super::sum::Sum;
use super::{LONGEST_LINE, MOST_LINES};
use crate::driver::{self, Delivery, Drive, Driver, Event, Policy, Wake};
use crate::exchange::Reply;
use crate::session::transitions::{StateName, Transition};
use crate::session::{AdoptError, Config, Generation, SendError};
use crate::time::{Moment, Validity, millis};

/// A [`Driver`] that is recorded: it does what that driver does, and writes each input and each output
/// down. See the [module](crate::trace) for an example and for what is in a trace.
///
/// To recognise them, it keeps every token and all credentials that it has seen. They are wiped when it
/// is dropped, and not before: not even by [`stop`](Driver::stop).
pub struct Recorder {
    driver: Driver,
    naming: Naming,
    sum: Sum,
    lines: usize,
    text: String,
    full: bool,
    last: Seen,
}

/// What was last written of the session.
#[derive(Clone, Copy, PartialEq)]
struct Seen {
    state: StateName,
    token: Option<(Generation, Validity)>,
}

impl Seen {
    fn at(driver: &Driver, now: Moment) -> Self {
        Self { state: driver.state(), token: driver.generation().zip(driver.validity(now)) }
    }
}

impl Recorder {
    /// Makes a driver, as [`Driver::with_policy`] does, and records it from its beginning. The seed has to
    /// be random, as there.
    #[must_use]
    pub fn new(config: Arc<Config>, policy: Policy, seed: u64) -> Self {
        Self::with_naming(config, policy, seed, Naming::Hide(StandIns::default()))
    }

    pub(super) fn with_naming(
        config: Arc<Config>,
        policy: Policy,
        seed: u64,
        naming: Naming,
    ) -> Self {
        let header = json(&Header::new(&config, &policy, seed));
        let mut recorder = Self {
            driver: Driver::with_policy(config, policy, seed),
            naming,
            sum: Sum::default(),
            lines: 0,
            text: String::new(),
            full: false,
            last: Seen { state: StateName::Unauthenticated, token: None },
        };
        recorder.append(&[header]);
        recorder
    }

    /// The lines that were recorded since this was called last, each with its line break: append them to
    /// a file. The first ones begin with the trace's header. What is not taken stays in memory.
    #[must_use = "these lines are not given out again"]
    pub fn take_lines(&mut self) -> String {
        mem::take(&mut self.text)
    }

    /// Whether the trace has ended before the latest call: with that it would have had over
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

    /// Writes a call down, with what it answered and what it changed: all of it, or nothing any more.
    fn record(&mut self, now: Moment, input: Input, output: Option<Output>) {
        if self.full {
            // Nothing will be compared with what was seen, so it need not be kept.
            self.naming = Naming::Hide(StandIns::default());
            return;
        }
        let seen = Seen::at(&self.driver, now);
        let before = mem::replace(&mut self.last, seen);
        let state = (seen.state != before.state).then(|| seen.state.into());
        let token = (seen.token != before.token).then(|| self.holding(now));
        let line = |n: usize, input, output| Line {
            n: u64::try_from(n).unwrap_or(u64::MAX),
            mono: millis(now.since_start()),
            wall: now.wall_millis(),
            input,
            output,
            state: None,
            token: None,
        };
        let changed = |line| Line { state, token, ..line };
        // The header is line 0.
        let n = self.lines;
        let lines = match output {
            Some(output) => vec![
                json(&line(n, Some(input), None)),
                json(&changed(line(n.saturating_add(1), None, Some(output)))),
            ],
            None => vec![json(&changed(line(n, Some(input), None)))],
        };
        self.append(&lines);
    }

    fn append(&mut self, lines: &[String]) {
        let count = self.lines.saturating_add(lines.len());
        let mut sum = self.sum;
        let sealed: Vec<String> = lines.iter().map(|line| sum.seal(line)).collect();
        let too_long = sealed.iter().any(|line| line.len() > LONGEST_LINE.saturating_add(1));
        // A replay writes what was read, and that was bounded; its first line names another release.
        let bounded = matches!(self.naming, Naming::Hide(_));
        self.full |= bounded && (too_long || count > MOST_LINES);
        if !self.full {
            self.sum = sum;
            self.lines = count;
            self.text.extend(sealed);
        }
    }

    fn holding(&self, now: Moment) -> Holding {
        match self.driver.generation().zip(self.driver.remaining(now)) {
            Some((generation, remaining)) => Holding::Held {
                generation: generation.number(),
                validity: format!("{:?}", remaining.validity()),
                lo_ms: remaining.at_least_millis(),
                hi_ms: remaining.at_most_millis(),
            },
            None => Holding::None,
        }
    }

    fn input(&mut self, input: &driver::Input) -> Input {
        match input {
            driver::Input::Start(start) => Input::Start(self.naming.start(start)),
            driver::Input::SetCredentials(credentials) => {
                Input::SetCredentials(self.naming.described(credentials))
            }
            driver::Input::Response(id, reply) => {
                let in_flight = self.driver.in_flight() == Some(*id);
                let asked_with = self.driver.asked_with().filter(|_| in_flight).cloned();
                let note = asked_with
                    .map(|credentials| self.naming.reply(&credentials, Reply::from(reply)));
                Input::Response { id: id.to_string(), reply: note }
            }
            driver::Input::Failure(id, why) => Input::Failure { id: id.to_string(), why: *why },
            driver::Input::Unauthorized(generation) => {
                Input::Unauthorized { generation: generation.number() }
            }
            driver::Input::Online(online) => Input::Online(*online),
            driver::Input::Stop => Input::Stop,
            driver::Input::Observe => Input::Observe,
        }
    }

    fn output(&mut self, output: &driver::Output) -> Output {
        match output {
            driver::Output::Send(outgoing) => {
                // The request that was just made is the one in flight.
                let credentials = self.driver.asked_with().cloned();
                let endpoint = self.naming.endpoint(outgoing.request().uri());
                Output::Send {
                    id: outgoing.id().to_string(),
                    credentials: credentials
                        .map(|credentials| self.naming.credentials(&credentials))
                        .unwrap_or_default(),
                    endpoint: endpoint.unwrap_or_default(),
                    timeout_ms: millis(outgoing.timeout()),
                    deadline_ms: millis(outgoing.deadline()),
                }
            }
            driver::Output::Abandon(id) => Output::Abandon { id: id.to_string() },
            driver::Output::Event(event) => Output::Event(self.event(event)),
            driver::Output::Wait(Wake::OnInput) => Output::Wait(WakeNote::OnInput),
            driver::Output::Wait(Wake::In(wait, why)) => {
                Output::Wait(WakeNote::In { ms: millis(*wait), why: format!("{why:?}") })
            }
        }
    }

    fn event(&self, event: &Event) -> EventNote {
        let moved = |transition: &Transition| Move {
            from: transition.from.into(),
            to: transition.to.into(),
            cause: format!("{:?}", transition.cause),
        };
        match event {
            Event::Moved(transition) => EventNote::Moved { transition: moved(transition) },
            Event::Denied(transition, denial) => EventNote::Denied {
                transition: moved(transition),
                denial: self.naming.denial(denial),
            },
            Event::Failed(transition, why) => {
                EventNote::Failed { transition: moved(transition), why: *why }
            }
            Event::StillMalformed(flaw) => {
                EventNote::StillMalformed { flaw: self.naming.flaw(*flaw) }
            }
            Event::GaveUp => EventNote::GaveUp,
            Event::TokenNeeded(generation) => {
                EventNote::TokenNeeded { generation: generation.number() }
            }
            Event::Unauthorized(generation) => {
                EventNote::Unauthorized { generation: generation.number() }
            }
            Event::NotAdopted(error) => EventNote::NotAdopted {
                error: match error {
                    AdoptError::OtherIdentity => AdoptErrorNote::OtherIdentity,
                    AdoptError::Expired => AdoptErrorNote::Expired,
                    AdoptError::Token(error) => AdoptErrorNote::Token(*error),
                },
            },
            Event::NotSent(error) => EventNote::NotSent {
                error: match error {
                    SendError::InFlight => SendErrorNote::InFlight,
                    SendError::OtherIdentity => SendErrorNote::OtherIdentity,
                    SendError::Build(error) => {
                        SendErrorNote::Build(self.naming.build_error(*error))
                    }
                },
            },
            Event::CredentialsChanged => EventNote::CredentialsChanged,
            Event::CredentialsSpent => EventNote::CredentialsSpent,
        }
    }
}

/// An object as JSON. What is written has nothing in it that could fail.
fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

impl Drive for Recorder {
    fn handle(&mut self, input: driver::Input, now: Moment) -> Delivery {
        let note = self.input(&input);
        let answers = matches!(input, driver::Input::Response(..) | driver::Input::Failure(..));
        let before = self.driver.credentials().cloned();
        let delivery = self.driver.handle(input, now);
        // The driver has read the reply once more, and so may have made the same successor once more.
        let after = self.driver.credentials().filter(|after| Some(*after) != before.as_ref());
        if let (Some(name), Some(after)) = (note.successor(), after) {
            self.naming.same_credentials(after, name);
        }
        let answer = match delivery {
            Delivery::Accepted => Output::Ok,
            Delivery::Stale => Output::Stale,
        };
        self.record(now, note, answers.then_some(answer));
        delivery
    }

    fn poll(&mut self, now: Moment) -> driver::Output {
        let output = self.driver.poll(now);
        let note = self.output(&output);
        self.record(now, Input::Poll, Some(note));
        output
    }

    fn driver(&self) -> &Driver {
        &self.driver
    }
}

impl fmt::Debug for Recorder {
    /// The driver, and how much was recorded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("driver", &self.driver)
            .field("lines", &self.lines)
            .field("full", &self.full)
            .finish_non_exhaustive()
    }
}
