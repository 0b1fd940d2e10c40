//! What may happen in a world, to be counted.

/// What happens in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Nothing but drift within the limits and a network.
    Quiet,
    Skew,
    Fast,
    Slow,
    Sleep,
    Forward,
    SmallBack,
    LargeBack,
    /// The wall clock went back before the request, by any amount.
    BackBefore,
    /// The wall clock goes to and fro within the second that counts as drift.
    Wobble,
    WallDrift,
    Delay,
    Age,
    /// An `Age` that can't be read.
    UnreadableAge,
    NoDate,
    WholeSecond,
    Fraction,
    Jwt,
    UnknownExpiry,
    /// A lifetime is stated.
    Relative,
    /// No `Date`, and a wall clock by which the token lives for too long to be believed.
    WallNotBelieved,
    /// No `Date`, and a wall clock by which the token is long dead.
    TakenForDead,
    /// Judged once more as a token that was adopted.
    Adopted,
    ExpiredOnArrival,
    /// A reading of 2^64 ms before the request, then a normal clock.
    AbsurdMono,
    /// A reading of ±2^63 ms in the token's life, then a normal clock.
    AbsurdWall,
    /// The monotonic clock starts anew in the token's life.
    MonoBack,
    /// The wall clock starts about where the monotonic one does: a device without a battery.
    From1970,
    /// True instants between milliseconds, so that every reading is cut.
    Cut,
}

impl Kind {
    pub(crate) const ALL: [Self; 29] = [
        Self::Quiet,
        Self::Skew,
        Self::Fast,
        Self::Slow,
        Self::Sleep,
        Self::Forward,
        Self::SmallBack,
        Self::LargeBack,
        Self::BackBefore,
        Self::Wobble,
        Self::WallDrift,
        Self::Delay,
        Self::Age,
        Self::UnreadableAge,
        Self::NoDate,
        Self::WholeSecond,
        Self::Fraction,
        Self::Jwt,
        Self::UnknownExpiry,
        Self::Relative,
        Self::WallNotBelieved,
        Self::TakenForDead,
        Self::Adopted,
        Self::ExpiredOnArrival,
        Self::AbsurdMono,
        Self::AbsurdWall,
        Self::MonoBack,
        Self::From1970,
        Self::Cut,
    ];
}
