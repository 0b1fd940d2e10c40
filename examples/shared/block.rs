//! Waits for a future on a thread. On `std` alone.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread, at most this long, or without a limit. `None` if it has not ended by then: it is
/// dropped.
pub fn block_on<T>(future: impl Future<Output = T>, longest: Option<Duration>) -> Option<T> {
    let began = Instant::now();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(value);
        }
        match longest.map(|longest| longest.checked_sub(began.elapsed())) {
            None => thread::park(),
            Some(None) => return None,
            Some(Some(left)) => thread::park_timeout(left),
        }
    }
}
