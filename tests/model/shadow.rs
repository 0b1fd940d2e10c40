//! The rules, kept beside a driver: what it owes, and what it may not do. From the text of the rules, by
//! what a caller sees.

use std::collections::VecDeque;

use videokit_session::driver::Blocked;
use videokit_session::session::transitions::{Cause, StateName, TABLE, Transition};
use videokit_session::session::{Generation, RequestId};
use videokit_session::{Event, Outgoing};

use crate::cast::{
    BURST, FLOOR, INTERVAL, Instant, Person, SPACING, THRESHOLD, TIMEOUT, Wish, owner,
};
use crate::early::{Early, Refused};
use crate::token::{Flight, Token, new_early};

/// Which rule was broken, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Broken {
    pub(crate) rule: u8,
    pub(crate) how: &'static str,
}

pub(crate) type Verdict = Result<(), Broken>;

pub(crate) fn hold(rule: u8, so: bool, how: &'static str) -> Verdict {
    if so { Ok(()) } else { Err(Broken { rule, how }) }
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
}

/// What is known about a driver from the outside.
#[derive(Debug, Clone)]
pub(crate) struct Shadow {
    pub(crate) wish: Option<Wish>,
    /// For whom the first token was that this login's credentials gave.
    pub(crate) named: Option<Person>,
    /// A token that was started with, and is not taken yet.
    pub(crate) to_adopt: Option<Wish>,
    pub(crate) stall: Option<Stall>,
    pause: Pause,
    /// The flaw of the last denials, and how many in a row had it, up to one more than are counted.
    malformed: Option<(u8, u8)>,
    attempts: Option<u32>,
    /// Whether anything may come late.
    late: bool,
    pub(crate) online: bool,
    /// What the request is made with that was announced, and is to go out next.
    announced: Option<(Person, u8)>,
    pub(crate) flight: Option<Flight>,
    /// The last request that is no longer waited for; its reply may still come.
    pub(crate) stale: Option<RequestId>,
    pub(crate) token: Option<Token>,
    early: Early,
    /// The last token that serves no longer; calls made with it may still be answered.
    pub(crate) previous: Option<Generation>,
    owed: VecDeque<Owed>,
    /// The state, as events tell it.
    pub(crate) told: StateName,
    /// What is in the bucket, in milliseconds of its refilling, and since when.
    credit: (u64, u64),
    last_sent: Option<u64>,
    /// Until when each endpoint asked to be left alone.
    floors: [u64; 3],
}

impl Shadow {
    pub(crate) fn new(attempts: Option<u32>, late: bool) -> Self {
        Self {
            wish: None,
            named: None,
            to_adopt: None,
            stall: None,
            pause: Pause::default(),
            malformed: None,
            attempts,
            late,
            online: true,
            announced: None,
            flight: None,
            stale: None,
            token: None,
            early: new_early(),
            previous: None,
            owed: VecDeque::new(),
            told: StateName::Unauthenticated,
            credit: (BURST * INTERVAL, Instant::FIRST.mono),
            last_sent: None,
            floors: [0; 3],
        }
    }

    /// All of it that matters for what follows, relative to now.
    pub(crate) fn key(&self, at: Instant) -> impl std::hash::Hash + use<> {
        let now = at.mono;
        let left = |until: u64| until.saturating_sub(now);
        let pause = Pause { until: left(self.pause.until), ..self.pause };
        // An age beyond all of these is one.
        let early = self.early.relative_to(now.cast_signed());
        let known = [early.age(), early.known, early.suspected].into_iter().flatten().max();
        let token = self.token.map(|t| {
            let oldest = known.unwrap_or(0).max(t.stated).max(THRESHOLD.1.cast_signed());
            let age = if t.standing.own { t.age(at).min(oldest) } else { 0 };
            (t.of, t.standing, age, t.stated, t.told)
        });
        let flight =
            self.flight.map(|f| (f.asked, now - f.sent, at.slept - f.slept_before, f.slept));
        let owed = self.owed.iter().map(|owed| match owed {
            Owed::Abandon(_) => (0, None),
            Owed::Event(cause) => (1, Some(*cause)),
            Owed::Unauthorized(_) => (2, None),
            Owed::GaveUp => (3, None),
            Owed::StillMalformed => (4, None),
        });
        let owed: Vec<_> = owed.collect();
        (
            (
                self.wish,
                self.whose(),
                self.to_adopt,
                self.stall,
                self.online,
                pause,
                self.announced,
            ),
            (flight, self.stale.is_some(), token, self.previous.is_some(), owed, self.told),
            (self.credit(now), self.last_sent.map(|at| left(at + SPACING))),
            (self.floors.map(left), early, self.malformed),
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
        matches!(self.wish, Some(Wish::Asks(..))) && self.stall.is_none()
    }

    /// Why nothing comes by itself, as a driver has to say it.
    pub(crate) fn blocked(&self) -> Option<Blocked> {
        match (self.wish, self.stall) {
            (None, _) => Some(Blocked::NotStarted),
            (Some(Wish::Asks(..)), Some(Stall::Refused)) => Some(Blocked::Refused),
            (Some(Wish::Asks(..)), Some(Stall::GaveUp)) => Some(Blocked::GaveUp),
            (Some(Wish::Asks(..)), None) => None,
            (Some(_), _) => self.to_adopt.is_none().then_some(Blocked::NoCredentials),
        }
    }

    fn credit(&self, now: u64) -> u64 {
        let (credit, since) = self.credit;
        (credit + now - since).min(BURST * INTERVAL)
    }

    fn asked(&self) -> Option<(Person, u8)> {
        match self.wish {
            Some(Wish::Asks(person, secret)) => Some((person, secret)),
            _ => None,
        }
    }

    /// For whom the login is, as far as that is known.
    fn whose(&self) -> Option<Person> {
        match self.wish {
            Some(Wish::Asks(Person::Whoever, _)) => self.named,
            wish => wish?.person(),
        }
    }

    /// Whether a token for this person is one for whom it was asked for.
    pub(crate) fn accepts(&self, asked: Person, named: Person) -> bool {
        match asked {
            Person::Whoever => self.named.is_none_or(|first| first == named),
            person => person == named,
        }
    }

    /// Whether the request in flight was made with the credentials of the login.
    pub(crate) fn is_up_to_date(&self) -> bool {
        self.flight.is_some_and(|flight| Some(flight.asked) == self.asked())
    }
}

/// What was done to the driver.
impl Shadow {
    /// The login ends: by a stop, or by another that begins.
    pub(crate) fn end(&mut self, state: StateName) {
        self.announced = None;
        if let Some(flight) = self.land() {
            self.owe(Owed::Abandon(flight.id));
        }
        if state != StateName::Unauthenticated {
            self.owe(Owed::Event(Cause::Stopped));
        }
        self.drop_token();
        self.early = new_early();
        self.wish = None;
        self.named = None;
        self.to_adopt = None;
        self.start_over();
    }

    /// The same login with another secret, or a token that can be renewed from now on.
    pub(crate) fn rotate(&mut self, wish: Wish) {
        self.wish = Some(wish);
        self.start_over();
        if let Some(token) = &mut self.token {
            token.standing.after_401 = false;
            if token.standing.refused == Refused::Reported {
                token.standing.refused = Refused::Wanted(None);
            }
        }
        self.early.trust();
    }

    /// Time has passed for the token: it may show that the renewal before it cured.
    pub(crate) fn live(&mut self, at: Instant) {
        if let Some(token) = self.token {
            self.early.lived(token.standing, token.age(at));
        }
    }

    /// The token gives way to another, or is over. Says whether a 401 asked for that.
    pub(crate) fn end_token(&mut self, at: Instant) -> bool {
        let Some(token) = self.token else { return false };
        self.early.end(token.standing, token.age(at), token.stated);
        matches!(token.standing.refused, Refused::Wanted(_))
    }

    /// What comes next proves nothing about the token before.
    pub(crate) fn give_up_suspicion(&mut self) {
        self.early.give_up_suspicion();
    }

    /// Whether the token asks to be replaced by its age, as 401s have taught it.
    pub(crate) fn is_learned_due(&self, at: Instant) -> bool {
        let Some(token) = self.token.filter(|token| token.standing.own) else { return false };
        let limit = self.early.age().filter(|age| *age < token.stated);
        let ran = (at.mono - token.sent.0).cast_signed();
        // The margin is one millisecond.
        limit.is_some_and(|limit| limit - token.age(at) - ran / 1_024 - 1_000 <= 1)
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

    /// The request in flight is one no longer.
    pub(crate) fn land(&mut self) -> Option<Flight> {
        let flight = self.flight.take()?;
        self.stale = self.late.then_some(flight.id);
        Some(flight)
    }

    /// The request got nothing, not even a refusal: a pause begins, as long as it was drawn.
    pub(crate) fn fail(&mut self, failed: Failed, flaw: Option<u8>, up_to_date: bool, until: u64) {
        if !up_to_date {
            // What becomes of older credentials says nothing about newer ones.
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
        let floor = &mut self.floors[asked as usize];
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

    /// The API answered 401 to the current token.
    pub(crate) fn refuse_token(&mut self, at: Instant) {
        self.live(at);
        let renewable = self.is_renewable();
        let Some(token) = &mut self.token else { return };
        let (age, now) = (token.age(at), at.mono.cast_signed());
        token.standing.refused = self.early.refuse(token.standing, age, token.stated, now);
        let answered = renewable && matches!(token.standing.refused, Refused::Wanted(_));
        if !answered && !token.told.refused {
            token.told.refused = true;
            let generation = token.generation;
            self.owe(Owed::Unauthorized(generation));
        }
    }
}

/// What came out of the driver.
impl Shadow {
    /// A request is announced. `due` says whether the current token asks for one by its age.
    fn announces(&mut self, cause: Cause, due: bool, now: u64) -> Verdict {
        self.announced = Some(self.may_send(due, now)?);
        let wakes = match cause {
            Cause::RenewalSent => self.token.is_some(),
            _ => self.token.is_none(),
        };
        hold(8, wakes, "it announces another request than follows")
    }

    /// A request comes out.
    pub(crate) fn sends(&mut self, outgoing: &Outgoing, at: Instant) -> Verdict {
        let now = at.mono;
        hold(8, !self.owes(), "something else was to come first")?;
        let Some((person, secret)) = self.announced.take() else {
            return hold(8, false, "a request comes out that was not announced");
        };
        hold(1, self.flight.is_none(), "two requests are in flight")?;
        hold(6, self.online, "there is no network")?;
        let header = outgoing.request().headers().get("authorization");
        let mine =
            header.is_some_and(|value| value.as_bytes().ends_with(format!(":{secret}").as_bytes()));
        let there = outgoing.request().uri() == person.endpoint();
        hold(2, mine && there, "it asks for another login")?;
        self.credit = (self.credit(now) - INTERVAL, now);
        self.last_sent = Some(now);
        self.flight = Some(Flight {
            id: outgoing.id(),
            asked: (person, secret),
            sent: now,
            slept_before: at.slept,
            slept: false,
        });
        Ok(())
    }

    /// Whether a request is wanted and allowed, and with what.
    fn may_send(&self, due: bool, now: u64) -> Result<(Person, u8), Broken> {
        hold(8, !self.owes(), "something else was to come first")?;
        let none = self.flight.is_none() && self.announced.is_none();
        hold(1, none, "two requests are in flight")?;
        hold(1, self.credit(now) >= INTERVAL, "the bucket is empty")?;
        let spaced = self.last_sent.is_none_or(|last| now >= last + SPACING);
        hold(1, spaced, "two requests come too close")?;
        hold(7, self.wish.is_some(), "nobody is logged in")?;
        let Some((person, secret)) = self.asked() else {
            return Err(Broken { rule: 2, how: "there is nothing to ask with" });
        };
        hold(4, self.stall != Some(Stall::Refused), "the credentials were refused")?;
        hold(6, self.stall.is_none(), "it had given up")?;
        hold(6, self.online, "there is no network")?;
        hold(6, now >= self.floors[person as usize], "the endpoint asked to be left alone")?;
        hold(6, now >= self.pause.until, "the pause after a failure isn't over")?;
        hold(5, due || self.recovers(), "nothing asks for a renewal")?;
        hold(5, self.to_adopt.is_none(), "there is a token to be taken first")?;
        Ok((person, secret))
    }

    /// Whether a 401 asks for a renewal.
    fn recovers(&self) -> bool {
        self.token.is_some_and(|token| matches!(token.standing.refused, Refused::Wanted(_)))
    }

    /// A request is given up: as was to come, or since its time is over.
    pub(crate) fn abandons(&mut self, id: RequestId, pause: u64, now: u64) -> Verdict {
        if self.owes() {
            let next = self.owed.pop_front();
            return hold(7, next == Some(Owed::Abandon(id)), "something else was to come first");
        }
        let Some(flight) = self.flight.filter(|flight| flight.id == id) else {
            return hold(9, false, "no such request is in flight");
        };
        hold(9, now >= flight.sent + TIMEOUT, "its time is not over")?;
        let up_to_date = self.is_up_to_date();
        self.land();
        let failed = if self.token.is_some() { Cause::RenewalFailed } else { Cause::Failed };
        self.owe(Owed::Event(failed));
        self.fail(Failed::Network, None, up_to_date, pause);
        Ok(())
    }

    /// A transition is reported.
    pub(crate) fn moves(&mut self, transition: Transition, due: bool, at: Instant) -> Verdict {
        hold(8, TABLE.contains(&transition), "there is no such transition")?;
        hold(8, transition.from == self.told, "it begins where none ended")?;
        self.told = transition.to;
        if let Some(next) = self.owed.pop_front() {
            return hold(
                8,
                next == Owed::Event(transition.cause),
                "something else was to come first",
            );
        }
        match transition.cause {
            Cause::Started | Cause::RenewalSent | Cause::Reauthenticated => {
                self.announces(transition.cause, due, at.mono)
            }
            Cause::Lapsed | Cause::LapsedInFlight => {
                hold(8, self.token.is_some(), "there was no token to lapse")?;
                self.end_token(at);
                self.give_up_suspicion();
                self.drop_token();
                Ok(())
            }
            // The caller of this keeps the account of a token that is taken.
            Cause::Adopted | Cause::Replaced => {
                hold(8, self.to_adopt.is_some(), "there was no token to be taken")
            }
            Cause::CredentialsSet => {
                hold(8, self.asked().is_some(), "there were no credentials to be set")
            }
            _ => hold(8, false, "nothing had happened"),
        }
    }

    /// Another event is reported.
    pub(crate) fn tells(&mut self, event: &Event, due: bool) -> Verdict {
        let next = self.owed.pop_front();
        let current = self.token.as_mut();
        match event {
            Event::Unauthorized(of) => {
                hold(5, next == Some(Owed::Unauthorized(*of)), "no 401 was to be told")
            }
            Event::StillMalformed(_) => {
                hold(8, next == Some(Owed::StillMalformed), "no flaw had stayed")
            }
            Event::GaveUp => hold(9, next == Some(Owed::GaveUp), "it had not given up"),
            Event::TokenNeeded(of) => {
                let Some(token) = current else {
                    return hold(8, false, "there is no token that could need another");
                };
                let first = !std::mem::replace(&mut token.told.needed, true);
                let so = next.is_none() && first && due && token.generation == *of;
                let stuck = matches!(self.wish, Some(Wish::Token(..) | Wish::BareToken));
                hold(8, so && stuck, "no token was needed")
            }
            _ => hold(8, false, "this was not to be told"),
        }
    }

    /// It waits: for nothing that could be had now.
    pub(crate) fn waits(&self, state: StateName, due: bool, now: u64) -> Verdict {
        let in_time = self.flight.is_none_or(|flight| now < flight.sent + TIMEOUT);
        hold(9, in_time, "it waits for a reply whose time is over")?;
        hold(8, !self.owes(), "it waits, and had something to tell")?;
        hold(8, self.announced.is_none(), "it waits, and had announced a request")?;
        hold(8, self.told == state, "a transition was not told")?;
        let rule = if self.recovers() { 5 } else { 9 };
        hold(
            rule,
            self.may_send(due, now).is_err(),
            "it waits, and a request is wanted and allowed",
        )
    }
}

/// Whose token an API request gets.
pub(crate) fn may_serve(shadow: &Shadow, header: &str) -> Verdict {
    let Some(token) = shadow.token else { return hold(7, false, "there is no token to serve") };
    hold(2, owner(header) == token.of, "it is somebody else's token")?;
    hold(7, shadow.wish.is_some(), "nobody is logged in")?;
    hold(2, token.of.is_none() || token.of == shadow.whose(), "it is not for who is logged in")
}
