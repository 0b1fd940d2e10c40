//! The control page: what it shows, and who may use it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use futures_util::stream;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::faults::{self, BUTTONS};
use super::simulation::{By, Simulation};

/// How many pages can listen at a time.
pub(crate) const LISTENERS: usize = 16;

/// The least time between two events to one page: what happens meanwhile comes together.
const PAUSE: Duration = Duration::from_millis(50);

/// Nothing from elsewhere, nothing inline, in nobody's frame. The icon is an empty `data:` URL.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Clone)]
struct Control {
    simulation: Simulation,
    listeners: Arc<Semaphore>,
}

/// Returns the routes of the control page.
pub(crate) fn router(simulation: Simulation) -> Router {
    let page = include_str!("page/page.html").replace("<!-- buttons -->", &faults::html());
    let text = |kind: &'static str, text: String| {
        get(async move || ([(CONTENT_TYPE, HeaderValue::from_static(kind))], text))
    };
    Router::new()
        .route("/", text("text/html; charset=utf-8", page))
        .route("/page.css", text("text/css", include_str!("page/page.css").to_owned()))
        .route("/page.js", text("text/javascript", include_str!("page/page.js").to_owned()))
        .route("/events", get(events))
        .route("/faults/{name}", put(set).delete(set))
        .route("/revoke", post(revoke))
        .layer(from_fn(guard))
        .with_state(Control { simulation, listeners: Arc::new(Semaphore::new(LISTENERS)) })
}

/// Refuses requests that other sites make a browser send, and sets the headers of each reply.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = match refusal(&request) {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    };
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(headers);
    response
}

/// Returns why a request is refused, if it is.
fn refusal(request: &Request) -> Option<&'static str> {
    // The name of another site may lead here, too: its owner decides (DNS rebinding).
    let Some(host) = only(request.headers(), &HOST).filter(|host| is_loopback(host)) else {
        return Some("the Host has to be a loopback address: 127.0.0.1, localhost or [::1]\n");
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_own = match only(request.headers(), &ORIGIN) {
        Some(origin) => origin.strip_prefix("http://") == Some(host),
        None => reads && !request.headers().contains_key(ORIGIN),
    };
    if !is_own {
        return Some("the Origin has to be this page's, such as http://127.0.0.1:8701\n");
    }
    // A picture of another site's page could point here, and take a listener's place.
    let site = only(request.headers(), &HeaderName::from_static("sec-fetch-site"));
    if !matches!(site, None | Some("same-origin" | "none")) && request.uri().path() != "/" {
        return Some("only the page's own requests are answered here\n");
    }
    None
}

/// Returns the value of a header that comes once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn is_loopback(host: &str) -> bool {
    let names = ["127.0.0.1", "localhost", "[::1]"];
    let end = names.iter().find_map(|name| host.strip_prefix(name));
    let is_port = |end: &str| end.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    end.is_some_and(|end| end.is_empty() || is_port(end))
}

/// Sends what has happened so far, and then what happens. A page that is slow gets more at a time, and in the
/// worst case only what is kept.
async fn events(State(control): State<Control>) -> Response {
    let Ok(permit) = control.listeners.try_acquire_owned() else {
        let why = "too many pages are open: close one\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let first = (control.simulation.changes(), None, permit);
    let events = stream::unfold(first, move |(mut changes, seen, permit)| {
        let simulation = control.simulation.clone();
        async move {
            let name = if seen.is_some() {
                changes.changed().await.ok()?;
                sleep(PAUSE).await;
                "change"
            } else {
                "snapshot"
            };
            changes.mark_unchanged();
            let (news, last) = simulation.since(seen.unwrap_or(0));
            let event = Event::default().event(name).data(news);
            Some((Ok::<_, Infallible>(event), (changes, Some(last), permit)))
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// Begins a fault (PUT), or ends it (DELETE).
async fn set(
    State(control): State<Control>,
    Path(name): Path<String>,
    method: Method,
) -> StatusCode {
    let Some(button) = BUTTONS.iter().find(|button| faults::name(button.fault) == name) else {
        return StatusCode::NOT_FOUND;
    };
    control.simulation.set(button.fault, By::Hand, method == Method::PUT);
    StatusCode::NO_CONTENT
}

async fn revoke(State(control): State<Control>) -> StatusCode {
    control.simulation.revoke();
    StatusCode::NO_CONTENT
}
