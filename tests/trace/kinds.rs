//! Every kind of denial plays again, and a recorder that is full goes on driving.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use videokit_session::driver::{Drive, Policy};
use videokit_session::exchange::{
    BuildError, Denial, DenialKind, Exchange, Flaw, IdentitySource, JsonType, OriginError, Reply,
};
use videokit_session::secret::TokenError;
use videokit_session::session::transitions::StateName;
use videokit_session::trace::{LONGEST_LINE, MOST_LINES, Recorder, replay};
use videokit_session::{
    AllowedOrigin, ApiToken, Config, Credentials, Driver, Gateway, Grant, Identity, Moment, Scope,
    TransportFailure,
};

use crate::recording::{Recording, app, config, reply};

/// Reads any reply as one denial, or has no request.
struct Denying(Denial, Option<BuildError>);

impl Exchange for Denying {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = Uri::from_static("https://app.example/");
        self.1.map_or(Ok(request), Err)
    }

    fn read(&self, _: Reply<'_>) -> Result<Grant, Denial> {
        Err(self.0.clone())
    }
}

#[test]
fn denials_of_every_kind() {
    let (member, found) = ("sessionToken", JsonType::Array);
    let flaws = [
        Flaw::Status,
        Flaw::TooLarge { len: usize::MAX, limit: 0 },
        Flaw::NotUtf8 { at: 3 },
        Flaw::Markup,
        Flaw::Unquoted { member },
        Flaw::UnexpectedEnd { missing: Some('}') },
        Flaw::UnexpectedEnd { missing: None },
        Flaw::Syntax { line: 1, column: 2 },
        Flaw::TooDeep { at: 4, limit: 32 },
        Flaw::NotAnObject { found: JsonType::Null },
        Flaw::Missing { member: "session_key" },
        Flaw::Duplicate { member: "another member" },
        Flaw::Mistyped { member, found },
        Flaw::Mistyped { member, found: JsonType::Boolean },
        Flaw::Mistyped { member, found: JsonType::Number },
        Flaw::Mistyped { member, found: JsonType::String },
        Flaw::Mistyped { member, found: JsonType::Object },
        Flaw::Unusable { member: "expiresAt" },
        Flaw::Token(TokenError::Empty),
        Flaw::Token(TokenError::TooLong { len: 9_000, limit: 8_192 }),
        Flaw::Token(TokenError::Space { at: 6 }),
        Flaw::Token(TokenError::NotVisibleAscii { at: 0 }),
        Flaw::Stringified { member, text: "undefined" },
        Flaw::Stringified { member, text: "another text" },
        Flaw::WrongIdentity { expected: IdentitySource::Credentials },
        Flaw::WrongIdentity { expected: IdentitySource::EarlierToken },
        Flaw::ExpiredOnArrival,
        Flaw::Custom("\"quotes\", \n breaks, and more"),
    ];
    let kinds =
        [DenialKind::Refused, DenialKind::Throttled, DenialKind::Transient, DenialKind::Redirect];
    for kind in kinds.into_iter().chain(flaws.map(DenialKind::Malformed)) {
        for (status, wait) in [(StatusCode::OK, None), (StatusCode::IM_A_TEAPOT, Some(u64::MAX))] {
            let denial = Denial::new(kind, status)
                .with_retry_after(wait.map(Duration::from_millis))
                .with_permanence(wait.is_some());
            assert_plays(Denying(denial, None));
        }
    }
}

#[test]
fn requests_that_can_t_be_built() {
    use OriginError as E;
    let origins =
        [E::NotAUri, E::NotAbsolute, E::UserInfo, E::Port, E::Insecure, E::NotLoopback, E::Path];
    let custom = BuildError::Custom("no key");
    for error in origins.map(BuildError::Endpoint).into_iter().chain([custom]) {
        assert_plays(Denying(Denial::new(DenialKind::Refused, StatusCode::OK), Some(error)));
    }
}

/// Asks at one endpoint, and states another.
struct Stating(Uri);

impl Exchange for Stating {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        Ok(Request::get("https://app.example/").body(Bytes::new()).unwrap())
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let wait = Some(Duration::from_secs(600));
        Err(Denial::new(DenialKind::Transient, reply.status()).with_retry_after(wait))
    }

    fn endpoint(&self) -> Option<&Uri> {
        Some(&self.0)
    }
}

#[test]
fn a_wait_that_a_server_asks_for_is_kept_for_the_stated_endpoint() {
    let mut recording = Recording::new(1);
    let stating = |uri| Credentials::custom(Arc::new(Stating(Uri::from_static(uri))));
    recording.start(stating("https://one.example/"));
    recording.answer(&reply(503, "not now"));
    recording.start(stating("https://two.example/"));
    recording.pass(120_000);
    assert_eq!(recording.sent.len(), 2, "the other endpoint has not asked for a wait");
    let replayed = replay(recording.trace()).unwrap();
    assert_eq!(replayed.difference, None);
}

#[test]
fn a_start_with_other_scopes_is_another_login() {
    let login = |scope: Scope| {
        let (token, user) = (ApiToken::new("app:key").unwrap(), Identity::new("anna").unwrap());
        let gateway = Gateway::new(token, user).scopes([scope].into_iter().collect());
        Credentials::for_development(gateway)
    };
    let mut recording = Recording::new(1);
    recording.start(login(Scope::VIDEOS_READ));
    recording.start(login(Scope::VIDEOS_EDIT));
    assert_eq!(recording.driver.driver().epoch(), 2);
    let replayed = replay(recording.trace()).unwrap();
    assert_eq!(replayed.difference, None);
    assert_eq!(replayed.driver.epoch(), 2);
}

/// Asked twice over, since the second start of the same credentials joins the first.
fn assert_plays(exchange: Denying) {
    let shown = format!("{:?} {:?}", exchange.0, exchange.1);
    let unanswerable = exchange.1.is_some();
    let credentials = Credentials::custom(Arc::new(exchange));
    let mut recording = Recording::new(1);
    for _ in 0..2 {
        recording.start(credentials.clone());
        if !unanswerable && recording.driver.driver().in_flight().is_some() {
            recording.answer(&reply(200, "anything"));
        }
        recording.pass(120_000);
    }
    let replayed = replay(recording.trace()).unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!(replayed.difference, None, "{shown}");
}

#[test]
fn failures_of_every_kind() {
    use TransportFailure as F;
    for why in [F::TimedOut, F::Unreachable, F::Interrupted, F::Other] {
        let mut recording = Recording::new(1);
        recording.start(app("anna", 1));
        recording.fail(why);
        let trace = recording.trace();
        assert!(trace.contains(&format!("\"why\":\"{why:?}\"")), "{trace}");
        assert!(replay(trace).unwrap().is_exact());
    }
}

#[test]
fn configurations_and_policies_come_back() {
    let config = Config::builder(AllowedOrigin::https("https://a.example").unwrap())
        .origin(AllowedOrigin::loopback("http://127.0.0.1:8080").unwrap())
        .authorization("x-token".parse().unwrap(), "App \"token\"=")
        .request_timeout(Duration::from_micros(2_500_700))
        .gateway_skew(Duration::from_millis(11))
        .backend_skew(Duration::from_millis(12))
        .wall_error(Duration::from_millis(13))
        .assumed_lifetime(Duration::from_secs(14))
        .renewal_margin(Duration::from_millis(15))
        .renewal_percent(16)
        .build()
        .unwrap();
    let policy = Policy::builder()
        .burst(2)
        .interval(Duration::from_millis(3))
        .spacing(Duration::from_millis(4))
        .backoff(Duration::from_millis(5), Duration::from_millis(6))
        .retry_after_cap(Duration::from_secs(7))
        .attempts(8)
        .build()
        .unwrap();
    let mut recording = Recording::with(Arc::new(config.clone()), policy, u64::MAX);
    recording.start(app("anna", 1));
    let replayed = replay(recording.trace()).unwrap();
    assert!(replayed.is_exact());
    let driver: Driver = replayed.driver;
    assert_eq!(driver.policy(), &policy);
    let cut = driver.config().request_timeout();
    assert_eq!(cut, Duration::from_millis(2_500), "cut, as it is wherever it counts");
    assert_eq!(driver.config().origins(), config.origins());
    let shown = |config: &Config| format!("{config:?}").replace("2.5007007s", "2.5s");
    assert_eq!(shown(driver.config()), shown(&config).replace("2.5007s", "2.5s"));
}

#[test]
fn a_full_recorder_goes_on_driving() {
    let mut driver = Recorder::new(config(), Policy::default(), 1);
    driver.start(app("anna", 1), Moment::default());
    for n in 2..MOST_LINES {
        driver.set_online(true, Moment::from_millis(n as u64, 0));
    }
    assert!(!driver.is_full());
    let mut trace = driver.take_lines();
    let outputs = [driver.poll(Moment::default()), driver.poll(Moment::default())];
    assert!(driver.is_full());
    assert_eq!(driver.take_lines(), "");
    assert!(format!("{outputs:?}").contains("Started"), "{outputs:?}");
    assert_eq!(driver.driver().state(), StateName::Authenticating);
    trace.push_str(&driver.take_lines());
    assert_eq!(trace.lines().count(), MOST_LINES);
    let replayed = replay(trace).unwrap();
    assert!(replayed.is_exact());
    assert_eq!(replayed.calls, MOST_LINES - 1);
}

/// Records a first line with so many origins, of which the last has a name of this length.
fn first_line(origins: u32, length: usize) -> String {
    let origin = |name: &str| AllowedOrigin::https(format!("https://{name}")).unwrap();
    let config = (1..origins).fold(Config::builder(origin("0.example")), |config, n| {
        config.origin(origin(&format!("{n}.example")))
    });
    let config = config.origin(origin(&"a".repeat(length))).build().unwrap();
    Recorder::new(Arc::new(config), Policy::default(), 1).take_lines()
}

#[test]
fn a_line_of_the_greatest_length_is_recorded_and_read() {
    let fits = |origins: &u32| !first_line(*origins, 32).is_empty();
    let origins = (2_500..4_000).take_while(fits).last().unwrap();
    let longest = 1 + LONGEST_LINE;
    let length = 32 + longest - first_line(origins, 32).len();
    let line = first_line(origins, length);
    assert_eq!(line.len(), longest);
    assert!(replay(line).unwrap().is_exact());
    assert_eq!(first_line(origins, length + 1), "");
}

#[test]
fn a_recorder_whose_first_line_is_too_long_records_nothing() {
    let origin = |n: u32| AllowedOrigin::https(format!("https://{n}.example")).unwrap();
    let config = (1..4_000).fold(Config::builder(origin(0)), |config, n| config.origin(origin(n)));
    let mut driver = Recorder::new(Arc::new(config.build().unwrap()), Policy::default(), 1);
    driver.stop(Moment::default());
    assert!(driver.is_full());
    assert_eq!(driver.take_lines(), "");
}
