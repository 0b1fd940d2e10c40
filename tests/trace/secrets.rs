//! No secret is in any trace, wherever it came from; what is equal stays equal.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AGE, DATE, LOCATION, RETRY_AFTER, SET_COOKIE};
use videokit_session::driver::Drive;
use videokit_session::exchange::Endpoint;
use videokit_session::trace::replay;
use videokit_session::{Backend, Credentials, Grant, Scope};

use crate::recording::{
    Recording, SECRET, T0, app, backend, granting, jwt, reply, timestamp, token, with,
};
use crate::sessions;

/// The secret as it may stand in a trace: plain, escaped, encoded, in part.
fn assert_no_secret(trace: &str) {
    let coded = URL_SAFE_NO_PAD.encode(SECRET);
    for secret in [&SECRET[..4], &coded[..5], &URL_SAFE_NO_PAD.encode(format!("-{SECRET}"))[2..7]] {
        let line = trace.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
    // The same in the claims that are left of JWTs.
    for claims in trace.split('.').filter_map(|part| URL_SAFE_NO_PAD.decode(part).ok()) {
        assert!(!String::from_utf8_lossy(&claims).contains(SECRET));
    }
}

#[test]
fn no_session_leaves_a_secret() {
    for mut recording in sessions::all() {
        assert_no_secret(&recording.trace());
        assert_no_secret(&format!("{:?} {:#?}", recording.driver, recording.driver));
    }
}

#[test]
fn no_reply_brings_one_in() {
    let bodies = [
        format!(r#"{{"error":"{SECRET}"}}"#),
        format!(r#"{{"sessionToken": {SECRET}"#),
        format!(r#"{{"{SECRET}":1,"sessionToken":"{SECRET}","identity":"{SECRET}"}}"#),
        format!(r#"{{"sessionToken":["{SECRET}"],"identity":"{SECRET}"}}"#),
        format!(r#"{{"sessionToken":"{SECRET} ","identity":"{SECRET}"}}"#),
        format!(r#"{{"sessionToken":"{SECRET}","sessionToken":"{SECRET}"}}"#),
        granting(SECRET, "anna", &format!(r#","expiresAt":"{SECRET}""#)),
        granting(SECRET, "anna", &format!(r#","expiresAt":"2026-11-24T05:00:00Z[{SECRET}]""#)),
        granting(SECRET, "anna", &format!(r#","expiresAt":"2026-11-24T05:00:00Z[u-ca={SECRET}]""#)),
        granting(SECRET, "anna", &format!(r#","scopes":["{SECRET}","videos.read"]"#)),
        granting(&jwt(60), "anna", ""),
        granting(&format!("{SECRET}.{SECRET}.{SECRET}"), "anna", ""),
        format!("\"{SECRET}\""),
        format!("<p>{SECRET}"),
        SECRET.to_owned(),
    ];
    for body in bodies {
        for credentials in [app("anna", 1), Credentials::backend(backend(1))] {
            for status in [200, 302, 401, 429, 503] {
                let mut recording = Recording::new(1);
                recording.start(credentials.clone());
                let mut reply = reply(status, body.clone());
                for name in [DATE, AGE, RETRY_AFTER, LOCATION, SET_COOKIE] {
                    reply = with(reply, name, SECRET);
                }
                recording.answer(&reply);
                recording.pass(70_000);
                let trace = recording.trace();
                assert_no_secret(&trace);
                assert!(replay(&trace).unwrap().is_exact(), "{status} {body}");
            }
        }
    }
}

/// How often a stand-in is named, in a line that has a mark.
fn counted(trace: &str, mark: &str, stand_in: &str) -> usize {
    trace.lines().filter(|line| line.contains(mark) && line.contains(stand_in)).count()
}

#[test]
fn the_same_secret_has_the_same_stand_in() {
    let mut recording = Recording::new(1);
    for _ in 0..2 {
        for name in ["one", "two"] {
            recording.start(token(name));
            recording.start(app(name, 1));
            recording.start(Credentials::backend(backend(1)));
        }
    }
    let trace = recording.trace();
    for (stand_in, times) in [("token-1", 2), ("token-2", 2), ("token-3", 0)] {
        assert_eq!(counted(&trace, "\"start\"", &format!("\"{stand_in}\"")), times, "{stand_in}");
    }
    for (stand_in, times) in [("credentials-1", 2), ("credentials-2", 4), ("credentials-3", 2)] {
        assert_eq!(counted(&trace, "\"start\"", &format!("\"{stand_in}\"")), times, "{stand_in}");
    }
    for (stand_in, times) in [("identity-1", 2), ("identity-2", 2), ("identity-3", 0)] {
        assert_eq!(counted(&trace, "\"start\"", &format!("\"{stand_in}\"")), times, "{stand_in}");
    }
    assert!(replay(trace).unwrap().is_exact());
}

#[test]
fn endpoints_differ_by_origin_and_path_and_credentials_by_everything() {
    let mut recording = Recording::new(1);
    for uri in [
        "https://a.example/x",
        "https://a.example/x?key=1",
        "https://A.example:443/x?key=2",
        "https://a.example/y",
        "https://b.example/x",
    ] {
        recording.start(Credentials::backend(Backend::new(Endpoint::https(uri).unwrap())));
    }
    let trace = recording.trace();
    let named: Vec<_> = trace
        .lines()
        .filter(|line| line.contains("\"start\""))
        .map(|line| {
            let after = |mark: &str| line.split(mark).nth(1).unwrap().chars().next().unwrap();
            (after("credentials-"), after("endpoint-"))
        })
        .collect();
    assert_eq!(named, [('1', '1'), ('2', '1'), ('3', '1'), ('4', '2'), ('5', '3')]);
}

#[test]
fn an_instant_is_kept_and_anything_else_is_not() {
    let plain = timestamp(T0 + 600_000);
    let half = "2026-11-24T04:00:00.500Z";
    let long = "2026-11-24T05:00:00.50012345678901234567890123456789012345+01:00";
    assert_eq!(long.len(), 64);
    let rows = [
        (plain.clone(), plain.clone()),
        ("2026-11-24T05:00:00.500987654+01:00".to_owned(), half.to_owned()),
        ("2026-11-24T05:00:00.500987655+01:00".to_owned(), "2026-11-24T04:00:00.5002Z".to_owned()),
        (long.to_owned(), "2026-11-24T04:00:00.5003Z".to_owned()),
        ("2026-11-24T05:00:00.500987654+01:00".to_owned(), half.to_owned()),
        ("9999-12-31T23:59:59-23:59".to_owned(), "9999-12-31T23:59:59-23:59".to_owned()),
        ("tomorrow".to_owned(), "expiry-1".to_owned()),
        ("1795492800".to_owned(), "expiry-2".to_owned()),
        (plain.replace('Z', "+00:00"), plain.replace('Z', ".0002Z")),
        (format!("{plain}[{SECRET}]"), "expiry-3".to_owned()),
        ("tomorrow".to_owned(), "expiry-1".to_owned()),
        (String::new(), "expiry-4".to_owned()),
    ];
    let read = |text: &str| videokit_session::time::ExpiresAt::parse(text);
    assert!(read(long).is_some());
    for (written, kept) in &rows {
        assert_eq!(read(written), read(kept), "{written} {kept}");
    }
    let mut recording = Recording::new(1);
    for (written, _) in &rows {
        recording.start(Grant::new(token("one")).with_expires_at(written.as_str()));
    }
    let trace = recording.trace();
    let kept = trace.lines().filter_map(|line| line.split("\"expires_at\":\"").nth(1));
    let kept: Vec<_> = kept.map(|rest| rest.split('"').next().unwrap()).collect();
    let wanted: Vec<_> = rows.iter().map(|(_, wanted)| wanted.as_str()).collect();
    assert_eq!(kept, wanted);
    assert!(replay(trace).unwrap().is_exact());
}

/// Two ways to write one date are two grants, also to the driver that plays them.
#[test]
fn another_spelling_is_another_grant() {
    let mut recording = Recording::new(1);
    let at = |text: &str| Grant::new(token("one")).with_expires_at(text);
    for text in ["2026-11-24T05:00:00Z", "2026-11-24T06:00:00+01:00", "2026-11-24T05:00:00Z"] {
        recording.driver.start(at(text), recording.now);
    }
    recording.poll_until_idle();
    let epoch = recording.driver.driver().epoch();
    let replayed = replay(recording.trace()).unwrap();
    assert!(replayed.is_exact());
    assert_eq!(replayed.driver.epoch(), epoch);
}

/// What is unknown of a set has one stand-in: equal for equal ones, and nothing tells how many they are.
#[test]
fn many_unknown_scopes_play_again() {
    let mut recording = Recording::new(1);
    for n in (0..30).rev() {
        let names = [format!("{SECRET}.{n}"), format!("{SECRET}.{}", n + 7), "a".repeat(n + 1)];
        let scopes = names.iter().map(|name| Scope::new(name).unwrap()).collect();
        recording.start(Grant::new(token("one")).with_scopes(scopes));
    }
    let trace = recording.trace();
    assert_no_secret(&trace);
    assert_eq!(counted(&trace, "\"start\"", "\"scopes\":\"scopes-30\""), 1);
    assert!(replay(trace).unwrap().is_exact());
}

/// A reply that is full of scopes fits into a line, and doesn't end the recording.
#[test]
fn thousands_of_unknown_scopes_are_one() {
    let mut recording = Recording::new(1);
    recording.start(app("anna", 1));
    for (n, kept) in ["scopes-2", "scopes-3", "scopes-2"].into_iter().enumerate() {
        let names = (0..6_000).map(|scope| format!("\"{:x}\"", scope + n % 2 * 9));
        let names = names.collect::<Vec<_>>().join(",");
        let at = timestamp(recording.now.wall_millis() + 60_000);
        let more = format!(r#","expiresAt":"{at}","scopes":[{names},"videos.read"]"#);
        recording.answer(&crate::recording::dated(recording.now, granting(SECRET, "anna", &more)));
        assert!(!recording.driver.is_full());
        let line = format!(r#""scopes":"{kept} videos.read""#);
        assert!(
            recording.trace().lines().rev().take(12).any(|text| text.contains(&line)),
            "{kept}"
        );
    }
    assert!(replay(recording.trace()).unwrap().is_exact());
}

#[test]
fn what_a_jwt_says_of_its_life_is_kept() {
    let mut recording = Recording::new(1);
    recording.start(videokit_session::SessionToken::new(jwt(60)).unwrap());
    let remaining = recording.driver.driver().remaining(recording.now).unwrap();
    let trace = recording.trace();
    let line = trace.lines().find(|line| line.contains("\"start\"")).unwrap();
    let stand_in = line.split("\"token\":\"").nth(1).unwrap().split('"').next().unwrap();
    let parts: Vec<_> = stand_in.split('.').collect();
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    assert_eq!(claims, r#"{"exp":60.0,"iat":0}"#);
    assert_eq!(parts[2], "token-1");
    let replayed = replay(trace).unwrap();
    assert!(replayed.is_exact());
    assert_eq!(replayed.driver.remaining(recording.now), Some(remaining));
}
