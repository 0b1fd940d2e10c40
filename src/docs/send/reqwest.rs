//! `send` with reqwest 0.13, for loops on tokio.

use std::mem::take;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response};
use reqwest::{Client, ClientBuilder, Error, redirect, retry};
use videokit_session::TransportFailure;

/// Returns a client for [`send`]. Proxies, TLS and idle connections are as configured: begin with
/// `Client::builder()`.
///
/// # Errors
/// The client can't be built: its TLS can't be set up, for example.
pub fn client(builder: ClientBuilder) -> Result<Client, Error> {
    builder.redirect(redirect::Policy::none()).retry(retry::never()).build()
}

/// Sends a request and reads the reply, whatever its status. The body is cut one byte after `body_limit`, so that
/// whoever parses it sees that it is too large.
///
/// # Errors
/// The reason why no whole reply came within the time.
pub async fn send(
    client: &Client,
    mut request: Request<Bytes>,
    timeout: Duration,
    body_limit: usize,
) -> Result<Response<Vec<u8>>, TransportFailure> {
    // A POST without a body has a Content-Length of 0, and a GET has none.
    if request.body().is_empty() && request.method() == Method::POST {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let mut request = reqwest::Request::try_from(request).map_err(|error| failure(&error))?;
    // It covers the body, too.
    *request.timeout_mut() = Some(timeout);
    let mut response = client.execute(request).await.map_err(|error| failure(&error))?;
    let most = body_limit.saturating_add(1);
    let mut bytes = Vec::new();
    while bytes.len() < most {
        match response.chunk().await.map_err(|error| failure(&error))? {
            Some(chunk) => bytes.extend_from_slice(&chunk[..chunk.len().min(most - bytes.len())]),
            None => break,
        }
    }
    let mut reply = Response::new(bytes);
    *reply.status_mut() = response.status();
    *reply.headers_mut() = take(response.headers_mut());
    Ok(reply)
}

/// Returns what an error means to a session.
#[must_use]
pub fn failure(error: &Error) -> TransportFailure {
    // No connection comes first, even if it took too long: then nothing was sent, and a secret that is usable once is
    // sent again.
    if error.is_connect() {
        TransportFailure::Unreachable
    } else if error.is_timeout() {
        TransportFailure::TimedOut
    } else if error.is_request() || error.is_body() || error.is_decode() {
        TransportFailure::Interrupted
    } else {
        TransportFailure::Other
    }
}
