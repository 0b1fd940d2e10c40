//! How a driver paces its requests, as tables: backoff, renewal margin, `Retry-After`, attempts, and the
//! ranges of a policy. Everything is seen through `Driver`, in virtual time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::header::{COOKIE, DATE, HeaderValue, RETRY_AFTER};
use videokit_session::driver::{Policy, PolicyBuilder, PolicyError, Stalled, WakeReason};
use videokit_session::exchange::Endpoint;
use videokit_session::session::transitions::StateName;
use videokit_session::session::{ConfigBuilder, RequestId};
use videokit_session::{
    AllowedOrigin, ApiToken, Backend, Config, Credentials, Driver, Event, Gateway, Identity,
    Moment, Output, SessionToken, TransportFailure, Validity, Wake, sim,
};

/// 2026-11-24T04:00:00Z.
const T0: i64 = 1_795_492_800_000;
const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;
/// The default time-out of a request.
const TIMEOUT: u64 = 15 * SECOND;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A budget that holds nothing back and a backoff of no more than 1 ms, so that only what a test sets
/// itself is left to wait for.
fn open() -> PolicyBuilder {
    Policy::builder().burst(1_000).interval(ms(1)).spacing(ms(1)).backoff(ms(1), ms(1))
}

fn with_backoff(base: u64, cap: u64) -> Policy {
    open().backoff(ms(base), ms(cap)).build().unwrap()
}

fn config(set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Arc::new(set(Config::builder(origin)).build().unwrap())
}

fn identity() -> Identity {
    Identity::new("user-17").unwrap()
}

fn gateway_login() -> Credentials {
    let token = ApiToken::new("api-token").unwrap();
    Credentials::for_development(Gateway::new(token, identity()))
}

fn backend_login(uri: &str, cookie: &str) -> Credentials {
    let backend = Backend::new(Endpoint::https(uri).unwrap()).identity(identity());
    Credentials::backend(backend.header(COOKIE, HeaderValue::from_str(cookie).unwrap()))
}

fn reply(status: u16, body: &str) -> http::Response<Vec<u8>> {
    http::Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap()
}

fn asking_to_wait(status: u16, retry_after: &str) -> http::Response<Vec<u8>> {
    let mut reply = reply(status, "");
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap());
    reply
}

/// A driver and its clocks.
struct Bench {
    driver: Driver,
    now: Moment,
    events: Vec<Event>,
}

impl Bench {
    fn new(config: Arc<Config>, policy: Policy, seed: u64) -> Self {
        let driver = Driver::with_policy(config, policy, seed);
        Self { driver, now: Moment::from_millis(0, T0), events: Vec::new() }
    }

    /// One that asks the gateway.
    fn started(policy: Policy, seed: u64) -> Self {
        let mut bench = Self::new(config(|config| config), policy, seed);
        bench.start(gateway_login());
        bench
    }

    fn start(&mut self, credentials: Credentials) {
        self.driver.start(credentials, self.now);
    }

    fn stop(&mut self) {
        self.driver.stop(self.now);
    }

    fn pass(&mut self, millis: u64) {
        self.now = self.now.after(ms(millis));
    }

    /// The next output that asks for something to be done.
    fn next(&mut self) -> Output {
        loop {
            match self.driver.poll(self.now) {
                Output::Event(event) => self.events.push(event),
                Output::Abandon(_) => {}
                output => return output,
            }
        }
    }

    /// The request that it makes now.
    fn sent(&mut self) -> RequestId {
        match self.next() {
            Output::Send(outgoing) => outgoing.id(),
            output => panic!("a request is due, not {output:?}"),
        }
    }

    /// How long it waits now, and for what.
    fn wait(&mut self) -> (u64, WakeReason) {
        match self.next() {
            Output::Wait(Wake::In(wait, reason)) => (millis(wait), reason),
            output => panic!("a wait is due, not {output:?}"),
        }
    }

    /// How long until it makes the next request, why it waited first, and the request.
    fn until_sent(&mut self) -> (u64, Option<WakeReason>, RequestId) {
        let (mut waited, mut why) = (0, None);
        loop {
            match self.next() {
                Output::Send(outgoing) => return (waited, why, outgoing.id()),
                Output::Wait(Wake::In(wait, reason)) => {
                    let wait = millis(wait);
                    self.pass(wait - 1);
                    assert!(matches!(self.next(), Output::Wait(_)), "not a millisecond early");
                    self.pass(1);
                    waited += wait;
                    assert!(waited <= 366 * DAY, "no request for a year");
                    why = why.or(Some(reason));
                }
                output => panic!("it asks no more: {output:?}"),
            }
        }
    }

    /// Answers a request, a millisecond after it was sent, so that the spacing is over.
    fn answer(&mut self, id: RequestId, reply: &http::Response<Vec<u8>>) {
        self.pass(1);
        self.driver.handle_response(id, reply, self.now).unwrap();
    }

    /// Lets a try fail, in one of the ways in which one can.
    fn fail(&mut self, id: RequestId, way: usize) {
        match way % 4 {
            0 => {
                self.pass(1);
                let why = TransportFailure::Unreachable;
                self.driver.handle_failure(id, why, self.now).unwrap();
            }
            1 => self.answer(id, &reply(503, "")),
            2 => self.answer(id, &reply(200, "<html>")),
            _ => {
                self.pass(TIMEOUT);
                // What is still queued about the request itself comes first.
                let failed = (0..Driver::MOST_QUEUED).any(|_| {
                    matches!(self.driver.poll(self.now), Output::Event(Event::Failed(..)))
                });
                assert!(failed, "its deadline has passed");
            }
        }
    }

    /// Answers with a token of this lifetime, on the second.
    fn grant(&mut self, id: RequestId, lifetime: u64) {
        let past = u64::try_from(self.now.wall_millis()).unwrap() % SECOND;
        self.pass(SECOND - past);
        let mut gateway = sim::Gateway::new("api-token", ms(lifetime), 1);
        let request = gateway_login().exchange().request().unwrap();
        let reply = gateway.handle(&request, self.now.wall_millis());
        self.driver.handle_response(id, &reply, self.now).unwrap();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

fn ceiling(base: u64, cap: u64, failures: usize) -> u64 {
    base.saturating_mul(1 << (failures - 1).min(40)).min(cap)
}

/// The pauses after the first failures of a driver.
fn pauses(policy: Policy, seed: u64, failures: usize) -> Vec<u64> {
    let mut bench = Bench::started(policy, seed);
    let mut id = bench.sent();
    let mut pauses = Vec::new();
    for n in 0..failures {
        bench.fail(id, n);
        let (pause, why, next) = bench.until_sent();
        assert_eq!(why, (pause > 0).then_some(WakeReason::Backoff));
        pauses.push(pause);
        id = next;
    }
    pauses
}

#[test]
fn a_pause_lies_between_nothing_and_its_ceiling_and_comes_close_to_both() {
    for (base, cap) in [(1_000, 60_000), (7, 1_000_000), (60_000, 60_000), (1_000, DAY)] {
        let all: Vec<_> = (0..300).map(|seed| pauses(with_backoff(base, cap), seed, 14)).collect();
        for failures in 1..=14 {
            let ceiling = ceiling(base, cap, failures);
            let after = || all.iter().map(|pauses| pauses[failures - 1]);
            let (least, most) = (after().min().unwrap(), after().max().unwrap());
            let case = format!("{least} to {most} after {failures} of {base} to {cap}");
            assert!(most <= ceiling, "{case}");
            assert!(least * 10 < ceiling && most * 10 > ceiling * 9, "{case}");
        }
    }
}

#[test]
fn a_seed_gives_its_pauses_again_and_another_gives_others() {
    let policy = with_backoff(1_000, 60_000);
    assert_eq!(pauses(policy, 5, 30), pauses(policy, 5, 30));
    assert_ne!(pauses(policy, 5, 30), pauses(policy, 6, 30));
}

/// The pause after eight failures, a token of this lifetime, and one more failure unless the token was
/// none to build on.
fn pause_after_grant(seed: u64, lifetime: u64) -> u64 {
    let mut bench = Bench::started(with_backoff(1_000, 60_000), seed);
    let mut id = bench.sent();
    for n in 0..8 {
        bench.fail(id, n);
        (_, _, id) = bench.until_sent();
    }
    bench.grant(id, lifetime);
    if bench.driver.validity(bench.now) == Some(Validity::Valid) {
        let (_, why, renewal) = bench.until_sent();
        assert_eq!(why, Some(WakeReason::Renewal));
        bench.fail(renewal, 0);
    }
    bench.until_sent().0
}

#[test]
fn a_valid_token_ends_the_row_of_failures_and_an_unsure_one_does_not() {
    let most = |lifetime| (0..200).map(|seed| pause_after_grant(seed, lifetime)).max().unwrap();
    let valid = most(600 * SECOND);
    assert!((900..=1_000).contains(&valid), "{valid}");
    let unsure = most(2 * SECOND);
    assert!((54_000..=60_000).contains(&unsure), "{unsure}");
}

#[test]
fn thousands_of_failures_stay_under_the_cap() {
    for (base, cap) in [(1_000, 60_000), (DAY, DAY)] {
        let pauses = pauses(with_backoff(base, cap), 3, 4_000);
        assert!(pauses.iter().all(|pause| *pause <= cap));
        for late in pauses[1_000..].chunks(500) {
            let (least, most) = (late.iter().min().unwrap(), late.iter().max().unwrap());
            assert!(least * 10 < cap && most * 10 > cap * 9, "{least} to {most}");
        }
    }
}

/// A configuration's margin and percentage.
#[derive(Debug, Clone, Copy)]
struct Margin {
    configured: u64,
    percent: u8,
}

impl Margin {
    /// A driver that holds a token of this lifetime.
    fn bench(self, lifetime: u64, seed: u64) -> Bench {
        let config = config(|config| {
            config.renewal_margin(ms(self.configured)).renewal_percent(self.percent)
        });
        let mut bench = Bench::new(config, open().build().unwrap(), seed);
        bench.start(gateway_login());
        let id = bench.sent();
        bench.grant(id, lifetime);
        bench
    }

    /// The margin of a token that certainly lives for `lo`, without chance.
    fn of(self, lo: i64) -> i64 {
        let fraction = lo * i64::from(self.percent) / 100;
        fraction.min(i64::try_from(self.configured).unwrap())
    }
}

fn lo(bench: &Bench) -> i64 {
    bench.driver.remaining(bench.now).unwrap().at_least_millis()
}

#[test]
fn renewal_leaves_one_to_one_and_a_half_margins_and_a_quarter_of_the_life() {
    let lifetimes = [5, 6, 10, 60, 600, 3_600, 86_400, 7 * 86_400, 366 * 86_400];
    for configured in [0, 100, SECOND, 60 * SECOND, HOUR, 366 * DAY] {
        for (percent, lifetime) in [1, 25, 50].into_iter().flat_map(|p| lifetimes.map(|l| (p, l))) {
            let margin = Margin { configured, percent };
            let (mut waits, mut jitter) = (BTreeSet::new(), 0);
            for seed in 0..8 {
                let mut bench = margin.bench(lifetime * SECOND, seed);
                let initial = lo(&bench);
                let (wait, why, _) = bench.until_sent();
                let (left, least) = (lo(&bench), margin.of(initial));
                let case = format!("{margin:?} {lifetime} s {seed}: {left} of {initial}");
                assert_eq!(why, Some(WakeReason::Renewal), "{case}");
                // `lo` falls by two in some of its milliseconds, so it may step over the margin by one.
                assert!((least - 1..=least + least / 2).contains(&left), "{case}");
                assert!(left * 4 <= initial * 3, "{case}");
                waits.insert(wait);
                jitter = least / 2;
            }
            assert!(jitter < 1_000 || waits.len() == 8, "{margin:?} {lifetime} s: {waits:?}");
        }
    }
}

#[test]
fn seeds_spread_renewals_over_half_a_margin() {
    let margin = Margin { configured: 60 * SECOND, percent: 25 };
    let left = |seed| {
        let mut bench = margin.bench(600 * SECOND, seed);
        let (_, why, _) = bench.until_sent();
        assert_eq!(why, Some(WakeReason::Renewal));
        lo(&bench)
    };
    let (least, most) = ((0..200).map(left).min().unwrap(), (0..200).map(left).max().unwrap());
    assert!((59_999..63_000).contains(&least), "{least}");
    assert!((87_000..=90_000).contains(&most), "{most}");
}

#[test]
fn a_token_too_short_to_be_valid_is_renewed_by_backoff() {
    for lifetime in [1, 2, 3, 4] {
        let margin = Margin { configured: 60 * SECOND, percent: 25 };
        let mut bench = margin.bench(lifetime * SECOND, 1);
        assert_eq!(bench.driver.validity(bench.now), Some(Validity::Unsure), "{lifetime} s");
        let (wait, why, _) = bench.until_sent();
        assert!(wait <= 1 && why != Some(WakeReason::Renewal), "{lifetime} s: {wait} for {why:?}");
    }
}

#[test]
fn no_wait_is_longer_than_a_day() {
    assert_eq!(Wake::LONGEST, ms(DAY));
    let margin = Margin { configured: 60 * SECOND, percent: 25 };
    let mut bench = margin.bench(10 * DAY, 1);
    assert_eq!(bench.wait(), (DAY, WakeReason::Renewal));
    bench.pass(DAY / 2);
    assert_eq!(bench.wait(), (DAY, WakeReason::Renewal), "an early poll counts from itself");
    bench.pass(9 * DAY);
    let (wait, why) = bench.wait();
    assert!(wait < DAY / 2 && why == WakeReason::Renewal, "{wait} for {why:?}");

    let mut held_back = Bench::started(open().retry_after_cap(ms(7 * DAY)).build().unwrap(), 1);
    let id = held_back.sent();
    held_back.answer(id, &asking_to_wait(429, "604800"));
    assert_eq!(held_back.wait(), (DAY, WakeReason::RetryAfter));
    assert_eq!(held_back.until_sent().0, 7 * DAY);
}

/// How long a driver leaves the endpoint alone after this reply, as far as the server asked for it.
fn left_alone(policy: Policy, reply: &http::Response<Vec<u8>>) -> u64 {
    let mut bench = Bench::new(config(|config| config), policy, 1);
    bench.start(backend_login("https://app.example/token", "login=old"));
    let id = bench.sent();
    bench.answer(id, reply);
    if bench.driver.stalled() == Some(Stalled::Refused) {
        // Refused for good: the next request is that of a new secret.
        bench.start(backend_login("https://app.example/token", "login=new"));
    }
    let (wait, why, _) = bench.until_sent();
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
    for status in [302, 400, 401, 403, 408, 425, 429, 500, 502, 503, 504] {
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
        let mut bench = Bench::started(with_backoff(60_000, 60_000), 1);
        let id = bench.sent();
        bench.answer(id, &asking_to_wait(503, retry_after));
        let (wait, why, _) = bench.until_sent();
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
        let mut bench = Bench::new(config(|config| config), open().build().unwrap(), 1);
        bench.start(backend_login("https://app.example/token?user=1", "a"));
        let id = bench.sent();
        bench.answer(id, &asking_to_wait(429, "100"));
        bench.pass(40 * SECOND);
        bench
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
        let mut bench = asked();
        bench.stop();
        bench.start(backend_login(uri, "b"));
        assert_eq!(bench.until_sent().0, wanted, "{uri}");

        let mut bench = asked();
        bench.start(backend_login(uri, "b"));
        assert_eq!(bench.until_sent().0, wanted, "{uri}, without a stop");
    }
}

#[test]
fn nothing_that_is_done_or_comes_later_shortens_a_wait() {
    type Interfere = fn(&mut Bench, RequestId);
    let rows: &[(&str, Interfere)] = &[
        ("nothing", |_, _| {}),
        ("the same login", |bench, _| bench.start(backend_login("https://app.example/token", "a"))),
        ("a new secret", |bench, _| bench.start(backend_login("https://app.example/token", "b"))),
        ("stop and start", |bench, _| {
            bench.stop();
            bench.start(backend_login("https://app.example/token", "a"));
        }),
        ("another endpoint in between", |bench, _| {
            bench.start(backend_login("https://other.example/token", "a"));
            let id = bench.sent();
            bench.answer(id, &asking_to_wait(429, "1"));
            bench.start(backend_login("https://app.example/token", "a"));
        }),
        ("a token in between", |bench, _| {
            bench.driver.start(SessionToken::new("tok-1").unwrap(), bench.now);
            assert!(matches!(bench.next(), Output::Wait(_)));
            bench.start(backend_login("https://app.example/token", "a"));
        }),
        ("the network goes and comes", |bench, _| {
            bench.driver.set_online(false, bench.now);
            assert_eq!(bench.next(), Output::Wait(Wake::OnInput));
            bench.driver.set_online(true, bench.now);
        }),
        ("the same reply again, asking for less", |bench, id| {
            let reply = asking_to_wait(429, "1");
            assert!(bench.driver.handle_response(id, &reply, bench.now).is_err());
        }),
        ("a monotonic clock that starts again", |bench, _| {
            bench.now = Moment::from_millis(0, bench.now.wall_millis());
        }),
        ("a wall clock years ahead", |bench, _| {
            bench.now = Moment::from_millis(millis(bench.now.since_start()), T0 * 2);
        }),
    ];
    for (name, interfere) in rows {
        let mut bench = Bench::new(config(|config| config), open().build().unwrap(), 1);
        bench.start(backend_login("https://app.example/token", "a"));
        let id = bench.sent();
        bench.answer(id, &asking_to_wait(429, "100"));
        bench.pass(30 * SECOND);
        assert_eq!(bench.wait(), (70 * SECOND, WakeReason::RetryAfter));
        let before = bench.now;
        interfere(&mut bench, id);
        // What the interference itself took, where the clock did not start again.
        let taken = bench.now.since_start().saturating_sub(before.since_start());
        assert_eq!(bench.until_sent().0 + millis(taken), 70 * SECOND, "{name}");
    }
}

#[test]
fn a_stale_reply_asks_for_nothing() {
    let mut bench = Bench::new(config(|config| config), open().build().unwrap(), 1);
    bench.start(backend_login("https://app.example/token", "a"));
    let given_up = bench.sent();
    bench.stop();
    bench.start(backend_login("https://app.example/token", "a"));
    bench.pass(1);
    let reply = asking_to_wait(429, "100");
    assert!(bench.driver.handle_response(given_up, &reply, bench.now).is_err());
    let live = bench.sent();
    assert!(bench.driver.handle_response(given_up, &reply, bench.now).is_err());
    bench.answer(live, &self::reply(503, ""));
    assert!(bench.until_sent().0 <= 1);
}

#[test]
fn more_endpoints_than_are_kept_apart_are_each_left_alone_as_long_as_they_asked() {
    let mut bench = Bench::new(config(|config| config), open().build().unwrap(), 1);
    let uri = |n: u64| format!("https://app.example/token/{n}");
    // The first few ask for the longest, so that all waits overlap, however they are kept.
    let asked: Vec<u64> = (0..8).map(|n| if n < 4 { 3_600 - n } else { 300 - 10 * n }).collect();
    let mut until = Vec::new();
    for (n, seconds) in (0_u64..).zip(&asked) {
        bench.start(backend_login(&uri(n), "a"));
        let (_, _, id) = bench.until_sent();
        bench.answer(id, &asking_to_wait(429, &seconds.to_string()));
        until.push(bench.now.after(ms(seconds * SECOND)));
    }
    let overlap = until.iter().filter(|until| **until > bench.now).count();
    assert!(overlap > 4, "{overlap} at once");
    // From the last to the first, so that no wait is over by another's.
    for n in (0..8).rev() {
        bench.start(backend_login(&uri(n), "a"));
        let (_, _, _) = bench.until_sent();
        let until = until[usize::try_from(n).unwrap()];
        assert!(bench.now >= until, "{n}: {:?} before {until:?}", bench.now);
    }
    let last = until.iter().max().unwrap();
    assert_eq!(bench.now, *last, "and no longer than the longest");
}

#[test]
fn a_policy_is_held_to_its_ranges() {
    use PolicyError as E;
    type Set = fn(PolicyBuilder) -> PolicyBuilder;
    let rows: &[(&str, Set, Option<PolicyError>)] = &[
        ("burst 0", |p| p.burst(0), Some(E::Burst)),
        ("burst 1", |p| p.burst(1), None),
        ("burst 1000", |p| p.burst(1_000), None),
        ("burst 1001", |p| p.burst(1_001), Some(E::Burst)),
        ("burst max", |p| p.burst(u32::MAX), Some(E::Burst)),
        ("interval 0", |p| p.interval(Duration::ZERO), Some(E::Interval)),
        ("interval under 1 ms", |p| p.interval(Duration::from_nanos(999_999)), Some(E::Interval)),
        ("interval 1 ms", |p| p.interval(ms(1)), None),
        ("interval 24 h", |p| p.interval(ms(DAY)), None),
        ("interval over 24 h", |p| p.interval(ms(DAY + 1)), Some(E::Interval)),
        ("interval max", |p| p.interval(Duration::MAX), Some(E::Interval)),
        ("spacing 0", |p| p.spacing(Duration::ZERO), Some(E::Spacing)),
        ("spacing 1 ms", |p| p.spacing(ms(1)), None),
        ("spacing 1 h", |p| p.spacing(ms(HOUR)), None),
        ("spacing over 1 h", |p| p.spacing(ms(HOUR + 1)), Some(E::Spacing)),
        ("spacing max", |p| p.spacing(Duration::MAX), Some(E::Spacing)),
        ("base 0", |p| p.backoff(ms(0), ms(1)), Some(E::Backoff)),
        ("base and cap 0", |p| p.backoff(ms(0), ms(0)), Some(E::Backoff)),
        ("base and cap 1 ms", |p| p.backoff(ms(1), ms(1)), None),
        ("base up to the cap", |p| p.backoff(ms(9), ms(9)), None),
        ("base over the cap", |p| p.backoff(ms(10), ms(9)), Some(E::Backoff)),
        ("cap 24 h", |p| p.backoff(ms(DAY), ms(DAY)), None),
        ("cap over 24 h", |p| p.backoff(ms(1), ms(DAY + 1)), Some(E::Backoff)),
        ("cap max", |p| p.backoff(ms(1), Duration::MAX), Some(E::Backoff)),
        ("retry 0", |p| p.retry_after_cap(Duration::ZERO), Some(E::RetryAfterCap)),
        ("retry under 1 s", |p| p.retry_after_cap(ms(999)), Some(E::RetryAfterCap)),
        ("retry 1 s", |p| p.retry_after_cap(ms(SECOND)), None),
        ("retry 7 days", |p| p.retry_after_cap(ms(7 * DAY)), None),
        ("retry over 7 days", |p| p.retry_after_cap(ms(7 * DAY + 1)), Some(E::RetryAfterCap)),
        ("retry max", |p| p.retry_after_cap(Duration::MAX), Some(E::RetryAfterCap)),
        ("attempts 0", |p| p.attempts(0), Some(E::Attempts)),
        ("attempts 1", |p| p.attempts(1), None),
        ("attempts max", |p| p.attempts(u32::MAX), None),
        ("the defaults", |p| p, None),
    ];
    for (name, set, wanted) in rows {
        assert_eq!(set(Policy::builder()).build().err(), *wanted, "{name}");
    }
    assert_eq!(Policy::builder().build(), Ok(Policy::default()));
}

#[test]
fn the_most_requests_in_a_window_are_counted_to_the_millisecond() {
    let policy = |burst, interval, spacing| {
        let policy = Policy::builder().burst(burst).interval(ms(interval)).spacing(ms(spacing));
        policy.build().unwrap()
    };
    let rows: &[(Policy, &[(u64, u64)])] = &[
        (
            Policy::default(),
            &[(0, 1), (249, 1), (250, 2), (999, 4), (1_000, 5), (9_999, 5), (10_000, 6)],
        ),
        (Policy::default(), &[(60 * SECOND, 11), (HOUR, 365), (DAY, 8_645)]),
        (policy(1, 1_000, 1), &[(0, 1), (999, 1), (1_000, 2), (1_999, 2), (2_000, 3)]),
        (policy(1_000, DAY, HOUR), &[(0, 1), (HOUR - 1, 1), (HOUR, 2), (DAY, 25)]),
        (policy(3, 1, 1), &[(0, 1), (1, 2), (u64::MAX, u64::MAX)]),
    ];
    for (policy, windows) in rows {
        for (window, most) in *windows {
            assert_eq!(policy.most_requests_in(ms(*window)), *most, "{window} of {policy:?}");
        }
    }
    let whole = Duration::from_nanos(249_999_999);
    assert_eq!(Policy::default().most_requests_in(whole), 1, "cut to milliseconds");
    assert_eq!(policy(1, 1, 1).most_requests_in(Duration::MAX), u64::MAX);
}

/// Lets tries fail in one way until the driver asks no more, and counts them.
fn tries(bench: &mut Bench, way: usize) -> u32 {
    let mut tries = 0;
    while bench.driver.stalled().is_none() {
        let (_, _, id) = bench.until_sent();
        bench.fail(id, way);
        tries += 1;
        assert!(tries < 100, "it never gives up");
    }
    assert_eq!(bench.driver.stalled(), Some(Stalled::GaveUp));
    tries
}

/// The ways in which a try can fail, and whether it is the network that does.
const BY_NETWORK: [(usize, bool); 4] = [(0, true), (1, false), (2, false), (3, true)];

fn with_attempts(attempts: u32) -> Bench {
    Bench::started(open().attempts(attempts).build().unwrap(), 1)
}

#[test]
fn it_gives_up_after_exactly_so_many_tries_and_a_start_makes_it_try_as_many_again() {
    for (attempts, way) in (1..=6).flat_map(|attempts| (0..4).map(move |way| (attempts, way))) {
        let mut bench = with_attempts(attempts);
        assert_eq!(tries(&mut bench, way), attempts);
        assert_eq!(bench.driver.state(), StateName::Unauthenticated);
        assert_eq!(bench.next(), Output::Wait(Wake::OnInput));
        bench.pass(366 * DAY);
        assert_eq!(bench.next(), Output::Wait(Wake::OnInput));

        bench.start(gateway_login());
        assert_eq!(bench.driver.stalled(), None);
        assert_eq!(tries(&mut bench, way), attempts, "after a start with the same");
        assert_eq!(bench.driver.epoch(), 1, "which is the same login");
    }
}

#[test]
fn the_network_coming_back_makes_it_try_again_if_it_was_the_network_that_failed() {
    for (way, by_network) in BY_NETWORK {
        let mut bench = with_attempts(2);
        assert_eq!(tries(&mut bench, way), 2);
        bench.driver.set_online(true, bench.now);
        assert_eq!(bench.driver.stalled(), Some(Stalled::GaveUp), "it was not away");
        bench.driver.set_online(false, bench.now);
        bench.driver.set_online(true, bench.now);
        assert_eq!(bench.driver.stalled().is_none(), by_network, "{way}");
        if by_network {
            assert_eq!(tries(&mut bench, way), 2, "{way}");
        }
    }
}

#[test]
fn the_network_coming_back_ends_a_pause_that_it_had_caused() {
    for (way, by_network) in BY_NETWORK {
        let mut bench = Bench::started(with_backoff(60_000, 60_000), 1);
        let id = bench.sent();
        bench.fail(id, way);
        let (pause, why) = bench.wait();
        assert!(pause > 1 && why == WakeReason::Backoff, "{pause} for {why:?}");
        bench.driver.set_online(false, bench.now);
        bench.driver.set_online(true, bench.now);
        assert_eq!(bench.until_sent().0, if by_network { 0 } else { pause }, "{way}");
    }
}

#[test]
fn tries_are_counted_in_a_row_and_a_token_at_hand_outlives_them() {
    let mut bench = with_attempts(3);
    let mut id = bench.sent();
    for n in 0..2 {
        bench.fail(id, n);
        (_, _, id) = bench.until_sent();
    }
    bench.grant(id, 600 * SECOND);
    assert_eq!(tries(&mut bench, 1), 3);
    assert_eq!(bench.driver.validity(bench.now), Some(Validity::Valid), "it serves on");
    let (_, why) = bench.wait();
    assert_eq!(why, WakeReason::Expiry);

    bench.start(gateway_login());
    let (_, _, id) = bench.until_sent();
    bench.grant(id, 600 * SECOND);
    assert_eq!(bench.driver.stalled(), None);
    assert_eq!(bench.wait().1, WakeReason::Renewal);
}

#[test]
fn a_refusal_ends_the_asking_at_once_and_a_start_with_the_same_changes_nothing() {
    let mut bench = with_attempts(3);
    let id = bench.sent();
    bench.answer(id, &reply(403, ""));
    bench.start(gateway_login());
    bench.driver.set_online(false, bench.now);
    bench.driver.set_online(true, bench.now);
    assert_eq!(bench.driver.stalled(), Some(Stalled::Refused));
    assert_eq!(bench.next(), Output::Wait(Wake::OnInput));
    let denied = bench.events.iter().filter(|event| matches!(event, Event::Denied(..))).count();
    assert_eq!(denied, 1);
}
