//! The simulator, plans of faults, and the recorder.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Response};
use videokit_session::driver::{Blocked, Drive, Policy};
use videokit_session::exchange::DenialKind;
use videokit_session::session::transitions::Cause;
use videokit_session::sim::{self, Fault, FaultPlan, Harness, Login, Step, To};
use videokit_session::trace::{Recorder, replay};
use videokit_session::{Driver, Moment, TransportFailure};

use crate::world::{HOUR, MINUTE, T0, World, config, login};

const HOUR_MS: u64 = 3_600_000;

const FORM: &str = "application/x-www-form-urlencoded";

fn gateway() -> sim::Gateway {
    sim::Gateway::new("app:hush", MINUTE, 7)
}

fn asked_for(authorization: &str, content_type: &str, body: &str) -> Request<Bytes> {
    let request = Request::post("https://gateway.example/v1/sessions");
    let request = request.header(AUTHORIZATION, authorization).header(CONTENT_TYPE, content_type);
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

/// A request to the backend, with a login.
fn get(path: &str) -> Request<Bytes> {
    Request::get(path).header("cookie", "login=abc").body(Bytes::new()).unwrap()
}

fn body(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

/// The member of a reply that is one object of strings.
fn member<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    let start = format!("\"{name}\":\"");
    let (_, rest) = body(response).split_once(&start).unwrap_or_else(|| panic!("{response:?}"));
    rest.split('"').next().unwrap()
}

#[test]
fn s1_a_harness_leaves_a_driver_that_gave_up_alone() {
    let policy = Policy::builder().attempts(1).build().unwrap();
    let mut harness = Harness::new(Driver::with_policy(config(|config| config), policy, 1));
    for step in [
        Step::Start(Login::App { user: 0, secret: 0 }),
        Step::Drain,
        Step::Fail(To::Live, TransportFailure::Unreachable),
    ] {
        harness.apply(step);
    }
    for step in [Step::Pass(1_000), Step::Sleep(3_600), Step::SetWall(-5), Step::PassToWake] {
        harness.apply(step);
        assert_eq!(harness.driver().blocked(), Some(Blocked::GaveUp), "after {step:?}");
    }
    harness.apply(Step::Drain);
    assert_eq!(harness.sent().len(), 1, "it asks again");
    harness.apply(Step::Online(true));
    assert_eq!(harness.driver().blocked(), None, "an app says that there is a network");
}

#[test]
fn s1_a_recorder_records_a_reading_and_plays_it_again() {
    let mut recorder = Recorder::new(config(|config| config), Policy::default(), 1);
    for millis in [0, 1_000, 0, 1 << 50] {
        recorder.observe(Moment::from_millis(millis, T0));
    }
    let trace = recorder.take_lines();
    assert_eq!(trace.matches(r#""in":"observe""#).count(), 4, "{trace}");
    let replayed = replay(&trace).unwrap();
    assert!(replayed.is_exact(), "{}", replayed.difference.unwrap());
    assert_eq!(replayed.calls, 4);
}

#[test]
fn s1_a_reading_changes_nothing_but_the_time() {
    let mut world = World::new(MINUTE).logged_in();
    let (state, queued, counters) =
        (world.driver.state(), world.driver.queued(), world.driver.counters());
    world.pass(HOUR);
    world.driver.observe(world.now());
    assert_eq!(
        (world.driver.state(), world.driver.queued()),
        (state, queued),
        "it lapses in a poll"
    );
    assert_eq!(world.driver.counters(), counters);
    // The hour counts, though both clocks go back before the poll.
    world.mono -= HOUR_MS;
    world.skew -= 3_600_000;
    world.poll_until_idle();
    assert!(world.causes().contains(&Cause::Lapsed), "an hour has passed");
}

#[test]
fn s2_a_time_out_of_range_is_refused_with_its_field_and_range() {
    let read = |at: u64, lasts: u64| {
        let first = r#"{"at_ms":0,"lasts_ms":0,"fault":"lost"}"#;
        let line = format!(r#"{{"at_ms":{at},"lasts_ms":{lasts},"fault":"asleep"}}"#);
        format!("{{\"fault_plan\":1}}\n{first}\n{line}\n").parse::<FaultPlan>()
    };
    let most = 366 * 86_400_000;
    assert!(read(most, most).is_ok());
    for (at, lasts, message) in [
        (most + 1, 0, "line 3, `at_ms`: expected 0 to 31622400000 (366 days), found 31622400001"),
        (
            0,
            u64::MAX,
            "line 3, `lasts_ms`: expected 0 to 31622400000 (366 days), found 18446744073709551615",
        ),
    ] {
        assert_eq!(read(at, lasts).map_err(|error| error.to_string()), Err(message.to_owned()));
    }
}

#[test]
fn s5_the_legacy_dialect_takes_a_form() {
    let rows = [
        ("identity=user-17", "user-17"),
        ("identity=us%20er+17%2B", "us er 17+"),
        ("first=1&identity=%C3%A9&last", "é"),
    ];
    for (form, identity) in rows {
        for content_type in [FORM, "Application/X-WWW-Form-URLEncoded; charset=utf-8"] {
            let response =
                gateway().handle(&asked_for("App token=app:hush", content_type, form), T0);
            assert_eq!(response.status(), 200, "{form}: {response:?}");
            assert_eq!(member(&response, "identity"), identity);
            assert!(body(&response).contains("session_key"), "{response:?}");
        }
    }
    let response = gateway().handle(&asked_for("Bearer app:hush", FORM, "identity=user-17"), T0);
    assert_eq!(response.status(), 415, "the current dialect takes JSON alone");
}

#[test]
fn s5_schemes_are_compared_without_regard_to_case() {
    let json = r#"{"identity":"user-17","scopes":[]}"#;
    for scheme in ["Bearer ", "bearer ", "BEARER  ", "App token=", "app token=", "APP TOKEN="] {
        let authorization = format!("{scheme}app:hush");
        let response = gateway().handle(&asked_for(&authorization, "application/json", json), T0);
        assert_eq!(response.status(), 200, "{scheme}: {response:?}");
    }
    for authorization in ["Bearer", "Bearerapp:hush", "App app:hush", "Bearer APP:HUSH", "é"] {
        let response = gateway().handle(&asked_for(authorization, "application/json", json), T0);
        assert_eq!(response.status(), 401, "{authorization}");
    }
    let mut gateway = gateway();
    let granted = gateway.handle(&asked_for("Bearer app:hush", "application/json", json), T0);
    let call = Request::get("/v1/videos")
        .header(AUTHORIZATION, format!("bearer {}", member(&granted, "sessionToken")));
    assert_eq!(gateway.handle(&call.body("").unwrap(), T0).status(), 200);
}

#[test]
fn s5_each_bad_request_is_answered_with_what_is_wrong() {
    let json = |body| asked_for("Bearer app:hush", "application/json", body);
    let form = |body| asked_for("App token=app:hush", FORM, body);
    let rows = [
        (json(""), "the body is not JSON: EOF while parsing a value at line 1 column 0"),
        (
            json(r#"{"identity":"u"#),
            "the body is not JSON: EOF while parsing a string at line 1 column 14",
        ),
        (json("null"), "the body has to be a JSON object, and is null"),
        (json(r#"["u"]"#), "the body has to be a JSON object, and is an array"),
        (json("{}"), "`identity` is missing"),
        (json(r#"{"identity":null}"#), "`identity` has to be a string, and is null"),
        (json(r#"{"identity":17}"#), "`identity` has to be a string, and is a number"),
        (json(r#"{"identity":""}"#), "`identity` is empty"),
        (json(r#"{"identity":"u","identity":"v"}"#), "duplicate field `identity`"),
        (
            json(r#"{"identity":"u","scopes":"videos.read"}"#),
            "`scopes` has to be an array of strings, and is a string",
        ),
        (
            json(r#"{"identity":"u","scopes":null}"#),
            "`scopes` has to be an array of strings, and is null",
        ),
        (
            json(r#"{"identity":"u","scopes":["a",{}]}"#),
            "`scopes[1]` has to be a string, and is an object",
        ),
        (json(r#"{"identity":"u","scopes":["a",""]}"#), "`scopes[1]` is empty"),
        (form(""), "`identity` is missing"),
        (form("name=u"), "`identity` is missing"),
        (form("identity="), "`identity` is empty"),
        (form("identity=u&identity=v"), "duplicate field `identity`"),
        (form("identity=%4"), "`identity` is not percent-encoded UTF-8"),
        (form("identity=%ff"), "`identity` is not percent-encoded UTF-8"),
        (get("/token/"), "the path names no identity: expected `/token/<identity>`"),
        (get("/token/%zz"), "the identity in the path is not percent-encoded UTF-8"),
        (get("/token/%+f"), "the identity in the path is not percent-encoded UTF-8"),
    ];
    for (request, error) in rows {
        let mut gateway = gateway();
        let response = gateway.handle(&request, T0);
        assert_eq!((response.status().as_u16(), member(&response, "error")), (400, error));
        assert_eq!(gateway.counts().refused, 1);
    }
}

#[test]
fn s5_the_backend_has_the_paths_of_the_vendors_example() {
    let response = gateway().handle(&Request::get("/").body("").unwrap(), T0);
    assert_eq!((response.status().as_u16(), body(&response)), (200, "Session Service"));
    let response = gateway().handle(&get("/token/us%20er+17"), T0);
    assert_eq!(member(&response, "identity"), "us er+17");
    let mut gateway = gateway();
    let response = gateway.handle(&get("/token"), T0);
    assert_eq!(response.status(), 400, "{response:?}");
    assert!(member(&response, "error").contains("no identity is set"), "{response:?}");
    gateway.set_backend_identity("user-17");
    for request in [get("/token"), Request::get("/token?fresh=1").body(Bytes::new()).unwrap()] {
        let response = gateway.handle(&request, T0);
        assert_eq!(member(&response, "identity"), "user-17");
        assert!(body(&response).contains("expiresAt"), "{response:?}");
    }
    gateway.refuse("login=abc");
    assert_eq!(gateway.handle(&get("/token"), T0).status(), 401);
    assert_eq!(gateway.handle(&Request::post("/").body("").unwrap(), T0).status(), 404);
    // Faults of the gateway meet requests for a token at each of its paths, and no other request.
    let refused =
        |path: &str| gateway.clone().handle_under(&[Fault::Refused], &get(path), T0).response;
    assert_eq!(
        ["/token", "/token/u", "/"].map(|path| refused(path).status().as_u16()),
        [401, 401, 200]
    );
}

#[test]
fn s4_one_seed_makes_the_same_tokens_again_and_another_makes_others() {
    let token = |seed, user: &str| {
        let mut gateway = sim::Gateway::new("app:hush", MINUTE, seed);
        let response = gateway.handle(&get(&format!("/token/{user}")), T0);
        member(&response, "sessionToken").to_owned()
    };
    assert_eq!(token(7, "first"), token(7, "second"), "the documentation says what follows");
    let seed = || RandomState::new().build_hasher().finish();
    assert_ne!(token(seed(), "first"), token(seed(), "second"));
}

#[test]
fn s6_an_error_under_200_is_refused_as_text_and_as_an_object() {
    let login = login("user-17");
    for (fault, start) in
        [(Fault::ErrorString, "{\"error\":\""), (Fault::ErrorObject, "{\"error\":{")]
    {
        let mut gateway = gateway();
        let request = login.exchange().request().unwrap();
        let reply = gateway.handle_under(&[fault], &request, T0).response;
        assert_eq!(reply.status(), 200);
        assert!(body(&reply).starts_with(start), "{reply:?}");
        let denial = login.exchange().read((&reply).into()).unwrap_err();
        assert_eq!(denial.kind(), DenialKind::Refused, "{fault:?}");
        assert_eq!(gateway.counts().kept_away, 1);
        // The API has nothing to do with it.
        let call = Request::get("/v1/videos").body("").unwrap();
        assert_eq!(gateway.handle_under(&[fault], &call, T0).response.status(), 401);
    }
}

#[test]
fn s6_delays_are_handed_out_as_one() {
    let slow = |ms| Fault::Slow { ms };
    let rows: [(&[Fault], u64); 4] = [
        (&[], 0),
        (&[slow(2_000)], 2_000),
        (&[slow(2_000), Fault::Portal, slow(500)], 2_500),
        (&[slow(u32::MAX), slow(u32::MAX)], 2 * u64::from(u32::MAX)),
    ];
    for (faults, delay) in rows {
        let late = gateway().handle_under(faults, &get("/token/u"), T0);
        assert_eq!(late.delay, Duration::from_millis(delay), "{faults:?}");
    }
}

#[test]
fn s6_expired_tokens_are_forgotten() {
    let mut gateway = gateway();
    let mut tokens = Vec::new();
    for second in 0..1_000 {
        let now = T0 + second * 1_000;
        let response = gateway.handle(&get("/token/user-17"), now);
        tokens.push(member(&response, "sessionToken").to_owned());
        // Sixty seconds of life, one token a second.
        let known = tokens.iter().filter(|token| gateway.expires_at(token).is_some()).count();
        assert!(known <= 60, "{known} tokens are kept at second {second}");
    }
    let last = tokens.last().unwrap();
    assert_eq!(gateway.identity_of(last), Some("user-17"), "those that live are kept");
}
