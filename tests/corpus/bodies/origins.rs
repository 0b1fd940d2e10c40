//! A token goes on requests to allowed origins and on no other, whatever a URI looks like; and credentials
//! are sent to https or loopback alone.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use http::{Request, Uri};
use videokit_session::exchange::{BuildError, Denial, Endpoint, Exchange, Flaw, Reply};
use videokit_session::session::{AuthorizeError, SendError};
use videokit_session::{
    Active, AllowedOrigin, Config, Credentials, Driver, Grant, Moment, Output, Session,
    SessionToken,
};

const NOW: Moment = Moment::from_millis(5_000, 1_795_492_800_000);
const TOKEN: &str = "tok-17";

/// Three lines: the URI of a request, an origin to allow beside two that always are, and an authority to
/// make another URI of.
pub(crate) fn check(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n').map(String::from_utf8_lossy);
    let mut next = || lines.next().unwrap_or_default();
    let (uri, origin, authority) = (next(), next(), next());
    check_origin(&origin);
    let config = config(&origin, data.len() % 2 == 1);
    let built = Uri::builder().scheme("https").authority(authority.as_bytes()).path_and_query("/x");
    let built = built.build().ok();
    let read = [uri, origin].map(|text| text.parse().ok());
    for uri in read.into_iter().chain([built]).flatten() {
        check_authorize(&config, &uri);
        check_host(&config, &uri, &authority);
        check_exchange(&config, &uri);
    }
}

/// Two origins that are always allowed, and one more if it can be; and the usual header or another.
fn config(origin: &str, usual: bool) -> Arc<Config> {
    let api = AllowedOrigin::https("https://api.example").unwrap();
    let test = AllowedOrigin::loopback("http://127.0.0.1:8080").unwrap();
    let mut builder = Config::builder(api).origin(test);
    if let Ok(origin) = AllowedOrigin::https(origin).or_else(|_| AllowedOrigin::loopback(origin)) {
        builder = builder.origin(origin);
    }
    if !usual {
        builder = builder.authorization(HeaderName::from_static("x-session"), "");
    }
    Arc::new(builder.build().unwrap())
}

/// Scheme, host and port, told apart by hand.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    secure: bool,
    host: String,
    port: u16,
}

/// `None` for what has no place, or user information before it.
fn place(uri: &str) -> Option<Place> {
    let (scheme, rest) = uri.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let secure = scheme == "https";
    if !secure && scheme != "http" {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let end_of_host = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(end_of_host);
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        None if port.is_empty() => [80, 443][usize::from(secure)],
        _ => return None,
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if authority.contains('@') || host.is_empty() || host.contains(['[', ']']) && !bracketed {
        return None;
    }
    Some(Place { secure, host: host.to_ascii_lowercase(), port })
}

fn is_loopback(host: &str) -> bool {
    let v4 = host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.octets()[0] == 127);
    let v6 = host.trim_matches(['[', ']']).parse();
    v4 || host == "localhost" || v6.is_ok_and(|ip: std::net::Ipv6Addr| ip.is_loopback())
}

/// What is taken for an origin is safe, and written down as the same again.
fn check_origin(text: &str) {
    let endpoint = Endpoint::https(text).or_else(|_| Endpoint::loopback(text));
    if let Ok(endpoint) = &endpoint {
        let place = place(&endpoint.uri().to_string()).expect("it has a place");
        assert!(place.secure || is_loopback(&place.host), "{text:?}");
        let shown = format!("{endpoint:?}");
        assert!(endpoint.uri().query().is_none() || shown.ends_with("?…)"), "{shown}");
    }
    for (origin, loopback) in
        [(AllowedOrigin::https(text), false), (AllowedOrigin::loopback(text), true)]
    {
        let Ok(origin) = origin else { continue };
        assert!(endpoint.is_ok(), "{text:?} is an origin, and no endpoint");
        let place = place(text).expect("it has a place");
        assert!(if loopback { is_loopback(&place.host) } else { place.secure }, "{text:?}");
        let shown = origin.to_string();
        assert_eq!(self::place(&shown), Some(place), "{text:?} as {shown:?}");
        let again =
            if loopback { AllowedOrigin::loopback(&shown) } else { AllowedOrigin::https(&shown) };
        assert_eq!(again.as_ref(), Ok(&origin));
        assert!(origin.covers(&shown.parse().unwrap()), "{shown}");
    }
}

fn active(config: &Arc<Config>) -> Session<Active> {
    let token = SessionToken::new(TOKEN).unwrap();
    Session::new(Arc::clone(config), 1).adopt(token, NOW).unwrap()
}

/// The token is on the request if the request goes where it may, and otherwise nothing is.
fn check_authorize(config: &Arc<Config>, uri: &Uri) {
    let allowed: Vec<_> =
        config.origins().iter().map(|origin| place(&origin.to_string()).unwrap()).collect();
    let to = place(&uri.to_string());
    let may = to.is_some_and(|to| allowed.contains(&to));
    let covered = config.origins().iter().any(|origin| origin.covers(uri));
    assert_eq!(covered, may, "{uri}");
    let session = active(config);
    let authorization = session.authorization(&config.origins()[0], NOW).unwrap();
    let (name, value) = (authorization.name().clone(), authorization.value().clone());
    let mut request = stray(uri, &name);
    let authorized = session.authorize(&mut request, NOW);
    check_headers(&request, (&name, &value), may);
    assert_eq!(authorized.is_ok(), may, "{uri}");
    let refusal = match uri.authority() {
        Some(authority) if !authority.host().is_empty() => AuthorizeError::OtherOrigin,
        _ => AuthorizeError::NoHost,
    };
    assert!(may || authorized == Err(refusal), "{uri}: {authorized:?}");

    let mut driver = Driver::new(Arc::clone(config), 1);
    driver.start(SessionToken::new(TOKEN).unwrap(), NOW);
    let mut too_early = stray(uri, &name);
    assert!(driver.authorize(&mut too_early, NOW).is_err());
    check_headers(&too_early, (&name, &value), false);
    assert!(matches!(driver.poll(NOW), Output::Event(_)));
    let mut request = stray(uri, &name);
    assert_eq!(driver.authorize(&mut request, NOW).is_ok(), may, "{uri}");
    check_headers(&request, (&name, &value), may);
}

/// A `Host` header goes along if it names the place that the URI does, and a token goes with no other.
fn check_host(config: &Arc<Config>, uri: &Uri, host: &str) {
    let Ok(value) = HeaderValue::from_str(host) else { return };
    let session = active(config);
    let mut request = Request::new(());
    *request.uri_mut() = uri.clone();
    let without = session.authorize(&mut request, NOW);
    request.headers_mut().insert(HOST, value);
    let with = session.authorize(&mut request, NOW);
    let written = uri.authority().is_some_and(|authority| authority.as_str() == host);
    assert!(!written || with == without, "{uri} with its own {host:?}: {with:?}");
    if with.is_ok() {
        let scheme = uri.scheme_str().unwrap_or_default();
        assert_eq!(place(&format!("{scheme}://{host}")), place(&uri.to_string()), "{host:?}");
    }
    assert_eq!(request.headers().len(), 1 + usize::from(with.is_ok()), "{uri} {host:?}");
}

/// A request that has been authorized before, twice over.
fn stray(uri: &Uri, name: &HeaderName) -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = uri.clone();
    for value in ["Bearer stray", "Basic stray"] {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    request.headers_mut().insert("x-other", HeaderValue::from_static("kept"));
    request
}

fn check_headers(request: &Request<()>, (name, value): (&HeaderName, &HeaderValue), may: bool) {
    let found: Vec<_> = request.headers().get_all(name).iter().collect();
    if may {
        assert_eq!(found, [value], "{}", request.uri());
        assert!(found[0].is_sensitive());
    } else {
        assert!(found.is_empty(), "{found:?} to {}", request.uri());
    }
    assert_eq!(request.headers().get("x-other"), Some(&HeaderValue::from_static("kept")));
    let shown = format!("{:?}", request.headers());
    assert!(!shown.contains(TOKEN), "{shown}");
}

/// An exchange of somebody's own, which may want to ask anywhere.
struct Anywhere(Uri);

impl Exchange for Anywhere {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = self.0.clone();
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("a secret"));
        Ok(request)
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let kind = videokit_session::exchange::DenialKind::Malformed(Flaw::Custom("never asked"));
        Err(Denial::new(kind, reply.status()))
    }
}

/// No session sends what an exchange would send to an unsafe place.
fn check_exchange(config: &Arc<Config>, uri: &Uri) {
    let place = place(&uri.to_string());
    let safe = place.is_some_and(|place| place.secure || is_loopback(&place.host));
    let credentials = Credentials::custom(Arc::new(Anywhere(uri.clone())));
    match Session::new(Arc::clone(config), 1).authenticate(&credentials, NOW) {
        Ok((_, outgoing)) => {
            assert!(safe, "it would be sent to {uri}");
            let (line, whole) = (outgoing.to_string(), format!("{outgoing:?}"));
            let left_out = line.ends_with("?…") && whole.contains("?…, headers: ");
            assert!(uri.query().is_none() || left_out, "{line} {whole}");
        }
        Err(rejected) => {
            assert!(!safe, "{uri}: {rejected}");
            assert!(
                matches!(rejected.reason(), SendError::Build(BuildError::Endpoint(_))),
                "{rejected}"
            );
        }
    }
}
