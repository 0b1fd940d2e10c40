//! Everything that can go wrong between an app and the gateway, as values.

use serde::{Deserialize, Serialize};

/// Defines the faults, and one of each kind: a field has its type, and its value in that one.
macro_rules! faults {
    ($(#[$attribute:meta])* $name:ident {
        $($(#[$doc:meta])* $variant:ident $({
            $($(#[$about:meta])* $field:ident: $Type:ty = $value:expr,)*
        })?,)*
    }) => {
        $(#[$attribute])*
        pub enum $name {
            $($(#[$doc])* $variant $({ $($(#[$about])* $field: $Type,)* })?,)*
        }

        impl $name {
            /// One of each kind, for tests that want to see them all.
            pub const KINDS: &'static [Self] = &[$(Self::$variant $({ $($field: $value,)* })?,)*];
        }
    };
}

faults! {
    /// One thing that goes wrong. Each is a plain value: it can be compared, generated, written down in a
    /// [`FaultPlan`](super::FaultPlan), and shrunk.
    ///
    /// Those of the network and of the gateway meet every request that comes while they last; those of the
    /// device, and what the app does, happen once, when they begin.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    #[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
    #[non_exhaustive]
    Fault {
        /// The network: a reply takes this much longer, in milliseconds. Past the time-out, it is late: it
        /// comes after its request was given up, and maybe after the reply to the next one. A
        /// [`Gateway`](super::Gateway) doesn't wait: it hands the delay out, as
        /// [`DelayedResponse::delay`](super::DelayedResponse::delay).
        Slow {
            /// How much longer.
            ms: u32 = 2_000,
        },
        /// The network: requests vanish, and no failure is reported.
        Lost,
        /// The network: the connection breaks before the gateway has seen the request.
        ResetBefore,
        /// The network: the connection breaks after the gateway has processed the request.
        ResetAfter,
        /// The network: a reply comes twice, the second time so many milliseconds later.
        Twice {
            /// How much later.
            ms: u32 = 500,
        },
        /// The gateway: 429.
        Throttled {
            /// `Retry-After`, in seconds; none without.
            retry_after: Option<u32> = Some(30),
            /// Whether it is written as a date.
            as_date: bool = false,
        },
        /// The gateway, or a proxy before it: a 5xx, 407, 408, 421 or 425.
        Unavailable {
            /// The status.
            status: u16 = 503,
            /// `Retry-After`, in seconds; none without.
            retry_after: Option<u32> = None,
        },
        /// The gateway: credentials that are good are refused, with 401.
        Refused,
        /// The gateway: 200 with an `error` that is a string, and no token (wire facts, N).
        ErrorString,
        /// The gateway: 200 with an `error` that is an object, and no token (wire facts, N).
        ErrorObject,
        /// The gateway: the API answers 401 to tokens that are good.
        Distrusted,
        /// The gateway: it grants tokens that expired an hour ago.
        ExpiredToken,
        /// The gateway: it doesn't say when a token expires.
        ExpiryMissing,
        /// The gateway: it says so in a way that can't be read.
        ExpiryUnreadable,
        /// The gateway: its `Date` is off from the clock that `expiresAt` is made with, by so many
        /// milliseconds.
        DateOff {
            /// How far ahead; negative for behind.
            ms: i32 = 500,
        },
        /// The gateway: its replies have no `Date`.
        DateMissing,
        /// The gateway: it grants tokens for somebody else.
        AnotherIdentity,
        /// In between: a captive portal answers everything with its page, and 200.
        Portal,
        /// In between: bodies end in their middle.
        CutOff,
        /// In between: bodies end inside a character of several bytes.
        CutInCharacter,
        /// In between: bodies are larger than anybody reads.
        Oversized,
        /// In between: a redirect to another origin.
        Redirected,
        /// The device: there is no network, and the app knows.
        Offline,
        /// The device: it sleeps. Its monotonic clock stands still, and nothing is delivered.
        Asleep,
        /// The device: its wall clock is set by so many milliseconds.
        WallSet {
            /// How far forward; negative for back.
            ms: i32 = 60_000,
        },
        /// The device: its monotonic clock goes back by so many milliseconds, against its nature.
        MonotonicBack {
            /// How far back.
            ms: u32 = 60_000,
        },
        /// The device: one reading of its clocks is nonsense.
        ClockNonsense,
        /// The gateway: it forgets every token that it made.
        Revoked,
        /// The app: it stops, and starts again when this is over.
        Stopped,
        /// The app: it starts again with what it has started with before.
        StartedAgain,
        /// The app: another user logs in.
        OtherUser,
        /// The app: the same user gets a new secret, and the old one is refused from now on.
        Rotated,
    }
}
