//! A loop with one mistake in it.

mod callers;
mod inputs;
mod outputs;

use std::collections::VecDeque;
use std::ops::ControlFlow::{self, Continue};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::HeaderValue;
use videokit_session::driver::{Drive, Start};
use videokit_session::session::{Authorized, RequestId};
use videokit_session::sim::conformance::{CallerId, Environment, Inbox, Input, Probe};
use videokit_session::{Event, Moment, Outgoing, Output, Wake};

/// The mistake of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    Nothing,
    IgnoresTheWake,
    SleepsOnAfterWaking,
    PollsOncePerTurn,
    WaitsOnAfterInput,
    PollsOn,
    PollsOnAndReadsNoInbox,
    NeverSends,
    SendsTwice,
    RetriesByItself,
    DropsTheCookie,
    CutsTimeShort,
    SendsLater,
    FollowsRedirects,
    WaitsForAbandoned,
    NeverEndsAbandoned,
    DropsRefusals,
    MakesErrorsOfStatuses,
    DropsFailures,
    FailsEarly,
    MakesRepliesOfFailures,
    ReportsTwice,
    ReportsUnderTheLastId,
    DropsTheDate,
    DropsStops,
    StartsAgainByItself,
    Drops401,
    NamesTheGenerationOfNow,
    NamesTheAgeOfNow,
    Takes403For401,
    DropsEvents,
    ForwardsEventsTwice,
    GoesBack,
    ReadsTheClockOnce,
    SleepsThroughInputs,
    BlocksInRequests,
    KeepsTheToken,
    MakesNoCalls,
    InsistsOnDelivery,
    LeavesWhenRefused,
    IgnoresTheEnd,
    MakesRepliesUp,
    ForwardsEventsInReverse,
    ForwardsInputsInReverse,
    StartsWithAnother,
    NamesTheFirstGeneration,
    SendsWhatIsNotItsDrivers,
    CutsTheBody,
    ReadsOneClock,
    FailsInsteadOfSending,
    FailsAndSends,
    CancelsAtOnce,
    CancelsWhenTheAppCalls,
    BlocksForTooLong,
    AlwaysGets,
    DropsTheBody,
    DropsTheAge,
    GivesTooMuchTime,
    DropsTheFirstOfTwo,
    DropsTheSecondOfTwo,
    DropsTheNetwork,
    GoesOfflineByItself,
    ForwardsTheNetworkInReverse,
    SendsElsewhere,
    SendsWhatWasAbandoned,
    ChangesTheStatus,
    ReportsFailuresTwice,
    MakesA401Up,
    PollsLate,
    DropsInputsWhileSending,
    CorrectsTheWallClock,
    DropsWaitingCalls,
    NeverWakesCallers,
    WakesOneCaller,
    SwapsCallers,
    FailsAllWhenOneCancels,
    CallsForCancelledCallers,
    AnswersCallersTwice,
    CallsWithTheTokenBefore,
    FailsInsteadOfWaiting,
    TellsAnotherReason,
    ForgetsCallersOnStop,
    ForgetsCallersOnRefusal,
    ForgetsCallersOnGivingUp,
    FailsAllWhenARequestFails,
    WakesForTheFirstTokenOnly,
}

use Mistake as M;

struct Loop<'a> {
    mistake: Mistake,
    driver: Probe,
    environment: Environment,
    inbox: &'a mut Inbox,
    requests: Vec<(RequestId, Request<Bytes>, Duration)>,
    unsent: VecDeque<Outgoing>,
    sends_at: Option<Duration>,
    abandoned: Vec<RequestId>,
    login: Option<Start>,
    refused: bool,
    token: Option<HeaderValue>,
    read: Option<Moment>,
    reads: u64,
    held_back: Vec<Event>,
    first: Option<Authorized>,
    waiting: Vec<(CallerId, Request<Bytes>)>,
    new_events: bool,
}

/// The loop with this mistake.
pub(crate) fn with(mistake: Mistake) -> impl FnMut(Probe, Environment, &mut Inbox) {
    move |driver, environment, inbox| {
        let mut faulty = Loop {
            mistake,
            driver,
            environment,
            inbox,
            requests: Vec::new(),
            unsent: VecDeque::new(),
            sends_at: None,
            abandoned: Vec::new(),
            login: None,
            refused: false,
            token: None,
            read: None,
            reads: 0,
            held_back: Vec::new(),
            first: None,
            waiting: Vec::new(),
            new_events: false,
        };
        while faulty.turn().is_continue() {}
    }
}

impl Loop<'_> {
    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    fn now(&mut self) -> Moment {
        let now = self.environment.now();
        self.reads += 1;
        match self.mistake {
            M::GoesBack if self.reads.is_multiple_of(7) => {
                Moment::from_millis(millis(now).saturating_sub(5_000), now.wall_millis())
            }
            M::CorrectsTheWallClock => {
                let first = *self.read.get_or_insert(now);
                let passed = now.since_start().saturating_sub(first.since_start());
                Moment::from_millis(millis(now), first.after(passed).wall_millis())
            }
            M::ReadsOneClock => Moment::from_millis(millis(now), 0),
            M::ReadsTheClockOnce => *self.read.get_or_insert(now),
            _ => now,
        }
    }

    fn turn(&mut self) -> ControlFlow<()> {
        let mut longest = None;
        loop {
            let now = self.now();
            match self.driver.poll(now) {
                Output::Send(outgoing) => self.send(outgoing),
                Output::Abandon(id) => self.abandon(id),
                Output::Event(event) => self.event(&event)?,
                Output::Wait(Wake::In(time, _)) if !self.has(M::IgnoresTheWake) => {
                    let late = if self.has(M::PollsLate) { 1_500 } else { 0 };
                    longest = Some(time + Duration::from_millis(late));
                    break;
                }
                Output::Wait(_) if self.has(M::PollsOnAndReadsNoInbox) => continue,
                Output::Wait(_) => break,
            }
            if self.has(M::PollsOncePerTurn) {
                break;
            }
        }
        while let Some(event) = self.held_back.pop() {
            self.environment.event(&event);
        }
        self.wake_callers();
        self.wait(longest)
    }

    fn wait(&mut self, longest: Option<Duration>) -> ControlFlow<()> {
        if self.has(M::PollsOn) {
            let input = self.inbox.wait(Some(Duration::ZERO));
            return self.take(input);
        }
        if let Some(time) = longest.filter(|_| self.has(M::SleepsThroughInputs)) {
            self.read_on(time);
            return match self.inbox.take_due() {
                Some(input) => self.take(input),
                None => Continue(()),
            };
        }
        loop {
            let input = if self.has(M::SendsLater) && !self.unsent.is_empty() {
                self.send_later()
            } else {
                self.inbox.wait(longest)
            };
            let woke = matches!(input, Input::Woke) && self.has(M::SleepsOnAfterWaking);
            let reply = matches!(input, Input::Reply(..)) && self.has(M::WaitsOnAfterInput);
            // Its reading of the clock is from before it slept.
            if self.has(M::ReadsTheClockOnce) && matches!(input, Input::Timer) {
                self.read = None;
            }
            self.take(input)?;
            if !woke && !reply {
                return Continue(());
            }
        }
    }

    /// Sends a request late: it may be abandoned meanwhile.
    fn send_later(&mut self) -> Input {
        let at = *self.sends_at.get_or_insert_with(|| {
            self.environment.now().since_start() + Duration::from_millis(800)
        });
        let rest = at.saturating_sub(self.environment.now().since_start());
        let input = self.inbox.wait(Some(rest));
        if matches!(input, Input::Timer) {
            self.sends_at = None;
            let late = self.unsent.pop_front();
            if let Some(outgoing) = late {
                self.send_now(outgoing);
            }
        }
        input
    }

    fn read_on(&mut self, time: Duration) {
        self.environment.advance_to(self.environment.now().since_start() + time);
    }
}

fn millis(now: Moment) -> u64 {
    u64::try_from(now.since_start().as_millis()).unwrap()
}
