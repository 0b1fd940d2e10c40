//! Replies, as an exchange reads them.

use core::time::Duration;

use http::header::{AGE, DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{
    Denial, DenialKind, Flaw, Grant, Identity, IdentitySource, Members, Scope, Scopes, Value,
    http_date, json, whole_seconds,
};

/// The longest `error` member that is kept, in characters. Chosen by this project.
const MESSAGE_LIMIT: usize = 256;

/// A borrowed view of a complete response: status, headers and body.
#[derive(Clone, Copy)]
pub struct Reply<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

impl<'a, B: AsRef<[u8]>> From<&'a http::Response<B>> for Reply<'a> {
    fn from(response: &'a http::Response<B>) -> Self {
        Self {
            status: response.status(),
            headers: response.headers(),
            body: response.body().as_ref(),
        }
    }
}

impl core::fmt::Debug for Reply<'_> {
    /// Shows the status and the length only: headers and body may contain secrets.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Reply({}, {} bytes)", self.status.as_u16(), self.body.len())
    }
}

impl<'a> Reply<'a> {
    /// Returns the status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.status
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(self) -> &'a HeaderMap {
        self.headers
    }

    /// Returns the whole body.
    #[must_use]
    pub fn body(self) -> &'a [u8] {
        self.body
    }

    /// Returns the body of a granting reply: 200 or 201 with 1 to `limit` bytes. For custom
    /// [`Exchange`](super::Exchange)s.
    ///
    /// # Errors
    /// The denial of any other reply, with the server's `Retry-After`:
    ///
    /// | reply | denial |
    /// |---|---|
    /// | 3xx | [`Redirect`](DenialKind::Redirect) |
    /// | 429 | [`Throttled`](DenialKind::Throttled) |
    /// | 407, 408, 421, 425, 5xx; 200 or 201 with an empty body | [`Transient`](DenialKind::Transient) |
    /// | 401 | [`Refused`](DenialKind::Refused), which is permanent |
    /// | another 4xx whose body is markup | [`Malformed`](DenialKind::Malformed): [`Flaw::Markup`] |
    /// | another 4xx | [`Refused`](DenialKind::Refused) |
    /// | anything else | [`Malformed`](DenialKind::Malformed) |
    pub fn granting_body(self, limit: usize) -> Result<&'a [u8], Denial> {
        match self.status.as_u16() {
            200 | 201 if self.body.is_empty() => Err(self.denial(DenialKind::Transient)),
            200 | 201 => self.bounded_body(limit).map_err(|flaw| self.flawed(flaw)),
            300..=399 => Err(self.denial(DenialKind::Redirect)),
            407 | 408 | 421 | 425 | 500..=599 => Err(self.denial(DenialKind::Transient)),
            429 => Err(self.denial(DenialKind::Throttled)),
            400 | 402..=499 if json::is_markup(self.body) => Err(self.flawed(Flaw::Markup)),
            400..=499 => Err(self.denial(DenialKind::Refused)),
            _ => Err(self.flawed(Flaw::Status)),
        }
    }

    /// Returns the JSON object in the body of a granting reply, read as `T`. For custom [`Exchange`](super::Exchange)s.
    /// A `T` that borrows makes no copy of a secret.
    ///
    /// ```
    /// use serde::Deserialize;
    /// use videokit_session::exchange::{Denial, DenialKind, Flaw, Reply};
    ///
    /// #[derive(Deserialize)]
    /// struct Granted<'a> {
    ///     access_token: &'a str,
    /// }
    ///
    /// let read = |body: &'static str| {
    ///     let reply = http::Response::new(body);
    ///     let granted = Reply::from(&reply).granting_json::<Granted<'_>>(8_192);
    ///     granted.map(|granted| granted.access_token.to_owned())
    /// };
    /// assert_eq!(read(r#"{"access_token":"tok-1"}"#)?, "tok-1");
    /// let portal = read("<html>Welcome to the hotel</html>").unwrap_err();
    /// assert_eq!(portal.kind(), DenialKind::Malformed(Flaw::Markup));
    /// # Ok::<(), Denial>(())
    /// ```
    ///
    /// # Errors
    /// The denial of a reply that is not [granting](Self::granting_body), and of a body that is not such an object:
    ///
    /// | body | denial |
    /// |---|---|
    /// | white space | [`Transient`](DenialKind::Transient) |
    /// | markup: a captive portal's page, most often | [`Malformed`](DenialKind::Malformed): [`Flaw::Markup`], which uses up no secret |
    /// | no JSON, or no object | `Malformed`, with the flaw and its place |
    /// | an object that `T` can't be read from | `Malformed`: [`Flaw::Custom`], without the text of the body |
    ///
    /// The [message](Denial::server_message) of a reply that is not granting is its `error` member, which OAuth 2.0
    /// names a code (RFC 6749, section 5.2). A reply that is refused brings no
    /// [successor](Grant::with_successor): make all members of `T` optional but the token.
    pub fn granting_json<T: Deserialize<'a>>(self, limit: usize) -> Result<T, Denial> {
        let body = self.granting_body(limit).map_err(|denial| {
            let members = self.members(limit, "");
            denial.with_server_message(members.ok().and_then(error_message))
        })?;
        if json::is_blank(body) {
            return Err(self.denial(DenialKind::Transient));
        }
        json::object(body).map_err(|flaw| self.flawed(flaw))
    }

    fn bounded_body(self, limit: usize) -> Result<&'a [u8], Flaw> {
        let len = self.body.len();
        if len <= limit { Ok(self.body) } else { Err(Flaw::TooLarge { len, limit }) }
    }

    fn members(self, limit: usize, token: &'static str) -> Result<Members<'a>, Flaw> {
        self.bounded_body(limit).and_then(|body| json::read(body, token))
    }

    /// Reads the JSON of a gateway or a backend, whose member `token` is the token. A grant for the `expected`
    /// identity shares it.
    pub(super) fn read(
        self,
        token: &'static str,
        limit: usize,
        expected: Option<&Identity>,
    ) -> Result<Grant, Denial> {
        let accepted = self.granting_body(limit);
        // An `error` member is read whatever the status is, unless the body is over the limit.
        let members = self.members(limit, token);
        let message = members.ok().and_then(error_message);
        if self.status.is_success() && message.is_some() {
            return Err(self.denial(DenialKind::Refused).with_server_message(message));
        }
        accepted.map_err(|denial| denial.with_server_message(message))?;
        if json::is_blank(self.body) {
            return Err(self.denial(DenialKind::Transient));
        }
        members
            .and_then(|members| grant(members, token, expected))
            .map_err(|flaw| self.flawed(flaw))
    }

    /// Returns the `Date` header, in milliseconds since 1970.
    pub(crate) fn date(self) -> Option<i64> {
        http_date(self.headers.get(DATE)?.as_bytes())
    }

    /// Returns how long caches held the reply: the first member of the first `Age` (RFC 9111, section 5.1), or zero
    /// without one. `None` if it can't be read.
    pub(crate) fn age(self) -> Option<Duration> {
        let Some(age) = self.headers.get(AGE) else { return Some(Duration::ZERO) };
        let first = age.to_str().ok()?.split(',').next()?;
        whole_seconds(first).map(Duration::from_millis)
    }

    /// Returns the denial with the reply's `Retry-After`, if the exchange omitted it.
    pub(crate) fn with_its_wait(self, denial: Denial) -> Denial {
        let wait = denial.retry_after().or_else(|| self.retry_after());
        denial.with_retry_after(wait)
    }

    /// Returns how long the server asks to wait: the longest of all `Retry-After` lines.
    pub(crate) fn retry_after(self) -> Option<Duration> {
        let lines = self.headers.get_all(RETRY_AFTER).iter();
        let waits = lines.filter_map(|line| self.wait(line.to_str().ok()?));
        waits.max().map(Duration::from_millis)
    }

    /// Returns the wait of one `Retry-After` line, in milliseconds: seconds or a date (RFC 9110, section 10.2.3). A
    /// line that is neither may be several that a proxy has joined: the longest number of seconds counts.
    fn wait(self, line: &str) -> Option<u64> {
        let until_date = || {
            let until = http_date(line.as_bytes())?.saturating_sub(self.date()?);
            // A date in the past is no wait at all.
            Some(u64::try_from(until).unwrap_or(0))
        };
        whole_seconds(line)
            .or_else(until_date)
            .or_else(|| line.split(',').filter_map(whole_seconds).max())
    }

    fn denial(self, kind: DenialKind) -> Denial {
        Denial::new(kind, self.status).with_retry_after(self.retry_after())
    }

    /// Returns the denial of a reply with this flaw.
    pub(crate) fn flawed(self, flaw: Flaw) -> Denial {
        self.denial(DenialKind::Malformed(flaw))
    }
}

fn grant(
    members: Members<'_>,
    name: &'static str,
    expected: Option<&Identity>,
) -> Result<Grant, Flaw> {
    let token = members.token.ok_or(Flaw::Missing { member: name })?.token(name)?;
    let identity = members.identity.and_then(Value::unless_null);
    let identity = identity.map(|value| read_identity(value, expected)).transpose()?;
    let expires_at = members.expires_at.and_then(Value::unless_null);
    let expires_at = expires_at.map(|value| value.string("expiresAt")).transpose()?;
    let scopes = members.scopes.and_then(granted_scopes);
    if !Identity::can_match(expected, identity.as_ref()) {
        return Err(Flaw::WrongIdentity { expected: IdentitySource::Credentials });
    }
    Ok(Grant::read(token, identity, expires_at.as_deref(), scopes))
}

/// Returns the identity that a reply names: the expected one, if it is that.
fn read_identity(value: Value<'_>, expected: Option<&Identity>) -> Result<Identity, Flaw> {
    let named = value.string("identity")?;
    let identity = match expected.filter(|expected| *expected.as_str().as_bytes() == *named) {
        Some(expected) => Some(expected.clone()),
        None => core::str::from_utf8(&named).ok().and_then(|named| Identity::new(named).ok()),
    };
    identity.ok_or(Flaw::Unusable { member: "identity" })
}

/// Returns the scopes that a reply states, if they can be read. No known reply states any (wire facts, N), so
/// unreadable ones are ignored.
fn granted_scopes(value: Value<'_>) -> Option<Scopes> {
    let names: Vec<String> = serde_json::from_slice(value.json).ok()?;
    names.into_iter().map(|name| Scope::new(name).ok()).collect()
}

/// Returns the message of an `error` member; `None` if it is no error by the rule of the vendor's SDK, which is
/// `if (json.error)` (wire facts, N).
fn error_message(members: Members<'_>) -> Option<Box<str>> {
    let value = members.error?;
    let message = || value.message().chars().take(MESSAGE_LIMIT).collect::<String>();
    (!value.is_falsy()).then(|| message().into())
}
