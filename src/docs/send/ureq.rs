//! `send` with ureq 3, for loops and threads that may block.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;
use ureq::{Agent, AsSendBody, Body, Error, Timeout};
use videokit_session::TransportFailure;

/// Returns a client for [`send`]. Proxies, TLS and idle connections are as configured: begin with
/// `Agent::config_builder()`.
#[must_use]
pub fn agent(config: ConfigBuilder<AgentScope>) -> Agent {
    let config = config.http_status_as_error(false);
    // With 0 redirects and no error, a redirect is a reply like any other.
    config.max_redirects(0).max_redirects_will_error(false).build().into()
}

/// Sends a request and reads the reply, whatever its status. The body is cut one byte after `body_limit`, so that
/// whoever parses it sees that it is too large.
///
/// # Errors
/// The reason why no whole reply came within the time.
pub fn send(
    agent: &Agent,
    request: Request<Bytes>,
    timeout: Duration,
    body_limit: usize,
) -> Result<Response<Vec<u8>>, TransportFailure> {
    let (parts, body) = request.into_parts();
    // A POST without a body has a Content-Length of 0, and a GET has none.
    let reply = if body.is_empty() && parts.method != Method::POST {
        run(agent, Request::from_parts(parts, ()), timeout)
    } else {
        run(agent, Request::from_parts(parts, &body[..]), timeout)
    };
    let (parts, body) = reply.map_err(|error| failure(&error))?.into_parts();
    let most = u64::try_from(body_limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = body.into_reader().take(most).read_to_end(&mut bytes);
    read.map_err(|error| failure(&error.into()))?;
    Ok(Response::from_parts(parts, bytes))
}

fn run(
    agent: &Agent,
    request: Request<impl AsSendBody>,
    timeout: Duration,
) -> Result<Response<Body>, Error> {
    let request = agent.configure_request(request).timeout_global(Some(timeout)).build();
    agent.run(request)
}

/// Returns what an error means to a session.
#[must_use]
pub fn failure(error: &Error) -> TransportFailure {
    match error {
        // Nothing was sent, so that a secret that is usable once may be sent again.
        Error::HostNotFound
        | Error::ConnectionFailed
        | Error::ConnectProxyFailed(_)
        | Error::Tls(_)
        | Error::Rustls(_)
        | Error::Timeout(Timeout::Resolve | Timeout::Connect) => TransportFailure::Unreachable,
        Error::Io(error) if is_before_connection(error) => TransportFailure::Unreachable,
        Error::Timeout(_) => TransportFailure::TimedOut,
        Error::Io(_) | Error::Protocol(_) => TransportFailure::Interrupted,
        _ => TransportFailure::Other,
    }
}

fn is_before_connection(error: &io::Error) -> bool {
    match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => true,
        // The standard library has no kind for a name that isn't found: a text on Unix, four numbers on Windows.
        _ => {
            error.to_string().starts_with("failed to lookup address information")
                || matches!(error.raw_os_error(), Some(11_001..=11_004))
        }
    }
}
