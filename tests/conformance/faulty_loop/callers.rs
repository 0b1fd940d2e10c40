//! The waiting callers of the faulty loop.

use std::mem;

use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use videokit_session::driver::{AuthorizeError, Blocked, Drive};
use videokit_session::session::Authorized;
use videokit_session::sim::conformance::CallerId;

use super::{Loop, M};

impl Loop<'_> {
    pub(super) fn waiting_call(&mut self, caller: CallerId, call: Request<Bytes>) {
        match self.mistake {
            M::DropsWaitingCalls => {}
            M::NeverWakesCallers => {
                // It looks once, and then never again.
                self.waiting.push((caller, call));
                self.answer_callers(usize::MAX);
            }
            M::CallsWithTheTokenBefore => {
                let kept = self.token.clone().zip(self.first);
                let now = self.now();
                let expired = self.driver.driver().validity(now).is_none();
                match kept.filter(|_| expired) {
                    Some((header, first)) => {
                        let mut call = call;
                        call.headers_mut().insert(AUTHORIZATION, header);
                        self.environment.call(caller, &call, first);
                    }
                    None => self.waiting.push((caller, call)),
                }
            }
            _ => self.waiting.push((caller, call)),
        }
    }

    pub(super) fn call_cancelled(&mut self, caller: CallerId) {
        match self.mistake {
            M::CallsForCancelledCallers => {}
            M::FailsAllWhenOneCancels => {
                for (other, _) in mem::take(&mut self.waiting) {
                    if other != caller {
                        self.environment.fail_call(other, AuthorizeError::Wait);
                    }
                }
            }
            _ => self.waiting.retain(|(waits, _)| *waits != caller),
        }
    }

    /// The driver waits: some callers may be answered now.
    pub(super) fn wake_callers(&mut self) {
        match self.mistake {
            M::NeverWakesCallers => {}
            M::WakesForTheFirstTokenOnly if self.has_later_token() => {}
            M::WakesOneCaller => {
                let wakes = mem::take(&mut self.new_events);
                self.answer_callers(usize::from(wakes));
            }
            M::SwapsCallers if self.waiting.len() > 1 => {
                let (callers, mut calls): (Vec<_>, Vec<_>) =
                    mem::take(&mut self.waiting).into_iter().unzip();
                calls.reverse();
                self.waiting = callers.into_iter().zip(calls).collect();
                self.answer_callers(usize::MAX);
            }
            _ => self.answer_callers(usize::MAX),
        }
    }

    fn has_later_token(&self) -> bool {
        let generation = self.driver.driver().generation();
        generation.zip(self.first).is_some_and(|(generation, first)| generation != first.generation)
    }

    fn answer_callers(&mut self, most: usize) {
        let mut answered = 0;
        for (caller, mut call) in mem::take(&mut self.waiting) {
            let now = self.now();
            let authorized = self.driver.driver().authorize(&mut call, now);
            if answered < most && self.answer(caller, &call, authorized) {
                answered += 1;
            } else {
                self.waiting.push((caller, call));
            }
        }
    }

    /// Returns whether the caller waits no longer.
    fn answer(
        &mut self,
        caller: CallerId,
        call: &Request<Bytes>,
        authorized: Result<Authorized, AuthorizeError>,
    ) -> bool {
        let error = match authorized {
            Ok(authorized) => {
                self.token.get_or_insert(call.headers()[AUTHORIZATION].clone());
                self.first.get_or_insert(authorized);
                let again = usize::from(self.has(M::AnswersCallersTwice));
                (0..=again).for_each(|_| self.environment.call(caller, call, authorized));
                return true;
            }
            Err(error) => error,
        };
        let forgets = match error {
            AuthorizeError::Start(Blocked::NotStarted) => self.has(M::ForgetsCallersOnStop),
            AuthorizeError::Start(Blocked::Refused) => self.has(M::ForgetsCallersOnRefusal),
            AuthorizeError::Start(Blocked::GaveUp) => self.has(M::ForgetsCallersOnGivingUp),
            _ => !self.has(M::FailsInsteadOfWaiting),
        };
        if forgets {
            return false;
        }
        let other = AuthorizeError::Start(Blocked::NoCredentials);
        self.environment
            .fail_call(caller, if self.has(M::TellsAnotherReason) { other } else { error });
        true
    }
}
