//! A gateway that mints session tokens, and a protected API behind it.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, DATE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::session::mix;

/// The last second that an HTTP date can name, in seconds since 1970: the end of the year 9999.
const LAST_DATE: u64 = 253_402_300_799;

/// A VideoKit gateway, as far as its protocol is known, and a protected API of this project's making.
///
/// | request | answer |
/// |---|---|
/// | `POST /v1/sessions` with `Authorization: Bearer <API token>` | a session token, with expiry (wire facts, N) |
/// | `POST /v1/sessions` with `Authorization: App token=<API token>` | a session token, without (wire facts, R) |
/// | `GET /v1/videos` with `Authorization: Bearer <session token>` | 200 while that token lives, else 401 |
///
/// Headers that it doesn't know, such as those that the vendor's Node SDK sends by mistake, change
/// nothing. Host and scheme are not looked at. Time is what `now` says: milliseconds since 1970 on the
/// gateway's own clock.
///
/// ```
/// use std::time::Duration;
/// use videokit_session::{ApiToken, Identity};
/// use videokit_session::sim;
///
/// let mut server = sim::Gateway::new("my-app:my-secret", Duration::from_secs(60), 1);
/// let client = videokit_session::Gateway::new(ApiToken::new("my-app:my-secret")?, Identity::new("user-17")?);
///
/// let response = server.handle(&client.request(), 1_795_492_800_000);
/// let grant = client.read(&response)?;
/// assert_eq!(grant.expires_at(), Some("2026-11-24T04:01:00Z"));
/// assert_eq!(server.counts().granted, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Gateway {
    api_token: Box<str>,
    lifetime: u64,
    seed: u64,
    issued: BTreeMap<String, Issued>,
    counts: Counts,
}

#[derive(Clone)]
struct Issued {
    identity: String,
    expires_at: i64,
}

/// What a [`Gateway`] has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Counts {
    /// Requests for a session token that were granted.
    pub granted: u64,
    /// Requests for a session token that were refused.
    pub refused: u64,
    /// API calls that were served.
    pub served: u64,
    /// API calls that were answered 401.
    pub unauthorized: u64,
    /// Requests for anything else.
    pub unknown: u64,
}

#[derive(Deserialize)]
struct Ask {
    identity: String,
    #[serde(default)]
    scopes: Vec<String>,
}

/// A granting reply; the two dialects name their members differently.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Grant<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a str>,
    #[serde(rename = "session_key", skip_serializing_if = "Option::is_none")]
    session_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    identity: &'a str,
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

#[derive(Serialize)]
struct Videos<'a> {
    videos: [&'a str; 0],
    identity: &'a str,
}

impl Gateway {
    /// A gateway that knows one API token, and mints tokens of this lifetime. The seed makes the tokens.
    #[must_use]
    pub fn new(api_token: &str, lifetime: Duration, seed: u64) -> Self {
        Self {
            api_token: api_token.into(),
            lifetime: crate::time::millis(lifetime),
            seed,
            issued: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// Answers one request.
    pub fn handle<B: AsRef<[u8]>>(&mut self, request: &Request<B>, now: i64) -> Response<Bytes> {
        let mut response = match (request.method(), request.uri().path()) {
            (&Method::POST, "/v1/sessions") => self.mint(request, now),
            (&Method::GET, "/v1/videos") => self.videos(request, now),
            _ => {
                self.counts.unknown = self.counts.unknown.saturating_add(1);
                answer(StatusCode::NOT_FOUND, &Refusal { error: "no such resource" })
            }
        };
        let headers = response.headers_mut();
        headers.insert(DATE, date(now));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Forgets a token: API calls with it are answered 401 from now on. Says whether it was known.
    pub fn revoke(&mut self, token: &str) -> bool {
        self.issued.remove(token).is_some()
    }

    /// What the gateway has done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn mint<B: AsRef<[u8]>>(&mut self, request: &Request<B>, now: i64) -> Response<Bytes> {
        match self.check(request) {
            Ok((ask, older)) => {
                self.counts.granted = self.counts.granted.saturating_add(1);
                let token = format!("st-{:016x}", mix(self.seed ^ mix(self.counts.granted)));
                let expires_at = now.saturating_add_unsigned(self.lifetime);
                let identity = ask.identity.as_str();
                let grant = if older {
                    Grant { session_key: Some(&token), identity, ..Grant::default() }
                } else {
                    let expires_at = Timestamp::from_millisecond(expires_at).ok();
                    Grant {
                        session_token: Some(&token),
                        expires_at: expires_at.map(|at| at.to_string()),
                        identity,
                        ..Grant::default()
                    }
                };
                let response = answer(StatusCode::OK, &grant);
                self.issued.insert(token, Issued { identity: ask.identity, expires_at });
                response
            }
            Err((status, error)) => {
                self.counts.refused = self.counts.refused.saturating_add(1);
                answer(status, &Refusal { error })
            }
        }
    }

    /// Checks a request for a session token as a strict gateway would. Says in which dialect it is.
    fn check<B: AsRef<[u8]>>(
        &self,
        request: &Request<B>,
    ) -> Result<(Ask, bool), (StatusCode, &'static str)> {
        let older = match authorization(request) {
            Some((Scheme::Bearer, token)) if *token == *self.api_token => false,
            Some((Scheme::App, token)) if *token == *self.api_token => true,
            _ => return Err((StatusCode::UNAUTHORIZED, "unknown API token")),
        };
        let json = request.headers().get(CONTENT_TYPE).is_some_and(|value| {
            value.as_bytes().to_ascii_lowercase().starts_with(b"application/json")
        });
        if !json {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body has to be JSON"));
        }
        let ask: Ask = serde_json::from_slice(request.body().as_ref())
            .map_err(|_| (StatusCode::BAD_REQUEST, "the body has to name an identity"))?;
        if ask.identity.is_empty() {
            return Err((StatusCode::BAD_REQUEST, "the identity is empty"));
        }
        if ask.scopes.iter().any(String::is_empty) {
            return Err((StatusCode::BAD_REQUEST, "a scope is empty"));
        }
        Ok((ask, older))
    }

    fn videos<B>(&mut self, request: &Request<B>, now: i64) -> Response<Bytes> {
        let issued = match authorization(request) {
            Some((Scheme::Bearer, token)) => self.issued.get(token),
            _ => None,
        };
        if let Some(issued) = issued.filter(|issued| now < issued.expires_at) {
            self.counts.served = self.counts.served.saturating_add(1);
            answer(StatusCode::OK, &Videos { videos: [], identity: &issued.identity })
        } else {
            self.counts.unauthorized = self.counts.unauthorized.saturating_add(1);
            answer(StatusCode::UNAUTHORIZED, &Refusal { error: "no live session token" })
        }
    }
}

impl fmt::Debug for Gateway {
    /// What it did; neither its API token nor those it issued.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("counts", &self.counts).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum Scheme {
    Bearer,
    App,
}

fn authorization<B>(request: &Request<B>) -> Option<(Scheme, &str)> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let bearer = value.strip_prefix("Bearer ").map(|token| (Scheme::Bearer, token));
    bearer.or_else(|| value.strip_prefix("App token=").map(|token| (Scheme::App, token)))
}

fn answer(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    // Strings into memory: there is nothing to fail.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A `Date`, cut to the second; years outside 1970 to 9999 become the nearest that it can name.
fn date(now: i64) -> HeaderValue {
    let seconds = u64::try_from(now.div_euclid(1_000)).unwrap_or(0).min(LAST_DATE);
    let at = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
    HeaderValue::try_from(httpdate::fmt_http_date(at))
        .unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApiToken, Identity};

    const NOW: i64 = 1_795_492_800_000;

    fn ask(token: &str) -> Request<Bytes> {
        let token = ApiToken::new(token).unwrap();
        crate::Gateway::new(token, Identity::new("user-17").unwrap()).request()
    }

    fn gateway() -> Gateway {
        Gateway::new("secret", Duration::from_secs(60), 7)
    }

    #[test]
    fn refuses_what_a_strict_gateway_would() {
        let edited = |edit: fn(&mut Request<Bytes>)| {
            let mut request = ask("secret");
            edit(&mut request);
            request
        };
        let rows = [
            (ask("other"), 401),
            (edited(|r| drop(r.headers_mut().remove(AUTHORIZATION))), 401),
            (edited(|r| drop(r.headers_mut().remove(CONTENT_TYPE))), 415),
            (edited(|r| *r.body_mut() = Bytes::from("{}")), 400),
            (edited(|r| *r.body_mut() = Bytes::from(r#"{"identity":""}"#)), 400),
            (edited(|r| *r.body_mut() = Bytes::from(r#"{"identity":"u","scopes":[""]}"#)), 400),
            (edited(|r| *r.method_mut() = Method::GET), 404),
        ];
        let mut gateway = gateway();
        for (n, (request, status)) in rows.iter().enumerate() {
            let response = gateway.handle(request, NOW);
            assert_eq!(response.status(), *status, "row {n}");
            assert!(response.body().starts_with(b"{\"error\":"), "row {n}");
        }
        assert_eq!(gateway.counts(), Counts { refused: 6, unknown: 1, ..Counts::default() });
    }

    #[test]
    fn takes_the_headers_that_the_node_sdk_sends_by_mistake() {
        let mut request = ask("secret");
        for (name, value) in
            [("accept-charset", "utf-8"), ("redirect", "follow"), ("referrerpolicy", "no-referrer")]
        {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(gateway().handle(&request, NOW).status(), 200);
    }

    #[test]
    fn serves_a_token_until_it_expires_or_is_revoked() {
        let mut gateway = gateway();
        let call = |token: &str| {
            Request::get("/v1/videos")
                .header(AUTHORIZATION, format!("Bearer {token}"))
                .body("")
                .unwrap()
        };
        let reply = gateway.handle(&ask("secret"), NOW);
        let client = crate::Gateway::new(
            ApiToken::new("secret").unwrap(),
            Identity::new("user-17").unwrap(),
        );
        let token = client.read(&reply).unwrap().token().expose().to_owned();
        assert_eq!(gateway.handle(&call(&token), NOW + 59_999).status(), 200);
        assert_eq!(gateway.handle(&call(&token), NOW + 60_000).status(), 401);
        assert_eq!(
            gateway.handle(&call("secret"), NOW).status(),
            401,
            "an API token is no session"
        );
        assert!(gateway.revoke(&token));
        assert!(!gateway.revoke(&token));
        assert_eq!(gateway.handle(&call(&token), NOW).status(), 401);
        assert_eq!(gateway.counts().served, 1);
        assert_eq!(gateway.counts().unauthorized, 3);
    }

    #[test]
    fn dates_outside_the_range_are_clamped() {
        assert_eq!(date(-1), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(date(NOW + 999), "Tue, 24 Nov 2026 04:00:00 GMT");
    }
}
