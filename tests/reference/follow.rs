//! Sessions that are given, by hand, what the driver gave to its own: they have to go the same way.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use videokit_session::exchange::Denial;
use videokit_session::session::transitions::Cause;
use videokit_session::session::{Input, RequestId, Step};
use videokit_session::{Config, Credentials, Driver, Grant, Moment, Outgoing, TransportFailure};

use crate::logins::{credentials, identity};
use crate::model::Model;
use crate::model::words::{Ask, Told};
use crate::sessions::{Pair, Seen};
use crate::trial::{kind, same};

/// What the calls to the driver were about.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) reply: Option<(RequestId, Response<Bytes>)>,
    pub(crate) grant: Option<Grant>,
}

/// They see the clocks less often than the driver does, so they can only follow where that makes no
/// difference: where the monotonic clock doesn't go back, and only long sleeps set the clocks apart.
pub(crate) struct Followers {
    pair: Pair,
    pub(crate) calls: Calls,
    /// Denials that the driver has yet to tell of.
    denials: VecDeque<Denial>,
    /// Whether they were stopped in place of a driver that gave up a request before it went out: it knows whose the
    /// login is, and they don't, until they hold a token again.
    forgot: bool,
}

impl Followers {
    pub(crate) fn new(config: &Arc<Config>, seed: u64) -> Self {
        let (calls, denials) = (Calls::default(), VecDeque::new());
        Self { pair: Pair::new(config, seed), calls, denials, forgot: false }
    }

    /// Takes the transitions that the driver's session has just made. `sent` is what it sent.
    pub(crate) fn follow(
        &mut self,
        made: &[Told],
        sent: Option<&Outgoing>,
        model: &Model,
        driver: &Driver,
        now: Moment,
    ) -> Result<(), String> {
        for told in made {
            let (Told::Moved(from, to, cause)
            | Told::Denied(from, to, cause, _)
            | Told::Failed(from, to, cause, _)) = *told
            else {
                continue;
            };
            let input = self.input(*told, cause, model)?;
            let step = self.pair.step(&input, now)?;
            let (transition, outgoing) = match &step {
                Step::Sent(transition, outgoing) => (transition, Some(outgoing)),
                Step::Moved(transition) | Step::Granted(transition, _) => (transition, None),
                Step::Denied(transition, denial, _) => {
                    self.denials.push_back(denial.clone());
                    (transition, None)
                }
                other => return Err(format!("{input:?} is {told:?} to the driver, and {other:?}")),
            };
            self.forgot = match cause {
                Cause::Stopped => model.session_identity().is_some(),
                Cause::Granted | Cause::Adopted => false,
                _ => self.forgot,
            };
            let made = (transition.from, transition.to, transition.cause);
            same("a transition", (from, to, cause), made)?;
            same("the request", sent, outgoing)?;
        }
        if model.session_identity().is_none() && self.pair.is_left_of_a_login() {
            self.forgot = false;
            // The login ends, which is no transition of a session that is unauthenticated.
            let step = self.pair.step(&Input::Stop, now)?;
            same("a stop", &step, &Step::Unchanged)?;
        }
        let whose = model.session_identity().filter(|_| !self.forgot || self.pair.knows_whose());
        let whose = whose.map(|user| identity(user).as_str().to_owned());
        same("the session", Seen::of_driver(driver, whose, now), self.pair.seen(now))
    }

    /// The driver tells of a denial.
    pub(crate) fn denied(&mut self, denial: &Denial) -> Result<(), String> {
        // Of two flaws, the one that is found first depends on where an identity is stated.
        let seen = |denial: &Denial| {
            let kind = std::mem::discriminant(&kind(denial.kind()));
            (kind, denial.status(), denial.retry_after(), denial.is_permanent())
        };
        same("a denial", Some(seen(denial)), self.denials.pop_front().as_ref().map(seen))
    }

    /// What makes a session do that.
    fn input(&self, told: Told, cause: Cause, model: &Model) -> Result<Input, String> {
        let ask = || model.last_asked().ok_or("nothing was sent");
        Ok(match cause {
            Cause::Started => Input::Authenticate(self.beginning(ask()?, model)),
            Cause::Reauthenticated => Input::Authenticate(credentials(ask()?)),
            Cause::RenewalSent => Input::Renew(credentials(ask()?)),
            Cause::Granted | Cause::Renewed | Cause::Denied | Cause::RenewalDenied => {
                let (id, reply) = self.calls.reply.clone().ok_or("no reply came")?;
                Input::Reply(id, reply)
            }
            Cause::Failed | Cause::RenewalFailed => {
                let id = self.pair.in_flight().ok_or("no request is in flight")?;
                let why =
                    if let Told::Failed(.., why) = told { why } else { TransportFailure::Other };
                Input::Failure(id, why)
            }
            Cause::Adopted | Cause::Replaced => {
                Input::Adopt(self.calls.grant.clone().ok_or("no token")?)
            }
            Cause::Lapsed | Cause::LapsedInFlight => Input::Advance,
            Cause::Stopped => Input::Stop,
        })
    }

    /// What a session is to begin with. One that was stopped for a request that was announced, and not sent, has
    /// forgotten whose the login is: it has to be told.
    fn beginning(&self, ask: &Ask, model: &Model) -> Credentials {
        let known = model.session_identity().filter(|_| self.forgot);
        credentials(&Ask { identity: known.or(ask.identity), ..ask.clone() })
    }

    /// The driver was handed over, and tells no more of what was before.
    pub(crate) fn hand_over(&mut self) {
        self.denials.clear();
    }
}
