//! Sessions with everything that happens to one: each plays again exactly.

use std::time::Duration;

use http::header::{AGE, RETRY_AFTER};
use videokit_session::driver::Drive;
use videokit_session::session::transitions::StateName;
use videokit_session::trace::replay;
use videokit_session::{Credentials, Grant, Moment, TransportFailure};

use crate::oauth::{self, RefreshToken};
use crate::stage::{
    SECRET, Stage, aged, app, backend, dated, denying, granting, jwt, own, portal, redirect, reply,
    timestamp, token, user, with,
};

/// A login, its renewals, and what goes wrong with them.
pub(crate) fn renewals() -> Stage {
    let mut stage = Stage::new(1);
    stage.start(app("anna", 1));
    for reply in [redirect(), reply(200, ""), portal()] {
        stage.answer(&reply);
    }
    let grant = stage.granting("anna", 600);
    stage.answer(&grant);
    let grant = stage.granting("anna", 600);
    stage.answer(&aged(grant, 30));
    stage.answer(&denying(429, Some(20)));
    stage.answer(&denying(503, None));
    stage.answer(&portal());
    stage.fail(TransportFailure::Unreachable);
    stage.online(false);
    stage.pass(5_000);
    stage.online(true);
    stage.until_asked();
    // Nobody answers: the deadline passes, and the request is given up.
    stage.pass(16_000);
    let dead =
        granting(&format!("{SECRET}-dead"), "anna", r#","expiresAt":"2020-01-01T00:00:00Z""#);
    let dead = dated(stage.now, dead);
    stage.answer(&with(dead, RETRY_AFTER, "3"));
    let grant = stage.granting("anna", 900);
    stage.answer(&grant);
    stage
}

/// 401s, other users, new secrets, late replies.
pub(crate) fn logins() -> Stage {
    let mut stage = Stage::new(2);
    stage.start(app("anna", 1));
    let grant = stage.granting("anna", 600);
    stage.answer(&grant);
    stage.unauthorized();
    let grant = stage.granting("anna", 600);
    stage.answer(&grant);
    stage.unauthorized();
    stage.pass(1_000);
    stage.start(app("anna", 1));
    stage.start(app("anna", 2));
    stage.pass(60_000);
    stage.answer(&denying(401, None));
    // The refused secret again, and then a good one.
    stage.start(app("anna", 2));
    stage.start(app("anna", 3));
    stage.until_asked();
    let late = stage.latest();
    stage.start(app("bert", 1));
    let grant = stage.granting("anna", 600);
    assert!(stage.answer_to(late, &grant).is_stale());
    let grant = stage.granting("anna", 600);
    stage.answer(&grant); // for somebody else
    let grant = stage.granting("bert", 600);
    stage.answer(&grant);
    stage.start(Credentials::backend(backend(1)));
    let grant = stage.granting("who", 600);
    stage.answer(&grant);
    stage.start(Credentials::backend(backend(1)));
    stage.start(Credentials::backend(backend(2).identity(user("who"))));
    stage.stop();
    let late = stage.latest();
    let _ = stage.answer_to(late, &portal());
    stage.stop();
    stage
}

/// Tokens that come by other ways.
pub(crate) fn tokens() -> Stage {
    let mut stage = Stage::new(3);
    let of_anna = |name: &str| Grant::new(token(name)).with_identity(user("anna"));
    stage.start(token("bare"));
    stage.start(token("bare"));
    stage.start(Grant::new(token("bare")).with_expires_at("tomorrow"));
    let odd = timestamp(stage.now.wall_millis() + 900_000).replace('Z', "+00:00");
    stage.start(of_anna("one").with_expires_at(timestamp(stage.now.wall_millis() + 900_000)));
    stage.start(of_anna("one").with_expires_at(odd));
    stage.start(of_anna("two").with_expires_at(timestamp(stage.now.wall_millis() + 5_000)));
    stage.start(of_anna("three").with_lifetime(Duration::from_secs(90)));
    stage.start(of_anna(&jwt(60)));
    stage.pass(50_000);
    stage.start(app("anna", 1)); // takes over
    let grant = stage.granting("anna", 30);
    stage.answer(&grant);
    stage.stop();
    let dead = videokit_session::SessionToken::new(jwt(-60)).unwrap();
    stage.start(dead);
    stage.start(Credentials::backend(backend(1)));
    let body = granting(&jwt(300), "anna", &format!(r#","scopes":["videos.read","{SECRET}.x"]"#));
    stage.answer(&reply(201, body));
    stage.answer(&reply(200, granting(&jwt(300), "anna", "")));
    stage.pass(3_600_000);
    stage
}

/// Exchanges of somebody's own, and clocks that lie.
pub(crate) fn oddities() -> Stage {
    let mut stage = Stage::new(4);
    stage.start(own("", "nothing to ask with"));
    stage.start(own("http://insecure.example/token", ""));
    stage.start(own("ftp://nowhere.example/token", ""));
    stage.start(own("https://own.example/token", "because"));
    stage.answer(&reply(200, "not a token"));
    stage.start(own("https://own.example/token", "word-1"));
    stage.answer(&reply(200, "not a token"));
    let again = own("https://own.example/token", "again");
    stage.start(again.clone());
    stage.answer(&with(reply(200, format!("{SECRET}-own")), AGE, SECRET));
    stage.start(again);
    for (mono, wall) in [
        (u64::MAX, i64::MAX),
        (0, i64::MIN),
        (7_000, 0),
        (7_000, 3_600_000),
        (7_100, 3_600_100),
        (u64::MAX, 3_600_100),
    ] {
        stage.now = Moment::from_millis(mono, wall);
        stage.poll_until_idle();
    }
    stage
}

/// Credentials that change with each token, or in another way.
pub(crate) fn rotations() -> Stage {
    let mut stage = Stage::new(5);
    let refresh =
        |number: u32| RefreshToken::new(format!("{SECRET}-refresh-{number}")).credentials();
    let first = refresh(1);
    stage.start(first.clone());
    for number in 2..5 {
        let next = format!(r#","refresh_token":"{SECRET}-refresh-{number}""#);
        let body = oauth::granting(&format!("{SECRET}-access-{number}"), 600, &next);
        stage.answer(&reply(200, body));
    }
    stage.start(first);
    stage.fail(TransportFailure::TimedOut);
    stage.set_credentials(refresh(9));
    stage.answer(&reply(200, oauth::granting(&format!("{SECRET}-access-9"), 600, "")));
    stage.until_asked();
    stage.set_credentials(app("anna", 1));
    stage.stop();
    stage.set_credentials(app("anna", 1));
    let grant = stage.granting("anna", 600);
    stage.answer(&grant);
    // No request was made for a token that is adopted, so its successor is ignored.
    stage.start(Grant::new(token("adopted")).with_successor(app("anna", 2)));
    stage
}

pub(crate) fn all() -> [Stage; 5] {
    [renewals(), logins(), tokens(), oddities(), rotations()]
}

#[test]
fn every_kind_of_session_plays_again_exactly() {
    for (n, mut stage) in all().into_iter().enumerate() {
        let trace = stage.trace();
        let replayed = replay(&trace).unwrap_or_else(|error| panic!("session {n}: {error}"));
        assert_eq!(replayed.difference(), None, "session {n}");
        assert!(!stage.driver.is_full());
        assert!(replayed.calls() > 30);
        assert_eq!(replayed.calls(), trace.lines().count() - 1);
        let (played, driver) = (replayed.into_driver(), stage.driver.into_driver());
        assert_eq!(played.state(), driver.state(), "session {n}");
        assert_eq!(played.counters(), driver.counters(), "session {n}");
        assert_eq!(played.epoch(), driver.epoch(), "session {n}");
        assert_eq!(played.remaining(stage.now), driver.remaining(stage.now), "session {n}");
    }
}

/// What has to be in their traces.
const WANTED: &[&str] = &[
    // Calls.
    r#""in":{"start":{"credentials":"#,
    r#""in":{"start":{"token":"#,
    r#""in":{"set_credentials":{"name":"credentials-"#,
    r#""in":"poll""#,
    r#""in":{"response":{"id":"#,
    r#""in":{"failure":{"id":"#,
    r#""in":{"unauthorized":2}"#,
    r#""in":{"online":false}"#,
    r#""in":"stop""#,
    // Answers.
    r#""out":{"send":{"id":"#,
    r#""out":{"abandon":""#,
    r#""out":"accepted""#,
    r#""out":"stale""#,
    r#""out":{"wait":"OnInput"}"#,
    // Events.
    r#""Failed":[{"from":"Active","input":"Failure","to":"Active","cause":"RenewalFailed"},"Unreachable"]"#,
    r#""Failed":[{"from":"Active","input":"Failure","to":"Active","cause":"RenewalFailed"},"TimedOut"]"#,
    r#""TokenNeeded":"#,
    r#""Unauthorized":"#,
    r#""NotAdopted":"Expired""#,
    r#""NotSent":{"Build":{"Custom":"nothing to ask with"}}"#,
    r#""NotSent":{"Build":{"Endpoint":"Insecure"}}"#,
    r#""event":"CredentialsChanged""#,
    r#""event":"CredentialsSpent""#,
    r#""cause":"Replaced""#,
    r#""cause":"Lapsed""#,
    r#""cause":"Stopped""#,
    r#""cause":"Renewed""#,
    // Denials.
    r#""kind":"Refused""#,
    r#""kind":"Throttled","status":429,"retry_after_ms":20000"#,
    r#""kind":"Transient""#,
    r#""kind":"Redirect""#,
    r#""kind":{"Malformed":"Markup"}"#,
    r#""kind":{"Malformed":"ExpiredOnArrival"},"status":200,"retry_after_ms":3000"#,
    r#""kind":{"Malformed":{"WrongIdentity":{"expected":"Credentials"}}}"#,
    r#""kind":{"Malformed":{"Custom":"word-1"}},"status":200,"retry_after_ms":1500,"permanent":true"#,
    // Grants.
    r#""age":"30""#,
    r#""expires_at":"expiry-1""#,
    r#""expires_at":"2026-11-24T04:15:00.0002Z""#,
    r#""lifetime_ms":90000"#,
    r#""successor":{"name":"credentials-"#,
    r#""single_use":true"#,
    r#""age":"unreadable""#,
    r#""scopes":"scopes-2 videos.read""#,
    // What became of the session.
    r#""state":"Expired""#,
    r#""token":"none""#,
    r#""validity":"Unsure""#,
];

/// The sessions above are worth what happens in them.
#[test]
fn everything_happens_in_them() {
    let traces: String = all().into_iter().map(|mut stage| stage.trace()).collect();
    let missing: Vec<_> = WANTED.iter().filter(|part| !traces.contains(**part)).collect();
    assert!(missing.is_empty(), "not in any trace: {missing:#?}\n{traces}");
}

#[test]
fn a_trace_may_end_after_any_call() {
    let trace = logins().trace();
    for (n, (end, _)) in trace.match_indices('\n').enumerate() {
        // The line break of the last line may be missing.
        for begun in [&trace[..end], &trace[..=end]] {
            let replayed = replay(begun).unwrap();
            assert!(replayed.is_exact());
            assert_eq!((replayed.calls(), replayed.cut_off()), (n, None));
        }
    }
}

#[test]
fn lines_are_given_out_once_in_any_pieces() {
    let mut stage = Stage::new(1);
    let mut pieces = stage.driver.take_lines();
    assert_eq!(pieces.lines().count(), 1, "the header");
    for n in 0..3 {
        stage.start(app("anna", n));
        let piece = stage.driver.take_lines();
        assert!(piece.ends_with('\n'));
        pieces.push_str(&piece);
        assert_eq!(stage.driver.take_lines(), "");
    }
    assert!(replay(pieces).unwrap().is_exact());
}

#[test]
fn a_driver_that_acts_otherwise_is_found_at_its_first_step() {
    // The same calls, to a driver with another seed: another header before the same lines.
    let mut stage = renewals();
    let trace = stage.trace();
    let other = trace.replacen("\"seed\":1,", "\"seed\":9,", 1);
    let difference = replay(&other).unwrap();
    let difference = difference.difference().expect("the jitter is another");
    assert!(difference.expected.contains(r#""out":{"send""#), "{difference}");
    assert!(difference.got.contains(r#""out":{"send""#), "{difference}");
    let line = trace.lines().nth(difference.line - 1).unwrap();
    let [line, expected] = [line, &*difference.expected]
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert_eq!(line, expected, "{difference}");
    let shown = difference.to_string();
    assert!(shown.starts_with(&format!("line {} differs:\n  expected: {{", difference.line)));

    // A reply that was late, and is not any more.
    let other = trace.replacen(r#""out":"accepted""#, r#""out":"stale""#, 1);
    let difference = replay(&other).unwrap();
    let difference = difference.difference().unwrap();
    assert!(difference.got.contains(r#""out":"accepted""#), "{difference}");
    assert_eq!(stage.driver.driver().state(), StateName::Active);
}
