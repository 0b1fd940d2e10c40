//! Every state of the shipped driver, within bounds: the ten rules hold in each.

mod cast;
mod futures;
mod search;
mod shadow;
mod state;

use std::collections::BTreeSet;
use std::time::Instant;

use cast::{Answer, Lives, Person, Wish};
use search::{Exhausted, exhaust};
use state::Bounds;
use videokit_session::session::transitions::TABLE;

const ANN: Wish = Wish::Asks(Person::Ann, 0);
const ANN_ROTATED: Wish = Wish::Asks(Person::Ann, 1);
const BEN: Wish = Wish::Asks(Person::Ben, 0);
const ANNS_TOKEN: Wish = Wish::Token(Person::Ann, Lives::On);
const ANNS_SHORT_TOKEN: Wish = Wish::Token(Person::Ann, Lives::TwoUnits);

const NOTHING: Bounds = Bounds {
    name: "",
    starts: &[],
    answers: &[],
    late_answers: &[Answer::Grant, Answer::Refuse, Answer::Throttle],
    network: false,
    sleep: false,
    calls: false,
    attempts: None,
};

/// Together these hold every row of the table, in a minute.
const SMALL: [Bounds; 6] = [
    Bounds {
        name: "one login, and calls that are refused",
        starts: &[ANN],
        answers: &[Answer::Grant, Answer::ShortGrant, Answer::Throttle, Answer::Refuse],
        calls: true,
        ..NOTHING
    },
    Bounds {
        name: "networks and sleep",
        starts: &[ANN],
        answers: &[Answer::Grant, Answer::DeadGrant, Answer::UndatedGrant, Answer::Portal],
        network: true,
        sleep: true,
        ..NOTHING
    },
    Bounds {
        name: "two people",
        starts: &[ANN, BEN],
        answers: &[Answer::Grant, Answer::OthersGrant, Answer::Throttle],
        ..NOTHING
    },
    Bounds {
        name: "two secrets",
        starts: &[ANN, ANN_ROTATED],
        answers: &[Answer::Grant, Answer::Refuse],
        late_answers: &[],
        calls: true,
        ..NOTHING
    },
    Bounds {
        name: "tokens of one's own",
        starts: &[ANN, ANNS_TOKEN, ANNS_SHORT_TOKEN, Wish::BareToken],
        answers: &[Answer::Grant, Answer::Redirect],
        late_answers: &[],
        calls: true,
        ..NOTHING
    },
    Bounds {
        name: "two attempts",
        starts: &[ANN],
        answers: &[Answer::Grant, Answer::Fail],
        network: true,
        attempts: Some(2),
        ..NOTHING
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

#[test]
fn what_the_search_takes_for_one_state_is_one() {
    for bounds in SMALL {
        let compared = futures::compare(bounds, 20_000);
        println!("{compared} states compared: {}", bounds.name);
        assert!(compared > 5_000, "{}: only {compared} states came twice", bounds.name);
    }
}
