//! The example `oauth`: its scenarios with the recorded replies of a real server, and what it reads and sends.
//! `oauth_provider.rs` has that server.

mod app;
#[path = "../../examples/oauth.rs"]
#[allow(dead_code, reason = "the example's `main` is not called here")]
mod example;
#[allow(dead_code, reason = "`oauth_provider` uses the part that records")]
mod record;
#[macro_use]
mod scenarios;

use std::time::Duration;
use std::vec::IntoIter;

use app::Service;
use bytes::Bytes;
use example::exchange::OAuth;
use http::{Request, Response};
use record::{Asked, Line, Names};
use videokit_session::exchange::{Denial, DenialKind, Exchange, Flaw};
use videokit_session::{Credentials, Endpoint, Grant, Scope, Scopes, TransportFailure};

tests_of_scenarios! { play }

fn play(name: &str, scenario: fn(&mut dyn Service)) {
    let mut recorded = Recorded(record::read(name).into_iter());
    scenario(&mut recorded);
    assert_eq!(recorded.0.next(), None, "more is recorded");
}

/// The server, as it answered when it was recorded.
struct Recorded(IntoIter<Line>);

impl Service for Recorded {
    fn origin(&self) -> String {
        "http://127.0.0.1:1".to_owned()
    }

    fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportFailure> {
        let asked = Asked::new(&request, &Names::default());
        self.0.next().expect("no more is recorded").outcome(&asked)
    }

    fn log_in(&mut self) -> String {
        match self.0.next() {
            Some(Line::LogIn(token)) => token,
            other => panic!("{other:?} is recorded, and no login"),
        }
    }

    fn stop(&mut self) {}

    fn start(&mut self) {}
}

fn client(scopes: &[&str]) -> OAuth {
    let endpoint = Endpoint::https("https://login.example/token").unwrap();
    let scopes = scopes.iter().map(|name| Scope::new(name).unwrap());
    OAuth::new(endpoint, "app", "hush-client", scopes.collect())
}

fn user() -> OAuth {
    client(&[]).with_refresh_token("hush-refresh")
}

fn read(oauth: &OAuth, status: u16, body: &str) -> Result<Grant, Denial> {
    let reply = Response::builder().status(status).header("retry-after", "7").body(body).unwrap();
    oauth.read((&reply).into())
}

fn granted(members: &str) -> Result<Grant, Denial> {
    read(&user(), 200, &format!(r#"{{"access_token":"hush-access"{members}}}"#))
}

const BEARER: &str = r#","token_type":"Bearer""#;

#[test]
fn a_request_has_its_form_and_secrets_are_marked() {
    let forms = [
        (client(&[]), "grant_type=client_credentials"),
        (client(&["b:c", "a+/"]), "grant_type=client_credentials&scope=a%2B%2F+b%3Ac"),
        (user(), "grant_type=refresh_token&refresh_token=hush-refresh"),
        (
            client(&["a"]).with_refresh_token("+/= &"),
            "grant_type=refresh_token&refresh_token=%2B%2F%3D+%26",
        ),
    ];
    for (oauth, form) in forms {
        let request = oauth.request().unwrap();
        assert_eq!(request.body(), form);
        assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/token"));
        let headers = request.headers();
        assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(headers["cache-control"], "no-store");
        assert!(headers["authorization"].is_sensitive());
        assert_eq!(oauth.endpoint(), Some(request.uri()));
    }
}

#[test]
fn a_refresh_token_is_usable_once_if_the_service_rotates() {
    assert!(user().is_single_use());
    let mut stays = user();
    stays.rotates = false;
    assert!(!stays.is_single_use());
    assert!(!client(&[]).is_single_use());
}

#[test]
fn the_type_of_a_token_is_bearer_in_any_case() {
    for name in ["Bearer", "bearer", "BEARER"] {
        assert!(granted(&format!(r#","token_type":"{name}""#)).is_ok(), "{name}");
    }
    for members in ["", r#","token_type":"mac""#, r#","token_type":null"#, r#","token_type":"""#] {
        let denial = granted(members).unwrap_err();
        assert!(matches!(denial.kind(), DenialKind::Malformed(Flaw::Custom(_))), "{members}");
    }
}

#[test]
fn a_lifetime_is_a_number_of_seconds_and_anything_else_is_none() {
    for (written, seconds) in [
        ("3600", Some(3_600)),
        ("0", Some(0)),
        ("18446744073709551615", Some(u64::MAX)),
        ("-1", None),
        ("3599.5", None),
        (r#""3600""#, None),
        ("null", None),
        ("[]", None),
    ] {
        let grant = granted(&format!(r#"{BEARER},"expires_in":{written}"#)).unwrap();
        let at_most = Duration::from_millis(u64::MAX);
        let expected = seconds.map(|seconds| Duration::from_secs(seconds).min(at_most));
        assert_eq!(grant.lifetime(), expected, "{written}");
    }
    assert_eq!(granted(BEARER).unwrap().lifetime(), None);
}

#[test]
fn the_next_refresh_token_is_the_successor_and_without_one_the_same_stays() {
    let grant =
        granted(&format!(r#"{BEARER},"refresh_token":"hush-next","id_token":"x""#)).unwrap();
    let next = grant.successor().and_then(Credentials::downcast_ref::<OAuth>).unwrap();
    assert_eq!(next.refresh_token.as_ref().map(|token| token.as_str()), Some("hush-next"));
    assert!(next.is_single_use());
    for none in ["", r#","refresh_token":null"#] {
        assert_eq!(granted(&format!("{BEARER}{none}")).unwrap().successor(), None);
    }
    let body = format!(r#"{{"access_token":"a"{BEARER},"refresh_token":"b"}}"#);
    assert_eq!(read(&client(&[]), 200, &body).unwrap().successor(), None, "section 4.4.3");
}

#[test]
fn granted_scopes_are_kept_if_they_can_be_read() {
    let scopes = |written: &str| {
        let grant = granted(&format!(r#"{BEARER},"scope":"{written}""#)).unwrap();
        grant.scopes().map(Scopes::to_string)
    };
    assert_eq!(scopes("b a").as_deref(), Some("a b"));
    assert_eq!(scopes("\u{e9}"), None);
    assert_eq!(granted(BEARER).unwrap().scopes(), None);
}

#[test]
fn a_refusal_says_what_to_do() {
    let errors = [
        ("invalid_grant", "log in"),
        ("invalid_client", "correct them"),
        ("invalid_scope", "ask for less"),
        ("invalid_request", "see what it requires"),
        ("unauthorized_client", "register this type of grant"),
        ("unsupported_grant_type", "register this type of grant"),
    ];
    for (error, advice) in errors {
        let body = format!(r#"{{"error":"{error}","error_description":"hush-said"}}"#);
        // Some services have them under 200.
        for status in [400, 401, 403, 200] {
            let denial = read(&user(), status, &body).unwrap_err();
            assert_eq!(
                (denial.kind(), denial.is_permanent()),
                (DenialKind::Refused, true),
                "{error}"
            );
            assert!(denial.to_string().ends_with(advice), "{denial}");
            assert!(!format!("{denial:?} {denial}").contains("hush"), "{denial:?}");
        }
        // Whatever it says, such a reply is no refusal.
        let denial = read(&user(), 503, &body).unwrap_err();
        assert_eq!((denial.kind(), denial.advice()), (DenialKind::Transient, None));
    }
    for error in ["server_error", "temporarily_unavailable"] {
        let denial = read(&user(), 400, &format!(r#"{{"error":"{error}"}}"#)).unwrap_err();
        assert!(!denial.is_permanent(), "{error}");
    }
    for body in ["", "no", "{}", r#"{"error":"slow"}"#, r#"{"error":5}"#] {
        let denial = read(&user(), 400, body).unwrap_err();
        assert_eq!((denial.kind(), denial.advice()), (DenialKind::Refused, None), "{body}");
    }
}

#[test]
fn what_is_no_reply_of_a_token_endpoint_is_read_as_the_library_does() {
    let page = "<html>hush</html>";
    for (status, body, kind) in [
        (200, page, DenialKind::Malformed(Flaw::Markup)),
        (400, page, DenialKind::Malformed(Flaw::Markup)),
        (200, "", DenialKind::Transient),
        (302, "", DenialKind::Redirect),
        (429, "", DenialKind::Throttled),
        (502, page, DenialKind::Transient),
    ] {
        let denial = read(&user(), status, body).unwrap_err();
        let wait = denial.retry_after();
        assert_eq!((denial.kind(), wait), (kind, Some(Duration::from_secs(7))), "{status} {body}");
    }
}

#[test]
fn the_example_ends_by_itself() {
    example::play().unwrap();
}

#[cfg(unix)]
#[test]
fn a_refresh_token_is_stored_in_place_of_the_one_before() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    let folder = std::env::temp_dir().join(format!("oauth-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("token");
    fs::write(&file, "a longer one").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    example::store(&file, "next").unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "next");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
    fs::remove_dir_all(folder).unwrap();
}
