//! The other side of the examples: the simulator's gateway, as a server on 127.0.0.1.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, pending};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use videokit_session::Moment;
use videokit_session::sim::{self, DelayedResponse, Fault};

use crate::clocks::seed;

/// The most that is read of a request's body, in bytes.
const REQUEST_LIMIT: usize = 16 * 1_024;

/// How long to wait after a connection could not be accepted: most often, this process has too many open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A gateway, and the faults that it is under. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Site(Arc<Mutex<Parts>>);

/// The parts of a [`Site`].
#[derive(Debug)]
pub struct Parts {
    /// The gateway.
    pub gateway: sim::Gateway,
    /// The faults that each request meets.
    pub faults: Vec<Fault>,
}

/// What a client gets for its request.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "closed: a server has no other way to end a request")]
pub enum Outcome {
    /// A reply.
    Reply(DelayedResponse),
    /// The connection is reset, after this much time.
    Reset(Duration),
    /// Nothing, on a connection that stays open until the client leaves.
    Nothing,
}

/// Why a handler gives no reply: the connection is to be reset.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "closed: it carries nothing")]
pub struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is to be reset")
    }
}

impl std::error::Error for Reset {}

impl Site {
    /// Returns a site with a gateway that knows this API token, and makes tokens of this lifetime.
    #[must_use]
    pub fn new(api_token: &str, lifetime: Duration) -> Self {
        // With a fixed seed, a gateway that is started again would make the same tokens again.
        Self::with_gateway(sim::Gateway::new(api_token, lifetime, seed()))
    }

    /// Returns a site with this gateway.
    #[must_use]
    pub fn with_gateway(gateway: sim::Gateway) -> Self {
        Self(Arc::new(Mutex::new(Parts { gateway, faults: Vec::new() })))
    }

    /// Locks it, to be asked or changed.
    pub fn lock(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request: by the gateway, under the faults, at the time of the wall clock.
    ///
    /// # Errors
    /// A fault of the network wants the connection reset.
    pub async fn answer(&self, request: Request) -> Result<Response, Reset> {
        let request = match read(request).await {
            Ok(request) => request,
            Err(refusal) => return Ok(refusal),
        };
        let outcome = self.lock().handle(&request);
        outcome.deliver().await
    }

    /// Serves it on a thread, at a port that the system picks, until the process ends. Returns the URL, such as
    /// `http://127.0.0.1:40123`.
    ///
    /// # Errors
    /// No port, or no runtime, was to be had.
    pub fn serve(&self) -> io::Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Not by the runtime: this may be called from within another one.
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let listener = {
            let _within = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let site = self.clone();
        let handler = move |request| {
            let site = site.clone();
            async move { site.answer(request).await }
        };
        thread::spawn(move || runtime.block_on(serve(listener, handler)));
        Ok(url)
    }
}

impl Parts {
    /// Answers a request: by the gateway, under the faults, at the time of the wall clock. [`Fault::Twice`] changes
    /// nothing: a client reads one reply to a request.
    pub fn handle(&mut self, request: &http::Request<Bytes>) -> Outcome {
        let has = |fault| self.faults.contains(&fault);
        if has(Fault::Lost) {
            return Outcome::Nothing;
        }
        if has(Fault::ResetBefore) {
            return Outcome::Reset(Duration::ZERO);
        }
        let now = Moment::new(Duration::ZERO, SystemTime::now()).wall_millis();
        let reset = has(Fault::ResetAfter);
        let reply = self.gateway.handle_under(&self.faults, request, now);
        if reset { Outcome::Reset(reply.delay) } else { Outcome::Reply(reply) }
    }
}

impl Outcome {
    /// Waits as long as the faults want, and returns the reply.
    ///
    /// # Errors
    /// The connection is to be reset.
    pub async fn deliver(self) -> Result<Response, Reset> {
        match self {
            Self::Reply(reply) => {
                sleep(reply.delay).await;
                Ok(reply.response.map(Into::into))
            }
            Self::Reset(delay) => {
                sleep(delay).await;
                Err(Reset)
            }
            Self::Nothing => pending().await,
        }
    }
}

/// Reads a request with its body.
///
/// # Errors
/// The body is too large. This is the reply to send: 413.
pub async fn read(request: Request) -> Result<http::Request<Bytes>, Response> {
    let (parts, body) = request.into_parts();
    match to_bytes(body, REQUEST_LIMIT).await {
        Ok(body) => Ok(http::Request::from_parts(parts, body)),
        Err(_) => Err(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
    }
}

/// Serves connections until it is dropped. axum's own server always sends a reply, and a `Date` with each.
pub async fn serve<F>(
    listener: TcpListener,
    handler: impl Fn(Request) -> F + Clone + Send + 'static,
) -> Infallible
where
    F: Future<Output = Result<Response, Reset>> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, handler.clone()))),
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Serves a connection. A handler that still waits is dropped when the client hangs up.
async fn connection<F>(stream: TcpStream, handler: impl Fn(Request) -> F + Send)
where
    F: Future<Output = Result<Response, Reset>> + Send,
{
    let service = service_fn(move |request: http::Request<_>| handler(request.map(Body::new)));
    // The gateway says whether there is a `Date`.
    let mut builder = http1::Builder::new();
    builder.auto_date_header(false);
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    let ended = (&mut connection).await;
    if ended.is_err_and(|error| error.is_user()) {
        // Without this, the system would close it in order, which is another failure for a client.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}
