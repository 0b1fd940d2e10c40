//! What a typical app writes for itself: the token in an `Arc<tokio::sync::RwLock>`, owned serde structs, chrono,
//! and `format!("Bearer {token}")` for every request.

use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use serde::{Deserialize, Serialize};
use tokio::sync::RwLock;
use videokit_session_bench::Column;

use crate::case::Case;
use crate::fixtures;

#[derive(Serialize)]
struct CreateSession {
    identity: String,
    scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionResponse {
    session_token: String,
    expires_at: DateTime<Utc>,
    identity: String,
}

struct Client {
    base_url: String,
    api_token: String,
    identity: String,
    scopes: Vec<String>,
    session: Arc<RwLock<Option<SessionResponse>>>,
}

impl Client {
    fn new() -> Self {
        Self {
            base_url: fixtures::BASE.into(),
            api_token: fixtures::API_TOKEN.into(),
            identity: fixtures::IDENTITY.into(),
            scopes: fixtures::SCOPES.map(String::from).to_vec(),
            session: Arc::new(RwLock::new(None)),
        }
    }

    fn request(&self) -> Request<Vec<u8>> {
        let body = CreateSession { identity: self.identity.clone(), scopes: self.scopes.clone() };
        Request::builder()
            .method("POST")
            .uri(format!("{}/v1/sessions", self.base_url))
            .header("Authorization", format!("Bearer {}", self.api_token))
            .header("Content-Type", "application/json")
            .header("Accept", "application/json")
            .body(serde_json::to_vec(&body).unwrap())
            .unwrap()
    }

    async fn consume(&self, body: &[u8]) {
        let response: SessionResponse = serde_json::from_slice(body).unwrap();
        *self.session.write().await = Some(response);
    }

    /// Returns the token if it has more than a minute to live.
    async fn token(&self) -> String {
        let session = self.session.read().await;
        let session = session.as_ref().expect("a login");
        assert!(session.expires_at - chrono::Duration::seconds(60) > Utc::now(), "expired");
        session.session_token.clone()
    }

    async fn authorize(&self, request: &mut Request<()>) {
        let token = self.token().await;
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }

    async fn renewal_due(&self) -> tokio::time::Instant {
        let session = self.session.read().await;
        let expires_at = session.as_ref().expect("a login").expires_at;
        let left = expires_at - Utc::now() - chrono::Duration::seconds(60);
        tokio::time::Instant::now() + left.to_std().unwrap_or(Duration::ZERO)
    }
}

/// Returns the fixture's body with an expiry of the same length that is far away, since this client reads the
/// true clock.
fn body() -> Vec<u8> {
    fixtures::body(&fixtures::token(), &fixtures::EXPIRES_AT.replace("2026", "2126")).into_bytes()
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(work);
}

async fn active(body: &[u8]) -> Client {
    let client = Client::new();
    client.consume(body).await;
    let identity = client.session.read().await.as_ref().map(|session| session.identity.clone());
    assert_eq!(identity.as_deref(), Some(fixtures::IDENTITY));
    client
}

fn request(n: u64) {
    let client = Client::new();
    for _ in 0..n {
        black_box(black_box(&client).request());
    }
}

fn consume(n: u64) {
    let (client, body) = (Client::new(), body());
    block_on(async {
        for _ in 0..n {
            black_box(&client).consume(black_box(&body)).await;
        }
    });
}

fn authorize(n: u64) {
    block_on(async {
        let (client, mut request) = (active(&body()).await, fixtures::api_request());
        for _ in 0..n {
            black_box(&client).authorize(&mut request).await;
            black_box(&mut request);
        }
        fixtures::assert_authorized(&request);
    });
}

fn renew(n: u64) {
    let body = body();
    block_on(async {
        let client = active(&body).await;
        for _ in 0..n {
            black_box(client.request());
            black_box(&client).consume(black_box(&body)).await;
        }
    });
}

fn cycle(n: u64) {
    let body = body();
    block_on(async {
        let (client, mut request) = (Client::new(), fixtures::api_request());
        for _ in 0..n {
            black_box(client.request());
            client.consume(black_box(&body)).await;
            for _ in 0..10 {
                black_box(&client).authorize(&mut request).await;
                black_box(&mut request);
            }
            black_box(client.renewal_due().await);
            black_box(client.request());
            client.consume(black_box(&body)).await;
        }
        fixtures::assert_authorized(&request);
    });
}

pub(crate) const CASES: &[Case] = &[
    Case::new(&["request"], Column::Handwritten, request),
    Case::new(&["consume-undated"], Column::Handwritten, consume),
    Case::new(&["authorize"], Column::Handwritten, authorize),
    Case::new(&["renew"], Column::Handwritten, renew),
    Case::new(&["cycle10", "cycle10-undated"], Column::Handwritten, cycle),
];
