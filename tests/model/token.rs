//! A request and a token, as the shadow keeps them, and the age of the one that comes of the other.

use crate::session::{Generation, RequestId};

use super::early::{Early, Refused, TokenStatus};
use super::fixtures::{Answer, Instant, MOST_BETWEEN_TRIALS, Name, Person, THRESHOLD};

/// A request that was sent, and not yet answered or given up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flight {
    pub(crate) id: RequestId,
    pub(crate) asked: Name,
    pub(crate) sent: u64,
    /// For how long the device had slept until then.
    pub(crate) slept_before: u64,
    /// Whether the device slept meanwhile.
    pub(crate) slept: bool,
}

/// The current token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) generation: Generation,
    pub(crate) of: Option<Person>,
    pub(crate) status: TokenStatus,
    /// When it was asked for, and for how long the device had slept until then.
    pub(crate) sent: (u64, u64),
    /// When its reply came, and for how long the device had slept until then.
    pub(crate) received: (u64, u64),
    /// The age at which it is scheduled to die by what is stated.
    pub(crate) stated: i64,
    pub(crate) told: Told,
}

/// What was told about a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    pub(crate) refused: bool,
    pub(crate) needed: bool,
}

/// Nothing is learned yet.
pub(crate) fn new_early() -> Early {
    let (least, cap) = THRESHOLD;
    Early::new((least.cast_signed(), cap.cast_signed()), MOST_BETWEEN_TRIALS)
}

impl Token {
    /// One that the caller brought.
    pub(crate) fn brought(generation: Generation, of: Option<Person>) -> Self {
        let status = TokenStatus { own: false, after_401: false, refused: Refused::Never };
        Self {
            generation,
            of,
            status,
            sent: (0, 0),
            received: (0, 0),
            stated: 0,
            told: Told::default(),
        }
    }

    /// One that a reply gave to this request.
    pub(crate) fn granted(
        generation: Generation,
        of: Person,
        flight: Flight,
        answer: Answer,
        after_401: bool,
        at: Instant,
    ) -> Self {
        let status = TokenStatus { own: true, after_401, refused: Refused::Never };
        let sent = (flight.sent, flight.slept_before);
        let (received, told) = ((at.mono, at.slept), Told::default());
        Self { generation, of: Some(of), status, sent, received, stated: answer.stated(), told }
    }

    /// How long ago its reply came, sleep included.
    pub(crate) fn age(&self, at: Instant) -> i64 {
        (at.mono - self.received.0 + at.slept - self.received.1).cast_signed()
    }

    /// How long ago it was asked for, sleep included.
    pub(crate) fn since_sent(&self, at: Instant) -> i64 {
        (at.mono - self.sent.0 + at.slept - self.sent.1).cast_signed()
    }
}
