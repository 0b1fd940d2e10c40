//! The app's inputs and events.

use std::collections::VecDeque;

use super::hint::{self, Finding, finding, is_late};
use super::note::method_name;
use super::report::seconds;
use crate::driver::{Event, Input as DriverInput};

#[derive(Debug, Default)]
pub(super) struct App {
    /// Starts and stops that the loop has not forwarded yet, and when it took them.
    inputs: VecDeque<(u64, DriverInput)>,
    /// Those that are overdue, and may still be forwarded.
    late_inputs: Vec<DriverInput>,
    network: Connection,
    events: VecDeque<(u64, Event)>,
    late_events: Vec<Event>,
}

/// The app's reports about the network. Only the last one counts, and in any order with starts and stops: a
/// loop may keep it apart.
#[derive(Debug, Default)]
struct Connection {
    /// The last report.
    online: Option<bool>,
    /// Since when it has not been forwarded.
    pending: Option<u64>,
    /// Whether an earlier one was not forwarded either, and may be.
    outdated: bool,
}

/// Inputs.
impl App {
    /// The loop took an input.
    pub(super) fn took(&mut self, input: DriverInput, at: u64) {
        match input {
            DriverInput::Online(online) => self.network.took(online, at),
            other => self.inputs.push_back((at, other)),
        }
    }

    /// The loop gave an input to the driver.
    pub(super) fn forwarded(&mut self, input: &DriverInput) -> Option<Finding> {
        if let DriverInput::Online(online) = input {
            return self.network.forwarded(*online);
        }
        let index = self.inputs.iter().position(|(_, taken)| taken == input);
        if let Some(index) = index {
            self.inputs.remove(index);
            if index == 0 {
                return None;
            }
            let (_, earlier) = self.inputs.pop_front()?;
            let expected = format!("`{}` first, as the app called it", method_name(&earlier));
            self.late_inputs.push(earlier);
            let actual = format!("it called `{}`", method_name(input));
            return Some(finding(hint::FORWARD_INPUTS, expected, actual));
        }
        if remove_equal(&mut self.late_inputs, input) {
            return None;
        }
        let name = method_name(input);
        let of_its_kind = self.inputs.iter().position(|(_, taken)| method_name(taken) == name);
        if let Some(index) = of_its_kind {
            self.inputs.remove(index);
            let expected = format!("`{name}` with the app's argument");
            return Some(finding(hint::FORWARD_INPUTS, expected, "it called it with another one"));
        }
        let expected = format!("no `{name}`: the app had not called it");
        Some(finding(hint::LEAVE_IT_TO_THE_APP, expected, "it called it by itself"))
    }
}

impl Connection {
    fn took(&mut self, online: bool, at: u64) {
        self.outdated |= self.pending.is_some();
        (self.online, self.pending) = (Some(online), Some(at));
    }

    fn forwarded(&mut self, online: bool) -> Option<Finding> {
        if online == self.online.unwrap_or(true) {
            // Repeating it has, at most, a driver try again that gave up.
            (self.pending, self.outdated) = (None, false);
            return None;
        }
        if core::mem::take(&mut self.outdated) {
            return None;
        }
        let actual = format!("it called `set_online({online})`");
        let Some(last) = self.online else {
            let expected = "no `set_online`: the app had not called it";
            return Some(finding(hint::LEAVE_IT_TO_THE_APP, expected, actual));
        };
        let expected = format!("`set_online({last})`, as the app called it last");
        Some(finding(hint::FORWARD_INPUTS, expected, actual))
    }
}

/// Events.
impl App {
    /// The driver returned an event.
    pub(super) fn event(&mut self, event: &Event, at: u64) {
        self.events.push_back((at, event.clone()));
    }

    /// The loop forwarded an event.
    pub(super) fn forwarded_event(&mut self, event: &Event) -> Option<Finding> {
        let Some(index) = self.events.iter().position(|(_, returned)| returned == event) else {
            if remove_equal(&mut self.late_events, event) {
                return None;
            }
            let actual = format!("it forwarded an event that was not new: {event}");
            let expected = "each event once, as the driver returned it";
            return Some(finding(hint::FORWARD_EVENTS_ONCE, expected, actual));
        };
        self.events.remove(index);
        let (_, earlier) = self.events.front().filter(|_| index > 0)?;
        let expected = format!("an older event first: {earlier}");
        Some(finding(hint::FORWARD_EVENTS, expected, format!("it forwarded another: {event}")))
    }

    pub(super) fn overdue(&mut self, at: u64) -> Vec<Finding> {
        let mut found = Vec::new();
        while let Some((since, input)) = take_late(&mut self.inputs, at) {
            found.push(not_forwarded(&input, since, at));
            self.late_inputs.push(input);
        }
        if let Some(since) = self.network.pending.take_if(|since| is_late(*since, at)) {
            let online = DriverInput::Online(self.network.online.unwrap_or(true));
            found.push(not_forwarded(&online, since, at));
        }
        while let Some((since, event)) = take_late(&mut self.events, at) {
            let expected = format!("the event of {} to be forwarded: {event}", seconds(since));
            let actual = format!("it had not forwarded it by {}", seconds(at));
            found.push(finding(hint::FORWARD_EVENTS, expected, actual));
            self.late_events.push(event);
        }
        found
    }
}

fn not_forwarded(input: &DriverInput, since: u64, at: u64) -> Finding {
    let expected = format!("`{}` at {}, as the app called it", method_name(input), seconds(since));
    finding(hint::FORWARD_INPUTS, expected, format!("it had not called it by {}", seconds(at)))
}

/// Removes the first element if it is late.
pub(super) fn take_late<T>(queue: &mut VecDeque<(u64, T)>, at: u64) -> Option<(u64, T)> {
    if is_late(queue.front()?.0, at) { queue.pop_front() } else { None }
}

/// Removes one element that equals `value`. Returns whether there was one.
fn remove_equal<T: PartialEq>(values: &mut Vec<T>, value: &T) -> bool {
    let index = values.iter().position(|one| one == value);
    index.map(|index| values.remove(index)).is_some()
}
