//! What goes wrong, and when it is over.

use crate::invariant_checker::Verdict;
use videokit_session::sim::Fault;
use videokit_session::time::Moment;

use super::{Failure, Play};
use crate::report::fault_row;

impl Play {
    pub(crate) fn begin(&mut self, index: usize) -> Result<(), Failure> {
        let Some(incident) = self.faults.get(index).copied() else { return Ok(()) };
        self.report.saw(&fault_row(incident.fault));
        self.lasting.push(incident.fault);
        let until = self.now.saturating_add(incident.lasts_ms);
        match incident.fault {
            Fault::Revoked => {
                self.gateway.revoke_all();
                Ok(())
            }
            Fault::Asleep => {
                let now = self.now;
                self.apps.iter_mut().for_each(|app| app.client.device.sleep(now, until));
                Ok(())
            }
            _ => self
                .for_each_awake(incident.fault, |play, app| play.apply_fault(app, incident.fault)),
        }
    }

    pub(crate) fn end(&mut self, index: usize) -> Result<(), Failure> {
        let Some(incident) = self.faults.get(index).copied() else { return Ok(()) };
        if let Some(at) = self.lasting.iter().position(|fault| *fault == incident.fault) {
            self.lasting.remove(at);
        }
        self.for_each_awake(incident.fault, |play, app| match incident.fault {
            Fault::Offline => play.set_online(app, true),
            Fault::Stopped if !play.apps[app].running => play.start(app),
            // Timers don't run in sleep, so that an app polls when it wakes up.
            Fault::Asleep => play.pump(app),
            _ => Ok(()),
        })
    }

    /// Tells each app whose device is awake; one that sleeps doesn't notice.
    pub(crate) fn for_each_awake(
        &mut self,
        fault: Fault,
        mut emit: impl FnMut(&mut Self, usize) -> Verdict,
    ) -> Result<(), Failure> {
        for app in 0..self.apps.len() {
            let asleep = self.apps[app].client.device.asleep_until(self.now).is_some();
            // A network that is back is there when the device wakes up.
            if !asleep || fault == Fault::Offline {
                self.checked(app, |play| emit(play, app))?;
            }
        }
        Ok(())
    }

    pub(crate) fn apply_fault(&mut self, app: usize, fault: Fault) -> Verdict {
        let (mono, wall) = (self.chance.next(), self.chance.next());
        let now = self.now;
        let running = self.apps[app].running;
        let client = &mut self.apps[app].client;
        match fault {
            Fault::Offline => return self.set_online(app, false),
            Fault::WallSet { ms } => client.device.set_wall(ms.into()),
            Fault::MonotonicBack { ms } => client.device.set_mono_back(now, ms.into()),
            Fault::ClockNonsense => {
                let mono =
                    [0, u64::MAX, mono].into_iter().nth(usize::from(mono % 3 == 1)).unwrap_or(mono);
                client.show_nonsense(Moment::from_millis(mono, wall.cast_signed()));
            }
            Fault::Stopped => return self.stop(app),
            Fault::StartedAgain if running => return self.start(app),
            Fault::OtherUser => {
                client.next_user();
                return self.start(app);
            }
            Fault::Rotated => {
                let old = client.secret();
                client.next_secret();
                self.gateway.refuse(&old);
                return self.start(app);
            }
            _ => {}
        }
        self.pump(app)
    }

    pub(crate) fn set_online(&mut self, app: usize, online: bool) -> Verdict {
        let now = self.read(app);
        self.apps[app].client.driver.set_online(online, now);
        self.pump(app)
    }
}
