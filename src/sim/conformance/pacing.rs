//! When the driver is polled, and with which moments.

use super::duty::Duty;
use super::finding::{Finding, cure, finding, is_late};
use super::note::Said;
use super::report::seconds;
use crate::driver::{Wake, WakeReason};
use crate::time::{Moment, millis};

/// How many polls within a second are no longer a loop that comes by every now and then.
const HAMMERING: u64 = 1_000;

/// Why a poll is due.
#[derive(Debug, Clone, Copy)]
enum Why {
    /// The driver wanted to be polled then.
    Wake(WakeReason),
    /// The device woke up.
    Woke,
    /// The loop blocks in a request until then.
    Blocked,
    /// This call was made.
    Input(&'static str),
    /// A poll answered this, and none has answered `Wait` since.
    Queued(&'static str),
}

#[derive(Debug, Default)]
pub(super) struct Pacing {
    due: Option<(u64, Why)>,
    /// A second, and the polls in it for which there was no reason.
    needless: (u64, u64),
    last: Option<Moment>,
}

impl Pacing {
    /// An input was given, or the device woke up, which makes a poll due at once.
    pub(super) fn input(&mut self, call: &'static str, at: u64) {
        self.is_due(at, Why::Input(call));
    }

    pub(super) fn woke(&mut self, at: u64) {
        self.is_due(at, Why::Woke);
    }

    fn is_due(&mut self, at: u64, why: Why) {
        // What was due already is due all the more. What comes of a request ends the blocking in it.
        if self.due.is_none_or(|(due, was)| due > at || matches!(was, Why::Blocked)) {
            self.due = Some((at, why));
        }
    }

    pub(super) fn polled(&mut self, said: &Said, at: u64) -> Option<Finding> {
        let early = self.due.is_none_or(|(due, _)| due > at);
        self.due = match said {
            Said::Wait(Wake::OnInput) => None,
            Said::Wait(Wake::In(wait, why)) => {
                Some((at.saturating_add(millis(*wait)), Why::Wake(*why)))
            }
            // One output after another, each in its time, is late all the same.
            _ if matches!(self.due, Some((_, Why::Queued(_)))) => self.due,
            other => Some((at, Why::Queued(other.name()))),
        };
        if !early || !matches!(said, Said::Wait(_)) {
            return None;
        }
        let second = at / 1_000;
        let (of, polls) = self.needless;
        let polls = if of == second { polls.saturating_add(1) } else { 1 };
        self.needless = (second, polls);
        (polls == HAMMERING).then(|| {
            let expected = match self.due {
                Some((due, _)) => format!("no poll before {}, or the next input", seconds(due)),
                None => "no poll before the next input".to_owned(),
            };
            let did = format!("it polled {polls} times within a second, for nothing");
            finding(Duty::Wait, expected, did, cure::WAIT)
        })
    }

    /// Holds the moment that was passed against what the clocks showed.
    pub(super) fn passed(&mut self, now: Moment, shown: Moment) -> Option<Finding> {
        let last = self.last.replace(now).unwrap_or(now);
        let (given, right) = (millis(now.since_start()), millis(shown.since_start()));
        let earlier = millis(last.since_start()).saturating_sub(given);
        let found = |expected: &str, did: String, cure| {
            Some(finding(Duty::PresentMoment, expected, did, cure))
        };
        if earlier > 0 {
            let did = format!("it passed a moment {} before the one before", seconds(earlier));
            return found("a monotonic clock that never goes back", did, cure::NEVER_BACK);
        }
        let did = match (right.saturating_sub(given), given.saturating_sub(right)) {
            (0, 0) if now == shown => return None,
            (0, 0) => "it passed another time of day than the wall clock shows".to_owned(),
            (0, ahead) => format!("it passed a moment that is {} ahead of them", seconds(ahead)),
            (behind, _) => format!("it passed a moment that is {} old", seconds(behind)),
        };
        found("the moment that the clocks show", did, cure::READ_ANEW)
    }

    pub(super) fn overdue(&mut self, at: u64) -> Option<Finding> {
        let (due, why) = self.due.take_if(|(due, _)| is_late(*due, at))?;
        let did = format!("it had not polled by {}", seconds(at));
        let then = seconds(due);
        Some(match why {
            Why::Wake(reason) => {
                let expected = format!("a poll at {then}, which the driver wanted: {reason:?}");
                finding(Duty::PollInTime, expected, did, cure::POLL_IN_TIME)
            }
            Why::Woke => {
                let expected = format!("a poll at {then}, when the device woke up");
                finding(Duty::PollInTime, expected, did, cure::POLL_ON_WAKING)
            }
            Why::Blocked => {
                let expected = format!("a poll at {then}, when the request's time was over");
                finding(Duty::PollInTime, expected, did, cure::BLOCK_NO_LONGER)
            }
            Why::Input(call) => {
                let expected = format!("a poll after `{call}` at {then}");
                finding(Duty::PollAfterInput, expected, did, cure::POLL_AFTER_INPUT)
            }
            Why::Queued(said) => {
                let expected =
                    format!("polls until `Wait` from {then} on, when one answered `{said}`");
                let did = format!("it had not come to `Wait` by {}", seconds(at));
                finding(Duty::PollUntilWait, expected, did, cure::POLL_UNTIL_WAIT)
            }
        })
    }

    /// The loop was in a request, as it is allowed to be, and couldn't poll.
    pub(super) fn excuse(&mut self, until: u64) {
        if let Some(due) = self.due.as_mut().filter(|(due, _)| *due < until) {
            *due = (until, Why::Blocked);
        }
    }
}
