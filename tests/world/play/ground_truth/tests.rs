//! The true clock finds a driver that is wrong about time; here the truth is changed instead.

use core::time::Duration;

use super::*;
use crate::client::GroundTruth;
use crate::world::World;
use videokit_session::sim::FaultPlan;

/// An app with a token that has just been granted, and of which this is true.
fn granted(change: impl FnOnce(&mut GroundTruth, i64)) -> Play {
    let world = World::new(1, 1, Duration::from_secs(60), FaultPlan::default());
    let mut play = Play::new(&world);
    play.start(0).unwrap();
    while play.apps[0].client.held.is_none() {
        let due = play.next_due(60_000).expect("a token comes");
        play.happen(due).unwrap();
    }
    let date = play.date();
    let client = &mut play.apps[0].client;
    let truth = client.truths.get_mut(client.held.as_ref().unwrap()).unwrap();
    assert!(truth.end == End::Stated && !truth.excused && truth.expires_at > date);
    change(truth, date);
    play
}

fn valid(validity: Validity, change: impl FnOnce(&mut GroundTruth, i64)) -> Verdict {
    granted(change).is_truly_valid(0, validity)
}

fn expired(change: impl FnOnce(&mut GroundTruth, i64)) -> Verdict {
    granted(change).has_truly_expired(0)
}

#[test]
fn a_token_that_is_called_valid_too_long_is_found() {
    let late = |truth: &mut GroundTruth, date| truth.expires_at = date - ROUNDING;
    let what = (Invariant::NeverValidTooLong, "Valid 3 ms after the true expiry".to_owned());
    assert_eq!(valid(Validity::Valid, late), Err(what));
    assert_eq!(valid(Validity::Valid, |truth, date| truth.expires_at = date - 2), Ok(()));
    assert_eq!(valid(Validity::Unsure, late), Ok(()), "that is what it is for");
    let excused = |truth: &mut GroundTruth, date: i64| {
        late(truth, date);
        truth.excused = true;
    };
    assert_eq!(valid(Validity::Valid, excused), Ok(()));
}

#[test]
fn a_token_that_never_expires_is_found() {
    let by = |late| move |truth: &mut GroundTruth, date: i64| truth.expires_at = date - late;
    let (promise, what) = valid(Validity::Unsure, by(STILL_UNSURE + 1)).unwrap_err();
    assert_eq!(promise, Invariant::NeverValidTooLong);
    assert!(what.ends_with("after the true expiry, and never expired"), "{what}");
    assert_eq!(valid(Validity::Unsure, by(STILL_UNSURE)), Ok(()));
    // One that a wall clock alone takes for dead never expires, and is never Valid.
    let doubted = |truth: &mut GroundTruth, date: i64| {
        by(STILL_UNSURE + 1)(truth, date);
        truth.end = End::Doubted;
    };
    assert_eq!(valid(Validity::Unsure, doubted), Ok(()));
    assert_eq!(valid(Validity::Valid, doubted).unwrap_err().0, Invariant::NeverValidTooLong);
}

#[test]
fn a_token_that_is_called_expired_too_soon_is_found() {
    let by = |early| move |truth: &mut GroundTruth, date: i64| truth.expires_at = date + early;
    let what = (Invariant::NeverExpiredTooSoon, "Expired 4 ms before the true expiry".to_owned());
    assert_eq!(expired(by(ROUNDING + 1)), Err(what));
    assert_eq!(expired(by(ROUNDING)), Ok(()));
    let excused = |truth: &mut GroundTruth, date: i64| {
        by(10_000)(truth, date);
        truth.excused = true;
    };
    assert_eq!(expired(excused), Ok(()));
}

#[test]
fn a_token_for_somebody_else_is_found() {
    let mut play = granted(|_, _| {});
    assert_eq!(play.is_for_the_same(0), Ok(()));
    play.apps[0].client.named = Some("somebody".to_owned());
    let (promise, what) = play.is_for_the_same(0).unwrap_err();
    assert_eq!(promise, Invariant::StaleIsStale, "{what}");
}
