//! A game's loop: it polls once a frame, whatever the driver waits for.

use std::time::Duration;

use http::StatusCode;
use videokit_session::driver::Drive;
use videokit_session::sim::conformance::{
    Environment, Inbox, Input, Probe, Requirement, Scenario, conformance,
};
use videokit_session::{Moment, Output};

use crate::waiting::{Waiting, answer};

/// How often a frame polls.
#[derive(Clone, Copy, PartialEq)]
enum Polls {
    UntilWait,
    Once,
}

/// Returns whether something was sent.
fn frame<D: Drive>(driver: &mut D, environment: &Environment, polls: Polls) -> bool {
    let mut sent = false;
    loop {
        match driver.poll(environment.now()) {
            Output::Send(outgoing) => {
                let (id, request, timeout) = outgoing.into_parts();
                environment.send(id, &request, timeout);
                sent = true;
            }
            Output::Abandon(_) => {}
            Output::Event(event) => environment.event(&event),
            Output::Wait(_) => return sent,
        }
        if polls == Polls::Once {
            return sent;
        }
    }
}

/// Returns whether the loop goes on.
fn take<D: Drive>(
    input: Input,
    driver: &mut D,
    environment: &Environment,
    waiting: Option<&mut Waiting>,
) -> bool {
    let now = environment.now();
    match (input, waiting) {
        (Input::WaitingCall(caller, call), Some(waiting)) => waiting.push((caller, call)),
        (Input::CallCancelled(caller), Some(waiting)) => waiting.retain(|(one, _)| *one != caller),
        (Input::WaitingCall(caller, _), None) => environment.decline_waiting(caller),
        (input, _) => return take_other(input, driver, environment, now),
    }
    true
}

fn take_other<D: Drive>(
    input: Input,
    driver: &mut D,
    environment: &Environment,
    now: Moment,
) -> bool {
    match input {
        Input::Reply(id, reply) => {
            driver.handle_response(id, &reply, now);
        }
        Input::Failure(id, why) => {
            driver.handle_failure(id, why, now);
        }
        Input::Start(start) => driver.start(start, now),
        Input::Stop => driver.stop(now),
        Input::Online(online) => driver.set_online(online, now),
        Input::Call(mut call) => {
            if let Ok(authorized) = driver.driver().authorize(&mut call, now) {
                environment.call(None, &call, authorized);
            }
        }
        Input::Called(generation, StatusCode::UNAUTHORIZED) => {
            driver.handle_unauthorized(generation, now);
        }
        Input::End => return false,
        _ => {}
    }
    true
}

fn run(
    mut driver: Probe,
    environment: &Environment,
    inbox: &mut Inbox,
    length: Duration,
    polls: Polls,
    mut waiting: Option<Waiting>,
) {
    for number in 0_u32.. {
        environment.advance_to(length * number);
        // A game reads its clocks once a frame, whether there is anything to do or not.
        driver.observe(environment.now());
        while let Some(input) = inbox.take_due() {
            if !take(input, &mut driver, environment, waiting.as_mut()) {
                return;
            }
        }
        frame(&mut driver, environment, polls);
        if let Some(waiting) = &mut waiting {
            answer(&driver, environment, waiting);
        }
    }
}

#[test]
fn a_loop_that_runs_once_a_frame_passes_with_and_without_waiting_callers() {
    let every = |length, waiting: Option<Waiting>| {
        move |driver: Probe, environment: Environment, inbox: &mut Inbox| {
            run(driver, &environment, inbox, length, Polls::UntilWait, waiting.clone());
        }
    };
    for length in [Duration::from_millis(100), Duration::from_secs(1)] {
        let passed = conformance(every(length, Some(Waiting::new()))).unwrap();
        assert!(!passed.to_string().contains("not tested"), "{passed}");
    }
    // One that runs every other second keeps its app waiting.
    assert!(conformance(every(Duration::from_secs(2), Some(Waiting::new()))).is_err());
    let declines = conformance(every(Duration::from_secs(1), None)).unwrap();
    let note = "not tested: calls that wait for a token; the loop declined 21";
    assert!(declines.to_string().ends_with(note), "{declines}");
}

/// The outputs of one moment then come a frame apart.
#[test]
fn polling_once_a_frame_is_reported_if_the_frames_are_long() {
    let frame = Duration::from_secs(1);
    let run = |driver: Probe, environment: Environment, inbox: &mut Inbox| {
        run(driver, &environment, inbox, frame, Polls::Once, None);
    };
    let failed = conformance(run).unwrap_err();
    assert_eq!(failed.violations[0].requirement, Requirement::PollUntilWait, "{failed}");
}

/// Many frames pass then in which nobody looks into the inbox: there is nothing in it.
#[test]
fn a_loop_that_reads_its_inbox_only_when_something_is_due_passes() {
    let run = |mut driver: Probe, environment: Environment, inbox: &mut Inbox| {
        let mut due = Duration::ZERO;
        for number in 0_u64.. {
            let now = Duration::from_micros(number * 1_000_000 / 300);
            environment.advance_to(now);
            let looks = now >= due;
            while let Some(input) = if looks { inbox.take_due() } else { None } {
                if !take(input, &mut driver, &environment, None) {
                    return;
                }
            }
            if frame(&mut driver, &environment, Polls::UntilWait) || looks {
                due = now + inbox.next_in();
            }
        }
    };
    Scenario::Asleep.run(run).unwrap();
}
