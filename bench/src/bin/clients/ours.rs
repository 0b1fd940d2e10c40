//! Every call into `videokit-session`, so that a change of its API has one place here.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
pub(crate) use videokit_session::session::RequestId;
pub(crate) use videokit_session::{Active, AllowedOrigin, Authenticating, Driver, Moment, Session};
use videokit_session::{
    ApiToken, Config, Credentials, Gateway, Identity, Outgoing, Output, Scope, Validity, Wake,
};

use crate::fixtures::{self, Reply};

pub(crate) const NOW: Moment = Moment::from_millis(60_000, fixtures::NOW_MILLIS);
const SEED: u64 = 42;

/// What the sessions of an app share.
pub(crate) struct App {
    config: Arc<Config>,
    credentials: Credentials,
}

impl App {
    pub(crate) fn new() -> Self {
        let config = Config::builder(origin()).build().unwrap();
        let token = ApiToken::new(fixtures::API_TOKEN).unwrap();
        let scopes = fixtures::SCOPES.iter().map(|scope| Scope::new(scope).unwrap()).collect();
        let gateway =
            Gateway::new(token, Identity::new(fixtures::IDENTITY).unwrap()).scopes(scopes);
        Self { config: Arc::new(config), credentials: Credentials::for_development(gateway) }
    }
}

pub(crate) fn origin() -> AllowedOrigin {
    AllowedOrigin::https(fixtures::BASE).unwrap()
}

// `Session<S>`.

#[inline]
pub(crate) fn ask(app: &App) -> (Session<Authenticating>, Outgoing) {
    Session::new(Arc::clone(&app.config), black_box(SEED))
        .authenticate(&app.credentials, black_box(NOW))
        .unwrap()
}

/// Hands the request to a client that only drops it.
#[inline]
pub(crate) fn send(outgoing: Outgoing) -> RequestId {
    let (id, request, timeout) = outgoing.into_parts();
    black_box((request, timeout));
    id
}

#[inline]
pub(crate) fn receive(
    session: Session<Authenticating>,
    id: RequestId,
    reply: &Reply,
) -> Session<Active> {
    session.receive(id, black_box(reply), black_box(NOW)).unwrap().0
}

#[inline]
pub(crate) fn renew(session: &mut Session<Active>, app: &App) -> Outgoing {
    session.renew(&app.credentials, black_box(NOW)).unwrap()
}

/// Returns how many tokens the session has had.
#[inline]
pub(crate) fn receive_renewal(session: &mut Session<Active>, id: RequestId, reply: &Reply) -> u64 {
    session.receive(id, black_box(reply), black_box(NOW)).unwrap().0.number()
}

#[inline]
pub(crate) fn authorize(session: &Session<Active>, request: &mut Request<()>) {
    black_box(session.authorize(request, black_box(NOW)).unwrap());
}

#[inline]
pub(crate) fn lend(session: &Session<Active>, origin: &AllowedOrigin) {
    let lent = session.authorization(origin, black_box(NOW)).unwrap();
    black_box((lent.name(), lent.value(), lent.authorized()));
}

#[inline]
pub(crate) fn renewal_due_in(session: &Session<Active>) -> Duration {
    session.renewal_due_in(black_box(NOW))
}

pub(crate) fn assert_valid(session: &Session<Active>) {
    assert_eq!(session.validity(NOW), Validity::Valid);
}

// `Driver`.

/// Returns a driver that was started.
#[inline]
pub(crate) fn start(app: &App) -> Driver {
    let mut driver = Driver::new(Arc::clone(&app.config), black_box(SEED));
    driver.start(app.credentials.clone(), black_box(NOW));
    driver
}

/// Polls until there is a request to send.
#[inline]
pub(crate) fn next_request(driver: &mut Driver, now: Moment) -> (RequestId, Request<Bytes>) {
    loop {
        match driver.poll(now) {
            Output::Event(event) => drop(black_box(event)),
            Output::Send(outgoing) => {
                let (id, request, timeout) = outgoing.into_parts();
                black_box(timeout);
                return (id, request);
            }
            other => panic!("nothing to send: {other:?}"),
        }
    }
}

/// Polls until the driver waits, and returns for how long.
#[inline]
pub(crate) fn wait(driver: &mut Driver, now: Moment) -> Duration {
    loop {
        match driver.poll(now) {
            Output::Event(event) => drop(black_box(event)),
            Output::Wait(Wake::In(wait, _)) => return wait,
            other => panic!("no wait: {other:?}"),
        }
    }
}

#[inline]
pub(crate) fn handle_reply(driver: &mut Driver, id: RequestId, reply: &Reply, now: Moment) {
    assert!(driver.handle_response(id, black_box(reply), now).is_accepted());
}

#[inline]
pub(crate) fn driver_authorize(driver: &Driver, request: &mut Request<()>) {
    black_box(driver.authorize(request, black_box(NOW)).unwrap());
}

#[inline]
pub(crate) fn driver_lend(driver: &Driver, origin: &AllowedOrigin) {
    let lent = driver.authorization(origin, black_box(NOW)).unwrap();
    black_box((lent.name(), lent.value(), lent.authorized()));
}

/// Polls a driver with nothing to do.
#[inline]
pub(crate) fn idle_poll(driver: &mut Driver) {
    let output = driver.poll(black_box(NOW));
    assert!(matches!(black_box(&output), Output::Wait(Wake::In(..))));
}

#[inline]
pub(crate) fn renewals(driver: &Driver) -> u64 {
    driver.counters().renewals.into()
}

pub(crate) fn assert_driver_valid(driver: &Driver, now: Moment) {
    assert_eq!(driver.validity(now), Some(Validity::Valid));
}

/// Asserts that a session and a driver ask for what the other clients ask for, with one header more:
/// `Cache-Control`.
pub(crate) fn assert_requests() {
    let (app, expected) = (App::new(), crate::floor::expected_request());
    let typed = ask(&app).1.into_request();
    let driver = next_request(&mut start(&app), NOW).1;
    for request in [typed, driver] {
        assert_eq!((request.method(), request.uri()), (expected.method(), expected.uri()));
        assert_eq!(request.body(), expected.body());
        for (name, value) in expected.headers() {
            assert_eq!(request.headers().get(name), Some(value));
        }
        assert_eq!(request.headers().len(), expected.headers().len() + 1);
    }
}
