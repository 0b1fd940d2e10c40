//! Time, naively: the list of all readings of the two clocks, summed up anew whenever somebody asks.

const SECOND: i64 = 1_000;

/// Every reading that the driver was given: monotonic and wall clock, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readings(Vec<(u64, i64)>);

/// What the readings up to one of them add up to, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elapsed {
    pub(crate) ticks: i64,
    pub(crate) ahead: i64,
    /// How far the wall clock stands behind.
    pub(crate) behind: i64,
}

impl Readings {
    pub(crate) fn take(&mut self, mono: u64, wall: i64) {
        // The same reading again adds nothing.
        if self.0.last() != Some(&(mono, wall)) {
            self.0.push((mono, wall));
        }
    }

    /// The number of the last reading.
    pub(crate) fn last(&self) -> usize {
        self.0.len() - 1
    }

    /// The design's sum, over the readings up to this one.
    pub(crate) fn elapsed(&self, until: usize) -> Elapsed {
        let (mut ticks, mut drift, mut jumps) = (0, 0, 0);
        for pair in self.0[..=until].windows(2) {
            let [(mono_before, wall_before), (mono, wall)] = pair else { unreachable!() };
            let ran = mono.saturating_sub(*mono_before).min(1 << 40).cast_signed();
            ticks += ran;
            drift += wall - wall_before - ran;
            if drift > 1_000 {
                jumps += drift;
            }
            if drift.abs() > 1_000 {
                drift = 0;
            }
        }
        Elapsed { ticks, ahead: jumps + drift.max(0), behind: -drift.min(0) }
    }

    /// The last reading of the wall clock.
    pub(crate) fn wall(&self) -> i64 {
        self.0[self.last()].1
    }

    pub(crate) fn now(&self) -> Elapsed {
        self.elapsed(self.last())
    }
}

/// All that was said about a token's life. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Statements {
    pub(crate) expires_at: Option<i64>,
    /// How long it lives, counted from the reply or the adoption.
    pub(crate) lifetime: Option<i64>,
    pub(crate) date: Option<i64>,
    pub(crate) age: i64,
    pub(crate) unreadable_age: bool,
    /// A JWT's `exp - iat`.
    pub(crate) jwt: Option<i64>,
}

/// How far it is trusted: σ, ω and the assumed lifetime.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trust {
    pub(crate) skew: i64,
    pub(crate) wall_error: i64,
    pub(crate) assumed: i64,
}

/// How a token came: in a reply, or in the caller's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    InReply,
    Adopted,
}

/// `lo` and `hi`; no `hi` where no end is known.
pub(crate) type Bounds = (i64, Option<i64>);

/// What was left of a token when its reply was made, and when that was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    sent: Elapsed,
    received: Elapsed,
    at_first: Bounds,
    /// What renewals are counted from.
    schedule: i64,
}

impl Life {
    pub(crate) fn new(
        said: Statements,
        trust: Trust,
        sent: Elapsed,
        received: Elapsed,
        wall: i64,
        came: Came,
    ) -> Self {
        let r = |whole: bool| if whole { SECOND } else { 0 };
        let stated = said.expires_at.and_then(|expires_at| {
            let (length, slack) = match said.date {
                Some(date) => (expires_at - date, trust.skew),
                None => (expires_at - wall, trust.wall_error),
            };
            let lo = length - SECOND - slack - said.age;
            let hi = length + r(expires_at % SECOND == 0) + slack;
            match said.date {
                None if length > 366 * 24 * 3_600 * SECOND => None,
                // The wall clock alone calls nothing expired; what may be got anew is due for it.
                None if hi <= 0 => Some((lo, None, (came == Came::Adopted).then_some(lo))),
                _ => Some((lo, Some(hi), Some(lo))),
            }
        });
        let mut known: Vec<_> = stated.into_iter().collect();
        if let Some(length) = said.lifetime {
            let lo = length - said.age;
            known.push((lo, Some(length + r(length % SECOND == 0)), Some(lo)));
        }
        if known.is_empty() {
            known.push((trust.assumed, None, None));
        }
        let mut lo = known.iter().map(|known| known.0).min().expect("one at least");
        let mut hi = known.iter().filter_map(|known| known.1).min();
        let mut schedule = known.iter().filter_map(|known| known.2).min().unwrap_or(trust.assumed);
        if let Some(length) = said.jwt {
            let least = length - SECOND - trust.skew - said.age;
            (lo, schedule) = (lo.min(least), schedule.min(least));
            let most = length + SECOND + trust.skew;
            hi = Some(hi.map_or(most, |hi| hi.min(most)));
        }
        if said.unreadable_age {
            lo = i64::MIN;
        }
        Self { sent, received, at_first: (lo, hi), schedule }
    }

    /// The formula.
    pub(crate) fn at(&self, now: Elapsed) -> Bounds {
        let (lo, hi) = self.at_first;
        let received = now.ticks - self.received.ticks;
        (lo.saturating_sub(self.passed(now)), hi.map(|hi| hi - (received - received / 1_024)))
    }

    /// What is left of the number that renewals are counted from.
    pub(crate) fn scheduled(&self, now: Elapsed) -> i64 {
        self.schedule - self.passed(now)
    }

    /// The most that has passed since sending. What the wall clock stood behind by then, it may have made up
    /// in sleep.
    fn passed(&self, now: Elapsed) -> i64 {
        let sent = now.ticks - self.sent.ticks;
        let ahead = now.ahead - self.sent.ahead + self.sent.behind;
        sent + sent / 1_024 + ahead + SECOND
    }

    /// How much time has passed since its reply came, by either clock.
    pub(crate) fn age(&self, now: Elapsed) -> i64 {
        let from = self.received;
        (now.ticks - from.ticks + now.ahead - from.ahead + from.behind).max(0)
    }

    /// The age at which the schedule lets the token die.
    pub(crate) fn stated(&self) -> i64 {
        self.schedule.max(0)
    }

    /// The same, scheduled as if the token lived no longer than to this age.
    pub(crate) fn until(&self, age: i64) -> Self {
        Self { schedule: self.schedule.min(age), ..*self }
    }

    /// What the schedule had left when the reply came in.
    pub(crate) fn begins_with(&self) -> i64 {
        self.scheduled(self.received)
    }

    /// When, in ticks, `lo` will have fallen to `level`, if the wall clock keeps step.
    pub(crate) fn when_lo_is(&self, level: i64, now: Elapsed) -> i64 {
        first(now.ticks, |ticks| self.at(Elapsed { ticks, ..now }).0 <= level)
    }

    /// Likewise for the number that renewals are counted from.
    pub(crate) fn when_scheduled_is(&self, level: i64, now: Elapsed) -> i64 {
        first(now.ticks, |ticks| self.scheduled(Elapsed { ticks, ..now }) <= level)
    }

    /// When, in ticks, `hi` will have fallen to nothing.
    pub(crate) fn when_expired(&self, now: Elapsed) -> Option<i64> {
        self.at_first.1?;
        let expired = |ticks| self.at(Elapsed { ticks, ..now }).1.is_some_and(|hi| hi <= 0);
        Some(first(now.ticks, expired))
    }
}

/// The first time at which something holds that, once it holds, goes on to.
fn first(from: i64, holds: impl Fn(i64) -> bool) -> i64 {
    let (mut no, mut yes) = (from - 1, from);
    while !holds(yes) {
        (no, yes) = (yes, yes + (yes - no) * 2);
    }
    while yes - no > 1 {
        let middle = no + (yes - no) / 2;
        if holds(middle) { yes = middle } else { no = middle }
    }
    yes
}
