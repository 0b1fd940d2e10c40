//! The other side, in this same process: a gateway, and a customer's backend that knows the API token.

use std::sync::atomic::{AtomicUsize, Ordering};
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
use tokio::sync::Semaphore;
use videokit_session::exchange::{BODY_LIMIT, Endpoint};
use videokit_session::{ApiToken, Gateway, Identity, Moment, sim};

use crate::SESSIONS;
use crate::clocks::seed;
use crate::conditions::{Condition, Met, Schedule};
use crate::transport::Transport;

/// The most that a server here reads of a request.
const REQUEST_LIMIT: usize = 16 * 1_024;

/// Both servers, each at its own port on 127.0.0.1. They stop with the process.
pub(crate) struct Servers {
    pub(crate) gateway: String,
    pub(crate) backend: String,
    site: Arc<Site>,
}

/// The gateway, and what stands before it.
struct Site {
    gateway: Mutex<sim::Gateway>,
    schedule: Mutex<Schedule>,
    held: AtomicUsize,
    /// A permit lets one held reply go, the oldest first.
    gate: Semaphore,
}

impl Servers {
    /// Starts both, on a thread of their own.
    pub(crate) fn start(api_token: &'static str, lifetime: Duration) -> std::io::Result<Self> {
        let site = Arc::new(Site {
            // With a fixed seed, a gateway that is started again would make the same tokens again.
            gateway: Mutex::new(sim::Gateway::new(api_token, lifetime, seed())),
            schedule: Mutex::default(),
            held: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let gateway = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let backend = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let servers = Self {
            gateway: format!("http://{}", gateway.local_addr()?),
            backend: format!("http://{}", backend.local_addr()?),
            site: Arc::clone(&site),
        };
        let gateway_app = Router::new().fallback(gateway_answers).with_state(site);
        let mint = Mint { gateway: servers.gateway.clone(), api_token };
        let backend_app =
            Router::new().route("/token/{user}", get(backend_answers)).with_state(mint);
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
        lock(&self.site.gateway).counts()
    }

    /// Forgets every token.
    pub(crate) fn revoke_all(&self) {
        lock(&self.site.gateway).revoke_all();
    }

    /// Mints tokens of this lifetime from now on.
    pub(crate) fn set_lifetime(&self, lifetime: Duration) {
        lock(&self.site.gateway).set_lifetime(lifetime);
    }

    /// Says what the next requests for a token will meet.
    pub(crate) fn schedule(&self, conditions: &[Condition]) {
        lock(&self.site.schedule).add(conditions);
    }

    /// What the requests for a token have met so far.
    pub(crate) fn met(&self) -> Met {
        lock(&self.site.schedule).met()
    }

    /// How long the gateway was left alone after it said that it was busy.
    pub(crate) fn left_alone(&self) -> Option<Duration> {
        lock(&self.site.schedule).left_alone()
    }

    /// How many replies are held.
    pub(crate) fn held(&self) -> usize {
        self.site.held.load(Ordering::SeqCst)
    }

    /// Lets the oldest held reply go, or the next one, if none is held.
    pub(crate) fn release(&self) {
        self.site.gate.add_permits(1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All of the gateway: the conditions, and, if the request gets through it, the pure part, with the time.
async fn gateway_answers(State(site): State<Arc<Site>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let for_token = parts.uri.path() == SESSIONS;
    let conditions = if for_token { lock(&site.schedule).meet() } else { Condition::Clear };
    if let Some(reply) = conditions.reply() {
        return reply.map(Into::into);
    }
    let now = Moment::new(Duration::ZERO, SystemTime::now()).wall_millis();
    let reply = lock(&site.gateway).handle(&http::Request::from_parts(parts, body), now);
    if conditions == Condition::Delayed {
        site.held.fetch_add(1, Ordering::SeqCst);
        if let Ok(permit) = site.gate.acquire().await {
            permit.forget();
        }
        site.held.fetch_sub(1, Ordering::SeqCst);
    }
    reply.map(Into::into)
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
        let endpoint = Endpoint::loopback(format!("{}{SESSIONS}", self.gateway))?;
        let exchange =
            Gateway::new(ApiToken::new(self.api_token)?, Identity::new(user)?).endpoint(endpoint);
        let response =
            Transport::local().send(exchange.request(), Duration::from_secs(5), BODY_LIMIT)?;
        Ok(exchange.read(&response)?.to_token_reply())
    }
}
