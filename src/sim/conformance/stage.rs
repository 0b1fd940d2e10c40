//! What a loop under test has around it: clocks, a network, an app, and an API.

use core::time::Duration;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use http::Request;

use super::clock::Clock;
use super::note::{Deed, Note, copy_request};
use crate::driver::Event;
use crate::session::{Generation, RequestId};
use crate::time::{Moment, millis};

/// What a loop under test has around it, in place of clocks, an HTTP client and an app. Clones are the
/// same stage: put one behind each trait that the loop is generic over.
///
/// What comes back stands in the [`Inbox`](super::Inbox).
#[derive(Debug, Clone)]
pub struct Stage {
    clock: Arc<Clock>,
    notes: Sender<Note>,
}

impl Stage {
    pub(super) fn new(clock: Arc<Clock>, notes: Sender<Note>) -> Self {
        Self { clock, notes }
    }

    /// Both clocks of the device. Every call to the driver takes this, anew.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.clock.count_call();
        self.clock.now()
    }

    /// Lets time pass, for loops that have a virtual clock of their own, as with a paused tokio: to so
    /// long after the scenario began. It never goes back.
    pub fn pass_to(&self, elapsed: Duration) {
        self.clock.count_call();
        self.clock.pass_to(millis(elapsed));
    }

    /// Sends a request, as an HTTP client does that is given this time-out:
    /// [`Outgoing`](crate::Outgoing)'s own, or `None` if the client has none and the loop has to
    /// [abandon](Self::abandon). The time-out comes one and a half seconds late, as a client's may.
    pub fn send<B: AsRef<[u8]>>(
        &self,
        id: RequestId,
        request: &Request<B>,
        timeout: impl Into<Option<Duration>>,
    ) {
        self.note(Deed::Sent(id, Box::new(copy_request(request)), timeout.into()));
    }

    /// Cancels a request, as [`Output::Abandon`](crate::Output::Abandon) asks: nothing comes of it any
    /// more. A loop that can't cancel leaves it out; then what comes is stale.
    pub fn abandon(&self, id: RequestId) {
        self.note(Deed::Cancelled(id));
    }

    /// Hands an event on to the app.
    pub fn event(&self, event: &Event) {
        self.note(Deed::HandedOn(event.clone()));
    }

    /// Makes an API call that was authorized with the token of this generation. Its status comes as
    /// [`Happening::Called`](super::Happening::Called).
    pub fn call<B: AsRef<[u8]>>(&self, request: &Request<B>, generation: Generation) {
        self.note(Deed::Called(Box::new(copy_request(request)), generation));
    }

    fn note(&self, deed: Deed) {
        self.clock.count_call();
        // A loop that was cut off and goes on is not watched any more: it would fill the memory.
        if self.clock.cut().is_some() {
            return;
        }
        // Nobody reads notes after the scenario.
        let _ = self.notes.send(Note::new(&self.clock, deed));
    }
}
