//! The driver: its parts, how it is made, and every input but time.

use core::fmt;
use std::collections::VecDeque;
use std::sync::Arc;

use super::backoff::{Backoff, Cause};
use super::budget::Budget;
use super::counters::{Counters, bump};
use super::event::Event;
use super::floors::{Floors, Target};
use super::learned_age::{LearnedAge, TokenAge};
use super::login::{Login, Relation, Renewable, Stalled, Start};
use super::output::{Delivery, Queued};
use super::policy::Policy;
use super::poll::Announced;
use super::token_status::TokenStatus;
use crate::exchange::{Credentials, Denial, DenialKind, Flaw};
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
    pub(super) token: TokenStatus,
    pub(super) learned: LearnedAge,
    pub(super) announced: Option<Box<Announced>>,
    pub(super) queue: VecDeque<Queued>,
    pub(super) epoch: u64,
    pub(super) counters: Counters,
}

/// Making a driver.
impl Driver {
    /// The most events and abandoned requests that are ever queued between two polls, however many calls come
    /// between them.
    pub const MOST_QUEUED: usize = 5;

    /// A driver with the default policy, and nobody logged in.
    ///
    /// The seed has to be a random number: two drivers with one seed share their request ids, so that one
    /// user's reply would be accepted as another's. [`Session::new`](crate::Session::new) says where to get
    /// one.
    #[must_use]
    pub fn new(config: Arc<Config>, seed: u64) -> Self {
        Self::with_policy(config, Policy::default(), seed)
    }

    /// A driver with a policy of your own. The seed is as for [`new`](Self::new).
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
            token: TokenStatus::default(),
            learned: LearnedAge::new(&policy),
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
    /// | compared with the current login | what happens |
    /// |---|---|
    /// | the same credentials, or the same token | nothing, but that a driver that [gave up](Stalled::GaveUp) tries again |
    /// | the same stated identity, endpoint and scopes, with another secret | the current token stays in use; the next request is made with the new secret, and a refusal and the backoff of the old one are forgotten; a token whose 401 was reported is renewed |
    /// | a token that was adopted or is to be, and credentials or another token for the same stated identity | the token serves until it is renewed or replaced |
    /// | anything else | the old login ends as by [`stop`](Self::stop), now, and a new epoch begins |
    ///
    /// An identity is stated by [`Backend::identity`](crate::Backend::identity),
    /// [`Grant::with_identity`](crate::Grant::with_identity), or the gateway's credentials; a reply that
    /// names it states it too. Another bare token or another cookie may be anybody's, so it begins a new
    /// epoch.
    ///
    /// A request in flight goes on with the secret that it was made with. Its grant is held as any other. Its
    /// denial or failure is reported as an event, and touches nothing but the budget and the endpoint's
    /// `Retry-After`.
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
        self.observe_age(now);
        match self.login.relation(start.into(), &self.session) {
            Relation::Joined => self.try_again(),
            Relation::Rotated(credentials) => {
                let login = Renewable::new(credentials);
                let adopt_first = self.login.take_pending();
                self.login = Login::Renewable(Renewable { unset: true, adopt_first, ..login });
                self.backoff = Backoff::default();
                self.token.reopen();
                self.learned.renew_trust(&self.policy);
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
        let retiring = self.token_age(now);
        let (session, step) = self.session.take().receive(id, reply, now);
        self.session = session;
        match step {
            Step::Denied(transition, denial) => {
                self.note_wait(&denial, asked_with.as_ref(), ticks);
                let Ended { gave_up, still_malformed } = self.denied(&denial, up_to_date, ticks);
                self.tell(Event::Denied(transition, denial));
                if let Some(flaw) = still_malformed {
                    self.tell(Event::StillMalformed(flaw));
                }
                self.tell_if(gave_up, Event::GaveUp);
            }
            Step::Moved(transition) => {
                let after_401 = self.retire(retiring) && up_to_date;
                self.granted(transition, after_401, ticks, now);
            }
            Step::Rejected(_) | Step::Unchanged | Step::Sent(..) => {
                bump(&mut self.counters.stale);
                return Delivery::Stale;
            }
        }
        Delivery::Accepted
    }

    /// Reports that a request got no reply. The driver tries again by itself, unless it
    /// [gives up](Stalled::GaveUp).
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
        let gave_up = self.failed(ticks, Cause::Network, up_to_date);
        self.tell(Event::Failed(transition, why));
        self.tell_if(gave_up, Event::GaveUp);
        Delivery::Accepted
    }

    /// Reports that an API call, made with the token of this generation, was answered 401. (Not 403:
    /// that is about what a good token may do.)
    ///
    /// - A token that may have died of age is renewed, and serves meanwhile.
    /// - A 401 that age doesn't explain gives [`Event::Unauthorized`], once per token: most often the API refuses
    ///   a token that a 401 has just renewed. A later 401 on the same token, when it is older, renews it.
    /// - A token that can't be renewed now gives the same event, and is renewed when it can be.
    /// - A generation that isn't the one that serves changes nothing: authorize again.
    ///
    /// From these reports the driver learns the age at which tokens die, and renews sooner: see [Tokens that die
    /// early](crate::driver#tokens-that-die-early). Report every 401. An app that calls in bursts, with hours
    /// between them, meets about one refused call a burst where tokens die early.
    pub fn handle_unauthorized(&mut self, generation: Generation, now: Moment) {
        let ticks = self.session.observe(now);
        if self.generation() != Some(generation) {
            return;
        }
        self.observe_age(now);
        let Some(age) = self.token_age(now) else { return };
        self.learned.refused(&self.policy, &mut self.token, age, ticks);
        let answered = self.token.wants_renewal() && self.login.can_renew();
        if !answered && !core::mem::replace(&mut self.token.unauthorized_emitted, true) {
            self.tell(Event::Unauthorized(generation));
        }
    }

    /// Sets whether there is a network. A driver that is offline sends nothing, and its token stays in use.
    ///
    /// - When the network goes, a request that was announced and not handed out yet ends as
    ///   [`Unreachable`](TransportFailure::Unreachable), without a backoff.
    /// - When the network comes back, a backoff that its failing had caused ends.
    /// - A backoff that a captive portal caused, by its page or by a redirect, ends with each
    ///   `set_online(true)`, even if the driver was online: call it once the user has passed the portal.
    /// - A driver that [gave up](Stalled::GaveUp) over either tries again with `set_online(true)`.
    ///
    /// A server's `Retry-After` holds all the same.
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
        let ended = match self.backoff.cause() {
            Some(Cause::Network) => back,
            Some(Cause::Portal) => online,
            Some(Cause::Server) | None => false,
        };
        if ended {
            self.try_again();
            self.backoff.end_pause();
        }
    }

    /// Takes a reading of the clocks, and changes nothing else. What has become due since the last reading
    /// is done by the next [`poll`](Self::poll).
    ///
    /// Every other call takes a reading too, so a run loop needs none of these. A test that lets time pass
    /// can show it to the driver in this way, and a process that makes no calls for a while can keep the
    /// count of time that way.
    pub fn observe(&mut self, now: Moment) {
        self.session.observe(now);
    }

    /// Ends the login, in any state and without any network: the token is forgotten and wiped, a
    /// request in flight is abandoned, and its reply, when it comes, is stale. What remains is the budget
    /// and what servers asked to wait.
    pub fn stop(&mut self, now: Moment) {
        self.session.observe(now);
        self.end(now);
    }
}

/// What follows from a denial, besides the pause.
#[derive(Default)]
struct Ended {
    gave_up: bool,
    /// The flaw that came so often in a row that the service is taken for broken.
    still_malformed: Option<Flaw>,
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
        self.token = TokenStatus::default();
        self.learned = LearnedAge::new(&self.policy);
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

    /// Returns the current token's age.
    pub(super) fn token_age(&self, now: Moment) -> Option<TokenAge> {
        let AnySession::Active(session) = &self.session else { return None };
        Some(TokenAge { millis: session.age(now), stated: session.stated_age() })
    }

    /// A token that has lived long enough shows that the renewal before it cured.
    pub(super) fn observe_age(&mut self, now: Moment) {
        if let Some(age) = self.token_age(now) {
            self.learned.observe(&self.policy, age.millis);
        }
    }

    /// The token gives way to its successor, or has expired. Returns whether a 401 asked for that.
    pub(super) fn retire(&mut self, retiring: Option<TokenAge>) -> bool {
        retiring.is_some_and(|age| self.learned.retire(&self.policy, &self.token, age))
    }

    fn granted(&mut self, transition: Transition, after_401: bool, ticks: u64, now: Moment) {
        self.counters.count_grant(transition.cause);
        if !after_401 {
            self.learned.abandon_proof();
        }
        self.token = TokenStatus::granted(after_401);
        self.backoff.succeed();
        if let Login::Renewable(login) = &mut self.login {
            login.pinned = self.session.identity().cloned();
        }
        if self.validity(now) == Some(Validity::Valid) {
            self.backoff = Backoff::default();
        } else {
            // It may have expired on its way: asking on at once would be a loop.
            self.backoff.note_flaw(None);
            self.back_off(ticks, Cause::Server);
        }
        self.tell(Event::Moved(transition));
    }

    fn note_wait(&mut self, denial: &Denial, asked_with: Option<&Credentials>, ticks: u64) {
        let Some(wait) = denial.retry_after() else { return };
        let until = ticks.saturating_add(self.policy.heeded(wait));
        let target = asked_with.and_then(Target::of);
        self.floors.raise(target.as_ref(), until, ticks);
    }

    /// Draws the conclusions from a denial. One of superseded credentials allows none.
    fn denied(&mut self, denial: &Denial, up_to_date: bool, ticks: u64) -> Ended {
        self.counters.count_denial(denial);
        if !up_to_date {
            return Ended::default();
        }
        let (flaw, cause) = match denial.kind() {
            DenialKind::Malformed(Flaw::Markup) => (Some(Flaw::Markup), Cause::Portal),
            DenialKind::Malformed(flaw) => (Some(flaw), Cause::Server),
            DenialKind::Redirect => (None, Cause::Portal),
            _ => (None, Cause::Server),
        };
        let broken = self.backoff.note_flaw(flaw);
        let still_malformed = flaw.filter(|_| broken);
        if !denial.is_permanent() {
            return Ended { gave_up: self.fail_try(ticks, cause), still_malformed };
        }
        if let Login::Renewable(login) = &mut self.login {
            login.stalled = Some(Stalled::Refused);
        }
        Ended { gave_up: false, still_malformed }
    }

    fn back_off(&mut self, ticks: u64, cause: Cause) {
        let chance = (self.session.seed(), self.session.generations());
        self.backoff.grow(&self.policy, ticks, chance, cause);
    }

    /// A request got no reply. One with superseded credentials allows no conclusion. Returns whether the driver
    /// gave up over it.
    pub(super) fn failed(&mut self, ticks: u64, cause: Cause, up_to_date: bool) -> bool {
        if !up_to_date {
            return false;
        }
        self.backoff.note_flaw(None);
        self.fail_try(ticks, cause)
    }

    /// One more failed try. Returns whether the driver gave up over it.
    fn fail_try(&mut self, ticks: u64, cause: Cause) -> bool {
        self.back_off(ticks, cause);
        let exhausted = self.policy.is_exhausted_by(self.backoff.fail());
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
