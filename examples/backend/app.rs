//! The routes, and a login to be replaced by your own.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use lru::LruCache;
use videokit_session::Identity;

use super::tokens::Tokens;

/// The longest body of a request, in bytes. An identity has at most 1,024.
const BODY_LIMIT: usize = 4_096;

/// How long a login may take, its body included.
const LONGEST_LOGIN: Duration = Duration::from_secs(10);

/// How many users are logged in. The one who called least recently makes room for another.
const MOST_LOGINS: NonZeroUsize = NonZeroUsize::new(20_000).expect("it is not 0");

#[derive(Clone)]
struct App {
    tokens: Arc<Tokens>,
    logins: Arc<Mutex<LruCache<u128, Identity>>>,
}

pub(super) fn router(tokens: Arc<Tokens>) -> Router {
    let app = App { tokens, logins: Arc::new(Mutex::new(LruCache::new(MOST_LOGINS))) };
    Router::new()
        .route("/", get(|| async { "Session Service" }))
        .route("/login", post(login).layer(middleware::from_fn(in_time)))
        .route("/token", get(token))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(app)
}

/// Hands out a token for the identity of the caller's login. Nothing else in the request has a say.
async fn token(State(app): State<App>, headers: HeaderMap) -> Response {
    match app.identity(&headers) {
        Some(identity) => app.tokens.reply(&identity).await.map(Into::into),
        None => refuse(StatusCode::UNAUTHORIZED, "nobody is logged in: POST to /login"),
    }
}

/// Logs in whoever comes under the name that they state: for a demonstration only. Your own login goes here: a
/// password, a passkey, or a framework's session. All that `/token` needs is an identity that the caller has proved.
async fn login(State(app): State<App>, body: Bytes) -> Response {
    let user = form_urlencoded::parse(&body).find(|(name, _)| name == "user");
    let Some(Ok(identity)) = user.map(|(_, user)| Identity::new(user)) else {
        return refuse(StatusCode::BAD_REQUEST, "the form field `user` is missing or too long");
    };
    // The cookie says nothing, and can't be guessed.
    let mut id = [0; 16];
    if getrandom::fill(&mut id).is_err() {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "no login can be made: try again later");
    }
    let id = u128::from_ne_bytes(id);
    app.logins.lock().unwrap_or_else(PoisonError::into_inner).put(id, identity);
    // Add `Secure` where your users come by https.
    let cookie = format!("session={id:032x}; HttpOnly; SameSite=Strict; Path=/");
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie), (CACHE_CONTROL, "no-store".to_owned())])
        .into_response()
}

impl App {
    fn identity(&self, headers: &HeaderMap) -> Option<Identity> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies = lines.flat_map(|line| line.split(';')).map(str::trim);
        let id = cookies.find_map(|cookie| cookie.strip_prefix("session="))?;
        let id = u128::from_str_radix(id, 16).ok()?;
        self.logins.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}

async fn in_time(request: Request, next: Next) -> Response {
    let reply = tokio::time::timeout(LONGEST_LOGIN, next.run(request)).await;
    reply.unwrap_or_else(|_| refuse(StatusCode::REQUEST_TIMEOUT, "the call took too long"))
}

/// Answers with an `error`, as the replies of the library do.
fn refuse(status: StatusCode, error: &str) -> Response {
    let body = format!(r#"{{"error":"{error}"}}"#);
    (status, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body)
        .into_response()
}
