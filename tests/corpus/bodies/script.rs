//! Steps out of bytes: any that there are, with numbers more often in the range that matters than not.
//!
//! The enums here are those of the simulator as they were when the inputs in `fuzz/corpus` were found. `arbitrary`
//! chooses a variant by the share that it has of all, so that one more variant would change what every input means.
//! What the simulator has learned since comes behind a byte with which no step of those inputs begins.

use arbitrary::{Arbitrary, Result, Unstructured};
use videokit_session::TransportFailure;
use videokit_session::sim::{Answer, Login, Step, To};

/// Statuses that mean different things.
const STATUSES: [u16; 8] = [401, 403, 404, 429, 503, 302, 204, 200];

/// The byte before a [`Newer`] step; twice before a 401 that comes late.
const NEWER: u8 = 241;

/// Of users with credentials that rotate, and of the secrets that they start with.
const ROTATING: (u8, u8) = (2, 16);

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Older {
    Poll,
    Drain,
    Start(OlderLogin),
    Stop,
    Online(bool),
    Pass(u32),
    PassToWake,
    Sleep(u16),
    SetWall(i32),
    MonoBack(u32),
    Nonsense(u64, i64),
    Answer(To, Answer),
    Fail(To, TransportFailure),
    Unauthorized { current: bool },
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum OlderLogin {
    App { user: u8, secret: u8 },
    Cookie(u8),
    Named { user: u8, cookie: u8 },
    Token(u8),
    TokenOf { user: u8, number: u8 },
    Unbuildable,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Newer {
    SetCredentials(OlderLogin),
    StartRotating { user: u8, number: u8 },
    SetRotating { user: u8, number: u8 },
}

/// Up to `most` steps, as many as the input has bytes for.
pub(crate) fn steps(input: &mut Unstructured<'_>, most: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    while steps.len() < most && !input.is_empty() {
        let Ok(step) = step(input) else { break };
        steps.push(step);
    }
    steps
}

fn step(input: &mut Unstructured<'_>) -> Result<Step> {
    if input.peek_bytes(1) != Some(&[NEWER]) {
        return Ok(legacy(Older::arbitrary(input)?));
    }
    input.bytes(1)?;
    if input.peek_bytes(1) == Some(&[NEWER]) {
        input.bytes(1)?;
        let late_ms = often_below(input.arbitrary()?, 100_000);
        return Ok(Step::Unauthorized { current: true, late_ms });
    }
    Ok(newer(Newer::arbitrary(input)?))
}

fn legacy(step: Older) -> Step {
    match step {
        Older::Poll => Step::Poll,
        Older::Drain => Step::Drain,
        Older::Start(login) => Step::Start(few(login)),
        Older::Stop => Step::Stop,
        Older::Online(online) => Step::Online(online),
        Older::Pass(ms) => Step::Pass(often_below(ms, 100_000)),
        Older::PassToWake => Step::PassToWake,
        Older::Sleep(seconds) => Step::Sleep(seconds),
        Older::SetWall(seconds) => Step::SetWall(seconds),
        Older::MonoBack(ms) => Step::MonoBack(often_below(ms, 2_000_000)),
        Older::Nonsense(mono, wall) => Step::Nonsense(mono, wall),
        Older::Answer(to, answer) => Step::Answer(near(to), plausible(answer)),
        Older::Fail(to, why) => Step::Fail(near(to), why),
        Older::Unauthorized { current } => Step::Unauthorized { current, late_ms: 0 },
    }
}

fn newer(step: Newer) -> Step {
    match step {
        Newer::SetCredentials(login) => Step::SetCredentials(few(login)),
        Newer::StartRotating { user, number } => Step::Start(rotating(user, number)),
        Newer::SetRotating { user, number } => Step::SetCredentials(rotating(user, number)),
    }
}

fn rotating(user: u8, number: u8) -> Login {
    Login::Rotating { user: user % ROTATING.0, number: number % ROTATING.1 }
}

/// One number in eight is left as it is.
fn often_below(number: u32, most: u32) -> u32 {
    if number % 8 == 7 { number } else { (number / 8) % most }
}

fn near(to: To) -> To {
    match to {
        To::Old(back) => To::Old(back % 8),
        same => same,
    }
}

fn plausible(answer: Answer) -> Answer {
    match answer {
        Answer::Grant(seconds) => Answer::Grant(often_below(seconds, 4_000)),
        Answer::GrantUndated(seconds) => Answer::GrantUndated(often_below(seconds, 4_000)),
        Answer::GrantForAnother(seconds) => Answer::GrantForAnother(often_below(seconds, 4_000)),
        Answer::Deny(status, wait) => {
            let wait = wait.map(|wait| often_below(wait, 8_000));
            let known = STATUSES[usize::from(status / 8) % STATUSES.len()];
            Answer::Deny(if status % 8 == 7 { status } else { known }, wait)
        }
        same => same,
    }
}

/// Few users with few secrets, so that logins join, rotate and replace each other.
fn few(login: OlderLogin) -> Login {
    match login {
        OlderLogin::App { user, secret } => Login::App { user: user % 2, secret: secret % 2 },
        OlderLogin::Cookie(number) => Login::Cookie(number % 2),
        OlderLogin::Named { user, cookie } => Login::Named { user: user % 2, cookie: cookie % 2 },
        OlderLogin::Token(number) => Login::Token(number % 2),
        OlderLogin::TokenOf { user, number } => {
            Login::TokenOf { user: user % 2, number: number % 2 }
        }
        OlderLogin::Unbuildable => Login::Unbuildable,
    }
}
