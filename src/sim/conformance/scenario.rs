//! What a loop is taken through.

use core::fmt;

use super::script::{Act, Script};
use crate::sim::Fault;

/// What a loop under test is taken through, on virtual time. [`play`](Scenario::play) takes a loop
/// through one, [`conformance`](super::conformance()) through all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scenario {
    /// A login, and two hours of renewals and API calls.
    Renewals,
    /// For twelve minutes no request gets through, and a token expires meanwhile.
    Outage,
    /// The gateway answers 503, 429, with a portal's page, and with half a reply.
    Trouble,
    /// The gateway answers with redirects.
    Redirected,
    /// The login is refused, until the app has a new one.
    Refused,
    /// One reply comes after its request was given up, and others never come.
    Silence,
    /// The app stops while a request is in flight, and once more while a token serves.
    Stopped,
    /// Another user logs in while a token serves, and a third while that request is in flight.
    AnotherUser,
    /// The reply to one user's request comes after the reply to the next one's.
    Swapped,
    /// The app changes its mind several times in one moment.
    Burst,
    /// The device is offline while a renewal is due, and comes back.
    Offline,
    /// The API answers 401 to good tokens, to old ones, and once 403.
    Unauthorized,
    /// The device sleeps for an hour, and its timers with it.
    Asleep,
}

/// A request takes this long, unless something goes wrong, in milliseconds: so long that whatever a loop
/// forgets before is late.
const ROUND_TRIP: u64 = 3_000;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;

impl Scenario {
    /// All of them, in the order in which they are played.
    pub const ALL: &'static [Self] = &[
        Self::Renewals,
        Self::Outage,
        Self::Trouble,
        Self::Redirected,
        Self::Refused,
        Self::Silence,
        Self::Stopped,
        Self::AnotherUser,
        Self::Swapped,
        Self::Burst,
        Self::Offline,
        Self::Unauthorized,
        Self::Asleep,
    ];

    /// Whether the app wants something while a request is in flight: a loop that does one thing at a time
    /// can't take it then.
    #[must_use]
    pub const fn interrupts(self) -> bool {
        matches!(self, Self::Stopped | Self::AnotherUser | Self::Swapped | Self::Burst)
    }

    pub(super) fn script(self) -> Script {
        let script = Script::new(ROUND_TRIP).at(SECOND, Act::Start { user: 0, secret: 0 });
        match self {
            Self::Renewals => renewals(script),
            Self::Outage => outage(script),
            Self::Trouble => trouble(script),
            Self::Redirected => script.fault(0, MINUTE, Fault::Redirected).until(10 * MINUTE),
            Self::Refused => script
                .fault(0, MINUTE, Fault::Refused)
                .at(30 * SECOND, Act::call())
                .at(2 * MINUTE, Act::Start { user: 0, secret: 1 })
                .at(3 * MINUTE, Act::call())
                .until(10 * MINUTE),
            Self::Silence => silence(script),
            Self::Stopped => script
                .at(SECOND + 500, Act::Stop)
                .at(MINUTE, Act::Start { user: 0, secret: 0 })
                .at(2 * MINUTE, Act::Stop)
                .until(20 * MINUTE),
            Self::AnotherUser => another_user(script),
            Self::Swapped => script
                .fault(0, SECOND + 500, Fault::Slow { ms: 5_000 })
                .at(2 * SECOND, Act::Start { user: 1, secret: 0 })
                .at(MINUTE, Act::call())
                .until(5 * MINUTE),
            Self::Burst => burst(script),
            Self::Offline => script
                .fault(8 * MINUTE, 4 * MINUTE, Fault::Offline)
                .at(8 * MINUTE, Act::Online(false))
                .at(12 * MINUTE, Act::Online(true))
                .at(13 * MINUTE, Act::call())
                .until(20 * MINUTE),
            Self::Unauthorized => unauthorized(script),
            Self::Asleep => script
                .at(5 * MINUTE, Act::Sleep { ms: 60 * MINUTE })
                .at(10 * MINUTE, Act::call())
                .at(12 * MINUTE, Act::Sleep { ms: 10 * SECOND })
                .until(25 * MINUTE),
        }
    }
}

fn renewals(script: Script) -> Script {
    script
        .at(5 * MINUTE, Act::call())
        .at(17 * MINUTE, Act::call())
        .at(41 * MINUTE, Act::call())
        .at(83 * MINUTE, Act::call())
        .at(107 * MINUTE, Act::call())
        .until(120 * MINUTE)
}

fn outage(script: Script) -> Script {
    script
        .fault(8 * MINUTE, 12 * MINUTE, Fault::Offline)
        .fault(20 * MINUTE, MINUTE, Fault::ResetAfter)
        .at(7 * MINUTE, Act::call())
        .at(15 * MINUTE, Act::call())
        .at(25 * MINUTE, Act::call())
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

fn silence(script: Script) -> Script {
    // A client's time-out ends a request 1.5 s after 15 s; this reply is there before, and after the
    // driver has given it up and asked again.
    let late = Fault::Slow { ms: 13_200 };
    script
        .fault(0, 10 * SECOND, late)
        .fault(8 * MINUTE, 3 * MINUTE, Fault::Lost)
        .at(5 * MINUTE, Act::call())
        .until(20 * MINUTE)
}

fn another_user(script: Script) -> Script {
    script
        .at(5 * MINUTE, Act::Start { user: 1, secret: 0 })
        .at(5 * MINUTE + 1_500, Act::Start { user: 2, secret: 0 })
        .at(6 * MINUTE, Act::call())
        .at(10 * MINUTE, Act::Start { user: 0, secret: 0 })
        // While that request is in flight: it leaves it alone.
        .at(10 * MINUTE + 1_500, Act::call())
        .at(11 * MINUTE, Act::call())
        .until(25 * MINUTE)
}

fn burst(script: Script) -> Script {
    script
        .at(SECOND, Act::Start { user: 1, secret: 0 })
        .at(SECOND, Act::Stop)
        .at(SECOND, Act::Start { user: 2, secret: 0 })
        .at(2 * SECOND, Act::Online(false))
        .at(2 * SECOND, Act::Stop)
        .at(2 * SECOND, Act::Online(true))
        .at(2 * SECOND, Act::Start { user: 0, secret: 0 })
        .at(20 * SECOND, Act::call())
        .at(20 * SECOND, Act::Start { user: 1, secret: 0 })
        .at(20 * SECOND, Act::Start { user: 2, secret: 0 })
        .until(5 * MINUTE)
}

fn unauthorized(script: Script) -> Script {
    script
        .at(MINUTE, Act::call())
        .at(MINUTE + 30 * SECOND, Act::Call { status: Some(403), takes: 200 })
        .at(2 * MINUTE, Act::Call { status: Some(401), takes: 200 })
        // At the moment of the reply to the request that this leads to.
        .at(2 * MINUTE + 200 + ROUND_TRIP, Act::call())
        // So soon that age is not the cause.
        .at(2 * MINUTE + 5 * SECOND, Act::Call { status: Some(401), takes: 200 })
        // Made before a renewal that is due by then, and answered after it.
        .at(10 * MINUTE, Act::Call { status: Some(401), takes: 200 * SECOND })
        .until(25 * MINUTE)
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Renewals => "a login and two hours of renewals",
            Self::Outage => "no request gets through for a while",
            Self::Trouble => "a gateway in trouble",
            Self::Redirected => "a gateway that redirects",
            Self::Refused => "a login that is refused",
            Self::Silence => "replies that come late or never",
            Self::Stopped => "a stop while a request is in flight",
            Self::AnotherUser => "another user logs in",
            Self::Swapped => "two replies in swapped order",
            Self::Burst => "an app that changes its mind",
            Self::Offline => "offline, and back",
            Self::Unauthorized => "an API that answers 401",
            Self::Asleep => "a device that sleeps",
        })
    }
}
