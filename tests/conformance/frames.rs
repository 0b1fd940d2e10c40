//! A game's loop: it looks after the session once a frame, whatever the driver waits for.

use std::time::Duration;

use http::StatusCode;
use videokit_session::Output;
use videokit_session::driver::Drive;
use videokit_session::sim::conformance::{Happening, Inbox, Probe, Stage, conformance};

fn frame<D: Drive>(driver: &mut D, stage: &Stage) {
    loop {
        match driver.poll(stage.now()) {
            Output::Send(outgoing) => {
                let (id, request, timeout) = outgoing.into_parts();
                stage.send(id, &request, timeout);
            }
            Output::Abandon(_) => {}
            Output::Event(event) => stage.event(&event),
            Output::Wait(_) => return,
        }
    }
}

fn play(mut driver: Probe, stage: &Stage, inbox: &mut Inbox, length: Duration) {
    for number in 0_u32.. {
        stage.pass_to(length * number);
        while let Some(happening) = inbox.take_due() {
            let now = stage.now();
            match happening {
                Happening::Reply(id, reply) => drop(driver.handle_response(id, &reply, now)),
                Happening::Failure(id, why) => drop(driver.handle_failure(id, why, now)),
                Happening::Start(start) => driver.start(start, now),
                Happening::Stop => driver.stop(now),
                Happening::Online(online) => driver.set_online(online, now),
                Happening::Call(mut call) => {
                    if let Ok(authorized) = driver.driver().authorize(&mut call, now) {
                        stage.call(&call, authorized.generation);
                    }
                }
                Happening::Called(generation, StatusCode::UNAUTHORIZED) => {
                    driver.handle_unauthorized(generation, now);
                }
                Happening::Called(..) | Happening::Woke | Happening::Timer => {}
                Happening::End => return,
            }
        }
        frame(&mut driver, stage);
    }
}

#[test]
fn a_loop_that_comes_by_every_frame_passes() {
    let at = |length| {
        move |driver: Probe, stage: Stage, inbox: &mut Inbox| play(driver, &stage, inbox, length)
    };
    conformance(at(Duration::from_millis(100))).unwrap();
    conformance(at(Duration::from_secs(1))).unwrap();
    // One that comes by every other second keeps its app waiting.
    assert!(conformance(at(Duration::from_secs(2))).is_err());
}
