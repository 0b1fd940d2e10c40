//! An event loop written by hand, as one around poll(2) is: it has its own clock and timers, sleeps
//! until the next of them or the next descriptor, and calls handlers.

use std::time::Duration;

use http::StatusCode;
use videokit_session::driver::Drive;
use videokit_session::sim::conformance::{Environment, Inbox, Input, Probe, conformance};
use videokit_session::{Moment, Outgoing, Output, Wake};

use crate::waiting::{Waiting, answer};

/// The session, as a handler among others.
struct Handler<D> {
    driver: D,
    environment: Environment,
    /// When it wants to be called next, on the loop's clock.
    timer: Option<Duration>,
    /// Calls that wait for a token.
    waiting: Waiting,
}

impl<D: Drive> Handler<D> {
    fn now(&self) -> Moment {
        self.environment.now()
    }

    fn send(&self, outgoing: Outgoing) {
        let (id, request, timeout) = outgoing.into_parts();
        self.environment.send(id, &request, timeout);
    }

    /// Returns whether the loop goes on.
    fn on(&mut self, input: Input, clock: Duration) -> bool {
        let now = self.now();
        match input {
            Input::Reply(id, reply) => {
                self.driver.handle_response(id, &reply, now);
            }
            Input::Failure(id, why) => {
                self.driver.handle_failure(id, why, now);
            }
            Input::Start(start) => self.driver.start(start, now),
            Input::Stop => self.driver.stop(now),
            Input::Online(online) => self.driver.set_online(online, now),
            Input::Call(mut call) => {
                if let Ok(authorized) = self.driver.driver().authorize(&mut call, now) {
                    self.environment.call(None, &call, authorized);
                }
            }
            Input::WaitingCall(caller, call) => self.waiting.push((caller, call)),
            Input::CallCancelled(caller) => self.waiting.retain(|(waits, _)| *waits != caller),
            Input::Called(generation, StatusCode::UNAUTHORIZED) => {
                self.driver.handle_unauthorized(generation, now);
            }
            Input::Called(..) | Input::Woke | Input::Timer => {}
            Input::End => return false,
        }
        self.on_ready(clock);
        true
    }

    fn on_ready(&mut self, clock: Duration) {
        self.timer = loop {
            match self.driver.poll(self.now()) {
                Output::Send(outgoing) => self.send(outgoing),
                Output::Abandon(id) => self.environment.abandon(id),
                Output::Event(event) => self.environment.event(&event),
                Output::Wait(Wake::In(time, _)) => break Some(clock + time),
                Output::Wait(Wake::OnInput) => break None,
            }
        };
        answer(&self.driver, &self.environment, &mut self.waiting);
    }
}

fn run<D: Drive>(driver: D, environment: &Environment, inbox: &mut Inbox) {
    let mut clock = Duration::ZERO;
    let mut handler = Handler {
        driver,
        environment: environment.clone(),
        timer: Some(clock),
        waiting: Waiting::new(),
    };
    loop {
        let readable = clock + inbox.next_in();
        clock = handler.timer.map_or(readable, |timer| timer.min(readable));
        environment.advance_to(clock);
        if handler.timer.is_some_and(|timer| timer <= clock) {
            handler.on_ready(clock);
        }
        while let Some(input) = inbox.take_due() {
            if !handler.on(input, clock) {
                return;
            }
        }
    }
}

#[test]
fn an_event_loop_passes() {
    let test = |driver: Probe, environment: Environment, inbox: &mut Inbox| {
        run(driver, &environment, inbox);
    };
    println!("{}", conformance(test).unwrap());
}
