//! Every way in which a loop can violate a requirement, and what to change.

use super::Requirement;

/// How late "at once" may be, in milliseconds.
const GRACE: u64 = 1_000;

/// A requirement, and what to change in a loop that violates it in one way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hint(pub(super) Requirement, pub(super) &'static str);

/// A violation, without its place.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) hint: Hint,
    pub(super) expected: String,
    pub(super) actual: String,
}

pub(super) fn finding(
    hint: Hint,
    expected: impl Into<String>,
    actual: impl Into<String>,
) -> Finding {
    Finding { hint, expected: expected.into(), actual: actual.into() }
}

/// Returns whether something that was due at `due` is late at `at`.
pub(super) fn is_late(due: u64, at: u64) -> bool {
    at > due.saturating_add(GRACE)
}

/// Defines the hints: name, requirement, what to change.
macro_rules! hints {
    ($($name:ident: $requirement:ident = $change:literal;)*) => {
        $(pub(super) const $name: Hint = Hint(Requirement::$requirement, $change);)*
    };
}

hints! {
    POLL_ON_TIME: PollOnTime = "wait no longer than `Wake::In` says, and poll when that time is over, even if \
        nothing else has happened";
    BLOCK_NO_LONGER: PollOnTime = "block in a request no longer than `Outgoing::timeout`, and poll then";
    POLL_ON_WAKING: PollOnTime = "poll when the device wakes up: timers stand still while it sleeps";
    POLL_AFTER_INPUT: PollAfterInput = "after every call to the driver, poll until it answers `Output::Wait`";
    POLL_UNTIL_WAIT: PollUntilWait = "poll in a loop, and leave it at `Output::Wait` only: after any other output \
        there may be more";
    WAIT: Wait = "at `Output::Wait`, block until that time is over or something comes; don't poll again at once";
    SEND: Send = "send what `Output::Send` holds, at once, and report only what comes of that: a failure without \
        sending is for a client that can't take the request";
    SEND_ONCE: SendOnce = "send each request once, and turn off your HTTP client's retries: the driver retries by \
        itself";
    SEND_AS_GIVEN: SendAsGiven = "send method, URI, headers and body unchanged, with the time-out that they come \
        with; you may add headers";
    SEND_NOTHING_ELSE: SendNothingElse = "send only what `Output::Send` holds, and drop it if `Output::Abandon` \
        names it before it is sent";
    FOLLOW_NO_REDIRECT: FollowNoRedirect = "turn off redirects in your HTTP client, and report the redirect as the \
        reply: following it would send the credentials along";
    DELAY_NO_OTHER: ReleaseAbandoned = "don't wait for an abandoned request: cancel it at `Output::Abandon`, or let \
        it time out beside the next one";
    END_ABANDONED: ReleaseAbandoned = "cancel the request at `Output::Abandon`, or send each one with \
        `Outgoing::timeout`, so that it ends by itself";
    REPORT_REPLIES: ReportReplies = "give every reply to `handle_response`, whatever its status";
    A_REPLY_IS_NO_FAILURE: ReportReplies = "give every reply to `handle_response`, whatever its status; if your \
        client makes errors of 4xx and 5xx, turn that off";
    REPORT_FAILURES: ReportFailures = "call `handle_failure` for every request that gets no reply, as soon as that \
        is known, even for one that you cancel without being asked to";
    A_FAILURE_IS_NO_REPLY: ReportFailures = "report a request that got no reply with `handle_failure`; make up no \
        reply for it";
    NO_EARLY_FAILURE: ReportFailures = "report a failure when the HTTP client does, or when `Outgoing::timeout` is \
        over, and not before";
    REPORT_ONCE: ReportOnce = "report each reply once: take it out of its queue when you do";
    REPORT_UNDER_ITS_ID: ReportUnderItsId = "keep the id with its request, and report under that one: replies come \
        late, and in any order";
    REPORT_AS_RECEIVED: ReportAsReceived = "report status, headers and body unchanged: the driver also reads `Date`, \
        `Age` and `Retry-After`";
    INVENT_NOTHING: ReportAsReceived = "report only what came";
    FORWARD_INPUTS: ForwardInputs = "give every input to the driver at once, in order: `start`, `stop`, `set_online`";
    LEAVE_IT_TO_THE_APP: ForwardInputs = "call `start`, `stop` and `set_online` only when the app does: anything \
        else undoes what the driver decides";
    REPORT_UNAUTHORIZED: ReportUnauthorized = "when an API call is answered 401, call `handle_unauthorized` with \
        what `authorize` returned for that call";
    REPORT_ITS_OWN: ReportUnauthorized = "keep what `authorize` returns with its call, and report that: another \
        token may be in use by now, and the age of this one counts at that time";
    ONLY_401: ReportUnauthorized = "call `handle_unauthorized` for 401 only: 403 is about what a good token may do";
    FORWARD_EVENTS: ForwardEvents = "forward what `Output::Event` holds at once, each of them, in order: every \
        transition comes once";
    FORWARD_EVENTS_ONCE: ForwardEvents = "forward what `Output::Event` holds once, and nothing else";
    NEVER_BACK: CurrentTime = "count the monotonic part from one start, for as long as the driver lives, and don't \
        correct it: use `Instant`, not the wall clock";
    READ_ANEW: CurrentTime = "read both clocks anew for every call to the driver, and pass them unchanged";
    READ_INPUTS: ReadInputs = "wait for the time and for inputs in one place, as with `recv_timeout`, and give a \
        request its own thread or task instead of blocking in it";
    AUTHORIZE: Authorize = "make each API call with the token that `authorize` puts on it, at once";
    AUTHORIZE_ANEW: Authorize = "authorize each API call just before it is sent, and keep neither token nor header";
    CALL_ITS_OWN: Authorize = "keep what `authorize` returns with its call, and pass that";
    ANSWER_CALLERS: AnswerCallers = "whenever the driver waits, `authorize` the call of each caller that waits: make \
        it at `Ok`, keep it at `AuthorizeError::Wait`, fail it at any other error. If no call waits in your loop, \
        say so with `Environment::decline_waiting`";
    ANSWER_ALL: AnswerCallers = "go through all callers that wait, not only the first: wake all of them, as \
        `notify_all` and `notify_waiters` do";
    CALL_ITS_REQUEST: AnswerCallers = "keep each caller with its own request, and make that one";
    ANSWER_ONCE: AnswerOnce = "take a caller out of its queue when you answer it";
    DROP_CANCELLED: AnswerOnce = "take a caller out of its queue when it cancels its call";
    FAIL_ONLY_WHEN_BLOCKED: FailOnlyWhenBlocked = "fail a waiting call only with the error that `authorize` returns \
        for it: at `AuthorizeError::Wait` it still waits, even if a request failed or another caller cancelled";
    NEVER_PANIC: NeverPanic = "see the panic above; don't unwrap what the driver answers: `Delivery::Stale` means \
        that nothing is to be done, and any output may follow any other";
    RUN_TO_END: RunToEnd = "go on until `Input::End`: an error, a refusal or a stop does not end a loop";
    RETURN: RunToEnd = "return when `Input::End` comes";
}
