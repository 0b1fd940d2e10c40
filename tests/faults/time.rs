//! Lifetimes, dates and ages.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{AGE, DATE, HeaderName, RETRY_AFTER};
use http::{Request, Response, Uri};
use videokit_session::driver::Policy;
use videokit_session::exchange::{BuildError, Denial, Endpoint, Exchange, Reply};
use videokit_session::session::transitions::{Cause, StateName};
use videokit_session::time::ExpiresAt;
use videokit_session::{
    Active, Backend, Credentials, Event, Grant, Identity, Moment, Session, SessionToken, Validity,
};

use crate::world::{HOUR, MINUTE, SECOND, Server, T0, World, config, login, says};

/// The `Date` of a reply that is written when the world begins.
const NOW: &str = "Tue, 24 Nov 2026 04:00:00 GMT";

/// A token of user-17 that no reply gave.
fn kept(expires_at: &str) -> Grant {
    let grant = Grant::new(SessionToken::new("st-kept").unwrap());
    grant.with_identity(Identity::new("user-17").unwrap()).with_expires_at(expires_at)
}

/// How a driver judges its token now.
fn validity(world: &World) -> Validity {
    world.driver.validity(world.now()).expect("a token is held")
}

/// Asserts that the token serves and is never valid from now on, for as long as it is looked at.
fn assert_unsure_for(world: &mut World, time: Duration) {
    let sent = world.sent.len();
    for _ in 0..time.as_secs() {
        world.run(SECOND);
        assert_eq!(validity(world), Validity::Unsure, "after {} ms", world.elapsed());
        assert!(world.header().is_some(), "it serves");
    }
    assert_eq!(world.sent.len(), sent, "nothing is asked meanwhile");
}

/// A reply with these headers, and the body of a grant.
fn granting(body: &'static str, headers: &[(HeaderName, &str)]) -> Response<Bytes> {
    let mut reply = says(200, body);
    for (name, value) in headers {
        reply.headers_mut().append(name, value.parse().unwrap());
    }
    reply
}

/// A world whose server says this, with user-17 on the way to a token.
fn world_that_says(reply: Response<Bytes>) -> World {
    let mut world = World::new(HOUR);
    world.server = Server::Says(reply);
    world.start("user-17");
    world.poll_until_idle();
    world
}

// ------------------------------------------------ T1

#[test]
fn t1_a_dead_token_is_unsure_and_renewed_at_once() {
    for expired in ["2026-11-24T03:59:00Z", "2026-11-24T03:57:00Z", "2026-11-23T04:00:00Z"] {
        let mut world = World::new(HOUR);
        world.driver.set_online(false, world.now());
        world.driver.start(kept(expired), world.now());
        world.start("user-17");
        world.poll_until_idle();
        assert_eq!(world.causes(), [Cause::Adopted], "{expired}");
        assert_eq!(world.driver.credentials(), Some(&login("user-17")), "{expired}");
        assert_eq!(validity(&world), Validity::Unsure, "{expired}");
        assert_eq!(world.header().as_deref(), Some("Bearer st-kept"), "{expired}: it serves");
        world.driver.set_online(true, world.now());
        world.poll_until_idle();
        assert_eq!(world.sent.len(), 1, "{expired}: renewed at once");
        assert_eq!(validity(&world), Validity::Valid);
        assert_eq!(world.served_to(), "user-17");
    }
}

#[test]
fn t1_a_dead_token_that_cannot_be_renewed_is_asked_for_at_once() {
    for expired in ["2026-11-24T03:57:00Z", "2026-11-23T04:00:00Z"] {
        let mut world = World::new(HOUR);
        world.driver.start(kept(expired), world.now());
        world.poll_until_idle();
        let needed = |event: &&Event| matches!(event, Event::TokenNeeded(_));
        assert_eq!(world.events.iter().filter(needed).count(), 1, "{expired}: {:?}", world.events);
        assert_unsure_for(&mut world, MINUTE * 20);
        assert_eq!(world.events.iter().filter(needed).count(), 1, "once");
    }
}

#[test]
fn t1_a_dead_token_in_a_reply_is_unsure_and_scheduled_as_one_of_unknown_expiry() {
    let dead =
        r#"{"sessionToken":"tok-1","identity":"user-17","expiresAt":"2026-11-23T04:00:00Z"}"#;
    let unstated = r#"{"sessionToken":"tok-1","identity":"user-17"}"#;
    let next_request = |body: &'static str| {
        let mut world = world_that_says(says(200, body));
        assert_eq!(world.sent.len(), 1);
        let judged = validity(&world);
        world.run_to_next_request();
        (judged, world.sent[1].at)
    };
    let (judged, at) = next_request(dead);
    assert_eq!(judged, Validity::Unsure);
    assert_eq!((Validity::Valid, at), next_request(unstated), "the same schedule");
    let mut world = world_that_says(says(200, dead));
    assert_unsure_for(&mut world, MINUTE * 13);
}

// ------------------------------------------------ T2

#[test]
fn t2_a_wall_clock_that_stood_behind_at_sending_hides_nothing() {
    const BACK: u64 = 990;
    let no_skew = config(|config| config.gateway_skew(Duration::ZERO));
    let mut world = World::with(no_skew, Policy::default(), SECOND * 10, 1);
    let back = |world: &mut World| {
        world.skew -= i64::try_from(BACK).unwrap();
        world.poll_until_idle();
    };
    // `Date` loses most of a second by being cut.
    world.truth += 999;
    world.poll_until_idle();
    back(&mut world); // before the request
    let mut world = world.logged_in();
    world.driver.set_online(false, world.now());
    world.sleep(Duration::from_millis(BACK));
    world.poll_until_idle();
    back(&mut world); // all that the formula has to absorb
    world.sleep(Duration::from_millis(BACK));
    world.poll_until_idle();
    world.run(Duration::from_millis(10_000 - 2 * BACK));
    assert_eq!(world.elapsed(), 999 + 10_000, "the true expiry");
    assert_eq!(validity(&world), Validity::Unsure);
}

// ------------------------------------------------ T3

const ONE_HOUR: &str =
    r#"{"sessionToken":"tok-1","identity":"user-17","expiresAt":"2026-11-24T05:00:00Z"}"#;

/// How a token that lives for an hour is judged behind caches, and when it is renewed.
fn behind_caches(ages: &[&str]) -> (Validity, u64) {
    let ages = ages.iter().map(|age| (AGE, *age));
    let headers: Vec<_> = [(DATE, NOW)].into_iter().chain(ages).collect();
    let mut world = world_that_says(granting(ONE_HOUR, &headers));
    let judged = validity(&world);
    world.run_to_next_request();
    (judged, world.sent[1].at)
}

#[test]
fn t3_the_first_member_of_age_counts() {
    let dead = behind_caches(&["3600"]);
    assert_eq!(dead.0, Validity::Unsure);
    for ages in [&["3600, 0"][..], &["3600,"], &["3600 , x"], &["3600", "0"]] {
        assert_eq!(behind_caches(ages), dead, "{ages:?}");
    }
    let fresh = behind_caches(&["0"]);
    assert_eq!(fresh.0, Validity::Valid);
    for ages in [&["0, 3600"][..], &["0", "3600"], &["0, soon"]] {
        assert_eq!(behind_caches(ages), fresh, "{ages:?}");
    }
}

#[test]
fn t3_an_age_that_cannot_be_read_makes_the_token_unsure_and_leaves_the_schedule() {
    let (judged, due) = behind_caches(&[]);
    assert_eq!(judged, Validity::Valid);
    for ages in [&["soon"][..], &[""], &["-1"], &[", 0"], &["1.5"], &["soon", "0"], &["0 0"]] {
        assert_eq!(behind_caches(ages), (Validity::Unsure, due), "{ages:?}");
    }
}

/// How long a server that is busy is left alone, in milliseconds.
fn left_alone(waits: &[&str]) -> u64 {
    let mut reply = says(429, "");
    reply.headers_mut().insert(DATE, NOW.parse().unwrap());
    for wait in waits {
        reply.headers_mut().append(RETRY_AFTER, wait.parse().unwrap());
    }
    let mut world = world_that_says(reply);
    world.run_to_next_request();
    world.sent[1].at
}

#[test]
fn t3_the_longest_retry_after_counts() {
    let rows: &[(&[&str], u64)] = &[
        (&["120, 120"], 120),
        (&["30, 120"], 120),
        (&["120,30"], 120),
        (&["120, soon"], 120),
        (&["30", "120"], 120),
        (&["120", "30"], 120),
        (&["soon", "120"], 120),
        (&["30, 60", "Tue, 24 Nov 2026 04:02:00 GMT"], 120),
        (&["Tue, 24 Nov 2026 04:02:00 GMT", "90"], 120),
        (&["Tue, 24 Nov 2026 03:00:00 GMT", "120"], 120),
        (&["120, Tue, 24 Nov 2026 04:10:00 GMT"], 120),
        (&["7200, 120"], 3_600), // up to the cap
    ];
    for (waits, seconds) in rows {
        assert_eq!(left_alone(waits), seconds * 1_000, "{waits:?}");
    }
    for none in ["soon", "soon, later", ",", "Tue, 24 Nov 2026"] {
        assert!(left_alone(&[none]) <= 1_000, "{none:?} is no wait");
    }
}

// ------------------------------------------------ T4

/// Somebody else's token endpoint: the reply's body says how many milliseconds the token lives.
struct OAuth;

impl Exchange for OAuth {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        let mut request = Request::default();
        *request.uri_mut() = Uri::from_static("https://login.example/token");
        Ok(request)
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let body = std::str::from_utf8(reply.granting_body(100)?).unwrap();
        let grant = Grant::new(SessionToken::new("tok-1").unwrap());
        Ok(grant.with_lifetime(Duration::from_millis(body.parse().unwrap())))
    }
}

/// A session whose request was sent a second before its reply came in.
fn granted_by_oauth(reply: &Response<Bytes>) -> (Session<Active>, Moment) {
    let session = Session::new(config(|config| config), 1);
    let sent = Moment::from_millis(5_000, T0);
    let credentials = Credentials::custom(Arc::new(OAuth));
    let (session, outgoing) = session.authenticate(&credentials, sent).unwrap();
    let now = sent.after(SECOND);
    (session.receive(outgoing.id(), reply, now).unwrap().0, now)
}

fn ends(session: &Session<Active>, now: Moment) -> (i64, Option<i64>) {
    let left = session.remaining(now);
    (left.at_least_millis(), left.at_most_millis())
}

#[test]
fn t4_a_lifetime_counts_from_the_writing_of_its_reply_and_needs_no_date() {
    // lo = L - Age - (Δticks + Δticks/1024 + Δahead + 1000), hi = L + r.
    let dates = [None, Some(NOW), Some("Thu, 01 Jan 1970 00:00:00 GMT")];
    for date in dates.map(|date| date.map(|date| (DATE, date))) {
        let headers = |more: &[(HeaderName, &'static str)]| {
            date.iter().cloned().chain(more.iter().cloned()).collect::<Vec<_>>()
        };
        let (session, now) = granted_by_oauth(&granting("600000", &headers(&[])));
        assert_eq!(ends(&session, now), (600_000 - 2_000, Some(601_000)));
        let later = now.after(Duration::from_millis(598_000 - 583));
        assert_eq!(session.validity(later), Validity::Unsure, "not for the assumed 15 minutes");
        let (session, now) = granted_by_oauth(&granting("600001", &headers(&[])));
        assert_eq!(ends(&session, now), (600_001 - 2_000, Some(600_001)), "no r for a fraction");
        let (session, now) = granted_by_oauth(&granting("600000", &headers(&[(AGE, "30")])));
        assert_eq!(ends(&session, now), (600_000 - 30_000 - 2_000, Some(601_000)));
        let (session, now) = granted_by_oauth(&granting("600000", &headers(&[(AGE, "x")])));
        assert_eq!(session.validity(now), Validity::Unsure);
    }
    assert_eq!(Grant::new(SessionToken::new("t").unwrap()).lifetime(), None);
}

#[test]
fn t4_an_adopted_token_lives_from_its_adoption() {
    let grant = Grant::new(SessionToken::new("tok-1").unwrap()).with_lifetime(MINUTE * 10);
    let mut world = World::new(HOUR);
    world.driver.start(grant, world.now());
    world.pass(HOUR); // adopted with the next poll
    world.poll_until_idle();
    assert_eq!(world.driver.remaining(world.now()).unwrap().at_most_millis(), Some(601_000));
    assert_eq!(validity(&world), Validity::Valid);
    world.run(MINUTE * 11);
    assert_eq!(world.driver.state(), StateName::Expired);
    assert!(world.events.iter().any(|event| matches!(event, Event::TokenNeeded(_))));
}

#[test]
fn t4_of_a_lifetime_and_an_expiry_the_sooner_end_counts() {
    let grant = || Grant::new(SessionToken::new("tok-1").unwrap());
    let at = |seconds: i64| ExpiresAt::from_millis(T0 + seconds * 1_000);
    let now = Moment::from_millis(5_000, T0);
    for (grant, wanted) in [
        (grant().with_expiry(at(3_600)).with_lifetime(MINUTE), (59_000, Some(61_000))),
        // By the wall clock, ± ω.
        (grant().with_expiry(at(600)).with_lifetime(HOUR), (478_000, Some(721_000))),
        (grant().with_expiry(at(600)).with_lifetime(MINUTE * 9), (478_000, Some(541_000))),
        (grant().with_expires_at("soon").with_lifetime(HOUR), (3_599_000, Some(3_601_000))),
    ] {
        let session = Session::new(config(|config| config), 1).adopt(grant, now).unwrap();
        assert_eq!(ends(&session, now), wanted);
    }
}

#[test]
fn t4_a_backend_passes_on_an_expiry_if_one_is_stated_or_computed() {
    let grant = || Grant::new(SessionToken::new("tok-1").unwrap());
    let now = UNIX_EPOCH + Duration::from_millis(T0.unsigned_abs() + 500);
    let expiry = |reply: Response<Bytes>| {
        let body: serde_json::Value = serde_json::from_slice(reply.body()).unwrap();
        body.get("expiresAt").map(|at| at.as_str().unwrap().to_owned())
    };
    let at = ExpiresAt::from_millis(T0 + 60_000);
    let rows = [
        (grant(), None, None),
        (grant().with_lifetime(MINUTE), None, Some("2026-11-24T04:01:00.500Z")),
        (grant().with_expiry(at), Some("2026-11-24T04:01:00Z"), Some("2026-11-24T04:01:00Z")),
        (
            grant().with_expiry(at).with_lifetime(SECOND),
            Some("2026-11-24T04:01:00Z"),
            Some("2026-11-24T04:00:01.500Z"),
        ),
        (
            grant().with_expires_at("2026-11-24T05:01:00+01:00").with_lifetime(HOUR),
            Some("2026-11-24T05:01:00+01:00"),
            Some("2026-11-24T05:01:00+01:00"),
        ),
        (
            grant().with_expires_at("soon").with_lifetime(MINUTE),
            Some("soon"),
            Some("2026-11-24T04:01:00.500Z"),
        ),
        (grant().with_lifetime(Duration::MAX), None, Some("9999-12-31T23:59:59.999Z")),
    ];
    for (grant, stated, computed) in rows {
        assert_eq!(expiry(grant.to_token_reply()).as_deref(), stated);
        assert_eq!(expiry(grant.to_token_reply_at(now)).as_deref(), computed);
    }
}

// ------------------------------------------------ T5

/// 2026-11-24T04:00:00Z with this behind its seconds, in milliseconds after the world begins.
fn read(text: &str) -> Option<(i64, bool)> {
    let read = ExpiresAt::parse(text)?;
    Some((read.as_millis() - T0, read.is_whole_second()))
}

#[test]
fn t5_rfc_3339_is_read_strictly() {
    let rows = [
        ("2026-11-24T04:00:00Z", (0, true)),
        ("2026-11-24t04:00:00z", (0, true)),
        ("2026-11-24T04:00:00-00:00", (0, true)),
        ("2026-11-25T03:59:00+23:59", (0, true)),
        ("2026-11-23T04:01:00-23:59", (0, true)),
        ("2026-11-24T04:00:00.5Z", (500, false)),
        ("2026-11-24T04:00:00.123456789012345Z", (123, false)),
        ("2026-11-24T04:00:00.999999999999999999999999999999999999999999Z", (999, false)),
        ("2026-11-24T04:00:00.000999Z", (0, true)),
    ];
    for (text, wanted) in rows {
        assert_eq!(read(text), Some(wanted), "{text:?}");
    }
    for (text, millis) in [
        ("0000-01-01T00:00:00Z", -62_167_219_200_000),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ] {
        assert_eq!(ExpiresAt::parse(text), Some(ExpiresAt::from_millis(millis)), "{text:?}");
    }
}

#[test]
fn t5_a_leap_second_is_the_second_before_it_and_not_exact() {
    let before = ExpiresAt::parse("2026-12-31T23:59:59Z");
    for text in [
        "2026-12-31T23:59:60Z",
        "2026-12-31T23:59:60.5Z",
        "2027-01-01T00:59:60+01:00",
        "2026-12-31T15:59:60.999-08:00",
    ] {
        assert_eq!(ExpiresAt::parse(text), before, "{text:?}");
        assert!(before.unwrap().is_whole_second());
    }
    // Any day: which ones have a leap second is not known in advance.
    assert_eq!(ExpiresAt::parse("2026-11-24T23:59:60Z"), ExpiresAt::parse("2026-11-24T23:59:59Z"));
    for text in ["2026-12-31T23:58:60Z", "2026-12-31T23:59:60+01:00", "2026-12-31T22:59:60Z"] {
        assert_eq!(ExpiresAt::parse(text), None, "{text:?}");
    }
}

#[test]
fn t5_nothing_but_rfc_3339_is_a_date() {
    for text in [
        "20261124T040000Z",
        "2026-11-24T0400Z",
        "2026-11-24T04:00Z",
        "2026-11-24T04Z",
        "2026-11-24 04:00:00Z",
        "2026-11-24_04:00:00Z",
        "2026-11-24T04:00:00",
        "-000001-11-24T04:00:00Z",
        "-0001-11-24T04:00:00Z",
        "+002026-11-24T04:00:00Z",
        "12026-11-24T04:00:00Z",
        "2026-11-24T04:00:00,5Z",
        "2026-11-24T04:00:00.Z",
        "2026-11-24T04:00:00+25:59",
        "2026-11-24T04:00:00-24:00",
        "2026-11-24T04:00:00+24:00",
        "2026-11-24T04:00:00+23:60",
        "2026-11-24T04:00:00+01",
        "2026-11-24T04:00:00+0100",
        "2026-11-24T04:00:00+01:00:00",
        "2026-11-24T04:00:00+1:00",
        "2026-11-24T04:00:00\u{2212}01:00",
        "2026-11-24T04:00:00Z[UTC]",
        "2026-11-24T04:00:00ZZ",
        "2026-11-24T04:00:00Z ",
        "2026-11-24T04:00:61Z",
        "2026-11-24T04:60:00Z",
        "2026-11-24T24:00:00Z",
        "2026-02-29T04:00:00Z",
        "2026-00-24T04:00:00Z",
        "2026-13-24T04:00:00Z",
        "2026-11-00T04:00:00Z",
        "2026-11-31T04:00:00Z",
        "2026-W48-2T04:00:00Z",
        "2026-328T04:00:00Z",
    ] {
        assert_eq!(read(text), None, "{text:?}");
    }
}

// ------------------------------------------------ T6

#[test]
fn t6_a_token_that_lives_for_no_more_than_the_tolerances_is_never_valid() {
    let backend = |skew: Option<Duration>, expires_at: &str| {
        let config = config(|config| match skew {
            Some(skew) => config.backend_skew(skew),
            None => config,
        });
        let body = format!(r#"{{"sessionToken":"tok-1","expiresAt":"{expires_at}"}}"#);
        let mut reply = Response::new(Bytes::from(body));
        reply.headers_mut().insert(DATE, NOW.parse().unwrap());
        let mut world = World::with(config, Policy::default(), HOUR, 1);
        world.server = Server::Says(reply);
        let endpoint = Endpoint::https("https://app.example/token").unwrap();
        world.driver.start(Credentials::backend(Backend::new(endpoint)), world.now());
        world.poll_until_idle();
        validity(&world)
    };
    assert_eq!(backend(None, "2026-11-24T04:00:12Z"), Validity::Unsure);
    assert_eq!(backend(None, "2026-11-24T04:00:12.001Z"), Validity::Valid);
    let in_step = Some(SECOND);
    assert_eq!(backend(in_step, "2026-11-24T04:00:03Z"), Validity::Unsure);
    assert_eq!(backend(in_step, "2026-11-24T04:00:03.001Z"), Validity::Valid);
}
