//! The three run loops in the conformance kit: callers wait in each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;
use std::{future::Future, pin::Pin};

use bytes::Bytes;
use http::{Request, StatusCode};
use shared::session::{NoToken, Outcome, Port, Session};
use tokio::time::timeout;
use videokit_session::driver::AuthorizeError;
use videokit_session::session::{Authorized, Blocked, RequestId};
use videokit_session::sim::conformance::{CallerId, Environment, Inbox, Input, Probe, conformance};
use videokit_session::{Event, Outgoing};

use crate::loops::event_loop::Calls;
use crate::loops::tokio_loop;
use crate::paused::Paused;

/// What a waiting caller makes of its answer.
fn answer(
    environment: &Environment,
    caller: CallerId,
    call: &Request<Bytes>,
    answer: Result<Authorized, NoToken>,
) {
    match answer {
        Ok(authorized) => environment.call(caller, call, authorized),
        Err(NoToken::NotAuthorized(error)) => environment.fail_call(caller, error),
        // The kit has no word for these two: the login has ended.
        Err(NoToken::OtherLogin | NoToken::Closed) => {
            environment.fail_call(caller, AuthorizeError::Start(Blocked::NotStarted));
        }
    }
}

/// Gives the session an input that is for any loop. Returns the others.
fn dispatch(session: &Session<Probe>, environment: &Environment, input: Input) -> Option<Input> {
    match input {
        Input::Reply(id, reply) => session.complete(id, &Ok(reply)),
        Input::Failure(id, why) => session.complete(id, &Outcome::Err(why)),
        Input::Start(start) => session.start(start),
        Input::Stop => session.stop(),
        Input::Online(online) => session.set_online(online),
        Input::Call(mut call) => {
            if let Ok(with) = session.look(|driver, now| driver.authorize(&mut call, now)) {
                environment.call(None, &call, with);
            }
        }
        Input::Called(authorized, StatusCode::UNAUTHORIZED) => session.unauthorized(authorized),
        Input::Woke => session.woke(),
        Input::End => session.close(),
        Input::Called(..) | Input::Timer => {}
        other => return Some(other),
    }
    None
}

/// The side effects of a loop that blocks: what the kit does in place of threads and sockets.
struct Effects(Environment);

impl Port for Effects {
    fn send(&mut self, outgoing: Outgoing) {
        let (id, request, timeout) = outgoing.into_parts();
        self.0.send(id, &request, timeout);
    }

    fn cancel(&mut self, id: RequestId) {
        self.0.abandon(id);
    }

    fn event(&mut self, event: &Event) {
        self.0.event(event);
    }
}

#[test]
fn the_loop_of_the_event_loop_passes() {
    let test = |driver: Probe, environment: Environment, inbox: &mut Inbox| {
        let clocks = environment.clone();
        let session = Session::new(driver, move || clocks.now());
        let mut calls = Calls::new();
        session.run(&mut Effects(environment.clone()), |_, _, longest| {
            for (caller, call, with) in calls.take_answered(&session) {
                answer(&environment, caller, &call, with);
            }
            match dispatch(&session, &environment, inbox.wait(longest)) {
                Some(Input::WaitingCall(caller, call)) => calls.push(caller, call),
                Some(Input::CallCancelled(id)) => {
                    calls.waiting.retain(|(caller, ..)| *caller != id);
                }
                _ => {}
            }
        });
    };
    let passed = conformance(test).unwrap();
    assert!(passed.runs.iter().all(|run| run.declined == 0));
}

/// The future that a thread of a caller blocks on.
type BlockedThread = Pin<Box<dyn Future<Output = ()>>>;

#[test]
fn the_loop_of_threads_passes() {
    let test = |driver: Probe, environment: Environment, inbox: &mut Inbox| {
        let clocks = environment.clone();
        let session = Arc::new(Session::new(driver, move || clocks.now()));
        let mut callers: BTreeMap<CallerId, BlockedThread> = BTreeMap::new();
        session.run(&mut Effects(environment.clone()), |_, _, longest| {
            // In an app, each is on another thread.
            callers.retain(|_, caller| {
                caller.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
            });
            match dispatch(&session, &environment, inbox.wait(longest)) {
                Some(Input::WaitingCall(caller, mut call)) => {
                    let (session, environment) = (Arc::clone(&session), environment.clone());
                    let blocked = async move {
                        let with = session.authorize(&mut call).await;
                        answer(&environment, caller, &call, with);
                    };
                    callers.insert(caller, Box::pin(blocked));
                }
                Some(Input::CallCancelled(caller)) => drop(callers.remove(&caller)),
                _ => {}
            }
        });
    };
    let passed = conformance(test).unwrap();
    assert!(passed.runs.iter().all(|run| run.declined == 0));
}

impl tokio_loop::Http for Paused {
    async fn send(&self, outgoing: Outgoing) -> Outcome {
        self.exchange(outgoing).await
    }
}

async fn play(driver: Probe, environment: Environment, inbox: &mut Inbox) {
    let http = Paused::new(environment.clone());
    let clocks = http.clone();
    let session = Arc::new(Session::new(driver, move || clocks.now()));
    let looping = {
        let (session, http, events) = (Arc::clone(&session), http.clone(), environment.clone());
        tokio::spawn(async move {
            tokio_loop::run(&*session, &http, |event| events.event(event)).await;
        })
    };
    let mut callers = BTreeMap::new();
    while !looping.is_finished() {
        let next: Duration = inbox.next_in();
        let _sooner = timeout(next, http.sent.notified()).await;
        http.now();
        let Some(input) = inbox.take_due() else { continue };
        let is_end = matches!(input, Input::End);
        match input {
            Input::Reply(id, reply) => http.replied(id, Ok(reply)),
            Input::Failure(id, why) => http.replied(id, Err(why)),
            Input::WaitingCall(caller, mut call) => {
                let (session, http) = (Arc::clone(&session), http.clone());
                let task = tokio::spawn(async move {
                    let with = session.authorize(&mut call).await;
                    answer(&http.environment, caller, &call, with);
                    http.sent.notify_one();
                });
                callers.insert(caller, task);
            }
            Input::CallCancelled(caller) => callers[&caller].abort(),
            other => drop(dispatch(&session, &environment, other)),
        }
        if is_end {
            return looping.await.expect("the loop ends when the session is closed");
        }
    }
}

#[test]
fn the_loop_of_tasks_passes() {
    let test = |driver: Probe, environment: Environment, inbox: &mut Inbox| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(driver, environment, inbox));
    };
    let passed = conformance(test).unwrap();
    assert!(passed.runs.iter().all(|run| run.declined == 0));
}
