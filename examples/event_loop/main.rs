//! For programs with an event loop of their own, without a runtime and without a thread: non-blocking sockets, and
//! one call of `poll(2)` that waits for all of them.
//!
//! ```sh
//! cargo run --example event_loop
//! cargo run --example event_loop -- --help   # with a backend of yours
//! ```
//!
//! Four calls of an API begin before there is a token. They wait for it, and the loop does the rest. The HTTP is
//! `ureq-proto`, which does no I/O either.

mod exchange;

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use exchange::{Exchange, failure};
use http::Request;
use mio::{Events, Interest, Poll, Token};
use shared::clocks::{Clocks, seed};
use shared::session::{Login, NoToken, Outcome, Port, Session};
use shared::target::Target;
use videokit_session::driver::Drive;
use videokit_session::session::{Authorized, RequestId};
use videokit_session::{Driver, Event, Outgoing, TransportFailure};

/// How long an API call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// The most bytes that are read of the body of an API call's reply.
const CALL_BODY_LIMIT: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let Some(Target { backend, api, config }) = Target::from_args()? else { return Ok(()) };
    let clocks = Clocks::start();
    let session = Session::new(Driver::new(Arc::new(config), seed()), move || clocks.now());
    session.start(backend);

    let mut sockets = Sockets::new()?;
    let mut calls = Calls::new();
    for number in 1..=4 {
        let mut call = Request::new(Bytes::new());
        *call.uri_mut() = api.clone();
        calls.push(number, call);
    }
    session.run(&mut sockets, |sockets, _seen, longest| {
        for (number, call, authorized) in calls.take_answered(&session) {
            match authorized {
                Ok(authorized) => {
                    sockets.open(Purpose::Call(number, authorized), call, CALL_TIMEOUT);
                }
                Err(error) => println!("call {number}: {error}"),
            }
        }
        for (purpose, outcome) in sockets.wait(longest) {
            match purpose {
                Purpose::Token(id, _) => session.complete(id, &outcome),
                Purpose::Call(number, authorized) => {
                    let status = outcome.map(|reply| reply.status());
                    println!("call {number}: {status:?}");
                    if status.is_ok_and(|status| status == 401) {
                        session.unauthorized(authorized);
                    }
                }
            }
        }
        if calls.waiting.is_empty() && sockets.open.is_empty() {
            session.close();
        }
    });
    Ok(())
}

/// API calls that wait for a token. `C` is what their answers go to.
pub(crate) struct Calls<C> {
    pub(crate) waiting: Vec<(C, Request<Bytes>, Login)>,
}

impl<C> Calls<C> {
    pub(crate) fn new() -> Self {
        Self { waiting: Vec::new() }
    }

    pub(crate) fn push(&mut self, caller: C, call: Request<Bytes>) {
        self.waiting.push((caller, call, Login::default()));
    }

    /// Takes those that have a token, or will get none.
    pub(crate) fn take_answered<D: Drive>(
        &mut self,
        session: &Session<D>,
    ) -> Vec<(C, Request<Bytes>, Result<Authorized, NoToken>)> {
        let mut answered = Vec::new();
        for (caller, mut call, mut login) in std::mem::take(&mut self.waiting) {
            match session.try_authorize(&mut call, &mut login).transpose() {
                Some(answer) => answered.push((caller, call, answer)),
                None => self.waiting.push((caller, call, login)),
            }
        }
        answered
    }
}

/// What an exchange is for.
pub(crate) enum Purpose {
    Token(RequestId, usize),
    Call(u32, Authorized),
}

/// All open sockets.
pub(crate) struct Sockets {
    poll: Poll,
    pub(crate) open: BTreeMap<Token, (Purpose, Exchange, Instant)>,
    /// Those that failed before they were open.
    failed: Vec<(Purpose, Outcome)>,
    next: usize,
}

impl Port for Sockets {
    fn send(&mut self, outgoing: Outgoing) {
        let limit = outgoing.body_limit();
        let (id, request, timeout) = outgoing.into_parts();
        self.open(Purpose::Token(id, limit), request, timeout);
    }

    fn cancel(&mut self, id: RequestId) {
        self.open
            .retain(|_, (purpose, ..)| !matches!(purpose, Purpose::Token(open, _) if *open == id));
    }

    fn event(&mut self, event: &Event) {
        println!("{event}");
    }
}

impl Sockets {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, open: BTreeMap::new(), failed: Vec::new(), next: 0 })
    }

    fn open(&mut self, purpose: Purpose, request: Request<Bytes>, timeout: Duration) {
        let limit = if let Purpose::Token(_, limit) = purpose { limit } else { CALL_BODY_LIMIT };
        let token = Token(self.next);
        let opened = Exchange::open(request, limit).and_then(|mut exchange| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut exchange.socket, token, interest)?;
            Ok(exchange)
        });
        match opened {
            Ok(exchange) => {
                self.next += 1;
                self.open.insert(token, (purpose, exchange, Instant::now() + timeout));
            }
            Err(error) => self.failed.push((purpose, Err(failure(&error)))),
        }
    }

    /// Waits at most so long, and less if a socket is ready. Returns the exchanges that have ended.
    pub(crate) fn wait(&mut self, longest: Option<Duration>) -> Vec<(Purpose, Outcome)> {
        let mut ended = std::mem::take(&mut self.failed);
        let deadline = self.open.values().map(|(.., deadline)| *deadline).min();
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let longest = if ended.is_empty() {
            left.into_iter().chain(longest).min()
        } else {
            Some(Duration::ZERO)
        };
        let mut events = Events::with_capacity(64);
        // A signal interrupts it, which does no harm: the loop looks, and waits again.
        let _interrupted = self.poll.poll(&mut events, longest);
        for token in events.iter().map(mio::event::Event::token) {
            let outcome = self.open.get_mut(&token).and_then(|(_, exchange, _)| exchange.advance());
            if let Some(outcome) = outcome
                && let Some((purpose, ..)) = self.open.remove(&token)
            {
                ended.push((purpose, outcome));
            }
        }
        let now = Instant::now();
        while let Some((&token, _)) = self.open.iter().find(|(_, (.., deadline))| *deadline <= now)
            && let Some((purpose, ..)) = self.open.remove(&token)
        {
            ended.push((purpose, Err(TransportFailure::TimedOut)));
        }
        ended
    }
}
