//! Makes a story of a trace's lines. They were read once already, so all that is in them is in its place.

use std::collections::HashMap;

use serde_json::Value;

use crate::story::{End, Fate, Kind, Mark, Request, Span, Story, Token, Wait};
use crate::words;

/// The most that one reading may add to the driver's time, as `videokit_session::time::Clock` has it.
const LEAP: u64 = 1 << 40;

/// How far the clocks may drift apart between two lines before it is worth a mark, in milliseconds.
const STEP: i64 = 2_000;

pub(crate) fn tell(trace: &str) -> Story {
    // Every line was read as JSON before, unless it is a blank one at the end.
    let mut lines = trace.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let header = lines.next().unwrap_or_default();
    let longest_wait = number(&header["policy"]["retry_after_cap_ms"]);
    let mut teller = Teller { longest_wait, ..Teller::default() };
    for line in lines {
        teller.line(&line);
    }
    teller.end()
}

#[derive(Default)]
struct Teller {
    story: Story,
    /// As much of a `Retry-After` as the policy lets count.
    longest_wait: u64,
    now: u64,
    last: Option<(u64, i64)>,
    /// The call whose answer is on the next line.
    call: Value,
    /// The stand-in of the token that will be held next.
    next_token: String,
    offline_since: Option<u64>,
    identity: Option<String>,
    /// Where the request of an id is among the story's.
    requests: HashMap<String, usize>,
    /// The request that was answered last.
    answered: Option<usize>,
}

impl Teller {
    fn line(&mut self, line: &Value) {
        self.pass(number(&line["mono"]), line["wall"].as_i64().unwrap_or(0));
        if let Some(call) = line.get("in") {
            self.call(call);
        } else {
            let call = self.call.take();
            self.answer(&call, &line["out"]);
        }
        if let Some(state) = line["state"].as_str().and_then(words::state) {
            self.enter(state);
        }
        if let Some(token) = line.get("token") {
            self.hold(token);
        }
    }

    /// Time passes as the driver counts it.
    fn pass(&mut self, mono: u64, wall: i64) {
        let Some((last_mono, last_wall)) = self.last.replace((mono, wall)) else {
            self.story.began = Some(wall);
            self.enter("Unauthenticated");
            return;
        };
        let passed = mono.saturating_sub(last_mono).min(LEAP);
        self.now = self.now.saturating_add(passed);
        let ahead = wall.saturating_sub(last_wall).saturating_sub_unsigned(passed);
        if mono < last_mono {
            let back = words::duration(last_mono - mono);
            self.mark(Kind::Clock, format!("monotonic clock back by {back}"));
        }
        if ahead > STEP {
            let by = words::duration(ahead.unsigned_abs());
            self.mark(Kind::Clock, format!("sleep, or clock forward: {by}"));
        } else if ahead < -STEP {
            let by = words::duration(ahead.unsigned_abs());
            self.mark(Kind::Clock, format!("clock back by {by}"));
        }
    }

    fn mark(&mut self, kind: Kind, text: impl Into<String>) {
        self.story.marks.push(Mark { at: self.now, kind, text: text.into() });
    }

    fn call(&mut self, call: &Value) {
        if let Some(credentials) = call["start"].get("credentials") {
            self.log_in(credentials);
        } else if let Some(grant) = call["start"].get("token") {
            self.next_token = words::token(text(&grant["token"]));
            let whose =
                grant["identity"].as_str().map_or(String::new(), |who| format!(" of {who}"));
            self.mark(Kind::App, format!("adopt {}{whose}", self.next_token));
        } else if let Some(credentials) = call.get("set_credentials") {
            self.set_credentials(credentials);
        } else if call == "stop" {
            self.mark(Kind::App, "stop");
        } else if let Some(online) = call["online"].as_bool() {
            self.network(online);
        } else if let Some(generation) = call["unauthorized"]["generation"].as_u64() {
            self.refuse(generation);
        }
        self.call = call.clone();
    }

    /// The API refused a token. That serves until there is another one, if it is the latest.
    fn refuse(&mut self, generation: u64) {
        let now = self.now;
        let mut tokens = self.story.tokens.iter_mut().rev();
        if let Some(token) = tokens.find(|token| token.generation == generation) {
            token.refused.get_or_insert(now);
        }
        self.mark(Kind::Fault, "401 from the API");
    }

    fn log_in(&mut self, credentials: &Value) {
        let who = credentials["identity"].as_str().map(str::to_owned);
        let named = who.clone().unwrap_or_else(|| text(&credentials["name"]).to_owned());
        let again = who.is_some() && who == self.identity;
        let text = if again { format!("start {named} again") } else { format!("start {named}") };
        self.identity = who;
        self.mark(Kind::App, text);
    }

    fn set_credentials(&mut self, credentials: &Value) {
        if let Some(who) = credentials["identity"].as_str() {
            self.identity = Some(who.to_owned());
        }
        self.mark(Kind::App, format!("set {}", text(&credentials["name"])));
    }

    fn network(&mut self, online: bool) {
        match (online, self.offline_since) {
            (false, None) => {
                self.offline_since = Some(self.now);
                self.mark(Kind::App, "offline");
            }
            (true, Some(since)) => {
                self.offline_since = None;
                self.story.offline.push((since, self.now));
                self.mark(Kind::App, "online");
            }
            _ => {}
        }
    }

    fn answer(&mut self, call: &Value, answer: &Value) {
        let stale = answer == "stale";
        if let Some(response) = call.get("response") {
            if stale {
                self.late(text(&response["id"]));
            } else {
                self.reply(text(&response["id"]), &response["reply"]);
            }
        } else if let Some(failure) = call.get("failure").filter(|_| !stale) {
            let why = words::failure(text(&failure["why"]));
            self.finish(text(&failure["id"]), Fate::Failed, why.to_owned());
        } else if let Some(send) = answer.get("send") {
            self.send(send);
        } else if let Some(abandon) = answer.get("abandon") {
            self.finish(text(&abandon["id"]), Fate::Abandoned, "given up".to_owned());
        } else if let Some(event) = answer.get("event") {
            self.event(event);
        }
    }

    fn send(&mut self, send: &Value) {
        let id = text(&send["id"]);
        self.requests.insert(id.to_owned(), self.story.requests.len());
        self.story.requests.push(Request {
            id: id.to_owned(),
            sent: self.now,
            credentials: text(&send["credentials"]).to_owned(),
            endpoint: text(&send["endpoint"]).to_owned(),
            end: None,
            late: Vec::new(),
        });
    }

    fn event(&mut self, event: &Value) {
        if let Some(denied) = event.get("Denied") {
            self.denied(&denied["denial"]);
        }
        if event["Failed"]["why"] == "TimedOut" {
            // What was given up just before this was given up for it.
            let last = self.story.requests.last_mut().and_then(|request| request.end.as_mut());
            if let Some(end) = last.filter(|end| end.fate == Fate::Abandoned) {
                end.fate = Fate::Failed;
                words::failure("TimedOut").clone_into(&mut end.text);
            }
        } else if event.get("Denied").is_some_and(|denied| denied["denial"]["permanent"] == true) {
            self.mark(Kind::Event, "refused for good");
        } else if event.get("TokenNeeded").is_some() {
            self.mark(Kind::Event, "needs another token");
        } else if event.get("Unauthorized").is_some() {
            self.mark(Kind::Event, "not renewed for that");
        } else if event.get("StillMalformed").is_some() {
            self.mark(Kind::Event, "replies stay malformed");
        } else if event == "GaveUp" {
            self.mark(Kind::Event, "gave up");
        } else if let Some(refused) = event.get("NotAdopted") {
            let why = words::adopt_error(&refused["error"]);
            self.mark(Kind::Event, format!("not adopted: {why}"));
        } else if event.get("NotSent").is_some() {
            self.mark(Kind::Event, "no request to send");
        } else if event == "CredentialsChanged" {
            self.mark(Kind::Event, "next credentials");
        } else if event == "CredentialsSpent" {
            self.mark(Kind::Event, "credentials used up");
        }
    }

    fn reply(&mut self, id: &str, reply: &Value) {
        let status = number(&reply["status"]);
        if let Some(grant) = reply["means"].get("grant") {
            self.next_token = words::token(text(&grant["token"]));
            let text = format!("{status} {}", self.next_token);
            self.finish(id, Fate::Granted, text);
            return;
        }
        let denial = &reply["means"]["denial"];
        self.finish(id, Fate::Denied, format!("{status}{}", words::denial(denial)));
        self.wait(self.now, denial);
    }

    /// What the exchange took for a grant, the session may refuse: for another identity, or expired.
    fn denied(&mut self, denial: &Value) {
        let request = self.answered.and_then(|at| self.story.requests.get_mut(at));
        let end = request.and_then(|request| request.end.as_mut());
        if let Some(end) = end.filter(|end| end.fate == Fate::Granted) {
            end.fate = Fate::Denied;
            let status = denial["status"].as_u64().map_or(String::new(), |it| it.to_string());
            end.text = format!("{status}{}", words::denial(denial));
            let at = end.at;
            self.wait(at, denial);
        }
    }

    fn wait(&mut self, from: u64, denial: &Value) {
        if let Some(asked) = denial["retry_after_ms"].as_u64().filter(|asked| *asked > 0) {
            let counts = asked.min(self.longest_wait);
            self.story.waits.push(Wait { from, asked, counts });
        }
    }

    fn finish(&mut self, id: &str, fate: Fate, text: String) {
        let end = End { at: self.now, fate, text };
        let Some(at) = self.requests.get(id).copied() else { return };
        if let Some(request) = self.story.requests.get_mut(at).filter(|it| it.end.is_none()) {
            request.end = Some(end);
            self.answered = Some(at);
        }
    }

    fn late(&mut self, id: &str) {
        match self.requests.get(id) {
            Some(at) => self.story.requests[*at].late.push(self.now),
            None => self.mark(Kind::Fault, "a stranger's reply"),
        }
    }

    fn enter(&mut self, state: &'static str) {
        self.leave();
        self.story.states.push(Span { state, from: self.now, to: self.now });
    }

    fn leave(&mut self) {
        if let Some(last) = self.story.states.last_mut() {
            last.to = self.now;
        }
    }

    fn hold(&mut self, token: &Value) {
        let now = self.now;
        let Some(held) = token.get("held") else { return self.drop_token() };
        let generation = number(&held["generation"]);
        let last = self.story.tokens.last_mut();
        if let Some(last) = last.filter(|last| last.generation == generation) {
            // It is judged otherwise than before: its certain life is over, if it wasn't.
            last.sure = last.sure.min(now);
            if held["validity"] == "Expired" {
                last.dead = last.dead.map(|dead| dead.min(now));
            }
            return;
        }
        // What was granted, and is not a token that lives, made a denial of its reply.
        self.drop_token();
        let ends = |at: &Value| now.saturating_add_signed(at.as_i64().unwrap_or(0)).max(now);
        self.story.tokens.push(Token {
            name: self.next_token.clone(),
            generation,
            from: now,
            until: u64::MAX,
            held: false,
            refused: None,
            sure: ends(&held["lo_ms"]),
            dead: held.get("hi_ms").map(ends),
        });
    }

    fn drop_token(&mut self) {
        if let Some(last) = self.story.tokens.last_mut() {
            last.until = last.until.min(self.now);
        }
    }

    fn end(mut self) -> Story {
        self.leave();
        if let Some(last) = self.story.tokens.last_mut() {
            last.held = last.until == u64::MAX;
        }
        self.drop_token();
        if let Some(since) = self.offline_since {
            self.story.offline.push((since, self.now));
        }
        self.story.length = self.now;
        self.story
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
