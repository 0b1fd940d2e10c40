//! The requirements that a run loop has to meet.

listed! {
    /// A requirement that a run loop has to meet. A loop that meets all of them gets everything that the driver
    /// [promises](crate::driver).
    ///
    /// "At once" allows for one second, so that a loop passes that runs once a frame, as a game's does.
    Requirement {
        /// Poll when the wait that the driver asked for is over, and when the device wakes up. Otherwise tokens
        /// expire, and requests without a reply are never abandoned.
        PollOnTime = "poll when the time is over",
        /// Poll at once after every call that changes the driver: all but a stale report and
        /// [`observe`](crate::driver::Drive::observe).
        PollAfterInput = "poll after every input",
        /// Poll until the driver answers [`Output::Wait`](crate::Output::Wait). Otherwise events and requests
        /// stay in its queue.
        PollUntilWait = "poll until the driver waits",
        /// Let time pass when the driver waits, instead of polling again.
        Wait = "wait when the driver waits",
        /// Send each request that the driver returns, at once, before anything is reported of it.
        Send = "send each request at once",
        /// Send it once. The driver's budget counts the requests that it returns.
        SendOnce = "send each request once",
        /// Send it unchanged: method, URI, headers and body, and no shorter time-out.
        SendAsGiven = "send each request unchanged",
        /// Send no other request for a token: no abandoned one, and none that the loop made.
        SendNothingElse = "send no other request",
        /// Follow no redirect: the credentials would be sent to wherever a reply says.
        FollowNoRedirect = "follow no redirect",
        /// Release abandoned requests: they delay no other request, and they end, by their time-out at the
        /// latest.
        ReleaseAbandoned = "release abandoned requests",
        /// Report each reply as a reply, whatever its status.
        ReportReplies = "report each reply",
        /// Report each request that got no reply, and no other. This includes one that the loop cancelled
        /// without being asked to.
        ReportFailures = "report each failure",
        /// Report each reply or failure once.
        ReportOnce = "report each reply once",
        /// Report each reply or failure under the id of its request.
        ReportUnderItsId = "report each reply under its id",
        /// Report a reply unchanged: status, body, and the headers that the driver reads.
        ReportAsReceived = "report each reply unchanged",
        /// Forward the app's inputs, and no others: starts and stops in their order, and at least the last of
        /// its reports about the network.
        ForwardInputs = "forward the app's inputs",
        /// Report each 401 of the API with the generation of its call, and no other status.
        ReportUnauthorized = "report each 401 of the API",
        /// Forward each event to the app, once, in order.
        ForwardEvents = "forward each event",
        /// Pass the current time of both clocks with every call that changes the driver.
        CurrentTime = "pass the current time",
        /// Take replies and inputs out of the inbox when they come.
        ReadInputs = "read inputs when they come",
        /// Authorize each API call with the driver just before it is sent.
        Authorize = "authorize each API call anew",
        /// Answer each [waiting call](super::Input::WaitingCall) at once: make it when a token is in use, and
        /// fail it when the driver requests none.
        AnswerCallers = "answer each waiting caller",
        /// Answer a caller once, and not after it cancelled its call.
        AnswerOnce = "answer each waiting caller once",
        /// Fail a waiting call only with the error that `authorize` returns for it. With
        /// [`Wait`](crate::driver::AuthorizeError::Wait), it still waits, for at least 10 s.
        FailOnlyWhenBlocked = "fail a waiting call only when no token will come",
        /// Don't panic. No order of outputs and no stale reply is an error.
        NeverPanic = "never panic",
        /// Run until [`Input::End`](super::Input::End), and return then.
        RunToEnd = "run to the end",
    }
}
