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

use super::T0;
use super::step::{Answer, Login, Rotations, wild_response};
use crate::driver::{Input, Start};
use crate::exchange::{Credentials, Grant, Identity, Scope, Scopes};
use crate::secret::SessionToken;
use crate::session::{Authorized, Generation, RequestId, TransportFailure};

/// The longest token that is made, in bytes. Longer ones would only take bytes from what comes after them.
const MOST_TOKEN_BYTES: usize = 300;

/// Makes any HTTP response: one that a server of tokens gives, or one that nobody would.
///
/// # Errors
/// None: bytes that are missing are zeros.
pub fn response(input: &mut Unstructured<'_>) -> Result<Response<Bytes>> {
    if input.ratio(7, 8)? {
        // Most often a token, of up to an hour or so: what comes after it needs one.
        let grants = input.arbitrary()?;
        let answer = if grants {
            Answer::Grant(input.int_in_range(0..=0xfff)?)
        } else {
            input.arbitrary()?
        };
        let token: SessionToken = input.arbitrary()?;
        let identity = format!("user-{}", input.int_in_range(0..=1)?);
        return Ok(answer.reply(token.expose(), &identity, T0));
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
        4 if !generations.is_empty() => {
            let (of, age) = (*input.choose(generations)?, input.arbitrary::<u32>()?);
            Input::Unauthorized(Authorized::valid(of, age.into()))
        }
        4 | 5 => Input::Observe,
        6 => Input::Failure(*input.choose(ids)?, input.arbitrary::<TransportFailure>()?),
        _ => Input::Response(*input.choose(ids)?, response(input)?),
    })
}

/// Makes a login, of few users with few secrets, so that logins join, rotate and replace each other, and grants are
/// theirs. The first five kinds have credentials.
fn login(input: &mut Unstructured<'_>, kinds: u8) -> Result<Login> {
    let (user, number) = (input.int_in_range(0..=1)?, input.int_in_range(0..=1)?);
    Ok(match input.int_in_range(1..=kinds)? {
        1 => Login::App { user, secret: number },
        2 => Login::Cookie(number),
        3 => Login::Named { user, cookie: number },
        4 => Login::Rotating { user, number: input.arbitrary()? },
        5 => Login::Unbuildable,
        6 => Login::Token(number),
        _ => Login::TokenOf { user, number },
    })
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
        let grant = Self::new(input.arbitrary()?);
        let (identity, scopes): (Option<Identity>, Option<Scopes>) = input.arbitrary()?;
        let (millis, expires_at): (Option<u32>, Option<&str>) = input.arbitrary()?;
        let lifetime = millis.map(|millis| Duration::from_millis(millis.into()));
        let grant = identity.into_iter().fold(grant, Self::with_identity);
        let grant = scopes.into_iter().fold(grant, Self::with_scopes);
        let grant = lifetime.into_iter().fold(grant, Self::with_lifetime);
        Ok(expires_at.into_iter().fold(grant, Self::with_expires_at))
    }
}

impl Arbitrary<'_> for Start {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        let of_login = input.ratio(3, 4)?;
        Ok(if of_login { login(input, 7)?.start() } else { Self::Token(input.arbitrary()?) })
    }
}

impl Arbitrary<'_> for Credentials {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        login(input, 5)?.credentials(&mut Rotations::new()).ok_or(Error::IncorrectFormat)
    }
}
