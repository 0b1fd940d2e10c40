//! A loop with one mistake in it.

mod happenings;
mod outputs;

use std::collections::VecDeque;
use std::ops::ControlFlow::{self, Continue};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::HeaderValue;
use videokit_session::driver::{Drive, Start};
use videokit_session::session::{Generation, RequestId};
use videokit_session::sim::conformance::{Happening, Inbox, Probe, Stage};
use videokit_session::{Event, Moment, Outgoing, Output, Wake};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    Nothing,
    IgnoresWakes,
    SleepsOnAfterSleep,
    PollsOncePerTurn,
    WaitsOnAfterInput,
    PollsOn,
    PollsOnAndListensToNobody,
    NeverSends,
    SendsTwice,
    RetriesByItself,
    LosesTheCookie,
    CutsTimeShort,
    SendsLater,
    FollowsRedirects,
    WaitsForAbandoned,
    NeverEndsAbandoned,
    IgnoresRefusals,
    MakesErrorsOfStatuses,
    SwallowsFailures,
    FailsEarly,
    MakesRepliesOfFailures,
    ReportsTwice,
    ReportsUnderTheLastId,
    LosesTheDate,
    SwallowsStops,
    StartsAgainByItself,
    Swallows401,
    NamesTheGenerationOfNow,
    Takes403For401,
    SwallowsEvents,
    TellsTwice,
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
    TellsInReverse,
    PassesInReverse,
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
    LosesTheBody,
    LosesTheAge,
    GivesTooMuchTime,
    LosesTheFirstOfTwo,
    LosesTheSecondOfTwo,
    SwallowsTheNetwork,
    GoesOfflineByItself,
    PassesTheNetworkInReverse,
    SendsElsewhere,
    SendsWhatWasAbandoned,
    ChangesTheStatus,
    ReportsFailuresTwice,
    MakesA401Up,
}

use Mistake as M;

struct Loop<'a> {
    mistake: Mistake,
    driver: Probe,
    stage: Stage,
    inbox: &'a mut Inbox,
    requests: Vec<(RequestId, Request<Bytes>, Duration)>,
    unsent: VecDeque<Outgoing>,
    abandoned: Vec<RequestId>,
    login: Option<Start>,
    refused: bool,
    token: Option<HeaderValue>,
    read: Option<Moment>,
    reads: u64,
    untold: Vec<Event>,
    first: Option<Generation>,
}

/// The loop with this mistake.
pub(crate) fn with(mistake: Mistake) -> impl FnMut(Probe, Stage, &mut Inbox) {
    move |driver, stage, inbox| {
        let mut planted = Loop {
            mistake,
            driver,
            stage,
            inbox,
            requests: Vec::new(),
            unsent: VecDeque::new(),
            abandoned: Vec::new(),
            login: None,
            refused: false,
            token: None,
            read: None,
            reads: 0,
            untold: Vec::new(),
            first: None,
        };
        while planted.turn().is_continue() {}
    }
}

impl Loop<'_> {
    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    fn now(&mut self) -> Moment {
        let now = self.stage.now();
        self.reads += 1;
        match self.mistake {
            M::GoesBack if self.reads.is_multiple_of(7) => {
                Moment::from_millis(millis(now).saturating_sub(5_000), now.wall_millis())
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
                Output::Wait(Wake::In(time, _)) if !self.has(M::IgnoresWakes) => {
                    longest = Some(time);
                    break;
                }
                Output::Wait(_) if self.has(M::PollsOnAndListensToNobody) => continue,
                Output::Wait(_) => break,
            }
            if self.has(M::PollsOncePerTurn) {
                break;
            }
        }
        while let Some(event) = self.untold.pop() {
            self.stage.event(&event);
        }
        self.wait(longest)
    }

    fn wait(&mut self, longest: Option<Duration>) -> ControlFlow<()> {
        if self.has(M::PollsOn) {
            let happening = self.inbox.wait(Some(Duration::ZERO));
            return self.take(happening);
        }
        if let Some(time) = longest.filter(|_| self.has(M::SleepsThroughInputs)) {
            self.read_on(time);
            return match self.inbox.take_due() {
                Some(happening) => self.take(happening),
                None => Continue(()),
            };
        }
        loop {
            let happening = if self.has(M::SendsLater) && !self.unsent.is_empty() {
                self.send_later()
            } else {
                self.inbox.wait(longest)
            };
            let woke = matches!(happening, Happening::Woke) && self.has(M::SleepsOnAfterSleep);
            let reply = matches!(happening, Happening::Reply(..)) && self.has(M::WaitsOnAfterInput);
            // Its reading of the clock is from before it slept.
            self.read = self.read.filter(|_| !matches!(happening, Happening::Timer));
            self.take(happening)?;
            if !woke && !reply {
                return Continue(());
            }
        }
    }

    /// Gives a request some time before it is sent, in which it may be abandoned.
    fn send_later(&mut self) -> Happening {
        let happening = self.inbox.wait(Some(Duration::from_millis(800)));
        if matches!(happening, Happening::Timer) {
            let late = self.unsent.pop_front();
            if let Some(outgoing) = late {
                self.really_send(outgoing);
            }
        }
        happening
    }

    fn read_on(&mut self, time: Duration) {
        self.stage.pass_to(self.stage.now().since_start() + time);
    }
}

fn millis(now: Moment) -> u64 {
    u64::try_from(now.since_start().as_millis()).unwrap()
}
