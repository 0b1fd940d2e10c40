//! For programs with threads, and without a runtime: one login, and any number of threads that call an API with its
//! token. They block while there is none yet.
//!
//! ```sh
//! cargo run --example blocking
//! cargo run --example blocking -- --help   # with a backend of yours
//! ```
//!
//! What the threads share is the `Session` of `examples/shared/session.rs`, behind an `Arc`. Its waits are futures, so
//! that any program can wait for them; `examples/shared/block.rs` is how a thread does.

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use shared::block::block_on;
use shared::clocks::{Clocks, seed};
use shared::send::ureq::{agent, send};
use shared::session::{NoToken, Port, Session};
use shared::target::Target;
use ureq::Agent;
use videokit_session::session::RequestId;
use videokit_session::{Driver, Event, Outgoing, TransportFailure};

/// How long an API call may take, and how long it may wait for a token before that.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// The most bytes of a reply of the API.
const CALL_BODY_LIMIT: usize = 1 << 20;

/// A thread for each request, so that the loop takes other inputs meanwhile.
struct Threads {
    session: Arc<Session>,
    http: Agent,
}

impl Port for Threads {
    fn send(&mut self, outgoing: Outgoing) {
        let (session, http) = (Arc::clone(&self.session), self.http.clone());
        thread::spawn(move || {
            let limit = outgoing.body_limit();
            let (id, request, timeout) = outgoing.into_parts();
            session.complete(id, &send(&http, request, timeout, limit));
        });
    }

    /// This client can't cancel: the request ends by its time-out, and its reply changes nothing then.
    fn cancel(&mut self, _: RequestId) {}

    fn event(&mut self, event: &Event) {
        println!("{event}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(Target { backend, api, config }) = Target::from_args()? else { return Ok(()) };
    let clocks = Clocks::start();
    let driver = Driver::new(Arc::new(config), seed());
    let session = Arc::new(Session::new(driver, move || clocks.now()));
    let http = agent(Agent::config_builder());

    let looping = thread::spawn({
        let mut threads = Threads { session: Arc::clone(&session), http: http.clone() };
        let session = Arc::clone(&session);
        move || {
            session.run(&mut threads, |_, seen, longest| {
                block_on(session.inputs().after(seen), longest);
            });
        }
    });
    ctrlc::set_handler({
        let session = Arc::clone(&session);
        move || session.close()
    })?;
    session.start(backend);

    let (session, http, api) = (&session, &http, &api);
    thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            scope.spawn(move || work(name, session, http, api));
        }
    });
    // As Ctrl-C does: the token is wiped, threads that wait for one are answered, and the loop ends.
    session.close();
    looping.join().map_err(|_| "the loop panicked")?;
    Ok(())
}

/// A thread that calls the API now and then.
fn work(name: &str, session: &Session, http: &Agent, api: &Uri) {
    for _ in 0..5 {
        match call(session, http, api) {
            Ok(status) => println!("thread {name}: {status}"),
            Err(CallError::NoToken(NoToken::Closed)) => return,
            Err(error) => println!("thread {name}: {error}"),
        }
        thread::sleep(Duration::from_secs(2));
    }
}

/// Why an API call was not answered.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error(transparent)]
    NoToken(#[from] NoToken),
    #[error("there was no token within {CALL_TIMEOUT:?}")]
    WaitedTooLong,
    #[error(transparent)]
    NoReply(#[from] TransportFailure),
}

/// Calls the API, as soon as there is a token.
fn call(session: &Session, http: &Agent, api: &Uri) -> Result<StatusCode, CallError> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = api.clone();
    let authorized = block_on(session.authorize(&mut request), Some(CALL_TIMEOUT));
    let authorized = authorized.ok_or(CallError::WaitedTooLong)??;
    let reply = send(http, request, CALL_TIMEOUT, CALL_BODY_LIMIT)?;
    if reply.status() == StatusCode::UNAUTHORIZED {
        // A token that may have died of age is renewed: the next call may have another.
        session.unauthorized(authorized);
    }
    Ok(reply.status())
}
