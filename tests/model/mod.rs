//! Every state of the shipped driver, within bounds: the ten rules hold in each.
//!
//! A search goes through all that a caller, a network, a gateway and time can do to a driver, until there is
//! no state left that it has not seen: to the fixpoint, however long the way. `shadow` keeps the rules beside
//! the driver, `judge` compares what it does with them, and each row of the table of transitions has to
//! occur. A violation ends the search with the shortest way to it.
//!
//! The crate itself includes this as a test, since it looks inside a driver: a state is all that decides a driver's
//! future, with times relative to now (`canonical`), the shadow, and where on the grid it is. That drivers which are
//! one state by this do the same from then on is a separate test, `futures`.
//!
//! In each state, each action is done to a second driver, too: one that has cached the wait that a poll would answer,
//! or none. It has to do the same, so the cache never changes an answer.
//!
//! What the bounds leave out:
//! - Time. All periods are a unit of 1,024 ms or a few, so that things happen on a grid, and in some searches
//!   a millisecond to either side of it.
//! - Jitter. A pause is as short or as long as chance can make it, and nothing between; the renewal margin is
//!   a millisecond, which has no jitter.
//! - A caller who doesn't poll for more than a unit after a deadline.
//! - Clocks that go back, and a wall clock that drifts; a device that sleeps twice during one request.
//! - More than one reply at a time for a request that is over: the last such request stands for all.
//! - Backends that state an identity, tokens that are dead when they are adopted, `into_session`.
//! - Of secrets that are usable once, there are three, and no service brings again what is used up.
//! - Budgets other than bursts of two, and other policies. The age from which a 401 counts as age is a unit, and
//!   is raised to two at most; a longer age is tried after two tokens at most; a service that is taken for
//!   broken is paused for no longer than another.
//! - 401s together with everything else: what they teach multiplies the states, so they have searches of their
//!   own, with fewer logins and replies. Likewise credentials that are set, and those that are usable once.
//!
//! `cargo test --release --lib model -- --ignored --nocapture` searches deeper.

mod canonical;

#[path = "../oracle/early.rs"]
mod early;
mod fixtures;
mod futures;
mod judge;
mod search;
mod shadow;
mod state;
mod token;

use std::collections::BTreeSet;
use std::time::Instant;

use self::fixtures::{Answer, Beside, Lives, Login, Person};
use self::search::{Exhausted, exhaust};
use self::state::Bounds;
use crate::session::TransportFailure;
use crate::session::transitions::TABLE;

const ANN: Login = Login::With(Person::Ann, 0);
const ANN_ROTATED: Login = Login::With(Person::Ann, 1);
const BEN: Login = Login::With(Person::Ben, 0);
const WHOEVER: Login = Login::With(Person::Whoever, 0);
const ANOTHER: Login = Login::With(Person::Whoever, 1);
const ROTATING: Login = Login::With(Person::Rotating, 0);
const ROTATED: Login = Login::With(Person::Rotating, 1);
const ROTATED_TWICE: Login = Login::With(Person::Rotating, 2);
const ANNS_TOKEN: Login = Login::Token(Person::Ann, Lives::On);
const ANNS_SHORT_TOKEN: Login = Login::Token(Person::Ann, Lives::TwoUnits);

const NOTHING: Bounds = Bounds {
    name: "",
    starts: &[],
    sets: &[],
    answers: &[],
    late_answers: &[Answer::Grant, Answer::Refuse],
    losses: &[TransportFailure::Unreachable],
    panics: false,
    network: false,
    sleep: false,
    calls: false,
    attempts: None,
    beside: Beside::Left,
};

/// Everything but 401s at once, on the grid alone.
const ALL: Bounds = Bounds {
    name: "everything but 401s, on the grid",
    starts: &[ANN, ANN_ROTATED, BEN, ANNS_TOKEN, ANNS_SHORT_TOKEN, Login::BareToken],
    // Other failures are as good as a dead grant, and other late replies as a late grant.
    answers: &[
        Answer::Grant,
        Answer::ShortGrant,
        Answer::DeadGrant,
        Answer::UndatedGrant,
        Answer::OthersGrant,
        Answer::Throttle,
        Answer::Refuse,
    ],
    late_answers: &[Answer::Grant],
    network: true,
    sleep: true,
    ..NOTHING
};

/// What 401s teach, in a login that sleeps.
const LEARNING: Bounds = Bounds {
    name: "401s and learned ages, on the grid",
    starts: &[ANN],
    answers: &[Answer::Grant, Answer::UndatedGrant],
    late_answers: &[Answer::Grant],
    sleep: true,
    calls: true,
    ..NOTHING
};

/// 401s on tokens of every origin.
const REFUSED: Bounds = Bounds {
    name: "401s on tokens of every origin, on the grid",
    starts: &[ANN, ANN_ROTATED, ANNS_TOKEN],
    answers: &[Answer::Grant, Answer::Refuse],
    late_answers: &[],
    calls: true,
    ..NOTHING
};

/// Credentials that change with each token and are usable once, with replies that are lost.
const SINGLE_USE: Bounds = Bounds {
    name: "credentials that are usable once, on the grid",
    starts: &[ROTATING],
    // Two can be known to be used up, and another helps.
    sets: &[ROTATING, ROTATED, ROTATED_TWICE],
    answers: &[
        Answer::Grant,
        Answer::DeadGrant,
        Answer::UndatedGrant,
        Answer::OthersGrant,
        Answer::CutOff,
    ],
    late_answers: &[Answer::Grant],
    losses: &[TransportFailure::Unreachable, TransportFailure::Interrupted],
    panics: true,
    ..NOTHING
};

/// Credentials of every kind that are set.
const SET: Bounds = Bounds {
    name: "credentials that are set, on the grid",
    starts: &[ANN, WHOEVER, Login::BareToken],
    sets: &[ANN_ROTATED, BEN, WHOEVER],
    answers: &[Answer::Grant, Answer::OthersGrant, Answer::Throttle],
    late_answers: &[],
    ..NOTHING
};

/// In the test command, in a minute on two cores.
const SMALL: [Bounds; 8] = [
    Bounds {
        name: "one login, beside the grid too",
        starts: &[ANN],
        answers: &[Answer::Grant, Answer::Throttle],
        beside: Beside::Too,
        ..NOTHING
    },
    Bounds {
        name: "two attempts, on the grid",
        starts: &[ANN, ANN_ROTATED],
        answers: &[Answer::Grant, Answer::Fail],
        network: true,
        attempts: Some(2),
        ..NOTHING
    },
    Bounds {
        name: "whoever the first reply names, on the grid",
        starts: &[WHOEVER, ANOTHER, ANN],
        answers: &[Answer::Grant, Answer::OthersGrant, Answer::Fail],
        ..NOTHING
    },
    SET,
    SINGLE_USE,
    LEARNING,
    REFUSED,
    ALL,
];

/// On demand.
const DEEP: [Bounds; 10] = [
    Bounds {
        name: "one login, beside the grid too",
        starts: &[ANN],
        answers: &[
            Answer::Grant,
            Answer::ShortGrant,
            Answer::Throttle,
            Answer::Fail,
            Answer::Refuse,
        ],
        late_answers: &[Answer::Grant],
        network: true,
        beside: Beside::Too,
        ..NOTHING
    },
    Bounds {
        name: "one login that sleeps, beside the grid too",
        starts: &[ANN],
        answers: &[Answer::Grant, Answer::DeadGrant, Answer::UndatedGrant, Answer::Portal],
        network: true,
        sleep: true,
        beside: Beside::Too,
        ..NOTHING
    },
    Bounds {
        name: "two people and three secrets, beside the grid too",
        starts: &[ANN, ANN_ROTATED, BEN],
        answers: &[Answer::Grant, Answer::OthersGrant, Answer::Refuse, Answer::Throttle],
        late_answers: &[],
        beside: Beside::Too,
        ..NOTHING
    },
    Bounds {
        name: "tokens of one's own, beside the grid too",
        starts: &[ANN, ANNS_TOKEN, ANNS_SHORT_TOKEN, Login::BareToken],
        answers: &[Answer::Grant, Answer::Redirect],
        beside: Beside::Too,
        ..NOTHING
    },
    Bounds {
        name: "everything but 401s, with two attempts, on the grid",
        answers: Answer::ALL,
        late_answers: &[Answer::Grant, Answer::Refuse],
        attempts: Some(2),
        ..ALL
    },
    Bounds {
        name: "everything but 401s, beside the grid too",
        starts: &[ANN, ANN_ROTATED, ANNS_TOKEN],
        answers: &[Answer::Grant, Answer::ShortGrant, Answer::Throttle, Answer::Refuse],
        beside: Beside::Too,
        ..ALL
    },
    Bounds {
        name: "401s with what may come between, on the grid",
        starts: &[ANN, ANN_ROTATED],
        answers: &[Answer::Grant, Answer::ShortGrant, Answer::Fail],
        late_answers: &[],
        network: true,
        ..LEARNING
    },
    Bounds {
        name: "credentials that are usable once, with two attempts, on the grid",
        starts: &[ROTATING, ANN],
        answers: &[Answer::Grant, Answer::DeadGrant, Answer::CutOff, Answer::Throttle],
        late_answers: &[],
        network: true,
        attempts: Some(2),
        ..SINGLE_USE
    },
    Bounds {
        name: "credentials that are set, beside the grid too",
        starts: &[ANN, WHOEVER],
        answers: &[Answer::Grant, Answer::OthersGrant, Answer::Refuse],
        network: true,
        beside: Beside::Too,
        ..SET
    },
    Bounds {
        name: "401s and credentials that are set, on the grid",
        starts: &[ANN, Login::BareToken],
        sets: &[ANN_ROTATED, WHOEVER],
        answers: &[Answer::Grant],
        calls: true,
        ..SET
    },
];

/// Goes through all bounds, and prints what was found.
fn exhaust_all(all: &[Bounds]) {
    let mut rows = BTreeSet::new();
    for bounds in all {
        let began = Instant::now();
        let exhausted = exhaust(*bounds).unwrap_or_else(|story| panic!("{story}"));
        let Exhausted { states, transitions, rows: seen } = exhausted;
        let time = began.elapsed().as_secs_f64();
        println!(
            "{states:>10} states, {transitions:>11} transitions in {time:>6.1} s: {}",
            bounds.name
        );
        rows.extend(seen);
    }
    assert_eq!(rows.len(), TABLE.len(), "of all transitions, only these occurred: {rows:#?}");
}

#[test]
fn the_rules_hold_in_every_state_within_the_small_bounds() {
    exhaust_all(&SMALL);
}

/// Not a part of the test command, which has to end in minutes: whoever changes the driver asks for it by name.
#[test]
#[ignore = "takes 5 minutes and several gigabytes: see CONTRIBUTING.md"]
fn the_rules_hold_in_every_state_within_the_deep_bounds() {
    exhaust_all(&DEEP);
}

fn compare_futures(all: &[Bounds], steps: usize) {
    for bounds in all {
        let compared = futures::compare(*bounds, steps);
        println!("{compared} states compared: {}", bounds.name);
        assert!(compared > steps / 4, "{}: only {compared} states came twice", bounds.name);
    }
}

#[test]
fn what_the_search_takes_for_one_state_is_one() {
    compare_futures(&SMALL, 20_000);
}

#[test]
#[ignore = "takes 2 minutes: see CONTRIBUTING.md"]
fn what_the_deeper_search_takes_for_one_state_is_one() {
    compare_futures(&DEEP, 400_000);
}
