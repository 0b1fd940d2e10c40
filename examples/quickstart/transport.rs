//! The I/O that the library leaves to its caller: a blocking HTTP client, and a cable to pull.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use videokit_session::TransportFailure;

/// A blocking HTTP client. Clones share its connections, and its cable.
#[derive(Clone)]
pub(crate) struct Transport {
    agent: ureq::Agent,
    plugged_in: Arc<AtomicBool>,
}

impl Transport {
    /// A client for servers on this machine: it goes through no proxy.
    pub(crate) fn local() -> Self {
        Self::new(agent(|config| config.proxy(None)))
    }

    /// A client for servers anywhere.
    pub(crate) fn global() -> Self {
        Self::new(agent(|config| config))
    }

    fn new(agent: ureq::Agent) -> Self {
        Self { agent, plugged_in: Arc::new(AtomicBool::new(true)) }
    }

    /// Pulls the cable, or puts it back. Requests that are on their way are not cut off.
    pub(crate) fn plug_in(&self, plugged_in: bool) {
        self.plugged_in.store(plugged_in, Ordering::SeqCst);
    }

    /// Sends a request and reads the whole reply, whatever its status. Redirects are not followed: they
    /// would take the credentials along. Of a body over `body_limit`, one more byte than that is read, so
    /// that whoever parses it can tell that it is too large.
    pub(crate) fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
        body_limit: usize,
    ) -> Result<Response<Vec<u8>>, TransportFailure> {
        if !self.plugged_in.load(Ordering::SeqCst) {
            return Err(TransportFailure::Unreachable);
        }
        let response = if request.body().is_empty() {
            self.run(request.map(drop), timeout)
        } else {
            self.run(request.map(Vec::from), timeout)
        };
        let (parts, mut body) = response.map_err(|error| failure(&error))?.into_parts();
        let mut bytes = Vec::new();
        let most = u64::try_from(body_limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = body.as_reader().take(most).read_to_end(&mut bytes);
        read.map_err(|error| failure(&error.into()))?;
        Ok(Response::from_parts(parts, bytes))
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        request: Request<B>,
        timeout: Duration,
    ) -> Result<Response<ureq::Body>, ureq::Error> {
        let request = self.agent.configure_request(request).timeout_global(Some(timeout)).build();
        self.agent.run(request)
    }
}

type AgentConfig = ureq::config::ConfigBuilder<ureq::typestate::AgentScope>;

fn agent(adjust: impl FnOnce(AgentConfig) -> AgentConfig) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false);
    adjust(config).build().into()
}

/// What the client's error means to a session.
fn failure(error: &ureq::Error) -> TransportFailure {
    match error {
        ureq::Error::Timeout(_) => TransportFailure::TimedOut,
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::ConnectProxyFailed(_)
        | ureq::Error::Tls(_)
        | ureq::Error::Rustls(_) => TransportFailure::Unreachable,
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            TransportFailure::Unreachable
        }
        ureq::Error::Io(_) | ureq::Error::Protocol(_) => TransportFailure::Interrupted,
        _ => TransportFailure::Other,
    }
}
