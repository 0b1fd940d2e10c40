//! When the driver is polled, and with which moments.

use super::{Finding, PollResult, finding, hint, is_late, seconds};
use crate::driver::{Wake, WakeReason};
use crate::time::{Moment, millis};

/// The number of needless polls within a second that no loop makes which runs once a frame.
const TOO_MANY_POLLS: u64 = 1_000;

/// Why a poll is due.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reason {
    /// The driver asked to be polled then.
    Wake(WakeReason),
    /// The device woke up.
    Woke,
    /// The loop blocks in a request until then.
    Blocked,
    /// This method was called.
    Input(&'static str),
    /// A poll answered something else than `Wait`, and none has answered `Wait` since.
    Queued,
}

#[derive(Debug, Default)]
pub(super) struct Polling {
    due: Option<(u64, Reason)>,
    /// A second, and the number of needless polls in it.
    needless: (u64, u64),
    last: Option<Moment>,
}

impl Polling {
    /// A poll is due at once.
    pub(super) fn is_due(&mut self, reason: Reason, at: u64) {
        // An earlier due time stays. The outcome of a request ends the blocking in it.
        if self.due.is_none_or(|(due, was)| due > at || matches!(was, Reason::Blocked)) {
            self.due = Some((at, reason));
        }
    }

    pub(super) fn polled(&mut self, result: &PollResult, at: u64) -> Option<Finding> {
        let early = self.due.is_none_or(|(due, _)| due > at);
        self.due = match result {
            PollResult::Wait(Wake::OnInput) => None,
            PollResult::Wait(Wake::In(wait, reason)) => {
                Some((at.saturating_add(millis(*wait)), Reason::Wake(*reason)))
            }
            // One output after another, each on time, is late all the same.
            _ if matches!(self.due, Some((_, Reason::Queued))) => self.due,
            _ => Some((at, Reason::Queued)),
        };
        if !early || !matches!(result, PollResult::Wait(_)) {
            return None;
        }
        let second = at / 1_000;
        let (of, polls) = self.needless;
        let polls = if of == second { polls.saturating_add(1) } else { 1 };
        self.needless = (second, polls);
        (polls == TOO_MANY_POLLS).then(|| {
            let expected = match self.due {
                Some((due, _)) => format!("no poll before {}, or the next input", seconds(due)),
                None => "no poll before the next input".to_owned(),
            };
            let actual = format!("it polled {polls} times within a second, needlessly");
            finding(hint::WAIT, expected, actual)
        })
    }

    /// Compares the moment that was passed with what the clocks showed.
    pub(super) fn passed(&mut self, passed: Moment, shown: Moment) -> Option<Finding> {
        let last = self.last.replace(passed).unwrap_or(passed);
        let [last, given, right] = [last, passed, shown].map(|one| millis(one.since_start()));
        let earlier = last.saturating_sub(given);
        if earlier > 0 {
            let expected = "a monotonic clock that never goes back";
            let actual = format!("it passed a moment {} before the last one", seconds(earlier));
            return Some(finding(hint::NEVER_BACK, expected, actual));
        }
        let actual = match (right.saturating_sub(given), given.saturating_sub(right)) {
            (0, 0) if passed == shown => return None,
            (0, 0) => "it passed another time of day than the wall clock shows".to_owned(),
            (0, ahead) => format!("it passed a moment that is {} ahead of them", seconds(ahead)),
            (behind, _) => format!("it passed a moment that is {} old", seconds(behind)),
        };
        Some(finding(hint::READ_ANEW, "the moment that the clocks show", actual))
    }

    pub(super) fn overdue(&mut self, at: u64) -> Option<Finding> {
        let (due, reason) = self.due.take_if(|(due, _)| is_late(*due, at))?;
        let (due, by) = (seconds(due), seconds(at));
        let (hint, why) = match reason {
            Reason::Wake(reason) => {
                (hint::POLL_ON_TIME, format!("which the driver asked for: {reason:?}"))
            }
            Reason::Woke => (hint::POLL_ON_WAKING, "when the device woke up".to_owned()),
            Reason::Blocked => {
                (hint::BLOCK_NO_LONGER, "when the request's time was over".to_owned())
            }
            Reason::Input(method) => (hint::POLL_AFTER_INPUT, format!("after `{method}`")),
            Reason::Queued => {
                let expected = format!("polls until `Wait` from {due} on");
                let actual = format!("no poll had answered `Wait` by {by}");
                return Some(finding(hint::POLL_UNTIL_WAIT, expected, actual));
            }
        };
        let expected = format!("a poll at {due}, {why}");
        Some(finding(hint, expected, format!("it had not polled by {by}")))
    }

    /// The loop blocks in a request until then, as it may, and can't poll.
    pub(super) fn blocks_until(&mut self, until: u64) {
        if let Some(due) = self.due.as_mut().filter(|(due, _)| *due < until) {
            *due = (until, Reason::Blocked);
        }
    }
}
