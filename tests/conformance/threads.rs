//! A loop that blocks on a channel, with a thread for each request and each API call. All calls wait for
//! a token.
//!
//! [`run`] is the loop. [`Threads`] is what an app runs it with, [`Test`] what the conformance kit runs it with.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use videokit_session::driver::{AuthorizeError, Drive, Start};
use videokit_session::session::{Authorized, RequestId};
use videokit_session::sim::conformance::{
    CallerId, Environment, Inbox, Input, Probe, Scenario, conformance,
};
use videokit_session::sim::{self, SECRET};
use videokit_session::{
    AllowedOrigin, ApiToken, Config, Credentials, Driver, Event, Gateway, Identity, Moment,
    Outgoing, Output, TransportFailure, Wake,
};

/// Everything that the loop needs. `Caller` is where the outcome of an API call goes.
trait Port {
    type Caller: PartialEq;

    fn now(&self) -> Moment;
    fn send(&mut self, outgoing: Outgoing);
    fn cancel(&mut self, id: RequestId);
    fn event(&mut self, event: &Event);
    fn call(&mut self, caller: Self::Caller, call: Request<Bytes>, authorized: Authorized);
    fn fail(&mut self, caller: Self::Caller, error: AuthorizeError);
    /// Waits for a message, at most this long, as `recv_timeout` does.
    fn receive(&mut self, longest: Option<Duration>) -> Message<Self::Caller>;
}

enum Message<C> {
    Outcome(RequestId, Result<Response<Bytes>, TransportFailure>),
    Start(Start),
    Stop,
    Online(bool),
    Call(C, Request<Bytes>),
    CallCancelled(C),
    Called(Authorized, StatusCode),
    Nothing,
    Close,
}

fn run<D: Drive, P: Port>(mut driver: D, port: &mut P) {
    let mut waiting: Vec<(P::Caller, Request<Bytes>)> = Vec::new();
    loop {
        let longest = match driver.poll(port.now()) {
            Output::Send(outgoing) => {
                port.send(outgoing);
                continue;
            }
            Output::Abandon(id) => {
                port.cancel(id);
                continue;
            }
            Output::Event(event) => {
                port.event(&event);
                continue;
            }
            Output::Wait(Wake::In(time, _)) => Some(time),
            Output::Wait(Wake::OnInput) => None,
        };
        // There may be a token now, or it may be certain that none will come.
        for (caller, mut call) in std::mem::take(&mut waiting) {
            match driver.driver().authorize(&mut call, port.now()) {
                Ok(authorized) => port.call(caller, call, authorized),
                Err(AuthorizeError::Wait) => waiting.push((caller, call)),
                Err(error) => port.fail(caller, error),
            }
        }
        match port.receive(longest) {
            Message::Outcome(id, outcome) => {
                match outcome {
                    Ok(reply) => driver.handle_response(id, &reply, port.now()),
                    Err(why) => driver.handle_failure(id, why, port.now()),
                };
            }
            Message::Start(start) => driver.start(start, port.now()),
            Message::Stop => driver.stop(port.now()),
            Message::Online(online) => driver.set_online(online, port.now()),
            Message::Call(caller, call) => waiting.push((caller, call)),
            Message::CallCancelled(caller) => waiting.retain(|(waits, _)| *waits != caller),
            Message::Called(authorized, StatusCode::UNAUTHORIZED) => {
                driver.handle_unauthorized(authorized, port.now());
            }
            Message::Called(..) | Message::Nothing => {}
            Message::Close => return,
        }
    }
}

/// The port in an app: an HTTP client, real clocks, and a channel on which everything comes.
struct Threads<H> {
    http: Arc<H>,
    started: Instant,
    messages: Sender<Message<Caller>>,
    inbox: Receiver<Message<Caller>>,
}

/// Sends a request and returns its reply.
type Http =
    dyn Fn(Request<Bytes>, Duration) -> Result<Response<Bytes>, TransportFailure> + Send + Sync;

/// A caller waits at the other end of a channel. To cancel, it sends `CallCancelled` with its number.
struct Caller(u64, Option<Sender<Result<Response<Bytes>, CallError>>>);

impl PartialEq for Caller {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

#[derive(Debug)]
enum CallError {
    NotAuthorized(AuthorizeError),
    NoReply(TransportFailure),
}

impl Threads<Box<Http>> {
    fn new(http: Arc<Box<Http>>) -> Self {
        let (messages, inbox) = mpsc::channel();
        Self { http, started: Instant::now(), messages, inbox }
    }
}

impl Port for Threads<Box<Http>> {
    type Caller = Caller;

    fn now(&self) -> Moment {
        Moment::new(self.started.elapsed(), SystemTime::now())
    }

    fn send(&mut self, outgoing: Outgoing) {
        let (http, messages) = (Arc::clone(&self.http), self.messages.clone());
        thread::spawn(move || {
            let (id, request, timeout) = outgoing.into_parts();
            let outcome = http(request, timeout);
            let _closed = messages.send(Message::Outcome(id, outcome));
        });
    }

    // It can't cancel: each request ends by its time-out.
    fn cancel(&mut self, _: RequestId) {}

    fn event(&mut self, event: &Event) {
        println!("{event}");
    }

    fn call(&mut self, caller: Caller, call: Request<Bytes>, authorized: Authorized) {
        let (http, messages) = (Arc::clone(&self.http), self.messages.clone());
        thread::spawn(move || {
            let reply = http(call, Duration::from_secs(15));
            if let Ok(reply) = &reply {
                let _closed = messages.send(Message::Called(authorized, reply.status()));
            }
            let _left = caller.1.map(|caller| caller.send(reply.map_err(CallError::NoReply)));
        });
    }

    fn fail(&mut self, caller: Caller, error: AuthorizeError) {
        let error = Err(CallError::NotAuthorized(error));
        let _left = caller.1.map(|caller| caller.send(error));
    }

    fn receive(&mut self, longest: Option<Duration>) -> Message<Caller> {
        match longest {
            Some(time) => self.inbox.recv_timeout(time).unwrap_or(Message::Nothing),
            None => self.inbox.recv().unwrap_or(Message::Close),
        }
    }
}

/// The port in a conformance test.
struct Test<'a> {
    environment: Environment,
    inbox: &'a mut Inbox,
    cancels: bool,
}

impl Port for Test<'_> {
    /// `None` for a call of which nothing is expected if there is no token.
    type Caller = Option<CallerId>;

    fn now(&self) -> Moment {
        self.environment.now()
    }

    fn send(&mut self, outgoing: Outgoing) {
        let (id, request, timeout) = outgoing.into_parts();
        self.environment.send(id, &request, timeout);
    }

    fn cancel(&mut self, id: RequestId) {
        if self.cancels {
            self.environment.abandon(id);
        }
    }

    fn event(&mut self, event: &Event) {
        self.environment.event(event);
    }

    fn call(&mut self, caller: Option<CallerId>, call: Request<Bytes>, authorized: Authorized) {
        self.environment.call(caller, &call, authorized);
    }

    fn fail(&mut self, caller: Option<CallerId>, error: AuthorizeError) {
        if let Some(caller) = caller {
            self.environment.fail_call(caller, error);
        }
    }

    fn receive(&mut self, longest: Option<Duration>) -> Message<Option<CallerId>> {
        match self.inbox.wait(longest) {
            Input::Reply(id, reply) => Message::Outcome(id, Ok(reply)),
            Input::Failure(id, why) => Message::Outcome(id, Err(why)),
            Input::Start(start) => Message::Start(start),
            Input::Stop => Message::Stop,
            Input::Online(online) => Message::Online(online),
            Input::Call(call) => Message::Call(None, call),
            Input::WaitingCall(caller, call) => Message::Call(Some(caller), call),
            Input::CallCancelled(caller) => Message::CallCancelled(Some(caller)),
            Input::Called(authorized, status) => Message::Called(authorized, status),
            Input::Woke | Input::Timer => Message::Nothing,
            Input::End => Message::Close,
        }
    }
}

#[test]
fn a_loop_that_blocks_on_a_channel_passes() {
    for cancels in [true, false] {
        let test = |driver: Probe, environment: Environment, inbox: &mut Inbox| {
            run(driver, &mut Test { environment, inbox, cancels });
        };
        let passed = conformance(test).unwrap();
        assert!(passed.runs.iter().all(|run| run.declined == 0));
        let waited = passed.runs.iter().find(|run| run.scenario == Scenario::CallersWait);
        assert_eq!(waited.unwrap().calls, 6);
        println!("{passed}");
    }
}

#[test]
fn the_same_loop_runs_on_threads() {
    let api_token = format!("{SECRET}:api");
    let gateway = sim::Gateway::new(&api_token, Duration::from_secs(600), 17);
    let gateway = std::sync::Mutex::new(gateway);
    let wall = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let http: Box<Http> = Box::new(move |request, _| {
        let now = i64::try_from(wall()).unwrap();
        Ok(gateway.lock().unwrap().handle(&request, now))
    });
    let mut port = Threads::new(Arc::new(http));
    let messages = port.messages.clone();
    let config = Config::builder(AllowedOrigin::https("https://api.example").unwrap());
    let driver = Driver::new(Arc::new(config.build().unwrap()), 17);
    let looping = thread::spawn(move || run(driver, &mut port));

    let call = |number| {
        let (caller, answer) = mpsc::channel();
        let request = Request::get("https://api.example/v1/videos").body(Bytes::new()).unwrap();
        messages.send(Message::Call(Caller(number, Some(caller)), request)).unwrap();
        answer
    };
    let user = Identity::new("user-17").unwrap();
    let login = Gateway::new(ApiToken::new(api_token).unwrap(), user);
    messages.send(Message::Start(Credentials::for_development(login).into())).unwrap();
    let answers = [call(1), call(2), call(3)];
    // The second caller may be answered before it cancels.
    messages.send(Message::CallCancelled(Caller(2, None))).unwrap();
    for answer in [&answers[0], &answers[2]] {
        match answer.recv().unwrap() {
            Ok(reply) => assert_eq!(reply.status(), 200),
            Err(CallError::NotAuthorized(error)) => panic!("{error}"),
            Err(CallError::NoReply(why)) => panic!("{why}"),
        }
    }
    messages.send(Message::Stop).unwrap();
    let late = call(4).recv().unwrap();
    assert!(matches!(late, Err(CallError::NotAuthorized(AuthorizeError::Start(_)))), "{late:?}");
    messages.send(Message::Close).unwrap();
    looping.join().unwrap();
}
