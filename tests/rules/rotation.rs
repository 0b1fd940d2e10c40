//! Credentials that change with each token, and secrets that are usable once.

use std::mem::{replace, take};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use videokit_session::driver::{Blocked, Policy};
use videokit_session::session::transitions::{Cause, StateName};
use videokit_session::sim::strategies::{self, script};
use videokit_session::sim::{Answer, Login, SECRET, Seen, Step, To};
use videokit_session::{Event, Identity, TransportFailure};

use crate::view::{Turn, World, names_another};
use crate::world::{play, world};

type Checked = Result<(), TestCaseError>;

/// A user, and the number of one of their secrets.
type Secret = (u8, u8);

/// Of so many secrets, the last has no successor.
const LAST: u8 = 15;

/// Logins whose credentials rotate, in a mix that grants and loses many tokens.
fn rotating() -> impl Strategy<Value = Step> {
    let granting = prop_oneof![
        4 => (20_u32..600).prop_map(Answer::Grant),
        1 => Just(Answer::GrantDead),
        1 => (20_u32..600).prop_map(Answer::GrantForAnother),
        1 => Just(Answer::CutOff),
    ];
    prop_oneof![
        10 => Just(Step::Drain),
        2 => Just(Step::Poll),
        8 => (Just(To::Live), granting).prop_map(|(to, say)| Step::Answer(to, say)),
        3 => (strategies::to(), strategies::answer()).prop_map(|(to, say)| Step::Answer(to, say)),
        2 => (strategies::to(), strategies::failure()).prop_map(|(to, why)| Step::Fail(to, why)),
        1 => strategies::login().prop_map(Step::Start),
        2 => strategies::rotating().prop_map(Step::Start),
        3 => strategies::rotating().prop_map(Step::SetCredentials),
        1 => strategies::login().prop_map(Step::SetCredentials),
        1 => Just(Step::Stop),
        1 => any::<bool>().prop_map(Step::Online),
        1 => Just(Step::Unauthorized { current: true, late_ms: 0 }),
        3 => (0_u32..30_000).prop_map(Step::Pass),
        5 => Just(Step::PassToWake),
    ]
}

/// Which secret the next request has to be made with, and which are used up.
#[derive(Default)]
struct Secrets {
    /// `None` while the login's credentials are of another kind.
    next: Option<Secret>,
    /// What the caller has started with or set last.
    given: Option<Secret>,
    /// The secret of the request that was announced, and is not sent yet.
    announced: Option<Secret>,
    live: Option<Secret>,
    /// The last one whose reply was lost, and before it the one that the login had meanwhile.
    spent: Vec<Secret>,
    /// Whether the caller was told so.
    told: bool,
    /// Successors that were taken, and not yet told of.
    swapped: usize,
}

impl Secrets {
    fn follow(&mut self, turn: &Turn<'_>) -> Checked {
        self.note_login(turn);
        if let (Step::Answer(_, answer), [Seen::Reported { taken: true, .. }]) =
            (turn.step, turn.seen)
        {
            self.note_reply(turn, answer);
        }
        if let (Step::Fail(_, why), [Seen::Reported { taken: true, .. }]) = (turn.step, turn.seen) {
            let live = self.live.take();
            self.lose(live.filter(|_| why != TransportFailure::Unreachable));
        }
        for seen in turn.seen {
            match seen {
                Seen::Event(event) => self.note_event(event)?,
                Seen::Sent(id) => {
                    let sent = turn.world.sent().iter().find(|sent| sent.id == *id).unwrap();
                    let path = sent.uri.path().strip_prefix("/rotating/user-");
                    let secret = path.map(|user| {
                        let text = std::str::from_utf8(&sent.secret).unwrap();
                        let number =
                            text.strip_prefix(SECRET).and_then(|text| text.strip_prefix('='));
                        (user.parse().unwrap(), number.unwrap().parse().unwrap())
                    });
                    prop_assert_eq!(secret, self.announced.take(), "{} is made with another", id);
                    let used_up = secret.is_some_and(|secret| self.spent.contains(&secret));
                    prop_assert!(!used_up, "{} is made with what is used up", id);
                    self.live = secret;
                }
                // In time, or with its login.
                Seen::Abandoned(_) => {
                    let live = self.live.take();
                    self.lose(live);
                }
                _ => {}
            }
        }
        let single_use = |world: &World| {
            let credentials = world.driver().credentials();
            credentials.is_some_and(|credentials| credentials.exchange().is_single_use())
        };
        prop_assert_eq!(single_use(turn.world), self.next.is_some(), "{:?}", turn.step);
        let spent = self.is_spent();
        prop_assert_eq!(turn.after.blocked == Some(Blocked::Spent), spent, "{:?}", turn.step);
        if turn.step == Step::Drain {
            prop_assert!(!spent || self.told, "nobody was asked for other credentials");
            prop_assert_eq!(self.swapped, 0, "nobody was told of the last successor");
        }
        Ok(())
    }

    fn note_login(&mut self, turn: &Turn<'_>) {
        let (login, sets) = match turn.step {
            Step::Start(login) => (login, false),
            Step::SetCredentials(login) => (login, true),
            Step::Stop => {
                // What was in flight is abandoned, and told of later.
                let live = self.live.take();
                self.lose(live);
                return *self = Self {
                    spent: take(&mut self.spent),
                    swapped: self.swapped,
                    ..Self::default()
                };
            }
            Step::Online(false) => return self.announced = None,
            _ => return,
        };
        let secret = match login {
            Login::Rotating { user, number } => Some((user, number)),
            _ => None,
        };
        if turn.before.epoch != turn.after.epoch {
            let live = self.live.take();
            self.lose(live);
            *self = Self { spent: take(&mut self.spent), swapped: self.swapped, ..Self::default() };
            (self.next, self.given) = (secret, secret);
        } else if sets && turn.before.credentials != turn.after.credentials {
            (self.next, self.given, self.told) = (secret, secret, false);
        }
    }

    /// A reply to the request in flight.
    fn note_reply(&mut self, turn: &Turn<'_>, answer: Answer) {
        let Some((user, number)) = self.live.take() else { return };
        let named = match answer {
            Answer::Grant(_)
            | Answer::GrantUndated(_)
            | Answer::GrantUnstated
            | Answer::GrantDead => format!("user-{user}"),
            Answer::GrantForAnother(_) => format!("user-{user}-else"),
            // It may have been a token. 200 and an `error` are none.
            Answer::CutOff | Answer::Deny(204, _) => return self.lose(Some((user, number))),
            _ => return,
        };
        let known = turn.before.identity.as_ref().map(Identity::as_str);
        if known.is_some_and(|known| known != named) {
            return self.lose(Some((user, number)));
        }
        if self.next == Some((user, number)) && number < LAST {
            self.next = Some((user, number + 1));
            self.swapped += 1;
        }
    }

    fn note_event(&mut self, event: &Event) -> Checked {
        match event {
            Event::CredentialsChanged => {
                prop_assert!(self.swapped > 0, "no reply brought a successor");
                self.swapped -= 1;
            }
            Event::CredentialsSpent => {
                prop_assert!(!replace(&mut self.told, true), "it was told before");
                prop_assert!(self.is_spent(), "none is used up");
            }
            event => {
                let to = event.transition().map(|transition| (transition.to, transition.cause));
                let sends = [Cause::Started, Cause::RenewalSent, Cause::Reauthenticated];
                if to.is_some_and(|(_, cause)| sends.contains(&cause)) {
                    self.announced = self.next;
                }
            }
        }
        Ok(())
    }

    fn lose(&mut self, secret: Option<Secret>) {
        if let Some(secret) = secret {
            self.spent.retain(|spent| Some(*spent) == self.next && *spent != secret);
            self.spent.push(secret);
        }
    }

    fn is_spent(&self) -> bool {
        self.next.is_some_and(|next| self.spent.contains(&next))
    }
}

proptest! {
    #![proptest_config(crate::cases(256))]

    /// One secret is in use at a time: a successor from its grant on, and one that is used up never again. Each swap
    /// gives one event.
    #[test]
    fn rule_03_and_08_a_secret_that_is_usable_once_is_used_once(script in script(rotating()), seed: u64) {
        let mut secrets = Secrets::default();
        play(&script, world(Policy::default(), seed), |turn| secrets.follow(turn))?;
    }

    /// Where a secret is used up, the driver says so, and other credentials bring it back: the one exception of
    /// rule 9.
    #[test]
    fn rule_09_other_credentials_bring_it_back(script in script(rotating()), seed: u64) {
        let mut world = play(&script, world(Policy::default(), seed), |_| -> Checked { Ok(()) })?;
        world.apply(Step::Online(true));
        for number in 10.. {
            let mut mistaken = false;
            for seen in world.apply(Step::Drain) {
                mistaken |= names_another(&seen);
                if let Seen::Sent(_) = seen {
                    world.apply(Step::Answer(To::Live, Answer::Grant(3_600)));
                }
            }
            let named = world.driver().identity().map(Identity::as_str);
            let stated = named.is_some_and(|named| !matches!(named, "user-0" | "user-1"));
            if world.driver().blocked().is_some() || mistaken || stated {
                let user = u8::from(named == Some("user-1"));
                let login = Login::Rotating { user, number: number % LAST };
                world.apply(if stated { Step::Start(login) } else { Step::SetCredentials(login) });
                continue;
            }
            if world.token().is_some() {
                break;
            }
            prop_assert!(number < 60, "{:?}", world.driver());
            world.apply(Step::PassToWake);
        }
        prop_assert_eq!(world.driver().state(), StateName::Active, "{:?}", world.driver());
    }
}
