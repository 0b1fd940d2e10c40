//! Exchanges of one's own, what makes two credentials the same, and what a backend answers its app.

extern crate videokit_session_inside as videokit_session;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, COOKIE, DATE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Request, StatusCode, Uri};
use videokit_session::driver::AuthorizeError;
use videokit_session::exchange::{
    BuildError, Denial, DenialKind, Endpoint, Exchange, Flaw, IdentityError, JsonType, OriginError,
    Reply,
};
use videokit_session::session::{Advance, Blocked, Input, Rejection, SendError, Step};
use videokit_session::{
    AllowedOrigin, AnySession, ApiToken, Backend, Config, Credentials, Driver, Gateway, Grant,
    Identity, Moment, Output, Scope, Scopes, Session, SessionToken,
};

const START: Moment = Moment::from_millis(0, 1_795_492_800_000);

/// Asks at any URI at all, and can be broken.
struct Custom {
    uri: &'static str,
    broken: AtomicBool,
}

impl Custom {
    fn at(uri: &'static str) -> Arc<Self> {
        Arc::new(Self { uri, broken: AtomicBool::new(false) })
    }
}

impl Exchange for Custom {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(BuildError::Custom("no login"));
        }
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = Uri::from_static(self.uri);
        Ok(request)
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let token = SessionToken::new(reply.granting_body(100)?).expect("a token");
        Ok(Grant::new(token).with_expires_at("2026-11-24T04:10:00Z"))
    }
}

fn config() -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Arc::new(Config::builder(origin).build().unwrap())
}

#[test]
fn a_custom_request_goes_to_safe_places_only() {
    for (uri, expected) in [
        ("https://app.example/token", None),
        ("http://127.0.0.1:9/token", None),
        ("http://app.example/token", Some(OriginError::Insecure)),
        ("ftp://app.example/token", Some(OriginError::Insecure)),
        ("https://user@app.example/token", Some(OriginError::UserInfo)),
        ("/token", Some(OriginError::NotAbsolute)),
    ] {
        let credentials = Credentials::custom(Custom::at(uri));
        let refused = Session::new(config(), 1).authenticate(&credentials, START).err();
        let reason = refused.map(|refused| refused.into_parts().1);
        let expected = expected.map(|error| SendError::Build(BuildError::Endpoint(error)));
        assert_eq!(reason, expected, "{uri}");
    }
}

#[test]
fn an_exchange_comes_back_as_the_type_that_it_was() {
    let custom = Credentials::custom(Custom::at("https://app.example/token"));
    assert_eq!(
        custom.downcast_ref::<Custom>().map(|custom| custom.uri),
        Some("https://app.example/token")
    );
    assert!(custom.downcast_ref::<Gateway>().is_none());
    let token = ApiToken::new("my-app:my-secret").unwrap();
    let gateway = Gateway::new(token, Identity::new("user-17").unwrap());
    let gateway = Credentials::for_development(gateway);
    assert!(gateway.downcast_ref::<Custom>().is_none());
    assert!(gateway.downcast_ref::<Gateway>().is_some());
}

#[test]
fn advice_ends_what_a_denial_says() {
    let denial = Denial::new(DenialKind::Refused, StatusCode::BAD_REQUEST)
        .with_retry_after(Some(Duration::from_secs(7)))
        .with_server_message(Some("hush".into()));
    assert_eq!(denial.advice(), None);
    let advised = denial.clone().with_advice("log in again");
    assert_eq!(advised.advice(), Some("log in again"));
    assert_ne!(advised, denial);
    assert!(advised.is_permanent());
    assert_eq!(
        advised.to_string(),
        "the server refused (status 400); it asks to wait 7 s; log in again",
    );
    assert_eq!(
        format!("{advised:?}"),
        "Denial { kind: Refused, status: 400, retry_after: Some(7s), message: Some(\"redacted\"), \
         permanent: true, advice: Some(\"log in again\") }",
    );
}

#[test]
fn an_exchange_that_has_no_request_now_may_have_one_later() {
    let custom = Custom::at("https://app.example/token");
    let credentials = Credentials::custom(Arc::clone(&custom) as Arc<dyn Exchange>);
    let broken = SendError::Build(BuildError::Custom("no login"));
    let session = Session::new(config(), 1);
    let (session, outgoing) = session.authenticate(&credentials, START).unwrap();
    let granted = http::Response::builder().header("date", "Tue, 24 Nov 2026 04:00:00 GMT");
    let granted = granted.body("t").unwrap();
    let (mut session, _) = session.receive(outgoing.id(), &granted, START).unwrap();

    custom.broken.store(true, Ordering::Relaxed);
    assert_eq!(session.renew(&credentials, START).unwrap_err(), broken);
    assert_eq!(session.in_flight(), None);
    let late = START.after(Duration::from_secs(1_200));
    let Advance::Lapsed(session) = session.advance(late) else { panic!("ten minutes are over") };
    let (session, reason) = session.authenticate(&credentials, late).unwrap_err().into_parts();
    assert_eq!(reason, broken);

    custom.broken.store(false, Ordering::Relaxed);
    assert!(session.authenticate(&credentials, late).is_ok(), "the session is still there");

    custom.broken.store(true, Ordering::Relaxed);
    let mut session = AnySession::new(config(), 1);
    let step = session.step(Input::Authenticate(credentials), START);
    assert_eq!(step, Step::Rejected(Rejection::NotSent(broken)));
}

#[test]
fn credentials_are_equal_if_they_ask_for_the_same_with_the_same_secrets() {
    let gateway = |token: &str, identity: &str| {
        let identity = Identity::new(identity).unwrap();
        Credentials::for_development(Gateway::new(ApiToken::new(token).unwrap(), identity))
    };
    let backend = |uri: &str| Credentials::backend(Backend::new(Endpoint::https(uri).unwrap()));
    let custom = Credentials::custom(Custom::at("https://app.example/token"));
    let all = [
        gateway("a", "user-17"),
        gateway("b", "user-17"),
        gateway("a", "eve"),
        backend("https://app.example/token"),
        backend("https://app.example/token/user-17"),
        custom.clone(),
        Credentials::custom(Custom::at("https://app.example/token")),
    ];
    for (n, one) in all.iter().enumerate() {
        for (m, other) in all.iter().enumerate() {
            assert_eq!(one == other, n == m, "{n} {m}");
        }
    }
    assert_eq!(gateway("a", "user-17"), gateway("a", "user-17"));
    assert_eq!(backend("https://app.example/token"), backend("https://app.example/token"));
    assert_eq!(custom, custom.clone());
}

#[test]
fn sessions_can_be_sent_to_another_thread_and_shared() {
    fn movable<T: Send + Sync + 'static>() {}
    movable::<AnySession>();
    movable::<Credentials>();
    movable::<Input>();
    movable::<Step>();
}

/// Where it goes and for whom is no secret; queries, headers' values and bodies may be.
#[test]
fn what_is_printed_names_the_place_and_no_secret() {
    let endpoint = |uri: &str| Endpoint::https(uri).unwrap();
    let ann = || Identity::new("ann").unwrap();
    let backend = Backend::new(endpoint("https://app.example/token?hush=1"))
        .header(COOKIE, HeaderValue::from_static("hush"))
        .body("hush")
        .identity(ann());
    assert_eq!(Exchange::identity(&backend), Some(&ann()));
    let text = format!("{backend:?}");
    for part in [
        "Backend { ",
        "Endpoint(https://app.example/token?…)",
        "GET",
        "\"cookie\": Sensitive",
        "body_bytes: 4",
        "ann",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let gateway = Gateway::new(ApiToken::new("app:hush").unwrap(), ann());
    assert_eq!(Exchange::identity(&gateway), Some(&ann()));
    let custom = Custom::at("https://app.example/token?hush=1");
    assert_eq!(Exchange::scopes(&*custom), None);
    let rows = [
        (Credentials::backend(backend), format!("Credentials({text})")),
        (Credentials::for_development(gateway.clone()), format!("Credentials({gateway:?})")),
        (Credentials::custom(custom), "Credentials(custom)".to_owned()),
    ];
    for (credentials, expected) in rows {
        let shown = format!("{credentials:?}");
        assert_eq!(shown, expected);
        assert!(!shown.contains("hush"), "{shown}");
    }
    let denial = Denial::new(DenialKind::Throttled, StatusCode::TOO_MANY_REQUESTS);
    let text = format!("{denial:?}");
    assert!(text.starts_with("Denial { kind: Throttled, status: 429, "), "{text}");
    let reply = http::Response::builder().header("x-hush", "hush").body("hush").unwrap();
    assert_eq!(format!("{:?}", Reply::from(&reply)), "Reply(200, 4 bytes)");
    assert_eq!(Reply::from(&reply).headers(), reply.headers());
    assert_eq!(Reply::from(&reply).body(), b"hush");
}

/// A cache may have kept a reply: what it says was true `Age` seconds ago.
#[test]
fn the_age_of_a_reply_is_taken_off_its_token() {
    let at_least = |age: Option<&'static str>| {
        let credentials = Credentials::custom(Custom::at("https://app.example/token"));
        let (session, outgoing) =
            Session::new(config(), 1).authenticate(&credentials, START).unwrap();
        let mut reply = http::Response::new("token");
        let date = HeaderValue::from_static("Tue, 24 Nov 2026 04:00:00 GMT");
        reply.headers_mut().insert(DATE, date);
        reply.headers_mut().extend(age.map(|age| (AGE, HeaderValue::from_static(age))));
        let (session, _) = session.receive(outgoing.id(), &reply, START).unwrap();
        session.remaining(START).at_least_millis()
    };
    assert_eq!(at_least(None) - at_least(Some("120")), 120_000);
    assert_eq!(at_least(Some("120, 0")), at_least(Some("120")), "the first of two caches");
    assert_eq!(at_least(Some("soon")), i64::MIN, "it may be of any age");
}

/// So that nothing has to be built to know it.
#[test]
fn an_exchange_of_the_crate_says_where_it_asks() {
    let uri = "https://app.example/token?user=17";
    let endpoint = || Endpoint::https(uri).unwrap();
    let token = ApiToken::new("my-app:my-secret").unwrap();
    let gateway = Gateway::new(token, Identity::new("user-17").unwrap()).endpoint(endpoint());
    for credentials in
        [Credentials::for_development(gateway), Credentials::backend(Backend::new(endpoint()))]
    {
        assert_eq!(credentials.exchange().endpoint(), Some(&Uri::from_static(uri)));
    }
}

#[test]
fn a_backend_that_is_given_too_many_headers_leaves_some_out() {
    let mut backend = Backend::new(Endpoint::https("https://backend.example/token").unwrap());
    for n in 0..40_000 {
        let name = HeaderName::try_from(format!("x-{n}")).unwrap();
        backend = backend.header(name, HeaderValue::from_static("1"));
    }
    assert_eq!(backend.request().headers().len(), 24_576);
}

#[test]
fn a_wait_is_shown_in_whole_seconds_and_never_as_none() {
    for (millis, shown) in [(1, "1 s"), (1_000, "1 s"), (1_001, "2 s")] {
        let denial = Denial::new(DenialKind::Throttled, StatusCode::TOO_MANY_REQUESTS)
            .with_retry_after(Some(Duration::from_millis(millis)));
        assert!(denial.to_string().contains(&format!("; it asks to wait {shown};")), "{denial}");
    }
}

#[test]
fn identities_and_tokens_are_parsed_as_they_are_made() {
    assert_eq!("user-17".parse(), Identity::new("user-17"));
    assert_eq!("".parse::<Identity>(), Err(IdentityError::Empty));
    let token: SessionToken = "tok".parse().unwrap();
    assert_eq!(token.expose(), "tok");
    assert_eq!("api".parse(), ApiToken::new("api"));
    let torn = "not\na token";
    assert_eq!(torn.parse::<SessionToken>().err(), SessionToken::new(torn).err());
    assert_eq!(torn.parse::<ApiToken>().err(), ApiToken::new(torn).err());
    assert!(torn.parse::<SessionToken>().is_err() && torn.parse::<ApiToken>().is_err());
}

#[test]
fn the_types_of_json_have_names() {
    use JsonType as T;
    let names =
        [T::Null, T::Boolean, T::Number, T::String, T::Array, T::Object].map(|t| t.to_string());
    assert_eq!(names, ["null", "a boolean", "a number", "a string", "an array", "an object"]);
}

const DENIALS: [(DenialKind, StatusCode); 5] = [
    (DenialKind::Throttled, StatusCode::TOO_MANY_REQUESTS),
    (DenialKind::Transient, StatusCode::SERVICE_UNAVAILABLE),
    (DenialKind::Refused, StatusCode::BAD_GATEWAY),
    (DenialKind::Redirect, StatusCode::BAD_GATEWAY),
    (DenialKind::Malformed(Flaw::Custom("hush")), StatusCode::BAD_GATEWAY),
];

#[test]
fn a_backend_passes_each_denial_on_in_words_of_the_crate() {
    for (kind, expected) in DENIALS {
        let denial =
            Denial::new(kind, StatusCode::IM_A_TEAPOT).with_server_message(Some("hush".into()));
        let reply = denial.to_reply();
        assert_eq!(reply.status(), expected, "{kind:?}");
        assert_eq!(reply.headers()["cache-control"], "no-store");
        assert_eq!(reply.headers()["content-type"], "application/json");
        assert_eq!(reply.headers().len(), 2, "{kind:?}");
        let body: serde_json::Value = serde_json::from_slice(reply.body()).unwrap();
        let error = body["error"].as_str().unwrap();
        assert!(!error.is_empty() && body.as_object().unwrap().len() == 1, "{body}");
        assert!(!format!("{reply:?}").contains("hush"), "{reply:?}");
    }
}

#[test]
fn a_backend_passes_the_wait_on_in_whole_seconds_rounded_up() {
    for (kind, _) in DENIALS {
        for (wait, expected) in [
            (Duration::ZERO, "0"),
            (Duration::from_nanos(1), "1"),
            (Duration::from_secs(30), "30"),
            (Duration::from_millis(30_001), "31"),
            (Duration::MAX, "18446744073709551615"),
        ] {
            let denial = Denial::new(kind, StatusCode::OK).with_retry_after(Some(wait));
            assert_eq!(denial.to_reply().headers()[RETRY_AFTER], expected, "{kind:?}");
        }
    }
}

#[test]
fn an_app_reads_a_denial_of_its_backend_as_one_to_ask_again_after() {
    let app = Backend::new(Endpoint::https("https://app.example/token").unwrap());
    for (kind, status) in DENIALS {
        let wait = Some(Duration::from_secs(7));
        let reply = Denial::new(kind, StatusCode::FORBIDDEN).with_retry_after(wait).to_reply();
        let read = app.read(&reply).unwrap_err();
        let throttled = kind == DenialKind::Throttled;
        let expected = if throttled { DenialKind::Throttled } else { DenialKind::Transient };
        assert_eq!((read.kind(), read.status(), read.retry_after()), (expected, status, wait));
        assert!(!read.is_permanent(), "the app's own login is good: {kind:?}");
    }
}

/// What the exchange below grants.
struct Granting(Grant);

impl Exchange for Granting {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        Custom::at("https://app.example/token").request()
    }

    fn read(&self, _reply: Reply<'_>) -> Result<Grant, Denial> {
        Ok(self.0.clone())
    }
}

fn granted(grant: Grant) -> Driver {
    let mut driver = Driver::new(config(), 1);
    driver.start(Credentials::custom(Arc::new(Granting(grant))), START);
    let Output::Event(_) = driver.poll(START) else { panic!("it says what it does") };
    let Output::Send(outgoing) = driver.poll(START) else { panic!("and asks") };
    assert_eq!(driver.grant(START), Err(AuthorizeError::Wait));
    let reply = http::Response::builder().header(DATE, "Tue, 24 Nov 2026 04:00:00 GMT");
    let delivery = driver.handle_response(outgoing.id(), &reply.body("").unwrap(), START);
    assert!(delivery.is_accepted());
    driver
}

fn bare() -> Grant {
    Grant::new(SessionToken::new("tok-1").unwrap())
}

#[test]
fn a_driver_passes_its_token_on_with_what_was_stated() {
    let scopes: Scopes = [Scope::VIDEOS_READ].into_iter().collect();
    let identity = Identity::new("ann").unwrap();
    let full = bare().with_identity(identity).with_scopes(scopes);
    let full = full.with_expires_at("2026-11-24T04:10:00.25Z");
    let in_utc = full.clone().with_expires_at("2026-11-24T04:10:00.250Z");
    for (grant, expected) in [
        (bare(), bare()),
        (full.clone(), in_utc.clone()),
        (full.clone().with_expires_at("2026-11-24T05:10:00.250+01:00"), in_utc),
        (bare().with_expires_at("next Tuesday"), bare()),
        (bare().with_lifetime(Duration::from_secs(600)), bare()),
    ] {
        assert_eq!(granted(grant).grant(START), Ok(expected));
    }
    let mut other = Driver::new(config(), 2);
    other.start(granted(full.clone()).grant(START).unwrap(), START);
    let Output::Event(_) = other.poll(START) else { panic!("it adopts the token") };
    assert_eq!(other.grant(START).unwrap().token(), full.token());
}

#[test]
fn a_driver_passes_on_the_identity_that_its_credentials_state() {
    let endpoint = Endpoint::https("https://app.example/token").unwrap();
    let identity = Identity::new("ann").unwrap();
    let mut driver = Driver::new(config(), 1);
    driver.start(Backend::new(endpoint).identity(identity.clone()), START);
    let Output::Event(_) = driver.poll(START) else { panic!("it says what it does") };
    let Output::Send(outgoing) = driver.poll(START) else { panic!("and asks") };
    let reply = http::Response::new(r#"{"sessionToken":"tok-1"}"#);
    assert!(driver.handle_response(outgoing.id(), &reply, START).is_accepted());
    assert_eq!(driver.grant(START), Ok(bare().with_identity(identity)));
}

#[test]
fn a_driver_passes_no_token_on_that_is_dead_or_forgotten() {
    let mut driver = granted(bare().with_expires_at("2026-11-24T04:10:00Z"));
    let late = START.after(Duration::from_secs(700));
    assert!(driver.grant(late).is_err(), "before a poll, too");
    assert!(driver.grant(START.after(Duration::from_secs(590))).is_ok());
    driver.stop(START);
    assert_eq!(driver.grant(START), Err(AuthorizeError::Start(Blocked::NotStarted)));
}
