//! The app's inputs and events.

use super::{Expected, Finding, finding, hint, method_name, seconds};
use crate::driver::{Event, Input as DriverInput};

#[derive(Debug, Default)]
pub(super) struct App {
    /// Starts and stops that the loop took.
    inputs: Expected<DriverInput>,
    /// Reports about the network that the loop took. Only the last one counts, and in any order with starts and
    /// stops: a loop may keep it apart.
    network: Expected<DriverInput>,
    /// The last report about the network.
    online: Option<bool>,
    events: Expected<Event>,
}

impl App {
    /// The loop took an input.
    pub(super) fn took(&mut self, input: DriverInput, at: u64) {
        if let DriverInput::Online(online) = input {
            self.online = Some(online);
            self.network.waive(|_| true);
            self.network.add(input, at);
        } else {
            self.inputs.add(input, at);
        }
    }

    /// The loop gave an input to the driver.
    pub(super) fn forwarded(&mut self, input: &DriverInput) -> Option<Finding> {
        if let DriverInput::Online(online) = input {
            return self.forwarded_online(*online);
        }
        let name = method_name(input);
        match self.inputs.remove(|taken| taken == input) {
            Some(0) => None,
            Some(_) => {
                let first = self.inputs.waive_first().map(method_name)?;
                let expected = format!("`{first}` first, as the app called it");
                Some(finding(hint::FORWARD_INPUTS, expected, format!("it called `{name}`")))
            }
            None if self.inputs.remove(|taken| method_name(taken) == name).is_some() => {
                let expected = format!("`{name}` with the app's argument");
                Some(finding(hint::FORWARD_INPUTS, expected, "it called it with another one"))
            }
            None => {
                let expected = format!("no `{name}`: the app had not called it");
                Some(finding(hint::LEAVE_IT_TO_THE_APP, expected, "it called it by itself"))
            }
        }
    }

    fn forwarded_online(&mut self, online: bool) -> Option<Finding> {
        if online == self.online.unwrap_or(true) {
            // Repeating it has, at most, a driver try again that gave up.
            self.network = Expected::default();
            return None;
        }
        if self.network.remove(|taken| *taken == DriverInput::Online(online)).is_some() {
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

    /// The driver returned an event.
    pub(super) fn event(&mut self, event: &Event, at: u64) {
        self.events.add(event.clone(), at);
    }

    /// The loop forwarded an event.
    pub(super) fn forwarded_event(&mut self, event: &Event) -> Option<Finding> {
        match self.events.remove(|returned| returned == event) {
            Some(0) => None,
            Some(_) => {
                let expected = format!("an older event first: {}", self.events.waive_first()?);
                let actual = format!("it forwarded another: {event}");
                Some(finding(hint::FORWARD_EVENTS, expected, actual))
            }
            None => {
                let expected = "each event once, as the driver returned it";
                let actual = format!("it forwarded an event that was not new: {event}");
                Some(finding(hint::FORWARD_EVENTS_ONCE, expected, actual))
            }
        }
    }

    pub(super) fn overdue(&mut self, at: u64) -> Vec<Finding> {
        let by = seconds(at);
        let inputs = self.inputs.late(at).chain(self.network.late(at)).map(|(since, input)| {
            let (name, since) = (method_name(input), seconds(since));
            let expected = format!("`{name}` at {since}, as the app called it");
            finding(hint::FORWARD_INPUTS, expected, format!("it had not called it by {by}"))
        });
        let events = self.events.late(at).map(|(since, event)| {
            let expected = format!("the event of {} to be forwarded: {event}", seconds(since));
            let actual = format!("it had not forwarded it by {by}");
            finding(hint::FORWARD_EVENTS, expected, actual)
        });
        inputs.chain(events).collect()
    }
}
