//! `Retry-After`, and what it holds back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use http::header::{DATE, HeaderValue, RETRY_AFTER};
use videokit_session::Grant;
use videokit_session::driver::{Blocked, Policy, WakeReason};
use videokit_session::exchange::{BuildError, Denial, DenialKind, Exchange, Reply};
use videokit_session::session::RequestId;
use videokit_session::session::transitions::StateName;
use videokit_session::{
    Credentials, Driver, Event, Moment, Output, Session, SessionToken, Validity, Wake,
};

use crate::fixture::*;
use crate::refused::call_with;

/// How long a driver leaves the endpoint alone after this reply, as far as the server asked for it.
fn left_alone(policy: Policy, reply: &http::Response<Vec<u8>>) -> u64 {
    let mut fixture = Fixture::new(config(|config| config), policy, 1);
    fixture.start(backend_login("https://app.example/token", "login=old"));
    let id = fixture.sent();
    fixture.answer(id, reply);
    if fixture.driver.blocked() == Some(Blocked::Refused) {
        // Refused for good: the next request is that of a new secret.
        fixture.start(backend_login("https://app.example/token", "login=new"));
    }
    let (wait, why, _) = fixture.until_sent();
    if why == Some(WakeReason::RetryAfter) { wait } else { 0 }
}

#[test]
fn retry_after_is_read_as_seconds_or_as_a_date_and_held_to_the_cap() {
    const SENT: Option<&str> = Some("Tue, 24 Nov 2026 04:00:00 GMT");
    let rows: &[(&[u8], Option<&str>, u64)] = &[
        (b"0", SENT, 0),
        (b"1", SENT, SECOND),
        (b"120", None, 120 * SECOND),
        (b" 120 ", SENT, 120 * SECOND),
        (b"0000120", SENT, 120 * SECOND),
        (b"3600", SENT, HOUR),
        (b"3601", SENT, HOUR),
        (b"18446744073709551615", SENT, HOUR),
        (b"18446744073709551616", SENT, HOUR),
        (b"1000000000000000000000000000000", SENT, HOUR),
        (b"Tue, 24 Nov 2026 04:10:00 GMT", SENT, 600 * SECOND),
        (b"Tuesday, 24-Nov-26 04:10:00 GMT", SENT, 600 * SECOND),
        (b"Tue Nov 24 04:10:00 2026", SENT, 600 * SECOND),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", SENT, HOUR),
        (b"Tue, 24 Nov 2026 04:00:00 GMT", SENT, 0),
        (b"Tue, 24 Nov 2026 03:59:59 GMT", SENT, 0),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", SENT, 0),
        (b"Tue, 24 Nov 2026 04:10:00 GMT", None, 0),
        (b"Tue, 24 Nov 2026 04:10:00 GMT", Some("today"), 0),
        // By the server's own clock, though it is years behind.
        (b"Thu, 01 Jan 1970 00:01:00 GMT", Some("Thu, 01 Jan 1970 00:00:00 GMT"), 60 * SECOND),
        (b"", SENT, 0),
        (b"-1", SENT, 0),
        (b"+5", SENT, 0),
        (b"1.5", SENT, 0),
        (b"1e3", SENT, 0),
        (b"0x10", SENT, 0),
        (b"12 s", SENT, 0),
        (b"soon", SENT, 0),
        (b"2026-11-24T04:10:00Z", SENT, 0),
        ("\u{661}\u{662}".as_bytes(), SENT, 0),
        (b"\xff\xfe", SENT, 0),
    ];
    let policy = open().build().unwrap();
    for (retry_after, date, wanted) in rows {
        let mut reply = reply(429, "");
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_bytes(retry_after).unwrap());
        if let Some(date) = date {
            reply.headers_mut().insert(DATE, HeaderValue::from_static(date));
        }
        let case = format!("{:?} at {date:?}", String::from_utf8_lossy(retry_after));
        assert_eq!(left_alone(policy, &reply), *wanted, "{case}");
    }
}

#[test]
fn retry_after_counts_on_every_denial_and_up_to_the_cap_that_was_set() {
    for status in [302, 400, 401, 403, 407, 408, 421, 425, 429, 500, 502, 503, 504] {
        let policy = open().build().unwrap();
        assert_eq!(left_alone(policy, &asking_to_wait(status, "90")), 90 * SECOND, "{status}");
    }
    for (cap, wanted) in [(SECOND, SECOND), (90 * SECOND - 1, 90 * SECOND - 1), (7 * DAY, 90_000)] {
        let policy = open().retry_after_cap(ms(cap)).build().unwrap();
        assert_eq!(left_alone(policy, &asking_to_wait(503, "90")), wanted, "{cap}");
    }
}

#[test]
fn the_longer_of_backoff_and_retry_after_is_waited_for() {
    let pause = |retry_after| {
        let mut fixture = Fixture::started(with_backoff(60_000, 60_000), 1);
        let id = fixture.sent();
        fixture.answer(id, &asking_to_wait(503, retry_after));
        let (wait, why, _) = fixture.until_sent();
        (wait, why.unwrap())
    };
    let (backoff, why) = pause("0");
    assert!(backoff > SECOND && why == WakeReason::Backoff, "{backoff} for {why:?}");
    assert_eq!(pause("1"), (backoff, WakeReason::Backoff));
    assert_eq!(pause("60"), (60 * SECOND, WakeReason::RetryAfter));
}

#[test]
fn a_wait_that_was_asked_for_is_the_endpoints_whoever_logs_in() {
    let asked = || {
        let mut fixture = Fixture::new(config(|config| config), open().build().unwrap(), 1);
        fixture.start(backend_login("https://app.example/token?user=1", "a"));
        let id = fixture.sent();
        fixture.answer(id, &asking_to_wait(429, "100"));
        fixture.pass(40 * SECOND);
        fixture
    };
    for (uri, wanted) in [
        ("https://app.example/token?user=1", 60 * SECOND),
        ("https://app.example/token?user=2", 60 * SECOND),
        ("https://app.example:443/token", 60 * SECOND),
        ("https://APP.example/token", 60 * SECOND),
        ("https://app.example/Token", 0),
        ("https://app.example/token/2", 0),
        ("https://app.example:8443/token", 0),
        ("https://other.example/token", 0),
    ] {
        let mut fixture = asked();
        fixture.stop();
        fixture.start(backend_login(uri, "b"));
        assert_eq!(fixture.until_sent().0, wanted, "{uri}");

        let mut fixture = asked();
        fixture.start(backend_login(uri, "b"));
        assert_eq!(fixture.until_sent().0, wanted, "{uri}, without a stop");
    }
}

#[test]
fn nothing_that_is_done_or_comes_later_shortens_a_wait() {
    type Interfere = fn(&mut Fixture, RequestId);
    let rows: &[(&str, Interfere)] = &[
        ("nothing", |_, _| {}),
        ("the same login", |fixture, _| {
            fixture.start(backend_login("https://app.example/token", "a"));
        }),
        ("a new secret", |fixture, _| {
            fixture.start(backend_login("https://app.example/token", "b"));
        }),
        ("stop and start", |fixture, _| {
            fixture.stop();
            fixture.start(backend_login("https://app.example/token", "a"));
        }),
        ("another endpoint in between", |fixture, _| {
            fixture.start(backend_login("https://other.example/token", "a"));
            let id = fixture.sent();
            fixture.answer(id, &asking_to_wait(429, "1"));
            fixture.start(backend_login("https://app.example/token", "a"));
        }),
        ("a token in between", |fixture, _| {
            fixture.driver.start(SessionToken::new("tok-1").unwrap(), fixture.now);
            assert!(matches!(fixture.next(), Output::Wait(_)));
            fixture.start(backend_login("https://app.example/token", "a"));
        }),
        ("the network goes and comes", |fixture, _| {
            fixture.driver.set_online(false, fixture.now);
            assert_eq!(fixture.next(), Output::Wait(Wake::OnInput));
            fixture.driver.set_online(true, fixture.now);
        }),
        ("the same reply again, asking for less", |fixture, id| {
            let reply = asking_to_wait(429, "1");
            assert!(fixture.driver.handle_response(id, &reply, fixture.now).is_stale());
        }),
        ("a monotonic clock that starts again", |fixture, _| {
            fixture.now = Moment::from_millis(0, fixture.now.wall_millis());
        }),
        ("a wall clock years ahead", |fixture, _| {
            fixture.now = Moment::from_millis(millis(fixture.now.since_start()), T0 * 2);
        }),
    ];
    for (name, interfere) in rows {
        let mut fixture = Fixture::new(config(|config| config), open().build().unwrap(), 1);
        fixture.start(backend_login("https://app.example/token", "a"));
        let id = fixture.sent();
        fixture.answer(id, &asking_to_wait(429, "100"));
        fixture.pass(30 * SECOND);
        assert_eq!(fixture.wait(), (70 * SECOND, WakeReason::RetryAfter));
        let before = fixture.now;
        interfere(&mut fixture, id);
        // What the interference itself took, where the clock did not start again.
        let taken = fixture.now.since_start().saturating_sub(before.since_start());
        assert_eq!(fixture.until_sent().0 + millis(taken), 70 * SECOND, "{name}");
    }
}

#[test]
fn a_stale_reply_asks_for_nothing() {
    let mut fixture = Fixture::new(config(|config| config), open().build().unwrap(), 1);
    fixture.start(backend_login("https://app.example/token", "a"));
    let given_up = fixture.sent();
    fixture.stop();
    fixture.start(backend_login("https://app.example/token", "a"));
    fixture.pass(1);
    let reply = asking_to_wait(429, "100");
    assert!(fixture.driver.handle_response(given_up, &reply, fixture.now).is_stale());
    let live = fixture.sent();
    assert!(fixture.driver.handle_response(given_up, &reply, fixture.now).is_stale());
    fixture.answer(live, &self::reply(503, ""));
    assert!(fixture.until_sent().0 <= 1);
}

#[test]
fn more_endpoints_than_are_kept_apart_are_each_left_alone_as_long_as_they_asked() {
    let mut fixture = Fixture::new(config(|config| config), open().build().unwrap(), 1);
    let uri = |n: u64| format!("https://app.example/token/{n}");
    // The first few ask for the longest, so that all waits overlap, however they are kept.
    let asked: Vec<u64> = (0..8).map(|n| if n < 4 { 3_600 - n } else { 300 - 10 * n }).collect();
    let mut until = Vec::new();
    for (n, seconds) in (0_u64..).zip(&asked) {
        fixture.start(backend_login(&uri(n), "a"));
        let (_, _, id) = fixture.until_sent();
        fixture.answer(id, &asking_to_wait(429, &seconds.to_string()));
        until.push(fixture.now.after(ms(seconds * SECOND)));
    }
    let overlap = until.iter().filter(|until| **until > fixture.now).count();
    assert!(overlap > 4, "{overlap} at once");
    // From the last to the first, so that no wait is over by another's.
    for n in (0..8).rev() {
        fixture.start(backend_login(&uri(n), "a"));
        let (_, _, _) = fixture.until_sent();
        let until = until[usize::try_from(n).unwrap()];
        assert!(fixture.now >= until, "{n}: {:?} before {until:?}", fixture.now);
    }
    let last = until.iter().max().unwrap();
    assert_eq!(fixture.now, *last, "and no longer than the longest");
}

/// Four waits at a time are kept apart. With a fifth, an endpoint that asked for nothing waits along.
#[test]
fn four_waits_at_a_time_hold_nobody_else_back() {
    for (asking, held_back) in [(4, false), (5, true)] {
        let mut fixture = Fixture::new(config(|config| config), open().build().unwrap(), 1);
        for n in 0..=asking {
            fixture.start(backend_login(&format!("https://app.example/token/{n}"), "a"));
            if n == asking {
                break;
            }
            let (_, _, id) = fixture.until_sent();
            fixture.answer(id, &asking_to_wait(429, "3600"));
        }
        let (wait, ..) = fixture.until_sent();
        assert_eq!(wait > 3_000 * SECOND, held_back, "{asking}: {wait}");
    }
}

/// An exchange that has no request to offer at first.
struct Late(AtomicBool);

impl Exchange for Late {
    fn request(&self) -> Result<http::Request<Bytes>, BuildError> {
        if !self.0.load(Ordering::Relaxed) {
            return Err(BuildError::Custom("not yet"));
        }
        let mut request = http::Request::new(Bytes::new());
        *request.uri_mut() = http::Uri::from_static("https://late.example/token");
        Ok(request)
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        Err(reply.granting_body(1).expect_err("nobody grants here"))
    }
}

/// The endpoint of a wait is where the request went, whether or not it was known when the login began.
#[test]
fn a_wait_is_honoured_by_an_exchange_that_had_no_request_at_first() {
    let exchange = Arc::new(Late(AtomicBool::new(false)));
    let mut fixture = Fixture::new(config(|config| config), open().build().unwrap(), 1);
    fixture.start(Credentials::custom(Arc::clone(&exchange) as Arc<dyn Exchange>));
    exchange.0.store(true, Ordering::Relaxed);
    let id = fixture.sent();
    fixture.answer(id, &asking_to_wait(429, "600"));
    assert_eq!(fixture.wait(), (600 * SECOND, WakeReason::RetryAfter));
}

/// Nor does it matter whether the exchange still has one when the reply comes.
#[test]
fn a_wait_is_honoured_by_an_exchange_that_has_no_request_any_more() {
    let exchange = Arc::new(Late(AtomicBool::new(true)));
    let mut fixture = Fixture::new(config(|config| config), open().build().unwrap(), 1);
    fixture.start(Credentials::custom(Arc::clone(&exchange) as Arc<dyn Exchange>));
    let id = fixture.sent();
    exchange.0.store(false, Ordering::Relaxed);
    fixture.answer(id, &asking_to_wait(429, "600"));
    assert_eq!(fixture.wait(), (600 * SECOND, WakeReason::RetryAfter));
}

/// An exchange that fails to build its third request.
struct Moody(AtomicU32);

impl Exchange for Moody {
    fn request(&self) -> Result<http::Request<Bytes>, BuildError> {
        if self.0.fetch_add(1, Ordering::Relaxed) == 2 {
            return Err(BuildError::Custom("not now"));
        }
        Curt.request()
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        Curt.read(reply)
    }
}

/// The endpoint is looked up when a login begins, and seen again in the request that is made for it.
#[test]
fn a_wait_is_honoured_by_an_exchange_whose_endpoint_could_not_be_looked_up() {
    let credentials = Credentials::custom(Arc::new(Moody(AtomicU32::new(0))));
    let mut fixture = Fixture::new(config(|config| config), open().build().unwrap(), 1);
    fixture.start(credentials.clone());
    let id = fixture.sent();
    fixture.answer(id, &asking_to_wait(429, "600"));
    fixture.stop();
    fixture.start(credentials);
    assert_eq!(fixture.wait(), (600 * SECOND, WakeReason::RetryAfter));
}

/// An exchange that makes its denials itself, and says nothing of waits.
struct Curt;

impl Exchange for Curt {
    fn request(&self) -> Result<http::Request<Bytes>, BuildError> {
        let mut request = http::Request::new(Bytes::new());
        *request.uri_mut() = http::Uri::from_static("https://curt.example/token");
        Ok(request)
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        Err(Denial::new(DenialKind::Transient, reply.status()))
    }
}

#[test]
fn the_wait_a_reply_asks_for_is_kept_whatever_an_exchange_makes_of_it() {
    for status in [200, 429, 503] {
        let mut fixture = Fixture::new(config(|config| config), open().build().unwrap(), 1);
        fixture.start(Credentials::custom(Arc::new(Curt)));
        let id = fixture.sent();
        fixture.answer(id, &asking_to_wait(status, "600"));
        assert_eq!(fixture.wait(), (600 * SECOND, WakeReason::RetryAfter), "{status}");
    }
}

/// A session comes along with a request on its way to one endpoint, and credentials for another.
#[test]
fn a_wait_is_the_endpoints_that_was_asked() {
    for (asked, next, waits) in [("a", "b", false), ("a", "a", true)] {
        let uri = |path: &str| format!("https://app.example/token/{path}");
        let mut fixture = Fixture::new(config(|config| config), open().build().unwrap(), 1);
        let session = Session::new(config(|config| config), 1);
        let asking = backend_login(&uri(asked), "1");
        let (session, outgoing) = session.authenticate(&asking, fixture.now).unwrap();
        let granting = reply(200, r#"{"sessionToken":"tok-1","identity":"user-17"}"#);
        let (mut session, _) = session.receive(outgoing.id(), &granting, fixture.now).unwrap();
        let renewal = session.renew(&asking, fixture.now).unwrap();
        fixture.driver = Driver::from_session(session, open().build().unwrap());
        fixture.driver.set_credentials(backend_login(&uri(next), "2"), fixture.now);
        fixture.answer(renewal.id(), &asking_to_wait(429, "3600"));
        // The token's own life is assumed, a quarter of an hour; a 401 makes renewal due at once.
        let generation = fixture.driver.generation().unwrap();
        fixture.driver.handle_unauthorized(call_with(generation), fixture.now);
        let (wait, ..) = fixture.until_sent();
        assert_eq!(wait >= 3_600 * SECOND, waits, "{asked}, then {next}: {wait}");
    }
}

#[test]
fn the_end_of_a_token_is_waited_for_while_its_renewal_is_in_flight() {
    let config = config(|config| config.request_timeout(ms(300 * SECOND)));
    let mut fixture = Fixture::new(config, open().build().unwrap(), 1);
    fixture.start(gateway_login());
    let id = fixture.sent();
    fixture.grant(id, 60 * SECOND);
    let (_, why, _) = fixture.until_sent();
    assert_eq!(why, Some(WakeReason::Renewal));
    let (left, why) = fixture.wait();
    assert_eq!(why, WakeReason::Expiry);
    assert!(left < 60 * SECOND, "{left}");
    let validity = |wait| fixture.driver.validity(fixture.now.after(ms(wait)));
    assert_eq!(validity(left - 1), Some(Validity::Unsure));
    assert_eq!(validity(left), Some(Validity::Expired), "to the millisecond");
    fixture.pass(left);
    let (left, why) = fixture.wait();
    assert_eq!(why, WakeReason::Deadline, "{left}");
    assert_eq!(fixture.driver.state(), StateName::Authenticating, "it lapsed in flight");
}

/// The second token outlives the threshold and proves an age of 60 s, before it is refused at 40 s. So the third one,
/// which is refused at 5 s, contradicts two ages, and the threshold rises twice, to 160 s.
#[test]
fn a_token_proves_the_age_of_its_predecessor_before_its_own_401_is_judged() {
    let mut fixture = Fixture::started(open().build().unwrap(), 1);
    let refuse_after = |fixture: &mut Fixture, millis| {
        fixture.pass(millis);
        let generation = fixture.driver.generation().unwrap();
        fixture.driver.handle_unauthorized(call_with(generation), fixture.now);
    };
    let reported = |fixture: &Fixture| {
        let events = fixture.events.iter();
        events.filter(|event| matches!(event, Event::Unauthorized(_))).count()
    };
    for age in [60 * SECOND, 40 * SECOND] {
        let id = fixture.sent();
        fixture.grant(id, 300 * SECOND);
        refuse_after(&mut fixture, age);
    }
    let id = fixture.sent();
    fixture.grant(id, 300 * SECOND);
    refuse_after(&mut fixture, 5 * SECOND);
    let (_, why, id) = fixture.until_sent();
    assert_eq!((why, reported(&fixture)), (Some(WakeReason::Renewal), 1));
    fixture.grant(id, 300 * SECOND);
    // Under the threshold, so it is not renewed for this.
    refuse_after(&mut fixture, 100 * SECOND);
    let (_, why) = fixture.wait();
    assert_eq!((why, reported(&fixture)), (WakeReason::Renewal, 2));
}
