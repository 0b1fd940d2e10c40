//! Values for fuzzers (feature `arbitrary`): every input of a driver, from good to hostile, made of a fuzzer's bytes.
//!
//! [`Identity`], [`Scopes`], [`SessionToken`], [`Grant`], [`Credentials`], [`Start`], [`Moment`](crate::Moment),
//! [`TransportFailure`] and the values of [`sim`](crate::sim) implement [`Arbitrary`]. The functions here make what
//! can't: a response, whose type is another crate's, and an input, which is about requests and tokens that exist.
//! Both fit `#[arbitrary(with = …)]`.
//!
#![doc = include_str!("../docs/fuzzing.md")]

use core::time::Duration;

use arbitrary::{Arbitrary, Error, Result, Unstructured};
use bytes::Bytes;
use http::Response;
use http::header::{AGE, DATE, RETRY_AFTER};

use super::step::{Answer, Login, wild_response};
use crate::driver::{Input, Start};
use crate::exchange::{Credentials, Grant, Identity, Scope, Scopes};
use crate::secret::SessionToken;
use crate::session::{Generation, RequestId, TransportFailure};

/// The longest token that is made, in bytes. Longer ones would only take bytes from what comes after them.
const MOST_TOKEN_BYTES: usize = 300;

/// Makes any HTTP response: one that a server of tokens gives, or one that nobody would.
///
/// # Errors
/// None: bytes that are missing are zeros.
pub fn response(input: &mut Unstructured<'_>) -> Result<Response<Bytes>> {
    if input.ratio(7, 8)? {
        // Most often a token: what comes after it needs one.
        let grants = input.arbitrary()?;
        let answer = if grants { Answer::Grant(input.arbitrary()?) } else { input.arbitrary()? };
        let token: SessionToken = input.arbitrary()?;
        let identity = format!("user-{}", few(input.arbitrary()?));
        return Ok(plausible(answer).reply(token.expose(), &identity, 1_795_492_800_000));
    }
    let mut headers = Vec::new();
    for _ in 0..input.int_in_range(0..=3)? {
        let name = input.choose(&[DATE, AGE, RETRY_AFTER])?.clone();
        headers.push((name, input.arbitrary()?));
    }
    Ok(wild_response(input.int_in_range(100..=999)?, headers, input.arbitrary()?))
}

/// Makes any input of a driver. A reply or a failure is of one of the requests `ids`, a 401 of one of the tokens
/// `generations`: those that your loop has met, or others. Without any, there is no such input.
///
/// # Errors
/// None: bytes that are missing are zeros.
pub fn input(
    input: &mut Unstructured<'_>,
    ids: &[RequestId],
    generations: &[Generation],
) -> Result<Input> {
    let about_requests = if ids.is_empty() { 0 } else { 4 };
    let kind = input.int_in_range(0..=5_u8.saturating_add(about_requests))?;
    Ok(match kind {
        0 => Input::Start(input.arbitrary()?),
        1 => Input::SetCredentials(input.arbitrary()?),
        2 => Input::Online(input.arbitrary()?),
        3 => Input::Stop,
        4 if !generations.is_empty() => Input::Unauthorized(*input.choose(generations)?),
        4 | 5 => Input::Observe,
        6 => Input::Failure(*input.choose(ids)?, input.arbitrary::<TransportFailure>()?),
        _ => Input::Response(*input.choose(ids)?, response(input)?),
    })
}

/// One of few users and secrets, so that logins join, rotate and replace each other, and grants are theirs.
const fn few(number: u8) -> u8 {
    number & 1
}

/// Lives of up to an hour or so.
fn plausible(answer: Answer) -> Answer {
    match answer {
        Answer::Grant(seconds) => Answer::Grant(seconds & 0xfff),
        Answer::GrantUndated(seconds) => Answer::GrantUndated(seconds & 0xfff),
        Answer::GrantForAnother(seconds) => Answer::GrantForAnother(seconds & 0xfff),
        same => same,
    }
}

fn login(login: Login) -> Login {
    match login {
        Login::App { user, secret } => Login::App { user: few(user), secret: few(secret) },
        Login::Cookie(number) => Login::Cookie(few(number)),
        Login::Named { user, cookie } => Login::Named { user: few(user), cookie: few(cookie) },
        Login::Token(number) => Login::Token(few(number)),
        Login::TokenOf { user, number } => Login::TokenOf { user: few(user), number: few(number) },
        Login::Rotating { user, number } => Login::Rotating { user: few(user), number },
        Login::Unbuildable => Login::Unbuildable,
    }
}

impl Arbitrary<'_> for Identity {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        // In 400 bytes at most, so it is never too long.
        let text: String = input.arbitrary::<&str>()?.chars().take(100).collect();
        let text = if text.is_empty() { "user-0" } else { text.as_str() };
        Self::new(text).map_err(|_| Error::IncorrectFormat)
    }
}

impl Arbitrary<'_> for Scopes {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        let count = input.int_in_range(0..=3)?;
        (0..count).map(|_| input.choose(&Scope::KNOWN).cloned()).collect()
    }
}

impl Arbitrary<'_> for SessionToken {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        let bytes: &[u8] = input.arbitrary()?;
        let visible = |byte: &u8| byte.checked_rem(94).unwrap_or(0).saturating_add(b'!');
        let token: Vec<u8> = bytes.iter().take(MOST_TOKEN_BYTES).map(visible).collect();
        Self::new(if token.is_empty() { b"t" } else { token.as_slice() })
            .map_err(|_| Error::IncorrectFormat)
    }
}

impl Arbitrary<'_> for Grant {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        let mut grant = Self::new(input.arbitrary()?);
        if let Some(identity) = input.arbitrary()? {
            grant = grant.with_identity(identity);
        }
        if let Some(scopes) = input.arbitrary()? {
            grant = grant.with_scopes(scopes);
        }
        if let Some(millis) = input.arbitrary::<Option<u32>>()? {
            grant = grant.with_lifetime(Duration::from_millis(millis.into()));
        }
        if let Some(expires_at) = input.arbitrary::<Option<&str>>()? {
            grant = grant.with_expires_at(expires_at);
        }
        Ok(grant)
    }
}

impl Arbitrary<'_> for Start {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        let of_login = input.ratio(3, 4)?;
        Ok(if of_login {
            login(input.arbitrary()?).start()
        } else {
            Self::Token(input.arbitrary()?)
        })
    }
}

impl Arbitrary<'_> for Credentials {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        let login = match login(input.arbitrary()?) {
            Login::Token(cookie) => Login::Cookie(cookie),
            Login::TokenOf { user, number } => Login::Named { user, cookie: number },
            other => other,
        };
        match login.start() {
            Start::Exchange(credentials) => Ok(credentials),
            Start::Token(_) => Err(Error::IncorrectFormat),
        }
    }
}
