//! A loop of tokio tasks, as an app's is: the driver behind a lock, a task for the loop, and one for each
//! request. It runs on tokio's paused clock.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use videokit_session::driver::Drive;
use videokit_session::session::{Generation, RequestId};
use videokit_session::sim::conformance::{Happening, Inbox, Probe, Stage, conformance};
use videokit_session::{Event, Moment, Outgoing, Output, TransportFailure, Wake};

type Outcome = Result<Response<Bytes>, TransportFailure>;

/// What the loop needs from outside.
trait World: Send + Sync + 'static {
    fn now(&self) -> Moment;
    fn send(&self, outgoing: Outgoing) -> impl Future<Output = Outcome> + Send;
    fn tell(&self, event: &Event);
    fn call(&self, call: &Request<Bytes>, generation: Generation);
}

struct Session<D, W> {
    driver: Mutex<D>,
    changed: Notify,
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
                    let task = tokio::spawn(Arc::clone(&self).carry(outgoing));
                    tasks.insert(id, task.abort_handle());
                }
                Output::Abandon(id) => {
                    tasks.remove(&id).inspect(AbortHandle::abort);
                }
                Output::Event(event) => self.world.tell(&event),
                Output::Wait(Wake::In(time, _)) => {
                    let _in_vain = timeout(time, self.changed.notified()).await;
                }
                Output::Wait(Wake::OnInput) => self.changed.notified().await,
            }
        }
    }

    async fn carry(self: Arc<Self>, outgoing: Outgoing) {
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

    fn call(&self, mut call: Request<Bytes>) {
        let authorized = self.lock().driver().authorize(&mut call, self.world.now());
        if let Ok(authorized) = authorized {
            self.world.call(&call, authorized.generation);
        }
    }

    fn lock(&self) -> MutexGuard<'_, D> {
        self.driver.lock().unwrap()
    }
}

/// The stage as the world of such a loop. Time is tokio's.
#[derive(Clone)]
struct Paused {
    stage: Stage,
    began: Instant,
    waiting: Arc<Mutex<BTreeMap<RequestId, oneshot::Sender<Outcome>>>>,
    sent: Arc<Notify>,
}

/// Cancels a request whose task is aborted.
struct CancelOnDrop(Stage, RequestId);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.abandon(self.1);
    }
}

impl World for Paused {
    fn now(&self) -> Moment {
        self.stage.pass_to(self.began.elapsed());
        self.stage.now()
    }

    async fn send(&self, outgoing: Outgoing) -> Outcome {
        let (id, request, timeout) = outgoing.into_parts();
        let (reply, replied) = oneshot::channel();
        self.waiting.lock().unwrap().insert(id, reply);
        let _open = CancelOnDrop(self.stage.clone(), id);
        self.stage.send(id, &request, timeout);
        self.sent.notify_one();
        replied.await.unwrap_or(Err(TransportFailure::Other))
    }

    fn tell(&self, event: &Event) {
        self.stage.event(event);
    }

    fn call(&self, call: &Request<Bytes>, generation: Generation) {
        self.stage.call(call, generation);
        self.sent.notify_one();
    }
}

impl Paused {
    fn came(&self, id: RequestId, outcome: Outcome) {
        if let Some(reply) = self.waiting.lock().unwrap().remove(&id) {
            let _aborted = reply.send(outcome);
        }
    }
}

async fn play(driver: Probe, stage: Stage, inbox: &mut Inbox) {
    let (waiting, sent) = (Arc::default(), Arc::default());
    let world = Paused { stage, began: Instant::now(), waiting, sent };
    let session =
        Session { driver: Mutex::new(driver), changed: Notify::new(), world: world.clone() };
    let session = Arc::new(session);
    tokio::spawn(Arc::clone(&session).run());
    loop {
        let next: Duration = inbox.next_in();
        let _sooner = timeout(next, world.sent.notified()).await;
        world.stage.pass_to(world.began.elapsed());
        let Some(happening) = inbox.take_due() else { continue };
        match happening {
            Happening::Reply(id, reply) => world.came(id, Ok(reply)),
            Happening::Failure(id, why) => world.came(id, Err(why)),
            Happening::Start(start) => session.input(|driver, now| driver.start(start, now)),
            Happening::Stop => session.input(Drive::stop),
            Happening::Online(online) => {
                session.input(|driver, now| driver.set_online(online, now));
            }
            Happening::Call(call) => session.call(call),
            Happening::Called(generation, StatusCode::UNAUTHORIZED) => {
                session.input(|driver, now| driver.handle_unauthorized(generation, now));
            }
            Happening::Woke => session.changed.notify_one(),
            Happening::Called(..) | Happening::Timer => {}
            Happening::End => return,
        }
    }
}

#[test]
fn a_loop_of_tokio_tasks_passes() {
    let run = |driver: Probe, stage: Stage, inbox: &mut Inbox| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(driver, stage, inbox));
    };
    println!("{}", conformance(run).unwrap());
}
