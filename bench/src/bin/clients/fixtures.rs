//! What every client asks for and is answered.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Response};

pub(crate) const BASE: &str = "https://gateway.video.io";
pub(crate) const URL: &str = "https://gateway.video.io/v1/sessions";
/// 40 characters.
pub(crate) const API_TOKEN: &str = "vk_test_0123456789abcdefghijklmnopqrstuv";
pub(crate) const IDENTITY: &str = "user-42";
/// Sorted, as `videokit-session` sends them.
pub(crate) const SCOPES: [&str; 2] = ["videos.create", "videos.read"];
pub(crate) const EXPIRES_AT: &str = "2026-11-24T12:00:00.000Z";
/// An hour before the expiry, in milliseconds.
pub(crate) const NOW_MILLIS: i64 = 1_795_521_600_000 - 3_600_000;
/// The same moment as a server writes it.
const DATE: &str = "Tue, 24 Nov 2026 11:00:00 GMT";

/// A reply as an HTTP client hands it over.
pub(crate) type Reply = Response<Vec<u8>>;

/// Returns an opaque token of 300 characters: three parts of base64url, of 36, 220 and 42.
///
/// The second part is no JSON once it is decoded.
pub(crate) fn token() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state: u32 = 0x9E37_79B9;
    let mut part = |length: usize| -> String {
        let characters = (0..length).map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            char::from(ALPHABET[(state & 63) as usize])
        });
        characters.collect()
    };
    let token = [part(36), part(220), part(42)].join(".");
    assert_eq!(token.len(), 300);
    token
}

/// Returns a token of the same length whose claims can be read: it lives for an hour.
fn token_with_claims() -> String {
    let start = format!(
        r#"{{"iss":"gateway.video.io","sub":"{IDENTITY}","iat":{},"exp":{},"jti":""#,
        NOW_MILLIS / 1_000,
        NOW_MILLIS / 1_000 + 3_600,
    );
    let end = r#"" }"#;
    let claims = format!("{start}{}{end}", "x".repeat(165 - start.len() - end.len()));
    let opaque = token();
    let parts: Vec<&str> = opaque.split('.').collect();
    // Without a header, nothing would be decoded: a token whose first part is no JSON object is no JWT.
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let token = [header.as_str(), &URL_SAFE_NO_PAD.encode(claims), parts[2]].join(".");
    assert_eq!(token.len(), 300);
    token
}

/// Returns the gateway's body for a token and an expiry.
pub(crate) fn body(token: &str, expires_at: &str) -> String {
    format!(r#"{{"sessionToken":"{token}","expiresAt":"{expires_at}","identity":"{IDENTITY}"}}"#)
}

/// Returns the same grant as an OAuth 2.0 server's body, of about the same length.
pub(crate) fn oauth_body() -> String {
    format!(
        r#"{{"access_token":"{}","token_type":"bearer","expires_in":3600,"scope":"{}"}}"#,
        token(),
        SCOPES.join(" "),
    )
}

/// Returns a reply with the two headers that a server writes.
pub(crate) fn dated() -> Reply {
    with_headers(body(&token(), EXPIRES_AT))
}

/// Returns a reply without headers: just what the clients read that take a body alone.
pub(crate) fn undated() -> Reply {
    Response::new(body(&token(), EXPIRES_AT).into_bytes())
}

/// Returns a reply with headers and with a token whose claims can be read.
pub(crate) fn with_claims() -> Reply {
    with_headers(body(&token_with_claims(), EXPIRES_AT))
}

fn with_headers(body: String) -> Reply {
    Response::builder()
        .header("content-type", "application/json")
        .header("date", DATE)
        .body(body.into_bytes())
        .expect("the headers are valid")
}

/// Returns an API request with three headers of the caller's, and an `Authorization` to be replaced.
pub(crate) fn api_request() -> Request<()> {
    Request::get("https://gateway.video.io/v1/videos?page=1")
        .header("accept", "application/json")
        .header("user-agent", "counts/0")
        .header("x-request-id", "00000000-0000-0000-0000-000000000000")
        .header("authorization", "Bearer none")
        .body(())
        .expect("the request is valid")
}

/// Asserts that an API request carries the fixture's token, once.
pub(crate) fn assert_authorized(request: &Request<()>) {
    let mut values = request.headers().get_all("authorization").iter();
    assert_eq!(values.next().expect("a header"), &format!("Bearer {}", token()));
    assert!(values.next().is_none(), "the old header is replaced");
}
