//! The session that a trace records: its states, tokens and requests over time.
//!
//! Times are milliseconds since the first call, with those in which a device was asleep: its monotonic
//! clock stood still, and the wall clock went on.

use std::collections::HashMap;

use crate::words::{Outcome, duration};

/// The most that one reading adds to the driver's time, as `videokit_session::time::Clock` has it.
const LEAP: u64 = 1 << 40;

/// How far the clocks may drift apart between two calls before it is drawn, in milliseconds.
const STEP: i64 = 2_000;

#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The wall clock at the first call, in milliseconds since 1970.
    pub(crate) began: Option<i64>,
    /// The time of the last call.
    pub(crate) length: u64,
    /// States, and times `offline` and `asleep`: class, begin and end.
    pub(crate) spans: Vec<(&'static str, [u64; 2])>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) requests: Vec<Request>,
    /// Calls of the app, events, 401s and steps of a clock: time, class and words.
    pub(crate) marks: Vec<(u64, &'static str, String)>,
    /// The name of the token that was granted last.
    pub(crate) granted: String,
    /// The longest `Retry-After` that counts, in milliseconds.
    pub(crate) retry_after_cap: u64,
    /// The indices of the spans that go on: of the state, and of a time offline.
    state: Option<usize>,
    offline: Option<usize>,
    clocks: Option<(u64, i64)>,
    /// The index of each request, by its id.
    index: HashMap<String, usize>,
}

#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) name: String,
    generation: u64,
    pub(crate) from: u64,
    /// When it was replaced or dropped, if it was.
    pub(crate) until: Option<u64>,
    /// When the API refused it.
    pub(crate) refused: Option<u64>,
    /// Until when it is valid for certain, and when it is expired for certain, if that is known.
    pub(crate) valid: u64,
    pub(crate) expired: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) sent: u64,
    /// When its outcome came, or else when it was sent.
    pub(crate) end: u64,
    pub(crate) outcome: Option<Outcome>,
    /// When stale replies came.
    pub(crate) late: Vec<u64>,
}

impl Session {
    /// Advances the time: by the monotonic clock, or by the wall clock where that is ahead.
    pub(crate) fn pass(&mut self, mono: u64, wall: i64) {
        let Some((last_mono, last_wall)) = self.clocks.replace((mono, wall)) else {
            self.began = Some(wall);
            return self.enter("Unauthenticated");
        };
        let passed = mono.saturating_sub(last_mono).min(LEAP);
        self.length = self.length.saturating_add(passed);
        if mono < last_mono {
            self.mark("clock", &format!("monotonic clock back by {}", duration(last_mono - mono)));
        }
        let ahead = wall.saturating_sub(last_wall).saturating_sub_unsigned(passed);
        let by = ahead.unsigned_abs();
        if ahead > STEP {
            self.mark("clock", &format!("asleep, or clock set: {}", duration(by)));
            let from = self.length;
            self.length = from.saturating_add(by);
            self.spans.push(("asleep", [from, self.length]));
        } else if ahead < -STEP {
            self.mark("clock", &format!("clock back by {}", duration(by)));
        }
    }

    pub(crate) fn mark(&mut self, class: &'static str, text: &str) {
        self.marks.push((self.length, class, text.to_owned()));
    }

    pub(crate) fn enter(&mut self, state: &'static str) {
        self.end(self.state);
        self.state = Some(self.spans.len());
        self.spans.push((state, [self.length; 2]));
    }

    pub(crate) fn set_online(&mut self, online: bool) {
        if online == self.offline.is_some() {
            self.end(self.offline);
            self.offline = (!online).then_some(self.spans.len());
            self.spans.extend((!online).then_some(("offline", [self.length; 2])));
            self.mark("app", if online { "online" } else { "offline" });
        }
    }

    fn end(&mut self, span: Option<usize>) {
        if let Some(at) = span {
            self.spans[at].1[1] = self.length;
        }
    }

    pub(crate) fn send(&mut self, id: &str) {
        self.index.insert(id.to_owned(), self.requests.len());
        let now = self.length;
        self.requests.push(Request { sent: now, end: now, ..Request::default() });
    }

    pub(crate) fn complete(&mut self, id: &str, outcome: Outcome) {
        let Some(at) = self.index.get(id).copied() else { return };
        if self.requests[at].outcome.is_none() {
            self.requests[at].end = self.length;
            self.requests[at].outcome = Some(outcome);
        }
    }

    pub(crate) fn reply_late(&mut self, id: &str) {
        match self.index.get(id) {
            Some(at) => self.requests[*at].late.push(self.length),
            None => self.mark("fault", "an unknown request's reply"),
        }
    }

    /// Replaces the outcome of the last request, if it is of a class.
    pub(crate) fn amend(&mut self, class: &str, outcome: Outcome) {
        let last = self.requests.last_mut().and_then(|request| request.outcome.as_mut());
        if let Some(last) = last.filter(|last| last.class == class) {
            *last = outcome;
        }
    }

    /// Notes a 401 of the API.
    pub(crate) fn refuse(&mut self, generation: u64) {
        let mut tokens = self.tokens.iter_mut().rev();
        if let Some(token) = tokens.find(|token| token.generation == generation) {
            token.refused.get_or_insert(self.length);
        }
        self.mark("fault", "401 from the API");
    }

    /// Holds a token that lives for at least and at most so many milliseconds from now.
    pub(crate) fn hold(&mut self, generation: u64, expired: bool, least: i64, most: Option<i64>) {
        let now = self.length;
        if let Some(last) = self.tokens.last_mut().filter(|last| last.generation == generation) {
            // Its validity changed, so it is no longer valid for certain.
            last.valid = last.valid.min(now);
            let latest = if expired { now } else { u64::MAX };
            last.expired = last.expired.map(|expired| expired.min(latest));
            return;
        }
        self.drop_token();
        let end = |in_millis: i64| now.saturating_add_signed(in_millis).max(now);
        let (name, valid, expired) = (self.granted.clone(), end(least), most.map(end));
        let (from, until, refused) = (now, None, None);
        self.tokens.push(Token { name, generation, from, until, refused, valid, expired });
    }

    pub(crate) fn drop_token(&mut self) {
        if let Some(last) = self.tokens.last_mut() {
            last.until.get_or_insert(self.length);
        }
    }

    pub(crate) fn finish(&mut self) {
        self.end(self.state);
        self.end(self.offline);
    }

    /// Reports whether neither a call of the app nor a step of a clock comes between two times.
    pub(crate) fn is_quiet(&self, from: u64, to: u64) -> bool {
        let after = |time: u64| self.marks.partition_point(|(at, ..)| *at <= time);
        let mut between = self.marks[after(from)..after(to)].iter();
        between.all(|(_, class, _)| !matches!(*class, "app" | "clock"))
    }
}

/// How many are drawn one by one, and how many alike are drawn as one.
const SINGLE: usize = 16;
const FEW: usize = 3;

/// Splits a list into runs of what is alike.
pub(crate) fn runs<T>(all: &[T], alike: impl Fn(&T, &T) -> bool) -> Vec<&[T]> {
    if all.len() <= SINGLE {
        return all.chunks(1).collect();
    }
    let few = |run: &[T]| if run.len() < FEW { 1 } else { run.len() };
    all.chunk_by(alike).flat_map(|run| run.chunks(few(run))).collect()
}
