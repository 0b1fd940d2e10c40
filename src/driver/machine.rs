//! The driver: its parts, how it is made, and every input but time.

use core::fmt;
use std::collections::VecDeque;
use std::sync::Arc;

use super::backoff::Backoff;
use super::budget::Budget;
use super::counters::{Counters, bump};
use super::event::Event;
use super::floors::{Floors, Target};
use super::login::{Login, Relation, Renewable, Stalled, Start};
use super::output::{Delivery, Queued};
use super::policy::Policy;
use super::poll::Announced;
use super::recovery::Standing;
use crate::exchange::{Credentials, Denial};
use crate::session::transitions::{self, StateName, Transition};
use crate::session::{AnySession, Config, Generation, Input, RequestId, Step, TransportFailure};
use crate::time::{Moment, Validity};

/// Keeps one login alive: what a run loop holds. See the [module](crate::driver) for the loop and for
/// the rules that hold under any order of calls.
///
/// Not `Clone`: a copy would double what is sent.
pub struct Driver {
    pub(super) session: AnySession,
    pub(super) policy: Policy,
    pub(super) login: Login,
    pub(super) online: bool,
    pub(super) budget: Budget,
    pub(super) floors: Floors,
    pub(super) backoff: Backoff,
    pub(super) standing: Standing,
    /// Whether a 401 asked for the request in flight. Means nothing while none is.
    pub(super) after_401: bool,
    pub(super) announced: Option<Box<Announced>>,
    pub(super) queue: VecDeque<Queued>,
    pub(super) epoch: u64,
    pub(super) counters: Counters,
}

/// Making a driver.
impl Driver {
    /// The most events and abandoned requests that are ever queued between two polls, however many calls come
    /// between them.
    pub const MOST_QUEUED: usize = 4;

    /// A driver with the default policy, and nobody logged in. See
    /// [`Session::new`](crate::Session::new) for the seed.
    #[must_use]
    pub fn new(config: Arc<Config>, seed: u64) -> Self {
        Self::with_policy(config, Policy::default(), seed)
    }

    /// A driver with a policy of your own.
    #[must_use]
    pub fn with_policy(config: Arc<Config>, policy: Policy, seed: u64) -> Self {
        Self::from_session(AnySession::new(config, seed), policy)
    }

    /// Takes over a session, in whatever state it is; a request of its in flight may be reported to the
    /// driver.
    ///
    /// What the session has sent before is not known here, so if it has sent anything at all, the budget
    /// starts empty: the next request goes an interval (10 s by default) after the last call to the
    /// session, at the earliest. So a round trip through [`into_session`](Self::into_session) never
    /// exceeds the budget. It takes for granted that there is a network and that the credentials are good.
    #[must_use]
    pub fn from_session(session: impl Into<AnySession>, policy: Policy) -> Self {
        let session = session.into();
        let budget = if session.requests() == 0 {
            Budget::default()
        } else {
            Budget::spent(&policy, session.ticks())
        };
        Self {
            login: Login::of(&session),
            session,
            policy,
            online: true,
            budget,
            floors: Floors::default(),
            backoff: Backoff::default(),
            standing: Standing::default(),
            after_401: false,
            announced: None,
            queue: VecDeque::new(),
            epoch: 0,
            counters: Counters::default(),
        }
    }

    /// The session, to be driven by hand. Its token and its request in flight go along; what the driver
    /// added is lost: queued outputs (poll first, until it waits) and wishes, backoff, waits that servers
    /// asked for, whether the credentials were refused or the driver gave up, what is known of 401s, whether
    /// there is a network, the epoch, counters. The credentials stay with the session in every state but
    /// Unauthenticated, which remembers neither them nor for whom it was. Where newer ones were set during a
    /// request, those go along once their [`CredentialsSet`](crate::session::transitions::Cause::CredentialsSet)
    /// was told, and until then those that the request was made with. A request that was announced, and not
    /// handed out yet, was never made: the session is in the state before.
    pub fn into_session(self) -> AnySession {
        self.session
    }
}

/// Inputs. Each takes effect at once, but for what has to be sent or adopted: that begins with the next
/// poll.
impl Driver {
    /// Sets who is to be logged in, with what.
    ///
    /// | compared with the login at hand | what happens |
    /// |---|---|
    /// | the same credentials, or the same token | nothing, but that a driver that [gave up](Stalled::GaveUp) tries again |
    /// | the same stated identity, endpoint and scopes, with another secret | the token at hand serves on; the next request is made with the new secret, and a refusal and the backoff of the old one are forgotten |
    /// | a token that was adopted or is to be, and credentials or another token for the same stated identity | the token serves until it is renewed or replaced |
    /// | anything else | the old login ends as by [`stop`](Self::stop), now, and a new epoch begins |
    ///
    /// An identity is stated by [`Backend::identity`](crate::Backend::identity),
    /// [`Grant::with_identity`](crate::Grant::with_identity), or the gateway's credentials; a reply that
    /// names it states it too. Another bare token or another cookie may be anybody's, so it begins a new
    /// epoch.
    ///
    /// A token is adopted with the next [`poll`](Self::poll). If it has a stated expiry that is past by the
    /// device's own wall clock, it serves as Unsure all the same, since the clock may be wrong, and it is
    /// renewed at once; without credentials, [`Event::TokenNeeded`] comes at once. See
    /// [`Session::adopt`](crate::Session::adopt).
    ///
    /// Equal credentials are taken for the same login, whoever is behind them. If that can change, because
    /// the login is a cookie that only the HTTP client knows, [`stop`](Self::stop) first; likewise to try
    /// credentials again that were refused and now are good.
    pub fn start(&mut self, start: impl Into<Start>, now: Moment) {
        self.session.observe(now);
        match self.login.relation(start.into(), &self.session) {
            Relation::Joined => self.try_again(),
            Relation::Rotated(credentials) => {
                let login = Renewable::new(credentials);
                let adopt_first = self.login.take_pending();
                self.login = Login::Renewable(Renewable { unset: true, adopt_first, ..login });
                self.backoff = Backoff::default();
                self.standing.reopen();
            }
            Relation::Replaced(grant) => self.login = Login::Pending(grant),
            Relation::Other(start) => {
                self.end(now);
                self.epoch = self.epoch.saturating_add(1);
                self.login = Login::new(start);
            }
        }
    }

    /// Reads the reply to a request. A token that it grants serves at once.
    ///
    /// A reply to a request that is not in flight is [`Stale`](Delivery::Stale): nothing changes but a
    /// counter, and nothing needs to be done.
    pub fn handle_response<B: AsRef<[u8]>>(
        &mut self,
        id: RequestId,
        reply: &http::Response<B>,
        now: Moment,
    ) -> Delivery {
        let ticks = self.session.observe(now);
        let asked_with = self.session.asks_with().cloned();
        let up_to_date = self.asks_up_to_date();
        let (session, step) = self.session.take().receive(id, reply, now);
        self.session = session;
        match step {
            Step::Denied(transition, denial) => {
                self.note_wait(&denial, asked_with.as_ref(), ticks);
                let gave_up = self.denied(&denial, up_to_date, ticks);
                self.tell(Event::Denied(transition, denial));
                self.tell_if(gave_up, Event::GaveUp);
            }
            Step::Moved(transition) => self.granted(transition, up_to_date, ticks, now),
            Step::Rejected(_) | Step::Unchanged | Step::Sent(..) => {
                bump(&mut self.counters.stale);
                return Delivery::Stale;
            }
        }
        Delivery::Accepted
    }

    /// Reports that a request got no reply. The driver tries again by itself.
    ///
    /// A failure of a request that is not in flight is [`Stale`](Delivery::Stale), as a reply to it is.
    pub fn handle_failure(
        &mut self,
        id: RequestId,
        why: TransportFailure,
        now: Moment,
    ) -> Delivery {
        let ticks = self.session.observe(now);
        let up_to_date = self.asks_up_to_date();
        let Step::Moved(transition) = self.step(Input::Failure(id, why), now) else {
            bump(&mut self.counters.stale);
            return Delivery::Stale;
        };
        bump(&mut self.counters.unanswered);
        let gave_up = self.failed(ticks, true, up_to_date);
        self.tell(Event::Failed(transition, why));
        self.tell_if(gave_up, Event::GaveUp);
        Delivery::Accepted
    }

    /// Reports that an API call, made with the token of this generation, was answered 401. (Not 403:
    /// that is about what a good token may do.)
    ///
    /// The token is renewed, once, and serves meanwhile. If the API refuses the new one too, renewing
    /// isn't the cure, and [`Event::Unauthorized`] says so; a renewal on schedule allows for another try.
    /// The same event comes at once for a token that can't be renewed now; it is renewed when it can be.
    /// A generation that isn't the one that serves changes nothing: authorize again.
    pub fn handle_unauthorized(&mut self, generation: Generation, now: Moment) {
        self.session.observe(now);
        if self.generation() != Some(generation) {
            return;
        }
        let to_be_told = self.standing.refused(self.login.can_renew());
        self.tell_if(to_be_told, Event::Unauthorized(generation));
    }

    /// Says whether there is a network. A driver that is offline sends nothing, and its token serves on.
    /// A request that was announced and not handed out yet ends as
    /// [`Unreachable`](TransportFailure::Unreachable), without a backoff. When the network comes back, a pause that its failing had caused is over. A driver that
    /// [gave up](Stalled::GaveUp) over it takes up again whenever it hears that there is a network.
    pub fn set_online(&mut self, online: bool, now: Moment) {
        self.session.observe(now);
        let waits_for_it = !self.online || self.stalled() == Some(Stalled::GaveUp);
        let back = online && waits_for_it;
        self.online = online;
        if !online && let Some(announced) = self.announced.take() {
            // It was never sent, so this is no failed try.
            let transition = transitions::failing(announced.transition.to);
            self.leave_authenticating(&announced, now);
            self.tell(Event::Failed(transition, TransportFailure::Unreachable));
        }
        if back && self.backoff.was_by_network() {
            self.try_again();
            self.backoff = Backoff::default();
        }
    }

    /// Ends the login, in any state and without any network: the token is forgotten and wiped, a
    /// request in flight is abandoned, and its reply, when it comes, is stale. What remains is the budget
    /// and what servers asked to wait.
    pub fn stop(&mut self, now: Moment) {
        self.session.observe(now);
        self.end(now);
    }
}

/// What inputs have in common.
impl Driver {
    /// Gives the session an input.
    pub(super) fn step(&mut self, input: Input, now: Moment) -> Step {
        let (session, step) = self.session.take().step(input, now);
        self.session = session;
        step
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.queue.push_back(Queued::Event(event));
    }

    pub(super) fn tell_if(&mut self, so: bool, event: Event) {
        if so {
            self.tell(event);
        }
    }

    fn end(&mut self, now: Moment) {
        let given_up = self.session.in_flight();
        if let Some(id) = given_up {
            self.abandon(id);
        }
        let ended = match self.announced.take() {
            Some(announced) if self.leave_authenticating(&announced, now) => {
                Some(transitions::STOPPED_AUTHENTICATING)
            }
            _ => match self.step(Input::Stop, now) {
                Step::Moved(transition) => Some(transition),
                _ => None,
            },
        };
        if let Some(transition) = ended {
            self.tell(Event::Moved(transition));
        }
        self.login = Login::Nobody;
        self.backoff = Backoff::default();
        self.standing = Standing::default();
    }

    /// Ends the authentication that a request announced, and that the session has not begun; the caller
    /// tells of it. Returns whether there was one: a renewal is none.
    fn leave_authenticating(&mut self, announced: &Announced, now: Moment) -> bool {
        let authenticating = announced.transition.to == StateName::Authenticating;
        if authenticating {
            // One that had expired is over, too.
            let _told_by_the_caller = self.step(Input::Stop, now);
        }
        authenticating
    }

    pub(super) fn abandon(&mut self, id: RequestId) {
        bump(&mut self.counters.abandoned);
        self.queue.push_back(Queued::Abandon(id));
    }

    /// Takes back that the driver gave up, if it has. The pause that it is in goes on.
    fn try_again(&mut self) {
        if let Login::Renewable(login) = &mut self.login
            && login.stalled == Some(Stalled::GaveUp)
        {
            login.stalled = None;
            self.backoff.forget_failures();
        }
    }

    /// Whether the request in flight was made with the login's own credentials: what becomes of older
    /// ones says nothing about newer ones.
    pub(super) fn asks_up_to_date(&self) -> bool {
        let Login::Renewable(login) = &self.login else { return false };
        self.session.asks_with() == Some(&login.credentials)
    }

    fn granted(&mut self, transition: Transition, up_to_date: bool, ticks: u64, now: Moment) {
        self.counters.count_grant(transition.cause);
        self.standing = Standing::granted(self.after_401 && up_to_date);
        self.backoff.succeed();
        if let Login::Renewable(login) = &mut self.login {
            login.pinned = self.session.identity().cloned();
        }
        if self.validity(now) == Some(Validity::Valid) {
            self.backoff = Backoff::default();
        } else {
            // It may have expired on its way: asking on at once would be a loop.
            self.back_off(ticks, false);
        }
        self.tell(Event::Moved(transition));
    }

    fn note_wait(&mut self, denial: &Denial, asked_with: Option<&Credentials>, ticks: u64) {
        let Some(wait) = denial.retry_after() else { return };
        let until = ticks.saturating_add(self.policy.heeded(wait));
        let target = asked_with.and_then(Target::of);
        self.floors.raise(target.as_ref(), until, ticks);
    }

    /// Says whether the driver gave up over it.
    fn denied(&mut self, denial: &Denial, up_to_date: bool, ticks: u64) -> bool {
        self.counters.count_denial(denial);
        if !denial.is_permanent() {
            return self.failed(ticks, false, up_to_date);
        }
        if up_to_date && let Login::Renewable(login) = &mut self.login {
            login.stalled = Some(Stalled::Refused);
        }
        false
    }

    fn back_off(&mut self, ticks: u64, by_network: bool) {
        let chance = (self.session.seed(), self.session.generations());
        self.backoff.grow(&self.policy, ticks, chance, by_network);
    }

    /// One more failed try. Says whether the driver gave up over it.
    pub(super) fn failed(&mut self, ticks: u64, by_network: bool, up_to_date: bool) -> bool {
        self.back_off(ticks, by_network);
        let exhausted = up_to_date && self.policy.is_exhausted_by(self.backoff.fail());
        if exhausted && let Login::Renewable(login) = &mut self.login {
            login.stalled = Some(Stalled::GaveUp);
        }
        exhausted
    }
}

impl fmt::Debug for Driver {
    /// State, epoch, what stalls it, and counters. No token, no credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("state", &self.state())
            .field("epoch", &self.epoch)
            .field("online", &self.online)
            .field("stalled", &self.stalled())
            .field("queued", &self.queued())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
