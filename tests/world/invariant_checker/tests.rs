//! A checker that blames nobody proves nothing: here drivers are said to do what none does.

use core::time::Duration;

use super::*;
use videokit_session::driver::{Output, Start};
use videokit_session::exchange::{AllowedOrigin, Credentials, Gateway, Grant, Identity};
use videokit_session::secret::{ApiToken, SessionToken};
use videokit_session::session::Config;

use http::StatusCode;

const LIVES: &str = "2026-11-24T05:00:00Z";
const DATED: &str = "Tue, 24 Nov 2026 04:00:00 GMT";

fn at(ms: u32) -> Moment {
    Moment::from_millis(ms.into(), 1_795_492_800_000 + i64::from(ms))
}

fn login(secret: &str) -> Start {
    let token = ApiToken::new(secret).unwrap();
    Credentials::for_development(Gateway::new(token, Identity::new("ann").unwrap())).into()
}

fn reply(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let reply = Response::builder().status(status).header(DATE, DATED);
    reply.body(body.into()).unwrap()
}

fn granted() -> Response<Bytes> {
    let body = format!(r#"{{"sessionToken":"tok","identity":"ann","expiresAt":"{LIVES}"}}"#);
    reply(StatusCode::OK, body)
}

fn driver(seed: u64) -> Driver {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Driver::new(Config::builder(origin).build().unwrap().into(), seed)
}

fn events(driver: &mut Driver, now: Moment) -> Vec<Event> {
    let mut events = Vec::new();
    while let Output::Event(event) = driver.poll(now) {
        events.push(event);
    }
    events
}

/// The request that the driver makes now, of which it has told.
fn request(driver: &mut Driver) -> Outgoing {
    let Output::Event(_) = driver.poll(at(0)) else { panic!("it says what it does") };
    let Output::Send(outgoing) = driver.poll(at(0)) else { panic!("it asks at once") };
    outgoing
}

/// A driver that has asked for a token, and its request.
fn asking(seed: u64) -> (Driver, Outgoing) {
    let mut driver = driver(seed);
    driver.start(login("secret"), at(0));
    let outgoing = request(&mut driver);
    (driver, outgoing)
}

/// One that has got this reply, with what it tells of it, and the request that was answered so.
fn answered(reply: &Response<Bytes>) -> (Driver, Vec<Event>, Outgoing) {
    let (mut driver, outgoing) = asking(1);
    assert!(driver.handle_response(outgoing.id(), reply, at(0)).is_accepted());
    let events = events(&mut driver, at(0));
    (driver, events, outgoing)
}

/// A checker that knows of a login.
fn watching() -> InvariantChecker {
    let mut checker = InvariantChecker::new(Policy::default(), at(0));
    checker.started(Started::Another);
    checker
}

/// One that has also seen the first request go out, when there was no token yet.
fn seen(outgoing: &Outgoing) -> InvariantChecker {
    let (driver, _) = asking(1);
    let mut checker = watching();
    checker.sent(outgoing, &driver, at(0)).unwrap();
    checker
}

fn blames(verdict: Verdict, promise: Invariant, how: &str) {
    let (broken, what) = verdict.expect_err(how);
    assert_eq!(broken, promise, "{what}");
    assert!(what.contains(how), "{what}");
}

const NO_TOKEN: (Option<&str>, Option<&str>) = (None, None);

#[test]
fn two_requests_at_once_and_two_in_a_row_break_the_budget() {
    let (driver, first) = asking(1);
    let (_, second) = asking(2);
    let mut checker = seen(&first);
    let beside = format!("goes out beside {}", first.id());
    blames(checker.sent(&second, &driver, at(0)), Invariant::Budget, &beside);

    let mut checker = seen(&first);
    checker.reported(first.id(), None, true, NO_TOKEN).unwrap();
    blames(checker.sent(&second, &driver, at(0)), Invariant::Budget, "over the budget");

    let mut checker = seen(&first);
    checker.reported(first.id(), None, true, NO_TOKEN).unwrap();
    checker.read(at(250));
    assert_eq!(checker.sent(&second, &driver, at(250)), Ok(()), "the spacing is kept");
}

#[test]
fn a_bucket_that_is_empty_stays_so_for_an_interval() {
    let (driver, _) = asking(1);
    let mut checker = watching();
    let mut next = {
        let mut seed = 1;
        move || {
            seed += 1;
            asking(seed).1
        }
    };
    let burst = Policy::default().burst();
    for n in 0..burst {
        let outgoing = next();
        checker.read(at(250 * n));
        checker.sent(&outgoing, &driver, at(250 * n)).unwrap();
        checker.reported(outgoing.id(), None, true, NO_TOKEN).unwrap();
    }
    checker.read(at(9_999));
    blames(checker.sent(&next(), &driver, at(9_999)), Invariant::Budget, "over the budget");
    checker.live = None;
    checker.read(at(10_000));
    assert_eq!(checker.sent(&next(), &driver, at(10_000)), Ok(()));
}

#[test]
fn what_is_stale_is_not_taken_and_changes_nothing() {
    let (_, outgoing) = asking(1);
    let id = outgoing.id();
    let stale = |verdict, how| blames(verdict, Invariant::StaleIsStale, how);
    let taken = |taken, tokens| watching().reported(id, None, taken, tokens);
    stale(taken(true, NO_TOKEN), "was taken: true; in flight: false");
    stale(taken(false, (Some("a"), Some("b"))), "changed the token");
    assert_eq!(taken(false, (Some("a"), Some("a"))), Ok(()));
    let lost = seen(&outgoing).reported(id, None, false, NO_TOKEN);
    stale(lost, "was taken: false; in flight: true");
    stale(watching().abandoned(id), "not in flight");
    assert_eq!(seen(&outgoing).abandoned(id), Ok(()));
}

#[test]
fn a_failure_is_no_refusal_and_a_refusal_is_final() {
    let (refused, told, outgoing) = answered(&reply(StatusCode::UNAUTHORIZED, ""));
    let (_, failed, _) = answered(&reply(StatusCode::SERVICE_UNAVAILABLE, ""));
    let id = Some(outgoing.id());
    let mut checker = seen(&outgoing);
    checker.state = StateName::Authenticating;
    let taken_for_one = checker.event(&failed[0], id, &refused);
    blames(taken_for_one, Invariant::FailureDoesNoHarm, "taken for a refusal");

    let mut checker = seen(&outgoing);
    checker.state = StateName::Authenticating;
    checker.reported(outgoing.id(), None, true, NO_TOKEN).unwrap();
    assert_eq!(checker.event(&told[0], id, &refused), Ok(()));
    checker.read(at(60_000));
    let again = asking(2).1;
    let asks_again = checker.sent(&again, &refused, at(60_000));
    blames(asks_again, Invariant::RefusedIsRefused, "asks again");
    checker.live = None;
    checker.started(Started::WithNewSecret);
    checker.read(at(120_000));
    assert_eq!(checker.sent(&again, &refused, at(120_000)), Ok(()), "another secret may");
}

#[test]
fn a_renewal_has_a_reason() {
    let (active, _, first) = answered(&granted());
    let again = asking(2).1;
    let renews = |mut checker: InvariantChecker, ms| {
        checker.live = None;
        checker.read(at(ms));
        checker.sent(&again, &active, at(ms))
    };
    let early = renews(seen(&first), 60_000);
    blames(early, Invariant::UnauthorizedRenewsOnce, "no 401 asked for it");
    assert_eq!(renews(seen(&first), 3_540_000), Ok(()), "its time has come");
    let mut after_401 = seen(&first);
    after_401.unauthorized(active.generation().unwrap(), &active);
    assert_eq!(renews(after_401, 60_000), Ok(()));
}

#[test]
fn a_401_that_no_renewal_answers_is_told_once() {
    let mut driver = driver(1);
    driver.start(Grant::new(SessionToken::new("bare").unwrap()), at(0));
    let adopted = events(&mut driver, at(0));
    let generation = driver.generation().unwrap();
    let told = Event::Unauthorized(generation);
    let of_401 = |verdict, how| blames(verdict, Invariant::UnauthorizedRenewsOnce, how);

    let mut checker = watching();
    checker.event(&adopted[0], None, &driver).unwrap();
    of_401(checker.event(&told, None, &driver), "was not to be told");
    checker.unauthorized(generation, &driver);
    of_401(checker.waits(&driver, Wake::OnInput), "nobody was told of the 401 on token 1");
    assert_eq!(checker.event(&told, None, &driver), Ok(()));
    of_401(checker.event(&told, None, &driver), "was not to be told");
    checker.unauthorized(generation, &driver);
    assert_eq!(checker.waits(&driver, Wake::OnInput), Ok(()), "once is enough");
}

#[test]
fn the_first_401_of_a_login_leads_to_a_renewal() {
    let (active, told, first) = answered(&granted());
    let generation = active.generation().unwrap();
    let of_401 = |verdict, how| blames(verdict, Invariant::UnauthorizedRenewsOnce, how);
    let refused = || {
        let mut checker = seen(&first);
        checker.reported(first.id(), None, true, NO_TOKEN).unwrap();
        checker.state = StateName::Authenticating;
        checker.event(&told[0], None, &active).unwrap();
        checker.unauthorized(generation, &active);
        checker
    };
    let reported = refused().event(&Event::Unauthorized(generation), None, &active);
    of_401(reported, "was not to be told");
    let second = Duration::from_secs(1);
    for (wake, goes_on) in [
        (Wake::OnInput, false),
        (Wake::In(second, WakeReason::Renewal), false),
        (Wake::In(second, WakeReason::Budget), true),
        (Wake::In(second, WakeReason::Backoff), true),
        (Wake::In(second, WakeReason::RetryAfter), true),
        (Wake::In(second, WakeReason::Expiry), true),
    ] {
        let waits = refused().waits(&active, wake);
        if goes_on {
            assert_eq!(waits, Ok(()), "{wake:?}");
        } else {
            of_401(waits, "led to nothing");
        }
    }
}

#[test]
fn a_server_that_named_a_time_is_left_alone_until_then() {
    let asks_to_wait = |header: &str| {
        let mut reply = reply(StatusCode::TOO_MANY_REQUESTS, "");
        reply.headers_mut().insert(RETRY_AFTER, header.parse().unwrap());
        let (driver, _, first) = answered(&reply);
        let mut checker = seen(&first);
        checker.reported(first.id(), Some(&reply), true, NO_TOKEN).unwrap();
        (driver, checker)
    };
    for header in ["60", "Tue, 24 Nov 2026 04:01:00 GMT"] {
        let (driver, mut checker) = asks_to_wait(header);
        checker.read(at(59_999));
        let early = checker.sent(&asking(2).1, &driver, at(59_999));
        blames(early, Invariant::ServersAreLeftAlone, "1 ms before the time");
        let (driver, mut checker) = asks_to_wait(header);
        checker.read(at(60_000));
        assert_eq!(checker.sent(&asking(2).1, &driver, at(60_000)), Ok(()));
    }
}

#[test]
fn nothing_goes_on_after_a_stop() {
    let (mut driver, outgoing) = asking(1);
    let mut checker = watching();
    blames(checker.stopped(None, &driver), Invariant::StopStops, "Authenticating after a stop");
    let late = checker.sent(&outgoing, &driver, at(0));
    blames(late, Invariant::StopStops, "after the stop");
    driver.stop(at(0));
    blames(checker.stopped(Some("tok"), &driver), Invariant::StopStops, "after a stop");
    assert_eq!(checker.stopped(None, &driver), Ok(()));
}

#[test]
fn each_transition_is_told_and_none_is_made_up() {
    let (active, told, outgoing) = answered(&granted());
    let mut checker = seen(&outgoing);
    let untold = format!("{} without an event", StateName::Active);
    blames(checker.waits(&active, Wake::OnInput), Invariant::OneEventEach, &untold);
    let early = checker.event(&told[0], None, &active);
    blames(early, Invariant::OneEventEach, "though the session was Unauthenticated");
    checker.state = StateName::Authenticating;
    assert_eq!(checker.event(&told[0], None, &active), Ok(()));
    assert_eq!(checker.waits(&active, Wake::OnInput), Ok(()));
    let Event::Moved(transition) = told[0] else { panic!("a grant moves") };
    checker.state = StateName::Expired;
    let no_row = Event::Moved(Transition { from: StateName::Expired, ..transition });
    blames(
        checker.event(&no_row, None, &active),
        Invariant::OneEventEach,
        "though the session was",
    );
}
