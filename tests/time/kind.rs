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
    /// The wall clock goes to and fro within the second that counts as drift.
    Wobble,
    WallDrift,
    Delay,
    Age,
    NoDate,
    WholeSecond,
    Fraction,
    Jwt,
    UnknownExpiry,
    /// No `Date`, and a wall clock that can't be right.
    WallNotBelieved,
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
    pub(crate) const ALL: [Self; 24] = [
        Self::Quiet,
        Self::Skew,
        Self::Fast,
        Self::Slow,
        Self::Sleep,
        Self::Forward,
        Self::SmallBack,
        Self::LargeBack,
        Self::Wobble,
        Self::WallDrift,
        Self::Delay,
        Self::Age,
        Self::NoDate,
        Self::WholeSecond,
        Self::Fraction,
        Self::Jwt,
        Self::UnknownExpiry,
        Self::WallNotBelieved,
        Self::ExpiredOnArrival,
        Self::AbsurdMono,
        Self::AbsurdWall,
        Self::MonoBack,
        Self::From1970,
        Self::Cut,
    ];
}
