//! For apps on tokio: one login, and any number of tasks that call an API with its token. They wait while there is none
//! yet, each for itself, and any of them may be cancelled.
//!
//! ```sh
//! cargo run --example tokio
//! cargo run --example tokio -- --help   # with a backend of yours
//! ```
//!
//! For an app of yours, copy `run.rs`, and from `examples/shared` `session.rs`, `signal.rs` and `clocks.rs`, and
//! `src/docs/send/reqwest.rs`. In the file that declares these modules, `use std::sync::Mutex`.

mod run;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use reqwest::Client;
use shared::clocks::{Clocks, seed};
use shared::interrupt::interrupted;
use shared::send::reqwest::{client, send};
use shared::session::{self, NoToken, Outcome, Session};
use shared::target::Target;
use tokio::task::JoinSet;
use videokit_session::{Driver, Outgoing, TransportFailure};

/// How long an API call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// The most bytes of a reply of the API.
const CALL_BODY_LIMIT: usize = 1 << 20;

impl run::Http for Client {
    async fn send(&self, outgoing: Outgoing) -> Outcome {
        let limit = outgoing.body_limit();
        let (_, request, timeout) = outgoing.into_parts();
        Ok(send(self, request, timeout, limit).await?.map(Bytes::from))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Some(Target { backend, api, config }) = Target::from_args()? else { return Ok(()) };
    let interrupted = interrupted()?;
    let clocks = Clocks::start();
    let driver = Driver::new(Arc::new(config), seed());
    let session = Arc::new(Session::new(driver, move || clocks.now()));
    let http = client(Client::builder())?;

    let looping = tokio::spawn({
        let (session, http) = (Arc::clone(&session), http.clone());
        async move { run::run(&session, &http, |event| println!("{event}")).await }
    });
    session.start(backend);

    let mut tasks = JoinSet::new();
    for name in ["a", "b", "c"] {
        tasks.spawn(work(name, Arc::clone(&session), http.clone(), api.clone()));
    }
    tokio::select! {
        () = async { while tasks.join_next().await.is_some() {} } => {}
        () = interrupted => println!("shutting down"),
    }
    // The token is wiped, tasks that wait for one are answered, a request in flight is cancelled, and the loop ends.
    session.close();
    looping.await?;
    Ok(())
}

/// A task that calls the API now and then.
async fn work(name: &str, session: Arc<Session>, http: Client, api: Uri) {
    for _ in 0..5 {
        match call(&session, &http, &api).await {
            Ok(status) => println!("task {name}: {status}"),
            Err(error) => println!("task {name}: {error}"),
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Why an API call was not answered.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum CallError {
    NoToken(#[from] NoToken),
    NoReply(#[from] TransportFailure),
}

/// Calls the API, as soon as there is a token. To wait no longer than so long, put `tokio::time::timeout` around it.
async fn call(session: &Session, http: &Client, api: &Uri) -> Result<StatusCode, CallError> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = api.clone();
    let authorized = session.authorize(&mut request).await?;
    let reply = send(http, request, CALL_TIMEOUT, CALL_BODY_LIMIT).await?;
    if reply.status() == StatusCode::UNAUTHORIZED {
        // A token that may have died of age is renewed: the next call may have another.
        session.unauthorized(authorized);
    }
    Ok(reply.status())
}
