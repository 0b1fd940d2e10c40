//! What comes to a loop, and when: everything in a scenario that is not the loop's own doing.

use core::time::Duration;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use bytes::Bytes;
use http::{Request, Response};

use super::clock::{Clock, Cut};
use super::happening::Happening;
use super::judge::Judge;
use super::network::{Agenda, Item, Network, client_lateness};
use super::note::{Deed, Note, copy_request};
use super::report::{Breach, Played};
use super::scenario::Scenario;
use super::script::{Act, Script, api_call, login};
use super::traffic::Came;
use crate::driver::Input;
use crate::session::{RequestId, TransportFailure};
use crate::time::millis;

/// What comes to a loop under test: replies, failures, what the app asks for, and the end.
///
/// | the loop | takes what comes by |
/// |---|---|
/// | blocks until there is something to do | [`wait`](Self::wait), which lets the time pass |
/// | blocks in its requests, too | [`wait`](Self::wait) and [`exchange`](Self::exchange) |
/// | has a clock of its own, as with a paused tokio | [`next_in`](Self::next_in), then [`Stage::pass_to`](super::Stage::pass_to) and [`take_due`](Self::take_due) |
#[derive(Debug)]
pub struct Inbox {
    clock: Arc<Clock>,
    notes: Receiver<Note>,
    agenda: Agenda,
    network: Network,
    judge: Judge,
    end_taken: bool,
}

/// How a loop came to its end.
pub(super) enum Ending {
    Returned,
    CutOff,
    /// Cut off, since it took nothing out of its inbox, but did so many things.
    Deaf(u64),
    Panicked(String),
}

impl Inbox {
    pub(super) fn new(
        scenario: Scenario,
        script: &Script,
        clock: Arc<Clock>,
        notes: Receiver<Note>,
    ) -> Self {
        let mut agenda = Agenda::default();
        for (at, act) in &script.acts {
            agenda.plan(*at, Item::Act(*act));
        }
        agenda.plan(script.end, Item::End);
        let judge = Judge::new(scenario, script.end);
        Self { clock, notes, agenda, network: Network::new(script), judge, end_taken: false }
    }

    /// Waits until something comes, but no longer than this; without a limit, until something comes. The
    /// time passes. An end always comes.
    pub fn wait(&mut self, longest: Option<Duration>) -> Happening {
        if let Some(due) = self.take_due() {
            return due;
        }
        let next = self.agenda.next_at().unwrap_or(u64::MAX);
        let limit = longest.map_or(u64::MAX, |wait| self.clock.at().saturating_add(millis(wait)));
        self.clock.pass_to(next.min(limit));
        self.take_due().unwrap_or(Happening::Timer)
    }

    /// Sends a request and waits for what becomes of it, as a loop does that does one thing at a time.
    /// The client is punctual: a time-out ends it after this long.
    ///
    /// Nothing else is taken meanwhile, so that such a loop keeps its app waiting, and is told so. See
    /// [`Scenario::play`] for how to test it without.
    ///
    /// # Errors
    /// The failure that is to be reported.
    pub fn exchange<B: AsRef<[u8]>>(
        &mut self,
        id: RequestId,
        request: &Request<B>,
        timeout: Duration,
    ) -> Result<Response<Bytes>, TransportFailure> {
        self.clock.count_call();
        self.listen();
        let sent = Deed::Sent(id, Box::new(copy_request(request)), Some(timeout));
        self.fold(Note::new(&self.clock, sent), true);
        let outcome = self.agenda.take_outcome(id);
        let ends = outcome
            .as_ref()
            .map_or_else(|| self.clock.at().saturating_add(millis(timeout)), |(at, _)| *at);
        // The driver would have given it up then, whatever the time-out that the loop chose.
        let longest = self.judge.traffic.timeout(id).unwrap_or_default();
        self.judge.excuse(ends.min(self.clock.at().saturating_add(millis(longest))));
        self.clock.pass_to(ends);
        let at = self.clock.at();
        match outcome {
            Some((_, Item::Reply(_, reply))) => {
                self.came(id, Came::Reply(reply.clone()), at);
                Ok(reply)
            }
            Some((_, Item::Failure(_, why))) => {
                self.came(id, Came::Failure(why), at);
                Err(why)
            }
            _ => Err(TransportFailure::TimedOut),
        }
    }

    /// How long until something comes, if the loop does nothing. What it sends may be answered sooner, so
    /// ask again after it did.
    pub fn next_in(&mut self) -> Duration {
        self.clock.count_call();
        self.listen();
        let next = if self.judge.is_over() { 0 } else { self.agenda.next_at().unwrap_or(0) };
        self.clock.nothing_before(next);
        Duration::from_millis(next.saturating_sub(self.clock.at()))
    }

    /// What has come by now, if anything has; one at a time.
    pub fn take_due(&mut self) -> Option<Happening> {
        self.clock.count_call();
        self.listen();
        if let Some(calls) = self.clock.spins() {
            self.judge.spun(calls, self.clock.at());
        }
        if self.judge.is_over() {
            return Some(self.end());
        }
        let mut happening = None;
        while happening.is_none() {
            let Some((due, item)) = self.agenda.take_due(self.clock.at()) else { break };
            happening = self.deliver(item, due);
        }
        self.clock.nothing_before(self.agenda.next_at().unwrap_or(0));
        happening
    }

    /// Hears what the loop did since it was listened to last.
    fn listen(&mut self) {
        self.clock.read();
        while let Ok(note) = self.notes.try_recv() {
            self.fold(note, false);
        }
        if self.clock.cut().is_some() {
            // It caught that, and what it does now is not written down: it is told to return.
            return self.judge.end();
        }
        self.judge.pass_to(self.clock.at());
    }

    /// `blocks` says whether the loop waits for the request.
    fn fold(&mut self, note: Note, blocks: bool) {
        let carried = self.judge.note(&note);
        let wall = self.clock.true_wall(note.at);
        match note.deed {
            Deed::Sent(id, request, timeout) if carried => {
                let late = client_lateness(blocks);
                let sent = (id, request.as_ref());
                let outcome = self.network.carry(sent, (note.at, wall), timeout, late);
                if let Some((at, item)) = outcome {
                    self.agenda.plan(at, item);
                }
            }
            Deed::Cancelled(id) => drop(self.agenda.take_outcome(id)),
            Deed::Called(call, generation) => {
                let status = self.network.call(&call, wall);
                self.agenda.answer_call(note.at, generation, status);
            }
            _ => {}
        }
    }

    fn deliver(&mut self, item: Item, due: u64) -> Option<Happening> {
        let at = self.clock.at();
        match item {
            Item::Act(act) => self.act(act, due),
            Item::Reply(id, reply) => {
                self.came(id, Came::Reply(reply.clone()), due);
                Some(Happening::Reply(id, reply))
            }
            Item::Failure(id, why) => {
                self.came(id, Came::Failure(why), due);
                Some(Happening::Failure(id, why))
            }
            Item::Called(generation, status) => {
                let what = format!("the API's answer, {}", status.as_u16());
                self.judge.taken(&what, due, at);
                self.judge.app.answered(generation, status, at);
                Some(Happening::Called(generation, status))
            }
            Item::End => Some(self.end()),
        }
    }

    fn came(&mut self, id: RequestId, came: Came, due: u64) {
        let at = self.clock.at();
        let kind = match &came {
            Came::Reply(_) => "reply to",
            Came::Failure(_) => "failure of",
        };
        let what = format!("the {kind} {}", self.judge.traffic.name(id));
        self.judge.taken(&what, due, at);
        self.judge.traffic.came(id, came, at);
    }

    fn act(&mut self, act: Act, due: u64) -> Option<Happening> {
        let at = self.clock.at();
        let (what, input, happening) = match act {
            Act::Start { user, secret } => {
                let start = login(user, secret)?;
                ("a start", Some(Input::Start(start.clone())), Happening::Start(start))
            }
            Act::Stop => ("a stop", Some(Input::Stop), Happening::Stop),
            Act::Online(online) => {
                let what = if online { "the network's return" } else { "the network's loss" };
                (what, Some(Input::Online(online)), Happening::Online(online))
            }
            Act::Call { status, takes } => {
                let token = self.judge.app.token();
                let expires_at = token.and_then(|token| self.network.expires_at(token));
                let serves = expires_at.is_some_and(|end| end > self.clock.true_wall(at));
                self.judge.app.wants_call(serves, at);
                self.agenda.expect_call(status, takes);
                ("an API call", None, Happening::Call(api_call()))
            }
            Act::Sleep { ms } => {
                self.clock.sleep(ms);
                self.judge.woke(at);
                ("the device's waking up", None, Happening::Woke)
            }
        };
        self.judge.taken(what, due, at);
        if let Some(input) = input {
            self.judge.app.asks(input, at);
        }
        Some(happening)
    }

    fn end(&mut self) -> Happening {
        self.end_taken = true;
        self.judge.end();
        Happening::End
    }
}

impl Inbox {
    /// The loop is no more.
    pub(super) fn close(mut self, ending: Ending) -> (Played, Vec<Breach>) {
        self.listen();
        let at = self.clock.at();
        // Somebody may have caught that the loop was cut off: a runtime, or the loop itself.
        let (ending, at, told) = match self.clock.cut() {
            Some(Cut { at, unread }) => {
                let told = self.end_taken && at >= self.clock.end();
                (unread.map_or(Ending::CutOff, Ending::Deaf), at, told)
            }
            None => (ending, at, self.end_taken),
        };
        self.judge.close(ending, told, at);
        self.judge.into_result()
    }
}
