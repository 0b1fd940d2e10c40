//! The inbox of a loop under test: what comes, and when.

use core::time::Duration;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use bytes::Bytes;
use http::{Request, Response};

use super::{
    Action, Clock, Input, Monitor, Network, Note, Run, Scenario, Schedule, Scheduled, Script,
    TIMEOUT_DELAY, Violation, api_call, copy_request, is_late, login,
};
use crate::session::{RequestId, TransportFailure};
use crate::time::{Moment, millis};

/// The inbox of a loop under test: replies, failures, the app's inputs, and the end.
///
/// | the loop | takes inputs by |
/// |---|---|
/// | blocks until there is something to do | [`wait`](Self::wait), which lets the time pass |
/// | blocks in its requests, too | [`wait`](Self::wait) and [`exchange`](Self::exchange) |
/// | has a virtual clock, such as tokio's paused one | [`next_in`](Self::next_in), then [`Environment::advance_to`](super::Environment::advance_to) and [`take_due`](Self::take_due) |
#[derive(Debug)]
pub struct Inbox {
    clock: Arc<Clock>,
    notes: Receiver<Note>,
    schedule: Schedule,
    network: Network,
    monitor: Monitor,
    /// Whether the loop took [`Input::End`].
    end_taken: bool,
}

/// How a loop ended.
pub(super) enum Ending {
    Returned,
    CutOff,
    /// Cut off with something due in the inbox.
    Unresponsive,
    Panicked(String),
}

impl Inbox {
    pub(super) fn new(
        scenario: Scenario,
        script: Script,
        clock: Arc<Clock>,
        notes: Receiver<Note>,
    ) -> Self {
        let monitor = Monitor::new(scenario, script.end);
        let (network, schedule) = (Network::new(&script), script.schedule);
        Self { clock, notes, schedule, network, monitor, end_taken: false }
    }

    /// Waits for the next input, at most this long, or without a limit. The time passes meanwhile. The end
    /// always comes.
    pub fn wait(&mut self, longest: Option<Duration>) -> Input {
        if let Some(due) = self.take_due() {
            return due;
        }
        let next = self.schedule.next_at().unwrap_or(u64::MAX);
        let limit = longest.map_or(u64::MAX, |wait| self.clock.at().saturating_add(millis(wait)));
        self.clock.advance_to(next.min(limit));
        self.take_due().unwrap_or(Input::Timer)
    }

    /// Sends a request and waits for its outcome, for loops that block in their requests. The client is
    /// punctual: the time-out ends the request after exactly this long.
    ///
    /// No other input is taken meanwhile, which is a violation where the app
    /// [interrupts](Scenario::interrupts). [`Scenario::run`] shows how to test such a loop elsewhere.
    ///
    /// # Errors
    /// The failure to report.
    pub fn exchange<B: AsRef<[u8]>>(
        &mut self,
        id: RequestId,
        request: &Request<B>,
        timeout: Duration,
    ) -> Result<Response<Bytes>, TransportFailure> {
        self.clock.count_call();
        self.receive();
        let sent = Action::Sent(id, Box::new(copy_request(request)), Some(timeout));
        self.process(Note { at: self.clock.at(), action: sent }, 0);
        let outcome = self.schedule.take_outcome(id);
        let timed_out = self.clock.at().saturating_add(millis(timeout));
        let ends = outcome.as_ref().map_or(timed_out, |(at, _)| *at);
        // The driver abandons it then, whatever time-out the loop chose.
        let longest = self.monitor.requests.timeout(id).unwrap_or_default();
        self.monitor.blocks_until(ends.min(self.clock.at().saturating_add(millis(longest))));
        self.clock.advance_to(ends);
        let (_, input) = outcome.ok_or(TransportFailure::TimedOut)?;
        self.monitor.took(&input, self.clock.at(), self.clock.at());
        match input {
            Input::Reply(_, reply) => Ok(reply),
            Input::Failure(_, why) => Err(why),
            _ => Err(TransportFailure::TimedOut),
        }
    }

    /// Returns how long until the next input comes, if the loop sends nothing. After sending, ask again: the
    /// reply may come sooner.
    pub fn next_in(&mut self) -> Duration {
        self.clock.count_call();
        self.receive();
        let next = if self.monitor.over { 0 } else { self.schedule.next_at().unwrap_or(0) };
        Duration::from_millis(next.saturating_sub(self.clock.at()))
    }

    /// Takes the next input that has come by now, if there is one.
    pub fn take_due(&mut self) -> Option<Input> {
        self.clock.count_call();
        self.receive();
        if let Some(calls) = self.clock.too_many_calls() {
            self.monitor.too_many_calls(calls, self.clock.at());
        }
        if self.monitor.over {
            return Some(self.end());
        }
        let mut input = None;
        while input.is_none() {
            let Some((due, item)) = self.schedule.take_due(self.clock.at()) else { break };
            input = self.deliver(item, due);
        }
        input
    }

    /// Processes the notes since the last time.
    fn receive(&mut self) {
        self.clock.read();
        while let Ok(note) = self.notes.try_recv() {
            self.process(note, TIMEOUT_DELAY);
        }
        if self.clock.cut_at().is_some() {
            // The loop caught that, and its calls are not noted any more.
            self.monitor.over = true;
            return;
        }
        self.monitor.advance_to(self.clock.at());
    }

    fn process(&mut self, note: Note, timeout_delay: u64) {
        let (at, wall) = (note.at, self.clock.true_wall(note.at));
        let carried = self.monitor.note(&note, Moment::from_millis(at, wall));
        match note.action {
            Action::Sent(id, request, timeout) if carried => {
                let limit = timeout.map(|timeout| millis(timeout).saturating_add(timeout_delay));
                let outcome = self.network.carry(&request, (at, wall), limit);
                if let Some((at, outcome)) = outcome {
                    let input = match outcome {
                        Ok(reply) => Input::Reply(id, reply),
                        Err(why) => Input::Failure(id, why),
                    };
                    self.schedule.add(at, Scheduled::Input(input));
                }
            }
            Action::Cancelled(id) => drop(self.schedule.take_outcome(id)),
            Action::Called(_, call, authorized) => {
                let status = self.network.gateway.handle(&call, wall).status();
                self.schedule.add_call(at, authorized, status);
            }
            _ => {}
        }
    }

    fn deliver(&mut self, item: Scheduled, due: u64) -> Option<Input> {
        let (at, calls) = (self.clock.at(), &mut self.monitor.calls);
        let input = match item {
            Scheduled::Input(Input::End) => return Some(self.end()),
            Scheduled::Input(Input::CallCancelled(caller)) if !calls.waiting.cancel(caller, at) => {
                return None;
            }
            Scheduled::Input(input) => input,
            Scheduled::Start(user, secret) => Input::Start(login(user, secret)?),
            Scheduled::Call(status, takes) => {
                let token = calls.token();
                let expires_at = token.and_then(|token| self.network.gateway.expires_at(token));
                let has_token = expires_at.is_some_and(|end| end > self.clock.true_wall(at));
                calls.took(has_token, at);
                self.schedule.expect_call(status, takes);
                Input::Call(api_call(None))
            }
            Scheduled::Sleep(ms) => {
                self.clock.sleep(ms);
                Input::Woke
            }
        };
        self.monitor.took(&input, due, at);
        Some(input)
    }

    fn end(&mut self) -> Input {
        self.end_taken = true;
        self.monitor.over = true;
        Input::End
    }

    /// The loop has ended. Returns what it did, and its violations.
    pub(super) fn close(mut self, ending: Ending) -> (Run, Vec<Violation>) {
        self.receive();
        // The loop, or its runtime, may have caught that it was cut off.
        let (ending, at, end_taken) = match self.clock.cut_at() {
            Some(at) if self.schedule.next_at().is_some_and(|due| is_late(due, at)) => {
                (Ending::Unresponsive, at, false)
            }
            Some(at) => (Ending::CutOff, at, self.end_taken && at >= self.clock.end),
            None => (ending, self.clock.at(), self.end_taken),
        };
        self.monitor.close(ending, end_taken, at);
        self.monitor.into_result()
    }
}
