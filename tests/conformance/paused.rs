//! The environment of a conformance test on tokio's clock, which is paused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use videokit_session::session::RequestId;
use videokit_session::sim::conformance::Environment;
use videokit_session::{Moment, Outgoing, TransportFailure};

pub(crate) type Outcome = Result<Response<Bytes>, TransportFailure>;

/// The environment, and the requests that wait for their replies.
#[derive(Clone)]
pub(crate) struct Paused {
    pub(crate) environment: Environment,
    began: Instant,
    replies: Arc<Mutex<BTreeMap<RequestId, oneshot::Sender<Outcome>>>>,
    /// Something was sent, so that a reply may come sooner than expected.
    pub(crate) sent: Arc<Notify>,
}

/// Cancels a request whose future is dropped.
struct CancelOnDrop(Environment, RequestId);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.abandon(self.1);
    }
}

impl Paused {
    pub(crate) fn new(environment: Environment) -> Self {
        let (replies, sent) = (Arc::default(), Arc::default());
        Self { environment, began: Instant::now(), replies, sent }
    }

    pub(crate) fn now(&self) -> Moment {
        self.environment.advance_to(self.began.elapsed());
        self.environment.now()
    }

    /// Sends a request, and waits for its reply. Dropped, it cancels the request.
    pub(crate) async fn exchange(&self, outgoing: Outgoing) -> Outcome {
        let (id, request, timeout) = outgoing.into_parts();
        let (reply, replied) = oneshot::channel();
        self.replies.lock().unwrap().insert(id, reply);
        let _in_flight = CancelOnDrop(self.environment.clone(), id);
        self.environment.send(id, &request, timeout);
        self.sent.notify_one();
        replied.await.unwrap_or(Err(TransportFailure::Other))
    }

    /// Hands the reply to whoever waits for it.
    pub(crate) fn replied(&self, id: RequestId, outcome: Outcome) {
        if let Some(reply) = self.replies.lock().unwrap().remove(&id) {
            let _cancelled = reply.send(outcome);
        }
    }
}
