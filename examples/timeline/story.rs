//! What there is to draw. Times are milliseconds since the first line of the trace.

/// A traced session.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// The wall clock at the beginning, in milliseconds since 1970, if there is any line.
    pub(crate) began: Option<i64>,
    /// The time of the last line.
    pub(crate) length: u64,
    pub(crate) states: Vec<Span>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) requests: Vec<Request>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) offline: Vec<(u64, u64)>,
    pub(crate) waits: Vec<Wait>,
}

/// A time in one state.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) state: &'static str,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// One token, and how long it lived.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) name: String,
    pub(crate) generation: u64,
    pub(crate) from: u64,
    /// When it was replaced, expired or dropped, or the trace ended.
    pub(crate) until: u64,
    /// Whether it was still held when the trace ended.
    pub(crate) held: bool,
    /// When the API refused it.
    pub(crate) refused: Option<u64>,
    /// Until when it certainly lives.
    pub(crate) sure: u64,
    /// From when on it is certainly dead, if that is known.
    pub(crate) dead: Option<u64>,
}

/// One request for a token.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) sent: u64,
    pub(crate) credentials: String,
    pub(crate) endpoint: String,
    pub(crate) end: Option<End>,
    /// When replies came that nobody waited for any more.
    pub(crate) late: Vec<u64>,
}

/// A server asked to wait.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) from: u64,
    /// For how long, in milliseconds.
    pub(crate) asked: u64,
    /// How much of that counts.
    pub(crate) counts: u64,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) at: u64,
    pub(crate) fate: Fate,
    /// In a few words.
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Granted,
    Denied,
    Failed,
    Abandoned,
}

/// Something that happened, with words to it.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) at: u64,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What the app asked for.
    App,
    /// What the driver says.
    Event,
    /// What went wrong.
    Fault,
    /// What the clocks did.
    Clock,
}
