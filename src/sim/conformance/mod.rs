//! Proves that a run loop drives a driver right: on virtual time, in no time, the same every time.
//!
//! A loop that is generic over [`Drive`](crate::driver::Drive), its clocks and its transport is given a
//! [`Probe`] for a driver, a [`Stage`] in place of clocks, network and app, and an [`Inbox`] that replies
//! and inputs come by. [`conformance`](conformance()) takes it through every [`Scenario`] and holds what
//! it does against its [`Duty`]s. The chapter [`testing`](crate::sim::testing) goes through it step by
//! step.
//!
//! ```
//! use videokit_session::driver::Drive;
//! use videokit_session::sim::conformance::{Happening, Inbox, Probe, Stage, conformance};
//! use videokit_session::{Output, Wake};
//!
//! /// Written for the stage itself; yours goes through traits of yours.
//! fn run(mut driver: Probe, stage: Stage, inbox: &mut Inbox) {
//!     loop {
//!         let longest = match driver.poll(stage.now()) {
//!             Output::Send(outgoing) => {
//!                 let (id, request, timeout) = outgoing.into_parts();
//!                 stage.send(id, &request, timeout);
//!                 continue;
//!             }
//!             Output::Abandon(id) => {
//!                 stage.abandon(id);
//!                 continue;
//!             }
//!             Output::Event(event) => {
//!                 stage.event(&event);
//!                 continue;
//!             }
//!             Output::Wait(Wake::In(time, _)) => Some(time),
//!             Output::Wait(Wake::OnInput) => None,
//!         };
//!         match inbox.wait(longest) {
//!             Happening::Reply(id, reply) => {
//!                 driver.handle_response(id, &reply, stage.now());
//!             }
//!             Happening::Failure(id, why) => {
//!                 driver.handle_failure(id, why, stage.now());
//!             }
//!             Happening::Start(start) => driver.start(start, stage.now()),
//!             Happening::Stop => driver.stop(stage.now()),
//!             Happening::Online(online) => driver.set_online(online, stage.now()),
//!             Happening::Call(mut call) => {
//!                 if let Ok(authorized) = driver.driver().authorize(&mut call, stage.now()) {
//!                     stage.call(&call, authorized.generation);
//!                 }
//!             }
//!             Happening::Called(generation, status) if status == 401 => {
//!                 driver.handle_unauthorized(generation, stage.now());
//!             }
//!             Happening::Called(..) | Happening::Woke | Happening::Timer => {}
//!             Happening::End => return,
//!         }
//!     }
//! }
//!
//! println!("{}", conformance(run)?);
//! # Ok::<(), Box<videokit_session::sim::conformance::Failed>>(())
//! ```
//!
//! # What a loop has to put up with
//!
//! * It returns when [`Happening::End`] comes. One that goes on, or that calls probe, stage or inbox ten
//!   thousand times without letting time pass, is cut off: it is unwound, as by a panic, but without its
//!   message. Where panics abort, this does too.
//!   One that catches this is told to return when it looks into its inbox next, and what it does until
//!   then is not watched.
//! * A loop that calls nothing of them, and doesn't return, can't be stopped; nor can one that catches for
//!   ever that it is cut off.
//! * Everything stays on one thread. Probe, stage and inbox can be sent to another nevertheless, so that
//!   loops compile that demand it.
//!
//! What isn't seen is what the stage takes the place of: the HTTP client, the threads, the real clocks; and
//! a panic that somebody catches, as a runtime does with a task's.

mod app;
mod clock;
mod compare;
mod duty;
mod finding;
mod happening;
mod inbox;
mod judge;
mod network;
mod note;
mod pacing;
mod probe;
mod report;
mod scenario;
mod script;
mod stage;
mod traffic;
mod trail;

use core::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;

use clock::{Clock, CutOff};
use inbox::Ending;

pub use duty::Duty;
pub use happening::Happening;
pub use inbox::Inbox;
pub use probe::Probe;
pub use report::{Breach, Failed, Passed, Played};
pub use scenario::Scenario;
pub use stage::Stage;

/// Takes a loop through every [`Scenario`]. It is run once for each, with a driver that nobody has started.
///
/// # Errors
/// Every [`Duty`] that it broke, and how to mend it.
pub fn conformance(run: impl FnMut(Probe, Stage, &mut Inbox)) -> Result<Passed, Box<Failed>> {
    play(Scenario::ALL, run)
}

impl Scenario {
    /// Takes a loop through this scenario alone.
    ///
    /// A loop that does one thing at a time keeps its app waiting while it is in a request, and so can't
    /// pass where the app [interrupts](Self::interrupts) it. Where no app ever does, it may do without:
    ///
    /// ```
    /// # use videokit_session::sim::conformance::{Happening, Inbox, Probe, Scenario, Stage};
    /// # use videokit_session::driver::Drive;
    /// # use videokit_session::{Output, Wake};
    /// fn run(mut driver: Probe, stage: Stage, inbox: &mut Inbox) {
    ///     loop {
    ///         match driver.poll(stage.now()) {
    ///             Output::Send(outgoing) => {
    ///                 let (id, request, timeout) = outgoing.into_parts();
    ///                 match inbox.exchange(id, &request, timeout) {
    ///                     Ok(reply) => driver.handle_response(id, &reply, stage.now()),
    ///                     Err(why) => driver.handle_failure(id, why, stage.now()),
    ///                 };
    ///             }
    ///             // as in any other loop
    /// #           Output::Abandon(id) => stage.abandon(id),
    /// #           Output::Event(event) => stage.event(&event),
    /// #           Output::Wait(wake) => {
    /// #               let longest = match wake { Wake::In(time, _) => Some(time), Wake::OnInput => None };
    /// #               match inbox.wait(longest) {
    /// #                   Happening::Start(start) => driver.start(start, stage.now()),
    /// #                   Happening::Stop => driver.stop(stage.now()),
    /// #                   Happening::Online(online) => driver.set_online(online, stage.now()),
    /// #                   Happening::Call(mut call) => {
    /// #                       if let Ok(authorized) = driver.driver().authorize(&mut call, stage.now()) {
    /// #                           stage.call(&call, authorized.generation);
    /// #                       }
    /// #                   }
    /// #                   Happening::Called(generation, status) => if status == 401 {
    /// #                       driver.handle_unauthorized(generation, stage.now());
    /// #                   },
    /// #                   Happening::End => return,
    /// #                   _ => {}
    /// #               }
    /// #           }
    ///         }
    ///     }
    /// }
    ///
    /// for scenario in Scenario::ALL.iter().filter(|scenario| !scenario.interrupts()) {
    ///     scenario.play(run)?;
    /// }
    /// assert!(Scenario::Stopped.play(run).is_err());
    /// # Ok::<(), Box<videokit_session::sim::conformance::Failed>>(())
    /// ```
    ///
    /// # Errors
    /// Every [`Duty`] that the loop broke in it, and how to mend it.
    pub fn play(self, run: impl FnMut(Probe, Stage, &mut Inbox)) -> Result<Passed, Box<Failed>> {
        play(&[self], run)
    }
}

fn play(
    scenarios: &[Scenario],
    mut run: impl FnMut(Probe, Stage, &mut Inbox),
) -> Result<Passed, Box<Failed>> {
    let (mut breaches, mut passed) = (Vec::new(), Vec::new());
    for scenario in scenarios {
        let script = scenario.script();
        let Some(driver) = script::driver(&script) else {
            // Nothing was tested, so nothing passes.
            return Err(Box::new(Failed { breaches, not_played: Some(*scenario) }));
        };
        let clock = Arc::new(Clock::new(script.end));
        let (notes, heard) = mpsc::channel();
        let probe = Probe::new(driver, Arc::clone(&clock), notes.clone());
        let stage = Stage::new(Arc::clone(&clock), notes);
        let mut inbox = Inbox::new(*scenario, &script, clock, heard);
        let ran = catch_unwind(AssertUnwindSafe(|| run(probe, stage, &mut inbox)));
        let (played, found) = inbox.close(ran.map_or_else(ending, |()| Ending::Returned));
        for breach in found {
            Failed::add(&mut breaches, breach);
        }
        passed.push(played);
    }
    if breaches.is_empty() {
        Ok(Passed { played: passed })
    } else {
        Err(Box::new(Failed { breaches, not_played: None }))
    }
}

/// Why a loop was unwound.
#[expect(clippy::needless_pass_by_value, reason = "it is what `catch_unwind` gives")]
fn ending(payload: Box<dyn Any + Send>) -> Ending {
    if payload.is::<CutOff>() {
        return Ending::CutOff;
    }
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    Ending::Panicked(text.unwrap_or_else(|| "without a message".to_owned()))
}
