//! A gateway that mints session tokens, a backend before it, and a protected API behind it.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, COOKIE, DATE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;

use super::ask::{self, Dialect, Refused, authorization};
use super::fault::Fault;
use super::faulty::{
    corrupt_response, date_error, delay, expiry, grant, http_date, in_the_way, json, refusal, reply,
};
use crate::rng::mix;

/// How long ago a token expired that is dead on arrival, in milliseconds.
const HOUR: i64 = 3_600_000;

/// A VideoKit gateway, as far as its protocol is known; a customer's backend, and a protected API, of
/// this project's making.
///
/// | request | answer |
/// |---|---|
/// | `POST /v1/sessions` with `Authorization: Bearer <API token>` and a JSON body | a session token, with expiry (wire facts, N) |
/// | `POST /v1/sessions` with `Authorization: App token=<API token>` and a JSON body or a form | a session token, without (wire facts, R) |
/// | any method on `/token/<identity>`, with a cookie that isn't refused | a session token for that identity, with expiry, as a backend passes it on (wire facts, A) |
/// | any method on `/token`, without a cookie that is refused | the same for the identity [set](Gateway::set_backend_identity) for it (wire facts, S) |
/// | `GET /` | the text `Session Service` (wire facts, S) |
/// | `GET /v1/videos` with `Authorization: Bearer <session token>` | 200 while that token lives, else 401 |
///
/// A request for a token that isn't right is answered with an `error` that says what is wrong with it: 401 for
/// the API token or the cookie, 415 for the content type, else 400. The identity in a path is percent-decoded; the fields of a form are percent- and plus-decoded.
/// Authorization schemes are compared without regard to case (RFC 9110, 11.1).
///
/// Headers that it doesn't know, such as those that the vendor's Node SDK sends by mistake, change
/// nothing. Host and scheme are not looked at. Time is what `now` says: milliseconds since 1970 on the
/// gateway's own clock. [`Fault`]s of the gateway, and of what stands before it, are applied by
/// [`handle_under`](Gateway::handle_under).
///
/// ```
/// use std::hash::{BuildHasher, Hasher, RandomState};
/// use std::time::Duration;
/// use videokit_session::{ApiToken, Identity};
/// use videokit_session::sim;
///
/// let seed = RandomState::new().build_hasher().finish();
/// let mut server = sim::Gateway::new("my-app:my-secret", Duration::from_secs(60), seed);
/// let user = Identity::new("user-17")?;
/// let client = videokit_session::Gateway::new(ApiToken::new("my-app:my-secret")?, user);
///
/// let response = server.handle(&client.request(), 1_795_492_800_000);
/// let grant = client.read(&response)?;
/// assert_eq!(grant.expires_at(), Some("2026-11-24T04:01:00Z"));
/// assert_eq!(server.counts().granted, 1);
///
/// let slow = sim::Fault::Slow { ms: 2_000 };
/// let faults = [sim::Fault::Portal, slow];
/// let late = server.handle_under(&faults, &client.request(), 1_795_492_800_000);
/// assert_eq!(late.delay, Duration::from_secs(2));
/// assert!(client.read(&late.response).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The seed
///
/// The seed makes the tokens: the n-th token of a gateway follows from seed and n. So a gateway that is
/// made again with the same seed, after a restart for example, hands out the same tokens again, **to
/// whoever asks then**: one user gets a token that another one had, and the API takes it from both. Use a
/// fixed seed where a test has to be repeated exactly, and a random one everywhere else.
///
/// # Memory
///
/// A gateway keeps each token that it made until the token expires or is revoked. Expired ones are dropped
/// with the next token that is made. So it never keeps more tokens than it made within one lifetime (the
/// longest, if [`set_lifetime`](Gateway::set_lifetime) has changed it), and one more. What it
/// [accepts](Gateway::accept) and [refuses](Gateway::refuse), it keeps for good.
#[derive(Clone)]
pub struct Gateway {
    api_tokens: BTreeSet<String>,
    refused: BTreeSet<String>,
    lifetime: u64,
    whole_seconds: bool,
    seed: u64,
    /// For whom `GET /token` grants.
    backend_identity: Option<String>,
    issued: BTreeMap<String, Issued>,
    /// The same tokens by the ends of their lives.
    expiring: BTreeSet<(i64, String)>,
    newest: Option<String>,
    counts: Counts,
}

#[derive(Clone)]
struct Issued {
    identity: String,
    expires_at: i64,
}

/// The counters of a [`Gateway`].
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
    /// Requests that were answered with 404.
    pub unknown: u64,
    /// Requests that a fault kept from being processed.
    pub kept_away: u64,
}

/// A reply, and how late it is. A gateway has no clock to wait on: that is its caller's part.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct DelayedResponse {
    /// The reply.
    pub response: Response<Bytes>,
    /// The time that it takes in addition to the usual: the sum of all [`Fault::Slow`], none without.
    pub delay: Duration,
}

impl Gateway {
    /// A gateway that knows one API token, and mints tokens of this lifetime. The seed makes the tokens: two
    /// gateways with one seed hand out the same ones.
    #[must_use]
    pub fn new(api_token: &str, lifetime: Duration, seed: u64) -> Self {
        Self {
            api_tokens: BTreeSet::from([api_token.to_owned()]),
            refused: BTreeSet::new(),
            lifetime: crate::time::millis(lifetime),
            whole_seconds: false,
            seed,
            backend_identity: None,
            issued: BTreeMap::new(),
            expiring: BTreeSet::new(),
            newest: None,
            counts: Counts::default(),
        }
    }

    /// Answers one request.
    pub fn handle<B: AsRef<[u8]>>(&mut self, request: &Request<B>, now: i64) -> Response<Bytes> {
        self.handle_under(&[], request, now).response
    }

    /// Answers one request, while these faults last. [`Fault::Slow`] is handed out as a delay. Other faults
    /// of networks, and those of devices and apps, change nothing here.
    pub fn handle_under<B: AsRef<[u8]>>(
        &mut self,
        faults: &[Fault],
        request: &Request<B>,
        now: i64,
    ) -> DelayedResponse {
        let date = now.saturating_add(date_error(faults));
        let kept_away = in_the_way(faults, request.uri().path(), date);
        let mut response = if let Some(response) = kept_away {
            self.counts.kept_away = self.counts.kept_away.saturating_add(1);
            response
        } else {
            self.route(faults, request, now)
        };
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().extend([(DATE, http_date(date)), (CACHE_CONTROL, no_store)]);
        corrupt_response(faults, &mut response);
        DelayedResponse { response, delay: delay(faults) }
    }

    /// Sets the identity that a `GET` of `/token` grants for: whoever is logged in at the backend, which
    /// a request of that kind doesn't say. Without one, such a request is answered with 400.
    pub fn set_backend_identity(&mut self, identity: &str) {
        self.backend_identity = Some(identity.to_owned());
    }

    /// Adds an API token that is accepted from now on.
    pub fn accept(&mut self, api_token: &str) {
        self.api_tokens.insert(api_token.to_owned());
    }

    /// Refuses an API token or a cookie from now on. The session tokens that it got live on.
    pub fn refuse(&mut self, secret: &str) {
        self.api_tokens.remove(secret);
        self.refused.insert(secret.to_owned());
    }

    /// Forgets a token: API calls with it are answered 401 from now on. Returns whether it was known.
    pub fn revoke(&mut self, token: &str) -> bool {
        let Some((token, issued)) = self.issued.remove_entry(token) else { return false };
        self.expiring.remove(&(issued.expires_at, token));
        true
    }

    /// Forgets every token, as [`revoke`](Self::revoke) does with one.
    pub fn revoke_all(&mut self) {
        self.issued.clear();
        self.expiring.clear();
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

    /// Returns when a token expires, in milliseconds since 1970 on the gateway's own clock; `None` for one that
    /// was never made, was revoked, or has expired and was dropped.
    #[must_use]
    pub fn expires_at(&self, token: &str) -> Option<i64> {
        Some(self.issued.get(token)?.expires_at)
    }

    /// Returns the token that was made last, unless it was revoked, and when it expires, as
    /// [`expires_at`](Self::expires_at) does.
    #[must_use]
    pub fn newest(&self) -> Option<(&str, i64)> {
        let token = self.newest.as_deref()?;
        Some((token, self.expires_at(token)?))
    }

    /// Returns the identity that a token is for; `None` as for [`expires_at`](Self::expires_at).
    #[must_use]
    pub fn identity_of(&self, token: &str) -> Option<&str> {
        Some(&self.issued.get(token)?.identity)
    }

    /// Returns the counters.
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
        let asked = match (request.method(), request.uri().path()) {
            (&Method::POST, "/v1/sessions") => self.check(request),
            (&Method::GET, "/v1/videos") => return self.videos(request, now),
            // The backend's answer (wire facts, S).
            (&Method::GET, "/") => {
                return reply(StatusCode::OK, "text/html; charset=utf-8", "Session Service");
            }
            (_, path) if path == "/token" || path.starts_with("/token/") => {
                self.check_backend(request)
            }
            _ => {
                self.counts.unknown = self.counts.unknown.saturating_add(1);
                return refusal(StatusCode::NOT_FOUND, "no such resource");
            }
        };
        match asked {
            Ok((identity, dialect)) => self.mint(faults, identity, dialect, now),
            Err((status, error)) => {
                self.counts.refused = self.counts.refused.saturating_add(1);
                refusal(status, &error)
            }
        }
    }

    fn mint(
        &mut self,
        faults: &[Fault],
        mut identity: String,
        dialect: Dialect,
        now: i64,
    ) -> Response<Bytes> {
        self.counts.granted = self.counts.granted.saturating_add(1);
        let token = format!("st-{:016x}", mix(self.seed ^ mix(self.counts.granted)));
        let mut expires_at = now.saturating_add_unsigned(self.lifetime);
        let mut unreadable = None;
        let mut stated = dialect == Dialect::Current;
        for fault in faults {
            match fault {
                Fault::ExpiredToken => expires_at = now.saturating_sub(HOUR),
                Fault::ExpiryMissing => stated = false,
                Fault::ExpiryUnreadable => unreadable = Some("next Tuesday".to_owned()),
                Fault::AnotherIdentity => identity.push_str("-else"),
                _ => {}
            }
        }
        let precision = if self.whole_seconds { 1_000 } else { 1 };
        let written = expires_at.saturating_sub(expires_at.rem_euclid(precision));
        let text = unreadable.or_else(|| expiry(written)).filter(|_| stated);
        let body = grant(dialect, &token, &identity, text.as_deref());
        self.keep(token, Issued { identity, expires_at }, now);
        json(StatusCode::OK, body)
    }

    /// Keeps a token until it expires, and drops those that have.
    fn keep(&mut self, token: String, issued: Issued, now: i64) {
        while let Some((expires_at, _)) = self.expiring.first()
            && *expires_at <= now
            && let Some((_, token)) = self.expiring.pop_first()
        {
            self.issued.remove(&token);
        }
        self.newest = Some(token.clone());
        self.expiring.insert((issued.expires_at, token.clone()));
        self.issued.insert(token, issued);
    }

    /// Checks a request for a session token as a strict gateway would. Returns the identity and the
    /// dialect.
    fn check<B: AsRef<[u8]>>(&self, request: &Request<B>) -> Result<(String, Dialect), Refused> {
        match authorization(request) {
            Some((dialect, token)) if self.api_tokens.contains(token) => {
                Ok((ask::identity(request, dialect)?, dialect))
            }
            _ => Err((StatusCode::UNAUTHORIZED, "unknown API token".into())),
        }
    }

    /// Checks a request to the backend: its cookie isn't refused, and there is one if the path names an identity.
    fn check_backend<B>(&self, request: &Request<B>) -> Result<(String, Dialect), Refused> {
        let named = request.uri().path().strip_prefix("/token/");
        let cookie = request.headers().get(COOKIE).and_then(|cookie| cookie.to_str().ok());
        if cookie.map_or(named.is_some(), |cookie| self.refused.contains(cookie)) {
            return Err((StatusCode::UNAUTHORIZED, "nobody is logged in".into()));
        }
        let unset = "no identity is set for `/token`: call `set_backend_identity`, or ask at \
                     `/token/<identity>`";
        let identity = match named {
            Some(rest) => ask::from_path(rest)?,
            None => self.backend_identity.clone().ok_or_else(|| ask::bad_request(unset))?,
        };
        Ok((identity, Dialect::Current))
    }

    fn videos<B>(&mut self, request: &Request<B>, now: i64) -> Response<Bytes> {
        let issued = match authorization(request) {
            Some((Dialect::Current, token)) => self.issued.get(token),
            _ => None,
        };
        if let Some(issued) = issued.filter(|issued| now < issued.expires_at) {
            self.counts.served = self.counts.served.saturating_add(1);
            let identity = Value::from(issued.identity.as_str());
            json(StatusCode::OK, format!(r#"{{"videos":[],"identity":{identity}}}"#))
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

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, CONTENT_TYPE};

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
