//! The true clock, which no driver sees.

use crate::client::End;
use crate::invariant_checker::Verdict;
use crate::report::Invariant;
use videokit_session::time::{Remaining, Validity};

use super::{Play, ROUNDING, STILL_UNSURE, T0, What};

impl Play {
    pub(crate) fn date(&self) -> i64 {
        T0.saturating_add_unsigned(self.now)
    }

    /// A token was called Valid: its true end has to be in the future.
    pub(crate) fn is_truly_valid(&mut self, app: usize, validity: Validity) -> Verdict {
        let client = &self.apps[app].client;
        self.report.saw(match validity {
            Validity::Valid => "served Valid",
            Validity::Unsure => "served Unsure",
            Validity::Expired => "served Expired",
        });
        let Some(truth) = client.truth() else { return Ok(()) };
        let device = &client.device;
        let late = self.date().saturating_sub(truth.expires_at);
        if !truth.excused && truth.end == End::Stated && !device.has_slept() && late > STILL_UNSURE
        {
            let what = format!("served {late} ms after the true expiry, and never expired");
            return Err((Invariant::NeverValidTooLong, what));
        }
        if device.hides_too_much(truth.set_back) {
            return Ok(());
        }
        if validity != Validity::Valid || truth.excused || truth.end == End::Unstated {
            return Ok(());
        }
        if late >= ROUNDING {
            let what = format!("Valid {late} ms after the true expiry");
            return Err((Invariant::NeverValidTooLong, what));
        }
        self.report.saw("Valid compared with the true clock");
        Ok(())
    }

    /// Plans a look at the token for the moment at which it is Valid for the last time, as far as can be
    /// told now: a driver that is wrong about its end is wrong there first.
    pub(crate) fn plan_probe(&mut self, app: usize) {
        let client = &mut self.apps[app].client;
        let left = client.driver.remaining(client.last_now).map_or(0, Remaining::at_least_millis);
        let Ok(left @ 1..=120_000) = u64::try_from(left) else { return };
        let at = client.device.after(self.now, left.saturating_sub(left / 1_024).saturating_sub(1));
        if client.probe_at.is_none_or(|planned| planned <= self.now || at < planned) {
            client.probe_at = Some(at);
            self.plan_at(at, app, What::Probe);
        }
    }

    pub(crate) fn probe(&mut self, app: usize) -> Verdict {
        let _ = self.read(app);
        if let Some((_, _, validity)) = self.apps[app].client.token() {
            self.is_truly_valid(app, validity)?;
        }
        Ok(())
    }

    /// A token that has just been granted is for whom the login's tokens are.
    pub(crate) fn is_for_the_same(&mut self, app: usize) -> Verdict {
        let client = &mut self.apps[app].client;
        let held = client.held.as_deref();
        let Some(identity) = held.and_then(|held| self.gateway.identity_of(held)) else {
            return Ok(());
        };
        let named = client.named.get_or_insert_with(|| identity.to_owned());
        if named != identity {
            let what = format!("a token for {identity} serves {named}");
            return Err((Invariant::StaleIsStale, what));
        }
        Ok(())
    }

    /// A token was called Expired: its true end has to be in the past.
    pub(crate) fn has_truly_expired(&mut self, app: usize) -> Verdict {
        let Some(truth) = self.apps[app].client.truth() else { return Ok(()) };
        if truth.excused {
            return Ok(());
        }
        let early = truth.expires_at.saturating_sub(self.date());
        if early > ROUNDING {
            let what = format!("Expired {early} ms before the true expiry");
            return Err((Invariant::NeverExpiredTooSoon, what));
        }
        self.report.saw("Expired compared with the true clock");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
