//! One request to a backend of the user's: `--backend URL`. Says what the reply is, and what to change.

use std::error::Error;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{Response, StatusCode, Uri};
use videokit_session::exchange::{BODY_LIMIT, DenialKind, Endpoint, Flaw};
use videokit_session::{Backend, Grant, Identity, TransportFailure};

use crate::timeline::without_query;
use crate::transport::Transport;

/// As long as a driver waits by default.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What is in the code of the vendor's example (wire facts, S).
const PLACEHOLDER: &str = "END_USER_ID";

const WRITE_JSON: &str = "build the reply with a JSON function in place of a string: in Express, \
                          `res.json({ sessionToken, expiresAt, identity })`";

/// A backend, and how it knows who is asking.
pub(crate) struct Probe {
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) identity: Option<Identity>,
}

impl Probe {
    /// Asks, and explains the reply.
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let mut backend = Backend::new(self.endpoint);
        for (name, value) in self.headers {
            backend = backend.header(name, value);
        }
        if let Some(identity) = self.identity {
            backend = backend.identity(identity);
        }
        let request = backend.request();
        println!("GET {}", without_query(request.uri()));
        let sent = Transport::global().send(request, TIMEOUT, BODY_LIMIT);
        let reply = sent.map_err(|why| format!("{why}: {}", no_reply(why)))?;
        println!("{}", describe(&reply));
        match backend.read(&reply) {
            Ok(grant) => {
                for line in granted(&grant, &reply) {
                    println!("{line}");
                }
                Ok(())
            }
            Err(denial) => {
                Err(format!("{denial}\nTo mend it: {}", mend(denial.kind(), &reply)).into())
            }
        }
    }
}

/// The reply, without anything that may be secret.
fn describe(reply: &Response<Vec<u8>>) -> String {
    let header =
        |name| reply.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let content_type = header(CONTENT_TYPE).unwrap_or("no content type");
    let mut text = format!("{}, {content_type}, {} bytes", reply.status(), reply.body().len());
    if let Some(location) = header(LOCATION).and_then(|location| location.parse::<Uri>().ok()) {
        text = format!("{text}, to {}", without_query(&location));
    }
    text
}

/// What is known of a token, and what the backend should say besides.
fn granted(grant: &Grant, reply: &Response<Vec<u8>>) -> Vec<String> {
    let mut lines = vec!["a session token: the app can log in with this backend".to_owned()];
    match grant.identity() {
        Some(identity) if identity.as_str() == PLACEHOLDER => lines.push(format!(
            "identity  {PLACEHOLDER}, which is the placeholder of the vendor's example: pass the id of the user \
             who is logged in"
        )),
        Some(identity) => lines.push(format!("identity  {identity}")),
        None => lines.push(
            "identity  not stated: reply with `identity`, so that a token for somebody else is refused".into(),
        ),
    }
    match grant.expires_at() {
        Some(at) if grant.expiry().is_some() => lines.push(format!("expires   {at}")),
        Some(_) => lines.push(
            "expires   at a time that is not RFC 3339: pass `expiresAt` on as it came".into(),
        ),
        None => lines.push(
            "expires   not stated: reply with `expiresAt`, so that the token is renewed in time"
                .into(),
        ),
    }
    let no_store = reply.headers().get_all(CACHE_CONTROL).iter().any(|value| {
        value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("no-store"))
    });
    if !no_store {
        lines.push("caching   not forbidden: reply with `Cache-Control: no-store`".into());
    }
    lines
}

fn no_reply(why: TransportFailure) -> &'static str {
    match why {
        TransportFailure::Unreachable => {
            "is the backend running, at this host and port (the vendor's example listens at 3000)?"
        }
        TransportFailure::TimedOut => {
            "the backend takes too long: does it wait for the gateway, or for ever?"
        }
        _ => "the connection was closed before the reply: see the backend's log",
    }
}

/// The most likely cause, and what to do about it.
fn mend(kind: DenialKind, reply: &Response<Vec<u8>>) -> &'static str {
    match (reply.status(), kind) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
            "the backend does not know who is asking: pass a login with --cookie @FILE or --header @FILE"
        }
        // With a page or with JSON, as its framework has it.
        (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, _) => {
            "the backend has no such route: the vendor's example answers a GET of /token"
        }
        (status, DenialKind::Refused) if status.is_success() => {
            "the backend replies with an `error`, most often the gateway's: see its log, and check its API token"
        }
        (_, DenialKind::Refused) => "the backend refuses the request: see its log",
        (_, DenialKind::Throttled) => {
            "the backend, or the gateway behind it, asks to wait: try again then"
        }
        (status, DenialKind::Transient) if status.is_success() => {
            "the reply is empty: does the route send anything on each of its paths?"
        }
        (_, DenialKind::Transient) => {
            "the backend failed, or what stands before it: see their logs"
        }
        (_, DenialKind::Redirect) => {
            "give the address that it redirects to; if that is a login page, pass a login with --cookie @FILE"
        }
        (_, DenialKind::Malformed(flaw)) => mend_flaw(flaw, reply),
        _ => "see the backend's log",
    }
}

fn mend_flaw(flaw: Flaw, reply: &Response<Vec<u8>>) -> &'static str {
    match flaw {
        Flaw::Syntax { .. } if reply.body().trim_ascii() == b"Session Service" => {
            "this is the front page of the service: its tokens are at /token"
        }
        Flaw::Unquoted { .. } if names_no_value(reply.body()) => {
            "there is no token to send: the vendor's `getSessionToken` returns none for an empty identity, and \
             whenever the gateway's reply has none; check both before you reply"
        }
        Flaw::Unquoted { .. } | Flaw::Syntax { .. } | Flaw::Duplicate { .. } => WRITE_JSON,
        Flaw::UnexpectedEnd { .. } => {
            "a brace or a quote is missing: build the reply with a JSON function in place of a string (in Express, \
             `res.json({ sessionToken, expiresAt, identity })`); if it is, something cut the reply off on its way"
        }
        Flaw::Stringified { .. } => {
            "there is no token to send: a missing value was turned into text; check what the gateway replied first"
        }
        Flaw::Markup => {
            "this is a page, so not the token's route, or one before it: check the address, whether the login is \
             passed (--cookie @FILE), and the network"
        }
        Flaw::Missing { .. } => {
            "the member has to be called `sessionToken`, and be at the top of the object"
        }
        Flaw::Mistyped { .. } | Flaw::NotAnObject { .. } => {
            "reply with an object whose members are strings: {\"sessionToken\":\"…\",\"expiresAt\":\"…\",\"identity\":\"…\"}"
        }
        Flaw::WrongIdentity { .. } => {
            "pass the id of the user who is logged in to `getSessionToken`: the vendor's example has a fixed one"
        }
        Flaw::Token(_) | Flaw::Unusable { .. } => "pass on what the gateway replied, unchanged",
        _ => "reply with a small JSON object, as UTF-8",
    }
}

/// Returns whether the value without quotes is JavaScript's word for none.
fn names_no_value(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    let value = text.split_once(':').map_or("", |(_, value)| value.trim_start());
    value.starts_with("undefined") || value.starts_with("null")
}
