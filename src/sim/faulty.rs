//! What faults of the gateway, and of what stands before it, make of its replies.

use core::time::Duration;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::ask::Dialect;
use super::fault::Fault;

/// The last second that an HTTP date can name, in seconds since 1970: the end of the year 9999.
const LAST_DATE: u64 = 253_402_300_799;

/// A little more than an exchange parses by default.
const OVERSIZE: usize = crate::exchange::BODY_LIMIT.saturating_add(1_024);

const PORTAL: &str = "<!doctype html><title>Free Wi-Fi</title><p>Accept our terms to go on.";

const ERROR_OBJECT: &str = r#"{"error":{"code":"internal","message":"internal error"}}"#;

/// Returns the reply to a request for this path that a fault keeps from its destination, if one does. `date` is what
/// the gateway's clock shows.
pub(super) fn in_the_way(faults: &[Fault], path: &str, date: i64) -> Option<Response<Bytes>> {
    let for_token = path == "/v1/sessions" || path == "/token" || path.starts_with("/token/");
    let for_api = !for_token && path != "/";
    faults.iter().find_map(|fault| match *fault {
        Fault::Portal => Some(reply(StatusCode::OK, "text/html", PORTAL)),
        Fault::Redirected => {
            let mut response = refusal(StatusCode::TEMPORARY_REDIRECT, "moved");
            let elsewhere = HeaderValue::from_static("https://elsewhere.example/v1/sessions");
            response.headers_mut().insert(LOCATION, elsewhere);
            Some(response)
        }
        Fault::Throttled { retry_after, as_date } if for_token => {
            Some(throttled(429, "too many requests", retry_after, as_date.then_some(date)))
        }
        Fault::Unavailable { status, retry_after } if for_token => {
            Some(throttled(status, "not now", retry_after, None))
        }
        Fault::Refused if for_token => Some(refusal(StatusCode::UNAUTHORIZED, "refused")),
        Fault::ErrorString if for_token => Some(refusal(StatusCode::OK, "internal error")),
        Fault::ErrorObject if for_token => Some(json(StatusCode::OK, ERROR_OBJECT)),
        Fault::Distrusted if for_api => {
            Some(refusal(StatusCode::UNAUTHORIZED, "no live session token"))
        }
        _ => None,
    })
}

/// Applies the faults that a reply meets on its way back.
pub(super) fn corrupt_response(faults: &[Fault], response: &mut Response<Bytes>) {
    for fault in faults {
        let body = response.body_mut();
        let half = body.len() / 2;
        match fault {
            Fault::CutOff => body.truncate(half),
            // The first of the two bytes of an "é".
            Fault::CutInCharacter => *body = [&body.slice(..half)[..], &[0xc3]].concat().into(),
            Fault::Oversized => {
                let mut padded = body.to_vec();
                padded.resize(OVERSIZE.max(padded.len()), b' ');
                *body = padded.into();
            }
            Fault::DateMissing => drop(response.headers_mut().remove(DATE)),
            _ => {}
        }
    }
}

/// Returns how much longer a reply takes: the sum of all delays.
pub(super) fn delay(faults: &[Fault]) -> Duration {
    let delays = faults.iter().map(|fault| if let Fault::Slow { ms } = fault { *ms } else { 0 });
    Duration::from_millis(delays.map(u64::from).fold(0, u64::saturating_add))
}

/// How far the gateway's `Date` is off.
pub(super) fn date_error(faults: &[Fault]) -> i64 {
    let errors = faults.iter().map(|fault| if let Fault::DateOff { ms } = fault { *ms } else { 0 });
    errors.map(i64::from).fold(0, i64::saturating_add)
}

/// A reply that refuses, with the reason in its body.
pub(super) fn refusal(status: StatusCode, error: &str) -> Response<Bytes> {
    json(status, format!(r#"{{"error":{}}}"#, Value::from(error)))
}

/// The body of a reply that grants a token. The two dialects name the token differently.
pub(super) fn grant(
    dialect: Dialect,
    token: &str,
    identity: &str,
    expires_at: Option<&str>,
) -> String {
    let member = match dialect {
        Dialect::Current => "sessionToken",
        Dialect::Legacy => "session_key",
    };
    let [token, identity] = [token, identity].map(Value::from);
    let expires_at = expires_at.map_or(String::new(), |at| format!(r#","expiresAt":"{at}""#));
    format!(r#"{{"{member}":{token}{expires_at},"identity":{identity}}}"#)
}

/// An `expiresAt`; `None` outside the years that it can name.
pub(super) fn expiry(millis: i64) -> Option<String> {
    Some(Timestamp::from_millisecond(millis).ok()?.to_string())
}

pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    reply(status, "application/json", body)
}

pub(super) fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A reply that asks to wait, by so many seconds or, with a `date`, until so many after it.
fn throttled(
    status: u16,
    error: &str,
    retry_after: Option<u32>,
    date: Option<i64>,
) -> Response<Bytes> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = refusal(status, error);
    let value = retry_after.map(|seconds| match date {
        Some(date) => http_date(date.saturating_add(i64::from(seconds).saturating_mul(1_000))),
        None => seconds.into(),
    });
    response.headers_mut().extend(value.map(|value| (RETRY_AFTER, value)));
    response
}

/// An HTTP date, cut to the second; years outside 1970 to 9999 become the nearest that it can name.
pub(super) fn http_date(millis: i64) -> HeaderValue {
    let seconds = u64::try_from(millis.div_euclid(1_000)).unwrap_or(0).min(LAST_DATE);
    let at = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
    HeaderValue::try_from(httpdate::fmt_http_date(at))
        .unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_outside_the_range_are_clamped() {
        assert_eq!(http_date(-1), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(http_date(1_795_492_800_999), "Tue, 24 Nov 2026 04:00:00 GMT");
    }
}
