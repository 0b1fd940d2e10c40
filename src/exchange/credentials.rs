//! What a session authenticates with, and the trait behind it.

use core::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;

use super::BODY_LIMIT;
use super::backend::Backend;
use super::denial::Denial;
use super::gateway::Gateway;
use super::grant::Grant;
use super::identity::Identity;
use super::origin::{AllowedOrigin, BuildError};
use super::reply::Reply;
use super::scopes::Scopes;

/// One request for a session token and the reading of its reply. Implement it for a token endpoint
/// that is neither the gateway nor shaped like a customer's backend.
///
/// Both methods are pure: they are called any number of times, and give the same for the same.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Uri};
/// use videokit_session::exchange::{BuildError, Denial, DenialKind, Exchange, Flaw, Grant, Reply};
/// use videokit_session::SessionToken;
///
/// /// An endpoint that answers with the bare token as text.
/// struct PlainText;
///
/// impl Exchange for PlainText {
///     fn request(&self) -> Result<Request<Bytes>, BuildError> {
///         let mut request = Request::new(Bytes::new());
///         *request.uri_mut() = Uri::from_static("https://app.example/plain-token");
///         Ok(request)
///     }
///
///     fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
///         let body = reply.granting_body(8_192)?; // the standard reading of statuses
///         match SessionToken::new(body) {
///             Ok(token) => Ok(Grant::new(token)),
///             Err(error) => {
///                 Err(Denial::new(DenialKind::Malformed(Flaw::Token(error)), Some(reply.status())))
///             }
///         }
///     }
/// }
///
/// let granted = PlainText.read((&http::Response::new("tok-1")).into())?;
/// assert_eq!(granted.token().expose(), "tok-1");
/// # Ok::<(), Denial>(())
/// ```
pub trait Exchange: Send + Sync {
    /// The request. A session sends it only to https or loopback; mark secret headers sensitive, and
    /// set `Cache-Control: no-store`.
    ///
    /// # Errors
    /// [`BuildError::Custom`] where there is no request to offer.
    fn request(&self) -> Result<Request<Bytes>, BuildError>;

    /// Reads any reply at all as a grant or a denial. It must not panic; [`Reply::granting_body`]
    /// does the part that is common to all exchanges.
    ///
    /// # Errors
    /// The denial that the reply is.
    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial>;

    /// Whom the token is for, if that is known beforehand. A session refuses a grant that names
    /// another identity.
    fn identity(&self) -> Option<&Identity> {
        None
    }

    /// Which scopes are asked for, if any can be.
    fn scopes(&self) -> Option<&Scopes> {
        None
    }

    /// The most bytes of a reply's body that [`read`](Self::read) parses: a client may stop reading once
    /// it has one more. [`BODY_LIMIT`] unless an exchange sets another.
    fn body_limit(&self) -> usize {
        BODY_LIMIT
    }

    /// Whether `Date` and `expiresAt` come from clocks that one operator keeps in step: then the
    /// smaller of the two configured skews applies. `false` unless said otherwise.
    fn issuer_writes_date(&self) -> bool {
        false
    }
}

/// What a session authenticates with. Cloning shares it.
///
/// A session token in hand is not credentials: it is adopted.
#[derive(Clone)]
pub struct Credentials(Kind);

#[derive(Clone)]
enum Kind {
    Gateway(Arc<Gateway>),
    Backend(Arc<Backend>),
    Custom(Arc<dyn Exchange>),
}

impl Credentials {
    /// The app-wide API token, held by the client itself: **for development only**, since whoever has
    /// the client has the token, and with it every identity (wire facts, S).
    #[must_use]
    pub fn for_development(gateway: Gateway) -> Self {
        Self(Kind::Gateway(Arc::new(gateway)))
    }

    /// The app's own backend: the way in for production.
    #[must_use]
    pub fn backend(backend: Backend) -> Self {
        Self(Kind::Backend(Arc::new(backend)))
    }

    /// An exchange of your own.
    #[must_use]
    pub fn custom(exchange: Arc<dyn Exchange>) -> Self {
        Self(Kind::Custom(exchange))
    }

    /// The exchange behind these credentials.
    #[must_use]
    pub fn exchange(&self) -> &dyn Exchange {
        match &self.0 {
            Kind::Gateway(gateway) => gateway.as_ref(),
            Kind::Backend(backend) => backend.as_ref(),
            Kind::Custom(custom) => custom.as_ref(),
        }
    }

    /// The request, checked: a custom exchange could send credentials anywhere.
    pub(crate) fn request(&self) -> Result<Request<Bytes>, BuildError> {
        let request = self.exchange().request()?;
        let origin = AllowedOrigin::of(request.uri())?;
        if origin.is_safe() { Ok(request) } else { Err(super::OriginError::Insecure.into()) }
    }
}

#[cfg(feature = "trace")]
impl Credentials {
    /// Returns a number to find these credentials by: equal ones have the same, and others hardly ever do.
    /// It follows from them alone, since this hasher has fixed keys; for a custom exchange, from where it
    /// is, and so holds for as long as these credentials or a clone of them live.
    pub(crate) fn digest(&self) -> u64 {
        use core::hash::{Hash, Hasher};
        let mut hasher = std::hash::DefaultHasher::new();
        match &self.0 {
            Kind::Gateway(gateway) => gateway.hash_into(&mut hasher),
            Kind::Backend(backend) => backend.hash_into(&mut hasher),
            Kind::Custom(exchange) => Arc::as_ptr(exchange).cast::<()>().addr().hash(&mut hasher),
        }
        hasher.finish()
    }
}

impl From<Backend> for Credentials {
    fn from(backend: Backend) -> Self {
        Self::backend(backend)
    }
}

#[cfg(feature = "_model")]
impl Credentials {
    /// A number for what they ask with: the same for the same.
    pub(crate) fn fingerprint(&self) -> u64 {
        use core::hash::{Hash, Hasher};
        let mut hasher = std::hash::DefaultHasher::new();
        if let Kind::Gateway(gateway) = &self.0 {
            // Without a request made for it: a search asks for this millions of times.
            gateway.hash_into(&mut hasher);
            return hasher.finish();
        }
        let Ok(request) = self.exchange().request() else { return 0 };
        request.method().hash(&mut hasher);
        request.uri().hash(&mut hasher);
        for (name, value) in request.headers() {
            (name, value).hash(&mut hasher);
        }
        request.body().hash(&mut hasher);
        hasher.finish()
    }
}

impl PartialEq for Credentials {
    /// Equal if they would ask for the same thing with the same secrets; custom exchanges, if they are
    /// one and the same.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Gateway(a), Kind::Gateway(b)) => a == b,
            (Kind::Backend(a), Kind::Backend(b)) => a == b,
            (Kind::Custom(a), Kind::Custom(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Eq for Credentials {}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Gateway(gateway) => f.debug_tuple("Credentials").field(gateway).finish(),
            Kind::Backend(backend) => f.debug_tuple("Credentials").field(backend).finish(),
            Kind::Custom(_) => f.write_str("Credentials(custom)"),
        }
    }
}
