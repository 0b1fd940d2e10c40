//! Reads the notes in their order, and holds each against what a loop owes.

use core::time::Duration;

use super::app::App;
use super::duty::Duty;
use super::finding::{Finding, cure, finding, is_late};
use super::inbox::Ending;
use super::note::{Call, Deed, Drove, Note, Said};
use super::pacing::Pacing;
use super::report::{Breach, Failed, Played, seconds};
use super::scenario::Scenario;
use super::traffic::Traffic;
use super::trail::Trail;
use crate::driver::{Input, Wake};
use crate::session::RequestId;

#[derive(Debug)]
pub(super) struct Judge {
    scenario: Scenario,
    pacing: Pacing,
    pub(super) traffic: Traffic,
    pub(super) app: App,
    trail: Trail,
    played: Played,
    breaches: Vec<Breach>,
    /// Until when the loop last was in a request that it is allowed to block in.
    blocked_until: u64,
    /// Nothing is held against the loop any more: it was told to return.
    over: bool,
}

impl Judge {
    pub(super) fn new(scenario: Scenario, lasts: u64) -> Self {
        let played = Played {
            scenario,
            lasted: Duration::from_millis(lasts),
            polls: 0,
            requests: 0,
            reports: 0,
            events: 0,
            calls: 0,
        };
        Self {
            scenario,
            pacing: Pacing::default(),
            traffic: Traffic::default(),
            app: App::default(),
            trail: Trail::default(),
            played,
            breaches: Vec::new(),
            blocked_until: 0,
            over: false,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn end(&mut self) {
        self.over = true;
    }

    pub(super) fn into_result(self) -> (Played, Vec<Breach>) {
        (self.played, self.breaches)
    }

    pub(super) fn found(&mut self, found: Option<Finding>, at: u64) {
        let Some(Finding { duty, expected, did, cure }) = found.filter(|_| !self.over) else {
            return;
        };
        let breach = Breach {
            duty,
            scenario: self.scenario,
            at: Duration::from_millis(at),
            expected,
            did,
            cure,
            before: self.trail.lines(),
            times: 1,
        };
        // Whoever hammers is told to return.
        self.over |= duty == Duty::Wait;
        Failed::add(&mut self.breaches, breach);
    }

    /// Time has passed.
    pub(super) fn pass_to(&mut self, at: u64) {
        let found = self.pacing.overdue(at);
        self.found(found, at);
        let mut found = self.traffic.overdue(at);
        found.append(&mut self.app.overdue(at));
        for found in found {
            self.found(Some(found), at);
        }
    }

    /// The loop did something. Says whether the network carries it, if it was to.
    pub(super) fn note(&mut self, note: &Note) -> bool {
        let at = note.at;
        self.pass_to(at);
        let mut carried = true;
        let found = match &note.deed {
            Deed::Drive(drove) => self.drove(drove, at),
            Deed::Sent(id, request, timeout) => {
                self.trail.add(at, || format!("sends {}", self.traffic.name(*id)));
                bump(&mut self.played.requests);
                let (goes_through, found) = self.traffic.sent(*id, request, *timeout, at);
                carried = goes_through;
                found
            }
            Deed::Cancelled(id) => {
                self.trail.add(at, || format!("cancels {}", self.traffic.name(*id)));
                self.traffic.cancelled(*id, at);
                None
            }
            Deed::HandedOn(event) => {
                self.trail.add(at, || format!("hands on: {event}"));
                bump(&mut self.played.events);
                self.app.handed_on(event)
            }
            Deed::Called(call, generation) => {
                self.trail.add(at, || format!("calls the API with token {}", generation.number()));
                bump(&mut self.played.calls);
                self.app.called(call, *generation)
            }
        };
        self.found(found, at);
        carried
    }

    fn drove(&mut self, drove: &Drove, at: u64) -> Option<Finding> {
        let found = self.pacing.passed(drove.now, drove.shown);
        self.found(found, at);
        self.app.holds(drove.holds.as_ref());
        match &drove.call {
            Call::Poll(said) => self.polled(said, at),
            Call::Handle(Input::Response(id, reply), delivery) => {
                let taken = delivery.is_accepted();
                self.reported(*id, &drove.call, taken, at);
                self.traffic.reported_reply(*id, reply, taken, at)
            }
            Call::Handle(Input::Failure(id, _), delivery) => {
                let taken = delivery.is_accepted();
                self.reported(*id, &drove.call, taken, at);
                self.traffic.reported_failure(*id, taken, at)
            }
            Call::Handle(input, _) => {
                let name = drove.call.name();
                self.trail.add(at, || name);
                if *input != Input::Observe {
                    self.pacing.input(name, at);
                }
                match input {
                    Input::Observe => None,
                    Input::Unauthorized(generation) => self.app.reported_unauthorized(*generation),
                    input => self.app.passed(input),
                }
            }
        }
    }

    fn reported(&mut self, id: RequestId, call: &Call, taken: bool, at: u64) {
        let name = call.name();
        self.trail.add(at, || format!("{name} for {}", self.traffic.name(id)));
        bump(&mut self.played.reports);
        // What is stale changes nothing, so there is nothing to poll for.
        if taken {
            self.pacing.input(name, at);
        }
    }

    fn polled(&mut self, said: &Said, at: u64) -> Option<Finding> {
        bump(&mut self.played.polls);
        match said {
            Said::Send(id, request, timeout) => {
                self.traffic.handed_out(*id, request, *timeout, at);
                self.trail.add(at, || format!("polls: Send, {}", self.traffic.name(*id)));
            }
            Said::Abandon(id) => {
                self.traffic.abandoned(*id, at);
                self.trail.add(at, || format!("polls: Abandon, {}", self.traffic.name(*id)));
            }
            Said::Event(event) => {
                self.app.event(event, at);
                self.trail.add(at, || format!("polls: Event, {event}"));
            }
            Said::Wait(wake) => self.trail.waits(at, || match wake {
                Wake::In(wait, why) => {
                    format!("polls: Wait, {} for {why:?}", seconds(crate::time::millis(*wait)))
                }
                Wake::OnInput => "polls: Wait, for input".to_owned(),
            }),
        }
        self.pacing.polled(said, at)
    }
}

/// What comes to the loop.
impl Judge {
    /// Something that was there at `due` is taken out of the inbox.
    pub(super) fn taken(&mut self, what: &str, due: u64, at: u64) {
        self.trail.add(at, || format!("takes: {what}"));
        // Where the app interrupts nothing, a loop may block in its requests.
        let free = if self.scenario.interrupts() { due } else { due.max(self.blocked_until) };
        if is_late(free, at) {
            let expected = format!("{what} to be taken at {}", seconds(due));
            let did = format!("it was taken at {}", seconds(at));
            let found = finding(Duty::TakeInputs, expected, did, cure::TAKE_INPUTS);
            self.found(Some(found), at);
        }
    }

    pub(super) fn woke(&mut self, at: u64) {
        self.pacing.woke(at);
    }

    /// The loop blocks in a request until then.
    pub(super) fn excuse(&mut self, until: u64) {
        self.blocked_until = until;
        self.pacing.excuse(until);
    }

    /// The loop called all the time, and let no time pass.
    pub(super) fn spun(&mut self, calls: u64, at: u64) {
        let did = format!("it made {calls} calls and let no time pass");
        self.found(Some(finding(Duty::Wait, "time to pass", did, cure::WAIT)), at);
    }

    /// The loop is no more. `told` says whether it was told to return.
    pub(super) fn close(&mut self, ending: Ending, told: bool, at: u64) {
        let spun = self.breaches.iter().any(|breach| breach.duty == Duty::Wait);
        let found = match ending {
            Ending::Panicked(why) => {
                let did = format!("it panicked: {why}");
                finding(Duty::NeverPanic, "no panic", did, cure::NEVER_PANIC)
            }
            Ending::CutOff | Ending::Deaf(_) if spun => return,
            Ending::Deaf(deeds) => {
                let did = format!(
                    "it did {deeds} things without looking into its inbox, and had to be cut off"
                );
                finding(Duty::TakeInputs, "what comes to be taken", did, cure::TAKE_INPUTS)
            }
            Ending::CutOff if told => {
                let did = "it went on, and had to be cut off";
                finding(Duty::RunToTheEnd, "a return at the end", did, cure::RETURN)
            }
            Ending::CutOff => {
                let did = "it called on and on and let no time pass, and had to be cut off";
                finding(Duty::Wait, "time to pass", did, cure::WAIT)
            }
            Ending::Returned if told => return,
            Ending::Returned => {
                let until = seconds(crate::time::millis(self.played.lasted));
                let expected = format!("the loop to run until {until}");
                finding(Duty::RunToTheEnd, expected, "it returned", cure::STAY)
            }
        };
        self.over = false;
        self.found(Some(found), at);
    }
}

fn bump(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
