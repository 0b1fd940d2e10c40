//! What the rules say, once more and naively: a token bucket.

use videokit_session::driver::Policy;

/// A token bucket as a textbook has it: tokens that come back one by one. Times in milliseconds.
pub(crate) struct Bucket {
    capacity: u64,
    interval: u64,
    spacing: u64,
    /// Thousandths would do; whole tokens and the time until the next one are exact.
    tokens: u64,
    next_in: u64,
    at: u64,
    last: Option<u64>,
}

impl Bucket {
    pub(crate) fn full(capacity: u64, interval: u64, spacing: u64) -> Self {
        Self { capacity, interval, spacing, tokens: capacity, next_in: interval, at: 0, last: None }
    }

    /// Takes a token out, if there is one and the last was taken long enough ago.
    pub(crate) fn take(&mut self, at: u64) -> bool {
        let mut passed = at - self.at;
        self.at = at;
        while self.tokens < self.capacity && passed >= self.next_in {
            passed -= self.next_in;
            self.next_in = self.interval;
            self.tokens += 1;
        }
        if self.tokens < self.capacity {
            self.next_in -= passed;
        } else {
            self.next_in = self.interval;
        }
        let spaced = self.last.is_none_or(|last| at >= last + self.spacing);
        if self.tokens == 0 || !spaced {
            return false;
        }
        self.tokens -= 1;
        self.last = Some(at);
        true
    }
}

/// Checks the published bound: no window, its ends included, holds more than k(w).
pub(crate) fn densest_window_is_within(sent: &[u64], policy: &Policy) -> Result<(), String> {
    for (first, from) in sent.iter().enumerate() {
        for (last, to) in sent.iter().enumerate().skip(first) {
            let count = u64::try_from(last - first).unwrap() + 1;
            let window = std::time::Duration::from_millis(to - from);
            let most = policy.most_requests_in(window);
            if count > most {
                return Err(format!(
                    "{count} requests within {window:?}, where {most} may be: {sent:?}"
                ));
            }
        }
    }
    Ok(())
}
