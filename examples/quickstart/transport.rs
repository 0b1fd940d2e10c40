//! The I/O that the library leaves to its caller: a blocking HTTP client, and a cable to pull.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use ureq::Agent;
use videokit_session::TransportFailure;

/// The client of the docs' chapter `sending`: a file to copy.
#[allow(unreachable_pub, reason = "the file is public where the docs' readers copy it to")]
#[path = "../../src/docs/send/ureq.rs"]
mod client;

/// A blocking HTTP client. Clones share its connections, and its cable.
#[derive(Clone)]
pub(crate) struct Transport {
    agent: Agent,
    plugged_in: Arc<AtomicBool>,
}

impl Transport {
    /// A client for servers on this machine: it goes through no proxy.
    pub(crate) fn local() -> Self {
        Self::new(client::agent(Agent::config_builder().proxy(None)))
    }

    /// A client for servers anywhere.
    pub(crate) fn global() -> Self {
        Self::new(client::agent(Agent::config_builder()))
    }

    fn new(agent: Agent) -> Self {
        Self { agent, plugged_in: Arc::new(AtomicBool::new(true)) }
    }

    /// Pulls the cable, or puts it back. Requests that are on their way are not cut off.
    pub(crate) fn plug_in(&self, plugged_in: bool) {
        self.plugged_in.store(plugged_in, Ordering::SeqCst);
    }

    /// Sends a request and reads the whole reply, whatever its status.
    pub(crate) fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
        body_limit: usize,
    ) -> Result<Response<Vec<u8>>, TransportFailure> {
        if !self.plugged_in.load(Ordering::SeqCst) {
            return Err(TransportFailure::Unreachable);
        }
        client::send(&self.agent, request, timeout, body_limit)
    }
}
