//! The other side, in this same process: a gateway, and a customer's backend that knows the API token.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::StatusCode;
use tokio::net::TcpListener;
use videokit_session::exchange::Endpoint;
use videokit_session::{ApiToken, Gateway, Identity, Moment, sim};

use crate::transport::Transport;

/// The most that a server here reads of a request.
const REQUEST_LIMIT: usize = 16 * 1_024;

/// Both servers, each at a port of its own on 127.0.0.1. They stop with the process.
pub(crate) struct Servers {
    pub(crate) gateway: String,
    pub(crate) backend: String,
    shared: Shared,
}

type Shared = Arc<Mutex<sim::Gateway>>;

impl Servers {
    /// Starts both, on a thread of their own.
    pub(crate) fn start(api_token: &'static str, lifetime: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Mutex::new(sim::Gateway::new(api_token, lifetime, 2_026)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let gateway = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let backend = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let servers = Self {
            gateway: format!("http://{}", gateway.local_addr()?),
            backend: format!("http://{}", backend.local_addr()?),
            shared: Arc::clone(&shared),
        };
        let gateway_app = Router::new().fallback(gateway_answers).with_state(shared);
        let mint = Mint { gateway: servers.gateway.clone(), api_token };
        let backend_app = Router::new()
            .route("/", get(async || "Session Service"))
            .route("/token/{user}", get(backend_answers))
            .with_state(mint);
        thread::spawn(move || {
            runtime.block_on(async {
                let both = (axum::serve(gateway, gateway_app), axum::serve(backend, backend_app));
                let backend = tokio::spawn(both.1.into_future());
                let _ = both.0.await;
                let _ = backend.await;
            });
        });
        Ok(servers)
    }

    /// What the gateway has done so far.
    pub(crate) fn counts(&self) -> sim::Counts {
        lock(&self.shared).counts()
    }
}

fn lock(gateway: &Shared) -> MutexGuard<'_, sim::Gateway> {
    gateway.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All of the gateway: hand the request to its pure part, with the time.
async fn gateway_answers(State(gateway): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let now = Moment::new(Duration::ZERO, SystemTime::now()).wall_millis();
    lock(&gateway).handle(&http::Request::from_parts(parts, body), now).map(Into::into)
}

/// What a customer's backend knows.
#[derive(Clone)]
struct Mint {
    gateway: String,
    api_token: &'static str,
}

/// All of the backend, once it knows who is asking: mint a token for that user, and pass it on.
async fn backend_answers(State(mint): State<Mint>, Path(user): Path<String>) -> Response {
    let minted = tokio::task::spawn_blocking(move || mint.token_for(&user)).await;
    match minted {
        Ok(Ok(reply)) => reply.map(Into::into),
        _ => (StatusCode::BAD_GATEWAY, "no token to be had").into_response(),
    }
}

impl Mint {
    fn token_for(
        &self,
        user: &str,
    ) -> Result<http::Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
        let endpoint = Endpoint::loopback(format!("{}/v1/sessions", self.gateway))?;
        let exchange =
            Gateway::new(ApiToken::new(self.api_token)?, Identity::new(user)?).endpoint(endpoint);
        let response = Transport::local().send(exchange.request(), Duration::from_secs(5))?;
        Ok(exchange.read(&response)?.to_token_reply())
    }
}
