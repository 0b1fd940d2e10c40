//! API calls: those to be made at once, and their 401s.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};

use super::app::take_late;
use super::hint::{self, Finding, finding, is_late};
use super::note::{ActiveToken, TokenStatus};
use super::report::seconds;
use super::waiting::Waiting;
use crate::session::Generation;

#[derive(Debug, Default)]
pub(super) struct Calls {
    /// The calls to be made at once, when they were taken, and whether a token is in use for them.
    pending: VecDeque<(u64, bool)>,
    pub(super) waiting: Waiting,
    unreported: Vec<Unauthorized>,
    /// How calls were answered.
    answered: BTreeSet<(Generation, StatusCode)>,
    token: Option<ActiveToken>,
    /// The last token that is no longer in use.
    replaced: Option<ActiveToken>,
}

/// A 401 that is not reported yet.
#[derive(Debug)]
struct Unauthorized {
    at: u64,
    generation: Generation,
    /// Whether it has to be.
    required: bool,
}

impl Calls {
    /// The driver was called, and this is its token now.
    pub(super) fn token_is(&mut self, status: &TokenStatus) {
        self.waiting.token_is(status);
        let token = status.as_ref().ok();
        if self.token.as_ref() != token {
            let before = core::mem::replace(&mut self.token, token.cloned());
            self.replaced = before.or(self.replaced.take());
        }
        if token.is_none() {
            // An input of the same moment may have ended the token.
            self.pending.iter_mut().for_each(|(_, has_token)| *has_token = false);
        }
    }

    /// Returns the token in use.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_ref()?.header.to_str().ok()?.strip_prefix("Bearer ")
    }

    /// The loop took a call that doesn't wait.
    pub(super) fn took(&mut self, has_token: bool, at: u64) {
        self.pending.push_back((at, has_token));
    }

    /// The loop made a call that doesn't wait.
    pub(super) fn called(&mut self, call: &Request<Bytes>, of: Generation) -> Option<Finding> {
        self.pending.pop_front();
        self.check_token(call, of)
    }

    /// Checks that a call has the token in use.
    pub(super) fn check_token(&self, call: &Request<Bytes>, of: Generation) -> Option<Finding> {
        let sent = call.headers().get(AUTHORIZATION);
        let has = |token: &&ActiveToken| Some(&token.header) == sent;
        let Some(token) = self.token.as_ref().filter(has) else {
            let actual = match (sent, &self.replaced) {
                (None, _) => "it made it without a token",
                (_, Some(old)) if has(&old) => {
                    "it made it with a token that has expired, ended or been replaced"
                }
                _ => "it made it with another token",
            };
            let expected = "an API call with the token in use";
            return Some(finding(hint::AUTHORIZE_ANEW, expected, actual));
        };
        (token.generation != of).then(|| {
            let expected = format!("a call with token {}", token.generation.number());
            let actual = format!("it named token {} for it", of.number());
            finding(hint::CALL_ITS_GENERATION, expected, actual)
        })
    }

    /// A call was answered.
    pub(super) fn answered(&mut self, generation: Generation, status: StatusCode, at: u64) {
        let required = self.generation() == Some(generation);
        self.answered.insert((generation, status));
        if status == StatusCode::UNAUTHORIZED {
            self.unreported.push(Unauthorized { at, generation, required });
        }
    }

    /// The loop reported a 401.
    pub(super) fn reported_unauthorized(&mut self, generation: Generation) -> Option<Finding> {
        let own = self.unreported.iter().position(|answer| answer.generation == generation);
        if let Some(own) = own {
            self.unreported.swap_remove(own);
            return None;
        }
        // Several calls may have been answered 401 with one token: only the first report counts.
        if self.answered.contains(&(generation, StatusCode::UNAUTHORIZED)) {
            return None;
        }
        let number = generation.number();
        if let Some(answer) = self.unreported.pop() {
            let of = answer.generation.number();
            let expected = format!("a 401 on token {of}, which the call was made with");
            let actual = format!("it reported it on token {number}");
            return Some(finding(hint::REPORT_ITS_GENERATION, expected, actual));
        }
        let expected = match self.answered.iter().find(|(of, _)| *of == generation) {
            Some((_, status)) => format!("no report: the API answered {status}"),
            None => "no 401: no call was answered with one".to_owned(),
        };
        Some(finding(hint::ONLY_401, expected, format!("it reported a 401 on token {number}")))
    }

    pub(super) fn overdue(&mut self, at: u64) -> Vec<Finding> {
        let mut found = self.waiting.overdue(self.generation(), at);
        let by = seconds(at);
        while let Some((since, has_token)) = take_late(&mut self.pending, at) {
            if has_token {
                let expected = format!("the app's API call at {} to be made", seconds(since));
                let actual = format!("it had not made it by {by}, though a token is in use");
                found.push(finding(hint::AUTHORIZE, expected, actual));
            }
        }
        let current = self.generation();
        for answer in self.unreported.iter_mut().filter(|answer| answer.required) {
            // A report after the next token changes nothing.
            answer.required = Some(answer.generation) == current;
            if answer.required && is_late(answer.at, at) {
                answer.required = false;
                let (number, since) = (answer.generation.number(), seconds(answer.at));
                let expected = format!("the 401 of {since} on token {number} to be reported");
                let actual = format!("it had reported none by {by}");
                found.push(finding(hint::REPORT_UNAUTHORIZED, expected, actual));
            }
        }
        found
    }

    fn generation(&self) -> Option<Generation> {
        Some(self.token.as_ref()?.generation)
    }
}
