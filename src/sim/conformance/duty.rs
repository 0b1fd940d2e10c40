//! What a run loop owes its driver.

use core::fmt;

/// What a run loop owes the driver that it runs, and the app that it runs it for. A loop that keeps all
/// of these gets all that the driver [promises](crate::driver).
///
/// "At once" allows for a second, so that loops which come by every now and then, as a game's do, pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Duty {
    /// Poll when the wait is over that the driver asked for, and when the device wakes up. Otherwise
    /// tokens expire, and requests without a reply are never given up.
    PollInTime,
    /// Poll at once after every call that gave the driver something: all but a stale report and
    /// [`observe`](crate::driver::Drive::observe).
    PollAfterInput,
    /// Poll on until the driver answers [`Output::Wait`](crate::Output::Wait). Otherwise events and
    /// requests stay in its queue.
    PollUntilWait,
    /// Let time pass when the driver waits, instead of polling on.
    Wait,
    /// Send each request that the driver hands out, at once, before anything is reported of it.
    Send,
    /// Send it once. The budget of the driver counts what it hands out.
    SendOnce,
    /// Send it as it is: method, URI, headers and body, and no shorter time-out.
    SendAsGiven,
    /// Send nothing else: nothing that was abandoned, and nothing of the loop's own making.
    SendNothingElse,
    /// Follow no redirect: the credentials would go where a reply says.
    FollowNoRedirect,
    /// Let go of abandoned requests: they hold nothing back, and they end, by their time-out at the latest.
    LetGo,
    /// Report each reply, whatever it says, as a reply.
    ReportReplies,
    /// Report each request that got no reply, and no other; one that the loop cancelled of its own accord
    /// is among them.
    ReportFailures,
    /// Report it once.
    ReportOnce,
    /// Report it under the id of its own request.
    ReportUnderItsId,
    /// Report a reply as it came: status, body, and the headers that the driver reads.
    ReportAsItCame,
    /// Pass on what the app asks for, and nothing else: starts and stops in their order, and of what it
    /// says about the network at least the last.
    PassInputs,
    /// Report an API's 401, with the generation of the call, and nothing but a 401.
    ReportUnauthorized,
    /// Hand each event on to the app, once, in order.
    PassEvents,
    /// Pass the present moment, as the two clocks show it, with every call that the [`Probe`](super::Probe)
    /// sees: all that change the driver.
    PresentMoment,
    /// Take replies and inputs when they come, whatever else is going on.
    TakeInputs,
    /// Authorize each API call anew, with the driver.
    Authorize,
    /// Don't panic: no order of outputs and no stale reply is a fault.
    NeverPanic,
    /// Run until the end, and return then.
    RunToTheEnd,
}

impl Duty {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::PollInTime,
        Self::PollAfterInput,
        Self::PollUntilWait,
        Self::Wait,
        Self::Send,
        Self::SendOnce,
        Self::SendAsGiven,
        Self::SendNothingElse,
        Self::FollowNoRedirect,
        Self::LetGo,
        Self::ReportReplies,
        Self::ReportFailures,
        Self::ReportOnce,
        Self::ReportUnderItsId,
        Self::ReportAsItCame,
        Self::PassInputs,
        Self::ReportUnauthorized,
        Self::PassEvents,
        Self::PresentMoment,
        Self::TakeInputs,
        Self::Authorize,
        Self::NeverPanic,
        Self::RunToTheEnd,
    ];
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PollInTime => "poll when the time is over",
            Self::PollAfterInput => "poll after every input",
            Self::PollUntilWait => "poll until the driver waits",
            Self::Wait => "wait when the driver waits",
            Self::Send => "send each request at once",
            Self::SendOnce => "send each request once",
            Self::SendAsGiven => "send each request as it is",
            Self::SendNothingElse => "send nothing else",
            Self::FollowNoRedirect => "follow no redirect",
            Self::LetGo => "let go of abandoned requests",
            Self::ReportReplies => "report each reply",
            Self::ReportFailures => "report each failure",
            Self::ReportOnce => "report it once",
            Self::ReportUnderItsId => "report it under its own id",
            Self::ReportAsItCame => "report a reply as it came",
            Self::PassInputs => "pass on what the app asks for",
            Self::ReportUnauthorized => "report a 401 of the API",
            Self::PassEvents => "hand on each event",
            Self::PresentMoment => "pass the present moment",
            Self::TakeInputs => "take inputs when they come",
            Self::Authorize => "authorize each API call anew",
            Self::NeverPanic => "never panic",
            Self::RunToTheEnd => "run to the end",
        })
    }
}
