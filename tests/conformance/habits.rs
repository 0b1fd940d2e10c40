//! Good loops with habits of their own: each of these was blamed once, or looks as if it might be.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use videokit_session::driver::Drive;
use videokit_session::session::RequestId;
use videokit_session::sim::conformance::{Happening, Inbox, Probe, Scenario, Stage, conformance};
use videokit_session::{Outgoing, Output, TransportFailure, Wake};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Habit {
    /// API calls have a queue of their own, which is looked at last.
    CallsLast,
    /// So has the network, and only the newest of it counts: a `watch`.
    NetworkLast,
    /// Two calls were under way with one token.
    ReportsEach401Twice,
    /// It keeps the time of each request itself.
    KeepsTheTime,
    /// It cancels what is in flight before it passes a stop on.
    CancelsBeforeStops,
    /// It cancels what is in flight when somebody logs in, and says so.
    CancelsAndSaysSo,
}

struct Loop<'a> {
    habit: Habit,
    driver: Probe,
    stage: Stage,
    inbox: &'a mut Inbox,
    /// Until when each request that is in flight has time.
    open: BTreeMap<RequestId, Duration>,
}

impl Loop<'_> {
    fn run(&mut self) {
        loop {
            let longest = self.poll();
            let first = self.inbox.wait(longest);
            self.give_up();
            let mut all = vec![first];
            // Only what was there when it woke up.
            while !matches!(all.last(), Some(Happening::End)) {
                let Some(next) = self.inbox.take_due() else { break };
                all.push(next);
            }
            for happening in self.in_its_order(all) {
                if matches!(happening, Happening::End) {
                    return;
                }
                self.take(happening);
            }
        }
    }

    fn in_its_order(&self, all: Vec<Happening>) -> Vec<Happening> {
        let is_last = |one: &Happening| match self.habit {
            Habit::CallsLast => matches!(one, Happening::Call(_)),
            Habit::NetworkLast => matches!(one, Happening::Online(_)),
            _ => false,
        };
        let (mut last, mut first): (Vec<_>, Vec<_>) = all.into_iter().partition(is_last);
        if self.habit == Habit::NetworkLast {
            first.extend(last.pop());
        } else {
            first.append(&mut last);
        }
        first
    }

    /// Says how long to wait.
    fn poll(&mut self) -> Option<Duration> {
        let wait = loop {
            match self.driver.poll(self.stage.now()) {
                Output::Send(outgoing) => self.send(outgoing),
                Output::Abandon(id) => self.cancel(id),
                Output::Event(event) => self.stage.event(&event),
                Output::Wait(Wake::In(time, _)) => break Some(time),
                Output::Wait(Wake::OnInput) => break None,
            }
        };
        let now = self.stage.now().since_start();
        let times = self.open.values().map(|until| until.saturating_sub(now));
        times.chain(wait).min().filter(|_| self.habit == Habit::KeepsTheTime).or(wait)
    }

    fn send(&mut self, outgoing: Outgoing) {
        let (id, request, timeout) = outgoing.into_parts();
        self.stage.send(id, &request, timeout);
        self.open.insert(id, self.stage.now().since_start() + timeout);
    }

    fn cancel(&mut self, id: RequestId) {
        self.open.remove(&id);
        self.stage.abandon(id);
    }

    fn give_up(&mut self) {
        if self.habit != Habit::KeepsTheTime {
            return;
        }
        let now = self.stage.now();
        let over = |until: &Duration| *until <= now.since_start();
        let open = self.open.iter();
        let over: Vec<_> = open.filter(|open| over(open.1)).map(|open| *open.0).collect();
        for id in over {
            self.driver.handle_failure(id, TransportFailure::TimedOut, now);
            self.cancel(id);
        }
    }

    fn take(&mut self, happening: Happening) {
        let now = self.stage.now();
        match happening {
            Happening::Reply(id, reply) => {
                self.open.remove(&id);
                self.driver.handle_response(id, &reply, now);
            }
            Happening::Failure(id, why) => {
                self.open.remove(&id);
                self.driver.handle_failure(id, why, now);
            }
            Happening::Start(start) => {
                if self.habit == Habit::CancelsAndSaysSo {
                    for id in std::mem::take(&mut self.open).into_keys() {
                        self.cancel(id);
                        self.driver.handle_failure(id, TransportFailure::Other, now);
                    }
                }
                self.driver.start(start, now);
            }
            Happening::Stop => {
                if self.habit == Habit::CancelsBeforeStops {
                    for id in std::mem::take(&mut self.open).into_keys() {
                        self.cancel(id);
                    }
                }
                self.driver.stop(now);
            }
            Happening::Online(online) => self.driver.set_online(online, now),
            Happening::Call(mut call) => {
                if let Ok(authorized) = self.driver.driver().authorize(&mut call, now) {
                    self.stage.call(&call, authorized.generation);
                }
            }
            Happening::Called(generation, StatusCode::UNAUTHORIZED) => {
                self.driver.handle_unauthorized(generation, now);
                if self.habit == Habit::ReportsEach401Twice {
                    self.driver.handle_unauthorized(generation, now);
                }
            }
            Happening::Called(..) | Happening::Woke | Happening::Timer | Happening::End => {}
        }
    }
}

#[test]
fn loops_with_habits_of_their_own_pass() {
    for habit in [
        Habit::CallsLast,
        Habit::NetworkLast,
        Habit::ReportsEach401Twice,
        Habit::KeepsTheTime,
        Habit::CancelsBeforeStops,
        Habit::CancelsAndSaysSo,
    ] {
        let run = |driver: Probe, stage: Stage, inbox: &mut Inbox| {
            Loop { habit, driver, stage, inbox, open: BTreeMap::new() }.run();
        };
        if let Err(failed) = conformance(run) {
            panic!("{habit:?}: {failed}");
        }
    }
}

/// Lets up to 150 ms pass, as everything that a slow device does takes time.
struct Naps(u64);

impl Naps {
    fn nap(&mut self, stage: &Stage) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        stage.pass_to(stage.now().since_start() + Duration::from_millis(self.0 % 151));
    }
}

fn block_slowly(seed: u64, mut driver: Probe, stage: &Stage, inbox: &mut Inbox) {
    let mut naps = Naps(seed * 7_919 + 1);
    loop {
        naps.nap(stage);
        let longest = match driver.poll(stage.now()) {
            Output::Send(outgoing) => {
                let (id, request, timeout) = outgoing.into_parts();
                naps.nap(stage);
                let outcome = inbox.exchange(id, &request, timeout);
                naps.nap(stage);
                match outcome {
                    Ok(reply) => driver.handle_response(id, &reply, stage.now()),
                    Err(why) => driver.handle_failure(id, why, stage.now()),
                };
                continue;
            }
            Output::Abandon(_) => continue,
            Output::Event(event) => {
                naps.nap(stage);
                stage.event(&event);
                continue;
            }
            Output::Wait(Wake::In(time, _)) => Some(time),
            Output::Wait(Wake::OnInput) => None,
        };
        let happening = inbox.wait(longest);
        naps.nap(stage);
        match happening {
            Happening::Start(start) => driver.start(start, stage.now()),
            Happening::Stop => driver.stop(stage.now()),
            Happening::Online(online) => driver.set_online(online, stage.now()),
            Happening::Call(mut call) => {
                if let Ok(authorized) = driver.driver().authorize(&mut call, stage.now()) {
                    naps.nap(stage);
                    stage.call(&call, authorized.generation);
                }
            }
            Happening::Called(generation, StatusCode::UNAUTHORIZED) => {
                driver.handle_unauthorized(generation, stage.now());
            }
            Happening::End => return,
            _ => {}
        }
    }
}

#[test]
fn a_slow_loop_that_blocks_in_its_requests_passes_where_nobody_interrupts_it() {
    for seed in 1..40 {
        for scenario in Scenario::ALL.iter().filter(|scenario| !scenario.interrupts()) {
            let run = |driver: Probe, stage: Stage, inbox: &mut Inbox| {
                block_slowly(seed, driver, &stage, inbox);
            };
            if let Err(failed) = scenario.play(run) {
                panic!("seed {seed}: {failed}");
            }
        }
    }
}
