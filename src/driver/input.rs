//! Every input of a driver but time, as values and as methods.

use core::fmt;
use core::mem;

use bytes::Bytes;

use super::{Delivery, Driver, Event, FailureCause, LearnedAge, Local, Shared, Start, Turn, bump};
use crate::exchange::{Credentials, Reply};
use crate::session::transitions;
use crate::session::{Authorized, Blocked, RequestId, TransportFailure};
use crate::time::Moment;

/// Anything that can happen to a driver, as a plain value, for [`Driver::handle`]. `Debug` shows no secret: of a
/// reply, its status and length. Each is documented at the method of its name.
#[derive(Clone)]
#[non_exhaustive]
pub enum Input {
    /// [`Driver::start`]
    Start(Start),
    /// [`Driver::set_credentials`]
    SetCredentials(Credentials),
    /// [`Driver::handle_response`]
    Response(RequestId, http::Response<Bytes>),
    /// [`Driver::handle_failure`]
    Failure(RequestId, TransportFailure),
    /// [`Driver::handle_unauthorized`]
    Unauthorized(Authorized),
    /// [`Driver::set_online`]
    Online(bool),
    /// [`Driver::stop`]
    Stop,
    /// [`Driver::observe`]
    Observe,
}

/// Inputs. Each takes effect at once, except that sending and adopting are deferred to the next
/// [`poll`](Self::poll).
///
/// If a custom [`Exchange`](crate::exchange::Exchange) panics in one of these calls or in `poll`, and the caller catches
/// that, the driver stays usable. A request whose reply was being read, or that was being built, counts as
/// failed: the next call reports one [`Event::Failed`], and a backoff follows. Otherwise nothing changed.
impl Driver {
    /// Gives the driver an input. The answer is [`Stale`](Delivery::Stale) for a reply or failure of a request
    /// that is not in flight.
    pub fn handle(&mut self, input: Input, now: Moment) -> Delivery {
        match input {
            Input::Response(id, reply) => return self.handle_response(id, &reply, now),
            Input::Failure(id, why) => return self.handle_failure(id, why, now),
            Input::Start(start) => self.start(start, now),
            Input::SetCredentials(credentials) => self.set_credentials(credentials, now),
            Input::Unauthorized(authorized) => self.handle_unauthorized(authorized, now),
            Input::Online(online) => self.set_online(online, now),
            Input::Stop => self.stop(now),
            Input::Observe => self.observe(now),
        }
        Delivery::Accepted
    }

    /// Sets who is to be logged in, with what.
    ///
    /// | compared with the current login | what happens |
    /// |---|---|
    /// | the same credentials as it was last started with or [given](Self::set_credentials), the token that it was last started with, or the current token | nothing, but that a driver that [gave up](Blocked::GaveUp) tries again |
    /// | the same stated identity, endpoint and scopes, with another secret | the current token stays in use; the next request is made with the new secret, and a refusal and the backoff of the old one are forgotten; a token whose 401 was reported is renewed |
    /// | a token that was adopted or is to be, and credentials or another token for the same stated identity | the token is used until it is renewed or replaced |
    /// | anything else | the old login ends as by [`stop`](Self::stop), now, and a new epoch begins |
    ///
    /// An identity is stated by [`Backend::identity`](crate::Backend::identity),
    /// [`Grant::with_identity`](crate::Grant::with_identity), or the gateway's credentials; a reply that
    /// names it states it too. Another bare token or another cookie may be anybody's, so it begins a new
    /// epoch, unless [`set_credentials`](Self::set_credentials) declares that it is the same user's.
    ///
    /// A request in flight goes on with the secret that it was made with. Its grant is held as any other. Its
    /// denial or failure is reported as an event, and touches nothing but the budget and the endpoint's
    /// `Retry-After`.
    ///
    /// A token is adopted with the next [`poll`](Self::poll). If it has a stated expiry that is past by the
    /// device's own wall clock, it is used as Unsure all the same, since the clock may be wrong, and it is
    /// renewed at once; without credentials, [`Event::TokenNeeded`] comes at once. See
    /// [`Session::adopt`](crate::Session::adopt).
    ///
    /// Equal credentials are taken for the same login, whoever is behind them. If that can change, because
    /// the login is a cookie that only the HTTP client knows, [`stop`](Self::stop) first; likewise to try
    /// credentials again that were refused and now are good.
    pub fn start(&mut self, start: impl Into<Start>, now: Moment) {
        let (local, turn) = self.turn(now);
        let relation = local.relation(start.into());
        local.relate(relation, turn);
    }

    /// Sets the credentials for the next request of the current login: a new secret from elsewhere, or what a
    /// token that was adopted is renewed with. The token stays, and so does a request in flight, or one that an event
    /// has announced and the next [`poll`](Self::poll) hands out; a
    /// [successor](crate::Grant::with_successor) that this request brings is then ignored. A refusal and the
    /// backoff of the old credentials are forgotten.
    ///
    /// **The credentials join the login by declaration**: where they state no identity (a bare refresh token or
    /// cookie, for example), they are trusted to be the same user's. If they are somebody else's, the next token
    /// is used in place of the current one, for the wrong user. Use [`start`](Self::start) where that can be.
    ///
    /// - The credentials in use, once more: nothing changes, but that a driver that [gave up](Blocked::GaveUp)
    ///   tries again.
    /// - Without a login, or if they state another identity than the login's: as [`start`](Self::start).
    /// - Another endpoint: what was learned of the [age](super#tokens-that-die-early) of tokens is forgotten.
    pub fn set_credentials(&mut self, credentials: Credentials, now: Moment) {
        let (local, turn) = self.turn(now);
        let relation = local.declared(credentials);
        local.relate(relation, turn);
    }

    /// Reads the reply to a request. A token that it grants is in use at once.
    ///
    /// A reply to a request that is not in flight is [`Stale`](Delivery::Stale): nothing changes but a
    /// counter, and nothing needs to be done.
    pub fn handle_response<B: AsRef<[u8]>>(
        &mut self,
        id: RequestId,
        reply: &http::Response<B>,
        now: Moment,
    ) -> Delivery {
        let (local, turn) = self.turn(now);
        local.receive(id, Reply::from(reply), turn)
    }

    /// Reports that a request got no reply. The driver tries again by itself, unless it
    /// [gives up](Blocked::GaveUp).
    ///
    /// A failure of a request that is not in flight is [`Stale`](Delivery::Stale), as a reply to it is.
    pub fn handle_failure(
        &mut self,
        id: RequestId,
        why: TransportFailure,
        now: Moment,
    ) -> Delivery {
        let (local, turn) = self.turn(now);
        if !local.fail(id, why, turn) {
            bump(&mut local.counters.stale);
            return Delivery::Stale;
        }
        bump(&mut local.counters.unanswered);
        Delivery::Accepted
    }

    /// Reports that the API call that was [authorized](Self::authorize) so was answered 401. (Not 403: that is about
    /// what a good token may do.)
    ///
    /// - A token that may have died of age is renewed, and used meanwhile.
    /// - A 401 that age doesn't explain gives [`Event::Unauthorized`], once per token: most often the API refuses
    ///   a token that a 401 has just renewed. A later 401 on the same token, when it is older, renews it.
    /// - A token that can't be renewed, because there are no credentials or they are [blocked](Self::blocked), gives
    ///   the same event, and is renewed when it can be. A driver that is offline or waits renews it later, without
    ///   an event.
    /// - A generation other than the current token's renews nothing: authorize again. It may still teach something
    ///   about the age at which tokens die.
    /// - The age that counts is the one at which the call was authorized, however late its reply is. An age above the
    ///   token's counts as the token's.
    ///
    /// From these reports the driver learns the age at which tokens die, and renews sooner: see [Tokens that die
    /// early](crate::driver#tokens-that-die-early). Report every 401. An app that calls in bursts, with hours
    /// between them, meets about one refused call a burst where tokens die early.
    pub fn handle_unauthorized(&mut self, authorized: Authorized, now: Moment) {
        let (local, turn) = self.turn(now);
        local.handle_unauthorized(authorized, turn);
    }

    /// Sets whether there is a network. A driver that is offline sends nothing, and its token stays in use.
    ///
    /// - When the network goes, a request that was announced and not handed out yet ends as
    ///   [`Unreachable`](TransportFailure::Unreachable), without a backoff.
    /// - When the network comes back, a backoff that its failing had caused ends.
    /// - A backoff that a captive portal caused, by its page or by a redirect, ends with each
    ///   `set_online(true)`, even if the driver was online: call it once the user has passed the portal.
    /// - A driver that [gave up](Blocked::GaveUp) over either tries again with `set_online(true)`.
    ///
    /// A server's `Retry-After` still applies.
    pub fn set_online(&mut self, online: bool, now: Moment) {
        self.turn(now).0.set_online(online);
    }

    /// Ends the login, in any state and without any network: the token is forgotten and wiped, a
    /// request in flight is abandoned, and its reply, when it comes, is stale. What remains is the budget,
    /// the waits that servers asked for, and the knowledge that [credentials are used up](Blocked::Spent).
    pub fn stop(&mut self, now: Moment) {
        self.turn(now).0.end();
    }

    /// Takes a reading of the clocks, and changes nothing else. What has become due since the last reading
    /// is done by the next [`poll`](Self::poll).
    ///
    /// Every other call that takes `&mut self` takes a reading too, so a run loop needs none of these. A test that
    /// lets time pass can show it to the driver in this way, and a process that makes no calls for a while can keep
    /// the count of time that way. [`authorize`](Self::authorize) and the other calls that take `&self` judge by the
    /// moment that they are given, and forget it: call this before, if the driver isn't polled at the same time.
    pub fn observe(&mut self, now: Moment) {
        self.turn(now);
    }

    /// Takes a reading of the clocks before an input.
    fn turn(&mut self, now: Moment) -> (&mut Local, Turn<'_>) {
        let turn = self.local.observe(&self.shared, now);
        (&mut self.local, turn)
    }
}

impl Local {
    /// Takes a reading of the clocks before an input.
    pub(super) fn observe<'a>(&mut self, shared: &'a Shared, now: Moment) -> Turn<'a> {
        self.machine.core.observe(now);
        self.idle = None;
        let turn = Turn { shared, now, at: self.machine.core.clock.stamp() };
        if let Some(calling) = self.calling.take() {
            self.report_panic(calling, turn);
        }
        turn
    }

    fn handle_unauthorized(&mut self, authorized: Authorized, turn: Turn<'_>) {
        let (generation, called_at) = (authorized.generation, authorized.age_millis);
        self.observe_age(turn);
        let current = self.token_age(turn.at).filter(|age| age.generation == generation);
        let Some(mut age) = current else {
            if let Some(learned) = &mut self.learned {
                learned.refused_late(turn.policy(), generation, called_at, turn.ticks());
            }
            return;
        };
        age.millis = age.millis.min(called_at);
        let learned = || Box::new(LearnedAge::new(turn.policy()));
        let learned = self.learned.get_or_insert_with(learned);
        learned.refused(turn.policy(), &mut self.token, age, turn.ticks());
        let can_renew = self.login.renewable().is_some() && self.blocked().is_none();
        let renews = self.token.wants_renewal() && can_renew;
        if !renews && !mem::replace(&mut self.token.unauthorized_emitted, true) {
            self.emit(Event::Unauthorized(generation));
        }
    }

    fn set_online(&mut self, online: bool) {
        let waits_for_it = !self.online || self.blocked() == Some(Blocked::GaveUp);
        let back = online && waits_for_it;
        self.online = online;
        if !online && let Some(announced) = self.announced.take() {
            // It was never sent, so this is no failed try.
            let transition = transitions::failing(announced.transition.to);
            self.machine.end_announced(transition);
            self.emit(Event::Failed(transition, TransportFailure::Unreachable));
        }
        let ended = match self.backoff.cause {
            Some(FailureCause::Network) => back,
            Some(FailureCause::Portal) => online,
            Some(FailureCause::Server) | None => false,
        };
        if ended {
            self.try_again();
            self.backoff.end_pause();
        }
    }
}

impl PartialEq for Input {
    /// Compares all parts, of a reply its status, version, headers and body.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Start(a), Self::Start(b)) => a == b,
            (Self::SetCredentials(a), Self::SetCredentials(b)) => a == b,
            (Self::Response(a, one), Self::Response(b, other)) => {
                let same = (one.status(), one.version()) == (other.status(), other.version());
                a == b && same && one.headers() == other.headers() && one.body() == other.body()
            }
            (Self::Failure(a, one), Self::Failure(b, other)) => (a, one) == (b, other),
            (Self::Unauthorized(a), Self::Unauthorized(b)) => a == b,
            (Self::Online(a), Self::Online(b)) => a == b,
            (Self::Stop, Self::Stop) | (Self::Observe, Self::Observe) => true,
            _ => false,
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(start) => write!(f, "Start({start:?})"),
            Self::SetCredentials(credentials) => write!(f, "SetCredentials({credentials:?})"),
            Self::Response(id, reply) => write!(f, "Response({id}, {:?})", Reply::from(reply)),
            Self::Failure(id, why) => write!(f, "Failure({id}, {why:?})"),
            Self::Unauthorized(authorized) => write!(f, "Unauthorized({authorized:?})"),
            Self::Online(online) => write!(f, "Online({online})"),
            Self::Stop => f.write_str("Stop"),
            Self::Observe => f.write_str("Observe"),
        }
    }
}
