//! The other side of the example `oauth`: a token endpoint that rotates refresh tokens, as a server on 127.0.0.1.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use form_urlencoded::byte_serialize;
use http::{HeaderMap, Response, StatusCode};
use tokio::net::TcpListener;

use crate::clocks::seed;

/// A token endpoint. Clones are the same one.
///
/// A refresh token works once, and brings the next. One that is used again was stolen from somebody, who may have the
/// next one: no token of its family works from then on (RFC 9700, section 4.14.2).
#[derive(Debug, Clone)]
pub struct TokenService {
    authorization: String,
    lifetime: Duration,
    /// Each family, and the number of the refresh token in it that works; `None` once it is revoked.
    families: Arc<Mutex<HashMap<u64, Option<u32>>>>,
}

impl TokenService {
    /// Returns a service that knows one client, and makes access tokens of this lifetime, in whole seconds.
    #[must_use]
    pub fn new(id: &str, secret: &str, lifetime: Duration) -> Self {
        let [id, secret] =
            [id, secret].map(|text| byte_serialize(text.as_bytes()).collect::<String>());
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
        Self { authorization, lifetime, families: Arc::default() }
    }

    /// Returns the first refresh token of a family, as a user's login in a browser would bring it.
    #[must_use]
    pub fn log_in(&self) -> String {
        let family = seed();
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        families.insert(family, Some(0));
        format!("refresh-{family:016x}-0")
    }

    /// Answers a request to the token endpoint.
    fn answer(&self, headers: &HeaderMap, form: &[u8]) -> Response<String> {
        let authorization = headers.get(http::header::AUTHORIZATION);
        if authorization.is_none_or(|value| *value != *self.authorization) {
            return refusal(StatusCode::UNAUTHORIZED, "invalid_client");
        }
        let member = |name: &str| form_urlencoded::parse(form).find(|pair| pair.0 == name);
        match member("grant_type").as_ref().map(|pair| &*pair.1) {
            Some("client_credentials") => self.grant(""),
            Some("refresh_token") => {
                match member("refresh_token").and_then(|pair| self.rotate(&pair.1)) {
                    Some(next) => self.grant(&format!(r#","refresh_token":"{next}""#)),
                    None => refusal(StatusCode::BAD_REQUEST, "invalid_grant"),
                }
            }
            _ => refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
        }
    }

    /// Returns the refresh token after this one, which is used up; `None` if it is none, or was used up before.
    fn rotate(&self, token: &str) -> Option<String> {
        let (family, number) = token.strip_prefix("refresh-")?.split_once('-')?;
        let family = u64::from_str_radix(family, 16).ok()?;
        let number: u32 = number.parse().ok()?;
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let current = families.get_mut(&family)?;
        *current = current.filter(|current| *current == number).map(|number| number + 1);
        current.map(|next| format!("refresh-{family:016x}-{next}"))
    }

    fn grant(&self, more: &str) -> Response<String> {
        let (token, seconds) = (seed(), self.lifetime.as_secs());
        reply(
            StatusCode::OK,
            format!(
                r#"{{"access_token":"access-{token:016x}","token_type":"Bearer","expires_in":{seconds}{more}}}"#
            ),
        )
    }

    /// Serves it on a thread, at a port that the system picks, until the process ends. Returns the URL of the token
    /// endpoint.
    ///
    /// # Errors
    /// No port, or no runtime, was to be had.
    pub fn serve(&self) -> io::Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}/token", listener.local_addr()?);
        let answer = |State(service): State<Self>, headers: HeaderMap, form: Bytes| async move {
            service.answer(&headers, &form)
        };
        let router = Router::new().route("/token", post(answer)).with_state(self.clone());
        thread::spawn(move || runtime.block_on(axum::serve(listener, router).into_future()));
        Ok(url)
    }
}

fn refusal(status: StatusCode, error: &str) -> Response<String> {
    reply(status, format!(r#"{{"error":"{error}"}}"#))
}

fn reply(status: StatusCode, body: String) -> Response<String> {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    headers.insert("cache-control", http::HeaderValue::from_static("no-store"));
    reply
}
