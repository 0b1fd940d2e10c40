//! Secrets that are usable once: one whose reply was lost is never sent again.

use videokit_session::driver::Blocked;
use videokit_session::sim::{Answer, Seen, Sent, Step};
use videokit_session::{Event, Identity, TransportFailure};

use super::view::Turn;
use super::watch::{find, made_with};

/// The secret of the request in flight, and those that are used up.
#[derive(Default)]
pub(super) struct Secrets {
    live: Option<Sent>,
    /// The last one, and before it the one that the login had meanwhile.
    spent: Vec<String>,
    /// Successors that were taken, and not yet reported.
    changed: usize,
    /// Whether it was reported that the current credentials are used up.
    reported: bool,
}

impl Secrets {
    pub(super) fn follow(&mut self, turn: &Turn<'_>) {
        let (before, after) = (turn.before, turn.after);
        if before.epoch != after.epoch || turn.step == Step::Stop {
            self.lose(turn);
            self.reported = false;
        } else if before.credentials != after.credentials {
            self.reported = false;
        }
        for seen in turn.seen {
            match seen {
                Seen::Reported { taken: true, .. } => self.on_report(turn),
                Seen::Abandoned(_) => self.lose(turn),
                Seen::Sent(id) => self.on_sent(find(turn, *id)),
                Seen::Event(Event::CredentialsChanged) => {
                    assert!(self.changed > 0, "rule 8: no reply brought other credentials");
                    self.changed -= 1;
                }
                Seen::Event(Event::CredentialsSpent) => {
                    assert!(!self.reported, "rule 8: it was reported before");
                    self.reported = true;
                }
                _ => {}
            }
        }
        let spent = after.credentials.as_ref().is_some_and(|with| self.spent.contains(with));
        assert_eq!(after.blocked == Some(Blocked::Spent), spent, "rule 3: after {:?}", turn.step);
        if turn.step == Step::Drain {
            assert!(!spent || self.reported, "rule 9: nobody was asked for other credentials");
            assert_eq!(self.changed, 0, "rule 8: nobody was told of other credentials");
        }
    }

    fn on_sent(&mut self, sent: Sent) {
        let usable_once = sent.uri.path().starts_with("/rotating/");
        let used_up = self.spent.contains(&made_with(&sent));
        assert!(!used_up, "rule 3: {} is made with what is used up", sent.id);
        self.live = Some(sent).filter(|_| usable_once);
    }

    fn on_report(&mut self, turn: &Turn<'_>) {
        let (before, after) = (turn.before, turn.after);
        let answered = self.live.is_some() && matches!(turn.step, Step::Answer(..));
        assert!(answered || before.credentials == after.credentials, "rule 8: {:?}", turn.step);
        if before.credentials != after.credentials {
            self.changed += 1;
        }
        let lost = match turn.step {
            Step::Fail(_, why) => why != TransportFailure::Unreachable,
            Step::Answer(_, answer) => self.is_lost(turn, answer),
            _ => false,
        };
        if lost {
            self.lose(turn);
        }
        self.live = None;
    }

    /// Whether the reply to a request may have been a token, and none came of it.
    fn is_lost(&self, turn: &Turn<'_>, answer: Answer) -> bool {
        let Some(sent) = &self.live else { return false };
        let user = sent.uri.path().trim_start_matches("/rotating/");
        let named = match answer {
            Answer::Grant(_)
            | Answer::GrantUndated(_)
            | Answer::GrantUnstated
            | Answer::GrantDead => user.to_owned(),
            Answer::GrantForAnother(_) => format!("{user}-else"),
            Answer::CutOff | Answer::Deny(204, _) => return true,
            _ => return false,
        };
        let known = turn.before.identity.as_ref().map(Identity::as_str);
        known.is_some_and(|known| known != named)
    }

    fn lose(&mut self, turn: &Turn<'_>) {
        if let Some(sent) = self.live.take() {
            let lost = made_with(&sent);
            self.spent
                .retain(|spent| Some(spent) == turn.before.credentials.as_ref() && *spent != lost);
            self.spent.push(lost);
        }
    }
}
