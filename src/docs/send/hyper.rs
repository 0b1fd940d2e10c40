//! `send` with hyper 1 and the client of hyper-util, for loops on tokio.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use videokit_session::TransportFailure;

/// Returns a client for [`send`], for plain http. For https, build it with the connector of `hyper-rustls` or
/// `hyper-tls`.
#[must_use]
pub fn client() -> Client<HttpConnector, Full<Bytes>> {
    // Without a timer, idle connections are never closed.
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http()
}

/// Sends a request and reads the reply, whatever its status. The body is cut one byte after `body_limit`, so that
/// whoever parses it sees that it is too large.
///
/// # Errors
/// The reason why no whole reply came within the time.
pub async fn send<C: Connect + Clone + Send + Sync + 'static>(
    client: &Client<C, Full<Bytes>>,
    request: Request<Bytes>,
    timeout: Duration,
    body_limit: usize,
) -> Result<Response<Vec<u8>>, TransportFailure> {
    let exchange = exchange(client, request, body_limit);
    tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(TransportFailure::TimedOut))
}

async fn exchange<C: Connect + Clone + Send + Sync + 'static>(
    client: &Client<C, Full<Bytes>>,
    mut request: Request<Bytes>,
    body_limit: usize,
) -> Result<Response<Vec<u8>>, TransportFailure> {
    // A POST without a body has a Content-Length of 0, and a GET has none.
    if request.body().is_empty() && request.method() == Method::POST {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let response = client.request(request.map(Full::new)).await.map_err(|error| {
        // Without a connection, nothing was sent: a secret that is usable once is sent again.
        let unsent = error.is_connect();
        if unsent { TransportFailure::Unreachable } else { TransportFailure::Interrupted }
    })?;
    let (parts, mut body) = response.into_parts();
    let most = body_limit.saturating_add(1);
    let mut bytes = Vec::new();
    while bytes.len() < most {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|_| TransportFailure::Interrupted)?;
        // The others are trailers.
        if let Ok(chunk) = frame.into_data() {
            bytes.extend_from_slice(&chunk[..chunk.len().min(most - bytes.len())]);
        }
    }
    Ok(Response::from_parts(parts, bytes))
}
