//! The true clock, which no driver sees.

use crate::sim::referee::Verdict;
use crate::sim::report::Promise;
use crate::time::{Remaining, Validity};

use super::{Play, ROUNDING, STILL_UNSURE, T0, What};

impl Play {
    pub(super) fn date(&self) -> i64 {
        T0.saturating_add_unsigned(self.now)
    }

    /// A token was called Valid: its true end has to be in the future.
    pub(super) fn is_truly_valid(&mut self, app: usize, validity: Validity) -> Verdict {
        let client = &self.apps[app].client;
        self.report.saw(match validity {
            Validity::Valid => "served Valid",
            Validity::Unsure => "served Unsure",
            Validity::Expired => "served Expired",
        });
        let Some(truth) = client.truth() else { return Ok(()) };
        let device = &client.device;
        let late = self.date().saturating_sub(truth.expires_at);
        if !truth.excused && truth.stated && !device.has_slept() && late > STILL_UNSURE {
            let what = format!("served {late} ms after the true expiry, and never expired");
            return Err((Promise::NeverValidTooLong, what));
        }
        let Some(hides) = device.hides() else { return Ok(()) };
        if validity != Validity::Valid || truth.excused || !truth.stated {
            return Ok(());
        }
        if late >= hides.saturating_add(ROUNDING) {
            let what = format!("Valid {late} ms after the true expiry");
            return Err((Promise::NeverValidTooLong, what));
        }
        self.report.saw("Valid held against the true clock");
        Ok(())
    }

    /// Plans a look at the token for the moment at which it is Valid for the last time, as far as can be
    /// told now: a driver that is wrong about its end is wrong there first.
    pub(super) fn plan_probe(&mut self, app: usize) {
        let client = &mut self.apps[app].client;
        let left = client.driver.remaining(client.last_now).map_or(0, Remaining::at_least_millis);
        let Ok(left @ 1..=120_000) = u64::try_from(left) else { return };
        let at = client.device.after(self.now, left.saturating_sub(left / 1_024).saturating_sub(1));
        if client.probe_at.is_none_or(|planned| planned <= self.now || at < planned) {
            client.probe_at = Some(at);
            self.plan_at(at, app, What::Probe);
        }
    }

    pub(super) fn probe(&mut self, app: usize) -> Verdict {
        let _ = self.read(app);
        if let Some((_, _, validity)) = self.apps[app].client.token() {
            self.is_truly_valid(app, validity)?;
        }
        Ok(())
    }

    /// A token that has just been granted is for whom the login's tokens are.
    pub(super) fn is_for_the_same(&mut self, app: usize) -> Verdict {
        let client = &mut self.apps[app].client;
        let held = client.held.as_deref();
        let Some(identity) = held.and_then(|held| self.gateway.identity_of(held)) else {
            return Ok(());
        };
        let named = client.named.get_or_insert_with(|| identity.to_owned());
        if named != identity {
            let what = format!("a token for {identity} serves {named}");
            return Err((Promise::StaleIsStale, what));
        }
        Ok(())
    }

    /// A token was called Expired: its true end has to be in the past.
    pub(super) fn has_truly_expired(&mut self, app: usize) -> Verdict {
        let Some(truth) = self.apps[app].client.truth() else { return Ok(()) };
        if truth.excused {
            return Ok(());
        }
        let early = truth.expires_at.saturating_sub(self.date());
        if early > ROUNDING {
            let what = format!("Expired {early} ms before the true expiry");
            return Err((Promise::NeverExpiredTooSoon, what));
        }
        self.report.saw("Expired held against the true clock");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::sim::client::Truth;
    use crate::sim::{FaultPlan, World};

    /// An app with a token that has just been granted, and of which this is true.
    fn granted(change: impl FnOnce(&mut Truth, i64)) -> Play {
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
        assert!(truth.stated && !truth.excused && truth.expires_at > date);
        change(truth, date);
        play
    }

    fn valid(validity: Validity, change: impl FnOnce(&mut Truth, i64)) -> Verdict {
        granted(change).is_truly_valid(0, validity)
    }

    fn expired(change: impl FnOnce(&mut Truth, i64)) -> Verdict {
        granted(change).has_truly_expired(0)
    }

    #[test]
    fn a_token_that_is_called_valid_too_long_is_found() {
        let late = |truth: &mut Truth, date| truth.expires_at = date - ROUNDING;
        let what = (Promise::NeverValidTooLong, "Valid 3 ms after the true expiry".to_owned());
        assert_eq!(valid(Validity::Valid, late), Err(what));
        assert_eq!(valid(Validity::Valid, |truth, date| truth.expires_at = date - 2), Ok(()));
        assert_eq!(valid(Validity::Unsure, late), Ok(()), "that is what it is for");
        let excused = |truth: &mut Truth, date: i64| {
            late(truth, date);
            truth.excused = true;
        };
        assert_eq!(valid(Validity::Valid, excused), Ok(()));
    }

    #[test]
    fn a_token_that_never_expires_is_found() {
        let by = |late| move |truth: &mut Truth, date: i64| truth.expires_at = date - late;
        let (promise, what) = valid(Validity::Unsure, by(STILL_UNSURE + 1)).unwrap_err();
        assert_eq!(promise, Promise::NeverValidTooLong);
        assert!(what.ends_with("after the true expiry, and never expired"), "{what}");
        assert_eq!(valid(Validity::Unsure, by(STILL_UNSURE)), Ok(()));
    }

    #[test]
    fn a_token_that_is_called_expired_too_soon_is_found() {
        let by = |early| move |truth: &mut Truth, date: i64| truth.expires_at = date + early;
        let what = (Promise::NeverExpiredTooSoon, "Expired 4 ms before the true expiry".to_owned());
        assert_eq!(expired(by(ROUNDING + 1)), Err(what));
        assert_eq!(expired(by(ROUNDING)), Ok(()));
        let excused = |truth: &mut Truth, date: i64| {
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
        assert_eq!(promise, Promise::StaleIsStale, "{what}");
    }
}
