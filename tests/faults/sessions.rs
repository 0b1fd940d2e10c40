//! R1 for a session in a field: an exchange that panics leaves a session that can be used.

use bytes::Bytes;
use http::Response;
use videokit_session::session::transitions::{Cause, StateName};
use videokit_session::session::{Input, RequestId, Step};
use videokit_session::{AnySession, Credentials, Grant, Moment, SessionToken, TransportFailure};

use crate::fragile::{METHODS, Method as M, Trigger, granting, panics};
use crate::world::{HOUR, T0, config};

const NOW: Moment = Moment::from_millis(5_000, T0);

/// A session, its credentials, and the id of its last request.
struct Play {
    session: AnySession,
    trigger: Trigger,
    ids: Vec<RequestId>,
    now: Moment,
}

impl Play {
    fn new() -> Self {
        let session = AnySession::new(config(|config| config), 1);
        Self { session, trigger: Trigger::default(), ids: Vec::new(), now: NOW }
    }

    fn credentials(&self) -> Credentials {
        self.trigger.credentials("user-17")
    }

    fn step(&mut self, input: Input) -> Step {
        self.session.step(input, self.now)
    }

    /// Makes a request: the first one, or a renewal.
    fn send(&mut self) {
        let credentials = self.credentials();
        let input = match self.session.state() {
            StateName::Active => Input::Renew(credentials),
            _ => Input::Authenticate(credentials),
        };
        let Step::Sent(_, outgoing) = self.step(input) else { panic!("{:?}", self.session) };
        assert!(!self.ids.contains(&outgoing.id()), "an id comes twice");
        self.ids.push(outgoing.id());
    }

    fn reply(&self, token: &'static str) -> Input {
        let reply: Response<Bytes> = granting(token);
        Input::Reply(*self.ids.last().unwrap(), reply)
    }

    fn authenticating(mut self) -> Self {
        self.send();
        self
    }

    fn active(mut self) -> Self {
        self = self.authenticating();
        let reply = self.reply("tok-1");
        assert!(matches!(self.step(reply), Step::Granted(..)));
        self
    }

    fn renewing(mut self) -> Self {
        self = self.active();
        self.send();
        self
    }

    fn expire(&mut self) {
        self.now = self.now.after(2 * HOUR);
        assert!(matches!(self.step(Input::Advance), Step::Moved(_)));
    }

    fn expired(mut self) -> Self {
        self = self.active();
        self.expire();
        self
    }

    fn lapsed_in_flight(mut self) -> Self {
        self = self.renewing();
        self.expire();
        self
    }

    /// The session goes on: the next request has a new id, and its token the next number.
    fn goes_on(mut self, tokens: u64, case: &str) {
        self.trigger.disarm();
        if self.session.in_flight().is_none() {
            self.send();
        }
        let reply = self.reply("tok-next");
        assert!(matches!(self.step(reply), Step::Granted(..)), "{case}");
        let generation = self.session.generation().unwrap().number();
        assert_eq!(generation, tokens + 1, "{case}");
        assert_eq!(self.session.identity().unwrap().as_str(), "user-17", "{case}");
    }
}

/// A point in the life of a session, and how many tokens it has held.
type Point = (&'static str, fn(Play) -> Play, u64);

/// The states in which a request may be made.
const ASKING: &[Point] = &[
    ("Unauthenticated", |play| play, 0),
    ("Active", Play::active, 1),
    ("Expired", Play::expired, 1),
];

/// Those in which a reply may come.
const WAITING: &[Point] = &[
    ("Authenticating", Play::authenticating, 0),
    ("Active, renewing", Play::renewing, 1),
    ("Authenticating, after a lapse in flight", Play::lapsed_in_flight, 1),
];

fn view(play: &Play) -> impl PartialEq + std::fmt::Debug + use<> {
    let session = &play.session;
    let remaining = session.remaining(play.now);
    (
        session.state(),
        session.last_transition(),
        session.in_flight(),
        session.generation(),
        remaining,
    )
}

#[test]
fn r1_a_session_whose_request_could_not_be_built_has_not_changed() {
    let called = [M::Request, M::Identity, M::BodyLimit, M::IsSingleUse];
    for (point, arrive, tokens) in ASKING {
        for method in METHODS {
            let case = format!("{method:?} panics in {point}");
            let mut play = arrive(Play::new());
            let before = view(&play);
            play.trigger.arm(method);
            let panicked = panics(|| play.send());
            assert_eq!(panicked, called.contains(&method), "{case}");
            if panicked {
                assert_eq!(view(&play), before, "{case}");
                play.goes_on(*tokens, &case);
            }
        }
    }
}

#[test]
fn r1_a_session_whose_reply_could_not_be_read_has_no_request_in_flight() {
    let called = [M::Read, M::Identity, M::IssuerWritesDate];
    for (point, arrive, tokens) in WAITING {
        for method in METHODS {
            let case = format!("{method:?} panics in {point}");
            let mut play = arrive(Play::new());
            let (state, generation) = (play.session.state(), play.session.generation());
            let remaining = play.session.remaining(play.now);
            let reply = play.reply("tok-read");
            play.trigger.arm(method);
            let failed = panics(|| play.step(reply));
            assert_eq!(failed, called.contains(&method), "{case}");
            if !failed {
                continue;
            }
            let (expected, after) = match state {
                StateName::Active => (Cause::RenewalFailed, StateName::Active),
                _ => (Cause::Failed, StateName::Unauthenticated),
            };
            let session = &play.session;
            assert_eq!((session.state(), session.in_flight()), (after, None), "{case}");
            let last = session.last_transition().unwrap();
            assert_eq!((last.from, last.to, last.cause), (state, after, expected), "{case}");
            assert_eq!(session.generation(), generation, "{case}");
            assert_eq!(session.remaining(play.now), remaining, "{case}");
            // A second copy of the reply is stale.
            play.trigger.disarm();
            let again = play.reply("tok-read");
            assert!(matches!(play.step(again), Step::Rejected(_)), "{case}");
            play.goes_on(*tokens, &case);
        }
    }
}

#[test]
fn r1_other_inputs_of_a_session_call_no_exchange() {
    for (point, arrive, _) in ASKING.iter().chain(WAITING) {
        for method in METHODS {
            let other: &[fn(&Play) -> Input] = &[
                |_| Input::Advance,
                |_| Input::Adopt(Grant::new(SessionToken::new("tok-adopted").unwrap())),
                |_| Input::Stop,
                |play| Input::Failure(*play.ids.last().unwrap(), TransportFailure::TimedOut),
            ];
            for input in other {
                let mut play = arrive(Play::new());
                if play.ids.is_empty() {
                    continue;
                }
                play.trigger.arm(method);
                let input = input(&play);
                assert!(!panics(|| play.step(input)), "{method:?} panics in {point}");
            }
        }
    }
}

/// A grant that is not held says nothing: neither whose login it is, nor how many tokens there were.
#[test]
fn r1_a_successor_that_panics_pins_nothing_and_counts_no_token() {
    let mut play = Play::new();
    let credentials = play.trigger.exchange("user-17").rotating().credentials();
    let Step::Sent(_, outgoing) = play.step(Input::Authenticate(credentials)) else { panic!() };
    let id = outgoing.id();
    play.ids.push(id);
    // Its own identity is asked for first, the successor's after it.
    play.trigger.arm_after(M::Identity, 1);
    let reply = play.reply("tok-read");
    assert!(panics(|| play.step(reply)));
    assert_eq!((play.session.state(), play.session.identity()), (StateName::Unauthenticated, None));
    play.goes_on(0, "a successor");
}
