//! The run loop, to be copied: a driver, the thread that polls it, a thread per request, and a timer.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use videokit_session::driver::{AuthorizeError, Drive};
use videokit_session::session::{Authorized, RequestId};
use videokit_session::{Driver, Event, Moment, Outgoing, Output, TransportFailure, Wake};

use crate::clocks::Clocks;
use crate::transport::Transport;

/// How long an API call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// The most bytes that the body of an API call's answer may have.
const CALL_BODY_LIMIT: usize = 1 << 20;

/// A driver that any thread may use, and what it needs for I/O. `D` is a [`Driver`], or whatever stands in
/// for one, such as a recorder.
pub(crate) struct Runner<D> {
    shared: Mutex<Shared<D>>,
    changed: Condvar,
    clocks: Clocks,
    transport: Transport,
    listener: Listener,
}

struct Shared<D> {
    driver: D,
    closed: bool,
}

/// Hears the news, such as a log. It is called with the driver locked, so it must not use the runner.
type Listener = Box<dyn Fn(&News<'_>) + Send + Sync>;

/// What there is to tell.
pub(crate) enum News<'a> {
    /// A request for a token goes out.
    Sends(&'a Outgoing),
    /// Something happened to the session.
    Event(&'a Event),
    /// Nothing to do for now.
    Waits(Wake),
    /// A reply or a failure came for a request that nobody waits for any more.
    Late(RequestId),
    /// An API call was answered.
    Called(&'a Uri, Authorized, &'a Response<Vec<u8>>),
}

/// Why an API call was not answered.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) enum CallError {
    NotAuthorized(#[from] AuthorizeError),
    NoReply(#[from] TransportFailure),
}

impl<D: Drive + Send + 'static> Runner<D> {
    /// Takes the driver over, on its own thread.
    pub(crate) fn start(driver: D, transport: Transport, listener: Listener) -> Arc<Self> {
        let runner = Arc::new(Self {
            shared: Mutex::new(Shared { driver, closed: false }),
            changed: Condvar::new(),
            clocks: Clocks::start(),
            transport,
            listener,
        });
        let looping = Arc::clone(&runner);
        thread::spawn(move || looping.run());
        runner
    }

    /// THE LOOP: do what the driver says, until it waits; then wait for the time or the next input.
    fn run(self: &Arc<Self>) {
        let mut shared = self.lock();
        while !shared.closed {
            match shared.driver.poll(self.clocks.now()) {
                Output::Send(outgoing) => self.send(outgoing),
                Output::Abandon(_id) => {} // nothing to cancel: its reply will be stale
                Output::Event(event) => (self.listener)(&News::Event(&event)),
                Output::Wait(wake) => {
                    (self.listener)(&News::Waits(wake));
                    shared = self.wait(shared, wake);
                }
            }
        }
    }

    /// Waits without the lock. That it may end early, for no reason, does no harm. It may end late on a
    /// device that has slept: give an empty input when it wakes up.
    fn wait<'a>(
        &'a self,
        shared: MutexGuard<'a, Shared<D>>,
        wake: Wake,
    ) -> MutexGuard<'a, Shared<D>> {
        match wake {
            Wake::In(time, _why) => {
                let waited = self.changed.wait_timeout(shared, time);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            Wake::OnInput => self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Sends a request for a token on its own thread, and reports the reply or the failure.
    fn send(self: &Arc<Self>, outgoing: Outgoing) {
        (self.listener)(&News::Sends(&outgoing));
        let runner = Arc::clone(self);
        thread::spawn(move || {
            let body_limit = outgoing.body_limit();
            let (id, request, timeout) = outgoing.into_parts();
            let reply = runner.transport.send(request, timeout, body_limit);
            let delivery = runner.input(|driver, now| match &reply {
                Ok(reply) => driver.handle_response(id, reply, now),
                Err(why) => driver.handle_failure(id, *why, now),
            });
            if delivery.is_stale() {
                (runner.listener)(&News::Late(id));
            }
        });
    }

    /// Gives the driver an input, from any thread: a start, a stop, a reply, the network's comings and
    /// goings. The loop wakes up for it.
    pub(crate) fn input<T>(&self, input: impl FnOnce(&mut D, Moment) -> T) -> T {
        let mut shared = self.lock();
        let result = input(&mut shared.driver, self.clocks.now());
        self.changed.notify_all();
        result
    }

    /// Asks the driver something.
    pub(crate) fn look<T>(&self, question: impl FnOnce(&Driver, Moment) -> T) -> T {
        question(self.lock().driver.driver(), self.clocks.now())
    }

    /// Makes an API call, from any thread, with the token of this moment. It waits for no renewal. After
    /// a 401 the driver renews a token that may have died of age: call again when it has. Otherwise the event
    /// `Unauthorized` says that it does not.
    pub(crate) fn call(&self, mut call: Request<Bytes>) -> Result<Response<Vec<u8>>, CallError> {
        let authorized = self.look(|driver, now| driver.authorize(&mut call, now))?;
        let uri = call.uri().clone();
        let reply = self.transport.send(call, CALL_TIMEOUT, CALL_BODY_LIMIT)?;
        (self.listener)(&News::Called(&uri, authorized, &reply));
        if reply.status() == StatusCode::UNAUTHORIZED {
            self.input(|driver, now| driver.handle_unauthorized(authorized, now));
        }
        Ok(reply)
    }

    /// Ends the loop.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Shared<D>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
