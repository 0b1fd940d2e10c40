//! By hand: what the contract excludes, absurd clocks and dates, and the edges of judgements.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::exchange::{DenialKind, Flaw};
use crate::session::{Advance, ConfigBuilder, ReceiveError};
use crate::time::{Clock, Evidence, ExpiresAt, Lifetime, Remaining, Tolerances};
use crate::{
    Active, AllowedOrigin, ApiToken, Config, Credentials, Gateway, Identity, Moment, Session,
    TransportFailure, Unauthenticated, Validity,
};

/// The wall clock when `Date` is written, and a monotonic one that has run for a minute.
const DATE: &str = "Tue, 24 Nov 2026 04:00:00 GMT";
const WALL: i64 = 1_795_492_800_000;
const MONO: u64 = 60_000;
const NOW: Moment = Moment::from_millis(MONO, WALL);
const HOUR: &str = "2026-11-24T05:00:00.500Z";

/// `lo` and `hi` of that hour at `NOW`: L; less 1000 for `Date`, σ = 1000 and 1000 for drift; plus σ.
const HOUR_LO: i64 = 3_600_500 - 3_000;
const HOUR_HI: i64 = 3_600_500 + 1_000;

fn at(mono: u64, wall: i64) -> Moment {
    Moment::from_millis(MONO + mono, WALL + wall)
}

fn builder() -> ConfigBuilder {
    Config::builder(AllowedOrigin::https("https://api.example").unwrap())
}

fn new_session(config: ConfigBuilder, seed: u64) -> Session<Unauthenticated> {
    Session::new(Arc::new(config.build().unwrap()), seed)
}

fn credentials() -> Credentials {
    let token = ApiToken::new("app:secret").unwrap();
    Credentials::for_development(Gateway::new(token, Identity::new("user-17").unwrap()))
}

fn reply(expires_at: &str, date: Option<&str>, age: u64) -> http::Response<String> {
    let mut reply = http::Response::builder().header("age", age);
    if let Some(date) = date {
        reply = reply.header("date", date);
    }
    let body = r#"{"sessionToken":"tok-1","identity":"user-17","expiresAt":"#;
    reply.body(format!("{body}\"{expires_at}\"}}")).unwrap()
}

fn received(
    session: Session<Unauthenticated>,
    reply: &http::Response<String>,
    now: Moment,
) -> Result<Session<Active>, ReceiveError> {
    let (session, outgoing) = session.authenticate(&credentials(), now).unwrap();
    session.receive(outgoing.id(), reply, now).map(|(session, _)| session)
}

fn granted(reply: &http::Response<String>) -> Session<Active> {
    received(new_session(builder(), 1), reply, NOW).unwrap()
}

fn live(session: Session<Active>, now: Moment) -> Session<Active> {
    match session.advance(now) {
        Advance::Live(session) => session,
        gone => panic!("{gone:?}"),
    }
}

fn ends(left: Remaining) -> (i64, Option<i64>) {
    (left.at_least_millis(), left.at_most_millis())
}

/// Asserts that the token lapses after that many milliseconds of both clocks, and not before.
fn assert_lapses(session: Session<Active>, now: Moment, after: u64) {
    assert_eq!(session.lapses_in(now), Some(Duration::from_millis(after)));
    let before = now.after(Duration::from_millis(after - 1));
    let session = live(session, before);
    assert_eq!(session.validity(before), Validity::Unsure);
    let then = now.after(Duration::from_millis(after));
    assert_eq!(session.validity(then), Validity::Expired);
    assert!(matches!(session.advance(then), Advance::Lapsed(_)));
}

// ------------------------------------------------ what the contract excludes

#[test]
fn a_wall_clock_set_back_can_hide_sleep() {
    // Between the same two readings: ten hours of sleep, and the wall clock set back by as much.
    let session = live(granted(&reply(HOUR, Some(DATE), 0)), at(5, 5));
    assert_eq!(ends(session.remaining(at(5, 5))), (HOUR_LO - 5, Some(HOUR_HI - 5)));
    assert_eq!(session.validity(at(5, 5)), Validity::Valid, "long after the true expiry");

    // Between different readings: two seconds back, two seconds of sleep, for hours.
    let mut session = granted(&reply(HOUR, Some(DATE), 0));
    session = live(session, at(0, 1_000)); // a second of sleep, seen
    let mut slept = 1_000;
    while slept < 4 * 3_600_000 {
        session = live(session, at(0, -1_000));
        session = live(session, at(0, 1_000));
        slept += 2_000;
    }
    assert_eq!(ends(session.remaining(at(0, 1_000))), (HOUR_LO - 1_000, Some(HOUR_HI)));
    assert_eq!(session.validity(at(0, 1_000)), Validity::Valid, "{slept} ms into an hour");
}

#[test]
fn a_wall_clock_set_back_by_more_than_two_seconds_hides_no_sleep_to_come() {
    let mut session = granted(&reply(HOUR, Some(DATE), 0));
    let mut wall = 0;
    for hours in 1..=3 {
        wall -= 2_001;
        session = live(session, at(0, wall));
        wall += 1_200_000; // twenty minutes of sleep
        session = live(session, at(0, wall));
        let lo = HOUR_LO - hours * 1_200_000;
        assert_eq!(ends(session.remaining(at(0, wall))), (lo, Some(HOUR_HI)));
    }
    assert_eq!(session.validity(at(0, wall)), Validity::Unsure);
}

// ------------------------------------------------ absurd clocks

#[test]
fn a_session_lapses_at_the_right_time_after_the_largest_reading_of_all() {
    for wall in [i64::MIN, 0, WALL, i64::MAX] {
        let session = new_session(builder(), 1);
        let absurd = Moment::from_millis(u64::MAX, wall);
        let (session, outgoing) = session.authenticate(&credentials(), absurd).unwrap();
        assert!(!session.overdue_in(NOW).is_zero(), "a clock that went back doesn't make it so");
        let session = session.fail(outgoing.id(), TransportFailure::Other, absurd).unwrap();
        let session = received(session, &reply(HOUR, Some(DATE), 0), NOW).unwrap();
        assert_eq!(ends(session.remaining(NOW)), (HOUR_LO, Some(HOUR_HI)));
        // 3 601 500 ms by a clock that may be 1/1024 fast.
        assert_lapses(session, NOW, 3_605_020);
    }
}

#[test]
fn asking_about_an_absurd_moment_changes_nothing() {
    let session = granted(&reply(HOUR, Some(DATE), 0));
    let absurd = Moment::from_millis(u64::MAX, i64::MIN);
    assert_eq!(session.validity(absurd), Validity::Expired);
    assert_eq!(session.lapses_in(absurd), Some(Duration::ZERO));
    assert_eq!(session.renewal_due_in(absurd), Duration::ZERO);
    assert_lapses(session, NOW, 3_605_020);
}

#[test]
fn a_clock_that_goes_back_adds_nothing() {
    // A minute on, the monotonic clock starts anew, again and again, and runs on: 6 ms between.
    let mut session = live(granted(&reply(HOUR, Some(DATE), 0)), at(60_000, 60_000));
    for _ in 0..2 {
        session = live(session, Moment::from_millis(7, WALL + 60_000));
        session = live(session, Moment::from_millis(1, WALL + 60_000));
    }
    let now = Moment::from_millis(10_001, WALL + 70_000);
    let (sent, received) = (70_006 + 68, 70_006 - 68);
    assert_eq!(ends(session.remaining(now)), (HOUR_LO - sent, Some(HOUR_HI - received)));
}

/// The time until a renewal fails has passed, whatever its clocks show afterwards.
#[test]
fn the_failure_of_a_renewal_is_a_reading_of_the_clocks() {
    let mut session = granted(&reply(HOUR, Some(DATE), 0));
    let outgoing = session.renew(&credentials(), NOW).unwrap();
    session.fail(outgoing.id(), TransportFailure::TimedOut, at(102_400, 102_400)).unwrap();
    // Then the monotonic clock starts anew.
    let now = Moment::from_millis(7, WALL + 102_400);
    let (sent, received) = (102_400 + 100, 102_400 - 100);
    assert_eq!(ends(session.remaining(now)), (HOUR_LO - sent, Some(HOUR_HI - received)));
}

#[test]
fn a_wall_clock_at_either_end_of_all_time_ends_nothing_early() {
    for wall in [i64::MIN, i64::MAX] {
        let mut session = granted(&reply(HOUR, Some(DATE), 0));
        session = live(session, Moment::from_millis(MONO, wall));
        let (_, hi) = ends(session.remaining(NOW));
        assert_eq!(hi, Some(HOUR_HI), "the wall clock has no say");
        // What it ran ahead may have been sleep: for all that is known, the token has expired.
        assert_eq!(session.validity(NOW), Validity::Unsure);
        session = live(session, NOW);
        // The next token has nothing to do with it.
        let outgoing = session.renew(&credentials(), NOW).unwrap();
        session.receive(outgoing.id(), &reply(HOUR, Some(DATE), 0), NOW).unwrap();
        assert_eq!(ends(session.remaining(NOW)), (HOUR_LO, Some(HOUR_HI)));
        assert_lapses(session, NOW, 3_605_020);
    }
    for wall in [i64::MIN, i64::MAX] {
        let now = Moment::from_millis(MONO, wall);
        let session = received(new_session(builder(), 1), &reply(HOUR, Some(DATE), 0), now);
        assert_eq!(ends(session.unwrap().remaining(now)), (HOUR_LO, Some(HOUR_HI)));
        let session = received(new_session(builder(), 1), &reply(HOUR, None, 0), now).unwrap();
        let validity = if wall < 0 { Validity::Valid } else { Validity::Unsure };
        assert_eq!(session.validity(now), validity, "unknown, or taken for dead");
        assert_eq!(session.remaining(now).at_most_millis(), None);
        // Either way, asking again would give the same: renewed as one of unknown expiry.
        let unknown = received(new_session(builder(), 1), &reply("now", None, 0), now).unwrap();
        assert_eq!(session.renewal_due_in(now), unknown.renewal_due_in(now));
    }
}

// ------------------------------------------------ what `expiresAt` may say

#[test]
fn every_way_to_write_an_expiry_is_read_to_the_millisecond() {
    let rows = [
        ("2026-11-24T04:10:00Z", 600_000, 1_000),
        ("2026-11-24T04:10:00.000Z", 600_000, 1_000),
        ("2026-11-24T04:10:00.001Z", 600_001, 0),
        ("2026-11-24T04:10:00.123456789Z", 600_123, 0),
        ("2026-11-24T05:40:00+01:30", 600_000, 1_000),
        ("2026-11-23T22:10:00.25-06:00", 600_250, 0),
        ("2026-12-31T23:59:60.9Z", 3_268_799_000, 1_000),
        ("9999-12-31T23:59:59Z", 251_606_807_999_000, 1_000),
    ];
    for (expires_at, length, whole) in rows {
        let session = granted(&reply(expires_at, Some(DATE), 0));
        let wanted = (length - 3_000, Some(length + whole + 1_000));
        assert_eq!(ends(session.remaining(NOW)), wanted, "{expires_at}");
        assert_eq!(session.validity(NOW), Validity::Valid);
    }
}

#[test]
fn an_expiry_that_is_no_date_is_unknown() {
    for expires_at in ["now", "", "never", "2026-11-24", "2026-11-24T04:10:00", "1795493400"] {
        let session = granted(&reply(expires_at, Some(DATE), 0));
        assert_eq!(ends(session.remaining(NOW)), (899_000, None), "{expires_at}");
        assert_eq!(session.lapses_in(NOW), None);
        let late = NOW.after(Duration::from_secs(366 * 24 * 3_600));
        assert_eq!(session.validity(late), Validity::Unsure, "served until a 401");
        assert!(matches!(session.advance(late), Advance::Live(_)));
    }
}

#[test]
fn a_token_long_expired_by_date_is_denied_on_arrival() {
    for expires_at in ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "2026-11-24T03:59:58Z"] {
        let reply = reply(expires_at, Some(DATE), 0);
        let Err(ReceiveError::Denied(denied, _)) = received(new_session(builder(), 1), &reply, NOW)
        else {
            panic!("{expires_at}")
        };
        let kind = DenialKind::Malformed(Flaw::ExpiredOnArrival);
        assert_eq!(denied.reason().kind(), kind, "{expires_at}");
        assert!(!denied.reason().is_permanent(), "the next one may live");
    }
    // One millisecond may be left of a second that was cut off, and of σ.
    let session = granted(&reply("2026-11-24T03:59:59.001Z", Some(DATE), 0));
    assert_eq!(ends(session.remaining(NOW)), (-999 - 3_000, Some(1)));
    // By the device's clock alone, it may be the clock that is wrong.
    let session = granted(&reply("2026-11-24T03:50:00.000Z", None, 0));
    assert_eq!(ends(session.remaining(NOW)), (-600_000 - 122_000, None));
    assert_eq!(session.renewal_due_in(NOW), granted(&reply("now", None, 0)).renewal_due_in(NOW));
    for _ in 0..3 {
        assert_eq!(session.validity(NOW.after(Duration::from_secs(86_400))), Validity::Unsure);
    }
}

#[test]
fn an_age_longer_than_the_life_leaves_it_unsure_and_not_expired() {
    for age in [3_599, 4_000, u64::MAX] {
        let session = granted(&reply(HOUR, Some(DATE), age));
        assert_eq!(session.validity(NOW), Validity::Unsure, "{age}");
        assert_eq!(session.renewal_due_in(NOW), Duration::ZERO);
        assert_lapses(session, NOW, 3_605_020);
    }
    let session = granted(&reply(HOUR, Some(DATE), 3_597));
    assert_eq!(ends(session.remaining(NOW)), (500, Some(HOUR_HI)));
    assert_eq!(session.validity(NOW), Validity::Valid, "Age takes from lo just what it says");
}

// ------------------------------------------------ edges

#[test]
fn a_judgement_flips_on_the_millisecond_that_was_foretold() {
    for (expires_at, passed) in [(HOUR, 0), (HOUR, 1_000_003), ("2026-11-24T04:00:09Z", 511)] {
        let session = granted(&reply(expires_at, Some(DATE), 0));
        let now = NOW.after(Duration::from_millis(passed));
        let millisecond = Duration::from_millis(1);

        let due = session.renewal_due_in(now);
        assert_eq!(session.renewal_due_in(now.after(due)), Duration::ZERO);
        assert_eq!(session.renewal_due_in(now.after(due.saturating_sub(millisecond))), millisecond);
        assert_eq!(session.validity(now.after(due)), Validity::Valid, "renewed before its end");

        let lapse = session.lapses_in(now).unwrap();
        assert_eq!(
            session.lapses_in(now.after(lapse.saturating_sub(millisecond))),
            Some(millisecond)
        );
        assert_lapses(session, now, u64::try_from(lapse.as_millis()).unwrap());
    }
}

#[test]
fn a_token_is_valid_for_as_long_as_a_millisecond_is_certain() {
    for (expires_at, lo, validity) in [
        ("2026-11-24T04:00:03.001Z", 1, Validity::Valid),
        ("2026-11-24T04:00:03.000Z", 0, Validity::Unsure),
    ] {
        let session = granted(&reply(expires_at, Some(DATE), 0));
        assert_eq!(session.remaining(NOW).at_least_millis(), lo);
        assert_eq!(session.validity(NOW), validity, "{lo} ms are certain");
    }
}

/// The margin of a token that just came: what is certain when its renewal falls due.
fn margin(session: &Session<Active>, now: Moment) -> i64 {
    session.remaining(now.after(session.renewal_due_in(now))).at_least_millis()
}

#[test]
fn the_margin_is_never_more_than_three_quarters_of_the_life() {
    let lives = ["2026-11-24T04:00:04.001Z", "2026-11-24T04:00:05Z", "2026-11-24T04:10:00Z", HOUR];
    for life in lives {
        for percent in [1, 25, 50] {
            for wanted in [0, 1, 60, 366 * 86_400] {
                let mut margins = BTreeSet::new();
                let wanted = Duration::from_secs(wanted);
                let config = || builder().renewal_margin(wanted).renewal_percent(percent);
                for seed in 0..64 {
                    let session = new_session(config(), seed);
                    let session = received(session, &reply(life, Some(DATE), 0), NOW).unwrap();
                    let life = session.remaining(NOW).at_least_millis();
                    let share = life * i64::from(percent) / 100;
                    let least = share.min(i64::try_from(wanted.as_millis()).unwrap());
                    let margin = margin(&session, NOW);
                    assert!(margin <= life * 3 / 4, "{margin} of {life}");
                    // A millisecond of the clock may be two of lo.
                    assert!(margin >= least - 1, "jitter only enlarges: {margin} {least}");
                    assert!(margin <= least + least / 2, "by up to half: {margin} {least}");
                    margins.insert(margin - least);
                }
                let spread = *margins.last().unwrap();
                assert!(wanted.is_zero() || spread == 0 || margins.len() > 1);
            }
        }
    }
}

#[test]
fn jitter_spreads_with_seed_and_generation_and_is_always_the_same() {
    let renewed = |seed| {
        let session = new_session(builder(), seed);
        let mut session = received(session, &reply(HOUR, Some(DATE), 0), NOW).unwrap();
        let mut margins = vec![margin(&session, NOW)];
        for _ in 0..7 {
            let outgoing = session.renew(&credentials(), NOW).unwrap();
            session.receive(outgoing.id(), &reply(HOUR, Some(DATE), 0), NOW).unwrap();
            margins.push(margin(&session, NOW));
        }
        margins
    };
    let all: Vec<Vec<i64>> = (0..200).map(renewed).collect();
    assert_eq!(all, (0..200).map(renewed).collect::<Vec<_>>());
    let by_seed: BTreeSet<i64> = all.iter().map(|margins| margins[0]).collect();
    // A minute, and up to half a minute by chance.
    assert!(by_seed.len() > 150 && by_seed.iter().all(|margin| (59_999..=90_000).contains(margin)));
    assert!(by_seed.first() < Some(&62_000) && by_seed.last() > Some(&88_000), "{by_seed:?}");
    for margins in &all {
        assert!(margins.iter().collect::<BTreeSet<_>>().len() > 4, "by generation: {margins:?}");
    }
}

#[test]
fn a_jwt_bounds_a_life_that_its_reply_exaggerates() {
    let sent = Clock::default().advanced(NOW).stamp();
    let tolerances =
        Tolerances::new(Duration::from_secs(1), Duration::from_secs(120), Duration::from_secs(900));
    let left = |expires_at: Option<i64>, longest| {
        let evidence = Evidence::NONE
            .expires_at(expires_at.map(ExpiresAt::from_millis))
            .date(Some(WALL))
            .longest(longest);
        ends(Lifetime::new(evidence, tolerances, (sent, sent), NOW).remaining(sent))
    };
    let day = Some(WALL + 86_400_000);
    // `exp - iat` less three seconds; plus a second that was cut off, and σ.
    let bounded = (57_000, Some(62_000));
    assert_eq!(left(day, Some(60_000)), bounded);
    assert_eq!(left(None, Some(60_000)), bounded);
    assert_eq!(left(Some(WALL + 30_001), Some(60_000)), (27_001, Some(31_001)), "a shorter life");
    assert_eq!(left(None, None), (899_000, None));
}
