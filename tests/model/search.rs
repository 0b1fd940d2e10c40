//! The search for every state: what stateright is given, and what is asked of what it found.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::fixtures::{Answer, Fixtures};
use super::state::{Action, Bounds, State};
use crate::driver::Output;
use crate::session::transitions::TABLE;

/// One bound of the search.
pub(crate) struct Search {
    bounds: Bounds,
    fixtures: Fixtures,
    found: Mutex<Found>,
    /// States that an earlier search found no way back from.
    lost: HashSet<u64>,
}

/// What is noted on the way, beside what stateright keeps. States have numbers in it, from 0.
#[derive(Default)]
struct Found {
    /// From each state, where good answers, time and a network lead.
    good: Vec<(u32, u32)>,
    /// And where a caller can lead it who starts anew.
    starts: Vec<(u32, u32)>,
    numbers: HashMap<u64, u32, ahash::RandomState>,
    /// Where the same input did another thing.
    odd: Option<String>,
    states: Vec<Marks>,
}

/// What kind of state it is.
#[derive(Debug, Clone, Copy)]
struct Marks {
    key: u64,
    /// What can be done to it was tried.
    expanded: bool,
    /// A token serves that is certainly good.
    served: bool,
    /// It has to come back to that by itself.
    must_come_back: bool,
}

impl Search {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            fixtures: Fixtures::new(bounds.attempts, bounds.panics),
            bounds,
            found: Mutex::default(),
            lost: HashSet::new(),
        }
    }

    fn note(&self, from: &State, action: Action, to: &State) {
        let mut found = self.found.lock().unwrap();
        if to.violation.is_some_and(|broken| broken.rule == 10) {
            found.odd.get_or_insert_with(|| format!("{action:?} did two things to {from:?}"));
        }
        let (number, next) = (found.number(from), found.number(to));
        found.states[number as usize].expanded = true;
        let is_good = match action {
            Action::Poll(_) | Action::Pass | Action::Online(true) => true,
            // Good for whom it was asked for, if a token comes of it.
            Action::Answer(Answer::Grant | Answer::OthersGrant, _) => {
                from.driver.generation() != to.driver.generation()
            }
            _ => false,
        };
        if number == next {
            // It leads nowhere.
        } else if is_good {
            found.good.push((number, next));
        } else if matches!(action, Action::Start(_) | Action::Set(_) | Action::Stop) {
            found.starts.push((number, next));
        }
    }
}

/// "Always: this rule." One function each, since stateright takes no closures.
fn holds<const RULE: u8>(_: &Search, state: &State) -> bool {
    state.violation.is_none_or(|broken| broken.rule != RULE)
}

/// "Sometimes: this row of the table."
fn occurs<const ROW: usize>(_: &Search, state: &State) -> bool {
    state.next_transition().as_ref() == TABLE.get(ROW)
}

const WAY_BACK: &str = "rule 9: there is a way back";

fn comes_back(search: &Search, state: &State) -> bool {
    !search.lost.contains(&state.key)
}

type Condition = fn(&Search, &State) -> bool;

const RULES: [(&str, Condition); 11] = [
    ("rule 1: budget", holds::<1>),
    ("rule 2: stale is stale", holds::<2>),
    ("rule 3: failure does no harm", holds::<3>),
    ("rule 4: refused is refused", holds::<4>),
    ("rule 5: a 401 renews what may have died of age", holds::<5>),
    ("rule 6: servers are left alone", holds::<6>),
    ("rule 7: stop stops", holds::<7>),
    ("rule 8: each transition gives one event", holds::<8>),
    ("rule 9: it gives up and comes back as it says", holds::<9>),
    ("rule 10: same inputs, same outputs", holds::<10>),
    (WAY_BACK, comes_back),
];

const ROWS: [(&str, Condition); 17] = [
    ("Unauthenticated -> Authenticating: Started", occurs::<0>),
    ("Unauthenticated -> Active: Adopted", occurs::<1>),
    ("Authenticating -> Active: Granted", occurs::<2>),
    ("Authenticating -> Unauthenticated: Denied", occurs::<3>),
    ("Authenticating -> Unauthenticated: Failed", occurs::<4>),
    ("Authenticating -> Unauthenticated: Stopped", occurs::<5>),
    ("Active: RenewalSent", occurs::<6>),
    ("Active: Renewed", occurs::<7>),
    ("Active: RenewalDenied", occurs::<8>),
    ("Active: RenewalFailed", occurs::<9>),
    ("Active: Replaced", occurs::<10>),
    ("Active -> Expired: Lapsed", occurs::<11>),
    ("Active -> Authenticating: LapsedInFlight", occurs::<12>),
    ("Active -> Unauthenticated: Stopped", occurs::<13>),
    ("Expired -> Authenticating: Reauthenticated", occurs::<14>),
    ("Expired -> Active: Adopted", occurs::<15>),
    ("Expired -> Unauthenticated: Stopped", occurs::<16>),
];

impl Model for Search {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.fixtures, &self.bounds)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.actions(&self.bounds, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let next = state.after(action, self.bounds.beside, &self.fixtures)?;
        self.note(state, action, &next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let always = RULES.map(|(name, condition)| Property::always(name, condition));
        let rows = ROWS.iter().map(|(name, condition)| Property::sometimes(name, *condition));
        always.into_iter().chain(rows).collect()
    }
}

/// What a search found.
pub(crate) struct Exhausted {
    /// Different states.
    pub(crate) states: usize,
    /// Ways from one to another, or to itself.
    pub(crate) transitions: usize,
    /// The names of the rows of the table that occurred.
    pub(crate) rows: Vec<&'static str>,
}

/// Goes through every state within the bounds.
///
/// # Errors
/// The shortest way to a broken rule, step by step, or to a state from which no way leads back.
pub(crate) fn exhaust(bounds: Bounds) -> Result<Exhausted, String> {
    let search = search(Search::new(bounds))?;
    let seen = search.discoveries();
    let found = search.model().found.lock().unwrap();
    // A search can also end for want of time or memory; this one has looked at all that there is.
    let unseen = found.states.iter().filter(|marks| !marks.expanded).count();
    if unseen > 0 || found.states.len() != search.unique_state_count() {
        return Err(format!("{unseen} states were not looked at"));
    }
    let lost = found.lost();
    let states = found.states.len();
    drop(found);
    if !lost.is_empty() {
        let again = Search { lost, ..Search::new(bounds) };
        return self::search(again).and(Err("a way to a lost state was lost".to_owned()));
    }
    Ok(Exhausted {
        states,
        transitions: search.state_count(),
        rows: ROWS.iter().map(|row| row.0).filter(|row| seen.contains_key(row)).collect(),
    })
}

fn search(search: Search) -> Result<impl Checker<Search>, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let search = search
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    // What does another thing each time can't be played again.
    let broken = catch_unwind(AssertUnwindSafe(|| search.discoveries()));
    let Ok(broken) = broken else {
        let found = search.model().found.lock().unwrap_or_else(PoisonError::into_inner);
        return Err(format!(
            "rule 10: {}",
            found.odd.as_deref().unwrap_or("no way is the same twice")
        ));
    };
    let broken = RULES.iter().find_map(|(rule, _)| Some((*rule, broken.get(rule)?.clone())));
    match broken {
        Some((rule, path)) => Err(story(search.model(), rule, &path.into_actions())),
        None => Ok(search),
    }
}

impl Found {
    /// From every state there is a way to a token that is certainly good: with good answers, time and a
    /// network alone, wherever the driver says that it works on it; and elsewhere by starting anew. These
    /// are the states from which there is none.
    ///
    /// Walked backward from such tokens: looking forward for "eventually" would miss the cycles.
    fn lost(&self) -> HashSet<u64> {
        let alone = self.reaching(&[&self.good]);
        let helped = self.reaching(&[&self.good, &self.starts]);
        let ways = self.states.iter().zip(alone).zip(helped);
        let lost = ways.filter(|((state, alone), helped)| {
            let comes_back = if state.must_come_back { alone } else { helped };
            !comes_back
        });
        lost.map(|((state, _), _)| state.key).collect()
    }

    /// Of each state, whether such edges lead from it to a good token.
    fn reaching(&self, edges: &[&Vec<(u32, u32)>]) -> Vec<bool> {
        let edges = || edges.iter().copied().flatten();
        // The states from which an edge leads to `to` are `sources[first[to]..first[to + 1]]`.
        let mut first = vec![0_usize; self.states.len() + 1];
        edges().for_each(|(_, to)| first[*to as usize + 1] += 1);
        for n in 1..first.len() {
            first[n] += first[n - 1];
        }
        let mut sources = vec![0; edges().count()];
        let mut free = first.clone();
        for (from, to) in edges() {
            let place = &mut free[*to as usize];
            sources[*place] = *from as usize;
            *place += 1;
        }
        let mut reaches: Vec<bool> = self.states.iter().map(|state| state.served).collect();
        let mut next: Vec<usize> = (0..reaches.len()).filter(|n| reaches[*n]).collect();
        while let Some(to) = next.pop() {
            for &from in &sources[first[to]..first[to + 1]] {
                if !std::mem::replace(&mut reaches[from], true) {
                    next.push(from);
                }
            }
        }
        reaches
    }

    /// The state's number; a new one, if it wasn't seen before.
    fn number(&mut self, state: &State) -> u32 {
        let next = u32::try_from(self.states.len()).unwrap();
        let number = *self.numbers.entry(state.key).or_insert(next);
        if number == next {
            self.states.push(Marks {
                key: state.key,
                expanded: false,
                served: state.is_served(),
                must_come_back: state.must_come_back(),
            });
        }
        number
    }
}

/// How it came to that, for a person to read.
fn story(search: &Search, rule: &str, actions: &[Action]) -> String {
    let mut state = State::first(&search.fixtures, &search.bounds);
    let mut story = format!("{rule}, {}\n", search.bounds.name);
    for (n, action) in actions.iter().enumerate() {
        let Some(next) = state.after(*action, search.bounds.beside, &search.fixtures) else {
            break;
        };
        let at = next.at.mono - super::fixtures::Instant::FIRST.mono;
        let _ = write!(story, "{:>3}. at {at:>5} ms: {action:?}", n + 1);
        if let Action::Poll(_) = action {
            let _ = match state.driver.fork().poll(state.at.moment()) {
                Output::Send(_) => write!(story, ": sends a request"),
                Output::Abandon(_) => write!(story, ": abandons a request"),
                Output::Event(event) => write!(story, ": tells {event}"),
                Output::Wait(wake) => write!(story, ": waits {wake:?}"),
            };
        }
        story.push('\n');
        state = next;
    }
    if let Some(broken) = state.violation {
        let _ = writeln!(story, "     but {}", broken.how);
    }
    story
}
