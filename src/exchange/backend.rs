//! The exchange with a customer's own backend.

use core::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};

use super::{
    BODY_LIMIT, BuildError, Denial, DenialKind, Endpoint, Exchange, Grant, Identity, Reply,
};

/// The exchange with a customer's own backend, which alone holds the API token: for apps in production.
///
/// The request is a `GET` without a body, by default. A granting reply is 200 or 201 with a JSON object that has
/// a `sessionToken`, and may have `identity` and `expiresAt` (wire facts, S and A). The content type is
/// ignored.
///
/// ```
/// use http::{HeaderName, HeaderValue};
/// use videokit_session::Backend;
/// use videokit_session::exchange::Endpoint;
///
/// let backend = Backend::new(Endpoint::https("https://app.example/token/user-17")?)
///     .header(HeaderName::from_static("cookie"), HeaderValue::from_static("login=abc"));
/// assert_eq!(backend.request().method(), "GET");
/// assert_eq!(format!("{:?}", backend.request().headers()["cookie"]), "Sensitive");
/// # Ok::<(), videokit_session::exchange::OriginError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct Backend {
    endpoint: Endpoint,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    identity: Option<Identity>,
    temporary: Vec<StatusCode>,
    body_limit: usize,
}

impl Backend {
    /// Creates an exchange that sends `GET` to this endpoint.
    pub fn new(endpoint: Endpoint) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self {
            endpoint,
            method: Method::GET,
            headers,
            body: Bytes::new(),
            identity: None,
            temporary: Vec::new(),
            body_limit: BODY_LIMIT,
        }
    }

    /// Sets the method.
    pub fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// Sets a header, in place of one of the same name: a cookie or an `Authorization` for the backend's own
    /// login, for example. The value is marked sensitive, so that nothing prints it. A header map has room for 24,576
    /// names: one more is left out.
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        let _ = self.headers.try_insert(name, value);
        self
    }

    /// Sets the request's body. It is never printed.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Sets the identity that the token has to be for. A reply that names another identity is refused; one that
    /// names none is accepted. Without this, the first identity that a reply names is the login's.
    pub fn identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// Marks refusals with this status as temporary, so that they are retried: for a backend that answers 403
    /// until a purchase has gone through, for example. Any other refusal is permanent until new credentials are
    /// set.
    pub fn retry_on(mut self, status: StatusCode) -> Self {
        self.temporary.push(status);
        self
    }

    /// Sets the longest body of a reply that is parsed, in bytes; 64 KiB by default.
    pub fn body_limit(self, bytes: usize) -> Self {
        Self { body_limit: bytes, ..self }
    }

    /// Returns the request for a session token. It has `Cache-Control: no-store`, unless a header of that name was
    /// set.
    #[must_use]
    pub fn request(&self) -> Request<Bytes> {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.endpoint.uri().clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Reads the reply to the request. Any response is a grant or a denial.
    ///
    /// # Errors
    /// The [`Denial`] that the response is: see [`DenialKind`] for the kinds.
    pub fn read<B: AsRef<[u8]>>(&self, response: &http::Response<B>) -> Result<Grant, Denial> {
        Exchange::read(self, response.into())
    }
}

impl Exchange for Backend {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        Ok(self.request())
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        let grant = reply.read("sessionToken", self.body_limit, self.identity.as_ref());
        grant.map_err(|denial| {
            let is_temporary =
                denial.kind() == DenialKind::Refused && self.temporary.contains(&reply.status());
            if is_temporary { denial.with_permanence(false) } else { denial }
        })
    }

    fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    fn body_limit(&self) -> usize {
        self.body_limit
    }

    fn endpoint(&self) -> Option<&Uri> {
        Some(self.endpoint.uri())
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("endpoint", &self.endpoint)
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .field("identity", &self.identity)
            .field("temporary", &self.temporary)
            .field("body_limit", &self.body_limit)
            .finish()
    }
}
