//! A loop of tokio tasks: the driver behind a lock, a task for the loop, and one for each request and each API
//! call. Calls wait for a token. It is tested on tokio's paused clock.
//!
//! [`Session`] is the loop. [`Paused`] is its world in the conformance test; in an app, that is an HTTP client
//! and two clocks.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use videokit_session::driver::{AuthorizeError, Drive};
use videokit_session::session::{Authorized, RequestId};
use videokit_session::sim::conformance::{CallerId, Environment, Inbox, Input, Probe, conformance};
use videokit_session::{Event, Moment, Outgoing, Output, Wake};

use crate::paused::{Outcome, Paused};

/// Everything that the loop needs.
trait World: Send + Sync + 'static {
    fn now(&self) -> Moment;
    fn send(&self, outgoing: Outgoing) -> impl Future<Output = Outcome> + Send;
    fn event(&self, event: &Event);
}

struct Session<D, W> {
    driver: Mutex<D>,
    /// Wakes the loop: the driver was given an input.
    changed: Notify,
    /// Wakes all callers that wait: there may be a token.
    settled: Notify,
    world: W,
}

impl<D: Drive + Send + 'static, W: World> Session<D, W> {
    async fn run(self: Arc<Self>) {
        let mut tasks: BTreeMap<RequestId, AbortHandle> = BTreeMap::new();
        loop {
            let output = self.lock().poll(self.world.now());
            match output {
                Output::Send(outgoing) => {
                    let id = outgoing.id();
                    let task = tokio::spawn(Arc::clone(&self).exchange(outgoing));
                    tasks.insert(id, task.abort_handle());
                }
                Output::Abandon(id) => {
                    tasks.remove(&id).inspect(AbortHandle::abort);
                }
                Output::Event(event) => self.world.event(&event),
                Output::Wait(wake) => {
                    self.settled.notify_waiters();
                    let changed = self.changed.notified();
                    match wake {
                        Wake::In(time, _) => drop(timeout(time, changed).await),
                        Wake::OnInput => changed.await,
                    }
                }
            }
        }
    }

    async fn exchange(self: Arc<Self>, outgoing: Outgoing) {
        let id = outgoing.id();
        let outcome = self.world.send(outgoing).await;
        let _stale = self.input(|driver, now| match &outcome {
            Ok(reply) => driver.handle_response(id, reply, now),
            Err(why) => driver.handle_failure(id, *why, now),
        });
    }

    fn input<T>(&self, input: impl FnOnce(&mut D, Moment) -> T) -> T {
        let result = input(&mut self.lock(), self.world.now());
        self.changed.notify_one();
        result
    }

    /// Authorizes an API call with the token of this moment.
    fn authorize(&self, call: &mut Request<Bytes>) -> Result<Authorized, AuthorizeError> {
        self.lock().driver().authorize(call, self.world.now())
    }

    /// Authorizes an API call once there is a token. To cancel, drop the future.
    async fn wait_for_token(
        &self,
        call: &mut Request<Bytes>,
    ) -> Result<Authorized, AuthorizeError> {
        loop {
            // Made before the look, so that no wake-up between them is lost.
            let settled = self.settled.notified();
            match self.authorize(call) {
                Err(AuthorizeError::Wait) => settled.await,
                authorized => return authorized,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, D> {
        self.driver.lock().unwrap()
    }
}

impl World for Paused {
    fn now(&self) -> Moment {
        Self::now(self)
    }

    async fn send(&self, outgoing: Outgoing) -> Outcome {
        self.exchange(outgoing).await
    }

    fn event(&self, event: &Event) {
        self.environment.event(event);
    }
}

type Test = Arc<Session<Probe, Paused>>;

/// A caller: a task that waits for a token, and makes its call.
async fn caller(session: Test, caller: CallerId, mut call: Request<Bytes>) {
    let environment = &session.world.environment;
    match session.wait_for_token(&mut call).await {
        Ok(authorized) => environment.call(caller, &call, authorized),
        Err(error) => environment.fail_call(caller, error),
    }
    session.world.sent.notify_one();
}

async fn test(driver: Probe, environment: Environment, inbox: &mut Inbox) {
    let world = Paused::new(environment);
    let (driver, changed, settled) = (Mutex::new(driver), Notify::new(), Notify::new());
    let session = Arc::new(Session { driver, changed, settled, world: world.clone() });
    tokio::spawn(Arc::clone(&session).run());
    let mut callers = BTreeMap::new();
    loop {
        let next: Duration = inbox.next_in();
        let _sooner = timeout(next, world.sent.notified()).await;
        world.now();
        let Some(input) = inbox.take_due() else { continue };
        match input {
            Input::Reply(id, reply) => world.replied(id, Ok(reply)),
            Input::Failure(id, why) => world.replied(id, Err(why)),
            Input::Start(start) => session.input(|driver, now| driver.start(start, now)),
            Input::Stop => session.input(Drive::stop),
            Input::Online(online) => session.input(|driver, now| driver.set_online(online, now)),
            Input::Call(mut call) => {
                if let Ok(authorized) = session.authorize(&mut call) {
                    world.environment.call(None, &call, authorized);
                }
            }
            Input::WaitingCall(id, call) => {
                let task = tokio::spawn(caller(Arc::clone(&session), id, call));
                callers.insert(id, task);
            }
            Input::CallCancelled(id) => callers[&id].abort(),
            Input::Called(authorized, StatusCode::UNAUTHORIZED) => {
                session.input(|driver, now| driver.handle_unauthorized(authorized, now));
            }
            Input::Woke => session.changed.notify_one(),
            Input::Called(..) | Input::Timer => {}
            Input::End => return,
        }
    }
}

#[test]
fn a_loop_of_tokio_tasks_passes() {
    let run = |driver: Probe, environment: Environment, inbox: &mut Inbox| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(test(driver, environment, inbox));
    };
    let passed = conformance(run).unwrap();
    assert!(passed.runs.iter().all(|run| run.declined == 0));
    println!("{passed}");
}
