//! An event loop written by hand, as one around poll(2) is: it has a clock and timers of its own, sleeps
//! until the next of them or the next descriptor, and calls handlers.

use std::time::Duration;

use http::StatusCode;
use videokit_session::driver::Drive;
use videokit_session::sim::conformance::{Happening, Inbox, Probe, Stage, conformance};
use videokit_session::{Moment, Outgoing, Output, Wake};

/// The session, as a handler among others.
struct Handler<D> {
    driver: D,
    stage: Stage,
    /// When it wants to be called next, on the loop's clock.
    timer: Option<Duration>,
}

impl<D: Drive> Handler<D> {
    fn now(&self) -> Moment {
        self.stage.now()
    }

    fn send(&self, outgoing: Outgoing) {
        let (id, request, timeout) = outgoing.into_parts();
        self.stage.send(id, &request, timeout);
    }

    /// Says whether the loop goes on.
    fn on(&mut self, happening: Happening, clock: Duration) -> bool {
        let now = self.now();
        match happening {
            Happening::Reply(id, reply) => {
                self.driver.handle_response(id, &reply, now);
            }
            Happening::Failure(id, why) => {
                self.driver.handle_failure(id, why, now);
            }
            Happening::Start(start) => self.driver.start(start, now),
            Happening::Stop => self.driver.stop(now),
            Happening::Online(online) => self.driver.set_online(online, now),
            Happening::Call(mut call) => {
                if let Ok(authorized) = self.driver.driver().authorize(&mut call, now) {
                    self.stage.call(&call, authorized.generation);
                }
            }
            Happening::Called(generation, StatusCode::UNAUTHORIZED) => {
                self.driver.handle_unauthorized(generation, now);
            }
            Happening::Called(..) | Happening::Woke | Happening::Timer => {}
            Happening::End => return false,
        }
        self.on_ready(clock);
        true
    }

    fn on_ready(&mut self, clock: Duration) {
        self.timer = loop {
            match self.driver.poll(self.now()) {
                Output::Send(outgoing) => self.send(outgoing),
                Output::Abandon(id) => self.stage.abandon(id),
                Output::Event(event) => self.stage.event(&event),
                Output::Wait(Wake::In(time, _)) => break Some(clock + time),
                Output::Wait(Wake::OnInput) => break None,
            }
        };
    }
}

fn run<D: Drive>(driver: D, stage: &Stage, inbox: &mut Inbox) {
    let mut clock = Duration::ZERO;
    let mut handler = Handler { driver, stage: stage.clone(), timer: Some(clock) };
    loop {
        let readable = clock + inbox.next_in();
        clock = handler.timer.map_or(readable, |timer| timer.min(readable));
        stage.pass_to(clock);
        if handler.timer.is_some_and(|timer| timer <= clock) {
            handler.on_ready(clock);
        }
        while let Some(happening) = inbox.take_due() {
            if !handler.on(happening, clock) {
                return;
            }
        }
    }
}

#[test]
fn an_event_loop_passes() {
    let play = |driver: Probe, stage: Stage, inbox: &mut Inbox| run(driver, &stage, inbox);
    println!("{}", conformance(play).unwrap());
}
