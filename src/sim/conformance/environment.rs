//! The environment of a loop under test: clocks, a network, an app, and an API.

use core::time::Duration;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use http::Request;

use super::{Action, CallerId, Clock, Note, copy_request};
use crate::driver::{AuthorizeError, Event};
use crate::session::{Authorized, RequestId};
use crate::time::{Moment, millis};

/// The environment of a loop under test, in place of clocks, an HTTP client and an app. Clones share one
/// environment: put one behind each trait that the loop is generic over.
///
/// Replies come as [`Input`](super::Input)s, from the [`Inbox`](super::Inbox).
#[derive(Debug, Clone)]
pub struct Environment {
    pub(super) clock: Arc<Clock>,
    pub(super) notes: Sender<Note>,
}

impl Environment {
    /// Reads both clocks of the device. Read them anew for every call to the driver.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.clock.count_call();
        self.clock.now()
    }

    /// Advances the time to this long after the scenario began, for loops with a virtual clock, such as tokio's
    /// paused one. An earlier time changes nothing.
    pub fn advance_to(&self, elapsed: Duration) {
        self.clock.count_call();
        self.clock.advance_to(millis(elapsed));
    }

    /// Sends a request for a token, as an HTTP client with this time-out does:
    /// [`Outgoing`](crate::Outgoing)'s, or `None` if the client has none and the loop
    /// [cancels](Self::abandon) requests. The time-out is reported 1.5 s late, as by a slow client.
    pub fn send<B: AsRef<[u8]>>(
        &self,
        id: RequestId,
        request: &Request<B>,
        timeout: impl Into<Option<Duration>>,
    ) {
        self.note(Action::Sent(id, Box::new(copy_request(request)), timeout.into()));
    }

    /// Cancels a request, as [`Output::Abandon`](crate::Output::Abandon) asks: no reply and no failure comes
    /// any more. A loop that can't cancel leaves this out, and what comes is stale.
    pub fn abandon(&self, id: RequestId) {
        self.note(Action::Cancelled(id));
    }

    /// Forwards an event to the app.
    pub fn event(&self, event: &Event) {
        self.note(Action::Forwarded(event.clone()));
    }

    /// Makes an API call that was authorized so. Its status comes as
    /// [`Input::Called`](super::Input::Called). `caller` is the one that [waited](super::Input::WaitingCall), or
    /// `None` for a [call that doesn't wait](super::Input::Call).
    pub fn call<B: AsRef<[u8]>>(
        &self,
        caller: impl Into<Option<CallerId>>,
        request: &Request<B>,
        authorized: Authorized,
    ) {
        self.note(Action::Called(caller.into(), Box::new(copy_request(request)), authorized));
    }

    /// Fails the call of a caller that waited, with the error that `authorize` returned for it, or with
    /// [`AuthorizeError::Wait`] if it has waited for too long.
    pub fn fail_call(&self, caller: CallerId, error: AuthorizeError) {
        self.note(Action::Failed(caller, error));
    }

    /// States that this loop lets no call wait for a token. The caller is not answered, nothing of waiting is
    /// tested, and the report says so.
    pub fn decline_waiting(&self, caller: CallerId) {
        self.note(Action::Declined(caller));
    }

    /// Sends a note of a call of the loop.
    pub(super) fn note(&self, action: Action) {
        self.clock.count_call();
        // A loop that was cut off and goes on is not watched any more: its notes would fill the memory.
        if self.clock.cut_at().is_none() {
            self.clock.count_note();
            // No one receives notes after the scenario.
            let _ = self.notes.send(Note { at: self.clock.at(), action });
        }
    }
}
