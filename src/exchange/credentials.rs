//! The credentials of a session.

use core::any::Any;
use core::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;

use super::{AllowedOrigin, Backend, BuildError, Exchange, Gateway, OriginError};

/// The credentials of a session: an exchange, and the secrets in it. Clones share both.
///
/// A session token that was obtained elsewhere is not credentials: it is adopted.
#[derive(Clone)]
pub struct Credentials(Kind);

#[derive(Clone)]
enum Kind {
    Gateway(Arc<Gateway>),
    Backend(Arc<Backend>),
    Custom(Arc<dyn Exchange>),
    /// Credentials of a replay, which are the same if they have the same name.
    #[cfg(feature = "trace")]
    Placeholder(Arc<str>, Arc<dyn Exchange>),
}

impl Credentials {
    /// Creates credentials with the app-wide API token, held by the client itself. **For development only**:
    /// whoever has the client has the token, and can act as any identity (wire facts, S).
    #[must_use]
    pub fn for_development(gateway: Gateway) -> Self {
        Self(Kind::Gateway(Arc::new(gateway)))
    }

    /// Creates credentials for the app's own backend: for production.
    #[must_use]
    pub fn backend(backend: Backend) -> Self {
        Self(Kind::Backend(Arc::new(backend)))
    }

    /// Creates credentials for a custom exchange. They are equal to clones of themselves only: another exchange with
    /// the same secret makes other credentials.
    #[must_use]
    pub fn custom(exchange: Arc<dyn Exchange>) -> Self {
        Self(Kind::Custom(exchange))
    }

    /// Returns the exchange.
    #[must_use]
    pub fn exchange(&self) -> &dyn Exchange {
        match &self.0 {
            Kind::Gateway(gateway) => gateway.as_ref(),
            Kind::Backend(backend) => backend.as_ref(),
            Kind::Custom(custom) => custom.as_ref(),
            #[cfg(feature = "trace")]
            Kind::Placeholder(_, custom) => custom.as_ref(),
        }
    }

    /// Returns the exchange as the type that it was made of; `None` if that is another. An app that stores its
    /// credentials gets at the secret of a [successor](super::Grant::with_successor) like this.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use http::Request;
    /// # use std::sync::Arc;
    /// # use videokit_session::{Credentials, Denial, Gateway, Grant};
    /// # use videokit_session::exchange::{BuildError, Exchange, Reply};
    /// struct RefreshToken(String);
    /// # impl Exchange for RefreshToken {
    /// #     fn request(&self) -> Result<Request<Bytes>, BuildError> { Err(BuildError::Custom("")) }
    /// #     fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> { reply.granting_body(0).and_then(|_| unreachable!()) }
    /// # }
    ///
    /// let credentials = Credentials::custom(Arc::new(RefreshToken("refresh-1".into())));
    /// let stored = credentials.downcast_ref::<RefreshToken>().map(|token| token.0.as_str());
    /// assert_eq!(stored, Some("refresh-1"));
    /// assert!(credentials.downcast_ref::<Gateway>().is_none());
    /// ```
    #[must_use]
    pub fn downcast_ref<E: Exchange>(&self) -> Option<&E> {
        let exchange: &dyn Any = self.exchange();
        exchange.downcast_ref()
    }

    /// Returns the request. A custom exchange's is checked: it could send credentials anywhere.
    pub(crate) fn request(&self) -> Result<Request<Bytes>, BuildError> {
        let custom = match &self.0 {
            // Their endpoints are checked where they are made.
            Kind::Gateway(gateway) => return Ok(gateway.request()),
            Kind::Backend(backend) => return Ok(backend.request()),
            Kind::Custom(custom) => custom,
            #[cfg(feature = "trace")]
            Kind::Placeholder(_, custom) => custom,
        };
        let request = custom.request()?;
        let origin = AllowedOrigin::of(request.uri())?;
        if origin.is_safe() { Ok(request) } else { Err(OriginError::Insecure.into()) }
    }
}

#[cfg(feature = "trace")]
impl Credentials {
    pub(crate) fn placeholder(name: &str, exchange: Arc<dyn Exchange>) -> Self {
        Self(Kind::Placeholder(name.into(), exchange))
    }

    /// Returns whether these are equal to clones of themselves only.
    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.0, Kind::Custom(_))
    }

    /// Returns the name of credentials of a replay.
    pub(crate) fn placeholder_name(&self) -> Option<&str> {
        if let Kind::Placeholder(name, _) = &self.0 { Some(name) } else { None }
    }
}

impl From<Backend> for Credentials {
    fn from(backend: Backend) -> Self {
        Self::backend(backend)
    }
}

impl PartialEq for Credentials {
    /// Returns whether both make the same request with the same secrets. Custom exchanges have to be the same
    /// instance.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            // `Arc` compares addresses first.
            (Kind::Gateway(a), Kind::Gateway(b)) => a == b,
            (Kind::Backend(a), Kind::Backend(b)) => a == b,
            (Kind::Custom(a), Kind::Custom(b)) => Arc::ptr_eq(a, b),
            #[cfg(feature = "trace")]
            (Kind::Placeholder(a, _), Kind::Placeholder(b, _)) => a == b,
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
            #[cfg(feature = "trace")]
            Kind::Placeholder(name, _) => write!(f, "Credentials({name})"),
        }
    }
}
