//! Reads the lines of a trace. No other file knows their format.
//!
//! A replay has read the inputs before. What a line says of the driver's answer may be anything, if it was edited.

use serde_json::Value;

use crate::session::Session;
use crate::words::{self, Outcome};

pub(crate) fn read(trace: &str) -> Session {
    let trace = trace.trim_start_matches('\u{feff}');
    let mut lines = trace.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let header = lines.next().unwrap_or_default();
    let mut session = Session::default();
    for line in lines {
        session.pass(number(&line["mono"]), line["wall"].as_i64().unwrap_or(0));
        let (call, value) = variant(&line["in"]);
        match line["out"] == "stale" {
            false => input(call, value, &mut session),
            true if call == "response" => session.reply_late(text(&value["id"])),
            // A stale failure says that no reply came, so it is not a late one.
            true => {}
        }
        output(&line["out"], &mut session);
        let states = ["Unauthenticated", "Authenticating", "Active", "Expired"];
        let state = states.into_iter().filter(|state| line["state"] == **state);
        state.for_each(|state| session.enter(state));
        if let Some(token) = line.get("token") {
            hold(token, &mut session);
        }
    }
    session.retry_after_cap = number(&header["policy"]["retry_after_cap_ms"]);
    session.finish();
    session
}

fn input(name: &str, value: &Value, session: &mut Session) {
    let id = text(&value["id"]);
    match name {
        "start" => start(value, session),
        "set_credentials" => session.mark("app", &format!("set {}", text(&value["name"]))),
        "stop" => session.mark("app", "stop"),
        "online" => session.set_online(value == true),
        "unauthorized" => session.refuse(number(&value["generation"])),
        "response" => {
            let (status, body) = (&value["reply"]["status"], &value["reply"]["body"]);
            if let Some(grant) = body.get("grant") {
                session.granted = token_name(grant);
                let outcome = Outcome::granted(number(status), &session.granted);
                session.complete(id, outcome);
            } else {
                session.complete(id, denied(&body["denial"], status));
            }
        }
        "failure" => session.complete(id, Outcome::failed(text(&value["why"]))),
        _ => {}
    }
}

fn start(start: &Value, session: &mut Session) {
    let identity = |with: &Value| with["identity"].as_str().map(str::to_owned);
    if let Some(grant) = start.get("token") {
        let whose = identity(grant).map_or(String::new(), |who| format!(" of {who}"));
        session.granted = token_name(grant);
        session.mark("app", &format!("adopt {}{whose}", session.granted));
    } else {
        let with = &start["credentials"];
        let who = identity(with).unwrap_or(text(&with["name"]).to_owned());
        session.mark("app", &format!("start {who}"));
    }
}

fn output(out: &Value, session: &mut Session) {
    match variant(out) {
        ("send", send) => session.send(text(&send["id"])),
        ("abandon", id) => session.complete(text(id), Outcome::abandoned()),
        ("event", event) => {
            let (name, about) = variant(event);
            // Beside a transition: why it failed, or the denial.
            let (failed, denial) = (&about[1], &about[1]);
            match name {
                // The driver has abandoned it when it says so.
                "Failed" if failed == "TimedOut" => {
                    session.amend("abandoned", Outcome::failed("TimedOut"));
                }
                // What is granted to another identity, or is expired, the session refuses.
                "Denied" => session.amend("granted", denied(denial, &denial["status"])),
                _ => {}
            }
            let refused = (denial["permanent"] == true).then_some("refused for good");
            let words = refused.or(words::event(name, variant(about).0));
            if let Some(words) = words {
                session.mark("event", words);
            }
        }
        _ => {}
    }
}

fn denied(denial: &Value, status: &Value) -> Outcome {
    let (flaw, _) = variant(&denial["kind"]["Malformed"]);
    Outcome::denied(status.as_u64(), flaw, number(&denial["retry_after_ms"]))
}

fn hold(token: &Value, session: &mut Session) {
    let Some(generation) = token["generation"].as_u64() else { return session.drop_token() };
    let least = token["at_least_ms"].as_i64().unwrap_or(0);
    let expired = token["validity"] == "Expired";
    session.hold(generation, expired, least, token["at_most_ms"].as_i64());
}

/// Returns a token's placeholder: of a JWT, its signature.
fn token_name(grant: &Value) -> String {
    text(&grant["token"]).rsplit('.').next().unwrap_or_default().to_owned()
}

/// Returns the name of an enum's variant, and its value if it has one.
fn variant(value: &Value) -> (&str, &Value) {
    let member = value.as_object().and_then(|members| members.iter().next());
    member.map_or((text(value), value), |(name, value)| (name, value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
