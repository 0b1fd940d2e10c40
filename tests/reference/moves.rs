//! Everything that can be given to a session, in any order: by hand to its typed states, and to
//! `AnySession::step`.

use proptest::prelude::*;
use videokit_session::driver::Start;
use videokit_session::session::{Input, RequestId, Step};
use videokit_session::{Moment, TransportFailure};

use crate::logins::{Before, Login};
use crate::model::words::{Ask, StartWith};
use crate::replies::{Asked, Say};
use crate::sessions::Pair;
use crate::steps::{self, Logins, Setup, To};
use crate::trial::{T0, config};

/// One input, or time that passes between inputs. Times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Move {
    /// With credentials, or with a token where those are meant: then nothing.
    Authenticate(Login),
    Renew(Login),
    Adopt(Login),
    Reply(To, Say),
    Fail(To, TransportFailure),
    Advance,
    Stop,
    Pass(u32),
    Sleep(u32),
    MonoBack(u32),
}

pub(crate) fn any() -> impl Strategy<Value = Move> {
    prop_oneof![
        10 => prop_oneof![steps::login(Logins::Any), steps::login(Logins::Rotating)]
            .prop_map(Move::Authenticate),
        3 => steps::login(Logins::Any).prop_map(Move::Adopt),
        8 => prop_oneof![steps::login(Logins::Any), steps::login(Logins::Rotating)]
            .prop_map(Move::Renew),
        16 => (steps::to(), steps::say(60, Logins::Any)).prop_map(|(to, say)| Move::Reply(to, say)),
        3 => (steps::to(), steps::failure()).prop_map(|(to, why)| Move::Fail(to, why)),
        8 => Just(Move::Advance),
        1 => Just(Move::Stop),
        12 => prop_oneof![0_u32..5_000, 0_u32..100_000, Just(2_000_000)].prop_map(Move::Pass),
        1 => (0_u32..100_000).prop_map(Move::Sleep),
        1 => (0_u32..100_000).prop_map(Move::MonoBack),
    ]
}

/// The two sessions, their clocks, and what was sent.
pub(crate) struct Game {
    pair: Pair,
    mono: i64,
    wall: i64,
    sent: Vec<(RequestId, Option<Ask>)>,
    foreign: RequestId,
    tokens: u32,
}

impl Game {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            pair: Pair::new(&config(&setup.settings), setup.seed),
            mono: 0,
            wall: T0,
            sent: Vec::new(),
            foreign: crate::trial::foreign(&setup.settings, setup.seed),
            tokens: 0,
        }
    }

    pub(crate) fn play(&mut self, play: Move) -> Result<(), String> {
        let before = Before { wall: self.wall, ..Before::default() };
        let (input, ask) = match play {
            Move::Authenticate(login) | Move::Renew(login) => match login.start(before) {
                (Start::Exchange(credentials), StartWith::Ask(ask)) => {
                    let renews = matches!(play, Move::Renew(_));
                    let input = if renews { Input::Renew } else { Input::Authenticate };
                    (input(credentials), Some(ask))
                }
                _ => return Ok(()),
            },
            Move::Adopt(login) => match login.start(before).0 {
                Start::Token(grant) => (Input::Adopt(grant), None),
                Start::Exchange(_) => return Ok(()),
            },
            Move::Reply(to, say) => {
                let (id, asked) = self.addressee(to);
                self.tokens += 1;
                let text = format!("token-{}", self.tokens);
                let (response, _) =
                    say.reply(&Asked { with: asked.as_ref(), used_up: &[] }, &text, self.wall);
                (Input::Reply(id, response), None)
            }
            Move::Fail(to, why) => (Input::Failure(self.addressee(to).0, why), None),
            Move::Advance => (Input::Advance, None),
            Move::Stop => (Input::Stop, None),
            time => {
                self.pass(time);
                return Ok(());
            }
        };
        self.give(&input, ask)
    }

    fn give(&mut self, input: &Input, ask: Option<Ask>) -> Result<(), String> {
        let now = Moment::from_millis(u64::try_from(self.mono).unwrap_or(0), self.wall);
        let step = self.pair.step(input, now)?;
        if let Step::Sent(_, outgoing) = step {
            self.sent.push((outgoing.id(), ask));
        }
        Ok(())
    }

    fn addressee(&self, to: To) -> (RequestId, Option<Ask>) {
        let number = match to {
            To::Last => self.sent.len().checked_sub(1),
            To::Before(back) => self.sent.len().checked_sub(1 + usize::from(back)),
            To::Foreign => None,
        };
        number.map_or((self.foreign, None), |number| self.sent[number].clone())
    }

    fn pass(&mut self, time: Move) {
        let (ran, set) = match time {
            Move::Pass(ms) => (i64::from(ms), i64::from(ms)),
            Move::Sleep(ms) => (0, i64::from(ms)),
            Move::MonoBack(ms) => (-i64::from(ms), 0),
            _ => (0, 0),
        };
        self.mono += ran;
        self.wall += set;
    }
}
