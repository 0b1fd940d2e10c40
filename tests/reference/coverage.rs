//! What a whole run has to have seen, so that nobody believes in a model that was never asked.

use std::collections::BTreeSet;

use videokit_session::driver::WakeReason;
use videokit_session::session::transitions::{Cause, StateName, TABLE};

use crate::model::Pause;
use crate::model::words::{Answer, Told};

#[derive(Debug, Default)]
pub(crate) struct Coverage {
    transitions: BTreeSet<(StateName, StateName, Cause)>,
    waits: BTreeSet<Option<WakeReason>>,
    events: BTreeSet<&'static str>,
    after_failures: Pauses,
    after_doubtful_tokens: Pauses,
}

/// How many pauses were shorter than a quarter of what they might have been, and how many longer.
#[derive(Debug, Default)]
struct Pauses {
    short: u32,
    long: u32,
}

impl Coverage {
    pub(crate) fn see(&mut self, answer: Answer) {
        match answer {
            Answer::Wait(wait) => drop(self.waits.insert(wait.map(|(_, why)| why))),
            Answer::Told(told) => self.hear(told),
            Answer::Sent(_) => {}
        }
    }

    fn hear(&mut self, told: Told) {
        self.events.insert(match told {
            Told::Moved(from, to, cause)
            | Told::Denied(from, to, cause, _)
            | Told::Failed(from, to, cause, _) => {
                self.transitions.insert((from, to, cause));
                "transition"
            }
            Told::TokenNeeded(_) => "token needed",
            Told::Unauthorized(_) => "unauthorized",
            Told::StillMalformed(_) => "still malformed",
            Told::GaveUp => "gave up",
            Told::NotAdopted(_) => "not adopted",
            Told::NotSent => "not sent",
            Told::CredentialsChanged => "credentials changed",
            Told::CredentialsSpent => "credentials spent",
            Told::Abandoned(_) => "abandoned",
        });
    }

    /// A pause, as far as it came to be known. Those that are short at best are left out.
    pub(crate) fn pause(&mut self, pause: &Pause) {
        let pauses =
            if pause.doubtful { &mut self.after_doubtful_tokens } else { &mut self.after_failures };
        let (least, most) = (pause.until.least - pause.from, pause.until.most - pause.from);
        if pause.ceiling >= 500 {
            pauses.short += u32::from(most * 4 < pause.ceiling);
            pauses.long += u32::from(least * 4 >= pause.ceiling);
        }
    }

    /// All that can happen did happen, and pauses are of all lengths.
    pub(crate) fn check(&self) {
        for row in TABLE {
            let transition = (row.from, row.to, row.cause);
            assert!(self.transitions.contains(&transition), "{row:?} never happened");
        }
        assert_eq!(self.waits.len(), 7, "only {:?}", self.waits);
        assert_eq!(self.events.len(), 10, "only {:?}", self.events);
        // Three in four are long, of those that are not hidden behind something longer.
        for Pauses { short, long } in [&self.after_failures, &self.after_doubtful_tokens] {
            assert!(long > short && *short > 0, "{short} short pauses, {long} long ones");
        }
    }
}
