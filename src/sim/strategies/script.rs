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
        let kept = vec![true; steps.len()];
        let size = steps.len().div_ceil(2);
        Ok(Tree {
            steps,
            kept,
            phase: Phase::Drop { size, at: 0 },
            dropped: Vec::new(),
            progress: false,
            simplified: false,
        })
    }
}

/// A sequence on its way to a shorter one.
struct Tree {
    steps: Vec<Box<dyn ValueTree<Value = Step>>>,
    kept: Vec<bool>,
    phase: Phase,
    /// What was dropped last, to be put back if it mattered.
    dropped: Vec<usize>,
    /// Whether anything was dropped for good since the phase began.
    progress: bool,
    /// Whether the last thing done was to simplify a step.
    simplified: bool,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Drops runs of `size` steps; the next one begins at `at`.
    Drop { size: usize, at: usize },
    /// Simplifies the step at this index.
    Simplify(usize),
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("phase", &self.phase).finish_non_exhaustive()
    }
}

impl ValueTree for Tree {
    type Value = Script;

    fn current(&self) -> Script {
        let kept = self.steps.iter().zip(&self.kept).filter(|(_, kept)| **kept);
        Script(kept.map(|(step, _)| step.current()).collect())
    }

    fn simplify(&mut self) -> bool {
        // What was not put back was not needed.
        self.progress |= self.simplified || !self.dropped.is_empty();
        self.simplified = false;
        self.dropped.clear();
        loop {
            match self.phase {
                Phase::Drop { size: 0, .. } => self.phase = Phase::Simplify(0),
                Phase::Drop { size, at } if at >= self.steps.len() => {
                    // What was needed before may not be any more.
                    let size = if core::mem::take(&mut self.progress) { size } else { size / 2 };
                    self.phase = Phase::Drop { size, at: 0 };
                }
                Phase::Drop { size, at } => {
                    let next = at.saturating_add(size);
                    self.phase = Phase::Drop { size, at: next };
                    if self.drop_run(at, next) {
                        return true;
                    }
                }
                Phase::Simplify(index) => {
                    let Some(step) = self.steps.get_mut(index) else {
                        if !core::mem::take(&mut self.progress) {
                            return false;
                        }
                        // What is simpler now may not be needed any more.
                        self.phase = Phase::Drop { size: 1, at: 0 };
                        continue;
                    };
                    if self.kept.get(index) == Some(&true) && step.simplify() {
                        self.simplified = true;
                        return true;
                    }
                    self.phase = Phase::Simplify(index.saturating_add(1));
                }
            }
        }
    }

    fn complicate(&mut self) -> bool {
        match self.phase {
            Phase::Drop { .. } => {
                for index in self.dropped.drain(..) {
                    if let Some(kept) = self.kept.get_mut(index) {
                        *kept = true;
                    }
                }
                self.simplify()
            }
            Phase::Simplify(index) => {
                self.simplified = false;
                let more = self.steps.get_mut(index).is_some_and(ValueTree::complicate);
                // Otherwise this step is as simple as it gets, and the next one is tried.
                more || {
                    self.phase = Phase::Simplify(index.saturating_add(1));
                    self.simplify()
                }
            }
        }
    }
}

impl Tree {
    /// Drops the steps from `at` to before `end`. Says whether there were any.
    fn drop_run(&mut self, at: usize, end: usize) -> bool {
        let run = self.kept.iter_mut().enumerate().take(end).skip(at);
        for (index, kept) in run.filter(|(_, kept)| **kept) {
            *kept = false;
            self.dropped.push(index);
        }
        !self.dropped.is_empty()
    }
}
