//! The request of an exchange that sends the same one each time.

use core::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderValue};
use http::{Method, Request};

use super::{BODY_LIMIT, Endpoint};

/// A request, and how much of its reply is read. `Debug` shows the size of the body, and no header that is marked
/// sensitive.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) body_limit: usize,
}

impl Template {
    /// It has `Cache-Control: no-store`, since a stored reply would give a token of unknown age.
    pub(super) fn new(endpoint: Endpoint, method: Method, accept: &'static str) -> Self {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self { endpoint, method, headers, body: Bytes::new(), body_limit: BODY_LIMIT }
    }

    pub(super) fn request(&self) -> Request<Bytes> {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.endpoint.uri().clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("endpoint", &self.endpoint)
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .field("body_limit", &self.body_limit)
            .finish()
    }
}
