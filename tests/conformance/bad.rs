//! Each mistake is found, and nothing else is: a report that names ten duties for one mistake sends its
//! reader the wrong way.

use std::collections::BTreeSet;

use videokit_session::sim::conformance::{Duty, Scenario, conformance};

use crate::planted::{Mistake as M, with};

/// A mistake, the duty that it breaks, and what the cure has to name.
const MISTAKES: &[(M, Duty, &str)] = &[
    (M::IgnoresWakes, Duty::PollInTime, "no longer than `Wake::In` says"),
    (M::SleepsOnAfterSleep, Duty::PollInTime, "when the device wakes up"),
    (M::PollsOncePerTurn, Duty::PollUntilWait, "leave it at `Output::Wait` only"),
    (M::WaitsOnAfterInput, Duty::PollAfterInput, "after every call"),
    (M::PollsOn, Duty::Wait, "don't poll again at once"),
    (M::PollsOnAndListensToNobody, Duty::Wait, "block until that time is over"),
    (M::NeverSends, Duty::Send, "send what `Output::Send` brings"),
    (M::SendsTwice, Duty::SendOnce, "send each request once"),
    (M::RetriesByItself, Duty::SendOnce, "turn off your HTTP client's retries"),
    (M::LosesTheCookie, Duty::SendAsGiven, "headers and body as they are"),
    (M::CutsTimeShort, Duty::SendAsGiven, "with the time-out that they come with"),
    (M::SendsLater, Duty::SendNothingElse, "drop it if `Output::Abandon` names it"),
    (M::FollowsRedirects, Duty::FollowNoRedirect, "turn off redirects"),
    (M::WaitsForAbandoned, Duty::LetGo, "don't wait for an abandoned request"),
    (M::NeverEndsAbandoned, Duty::LetGo, "`Outgoing::timeout`"),
    (M::IgnoresRefusals, Duty::ReportReplies, "every reply to `handle_response`"),
    (M::MakesErrorsOfStatuses, Duty::ReportReplies, "errors of 4xx and 5xx"),
    (M::SwallowsFailures, Duty::ReportFailures, "call `handle_failure`"),
    (M::FailsEarly, Duty::ReportFailures, "when `Outgoing::timeout` is over"),
    (M::MakesRepliesOfFailures, Duty::ReportFailures, "make up no reply"),
    (M::ReportsTwice, Duty::ReportOnce, "report each reply once"),
    (M::ReportsUnderTheLastId, Duty::ReportUnderItsId, "keep the id with its request"),
    (M::LosesTheDate, Duty::ReportAsItCame, "`Date`, `Age` and `Retry-After`"),
    (M::SwallowsStops, Duty::PassInputs, "`start`, `stop`, `set_online`"),
    (M::StartsAgainByItself, Duty::PassInputs, "when the app says so"),
    (M::Swallows401, Duty::ReportUnauthorized, "`handle_unauthorized` with the generation"),
    (M::NamesTheGenerationOfNow, Duty::ReportUnauthorized, "keep the generation"),
    (M::Takes403For401, Duty::ReportUnauthorized, "for 401 only"),
    (M::SwallowsEvents, Duty::PassEvents, "each of them"),
    (M::TellsTwice, Duty::PassEvents, "`Output::Event` brings once"),
    (M::GoesBack, Duty::PresentMoment, "not the wall clock"),
    (M::ReadsTheClockOnce, Duty::PresentMoment, "read both clocks anew"),
    (M::SleepsThroughInputs, Duty::TakeInputs, "`recv_timeout`"),
    (M::BlocksInRequests, Duty::TakeInputs, "a thread or a task of its own"),
    (M::KeepsTheToken, Duty::Authorize, "keep neither token nor header"),
    (M::MakesNoCalls, Duty::Authorize, "with the token that `authorize` puts on it"),
    (M::InsistsOnDelivery, Duty::NeverPanic, "`Delivery::Stale` means that nothing is to be done"),
    (M::LeavesWhenRefused, Duty::RunToTheEnd, "go on until `Happening::End`"),
    (M::MakesRepliesUp, Duty::ReportAsItCame, "report only what came"),
    (M::TellsInReverse, Duty::PassEvents, "in order"),
    (M::PassesInReverse, Duty::PassInputs, "in its order"),
    (M::StartsWithAnother, Duty::PassInputs, "give every input to the driver"),
    (M::NamesTheFirstGeneration, Duty::Authorize, "keep the generation"),
    (M::SendsWhatIsNotItsDrivers, Duty::SendNothingElse, "only what `Output::Send` brings"),
    (M::CutsTheBody, Duty::ReportAsItCame, "hand on status, headers and body"),
    (M::ReadsOneClock, Duty::PresentMoment, "both clocks"),
    (M::FailsInsteadOfSending, Duty::Send, "report only what comes of that"),
    (M::FailsAndSends, Duty::Send, "report only what comes of that"),
    (M::CancelsAtOnce, Duty::ReportFailures, "one that you cancel of your own accord"),
    (M::CancelsWhenTheAppCalls, Duty::ReportFailures, "one that you cancel of your own accord"),
    (M::AlwaysGets, Duty::SendAsGiven, "send method, URI, headers and body"),
    (M::LosesTheBody, Duty::SendAsGiven, "send method, URI, headers and body"),
    (M::LosesTheAge, Duty::ReportAsItCame, "`Date`, `Age` and `Retry-After`"),
    (M::GivesTooMuchTime, Duty::LetGo, "`Outgoing::timeout`"),
    (M::LosesTheFirstOfTwo, Duty::Authorize, "make each API call"),
    (M::LosesTheSecondOfTwo, Duty::ReportReplies, "every reply to `handle_response`"),
    (M::SwallowsTheNetwork, Duty::PassInputs, "`start`, `stop`, `set_online`"),
    (M::GoesOfflineByItself, Duty::PassInputs, "when the app says so"),
    (M::PassesTheNetworkInReverse, Duty::PassInputs, "`start`, `stop`, `set_online`"),
    (M::SendsElsewhere, Duty::SendAsGiven, "send method, URI, headers and body"),
    (M::SendsWhatWasAbandoned, Duty::SendNothingElse, "drop it if `Output::Abandon` names it"),
    (M::ChangesTheStatus, Duty::ReportAsItCame, "hand on status, headers and body"),
    (M::ReportsFailuresTwice, Duty::ReportOnce, "report each reply once"),
    (M::MakesA401Up, Duty::ReportUnauthorized, "for 401 only"),
    (M::IgnoresTheEnd, Duty::RunToTheEnd, "return when `Happening::End` comes"),
];

#[test]
fn the_same_loop_without_a_mistake_passes() {
    let passed = conformance(with(M::Nothing)).unwrap();
    assert_eq!(passed.played().len(), Scenario::ALL.len());
}

#[test]
fn each_mistake_is_found_and_nothing_else() {
    let mut wrong = Vec::new();
    for (mistake, duty, cure) in MISTAKES {
        let Err(failed) = conformance(with(*mistake)) else {
            wrong.push(format!("{mistake:?} passes"));
            continue;
        };
        let broken: BTreeSet<_> = failed.breaches().iter().map(|breach| breach.duty).collect();
        let report = failed.to_string();
        if !broken.iter().eq([duty]) || !report.contains(cure) {
            wrong.push(format!(
                "{mistake:?} should break {duty:?} alone, and be told: {cure}\n{report}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn each_duty_is_broken_by_some_mistake() {
    let broken: BTreeSet<_> = MISTAKES.iter().map(|(_, duty, _)| *duty).collect();
    assert_eq!(broken, Duty::ALL.iter().copied().collect());
}
