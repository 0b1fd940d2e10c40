//! What it does with what the driver says.

use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::Duration;

use http::header::COOKIE;
use http::{Method, Response, Uri};
use videokit_session::driver::Drive;
use videokit_session::session::RequestId;
use videokit_session::sim::conformance::Happening;
use videokit_session::{Driver, Event, Outgoing, Output, TransportFailure};

use super::{Loop, M};

impl Loop<'_> {
    pub(super) fn send(&mut self, outgoing: Outgoing) {
        match self.mistake {
            M::NeverSends => {}
            M::SendsLater => self.unsent.push_back(outgoing),
            M::WaitsForAbandoned if !self.abandoned.is_empty() => self.unsent.push_back(outgoing),
            _ => self.really_send(outgoing),
        }
    }

    pub(super) fn really_send(&mut self, outgoing: Outgoing) {
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
                let happening = match self.inbox.exchange(id, &request, timeout) {
                    Ok(reply) => Happening::Reply(id, reply),
                    Err(why) => Happening::Failure(id, why),
                };
                assert!(self.take(happening).is_continue());
                return;
            }
            M::NeverEndsAbandoned => return self.stage.send(id, &request, None),
            M::GivesTooMuchTime => return self.stage.send(id, &request, Duration::MAX),
            M::SendsElsewhere => {
                *request.uri_mut() = Uri::from_static("https://elsewhere.example/");
            }
            M::AlwaysGets => *request.method_mut() = Method::GET,
            M::LosesTheBody => request.body_mut().clear(),
            M::LosesTheCookie => drop(request.headers_mut().remove(COOKIE)),
            M::SendsTwice => self.stage.send(id, &request, timeout),
            M::CutsTimeShort => return self.stage.send(id, &request, timeout / 1_000),
            M::SendsWhatIsNotItsDrivers => self.send_a_foreign_one(),
            _ => {}
        }
        self.stage.send(id, &request, timeout);
        if self.has(M::CancelsAtOnce) {
            self.stage.abandon(id);
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

    /// Sends what was handed out by a driver that is not under test.
    fn send_a_foreign_one(&mut self) {
        let mut another = Driver::new(Arc::clone(self.driver.driver().config()), 1);
        another.start(self.login.clone().unwrap(), self.stage.now());
        let now = self.stage.now();
        assert!(matches!(another.poll(now), Output::Event(_)), "it says what it does");
        let Output::Send(outgoing) = another.poll(now) else { panic!("it asks") };
        let (id, request, timeout) = outgoing.into_parts();
        self.stage.send(id, &request, timeout);
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
                self.stage.send(id, request, *timeout);
                self.stage.abandon(id);
            }
            _ => self.stage.abandon(id),
        }
    }

    pub(super) fn event(&mut self, event: &Event) -> ControlFlow<()> {
        let denied = matches!(event, Event::Denied(_, denial) if denial.is_permanent());
        match self.mistake {
            M::SwallowsEvents if event.transition().is_none() => return Continue(()),
            M::TellsInReverse => {
                self.untold.push(event.clone());
                return Continue(());
            }
            M::TellsTwice => self.stage.event(event),
            M::LeavesWhenRefused if denied => return Break(()),
            M::StartsAgainByItself if denied && !self.refused => self.refused = true,
            _ => {}
        }
        self.stage.event(event);
        if let Some(start) = self.login.take_if(|_| self.refused) {
            self.driver.stop(self.stage.now());
            self.driver.start(start, self.stage.now());
        }
        Continue(())
    }
}
