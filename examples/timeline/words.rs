//! Short words for things, and times as people write them.

use serde_json::Value;

/// A token's stand-in: of one that is a JWT, its signature.
pub(crate) fn token(stand_in: &str) -> String {
    stand_in.rsplit('.').next().unwrap_or(stand_in).to_owned()
}

/// The constant for the name of a state.
pub(crate) fn state(name: &str) -> Option<&'static str> {
    let states = ["Unauthenticated", "Authenticating", "Active", "Expired"];
    states.into_iter().find(|state| *state == name)
}

pub(crate) fn failure(why: &str) -> &'static str {
    match why {
        "TimedOut" => "no reply in time",
        "Unreachable" => "unreachable",
        "Interrupted" => "cut off",
        _ => "failed",
    }
}

/// What a denial says besides its status, if it says anything.
pub(crate) fn denial(denial: &Value) -> String {
    let flaw = &denial["kind"]["Malformed"];
    let name = flaw.as_str().or_else(|| {
        let (name, _) = flaw.as_object()?.iter().next()?;
        Some(name.as_str())
    });
    let what = match name {
        Some("Markup") => " a web page",
        Some("WrongIdentity") => " another identity",
        Some("ExpiredOnArrival") => " dead on arrival",
        Some("TooLarge" | "TooDeep") => " too large",
        Some("Status") => " unknown status",
        Some("Custom") => " not understood",
        Some(_) => " not a token's JSON",
        None => "",
    };
    match denial["retry_after_ms"].as_u64() {
        Some(wait) => format!("{what}, wait {}", duration(wait)),
        None => what.to_owned(),
    }
}

/// Why a token was not adopted.
pub(crate) fn adopt_error(error: &Value) -> &'static str {
    match error.as_str() {
        Some("OtherIdentity") => "another identity",
        Some("Expired") => "dead on arrival",
        _ => "not usable",
    }
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A length of time in at most two units.
pub(crate) fn duration(millis: u64) -> String {
    let two = |large: u64, name: &str, small: u64, small_name: &str| {
        let (whole, rest) = (millis / large, millis % large / small);
        if rest == 0 {
            format!("{whole} {name}")
        } else {
            format!("{whole} {name} {rest} {small_name}")
        }
    };
    match millis {
        0..SECOND => format!("{millis} ms"),
        SECOND..10_000 if !millis.is_multiple_of(SECOND) => {
            format!("{}.{} s", millis / SECOND, millis % SECOND / 100)
        }
        SECOND..MINUTE => format!("{} s", millis / SECOND),
        MINUTE..HOUR => two(MINUTE, "min", SECOND, "s"),
        HOUR..DAY => two(HOUR, "h", MINUTE, "min"),
        _ if millis < 1_000 * DAY => two(DAY, "d", HOUR, "h"),
        _ => format!("{} years", millis / (365 * DAY)),
    }
}

/// How a time axis writes its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Millis,
    Seconds,
    Minutes,
    Hours,
    HoursAndSeconds,
    Days,
    DaysAndHours,
}

impl Format {
    /// The format for an axis with ticks at every `step`, as far as `length`.
    pub(crate) fn new(step: u64, length: u64) -> Self {
        match (step, length) {
            (0..SECOND, _) => Self::Millis,
            (_, 0..=120_000) => Self::Seconds,
            (_, ..HOUR) => Self::Minutes,
            (0..MINUTE, _) => Self::HoursAndSeconds,
            (DAY.., _) => Self::Days,
            _ => Self::Hours,
        }
    }

    /// For a time that is no multiple of a tick's step.
    pub(crate) fn finer(self) -> Self {
        match self {
            Self::Seconds => Self::Millis,
            Self::Hours => Self::HoursAndSeconds,
            Self::Days => Self::DaysAndHours,
            other => other,
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Millis | Self::Seconds => "seconds",
            Self::Minutes => "min:s",
            Self::Hours => "h:min",
            Self::HoursAndSeconds => "h:min:s",
            Self::Days | Self::DaysAndHours => "days",
        }
    }

    pub(crate) fn write(self, at: u64) -> String {
        let (hours, minutes, seconds) = (at / HOUR, at / MINUTE % 60, at / SECOND % 60);
        match self {
            Self::Millis => format!("{}.{}", at / SECOND, at % SECOND / 100),
            Self::Seconds => (at / SECOND).to_string(),
            Self::Minutes => format!("{}:{seconds:02}", at / MINUTE),
            Self::Hours => format!("{hours}:{minutes:02}"),
            Self::HoursAndSeconds => format!("{hours}:{minutes:02}:{seconds:02}"),
            Self::Days => (at / DAY).to_string(),
            Self::DaysAndHours => format!("{} d {} h", at / DAY, at % DAY / HOUR),
        }
    }
}

/// The distances that ticks may have.
pub(crate) const STEPS: [u64; 26] = [
    100,
    200,
    500,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    30 * DAY,
    365 * DAY,
    3_650 * DAY,
];

/// A wall clock, in UTC; nothing where no calendar goes.
pub(crate) fn wall(millis: i64) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(millis).ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// So many of them, by their name.
pub(crate) fn count(number: usize, name: &str) -> String {
    if number == 1 { format!("1 {name}") } else { format!("{number} {name}s") }
}
