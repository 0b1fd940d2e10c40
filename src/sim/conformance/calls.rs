//! API calls: those to be made at once, and their 401s.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};

use super::{ActiveToken, Expected, Finding, TokenStatus, Waiting, finding, hint, seconds};
use crate::session::{Authorized, Generation};

#[derive(Debug, Default)]
pub(super) struct Calls {
    /// The calls to be made at once. Without a token in use, none has to be.
    pending: Expected<()>,
    pub(super) waiting: Waiting,
    /// The tokens of 401s that are not reported yet, required while they are in use.
    unreported: Expected<Authorized>,
    /// How calls were answered.
    answered: BTreeSet<(Authorized, StatusCode)>,
    token: Option<ActiveToken>,
    /// The last token that is no longer in use.
    replaced: Option<ActiveToken>,
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
            self.pending.waive(|()| true);
        }
    }

    /// Returns the token in use.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_ref()?.header.to_str().ok()?.strip_prefix("Bearer ")
    }

    /// The loop took a call that doesn't wait.
    pub(super) fn took(&mut self, has_token: bool, at: u64) {
        if has_token {
            self.pending.add((), at);
        }
    }

    /// The loop made a call that doesn't wait.
    pub(super) fn called(&mut self, call: &Request<Bytes>, of: Authorized) -> Option<Finding> {
        self.pending.remove(|()| true);
        self.check_token(call, of)
    }

    /// Checks that a call has the token in use.
    pub(super) fn check_token(&self, call: &Request<Bytes>, of: Authorized) -> Option<Finding> {
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
        (token.generation != of.generation).then(|| {
            let expected = format!("a call with token {}", token.generation.number());
            let actual = format!("it named token {} for it", of.generation.number());
            finding(hint::CALL_ITS_OWN, expected, actual)
        })
    }

    /// A call was answered.
    pub(super) fn answered(&mut self, authorized: Authorized, status: StatusCode, at: u64) {
        self.answered.insert((authorized, status));
        if status == StatusCode::UNAUTHORIZED {
            self.unreported.add(authorized, at);
        }
    }

    /// The loop reported a 401.
    pub(super) fn reported_unauthorized(&mut self, authorized: Authorized) -> Option<Finding> {
        if self.answered.contains(&(authorized, StatusCode::UNAUTHORIZED)) {
            // Several calls may have been answered 401 with one token: only the first report counts.
            self.unreported.remove(|of| of.generation == authorized.generation);
            return None;
        }
        let token =
            |of: Authorized| format!("token {} at {} ms", of.generation.number(), of.age_millis);
        let actual = format!("it reported a 401 on {}", token(authorized));
        if let Some(of) = self.unreported.pop() {
            let expected = format!("a 401 on {}, as the call was authorized", token(of));
            return Some(finding(hint::REPORT_ITS_OWN, expected, actual));
        }
        let expected = match self.answered.iter().find(|(of, _)| *of == authorized) {
            Some((_, status)) => format!("no report: the API answered {status}"),
            None => "no 401: no call was answered with one".to_owned(),
        };
        Some(finding(hint::ONLY_401, expected, actual))
    }

    pub(super) fn overdue(&mut self, at: u64) -> Vec<Finding> {
        let (current, by) = (self.generation(), seconds(at));
        let mut found = self.waiting.overdue(current, at);
        found.extend(self.pending.late(at).map(|(since, ())| {
            let expected = format!("the app's API call at {} to be made", seconds(since));
            let actual = format!("it had not made it by {by}, though a token is in use");
            finding(hint::AUTHORIZE, expected, actual)
        }));
        // A report after the next token changes nothing.
        self.unreported.waive(|of| Some(of.generation) != current);
        found.extend(self.unreported.late(at).map(|(since, of)| {
            let (number, since) = (of.generation.number(), seconds(since));
            let expected = format!("the 401 of {since} on token {number} to be reported");
            let actual = format!("it had reported none by {by}");
            finding(hint::REPORT_UNAUTHORIZED, expected, actual)
        }));
        found
    }

    fn generation(&self) -> Option<Generation> {
        Some(self.token.as_ref()?.generation)
    }
}
