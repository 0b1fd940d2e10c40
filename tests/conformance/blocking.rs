//! A loop that blocks on a channel, as the one of a desktop app does: requests are somebody else's threads.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use videokit_session::driver::{Drive, Start};
use videokit_session::session::{Generation, RequestId};
use videokit_session::sim::conformance::{Happening, Inbox, Probe, Stage, conformance};
use videokit_session::{Event, Moment, Outgoing, Output, TransportFailure, Wake};

/// What the loop needs: two clocks, an HTTP client, an app, and a channel on which everything comes.
trait Port {
    fn now(&self) -> Moment;
    fn send(&mut self, outgoing: Outgoing);
    fn cancel(&mut self, id: RequestId);
    fn tell(&mut self, event: &Event);
    fn call(&mut self, call: Request<Bytes>, generation: Generation);
    /// As `recv_timeout` does it.
    fn receive(&mut self, longest: Option<Duration>) -> Message;
}

enum Message {
    Outcome(RequestId, Result<Response<Bytes>, TransportFailure>),
    LogIn(Start),
    LogOut,
    Network(bool),
    Call(Request<Bytes>),
    Called(Generation, StatusCode),
    Nothing,
    Close,
}

fn run<D: Drive>(mut driver: D, port: &mut impl Port) {
    loop {
        let longest = match driver.poll(port.now()) {
            Output::Send(outgoing) => {
                port.send(outgoing);
                continue;
            }
            Output::Abandon(id) => {
                port.cancel(id);
                continue;
            }
            Output::Event(event) => {
                port.tell(&event);
                continue;
            }
            Output::Wait(Wake::In(time, _)) => Some(time),
            Output::Wait(Wake::OnInput) => None,
        };
        match port.receive(longest) {
            Message::Outcome(id, outcome) => {
                match outcome {
                    Ok(reply) => driver.handle_response(id, &reply, port.now()),
                    Err(why) => driver.handle_failure(id, why, port.now()),
                };
            }
            Message::LogIn(start) => driver.start(start, port.now()),
            Message::LogOut => driver.stop(port.now()),
            Message::Network(online) => driver.set_online(online, port.now()),
            Message::Call(mut call) => {
                if let Ok(authorized) = driver.driver().authorize(&mut call, port.now()) {
                    port.call(call, authorized.generation);
                }
            }
            Message::Called(generation, StatusCode::UNAUTHORIZED) => {
                driver.handle_unauthorized(generation, port.now());
            }
            Message::Called(..) | Message::Nothing => {}
            Message::Close => return,
        }
    }
}

struct OnStage<'a> {
    stage: Stage,
    inbox: &'a mut Inbox,
    cancels: bool,
}

impl Port for OnStage<'_> {
    fn now(&self) -> Moment {
        self.stage.now()
    }

    fn send(&mut self, outgoing: Outgoing) {
        let (id, request, timeout) = outgoing.into_parts();
        self.stage.send(id, &request, timeout);
    }

    fn cancel(&mut self, id: RequestId) {
        if self.cancels {
            self.stage.abandon(id);
        }
    }

    fn tell(&mut self, event: &Event) {
        self.stage.event(event);
    }

    fn call(&mut self, call: Request<Bytes>, generation: Generation) {
        self.stage.call(&call, generation);
    }

    fn receive(&mut self, longest: Option<Duration>) -> Message {
        match self.inbox.wait(longest) {
            Happening::Reply(id, reply) => Message::Outcome(id, Ok(reply)),
            Happening::Failure(id, why) => Message::Outcome(id, Err(why)),
            Happening::Start(start) => Message::LogIn(start),
            Happening::Stop => Message::LogOut,
            Happening::Online(online) => Message::Network(online),
            Happening::Call(call) => Message::Call(call),
            Happening::Called(generation, status) => Message::Called(generation, status),
            Happening::Woke | Happening::Timer => Message::Nothing,
            Happening::End => Message::Close,
        }
    }
}

#[test]
fn a_loop_that_blocks_on_a_channel_passes() {
    for cancels in [true, false] {
        let play = |driver: Probe, stage: Stage, inbox: &mut Inbox| {
            run(driver, &mut OnStage { stage, inbox, cancels });
        };
        println!("{}", conformance(play).unwrap());
    }
}
