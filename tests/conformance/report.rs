//! What the kit says, and that it always says something: no loop hangs it, and none makes it panic.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use videokit_session::driver::Drive;
use videokit_session::sim::conformance::{
    Duty, Happening, Inbox, Probe, Scenario, Stage, conformance,
};
use videokit_session::{Event, Output, Wake};

use crate::planted::{Mistake, with};

/// The duties that a loop breaks in one scenario.
fn broken(run: impl FnMut(Probe, Stage, &mut Inbox)) -> Vec<Duty> {
    let failed = Scenario::Renewals.play(run).unwrap_err();
    failed.breaches().iter().map(|breach| breach.duty).collect()
}

#[test]
fn a_report_says_where_what_and_how_to_mend_it() {
    let failed = conformance(with(Mistake::SwallowsStops)).unwrap_err();
    let report = "the loop breaks a duty

1. pass on what the app asks for
  where     a stop while a request is in flight, at 4 s; 4 times in all
  expected  `stop` at 1.5 s, as the app asked
  instead   it had not called it by 4 s
  change    give every input to the driver at once, in its order: `start`, `stop`, `set_online`
  before    1 s: polls: Send, request 1
            1 s: sends request 1
            1 s: polls: Wait, 15 s for Deadline
            1.5 s: takes: a stop
            1.5 s: polls: Wait, 14.5 s for Deadline";
    assert_eq!(failed.to_string(), report);
    assert_eq!(format!("{failed:?}"), format!("\n{report}\n"), "`unwrap` shows it, too");
}

#[test]
fn the_same_loop_gives_the_same_report() {
    let play = || conformance(with(Mistake::ReportsUnderTheLastId)).unwrap_err();
    assert_eq!(play(), play());
    let play = || conformance(with(Mistake::Nothing)).unwrap();
    assert_eq!(play(), play());
}

#[test]
fn a_loop_that_listens_and_does_nothing_is_told() {
    let run = |_: Probe, stage: Stage, inbox: &mut Inbox| {
        while !matches!(inbox.wait(None), Happening::End) {
            let _ = stage.now();
        }
    };
    assert_eq!(broken(run), [Duty::PassInputs]);
}

#[test]
fn loops_that_never_end_are_cut_off() {
    assert_eq!(
        broken(|_, stage, _| loop {
            let _ = stage.now();
        }),
        [Duty::Wait]
    );
    assert_eq!(
        broken(|_, _, inbox| loop {
            let _ = inbox.next_in();
        }),
        [Duty::Wait]
    );
    assert_eq!(
        broken(|_, _, inbox| loop {
            let _ = inbox.wait(Some(Duration::ZERO));
        }),
        [Duty::Wait]
    );
    assert_eq!(
        broken(|_, stage, _| loop {
            stage.event(&Event::GaveUp);
        })[0],
        Duty::PassEvents
    );
    let steps = |mut driver: Probe, stage: Stage, _: &mut Inbox| {
        for ms in 0.. {
            stage.pass_to(Duration::from_millis(ms));
            let _ = driver.poll(stage.now());
        }
    };
    assert_eq!(broken(steps), [Duty::Wait]);
    let frames = |mut driver: Probe, stage: Stage, _: &mut Inbox| {
        for frame in 0.. {
            stage.pass_to(Duration::from_millis(frame * 20));
            let _ = driver.poll(stage.now());
        }
    };
    assert_eq!(broken(frames), [Duty::TakeInputs]);
}

/// As an event loop does that keeps one handler's panic from the others.
#[test]
fn a_loop_that_catches_its_end_and_goes_on_is_cut_off_again() {
    let mut caught = 0;
    let run = |_: Probe, stage: Stage, _: &mut Inbox| {
        for _ in 0..2 {
            let spin = || -> () {
                loop {
                    let _ = stage.now();
                }
            };
            caught += usize::from(catch_unwind(AssertUnwindSafe(spin)).is_err());
        }
    };
    assert_eq!(broken(run), [Duty::Wait]);
    assert_eq!(caught, 2);
}

/// What it does then is not kept, so that it can't fill the memory; and its inbox tells it to return.
#[test]
fn a_loop_that_was_cut_off_is_not_watched_any_more() {
    let run = |_: Probe, stage: Stage, inbox: &mut Inbox| {
        for _ in 0..10 {
            let spin = || -> () {
                loop {
                    stage.event(&Event::GaveUp);
                }
            };
            assert!(catch_unwind(AssertUnwindSafe(spin)).is_err());
        }
        assert!(matches!(inbox.wait(None), Happening::End));
    };
    let failed = Scenario::Renewals.play(run).unwrap_err();
    let found: Vec<_> = failed.breaches().iter().map(|found| (found.duty, found.times)).collect();
    assert_eq!(found, [(Duty::PassEvents, 10_000), (Duty::Wait, 1)]);
}

#[test]
fn a_loop_that_reports_before_it_sends_is_told() {
    let run = |mut driver: Probe, stage: Stage, inbox: &mut Inbox| {
        loop {
            match driver.poll(stage.now()) {
                Output::Send(outgoing) => {
                    let (id, request, timeout) = outgoing.into_parts();
                    let found_in_a_cache = http::Response::new("");
                    driver.handle_response(id, &found_in_a_cache, stage.now());
                    stage.send(id, &request, timeout);
                }
                Output::Abandon(_) => {}
                Output::Event(event) => stage.event(&event),
                Output::Wait(_) => match inbox.wait(None) {
                    Happening::Start(start) => driver.start(start, stage.now()),
                    Happening::End => return,
                    _ => {}
                },
            }
        }
    };
    let failed = Scenario::Redirected.play(run).unwrap_err();
    let late = failed.breaches().iter().find(|found| found.duty == Duty::Send).unwrap();
    assert_eq!(late.did, "it sent it after it had reported what became of it");
}

#[test]
fn a_loop_that_blocks_in_a_request_beyond_its_time_is_told() {
    let failed = Scenario::Silence.play(with(Mistake::BlocksForTooLong)).unwrap_err();
    let found: Vec<_> = failed.breaches().iter().map(|found| found.duty).collect();
    assert_eq!(found, [Duty::PollInTime], "{failed}");
    assert!(failed.to_string().contains("no longer than `Outgoing::timeout`"), "{failed}");
}

#[test]
fn loops_that_end_too_soon_are_told() {
    assert_eq!(broken(|_, _, _| {}), [Duty::RunToTheEnd]);
    let panics = |_: Probe, _: Stage, inbox: &mut Inbox| {
        let first = inbox.wait(None);
        std::panic::resume_unwind(Box::new(format!("what is {first:?} to me?").split_off(8)));
    };
    let failed = Scenario::Renewals.play(panics).unwrap_err();
    assert_eq!(failed.breaches()[0].duty, Duty::NeverPanic);
    assert!(failed.breaches()[0].did.ends_with(" to me?"), "{failed}");
}

#[test]
fn a_task_that_spins_does_not_hang_tokio() {
    let run = |mut driver: Probe, stage: Stage, inbox: &mut Inbox| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let began = tokio::time::Instant::now();
            let clock = stage.clone();
            tokio::spawn(async move {
                loop {
                    clock.pass_to(began.elapsed());
                    if let Output::Wait(_) = driver.poll(clock.now()) {
                        tokio::task::yield_now().await;
                    }
                }
            });
            loop {
                tokio::time::sleep(inbox.next_in()).await;
                stage.pass_to(began.elapsed());
                if let Some(Happening::End) = inbox.take_due() {
                    return;
                }
            }
        });
    };
    assert_eq!(broken(run)[0], Duty::Wait);
}

#[test]
fn one_scenario_can_be_played_alone() {
    let alone = |scenario: Scenario| scenario.play(with(Mistake::Nothing)).unwrap();
    let all = conformance(with(Mistake::Nothing)).unwrap();
    let singly: Vec<_> =
        Scenario::ALL.iter().flat_map(|scenario| alone(*scenario).played().to_vec()).collect();
    assert_eq!(all.played(), singly);
    assert!(all.to_string().starts_with("the loop passes 13 scenarios\n  a login and two hours"));
    assert!(
        alone(Scenario::Asleep).to_string().starts_with("the loop passes a scenario\n  a device")
    );
}

/// What a loop sees in all scenarios: causes, statuses, failures, reasons to wait.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    fn saw(&mut self, what: impl Into<String>) {
        self.0.insert(what.into());
    }

    fn run(&mut self, mut driver: Probe, stage: &Stage, inbox: &mut Inbox) {
        loop {
            let longest = match driver.poll(stage.now()) {
                Output::Send(outgoing) => {
                    let (id, request, timeout) = outgoing.into_parts();
                    stage.send(id, &request, timeout);
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
                    stage.event(&event);
                    continue;
                }
                Output::Wait(Wake::In(time, why)) => {
                    self.saw(format!("{why:?}"));
                    Some(time)
                }
                Output::Wait(Wake::OnInput) => None,
            };
            let happening = inbox.wait(longest);
            if matches!(happening, Happening::End) {
                return;
            }
            self.take(happening, &mut driver, stage);
        }
    }

    fn take(&mut self, happening: Happening, driver: &mut Probe, stage: &Stage) {
        let now = stage.now();
        let late = |stale| if stale { ", stale" } else { "" };
        match happening {
            Happening::Reply(id, reply) => {
                let late = late(driver.handle_response(id, &reply, now).is_stale());
                self.saw(format!("{}{late}", reply.status().as_u16()));
            }
            Happening::Failure(id, why) => {
                let late = late(driver.handle_failure(id, why, now).is_stale());
                self.saw(format!("{why:?}{late}"));
            }
            Happening::Start(start) => driver.start(start, now),
            Happening::Stop => driver.stop(now),
            Happening::Online(online) => driver.set_online(online, now),
            Happening::Call(mut call) => match driver.driver().authorize(&mut call, now) {
                Ok(authorized) => stage.call(&call, authorized.generation),
                Err(why) => self.saw(format!("{why:?}")),
            },
            Happening::Called(generation, status) => {
                self.saw(format!("API {}", status.as_u16()));
                if status == 401 {
                    driver.handle_unauthorized(generation, now);
                }
            }
            Happening::Woke | Happening::Timer | Happening::End => {}
        }
    }
}

#[test]
fn the_scenarios_bring_up_everything_that_can_come() {
    let mut all = Seen::default();
    conformance(|driver, stage, inbox| all.run(driver, &stage, inbox)).unwrap();
    let seen = all.0;
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
    ] {
        assert!(seen.contains(expected), "no {expected} in {seen:?}");
    }
}
#[test]
fn a_loop_that_does_one_thing_at_a_time_passes_where_nobody_interrupts_it() {
    for scenario in Scenario::ALL {
        let passes = scenario.play(with(Mistake::BlocksInRequests)).is_ok();
        assert_eq!(passes, !scenario.interrupts(), "{scenario}");
    }
}
