//! Draws the lanes: states, tokens, and what goes between client and server.

use std::collections::BTreeMap;

use crate::page::Picture;
use crate::session::{Request, Token, runs};
use crate::svg::width;
use crate::words::{count, duration};

impl Picture<'_> {
    pub(crate) fn draw_lanes(&mut self) {
        let (em, session) = (self.em, self.session);
        let (band, client, server, axis) = (self.band, self.client, self.server, self.axis);
        let middle = f64::midpoint(client, server);
        let y = |class: &str| match class {
            "asleep" => [band, axis],
            "offline" => [middle - 0.8 * em, middle + 0.8 * em],
            _ => [band, band + 2.4 * em],
        };
        let lanes = [("session", band + 1.2 * em), ("token", band + 3.9 * em), ("client", client)];
        for (name, y) in lanes.into_iter().chain([("server", server), ("time", axis + 1.15 * em)]) {
            self.svg.text("lane", (self.ends[0] - em, y + 0.35 * em), name);
        }
        for y in [client, server] {
            self.svg.line("rail", &self.ends.map(|x| (x, y)));
        }
        // Short spans are drawn over long ones, so that they are seen.
        let mut spans: Vec<_> = session.spans.iter().filter(|(_, [from, to])| from < to).collect();
        spans.sort_by_key(|(class, [from, to])| (*class != "asleep", std::cmp::Reverse(to - from)));
        for (class, span) in &spans {
            self.zone(class, *span, y(class));
        }
        self.waits();
        self.messages();
        self.tokens();
        for (class, span) in spans.into_iter().filter(|(class, _)| *class != "asleep") {
            self.name(class, self.place(*span), y(class));
        }
        if self.scale.end() > session.length {
            let x = self.scale.x(session.length);
            self.svg.line("end", &[(x, band), (x, axis)]);
        }
    }

    fn place(&self, span: [u64; 2]) -> [f64; 2] {
        span.map(|time| self.scale.x(time))
    }

    /// Draws a span of time. Spans narrower than a pixel are drawn once a column.
    fn zone(&mut self, class: &'static str, span: [u64; 2], y: [f64; 2]) {
        let [left, right] = self.place(span);
        if right - left >= 1.0 || self.svg.is_first(class, left) {
            self.svg.rect(class, [left, right.max(left + 2.0)], y);
        }
    }

    /// Writes a name where it has room.
    fn name(&mut self, name: &str, x: [f64; 2], y: [f64; 2]) {
        if width(name, self.em) * 1.1 + 0.6 * self.em < x[1] - x[0] {
            let y = f64::midpoint(y[0], y[1]) + 0.35 * self.em;
            self.svg.text("on-span", (f64::midpoint(x[0], x[1]), y), name);
        }
    }

    fn waits(&mut self) {
        let y = [self.client - 0.9 * self.em, self.client - 0.5 * self.em];
        for Request { end, outcome, .. } in &self.session.requests {
            let asked = outcome.as_ref().map_or(0, |outcome| outcome.wait);
            let counts = asked.min(self.session.retry_after_cap);
            let part = (counts < asked).then(|| format!(", of which {} count", duration(counts)));
            if asked > 0 {
                let title = format!("Retry-After: {}{}", duration(asked), part.unwrap_or_default());
                self.svg.open("retry-after", &title);
                self.zone("wait", [*end, end.saturating_add(counts).min(self.scale.end())], y);
                self.svg.close();
            }
        }
    }

    /// Draws the tokens, every other one in the same row.
    fn tokens(&mut self) {
        let session = self.session;
        let renewed = |it: &Token| it.until.is_some_and(|until| until <= it.valid);
        let all = runs(&session.tokens, |a, b| {
            let joined = a.until == Some(b.from) && session.is_quiet(a.from, b.from);
            joined && renewed(a) && renewed(b)
        });
        for (n, run) in all.iter().enumerate() {
            let limit = all.get(n + 2).map_or(f64::MAX, |next| self.scale.x(next[0].from) - 1.0);
            let (first, last) = (&run[0], &run[run.len() - 1]);
            let (title, name, parts) = if run.len() == 1 {
                (title(first), first.name.clone(), self.parts(first, limit))
            } else {
                let parts = vec![("serves", self.place([first.from, last.until.unwrap_or(0)]))];
                (format!("{} to {}", first.name, last.name), count(run.len(), "token"), parts)
            };
            let top = self.band + self.em * if n.is_multiple_of(2) { 3.2 } else { 4.8 };
            let (y, [left, right]) = ([top, top + 1.4 * self.em], parts[0].1);
            if right - left >= 2.0 || self.svg.is_first(["row-0", "row-1"][n % 2], left / 2.0) {
                self.svg.open("token", &title);
                for (class, x) in &parts {
                    self.svg.rect(class, [x[0], x[1].max(x[0] + 1.5)], y);
                }
                self.svg.close();
            }
            self.name(&name, parts[0].1, y);
        }
    }

    /// Returns the parts of a token's life: in use, and then valid for certain, or perhaps.
    fn parts(&self, token: &Token, limit: f64) -> Vec<(&'static str, [f64; 2])> {
        // What is only assumed is drawn of the current token. What the API refused doesn't live on.
        let until = token.until.unwrap_or(self.session.length);
        let assumed = if token.until.is_none() { until.max(token.valid) } else { until };
        let last = if token.refused.is_some() { until } else { self.scale.end() };
        let expired = token.expired.unwrap_or(assumed).min(last);
        let valid = token.valid.min(expired);
        let parts = [
            ("serves", [token.from, valid.min(until)]),
            ("rest", [until, valid]),
            ("unsure", [valid.max(token.from), expired]),
        ];
        let place = |[from, to]: [u64; 2]| self.place([from, to.max(from)]).map(|x| x.min(limit));
        let parts = parts.map(|(class, span)| (class, place(span))).into_iter();
        parts.filter(|(class, [left, right])| *class == "serves" || right - left > 1.0).collect()
    }

    fn messages(&mut self) {
        let (em, client, server) = (self.em, self.client, self.server);
        for run in self.requests.clone() {
            let [sent, end] = self.place([run[0].sent, run[run.len() - 1].end]);
            self.svg.open("message", &outcome(run).0);
            if let [request] = run {
                self.message(request, [sent, end.max(sent + 0.4 * em)]);
            } else {
                let [top, bottom] = [server + 0.25 * em, server + 0.5 * em];
                let (mut free, mut before) = (0.0, "");
                for request in run {
                    let x = self.scale.x(request.sent);
                    let class = request.outcome.as_ref().map_or("request", |outcome| outcome.class);
                    if (x >= free || class != before) && self.svg.is_first(class, x) {
                        self.svg.line(class, &[(x, client), (x, server)]);
                        (free, before) = (x + 0.25 * em, class);
                    }
                }
                self.svg.line("leader", &[(sent, top), (sent, bottom), (end, bottom), (end, top)]);
            }
            for at in run.iter().flat_map(|request| &request.late) {
                let x = self.scale.x(*at);
                if self.svg.is_first("late", x) {
                    self.arrow("late", (x - 0.5 * em, server), (x, client));
                }
            }
            self.svg.close();
        }
    }

    /// Draws a request: down to the server, and back.
    fn message(&mut self, request: &Request, [sent, end]: [f64; 2]) {
        let (client, server, middle) = (self.client, self.server, f64::midpoint(sent, end));
        match request.outcome.as_ref().map(|outcome| outcome.class) {
            Some(class @ ("failed" | "abandoned")) => {
                let lost = client + (server - client) * 0.84;
                self.svg.line(class, &[(sent, client), (middle, lost), (end, client)]);
            }
            reply => {
                self.arrow("request", (sent, client), (middle, server));
                if let Some(class) = reply {
                    self.arrow(class, (middle, server), (end, client));
                }
            }
        }
    }

    fn arrow(&mut self, class: &'static str, from: (f64, f64), to: (f64, f64)) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let size = 0.6 * self.em / dx.hypot(dy).max(1.0);
        let (dx, dy) = (dx * size, dy * size);
        let wing = |side: f64| (to.0 - dx - side * dy, to.1 - dy + side * dx);
        self.svg.line(class, &[from, to, wing(0.45), to, wing(-0.45)]);
    }
}

/// Returns the outcome of a request, or the outcomes of a run of them, in words, and the class.
pub(crate) fn outcome(run: &[Request]) -> (String, &'static str) {
    let outcomes: Vec<_> = run.iter().filter_map(|request| request.outcome.as_ref()).collect();
    let class = outcomes.first().map_or("event", |first| first.class);
    if let [one] = outcomes[..] {
        return (one.text.clone(), class);
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(&outcome.brief).or_default() += 1;
    }
    let texts = counts.iter().map(|(brief, count)| format!("{count} \u{d7} {brief}"));
    let class = if counts.len() > 1 { "event" } else { class };
    (texts.collect::<Vec<_>>().join(", "), class)
}

fn title(token: &Token) -> String {
    let life = |end: u64| duration(end.saturating_sub(token.from));
    let most =
        token.expired.map_or(", which is assumed".to_owned(), |at| format!(" to {}", life(at)));
    let refused = token.refused.map(|at| format!("; refused by the API after {}", life(at)));
    let refused = refused.unwrap_or_default();
    format!("{}: lives for {}{most}{refused}", token.name, life(token.valid))
}
