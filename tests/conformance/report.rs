//! The reports; and that each loop gets one: none hangs the kit, and none makes it panic.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use videokit_session::driver::Drive;
use videokit_session::sim::conformance::{
    Environment, Inbox, Input, Probe, Requirement, Scenario, conformance,
};
use videokit_session::{Event, Output, Wake};

use crate::faulty_loop::{Mistake, with};
use crate::waiting::{Waiting, answer};

/// Returns the requirements that a loop violates in one scenario.
fn violated(run: impl FnMut(Probe, Environment, &mut Inbox)) -> Vec<Requirement> {
    let failed = Scenario::Renewals.run(run).unwrap_err();
    failed.violations.iter().map(|violation| violation.requirement).collect()
}

#[test]
fn a_report_names_the_place_the_behaviour_and_the_change() {
    let failed = conformance(with(Mistake::DropsStops)).unwrap_err();
    let report = "the loop violates a requirement

1. forward the app's inputs
  where     a stop while a request is in flight, at 4 s; 5 times in all
  expected  `stop` at 1.5 s, as the app called it
  instead   it had not called it by 4 s
  change    give every input to the driver at once, in order: `start`, `stop`, `set_online`
  before    1 s: polls: Send, request 1
            1 s: sends request 1
            1 s: polls: Wait, 15 s for Deadline
            1.5 s: takes: a stop
            1.5 s: polls: Wait, 14.5 s for Deadline";
    assert_eq!(failed.to_string(), report);
    assert_eq!(format!("{failed:?}"), format!("\n{report}\n"), "`unwrap` shows it, too");
}

#[test]
fn a_report_names_the_caller_that_was_not_woken() {
    let failed = conformance(with(Mistake::WakesOneCaller)).unwrap_err();
    let report = "the loop violates a requirement

1. answer each waiting caller
  where     callers that wait for a token, at 300 s; 14 times in all
  expected  the call of caller 2 to be made at 4 s: token 1 is in use
  instead   it still waited at 300 s
  change    go through all callers that wait, not only the first: wake all of them, as `notify_all` and \
`notify_waiters` do
  before    4 s: forwards: Authenticating -> Active: Granted
            4 s: polls: Wait, 512.516 s for Renewal
            4 s: calls the API with token 1 for caller 1
            4.2 s: takes: the API's answer, 200
            4.2 s: polls: Wait, 512.316 s for Renewal";
    assert_eq!(failed.to_string(), report);
}

#[test]
fn the_same_loop_gives_the_same_report() {
    let run = || conformance(with(Mistake::ReportsUnderTheLastId)).unwrap_err();
    assert_eq!(run(), run());
    let run = || conformance(with(Mistake::Nothing)).unwrap();
    assert_eq!(run(), run());
}

#[test]
fn a_loop_that_only_reads_its_inbox_violates_one_requirement() {
    let run = |_: Probe, environment: Environment, inbox: &mut Inbox| {
        while !matches!(inbox.wait(None), Input::End) {
            let _ = environment.now();
        }
    };
    assert_eq!(violated(run), [Requirement::ForwardInputs]);
}

#[test]
fn loops_that_never_end_are_cut_off() {
    assert_eq!(
        violated(|_, environment, _| loop {
            let _ = environment.now();
        }),
        [Requirement::Wait]
    );
    assert_eq!(
        violated(|_, _, inbox| loop {
            let _ = inbox.next_in();
        }),
        [Requirement::Wait]
    );
    assert_eq!(
        violated(|_, _, inbox| loop {
            let _ = inbox.wait(Some(Duration::ZERO));
        }),
        [Requirement::Wait]
    );
    assert_eq!(
        violated(|_, environment, _| loop {
            environment.event(&Event::GaveUp);
        })[0],
        Requirement::ForwardEvents
    );
    let steps = |mut driver: Probe, environment: Environment, _: &mut Inbox| {
        for ms in 0.. {
            environment.advance_to(Duration::from_millis(ms));
            let _ = driver.poll(environment.now());
        }
    };
    assert_eq!(violated(steps), [Requirement::Wait]);
    let frames = |mut driver: Probe, environment: Environment, _: &mut Inbox| {
        for frame in 0.. {
            environment.advance_to(Duration::from_millis(frame * 20));
            let _ = driver.poll(environment.now());
        }
    };
    assert_eq!(violated(frames), [Requirement::ReadInputs]);
}

/// As an event loop does that keeps one handler's panic from the others.
#[test]
fn a_loop_that_catches_the_unwinding_is_cut_off_again() {
    let mut caught = 0;
    let run = |_: Probe, environment: Environment, _: &mut Inbox| {
        for _ in 0..2 {
            let spin = || -> () {
                loop {
                    let _ = environment.now();
                }
            };
            caught += usize::from(catch_unwind(AssertUnwindSafe(spin)).is_err());
        }
    };
    assert_eq!(violated(run), [Requirement::Wait]);
    assert_eq!(caught, 2);
}

/// They are not kept, so that they can't fill the memory. The inbox then holds the end.
#[test]
fn calls_after_a_loop_was_cut_off_are_not_checked() {
    let run = |_: Probe, environment: Environment, inbox: &mut Inbox| {
        for _ in 0..10 {
            let spin = || -> () {
                loop {
                    environment.event(&Event::GaveUp);
                }
            };
            assert!(catch_unwind(AssertUnwindSafe(spin)).is_err());
        }
        assert!(matches!(inbox.wait(None), Input::End));
    };
    let failed = Scenario::Renewals.run(run).unwrap_err();
    let found: Vec<_> =
        failed.violations.iter().map(|found| (found.requirement, found.times)).collect();
    assert_eq!(found, [(Requirement::ForwardEvents, 10_000), (Requirement::Wait, 1)]);
}

#[test]
fn reporting_before_sending_is_a_violation() {
    let run = |mut driver: Probe, environment: Environment, inbox: &mut Inbox| {
        loop {
            match driver.poll(environment.now()) {
                Output::Send(outgoing) => {
                    let (id, request, timeout) = outgoing.into_parts();
                    let found_in_a_cache = http::Response::new("");
                    driver.handle_response(id, &found_in_a_cache, environment.now());
                    environment.send(id, &request, timeout);
                }
                Output::Abandon(_) => {}
                Output::Event(event) => environment.event(&event),
                Output::Wait(_) => match inbox.wait(None) {
                    Input::Start(start) => driver.start(start, environment.now()),
                    Input::End => return,
                    _ => {}
                },
            }
        }
    };
    let failed = Scenario::Redirected.run(run).unwrap_err();
    let late =
        failed.violations.iter().find(|found| found.requirement == Requirement::Send).unwrap();
    assert_eq!(late.actual, "it sent it after it had reported it");
}

#[test]
fn blocking_in_a_request_beyond_its_time_out_is_a_violation() {
    let failed = Scenario::Silence.run(with(Mistake::BlocksForTooLong)).unwrap_err();
    let found: Vec<_> = failed.violations.iter().map(|found| found.requirement).collect();
    assert_eq!(found, [Requirement::PollOnTime], "{failed}");
    assert!(failed.to_string().contains("no longer than `Outgoing::timeout`"), "{failed}");
}

#[test]
fn returning_early_and_panicking_are_violations() {
    assert_eq!(violated(|_, _, _| {}), [Requirement::RunToEnd]);
    let panics = |_: Probe, _: Environment, inbox: &mut Inbox| {
        let first = inbox.wait(None);
        std::panic::resume_unwind(Box::new(format!("unexpected: {first:?}")));
    };
    let failed = Scenario::Renewals.run(panics).unwrap_err();
    assert_eq!(failed.violations[0].requirement, Requirement::NeverPanic);
    assert!(failed.violations[0].actual.starts_with("it panicked: unexpected: Start("), "{failed}");
}

#[test]
fn a_task_that_spins_does_not_hang_tokio() {
    let run = |mut driver: Probe, environment: Environment, inbox: &mut Inbox| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let began = tokio::time::Instant::now();
            let clock = environment.clone();
            tokio::spawn(async move {
                loop {
                    clock.advance_to(began.elapsed());
                    if let Output::Wait(_) = driver.poll(clock.now()) {
                        tokio::task::yield_now().await;
                    }
                }
            });
            loop {
                tokio::time::sleep(inbox.next_in()).await;
                environment.advance_to(began.elapsed());
                if let Some(Input::End) = inbox.take_due() {
                    return;
                }
            }
        });
    };
    assert_eq!(violated(run)[0], Requirement::Wait);
}

#[test]
fn one_scenario_runs_alone_as_it_does_among_all() {
    let alone = |scenario: Scenario| scenario.run(with(Mistake::Nothing)).unwrap();
    let all = conformance(with(Mistake::Nothing)).unwrap();
    let singly: Vec<_> = Scenario::ALL.iter().flat_map(|scenario| alone(*scenario).runs).collect();
    assert_eq!(all.runs, singly);
    assert!(all.to_string().starts_with("the loop passes 18 scenarios\n  a login and two hours"));
    assert!(
        alone(Scenario::Asleep).to_string().starts_with("the loop passes a scenario\n  a device")
    );
}

/// What a loop sees in all scenarios: causes, statuses, failures, reasons to wait.
#[derive(Default)]
struct Seen {
    all: BTreeSet<String>,
    waiting: Waiting,
}

impl Seen {
    fn saw(&mut self, what: impl Into<String>) {
        self.all.insert(what.into());
    }

    fn run(&mut self, mut driver: Probe, environment: &Environment, inbox: &mut Inbox) {
        loop {
            let longest = match driver.poll(environment.now()) {
                Output::Send(outgoing) => {
                    let (id, request, timeout) = outgoing.into_parts();
                    environment.send(id, &request, timeout);
                    continue;
                }
                Output::Abandon(_) => {
                    self.saw("Abandon");
                    continue;
                }
                Output::Event(event) => {
                    let cause = event.transition().map(|transition| transition.cause);
                    self.saw(
                        cause.map_or_else(|| format!("{event:?}"), |cause| format!("{cause:?}")),
                    );
                    environment.event(&event);
                    continue;
                }
                Output::Wait(Wake::In(time, why)) => {
                    self.saw(format!("{why:?}"));
                    Some(time)
                }
                Output::Wait(Wake::OnInput) => None,
            };
            if let Some(blocked) = driver.driver().blocked().filter(|_| !self.waiting.is_empty()) {
                self.saw(format!("{blocked:?} while callers wait"));
            }
            answer(&driver, environment, &mut self.waiting);
            let input = inbox.wait(longest);
            if matches!(input, Input::End) {
                self.waiting.clear();
                return;
            }
            self.take(input, &mut driver, environment);
        }
    }

    fn take(&mut self, input: Input, driver: &mut Probe, environment: &Environment) {
        let now = environment.now();
        let late = |stale| if stale { ", stale" } else { "" };
        match input {
            Input::Reply(id, reply) => {
                let late = late(driver.handle_response(id, &reply, now).is_stale());
                self.saw(format!("{}{late}", reply.status().as_u16()));
            }
            Input::Failure(id, why) => {
                let late = late(driver.handle_failure(id, why, now).is_stale());
                self.saw(format!("{why:?}{late}"));
            }
            Input::Start(start) => driver.start(start, now),
            Input::Stop => driver.stop(now),
            Input::Online(online) => driver.set_online(online, now),
            Input::Call(mut call) => match driver.driver().authorize(&mut call, now) {
                Ok(authorized) => environment.call(None, &call, authorized),
                Err(why) => self.saw(format!("{why:?}")),
            },
            Input::WaitingCall(caller, call) => self.waiting.push((caller, call)),
            Input::CallCancelled(caller) => {
                self.saw("CallCancelled");
                self.waiting.retain(|(waits, _)| *waits != caller);
            }
            Input::Called(generation, status) => {
                self.saw(format!("API {}", status.as_u16()));
                if status == 401 {
                    driver.handle_unauthorized(generation, now);
                }
            }
            Input::Woke | Input::Timer | Input::End => {}
        }
    }
}

#[test]
fn the_scenarios_contain_every_kind_of_input_and_outcome() {
    let mut all = Seen::default();
    conformance(|driver, environment, inbox| all.run(driver, &environment, inbox)).unwrap();
    let seen = all.all;
    for expected in [
        "Abandon",
        "Deadline",
        "Renewal",
        "Backoff",
        "RetryAfter",
        "Expiry",
        "200",
        "200, stale",
        "307",
        "401",
        "429",
        "503",
        "Unreachable",
        "Interrupted",
        "TimedOut, stale",
        "API 200",
        "API 401",
        "API 403",
        "Unauthorized(Generation(2))",
        "Started",
        "RenewalSent",
        "Granted",
        "Renewed",
        "Denied",
        "Failed",
        "Lapsed",
        "Stopped",
        "Wait",
        "Start(Refused)",
        "CallCancelled",
        "NotStarted while callers wait",
        "Refused while callers wait",
        "GaveUp while callers wait",
    ] {
        assert!(seen.contains(expected), "no {expected} in {seen:?}");
    }
}
#[test]
fn a_loop_that_blocks_in_its_requests_passes_where_the_app_does_not_interrupt() {
    for scenario in Scenario::ALL {
        let passes = scenario.run(with(Mistake::BlocksInRequests)).is_ok();
        assert_eq!(passes, !scenario.interrupts(), "{scenario}");
    }
}
