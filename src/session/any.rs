//! A session in any state, for struct fields, tests and fuzzers. It routes, and decides nothing.

use core::fmt;
use core::mem;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;

use super::active::{Active, Advance, NotRenewed};
use super::authenticating::{Authenticating, NotActive};
use super::config::Config;
use super::core::{Core, Session, State};
use super::expired::Expired;
use super::outgoing::{NotSent, Outgoing, RequestId, StaleRequest, TransportFailure};
use super::transitions::{StateName, Transition};
use super::unauthenticated::Unauthenticated;
use crate::exchange::{BuildError, Credentials, Denial, Flaw, Grant, Identity, Reply};
use crate::time::Moment;

/// A session in any of its four states.
///
/// Match on it for the methods of a state, or drive it with [`step`](AnySession::step), which takes any
/// input in any state. To use it in a struct field, take it out and put the next one in:
///
/// ```
/// # use std::sync::Arc;
/// use videokit_session::session::{Input, Step};
/// use videokit_session::{AnySession, Moment};
/// # use videokit_session::{AllowedOrigin, Config};
///
/// struct Player {
///     session: AnySession,
/// }
///
/// impl Player {
///     fn handle(&mut self, input: Input, now: Moment) -> Step {
///         let (session, step) = self.session.take().step(input, now);
///         self.session = session;
///         step
///     }
/// }
/// # let config = Arc::new(Config::builder(AllowedOrigin::https("https://api.video.io")?).build()?);
/// # let mut player = Player { session: AnySession::new(config, 1) }; // a fixed seed for the example
/// # let _ = player.handle(Input::Stop, Moment::default());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a session that is dropped forgets its token"]
pub enum AnySession {
    /// No token, and none on its way.
    Unauthenticated(Session<Unauthenticated>),
    /// A request for a token is in flight, and no token serves.
    Authenticating(Session<Authenticating>),
    /// A token serves.
    Active(Session<Active>),
    /// The token has certainly expired.
    Expired(Session<Expired>),
}

/// Anything that can happen to a session, as a plain value. `Debug` shows no secret: of a reply, its
/// status and length.
#[derive(Clone)]
#[non_exhaustive]
pub enum Input {
    /// Authenticate with these credentials.
    Authenticate(Credentials),
    /// Authenticate again, with the current credentials.
    Reauthenticate,
    /// Renew the token.
    Renew,
    /// Take a token that was obtained elsewhere, in place of the current one if there is one.
    Adopt(Grant),
    /// Use these credentials from now on.
    SetCredentials(Credentials),
    /// A reply came to the request with this id.
    Reply(RequestId, http::Response<Bytes>),
    /// The request with this id got no reply.
    Failure(RequestId, TransportFailure),
    /// Time has passed.
    Advance,
    /// End the login.
    Stop,
}

/// What a step did.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// A transition that makes a request: send it.
    Sent(Transition, Outgoing),
    /// A transition.
    Moved(Transition),
    /// A transition, since a reply gave no token.
    Denied(Transition, Denial),
    /// Nothing happened, and nothing had to: time passed, or there was nothing to stop.
    Unchanged,
    /// The input was not taken, and changed nothing.
    Rejected(Rejection),
}

/// Why an input was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// It means nothing in this state.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// It is about a request that is not in flight.
    #[error(transparent)]
    Stale(#[from] StaleRequest),
    /// No request was made.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// The token to adopt can't be held.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The credentials to set are not for this identity.
    #[error(transparent)]
    Credentials(#[from] Flaw),
}

/// An input that means nothing in the state the session is in. With a typed [`Session`], it would not
/// have compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("`{input}` means nothing to a session that is {state}")]
pub struct Misuse {
    /// The state.
    pub state: StateName,
    /// The input, by the name of its [`Input`] variant.
    pub input: &'static str,
}

impl AnySession {
    /// A new session, unauthenticated. See [`Session::new`], also for why no two sessions may share a seed.
    pub fn new(config: Arc<Config>, seed: u64) -> Self {
        Self::Unauthenticated(Session::new(config, seed))
    }

    /// Takes the session out of a field, and leaves a placeholder until the next state is put in.
    ///
    /// The placeholder is an unauthenticated session without token, credentials, identity or a request in
    /// flight. It has the same configuration and seed, and it counts on from the session taken out: its
    /// request ids, its [`Generation`](super::Generation)s and its reading of the clocks. So if the session
    /// taken out is lost, to a panic in an [`Exchange`](crate::exchange::Exchange) that the caller catches
    /// for example, the placeholder can be used in its stead: no request id is made twice, a reply to an
    /// earlier request is stale, and [`Driver::from_session`](crate::Driver::from_session) knows that
    /// requests were sent.
    ///
    /// Don't use both: from here on they would make the same ids.
    pub fn take(&mut self) -> Self {
        let placeholder = Session { core: self.core().continued(), state: Unauthenticated(()) };
        mem::replace(self, Self::Unauthenticated(placeholder))
    }

    /// The state, as a value.
    #[must_use]
    pub fn state(&self) -> StateName {
        match self {
            Self::Unauthenticated(session) => session.state(),
            Self::Authenticating(session) => session.state(),
            Self::Active(session) => session.state(),
            Self::Expired(session) => session.state(),
        }
    }

    /// The last transition, which says why the session is in this state; `None` for a new one.
    #[must_use]
    pub fn last_transition(&self) -> Option<Transition> {
        self.core().last()
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.core().config
    }

    /// The request in flight, if there is one.
    #[must_use]
    pub fn in_flight(&self) -> Option<RequestId> {
        match self {
            Self::Authenticating(session) => Some(session.in_flight()),
            Self::Active(session) => session.in_flight(),
            Self::Unauthenticated(_) | Self::Expired(_) => None,
        }
    }

    /// What the session asks for tokens with. An unauthenticated one remembers none, and one whose
    /// token was adopted has none.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        match self {
            Self::Authenticating(session) => Some(session.credentials()),
            Self::Active(session) => session.credentials(),
            Self::Expired(session) => session.credentials(),
            Self::Unauthenticated(_) => None,
        }
    }

    /// For whom the token is, was, or has to be, as far as that is known.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Authenticating(session) => session.identity(),
            Self::Active(session) => session.identity(),
            Self::Expired(session) => session.identity(),
            Self::Unauthenticated(_) => None,
        }
    }

    /// Gives the session an input. Total: every input is taken in every state, if only to be rejected.
    pub fn step(self, input: Input, now: Moment) -> (Self, Step) {
        match self {
            Self::Unauthenticated(session) => step_unauthenticated(session, input, now),
            Self::Authenticating(session) => step_authenticating(session, input, now),
            Self::Active(session) => step_active(session, input, now),
            Self::Expired(session) => step_expired(session, input, now),
        }
    }

    /// Gives the session a reply, borrowed, with a body of any type: the same as
    /// [`step`](Self::step) with [`Input::Reply`].
    pub fn receive<B: AsRef<[u8]>>(
        self,
        id: RequestId,
        reply: &http::Response<B>,
        now: Moment,
    ) -> (Self, Step) {
        match self {
            Self::Authenticating(session) => match session.receive(id, reply, now) {
                Ok(session) => moved(session),
                Err(NotActive::Stale(rejected)) => reject(rejected.into_parts()),
                Err(NotActive::Denied(rejected)) => {
                    let (session, denial) = rejected.into_parts();
                    denied(session, denial)
                }
            },
            Self::Active(mut session) => match session.receive(id, reply, now) {
                Ok(_) => moved(session),
                Err(NotRenewed::Stale(stale)) => reject((session, stale)),
                Err(NotRenewed::Denied(denial)) => denied(session, denial),
            },
            Self::Unauthenticated(session) => reject((session, StaleRequest::new(id))),
            Self::Expired(session) => reject((session, StaleRequest::new(id))),
        }
    }
}

/// For the layer above.
impl AnySession {
    /// Takes a reading of the clocks, and answers with the monotonic milliseconds that have certainly
    /// passed in this session's own count.
    pub(crate) fn observe(&mut self, now: Moment) -> u64 {
        self.core_mut().observe(now);
        self.ticks()
    }

    /// The same count, as of the last reading.
    pub(crate) fn ticks(&self) -> u64 {
        self.core().clock.stamp().ticks()
    }

    pub(crate) fn seed(&self) -> u64 {
        self.core().seed()
    }

    /// How many requests the session has made so far.
    pub(crate) fn requests(&self) -> u64 {
        self.core().requests()
    }

    /// How many tokens the session has held so far.
    pub(crate) fn generations(&self) -> u64 {
        self.core().generations()
    }

    /// What the request in flight was made with, which need not be what the next one is made with.
    pub(crate) fn asks_with(&self) -> Option<&Credentials> {
        match self {
            Self::Authenticating(session) => Some(session.state.flight.credentials()),
            Self::Active(session) => Some(session.flight()?.credentials()),
            Self::Unauthenticated(_) | Self::Expired(_) => None,
        }
    }

    /// Sends `request`, which was made with `credentials`, in whichever way the state has for it. The
    /// identity that an earlier reply named counts only for a session that remembers none.
    pub(crate) fn ask(
        self,
        credentials: Credentials,
        pinned: Option<&Identity>,
        request: Request<Bytes>,
        now: Moment,
    ) -> (Self, Step) {
        match self {
            Self::Unauthenticated(session) => {
                let (session, outgoing) =
                    session.authenticate_as(credentials, pinned.cloned(), request, now);
                sent(session, outgoing)
            }
            Self::Expired(session) => {
                let (session, outgoing) = session.reauthenticate_with(credentials, request, now);
                sent(session, outgoing)
            }
            Self::Active(mut session) => match session.renew_with(request, now) {
                Ok(outgoing) => sent(session, outgoing),
                Err(reason) => reject((session, reason)),
            },
            Self::Authenticating(session) => reject((session, NotSent::InFlight)),
        }
    }

    pub(super) fn core(&self) -> &Core {
        match self {
            Self::Unauthenticated(session) => &session.core,
            Self::Authenticating(session) => &session.core,
            Self::Active(session) => &session.core,
            Self::Expired(session) => &session.core,
        }
    }

    fn core_mut(&mut self) -> &mut Core {
        match self {
            Self::Unauthenticated(session) => &mut session.core,
            Self::Authenticating(session) => &mut session.core,
            Self::Active(session) => &mut session.core,
            Self::Expired(session) => &mut session.core,
        }
    }
}

fn step_unauthenticated(
    session: Session<Unauthenticated>,
    input: Input,
    now: Moment,
) -> (AnySession, Step) {
    match input {
        Input::Authenticate(credentials) => match session.authenticate(credentials, now) {
            Ok((session, outgoing)) => sent(session, outgoing),
            Err(rejected) => reject(rejected.into_parts()),
        },
        Input::Adopt(grant) => match session.adopt(grant, now) {
            Ok(session) => moved(session),
            Err(rejected) => reject(rejected.into_parts()),
        },
        Input::Reply(id, _) | Input::Failure(id, _) => reject((session, StaleRequest::new(id))),
        Input::Advance | Input::Stop => (session.into(), Step::Unchanged),
        Input::Reauthenticate | Input::Renew | Input::SetCredentials(_) => {
            misuse(session, input.name())
        }
    }
}

fn step_authenticating(
    session: Session<Authenticating>,
    input: Input,
    now: Moment,
) -> (AnySession, Step) {
    match input {
        Input::Reply(id, reply) => AnySession::from(session).receive(id, &reply, now),
        Input::Failure(id, why) => match session.fail(id, why, now) {
            Ok(session) => moved(session),
            Err(rejected) => reject(rejected.into_parts()),
        },
        Input::Stop => moved(session.stop()),
        Input::Advance => (session.into(), Step::Unchanged),
        Input::Authenticate(_)
        | Input::Reauthenticate
        | Input::Renew
        | Input::Adopt(_)
        | Input::SetCredentials(_) => misuse(session, input.name()),
    }
}

fn step_active(mut session: Session<Active>, input: Input, now: Moment) -> (AnySession, Step) {
    match input {
        Input::Renew => match session.renew(now) {
            Ok(outgoing) => sent(session, outgoing),
            Err(reason) => reject((session, reason)),
        },
        Input::Reply(id, reply) => AnySession::from(session).receive(id, &reply, now),
        Input::Failure(id, why) => match session.fail(id, why, now) {
            Ok(()) => moved(session),
            Err(stale) => reject((session, stale)),
        },
        Input::Adopt(grant) => match session.replace(grant, now) {
            Ok(_) => moved(session),
            Err(denial) => reject((session, denial)),
        },
        Input::SetCredentials(credentials) => match session.set_credentials(credentials) {
            Ok(()) => moved(session),
            Err(flaw) => reject((session, flaw)),
        },
        Input::Advance => match session.advance(now) {
            Advance::Live(session) => (session.into(), Step::Unchanged),
            Advance::Lapsed(session) => moved(session),
            Advance::Reauthenticating(session) => moved(session),
        },
        Input::Stop => moved(session.stop()),
        Input::Authenticate(_) | Input::Reauthenticate => misuse(session, input.name()),
    }
}

fn step_expired(mut session: Session<Expired>, input: Input, now: Moment) -> (AnySession, Step) {
    match input {
        Input::Reauthenticate => match session.reauthenticate(now) {
            Ok((session, outgoing)) => sent(session, outgoing),
            Err(rejected) => reject(rejected.into_parts()),
        },
        Input::Adopt(grant) => match session.adopt(grant, now) {
            Ok(session) => moved(session),
            Err(rejected) => reject(rejected.into_parts()),
        },
        Input::SetCredentials(credentials) => match session.set_credentials(credentials) {
            Ok(()) => moved(session),
            Err(flaw) => reject((session, flaw)),
        },
        Input::Reply(id, _) | Input::Failure(id, _) => reject((session, StaleRequest::new(id))),
        Input::Stop => moved(session.stop()),
        Input::Advance => (session.into(), Step::Unchanged),
        Input::Authenticate(_) | Input::Renew => misuse(session, input.name()),
    }
}

impl Input {
    /// The variant's name.
    fn name(&self) -> &'static str {
        match self {
            Self::Authenticate(_) => "Authenticate",
            Self::Reauthenticate => "Reauthenticate",
            Self::Renew => "Renew",
            Self::Adopt(_) => "Adopt",
            Self::SetCredentials(_) => "SetCredentials",
            Self::Reply(..) => "Reply",
            Self::Failure(..) => "Failure",
            Self::Advance => "Advance",
            Self::Stop => "Stop",
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple(self.name());
        match self {
            Self::Authenticate(credentials) | Self::SetCredentials(credentials) => {
                tuple.field(credentials);
            }
            Self::Adopt(grant) => {
                tuple.field(grant);
            }
            Self::Reply(id, reply) => {
                tuple.field(&format_args!("{id}")).field(&Reply::from(reply));
            }
            Self::Failure(id, why) => {
                tuple.field(&format_args!("{id}")).field(why);
            }
            Self::Reauthenticate | Self::Renew | Self::Advance | Self::Stop => {}
        }
        tuple.finish()
    }
}

fn sent<S: State>(session: Session<S>, outgoing: Outgoing) -> (AnySession, Step)
where
    AnySession: From<Session<S>>,
{
    step(session, |transition| Step::Sent(transition, outgoing))
}

fn moved<S: State>(session: Session<S>) -> (AnySession, Step)
where
    AnySession: From<Session<S>>,
{
    step(session, Step::Moved)
}

fn denied<S: State>(session: Session<S>, denial: Denial) -> (AnySession, Step)
where
    AnySession: From<Session<S>>,
{
    step(session, |transition| Step::Denied(transition, denial))
}

/// After a transition: the session has noted which.
fn step<S: State>(session: Session<S>, did: impl FnOnce(Transition) -> Step) -> (AnySession, Step)
where
    AnySession: From<Session<S>>,
{
    let step = session.last_transition().map_or(Step::Unchanged, did);
    (session.into(), step)
}

fn reject<S: State, E>((session, reason): (Session<S>, E)) -> (AnySession, Step)
where
    AnySession: From<Session<S>>,
    Rejection: From<E>,
{
    (session.into(), Step::Rejected(reason.into()))
}

fn misuse<S: State>(session: Session<S>, input: &'static str) -> (AnySession, Step)
where
    AnySession: From<Session<S>>,
{
    reject((session, Misuse { state: S::NAME, input }))
}

impl From<BuildError> for Rejection {
    fn from(error: BuildError) -> Self {
        NotSent::from(error).into()
    }
}

impl From<Session<Unauthenticated>> for AnySession {
    fn from(session: Session<Unauthenticated>) -> Self {
        Self::Unauthenticated(session)
    }
}

impl From<Session<Authenticating>> for AnySession {
    fn from(session: Session<Authenticating>) -> Self {
        Self::Authenticating(session)
    }
}

impl From<Session<Active>> for AnySession {
    fn from(session: Session<Active>) -> Self {
        Self::Active(session)
    }
}

impl From<Session<Expired>> for AnySession {
    fn from(session: Session<Expired>) -> Self {
        Self::Expired(session)
    }
}
