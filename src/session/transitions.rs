//! The table of all transitions, and the only way to make one.
//!
//! A transition that isn't in the table does not compile, and neither does one from another state than the
//! session's. The test `transitions` gives every state every input, and compares with the table.

use core::fmt;

/// The four states, as values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "trace", derive(serde::Serialize))]
#[repr(u8)]
#[expect(clippy::exhaustive_enums, reason = "the states are four")]
pub enum StateName {
    /// No token, and no request in flight.
    Unauthenticated,
    /// No token in use; a request for one is in flight.
    Authenticating,
    /// A token is in use. A renewal may be in flight.
    Active,
    /// The token has certainly expired, and no request is in flight.
    Expired,
}

/// The kind of an input, as far as it decides which transition follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "trace", derive(serde::Serialize))]
#[repr(u8)]
#[expect(clippy::exhaustive_enums, reason = "as the table")]
pub enum InputName {
    /// Credentials to authenticate with.
    Authenticate,
    /// Credentials to renew the token with, while it is in use.
    Renew,
    /// A token that was obtained elsewhere.
    Adopt,
    /// A reply to the request in flight that grants a token.
    Grant,
    /// A reply to the request in flight that denies one.
    Denial,
    /// The request in flight got no reply.
    Failure,
    /// Time: the token has certainly expired, and no renewal is in flight.
    Lapse,
    /// Time: the token has certainly expired, and a renewal is in flight.
    LapseInFlight,
    /// The end of the login.
    Stop,
}

/// Defines the causes, and for each a type of the same name, by which code names the cause at compile time.
macro_rules! causes {
    ($($(#[$doc:meta])+ $Name:ident,)+) => {
        /// The cause of a transition, and so of the state that a session is in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "trace", derive(serde::Serialize))]
        #[repr(u8)]
        #[expect(clippy::exhaustive_enums, reason = "as the table")]
        pub enum Cause {
            $($(#[$doc])+ $Name,)+
        }

        /// The causes as types.
        pub(super) mod why {
            $(
                pub(in super::super) struct $Name;

                impl super::Why for $Name {
                    const CAUSE: super::Cause = super::Cause::$Name;
                }
            )+
        }
    };
}

/// A cause as a type.
pub(super) trait Why {
    const CAUSE: Cause;
}

causes! {
    /// A request for the first token was made.
    Started,
    /// A token that was obtained elsewhere was taken.
    Adopted,
    /// A reply granted a token.
    Granted,
    /// A reply denied one.
    Denied,
    /// The request got no reply.
    Failed,
    /// A request to renew the token was made.
    RenewalSent,
    /// A reply granted the next token, in place of the one in use until then.
    Renewed,
    /// A reply denied the next token; the current one stays in use.
    RenewalDenied,
    /// The renewal got no reply; the current token stays in use.
    RenewalFailed,
    /// A token that was obtained elsewhere took the place of the one in use until then.
    Replaced,
    /// The token expired.
    Lapsed,
    /// The token expired while its renewal was in flight; the renewal goes on.
    LapsedInFlight,
    /// A request for a new token was made, after the old one had expired.
    Reauthenticated,
    /// The login was ended.
    Stopped,
}

/// One row of the table: in state `from`, `input` leads to state `to`, for the reason `cause`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize))]
pub struct Transition {
    /// The state before.
    pub from: StateName,
    /// The input.
    pub input: InputName,
    /// The state after.
    pub to: StateName,
    /// The cause, as the session reports it.
    pub cause: Cause,
}

const fn row(from: StateName, input: InputName, to: StateName, cause: Cause) -> Transition {
    Transition { from, input, to, cause }
}

/// Every transition there is. A state and an input that are in no row change nothing.
///
/// | in | input | leads to | cause |
/// |---|---|---|---|
/// | Unauthenticated | Authenticate | Authenticating | Started |
/// | Unauthenticated | Adopt | Active | Adopted |
/// | Authenticating | Grant | Active | Granted |
/// | Authenticating | Denial | Unauthenticated | Denied |
/// | Authenticating | Failure | Unauthenticated | Failed |
/// | Authenticating | Stop | Unauthenticated | Stopped |
/// | Active | Renew | Active | RenewalSent |
/// | Active | Grant | Active | Renewed |
/// | Active | Denial | Active | RenewalDenied |
/// | Active | Failure | Active | RenewalFailed |
/// | Active | Adopt | Active | Replaced |
/// | Active | Lapse | Expired | Lapsed |
/// | Active | LapseInFlight | Authenticating | LapsedInFlight |
/// | Active | Stop | Unauthenticated | Stopped |
/// | Expired | Authenticate | Authenticating | Reauthenticated |
/// | Expired | Adopt | Active | Adopted |
/// | Expired | Stop | Unauthenticated | Stopped |
pub const TABLE: &[Transition] = {
    use Cause as C;
    use InputName as I;
    use StateName::{Active, Authenticating, Expired, Unauthenticated};
    &[
        row(Unauthenticated, I::Authenticate, Authenticating, C::Started),
        row(Unauthenticated, I::Adopt, Active, C::Adopted),
        row(Authenticating, I::Grant, Active, C::Granted),
        row(Authenticating, I::Denial, Unauthenticated, C::Denied),
        row(Authenticating, I::Failure, Unauthenticated, C::Failed),
        row(Authenticating, I::Stop, Unauthenticated, C::Stopped),
        row(Active, I::Renew, Active, C::RenewalSent),
        row(Active, I::Grant, Active, C::Renewed),
        row(Active, I::Denial, Active, C::RenewalDenied),
        row(Active, I::Failure, Active, C::RenewalFailed),
        row(Active, I::Adopt, Active, C::Replaced),
        row(Active, I::Lapse, Expired, C::Lapsed),
        row(Active, I::LapseInFlight, Authenticating, C::LapsedInFlight),
        row(Active, I::Stop, Unauthenticated, C::Stopped),
        row(Expired, I::Authenticate, Authenticating, C::Reauthenticated),
        row(Expired, I::Adopt, Active, C::Adopted),
        row(Expired, I::Stop, Unauthenticated, C::Stopped),
    ]
};

mod sealed {
    /// Closes the set of states, each of which is shown as a part of its session.
    pub trait Sealed: core::fmt::Debug {}
}

pub(super) use sealed::Sealed;

/// A state of a [`Session`](super::Session): [`Unauthenticated`](super::Unauthenticated),
/// [`Authenticating`](super::Authenticating), [`Active`](super::Active) or [`Expired`](super::Expired).
/// The set is closed. [`AnySession`](super::AnySession) holds a session in any of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a state of a session",
    note = "the states are `Unauthenticated`, `Authenticating`, `Active` and `Expired`",
    note = "a struct field that holds a session in any state has the type `AnySession`"
)]
pub trait State: Sealed {
    /// The state, as a value.
    const NAME: StateName;
}

/// Returns the row that leads from one state to another. Without such a row, this does not compile.
pub(super) fn between<From: State, Because: Why, To: State>(
    _: &From,
    _: Because,
    _: &To,
) -> Transition {
    const { require(From::NAME, Because::CAUSE, To::NAME) }
}

/// Returns the row that leads from one state to another for a cause. Evaluated while compiling: without such
/// a row, the transition that asks for it doesn't compile.
#[expect(clippy::as_conversions, reason = "constant functions can't compare enums otherwise")]
const fn require(from: StateName, cause: Cause, to: StateName) -> Transition {
    let mut rows = TABLE;
    while let [row, rest @ ..] = rows {
        let same = row.from as u8 == from as u8 && row.to as u8 == to as u8;
        if same && row.cause as u8 == cause as u8 {
            return *row;
        }
        rows = rest;
    }
    #[expect(clippy::panic, reason = "but for its tests, only the compiler evaluates it")]
    {
        panic!("this transition is not in the table")
    }
}

/// Returns the transition by which a session in this state sends a request; `None` where one is in flight.
pub(crate) const fn sending(from: StateName) -> Option<Transition> {
    use StateName::{Active, Authenticating, Expired, Unauthenticated};
    match from {
        Unauthenticated => Some(const { require(Unauthenticated, Cause::Started, Authenticating) }),
        Authenticating => None,
        Active => Some(const { require(Active, Cause::RenewalSent, Active) }),
        Expired => Some(const { require(Expired, Cause::Reauthenticated, Authenticating) }),
    }
}

/// Returns the transition by which a request gets no reply, in a state that has one in flight.
pub(crate) const fn failing(from: StateName) -> Transition {
    use StateName::{Active, Authenticating, Unauthenticated};
    match from {
        Active => const { require(Active, Cause::RenewalFailed, Active) },
        _ => const { require(Authenticating, Cause::Failed, Unauthenticated) },
    }
}

/// The transition by which a login ends while its first request is in flight.
pub(crate) const STOPPED_AUTHENTICATING: Transition =
    require(StateName::Authenticating, Cause::Stopped, StateName::Unauthenticated);

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_by_its_states_and_its_cause() {
        for row in TABLE {
            assert_eq!(require(row.from, row.cause, row.to), *row);
        }
    }

    #[test]
    #[should_panic(expected = "this transition is not in the table")]
    fn what_is_in_no_row_is_no_transition() {
        let _ = require(StateName::Expired, Cause::Renewed, StateName::Active);
    }
}
