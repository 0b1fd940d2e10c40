//! The rules, a second time: from the design, naive, and in no hurry. It keeps whatever happened and looks
//! through all of it each time. Chance it can't know: it learns a margin or a pause from what the driver
//! does with it, within the range that the design gives for it, and holds the driver to that from then on.

mod asking;
pub(crate) mod clock;
mod due;
#[path = "../oracle/early.rs"]
mod early;
pub(crate) mod jitter;
mod login;
mod outcomes;
mod seen;
pub(crate) mod words;

use std::collections::{BTreeMap, VecDeque};

use videokit_session::TransportFailure;
use videokit_session::driver::Blocked;
use videokit_session::session::transitions::{Cause, StateName};

use self::clock::{Came, Elapsed, Life, Readings, Trust};
use self::early::{Early, Refused, TokenStatus};
use self::jitter::Between;
use self::words::{Answer, Ask, AskKind, Bearer, Kind, Reply, Settings, StartWith, Told, What};

/// The most tokens that pass between two trials of a longer age.
const MOST_BETWEEN_TRIALS: u32 = 64;

/// A request that went out.
#[derive(Debug, Clone)]
struct Sent {
    at: Elapsed,
    ask: Ask,
}

/// The current token.
#[derive(Debug, Clone)]
struct Token {
    generation: u64,
    bearer: Bearer,
    life: Life,
    /// Renewal is due when `lo` has fallen to it: for each learned age that it was scheduled by.
    margins: BTreeMap<Option<i64>, Between>,
    status: TokenStatus,
    /// Whether the caller was told that the API refuses it.
    told: bool,
    /// Whether the caller was told that another is needed.
    needed: bool,
}

/// The current login.
#[derive(Debug, Clone, Default)]
struct Login {
    /// What the next request is made with; `None` for a token that the caller brought.
    ask: Option<Ask>,
    /// What the caller has started with, or set, last.
    given: Option<Ask>,
    /// A token to be adopted.
    adopt: Option<Bearer>,
    /// The text of the token that it was last started with.
    began_with: Option<String>,
    /// Whether the caller was told that the credentials are used up.
    told_spent: bool,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    Network,
    Portal,
    Server,
}

/// A pause after failures. Times in ticks.
#[derive(Debug, Clone)]
pub(crate) struct Pause {
    pub(crate) from: i64,
    /// The longest that it can be.
    pub(crate) ceiling: i64,
    pub(crate) until: Between,
    cause: Failed,
    /// Whether nothing failed, but that the token is of doubtful life.
    pub(crate) doubtful: bool,
}

/// Everything that ever happened to a driver, as far as a rule asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    set: Settings,
    readings: Readings,
    sends: Vec<Sent>,
    /// When requests went out, in ticks, as far as the budget knows.
    spent: Vec<i64>,
    /// Until when an endpoint is left alone, in ticks.
    retry_after: BTreeMap<String, i64>,
    /// The same for all endpoints that are not among those.
    others: i64,
    login: Option<Login>,
    /// Whose login it is, once a token was held that says so, or that was asked for somebody. Until it ends.
    held: Option<u8>,
    /// Credentials that are usable once, and whose reply was lost: the last ones, and before them those that the
    /// login had then.
    used_up: Vec<Ask>,
    token: Option<Token>,
    early: Early,
    /// Whether the last token expired, and nothing came of it yet.
    expired: bool,
    /// What the request is made with that was announced, and goes out next. The session knows nothing of it.
    announced: Option<Ask>,
    /// The number of the request in flight.
    flight: Option<usize>,
    /// In a row; the ceiling of the next pause grows with them.
    failures: u32,
    /// Those among them that count for giving up.
    tries: u32,
    /// What was wrong with the last denials, and how many in a row.
    malformed: Option<(What, u32)>,
    /// What follows the last one.
    pause: Option<Pause>,
    /// Pauses that are over.
    paused: Vec<Pause>,
    stall: Option<Blocked>,
    online: bool,
    queue: VecDeque<Told>,
    /// What came to be told since somebody asked.
    news: Vec<Told>,
    generations: u64,
    epoch: u64,
    count: BTreeMap<&'static str, u64>,
}

/// Inputs.
impl Model {
    pub(crate) fn new(set: Settings) -> Self {
        Self {
            set,
            readings: Readings::default(),
            sends: Vec::new(),
            spent: Vec::new(),
            retry_after: BTreeMap::new(),
            others: i64::MIN,
            login: None,
            held: None,
            used_up: Vec::new(),
            token: None,
            early: Early::new(set.threshold, MOST_BETWEEN_TRIALS),
            expired: false,
            announced: None,
            flight: None,
            failures: 0,
            tries: 0,
            malformed: None,
            pause: None,
            paused: Vec::new(),
            stall: None,
            online: true,
            queue: VecDeque::new(),
            news: Vec::new(),
            generations: 0,
            epoch: 0,
            count: BTreeMap::new(),
        }
    }

    /// Every call brings a reading.
    pub(crate) fn read(&mut self, mono: u64, wall: i64) {
        self.readings.take(mono, wall);
    }

    pub(crate) fn start(&mut self, start: StartWith) {
        if self.is_same(&start) {
            self.try_again();
        } else if !self.is_for_the_same(&start) {
            self.begin(start);
        } else {
            match start {
                StartWith::Ask(ask) => self.rotate(ask),
                StartWith::Token(token) => {
                    self.with_login().began_with = Some(token.text.clone());
                    self.with_login().adopt = Some(token);
                }
            }
        }
    }

    /// Credentials that join the login because the caller says so.
    pub(crate) fn set_credentials(&mut self, ask: Ask) {
        let differ =
            ask.identity.zip(self.identity()).is_some_and(|(stated, known)| stated != known);
        if self.login.is_none() || differ {
            self.begin(StartWith::Ask(ask));
        } else if self.next_ask() == Some(&ask) {
            self.try_again();
        } else {
            self.rotate(ask);
        }
    }

    /// Another login begins.
    fn begin(&mut self, start: StartWith) {
        self.stop();
        self.epoch += 1;
        let (ask, adopt) = match start {
            StartWith::Ask(ask) => (Some(ask), None),
            StartWith::Token(token) => (None, Some(token)),
        };
        let began_with = adopt.as_ref().map(|bearer| bearer.text.clone());
        self.login = Some(Login { given: ask.clone(), ask, adopt, began_with, told_spent: false });
    }

    /// The same login once more.
    fn try_again(&mut self) {
        if self.stall == Some(Blocked::GaveUp) {
            self.stall = None;
            (self.failures, self.tries) = (0, 0);
        }
    }

    /// The login goes on with other credentials of the caller's.
    fn rotate(&mut self, ask: Ask) {
        self.forget_failures();
        self.stall = None;
        let age = self.token_age();
        if let (Some(token), Some((age, _))) = (&mut self.token, age) {
            self.early.lived(token.status, age);
            token.status.after_401 = false;
            if token.status.refused == Refused::Reported {
                token.status.refused = Refused::Wanted(None);
            }
        }
        self.early.trust();
        let login = self.with_login();
        login.given = Some(ask.clone());
        login.told_spent = false;
        self.go_on_with(ask);
    }

    /// Requests are made with these credentials from now on. At another endpoint, nothing is known of tokens.
    fn go_on_with(&mut self, ask: Ask) {
        let (before, there) = (self.next_endpoint().cloned(), ask.endpoint.clone());
        self.with_login().ask = Some(ask);
        if before.zip(there).is_some_and(|(before, there)| before != there) {
            self.early = Early::new(self.set.threshold, MOST_BETWEEN_TRIALS);
            let refused = self.token.as_mut().map(|token| &mut token.status.refused);
            if let Some(Refused::Wanted(lesson)) = refused {
                *lesson = None;
            }
        }
    }

    pub(crate) fn stop(&mut self) {
        if let Some(flight) = self.flight {
            self.lose(self.sends[flight].ask.clone());
            self.bump("abandoned");
            self.emit(Told::Abandoned(flight));
        }
        self.leave(Cause::Stopped, |from, to| Told::Moved(from, to, Cause::Stopped));
        self.token = None;
        self.expired = false;
        self.flight = None;
        self.login = None;
        self.held = None;
        self.early = Early::new(self.set.threshold, MOST_BETWEEN_TRIALS);
        self.stall = None;
        self.forget_failures();
    }

    pub(crate) fn online(&mut self, online: bool) {
        let gave_up = self.stall == Some(Blocked::GaveUp);
        let ends = match self.pause.as_ref().map(|pause| pause.cause) {
            Some(Failed::Network) => online && (!self.online || gave_up),
            Some(Failed::Portal) => online,
            Some(Failed::Server) | None => false,
        };
        if ends {
            // What is known of the service stays.
            let malformed = self.malformed;
            self.forget_failures();
            self.malformed = malformed;
            self.stall = self.stall.filter(|_| !gave_up);
        }
        self.online = online;
        if !online && self.announced.is_some() {
            let cause = self.either(Cause::RenewalFailed, Cause::Failed);
            let why = TransportFailure::Unreachable;
            let event = |from, to| Told::Failed(from, to, cause, why);
            if self.token.is_some() {
                self.announced = None;
                self.queue.push_back(event(StateName::Active, StateName::Active));
            } else {
                self.leave(Cause::Stopped, event);
            }
        }
    }

    /// The session is left unauthenticated, if it isn't. What its followers hear is the session's own: it
    /// knows nothing of a request that was only announced.
    fn leave(&mut self, cause: Cause, event: impl Fn(StateName, StateName) -> Told) {
        let (seen, to) = (self.state(), StateName::Unauthenticated);
        self.announced = None;
        let own = self.state();
        if seen != to {
            self.queue.push_back(event(seen, to));
        }
        if own != to {
            self.news.push(Told::Moved(own, to, cause));
        }
        self.expired = false;
    }

    /// The API answered 401 to a call that was authorized with this token, at this age.
    pub(crate) fn unauthorized(&mut self, generation: u64, authorized_at: i64) {
        let renewable = self.has_ask() && self.blocked().is_none();
        let (age, now) = (self.token_age(), self.now());
        if let Some((age, _)) = age {
            let status = self.token.as_ref().expect("it has an age").status;
            self.early.lived(status, age);
        }
        let Some(token) = self.token.as_mut().filter(|token| token.generation == generation) else {
            return self.early.refuse_late(generation, authorized_at, now);
        };
        let (age, stated) = age.expect("there is a token");
        let age = age.min(authorized_at);
        token.status.refused = self.early.refuse(token.status, age, stated, now);
        let answered = matches!(token.status.refused, Refused::Wanted(_)) && renewable;
        if !answered && !token.told {
            token.told = true;
            self.emit(Told::Unauthorized(generation));
        }
    }

    /// A reply to the request of this number; none for one that was never sent. Says whether it was taken.
    pub(crate) fn reply(&mut self, to: Option<usize>, reply: Reply) -> bool {
        let Some(sent) = self.complete(to) else { return false };
        match reply {
            Reply::Grant(bearer, successor) => self.grant(&sent, bearer, successor),
            Reply::Denial { kind, permanent, wait, garbled } => {
                if garbled {
                    self.lose(sent.ask.clone());
                }
                self.denied(&sent, kind, permanent, wait);
            }
        }
        true
    }

    fn grant(&mut self, sent: &Sent, bearer: Bearer, successor: Option<Ask>) {
        let trust = self.trust(sent.ask.kind == AskKind::Gateway);
        let (now, wall) = (self.readings.now(), self.readings.wall());
        let life = Life::new(bearer.said, trust, sent.at, now, wall, Came::InReply);
        let differ = |known: u8| bearer.identity.is_some_and(|named| named != known);
        let stated = sent.ask.identity.or(self.next_ask().and_then(|ask| ask.identity));
        // It has to be for whom the credentials state, and for whom an earlier token was.
        let what = if stated.is_some_and(differ) {
            Some(What::Identity { stated: true })
        } else if self.held.is_some_and(differ) {
            Some(What::Identity { stated: false })
        } else {
            self.is_dead(life).then_some(What::Dead)
        };
        let own = self.is_own(sent);
        let whose = self.held.or(stated).or(bearer.identity);
        if let Some(what) = what {
            self.denied(sent, Kind::Malformed(what), false, None);
            if matches!(what, What::Identity { .. }) {
                self.lose(sent.ask.clone());
                return;
            }
        } else {
            self.held = whose;
            self.granted(sent, bearer, life);
        }
        let fits =
            |next: &Ask| next.identity.is_none() || next.identity == whose || whose.is_none();
        if let Some(next) = successor.filter(fits).filter(|_| own)
            && self.next_ask() != Some(&next)
        {
            self.go_on_with(next);
            self.emit(Told::CredentialsChanged);
        }
    }

    /// The request of this number got no reply. Says whether that was news.
    pub(crate) fn fail(&mut self, to: Option<usize>, why: TransportFailure) -> bool {
        let Some(sent) = self.complete(to) else { return false };
        self.bump("unanswered");
        if why != TransportFailure::Unreachable {
            self.lose(sent.ask.clone());
        }
        self.failed(&sent, why);
        true
    }

    /// The reply to a request with these credentials is lost. The service may have used them up.
    fn lose(&mut self, ask: Ask) {
        if ask.is_single_use() {
            let current = self.login.as_ref().and_then(|login| login.ask.clone());
            self.used_up.retain(|known| Some(known) == current.as_ref() && *known != ask);
            self.used_up.push(ask);
        }
    }

    /// Another driver takes the session over: what this one added is lost, and the budget starts empty.
    pub(crate) fn hand_over(&mut self) {
        self.announced = None;
        let asked = self.flight.map(|flight| self.sends[flight].ask.clone());
        let anybody = self.state() != StateName::Unauthenticated || self.held.is_some();
        let login = Login { given: asked.clone(), ask: asked, ..Login::default() };
        let token = self.token.take();
        let status = TokenStatus { own: false, after_401: false, refused: Refused::Never };
        let fresh = |token| Token { status, told: false, needed: false, ..token };
        let empty = vec![self.now(); usize::try_from(self.set.burst).expect("few")];
        *self = Self {
            readings: self.readings.clone(),
            spent: if self.sends.is_empty() { Vec::new() } else { empty },
            sends: std::mem::take(&mut self.sends),
            login: anybody.then_some(login),
            held: self.held,
            token: token.map(fresh),
            expired: self.expired,
            flight: self.flight,
            generations: self.generations,
            paused: self.pauses().cloned().collect(),
            ..Self::new(self.set)
        };
    }

    /// Takes what a poll answered, if the rules allow it.
    pub(crate) fn poll(&mut self, answer: Answer) -> Result<(), String> {
        if self.queue.is_empty() && self.announced.is_none() {
            self.do_what_is_due(answer)?;
        }
        match (self.queue.pop_front(), answer) {
            (Some(told), _) if Answer::Told(told) == answer => Ok(()),
            (Some(told), _) => Err(format!("it should tell {told:?}")),
            (None, Answer::Sent(number)) => self.sends(number),
            (None, _) if self.announced.is_some() => Err("it has announced a request".into()),
            (None, Answer::Told(Told::Moved(from, to, cause))) => self.announces(from, to, cause),
            (None, Answer::Wait(wait)) => self.waits(wait),
            (None, Answer::Told(_)) => Err("it has nothing to tell".into()),
        }
    }
}

/// Words for what is asked often.
impl Model {
    pub(crate) fn age_at(&self, now: Elapsed) -> Option<i64> {
        self.token.as_ref().map(|token| token.life.age(now))
    }

    /// How old the token is, and how old it would become by what is stated.
    pub(crate) fn token_age(&self) -> Option<(i64, i64)> {
        let now = self.readings.now();
        self.token.as_ref().map(|token| (token.life.age(now), token.life.stated()))
    }

    /// The token gives way to another, or is over. Says whether a 401 asked for that.
    fn end_token(&mut self) -> bool {
        let Some((age, stated)) = self.token_age() else { return false };
        let Some(token) = &self.token else { return false };
        self.early.end(token.status, age, stated, token.generation);
        matches!(token.status.refused, Refused::Wanted(_))
    }

    pub(crate) fn now(&self) -> i64 {
        self.readings.now().ticks
    }

    fn has_ask(&self) -> bool {
        self.next_ask().is_some()
    }

    /// Where the next request goes.
    fn next_endpoint(&self) -> Option<&String> {
        self.next_ask()?.endpoint.as_ref()
    }

    fn with_login(&mut self) -> &mut Login {
        self.login.get_or_insert_default()
    }

    fn emit(&mut self, told: Told) {
        self.queue.push_back(told);
        self.news.push(told);
    }

    fn bump(&mut self, what: &'static str) {
        *self.count.entry(what).or_default() += 1;
    }

    fn moved(&mut self, cause: Cause, to: StateName) {
        self.emit(Told::Moved(self.state(), to, cause));
    }

    fn is_dead(&self, life: Life) -> bool {
        life.at(self.readings.now()).1.is_some_and(|hi| hi <= 0)
    }

    /// Whether a request was made with what the next one will be made with: the outcome of one that
    /// was made with superseded credentials is ignored.
    fn is_own(&self, sent: &Sent) -> bool {
        self.next_ask() == Some(&sent.ask)
    }

    fn either(&self, with_token: Cause, without: Cause) -> Cause {
        if self.token.is_some() { with_token } else { without }
    }

    fn trust(&self, gateway: bool) -> Trust {
        let skew = if gateway { self.set.gateway_skew } else { self.set.backend_skew };
        Trust { skew, wall_error: self.set.wall_error, assumed: self.set.assumed }
    }
}
