//! The run loop, to be copied: see `main.rs`.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::sleep;
use videokit_session::driver::Drive;
use videokit_session::session::RequestId;
use videokit_session::{Event, Outgoing, TransportFailure};

use crate::session::{Outcome, Port, Session};

/// An HTTP client.
pub(crate) trait Http: Sync {
    /// Sends a request for a token, and returns its reply. It is cancelled by dropping the future.
    fn send(&self, outgoing: Outgoing) -> impl Future<Output = Outcome> + Send;
}

/// THE LOOP: carries out what the session's driver wants, until the session is closed.
///
/// It may be dropped at any time, and started again: a request that is in flight then counts as interrupted. Callers
/// wait meanwhile.
pub(crate) async fn run<D: Drive + Send, H: Http>(
    session: &Session<D>,
    http: &H,
    listener: impl FnMut(&Event) + Send,
) {
    let mut requests = Requests { session, http, listener, in_flight: None };
    loop {
        let seen = session.inputs().count();
        let longest = session.run_due(&mut requests);
        if session.is_closed() {
            return;
        }
        tokio::select! {
            (id, outcome) = requests.outcome() => session.complete(id, &outcome),
            () = session.inputs().after(seen) => {}
            () = wait(longest) => {}
        }
    }
}

async fn wait(longest: Option<Duration>) {
    match longest {
        Some(time) => sleep(time).await,
        None => pending().await,
    }
}

type InFlight<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Requests for a token. A driver has one in flight at most.
struct Requests<'a, D: Drive, H, L> {
    session: &'a Session<D>,
    http: &'a H,
    listener: L,
    in_flight: Option<(RequestId, InFlight<'a>)>,
}

impl<D: Drive, H: Http, L: FnMut(&Event)> Port for Requests<'_, D, H, L> {
    fn send(&mut self, outgoing: Outgoing) {
        self.in_flight = Some((outgoing.id(), Box::pin(self.http.send(outgoing))));
    }

    fn cancel(&mut self, id: RequestId) {
        self.in_flight.take_if(|(in_flight, _)| *in_flight == id);
    }

    fn event(&mut self, event: &Event) {
        (self.listener)(event);
    }
}

impl<D: Drive, H, L> Requests<'_, D, H, L> {
    /// Waits for the outcome of the request in flight. The wait may be dropped, the request goes on.
    async fn outcome(&mut self) -> (RequestId, Outcome) {
        let Some((id, request)) = &mut self.in_flight else { return pending().await };
        let outcome = (*id, request.await);
        self.in_flight = None;
        outcome
    }
}

impl<D: Drive, H, L> Drop for Requests<'_, D, H, L> {
    fn drop(&mut self) {
        if let Some((id, _)) = self.in_flight.take() {
            let interrupted: Outcome = Err(TransportFailure::Interrupted);
            self.session.complete(id, &interrupted);
        }
    }
}
