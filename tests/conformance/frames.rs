//! A game's loop: it looks after the session once a frame, whatever the driver waits for.

use std::time::Duration;

use http::StatusCode;
use videokit_session::Output;
use videokit_session::driver::Drive;
use videokit_session::sim::conformance::{
    Duty, Happening, Inbox, Probe, Scenario, Stage, conformance,
};

/// How a frame's turn of the driver goes.
#[derive(Clone, Copy, PartialEq)]
enum Polls {
    UntilWait,
    Once,
}

/// Says whether something was sent.
fn frame<D: Drive>(driver: &mut D, stage: &Stage, polls: Polls) -> bool {
    let mut sent = false;
    loop {
        match driver.poll(stage.now()) {
            Output::Send(outgoing) => {
                let (id, request, timeout) = outgoing.into_parts();
                stage.send(id, &request, timeout);
                sent = true;
            }
            Output::Abandon(_) => {}
            Output::Event(event) => stage.event(&event),
            Output::Wait(_) => return sent,
        }
        if polls == Polls::Once {
            return sent;
        }
    }
}

/// Says whether the loop goes on.
fn take<D: Drive>(happening: Happening, driver: &mut D, stage: &Stage) -> bool {
    let now = stage.now();
    match happening {
        Happening::Reply(id, reply) => {
            driver.handle_response(id, &reply, now);
        }
        Happening::Failure(id, why) => {
            driver.handle_failure(id, why, now);
        }
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
        Happening::End => return false,
    }
    true
}

fn play(mut driver: Probe, stage: &Stage, inbox: &mut Inbox, length: Duration, polls: Polls) {
    for number in 0_u32.. {
        stage.pass_to(length * number);
        // A game reads its clocks once a frame, whether there is anything to do or not.
        driver.observe(stage.now());
        while let Some(happening) = inbox.take_due() {
            if !take(happening, &mut driver, stage) {
                return;
            }
        }
        frame(&mut driver, stage, polls);
    }
}

#[test]
fn a_loop_that_comes_by_every_frame_passes() {
    let at = |length| {
        move |driver: Probe, stage: Stage, inbox: &mut Inbox| {
            play(driver, &stage, inbox, length, Polls::UntilWait);
        }
    };
    conformance(at(Duration::from_millis(100))).unwrap();
    conformance(at(Duration::from_secs(1))).unwrap();
    // One that comes by every other second keeps its app waiting.
    assert!(conformance(at(Duration::from_secs(2))).is_err());
}

/// The outputs of one moment then come a frame apart.
#[test]
fn a_loop_that_polls_once_a_frame_is_told_if_its_frames_are_long() {
    let frame = Duration::from_secs(1);
    let run = |driver: Probe, stage: Stage, inbox: &mut Inbox| {
        play(driver, &stage, inbox, frame, Polls::Once);
    };
    let failed = conformance(run).unwrap_err();
    assert_eq!(failed.breaches()[0].duty, Duty::PollUntilWait, "{failed}");
}

/// Many frames pass then in which nobody looks into the inbox: there is nothing in it.
#[test]
fn a_loop_that_looks_into_its_inbox_only_when_something_is_due_passes() {
    let run = |mut driver: Probe, stage: Stage, inbox: &mut Inbox| {
        let mut due = Duration::ZERO;
        for number in 0_u64.. {
            let now = Duration::from_micros(number * 1_000_000 / 300);
            stage.pass_to(now);
            let looks = now >= due;
            while let Some(happening) = if looks { inbox.take_due() } else { None } {
                if !take(happening, &mut driver, &stage) {
                    return;
                }
            }
            if frame(&mut driver, &stage, Polls::UntilWait) || looks {
                due = now + inbox.next_in();
            }
        }
    };
    Scenario::Asleep.play(run).unwrap();
}
