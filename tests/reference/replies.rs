//! What servers answer: as HTTP responses, and what the design makes of each.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AGE, DATE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use jiff::Timestamp;

use crate::logins::{PATIENT, ROTATIONS, SUCCESSOR, place};
use crate::model::clock::Statements;
use crate::model::words::{Ask, AskKind, Bearer, Kind, Reply, What};

/// What a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Say {
    Grant(Life, Whose, Next),
    /// A status, with or without `Retry-After`.
    Status(u16, RetryAfter),
    /// A 200 with an `error` member.
    ErrorMember,
    Portal,
    /// A proxy's page, with this 4xx.
    Page(u16),
    CutOff,
    Empty,
    /// A 200 without a token.
    NoToken,
}

/// What a grant says of the token's life: `expiresAt` so many milliseconds from now, the server's `Date`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Ms(i32),
    /// A cache has held the reply for so many seconds.
    Aged(i32, u8),
    /// Caches say nothing readable about it.
    OfUnreadableAge(i32),
    /// There is no `Date`.
    Undated(i32),
    Unstated,
    /// A JWT that lives for so many seconds by its own claims, and for so many by `expiresAt`.
    Jwt(i32, i32),
}

/// Whom a grant names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Who was asked for; behind a cookie, the server knows.
    Asked,
    Nobody,
    Another,
}

/// What a grant brings for the next request, if the credentials are usable once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another secret.
    Secret,
    /// One that states another user.
    OfAnother,
    /// One that is used at another path.
    Elsewhere,
    /// One that doesn't change any more.
    Lasting,
    Nothing,
}

/// `Retry-After`, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    Nothing,
    Seconds(u32),
    /// As a date, so long after the reply's own.
    Date(i32),
    /// Likewise, in a reply that has no date itself.
    DateAlone(i32),
}

pub(crate) fn date(millis: i64) -> String {
    Timestamp::from_millisecond(millis).unwrap().to_string()
}

fn http_date(millis: i64) -> HeaderValue {
    let millis = u64::try_from(millis).unwrap();
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(millis);
    HeaderValue::try_from(httpdate::fmt_http_date(at)).unwrap()
}

/// A token with claims. Equal texts give equal tokens.
pub(crate) fn jwt(text: &str, seconds: i32) -> String {
    let claims = format!(r#"{{"exp":{},"iat":1000000}}"#, 1_000_000 + i64::from(seconds));
    format!("e30.{}.{text}", URL_SAFE_NO_PAD.encode(claims))
}

/// What the request that is answered was made with: nothing, where there was none.
pub(crate) struct Asked<'a> {
    pub(crate) with: Option<&'a Ask>,
    /// What no service brings any more.
    pub(crate) used_up: &'a [Ask],
}

impl Asked<'_> {
    fn gateway(&self) -> bool {
        self.with.is_some_and(|ask| ask.kind == AskKind::Gateway)
    }

    fn user(&self, whose: Whose) -> Option<u8> {
        let asked = self.with.map_or(0, |ask| ask.identity.unwrap_or(ask.behind()));
        match whose {
            Whose::Asked => Some(asked),
            Whose::Another => Some(asked + 1),
            Whose::Nobody => None,
        }
    }

    fn successor(&self, next: Next) -> Option<Ask> {
        let rotates = |ask: &&Ask| matches!(ask.kind, AskKind::Rotating { .. });
        let mut ask = self.with.filter(rotates)?.clone();
        let path = u8::from(ask.endpoint.as_deref() == Some("rotating/1"));
        match next {
            Next::Nothing => return None,
            Next::Secret => {}
            Next::OfAnother => ask.identity = Some(ask.identity.map_or(2, |user| 1 - user.min(1))),
            Next::Elsewhere => ask.endpoint = Some(format!("rotating/{}", 1 - path)),
            Next::Lasting => (ask.endpoint, ask.kind) = (Some(path.to_string()), AskKind::Backend),
        }
        let secrets = (1..ROTATIONS).map(|by| (ask.secret + by) % ROTATIONS);
        let mut asks = secrets.map(|secret| Ask { secret, ..ask.clone() });
        asks.find(|next| !self.used_up.contains(next))
    }
}

impl Say {
    /// The response at the server's time, and what it comes down to. `text` is the token, if it is one.
    pub(crate) fn reply(self, asked: &Asked<'_>, text: &str, now: i64) -> (Response<Bytes>, Reply) {
        match self {
            Self::Grant(life, whose, next) => {
                life.reply(asked, asked.user(whose), asked.successor(next), text, now)
            }
            Self::Status(status, wait) => denial(asked, status, wait, now),
            Self::ErrorMember => said(r#"{"error":"no","sessionToken":"x"}"#, Kind::Refused, now),
            Self::Page(status) => page(asked, status, now),
            Self::Portal => said("<html></html>", Kind::Malformed(What::Markup), now),
            Self::CutOff => said(r#"{"sessionToken":"abc"#, Kind::Malformed(What::Cut), now),
            Self::Empty => said("", Kind::Transient, now),
            Self::NoToken => {
                let missing = Kind::Malformed(What::Missing("sessionToken"));
                said(r#"{"identity":"user-0"}"#, missing, now)
            }
        }
    }
}

fn response(status: u16, body: String, now: i64) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert(DATE, http_date(now));
    response
}

/// A denial that a body makes.
fn said(body: &str, kind: Kind, now: i64) -> (Response<Bytes>, Reply) {
    // Whatever the service meant to say, but for a portal's page.
    let garbled = !matches!(kind, Kind::Refused | Kind::Malformed(What::Markup));
    let reply = Reply::Denial { kind, permanent: kind == Kind::Refused, wait: None, garbled };
    (response(200, body.to_owned(), now), reply)
}

/// A denial that a status makes.
fn denial(asked: &Asked<'_>, status: u16, wait: RetryAfter, now: i64) -> (Response<Bytes>, Reply) {
    let body = if status == 204 { "" } else { r#"{"error":"no"}"# };
    let mut response = response(status, body.to_owned(), now);
    let headers = response.headers_mut();
    let at = |seconds: i32| http_date(now + i64::from(seconds) * 1_000);
    let wait = match wait {
        RetryAfter::Nothing => None,
        RetryAfter::Seconds(seconds) => {
            headers.insert(RETRY_AFTER, seconds.into());
            Some(i64::from(seconds) * 1_000)
        }
        RetryAfter::Date(seconds) => {
            headers.insert(RETRY_AFTER, at(seconds));
            Some(i64::from(seconds.max(0)) * 1_000)
        }
        RetryAfter::DateAlone(seconds) => {
            headers.insert(RETRY_AFTER, at(seconds));
            headers.remove(DATE);
            None
        }
    };
    let kind = match status {
        429 => Kind::Throttled,
        407 | 408 | 421 | 425 | 500..600 => Kind::Transient,
        400..500 => Kind::Refused,
        300..400 => Kind::Redirect,
        _ => Kind::Malformed(What::Status),
    };
    let path = asked.with.and_then(|ask| ask.endpoint.as_deref());
    let patient = status == 403 && path == Some(PATIENT.to_string().as_str());
    let permanent = kind == Kind::Refused && !patient;
    (response, Reply::Denial { kind, permanent, wait, garbled: status == 204 })
}

/// A page in place of what a server says: it makes a refusal none, but for a 401.
fn page(asked: &Asked<'_>, status: u16, now: i64) -> (Response<Bytes>, Reply) {
    let (mut response, mut reply) = denial(asked, status, RetryAfter::Nothing, now);
    *response.body_mut() = Bytes::from_static(b"\n<html></html>");
    if let Reply::Denial { kind, permanent, .. } = &mut reply
        && *kind == Kind::Refused
        && status != 401
    {
        (*kind, *permanent) = (Kind::Malformed(What::Markup), false);
    }
    (response, reply)
}

impl Life {
    fn reply(
        self,
        asked: &Asked<'_>,
        user: Option<u8>,
        successor: Option<Ask>,
        text: &str,
        now: i64,
    ) -> (Response<Bytes>, Reply) {
        let second = now - now.rem_euclid(1_000);
        let mut said = Statements { date: Some(second), ..Statements::default() };
        let mut text = text.to_owned();
        let after = |ms: i32| Some(now + i64::from(ms));
        match self {
            Self::Ms(ms) => said.expires_at = after(ms),
            Self::Aged(ms, age) => {
                (said.expires_at, said.age) = (after(ms), i64::from(age) * 1_000);
            }
            Self::OfUnreadableAge(ms) => {
                (said.expires_at, said.unreadable_age) = (after(ms), true);
            }
            Self::Undated(ms) => (said.expires_at, said.date) = (after(ms), None),
            Self::Unstated => {}
            Self::Jwt(seconds, ms) => {
                text = jwt(&text, seconds);
                (said.expires_at, said.jwt) = (after(ms), Some(i64::from(seconds) * 1_000));
            }
        }
        let mut body = format!(r#"{{"sessionToken":"{text}""#);
        let identity = user.map(|user| format!(r#","identity":"user-{user}""#));
        let expires_at = said.expires_at.map(|at| format!(r#","expiresAt":"{}""#, date(at)));
        body.extend(identity.into_iter().chain(expires_at));
        let mut response = response(200, body + "}", now);
        if said.date.is_none() {
            response.headers_mut().remove(DATE);
        }
        if said.unreadable_age {
            response.headers_mut().insert(AGE, HeaderValue::from_static("-1"));
        }
        if said.age > 0 {
            response.headers_mut().insert(AGE, (said.age / 1_000).into());
        }
        if let Some(next) = &successor {
            response.headers_mut().insert(SUCCESSOR, place(next).into());
        }
        // The gateway has to say for whom it is.
        let reply = if asked.gateway() && user.is_none() {
            {
                let kind = Kind::Malformed(What::Missing("identity"));
                Reply::Denial { kind, permanent: false, wait: None, garbled: true }
            }
        } else {
            Reply::Grant(Bearer { text, identity: user, said }, successor)
        };
        (response, reply)
    }
}
