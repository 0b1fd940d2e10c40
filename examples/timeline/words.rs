//! The words for times, outcomes of requests, and events.

use crate::scale::float;

pub(crate) const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;
pub(crate) const YEAR: u64 = 365 * DAY;

/// Returns a length of time in at most two units.
pub(crate) fn duration(millis: u64) -> String {
    let two = |large: u64, name: &str, small: u64, small_name: &str| match (
        millis / large,
        millis % large / small,
    ) {
        (whole, 0) => format!("{whole} {name}"),
        (whole, rest) => format!("{whole} {name} {rest} {small_name}"),
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
        _ => format!("{} years", millis / YEAR),
    }
}

/// Returns a time on the axis, with each of its units: `9h 30m`.
pub(crate) fn tick(millis: u64) -> String {
    let units = [(millis / YEAR, "y"), (millis % YEAR / DAY, "d"), (millis % DAY / HOUR, "h")];
    let units = units.into_iter().chain([(millis % HOUR / MINUTE, "m")]);
    let units = units.filter(|(count, _)| *count > 0);
    let mut parts: Vec<String> = units.map(|(count, unit)| format!("{count}{unit}")).collect();
    let seconds = float(millis % MINUTE) / 1_000.0;
    parts.extend((seconds > 0.0).then(|| format!("{seconds}s")));
    if parts.is_empty() { "0".to_owned() } else { parts.join(" ") }
}

/// Returns a number of things, by their name.
pub(crate) fn count(number: usize, name: &str) -> String {
    if number == 1 { format!("1 {name}") } else { format!("{number} {name}s") }
}

/// The outcome of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The class it is drawn with: `granted`, `denied`, `failed` or `abandoned`.
    pub(crate) class: &'static str,
    /// The part of the text that repetitions have in common.
    pub(crate) brief: String,
    pub(crate) text: String,
    /// The `Retry-After`, in milliseconds.
    pub(crate) wait: u64,
}

impl Outcome {
    fn new(class: &'static str, brief: &str, text: &str) -> Self {
        Self { class, brief: brief.to_owned(), text: text.to_owned(), wait: 0 }
    }

    pub(crate) fn granted(status: u64, token: &str) -> Self {
        Self::new("granted", &status.to_string(), &format!("{status} {token}"))
    }

    /// `flaw` is the name of what makes the reply malformed.
    pub(crate) fn denied(status: Option<u64>, flaw: &str, wait: u64) -> Self {
        let flaw = match flaw {
            "" => "",
            "Markup" => " a web page",
            "WrongIdentity" => " another identity",
            "ExpiredOnArrival" => " dead on arrival",
            "TooLarge" | "TooDeep" => " too large",
            "Status" => " unknown status",
            "Custom" => " not understood",
            _ => " not a token's JSON",
        };
        let brief = status.map_or(String::new(), |status| status.to_string()) + flaw;
        let asked = if wait > 0 { format!(", wait {}", duration(wait)) } else { String::new() };
        Self { wait, ..Self::new("denied", &brief, &format!("{brief}{asked}")) }
    }

    pub(crate) fn failed(why: &str) -> Self {
        let known = [("TimedOut", "no reply in time"), ("Unreachable", "unreachable")];
        let known = known.into_iter().chain([("Interrupted", "cut off")]);
        let text = known.into_iter().find(|(name, _)| *name == why).map_or("failed", |it| it.1);
        Self::new("failed", "no reply", text)
    }

    pub(crate) fn abandoned() -> Self {
        Self::new("abandoned", "given up", "given up")
    }
}

/// Returns the words for an event, by its name and that of its error; none for a transition.
pub(crate) fn event(name: &str, error: &str) -> Option<&'static str> {
    Some(match (name, error) {
        ("TokenNeeded", _) => "needs another token",
        ("Unauthorized", _) => "401 reported, no renewal",
        ("StillMalformed", _) => "replies stay malformed",
        ("GaveUp", _) => "gave up",
        ("NotAdopted", "Expired") => "not adopted: dead on arrival",
        ("NotAdopted", "OtherIdentity") => "not adopted: another identity",
        ("NotAdopted", _) => "not adopted: not usable",
        ("NotSent", _) => "no request to send",
        ("CredentialsChanged", _) => "next credentials",
        ("CredentialsSpent", _) => "credentials used up",
        _ => return None,
    })
}
