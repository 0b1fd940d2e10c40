//! Callers that wait for a token.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;

use super::hint::{
    ANSWER_ALL, ANSWER_CALLERS, ANSWER_ONCE, CALL_ITS_REQUEST, DROP_CANCELLED,
    FAIL_ONLY_WHEN_BLOCKED, Finding, finding, is_late,
};
use super::input::CallerId;
use super::note::TokenStatus;
use super::report::seconds;
use super::script::waiting_call;
use crate::driver::{AuthorizeError, Blocked};

#[derive(Debug)]
pub(super) struct Waiting {
    callers: BTreeMap<CallerId, State>,
    /// Why a call gets no token, if it gets none, and what it was before.
    error: Option<AuthorizeError>,
    error_before: Option<AuthorizeError>,
    /// The first time after it changed at which a poll answered `Wait`.
    since: Option<u64>,
    /// Whether a caller was answered since then.
    answers: bool,
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

impl Default for Waiting {
    fn default() -> Self {
        let error = Some(AuthorizeError::Start(Blocked::NotStarted));
        let callers = BTreeMap::new();
        Self { callers, error, error_before: error, since: None, answers: false }
    }
}

impl Waiting {
    /// The driver was called, and this is its token now.
    pub(super) fn token_is(&mut self, status: &TokenStatus) {
        let error = status.as_ref().err().copied();
        if self.error != error {
            self.error_before = core::mem::replace(&mut self.error, error);
            (self.since, self.answers) = (None, false);
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
        let waiting = |state: &&mut State| matches!(state, State::Waiting(_) | State::Overdue);
        let state = self.callers.get_mut(&caller).filter(waiting);
        state.map(|state| *state = State::Cancelled(at)).is_some()
    }

    /// The loop made the call of a caller.
    pub(super) fn called(
        &mut self,
        caller: CallerId,
        call: &Request<Bytes>,
        at: u64,
    ) -> Option<Finding> {
        self.answered(caller, at).or_else(|| {
            let other = call.uri() != waiting_call(caller).uri();
            let expected = || format!("the call of {caller}");
            other.then(|| finding(CALL_ITS_REQUEST, expected(), "it made another call for it"))
        })
    }

    /// The loop told a caller that its call is not made.
    pub(super) fn failed(
        &mut self,
        caller: CallerId,
        error: AuthorizeError,
        at: u64,
    ) -> Option<Finding> {
        let found = self.answered(caller, at);
        // The error that `authorize` returned a moment ago may have been on its way.
        let recent = self.since.is_none_or(|since| !is_late(since, at));
        let was = Some(error) == self.error_before && recent;
        let is_right = error != AuthorizeError::Wait && (Some(error) == self.error || was);
        if found.is_some() || is_right {
            return found;
        }
        let expected = match self.error {
            None => format!("the call of {caller} to be made: a token is in use"),
            Some(AuthorizeError::Wait) => format!("{caller} to wait: the driver gets a token"),
            Some(reason) => format!("{caller} to be told: {reason}"),
        };
        Some(finding(FAIL_ONLY_WHEN_BLOCKED, expected, format!("it told it: {error}")))
    }

    /// A caller was answered.
    pub(super) fn answered(&mut self, caller: CallerId, at: u64) -> Option<Finding> {
        self.answers = true;
        let state = self.callers.insert(caller, State::Answered)?;
        match state {
            State::Answered => {
                let expected = format!("one answer to {caller}");
                Some(finding(ANSWER_ONCE, expected, "it answered it again"))
            }
            State::Cancelled(since) if is_late(since, at) => {
                let since = seconds(since);
                let expected =
                    format!("no answer to {caller}, which cancelled its call at {since}");
                Some(finding(DROP_CANCELLED, expected, "it answered it"))
            }
            _ => None,
        }
    }

    pub(super) fn overdue(&mut self, status: &TokenStatus, at: u64) -> Vec<Finding> {
        let mut found = Vec::new();
        let Some(since) = self.since.filter(|_| self.error != Some(AuthorizeError::Wait)) else {
            return found;
        };
        for (caller, state) in &mut self.callers {
            let State::Waiting(waits) = *state else { continue };
            if !is_late(waits.max(since), at) {
                continue;
            }
            *state = State::Overdue;
            let expected = match status {
                Ok(token) => {
                    let number = token.generation.number();
                    format!("the call of {caller} to be made: token {number} is in use")
                }
                Err(error) => {
                    format!("{caller} to be told at {}: {error}", seconds(waits.max(since)))
                }
            };
            let hint = if self.answers { ANSWER_ALL } else { ANSWER_CALLERS };
            found.push(finding(hint, expected, format!("it still let it wait at {}", seconds(at))));
        }
        found
    }
}
