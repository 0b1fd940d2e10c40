//! The answer of a poll.

use core::time::Duration;

use super::Event;
use crate::session::{Outgoing, RequestId};
use crate::time::Stamp;

/// The next thing to do for the driver. Carry it out, and poll again, until it wants to wait.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an output that is dropped is lost: its request is never sent, its event never seen"]
#[expect(clippy::exhaustive_enums, reason = "a run loop has to carry out each")]
pub enum Output {
    /// Send this request, and report what became of it under its id. The event that announces it came with
    /// the poll before.
    Send(Outgoing),
    /// Nothing waits for the reply to this request any more: cancel it, if your client can. Not
    /// cancelling does no harm; its reply is stale when it comes.
    Abandon(RequestId),
    /// Something happened to the session.
    Event(Event),
    /// Nothing to do for now.
    Wait(Wake),
}

/// The answer to a reply or a failure: whether it was for the request in flight. No error: nothing needs to be done about
/// either, so a loop may ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a reply is either")]
pub enum Delivery {
    /// It was for the request in flight, and took effect.
    Accepted,
    /// That request is not in flight: it was given up or answered before, or is another driver's. Nothing
    /// changed but the counter of stale replies.
    Stale,
}

impl Delivery {
    /// Returns whether it was [`Accepted`](Self::Accepted).
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted)
    }

    /// Returns whether it was [`Stale`](Self::Stale).
    #[must_use]
    pub const fn is_stale(self) -> bool {
        matches!(self, Self::Stale)
    }
}

/// Outputs of the next polls.
#[derive(Debug, Clone)]
pub(super) enum Queued {
    Abandon(RequestId),
    Event(Event),
}

impl From<Queued> for Output {
    fn from(queued: Queued) -> Self {
        match queued {
            Queued::Abandon(id) => Self::Abandon(id),
            Queued::Event(event) => Self::Event(event),
        }
    }
}

/// Outputs, first in, first out. Most often it is one, which needs no allocation.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    pub(super) first: Option<Queued>,
    pub(super) rest: Vec<Queued>,
}

impl Queue {
    pub(super) fn push(&mut self, queued: Queued) {
        if self.first.is_none() {
            self.first = Some(queued);
        } else {
            self.rest.push(queued);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Queued> {
        let next = if self.rest.is_empty() { None } else { Some(self.rest.remove(0)) };
        core::mem::replace(&mut self.first, next)
    }

    pub(super) fn len(&self) -> usize {
        self.rest.len().saturating_add(usize::from(self.first.is_some()))
    }
}

/// The time of the next poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "a run loop has to wait for each")]
pub enum Wake {
    /// After this long, or with the next input if that is sooner. From 1 ms to 24 h: what is further away
    /// is polled for in between, so that it fits any timer.
    ///
    /// Timers that stop while the device sleeps are late: poll when it wakes up, too.
    In(Duration, WakeReason),
    /// With the next input. Time alone changes nothing.
    OnInput,
}

/// The reason for a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "trace", derive(serde::Serialize))]
#[non_exhaustive]
pub enum WakeReason {
    /// The deadline of the request in flight.
    Deadline,
    /// The time to renew the token.
    Renewal,
    /// The pause after failures.
    Backoff,
    /// The wait that the server asked for.
    RetryAfter,
    /// The request budget.
    Budget,
    /// The end of the token.
    Expiry,
}

/// The longest wait in milliseconds: a day.
const LONGEST: u64 = 24 * 3_600_000;

impl Wake {
    /// The longest that a driver waits without being polled: a day.
    pub const LONGEST: Duration = Duration::from_millis(LONGEST);

    pub(super) fn after(wait: Wait) -> Self {
        let (millis, reason) = wait;
        Self::In(Duration::from_millis(millis.clamp(1, LONGEST)), reason)
    }
}

/// A time to wait in milliseconds, and its reason.
pub(super) type Wait = (u64, WakeReason);

/// The wait that a poll has answered. While time passes and no input comes, later polls answer what is left of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Idle {
    /// The tick at which the wait ends.
    until: u64,
    /// How far the wall clock runs ahead. Where that changes, so may the plan.
    ahead: i64,
    /// `None` to wait for an input.
    reason: Option<WakeReason>,
}

impl Idle {
    pub(super) fn new(wait: Option<Wait>, at: Stamp) -> Self {
        let (millis, reason) = wait.map_or((0, None), |(millis, reason)| (millis, Some(reason)));
        Self { until: at.ticks.saturating_add(millis), ahead: at.ahead, reason }
    }

    /// Returns what is left of the wait; `None` if it is over, or may be another one now.
    pub(super) fn wake_at(self, at: Stamp) -> Option<Wake> {
        let Some(reason) = self.reason else { return Some(Wake::OnInput) };
        let holds = at.ahead == self.ahead && at.ticks < self.until;
        holds.then(|| Wake::after((self.until.saturating_sub(at.ticks), reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_accepted_or_stale() {
        let both = [Delivery::Accepted, Delivery::Stale];
        assert_eq!(both.map(Delivery::is_accepted), [true, false]);
        assert_eq!(both.map(Delivery::is_stale), [false, true]);
    }
}
