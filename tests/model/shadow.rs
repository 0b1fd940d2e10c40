//! The rules, kept beside a driver: what it owes, and what it may not do. From the text of the rules, by
//! what a caller sees.

mod outputs;

use std::collections::VecDeque;

pub(crate) use self::outputs::may_serve;

use super::early::{Early, Refused};
use super::fixtures::{BURST, FLOOR, INTERVAL, Instant, Login, Name, Person, SPACING, THRESHOLD};
use super::token::{Flight, Token, new_early};
use crate::driver::Blocked;
use crate::session::transitions::{Cause, StateName};
use crate::session::{Generation, RequestId};

/// Which rule was broken, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Violation {
    pub(crate) rule: u8,
    pub(crate) how: &'static str,
}

pub(crate) type Verdict = Result<(), Violation>;

pub(crate) fn check(rule: u8, so: bool, how: &'static str) -> Verdict {
    if so { Ok(()) } else { Err(Violation { rule, how }) }
}

/// Why nothing is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stall {
    Refused,
    GaveUp,
}

/// What holds requests back after failures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Pause {
    until: u64,
    cause: Option<Failed>,
    tries: u32,
}

/// What failed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Failed {
    Network,
    Portal,
    Server,
}

/// After so many denials in a row with one flaw, it is said to stay.
const STAYS: u8 = 5;

/// What has to come out of the next polls, in this order, before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owed {
    Abandon(RequestId),
    Event(Cause),
    Unauthorized(Generation),
    StillMalformed,
    GaveUp,
    CredentialsChanged,
}

/// A request whose exchange has panicked, which the next call reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Panicked {
    /// The transition that would have announced it, if it was being built.
    announces: Option<Cause>,
    up_to_date: bool,
}

/// What is known about a driver from the outside.
#[derive(Debug, Clone)]
pub(crate) struct Shadow {
    /// What the caller has started with or set last, for this login.
    pub(crate) login: Option<Login>,
    /// What the next request is made with: that, or its successor.
    pub(crate) credentials: Option<Name>,
    /// For whom the login is, once it has held a token that says so, or that was asked for somebody.
    pub(crate) held: Option<Person>,
    /// Credentials that are usable once and whose reply was lost: what the login had when the last ones were, and
    /// the last ones.
    pub(crate) spent: [Option<Name>; 2],
    spent_emitted: bool,
    panicked: Option<Panicked>,
    /// A token that was started with, and is not taken yet.
    pub(crate) to_adopt: Option<Login>,
    /// The token that the login was last started with.
    pub(crate) began_with: Option<Login>,
    pub(crate) stall: Option<Stall>,
    pause: Pause,
    /// The flaw of the last denials, and how many in a row had it, up to one more than are counted.
    malformed: Option<(u8, u8)>,
    attempts: Option<u32>,
    /// Whether anything may come late.
    late: bool,
    pub(crate) online: bool,
    /// What the request is made with that was announced, and is to go out next.
    announced: Option<Name>,
    /// Whose endpoint the login's requests go to.
    endpoint: Option<Person>,
    pub(crate) flight: Option<Flight>,
    /// The last request that is no longer waited for; its reply may still come.
    pub(crate) stale: Option<RequestId>,
    pub(crate) token: Option<Token>,
    pub(crate) early: Early,
    /// The last token that serves no longer; calls made with it may still be answered.
    pub(crate) previous: Option<Generation>,
    owed: VecDeque<Owed>,
    /// The state, as events tell it.
    pub(crate) told: StateName,
    /// What is in the bucket, in milliseconds of its refilling, and since when.
    credit: (u64, u64),
    last_sent: Option<u64>,
    /// Until when each endpoint asked to be left alone.
    retry_after: [u64; 4],
}

impl Shadow {
    pub(crate) fn new(attempts: Option<u32>, late: bool) -> Self {
        Self {
            login: None,
            credentials: None,
            held: None,
            spent: [None; 2],
            spent_emitted: false,
            panicked: None,
            to_adopt: None,
            began_with: None,
            stall: None,
            pause: Pause::default(),
            malformed: None,
            attempts,
            late,
            online: true,
            announced: None,
            endpoint: None,
            flight: None,
            stale: None,
            token: None,
            early: new_early(),
            previous: None,
            owed: VecDeque::new(),
            told: StateName::Unauthenticated,
            credit: (BURST * INTERVAL, Instant::FIRST.mono),
            last_sent: None,
            retry_after: [0; 4],
        }
    }

    /// All of it that matters for what follows, relative to now.
    pub(crate) fn key(&self, at: Instant) -> impl std::hash::Hash + use<> {
        let now = at.mono;
        let left = |until: u64| until.saturating_sub(now);
        let pause = Pause { until: left(self.pause.until), ..self.pause };
        // An age beyond all of these is one.
        let early =
            self.early.relative_to(now.cast_signed(), self.previous.map(Generation::number));
        let before = early.untouched.and_then(|(_, schedule)| schedule.age());
        let known = [early.age(), early.known, early.suspected, before];
        let known = known.into_iter().flatten().max();
        let token = self.token.map(|t| {
            let oldest = known.unwrap_or(0).max(t.stated).max(THRESHOLD.1.cast_signed());
            let ages = [t.age(at), t.since_sent(at)];
            let ages = ages.map(|age| if t.status.own { age.min(oldest) } else { 0 });
            (t.of, t.status, ages, t.stated, t.told)
        });
        let flight =
            self.flight.map(|f| (f.asked, now - f.sent, at.slept - f.slept_before, f.slept));
        let owed = self.owed.iter().map(|owed| match owed {
            Owed::Abandon(_) => (0, None),
            Owed::Event(cause) => (1, Some(*cause)),
            Owed::Unauthorized(_) => (2, None),
            Owed::GaveUp => (3, None),
            Owed::StillMalformed => (4, None),
            Owed::CredentialsChanged => (5, None),
        });
        let owed: Vec<_> = owed.collect();
        (
            (
                (self.login, self.credentials, self.held, self.spent, self.spent_emitted),
                (self.to_adopt, self.began_with),
                self.stall,
                self.online,
                pause,
                (self.announced, self.endpoint, self.panicked),
            ),
            (flight, self.stale.is_some(), token, self.previous.is_some(), owed, self.told),
            (self.credit(now), self.last_sent.map(|at| left(at + SPACING))),
            (self.retry_after.map(left), early, self.malformed),
        )
    }

    pub(crate) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    pub(crate) fn owe(&mut self, owed: Owed) {
        self.owed.push_back(owed);
    }

    /// Whether a token that is due would be renewed by the driver itself.
    pub(crate) fn is_renewable(&self) -> bool {
        self.credentials.is_some() && self.blocked().is_none()
    }

    /// Why nothing comes by itself, as a driver has to say it.
    pub(crate) fn blocked(&self) -> Option<Blocked> {
        match (self.login, self.stall) {
            (None, _) => Some(Blocked::NotStarted),
            (Some(_), _) if self.credentials.is_none() => {
                self.to_adopt.is_none().then_some(Blocked::NoCredentials)
            }
            (Some(_), _) if self.is_spent() => Some(Blocked::Spent),
            (Some(_), Some(Stall::Refused)) => Some(Blocked::Refused),
            (Some(_), Some(Stall::GaveUp)) => Some(Blocked::GaveUp),
            (Some(_), None) => None,
        }
    }

    /// Whether the credentials can't be used any more.
    fn is_spent(&self) -> bool {
        self.credentials.is_some() && self.spent.contains(&self.credentials)
    }

    fn credit(&self, now: u64) -> u64 {
        let (credit, since) = self.credit;
        (credit + now - since).min(BURST * INTERVAL)
    }

    /// For whom the login is, as far as that is known: who its tokens are for, who its credentials state, or who
    /// is asked for by the request that is announced or in flight.
    pub(crate) fn whose(&self) -> Option<Person> {
        let asked = self.announced.or(self.flight.map(|flight| flight.asked));
        self.held.or(self.stated()).or(asked.and_then(|(person, _)| person.stated()))
    }

    /// The person that the login's credentials state, or the token that is to be adopted.
    fn stated(&self) -> Option<Person> {
        let credentials = self.credentials.and_then(|(person, _)| person.stated());
        credentials.or_else(|| self.to_adopt?.person())
    }

    /// Whether a token for this person is one for whom it was asked for, and for whom the login is.
    pub(crate) fn accepts(&self, asked: Person, named: Person) -> bool {
        let known = [asked.stated(), self.held, self.credentials.and_then(|next| next.0.stated())];
        known.into_iter().flatten().all(|known| known == named)
    }

    /// Whether the request in flight was made with the credentials of the login.
    pub(crate) fn is_up_to_date(&self) -> bool {
        self.flight.is_some_and(|flight| Some(flight.asked) == self.credentials)
    }
}

/// What was done to the driver.
impl Shadow {
    /// The login ends: by a stop, or by another that begins.
    pub(crate) fn end(&mut self, state: StateName) {
        self.announced = None;
        if let Some(flight) = self.complete() {
            self.lose(flight.asked);
            self.owe(Owed::Abandon(flight.id));
        }
        if state != StateName::Unauthenticated {
            self.owe(Owed::Event(Cause::Stopped));
        }
        self.drop_token();
        self.early = new_early();
        self.login = None;
        self.credentials = None;
        self.endpoint = None;
        self.held = None;
        self.spent_emitted = false;
        (self.to_adopt, self.began_with) = (None, None);
        self.start_over();
    }

    /// Another login begins.
    pub(crate) fn begin(&mut self, login: Login) {
        self.login = Some(login);
        self.credentials = login.credentials();
        self.endpoint = self.credentials.map(|next| next.0);
        self.to_adopt = self.credentials.is_none().then_some(login);
        self.began_with = self.to_adopt;
    }

    /// The same login with another secret, or a token that can be renewed from now on.
    pub(crate) fn rotate(&mut self, login: Login) {
        self.login = Some(login);
        self.credentials = login.credentials();
        self.spent_emitted = false;
        self.start_over();
        if let Some(token) = &mut self.token {
            token.status.after_401 = false;
            if token.status.refused == Refused::Reported {
                token.status.refused = Refused::Wanted(None);
            }
        }
        self.early.trust();
        self.move_to(self.credentials.map(|next| next.0));
    }

    /// A reply brings the successor of the credentials.
    pub(crate) fn succeed(&mut self, successor: Name) {
        if self.credentials.replace(successor) != Some(successor) {
            self.move_to(Some(successor.0));
            self.owe(Owed::CredentialsChanged);
        }
    }

    /// Requests go to this endpoint from now on, if there are any. Of tokens from another one, nothing was learned.
    fn move_to(&mut self, endpoint: Option<Person>) {
        let Some(endpoint) = endpoint else { return };
        if self.endpoint.replace(endpoint).is_some_and(|before| before != endpoint) {
            self.early = new_early();
            let refused = self.token.as_mut().map(|token| &mut token.status.refused);
            if let Some(Refused::Wanted(lesson)) = refused {
                *lesson = None;
            }
        }
    }

    /// The reply to a request is lost that was made with these credentials.
    pub(crate) fn lose(&mut self, asked: Name) {
        if asked.0.is_single_use() {
            let kept = self.credentials.filter(|next| *next != asked && self.is_spent());
            self.spent = [kept, Some(asked)];
        }
    }

    /// Time has passed for the token: it may show that the renewal before it cured.
    pub(crate) fn live(&mut self, at: Instant) {
        if let Some(token) = self.token {
            self.early.lived(token.status, token.age(at));
        }
    }

    /// The token gives way to another, or is over. Says whether a 401 asked for that.
    pub(crate) fn end_token(&mut self, at: Instant) -> bool {
        let Some(token) = self.token else { return false };
        self.early.end(token.status, token.age(at), token.stated, token.generation.number());
        matches!(token.status.refused, Refused::Wanted(_))
    }

    /// What comes next proves nothing about the token before.
    pub(crate) fn give_up_suspicion(&mut self) {
        self.early.give_up_suspicion();
    }

    /// Whether the token asks to be replaced by its age, as 401s have taught it.
    pub(crate) fn is_learned_due(&self, at: Instant) -> bool {
        let Some(token) = self.token.filter(|token| token.status.own) else { return false };
        let limit = self.early.age().filter(|age| *age < token.stated);
        let ran = (at.mono - token.sent.0).cast_signed();
        // The margin is one millisecond.
        limit.is_some_and(|limit| limit - token.since_sent(at) - ran / 1_024 - 1_000 <= 1)
    }

    fn start_over(&mut self) {
        self.stall = None;
        self.pause = Pause::default();
        self.malformed = None;
    }

    /// The same login once more.
    pub(crate) fn join(&mut self) {
        if self.stall == Some(Stall::GaveUp) {
            self.stall = None;
            self.pause.tries = 0;
        }
    }

    pub(crate) fn set_online(&mut self, online: bool) {
        let hears_of_it = !self.online || self.stall == Some(Stall::GaveUp);
        self.online = online;
        if !online && self.announced.take().is_some() {
            let active = self.told == StateName::Active;
            self.owe(Owed::Event(if active { Cause::RenewalFailed } else { Cause::Failed }));
        }
        let ends = match self.pause.cause {
            Some(Failed::Network) => online && hears_of_it,
            Some(Failed::Portal) => online,
            Some(Failed::Server) | None => false,
        };
        if !ends {
            return;
        }
        self.join();
        self.pause = Pause::default();
    }

    /// The exchange of the request panicked: in flight, or while it was built.
    pub(crate) fn panic(&mut self) {
        let (announces, up_to_date) = if let Some(flight) = self.complete() {
            self.lose(flight.asked);
            (None, Some(flight.asked) == self.credentials)
        } else {
            let cause = match self.told {
                StateName::Active => Cause::RenewalSent,
                StateName::Expired => Cause::Reauthenticated,
                _ => Cause::Started,
            };
            (Some(cause), true)
        };
        self.panicked = Some(Panicked { announces, up_to_date });
    }

    /// Whether the next call has to report such a request.
    pub(crate) fn has_panicked(&self) -> bool {
        self.panicked.is_some()
    }

    /// Whether it was made with the credentials of the login, so that a pause follows.
    pub(crate) fn has_panicked_over_current(&self) -> bool {
        self.panicked.is_some_and(|panicked| panicked.up_to_date)
    }

    /// The next call reports the request whose exchange panicked, and a pause begins. Says whether there was one.
    pub(crate) fn report_panic(&mut self, until: u64) -> bool {
        let Some(Panicked { announces, up_to_date }) = self.panicked.take() else { return false };
        self.owed.extend(announces.map(Owed::Event));
        let active = self.token.is_some();
        self.owe(Owed::Event(if active { Cause::RenewalFailed } else { Cause::Failed }));
        self.fail(Failed::Server, None, up_to_date, until);
        true
    }

    /// The request in flight is one no longer.
    pub(crate) fn complete(&mut self) -> Option<Flight> {
        let flight = self.flight.take()?;
        self.stale = self.late.then_some(flight.id);
        Some(flight)
    }

    /// The request got nothing, not even a refusal: a pause begins, as long as it was drawn.
    pub(crate) fn fail(&mut self, failed: Failed, flaw: Option<u8>, up_to_date: bool, until: u64) {
        if !up_to_date {
            // The outcome of a request made with superseded credentials is ignored.
            return;
        }
        self.note_flaw(flaw);
        self.pause = Pause { until, cause: Some(failed), ..self.pause };
        self.pause.tries = self.attempts.map_or(0, |most| (self.pause.tries + 1).min(most));
        if self.attempts == Some(self.pause.tries) {
            self.stall = Some(Stall::GaveUp);
            self.owe(Owed::GaveUp);
        }
    }

    /// The last try ended with this flaw, or in another way.
    pub(crate) fn note_flaw(&mut self, flaw: Option<u8>) {
        let before = self.malformed.filter(|(known, _)| Some(*known) == flaw);
        let count = before.map_or(0, |(_, count)| count) + 1;
        self.malformed = flaw.map(|flaw| (flaw, count.min(STAYS + 1)));
        if flaw.is_some() && count == STAYS {
            self.owe(Owed::StillMalformed);
        }
    }

    pub(crate) fn throttle(&mut self, asked: Person, now: u64) {
        let floor = &mut self.retry_after[asked as usize];
        *floor = (*floor).max(now + FLOOR);
    }

    /// A token is there. One that isn't known to be valid is followed by a pause.
    pub(crate) fn hold_token(&mut self, token: Token, valid: bool, until: u64) {
        self.drop_token();
        self.token = Some(token);
        self.malformed = None;
        let cause = Some(Failed::Server);
        self.pause =
            if valid { Pause::default() } else { Pause { until, cause, ..Pause::default() } };
    }

    pub(crate) fn drop_token(&mut self) {
        if let Some(token) = self.token.take() {
            self.previous = self.late.then_some(token.generation);
        }
    }

    /// The API answered 401 to a call with the token before, which was authorized at this age.
    pub(crate) fn refuse_previous(&mut self, at: Instant, age: i64) {
        self.live(at);
        if let Some(previous) = self.previous {
            self.early.refuse_late(previous.number(), age, at.mono.cast_signed());
        }
    }

    /// The API answered 401 to a call with the current token, which was authorized at this age at the latest.
    pub(crate) fn refuse_token(&mut self, at: Instant, latest: i64) {
        self.live(at);
        let renewable = self.is_renewable();
        let Some(token) = &mut self.token else { return };
        let (age, now) = (token.age(at).min(latest), at.mono.cast_signed());
        token.status.refused = self.early.refuse(token.status, age, token.stated, now);
        let answered = renewable && matches!(token.status.refused, Refused::Wanted(_));
        if !answered && !token.told.refused {
            token.told.refused = true;
            let generation = token.generation;
            self.owe(Owed::Unauthorized(generation));
        }
    }
}
