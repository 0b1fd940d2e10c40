//! The age at which a login's tokens die, as 401s and their absence teach it.
//!
//! A server may accept a token for a shorter time than the reply states. The driver learns this time, and
//! renews sooner:
//!
//! 1. A renewal after a 401 **cured** if its token reaches its schedule, or the threshold, without a 401.
//!    From then on tokens are scheduled as if they lived no longer than the one that died.
//! 2. After some tokens that reached this schedule without a 401, twice the age is **tried**. A trial that
//!    holds is followed by the next, until what is stated is reached again. A trial that fails goes back,
//!    and the next comes after twice as many tokens.
//! 3. Where a 401 is not explained by age, a **strike** raises the threshold, so that an API that refuses
//!    everything causes a bounded number of renewals. The threshold falls back after a time without 401s
//!    that is long compared with the gaps between them.
//!
//! The learned age moves the schedule only. Ages are in milliseconds since the reply, and of
//! a token that is refused, those at which the call was authorized.

use super::{Policy, Refusal, TokenStatus};
use crate::session::Generation;

/// A 401 is explained by age if the token lived at least this share of its predecessor's age: 3 of 4.
const SIMILAR: (u64, u64) = (3, 4);

/// How many of the longest gaps between 401s have to pass without one until the threshold falls back.
pub(super) const QUIET_GAPS: u64 = 4;

/// How old a token is, and how old it may become. In milliseconds since its reply was received.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenAge {
    pub(super) generation: Generation,
    pub(super) millis: u64,
    /// The age by which it would be scheduled if nothing were learned.
    pub(super) stated: u64,
}

/// What 401s have taught about the tokens of one login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LearnedAge {
    /// A token younger than this did not die of age.
    pub(super) threshold: u64,
    pub(super) limit: Limit,
    /// How many tokens have to reach the learned schedule before a longer age is tried.
    pub(super) trial_after: u32,
    /// The age of the token that was refused, until its successor shows whether age was the cause: by being
    /// refused, or by living on.
    pub(super) unproven: Option<u64>,
    /// The token before the current one, if it was scheduled by a learned limit, and no 401 on it has come so far; and
    /// that limit.
    pub(super) on_schedule: Option<(Generation, Limit)>,
    /// When the last 401 came.
    pub(super) last_refused: Option<u64>,
    /// The longest time between two 401s since the threshold last fell back, up to its cap.
    pub(super) longest_gap: u64,
}

/// The age that tokens are scheduled by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Limit {
    /// What is stated.
    #[default]
    Stated,
    /// This age, which so many tokens in a row have reached without a 401.
    Learned { age: u64, reached: u32 },
    /// A longer age than the one that is known to hold.
    Trial { held: u64, age: u64 },
}

impl LearnedAge {
    /// Nothing is learned yet.
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            threshold: policy.age_threshold,
            limit: Limit::Stated,
            trial_after: 1,
            unproven: None,
            on_schedule: None,
            last_refused: None,
            longest_gap: 0,
        }
    }

    /// Returns the age by which tokens are scheduled, if that is not what is stated.
    pub(super) fn limit(&self) -> Option<u64> {
        match self.limit {
            Limit::Stated => None,
            Limit::Learned { age, .. } | Limit::Trial { age, .. } => Some(age),
        }
    }

    /// Returns the age at which the token proves that its renewal cured, and the limit from then on; `None`
    /// if there is nothing to prove.
    pub(super) fn proof(&self, policy: &Policy) -> Option<(u64, Option<u64>)> {
        let mut cured = *self;
        self.unproven.is_some().then(|| {
            cured.proven(policy);
            (self.threshold, cured.limit())
        })
    }

    /// Notes that the token has reached this age.
    pub(super) fn observe(&mut self, policy: &Policy, age: u64) {
        if self.unproven.is_some() && age >= self.threshold {
            self.proven(policy);
        }
    }

    /// Decides whether the token, which the API refuses at the tick `at`, is renewed for that.
    pub(super) fn refused(
        &mut self,
        policy: &Policy,
        token: &mut TokenStatus,
        age: TokenAge,
        at: u64,
    ) {
        self.note_gap(policy, at);
        self.on_schedule = None;
        if token.wants_renewal() {
            return;
        }
        if !token.is_asked_for() {
            token.refusal = Refusal::Renew { teaches: None };
            return;
        }
        // A token that was refused proves nothing any more.
        let unproven = self.unproven.take();
        let TokenAge { millis: age, stated, .. } = age;
        let first_401 = token.refusal == Refusal::None;
        let least = policy.age_threshold;
        let mut explained = false;
        // One that outlived its statement died of that.
        let mut teaches = (least..stated).contains(&age);
        if first_401 && self.is_contradicted_by(policy, age) {
            if token.is_after_401() && unproven.is_none() && teaches && age >= self.threshold {
                // What was learned is too long; an idle time can look like a long life. (A token that was refused
                // below the threshold, by a late 401, shows that the renewal before it didn't cure.)
                self.limit = Limit::Stated;
            } else {
                self.forget(policy);
                teaches = false;
            }
        } else if age >= least && unproven.is_some_and(|died| is_similar(age, died)) {
            self.unproven = unproven;
            self.proven(policy);
            explained = true;
        }
        let untried = self.threshold == least && !token.is_after_401();
        if explained || untried || age >= self.threshold {
            token.refusal = Refusal::Renew { teaches: teaches.then_some(age) };
            return;
        }
        token.refusal = Refusal::Reported;
        if unproven.is_some() {
            self.strike(policy);
        }
    }

    /// Learns from a 401 that comes when its token was replaced on schedule already: it didn't reach the schedule.
    pub(super) fn refused_late(
        &mut self,
        policy: &Policy,
        generation: Generation,
        age: u64,
        at: u64,
    ) {
        let Some((_, limit)) = self.on_schedule.take_if(|(of, _)| *of == generation) else {
            return;
        };
        self.note_gap(policy, at);
        self.limit = limit;
        let none_reached = matches!(limit, Limit::Learned { reached: 0, .. });
        if none_reached || self.is_contradicted_by(policy, age) {
            self.forget(policy);
        } else {
            self.unproven = Some(age);
            self.proven(policy);
        }
    }

    /// Returns whether a 401 at this age shows that tokens don't die of the age that was learned.
    fn is_contradicted_by(&self, policy: &Policy, age: u64) -> bool {
        self.held().is_some_and(|held| age < held / 2 || age < policy.age_threshold)
    }

    /// Tokens die sooner than the learned age, so age is not the cause.
    fn forget(&mut self, policy: &Policy) {
        self.strike(policy);
        self.limit = Limit::Stated;
        self.trial_after = 1;
    }

    /// Learns from the token that a renewal has replaced, or that has expired.
    pub(super) fn retire(&mut self, policy: &Policy, token: &TokenStatus, age: TokenAge) {
        self.on_schedule = None;
        if !token.is_asked_for() {
            return;
        }
        self.observe(policy, age.millis);
        match token.refusal {
            Refusal::None => {
                let is_learned = self.limit != Limit::Stated;
                self.on_schedule = is_learned.then_some((age.generation, self.limit));
                self.reached_schedule(policy, age);
            }
            Refusal::Reported => {}
            Refusal::Renew { teaches } => self.unproven = teaches,
        }
    }

    /// Forgets what the old credentials met, which is no evidence for new ones. The age stays.
    pub(super) fn renew_trust(&mut self, policy: &Policy) {
        *self = Self { limit: self.limit, trial_after: self.trial_after, ..Self::new(policy) };
    }

    pub(super) fn held(&self) -> Option<u64> {
        match self.limit {
            Limit::Stated => None,
            Limit::Learned { age, .. } => Some(age),
            Limit::Trial { held, .. } => Some(held),
        }
    }

    /// Concludes that age was the cause of the refusal before.
    fn proven(&mut self, policy: &Policy) {
        let Some(died) = self.unproven.take() else { return };
        if let Limit::Trial { .. } = self.limit {
            let most = policy.most_tokens_before_trial;
            self.trial_after = self.trial_after.saturating_mul(2).min(most);
        }
        let age = self.held().map_or(died, |held| held.min(died));
        self.limit = Limit::Learned { age, reached: 0 };
    }

    fn reached_schedule(&mut self, policy: &Policy, TokenAge { millis, stated, .. }: TokenAge) {
        if self.unproven.is_some() {
            return self.proven(policy);
        }
        // Statements differ: this one may be for less than what is known to hold.
        let next_trial = |held: u64| {
            let age = held.saturating_mul(2).min(stated).max(held);
            Limit::Trial { held, age }
        };
        self.limit = match self.limit {
            Limit::Stated => Limit::Stated,
            Limit::Trial { age: trial, .. } if trial >= stated => {
                self.trial_after = 1;
                Limit::Stated
            }
            // The age that was reached, and not the one that was tried, is known to hold.
            Limit::Trial { held, age: trial } => next_trial(millis.min(trial).max(held)),
            Limit::Learned { age, reached } => {
                let reached = reached.saturating_add(1);
                if reached >= self.trial_after {
                    next_trial(age)
                } else {
                    Limit::Learned { age, reached }
                }
            }
        };
    }

    fn strike(&mut self, policy: &Policy) {
        self.threshold = policy.raised_age_threshold(self.threshold);
    }

    /// Notes the time between two 401s, after the threshold fell back if it was long.
    fn note_gap(&mut self, policy: &Policy, at: u64) {
        let least = policy.age_threshold;
        if let Some(last) = self.last_refused {
            let gap = at.saturating_sub(last);
            let quiet = self.longest_gap.max(self.threshold).saturating_mul(QUIET_GAPS);
            if gap >= quiet {
                (self.threshold, self.longest_gap) = (least, 0);
            }
            self.longest_gap = self.longest_gap.max(gap.min(policy.age_threshold_cap));
        }
        self.last_refused = Some(at);
    }
}

fn is_similar(age: u64, died: u64) -> bool {
    let (share, of) = SIMILAR;
    age.saturating_mul(of) >= died.saturating_mul(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Generation = Generation::from_number(1);
    const DAY: u64 = 86_400_000;

    /// An age that was learned from a token that died at `died`, which its successor proved.
    fn learned(policy: &Policy, died: u64) -> LearnedAge {
        let mut learned = LearnedAge::new(policy);
        let mut token = TokenStatus::granted(false);
        let age = |millis| TokenAge { generation: FIRST, millis, stated: DAY };
        learned.refused(policy, &mut token, age(died), 0);
        assert_eq!(token.refusal, Refusal::Renew { teaches: Some(died) });
        learned.retire(policy, &token, age(died));
        learned.observe(policy, policy.age_threshold);
        assert_eq!(learned.limit(), Some(died));
        learned
    }

    /// What a first 401 at this age does under a learned age: whether it renews, teaches, and is a strike.
    fn first_401(mut learned: LearnedAge, policy: &Policy, millis: u64) -> (Refusal, bool) {
        let mut token = TokenStatus::granted(false);
        let age = TokenAge { generation: FIRST, millis, stated: DAY };
        learned.refused(policy, &mut token, age, 1_000_000);
        (token.refusal, learned.threshold > policy.age_threshold)
    }

    #[test]
    fn a_401_below_half_of_the_learned_age_or_below_the_threshold_is_a_strike() {
        let policy = Policy::default();
        let teaches = |age| Refusal::Renew { teaches: Some(age) };
        let rows = [
            (200_001, 100_000, teaches(100_000), false),
            (200_001, 99_999, Refusal::Renew { teaches: None }, true),
            (200_000, 99_999, Refusal::Renew { teaches: None }, true),
            (15_000, 10_000, teaches(10_000), false),
            (15_000, 9_999, Refusal::Reported, true),
        ];
        for (died, age, refusal, strike) in rows {
            let learned = learned(&policy, died);
            assert_eq!(first_401(learned, &policy, age), (refusal, strike), "{died} {age}");
        }
    }

    /// What a 401 at this age leads to that comes after its token was replaced on the schedule of this limit.
    fn late_401(limit: Limit, age: u64) -> (Limit, u32, bool) {
        let policy = Policy::default();
        let mut learned = LearnedAge { limit, trial_after: 4, ..LearnedAge::new(&policy) };
        let replaced = TokenAge { generation: FIRST, millis: 90_000, stated: DAY };
        learned.retire(&policy, &TokenStatus::granted(false), replaced);
        let after = learned;
        learned.refused_late(&policy, Generation::from_number(2), age, 0);
        assert_eq!(learned, after, "another token");
        learned.refused_late(&policy, FIRST, age, 0);
        let once = learned;
        learned.refused_late(&policy, FIRST, age, 0);
        assert_eq!(learned, once, "the second 401 on the same token");
        (learned.limit, learned.trial_after, learned.threshold > policy.age_threshold)
    }

    #[test]
    fn a_401_on_a_replaced_token_fails_its_trial_or_is_a_strike() {
        let learned = |age| Limit::Learned { age, reached: 0 };
        let (trial, held) = (Limit::Trial { held: 60_000, age: 120_000 }, |reached| {
            Limit::Learned { age: 120_000, reached }
        });
        let rows = [
            (trial, 80_000, (learned(60_000), 8, false)),
            (trial, 40_000, (learned(40_000), 8, false)),
            (trial, 30_000, (learned(30_000), 8, false)),
            (trial, 29_999, (Limit::Stated, 1, true)),
            (held(1), 80_000, (learned(80_000), 4, false)),
            (held(1), 200_000, (learned(120_000), 4, false)),
            (held(1), 59_999, (Limit::Stated, 1, true)),
            (held(0), 80_000, (Limit::Stated, 1, true)),
            (Limit::Stated, 80_000, (Limit::Stated, 4, false)),
        ];
        for (limit, age, expected) in rows {
            assert_eq!(late_401(limit, age), expected, "{limit:?} {age}");
        }
    }

    /// One on the same token, or on the one after it.
    #[test]
    fn a_401_that_came_in_time_makes_a_late_one_of_no_account() {
        let policy = Policy::default();
        let limit = Limit::Trial { held: 60_000, age: 120_000 };
        let age = TokenAge { generation: FIRST, millis: 90_000, stated: DAY };
        for same in [true, false] {
            let mut learned = LearnedAge { limit, ..LearnedAge::new(&policy) };
            let [mut first, mut second] = [TokenStatus::granted(false); 2];
            if same {
                learned.refused(&policy, &mut first, age, 0);
            }
            learned.retire(&policy, &first, age);
            if !same {
                learned.refused(&policy, &mut second, age, 0);
            }
            let before = learned;
            learned.refused_late(&policy, FIRST, 1, 0);
            assert_eq!(learned, before, "the same token: {same}");
        }
    }

    /// A 401 that came late to a token whose renewal seemed to have cured.
    #[test]
    fn a_late_401_below_the_threshold_shows_that_the_renewal_did_not_cure() {
        let policy = Policy::default();
        let raised = |learned: LearnedAge| LearnedAge { threshold: 40_000, ..learned };
        for (age, strike) in [(39_999, true), (40_000, false)] {
            let mut learned = raised(learned(&policy, 96_000));
            let mut token = TokenStatus::granted(true);
            learned.refused(
                &policy,
                &mut token,
                TokenAge { generation: FIRST, millis: age, stated: DAY },
                0,
            );
            assert_eq!(learned.threshold > 40_000, strike, "{age}");
            assert_eq!(learned.limit, Limit::Stated);
        }
    }

    #[test]
    fn a_token_that_lived_about_as_long_as_its_predecessor_died_of_age() {
        let policy = Policy::default();
        for (died, age, explained) in [
            (30_000, 30_000, true),
            (30_000, 22_499, false),
            // Below the least threshold, however similar.
            (12_000, 9_999, false),
            (12_000, 10_000, true),
        ] {
            let mut learned = LearnedAge::new(&policy);
            learned.strike(&policy);
            learned.unproven = Some(died);
            let mut token = TokenStatus::granted(true);
            learned.refused(
                &policy,
                &mut token,
                TokenAge { generation: FIRST, millis: age, stated: DAY },
                0,
            );
            assert_eq!(token.wants_renewal(), explained, "{died} {age}");
            assert_eq!(learned.limit(), explained.then_some(died), "{died} {age}");
            let threshold = if explained { 40_000 } else { 160_000 };
            assert_eq!(learned.threshold, threshold, "{died} {age}");
        }
    }

    #[test]
    fn new_credentials_keep_what_was_learned_and_take_the_strikes_back() {
        let policy = Policy::default();
        let mut struck = learned(&policy, 60_000);
        struck.trial_after = 8;
        struck.strike(&policy);
        struck.unproven = Some(60_000);
        struck.renew_trust(&policy);
        let fresh = LearnedAge::new(&policy);
        assert_eq!(struck, LearnedAge { limit: struck.limit, trial_after: 8, ..fresh });
        assert_eq!(struck.limit(), Some(60_000));
    }

    #[test]
    fn three_quarters_of_the_predecessors_age_are_similar() {
        for (age, similar) in [(74_999, false), (75_000, true), (99_999, true), (200_000, true)] {
            assert_eq!(is_similar(age, 100_000), similar, "{age}");
        }
    }

    #[test]
    fn the_threshold_falls_back_after_four_of_the_longest_gaps() {
        let policy = Policy::default();
        for (quiet, least) in [(79_999, false), (80_000, true)] {
            let mut learned = LearnedAge::new(&policy);
            learned.refused(&policy, &mut TokenStatus::granted(true), AGE, 0);
            learned.strike(&policy);
            learned.threshold = 15_000;
            learned.refused(&policy, &mut TokenStatus::granted(true), AGE, 20_000);
            learned.note_gap(&policy, 20_000 + quiet);
            assert_eq!(learned.threshold == policy.age_threshold, least, "{quiet}");
            assert_eq!(learned.longest_gap, quiet, "a quiet time is a gap, too");
        }
        // No more than the cap of a gap counts.
        let mut learned = LearnedAge::new(&policy);
        learned.note_gap(&policy, 0);
        learned.note_gap(&policy, DAY);
        assert_eq!(learned.longest_gap, policy.age_threshold_cap);
    }

    const AGE: TokenAge = TokenAge { generation: FIRST, millis: 1_000, stated: DAY };

    #[test]
    fn a_statement_shorter_than_what_holds_is_tried_without_a_step_back() {
        let policy = Policy::default();
        let mut learned = learned(&policy, 60_000);
        let short = TokenAge { generation: FIRST, millis: 20_000, stated: 30_000 };
        learned.retire(&policy, &TokenStatus::granted(false), short);
        assert_eq!(learned.limit, Limit::Trial { held: 60_000, age: 60_000 });
        learned.retire(&policy, &TokenStatus::granted(false), short);
        assert_eq!(learned.limit, Limit::Stated, "what is stated has held");
    }

    #[test]
    fn a_trial_that_is_reached_is_doubled_until_it_reaches_the_statement() {
        let policy = Policy::default();
        let mut learned = learned(&policy, 60_000);
        let mut trials = Vec::new();
        for millis in [60_000, 120_000, 240_000, 480_000, 600_000] {
            let age = TokenAge { generation: FIRST, millis, stated: 600_000 };
            learned.retire(&policy, &TokenStatus::granted(false), age);
            trials.push(learned.limit());
        }
        assert_eq!(trials, [Some(120_000), Some(240_000), Some(480_000), Some(600_000), None]);
    }
}
