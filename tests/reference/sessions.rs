//! The same session twice: once with its typed states, in code that a caller would write, and once as an
//! `AnySession`. What one does, the other has to do.

use std::sync::Arc;

use videokit_session::exchange::Denial;
use videokit_session::session::transitions::{StateName, Transition};
use videokit_session::session::{
    Active, Advance, Authenticating, Expired, Generation, Input, ReceiveError, Rejected, Rejection,
    RenewError, RequestId, State, Step, Unauthenticated,
};
use videokit_session::{AnySession, Config, Credentials, Driver, Moment, Outgoing, Session};

use crate::trial::same;

/// By hand.
enum Hand {
    Unauthenticated(Session<Unauthenticated>),
    Authenticating(Session<Authenticating>),
    Active(Session<Active>),
    Expired(Session<Expired>),
}

/// All that can be seen of a session.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    state: StateName,
    in_flight: Option<RequestId>,
    identity: Option<String>,
    token: Option<(Generation, String)>,
    left: Option<(i64, Option<i64>)>,
}

pub(crate) struct Pair {
    hand: Option<Hand>,
    any: AnySession,
}

impl Pair {
    pub(crate) fn new(config: &Arc<Config>, seed: u64) -> Self {
        let hand = Hand::Unauthenticated(Session::new(Arc::clone(config), seed));
        Self { hand: Some(hand), any: AnySession::new(Arc::clone(config), seed) }
    }

    /// Gives both an input, and says what they did, if they agree.
    pub(crate) fn step(&mut self, input: &Input, now: Moment) -> Result<Step, String> {
        let state = self.any.state();
        let (hand, done) = self.hand.take().expect("it was put back").step(input.clone(), now);
        let step = self.any.step(input.clone(), now);
        let seen = hand.seen(now);
        self.hand = Some(hand);
        match (done, input, &step) {
            (Some(done), ..) => same("what it did, by hand and by step", &done, &step)?,
            // There is no such method, or nothing to call it for.
            (None, _, Step::Rejected(Rejection::Misuse(misuse))) if misuse.state == state => {}
            (
                None,
                Input::Reply(id, _) | Input::Failure(id, _),
                Step::Rejected(Rejection::Stale(request)),
            ) if request.id() == *id => {}
            (None, ..) => {
                return Err(format!("no code can do that in {state}, but step: {step:?}"));
            }
        }
        same("what is seen, by hand and of any", &seen, &Seen::of(&self.any, now))?;
        Ok(step)
    }

    pub(crate) fn seen(&self, now: Moment) -> Seen {
        Seen::of(&self.any, now)
    }

    pub(crate) fn in_flight(&self) -> Option<RequestId> {
        self.any.in_flight()
    }

    /// Whether it is unauthenticated, and knows whose the last token was.
    pub(crate) fn is_left_of_a_login(&self) -> bool {
        self.any.state() == StateName::Unauthenticated && self.knows_whose()
    }

    /// Whether it is known who is logged in.
    pub(crate) fn knows_whose(&self) -> bool {
        self.any.identity().is_some()
    }
}

impl Seen {
    pub(crate) fn of(any: &AnySession, now: Moment) -> Self {
        let serves = any.authorization(&any.config().origins()[0], now).ok();
        let left = any.remaining(now);
        Self {
            state: any.state(),
            in_flight: any.in_flight(),
            identity: any.identity().map(|identity| identity.as_str().to_owned()),
            token: serves.map(|serves| {
                let text = serves.value().to_str().unwrap();
                (serves.authorized().generation, text.to_owned())
            }),
            left: left.map(|left| (left.at_least_millis(), left.at_most_millis())),
        }
    }

    /// What a driver's session looks like from outside. `identity` is what it knows of that.
    pub(crate) fn of_driver(driver: &Driver, identity: Option<String>, now: Moment) -> Self {
        let serves = driver.authorization(&driver.config().origins()[0], now).ok();
        let left = driver.remaining(now);
        let last = driver.last_transition();
        Self {
            state: last.map_or(StateName::Unauthenticated, |last| last.to),
            in_flight: driver.in_flight(),
            identity,
            token: serves.map(|serves| {
                let text = serves.value().to_str().unwrap();
                (serves.authorized().generation, text.to_owned())
            }),
            left: left.map(|left| (left.at_least_millis(), left.at_most_millis())),
        }
    }
}

fn token(session: &Session<Active>, now: Moment) -> Option<(Generation, String)> {
    let serves = session.authorization(&session.config().origins()[0], now).ok()?;
    Some((serves.authorized().generation, serves.value().to_str().ok()?.to_owned()))
}

fn left(session: &Session<Active>, now: Moment) -> (i64, Option<i64>) {
    let left = session.remaining(now);
    (left.at_least_millis(), left.at_most_millis())
}

impl Hand {
    fn seen(&self, now: Moment) -> Seen {
        let (state, in_flight, identity) = match self {
            Self::Unauthenticated(session) => (session.state(), None, session.identity()),
            Self::Authenticating(session) => {
                (session.state(), Some(session.in_flight()), session.identity())
            }
            Self::Active(session) => (session.state(), session.in_flight(), session.identity()),
            Self::Expired(session) => (session.state(), None, session.identity()),
        };
        let active = if let Self::Active(session) = self { Some(session) } else { None };
        Seen {
            state,
            in_flight,
            identity: identity.map(|identity| identity.as_str().to_owned()),
            token: active.and_then(|session| token(session, now)),
            left: active.map(|session| left(session, now)),
        }
    }

    /// `None` for what there is no method for in this state, or no request.
    fn step(self, input: Input, now: Moment) -> (Self, Option<Step>) {
        match self {
            Self::Unauthenticated(session) => unauthenticated(session, input, now),
            Self::Authenticating(session) => authenticating(session, input, now),
            Self::Active(session) => active(session, input, now),
            Self::Expired(session) => expired(session, input, now),
        }
    }
}

type Done = (Hand, Option<Step>);

fn last<S: State>(session: &Session<S>) -> Transition {
    session.last_transition().expect("it has just made one")
}

fn sent<S: State>(
    (session, outgoing): (Session<S>, Outgoing),
    hand: fn(Session<S>) -> Hand,
) -> Done {
    let step = Step::Sent(last(&session), outgoing);
    (hand(session), Some(step))
}

fn moved<S: State>(session: Session<S>, hand: fn(Session<S>) -> Hand) -> Done {
    let step = Step::Moved(last(&session));
    (hand(session), Some(step))
}

fn denied<S: State>(
    session: Session<S>,
    denial: Denial,
    credentials: Credentials,
    hand: fn(Session<S>) -> Hand,
) -> Done {
    let step = Step::Denied(last(&session), denial, credentials);
    (hand(session), Some(step))
}

fn failed<S: State, E: Into<Rejection>>(why: Rejected<S, E>, hand: fn(Session<S>) -> Hand) -> Done {
    let (session, why) = why.into_parts();
    (hand(session), Some(Step::Rejected(why.into())))
}

fn unauthenticated(session: Session<Unauthenticated>, input: Input, now: Moment) -> Done {
    match input {
        Input::Authenticate(credentials) => match session.authenticate(&credentials, now) {
            Ok(pair) => sent(pair, Hand::Authenticating),
            Err(why) => failed(why, Hand::Unauthenticated),
        },
        Input::Adopt(grant) => match session.adopt(grant, now) {
            Ok(session) => moved(session, Hand::Active),
            Err(why) => failed(why, Hand::Unauthenticated),
        },
        // No transition.
        Input::Stop => (Hand::Unauthenticated(session.stop()), Some(Step::Unchanged)),
        Input::Advance => (Hand::Unauthenticated(session), Some(Step::Unchanged)),
        _ => (Hand::Unauthenticated(session), None),
    }
}

fn authenticating(session: Session<Authenticating>, input: Input, now: Moment) -> Done {
    match input {
        Input::Reply(id, reply) => match session.receive(id, &reply, now) {
            Ok((session, credentials)) => {
                let step = Step::Granted(last(&session), credentials);
                (Hand::Active(session), Some(step))
            }
            Err(ReceiveError::Stale(why)) => failed(why, Hand::Authenticating),
            Err(ReceiveError::Denied(why, credentials)) => {
                let (session, denial) = why.into_parts();
                denied(session, denial, credentials, Hand::Unauthenticated)
            }
        },
        Input::Failure(id, why) => match session.fail(id, why, now) {
            Ok(session) => moved(session, Hand::Unauthenticated),
            Err(why) => failed(why, Hand::Authenticating),
        },
        Input::Stop => moved(session.stop(), Hand::Unauthenticated),
        Input::Advance => (Hand::Authenticating(session), Some(Step::Unchanged)),
        _ => (Hand::Authenticating(session), None),
    }
}

fn active(mut session: Session<Active>, input: Input, now: Moment) -> Done {
    let done: Result<(), Rejection> = match input {
        Input::Advance => {
            return match session.advance(now) {
                Advance::Live(session) => (Hand::Active(session), Some(Step::Unchanged)),
                Advance::Lapsed(session) => moved(session, Hand::Expired),
                Advance::Reauthenticating(session) => moved(session, Hand::Authenticating),
            };
        }
        Input::Stop => return moved(session.stop(), Hand::Unauthenticated),
        Input::Renew(credentials) => match session.renew(&credentials, now) {
            Ok(outgoing) => return sent((session, outgoing), Hand::Active),
            Err(why) => Err(why.into()),
        },
        Input::Reply(id, reply) => match session.receive(id, &reply, now) {
            Ok((generation, credentials)) => {
                assert_eq!(generation, session.generation());
                let step = Step::Granted(last(&session), credentials);
                return (Hand::Active(session), Some(step));
            }
            Err(RenewError::Stale(why)) => Err(why.into()),
            Err(RenewError::Denied(denial, credentials)) => {
                return denied(session, denial, credentials, Hand::Active);
            }
        },
        Input::Failure(id, why) => session.fail(id, why, now).map_err(Rejection::from),
        Input::Adopt(grant) => session.replace(grant, now).map(|_| ()).map_err(Rejection::from),
        _ => return (Hand::Active(session), None),
    };
    match done {
        Ok(()) => moved(session, Hand::Active),
        Err(why) => (Hand::Active(session), Some(Step::Rejected(why))),
    }
}

fn expired(session: Session<Expired>, input: Input, now: Moment) -> Done {
    match input {
        Input::Authenticate(credentials) => match session.authenticate(&credentials, now) {
            Ok(pair) => sent(pair, Hand::Authenticating),
            Err(why) => failed(why, Hand::Expired),
        },
        Input::Adopt(grant) => match session.adopt(grant, now) {
            Ok(session) => moved(session, Hand::Active),
            Err(why) => failed(why, Hand::Expired),
        },
        Input::Stop => moved(session.stop(), Hand::Unauthenticated),
        Input::Advance => (Hand::Expired(session), Some(Step::Unchanged)),
        _ => (Hand::Expired(session), None),
    }
}
