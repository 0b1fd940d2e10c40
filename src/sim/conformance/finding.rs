//! What was found wrong, and every cure that there is.

use super::duty::Duty;

/// How late "at once" may be, in milliseconds.
pub(super) const GRACE: u64 = 1_000;

/// A broken duty, before it is known where.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) duty: Duty,
    pub(super) expected: String,
    pub(super) did: String,
    pub(super) cure: &'static str,
}

pub(super) fn finding(
    duty: Duty,
    expected: impl Into<String>,
    did: impl Into<String>,
    cure: &'static str,
) -> Finding {
    Finding { duty, expected: expected.into(), did: did.into(), cure }
}

/// Whether something that was due at `due` is late at `at`.
pub(super) fn is_late(due: u64, at: u64) -> bool {
    at > due.saturating_add(GRACE)
}

/// What to change, for each way to break a duty: a sentence or two that say it all.
pub(super) mod cure {
    pub(in super::super) const POLL_IN_TIME: &str = "wait no longer than `Wake::In` says, and poll \
        when that time is over, even if nothing else has happened";
    pub(in super::super) const BLOCK_NO_LONGER: &str =
        "block in a request no longer than `Outgoing::timeout`, and poll then";
    pub(in super::super) const POLL_ON_WAKING: &str =
        "poll when the device wakes up: timers stand still while it sleeps";
    pub(in super::super) const POLL_AFTER_INPUT: &str =
        "after every call to the driver, poll until it answers `Output::Wait`";
    pub(in super::super) const POLL_UNTIL_WAIT: &str = "poll in a loop, and leave it at \
        `Output::Wait` only: whatever else the driver answers, there may be more";
    pub(in super::super) const WAIT: &str = "at `Output::Wait`, block until that time is over or \
        something comes; don't poll again at once";
    pub(in super::super) const SEND: &str = "send what `Output::Send` brings, at once, and report \
        only what comes of that: a failure without it is for a client that can't take the request";
    pub(in super::super) const SEND_ONCE: &str = "send each request once, and turn off your HTTP \
        client's retries: second tries are the driver's to make";
    pub(in super::super) const SEND_AS_GIVEN: &str = "send method, URI, headers and body as \
        they are, with the time-out that they come with; headers of your own may be added";
    pub(in super::super) const SEND_NOTHING_ELSE: &str = "send only what `Output::Send` brings, and \
        drop it if `Output::Abandon` names it before it is sent";
    pub(in super::super) const FOLLOW_NO_REDIRECT: &str = "turn off redirects in your HTTP client, \
        and report the redirect as the reply: it would take the credentials along";
    pub(in super::super) const HOLD_NOTHING_BACK: &str = "don't wait for an abandoned request: \
        cancel it at `Output::Abandon`, or let it run out beside the next one";
    pub(in super::super) const END_IT: &str = "cancel the request at `Output::Abandon`, or send each \
        one with `Outgoing::timeout`, so that it ends by itself";
    pub(in super::super) const REPORT_REPLIES: &str =
        "give every reply to `handle_response`, whatever its status";
    pub(in super::super) const A_REPLY_IS_NO_FAILURE: &str = "give every reply to \
        `handle_response`, whatever its status; turn off what makes errors of 4xx and 5xx";
    pub(in super::super) const REPORT_FAILURES: &str = "call `handle_failure` for every request that \
        gets no reply, as soon as that is known: for one that you cancel of your own accord, too";
    pub(in super::super) const A_FAILURE_IS_NO_REPLY: &str =
        "report a request that got no reply with `handle_failure`; make up no reply for it";
    pub(in super::super) const NO_EARLY_FAILURE: &str = "report a failure when the HTTP client does, \
        or when `Outgoing::timeout` is over, and not before";
    pub(in super::super) const REPORT_ONCE: &str =
        "report each reply once: take it out of its queue when you do";
    pub(in super::super) const REPORT_UNDER_ITS_ID: &str = "keep the id with its request, and report \
        under that one: replies come late, and in any order";
    pub(in super::super) const REPORT_AS_IT_CAME: &str = "hand on status, headers and body as they \
        came: the driver reads `Date`, `Age` and `Retry-After`, too";
    pub(in super::super) const MAKE_NOTHING_UP: &str = "report only what came";
    pub(in super::super) const PASS_INPUTS: &str = "give every input to the driver at once, in its \
        order: `start`, `stop`, `set_online`";
    pub(in super::super) const LEAVE_IT_TO_THE_APP: &str = "call `start`, `stop` and `set_online` \
        when the app says so, and not by the loop's own lights: it would undo what the driver decides";
    pub(in super::super) const REPORT_UNAUTHORIZED: &str = "when an API call is answered 401, call \
        `handle_unauthorized` with the generation that `authorize` gave for that call";
    pub(in super::super) const ITS_GENERATION: &str = "keep the generation that `authorize` gives \
        with its call, and name that one: the token may be another one by now";
    pub(in super::super) const ONLY_401: &str = "call `handle_unauthorized` for 401 only: 403 is \
        about what a good token may do";
    pub(in super::super) const PASS_EVENTS: &str = "hand on what `Output::Event` brings at once, \
        each of them, in order: every transition comes once";
    pub(in super::super) const PASS_EVENTS_ONCE: &str =
        "hand on what `Output::Event` brings once, and nothing else";
    pub(in super::super) const NEVER_BACK: &str = "count the monotonic part from one start, for as \
        long as the driver lives, and don't correct it: `Instant`, not the wall clock";
    pub(in super::super) const READ_ANEW: &str =
        "read both clocks anew for every call to the driver, and pass them as they are";
    pub(in super::super) const TAKE_INPUTS: &str = "wait for the time and for inputs in one place, \
        as with `recv_timeout`, and give a request a thread or a task of its own instead of blocking in it";
    pub(in super::super) const AUTHORIZE: &str =
        "make each API call with the token that `authorize` puts on it, at once";
    pub(in super::super) const AUTHORIZE_ANEW: &str =
        "authorize each API call just before it is sent, and keep neither token nor header";
    pub(in super::super) const NEVER_PANIC: &str = "see the panic above; and don't unwrap what \
        the driver answers: `Delivery::Stale` means that nothing is to be done, and any output may follow \
        any other";
    pub(in super::super) const STAY: &str =
        "go on until `Happening::End`: an error, a refusal or a stop does not end a loop";
    pub(in super::super) const RETURN: &str = "return when `Happening::End` comes";
}
