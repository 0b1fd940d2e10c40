//! Time as a session keeps it: what replies state, what clocks do, when it lapses and renews.

use std::sync::Arc;
use std::time::Duration;

use videokit_session::exchange::{DenialKind, Flaw};
use videokit_session::session::{Advance, NotActive};
use videokit_session::{
    Active, AllowedOrigin, ApiToken, Config, Credentials, Gateway, Identity, Moment, Session,
    Validity,
};

const START: Moment = Moment::from_millis(50_000, 1_795_492_800_000);

fn config() -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Arc::new(Config::builder(origin).build().unwrap())
}

/// A session whose token expires at this time, granted at 04:00:00 by the server's clock.
fn session_with(expires_at: &str, age: u32, seed: u64) -> Result<Session<Active>, NotActive> {
    let token = ApiToken::new("api-token").unwrap();
    let gateway = Gateway::new(token, Identity::new("user-17").unwrap());
    let credentials = Credentials::for_development(gateway);
    let (session, outgoing) =
        Session::new(config(), seed).authenticate(credentials, START).unwrap();
    let body = format!(r#"{{"sessionToken":"t","expiresAt":"{expires_at}","identity":"user-17"}}"#);
    let reply = http::Response::builder()
        .header("date", "Tue, 24 Nov 2026 04:00:00 GMT")
        .header("age", age.to_string())
        .body(body)
        .unwrap();
    session.receive(outgoing.id(), &reply, START)
}

fn session(expires_at: &str) -> Session<Active> {
    session_with(expires_at, 0, 1).unwrap()
}

/// The interval at once: `L - 1000 - σ 1000 - 1000` and `L + r + σ 1000`.
#[test]
fn an_expiry_is_read_in_every_form_it_may_have() {
    for (text, length, r) in [
        ("2026-11-24T04:10:00Z", 600_000, 1_000),
        ("2026-11-24T04:10:00.250Z", 600_250, 0),
        ("2026-11-24T06:10:00+02:00", 600_000, 1_000),
        ("2026-11-23T23:10:00-05:00", 600_000, 1_000),
        ("2026-12-31T23:59:60Z", 3_268_799_000, 1_000),
        ("9999-12-31T23:59:59Z", 251_606_807_999_000, 1_000),
    ] {
        let left = session(text).remaining(START);
        assert_eq!(left.at_least_millis(), length - 3_000, "{text}");
        assert_eq!(left.at_most_millis(), Some(length + r + 1_000), "{text}");
    }
}

#[test]
fn a_token_that_is_dead_on_arrival_is_denied() {
    for text in ["0001-01-01T00:00:00Z", "2026-11-24T03:59:58Z", "2026-11-24T03:59:58.999Z"] {
        match session_with(text, 0, 1) {
            Err(NotActive::Denied(rejected)) => {
                let flaw = DenialKind::Malformed(Flaw::ExpiredOnArrival);
                assert_eq!(rejected.reason().kind(), flaw, "{text}");
                assert!(!rejected.reason().is_permanent());
            }
            result => panic!("{text}: {result:?}"),
        }
    }
    let barely = session("2026-11-24T03:59:59Z");
    assert_eq!(barely.validity(START), Validity::Unsure, "within the skew, it may live");
}

#[test]
fn an_age_over_the_lifetime_makes_a_token_unsure_and_not_expired() {
    let session = session_with("2026-11-24T04:10:00Z", 3_600, 1).unwrap();
    assert_eq!(session.validity(START), Validity::Unsure);
    assert_eq!(session.renewal_due_in(START), Duration::ZERO);
    assert_eq!(session.remaining(START).at_most_millis(), Some(602_000));
}

#[test]
fn the_judgement_flips_on_the_millisecond_that_was_said() {
    let session = session("2026-11-24T04:10:00Z");
    let millisecond = Duration::from_millis(1);
    let lapse = session.lapses_in(START).unwrap();
    assert_ne!(session.validity(START.after(lapse.saturating_sub(millisecond))), Validity::Expired);
    assert_eq!(session.validity(START.after(lapse)), Validity::Expired);

    let due = session.renewal_due_in(START);
    assert!(due > Duration::from_secs(400), "{due:?}");
    assert_eq!(session.renewal_due_in(START.after(due.saturating_sub(millisecond))), millisecond);
    assert_eq!(session.renewal_due_in(START.after(due)), Duration::ZERO);
    assert_eq!(session.validity(START.after(due)), Validity::Valid, "before it is too late");

    let Advance::Live(session) = session.advance(START.after(lapse.saturating_sub(millisecond)))
    else {
        panic!("a millisecond too soon");
    };
    assert!(matches!(session.advance(START.after(lapse)), Advance::Lapsed(_)));
}

#[test]
fn one_absurd_reading_does_not_freeze_the_session() {
    let absurd = [(u64::MAX, i64::MAX), (u64::MAX, i64::MIN), (0, i64::MIN), (0, i64::MAX)];
    for (mono, wall) in absurd {
        let Ok(session) = session_with("9999-12-31T23:59:59Z", 0, 1) else { panic!("granted") };
        let Advance::Live(session) = session.advance(Moment::from_millis(mono, wall)) else {
            panic!("8000 years are not over: {mono} {wall}");
        };
        let Advance::Live(session) = session.advance(START) else { panic!("normal again") };
        let before = session.remaining(START).at_most_millis().unwrap();
        let after = session.remaining(START.after(Duration::from_secs(1_024)));
        assert_eq!(before - after.at_most_millis().unwrap(), 1_023_000, "{mono} {wall}");
    }
}

#[test]
fn a_clock_that_goes_back_adds_nothing_and_counts_from_there() {
    let session = session("2026-11-24T04:10:00Z");
    let before = session.remaining(START);
    let Advance::Live(session) = session.advance(Moment::from_millis(0, 0)) else {
        panic!("lives")
    };
    assert_eq!(session.remaining(Moment::from_millis(0, 0)), before);
    let lapse = session.lapses_in(Moment::from_millis(0, 0)).unwrap();
    let then = Moment::from_millis(0, 0).after(lapse);
    assert!(matches!(session.advance(then), Advance::Lapsed(_)), "as if it had never gone back");
}

#[test]
fn sleep_makes_a_token_unsure_and_a_forward_step_never_expires_it() {
    let session = session("2026-11-24T04:10:00Z");
    let slept = Moment::from_millis(50_010, START.wall_millis() + 86_400_000);
    assert_eq!(session.validity(slept), Validity::Unsure);
    assert_eq!(session.renewal_due_in(slept), Duration::ZERO);
    assert!(matches!(session.advance(slept), Advance::Live(_)), "it may have been a time setting");
}

#[test]
fn the_margin_is_enlarged_by_chance_and_leaves_a_token_a_quarter_of_its_life() {
    for (text, life, margin) in
        [("2026-11-24T04:10:00Z", 597_000, 60_000), ("2026-11-24T04:00:43Z", 40_000, 10_000)]
    {
        let due = |seed| {
            let session = session_with(text, 0, seed).unwrap();
            session.remaining(START.after(session.renewal_due_in(START))).at_least_millis()
        };
        let margins: Vec<i64> = (0..200).map(due).collect();
        assert_eq!(due(7), due(7), "the same seed, the same margin");
        let (least, most) = (*margins.iter().min().unwrap(), *margins.iter().max().unwrap());
        assert!(least >= margin - 1 && least < margin + margin / 10, "{text}: {least}");
        assert!(most <= margin * 3 / 2 && most > margin * 14 / 10, "{text}: {most}");
        assert!(most * 4 <= life * 3, "{text}: {most}");
    }
}
