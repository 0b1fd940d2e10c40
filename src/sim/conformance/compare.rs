//! What was sent held against what was given, and what was reported against what came.

use bytes::Bytes;
use http::header::{AGE, DATE, RETRY_AFTER};
use http::{Request, Response};

/// What of a request is not as it was given.
pub(super) fn difference(given: &Request<Bytes>, sent: &Request<Bytes>) -> Option<String> {
    if given.method() != sent.method() {
        return Some(format!("the method {}", sent.method()));
    }
    if given.uri() != sent.uri() {
        return Some("another URI".to_owned());
    }
    if given.body() != sent.body() {
        return Some("another body".to_owned());
    }
    let is_there = |(name, value)| sent.headers().get_all(name).iter().any(|sent| sent == value);
    let (name, _) = given.headers().iter().find(|header| !is_there(*header))?;
    Some(format!("another `{name}`, or none"))
}

/// What of a reply is not as it came, as far as the driver looks at it.
pub(super) fn alteration(came: &Response<Bytes>, reported: &Response<Bytes>) -> Option<String> {
    if came.status() != reported.status() {
        return Some(format!("status {} instead of {}", reported.status(), came.status()));
    }
    if came.body() != reported.body() {
        return Some("another body".to_owned());
    }
    let read = [DATE, AGE, RETRY_AFTER];
    let changed =
        read.iter().find(|name| came.headers().get(*name) != reported.headers().get(*name));
    Some(format!("another `{}` header, or none", changed?))
}
