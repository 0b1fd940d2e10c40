//! The inputs of the faulty loop.

use std::ops::ControlFlow::{self, Break, Continue};

use bytes::Bytes;
use http::header::{AGE, AUTHORIZATION, DATE, LOCATION};
use http::{Request, Response, StatusCode};
use videokit_session::driver::{AuthorizeError, Delivery, Drive};
use videokit_session::session::{Authorized, RequestId};
use videokit_session::sim::conformance::Input;
use videokit_session::{SessionToken, TransportFailure};

use super::{Loop, M};

impl Loop<'_> {
    pub(super) fn take(&mut self, input: Input) -> ControlFlow<()> {
        if self.has(M::ForwardsInputsInReverse) {
            let mut all = vec![input];
            while let Some(more) = self.inbox.take_due() {
                let ends = matches!(more, Input::End);
                all.push(more);
                if ends {
                    break;
                }
            }
            return all.into_iter().rev().try_for_each(|input| self.take_one(input));
        }
        if matches!(self.mistake, M::DropsTheFirstOfTwo | M::DropsTheSecondOfTwo) {
            return self.take_one_of_two(input);
        }
        if self.has(M::ForwardsTheNetworkInReverse) {
            return self.take_the_network_last(input);
        }
        self.take_one(input)
    }

    /// As with room for one message: a second one replaces the first, or is dropped.
    fn take_one_of_two(&mut self, mut input: Input) -> ControlFlow<()> {
        let can_wait = |one: &Input| matches!(one, Input::Reply(..) | Input::Call(_));
        if can_wait(&input)
            && let Some(second) = self.inbox.take_due()
        {
            if !can_wait(&second) {
                self.take_one(input)?;
                input = second;
            } else if self.has(M::DropsTheFirstOfTwo) {
                input = second;
            }
        }
        self.take_one(input)
    }

    fn take_the_network_last(&mut self, input: Input) -> ControlFlow<()> {
        let mut next = Some(input);
        let mut network = Vec::new();
        while let Some(input) = next {
            if let Input::Online(_) = input {
                network.push(input);
            } else {
                self.take_one(input)?;
            }
            next = self.inbox.take_due();
        }
        network.into_iter().rev().try_for_each(|input| self.take_one(input))
    }

    fn take_one(&mut self, input: Input) -> ControlFlow<()> {
        let from_app = matches!(input, Input::Start(_) | Input::Stop | Input::Online(_));
        let sending = self.driver.driver().in_flight().is_some();
        if from_app && sending && self.has(M::DropsInputsWhileSending) {
            return Continue(());
        }
        match input {
            Input::WaitingCall(caller, call) => self.waiting_call(caller, call),
            Input::CallCancelled(caller) => self.call_cancelled(caller),
            Input::Reply(id, reply) => {
                let fails = !reply.status().is_success();
                self.reply(id, reply);
                if fails && self.has(M::FailsAllWhenARequestFails) {
                    for (caller, _) in self.waiting.drain(..) {
                        self.environment.fail_call(caller, AuthorizeError::Wait);
                    }
                }
            }
            Input::Failure(id, why) => self.failure(id, why),
            Input::Start(mut start) => {
                self.login = Some(start.clone());
                if self.has(M::StartsWithAnother) {
                    start = SessionToken::new("found-elsewhere").unwrap().into();
                }
                let now = self.now();
                self.driver.start(start, now);
            }
            Input::Stop if self.has(M::DropsStops) => {}
            Input::Stop => {
                let now = self.now();
                self.driver.stop(now);
            }
            Input::Online(true) if self.has(M::DropsTheNetwork) => {}
            Input::Online(online) => {
                let now = self.now();
                self.driver.set_online(online, now);
            }
            Input::Call(call) => self.call(call),
            Input::Called(authorized, status) => self.called(authorized, status),
            Input::Woke | Input::Timer => {}
            Input::End if self.has(M::IgnoresTheEnd) => {}
            Input::End => return Break(()),
        }
        Continue(())
    }

    fn called(&mut self, authorized: Authorized, status: StatusCode) {
        let reports = match self.mistake {
            M::Drops401 => false,
            M::Takes403For401 => matches!(status.as_u16(), 401 | 403),
            _ => status == 401,
        };
        if !reports {
            return;
        }
        let now = self.now();
        let of_now = self.driver.driver().generation().unwrap_or(authorized.generation);
        let named = match self.mistake {
            M::NamesTheGenerationOfNow => Authorized { generation: of_now, ..authorized },
            M::NamesTheAgeOfNow => {
                Authorized { age_millis: authorized.age_millis + 200, ..authorized }
            }
            _ => authorized,
        };
        self.driver.handle_unauthorized(named, now);
    }

    fn reply(&mut self, mut id: RequestId, mut reply: Response<Bytes>) {
        self.freed(id);
        let now = self.now();
        let refuses = reply.status().is_client_error();
        match self.mistake {
            M::FollowsRedirects => {
                if let Some(location) = reply.headers().get(LOCATION) {
                    let (_, request, _) = self.requests.iter().find(|sent| sent.0 == id).unwrap();
                    let mut request = request.clone();
                    *request.uri_mut() = location.to_str().unwrap().parse().unwrap();
                    return self.environment.send(id, &request, None);
                }
            }
            M::DropsRefusals if refuses => return,
            M::MakesErrorsOfStatuses if !reply.status().is_success() => {
                self.driver.handle_failure(id, TransportFailure::Other, now);
                return;
            }
            M::ReportsTwice => {
                self.driver.handle_response(id, &reply, now);
            }
            M::ReportsUnderTheLastId => id = self.requests.last().unwrap().0,
            M::CutsTheBody => *reply.body_mut() = reply.body().slice(1..),
            M::ChangesTheStatus if reply.status().is_server_error() => {
                *reply.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            M::DropsTheAge => drop(reply.headers_mut().remove(AGE)),
            M::DropsTheDate => drop(reply.headers_mut().remove(DATE)),
            _ => {}
        }
        let delivery = self.driver.handle_response(id, &reply, now);
        self.check(delivery);
    }

    fn failure(&mut self, mut id: RequestId, why: TransportFailure) {
        self.freed(id);
        let now = self.now();
        match self.mistake {
            M::DropsFailures => return,
            M::ReportsFailuresTwice => {
                self.driver.handle_failure(id, why, now);
            }
            M::GoesOfflineByItself => self.driver.set_online(false, now),
            M::RetriesByItself if why != TransportFailure::TimedOut => {
                let first = self.requests.iter().position(|sent| sent.0 == id);
                if let Some(first) = first {
                    let (_, request, timeout) = self.requests.swap_remove(first);
                    return self.environment.send(id, &request, timeout);
                }
            }
            M::MakesRepliesOfFailures => {
                let reply = Response::builder().status(503).body("").unwrap();
                self.driver.handle_response(id, &reply, now);
                return;
            }
            M::ReportsUnderTheLastId => id = self.requests.last().unwrap().0,
            _ => {}
        }
        let delivery = self.driver.handle_failure(id, why, now);
        self.check(delivery);
    }

    fn check(&self, delivery: Delivery) {
        if self.has(M::InsistsOnDelivery) {
            assert!(delivery.is_accepted());
        }
    }

    /// A request has ended: sends what waits for abandoned ones.
    fn freed(&mut self, id: RequestId) {
        self.abandoned.retain(|abandoned| *abandoned != id);
        if self.has(M::WaitsForAbandoned) && self.abandoned.is_empty() {
            let waiting = self.unsent.pop_front();
            if let Some(outgoing) = waiting {
                self.send_now(outgoing);
            }
        }
    }

    fn call(&mut self, mut call: Request<Bytes>) {
        if self.has(M::MakesNoCalls) {
            return;
        }
        if let Some((id, ..)) = self.requests.last().filter(|_| self.has(M::CancelsWhenTheAppCalls))
        {
            self.environment.abandon(*id);
        }
        let now = self.now();
        if let Ok(authorized) = self.driver.driver().authorize(&mut call, now) {
            let header = call.headers()[AUTHORIZATION].clone();
            let kept = self.token.get_or_insert(header).clone();
            if self.has(M::KeepsTheToken) {
                call.headers_mut().insert(AUTHORIZATION, kept);
            }
            let first = *self.first.get_or_insert(authorized);
            if self.has(M::MakesA401Up) {
                self.driver.handle_unauthorized(authorized, now);
            }
            let named = if self.has(M::NamesTheFirstGeneration) { first } else { authorized };
            self.environment.call(None, &call, named);
        }
    }
}
