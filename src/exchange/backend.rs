//! The exchange with a customer's own backend.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};

use super::{BuildError, Denial, DenialKind, Endpoint, Exchange, Grant, Identity, Reply, Template};

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
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Backend {
    template: Template,
    identity: Option<Identity>,
    temporary: Vec<StatusCode>,
}

impl Backend {
    /// Creates an exchange that sends `GET` to this endpoint.
    pub fn new(endpoint: Endpoint) -> Self {
        let template = Template::new(endpoint, Method::GET, "application/json");
        Self { template, identity: None, temporary: Vec::new() }
    }

    /// Sets the method.
    pub fn method(mut self, method: Method) -> Self {
        self.template.method = method;
        self
    }

    /// Sets a header, in place of one of the same name: a cookie or an `Authorization` for the backend's own
    /// login, for example. The value is marked sensitive, so that nothing prints it. A header map has room for 24,576
    /// names: one more is left out.
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        let _ = self.template.headers.try_insert(name, value);
        self
    }

    /// Sets the request's body. It is never printed.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.template.body = body.into();
        self
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
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.template.body_limit = bytes;
        self
    }

    /// Returns the request for a session token. It has `Cache-Control: no-store`, unless a header of that name was
    /// set.
    #[must_use]
    pub fn request(&self) -> Request<Bytes> {
        self.template.request()
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
        let grant = reply.read("sessionToken", self.template.body_limit, self.identity.as_ref());
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
        self.template.body_limit
    }

    fn endpoint(&self) -> Option<&Uri> {
        Some(self.template.endpoint.uri())
    }
}
