//! The scenarios that a loop is tested in.

use super::input::CallerId;
use super::network::ROUND_TRIP;
use super::script::{AppAction, CALL, Script};
use crate::sim::Fault;

listed! {
    /// A scenario that a loop is tested in, on virtual time. [`run`](Scenario::run) tests a loop in one,
    /// [`conformance`](super::conformance()) in all.
    Scenario {
        /// A login, and two hours of renewals and API calls.
        Renewals = "a login and two hours of renewals",
        /// No request gets through for twelve minutes, and a token expires meanwhile.
        Outage = "no request gets through for a while",
        /// The gateway answers 503, 429, a portal's page, and half a reply.
        Trouble = "a gateway in trouble",
        /// The gateway answers with redirects.
        Redirected = "a gateway that redirects",
        /// The login is refused, until the app has a new one.
        Refused = "a login that is refused",
        /// One reply comes after its request was abandoned, and others never come.
        Silence = "replies that come late or never",
        /// The app stops while a request is in flight, and again while a token is in use.
        Stopped = "a stop while a request is in flight",
        /// Another user logs in while a token is in use, and a third while that request is in flight.
        AnotherUser = "another user logs in",
        /// The reply to one user's request comes after the reply to the next one's.
        Swapped = "two replies in swapped order",
        /// Several inputs come at one moment.
        Burst = "several inputs at one moment",
        /// The device is offline while a renewal is due, and comes back.
        Offline = "offline, and back",
        /// The API answers 401 to good tokens, to old ones, and 403 once.
        Unauthorized = "an API that answers 401",
        /// The device sleeps for an hour, and its timers with it.
        Asleep = "a device that sleeps",
        /// Several callers wait for the token of a login, and for one after an outage.
        CallersWait = "callers that wait for a token",
        /// One of several callers cancels its call while they wait.
        CallerCancels = "a waiting caller that cancels",
        /// The login is refused while callers wait.
        RefusedWhileCallersWait = "a login that is refused while callers wait",
        /// The app stops while callers wait.
        StoppedWhileCallersWait = "a stop while callers wait",
        /// The driver gives up while callers wait.
        GaveUpWhileCallersWait = "a driver that gives up while callers wait",
    }
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;

impl Scenario {
    /// Returns whether the app has an input while a request is in flight. A loop that blocks in its requests
    /// takes it too late.
    #[must_use]
    pub const fn interrupts(self) -> bool {
        matches!(
            self,
            Self::Stopped
                | Self::AnotherUser
                | Self::Swapped
                | Self::Burst
                | Self::StoppedWhileCallersWait
        )
    }

    pub(super) fn script(self) -> Script {
        let script = Script::default().at(SECOND, [start(0)]);
        match self {
            Self::Renewals => renewals(script),
            Self::Outage => outage(script),
            Self::Trouble => trouble(script),
            Self::Redirected => script.fault(0, MINUTE, Fault::Redirected).until(10 * MINUTE),
            Self::Refused => refused(script).at(30 * SECOND, [CALL]).until(10 * MINUTE),
            Self::Silence => silence(script),
            Self::Stopped => script
                .at(SECOND + 500, [AppAction::Stop])
                .at(MINUTE, [start(0)])
                .at(2 * MINUTE, [AppAction::Stop])
                .until(20 * MINUTE),
            Self::AnotherUser => another_user(script),
            Self::Swapped => script
                .fault(0, SECOND + 500, Fault::Slow { ms: 5_000 })
                .at(2 * SECOND, [start(1)])
                .at(MINUTE, [CALL])
                .until(5 * MINUTE),
            Self::Burst => burst(script),
            Self::Offline => script
                .fault(8 * MINUTE, 4 * MINUTE, Fault::Offline)
                .at(8 * MINUTE, [AppAction::Online(false)])
                .at(12 * MINUTE, [AppAction::Online(true)])
                .at(13 * MINUTE, [CALL])
                .until(20 * MINUTE),
            Self::Unauthorized => unauthorized(script),
            Self::Asleep => script
                .at(5 * MINUTE, [AppAction::Sleep(60 * MINUTE)])
                .at(10 * MINUTE, [CALL])
                .at(12 * MINUTE, [AppAction::Sleep(10 * SECOND)])
                .until(25 * MINUTE),
            Self::CallersWait => callers_wait(script),
            Self::CallerCancels => caller_cancels(script),
            Self::RefusedWhileCallersWait => refused_while_callers_wait(script),
            Self::StoppedWhileCallersWait => script
                .callers(1, [1_200, 1_500])
                .at(2 * SECOND, [AppAction::Stop])
                .at(MINUTE, [start(0)])
                .callers(3, [MINUTE + 500, MINUTE + 500])
                .until(5 * MINUTE),
            Self::GaveUpWhileCallersWait => gave_up_while_callers_wait(script),
        }
    }
}

fn start(user: u8) -> AppAction {
    AppAction::Start(user, 0)
}

fn renewals(script: Script) -> Script {
    let calls = [5 * MINUTE, 17 * MINUTE, 41 * MINUTE, 83 * MINUTE, 107 * MINUTE];
    let script = calls.into_iter().fold(script, |script, at| script.at(at, [CALL]));
    script.until(120 * MINUTE)
}

fn outage(script: Script) -> Script {
    script
        .fault(8 * MINUTE, 12 * MINUTE, Fault::Offline)
        .fault(20 * MINUTE, MINUTE, Fault::ResetAfter)
        .at(7 * MINUTE, [CALL])
        .at(15 * MINUTE, [CALL])
        .at(25 * MINUTE, [CALL])
        .until(40 * MINUTE)
}

fn trouble(script: Script) -> Script {
    let throttled = Fault::Throttled { retry_after: Some(30), as_date: true };
    script
        .fault(0, 15 * SECOND, Fault::Unavailable { status: 503, retry_after: None })
        .fault(15 * SECOND, 35 * SECOND, throttled)
        .fault(50 * SECOND, 50 * SECOND, Fault::Portal)
        .fault(100 * SECOND, 50 * SECOND, Fault::CutOff)
        .until(15 * MINUTE)
}

fn refused(script: Script) -> Script {
    script
        .fault(0, MINUTE, Fault::Refused)
        .at(2 * MINUTE, [AppAction::Start(0, 1)])
        .at(3 * MINUTE, [CALL])
}

fn silence(script: Script) -> Script {
    // The client's time-out comes 1.5 s after the 15 s; this reply comes before it, and after the driver has
    // abandoned the request and made another.
    let late = Fault::Slow { ms: 13_200 };
    script
        .fault(0, 10 * SECOND, late)
        .fault(8 * MINUTE, 3 * MINUTE, Fault::Lost)
        .at(5 * MINUTE, [CALL])
        .until(20 * MINUTE)
}

fn another_user(script: Script) -> Script {
    script
        .at(5 * MINUTE, [start(1)])
        .at(5 * MINUTE + 1_500, [start(2)])
        .at(6 * MINUTE, [CALL])
        .at(10 * MINUTE, [start(0)])
        // While that request is in flight, which it has to leave alone.
        .at(10 * MINUTE + 1_500, [CALL])
        .at(11 * MINUTE, [CALL])
        .until(25 * MINUTE)
}

fn burst(script: Script) -> Script {
    let (stop, online) = (AppAction::Stop, AppAction::Online);
    script
        .at(SECOND, [start(1), stop, start(2)])
        .at(2 * SECOND, [online(false), stop, online(true), start(0)])
        .at(20 * SECOND, [CALL, start(1), start(2)])
        .until(5 * MINUTE)
}

fn unauthorized(script: Script) -> Script {
    script
        .at(MINUTE, [CALL])
        .at(MINUTE + 30 * SECOND, [AppAction::Call(Some(403), 200)])
        .at(2 * MINUTE, [AppAction::Call(Some(401), 200)])
        // At the moment of the reply to the request that this leads to.
        .at(2 * MINUTE + 200 + ROUND_TRIP, [CALL])
        // So soon that age is not the cause.
        .at(2 * MINUTE + 5 * SECOND, [AppAction::Call(Some(401), 200)])
        // Made before a renewal that is due by then, and answered after it.
        .at(10 * MINUTE, [AppAction::Call(Some(401), 200 * SECOND)])
        .until(25 * MINUTE)
}

fn callers_wait(script: Script) -> Script {
    script
        // One comes at the moment of the reply, and one while a token is in use.
        .callers(1, [1_200, 2 * SECOND, SECOND + ROUND_TRIP, 5 * MINUTE])
        .fault(6 * MINUTE, 9 * MINUTE, Fault::Offline)
        // The first token has expired by now.
        .callers(5, [12 * MINUTE, 13 * MINUTE])
        .until(25 * MINUTE)
}

fn caller_cancels(script: Script) -> Script {
    script
        .fault(0, 2 * SECOND, Fault::Slow { ms: 7_000 })
        .callers(1, [1_200, 1_500, 2 * SECOND])
        .at(5 * SECOND, [AppAction::CancelCall(CallerId(2))])
        .until(5 * MINUTE)
}

fn refused_while_callers_wait(script: Script) -> Script {
    let script = refused(script).callers(1, [2 * SECOND, 2_500]);
    // One comes after the refusal, and one during the next login.
    script.callers(3, [30 * SECOND, 2 * MINUTE + SECOND]).until(5 * MINUTE)
}

fn gave_up_while_callers_wait(script: Script) -> Script {
    script
        .attempts(2)
        .fault(0, MINUTE, Fault::Unavailable { status: 503, retry_after: None })
        .callers(1, [2 * SECOND, 3 * SECOND])
        .at(2 * MINUTE, [start(0)])
        .callers(3, [2 * MINUTE + 500, 2 * MINUTE + 500])
        .until(5 * MINUTE)
}
