//! Waits until something has happened: in a task of any runtime, or on a thread. On `std` alone.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

// The parent's, which is `std`'s: a test puts loom's in its place.
use super::Mutex;

/// Something that happens again and again, and that many may wait for.
///
/// Read [`count`](Self::count) first, look at what you wait for, and if it isn't there, await
/// [`after`](Self::after) that count. What happens between the look and the wait ends the wait at once.
#[derive(Debug, Default)]
pub struct Signal {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    count: u64,
    next_key: u64,
    waiting: BTreeMap<u64, Waker>,
}

impl Signal {
    /// Returns how often it has happened.
    pub fn count(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// It happens: wakes all who wait.
    pub fn raise(&self) {
        let woken = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.count += 1;
            std::mem::take(&mut state.waiting)
        };
        // Without the lock: a waker may poll its task right here.
        woken.into_values().for_each(Waker::wake);
    }

    /// Waits until it has happened more often than `count`. To stop waiting, drop the future.
    pub fn after(&self, count: u64) -> After<'_> {
        After { signal: self, count, key: None }
    }
}

/// A wait for a [`Signal`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct After<'a> {
    signal: &'a Signal,
    count: u64,
    key: Option<u64>,
}

impl Future for After<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let signal = self.signal;
        let mut state = signal.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.count > self.count {
            return Poll::Ready(());
        }
        let key = *self.key.get_or_insert(state.next_key);
        state.next_key = state.next_key.max(key + 1);
        state.waiting.insert(key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for After<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let mut state = self.signal.state.lock().unwrap_or_else(PoisonError::into_inner);
            // A waker that is dropped may run code of its task: without the lock.
            let waker = state.waiting.remove(&key);
            drop(state);
            drop(waker);
        }
    }
}
