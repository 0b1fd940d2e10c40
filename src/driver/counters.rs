//! Counts of what a driver has done.

use crate::exchange::{Denial, DenialKind};
use crate::session::transitions::Cause;

/// Counts of what a [`Driver`](super::Driver) has done since it was made. They saturate; nothing resets them.
///
/// Every request that this driver handed out ends in exactly one of `authentications`, `renewals`, `refused`,
/// `throttled`, `transient`, `redirected`, `malformed`, `unanswered` and `abandoned`, but for the one in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Requests for a token that were handed out to be sent.
    pub requests: u32,
    /// Replies that gave a token while none served.
    pub authentications: u32,
    /// Replies that gave a token in place of the current one, which may have expired since the last poll.
    pub renewals: u32,
    /// Tokens obtained elsewhere that were adopted.
    pub adoptions: u32,
    /// Replies that refused: 401, most other 4xx, and an `error` under 200 or 201.
    pub refused: u32,
    /// Replies that throttled: 429.
    pub throttled: u32,
    /// Transient failures: 407, 408, 421, 425, 5xx and empty replies.
    pub transient: u32,
    /// Replies that redirected.
    pub redirected: u32,
    /// Replies that were no token service's (a captive portal's page among them, under 200 or a 4xx), not for
    /// this login, or with a token that was dead already.
    pub malformed: u32,
    /// Requests that the caller reported as failed, and replies whose reading panicked in a custom exchange.
    pub unanswered: u32,
    /// Requests that the driver gave up: their time was over, or the login was. A client that keeps to
    /// the same time-out reports its failure a moment later, which counts as stale.
    pub abandoned: u32,
    /// Replies and failures that came for requests not in flight.
    pub stale: u32,
}

impl Counters {
    pub(super) fn count_grant(&mut self, cause: Cause) {
        match cause {
            Cause::Renewed => bump(&mut self.renewals),
            _ => bump(&mut self.authentications),
        }
    }

    pub(super) fn count_denial(&mut self, denial: &Denial) {
        bump(match denial.kind() {
            DenialKind::Refused => &mut self.refused,
            DenialKind::Throttled => &mut self.throttled,
            DenialKind::Transient => &mut self.transient,
            DenialKind::Redirect => &mut self.redirected,
            DenialKind::Malformed(_) => &mut self.malformed,
        });
    }
}

pub(super) fn bump(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}
