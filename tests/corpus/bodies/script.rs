//! Steps out of bytes: any that there are, with numbers more often in the range that matters than not.

use arbitrary::{Arbitrary, Unstructured};
use videokit_session::sim::{Answer, Login, Step, To};

/// Statuses that mean different things.
const STATUSES: [u16; 8] = [401, 403, 404, 429, 503, 302, 204, 200];

/// Up to `most` steps, as many as the input has bytes for.
pub(crate) fn steps(input: &mut Unstructured<'_>, most: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    while steps.len() < most && !input.is_empty() {
        let Ok(step) = Step::arbitrary(input) else { break };
        steps.push(tamed(step));
    }
    steps
}

fn tamed(step: Step) -> Step {
    match step {
        Step::Start(login) => Step::Start(few(login)),
        Step::SetCredentials(login) => Step::SetCredentials(few(login)),
        Step::Pass(ms) => Step::Pass(often_below(ms, 100_000)),
        Step::MonoBack(ms) => Step::MonoBack(often_below(ms, 2_000_000)),
        Step::Answer(to, answer) => Step::Answer(near(to), plausible(answer)),
        Step::Fail(to, why) => Step::Fail(near(to), why),
        same => same,
    }
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
fn few(login: Login) -> Login {
    match login {
        Login::App { user, secret } => Login::App { user: user % 2, secret: secret % 2 },
        Login::Cookie(number) => Login::Cookie(number % 2),
        Login::Named { user, cookie } => Login::Named { user: user % 2, cookie: cookie % 2 },
        Login::Token(number) => Login::Token(number % 2),
        Login::TokenOf { user, number } => Login::TokenOf { user: user % 2, number: number % 2 },
        Login::Rotating { user, number } => Login::Rotating { user: user % 2, number: number % 4 },
        same => same,
    }
}
