//! The crate `oauth2`: the client-credentials grant, sent by a closure that returns a canned reply.

use std::convert::Infallible;
use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request};
use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, Scope,
    TokenResponse, TokenUrl,
};
use videokit_session_bench::Column;

use crate::case::Case;
use crate::fixtures;

type Client =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// How long before the expiry a token is renewed.
const MARGIN: Duration = Duration::from_secs(60);

fn client() -> Client {
    BasicClient::new(ClientId::new(fixtures::IDENTITY.into()))
        .set_client_secret(ClientSecret::new(fixtures::API_TOKEN.into()))
        .set_token_uri(TokenUrl::new(fixtures::URL.into()).unwrap())
}

fn canned_reply(body: &str) -> HttpResponse {
    let mut reply = HttpResponse::new(body.as_bytes().to_vec());
    let json = HeaderValue::from_static("application/json");
    reply.headers_mut().insert(CONTENT_TYPE, json);
    reply
}

fn exchange(client: &Client, body: &str) -> BasicTokenResponse {
    let send = |request: HttpRequest| -> Result<HttpResponse, Infallible> {
        black_box(request);
        Ok(canned_reply(body))
    };
    client
        .exchange_client_credentials()
        .add_scope(Scope::new(fixtures::SCOPES[0].into()))
        .add_scope(Scope::new(fixtures::SCOPES[1].into()))
        .request(&send)
        .unwrap()
}

struct Session {
    token: BasicTokenResponse,
    expires_at: Instant,
}

impl Session {
    fn new(client: &Client, body: &str) -> Self {
        let token = exchange(client, body);
        let expires_at = Instant::now() + token.expires_in().unwrap();
        Self { token, expires_at }
    }

    fn renewal_due(&self) -> Instant {
        self.expires_at.checked_sub(MARGIN).unwrap()
    }

    fn authorize(&self, request: &mut Request<()>) {
        assert!(self.expires_at > Instant::now() + MARGIN, "expired");
        let text = format!("Bearer {}", self.token.access_token().secret());
        let value = HeaderValue::from_str(&text).unwrap();
        request.headers_mut().insert(AUTHORIZATION, value);
    }
}

/// The transport fails, so no reply is read.
fn request(n: u64) {
    let client = client();
    let send = |request: HttpRequest| -> io::Result<HttpResponse> {
        black_box(request);
        Err(io::ErrorKind::NotConnected.into())
    };
    for _ in 0..n {
        let answer = black_box(&client)
            .exchange_client_credentials()
            .add_scope(Scope::new(fixtures::SCOPES[0].into()))
            .add_scope(Scope::new(fixtures::SCOPES[1].into()))
            .request(&send);
        let _ = black_box(answer);
    }
}

/// Not the crate's work, so it is subtracted.
fn canned(n: u64) {
    let body = fixtures::oauth_body();
    for _ in 0..n {
        black_box(canned_reply(black_box(&body)));
    }
}

fn renew(n: u64) {
    let (client, body) = (client(), fixtures::oauth_body());
    for _ in 0..n {
        black_box(exchange(black_box(&client), black_box(&body)));
    }
}

fn authorize(n: u64) {
    let session = Session::new(&client(), &fixtures::oauth_body());
    let mut request = fixtures::api_request();
    for _ in 0..n {
        black_box(&session).authorize(&mut request);
        black_box(&mut request);
    }
    fixtures::assert_authorized(&request);
}

fn cycle(n: u64) {
    let (client, body) = (client(), fixtures::oauth_body());
    let mut request = fixtures::api_request();
    for _ in 0..n {
        let session = Session::new(black_box(&client), black_box(&body));
        for _ in 0..10 {
            black_box(&session).authorize(&mut request);
            black_box(&mut request);
        }
        black_box(session.renewal_due());
        black_box(exchange(black_box(&client), black_box(&body)));
    }
    fixtures::assert_authorized(&request);
}

pub(crate) const CASES: &[Case] = &[
    Case::new(&["canned-reply"], Column::Oauth2, canned),
    Case::new(&["request"], Column::Oauth2, request),
    Case::new(&["authorize"], Column::Oauth2, authorize),
    Case::new(&["renew"], Column::Oauth2, renew).less("canned-reply/oauth2", 1),
    Case::new(&["cycle10", "cycle10-undated"], Column::Oauth2, cycle)
        .less("canned-reply/oauth2", 2),
];
