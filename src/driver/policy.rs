//! How a driver paces its requests: budget, backoff, attempts, the cap of `Retry-After`, and the age from which a
//! 401 renews.

use core::time::Duration;

use crate::time::millis;

/// The pace of a [`Driver`](super::Driver)'s requests. Checked, and small enough to be copied.
///
/// What concerns one request or one token stands in [`Config`](crate::Config): time-out, skews, the
/// renewal margin, the assumed lifetime. No default below is a fact about VideoKit: none is documented.
/// Each is this project's choice, with its reason.
///
/// | setting | default | why |
/// |---|---|---|
/// | [`burst`](PolicyBuilder::burst), b | 5 | a login, a renewal, and three second tries without a pause |
/// | [`interval`](PolicyBuilder::interval), T | 10 s | what a client that does nothing but fail may cost a gateway: 6 requests a minute |
/// | [`spacing`](PolicyBuilder::spacing), g | 250 ms | a person doesn't notice it, a loop without it would be a flood |
/// | [`backoff`](PolicyBuilder::backoff), base | 1 s | a gateway that restarts is back in seconds |
/// | [`backoff`](PolicyBuilder::backoff), cap | 60 s, or 10 min for a [broken](super::Event::StillMalformed) service | the default renewal margin: room for a second try in it; a broken service takes longer to mend |
/// | [`retry_after_cap`](PolicyBuilder::retry_after_cap) | 1 h | longer waits are a slip of a unit, or an attack |
/// | [`age_threshold`](PolicyBuilder::age_threshold) | 10 s | the interval: tokens that die sooner can't be renewed in time |
/// | [`age_threshold`](PolicyBuilder::age_threshold), cap | 1 h | an API that refuses everything gets one token an hour |
/// | [`attempts`](PolicyBuilder::attempts) | no limit | sessions outlive outages; a login with a person waiting may want 3 |
///
/// ```
/// use std::time::Duration;
/// use videokit_session::driver::Policy;
///
/// let policy = Policy::builder().interval(Duration::from_secs(30)).build()?;
/// assert_eq!(policy.most_requests_in(Duration::ZERO), 1);
/// assert_eq!(policy.most_requests_in(Duration::from_secs(1)), 5); // 4 gaps of 250 ms
/// assert_eq!(policy.most_requests_in(Duration::from_secs(3_600)), 125); // 5 + 3600 / 30
/// # Ok::<(), videokit_session::driver::PolicyError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    pub(super) burst: u32,
    pub(super) interval: u64,
    pub(super) spacing: u64,
    backoff_base: u64,
    backoff_cap: u64,
    retry_after_cap: u64,
    pub(super) age_threshold: u64,
    pub(super) age_threshold_cap: u64,
    pub(super) broken_cap: u64,
    pub(super) most_tokens_before_trial: u32,
    pub(super) attempts: Option<u32>,
}

/// The least cap of the pauses of a service that is taken for broken: ten minutes. It is somebody's to mend,
/// which takes longer than an outage; chosen by this project.
const BROKEN_CAP: u64 = 600_000;

/// The factor by which a strike raises the age threshold. A simulation of APIs that refuse
/// everything at any rate of calls gave at most 100 renewals in two days with 4, and 112 with 2.
const STRIKE: u64 = 4;

/// The most tokens that pass between two trials of a longer age than the one learned: 64. Each failed trial
/// costs a refused call, so at most one token in 65 meets one.
const MOST_TOKENS_BEFORE_TRIAL: u32 = 64;

/// A policy that is not valid: the setting, and its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The burst is out of range.
    #[error("the burst is not from 1 to 1000 requests")]
    Burst,
    /// The interval is out of range.
    #[error("the interval is not from 1 ms to 24 h")]
    Interval,
    /// The spacing is out of range.
    #[error("the spacing is not from 1 ms to 1 h")]
    Spacing,
    /// The backoff is out of range.
    #[error("the backoff's base is not from 1 ms to its cap, or the cap is over 24 h")]
    Backoff,
    /// The cap of `Retry-After` is out of range.
    #[error("the cap of Retry-After is not from 1 s to 7 days")]
    RetryAfterCap,
    /// The age threshold is out of range.
    #[error("the age threshold is not from 1 s to its cap, or the cap is over 24 h")]
    AgeThreshold,
    /// No attempts at all.
    #[error("the number of attempts is 0: allow at least one, or set no limit")]
    Attempts,
}

/// Builds a [`Policy`]. Durations are cut to whole milliseconds.
#[derive(Debug, Clone)]
#[must_use]
pub struct PolicyBuilder(Policy);

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Policy {
    pub(super) const DEFAULT: Self = Self {
        burst: 5,
        interval: 10_000,
        spacing: 250,
        backoff_base: 1_000,
        backoff_cap: 60_000,
        retry_after_cap: 3_600_000,
        age_threshold: 10_000,
        age_threshold_cap: 3_600_000,
        broken_cap: BROKEN_CAP,
        most_tokens_before_trial: MOST_TOKENS_BEFORE_TRIAL,
        attempts: None,
    };

    /// Starts with the defaults.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder(Self::DEFAULT)
    }

    /// Returns the most requests that a driver sends in any window of this length, its ends included, whatever
    /// happens in it: `k(w) = min(b + ⌊w/T⌋, 1 + ⌊w/g⌋)`.
    #[must_use]
    pub fn most_requests_in(&self, window: Duration) -> u64 {
        let window = millis(window);
        let by_rate = window.checked_div(self.interval).unwrap_or(0);
        let by_spacing = window.checked_div(self.spacing).unwrap_or(0);
        by_rate.saturating_add(self.burst.into()).min(by_spacing.saturating_add(1))
    }

    /// Returns b: how many requests may follow each other with no more than the spacing between them.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// Returns T: the time in which the budget for one more request comes back.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval)
    }

    /// Returns g: the least time between two requests.
    #[must_use]
    pub fn spacing(&self) -> Duration {
        Duration::from_millis(self.spacing)
    }

    /// Returns the longest pause after the first failure, and the longest after any number of them.
    #[must_use]
    pub fn backoff(&self) -> (Duration, Duration) {
        (Duration::from_millis(self.backoff_base), Duration::from_millis(self.backoff_cap))
    }

    /// Returns the longest `Retry-After` that is respected.
    #[must_use]
    pub fn retry_after_cap(&self) -> Duration {
        Duration::from_millis(self.retry_after_cap)
    }

    /// Returns the age from which a 401 is put down to the token's age, and the most that it is raised to.
    #[must_use]
    pub fn age_threshold(&self) -> (Duration, Duration) {
        (Duration::from_millis(self.age_threshold), Duration::from_millis(self.age_threshold_cap))
    }

    /// Returns how many tries in a row may fail before the driver gives up; `None` for no limit.
    #[must_use]
    pub fn attempts(&self) -> Option<u32> {
        self.attempts
    }

    /// Returns the most that one backoff can last, in milliseconds, after so many failures in a row: base,
    /// twice that, four times that, up to the cap.
    ///
    /// Where the service is taken for broken, the cap is at least ten minutes.
    pub(super) fn backoff_ceiling(&self, failures: u32, broken: bool) -> u64 {
        let doublings = failures.saturating_sub(1);
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        let cap = if broken { self.backoff_cap.max(self.broken_cap) } else { self.backoff_cap };
        self.backoff_base.saturating_mul(factor).min(cap)
    }

    pub(super) fn capped_retry_after(&self, retry_after: Duration) -> u64 {
        millis(retry_after).min(self.retry_after_cap)
    }

    /// Returns the age threshold after one more strike.
    pub(super) fn raised_age_threshold(&self, threshold: u64) -> u64 {
        threshold.saturating_mul(STRIKE).min(self.age_threshold_cap)
    }

    /// Returns whether so many failures in a row are all that are allowed.
    pub(super) fn is_exhausted_by(&self, failures: u32) -> bool {
        self.attempts.is_some_and(|attempts| failures >= attempts)
    }
}

impl PolicyBuilder {
    /// Sets b: how many requests may follow each other with no more than the spacing between them, from
    /// 1 to 1000.
    pub fn burst(mut self, requests: u32) -> Self {
        self.0.burst = requests;
        self
    }

    /// Sets T: the time in which the budget for one more request comes back, from 1 ms to 24 h.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.0.interval = millis(interval);
        self
    }

    /// Sets g: the least time between two requests, from 1 ms to 1 h.
    pub fn spacing(mut self, spacing: Duration) -> Self {
        self.0.spacing = millis(spacing);
        self
    }

    /// Sets the longest pause after the first failure, and the longest after any number of them. It
    /// doubles from one to the other; the pause itself is drawn from the seed, from nothing to that.
    /// The base is from 1 ms to the cap, the cap at most 24 h.
    ///
    /// A cap of less than ten minutes counts as ten minutes after five denials in a row with the same flaw, other
    /// than a captive portal's page: see [`Event::StillMalformed`](super::Event::StillMalformed).
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        (self.0.backoff_base, self.0.backoff_cap) = (millis(base), millis(cap));
        self
    }

    /// Sets the longest `Retry-After` that is respected, from 1 s to 7 days; a longer one counts as this.
    pub fn retry_after_cap(mut self, cap: Duration) -> Self {
        self.0.retry_after_cap = millis(cap);
        self
    }

    /// Sets the age from which a 401 is put down to the token's age, from 1 s to the cap, and the cap, at most
    /// 24 h. Each strike, a 401 that age [doesn't explain](super#tokens-that-die-early), makes it four times as
    /// long, up to the cap. So an API that refuses everything causes about one renewal in the time of the cap,
    /// if the threshold is at least 5 s, and at least the budget's [interval](Self::interval). Under that, age
    /// explains each 401, since no budget can renew tokens in time that die so young: the budget alone bounds the
    /// renewals then.
    pub fn age_threshold(mut self, threshold: Duration, cap: Duration) -> Self {
        (self.0.age_threshold, self.0.age_threshold_cap) = (millis(threshold), millis(cap));
        self
    }

    /// Sets how many tries in a row may fail before the driver [gives up](super::Blocked::GaveUp); at least
    /// 1. A token that comes, though its life is in doubt, is no failed try.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = Some(attempts);
        self
    }

    /// Returns the policy, checked.
    ///
    /// # Errors
    /// [`PolicyError`] names the first setting that is out of range, and the range.
    pub fn build(self) -> Result<Policy, PolicyError> {
        const DAY: u64 = 24 * 3_600_000;
        let Self(policy) = self;
        let ranges = [
            (policy.backoff_cap, 1..=DAY, PolicyError::Backoff),
            (policy.age_threshold_cap, 1..=DAY, PolicyError::AgeThreshold),
            (policy.burst.into(), 1..=1_000, PolicyError::Burst),
            (policy.interval, 1..=DAY, PolicyError::Interval),
            (policy.spacing, 1..=3_600_000, PolicyError::Spacing),
            (policy.backoff_base, 1..=policy.backoff_cap, PolicyError::Backoff),
            (policy.retry_after_cap, 1_000..=7 * DAY, PolicyError::RetryAfterCap),
            (policy.age_threshold, 1_000..=policy.age_threshold_cap, PolicyError::AgeThreshold),
            (policy.attempts.unwrap_or(1).into(), 1..=u64::MAX, PolicyError::Attempts),
        ];
        let wrong = ranges.into_iter().find(|(value, range, _)| !range.contains(value));
        wrong.map_or(Ok(policy), |(_, _, error)| Err(error))
    }
}
