//! One login for a whole app: a driver behind a lock, and callers that wait for its token. A run loop is a
//! [`Port`], and a way to wait.

use std::fmt;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use videokit_session::driver::{AuthorizeError, Drive, Start};
use videokit_session::session::{Authorized, RequestId};
use videokit_session::{Driver, Event, Moment, Outgoing, Output, TransportFailure, Wake};

use super::Mutex;
use super::signal::Signal;

/// A login that tasks and threads share. `D` is a [`Driver`], a recorder around one, or the probe of
/// a test.
pub struct Session<D = Driver> {
    state: Mutex<State<D>>,
    now: Box<dyn Fn() -> Moment + Send + Sync>,
    /// The driver was given an input: the loop has to look.
    inputs: Signal,
    /// A wait for a token is over.
    answers: Signal,
}

struct State<D> {
    driver: D,
    closed: bool,
}

/// The side effects of a run loop.
pub trait Port {
    /// Begins to send a request for a token. Its outcome goes to [`Session::complete`].
    fn send(&mut self, outgoing: Outgoing);
    /// Cancels that request, if it can be.
    fn cancel(&mut self, id: RequestId);
    /// Something happened to the session.
    fn event(&mut self, event: &Event);
}

/// Why a caller gets no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a caller handles each; no `expect`, since a test includes this file where it is private"
)]
pub enum NoToken {
    /// There is none, and waiting doesn't help; or the request must not have one.
    #[error(transparent)]
    NotAuthorized(#[from] AuthorizeError),
    /// The login that the caller waited for has ended, and another one has begun: its token is for another user.
    #[error("the login that this call waited for has ended: call again for the one that has begun")]
    OtherLogin,
    /// The session was closed.
    #[error("the session is closed: the app is shutting down")]
    Closed,
}

/// The login that a call waits for: none before the first try.
#[derive(Debug, Clone, Copy, Default)]
pub struct Login(Option<u64>);

/// What became of a request for a token.
pub type Outcome = Result<Response<Bytes>, TransportFailure>;

impl<D: Drive> Session<D> {
    /// Returns a session without a login. `now` reads both clocks.
    pub fn new(driver: D, now: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self {
            state: Mutex::new(State { driver, closed: false }),
            now: Box::new(now),
            inputs: Signal::default(),
            answers: Signal::default(),
        }
    }

    /// Begins a login. Callers that wait for another one get [`NoToken::OtherLogin`].
    pub fn start(&self, start: impl Into<Start>) {
        self.input(|driver, now| driver.start(start, now));
        self.answers.raise();
    }

    /// Ends the login, and wipes its token.
    pub fn stop(&self) {
        self.input(Drive::stop);
        self.answers.raise();
    }

    /// Says whether there is a network.
    pub fn set_online(&self, online: bool) {
        self.input(|driver, now| driver.set_online(online, now));
    }

    /// Says that the API answered 401 to a call that was authorized so.
    pub fn unauthorized(&self, authorized: Authorized) {
        self.input(|driver, now| driver.handle_unauthorized(authorized, now));
    }

    /// Says that the device has slept, and timers may be late.
    pub fn woke(&self) {
        self.input(Drive::observe);
    }

    /// Says what became of a request for a token. One that nobody waits for any more changes nothing.
    pub fn complete<B: AsRef<[u8]>>(
        &self,
        id: RequestId,
        outcome: &Result<Response<B>, TransportFailure>,
    ) {
        let _stale = self.input(|driver, now| match outcome {
            Ok(reply) => driver.handle_response(id, reply, now),
            Err(why) => driver.handle_failure(id, *why, now),
        });
    }

    /// Puts the token on an API request, as soon as there is one. To stop waiting, drop the future.
    ///
    /// # Errors
    /// As soon as waiting can't help: [`NoToken`] says why.
    pub async fn authorize<B>(&self, request: &mut Request<B>) -> Result<Authorized, NoToken> {
        let mut login = Login::default();
        loop {
            let seen = self.answers.count();
            match self.try_authorize(request, &mut login)? {
                Some(authorized) => return Ok(authorized),
                None => self.answers.after(seen).await,
            }
        }
    }

    /// Puts the token of this moment on an API request, or answers `None` while it is worth waiting for one. For a
    /// loop that asks again whenever it has [run what is due](Self::run_due), with the same `login`.
    ///
    /// # Errors
    /// As for [`authorize`](Self::authorize).
    pub fn try_authorize<B>(
        &self,
        request: &mut Request<B>,
        login: &mut Login,
    ) -> Result<Option<Authorized>, NoToken> {
        self.with(|state, now| {
            let driver = state.driver.driver();
            let ended = if state.closed {
                Some(NoToken::Closed)
            } else {
                let waits_for = *login.0.get_or_insert(driver.epoch());
                (waits_for != driver.epoch()).then_some(NoToken::OtherLogin)
            };
            if let Some(ended) = ended {
                request.headers_mut().remove(driver.config().header_name());
                return Err(ended);
            }
            match driver.authorize(request, now) {
                Ok(authorized) => Ok(Some(authorized)),
                Err(AuthorizeError::Wait) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
    }

    /// Asks the driver something.
    pub fn look<T>(&self, question: impl FnOnce(&Driver, Moment) -> T) -> T {
        self.with(|state, now| question(state.driver.driver(), now))
    }

    /// Ends the login and the loop. Callers that wait get [`NoToken::Closed`], now and later.
    pub fn close(&self) {
        self.with(|state, _| state.closed = true);
        self.stop();
    }

    fn input<T>(&self, input: impl FnOnce(&mut D, Moment) -> T) -> T {
        let result = self.with(|state, now| input(&mut state.driver, now));
        self.inputs.raise();
        result
    }

    /// The only place that locks the driver. Nothing is awaited inside, and the clocks are read inside, so that
    /// their readings come in order.
    fn with<T>(&self, step: impl FnOnce(&mut State<D>, Moment) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.now)();
        step(&mut state, now)
    }
}

/// The part of the run loop.
impl<D: Drive> Session<D> {
    /// Carries out all that the driver wants done by now. Returns how long to wait for the next input: `None` for
    /// without a limit.
    pub fn run_due(&self, port: &mut impl Port) -> Option<Duration> {
        loop {
            match self.with(|state, now| state.driver.poll(now)) {
                Output::Send(outgoing) => port.send(outgoing),
                Output::Abandon(id) => port.cancel(id),
                Output::Event(event) => port.event(&event),
                Output::Wait(wake) => {
                    if self.is_answered() {
                        self.answers.raise();
                    }
                    return match wake {
                        Wake::In(time, _) => Some(time),
                        Wake::OnInput => None,
                    };
                }
            }
        }
    }

    /// The loop of a program that blocks while it waits, until the session is closed. `wait` waits until there are
    /// more inputs than `seen`, at most so long.
    pub fn run<P: Port>(&self, port: &mut P, mut wait: impl FnMut(&mut P, u64, Option<Duration>)) {
        loop {
            let seen = self.inputs.count();
            let longest = self.run_due(port);
            if self.is_closed() {
                return;
            }
            wait(port, seen, longest);
        }
    }

    /// The signal of inputs: read its count before [`run_due`](Self::run_due), and wait for more.
    pub fn inputs(&self) -> &Signal {
        &self.inputs
    }

    /// Returns whether the session was closed, so that the loop has to end.
    pub fn is_closed(&self) -> bool {
        self.with(|state, _| state.closed)
    }

    /// Returns whether a caller that waits would be answered now.
    fn is_answered(&self) -> bool {
        self.look(|driver, now| {
            let origin = driver.config().origins().first();
            let authorized = origin.map(|origin| driver.authorization(origin, now));
            !matches!(authorized, Some(Err(AuthorizeError::Wait)))
        })
    }
}

impl<D> fmt::Debug for Session<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
