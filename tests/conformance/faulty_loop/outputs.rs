//! The outputs of the driver of the faulty loop.

use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::Duration;

use http::header::COOKIE;
use http::{Method, Response, Uri};
use videokit_session::driver::Drive;
use videokit_session::session::RequestId;
use videokit_session::sim::conformance::Input;
use videokit_session::{Driver, Event, Outgoing, Output, TransportFailure};

use super::{Loop, M};

impl Loop<'_> {
    pub(super) fn send(&mut self, outgoing: Outgoing) {
        match self.mistake {
            M::NeverSends => {}
            M::SendsLater => self.unsent.push_back(outgoing),
            M::WaitsForAbandoned if !self.abandoned.is_empty() => self.unsent.push_back(outgoing),
            _ => self.send_now(outgoing),
        }
    }

    pub(super) fn send_now(&mut self, outgoing: Outgoing) {
        let (id, mut request, timeout) = outgoing.into_parts();
        self.requests.push((id, request.clone(), timeout));
        match self.mistake {
            M::FailsInsteadOfSending | M::FailsAndSends => {
                let now = self.now();
                self.driver.handle_failure(id, TransportFailure::Other, now);
                if self.has(M::FailsInsteadOfSending) {
                    return;
                }
            }
            M::BlocksInRequests | M::BlocksForTooLong => {
                let timeout = if self.has(M::BlocksForTooLong) { timeout * 240 } else { timeout };
                let input = match self.inbox.exchange(id, &request, timeout) {
                    Ok(reply) => Input::Reply(id, reply),
                    Err(why) => Input::Failure(id, why),
                };
                assert!(self.take(input).is_continue());
                return;
            }
            M::NeverEndsAbandoned => return self.environment.send(id, &request, None),
            M::GivesTooMuchTime => return self.environment.send(id, &request, Duration::MAX),
            M::SendsElsewhere => {
                *request.uri_mut() = Uri::from_static("https://elsewhere.example/");
            }
            M::AlwaysGets => *request.method_mut() = Method::GET,
            M::DropsTheBody => request.body_mut().clear(),
            M::DropsTheCookie => drop(request.headers_mut().remove(COOKIE)),
            M::SendsTwice => self.environment.send(id, &request, timeout),
            M::CutsTimeShort => return self.environment.send(id, &request, timeout / 1_000),
            M::SendsWhatIsNotItsDrivers => self.send_a_foreign_one(),
            _ => {}
        }
        self.environment.send(id, &request, timeout);
        if self.has(M::CancelsAtOnce) {
            self.environment.abandon(id);
        }
        if self.has(M::MakesRepliesUp) {
            let reply = Response::builder().status(503).body("").unwrap();
            let now = self.now();
            self.driver.handle_response(id, &reply, now);
        }
        if self.has(M::FailsEarly) {
            let now = self.now();
            self.driver.handle_failure(id, TransportFailure::TimedOut, now);
        }
    }

    /// Sends a request of a driver that is not under test.
    fn send_a_foreign_one(&mut self) {
        let mut another = Driver::new(Arc::clone(self.driver.driver().config()), 1);
        another.start(self.login.clone().unwrap(), self.environment.now());
        let now = self.environment.now();
        assert!(matches!(another.poll(now), Output::Event(_)), "it says what it does");
        let Output::Send(outgoing) = another.poll(now) else { panic!("it asks") };
        let (id, request, timeout) = outgoing.into_parts();
        self.environment.send(id, &request, timeout);
    }

    pub(super) fn abandon(&mut self, id: RequestId) {
        match self.mistake {
            M::WaitsForAbandoned => {
                let before = self.unsent.len();
                self.unsent.retain(|outgoing| outgoing.id() != id);
                if self.unsent.len() == before {
                    self.abandoned.push(id);
                }
            }
            M::NeverEndsAbandoned
            | M::GivesTooMuchTime
            | M::ReportsUnderTheLastId
            | M::InsistsOnDelivery => {}
            M::SendsWhatWasAbandoned => {
                let sent = self.requests.iter().find(|sent| sent.0 == id);
                let (_, request, timeout) = sent.unwrap();
                self.environment.send(id, request, *timeout);
                self.environment.abandon(id);
            }
            _ => self.environment.abandon(id),
        }
    }

    pub(super) fn event(&mut self, event: &Event) -> ControlFlow<()> {
        self.new_events = true;
        let denied = matches!(event, Event::Denied(_, denial) if denial.is_permanent());
        match self.mistake {
            M::DropsEvents if event.transition().is_none() => return Continue(()),
            M::ForwardsEventsInReverse => {
                self.held_back.push(event.clone());
                return Continue(());
            }
            M::ForwardsEventsTwice => self.environment.event(event),
            M::LeavesWhenRefused if denied => return Break(()),
            M::StartsAgainByItself if denied && !self.refused => self.refused = true,
            _ => {}
        }
        self.environment.event(event);
        if let Some(start) = self.login.take_if(|_| self.refused) {
            self.driver.stop(self.environment.now());
            self.driver.start(start, self.environment.now());
        }
        Continue(())
    }
}
