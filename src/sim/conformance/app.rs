//! What passes between the loop and its app: inputs, events, API calls, and what became of them.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};

use super::duty::Duty;
use super::finding::{Finding, cure, finding, is_late};
use super::note::{Held, method};
use super::report::seconds;
use crate::driver::{Event, Input};
use crate::session::Generation;

#[derive(Debug)]
pub(super) struct App {
    /// What the driver was not told yet, and since when: starts and stops.
    inputs: VecDeque<(u64, Input)>,
    /// What was late, and may still come.
    late_inputs: Vec<Input>,
    network: Connection,
    events: VecDeque<(u64, Event)>,
    late_events: Vec<Event>,
    /// API calls to be made; those of them count that a token serves for.
    calls: VecDeque<(u64, bool)>,
    /// What was answered 401 and is not reported yet.
    unauthorized: Vec<Unauthorized>,
    /// How the calls with each token were answered so far.
    answered: BTreeMap<u64, Answered>,
    /// The token that serves.
    holds: Option<Held>,
}

/// What the app says about the network. Only the newest counts, and in no order with starts and stops: a
/// loop may keep it in a place of its own.
#[derive(Debug)]
struct Connection {
    online: bool,
    /// The app has said something about it.
    was_told: bool,
    /// The driver was not told yet, since then.
    untold: Option<u64>,
    /// What the app said before that was not passed either, and may be.
    outdated: bool,
}

/// An API call that was answered 401.
#[derive(Debug)]
struct Unauthorized {
    at: u64,
    generation: Generation,
    owed: bool,
}

/// How calls with one token were answered.
#[derive(Debug, Default)]
struct Answered {
    unauthorized: bool,
    /// The last other status.
    other: Option<StatusCode>,
}

impl Default for App {
    fn default() -> Self {
        Self {
            inputs: VecDeque::new(),
            late_inputs: Vec::new(),
            network: Connection { online: true, was_told: false, untold: None, outdated: false },
            events: VecDeque::new(),
            late_events: Vec::new(),
            calls: VecDeque::new(),
            unauthorized: Vec::new(),
            answered: BTreeMap::new(),
            holds: None,
        }
    }
}

/// Inputs and events.
impl App {
    /// The app asks for something.
    pub(super) fn asks(&mut self, input: Input, at: u64) {
        match input {
            Input::Online(online) => self.network.says(online, at),
            input => self.inputs.push_back((at, input)),
        }
    }

    /// The loop called the driver's method for it.
    pub(super) fn passed(&mut self, input: &Input) -> Option<Finding> {
        if let Input::Online(online) = input {
            return self.network.passed(*online);
        }
        let name = method(input);
        let Some(index) = self.inputs.iter().position(|(_, asked)| asked == input) else {
            return self.unasked(input);
        };
        self.inputs.remove(index);
        if index == 0 {
            return None;
        }
        let (_, older) = self.inputs.pop_front()?;
        let expected = format!("`{}` before `{name}`, as the app asked", method(&older));
        self.late_inputs.push(older);
        let did = format!("it called `{name}` first");
        Some(finding(Duty::PassInputs, expected, did, cure::PASS_INPUTS))
    }

    fn unasked(&mut self, input: &Input) -> Option<Finding> {
        if let Some(late) = self.late_inputs.iter().position(|late| late == input) {
            self.late_inputs.remove(late);
            return None;
        }
        let name = method(input);
        // With something else than the app gave.
        let of_its_kind = self.inputs.iter().position(|(_, asked)| method(asked) == name);
        if let Some(index) = of_its_kind {
            self.inputs.remove(index);
            let expected = format!("`{name}` with what the app gave for it");
            let did = "it called it with something else";
            return Some(finding(Duty::PassInputs, expected, did, cure::PASS_INPUTS));
        }
        let expected = format!("no `{name}`: the app had not asked for it");
        let did = "it called it by itself";
        Some(finding(Duty::PassInputs, expected, did, cure::LEAVE_IT_TO_THE_APP))
    }

    /// The driver gave an event.
    pub(super) fn event(&mut self, event: &Event, at: u64) {
        self.events.push_back((at, event.clone()));
    }

    /// The loop handed it on.
    pub(super) fn handed_on(&mut self, event: &Event) -> Option<Finding> {
        let Some(index) = self.events.iter().position(|(_, given)| given == event) else {
            if let Some(late) = self.late_events.iter().position(|late| late == event) {
                self.late_events.remove(late);
                return None;
            }
            let did = format!("it handed on an event that was not new: {event}");
            let expected = "each event once, as the driver gave it";
            return Some(finding(Duty::PassEvents, expected, did, cure::PASS_EVENTS_ONCE));
        };
        self.events.remove(index);
        let (_, older) = self.events.front().filter(|_| index > 0)?;
        let expected = format!("an older event first: {older}");
        let did = format!("it handed on another: {event}");
        Some(finding(Duty::PassEvents, expected, did, cure::PASS_EVENTS))
    }
}

/// API calls.
impl App {
    pub(super) fn holds(&mut self, holds: Option<&Held>) {
        if self.holds.as_ref() != holds {
            self.holds = holds.cloned();
        }
        if holds.is_none() {
            // It may have been an input of the same moment that took the token away.
            self.calls.iter_mut().for_each(|(_, serves)| *serves = false);
        }
    }

    /// The token that serves.
    pub(super) fn token(&self) -> Option<&str> {
        self.holds.as_ref()?.header.to_str().ok()?.strip_prefix("Bearer ")
    }

    /// The app wants a call to be made. `serves` says whether a token serves for it.
    pub(super) fn wants_call(&mut self, serves: bool, at: u64) {
        self.calls.push_back((at, serves));
    }

    /// The loop made a call.
    pub(super) fn called(
        &mut self,
        call: &Request<Bytes>,
        generation: Generation,
    ) -> Option<Finding> {
        self.calls.pop_front();
        let sent = call.headers().get(AUTHORIZATION);
        let Some(held) = self.holds.as_ref().filter(|held| Some(&held.header) == sent) else {
            let did = match sent {
                Some(_) => "it sent it with another token",
                None => "it sent it without a token",
            };
            let expected = "an API call with the token that serves";
            return Some(finding(Duty::Authorize, expected, did, cure::AUTHORIZE_ANEW));
        };
        (held.generation != generation).then(|| {
            let expected = format!("a call with token {}", held.generation.number());
            let did = format!("it named token {} for it", generation.number());
            finding(Duty::Authorize, expected, did, cure::ITS_GENERATION)
        })
    }

    /// A call was answered.
    pub(super) fn answered(&mut self, generation: Generation, status: StatusCode, at: u64) {
        let serves = self.holds.as_ref().map(|held| held.generation) == Some(generation);
        let answered = self.answered.entry(generation.number()).or_default();
        if status == StatusCode::UNAUTHORIZED {
            answered.unauthorized = true;
            self.unauthorized.push(Unauthorized { at, generation, owed: serves });
        } else {
            answered.other = Some(status);
        }
    }

    /// The loop reported a 401.
    pub(super) fn reported_unauthorized(&mut self, generation: Generation) -> Option<Finding> {
        let own = self.unauthorized.iter().position(|answer| answer.generation == generation);
        if let Some(own) = own {
            self.unauthorized.swap_remove(own);
            return None;
        }
        let number = generation.number();
        let answered = self.answered.get(&number);
        // Several calls may have been answered 401 with one token: the driver heeds the first.
        if answered.is_some_and(|answered| answered.unauthorized) {
            return None;
        }
        if let Some(answer) = self.unauthorized.pop() {
            let of = answer.generation.number();
            let expected = format!("a 401 to token {of}, which the call was made with");
            let did = format!("it reported it to token {number}");
            let cure = cure::ITS_GENERATION;
            return Some(finding(Duty::ReportUnauthorized, expected, did, cure));
        }
        let (expected, did) = match answered.and_then(|answered| answered.other) {
            Some(status) => {
                (format!("nothing: the API answered {status}"), "it reported a 401".to_owned())
            }
            None => (
                "no 401: no call was answered so".to_owned(),
                format!("it reported a 401 to token {number}"),
            ),
        };
        Some(finding(Duty::ReportUnauthorized, expected, did, cure::ONLY_401))
    }
}

impl Connection {
    /// The app says so.
    fn says(&mut self, online: bool, at: u64) {
        self.outdated |= self.untold.is_some();
        self.untold = Some(at);
        (self.online, self.was_told) = (online, true);
    }

    /// The loop called the driver's method with this.
    fn passed(&mut self, online: bool) -> Option<Finding> {
        if online == self.online {
            // To say it once more has, at most, a driver try again that gave up.
            (self.untold, self.outdated) = (None, false);
            return None;
        }
        if core::mem::take(&mut self.outdated) {
            return None;
        }
        let did = format!("it called `set_online({online})`");
        if self.was_told {
            let expected = format!("`set_online({})`, as the app said last", self.online);
            return Some(finding(Duty::PassInputs, expected, did, cure::PASS_INPUTS));
        }
        let expected = "no `set_online`: the app had not asked for it";
        Some(finding(Duty::PassInputs, expected, did, cure::LEAVE_IT_TO_THE_APP))
    }
}

/// What is late.
impl App {
    pub(super) fn overdue(&mut self, at: u64) -> Vec<Finding> {
        let mut found = Vec::new();
        let by = seconds(at);
        while let Some((since, input)) = take_late(&mut self.inputs, at) {
            found.push(unpassed(&input, since, at));
            self.late_inputs.push(input);
        }
        if let Some(since) = self.network.untold.take_if(|since| is_late(*since, at)) {
            found.push(unpassed(&Input::Online(self.network.online), since, at));
        }
        while let Some((since, event)) = take_late(&mut self.events, at) {
            let expected = format!("the event of {} to be handed on: {event}", seconds(since));
            let did = format!("it had not handed it on by {by}");
            found.push(finding(Duty::PassEvents, expected, did, cure::PASS_EVENTS));
            self.late_events.push(event);
        }
        while let Some((since, serves)) = take_late(&mut self.calls, at) {
            if serves {
                let expected = format!("the app's API call at {} to be made", seconds(since));
                let did = format!("it had not made it by {by}, though a token serves");
                found.push(finding(Duty::Authorize, expected, did, cure::AUTHORIZE));
            }
        }
        let serving = self.holds.as_ref().map(|held| held.generation);
        for answer in self.unauthorized.iter_mut().filter(|answer| answer.owed) {
            // What is reported after the next token came changes nothing.
            answer.owed = Some(answer.generation) == serving;
            if answer.owed && is_late(answer.at, at) {
                answer.owed = false;
                let number = answer.generation.number();
                let expected =
                    format!("the 401 of {} to token {number} to be reported", seconds(answer.at));
                let did = format!("it had reported none by {by}");
                let cure = cure::REPORT_UNAUTHORIZED;
                found.push(finding(Duty::ReportUnauthorized, expected, did, cure));
            }
        }
        found
    }
}

fn unpassed(input: &Input, since: u64, at: u64) -> Finding {
    let expected = format!("`{}` at {}, as the app asked", method(input), seconds(since));
    let did = format!("it had not called it by {}", seconds(at));
    finding(Duty::PassInputs, expected, did, cure::PASS_INPUTS)
}

fn take_late<T>(queue: &mut VecDeque<(u64, T)>, at: u64) -> Option<(u64, T)> {
    if is_late(queue.front()?.0, at) { queue.pop_front() } else { None }
}
