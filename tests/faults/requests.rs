//! What goes on a request, where it may go, and how much of its reply is read.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderName};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Request, Uri};
use videokit_session::exchange::{
    BODY_LIMIT, BuildError, Denial, DenialKind, Endpoint, Exchange, Reply,
};
use videokit_session::{
    AllowedOrigin, ApiToken, Backend, Config, Credentials, Driver, Gateway, Grant, Identity,
    Output, Session, SessionToken,
};

use crate::world::{HOUR, World, video_call};

/// Authorizes a request by a driver and by a session; the first of the errors, as text, if either refuses.
fn authorized(request: &Request<()>, driver: &Driver) -> Result<HeaderMap, String> {
    let now = World::new(HOUR).now();
    let session = Session::new(Arc::clone(driver.config()), 1);
    let session = session.adopt(SessionToken::new("tok-1").unwrap(), now).unwrap();
    let [mut first, mut second] = [request.clone(), request.clone()];
    let by_session = session.authorize(&mut first, now);
    let by_driver = driver.authorize(&mut second, now);
    assert_eq!(by_session.is_ok(), by_driver.is_ok(), "{by_session:?} {by_driver:?}");
    for request in [&first, &second] {
        assert_eq!(request.headers().contains_key(AUTHORIZATION), by_driver.is_ok());
    }
    if let (Err(session), Err(driver)) = (by_session, by_driver) {
        assert_eq!(session.to_string(), driver.to_string());
    }
    by_driver.map(|_| second.headers().clone()).map_err(|error| error.to_string())
}

#[test]
fn r2_a_full_header_map_is_an_error() {
    let world = World::new(HOUR).logged_in();
    let mut request = video_call();
    for number in 0..24_576 {
        let name = HeaderName::try_from(format!("x-{number}")).unwrap();
        request.headers_mut().insert(name, HeaderValue::from_static("1"));
    }
    let error = authorized(&request, &world.driver).unwrap_err();
    assert!(error.contains("headers"), "{error}");
    // One that came with an older token is as full, and goes without it.
    request.headers_mut().remove("x-0");
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer older"));
    assert!(authorized(&request, &world.driver).is_err());
    request.headers_mut().remove(AUTHORIZATION);
    assert!(authorized(&request, &world.driver).is_ok());
}

/// A URI that no parser makes of text: its parts were put together.
fn with_path(path: &'static str) -> Option<Uri> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some("api.example".parse().unwrap());
    parts.path_and_query = Some(path.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[test]
fn r3_a_path_that_runs_into_the_host_has_no_origin() {
    let world = World::new(HOUR).logged_in();
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    let asterisk = with_path("*").expect("the text `https://api.example*`");
    let odd = ["*", "*/x", ".evil.example/", "@evil.example/", "x", ":443"];
    for uri in odd.into_iter().filter_map(with_path).chain([asterisk]) {
        if uri.path().starts_with('/') {
            continue; // this version of `http` makes a path of it
        }
        assert!(!origin.covers(&uri), "{uri}");
        let request = Request::builder().uri(&uri).body(()).unwrap();
        assert!(authorized(&request, &world.driver).is_err(), "{uri}");
    }
    for path in ["/", "/*", "/x?y", "?y", ""] {
        let Some(uri) = with_path(path) else { continue };
        assert!(origin.covers(&uri), "{uri}");
    }
}

#[test]
fn r4_a_host_header_has_to_name_the_uris_origin() {
    let world = World::new(HOUR).logged_in();
    let with_hosts = |uri: &str, hosts: &[&[u8]]| {
        let mut request = Request::get(uri).body(()).unwrap();
        for host in hosts {
            request.headers_mut().append(HOST, HeaderValue::from_bytes(host).unwrap());
        }
        authorized(&request, &world.driver)
    };
    let uri = "https://api.example/v1/videos";
    for host in ["api.example", "API.Example", "api.example:443"] {
        let headers = with_hosts(uri, &[host.as_bytes()]).expect(host);
        assert_eq!(headers[HOST], host, "it is left as it is");
    }
    assert!(with_hosts("https://api.example:443/", &[b"api.example"]).is_ok());
    assert!(with_hosts(uri, &[]).is_ok());
    let wrong: &[&[&[u8]]] = &[
        &[b"evil.example"],
        &[b"api.example:80"],
        &[b"api.example:8443"],
        &[b"api.example."],
        &[b"user@api.example"],
        &[b"api.example@evil.example"],
        &[b"api.example/path"],
        &[b"api.example, evil.example"],
        &[b"https://api.example"],
        &[b"api.ex\xe4mple"],
        &[b""],
        &[b"api.example", b"evil.example"],
        &[b"evil.example", b"api.example"],
        &[b"api.example", b"api.example"],
    ];
    for hosts in wrong {
        let error = with_hosts(uri, hosts).expect_err("another host");
        assert!(error.contains("allowed origin"), "{error}");
    }
}

#[test]
fn r4_a_host_header_over_http_is_read_with_its_scheme() {
    let origin = AllowedOrigin::loopback("http://127.0.0.1").unwrap();
    let config = Config::builder(origin).build().unwrap();
    let now = World::new(HOUR).now();
    let session = Session::new(config.into(), 1);
    let session = session.adopt(SessionToken::new("tok-1").unwrap(), now).unwrap();
    for (host, allowed) in [("127.0.0.1", true), ("127.0.0.1:80", true), ("127.0.0.1:443", false)] {
        let request = Request::get("http://127.0.0.1/").header(HOST, host).body(());
        assert_eq!(session.authorize(&mut request.unwrap(), now).is_ok(), allowed, "{host}");
    }
}

#[test]
fn r8_a_scheme_that_runs_into_the_token_is_refused() {
    let build = |scheme: &str| {
        let origin = AllowedOrigin::https("https://api.example").unwrap();
        Config::builder(origin).authorization(AUTHORIZATION, scheme).build()
    };
    for scheme in ["Bearer", "Token:", "App token", "x"] {
        let error = build(scheme).expect_err(scheme).to_string();
        assert!(error.contains("\"Bearer \""), "{error}");
    }
    for scheme in ["", "Bearer ", "App token=", "Two words ", "Bearer  "] {
        assert!(build(scheme).is_ok(), "{scheme:?}");
    }
}

/// An exchange that says nothing of a limit.
struct Custom;

impl Exchange for Custom {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = Uri::from_static("https://app.example/");
        Ok(request)
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        Err(Denial::new(DenialKind::Refused, reply.status()))
    }
}

#[test]
fn r11_a_request_says_how_much_of_its_reply_is_read() {
    let endpoint = Endpoint::https("https://app.example/token").unwrap();
    let (token, identity) = (ApiToken::new("a").unwrap(), Identity::new("user-17").unwrap());
    let rows: [(Credentials, usize); 4] = [
        (Backend::new(endpoint.clone()).into(), BODY_LIMIT),
        (Backend::new(endpoint).body_limit(24).into(), 24),
        (Credentials::for_development(Gateway::new(token, identity).body_limit(99)), 99),
        (Credentials::custom(Arc::new(Custom)), BODY_LIMIT),
    ];
    for (credentials, limit) in rows {
        let mut world = World::new(HOUR);
        world.driver.start(credentials, world.now());
        let outgoing = loop {
            match world.driver.poll(world.now()) {
                Output::Send(outgoing) => break outgoing,
                Output::Event(_) => {}
                other => panic!("it asks: {other:?}"),
            }
        };
        assert_eq!(outgoing.body_limit(), limit);
    }
}
