//! Callers that wait for a token.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;

use super::{CallerId, Expected, Finding, TokenStatus, api_call, finding, hint, is_late, seconds};
use crate::driver::AuthorizeError;
use crate::session::Generation;

/// How long a call waits at least in a loop that limits the wait, in milliseconds.
const LEAST_LIMIT: u64 = 10_000;

#[derive(Debug, Default)]
pub(super) struct Waiting {
    callers: BTreeMap<CallerId, State>,
    /// Why a call gets no token, if it gets none.
    error: Option<AuthorizeError>,
    /// The first time after it changed at which a poll answered `Wait`.
    since: Option<u64>,
    /// Whether a caller was answered since it changed.
    answers: bool,
    /// The calls that were failed with an error that may be the driver's in a moment.
    early: Expected<(AuthorizeError, Finding)>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Waits since then.
    Waiting(u64),
    Overdue,
    Answered,
    /// Cancelled its call then.
    Cancelled(u64),
}

impl Waiting {
    /// The driver was called, and this is its token now.
    pub(super) fn token_is(&mut self, status: &TokenStatus) {
        let error = status.as_ref().err().copied();
        if self.error != error {
            (self.error, self.since, self.answers) = (error, None, false);
            self.early.waive(|(failed, _)| Some(*failed) == error);
        }
    }

    /// A poll answered `Wait`.
    pub(super) fn driver_waits(&mut self, at: u64) {
        self.since.get_or_insert(at);
    }

    /// The loop took a call that waits.
    pub(super) fn took(&mut self, caller: CallerId, at: u64) {
        self.callers.insert(caller, State::Waiting(at));
    }

    /// A caller cancels its call. Returns whether it was waiting.
    pub(super) fn cancel(&mut self, caller: CallerId, at: u64) -> bool {
        let state = self.callers.get_mut(&caller);
        let waiting = state.filter(|state| matches!(state, State::Waiting(_)));
        waiting.map(|state| *state = State::Cancelled(at)).is_some()
    }

    /// The loop made the call of a caller.
    pub(super) fn called(&mut self, caller: CallerId, call: &Request<Bytes>) -> Option<Finding> {
        self.answered(caller).or_else(|| {
            let other = call.uri() != api_call(Some(caller)).uri();
            let expected = || format!("the call of {caller}");
            other.then(|| finding(hint::CALL_ITS_REQUEST, expected(), "it made another call"))
        })
    }

    /// The loop failed the call of a caller.
    pub(super) fn failed(
        &mut self,
        caller: CallerId,
        error: AuthorizeError,
        at: u64,
    ) -> Option<Finding> {
        let waits = match self.callers.get(&caller) {
            Some(State::Waiting(since)) => at.saturating_sub(*since),
            _ => 0,
        };
        let found = self.answered(caller);
        let is_right = match error {
            AuthorizeError::Wait => waits >= LEAST_LIMIT,
            error => Some(error) == self.error,
        };
        if found.is_some() || is_right {
            return found;
        }
        let expected = match self.error {
            None => format!("the call of {caller} to be made: a token is in use"),
            Some(AuthorizeError::Wait) => format!("{caller} to wait: the driver gets a token"),
            Some(reason) => format!("the call of {caller} to fail: {reason}"),
        };
        let actual = format!("it failed the call: {error}");
        let found = finding(hint::FAIL_ONLY_WHEN_BLOCKED, expected, actual);
        if error == AuthorizeError::Wait {
            return Some(found);
        }
        // A loop may fail the calls that wait before it forwards a stop.
        self.early.add((error, found), at);
        None
    }

    /// A caller was answered.
    pub(super) fn answered(&mut self, caller: CallerId) -> Option<Finding> {
        self.answers = true;
        match self.callers.insert(caller, State::Answered)? {
            State::Answered => {
                let expected = format!("one answer to {caller}");
                Some(finding(hint::ANSWER_ONCE, expected, "it answered it again"))
            }
            State::Cancelled(since) => {
                let since = seconds(since);
                let expected =
                    format!("no answer to {caller}, which cancelled its call at {since}");
                Some(finding(hint::DROP_CANCELLED, expected, "it answered it"))
            }
            _ => None,
        }
    }

    pub(super) fn overdue(&mut self, token: Option<Generation>, at: u64) -> Vec<Finding> {
        let early = self.early.late(at);
        let mut found: Vec<_> = early.map(|(_, (_, found))| found.clone()).collect();
        let Some(since) = self.since.filter(|_| self.error != Some(AuthorizeError::Wait)) else {
            return found;
        };
        for (caller, state) in &mut self.callers {
            let State::Waiting(waits) = *state else { continue };
            let due = waits.max(since);
            if !is_late(due, at) {
                continue;
            }
            *state = State::Overdue;
            let due = seconds(due);
            let expected = match (self.error, token) {
                (Some(error), _) => format!("the call of {caller} to fail at {due}: {error}"),
                (_, token) => {
                    let number = token.map_or(0, Generation::number);
                    format!("the call of {caller} to be made at {due}: token {number} is in use")
                }
            };
            let hint = if self.answers { hint::ANSWER_ALL } else { hint::ANSWER_CALLERS };
            found.push(finding(hint, expected, format!("it still waited at {}", seconds(at))));
        }
        found
    }
}
