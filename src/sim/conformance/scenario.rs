//! The scenarios that a loop is tested in.

use super::{CALL, CallerId, Input, ROUND_TRIP, Scheduled, Script};
use crate::sim::Fault;

/// Defines the scenarios: each has a text for reports, and a script.
macro_rules! scenarios {
    ($(#[$attribute:meta])* {
        $($(#[$doc:meta])* $variant:ident = $text:literal: $script:expr;)*
    }) => {
        listed! {
            $(#[$attribute])*
            Scenario {
                $($(#[$doc])* $variant = $text,)*
            }
        }

        impl Scenario {
            pub(super) fn script(self) -> Script {
                match self {
                    $(Self::$variant => $script,)*
                }
            }
        }
    };
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;

const STOP: Scheduled = Scheduled::Input(Input::Stop);
const OFFLINE: Scheduled = Scheduled::Input(Input::Online(false));
const ONLINE: Scheduled = Scheduled::Input(Input::Online(true));

scenarios! {
    /// A scenario that a loop is tested in, on virtual time. [`run`](Scenario::run) tests a loop in one,
    /// [`conformance`](super::conformance()) in all.
    {
        /// A login, and two hours of renewals and API calls.
        Renewals = "a login and two hours of renewals": login()
            .calls([5 * MINUTE, 17 * MINUTE, 41 * MINUTE, 83 * MINUTE, 107 * MINUTE])
            .until(120 * MINUTE);
        /// No request gets through for twelve minutes, and a token expires meanwhile.
        Outage = "no request gets through for a while": login()
            .fault(8 * MINUTE, 12 * MINUTE, Fault::Offline)
            .fault(20 * MINUTE, MINUTE, Fault::ResetAfter)
            .calls([7 * MINUTE, 15 * MINUTE, 25 * MINUTE])
            .until(40 * MINUTE);
        /// The gateway answers 503, 429, a portal's page, and half a reply.
        Trouble = "a gateway in trouble": login()
            .fault(0, 15 * SECOND, Fault::Unavailable { status: 503, retry_after: None })
            .fault(
                15 * SECOND,
                35 * SECOND,
                Fault::Throttled { retry_after: Some(30), as_date: true },
            )
            .fault(50 * SECOND, 50 * SECOND, Fault::Portal)
            .fault(100 * SECOND, 50 * SECOND, Fault::CutOff)
            .until(15 * MINUTE);
        /// The gateway answers with redirects.
        Redirected = "a gateway that redirects": login()
            .fault(0, MINUTE, Fault::Redirected)
            .until(10 * MINUTE);
        /// The login is refused, until the app has a new one.
        Refused = "a login that is refused": refused_login()
            .calls([30 * SECOND])
            .until(10 * MINUTE);
        /// One reply comes after its request was abandoned, and others never come.
        Silence = "replies that come late or never": login()
            // The client's time-out comes 1.5 s after the 15 s; this reply comes before it, and after the driver
            // has abandoned the request and made another.
            .fault(0, 10 * SECOND, Fault::Slow { ms: 13_200 })
            .fault(8 * MINUTE, 3 * MINUTE, Fault::Lost)
            .calls([5 * MINUTE])
            .until(20 * MINUTE);
        /// The app stops while a request is in flight, and again while a token is in use.
        Stopped = "a stop while a request is in flight": login()
            .at(SECOND + 500, [STOP])
            .at(MINUTE, [start(0)])
            .at(2 * MINUTE, [STOP])
            .until(20 * MINUTE);
        /// Another user logs in while a token is in use, and a third while that request is in flight.
        AnotherUser = "another user logs in": login()
            .at(5 * MINUTE, [start(1)])
            .at(5 * MINUTE + 1_500, [start(2)])
            .calls([6 * MINUTE])
            .at(10 * MINUTE, [start(0)])
            // The first while that request is in flight, which it has to leave alone.
            .calls([10 * MINUTE + 1_500, 11 * MINUTE])
            .until(25 * MINUTE);
        /// The reply to one user's request comes after the reply to the next one's.
        Swapped = "two replies in swapped order": login()
            .fault(0, SECOND + 500, Fault::Slow { ms: 5_000 })
            .at(2 * SECOND, [start(1)])
            .calls([MINUTE])
            .until(5 * MINUTE);
        /// Several inputs come at one moment.
        Burst = "several inputs at one moment": login()
            .at(SECOND, [start(1), STOP, start(2)])
            .at(2 * SECOND, [OFFLINE, STOP, ONLINE, start(0)])
            .at(20 * SECOND, [CALL, start(1), start(2)])
            .until(5 * MINUTE);
        /// The device is offline while a renewal is due, and comes back.
        Offline = "offline, and back": login()
            .fault(8 * MINUTE, 4 * MINUTE, Fault::Offline)
            .at(8 * MINUTE, [OFFLINE])
            .at(12 * MINUTE, [ONLINE])
            .calls([13 * MINUTE])
            .until(20 * MINUTE);
        /// The API answers 401 to good tokens, to old ones, and 403 once.
        Unauthorized = "an API that answers 401": login()
            .calls([MINUTE])
            .at(MINUTE + 30 * SECOND, [Scheduled::Call(Some(403), 200)])
            .at(2 * MINUTE, [Scheduled::Call(Some(401), 200)])
            // At the moment of the reply to the request that this leads to.
            .calls([2 * MINUTE + 200 + ROUND_TRIP])
            // So soon that age is not the cause.
            .at(2 * MINUTE + 5 * SECOND, [Scheduled::Call(Some(401), 200)])
            // Made before a renewal that is due by then, and answered after it.
            .at(10 * MINUTE, [Scheduled::Call(Some(401), 200 * SECOND)])
            .until(25 * MINUTE);
        /// The device sleeps for an hour, and its timers with it.
        Asleep = "a device that sleeps": login()
            .at(5 * MINUTE, [Scheduled::Sleep(60 * MINUTE)])
            .calls([10 * MINUTE])
            .at(12 * MINUTE, [Scheduled::Sleep(10 * SECOND)])
            .until(25 * MINUTE);
        /// Several callers wait for the token of a login, and for one after an outage.
        CallersWait = "callers that wait for a token": login()
            // One comes at the moment of the reply, and one while a token is in use.
            .callers(1, [1_200, 2 * SECOND, SECOND + ROUND_TRIP, 5 * MINUTE])
            .fault(6 * MINUTE, 9 * MINUTE, Fault::Offline)
            // The first token has expired by now.
            .callers(5, [12 * MINUTE, 13 * MINUTE])
            .until(25 * MINUTE);
        /// One of several callers cancels its call while they wait.
        CallerCancels = "a waiting caller that cancels": login()
            .fault(0, 2 * SECOND, Fault::Slow { ms: 7_000 })
            .callers(1, [1_200, 1_500, 2 * SECOND])
            .at(5 * SECOND, [Scheduled::Input(Input::CallCancelled(CallerId(2)))])
            .until(5 * MINUTE);
        /// The login is refused while callers wait.
        RefusedWhileCallersWait = "a login that is refused while callers wait": refused_login()
            .callers(1, [2 * SECOND, 2_500])
            // One comes after the refusal, and one during the next login.
            .callers(3, [30 * SECOND, 2 * MINUTE + SECOND])
            .until(5 * MINUTE);
        /// The app stops while callers wait.
        StoppedWhileCallersWait = "a stop while callers wait": login()
            .callers(1, [1_200, 1_500])
            .at(2 * SECOND, [STOP])
            .at(MINUTE, [start(0)])
            .callers(3, [MINUTE + 500, MINUTE + 500])
            .until(5 * MINUTE);
        /// The driver gives up while callers wait.
        GaveUpWhileCallersWait = "a driver that gives up while callers wait": login()
            .attempts(2)
            .fault(0, MINUTE, Fault::Unavailable { status: 503, retry_after: None })
            .callers(1, [2 * SECOND, 3 * SECOND])
            .at(2 * MINUTE, [start(0)])
            .callers(3, [2 * MINUTE + 500, 2 * MINUTE + 500])
            .until(5 * MINUTE);
    }
}

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
}

/// Returns a script that begins with a login.
fn login() -> Script {
    Script::default().at(SECOND, [start(0)])
}

/// Returns one in which the gateway refuses that login, and accepts the next one.
fn refused_login() -> Script {
    login()
        .fault(0, MINUTE, Fault::Refused)
        .at(2 * MINUTE, [Scheduled::Start(0, 1)])
        .calls([3 * MINUTE])
}

fn start(user: u8) -> Scheduled {
    Scheduled::Start(user, 0)
}
