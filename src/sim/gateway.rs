//! A gateway that mints session tokens, a backend before it, and a protected API behind it.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, DATE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::faulty::{date_error, http_date, in_the_way, json, maim, refusal};
use crate::session::mix;

/// How long ago a token expired that is dead on arrival, in milliseconds.
const HOUR: i64 = 3_600_000;

/// A VideoKit gateway, as far as its protocol is known; a customer's backend, and a protected API, of
/// this project's making.
///
/// | request | answer |
/// |---|---|
/// | `POST /v1/sessions` with `Authorization: Bearer <API token>` | a session token, with expiry (wire facts, N) |
/// | `POST /v1/sessions` with `Authorization: App token=<API token>` | a session token, without (wire facts, R) |
/// | any method on `/token/<identity>`, with a cookie that isn't refused | a session token for that identity, with expiry, as a backend passes it on |
/// | `GET /v1/videos` with `Authorization: Bearer <session token>` | 200 while that token lives, else 401 |
///
/// Headers that it doesn't know, such as those that the vendor's Node SDK sends by mistake, change
/// nothing. Host and scheme are not looked at. Time is what `now` says: milliseconds since 1970 on the
/// gateway's own clock. [`Fault`]s of the gateway, and of what stands before it, are applied by
/// [`handle_under`](Gateway::handle_under).
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
///
/// let response = server.handle_under(&[sim::Fault::Portal], &client.request(), 1_795_492_800_000);
/// assert!(client.read(&response).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Gateway {
    api_tokens: BTreeSet<String>,
    refused: BTreeSet<String>,
    lifetime: u64,
    whole_seconds: bool,
    seed: u64,
    issued: BTreeMap<String, Issued>,
    newest: Option<String>,
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
    /// Requests that a fault kept from being processed.
    pub kept_away: u64,
}

/// A request for a session token, as it was understood.
#[derive(Deserialize)]
struct Ask {
    identity: String,
    #[serde(default)]
    scopes: Vec<String>,
}

/// How a granting reply is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Current,
    Older,
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
struct Videos<'a> {
    videos: [&'a str; 0],
    identity: &'a str,
}

type Refused = (StatusCode, &'static str);

impl Gateway {
    /// A gateway that knows one API token, and mints tokens of this lifetime. The seed makes the tokens.
    #[must_use]
    pub fn new(api_token: &str, lifetime: Duration, seed: u64) -> Self {
        Self {
            api_tokens: BTreeSet::from([api_token.to_owned()]),
            refused: BTreeSet::new(),
            lifetime: crate::time::millis(lifetime),
            whole_seconds: false,
            seed,
            issued: BTreeMap::new(),
            newest: None,
            counts: Counts::default(),
        }
    }

    /// Answers one request.
    pub fn handle<B: AsRef<[u8]>>(&mut self, request: &Request<B>, now: i64) -> Response<Bytes> {
        self.handle_under(&[], request, now)
    }

    /// Answers one request, while these faults last. Those of networks, devices and apps change nothing
    /// here.
    pub fn handle_under<B: AsRef<[u8]>>(
        &mut self,
        faults: &[Fault],
        request: &Request<B>,
        now: i64,
    ) -> Response<Bytes> {
        let path = request.uri().path();
        let for_token = path == "/v1/sessions" || path.starts_with("/token/");
        let date = now.saturating_add(date_error(faults));
        let mut response = if let Some(response) = in_the_way(faults, for_token, date) {
            self.counts.kept_away = self.counts.kept_away.saturating_add(1);
            response
        } else {
            self.route(faults, request, now)
        };
        let headers = response.headers_mut();
        headers.insert(DATE, http_date(date));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        maim(faults, &mut response);
        response
    }

    /// Knows another API token from now on.
    pub fn accept(&mut self, api_token: &str) {
        self.api_tokens.insert(api_token.to_owned());
    }

    /// Refuses an API token or a cookie from now on. The session tokens that it got live on.
    pub fn refuse(&mut self, secret: &str) {
        self.api_tokens.remove(secret);
        self.refused.insert(secret.to_owned());
    }

    /// Forgets a token: API calls with it are answered 401 from now on. Says whether it was known.
    pub fn revoke(&mut self, token: &str) -> bool {
        self.issued.remove(token).is_some()
    }

    /// Forgets every token, as [`revoke`](Self::revoke) does with one.
    pub fn revoke_all(&mut self) {
        self.issued.clear();
    }

    /// Mints tokens of this lifetime from now on. Those that are out keep theirs.
    pub fn set_lifetime(&mut self, lifetime: Duration) {
        self.lifetime = crate::time::millis(lifetime);
    }

    /// Writes `expiresAt` in whole seconds from now on, cut, or in milliseconds. Tokens live on to their
    /// true end.
    pub fn set_whole_seconds(&mut self, whole_seconds: bool) {
        self.whole_seconds = whole_seconds;
    }

    /// When a token expires, in milliseconds since 1970 on the gateway's own clock; `None` for one that
    /// was never made, or was revoked.
    #[must_use]
    pub fn expires_at(&self, token: &str) -> Option<i64> {
        Some(self.issued.get(token)?.expires_at)
    }

    /// The token that was made last, unless it was revoked, and when it expires.
    pub(super) fn newest(&self) -> Option<(&str, i64)> {
        let token = self.newest.as_deref()?;
        Some((token, self.expires_at(token)?))
    }

    /// For whom a token is.
    #[must_use]
    pub fn identity_of(&self, token: &str) -> Option<&str> {
        Some(&self.issued.get(token)?.identity)
    }

    /// What the gateway has done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn route<B: AsRef<[u8]>>(
        &mut self,
        faults: &[Fault],
        request: &Request<B>,
        now: i64,
    ) -> Response<Bytes> {
        let ask = match (request.method(), request.uri().path()) {
            (&Method::POST, "/v1/sessions") => self.check(request),
            (&Method::GET, "/v1/videos") => return self.videos(request, now),
            (_, path) => {
                let Some(identity) = path.strip_prefix("/token/") else {
                    self.counts.unknown = self.counts.unknown.saturating_add(1);
                    return refusal(StatusCode::NOT_FOUND, "no such resource");
                };
                self.check_login(request, identity)
            }
        };
        match ask {
            Ok((ask, dialect)) => self.mint(faults, &ask, dialect, now),
            Err((status, error)) => {
                self.counts.refused = self.counts.refused.saturating_add(1);
                refusal(status, error)
            }
        }
    }

    fn mint(&mut self, faults: &[Fault], ask: &Ask, dialect: Dialect, now: i64) -> Response<Bytes> {
        self.counts.granted = self.counts.granted.saturating_add(1);
        let token = format!("st-{:016x}", mix(self.seed ^ mix(self.counts.granted)));
        let mut identity = ask.identity.clone();
        let mut expires_at = now.saturating_add_unsigned(self.lifetime);
        let mut text = None;
        let mut stated = true;
        for fault in faults {
            match fault {
                Fault::ExpiredToken => expires_at = now.saturating_sub(HOUR),
                Fault::ExpiryMissing => stated = false,
                Fault::ExpiryUnreadable => text = Some("next Tuesday".to_owned()),
                Fault::AnotherIdentity => identity.push_str("-else"),
                _ => {}
            }
        }
        let precision = if self.whole_seconds { 1_000 } else { 1 };
        let written = expires_at.saturating_sub(expires_at.rem_euclid(precision));
        let text = text.or_else(|| Some(Timestamp::from_millisecond(written).ok()?.to_string()));
        let grant = match dialect {
            Dialect::Current => Grant {
                session_token: Some(&token),
                expires_at: text.filter(|_| stated),
                identity: &identity,
                ..Grant::default()
            },
            Dialect::Older => {
                Grant { session_key: Some(&token), identity: &identity, ..Grant::default() }
            }
        };
        let response = json(StatusCode::OK, &grant);
        self.newest = Some(token.clone());
        self.issued.insert(token, Issued { identity, expires_at });
        response
    }

    /// Checks a request for a session token as a strict gateway would. Says in which dialect it is.
    fn check<B: AsRef<[u8]>>(&self, request: &Request<B>) -> Result<(Ask, Dialect), Refused> {
        let dialect = match authorization(request) {
            Some((Scheme::Bearer, token)) if self.api_tokens.contains(token) => Dialect::Current,
            Some((Scheme::App, token)) if self.api_tokens.contains(token) => Dialect::Older,
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
        Ok((ask, dialect))
    }

    /// Checks a login at the backend: a cookie, and one that isn't refused.
    fn check_login<B>(
        &self,
        request: &Request<B>,
        identity: &str,
    ) -> Result<(Ask, Dialect), Refused> {
        let cookie = request.headers().get(COOKIE).and_then(|value| value.to_str().ok());
        if cookie.is_none_or(|cookie| self.refused.contains(cookie)) {
            return Err((StatusCode::UNAUTHORIZED, "nobody is logged in"));
        }
        let ask = Ask { identity: identity.to_owned(), scopes: Vec::new() };
        Ok((ask, Dialect::Current))
    }

    fn videos<B>(&mut self, request: &Request<B>, now: i64) -> Response<Bytes> {
        let issued = match authorization(request) {
            Some((Scheme::Bearer, token)) => self.issued.get(token),
            _ => None,
        };
        if let Some(issued) = issued.filter(|issued| now < issued.expires_at) {
            self.counts.served = self.counts.served.saturating_add(1);
            json(StatusCode::OK, &Videos { videos: [], identity: &issued.identity })
        } else {
            self.counts.unauthorized = self.counts.unauthorized.saturating_add(1);
            refusal(StatusCode::UNAUTHORIZED, "no live session token")
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
}
