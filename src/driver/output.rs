//! The answer of a poll.

use core::time::Duration;

use super::event::Event;
use crate::session::{Outgoing, RequestId};
use crate::time::Stamp;

/// What the driver wants next. Carry it out, and poll again, until it wants to wait.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an output that is dropped is lost: its request is never sent, its event never seen"]
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

/// Whether a reply or a failure was for the request in flight. No error: nothing needs to be done about
/// either, so a loop may ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// What waits to be handed out by the next polls.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// When to poll again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Wake {
    /// After this long, or with the next input if that is sooner. From 1 ms to 24 h: what is further away
    /// is polled for in between, so that it fits any timer.
    ///
    /// Timers that stop while the device sleeps are late: poll when it wakes up, too.
    In(Duration, WakeReason),
    /// With the next input. Time alone changes nothing.
    OnInput,
}

/// What a driver waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WakeReason {
    /// The deadline of the request in flight.
    Deadline,
    /// The time to renew the token.
    Renewal,
    /// The pause after failures.
    Backoff,
    /// What the server asked for.
    RetryAfter,
    /// The request budget.
    Budget,
    /// The end of the token.
    Expiry,
}

impl Wake {
    /// The longest that a driver waits without being polled: a day.
    pub const LONGEST: Duration = Duration::from_secs(24 * 3_600);

    pub(super) fn after(wait: Wait) -> Self {
        let (millis, reason) = wait;
        Self::In(Duration::from_millis(millis.max(1)).min(Self::LONGEST), reason)
    }
}

/// A time to wait in milliseconds, and its reason.
pub(super) type Wait = (u64, WakeReason);

/// The wait that a poll has answered. While time passes and no input comes, later polls answer what is left of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Idle {
    /// The end of the wait in ticks, and its reason; `None` to wait for an input.
    until: Option<Wait>,
    /// How far the wall clock runs ahead. Where that changes, so may the plan.
    ahead: i64,
}

impl Idle {
    pub(super) fn new(wait: Option<Wait>, at: Stamp) -> Self {
        let until = wait.map(|(millis, reason)| (at.ticks().saturating_add(millis), reason));
        Self { until, ahead: at.ahead() }
    }

    /// Returns what is left of the wait; `None` if it is over, or may be another one now.
    pub(super) fn wake_at(self, at: Stamp) -> Option<Wake> {
        let Some((until, reason)) = self.until else { return Some(Wake::OnInput) };
        let holds = at.ahead() == self.ahead && at.ticks() < until;
        holds.then(|| Wake::after((until.saturating_sub(at.ticks()), reason)))
    }
}
