//! A request to send, its id, and the ways in which it can fail.

use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use http::Request;

use crate::exchange::Redacted;
use crate::rng::mix;

/// The id of one request of one session. Two sessions' ids differ, unless they were given the same seed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId {
    salt: u64,
    counter: u64,
}

impl RequestId {
    pub(super) fn new(seed: u64, counter: u64) -> Self {
        Self { salt: mix(seed), counter }
    }

    /// Reads what `Display` writes.
    #[cfg(feature = "trace")]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (salt, counter) = text.split_once('-')?;
        let salt = u64::from_str_radix(salt, 16).ok()?;
        let id = Self { salt, counter: counter.parse().ok()? };
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.salt, self.counter)
    }
}

impl fmt::Debug for RequestId {
    /// As `Display`, so that a log can be searched for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A request to send: give it to any HTTP client, and report what became of it under its id.
///
/// It holds credentials. `Debug` shows method, URI without query, and sizes. Redirects must not be
/// followed: they would take the credentials along. The chapter [`sending`](crate::sending) says what else a client must
/// not do, and has the code for three of them.
#[must_use = "a request that is not sent leaves the session waiting for its reply"]
pub struct Outgoing {
    pub(super) id: RequestId,
    pub(super) request: Box<Request<Bytes>>,
    pub(super) timeout: Duration,
    pub(super) deadline: Duration,
    pub(super) body_limit: usize,
}

impl Outgoing {
    /// Returns the id under which the reply or the failure is reported.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Returns the request.
    #[must_use]
    pub fn request(&self) -> &Request<Bytes> {
        &self.request
    }

    /// Returns the request, to be sent.
    #[must_use]
    pub fn into_request(self) -> Request<Bytes> {
        *self.request
    }

    /// Returns the id to report under, the request, and how long to wait for the reply. Read
    /// [`body_limit`](Self::body_limit) before, if your client stops reading there.
    #[must_use]
    pub fn into_parts(self) -> (RequestId, Request<Bytes>, Duration) {
        (self.id, *self.request, self.timeout)
    }

    /// Returns how long to wait for the whole reply.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns when to give up, on the clock that [`Moment::since_start`](crate::Moment::since_start) counts.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Returns how many bytes of the reply's body are parsed at most, whatever its status. A client may stop reading
    /// once it has one more: a reply that is too large is
    /// [malformed](crate::exchange::Flaw::TooLarge), whatever follows.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.body_limit
    }
}

impl PartialEq for Outgoing {
    /// Compares everything that is sent: method, URI, version, headers, body; and id, times and limit.
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.request, &other.request);
        let limits = |it: &Self| (it.id, it.timeout, it.deadline, it.body_limit);
        limits(self) == limits(other)
            && (a.method(), a.uri(), a.version()) == (b.method(), b.uri(), b.version())
            && (a.headers(), a.body()) == (b.headers(), b.body())
    }
}

impl Eq for Outgoing {}

impl fmt::Display for Outgoing {
    /// Shows method and URI, without what stands in the query: a line for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.request.method(), Redacted(self.request.uri()))
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("id", &self.id)
            .field("method", self.request.method())
            .field("uri", &format_args!("{}", Redacted(self.request.uri())))
            .field("headers", &self.request.headers().len())
            .field("body_bytes", &self.request.body().len())
            .field("timeout", &self.timeout)
            .field("deadline", &self.deadline)
            .field("body_limit", &self.body_limit)
            .finish()
    }
}

/// The reason why a request got no reply, as the caller's HTTP client reports it. None of these ends a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum TransportFailure {
    /// No whole reply came within the time.
    #[error("no reply came in time")]
    TimedOut,
    /// No connection came about: no network, no name, no listener, no handshake.
    #[error("no connection could be made")]
    Unreachable,
    /// The connection broke, before or while the reply came in.
    #[error("the connection broke")]
    Interrupted,
    /// Anything else.
    #[error("the request failed")]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    type Edit = fn(&mut Outgoing);

    fn outgoing(edit: Edit) -> Outgoing {
        let request =
            Request::post("https://a.example/").header("x", "1").body(Bytes::from("b")).unwrap();
        let second = Duration::from_secs(1);
        let mut outgoing = Outgoing {
            id: RequestId::new(1, 1),
            request: Box::new(request),
            timeout: second,
            deadline: second,
            body_limit: 9,
        };
        edit(&mut outgoing);
        outgoing
    }

    #[test]
    fn equality_sees_every_part() {
        assert_eq!(outgoing(|_| {}), outgoing(|_| {}));
        let edits: [Edit; 9] = [
            |o| o.id = RequestId::new(1, 2),
            |o| o.body_limit = 10,
            |o| o.timeout = Duration::ZERO,
            |o| o.deadline = Duration::ZERO,
            |o| *o.request.method_mut() = http::Method::PUT,
            |o| *o.request.uri_mut() = http::Uri::from_static("https://a.example/other"),
            |o| *o.request.version_mut() = http::Version::HTTP_2,
            |o| drop(o.request.headers_mut().remove("x")),
            |o| *o.request.body_mut() = Bytes::from("c"),
        ];
        for (n, edit) in edits.into_iter().enumerate() {
            assert_ne!(outgoing(edit), outgoing(|_| {}), "edit {n}");
        }
    }

    #[test]
    fn what_is_printed_is_no_secret() {
        let outgoing =
            outgoing(|o| *o.request.uri_mut() = http::Uri::from_static("https://a.example/?hush"));
        assert_eq!(outgoing.to_string(), "POST https://a.example/?…");
        assert_eq!(
            format!("{outgoing:?}"),
            "Outgoing { id: 910a2dec89025cc1-1, method: POST, uri: https://a.example/?…, headers: 1, \
             body_bytes: 1, timeout: 1s, deadline: 1s, body_limit: 9 }",
        );
    }

    #[test]
    fn the_request_is_given_away_whole() {
        let request = outgoing(|_| {}).into_request();
        assert_eq!((request.uri().host(), request.headers().len()), (Some("a.example"), 1));
        assert_eq!(request.body(), "b");
    }
}
