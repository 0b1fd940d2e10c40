//! Long sequences that shrink to short ones.

use core::fmt;
use core::ops::Range;

use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::TestRunner;

use super::login;
use crate::sim::step::Step;

/// How many steps follow the login.
const LENGTH: Range<usize> = 100..180;

/// A sequence of steps.
#[derive(Clone, PartialEq, Eq)]
pub struct Script(Vec<Step>);

impl Script {
    /// The steps.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        self.0.iter().copied()
    }
}

impl fmt::Debug for Script {
    /// One step a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps().enumerate().try_for_each(|(n, step)| write!(f, "\n    {n:2} {step:?}"))
    }
}

/// A login, and then 100 to 180 steps from the mix that is given. It shrinks to as few steps as it takes,
/// fast: halves go first, then quarters, and so on to single steps; what is left gets simpler.
pub fn script(step: impl Strategy<Value = Step> + 'static) -> impl Strategy<Value = Script> {
    Steps { login: login().prop_map(Step::Start).boxed(), step: step.boxed() }
}

#[derive(Debug)]
struct Steps {
    login: BoxedStrategy<Step>,
    step: BoxedStrategy<Step>,
}

impl Strategy for Steps {
    type Tree = Tree;
    type Value = Script;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let count = LENGTH.new_tree(runner)?.current();
        let mut steps = vec![self.login.new_tree(runner)?];
        for _ in 0..count {
            steps.push(self.step.new_tree(runner)?);
        }
        let size = steps.len().div_ceil(2);
        Ok(Tree { steps, size, at: 0, dropped: Vec::new(), progress: false })
    }
}

/// A sequence on its way to a shorter one.
struct Tree {
    steps: Vec<Box<dyn ValueTree<Value = Step>>>,
    /// How many steps a round drops at a time. In a round of 0, steps become simpler.
    size: usize,
    /// The index of the step that the round has come to.
    at: usize,
    /// The steps that were dropped last, to be put back if they are needed.
    dropped: Vec<Box<dyn ValueTree<Value = Step>>>,
    /// Whether the round has changed anything.
    progress: bool,
}

impl ValueTree for Tree {
    type Value = Script;

    fn current(&self) -> Script {
        Script(self.steps.iter().map(ValueTree::current).collect())
    }

    fn simplify(&mut self) -> bool {
        // What was not put back was not needed.
        self.progress |= !self.dropped.is_empty();
        self.dropped.clear();
        loop {
            match self.steps.get_mut(self.at) {
                Some(step) if self.size == 0 => {
                    if step.simplify() {
                        self.progress = true;
                        return true;
                    }
                    self.at = self.at.saturating_add(1);
                }
                Some(_) => {
                    let end = self.at.saturating_add(self.size).min(self.steps.len());
                    self.dropped.extend(self.steps.drain(self.at..end));
                    return true;
                }
                // After a change, steps that were needed before may not be needed any more.
                None => match (core::mem::take(&mut self.progress), self.size) {
                    (false, 0) => return false,
                    (true, size) => (self.at, self.size) = (0, size.max(1)),
                    (false, size) => (self.at, self.size) = (0, size / 2),
                },
            }
        }
    }

    fn complicate(&mut self) -> bool {
        if self.size == 0 && self.steps.get_mut(self.at).is_some_and(ValueTree::complicate) {
            return true;
        }
        // The steps that were dropped are needed, or this one is as simple as it gets: on to the next.
        self.steps.splice(self.at..self.at, self.dropped.drain(..));
        self.at = self.at.saturating_add(self.size.max(1));
        self.simplify()
    }
}
