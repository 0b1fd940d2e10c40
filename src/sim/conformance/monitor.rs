//! Reads the notes in order, and checks each against the requirements.

use core::time::Duration;

use super::{
    Action, App, Calls, DriverCall, Ending, Failed, Finding, Hint, Input, Method, Note, PollResult,
    Polling, Reason, RecentCalls, Requirement, Run, Scenario, TokenRequests, Violation, finding,
    hint, is_late, method_name, seconds,
};
use crate::driver::{Delivery, Input as DriverInput, Wake};
use crate::time::{Moment, millis};

#[derive(Debug)]
pub(super) struct Monitor {
    pub(super) polling: Polling,
    pub(super) requests: TokenRequests,
    pub(super) app: App,
    pub(super) calls: Calls,
    recent: RecentCalls,
    run: Run,
    violations: Vec<Violation>,
    /// Until when the loop last blocked in a request, as it may.
    blocked_until: u64,
    /// Whether the loop was asked to return. Nothing is checked after that.
    pub(super) over: bool,
}

impl Monitor {
    pub(super) fn new(scenario: Scenario, duration: u64) -> Self {
        Self {
            polling: Polling::default(),
            requests: TokenRequests::default(),
            app: App::default(),
            calls: Calls::default(),
            recent: RecentCalls::default(),
            run: Run::new(scenario, Duration::from_millis(duration)),
            violations: Vec::new(),
            blocked_until: 0,
            over: false,
        }
    }

    pub(super) fn into_result(self) -> (Run, Vec<Violation>) {
        (self.run, self.violations)
    }

    fn add(&mut self, found: impl IntoIterator<Item = Finding>, at: u64) {
        for Finding { hint: Hint(requirement, hint), expected, actual } in found {
            if self.over {
                return;
            }
            let violation = Violation {
                requirement,
                scenario: self.run.scenario,
                at: Duration::from_millis(at),
                expected,
                actual,
                hint,
                before: self.recent.lines(),
                times: 1,
            };
            // A loop that doesn't wait is asked to return.
            self.over |= requirement == Requirement::Wait;
            Failed::add(&mut self.violations, violation);
        }
    }

    /// Time has passed.
    pub(super) fn advance_to(&mut self, at: u64) {
        let mut found = Vec::from_iter(self.polling.overdue(at));
        found.append(&mut self.requests.overdue(at));
        found.append(&mut self.app.overdue(at));
        found.append(&mut self.calls.overdue(at));
        self.add(found, at);
    }

    /// Checks an action of the loop, at which the clocks showed `shown`. Returns whether the network carries it.
    pub(super) fn note(&mut self, note: &Note, shown: Moment) -> bool {
        let at = note.at;
        self.advance_to(at);
        let mut carried = true;
        let found = match &note.action {
            Action::Driver(call) => self.driver_called(call, shown, at),
            Action::Sent(id, request, timeout) => {
                self.recent.add(at, format!("sends {}", self.requests.name(*id)));
                bump(&mut self.run.requests);
                let (goes_through, found) = self.requests.sent(*id, request, *timeout, at);
                carried = goes_through;
                found
            }
            Action::Cancelled(id) => {
                self.recent.add(at, format!("cancels {}", self.requests.name(*id)));
                self.requests.cancelled(*id, at);
                None
            }
            Action::Forwarded(event) => {
                self.recent.add(at, format!("forwards: {event}"));
                bump(&mut self.run.events);
                self.app.forwarded_event(event)
            }
            _ => self.called(&note.action, at),
        };
        self.add(found, at);
        carried
    }

    /// Checks an action that concerns an API call.
    fn called(&mut self, action: &Action, at: u64) -> Option<Finding> {
        match action {
            Action::Called(caller, call, of) => {
                let token = of.generation.number();
                let whose = caller.map(|caller| format!(" for {caller}")).unwrap_or_default();
                self.recent.add(at, format!("calls the API with token {token}{whose}"));
                bump(&mut self.run.calls);
                let Some(caller) = *caller else { return self.calls.called(call, *of) };
                let found = self.calls.waiting.called(caller, call);
                found.or_else(|| self.calls.check_token(call, *of))
            }
            Action::Failed(caller, error) => {
                self.recent.add(at, format!("fails the call of {caller}: {error}"));
                self.calls.waiting.failed(*caller, *error, at)
            }
            Action::Declined(caller) => {
                self.recent.add(at, format!("declines {caller}"));
                bump(&mut self.run.declined);
                self.calls.waiting.answered(*caller)
            }
            _ => None,
        }
    }

    fn driver_called(&mut self, call: &DriverCall, shown: Moment, at: u64) -> Option<Finding> {
        let found = self.polling.passed(call.passed, shown);
        self.add(found, at);
        self.calls.token_is(&call.token);
        match &call.method {
            Method::Poll(result) => self.polled(result, at),
            Method::Handle(input, delivery) => self.handled(input, *delivery, at),
        }
    }

    fn handled(&mut self, input: &DriverInput, delivery: Delivery, at: u64) -> Option<Finding> {
        let (name, accepted) = (method_name(input), delivery.is_accepted());
        // A stale report changes nothing, and neither does an observation.
        if accepted && *input != DriverInput::Observe {
            self.polling.is_due(Reason::Input(name), at);
        }
        let (id, reply) = match input {
            DriverInput::Response(id, reply) => (*id, Some(reply)),
            DriverInput::Failure(id, _) => (*id, None),
            _ => {
                self.recent.add(at, name);
                return match input {
                    DriverInput::Unauthorized(of) => self.calls.reported_unauthorized(*of),
                    DriverInput::Observe => None,
                    _ => self.app.forwarded(input),
                };
            }
        };
        self.recent.add(at, format!("{name} for {}", self.requests.name(id)));
        bump(&mut self.run.reports);
        self.requests.reported(id, reply, accepted, at)
    }

    fn polled(&mut self, result: &PollResult, at: u64) -> Option<Finding> {
        bump(&mut self.run.polls);
        match result {
            PollResult::Send(id, request, timeout) => {
                self.requests.returned(*id, request, *timeout, at);
                self.recent.add(at, format!("polls: Send, {}", self.requests.name(*id)));
            }
            PollResult::Abandon(id) => {
                self.requests.abandoned(*id, at);
                self.recent.add(at, format!("polls: Abandon, {}", self.requests.name(*id)));
            }
            PollResult::Event(event) => {
                self.app.event(event, at);
                self.recent.add(at, format!("polls: Event, {event}"));
            }
            PollResult::Wait(wake) => {
                self.calls.waiting.driver_waits(at);
                self.recent.add_wait(at, || match wake {
                    Wake::In(wait, reason) => {
                        format!("polls: Wait, {} for {reason:?}", seconds(millis(*wait)))
                    }
                    Wake::OnInput => "polls: Wait, for input".to_owned(),
                });
            }
        }
        // A loop that takes no inputs polls on when the time has come to its end.
        let ended = at >= millis(self.run.duration);
        self.polling.polled(result, at).filter(|_| !ended)
    }

    /// The loop took an input that was due at `due`.
    pub(super) fn took(&mut self, input: &Input, due: u64, at: u64) {
        let what = self.describe(input);
        self.recent.add(at, format!("takes: {what}"));
        // Where the app doesn't interrupt, a loop may block in its requests.
        let interrupts = self.run.scenario.interrupts();
        let free = if interrupts { due } else { due.max(self.blocked_until) };
        if is_late(free, at) {
            let expected = format!("{what} to be taken at {}", seconds(due));
            let actual = format!("it was taken at {}", seconds(at));
            self.add([finding(hint::READ_INPUTS, expected, actual)], at);
        }
        match input {
            Input::Reply(id, reply) => self.requests.arrived(*id, Ok(reply.clone()), at),
            Input::Failure(id, why) => self.requests.arrived(*id, Err(*why), at),
            Input::Start(start) => self.app.took(DriverInput::Start(start.clone()), at),
            Input::Stop => self.app.took(DriverInput::Stop, at),
            Input::Online(online) => self.app.took(DriverInput::Online(*online), at),
            Input::WaitingCall(caller, _) => self.calls.waiting.took(*caller, at),
            Input::Called(authorized, status) => self.calls.answered(*authorized, *status, at),
            Input::Woke => self.polling.is_due(Reason::Woke, at),
            Input::Call(_) | Input::CallCancelled(_) | Input::Timer | Input::End => {}
        }
    }

    fn describe(&self, input: &Input) -> String {
        let what = match input {
            Input::Reply(id, _) => return format!("the reply to {}", self.requests.name(*id)),
            Input::Failure(id, _) => return format!("the failure of {}", self.requests.name(*id)),
            Input::Called(_, status) => return format!("the API's answer, {}", status.as_u16()),
            Input::Start(_) => "a start",
            Input::Stop => "a stop",
            Input::Online(true) => "the network's return",
            Input::Online(false) => "the network's loss",
            Input::Call(_) => "an API call",
            Input::WaitingCall(..) => "a call that waits",
            Input::CallCancelled(_) => "the cancelling of a call",
            Input::Woke => "the device's waking up",
            Input::Timer => "a timer",
            Input::End => "the end",
        };
        what.to_owned()
    }

    /// The loop blocks in a request until then.
    pub(super) fn blocks_until(&mut self, until: u64) {
        self.blocked_until = until;
        self.polling.blocks_until(until);
    }

    /// The loop made too many calls without letting time pass.
    pub(super) fn too_many_calls(&mut self, calls: u64, at: u64) {
        let actual = format!("it made {calls} calls and let no time pass");
        self.add([finding(hint::WAIT, "time to pass", actual)], at);
    }

    /// The loop has ended. `end_taken` says whether it took the end.
    pub(super) fn close(&mut self, ending: Ending, end_taken: bool, at: u64) {
        let wait = |violation: &Violation| violation.requirement == Requirement::Wait;
        let known = self.violations.iter().any(wait);
        let found = match ending {
            Ending::Panicked(why) => {
                finding(hint::NEVER_PANIC, "no panic", format!("it panicked: {why}"))
            }
            Ending::CutOff | Ending::Unresponsive if known => return,
            Ending::Unresponsive => {
                let actual = "it kept calling without reading its inbox, and was cut off";
                finding(hint::READ_INPUTS, "inputs to be taken", actual)
            }
            Ending::CutOff if end_taken => {
                finding(hint::RETURN, "a return at the end", "it went on, and was cut off")
            }
            Ending::CutOff => {
                let actual = "it kept calling and let no time pass, and was cut off";
                finding(hint::WAIT, "time to pass", actual)
            }
            Ending::Returned if end_taken => return,
            Ending::Returned => {
                let expected =
                    format!("the loop to run until {}", seconds(millis(self.run.duration)));
                finding(hint::RUN_TO_END, expected, "it returned")
            }
        };
        self.over = false;
        self.add([found], at);
    }
}

fn bump(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
