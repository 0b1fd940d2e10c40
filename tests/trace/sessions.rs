//! Sessions with everything that happens to one: each plays again exactly.

use std::time::Duration;

use http::header::{AGE, RETRY_AFTER};
use videokit_session::driver::Drive;
use videokit_session::session::transitions::StateName;
use videokit_session::trace::replay;
use videokit_session::{Credentials, Grant, Moment, TransportFailure};

use crate::oauth::{self, RefreshToken};
use crate::recording::{
    Recording, SECRET, aged, app, backend, dated, denying, granting, jwt, own, portal, redirect,
    reply, timestamp, token, user, with,
};

/// A login, its renewals, and what goes wrong with them.
pub(crate) fn renewals() -> Recording {
    let mut recording = Recording::new(1);
    recording.start(app("anna", 1));
    for reply in [redirect(), reply(200, ""), portal()] {
        recording.answer(&reply);
    }
    let grant = recording.granting("anna", 600);
    recording.answer(&grant);
    let grant = recording.granting("anna", 600);
    recording.answer(&aged(grant, 30));
    recording.answer(&denying(429, Some(20)));
    recording.answer(&denying(503, None));
    recording.answer(&portal());
    recording.fail(TransportFailure::Unreachable);
    recording.online(false);
    recording.pass(5_000);
    recording.online(true);
    recording.until_asked();
    // Nobody answers: the deadline passes, and the request is given up.
    recording.pass(16_000);
    let dead =
        granting(&format!("{SECRET}-dead"), "anna", r#","expiresAt":"2020-01-01T00:00:00Z""#);
    let dead = dated(recording.now, dead);
    recording.answer(&with(dead, RETRY_AFTER, "3"));
    let grant = recording.granting("anna", 900);
    recording.answer(&grant);
    recording
}

/// 401s, other users, new secrets, late replies.
pub(crate) fn logins() -> Recording {
    let mut recording = Recording::new(2);
    recording.start(app("anna", 1));
    let grant = recording.granting("anna", 600);
    recording.answer(&grant);
    recording.unauthorized();
    let grant = recording.granting("anna", 600);
    recording.answer(&grant);
    recording.unauthorized();
    recording.pass(1_000);
    recording.start(app("anna", 1));
    recording.start(app("anna", 2));
    recording.pass(60_000);
    recording.answer(&denying(401, None));
    // The refused secret again, and then a good one.
    recording.start(app("anna", 2));
    recording.start(app("anna", 3));
    recording.until_asked();
    let late = recording.latest();
    recording.start(app("bert", 1));
    let grant = recording.granting("anna", 600);
    assert!(recording.answer_to(late, &grant).is_stale());
    let grant = recording.granting("anna", 600);
    recording.answer(&grant); // for somebody else
    let grant = recording.granting("bert", 600);
    recording.answer(&grant);
    recording.start(Credentials::backend(backend(1)));
    let grant = recording.granting("who", 600);
    recording.answer(&grant);
    recording.start(Credentials::backend(backend(1)));
    recording.start(Credentials::backend(backend(2).identity(user("who"))));
    recording.stop();
    let late = recording.latest();
    let _ = recording.answer_to(late, &portal());
    recording.stop();
    recording
}

/// Tokens that come by other ways.
pub(crate) fn tokens() -> Recording {
    let mut recording = Recording::new(3);
    let of_anna = |name: &str| Grant::new(token(name)).with_identity(user("anna"));
    recording.start(token("bare"));
    recording.start(token("bare"));
    recording.start(Grant::new(token("bare")).with_expires_at("tomorrow"));
    let odd = timestamp(recording.now.wall_millis() + 900_000).replace('Z', "+00:00");
    recording
        .start(of_anna("one").with_expires_at(timestamp(recording.now.wall_millis() + 900_000)));
    recording.start(of_anna("one").with_expires_at(odd));
    recording.start(of_anna("two").with_expires_at(timestamp(recording.now.wall_millis() + 5_000)));
    recording.start(of_anna("three").with_lifetime(Duration::from_secs(90)));
    recording.start(of_anna(&jwt(60)));
    recording.pass(50_000);
    recording.start(app("anna", 1)); // takes over
    let grant = recording.granting("anna", 30);
    recording.answer(&grant);
    recording.stop();
    let dead = videokit_session::SessionToken::new(jwt(-60)).unwrap();
    recording.start(dead);
    recording.start(Credentials::backend(backend(1)));
    let body = granting(&jwt(300), "anna", &format!(r#","scopes":["videos.read","{SECRET}.x"]"#));
    recording.answer(&reply(201, body));
    recording.answer(&reply(200, granting(&jwt(300), "anna", "")));
    recording.pass(3_600_000);
    recording
}

/// Exchanges of somebody's own, and clocks that lie.
pub(crate) fn oddities() -> Recording {
    let mut recording = Recording::new(4);
    recording.start(own("", "nothing to ask with"));
    recording.start(own("http://insecure.example/token", ""));
    recording.start(own("ftp://nowhere.example/token", ""));
    recording.start(own("https://own.example/token", "because"));
    recording.answer(&reply(200, "not a token"));
    recording.start(own("https://own.example/token", "word-1"));
    recording.answer(&reply(200, "not a token"));
    let again = own("https://own.example/token", "again");
    recording.start(again.clone());
    recording.answer(&with(reply(200, format!("{SECRET}-own")), AGE, SECRET));
    recording.start(again);
    for (mono, wall) in [
        (u64::MAX, i64::MAX),
        (0, i64::MIN),
        (7_000, 0),
        (7_000, 3_600_000),
        (7_100, 3_600_100),
        (u64::MAX, 3_600_100),
    ] {
        recording.now = Moment::from_millis(mono, wall);
        recording.poll_until_idle();
    }
    recording
}

/// Credentials that change with each token, or in another way.
pub(crate) fn rotations() -> Recording {
    let mut recording = Recording::new(5);
    let refresh =
        |number: u32| RefreshToken::new(format!("{SECRET}-refresh-{number}")).credentials();
    let first = refresh(1);
    recording.start(first.clone());
    for number in 2..5 {
        let next = format!(r#","refresh_token":"{SECRET}-refresh-{number}""#);
        let body = oauth::granting(&format!("{SECRET}-access-{number}"), 600, &next);
        recording.answer(&reply(200, body));
    }
    recording.start(first);
    recording.fail(TransportFailure::TimedOut);
    recording.set_credentials(refresh(9));
    recording.answer(&reply(200, oauth::granting(&format!("{SECRET}-access-9"), 600, "")));
    recording.until_asked();
    recording.set_credentials(app("anna", 1));
    recording.stop();
    recording.set_credentials(app("anna", 1));
    let grant = recording.granting("anna", 600);
    recording.answer(&grant);
    // No request was made for a token that is adopted, so its successor is ignored.
    recording.start(Grant::new(token("adopted")).with_successor(app("anna", 2)));
    recording
}

pub(crate) fn all() -> [Recording; 5] {
    [renewals(), logins(), tokens(), oddities(), rotations()]
}

#[test]
fn every_kind_of_session_plays_again_exactly() {
    for (n, mut recording) in all().into_iter().enumerate() {
        let trace = recording.trace();
        let replayed = replay(&trace).unwrap_or_else(|error| panic!("session {n}: {error}"));
        assert_eq!(replayed.difference, None, "session {n}");
        assert!(!recording.driver.is_full());
        assert!(replayed.calls > 30);
        assert_eq!(replayed.calls, trace.lines().count() - 1);
        let (played, driver) = (replayed.driver, recording.driver.into_driver());
        assert_eq!(played.state(), driver.state(), "session {n}");
        assert_eq!(played.counters(), driver.counters(), "session {n}");
        assert_eq!(played.epoch(), driver.epoch(), "session {n}");
        assert_eq!(played.remaining(recording.now), driver.remaining(recording.now), "session {n}");
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
    r#""in":{"unauthorized":{"generation":2,"age_ms":"#,
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
    r#""token":null"#,
    r#""validity":"Unsure""#,
];

/// The sessions above are worth what happens in them.
#[test]
fn everything_happens_in_them() {
    let traces: String = all().into_iter().map(|mut recording| recording.trace()).collect();
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
            assert_eq!((replayed.calls, replayed.cut_off), (n, None));
        }
    }
}

#[test]
fn lines_are_given_out_once_in_any_pieces() {
    let mut recording = Recording::new(1);
    let mut pieces = recording.driver.take_lines();
    assert_eq!(pieces.lines().count(), 1, "the header");
    for n in 0..3 {
        recording.start(app("anna", n));
        let piece = recording.driver.take_lines();
        assert!(piece.ends_with('\n'));
        pieces.push_str(&piece);
        assert_eq!(recording.driver.take_lines(), "");
    }
    assert!(replay(pieces).unwrap().is_exact());
}

#[test]
fn a_driver_that_acts_otherwise_is_found_at_its_first_step() {
    // The same calls, to a driver with another seed: another header before the same lines.
    let mut recording = renewals();
    let trace = recording.trace();
    let other = trace.replacen("\"seed\":1,", "\"seed\":9,", 1);
    let difference = replay(&other).unwrap();
    let difference = difference.difference.expect("the jitter is another");
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
    let difference = difference.difference.unwrap();
    assert!(difference.got.contains(r#""out":"accepted""#), "{difference}");
    assert_eq!(recording.driver.driver().state(), StateName::Active);
}
