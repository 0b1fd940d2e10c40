//! Every fact of the wire that a client meets, as bytes or as behaviour.
//!
//! | fact, with its letter in the chapter `wire` of the docs | test |
//! |---|---|
//! | the gateway's request; `scopes` is `[]` where none is asked for (N) | `the_gateway_s_request_…` |
//! | the legacy request and reply (R) | `the_legacy_…` |
//! | an API token is opaque (S) | `an_api_token_is_opaque` |
//! | nine scope names, others kept (N) | `nine_scope_names_are_known_and_others_kept` |
//! | the reply doesn't list scopes (N) | `scopes_asked_for_are_not_scopes_granted` |
//! | an `error` member, string or object, under any status (N) | `an_error_is_found_under_any_status` |
//! | `expiresAt` has no stated format; RFC 3339 is the natural reading (N) | `an_expiry_that_is_…` |
//! | an empty identity gets nothing at all (N) | `an_empty_identity_is_refused_by_construction` |
//! | `GET /token`, `/token/<user id>`, any port (S, A) | `a_backend_s_request_…` |
//! | one field or three (S, A) | `a_backend_answers_one_field_or_three` |
//! | the Express example's reply, as `text/html` (S) | `the_express_example_s_reply_is_named_for_what_it_is` |
//! | `GET /` answers `Session Service`, which is no token (S) | `a_backend_s_root_is_no_token_reply` |
//! | a backend answers well-formed JSON (S, A) | `a_backend_s_own_reply_…` |
//! | a token in hand starts a session without a request (D) | `a_token_in_hand_needs_no_request` |
//! | the identity has to be the same (D) | `another_identity_is_never_accepted`, `…_on_renewal` |
//! | a session token may be a JWT or opaque | `a_token_may_be_a_jwt_or_opaque` |
//! | how the API takes it is not known | `an_api_call_carries_the_token_as_configured` |

extern crate videokit_session_inside as videokit_session;

use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use videokit_session::exchange::{DenialKind, Endpoint, Flaw, IdentitySource};
use videokit_session::session::{ReceiveError, RenewError};
use videokit_session::{
    Active, AllowedOrigin, ApiToken, Backend, Config, Credentials, Gateway, Grant, Identity,
    Moment, Scope, Scopes, Session, SessionToken, Validity,
};

const NOW: Moment = Moment::from_millis(0, 1_795_492_800_000);

/// A request as HTTP/1.1 would write it, with its headers sorted by name.
fn written<B: AsRef<[u8]>>(request: &Request<B>) -> String {
    let headers = request.headers().iter();
    let mut headers: Vec<_> =
        headers.map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
    headers.sort();
    let body = std::str::from_utf8(request.body().as_ref()).unwrap();
    format!("{} {}\n{}\n{body}", request.method(), request.uri(), headers.concat())
}

fn identity(text: &str) -> Identity {
    Identity::new(text).unwrap()
}

fn gateway() -> Gateway {
    Gateway::new(ApiToken::new("app:secret").unwrap(), identity("END_USER_ID"))
}

fn backend(path: &str) -> Backend {
    Backend::new(Endpoint::https(format!("https://app.example:3000{path}")).unwrap())
}

fn config() -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Arc::new(Config::builder(origin).build().unwrap())
}

/// A session that was granted what `body` says.
fn granted(credentials: &Credentials, body: &str) -> Session<Active> {
    let (session, outgoing) = Session::new(config(), 1).authenticate(credentials, NOW).unwrap();
    session.receive(outgoing.id(), &dated(body), NOW).unwrap().0
}

fn dated(body: &str) -> Response<String> {
    let date = "Tue, 24 Nov 2026 04:00:00 GMT";
    Response::builder().header("date", date).body(body.to_owned()).unwrap()
}

#[test]
fn the_gateway_s_request_without_scopes() {
    assert_eq!(
        written(&gateway().request()),
        "POST https://gateway.video.io/v1/sessions\n\
         accept: application/json\n\
         authorization: Bearer app:secret\n\
         cache-control: no-store\n\
         content-type: application/json\n\
         \n\
         {\"identity\":\"END_USER_ID\",\"scopes\":[]}"
    );
    assert!(gateway().request().headers()[AUTHORIZATION].is_sensitive());
}

#[test]
fn the_gateway_s_request_with_scopes_and_an_identity_that_needs_escapes() {
    let scopes = [Scope::VIDEOS_READ, Scope::STREAMS_CREATE, Scope::new("new.scope").unwrap()];
    let token = ApiToken::new("app:secret").unwrap();
    let request = Gateway::new(token, identity("\"Zoë\"\n\\"))
        .scopes(scopes.into_iter().collect())
        .endpoint(Endpoint::loopback("http://127.0.0.1:4000/v1/sessions").unwrap())
        .request();
    assert_eq!(
        written(&request),
        "POST http://127.0.0.1:4000/v1/sessions\n\
         accept: application/json\n\
         authorization: Bearer app:secret\n\
         cache-control: no-store\n\
         content-type: application/json\n\
         \n\
         {\"identity\":\"\\\"Zoë\\\"\\n\\\\\",\
         \"scopes\":[\"new.scope\",\"streams.create\",\"videos.read\"]}"
    );
}

#[test]
fn the_legacy_request_and_its_reply_without_expiry() {
    let token = ApiToken::new("app:secret").unwrap();
    let legacy = Gateway::legacy(&token, identity("YOUR_IDENTITY")).unwrap();
    assert_eq!(
        written(&legacy.request()),
        "POST https://api.video.io/v1/sessions\n\
         accept: application/json; charset=utf-8\n\
         authorization: App token=app:secret\n\
         cache-control: no-store\n\
         content-type: application/json\n\
         \n\
         {\"identity\":\"YOUR_IDENTITY\"}"
    );
    assert!(legacy.request().headers()[AUTHORIZATION].is_sensitive());

    let body = r#"{"session_key":"1nU73GCsMnqT2sudzHPMo6az","identity":"YOUR_IDENTITY"}"#;
    let session = granted(&Credentials::for_development(legacy), body);
    assert_eq!(session.remaining(NOW).at_most_millis(), None, "its expiry is unknown");
    assert_eq!(session.validity(NOW), Validity::Valid, "for an assumed lifetime");
}

#[test]
fn the_legacy_dialect_does_not_read_the_current_reply_nor_the_other_way_round() {
    let token = ApiToken::new("app:secret").unwrap();
    let legacy = Gateway::legacy(&token, identity("END_USER_ID")).unwrap();
    let current = Response::new(r#"{"sessionToken":"t","identity":"END_USER_ID"}"#);
    let missing = |member| DenialKind::Malformed(Flaw::Missing { member });
    assert_eq!(legacy.read(&current).unwrap_err().kind(), missing("session_key"));
    let legacy = Response::new(r#"{"session_key":"t","identity":"END_USER_ID"}"#);
    assert_eq!(gateway().read(&legacy).unwrap_err().kind(), missing("sessionToken"));
}

#[test]
fn an_api_token_is_opaque() {
    for token in ["x", "app-id:token", "eyJhbGciOiJub25lIn0.e30.c2ln", "~!{}[]\"\\,;="] {
        let request =
            Gateway::new(ApiToken::new(token).unwrap(), identity("END_USER_ID")).request();
        assert_eq!(request.headers()[AUTHORIZATION], format!("Bearer {token}"));
    }
}

#[test]
fn nine_scope_names_are_known_and_others_kept() {
    let known: Scopes = Scope::KNOWN.into_iter().collect();
    assert_eq!(
        known.to_string(),
        "streams.admin.read streams.create streams.delete streams.read \
         videos.admin.read videos.create videos.delete videos.edit videos.read"
    );
    let unknown = Scope::new("playlists.create").unwrap();
    let request = gateway().scopes([unknown].into_iter().collect()).request();
    assert!(request.body().ends_with(br#""scopes":["playlists.create"]}"#));
}

#[test]
fn scopes_asked_for_are_not_scopes_granted() {
    let asked: Scopes = [Scope::VIDEOS_READ, Scope::VIDEOS_EDIT].into_iter().collect();
    let credentials = Credentials::for_development(gateway().scopes(asked.clone()));
    let silent = r#"{"sessionToken":"t","expiresAt":"now","identity":"END_USER_ID"}"#;
    let session = granted(&credentials, silent);
    assert_eq!(credentials.exchange().scopes(), Some(&asked));
    assert_eq!(session.granted_scopes(), None);

    let says = r#"{"sessionToken":"t","identity":"END_USER_ID","scopes":["videos.read"]}"#;
    let session = granted(&credentials, says);
    let less = [Scope::VIDEOS_READ].into_iter().collect();
    assert_eq!(session.granted_scopes(), Some(&less));
}

#[test]
fn an_error_is_found_under_any_status() {
    for (body, message) in [
        (r#"{"error":"no such app"}"#, "no such app"),
        (r#"{"error":{"code":7,"reason":"no such app"}}"#, r#"{"code":7,"reason":"no such app"}"#),
    ] {
        for status in [200, 201, 202, 400, 401, 403, 404, 422] {
            let response = Response::builder().status(status).body(body).unwrap();
            let denial = gateway().read(&response).unwrap_err();
            assert_eq!(denial.kind(), DenialKind::Refused, "{status}");
            assert_eq!(denial.server_message(), Some(message), "{status}");
            assert!(denial.is_permanent(), "{status}");
        }
        let failing = Response::builder().status(500).body(body).unwrap();
        let denial = gateway().read(&failing).unwrap_err();
        assert_eq!(denial.kind(), DenialKind::Transient, "a server's own trouble passes");
        assert_eq!(denial.server_message(), Some(message));
    }
}

#[test]
fn an_expiry_that_is_no_date_is_unknown() {
    for expires_at in ["now", "", "1795493400", "Tue, 24 Nov 2026 05:00:00 GMT", "2026-11-24"] {
        let body = format!(
            r#"{{"sessionToken":"t","expiresAt":"{expires_at}","identity":"END_USER_ID"}}"#
        );
        let session = granted(&Credentials::for_development(gateway()), &body);
        assert_eq!(session.remaining(NOW).at_most_millis(), None, "{expires_at:?}");
        assert_eq!(session.validity(NOW), Validity::Valid, "{expires_at:?}");
        let grant = gateway().read(&dated(&body)).unwrap();
        assert_eq!(grant.expires_at(), Some(expires_at), "it is kept as it came");
    }
}

#[test]
fn an_expiry_that_is_an_rfc_3339_date_is_known() {
    for (expires_at, at_most) in [
        ("2026-11-24T05:00:00Z", 3_602_000),
        ("2026-11-24T07:00:00+02:00", 3_602_000),
        ("2026-11-24T05:00:00.250Z", 3_601_250),
    ] {
        let body = format!(
            r#"{{"sessionToken":"t","expiresAt":"{expires_at}","identity":"END_USER_ID"}}"#
        );
        let session = granted(&Credentials::for_development(gateway()), &body);
        assert_eq!(session.remaining(NOW).at_most_millis(), Some(at_most), "{expires_at}");
    }
}

#[test]
fn an_empty_identity_is_refused_by_construction() {
    assert_eq!(Identity::new("").unwrap_err().to_string(), "the identity is empty");
}

#[test]
fn a_backend_s_request_by_default() {
    assert_eq!(
        written(&backend("/token").request()),
        "GET https://app.example:3000/token\n\
         accept: application/json\n\
         cache-control: no-store\n\
         \n"
    );
}

#[test]
fn a_backend_s_request_with_path_method_headers_and_body() {
    let backend = backend("/token/END_USER_ID?fresh=1")
        .method(Method::PUT)
        .header(COOKIE, HeaderValue::from_static("login=abc"))
        .header(HeaderName::from_static("accept"), HeaderValue::from_static("*/*"))
        .body("{\"device\":3}");
    assert_eq!(
        written(&backend.request()),
        "PUT https://app.example:3000/token/END_USER_ID?fresh=1\n\
         accept: */*\n\
         cache-control: no-store\n\
         cookie: login=abc\n\
         \n\
         {\"device\":3}"
    );
    assert!(backend.request().headers()[COOKIE].is_sensitive());
}

#[test]
fn a_backend_answers_one_field_or_three() {
    let session = granted(&Credentials::backend(backend("/token")), r#"{"sessionToken":"t-1"}"#);
    assert_eq!(session.identity(), None);
    assert_eq!(session.remaining(NOW).at_most_millis(), None);

    let three =
        r#"{"sessionToken":"t-1","identity":"user-17","expiresAt":"2026-11-24T05:00:00.5Z"}"#;
    let session = granted(&Credentials::backend(backend("/token")), three);
    assert_eq!(session.identity(), Some(&identity("user-17")));
    assert_eq!(
        session.remaining(NOW).at_most_millis(),
        Some(3_600_500 + 10_000),
        "an hour and a half second, and the skew of another machine's clock"
    );
}

#[test]
fn the_express_example_s_reply_is_named_for_what_it_is() {
    let response = Response::builder()
        .header("content-type", "text/html; charset=utf-8")
        .body(r#"{"sessionToken": 1nU73GCsMnqT2sudzHPMo6az"#)
        .unwrap();
    let denial = backend("/token").read(&response).unwrap_err();
    assert_eq!(denial.kind(), DenialKind::Malformed(Flaw::Unquoted { member: "sessionToken" }));
    assert!(!denial.is_permanent());
    assert_eq!(
        denial.to_string(),
        "the reply is malformed: the value of `sessionToken` has no quotes around it, so the body \
         is not JSON; more may be wrong after it (status 200); asking again helps only if the server \
         answers differently"
    );
    let mended = response.map(|_| r#"{"sessionToken": "1nU73GCsMnqT2sudzHPMo6az"}"#);
    assert!(backend("/token").read(&mended).is_ok(), "the content type is not looked at");
}

#[test]
fn a_backend_s_root_is_no_token_reply() {
    let denial = backend("/").read(&Response::new("Session Service")).unwrap_err();
    let syntax = Flaw::Syntax { line: 1, column: 1 };
    assert_eq!(denial.kind(), DenialKind::Malformed(syntax));
    assert!(!denial.is_permanent());
}

#[test]
fn a_backend_s_own_reply_is_well_formed_json_and_read_back_as_it_was() {
    let bare = Grant::new(SessionToken::new("quote\"and\\slash").unwrap());
    let whole = bare.clone().with_identity(identity("Zoë")).with_expires_at("now");
    let escaped =
        bare.clone().with_identity(identity("a\"b\\c/\n\0")).with_expires_at("\u{7f}\t\"");
    for (grant, body) in [
        (bare, r#"{"sessionToken":"quote\"and\\slash"}"#),
        (whole, r#"{"sessionToken":"quote\"and\\slash","expiresAt":"now","identity":"Zoë"}"#),
        (
            escaped,
            "{\"sessionToken\":\"quote\\\"and\\\\slash\",\"expiresAt\":\"\u{7f}\\t\\\"\",\
             \"identity\":\"a\\\"b\\\\c/\\n\\u0000\"}",
        ),
    ] {
        let reply = grant.to_token_reply();
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["content-type"], "application/json");
        assert_eq!(reply.headers()["cache-control"], "no-store");
        assert_eq!(reply.body(), body);
        assert_eq!(backend("/token").read(&reply), Ok(grant));
    }
}

#[test]
fn a_token_in_hand_needs_no_request() {
    let token = SessionToken::new("from-elsewhere").unwrap();
    let session = Session::new(config(), 1).adopt(token, NOW).unwrap();
    let mut call = Request::get("https://api.example/v1/videos").body(()).unwrap();
    assert_eq!(session.authorize(&mut call, NOW).unwrap().validity, Validity::Valid);
    assert_eq!(call.headers()[AUTHORIZATION], "Bearer from-elsewhere");
}

#[test]
fn another_identity_is_never_accepted() {
    for other in ["end_user_id", "END_USER_ID ", "END_USER_I", "ЕND_USER_ID"] {
        let body = format!(r#"{{"sessionToken":"t","expiresAt":"now","identity":"{other}"}}"#);
        for credentials in [
            Credentials::for_development(gateway()),
            Credentials::backend(backend("/token").identity(identity("END_USER_ID"))),
        ] {
            let (session, outgoing) =
                Session::new(config(), 1).authenticate(&credentials, NOW).unwrap();
            match session.receive(outgoing.id(), &dated(&body), NOW) {
                Err(ReceiveError::Denied(rejected, _)) => assert_eq!(
                    rejected.reason().kind(),
                    DenialKind::Malformed(Flaw::WrongIdentity {
                        expected: IdentitySource::Credentials
                    }),
                    "{other}"
                ),
                result => panic!("{other}: {result:?}"),
            }
        }
    }
}

#[test]
fn another_identity_is_never_accepted_on_renewal() {
    let first = r#"{"sessionToken":"t-1","identity":"user-17"}"#;
    let credentials = Credentials::backend(backend("/token"));
    let mut session = granted(&credentials, first);
    let outgoing = session.renew(&credentials, NOW).unwrap();
    let other = dated(r#"{"sessionToken":"t-2","identity":"user-18"}"#);
    let denial = session.receive(outgoing.id(), &other, NOW).unwrap_err();
    let RenewError::Denied(denial, _) = denial else { panic!("{denial:?}") };
    let flaw = Flaw::WrongIdentity { expected: IdentitySource::EarlierToken };
    assert_eq!(denial.kind(), DenialKind::Malformed(flaw));
    assert_eq!(session.identity(), Some(&identity("user-17")));
    let mut call = Request::get("https://api.example/v1/videos").body(()).unwrap();
    session.authorize(&mut call, NOW).unwrap();
    assert_eq!(call.headers()[AUTHORIZATION], "Bearer t-1", "the current token stays in use");
}

#[test]
fn a_token_may_be_a_jwt_or_opaque() {
    // Claims: {"exp":1700000600,"iat":1700000000}, ten minutes.
    let jwt = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDA2MDAsImlhdCI6MTcwMDAwMDAwMH0.c2ln";
    for (token, at_most) in [(jwt, Some(611_000)), ("1nU73GCsMnqT2sudzHPMo6az", None)] {
        let body = format!(r#"{{"sessionToken":"{token}"}}"#);
        let session = granted(&Credentials::backend(backend("/token")), &body);
        assert_eq!(session.remaining(NOW).at_most_millis(), at_most, "{token}");
    }
}

#[test]
fn an_api_call_carries_the_token_as_configured() {
    let origin = || AllowedOrigin::https("https://api.example").unwrap();
    let custom = HeaderName::from_static("x-session");
    for (header, scheme, expected) in [
        (AUTHORIZATION, "Bearer ", "Bearer tok-1"),
        (AUTHORIZATION, "Session token=", "Session token=tok-1"),
        (custom, "", "tok-1"),
    ] {
        let config = Config::builder(origin()).authorization(header.clone(), scheme).build();
        let token = SessionToken::new("tok-1").unwrap();
        let session = Session::new(Arc::new(config.unwrap()), 1).adopt(token, NOW).unwrap();
        let mut call = Request::get("https://api.example/v1/videos").body("").unwrap();
        session.authorize(&mut call, NOW).unwrap();
        assert_eq!(
            written(&call),
            format!("GET https://api.example/v1/videos\n{header}: {expected}\n\n")
        );
        assert!(call.headers()[&header].is_sensitive());
        let authorization = session.authorization(&origin(), NOW).unwrap();
        assert_eq!(
            (authorization.name(), authorization.value()),
            (&header, &call.headers()[&header])
        );
    }
}
