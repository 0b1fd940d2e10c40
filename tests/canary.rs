//! One recognisable secret through every path: it is printed nowhere, and no freed block still has it.

extern crate videokit_session_inside as videokit_session;

mod refused;

use std::alloc::{GlobalAlloc, Layout, System};
use std::any::Any;
use std::cell::Cell;
use std::fmt::{Debug, Display};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Once};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{COOKIE, HeaderName, HeaderValue};
use videokit_session::driver::{self, Start};
use videokit_session::exchange::{BuildError, Denial, DenialKind, Endpoint, Exchange, Flaw, Reply};
use videokit_session::session::{Advance, Input, ReceiveError, RenewError, RequestId};
use videokit_session::{
    Active, AllowedOrigin, AnySession, ApiToken, Backend, Config, Credentials, Driver, Event,
    Gateway, Grant, Identity, Moment, Output, Session, SessionToken, TransportFailure, sim,
};

/// The secret. It has a character that JSON escapes, so that it passes through unescaping too.
const CANARY: &str = "c4n4ry/t0ken/0f/4/very/recognisable/kind";
const START: Moment = Moment::from_millis(0, 1_795_492_800_000);

/// Looks at each block when it is freed, on threads that ask for it.
struct Watching;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static FOUND: Cell<usize> = const { Cell::new(0) };
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

// SAFETY: every call goes to the system's allocator as it came; blocks are zeroed when they are handed
// out, so that each byte of them may be read before it goes back. Growing a block is, by default, one
// call of each, so that the old place is looked at too.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if WATCHED.try_with(Cell::get).unwrap_or(false) {
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            // A quarter of it would be too much already.
            let part = &CANARY.as_bytes()[..CANARY.len() / 4];
            if bytes.windows(part.len()).any(|window| window == part) {
                let _ = FOUND.try_with(|found| found.set(found.get() + 1));
            }
        }
        unsafe { System.dealloc(block, layout) }
    }
}

/// How many freed blocks still had the secret.
fn leaks(run: impl FnOnce()) -> usize {
    FOUND.set(0);
    WATCHED.set(true);
    run();
    WATCHED.set(false);
    FOUND.get()
}

/// Everything that was printed.
#[derive(Default)]
struct Printed(Vec<String>);

impl Printed {
    fn debug(&mut self, value: &impl Debug) {
        self.0.push(format!("{value:?}"));
        self.0.push(format!("{value:#?}"));
    }

    fn error(&mut self, error: &(impl Debug + Display)) {
        self.debug(error);
        self.0.push(error.to_string());
        // What a user sees who unwraps it.
        let payload = quietly(|| panic!("unwrapped: {error:?}"));
        self.0.push(payload.downcast_ref::<String>().expect("a formatted panic").clone());
    }

    fn assert_clean(self, at_least: usize) {
        println!("{} texts searched", self.0.len());
        assert!(self.0.len() >= at_least, "too little was printed to prove anything");
        for text in self.0 {
            for secret in [CANARY, &CANARY.replace('/', "\\/"), &URL_SAFE_NO_PAD.encode(CANARY)] {
                assert!(!text.contains(secret), "printed: {text}");
            }
        }
    }
}

/// The payload of a panic that is meant to happen, without its message among the test's output.
fn quietly(run: impl FnOnce()) -> Box<dyn Any + Send> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                loud(panic);
            }
        }));
    });
    QUIET.set(true);
    let payload = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    QUIET.set(false);
    payload
}

fn config(scheme: &str) -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    let header = HeaderName::from_static("authorization");
    Arc::new(Config::builder(origin).authorization(header, scheme).build().unwrap())
}

fn identity() -> Identity {
    Identity::new("user-17").unwrap()
}

fn gateway() -> Gateway {
    Gateway::new(ApiToken::new(CANARY).unwrap(), identity())
}

fn backend() -> Backend {
    Backend::new(Endpoint::https(format!("https://app.example/token?key={CANARY}")).unwrap())
        .header(COOKIE, HeaderValue::from_static(CANARY))
        .header(HeaderName::from_static("x-login"), HeaderValue::from_static(CANARY))
        .body(CANARY)
        .identity(identity())
}

/// Sends the secret along, and takes it back as bare text, with credentials for the next request.
struct Custom;

impl Exchange for Custom {
    fn request(&self) -> Result<http::Request<Bytes>, BuildError> {
        let mut request = http::Request::new(Bytes::from_static(CANARY.as_bytes()));
        *request.uri_mut() = http::Uri::from_static("https://app.example/custom");
        Ok(request)
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let token = SessionToken::new(reply.granting_body(1_024)?).map_err(|error| {
            Denial::new(DenialKind::Malformed(Flaw::Token(error)), reply.status())
        })?;
        Ok(Grant::new(token).with_successor(Credentials::backend(backend())))
    }
}

fn reply(status: u16, body: String) -> http::Response<Bytes> {
    http::Response::builder()
        .status(status)
        .header("date", "Tue, 24 Nov 2026 04:00:00 GMT")
        .body(body.into())
        .unwrap()
}

fn granting() -> http::Response<Bytes> {
    reply(
        200,
        format!(
            r#"{{"sessionToken":"{CANARY}","expiresAt":"2026-11-24T04:10:00Z","identity":"user-17"}}"#
        ),
    )
}

/// Replies that carry the secret in every place that could be quoted back.
fn hostile() -> Vec<http::Response<Bytes>> {
    let bodies = [
        format!(r#"{{"error":"{CANARY}"}}"#),
        format!(r#"{{"error":{{"token":"{CANARY}"}}}}"#),
        format!(r#"{{"sessionToken": {CANARY}"#),
        format!(r#"{{"sessionToken":"{CANARY}","sessionToken":"{CANARY}","identity":"user-17"}}"#),
        format!(r#"{{"sessionToken":"{CANARY}","identity":"{CANARY}"}}"#),
        format!(r#"{{"sessionToken":"{CANARY} ","identity":"user-17"}}"#),
        format!(r#"{{"sessionToken":["{CANARY}"],"identity":"user-17"}}"#),
        format!(r#"{{"sessionToken":"{CANARY}","identity":"user-17"}}{CANARY}"#),
        format!(r#"{{"sessionToken":"{CANARY}","identity":"user-17""#),
        format!(r#"{{"{CANARY}":"{CANARY}""#),
        format!(r#""{CANARY}""#),
        format!("<html>{CANARY}</html>"),
        CANARY.to_owned(),
    ];
    let mut replies: Vec<_> = bodies.iter().map(|body| reply(200, body.clone())).collect();
    replies.extend([401, 404, 429, 500, 999].map(|status| reply(status, bodies[0].clone())));
    let mut redirect = reply(302, String::new());
    redirect.headers_mut().insert("location", HeaderValue::from_static(CANARY));
    replies.push(redirect);
    replies
}

#[test]
fn nothing_prints_a_secret() {
    let mut printed = Printed::default();
    let token = SessionToken::new(CANARY).unwrap();
    let api_token = ApiToken::new(CANARY).unwrap();
    printed.debug(&token);
    printed.debug(&api_token);
    for wrong in [format!("{CANARY} "), CANARY.repeat(500), format!("{CANARY}\u{7f}")] {
        printed.error(&SessionToken::new(&wrong).unwrap_err());
        printed.error(&ApiToken::try_from(wrong).unwrap_err());
    }
    let secret_uri = format!("http://user:{CANARY}@app.example/{CANARY}?{CANARY}");
    printed.error(&Endpoint::https(&secret_uri).unwrap_err());
    printed.error(&AllowedOrigin::https(&secret_uri).unwrap_err());
    printed.debug(&gateway());
    printed.debug(&Gateway::legacy(&api_token, identity()).unwrap());
    printed.debug(&backend());
    printed.debug(&gateway().request());
    printed.debug(&backend().request().headers().get("cookie"));
    let grant = Grant::new(token.clone());
    printed.debug(&grant.clone().with_successor(Credentials::backend(backend())));
    printed.debug(&grant);
    let mut server = sim::Gateway::new(CANARY, Duration::from_secs(60), 1);
    let _granted = server.handle(&gateway().request(), 0);
    printed.debug(&server);
    printed.assert_clean(50);
}

#[test]
fn no_session_prints_a_secret_whatever_the_replies() {
    let mut printed = Printed::default();
    let all = [Credentials::for_development(gateway()), Credentials::backend(backend()), custom()];
    for credentials in all {
        printed.debug(&credentials);
        let start = || {
            let session = Session::new(config("Bearer "), 1);
            session.authenticate(&credentials, START).unwrap()
        };
        for hostile in hostile() {
            let (session, outgoing) = start();
            printed.debug(&session);
            printed.debug(&outgoing);
            printed.debug(&Input::Reply(outgoing.id(), hostile.clone()));
            printed.debug(&Reply::from(&hostile));
            match session.receive(outgoing.id(), &hostile, START) {
                Ok(granted) => printed.debug(&granted),
                Err(ReceiveError::Denied(rejected, next)) => {
                    printed.error(rejected.reason());
                    printed.error(&rejected);
                    printed.debug(&next);
                }
                Err(other) => printed.error(&other),
            }
        }
        let (session, outgoing) = start();
        let body = if credentials == custom() { reply(200, CANARY.to_owned()) } else { granting() };
        let (session, next) =
            session.receive(outgoing.id(), &body, START).unwrap_or_else(|e| panic!("{e}"));
        printed.debug(&next);
        print_active(session, &credentials, &mut printed);
    }
    printed.assert_clean(500);
}

fn custom() -> Credentials {
    thread_local! {
        static ONE: Arc<Custom> = Arc::new(Custom);
    }
    Credentials::custom(ONE.with(Arc::clone) as Arc<dyn Exchange>)
}

fn print_active(mut session: Session<Active>, credentials: &Credentials, printed: &mut Printed) {
    printed.debug(&session);
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    printed.debug(&session.authorization(&origin, START).unwrap());
    let mut call = http::Request::get("https://api.example/v1/videos").body(()).unwrap();
    printed.debug(&session.authorize(&mut call, START).unwrap());
    printed.debug(&call);
    for hostile in hostile() {
        let id = session.renew(credentials, START).unwrap().id();
        match session.receive(id, &hostile, START) {
            Ok(granted) => printed.debug(&granted),
            Err(RenewError::Denied(denial, next)) => {
                printed.error(&denial);
                printed.error(&RenewError::Denied(denial, next));
            }
            Err(stale) => printed.error(&stale),
        }
    }
    let id = session.renew(credentials, START).unwrap().id();
    session.fail(id, TransportFailure::Other, START).unwrap();
    printed.error(&session.fail(id, TransportFailure::Other, START).unwrap_err());
    printed.debug(&Input::Adopt(SessionToken::new(CANARY).unwrap().into()));
    let mut session = AnySession::from(session);
    for input in [Input::Renew(credentials.clone()), Input::Renew(credentials.clone()), Input::Stop]
    {
        printed.debug(&input);
        printed.debug(&session.step(input, START));
        printed.debug(&session);
    }
    printed.debug(&driver::Input::SetCredentials(credentials.clone()));
    printed.debug(&session.into_typed());
}

#[test]
fn no_driver_prints_a_secret_whatever_the_replies() {
    let mut printed = Printed::default();
    for credentials in [Credentials::for_development(gateway()), Credentials::backend(backend())] {
        for hostile in hostile() {
            let mut driver = Driver::new(config("Bearer "), 1);
            printed.debug(&Start::from(credentials.clone()));
            driver.start(credentials.clone(), START);
            let id = next_request(&mut driver, START, &mut printed);
            assert!(driver.handle_response(id, &hostile, START).is_accepted());
            drain(&mut driver, START, &mut printed);
            let late = driver.handle_response(id, &hostile, START);
            assert!(late.is_stale());
            printed.debug(&late);
            let mut call = http::Request::get("https://api.example/v1/videos").body(()).unwrap();
            if let Err(why) = driver.authorize(&mut call, START) {
                printed.error(&why);
            }
        }
    }
    let mut driver = Driver::new(config("Bearer "), 1);
    driver.start(Credentials::for_development(gateway()), START);
    let id = next_request(&mut driver, START, &mut printed);
    assert!(driver.handle_response(id, &granting(), START).is_accepted());
    driver.handle_unauthorized(refused::call_with(driver.generation().unwrap()), START);
    let later = START.after(Duration::from_secs(1));
    let id = next_request(&mut driver, later, &mut printed);
    assert!(driver.handle_failure(id, TransportFailure::Other, later).is_accepted());
    for start in [
        Start::from(SessionToken::new(CANARY).unwrap()),
        Grant::new(SessionToken::new(CANARY).unwrap()).with_identity(identity()).into(),
        custom().into(),
    ] {
        printed.debug(&start);
        driver.start(start, later);
        drain(&mut driver, later, &mut printed);
    }
    // The last start was with an exchange whose reply brings the next credentials.
    let later = later.after(Duration::from_secs(60));
    let id = next_request(&mut driver, later, &mut printed);
    let reply = reply(200, CANARY.to_owned());
    assert!(driver.handle_response(id, &reply, later).is_accepted());
    drain(&mut driver, later, &mut printed);
    assert_eq!(driver.credentials(), Some(&Credentials::backend(backend())));
    printed.debug(&driver.credentials());
    for input in [
        driver::Input::SetCredentials(Credentials::for_development(gateway())),
        driver::Input::Response(id, reply),
        driver::Input::Start(SessionToken::new(CANARY).unwrap().into()),
        driver::Input::Stop,
    ] {
        printed.debug(&input);
        printed.debug(&driver.handle(input, later));
        drain(&mut driver, later, &mut printed);
    }
    printed.assert_clean(500);
}

/// Polls until a request goes out, and prints everything on the way.
fn next_request(driver: &mut Driver, now: Moment, printed: &mut Printed) -> RequestId {
    loop {
        let output = driver.poll(now);
        printed.debug(&output);
        match output {
            Output::Send(outgoing) => return outgoing.id(),
            Output::Event(event) => print_event(&event, printed),
            Output::Wait(wake) => panic!("no request, but {wake:?}"),
            Output::Abandon(_) => {}
        }
    }
}

/// Polls until the driver waits, and prints everything on the way.
fn drain(driver: &mut Driver, now: Moment, printed: &mut Printed) {
    loop {
        let output = driver.poll(now);
        printed.debug(&output);
        match output {
            Output::Wait(_) => break,
            Output::Event(event) => print_event(&event, printed),
            Output::Send(_) | Output::Abandon(_) => {}
        }
    }
    printed.debug(driver);
    printed.debug(&driver.counters());
}

fn print_event(event: &Event, printed: &mut Printed) {
    printed.debug(event);
    printed.0.push(event.to_string());
}

#[test]
fn the_server_s_own_words_are_there_for_those_who_ask() {
    let denial = gateway().read(&reply(401, format!(r#"{{"error":"{CANARY}"}}"#))).unwrap_err();
    assert_eq!(denial.server_message(), Some(CANARY));
}

#[test]
fn the_allocator_sees_a_secret_that_is_not_wiped() {
    assert_eq!(leaks(|| drop(CANARY.to_owned())), 1);
    let grown = leaks(|| {
        let mut text = String::with_capacity(CANARY.len());
        text.push_str(CANARY);
        text.push_str(CANARY);
    });
    assert_eq!(grown, 2, "the old place counts as well");
    assert_eq!(leaks(|| drop("something else".to_owned())), 0);
}

#[test]
fn every_freed_block_is_wiped() {
    // What the caller owns, bodies above all, is made before and dropped after.
    let escaped = granting().map(|body| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        Bytes::from(text.replace(CANARY, &CANARY.replace('/', "\\/")))
    });
    let claims = format!(r#"{{"sub":"{CANARY}","exp":1795493400,"iat":1795492800}}"#);
    let jwt = format!("e30.{}.{CANARY}", URL_SAFE_NO_PAD.encode(claims)).replace('/', "_");
    let (plain, hostile) = (granting(), hostile());
    let owned = CANARY.to_owned();
    let odd_claims = [
        format!(r#"{{"exp":"{CANARY}","iat":"{CANARY}"}}"#),
        format!(r#""{CANARY}""#),
        format!(r#"{{"exp":1,"iat":0}}{CANARY}"#),
    ];
    let odd_jwts = odd_claims.map(|claims| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)));
    let late = START.after(Duration::from_secs(1_200));

    let leaked = leaks(|| {
        drop(ApiToken::try_from(owned));
        drop(SessionToken::new(CANARY));
        let jwt = SessionToken::new(&jwt).unwrap();
        for scheme in ["Bearer ", "Session ", ""] {
            let session = Session::new(config(scheme), 1);
            let credentials = Credentials::for_development(gateway());
            let (session, outgoing) = session.authenticate(&credentials, START).unwrap();
            let (mut session, credentials) =
                session.receive(outgoing.id(), &escaped, START).unwrap();
            let mut call = http::Request::get("https://api.example/").body(()).unwrap();
            session.authorize(&mut call, START).unwrap();
            let id = session.renew(&credentials, START).unwrap().id();
            session.receive(id, &plain, START).unwrap();
            session.replace(jwt.clone(), START).unwrap();
            drop(call);
            let Advance::Lapsed(session) = session.advance(late) else { panic!("ten minutes") };
            let session = session.adopt(SessionToken::new(CANARY).unwrap(), late).unwrap();
            drop(session.stop());
        }
        drive(&plain, late);
        for odd in &odd_jwts {
            let token = SessionToken::new(odd).unwrap();
            drop(Session::new(config("Bearer "), 1).adopt(token, START));
        }
        let legacy = Gateway::legacy(&ApiToken::new(CANARY).unwrap(), identity()).unwrap();
        drop(legacy.request());
        let grant = gateway().read(&plain).unwrap();
        drop(grant.to_token_reply());
    });
    assert_eq!(leaked, 0, "blocks were freed with the secret in them");

    // The token of a denied reply is wiped as well. What a reply says of an error or an identity is no
    // token, and is not.
    let mut denied = 0;
    for reply in &hostile {
        let body = String::from_utf8_lossy(reply.body());
        if body.contains("error") || body.contains(&format!(r#""identity":"{CANARY}"#)) {
            continue;
        }
        let leaked = leaks(|| drop(gateway().read(reply)));
        assert_eq!(leaked, 0, "{body}");
        denied += 1;
    }
    assert!(denied >= 10);
}

/// A driver through a login, a renewal, a new secret, another login, an adopted token, a lapse and a stop.
fn drive(plain: &http::Response<Bytes>, late: Moment) {
    let mut driver = Driver::new(config("Bearer "), 1);
    let mut ignored = Printed::default();
    let other = Gateway::new(ApiToken::new(&CANARY[1..]).unwrap(), identity());
    let starts: [Start; 4] = [
        Credentials::for_development(gateway()).into(),
        Credentials::for_development(other).into(),
        Grant::new(SessionToken::new(CANARY).unwrap()).with_identity(identity()).into(),
        SessionToken::new(CANARY).unwrap().into(),
    ];
    let mut now = START;
    for start in starts {
        now = now.after(Duration::from_secs(1));
        driver.start(start, now);
        if driver.blocked().is_none() && driver.generation().is_none() {
            while let Output::Send(_) | Output::Event(_) = driver.poll(now) {}
            if let Some(id) = driver.in_flight() {
                assert!(driver.handle_response(id, plain, now).is_accepted());
            }
        }
        let mut call = http::Request::get("https://api.example/").body(()).unwrap();
        driver.authorize(&mut call, now).unwrap();
        drain(&mut driver, now, &mut ignored);
    }
    drain(&mut driver, late, &mut ignored);
    driver.stop(late);
    drop(driver.into_session());
}
