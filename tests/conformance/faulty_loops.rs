//! Each mistake is found, and nothing else: a report that names ten requirements for one mistake misleads its
//! reader.

use std::collections::BTreeSet;

use videokit_session::sim::conformance::{Requirement as R, Scenario, conformance};

use crate::faulty_loop::{Mistake as M, with};

/// A mistake, the requirement that it violates, and a part of the report.
const MISTAKES: &[(M, R, &str)] = &[
    (M::IgnoresTheWake, R::PollOnTime, "no longer than `Wake::In` says"),
    (M::SleepsOnAfterWaking, R::PollOnTime, "when the device wakes up"),
    (M::PollsOncePerTurn, R::PollUntilWait, "leave it at `Output::Wait` only"),
    (M::WaitsOnAfterInput, R::PollAfterInput, "after every call"),
    (M::PollsOn, R::Wait, "don't poll again at once"),
    (M::PollsOnAndReadsNoInbox, R::Wait, "block until that time is over"),
    (M::NeverSends, R::Send, "send what `Output::Send` holds"),
    (M::SendsTwice, R::SendOnce, "send each request once"),
    (M::RetriesByItself, R::SendOnce, "turn off your HTTP client's retries"),
    (M::DropsTheCookie, R::SendAsGiven, "headers and body unchanged"),
    (M::CutsTimeShort, R::SendAsGiven, "with the time-out that they come with"),
    (M::SendsLater, R::SendNothingElse, "drop it if `Output::Abandon` names it"),
    (M::FollowsRedirects, R::FollowNoRedirect, "turn off redirects"),
    (M::WaitsForAbandoned, R::ReleaseAbandoned, "don't wait for an abandoned request"),
    (M::NeverEndsAbandoned, R::ReleaseAbandoned, "`Outgoing::timeout`"),
    (M::DropsRefusals, R::ReportReplies, "every reply to `handle_response`"),
    (M::MakesErrorsOfStatuses, R::ReportReplies, "errors of 4xx and 5xx"),
    (M::DropsFailures, R::ReportFailures, "call `handle_failure`"),
    (M::FailsEarly, R::ReportFailures, "when `Outgoing::timeout` is over"),
    (M::MakesRepliesOfFailures, R::ReportFailures, "make up no reply"),
    (M::ReportsTwice, R::ReportOnce, "report each reply once"),
    (M::ReportsUnderTheLastId, R::ReportUnderItsId, "keep the id with its request"),
    (M::DropsTheDate, R::ReportAsReceived, "`Date`, `Age` and `Retry-After`"),
    (M::DropsStops, R::ForwardInputs, "`start`, `stop`, `set_online`"),
    (M::StartsAgainByItself, R::ForwardInputs, "only when the app does"),
    (M::Drops401, R::ReportUnauthorized, "`handle_unauthorized` with what `authorize` returned"),
    (M::NamesTheGenerationOfNow, R::ReportUnauthorized, "keep what `authorize` returns"),
    (M::NamesTheAgeOfNow, R::ReportUnauthorized, "the age of this one counts at that time"),
    (M::Takes403For401, R::ReportUnauthorized, "for 401 only"),
    (M::DropsEvents, R::ForwardEvents, "each of them"),
    (M::ForwardsEventsTwice, R::ForwardEvents, "`Output::Event` holds once"),
    (M::GoesBack, R::CurrentTime, "not the wall clock"),
    (M::ReadsTheClockOnce, R::CurrentTime, "read both clocks anew"),
    (M::SleepsThroughInputs, R::ReadInputs, "`recv_timeout`"),
    (M::BlocksInRequests, R::ReadInputs, "its own thread or task"),
    (M::KeepsTheToken, R::Authorize, "keep neither token nor header"),
    (M::MakesNoCalls, R::Authorize, "with the token that `authorize` puts on it"),
    (M::InsistsOnDelivery, R::NeverPanic, "`Delivery::Stale` means that nothing is to be done"),
    (M::LeavesWhenRefused, R::RunToEnd, "go on until `Input::End`"),
    (M::MakesRepliesUp, R::ReportAsReceived, "report only what came"),
    (M::ForwardsEventsInReverse, R::ForwardEvents, "in order"),
    (M::ForwardsInputsInReverse, R::ForwardInputs, "in order"),
    (M::StartsWithAnother, R::ForwardInputs, "give every input to the driver"),
    (M::NamesTheFirstGeneration, R::Authorize, "keep what `authorize` returns"),
    (M::SendsWhatIsNotItsDrivers, R::SendNothingElse, "only what `Output::Send` holds"),
    (M::CutsTheBody, R::ReportAsReceived, "report status, headers and body"),
    (M::ReadsOneClock, R::CurrentTime, "both clocks"),
    (M::FailsInsteadOfSending, R::Send, "report only what comes of that"),
    (M::FailsAndSends, R::Send, "report only what comes of that"),
    (M::CancelsAtOnce, R::ReportFailures, "even for one that you cancel"),
    (M::CancelsWhenTheAppCalls, R::ReportFailures, "even for one that you cancel"),
    (M::AlwaysGets, R::SendAsGiven, "send method, URI, headers and body"),
    (M::DropsTheBody, R::SendAsGiven, "send method, URI, headers and body"),
    (M::DropsTheAge, R::ReportAsReceived, "`Date`, `Age` and `Retry-After`"),
    (M::GivesTooMuchTime, R::ReleaseAbandoned, "`Outgoing::timeout`"),
    (M::DropsTheFirstOfTwo, R::Authorize, "make each API call"),
    (M::DropsTheSecondOfTwo, R::ReportReplies, "every reply to `handle_response`"),
    (M::DropsTheNetwork, R::ForwardInputs, "`start`, `stop`, `set_online`"),
    (M::GoesOfflineByItself, R::ForwardInputs, "only when the app does"),
    (M::ForwardsTheNetworkInReverse, R::ForwardInputs, "`start`, `stop`, `set_online`"),
    (M::SendsElsewhere, R::SendAsGiven, "send method, URI, headers and body"),
    (M::SendsWhatWasAbandoned, R::SendNothingElse, "drop it if `Output::Abandon` names it"),
    (M::ChangesTheStatus, R::ReportAsReceived, "report status, headers and body"),
    (M::ReportsFailuresTwice, R::ReportOnce, "report each reply once"),
    (M::MakesA401Up, R::ReportUnauthorized, "for 401 only"),
    (M::IgnoresTheEnd, R::RunToEnd, "return when `Input::End` comes"),
    (M::PollsLate, R::PollOnTime, "no longer than `Wake::In` says"),
    (M::DropsInputsWhileSending, R::ForwardInputs, "give every input to the driver"),
    (M::CorrectsTheWallClock, R::CurrentTime, "read both clocks anew"),
    (M::DropsWaitingCalls, R::AnswerCallers, "keep it at `AuthorizeError::Wait`"),
    (M::NeverWakesCallers, R::AnswerCallers, "`authorize` the call of each caller"),
    (M::WakesOneCaller, R::AnswerCallers, "not only the first"),
    (M::WakesForTheFirstTokenOnly, R::AnswerCallers, "`authorize` the call of each caller"),
    (M::SwapsCallers, R::AnswerCallers, "keep each caller with its own request"),
    (M::FailsAllWhenOneCancels, R::FailOnlyWhenBlocked, "or another caller cancelled"),
    (M::FailsAllWhenARequestFails, R::FailOnlyWhenBlocked, "even if a request failed"),
    (M::FailsInsteadOfWaiting, R::FailOnlyWhenBlocked, "at `AuthorizeError::Wait` it still"),
    (M::TellsAnotherReason, R::FailOnlyWhenBlocked, "the error that `authorize` returns"),
    (M::CallsForCancelledCallers, R::AnswerOnce, "when it cancels its call"),
    (M::AnswersCallersTwice, R::AnswerOnce, "when you answer it"),
    (M::CallsWithTheTokenBefore, R::Authorize, "has expired, ended or been replaced"),
    (M::ForgetsCallersOnStop, R::AnswerCallers, "1 to fail at 2 s: no token is in use: no login"),
    (
        M::ForgetsCallersOnRefusal,
        R::AnswerCallers,
        "1 to fail at 4 s: no token is in use: the credentials were refused",
    ),
    (
        M::ForgetsCallersOnGivingUp,
        R::AnswerCallers,
        "1 to fail at 7.369 s: no token is in use: too many tries",
    ),
];

#[test]
fn the_same_loop_without_a_mistake_passes() {
    let passed = conformance(with(M::Nothing)).unwrap();
    assert_eq!(passed.runs.len(), Scenario::ALL.len());
}

#[test]
fn each_mistake_violates_one_requirement_and_the_report_says_what_to_change() {
    let mut wrong = Vec::new();
    for (mistake, requirement, text) in MISTAKES {
        let Err(failed) = conformance(with(*mistake)) else {
            wrong.push(format!("{mistake:?} passes"));
            continue;
        };
        let found: BTreeSet<_> = failed.violations.iter().map(|one| one.requirement).collect();
        let report = failed.to_string();
        if !found.iter().eq([requirement]) || !report.contains(text) {
            wrong.push(format!(
                "{mistake:?} should violate {requirement:?} alone, with: {text}\n{report}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn each_requirement_is_violated_by_some_mistake() {
    let violated: BTreeSet<_> = MISTAKES.iter().map(|(_, requirement, _)| *requirement).collect();
    assert_eq!(violated, R::ALL.iter().copied().collect());
}
