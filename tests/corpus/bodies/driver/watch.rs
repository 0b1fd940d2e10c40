//! Holds each step against the rules, with a record of everything that went before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use videokit_session::driver::{Blocked, Policy, WakeReason};
use videokit_session::session::transitions::{InputName, StateName, TABLE, Transition};
use videokit_session::session::{Authorized, Generation, RequestId};
use videokit_session::sim::{Answer, SECRET, Seen, Sent, Step};
use videokit_session::{Driver, Event, Wake};

use super::secrets::Secrets;
use super::view::{Turn, is_start, only_failures};

/// Everything that the rules have to remember.
pub(crate) struct Watch {
    policy: Policy,
    /// When requests went out, in monotonic milliseconds.
    sent: Vec<u64>,
    /// The state that the events have led to.
    state: StateName,
    /// The request that was refused for good, until there are other credentials.
    refused: Option<Sent>,
    /// Until when each endpoint is to be left alone.
    retry_after: BTreeMap<String, u64>,
    /// Tokens that the API refused.
    unauthorized: BTreeSet<Generation>,
    /// Whether it refused one of this login's: from then on a shorter life may have been learned.
    has_been_unauthorized: bool,
    /// Tokens of which it was told that the API refuses them, or has to be.
    told: BTreeSet<Generation>,
    owed: BTreeSet<Generation>,
    /// Tokens of which it was told that another is needed.
    needed: BTreeSet<Generation>,
    /// The transition that announces a request which has not gone out, and what it is made with.
    announced: Option<(Transition, Option<String>)>,
    /// Those that are usable once.
    secrets: Secrets,
    /// The transition that ends such a request, and has yet to be told.
    unsent: Option<Transition>,
    /// How many queued events say that the driver gave up, or that replies stay malformed.
    conclusions: usize,
    /// Whether the last transition ended such a request: the session has no record of it.
    last_was_unsent: bool,
}

impl Watch {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            sent: Vec::new(),
            state: StateName::Unauthenticated,
            refused: None,
            retry_after: BTreeMap::new(),
            unauthorized: BTreeSet::new(),
            has_been_unauthorized: false,
            told: BTreeSet::new(),
            owed: BTreeSet::new(),
            needed: BTreeSet::new(),
            announced: None,
            secrets: Secrets::default(),
            unsent: None,
            conclusions: 0,
            last_was_unsent: false,
        }
    }

    /// `due` says in which time the token is due for renewal after this step, by its lifetime alone.
    pub(crate) fn follow(&mut self, turn: &Turn<'_>, due: impl Fn() -> Option<Duration>) {
        self.rule_5_before(turn);
        let other = is_start(turn.step) && turn.before.credentials != turn.after.credentials;
        self.note_start(turn, other);
        self.note_unsent(turn);
        self.note_time_out(turn);
        for seen in turn.seen {
            match seen {
                Seen::Sent(id) => self.on_sent(turn, *id, &due),
                Seen::Reported { id, taken } => self.on_report(turn, *id, *taken),
                Seen::Event(event) => self.on_event(turn, event),
                Seen::Wait(_) => assert_eq!(turn.after.queued, 0, "it waits with something queued"),
                Seen::Busy => panic!("it never waits"),
                _ => {}
            }
        }
        self.secrets.follow(turn);
        rule_2_identity(turn);
        rule_3(turn);
        rule_7(turn);
        self.rule_8_queue(turn);
        self.rule_5_after(turn);
        self.rule_8_drained(turn);
        counters_add_up(turn);
        assert!(turn.after.queued <= Driver::MOST_QUEUED, "{} queued", turn.after.queued);
    }

    fn note_start(&mut self, turn: &Turn<'_>, other: bool) {
        if other || turn.after.epoch != turn.before.epoch || turn.step == Step::Stop {
            self.refused = None;
        }
        if turn.after.epoch != turn.before.epoch {
            self.has_been_unauthorized = false;
        }
    }

    /// A request that was announced, and is not to go out any more: the next event of a transition says so.
    fn note_unsent(&mut self, turn: &Turn<'_>) {
        let ended = match turn.step {
            Step::Online(online) => !online,
            _ => turn.after.epoch != turn.before.epoch || turn.step == Step::Stop,
        };
        let Some((announced, _)) = self.announced.take_if(|_| ended) else { return };
        let from = announced.to;
        self.unsent = TABLE.iter().copied().find(|row| match turn.step {
            Step::Online(_) => row.from == from && row.input == InputName::Failure,
            _ => row.from == from && row.input == InputName::Stop,
        });
    }

    /// A request that is given up in a poll may be the last try.
    fn note_time_out(&mut self, turn: &Turn<'_>) {
        let (before, after) = (turn.before, turn.after);
        let polls = matches!(turn.step, Step::Poll | Step::Drain);
        if !polls || before.counters.abandoned == after.counters.abandoned {
            return;
        }
        let told =
            |seen: &&Seen| matches!(seen, Seen::Event(Event::GaveUp | Event::StillMalformed(_)));
        self.conclusions += match (after.blocked, turn.step) {
            (Some(Blocked::GaveUp), _) => usize::from(before.blocked != after.blocked),
            // It may be hidden behind that. Of the time-out's outputs, one was handed out, and one is its failure.
            (Some(Blocked::Spent), Step::Poll) => {
                assert!((1..=2).contains(&after.queued), "rule 8: {} queued", after.queued);
                after.queued - 1
            }
            (Some(Blocked::Spent), _) => {
                let told = turn.seen.iter().filter(told).count();
                told.saturating_sub(self.conclusions).min(1)
            }
            _ => 0,
        };
    }

    fn on_sent(&mut self, turn: &Turn<'_>, id: RequestId, due: impl Fn() -> Option<Duration>) {
        let abandoned = |id| turn.seen.contains(&Seen::Abandoned(id));
        let beside = turn.live_before.filter(|live| !abandoned(*live));
        assert_eq!(beside, None, "rule 1: {id} goes out beside another");
        let Some((_, with)) = self.announced.take() else {
            panic!("rule 8: {id} goes out, and nobody was told")
        };
        let at = turn.world.ticks();
        self.sent.push(at);
        for (count, from) in (1_u64..).zip(self.sent.iter().rev()) {
            let window = Duration::from_millis(at - from);
            let most = self.policy.most_requests_in(window);
            assert!(count <= most, "rule 1: {count} requests within {window:?}");
        }
        assert!(turn.world.driver().is_online(), "it sends, and there is no network");
        // Credentials that were set since are not those of this request.
        let blocked = turn.before.blocked.filter(|_| turn.before.credentials == with);
        assert_eq!(blocked, None, "it sends, and is blocked");
        let sent = find(turn, id);
        assert_eq!(
            Some(made_with(&sent)),
            with,
            "{id} is not made with what it was announced with"
        );
        if let Some(refused) = self.refused.take() {
            let again = refused.uri == sent.uri && refused.secret == sent.secret;
            assert!(!again, "rule 4: {id} asks again with what was refused");
        }
        let floor = self.retry_after.get(&sent.uri.to_string()).copied().unwrap_or(0);
        assert!(at >= floor, "rule 6: {id} goes at {at} ms, and the server said {floor} ms");
        self.rule_5_sent(id, due);
    }

    fn on_report(&mut self, turn: &Turn<'_>, id: RequestId, taken: bool) {
        let live = turn.live_before == Some(id);
        assert_eq!(taken, live, "rule 2: {id} was taken, or not, though live is {live}");
        if !taken {
            let mut expected = turn.before.clone();
            expected.counters.stale += 1;
            assert_eq!(*turn.after, expected, "rule 2: a stale report changed something");
            return;
        }
        let Step::Answer(_, Answer::Deny(status, wait)) = turn.step else { return };
        if let Some(wait) = wait {
            let until = turn.world.ticks() + u64::from(wait.min(3_600)) * 1_000;
            let floor = self.retry_after.entry(find(turn, id).uri.to_string()).or_default();
            *floor = until.max(*floor);
        }
        if is_refusal(status) {
            self.refused = Some(find(turn, id));
        }
    }

    fn on_event(&mut self, turn: &Turn<'_>, event: &Event) {
        for text in [event.to_string(), format!("{event:?}")] {
            assert!(!text.contains(SECRET), "rule 8: a secret in {text}");
        }
        match event {
            Event::Unauthorized(generation) => {
                assert!(self.owed.remove(generation), "rule 5: nobody had to be told: {event}");
            }
            Event::TokenNeeded(generation) => {
                assert!(self.needed.insert(*generation), "told twice: {event}");
            }
            Event::GaveUp | Event::StillMalformed(_) => {
                assert!(self.conclusions > 0, "rule 8: nothing led to {event}");
                self.conclusions -= 1;
            }
            _ => {}
        }
        if let Some(transition) = event.transition() {
            assert!(TABLE.contains(&transition), "rule 8: {event} is in no row of the table");
            assert_eq!(transition.from, self.state, "rule 8: {event} doesn't follow");
            self.state = transition.to;
            let unsent = self.unsent.take();
            self.last_was_unsent = unsent.is_some();
            assert_eq!(
                unsent.unwrap_or(transition),
                transition,
                "rule 8: the end of an unsent one"
            );
            if let InputName::Authenticate | InputName::Renew = transition.input {
                self.announced = Some((transition, turn.after.credentials.clone()));
            }
        }
    }

    /// A 401 leaves the token as it is, and is reported if nothing is done about it.
    fn rule_5_before(&mut self, turn: &Turn<'_>) {
        let [Seen::Unauthorized(Authorized { generation, .. })] = *turn.seen else { return };
        let (before, after) = (turn.before, turn.after);
        let renewable = before.blocked.is_none() && turn.world.driver().credentials().is_some();
        let queued = after.queued - before.queued;
        let tells = queued == 1;
        if before.generation == Some(generation) {
            let first = !self.has_been_unauthorized;
            self.has_been_unauthorized = true;
            self.unauthorized.insert(generation);
            let known = self.told.contains(&generation);
            assert!(queued <= usize::from(!known), "rule 5: {generation:?} is reported again");
            assert!(tells || renewable || known, "rule 5: {generation:?} is not reported");
            assert!(!(tells && first && renewable), "rule 5: a first 401 is not answered");
            if tells {
                self.told.insert(generation);
                self.owed.insert(generation);
            }
        } else {
            assert_eq!(queued, 0, "rule 5: {generation:?} serves no more");
        }
        assert_eq!(after.token, before.token, "rule 5: the token serves meanwhile");
    }

    /// A token that isn't due is renewed only if the API refused one of this login's.
    fn rule_5_sent(&self, id: RequestId, due: impl Fn() -> Option<Duration>) {
        let asked_for = self.has_been_unauthorized || due().is_none_or(|due| due.is_zero());
        assert!(asked_for, "rule 5: {id} renews, and nobody asked");
    }

    /// A 401 that is not reported leads to a renewal, as soon as one may be made.
    fn rule_5_after(&self, turn: &Turn<'_>) {
        if turn.step != Step::Drain {
            return;
        }
        assert!(self.owed.is_empty(), "rule 5: nobody was told of {:?}", self.owed);
        let Some(generation) = turn.after.generation else { return };
        let answered = self.unauthorized.contains(&generation) && !self.told.contains(&generation);
        let driver = turn.world.driver();
        let renewable = turn.after.blocked.is_none() && driver.credentials().is_some();
        let held_back = match turn.world.wake() {
            Some(Wake::In(_, why)) => matches!(
                why,
                WakeReason::Backoff
                    | WakeReason::RetryAfter
                    | WakeReason::Budget
                    | WakeReason::Expiry
            ),
            _ => false,
        };
        let waits = driver.in_flight().is_none() && driver.is_online() && !held_back;
        assert!(!(answered && renewable && waits), "rule 5: {generation:?} led to nothing");
    }

    /// Each call queues what it changed, and nothing else.
    fn rule_8_queue(&mut self, turn: &Turn<'_>) {
        let (before, after) = (turn.before, turn.after);
        let gave_up = after.blocked == Some(Blocked::GaveUp) && before.blocked != after.blocked;
        let taken = |seen: &&Seen| matches!(seen, Seen::Reported { taken: true, .. });
        let taken = turn.seen.iter().filter(taken).count();
        let (moved, most) = match turn.step {
            Step::Stop | Step::Start(_) | Step::SetCredentials(_) => {
                (usize::from(before.state != after.state), 0)
            }
            Step::Answer(..) | Step::Fail(..) => {
                let changed = before.credentials != after.credentials;
                // That credentials are used up hides that the driver gave up, and a flaw shows nowhere else that it
                // came too often. The event tells, with one of the next polls.
                let hidden = usize::from(after.blocked == Some(Blocked::Spent));
                let flaw = usize::from(matches!(turn.step, Step::Answer(..)));
                let most = if taken == 0 { 0 } else { hidden + flaw };
                (taken + usize::from(gave_up) + usize::from(changed), most)
            }
            _ => return,
        };
        let abandoned = after.counters.abandoned - before.counters.abandoned;
        let expected = before.queued + moved + usize::try_from(abandoned).unwrap();
        let more = after.queued.checked_sub(expected).filter(|more| *more <= most);
        let Some(more) = more else {
            panic!("rule 8: {:?} queued {} in place of {expected}", turn.step, after.queued)
        };
        self.conclusions += more + usize::from(gave_up);
    }

    fn rule_8_drained(&self, turn: &Turn<'_>) {
        if turn.step == Step::Drain {
            assert_eq!(self.state, turn.after.state, "rule 8: an event is missing");
            assert_eq!(self.conclusions, 0, "rule 8: something else was queued");
            let told = turn.seen.iter().rev().find_map(|seen| match seen {
                Seen::Event(event) => event.transition(),
                _ => None,
            });
            let known = self.last_was_unsent || told == turn.after.last;
            assert!(told.is_none() || known, "rule 8: not the last one");
            assert!(matches!(turn.seen.last(), Some(Seen::Wait(Wake::In(..) | Wake::OnInput))));
        }
    }
}

/// Where a request goes, and its secret, as a [`View`](super::view::View) has it.
pub(super) fn made_with(sent: &Sent) -> String {
    format!("{} {:?}", sent.uri, Some(&sent.secret[..]))
}

pub(super) fn find(turn: &Turn<'_>, id: RequestId) -> Sent {
    turn.world.sent().iter().find(|sent| sent.id == id).expect("it went out").clone()
}

/// Whether a denial of this status, which has an `error` member, is for good.
fn is_refusal(status: u16) -> bool {
    matches!(status, 200..=203 | 205..=299) || matches!(status, 400..=499) && !is_passing(status)
}

fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429)
}

/// A new token is for the login's identity, which is on record.
fn rule_2_identity(turn: &Turn<'_>) {
    let (Some(token), Step::Answer(..)) = (&turn.after.token, turn.step) else { return };
    if turn.before.token.as_ref() == Some(token) {
        return;
    }
    if let Some(wanted) = &turn.before.identity {
        assert!(token.ends_with(wanted.as_str()), "rule 2: {token} serves {wanted}");
    }
    assert!(turn.after.identity.is_some(), "rule 2: nobody is on record for {token}");
}

/// No failure touches the token, and none but a refusal ends a login.
fn rule_3(turn: &Turn<'_>) {
    let (before, after) = (turn.before, turn.after);
    let failed = match turn.step {
        Step::Answer(_, answer) if answer.grants() => false,
        // The first to be named behind a cookie is no other.
        Step::Answer(_, Answer::GrantForAnother(_)) => {
            before.identity.as_ref().is_some_and(|named| !named.as_str().ends_with("else"))
        }
        Step::Answer(..) | Step::Fail(..) => true,
        Step::Poll | Step::Drain => only_failures(turn.seen),
        _ => false,
    };
    if failed {
        assert_eq!(after.token, before.token, "rule 3: {:?} took the token", turn.step);
        assert_eq!(after.epoch, before.epoch, "rule 3");
    }
    let stalls = |why| after.blocked == Some(why) && before.blocked.is_none();
    if stalls(Blocked::Refused) {
        let refuses =
            matches!(turn.step, Step::Answer(_, Answer::Deny(status, _)) if is_refusal(status));
        assert!(refuses, "rule 3: {:?} was taken for a refusal", turn.step);
    }
    let dead = |seen: &Seen| matches!(seen, Seen::Event(Event::NotAdopted(_)));
    if stalls(Blocked::NotStarted) && !turn.seen.iter().any(dead) {
        assert_eq!(turn.step, Step::Stop, "rule 3: a login ended");
    }
}

fn rule_7(turn: &Turn<'_>) {
    if turn.step == Step::Stop {
        let after = turn.after;
        assert_eq!(after.state, StateName::Unauthenticated, "rule 7");
        assert_eq!((&after.token, &after.identity), (&None, &None), "rule 7");
        assert_eq!(after.blocked, Some(Blocked::NotStarted), "rule 7");
    }
}

/// Every request that went out is accounted for.
fn counters_add_up(turn: &Turn<'_>) {
    let counters = turn.after.counters;
    let answered = counters.authentications
        + counters.renewals
        + counters.refused
        + counters.throttled
        + counters.transient
        + counters.redirected
        + counters.malformed;
    let ended = answered + counters.unanswered + counters.abandoned;
    let live = u32::from(turn.world.live().is_some());
    assert_eq!(counters.requests, ended + live, "{counters:?}");
}
