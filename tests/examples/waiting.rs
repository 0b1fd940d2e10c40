//! Callers that wait for a token: many at once, cancelled anywhere, and answered when waiting can't help.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use shared::block::block_on;
use shared::clocks::Clocks;
use shared::session::{NoToken, Outcome, Port, Session};
use shared::signal::Signal;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use videokit_session::driver::AuthorizeError;
use videokit_session::session::{Authorized, Blocked, RequestId};
use videokit_session::{
    AllowedOrigin, ApiToken, Config, Credentials, Driver, Event, Gateway, Identity, Outgoing,
    TransportFailure, sim,
};

use crate::loops::tokio_loop::{Http, run};

const API_TOKEN: &str = "my-app:my-secret";

/// A gateway, and a client whose requests each wait for a permit.
struct Server {
    gateway: Mutex<sim::Gateway>,
    permits: Semaphore,
    cancelled: AtomicUsize,
}

impl Server {
    fn new(permits: usize) -> Arc<Self> {
        let gateway = sim::Gateway::new(API_TOKEN, Duration::from_secs(600), 17);
        let (gateway, permits) = (Mutex::new(gateway), Semaphore::new(permits));
        Arc::new(Self { gateway, permits, cancelled: AtomicUsize::new(0) })
    }

    fn granted(&self) -> u64 {
        self.gateway.lock().unwrap().counts().granted
    }

    fn answer(&self, outgoing: Outgoing) -> Response<Bytes> {
        let now = Clocks::start().now().wall_millis();
        self.gateway.lock().unwrap().handle(&outgoing.into_request(), now)
    }
}

/// Counts the requests that were dropped before their reply.
struct CountOnDrop<'a>(&'a AtomicUsize);

impl Drop for CountOnDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Http for Server {
    async fn send(&self, outgoing: Outgoing) -> Outcome {
        let in_flight = CountOnDrop(&self.cancelled);
        self.permits.acquire().await.unwrap().forget();
        std::mem::forget(in_flight);
        Ok(self.answer(outgoing))
    }
}

fn driver() -> Driver {
    let config = Config::builder(AllowedOrigin::https("https://api.example").unwrap());
    Driver::new(Arc::new(config.build().unwrap()), 17)
}

fn session() -> Arc<Session> {
    let clocks = Clocks::start();
    Arc::new(Session::new(driver(), move || clocks.now()))
}

fn login(user: &str) -> Credentials {
    let user = Identity::new(user).unwrap();
    Credentials::for_development(Gateway::new(ApiToken::new(API_TOKEN).unwrap(), user))
}

fn request() -> Request<()> {
    Request::get("https://api.example/v1/videos").body(()).unwrap()
}

async fn authorize(session: Arc<Session>) -> Result<Authorized, NoToken> {
    let mut request = request();
    let authorized = session.authorize(&mut request).await;
    assert_eq!(authorized.is_ok(), request.headers().contains_key("authorization"));
    authorized
}

/// Polls once, outside of any task.
fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The requests that a loop without any I/O was told to send.
#[derive(Default)]
struct Sent(Vec<Outgoing>);

impl Port for Sent {
    fn send(&mut self, outgoing: Outgoing) {
        self.0.push(outgoing);
    }

    fn cancel(&mut self, _: RequestId) {}

    fn event(&mut self, _: &Event) {}
}

fn multi_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap()
}

#[test]
fn a_hundred_tasks_wait_through_one_login_with_one_request() {
    let (session, server) = (session(), Server::new(0));
    multi_thread().block_on(async {
        session.start(login("user-17"));
        let looping = {
            let (session, server) = (Arc::clone(&session), Arc::clone(&server));
            tokio::spawn(async move { run(&session, &*server, |_| {}).await })
        };
        let mut tasks = JoinSet::new();
        for _ in 0..100 {
            tasks.spawn(authorize(Arc::clone(&session)));
        }
        server.permits.add_permits(1);
        while let Some(authorized) = tasks.join_next().await {
            assert_eq!(authorized.unwrap().unwrap().generation.number(), 1);
        }
        session.close();
        looping.await.unwrap();
    });
    assert_eq!(server.granted(), 1);
}

#[test]
fn ten_thousand_waiters_are_all_answered_in_each_of_a_thousand_runs() {
    let runtime = multi_thread();
    for _ in 0..1_000 {
        let (session, server) = (session(), Server::new(0));
        runtime.block_on(async {
            session.start(login("user-17"));
            let mut tasks = JoinSet::new();
            for _ in 0..5_000 {
                tasks.spawn(authorize(Arc::clone(&session)));
            }
            let looping = {
                let (session, server) = (Arc::clone(&session), Arc::clone(&server));
                tokio::spawn(async move { run(&session, &*server, |_| {}).await })
            };
            // The others come while the first are being woken.
            server.permits.add_permits(1);
            for _ in 0..5_000 {
                tasks.spawn(authorize(Arc::clone(&session)));
            }
            while let Some(authorized) = tasks.join_next().await {
                authorized.unwrap().unwrap();
            }
            session.close();
            looping.await.unwrap();
        });
        assert_eq!(server.granted(), 1);
    }
}

#[test]
fn a_caller_cancelled_at_any_poll_harms_no_other() {
    for polls in 0..4 {
        let (session, server) = (session(), Server::new(1));
        session.start(login("user-17"));
        let mut cancelled = Box::pin(authorize(Arc::clone(&session)));
        let mut other = pin!(authorize(Arc::clone(&session)));
        let mut port = Sent::default();
        for poll_number in 0..4 {
            if poll_number == polls {
                cancelled = Box::pin(authorize(Arc::clone(&session)));
            }
            assert!(poll(cancelled.as_mut()).is_pending());
            assert!(poll(other.as_mut()).is_pending());
            let _longest = session.run_due(&mut port);
        }
        drop(cancelled);
        let outgoing = port.0.pop().unwrap();
        assert!(port.0.is_empty(), "one request for all");
        session.complete(outgoing.id(), &Ok(server.answer(outgoing)));
        let _longest = session.run_due(&mut port);
        let Poll::Ready(Ok(_)) = poll(other.as_mut()) else { panic!("it waits for ever") };
    }
}

/// Drops the loop at its `polls`-th poll, and starts another. Returns how many requests were granted, and cancelled.
async fn drop_the_loop_at(polls: usize) -> (u64, usize) {
    let (session, server) = (session(), Server::new(1));
    // The second request only: the first is dropped while it waits for a permit, or is never made.
    server.permits.acquire().await.unwrap().forget();
    session.start(login("user-17"));
    let mut caller = pin!(authorize(Arc::clone(&session)));
    let mut first = Box::pin(run(&session, &*server, |_| {}));
    for _ in 0..polls {
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(caller.as_mut()).is_pending());
    }
    drop(first);
    server.permits.add_permits(1);
    let again = run(&session, &*server, |_| {});
    tokio::select! {
        authorized = caller => drop(authorized.unwrap()),
        () = again => panic!("the loop ended"),
    }
    (server.granted(), server.cancelled.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn a_loop_dropped_at_any_poll_goes_on_when_it_is_started_again() {
    assert_eq!(drop_the_loop_at(0).await, (1, 0));
    for polls in 1..4 {
        assert_eq!(drop_the_loop_at(polls).await, (1, 1), "dropped at poll {polls}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_loop_is_dropped_counts_as_interrupted() {
    let (session, server) = (session(), Server::new(0));
    session.start(login("user-17"));
    let mut first = Box::pin(run(&session, &*server, |_| {}));
    assert!(poll(first.as_mut()).is_pending());
    drop(first);
    let mut port = Events::default();
    let longest = session.run_due(&mut port);
    let [Event::Failed(_, TransportFailure::Interrupted)] = port.0[..] else {
        panic!("{:?}", port.0)
    };
    assert!(longest.is_some(), "it will try again");
}

#[derive(Default)]
struct Events(Vec<Event>);

impl Port for Events {
    fn send(&mut self, _: Outgoing) {}

    fn cancel(&mut self, _: RequestId) {}

    fn event(&mut self, event: &Event) {
        self.0.push(event.clone());
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_closed_in_the_middle_of_a_request_cancels_it_and_ends_the_loop() {
    let (session, server) = (session(), Server::new(0));
    session.start(login("user-17"));
    let looping = {
        let (session, server) = (Arc::clone(&session), Arc::clone(&server));
        tokio::spawn(async move { run(&session, &*server, |_| {}).await })
    };
    let caller = tokio::spawn(authorize(Arc::clone(&session)));
    tokio::task::yield_now().await;
    assert_eq!(session.look(|driver, _| driver.counters().requests), 1);
    session.close();
    looping.await.unwrap();
    assert_eq!(server.cancelled.load(Ordering::SeqCst), 1);
    assert_eq!(caller.await.unwrap(), Err(NoToken::Closed));
    assert_eq!(authorize(Arc::clone(&session)).await, Err(NoToken::Closed));
    session.start(login("user-17"));
    assert_eq!(authorize(session).await, Err(NoToken::Closed));
}

type Caller = Pin<Box<dyn Future<Output = Result<Authorized, NoToken>>>>;

/// A session with a login, a caller who waits, and the request in flight.
fn waiting() -> (Arc<Session>, Caller, Sent) {
    let (session, mut port) = (session(), Sent::default());
    session.start(login("user-17"));
    let mut caller: Caller = Box::pin(authorize(Arc::clone(&session)));
    let _longest = session.run_due(&mut port);
    assert!(poll(caller.as_mut()).is_pending());
    (session, caller, port)
}

#[test]
fn who_waits_for_one_user_never_gets_the_token_of_another() {
    let (session, mut caller, mut port) = waiting();
    session.start(login("user-18"));
    // At once, though the other user has no token either.
    assert_eq!(poll(caller.as_mut()), Poll::Ready(Err(NoToken::OtherLogin)));

    let server = Server::new(0);
    let mut asleep = Box::pin(authorize(Arc::clone(&session)));
    assert!(poll(asleep.as_mut()).is_pending());
    session.start(login("user-19"));
    let _longest = session.run_due(&mut port);
    let outgoing = port.0.pop().unwrap();
    session.complete(outgoing.id(), &Ok(server.answer(outgoing)));
    let _longest = session.run_due(&mut port);
    // It wakes up with a token there, which is not for it.
    assert_eq!(poll(asleep.as_mut()), Poll::Ready(Err(NoToken::OtherLogin)));
}

#[test]
fn who_waits_is_answered_when_the_app_stops() {
    let (session, mut caller, _port) = waiting();
    session.stop();
    let stopped = NoToken::NotAuthorized(AuthorizeError::Start(Blocked::NotStarted));
    assert_eq!(poll(caller.as_mut()), Poll::Ready(Err(stopped)));
}

#[test]
fn who_waits_is_answered_when_the_login_is_refused() {
    let (session, mut caller, mut port) = waiting();
    let refused = Response::builder().status(401).body(Bytes::new()).unwrap();
    session.complete(port.0.pop().unwrap().id(), &Ok(refused));
    let _longest = session.run_due(&mut port);
    let refused = NoToken::NotAuthorized(AuthorizeError::Start(Blocked::Refused));
    assert_eq!(poll(caller.as_mut()), Poll::Ready(Err(refused)));
}

#[test]
fn who_waits_sleeps_through_a_failure() {
    let (session, mut caller, mut port) = waiting();
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(Arc::clone(&counter));
    assert!(caller.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let lost = Outcome::Err(TransportFailure::TimedOut);
    session.complete(port.0.pop().unwrap().id(), &lost);
    assert!(session.run_due(&mut port).is_some());
    // With ten thousand callers, to wake each for nothing would be most of what an outage costs.
    assert_eq!(counter.0.load(Ordering::SeqCst), 0);
    assert!(poll(caller.as_mut()).is_pending());
}

#[test]
fn a_request_to_elsewhere_does_not_wait() {
    let (session, _caller, _port) = waiting();
    let mut elsewhere = Request::get("https://elsewhere.example/").body(()).unwrap();
    let authorized = poll(pin!(session.authorize(&mut elsewhere)));
    let other = NoToken::NotAuthorized(AuthorizeError::OtherOrigin);
    assert_eq!(authorized, Poll::Ready(Err(other)));
}

/// Counts how often it wakes.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_signal_wakes_each_who_waits_once_and_keeps_none_who_left() {
    let (signal, counter) = (Signal::default(), Arc::new(Counter::default()));
    let waker = Waker::from(Arc::clone(&counter));
    let mut context = Context::from_waker(&waker);
    let mut stays = Box::pin(signal.after(0));
    let mut leaves = Box::pin(signal.after(0));
    for _ in 0..3 {
        assert!(stays.as_mut().poll(&mut context).is_pending());
        assert!(leaves.as_mut().poll(&mut context).is_pending());
    }
    let references = Arc::strong_count(&counter);
    drop(leaves);
    assert_eq!(Arc::strong_count(&counter), references - 1);
    signal.raise();
    signal.raise();
    assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    assert!(stays.as_mut().poll(&mut context).is_ready());
    assert_eq!(signal.count(), 2);
    assert!(pin!(signal.after(1)).poll(&mut context).is_ready());
    assert!(pin!(signal.after(2)).poll(&mut context).is_pending());
}

#[test]
fn a_thread_waits_for_a_future_no_longer_than_it_wants() {
    let signal = Arc::new(Signal::default());
    assert_eq!(block_on(signal.after(0), Some(Duration::ZERO)), None);
    assert_eq!(block_on(async { 17 }, Some(Duration::ZERO)), Some(17));
    // Pending once: another thread wakes this one, which has parked by then, or does not park.
    let mut woken = false;
    let future = std::future::poll_fn(move |context| {
        if woken {
            return Poll::Ready(17);
        }
        woken = true;
        let waker = context.waker().clone();
        std::thread::spawn(move || waker.wake());
        Poll::Pending
    });
    assert_eq!(block_on(future, None), Some(17));
}
