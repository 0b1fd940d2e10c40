//! What a service is asked and answers, written down without its tokens: a line of JSON for each request.

use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Request, Response};
use serde::{Deserialize, Serialize};
use videokit_session::TransportFailure;

use super::scenarios::{SECRET, WRONG_SECRET};

/// A line of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Line {
    /// A login that brings this refresh token, by a browser.
    LogIn(String),
    Answered(Asked, Answer),
    /// No connection came about.
    Unreachable(Asked),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    line: String,
    authorization: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    body: String,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    body: String,
}

/// The headers that are another connection's business, or differ each time.
const LEFT_OUT: [HeaderName; 5] =
    [CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING, HeaderName::from_static("keep-alive")];

impl Asked {
    pub(crate) fn new(request: &Request<Bytes>, names: &Names) -> Self {
        let line = format!("{} {}", request.method(), request.uri().path());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let authorization = text(request.headers()[AUTHORIZATION].as_bytes());
        let authorization = match authorization.strip_prefix("Basic ") {
            Some(pair) => {
                let pair = text(&BASE64_STANDARD.decode(pair).expect("base64"));
                let (id, secret) = pair.split_once(':').expect("an id and a secret");
                let secret = match form_urlencoded::parse(secret.as_bytes()).next() {
                    Some((secret, _)) if secret == SECRET => "<secret>",
                    Some((secret, _)) if secret == WRONG_SECRET => "<another secret>",
                    other => panic!("{other:?}"),
                };
                format!("Basic {id}:{secret}")
            }
            None => names.replace(&authorization),
        };
        Self { line, authorization, body: names.replace(&text(request.body())) }
    }
}

impl Answer {
    pub(crate) fn new(reply: &Response<Bytes>, names: &Names) -> Self {
        let headers = reply.headers().iter().filter(|(name, _)| !LEFT_OUT.contains(name));
        let text = |value: &HeaderValue| names.replace(value.to_str().expect("text"));
        let mut headers: Vec<_> =
            headers.map(|(name, value)| (name.to_string(), text(value))).collect();
        headers.sort();
        let body = str::from_utf8(reply.body()).expect("text");
        Self { status: reply.status().as_u16(), headers, body: names.replace(body) }
    }

    fn reply(&self) -> Response<Bytes> {
        let headers = self.headers.iter();
        let reply = headers
            .fold(Response::builder().status(self.status), |reply, (name, value)| {
                reply.header(name, value)
            });
        reply.body(Bytes::from(self.body.clone())).expect("a reply")
    }
}

impl Line {
    /// Returns what this line says became of a request.
    ///
    /// # Panics
    /// If it was another request.
    pub(crate) fn outcome(&self, request: &Asked) -> Result<Response<Bytes>, TransportFailure> {
        let (expected, outcome) = match self {
            Self::Answered(expected, answer) => (expected, Ok(answer.reply())),
            Self::Unreachable(expected) => (expected, Err(TransportFailure::Unreachable)),
            Self::LogIn(_) => panic!("a login is recorded, and not {request:?}"),
        };
        assert_eq!(request, expected, "another request is recorded");
        outcome
    }
}

/// The names that stand for tokens in a recording, in the order in which the tokens came.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<(String, String)>);

impl Names {
    /// Gives a text a name of a kind, and a number.
    pub(crate) fn add(&mut self, kind: &str, text: &str) {
        let number = 1 + self.0.iter().filter(|(_, name)| name.starts_with(kind)).count();
        self.0.push((text.to_owned(), format!("{kind}-{number}")));
    }

    /// Names what stands for the whole, such as an address.
    pub(crate) fn alias(&mut self, text: &str, name: &str) {
        self.0.push((text.to_owned(), name.to_owned()));
    }

    pub(crate) fn replace(&self, text: &str) -> String {
        let known = self.0.iter();
        known.fold(text.to_owned(), |text, (known, name)| text.replace(known, name))
    }
}

/// The file of a scenario.
pub(crate) fn file(scenario: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/examples/oauth/recorded");
    PathBuf::from(folder).join(format!("{scenario}.jsonl"))
}

/// Reads the recording of a scenario.
pub(crate) fn read(scenario: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(file(scenario)).expect("a recording of the scenario");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}
