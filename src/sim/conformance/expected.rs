//! What a loop has to do at once.

use super::is_late;

/// What a loop has to do at once, in order, and since when.
#[derive(Debug)]
pub(super) struct Expected<T>(Vec<Item<T>>);

#[derive(Debug)]
struct Item<T> {
    since: u64,
    value: T,
    /// Whether it has to be done. What was waived, or found to be late, still may be.
    required: bool,
}

impl<T> Default for Expected<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Expected<T> {
    pub(super) fn add(&mut self, value: T, at: u64) {
        self.0.push(Item { since: at, value, required: true });
    }

    /// Removes the first match, of those that are required if there is one. Returns the number of older ones
    /// that are required; `None` if nothing matches.
    pub(super) fn remove(&mut self, is_it: impl Fn(&T) -> bool) -> Option<usize> {
        let required = self.0.iter().position(|item| item.required && is_it(&item.value));
        let any = || self.0.iter().position(|item| is_it(&item.value));
        let index = required.or_else(any)?;
        self.0.remove(index);
        Some(self.0.iter().take(index).filter(|item| item.required).count())
    }

    /// Removes the last one.
    pub(super) fn pop(&mut self) -> Option<T> {
        Some(self.0.pop()?.value)
    }

    /// Requires the first no longer, and returns it.
    pub(super) fn waive_first(&mut self) -> Option<&T> {
        let first = self.0.iter_mut().find(|item| item.required)?;
        first.required = false;
        Some(&first.value)
    }

    /// Requires some no longer.
    pub(super) fn waive(&mut self, which: impl Fn(&T) -> bool) {
        for item in self.0.iter_mut().filter(|item| which(&item.value)) {
            item.required = false;
        }
    }

    /// Returns those that are late, and since when they are required. Each comes once.
    pub(super) fn late(&mut self, at: u64) -> impl Iterator<Item = (u64, &T)> {
        let late = self.0.iter_mut().filter(move |item| item.required && is_late(item.since, at));
        late.map(|item| {
            item.required = false;
            (item.since, &item.value)
        })
    }
}
