//! `Driver`, polled after every call until it waits, as in an event loop.

use std::hint::black_box;
use std::time::Duration;

use videokit_session_bench::Column;

use crate::case::Case;
use crate::fixtures::{self, Reply};
use crate::ours::{self, App, Driver, Moment, NOW, RequestId};

/// Sends the request that is due, and polls until the driver waits for its reply.
#[inline]
fn ask(driver: &mut Driver, now: Moment) -> RequestId {
    let (id, request) = ours::next_request(driver, now);
    black_box(request);
    black_box(ours::wait(driver, now));
    id
}

/// Hands a reply over, and returns when the renewal is due.
#[inline]
fn answer(driver: &mut Driver, id: RequestId, reply: &Reply, now: Moment) -> Duration {
    ours::handle_reply(driver, id, reply, now);
    ours::wait(driver, now)
}

#[inline]
fn started(app: &App) -> (Driver, RequestId) {
    let mut driver = ours::start(app);
    let id = ask(&mut driver, black_box(NOW));
    (driver, id)
}

/// Returns a driver with its first token, and when it renews that.
pub(crate) fn active(app: &App, reply: &Reply) -> (Driver, Duration) {
    let (mut driver, id) = started(app);
    let due = answer(&mut driver, id, reply, black_box(NOW));
    (driver, due)
}

/// As [`active`], with the fixture's app and reply.
fn fixture() -> Driver {
    let (driver, due) = active(&App::new(), &fixtures::dated());
    let expected = Duration::from_secs(3_400)..Duration::from_secs(3_540);
    assert!(expected.contains(&due), "the reply's expiry is read: {due:?}");
    driver
}

fn request(n: u64) {
    let app = App::new();
    for _ in 0..n {
        black_box(started(black_box(&app)));
    }
}

/// A request is part of it, since a driver accepts no reply without one.
fn consume(n: u64, reply: &Reply) {
    let app = App::new();
    for _ in 0..n {
        black_box(active(black_box(&app), reply));
    }
}

fn consume_dated(n: u64) {
    consume(n, &fixtures::dated());
}

fn consume_undated(n: u64) {
    consume(n, &fixtures::undated());
}

fn consume_claims(n: u64) {
    consume(n, &fixtures::with_claims());
}

fn authorize(n: u64) {
    let (driver, mut request) = (fixture(), fixtures::api_request());
    for _ in 0..n {
        ours::driver_authorize(black_box(&driver), &mut request);
        black_box(&mut request);
    }
    fixtures::assert_authorized(&request);
}

fn lend(n: u64) {
    let (driver, origin) = (fixture(), ours::origin());
    for _ in 0..n {
        ours::driver_lend(black_box(&driver), black_box(&origin));
    }
}

fn idle_poll(n: u64) {
    let mut driver = fixture();
    for _ in 0..n {
        ours::idle_poll(black_box(&mut driver));
    }
}

/// On schedule: time goes on by what the driver waits for. `Date` stays an hour before the expiry.
fn renew(n: u64) {
    let reply = fixtures::dated();
    let (mut driver, mut due) = active(&App::new(), &reply);
    let mut now = NOW;
    for _ in 0..n {
        now = now.after(due);
        let driver = black_box(&mut driver);
        let id = ask(driver, now);
        due = answer(driver, id, &reply, now);
    }
    assert_eq!(ours::renewals(&driver), n);
    ours::assert_driver_valid(&driver, now);
}

fn cycle(n: u64, reply: &Reply, renewal: &Reply) {
    let (app, mut request) = (App::new(), fixtures::api_request());
    for _ in 0..n {
        let (mut driver, due) = active(black_box(&app), reply);
        for _ in 0..10 {
            ours::driver_authorize(black_box(&driver), &mut request);
            black_box(&mut request);
        }
        let now = NOW.after(black_box(due));
        let id = ask(&mut driver, now);
        black_box(answer(&mut driver, id, renewal, now));
        assert_eq!(ours::renewals(&driver), 1);
        black_box(driver);
    }
    fixtures::assert_authorized(&request);
}

fn cycle_dated(n: u64) {
    let reply = fixtures::dated();
    cycle(n, &reply, &reply);
}

/// Without a `Date`, it is the device's clock that the expiry is compared with, so the second one is later.
fn cycle_undated(n: u64) {
    let later = fixtures::body(&fixtures::token(), &fixtures::EXPIRES_AT.replace("T12", "T13"));
    cycle(n, &fixtures::undated(), &Reply::new(later.into_bytes()));
}

pub(crate) const CASES: &[Case] = &[
    Case::new(&["request"], Column::Driver, request),
    Case::new(&["consume"], Column::Driver, consume_dated).less("request/driver", 1),
    Case::new(&["consume-undated"], Column::Driver, consume_undated).less("request/driver", 1),
    Case::new(&["consume-claims"], Column::Driver, consume_claims).less("request/driver", 1),
    Case::new(&["authorize"], Column::Driver, authorize),
    Case::new(&["lend"], Column::Driver, lend),
    Case::new(&["renew"], Column::Driver, renew),
    Case::new(&["cycle10"], Column::Driver, cycle_dated),
    Case::new(&["cycle10-undated"], Column::Driver, cycle_undated),
    Case::new(&["idle-poll"], Column::Driver, idle_poll),
];
