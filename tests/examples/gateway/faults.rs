//! Each fault that a server can have, as a client meets it; by hand and by a plan.

use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use http::header::{DATE, LOCATION, ORIGIN, RETRY_AFTER};
use http::{Request, Response};
use serde_json::Value;
use videokit_session::sim::{Fault, FaultPlan, Incident};

use super::program::example::faults as buttons;
use super::{
    API_TOKEN, Options, Program, ask, call, gateway, get, send, send_within, set, token, until,
};

type Outcome = Result<Response<String>, ureq::Error>;

/// Less than a slow reply takes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the outcome of a request for a token is that of a fault.
fn is_met(fault: &str, outcome: &Outcome) -> bool {
    match (fault, outcome) {
        ("slow" | "lost", Err(error)) => matches!(error, ureq::Error::Timeout(_)),
        ("reset_before" | "reset_after", Err(ureq::Error::Io(error))) => {
            error.kind() == ErrorKind::ConnectionReset
        }
        (_, Ok(reply)) => is_met_by_reply(fault, reply),
        _ => false,
    }
}

fn is_met_by_reply(fault: &str, reply: &Response<String>) -> bool {
    let (status, body) = (reply.status().as_u16(), reply.body().as_str());
    let header = |name| reply.headers().get(name).and_then(|value| value.to_str().ok());
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let [error, token, identity, expires_at] =
        ["error", "sessionToken", "identity", "expiresAt"].map(|name| &json[name]);
    match fault {
        "throttled" => status == 429 && header(RETRY_AFTER) == Some("30"),
        "unavailable" => status == 503,
        "refused" => status == 401,
        "error_string" => status == 200 && error.is_string(),
        "error_object" => status == 200 && error.is_object(),
        "expired_token" => {
            let expires_at = expires_at.as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
            expires_at.is_some_and(|at| at < jiff::Timestamp::now())
        }
        "expiry_missing" => token.is_string() && expires_at.is_null(),
        "expiry_unreadable" => expires_at == "next Tuesday",
        "another_identity" => identity == "user-17-else",
        "date_off" => {
            let date = header(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
            date.is_some_and(|date| date > SystemTime::now() + Duration::from_secs(3_000))
        }
        "date_missing" => status == 200 && header(DATE).is_none(),
        "portal" => status == 200 && body.starts_with("<!doctype html>"),
        "cut_off" => status == 200 && body.starts_with('{') && !body.ends_with('}'),
        "cut_in_character" => body.ends_with('\u{fffd}'),
        "oversized" => body.len() > 64 * 1_024,
        "redirected" => status == 307 && header(LOCATION).is_some(),
        _ => false,
    }
}

#[test]
fn each_button_puts_the_gateway_under_its_fault_until_it_is_released() {
    let program = gateway();
    for button in buttons::BUTTONS {
        let name = buttons::name(button.fault);
        let live = token(&program);
        let is_under = |expected| match &*name {
            "distrusted" => send(call(&program, &live)).unwrap().status() == 401,
            "slow" | "lost" if expected => {
                is_met(&name, &send_within(ask(&program, API_TOKEN, "user-17"), PATIENCE))
            }
            name => is_met(name, &send(ask(&program, API_TOKEN, "user-17"))),
        };
        assert!(!is_under(false), "{name}, before it is set");
        set(&program, &name, true);
        assert!(is_under(true), "{name}, while it is set");
        set(&program, &name, false);
        assert!(!is_under(false), "{name}, after it is released");
    }
}

#[test]
fn a_reset_after_processing_is_one_that_the_gateway_has_processed() {
    for (fault, granted) in [("reset_before", 0), ("reset_after", 1), ("lost", 0)] {
        let program = gateway();
        set(&program, fault, true);
        assert!(send_within(ask(&program, API_TOKEN, "user-17"), PATIENCE).is_err());
        set(&program, fault, false);
        assert_eq!(super::page::snapshot(&program)["counts"]["granted"], granted, "{fault}");
    }
}

#[test]
fn a_slow_reply_is_the_right_one() {
    let program = gateway();
    set(&program, "slow", true);
    let reply = send(get(&program, "/")).unwrap();
    assert_eq!(reply.body(), "Session Service");
}

#[test]
fn revoking_ends_every_token() {
    let program = gateway();
    let token = token(&program);
    assert_eq!(send(call(&program, &token)).unwrap().status(), 200);
    let request = Request::post(format!("{}/revoke", program.page)).header(ORIGIN, &program.page);
    assert_eq!(send(request.body(()).unwrap()).unwrap().status(), 204);
    assert_eq!(send(call(&program, &token)).unwrap().status(), 401);
}

#[test]
fn every_kind_of_fault_has_a_button_or_belongs_to_the_client() {
    let rest: Vec<_> = Fault::KINDS
        .iter()
        .filter(|fault| !buttons::is_of_the_server(**fault))
        .map(|fault| buttons::name(*fault))
        .collect();
    let of_the_client = [
        "twice",
        "offline",
        "asleep",
        "wall_set",
        "monotonic_back",
        "clock_nonsense",
        "stopped",
        "started_again",
        "other_user",
        "rotated",
    ];
    assert_eq!(rest, of_the_client);
}

const UNAVAILABLE: Fault = Fault::Unavailable { status: 503, retry_after: None };

#[test]
fn a_fault_is_called_what_its_button_says_or_what_its_plan_says() {
    for (fault, expected) in [
        (Fault::Slow { ms: 3_000 }, "Slow: 3 s"),
        (Fault::Slow { ms: 40 }, "slow (ms 40)"),
        (
            Fault::Throttled { retry_after: None, as_date: true },
            "throttled (retry after null, as date true)",
        ),
    ] {
        assert_eq!(buttons::label(fault), expected);
    }
}

fn planned(incidents: &[(u64, u64, Fault)]) -> Program {
    let incidents =
        incidents.iter().map(|&(at_ms, lasts_ms, fault)| Incident { at_ms, lasts_ms, fault });
    let plan = FaultPlan::new(incidents).unwrap();
    Program::start(Options { plan, ..Options::default() })
}

fn status(program: &Program) -> u16 {
    send(ask(program, API_TOKEN, "user-17")).unwrap().status().as_u16()
}

#[test]
fn a_fault_of_a_plan_is_met() {
    let program = planned(&[(0, 86_400_000, UNAVAILABLE)]);
    until("the plan begins", || status(&program) == 503);
    assert_eq!(status(&program), 503);
}

#[test]
fn a_plan_begins_and_ends_its_faults_in_its_order() {
    let program = planned(&[
        (200, 200, Fault::Portal),
        (0, 200, UNAVAILABLE),
        (100, 200, UNAVAILABLE),
        (0, 0, Fault::Refused),
        (0, 400, Fault::Offline),
    ]);
    let mut ended = Vec::new();
    until("the plan is over", || {
        let snapshot = super::page::snapshot(&program);
        ended = snapshot["entries"].as_array().unwrap().clone();
        ended.len() == 3
    });
    let expected = [("unavailable", 0, 200), ("unavailable", 100, 300), ("portal", 200, 400)];
    for (entry, (name, since, at)) in ended.iter().zip(expected) {
        assert_eq!(entry["name"], name);
        assert!(entry["since_ms"].as_u64() >= Some(since) && entry["at_ms"].as_u64() >= Some(at));
    }
    assert_eq!(status(&program), 200);
}

#[test]
fn a_plan_revokes_tokens() {
    let often = (1..60).map(|n| (n * 500, 0, Fault::Revoked));
    let program = planned(&often.collect::<Vec<_>>());
    let token = token(&program);
    until("the tokens are revoked", || send(call(&program, &token)).unwrap().status() == 401);
    assert_eq!(status(&program), 200);
}

#[test]
fn a_fault_set_by_hand_outlasts_the_same_one_of_a_plan() {
    let program = planned(&[(0, 1_000, UNAVAILABLE)]);
    set(&program, "unavailable", true);
    set(&program, "unavailable", true);
    until("the plan is over", || {
        let entries = super::page::snapshot(&program)["entries"].clone();
        entries.as_array().unwrap().iter().any(|entry| entry["by"] == "plan")
    });
    assert_eq!(status(&program), 503);
    set(&program, "unavailable", false);
    assert_eq!(status(&program), 200);
}
