//! The floor: the least work that still gives the result, in safe code over the usual crates.
//!
//! Requests and headers are those of `http`. For `lend`, the header's value is borrowed from the session, and no
//! origin is checked.

use std::hint::black_box;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use serde::{Deserialize, Serialize};
use videokit_session_bench::Column;

use crate::case::Case;
use crate::fixtures;

/// How long before the expiry a token is renewed.
const MARGIN_MILLIS: i64 = 60_000;

#[derive(Serialize)]
struct Ask<'a> {
    identity: &'a str,
    scopes: &'a [&'a str],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    session_token: &'a str,
    #[serde(borrow)]
    expires_at: &'a str,
    #[serde(borrow)]
    identity: &'a str,
}

/// Reads the reply without a copy. One check of UTF-8 for the whole body costs less than one a string, which
/// `from_slice` makes.
#[inline]
fn parse(body: &[u8]) -> Answer<'_> {
    serde_json::from_str(std::str::from_utf8(body).unwrap()).unwrap()
}

/// Returns a date of RFC 3339 in `Z`, with or without a fraction, as milliseconds since 1970.
#[inline]
fn millis(text: &[u8]) -> Option<i64> {
    let (head, fraction) = text.split_first_chunk::<19>()?;
    let mut wrong = (head[4] ^ b'-') | (head[7] ^ b'-') | ((head[10] | 0x20) ^ b't');
    wrong |= (head[13] ^ b':') | (head[16] ^ b':');
    let mut two = |at: usize| -> u32 {
        let (tens, ones) = (head[at].wrapping_sub(b'0'), head[at + 1].wrapping_sub(b'0'));
        wrong |= u8::from(tens > 9) | u8::from(ones > 9);
        u32::from(tens) * 10 + u32::from(ones)
    };
    let year = two(0) * 100 + two(2);
    let (month, day) = (two(5), two(8));
    let (hour, minute, second) = (two(11), two(14), two(17));
    if wrong != 0 || month.wrapping_sub(1) > 11 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    if day.wrapping_sub(1) >= days_of_month(year, month) {
        return None;
    }
    let millis = match *fraction {
        [b'Z' | b'z'] => 0,
        [b'.', ref digits @ .., b'Z' | b'z']
            if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) =>
        {
            (0..3).fold(0, |sum, at| {
                sum * 10 + digits.get(at).map_or(0, |digit| i64::from(digit - b'0'))
            })
        }
        _ => return None,
    };
    let seconds = (hour * 60 + minute) * 60 + second;
    Some(days_since_1970(year, month, day) * 86_400_000 + i64::from(seconds) * 1_000 + millis)
}

#[inline]
fn days_of_month(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    // Except in February, 30 or 31 by the parity of the month, which turns with August.
    if month == 2 { 28 + u32::from(leap) } else { 0b1_1110 | (month ^ (month >> 3)) }
}

/// Counts from March, so that the leap day is the last of its year.
#[inline]
fn days_since_1970(year: u32, month: u32, day: u32) -> i64 {
    let (year, month) = if month <= 2 { (year + 399, month + 9) } else { (year + 400, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    i64::from(days) - 146_097 - 719_468
}

/// What is the same for all requests.
struct Client {
    uri: Uri,
    headers: HeaderMap,
}

impl Client {
    fn new() -> Self {
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(AUTHORIZATION, bearer(fixtures::API_TOKEN));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self { uri: Uri::from_static(fixtures::URL), headers }
    }

    /// The body is written into a buffer that is used again.
    #[inline]
    fn request<'buffer>(&self, buffer: &'buffer mut Vec<u8>) -> Request<&'buffer [u8]> {
        buffer.clear();
        let ask = Ask { identity: fixtures::IDENTITY, scopes: &fixtures::SCOPES };
        serde_json::to_writer(&mut *buffer, &ask).unwrap();
        let mut request = Request::new(&buffer[..]);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

#[inline]
fn bearer(token: &str) -> HeaderValue {
    let mut text = Vec::with_capacity("Bearer ".len() + token.len());
    text.extend_from_slice(b"Bearer ");
    text.extend_from_slice(token.as_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap();
    value.set_sensitive(true);
    value
}

struct Session {
    header: HeaderValue,
    expires_at: i64,
    identity: Box<str>,
}

impl Session {
    #[inline]
    fn consume(body: &[u8]) -> Self {
        let answer = parse(body);
        Self {
            header: bearer(answer.session_token),
            expires_at: millis(answer.expires_at.as_bytes()).unwrap(),
            identity: answer.identity.into(),
        }
    }

    #[inline]
    fn renew(&mut self, body: &[u8]) {
        let answer = parse(body);
        assert!(answer.identity == &*self.identity, "another identity");
        self.header = bearer(answer.session_token);
        self.expires_at = millis(answer.expires_at.as_bytes()).unwrap();
    }

    #[inline]
    fn lend(&self, now: i64) -> Option<&HeaderValue> {
        (now < self.expires_at).then_some(&self.header)
    }

    #[inline]
    fn authorize(&self, request: &mut Request<()>, now: i64) {
        if let Some(value) = self.lend(now) {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
    }

    #[inline]
    fn renewal_due(&self, now: i64) -> i64 {
        (self.expires_at - MARGIN_MILLIS).max(now)
    }
}

/// Returns the request that all clients of the gateway have to make.
pub(crate) fn expected_request() -> Request<Vec<u8>> {
    Client::new().request(&mut Vec::new()).map(<[u8]>::to_vec)
}

fn active() -> Session {
    let session = Session::consume(fixtures::undated().body());
    assert_eq!(session.expires_at, fixtures::NOW_MILLIS + 3_600_000);
    session
}

fn request(n: u64) {
    let (client, mut buffer) = (Client::new(), Vec::with_capacity(256));
    for _ in 0..n {
        black_box(black_box(&client).request(&mut buffer));
    }
}

fn consume(n: u64) {
    let reply = fixtures::undated();
    for _ in 0..n {
        black_box(Session::consume(black_box(reply.body())));
    }
}

fn authorize(n: u64) {
    let (session, mut request) = (active(), fixtures::api_request());
    for _ in 0..n {
        black_box(&session).authorize(&mut request, black_box(fixtures::NOW_MILLIS));
        black_box(&mut request);
    }
    fixtures::assert_authorized(&request);
}

fn lend(n: u64) {
    let session = active();
    for _ in 0..n {
        black_box(black_box(&session).lend(black_box(fixtures::NOW_MILLIS)));
    }
}

fn renew(n: u64) {
    let (client, mut buffer, reply) = (Client::new(), Vec::with_capacity(256), fixtures::undated());
    let mut session = active();
    for _ in 0..n {
        black_box(client.request(&mut buffer));
        black_box(&mut session).renew(black_box(reply.body()));
    }
}

fn cycle(n: u64) {
    let (client, mut buffer, reply) = (Client::new(), Vec::with_capacity(256), fixtures::undated());
    let mut request = fixtures::api_request();
    for _ in 0..n {
        black_box(client.request(&mut buffer));
        let mut session = Session::consume(black_box(reply.body()));
        for _ in 0..10 {
            black_box(&session).authorize(&mut request, black_box(fixtures::NOW_MILLIS));
            black_box(&mut request);
        }
        black_box(session.renewal_due(black_box(fixtures::NOW_MILLIS)));
        black_box(client.request(&mut buffer));
        session.renew(black_box(reply.body()));
        black_box(session);
    }
    fixtures::assert_authorized(&request);
}

pub(crate) const CASES: &[Case] = &[
    Case::new(&["request"], Column::Floor, request),
    Case::new(&["consume-undated"], Column::Floor, consume),
    Case::new(&["authorize"], Column::Floor, authorize),
    Case::new(&["lend"], Column::Floor, lend),
    Case::new(&["renew"], Column::Floor, renew),
    Case::new(&["cycle10", "cycle10-undated"], Column::Floor, cycle),
];
