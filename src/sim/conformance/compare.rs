//! Compares what was sent with what was returned, and what was reported with what came.

use bytes::Bytes;
use http::header::{AGE, DATE, RETRY_AFTER};
use http::{Request, Response};

/// Returns what was changed in a request, if anything was. A loop may add headers.
pub(super) fn changed_request(given: &Request<Bytes>, sent: &Request<Bytes>) -> Option<String> {
    let parts = [
        (given.method() == sent.method(), "another method"),
        (given.uri() == sent.uri(), "another URI"),
        (given.body() == sent.body(), "another body"),
    ];
    if let Some((_, change)) = parts.iter().find(|(same, _)| !same) {
        return Some((*change).to_owned());
    }
    let is_there = |(name, value)| sent.headers().get_all(name).iter().any(|sent| sent == value);
    let (name, _) = given.headers().iter().find(|header| !is_there(*header))?;
    Some(format!("another `{name}`, or none"))
}

/// Returns what was changed in a reply, of the parts that the driver reads.
pub(super) fn changed_reply(came: &Response<Bytes>, reported: &Response<Bytes>) -> Option<String> {
    if came.status() != reported.status() {
        return Some(format!("status {} instead of {}", reported.status(), came.status()));
    }
    if came.body() != reported.body() {
        return Some("another body".to_owned());
    }
    let read = [DATE, AGE, RETRY_AFTER];
    let changed = |name: &&_| came.headers().get(*name) != reported.headers().get(*name);
    Some(format!("another `{}` header, or none", read.iter().find(changed)?))
}
