//! Unusual loops that meet every requirement.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use videokit_session::driver::{AuthorizeError, Blocked, Drive};
use videokit_session::session::RequestId;
use videokit_session::sim::conformance::{
    CallerId, Environment, Inbox, Input, Probe, Scenario, conformance,
};
use videokit_session::{Outgoing, Output, TransportFailure, Wake};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Variation {
    /// API calls have a queue of their own, which is read last.
    CallsLast,
    /// So have reports about the network, of which only the last counts: a `watch`.
    NetworkLast,
    /// Two calls were in flight with one token.
    ReportsEach401Twice,
    /// It keeps the time-out of each request itself.
    KeepsTheTime,
    /// It cancels requests in flight before it forwards a stop.
    CancelsBeforeStops,
    /// It cancels requests in flight at a login, and reports their failure.
    CancelsAndReports,
    /// It answers its callers before it polls.
    AnswersBeforePolling,
    /// It lets a call wait for 15 s at most.
    LimitsTheWait,
    /// It fails the calls that wait before it forwards a stop.
    FailsCallsBeforeStops,
}

/// How long a call waits at most.
const LIMIT: Duration = Duration::from_secs(15);

struct Loop<'a> {
    variation: Variation,
    driver: Probe,
    environment: Environment,
    inbox: &'a mut Inbox,
    /// Until when each request that is in flight has time.
    open: BTreeMap<RequestId, Duration>,
    waiting: Vec<(CallerId, Request<Bytes>, Duration)>,
}

impl Loop<'_> {
    fn run(&mut self) {
        loop {
            let longest = self.poll();
            self.answer_callers();
            let first = self.inbox.wait(longest);
            self.give_up();
            let mut all = vec![first];
            // Only what was there when it woke up.
            while !matches!(all.last(), Some(Input::End)) {
                let Some(next) = self.inbox.take_due() else { break };
                all.push(next);
            }
            for input in self.in_its_order(all) {
                if matches!(input, Input::End) {
                    return;
                }
                self.take(input);
                if self.has(Variation::AnswersBeforePolling) {
                    self.answer_callers();
                }
            }
        }
    }

    fn in_its_order(&self, all: Vec<Input>) -> Vec<Input> {
        let is_last = |one: &Input| match self.variation {
            Variation::CallsLast => matches!(one, Input::Call(_)),
            Variation::NetworkLast => matches!(one, Input::Online(_)),
            _ => false,
        };
        let (mut last, mut first): (Vec<_>, Vec<_>) = all.into_iter().partition(is_last);
        if self.variation == Variation::NetworkLast {
            first.extend(last.pop());
        } else {
            first.append(&mut last);
        }
        first
    }

    /// Returns how long to wait.
    fn poll(&mut self) -> Option<Duration> {
        let wait = loop {
            match self.driver.poll(self.environment.now()) {
                Output::Send(outgoing) => self.send(outgoing),
                Output::Abandon(id) => self.cancel(id),
                Output::Event(event) => self.environment.event(&event),
                Output::Wait(Wake::In(time, _)) => break Some(time),
                Output::Wait(Wake::OnInput) => break None,
            }
        };
        let now = self.environment.now().since_start();
        let open = self.open.values().copied().filter(|_| self.has(Variation::KeepsTheTime));
        let limits = self.waiting.iter().map(|(.., since)| *since + LIMIT);
        let limits = limits.filter(|_| self.has(Variation::LimitsTheWait));
        open.chain(limits).map(|until| until.saturating_sub(now)).chain(wait).min()
    }

    fn has(&self, variation: Variation) -> bool {
        self.variation == variation
    }

    /// Returns whether a call that waits since then has waited too long.
    fn is_over(&self, since: Duration) -> bool {
        let waited = self.environment.now().since_start().saturating_sub(since);
        self.has(Variation::LimitsTheWait) && waited >= LIMIT
    }

    fn answer_callers(&mut self) {
        let mut kept = Vec::new();
        // The last one first: in which order they are answered is left to the loop.
        while let Some((caller, mut call, since)) = self.waiting.pop() {
            match self.driver.driver().authorize(&mut call, self.environment.now()) {
                Ok(one) => self.environment.call(caller, &call, one),
                Err(AuthorizeError::Wait) if !self.is_over(since) => {
                    kept.push((caller, call, since));
                }
                Err(error) => self.environment.fail_call(caller, error),
            }
        }
        kept.reverse();
        self.waiting = kept;
    }

    fn send(&mut self, outgoing: Outgoing) {
        let (id, request, timeout) = outgoing.into_parts();
        self.environment.send(id, &request, timeout);
        self.open.insert(id, self.environment.now().since_start() + timeout);
    }

    fn cancel(&mut self, id: RequestId) {
        self.open.remove(&id);
        self.environment.abandon(id);
    }

    fn give_up(&mut self) {
        if self.variation != Variation::KeepsTheTime {
            return;
        }
        let now = self.environment.now();
        let over = |until: &Duration| *until <= now.since_start();
        let open = self.open.iter();
        let over: Vec<_> = open.filter(|open| over(open.1)).map(|open| *open.0).collect();
        for id in over {
            self.driver.handle_failure(id, TransportFailure::TimedOut, now);
            self.cancel(id);
        }
    }

    fn before_stop(&mut self) {
        if self.has(Variation::FailsCallsBeforeStops) {
            for (caller, ..) in self.waiting.drain(..) {
                let stopped = AuthorizeError::Start(Blocked::NotStarted);
                self.environment.fail_call(caller, stopped);
            }
        }
        if self.has(Variation::CancelsBeforeStops) {
            for id in std::mem::take(&mut self.open).into_keys() {
                self.cancel(id);
            }
        }
    }

    fn take(&mut self, input: Input) {
        let now = self.environment.now();
        match input {
            Input::Reply(id, reply) => {
                self.open.remove(&id);
                self.driver.handle_response(id, &reply, now);
            }
            Input::Failure(id, why) => {
                self.open.remove(&id);
                self.driver.handle_failure(id, why, now);
            }
            Input::Start(start) => {
                if self.variation == Variation::CancelsAndReports {
                    for id in std::mem::take(&mut self.open).into_keys() {
                        self.cancel(id);
                        self.driver.handle_failure(id, TransportFailure::Other, now);
                    }
                }
                self.driver.start(start, now);
            }
            Input::Stop => {
                self.before_stop();
                self.driver.stop(now);
            }
            Input::Online(online) => self.driver.set_online(online, now),
            Input::Call(mut call) => {
                if let Ok(authorized) = self.driver.driver().authorize(&mut call, now) {
                    self.environment.call(None, &call, authorized);
                }
            }
            Input::WaitingCall(caller, call) => {
                self.waiting.push((caller, call, now.since_start()));
            }
            Input::CallCancelled(caller) => self.waiting.retain(|(waits, ..)| *waits != caller),
            Input::Called(authorized, StatusCode::UNAUTHORIZED) => {
                self.driver.handle_unauthorized(authorized, now);
                if self.variation == Variation::ReportsEach401Twice {
                    self.driver.handle_unauthorized(authorized, now);
                }
            }
            Input::Called(..) | Input::Woke | Input::Timer | Input::End => {}
        }
    }
}

#[test]
fn valid_variations_pass() {
    for variation in [
        Variation::CallsLast,
        Variation::NetworkLast,
        Variation::ReportsEach401Twice,
        Variation::KeepsTheTime,
        Variation::CancelsBeforeStops,
        Variation::CancelsAndReports,
        Variation::AnswersBeforePolling,
        Variation::LimitsTheWait,
        Variation::FailsCallsBeforeStops,
    ] {
        let run = |driver: Probe, environment: Environment, inbox: &mut Inbox| {
            Loop {
                variation,
                driver,
                environment,
                inbox,
                open: BTreeMap::new(),
                waiting: Vec::new(),
            }
            .run();
        };
        if let Err(failed) = conformance(run) {
            panic!("{variation:?}: {failed}");
        }
    }
}

/// Lets up to 150 ms pass, as on a slow device.
struct Delays(u64);

impl Delays {
    fn delay(&mut self, environment: &Environment) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        environment
            .advance_to(environment.now().since_start() + Duration::from_millis(self.0 % 151));
    }
}

fn block_slowly(seed: u64, mut driver: Probe, environment: &Environment, inbox: &mut Inbox) {
    let mut delays = Delays(seed * 7_919 + 1);
    loop {
        delays.delay(environment);
        let longest = match driver.poll(environment.now()) {
            Output::Send(outgoing) => {
                let (id, request, timeout) = outgoing.into_parts();
                delays.delay(environment);
                let outcome = inbox.exchange(id, &request, timeout);
                delays.delay(environment);
                match outcome {
                    Ok(reply) => driver.handle_response(id, &reply, environment.now()),
                    Err(why) => driver.handle_failure(id, why, environment.now()),
                };
                continue;
            }
            Output::Abandon(_) => continue,
            Output::Event(event) => {
                delays.delay(environment);
                environment.event(&event);
                continue;
            }
            Output::Wait(Wake::In(time, _)) => Some(time),
            Output::Wait(Wake::OnInput) => None,
        };
        let input = inbox.wait(longest);
        delays.delay(environment);
        match input {
            Input::Start(start) => driver.start(start, environment.now()),
            Input::Stop => driver.stop(environment.now()),
            Input::Online(online) => driver.set_online(online, environment.now()),
            Input::Call(mut call) => {
                if let Ok(authorized) = driver.driver().authorize(&mut call, environment.now()) {
                    delays.delay(environment);
                    environment.call(None, &call, authorized);
                }
            }
            Input::WaitingCall(caller, _) => environment.decline_waiting(caller),
            Input::Called(authorized, StatusCode::UNAUTHORIZED) => {
                driver.handle_unauthorized(authorized, environment.now());
            }
            Input::End => return,
            _ => {}
        }
    }
}

#[test]
fn a_slow_loop_that_blocks_in_its_requests_passes_where_the_app_does_not_interrupt() {
    for seed in 1..40 {
        for scenario in Scenario::ALL.iter().filter(|scenario| !scenario.interrupts()) {
            let run = |driver: Probe, environment: Environment, inbox: &mut Inbox| {
                block_slowly(seed, driver, &environment, inbox);
            };
            if let Err(failed) = scenario.run(run) {
                panic!("seed {seed}: {failed}");
            }
        }
    }
}
