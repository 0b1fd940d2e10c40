//! Is the search exhaustive? Only if drivers that it takes for the same state act alike ever after: this
//! walks at random, for long, and compares each state with the one that had its key before.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::fixtures::Fixtures;
use super::state::{Action, Bounds, State};

/// How many states were compared with an earlier one.
pub(crate) fn compare(bounds: Bounds, steps: usize) -> usize {
    let fixtures = Fixtures::new(bounds.attempts, bounds.panics);
    let mut chance = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut futures: HashMap<u64, (u64, String)> = HashMap::new();
    let mut compared = 0;
    let mut state = State::first(&fixtures, &bounds);
    for _ in 0..steps {
        let mut actions = Vec::new();
        state.actions(&bounds, &mut actions);
        let nexts = actions.into_iter().filter_map(|action| {
            let next = state.after(action, bounds.beside, &fixtures)?;
            Some((action, next))
        });
        let nexts: Vec<(Action, State)> = nexts.collect();
        let future = future(&nexts);
        let here = format!("{state:?}");
        if let Some((earlier, there)) = futures.get(&state.key) {
            assert_eq!(*earlier, future, "two states with one key:\n{here}\n{there}\n");
            compared += 1;
        } else {
            futures.insert(state.key, (future, here));
        }
        // Most ways lead to the beginning, and are seldom taken here.
        let ends =
            |n: usize| matches!(nexts[n].0, Action::Start(_) | Action::Set(_) | Action::Stop);
        let mut n = chance.random_range(0..nexts.len());
        if ends(n) && chance.random_range(0..10) > 0 {
            n = chance.random_range(0..nexts.len());
        }
        state = nexts.into_iter().nth(n).unwrap().1;
    }
    compared
}

/// Where all that can be done leads.
fn future(nexts: &[(Action, State)]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (action, next) in nexts {
        (action, next.key).hash(&mut hasher);
    }
    hasher.finish()
}
