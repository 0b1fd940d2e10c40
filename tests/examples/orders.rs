//! What keeps the waiters, and the session that they wait at, in each order of their steps that loom finds.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use http::{Request, Response};
use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::Mutex;
use loom::thread;
use videokit_session::session::{Authorized, RequestId};
use videokit_session::{
    AllowedOrigin, ApiToken, Config, Credentials, Driver, Event, Gateway, Identity, Moment,
    Outgoing,
};

use crate::explored::session::{NoToken, Port, Session};
use crate::explored::signal::Signal;

/// A flag that is set before the signal is raised, as a token is there before its waiters are woken.
fn wait_for(flag: &Mutex<bool>, signal: &Signal) {
    block_on(async {
        loop {
            let seen = signal.count();
            if *flag.lock().unwrap() {
                return;
            }
            signal.after(seen).await;
        }
    });
}

/// Whoever waits is woken, in each order of the steps of two waiters, one of whom may leave, and of who raises:
/// threads are interrupted at every point, up to `interruptions` times in one run.
fn explore(interruptions: usize, check: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(interruptions);
    model.check(check);
}

#[test]
fn no_wake_up_is_lost() {
    explore(3, || {
        let shared = Arc::new((Mutex::new(false), Signal::default()));
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || wait_for(&shared.0, &shared.1))
            })
            .collect();
        *shared.0.lock().unwrap() = true;
        shared.1.raise();
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn who_leaves_takes_no_wake_up_along() {
    explore(3, || {
        let shared = Arc::new((Mutex::new(false), Signal::default()));
        let stays = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || wait_for(&shared.0, &shared.1))
        };
        let leaves = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut wait = pin!(shared.1.after(0));
                let mut context = Context::from_waker(Waker::noop());
                let _ready = wait.as_mut().poll(&mut context);
            })
        };
        *shared.0.lock().unwrap() = true;
        shared.1.raise();
        stays.join().unwrap();
        leaves.join().unwrap();
    });
}

/// The requests that the loop was told to send.
#[derive(Default)]
struct Sent(Vec<Outgoing>);

impl Port for Sent {
    fn send(&mut self, outgoing: Outgoing) {
        self.0.push(outgoing);
    }

    fn cancel(&mut self, _: RequestId) {}

    fn event(&mut self, _: &Event) {}
}

/// A caller on a thread.
fn caller(session: &Arc<Session>) -> thread::JoinHandle<Result<Authorized, NoToken>> {
    let session = Arc::clone(session);
    thread::spawn(move || {
        let mut request = Request::get("https://api.example/v1/videos").body(()).unwrap();
        block_on(session.authorize(&mut request))
    })
}

#[test]
fn callers_are_answered_whenever_the_reply_comes() {
    explore(2, || {
        let (session, mut port) = (session(), Sent::default());
        session.start(login("user-17"));
        let callers = [caller(&session), caller(&session)];
        let _longest = session.run_due(&mut port);
        let reply = Response::new(r#"{"sessionToken":"tok-1","identity":"user-17"}"#);
        session.complete(port.0.pop().unwrap().id(), &Ok(reply));
        let _longest = session.run_due(&mut port);
        for caller in callers {
            assert!(caller.join().unwrap().is_ok());
        }
    });
}

#[test]
fn callers_are_answered_whenever_the_app_stops_or_another_user_logs_in() {
    explore(2, || {
        let session = session();
        session.start(login("user-17"));
        let callers = [caller(&session), caller(&session)];
        session.start(login("user-18"));
        session.stop();
        for caller in callers {
            assert!(caller.join().unwrap().is_err());
        }
    });
}

#[test]
fn the_loop_ends_whenever_the_session_is_closed() {
    explore(3, || {
        let session = session();
        let looping = {
            let session = Arc::clone(&session);
            thread::spawn(move || {
                session.run(&mut Sent::default(), |_, seen, _| {
                    block_on(session.inputs().after(seen));
                });
            })
        };
        session.close();
        looping.join().unwrap();
    });
}

fn session() -> Arc<Session> {
    let config = Config::builder(AllowedOrigin::https("https://api.example").unwrap());
    let driver = Driver::new(std::sync::Arc::new(config.build().unwrap()), 17);
    Arc::new(Session::new(driver, || Moment::from_millis(0, 1_795_492_800_000)))
}

fn login(user: &str) -> Credentials {
    let user = Identity::new(user).unwrap();
    let api_token = ApiToken::new("my-app:my-secret").unwrap();
    Credentials::for_development(Gateway::new(api_token, user))
}
