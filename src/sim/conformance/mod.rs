//! Tests a run loop on virtual time: without a network, without waiting, and the same way every time.
//!
//! The loop has to be generic over [`Drive`](crate::driver::Drive), its clocks and its transport:
//!
//! | in an app | in the test |
//! |---|---|
//! | a driver | a [`Probe`] |
//! | clocks, an HTTP client, callers | an [`Environment`] |
//! | a channel for replies and inputs | an [`Inbox`] |
//!
//! [`conformance`](conformance()) runs it in every [`Scenario`] and checks each of its calls against the
//! [`Requirement`]s. The chapter [`testing`](crate::sim::testing) is a guide.
//!
//! ```
//! use videokit_session::driver::{AuthorizeError, Drive};
//! use videokit_session::sim::conformance::{Environment, Inbox, Input, Probe, conformance};
//! use videokit_session::{Output, Wake};
//!
//! /// Written for the test's own types. Yours goes through traits of yours.
//! fn run(mut driver: Probe, environment: Environment, inbox: &mut Inbox) {
//!     let mut waiting = Vec::new();
//!     loop {
//!         let longest = match driver.poll(environment.now()) {
//!             Output::Send(outgoing) => {
//!                 let (id, request, timeout) = outgoing.into_parts();
//!                 environment.send(id, &request, timeout);
//!                 continue;
//!             }
//!             Output::Abandon(id) => {
//!                 environment.abandon(id);
//!                 continue;
//!             }
//!             Output::Event(event) => {
//!                 environment.event(&event);
//!                 continue;
//!             }
//!             Output::Wait(Wake::In(time, _)) => Some(time),
//!             Output::Wait(Wake::OnInput) => None,
//!         };
//!         // There may be a token now, or it may be certain that none will come.
//!         waiting.retain_mut(|(caller, call)| {
//!             match driver.driver().authorize(call, environment.now()) {
//!                 Ok(authorized) => environment.call(*caller, call, authorized),
//!                 Err(AuthorizeError::Wait) => return true,
//!                 Err(error) => environment.fail_call(*caller, error),
//!             }
//!             false
//!         });
//!         match inbox.wait(longest) {
//!             Input::Reply(id, reply) => {
//!                 driver.handle_response(id, &reply, environment.now());
//!             }
//!             Input::Failure(id, why) => {
//!                 driver.handle_failure(id, why, environment.now());
//!             }
//!             Input::Start(start) => driver.start(start, environment.now()),
//!             Input::Stop => driver.stop(environment.now()),
//!             Input::Online(online) => driver.set_online(online, environment.now()),
//!             Input::Call(mut call) => {
//!                 if let Ok(authorized) = driver.driver().authorize(&mut call, environment.now()) {
//!                     environment.call(None, &call, authorized);
//!                 }
//!             }
//!             Input::WaitingCall(caller, call) => waiting.push((caller, call)),
//!             Input::CallCancelled(caller) => waiting.retain(|(waits, _)| *waits != caller),
//!             Input::Called(authorized, status) if status == 401 => {
//!                 driver.handle_unauthorized(authorized, environment.now());
//!             }
//!             Input::Called(..) | Input::Woke | Input::Timer => {}
//!             Input::End => return,
//!         }
//!     }
//! }
//!
//! println!("{}", conformance(run)?);
//! # Ok::<(), Box<videokit_session::sim::conformance::Failed>>(())
//! ```
//!
//! # Limits
//!
//! * A loop returns when it takes [`Input::End`]. One that goes on, or that calls probe, environment or inbox
//!   ten thousand times without letting time pass, is cut off: it is unwound as by a panic, without a message.
//!   Where panics abort, this aborts. A loop that catches it is given `Input::End` when it next reads its inbox,
//!   and its calls until then are not checked.
//! * A loop that makes no such call, and doesn't return, can't be stopped. The same holds for one that catches
//!   every unwinding.
//! * Everything stays on one thread. Probe, environment and inbox are `Send` so that loops compile that ask for
//!   it.
//! * The HTTP client, threads and real clocks are replaced, so they are not tested. Neither is a panic that is
//!   caught, as a runtime catches a task's.

/// Defines an enum with a list of its variants and a text for each.
macro_rules! listed {
    ($(#[$attribute:meta])* $name:ident {
        $($(#[$doc:meta])* $variant:ident = $text:literal,)*
    }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)*
                })
            }
        }
    };
}

mod app;
mod calls;
mod clock;
mod compare;
mod environment;
mod expected;
mod hint;
mod inbox;
mod input;
mod monitor;
mod network;
mod note;
mod polling;
mod probe;
mod recent;
mod report;
mod requests;
mod requirement;
mod scenario;
mod script;
mod waiting;

use core::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;

use app::App;
use calls::Calls;
use clock::{Clock, CutOff};
use compare::{changed_reply, changed_request};
use expected::Expected;
use hint::{Finding, Hint, finding, is_late};
use inbox::Ending;
use monitor::Monitor;
use network::{Network, ROUND_TRIP, TIMEOUT_DELAY};
use note::{Action, ActiveToken, DriverCall, Method, Note, PollResult, copy_request};
use note::{TokenStatus, method_name};
use polling::{Polling, Reason};
use recent::RecentCalls;
use report::seconds;
use requests::{Outcome, TokenRequests};
use script::{CALL, LIFETIME, Schedule, Scheduled, Script, api_call, login};
use waiting::Waiting;

pub use environment::Environment;
pub use inbox::Inbox;
pub use input::{CallerId, Input};
pub use probe::Probe;
pub use report::{Failed, Passed, Run, Violation};
pub use requirement::Requirement;
pub use scenario::Scenario;

/// Runs a loop in every [`Scenario`]: once in each, with a driver that was not started.
///
/// # Errors
/// The violations of [`Requirement`]s, and what to change.
pub fn conformance(run: impl FnMut(Probe, Environment, &mut Inbox)) -> Result<Passed, Box<Failed>> {
    run_in(Scenario::ALL, run)
}

impl Scenario {
    /// Runs a loop in this scenario alone.
    ///
    /// A loop that blocks in its requests takes inputs late, and so fails where the app
    /// [interrupts](Self::interrupts). If your app never does, leave those scenarios out:
    ///
    /// ```
    /// # use videokit_session::sim::conformance::{Environment, Inbox, Input, Probe, Scenario};
    /// # use videokit_session::driver::Drive;
    /// # use videokit_session::{Output, Wake};
    /// fn run(mut driver: Probe, environment: Environment, inbox: &mut Inbox) {
    ///     loop {
    ///         match driver.poll(environment.now()) {
    ///             Output::Send(outgoing) => {
    ///                 let (id, request, timeout) = outgoing.into_parts();
    ///                 match inbox.exchange(id, &request, timeout) {
    ///                     Ok(reply) => driver.handle_response(id, &reply, environment.now()),
    ///                     Err(why) => driver.handle_failure(id, why, environment.now()),
    ///                 };
    ///             }
    ///             // as in any other loop
    /// #           Output::Abandon(id) => environment.abandon(id),
    /// #           Output::Event(event) => environment.event(&event),
    /// #           Output::Wait(wake) => {
    /// #               let longest = match wake { Wake::In(time, _) => Some(time), Wake::OnInput => None };
    /// #               match inbox.wait(longest) {
    /// #                   Input::Start(start) => driver.start(start, environment.now()),
    /// #                   Input::Stop => driver.stop(environment.now()),
    /// #                   Input::Online(online) => driver.set_online(online, environment.now()),
    /// #                   Input::Call(mut call) => {
    /// #                       if let Ok(authorized) = driver.driver().authorize(&mut call, environment.now()) {
    /// #                           environment.call(None, &call, authorized);
    /// #                       }
    /// #                   }
    /// #                   Input::WaitingCall(caller, _) => environment.decline_waiting(caller),
    /// #                   Input::Called(authorized, status) => if status == 401 {
    /// #                       driver.handle_unauthorized(authorized, environment.now());
    /// #                   },
    /// #                   Input::End => return,
    /// #                   _ => {}
    /// #               }
    /// #           }
    ///         }
    ///     }
    /// }
    ///
    /// for scenario in Scenario::ALL.iter().filter(|scenario| !scenario.interrupts()) {
    ///     scenario.run(run)?;
    /// }
    /// assert!(Scenario::Stopped.run(run).is_err());
    /// # Ok::<(), Box<videokit_session::sim::conformance::Failed>>(())
    /// ```
    ///
    /// # Errors
    /// The violations of [`Requirement`]s, and what to change.
    pub fn run(
        self,
        run: impl FnMut(Probe, Environment, &mut Inbox),
    ) -> Result<Passed, Box<Failed>> {
        run_in(&[self], run)
    }
}

fn run_in(
    scenarios: &[Scenario],
    mut run: impl FnMut(Probe, Environment, &mut Inbox),
) -> Result<Passed, Box<Failed>> {
    let (mut violations, mut runs) = (Vec::new(), Vec::new());
    for scenario in scenarios {
        let script = scenario.script();
        let Some(driver) = script.driver() else {
            // Nothing was tested, so nothing passes.
            return Err(Box::new(Failed { violations, not_set_up: Some(*scenario) }));
        };
        let clock = Arc::new(Clock::new(script.end));
        let (notes, received) = mpsc::channel();
        let environment = Environment { clock: Arc::clone(&clock), notes };
        let probe = Probe { driver, environment: environment.clone() };
        let mut inbox = Inbox::new(*scenario, script, clock, received);
        let ended = catch_unwind(AssertUnwindSafe(|| run(probe, environment, &mut inbox)));
        let (run, found) = inbox.close(ended.map_or_else(ending, |()| Ending::Returned));
        for violation in found {
            Failed::add(&mut violations, violation);
        }
        runs.push(run);
    }
    if violations.is_empty() {
        Ok(Passed { runs })
    } else {
        Err(Box::new(Failed { violations, not_set_up: None }))
    }
}

/// Returns why a loop was unwound.
#[expect(clippy::needless_pass_by_value, reason = "it is what `catch_unwind` gives")]
fn ending(payload: Box<dyn Any + Send>) -> Ending {
    if payload.is::<CutOff>() {
        return Ending::CutOff;
    }
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    Ending::Panicked(text.unwrap_or_else(|| "without a message".to_owned()))
}
