//! How a world is drawn: all that happens in it, and how it keeps to the contract.

use std::collections::BTreeSet;

use crate::Moment;

use super::chance::Rng;
use super::kind::Kind;
use super::world::{DAY, MS, Reading, SECOND, Statements, World};

/// 2026-11-24T04:00:00Z.
const EPOCH: i64 = 1_795_492_800 * SECOND;

/// How much sleep may be hidden: the second that the formula absorbs, less its rounding.
const HIDDEN: i64 = 990 * MS;

/// Which end of the interval a world attacks: everything that can be is at the worse end for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    Valid,
    Expired,
    Neither,
}

/// How a world keeps to the contract about hidden sleep. Any one of these is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// After the request, the wall clock goes back by no more than `HIDDEN` in all.
    SmallBack,
    /// It goes back once, by more than two seconds and while awake; what it showed of sleep without
    /// banking it, or ran ahead before the request, is no more than `HIDDEN`.
    OneLargeBack,
    /// There is no sleep to hide. What it ran ahead before the request without banking it, and may
    /// take back afterwards, is no more than `HIDDEN`.
    Awake,
}

/// What happens between two readings.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    sleep: i64,
    step: i64,
    mono_back: i64,
}

struct Draft {
    rng: Rng,
    kinds: BTreeSet<Kind>,
    against: Against,
    rule: Rule,
    grain: i64,
    /// The monotonic clock's rate, as a fraction, and its error rounded up, in millionths.
    rate: (i64, i64),
    mono_ppm: i64,
    wall_ppm: i64,
    /// Where the wall clock is at first, from the monotonic one, if it starts with it.
    from_mono: Option<i64>,
    times: Vec<i64>,
    gaps: Vec<Gap>,
    sent: usize,
    /// When `Date` was written, and by how much it may be earlier than sending.
    written: i64,
    age: i64,
    skew: i64,
    /// The errors of the clocks behind `Date` and `expiresAt`.
    date_clock: i64,
    expiry_clock: i64,
    expiry: i64,
    mono_start: i64,
    absurd_wall: Option<(usize, i64)>,
}

/// The world of that number: always the same one.
pub(crate) fn world(number: u64) -> World {
    let mut draft = Draft::new(Rng::new(number));
    draft.network();
    draft.clocks();
    let unit = draft.token();
    draft.read_on();
    draft.sleep();
    draft.steps();
    draft.finish(number, unit)
}

impl Draft {
    fn new(mut rng: Rng) -> Self {
        let against = rng.pick(&[Against::Valid, Against::Expired, Against::Neither]);
        let rule = rng.pick(&[Rule::SmallBack, Rule::SmallBack, Rule::OneLargeBack, Rule::Awake]);
        let grain = if rng.one_in(3) { 1 } else { MS };
        Self {
            rng,
            kinds: BTreeSet::new(),
            against,
            rule,
            grain,
            rate: (1, 1),
            mono_ppm: 0,
            wall_ppm: 0,
            from_mono: None,
            times: Vec::new(),
            gaps: Vec::new(),
            sent: 0,
            written: 0,
            age: 0,
            skew: 0,
            date_clock: 0,
            expiry_clock: 0,
            expiry: 0,
            mono_start: 0,
            absurd_wall: None,
        }
    }

    /// A span of true time, on the world's grain.
    fn span(&mut self, low: i64, high: i64) -> i64 {
        self.rng.edge(low / self.grain, high / self.grain) * self.grain
    }

    fn note(&mut self, kind: Kind, happens: bool) {
        if happens {
            self.kinds.insert(kind);
        }
    }

    /// Readings before the request, sending, the writing of `Date`, a cache, receiving.
    fn network(&mut self) {
        let mut now = EPOCH + self.span(0, DAY);
        self.sent = self.rng.index(0, 3);
        for _ in 0..self.sent {
            self.times.push(now);
            now += self.span(0, 20 * SECOND);
        }
        let longest = self.rng.pick(&[0, 200 * MS, 3 * SECOND, 40 * SECOND]);
        let delay = self.span(0, longest);
        self.times.extend([now, now + delay]);
        if self.rng.one_in(4) {
            self.age = self.rng.pick(&[1, 2, 30, 5_000]) * SECOND;
        }
        let oldest = now - self.age;
        self.written = match self.against {
            Against::Valid => oldest,
            Against::Expired => now + delay,
            Against::Neither => oldest + self.span(0, delay + self.age),
        };
        self.note(Kind::Delay, delay > SECOND);
        self.note(Kind::Age, self.age > 0);
        self.note(Kind::Cut, self.grain == 1);
    }

    fn clocks(&mut self) {
        let random = self.rng.within(-975, 976);
        let (fast, slow) = (((1_025, 1_024), 977), ((1_024, 1_025), -976));
        let ideal = ((1, 1), 0);
        (self.rate, self.mono_ppm) = match self.against {
            Against::Valid => self.rng.pick(&[slow, slow, ideal]),
            Against::Expired => self.rng.pick(&[fast, fast, ideal]),
            Against::Neither => self.rng.pick(&[fast, slow, ((MS * MS + random, MS * MS), random)]),
        };
        // A wall clock slower than that would hide what the formula allows for a slow monotonic one.
        self.wall_ppm = match self.rng.within(0, 3) {
            0 | 1 => 0,
            _ => self.rng.edge(-975, 975),
        };
        if self.rule == Rule::OneLargeBack {
            self.wall_ppm = self.wall_ppm.abs();
        }
        let wobble = self.rule == Rule::Awake && self.rng.one_in(4);
        if wobble {
            (self.rate, self.mono_ppm) = ideal;
            self.wall_ppm = 0;
        } else if self.rng.one_in(12) {
            // Behind, as far as it is not banked; ahead, by less than it may take back.
            self.from_mono = Some(self.rng.edge(-1_000, 600) * MS);
        }
        self.note(Kind::Wobble, wobble);
        self.note(Kind::From1970, self.from_mono.is_some());
        self.note(Kind::Fast, self.mono_ppm > 0);
        self.note(Kind::Slow, self.mono_ppm < 0);
        // Far enough from zero to go back from.
        let most = 1 << self.rng.index(1, 39);
        self.mono_start = (1 << 31) + self.rng.within(0, most);
    }

    /// The token's life, and how precisely `expiresAt` is written.
    fn token(&mut self) -> i64 {
        let life = [2 * SECOND, 10 * SECOND, 60 * SECOND, 600 * SECOND, 3_600 * SECOND, 20 * DAY];
        let life = self.rng.pick(&life);
        let life = self.span(life / 10, life);
        self.skew = self.rng.pick(&[0, 500 * MS, SECOND, 5 * SECOND, 60 * SECOND]);
        let unit = if self.rng.one_in(3) { MS } else { SECOND };
        let (date_at, expiry_at, error) = match self.against {
            // `Date` loses all it can by being cut, and `expiresAt` nothing.
            Against::Valid => (SECOND - self.grain, 0, self.skew),
            Against::Expired => (0, unit - self.grain, -self.skew),
            Against::Neither => {
                let at = self.span(0, SECOND - self.grain);
                (at, at % unit, self.span(-self.skew, self.skew))
            }
        };
        let off = self.span(-DAY, DAY);
        self.date_clock = off - (self.written + off - date_at).rem_euclid(SECOND);
        self.expiry_clock = self.date_clock + error;
        let expiry = self.written + life;
        self.expiry = expiry - (expiry + self.expiry_clock - expiry_at).rem_euclid(unit);
        self.note(Kind::Skew, error != 0);
        unit
    }

    /// Readings after the receipt, close to the true expiry above all.
    fn read_on(&mut self) {
        let received = self.received_at();
        let mut times = vec![received];
        for near in [-MS, -self.grain, 0, self.grain, MS] {
            if self.rng.one_in(2) {
                times.push(self.expiry + near);
            }
        }
        let tail = self.rng.pick(&[5 * SECOND, 200 * SECOND, 7_200 * SECOND]);
        for _ in 0..self.rng.index(2, 7) {
            let end = (self.expiry + tail - received).max(0);
            times.push(received + self.span(0, end));
        }
        times.sort_unstable();
        self.times.extend(times.into_iter().filter(|at| *at >= received));
        self.gaps = vec![Gap::default(); self.times.len() - 1];
    }

    fn received_at(&self) -> i64 {
        self.times[self.sent + 1]
    }

    fn length(&self, gap: usize) -> i64 {
        self.times[gap + 1] - self.times[gap]
    }

    fn sleep(&mut self) {
        if self.rule == Rule::Awake || self.rng.one_in(4) {
            return;
        }
        for gap in 0..self.gaps.len() {
            let length = self.length(gap);
            let sleep = match self.rng.within(0, 4) {
                0 => length,
                1 => length - self.span(0, length.min(SECOND)),
                2 => self.span(0, length),
                _ => 0,
            };
            // Long sleep is banked at once.
            let banked = self.rule == Rule::SmallBack || sleep >= 3 * SECOND;
            self.gaps[gap].sleep = if banked { sleep } else { 0 };
        }
        if self.rule == Rule::SmallBack && self.rng.one_in(8) {
            // A clock that starts anew counts nothing since the last reading, as in sleep.
            let gap = self.rng.index(self.sent, self.gaps.len());
            self.gaps[gap].sleep = self.length(gap);
            self.gaps[gap].mono_back = self.rng.within(1, 1 << 30);
            self.kinds.insert(Kind::MonoBack);
        }
    }

    /// How much the wall clock may still hide.
    fn budget(&mut self) -> i64 {
        let asleep: i64 = self.gaps[self.sent..].iter().map(|gap| gap.sleep).sum();
        // What it ran ahead before the request without banking it, it may take back.
        let ahead = match self.rule {
            Rule::SmallBack => 0,
            Rule::OneLargeBack | Rule::Awake => {
                let drift = part(self.before(), (self.wall_ppm - self.mono_ppm).max(0));
                drift + self.from_mono.unwrap_or(0).max(0)
            }
        };
        let budget = HIDDEN - ahead - 2 * MS;
        // A slow wall clock hides a part of all sleep.
        let hidden = part(asleep, -self.wall_ppm);
        if hidden > budget {
            self.wall_ppm = 0;
            return budget;
        }
        budget - hidden
    }

    /// How long the readings before the request took.
    fn before(&self) -> i64 {
        self.times[self.sent] - self.times[0]
    }

    /// How far the wall clock may stand behind the monotonic one at the request, without its being banked.
    fn behind(&self) -> i64 {
        let stepped: i64 = self.gaps[..self.sent].iter().map(|gap| (-gap.step).max(0)).sum();
        let drift = part(self.before(), (self.mono_ppm - self.wall_ppm).max(0));
        let at_first = (-self.from_mono.unwrap_or(0)).max(0);
        (stepped + drift + at_first + 2 * MS).min(SECOND)
    }

    fn steps(&mut self) {
        let mut budget = self.budget();
        let gaps = self.gaps.len();
        match self.rule {
            Rule::SmallBack => {
                for gap in 0..self.sent {
                    let step = self.forward();
                    self.gaps[gap].step = step * self.rng.pick(&[-1, -1, 0, 1]);
                }
                let pieces = self.rng.pick(&[0, 1, 1, 3]);
                for _ in 0..pieces {
                    let gap = self.rng.index(self.sent, gaps);
                    let back = self.span(0, budget.max(0));
                    self.gaps[gap].step -= back;
                    budget -= back;
                }
                if self.rng.one_in(4) {
                    let gap = self.rng.index(0, gaps);
                    self.gaps[gap].step += self.forward();
                }
                let after = self.sent + 2;
                if gaps > after && self.rng.one_in(16) {
                    self.absurd_wall = Some((self.rng.index(after, gaps), i64::MAX));
                }
            }
            Rule::OneLargeBack => self.one_large_back(budget),
            Rule::Awake if self.kinds.contains(&Kind::Wobble) => {
                // Cut readings may show a millisecond more.
                let second = if self.grain == MS { SECOND } else { SECOND - 2 * MS };
                let mut step = self.rng.pick(&[-second, second]);
                for gap in &mut self.gaps[self.sent..] {
                    gap.step = step;
                    step = -step;
                }
            }
            Rule::Awake if self.rng.one_in(3) => {}
            Rule::Awake => {
                for gap in 0..gaps {
                    let before = gap < self.sent;
                    self.gaps[gap].step = match self.rng.within(0, 3) {
                        0 => -self.forward(),
                        1 if before => self.span(0, budget.max(0)),
                        1 => self.forward(),
                        _ => 0,
                    };
                    budget -= if before { self.gaps[gap].step.max(0) } else { 0 };
                }
            }
        }
    }

    fn one_large_back(&mut self, mut budget: i64) {
        let back = self.rng.index(0, self.gaps.len());
        for gap in 0..self.gaps.len() {
            let short = self.length(gap).min(budget).max(0);
            if gap == back {
                self.gaps[gap].sleep = 0;
                // Past two seconds, whatever the clocks drift meanwhile.
                let drift = part(self.length(gap), 1_952) + 2 * MS;
                self.gaps[gap].step = -(2 * SECOND + drift + self.forward());
            } else if self.gaps[gap].sleep == 0 && self.rng.one_in(2) {
                let sleep = self.span(0, short);
                self.gaps[gap].sleep = sleep;
                budget -= sleep;
            }
        }
        if back > self.sent && self.rng.one_in(4) {
            self.gaps[back].step = 0;
            self.absurd_wall = Some((back, i64::MIN));
        }
    }

    /// A step of the wall clock.
    fn forward(&mut self) -> i64 {
        let most = [10 * MS, SECOND, SECOND + MS, 5 * SECOND, 3_600 * SECOND, 3_650 * DAY];
        let most = self.rng.pick(&most);
        self.span(self.grain, most)
    }

    /// Both clocks at each reading.
    fn moments(&self, wall_at_receipt: Option<i64>) -> Vec<Moment> {
        let received = self.sent + 1;
        let awake: Vec<i64> = running(
            self.gaps.iter().enumerate().map(|(gap, happens)| self.length(gap) - happens.sleep),
        );
        let steps = running(self.gaps.iter().map(|gap| gap.step));
        let backs = running(self.gaps.iter().map(|gap| gap.mono_back));
        let phase = if self.grain == MS { 0 } else { self.expiry.rem_euclid(MS) };
        let mono = |at: usize| {
            let ran = awake[at] - awake[received];
            let ran = scaled(ran, self.rate.0, self.rate.1) + phase;
            let rest = scaled(awake[received], 2, 1).div_euclid(MS);
            self.mono_start + rest + ran.div_euclid(MS) - backs[at]
        };
        let wall = |at: usize| {
            let drift = scaled(self.times[at] - self.times[received], self.wall_ppm, MS * MS);
            self.times[at] + steps[at] + drift
        };
        let offset = match (wall_at_receipt, self.from_mono) {
            (Some(wanted), _) => wanted - wall(received),
            (None, Some(from_mono)) => mono(0) * MS + from_mono - wall(0),
            (None, None) => 0,
        };
        let readings = 0..self.times.len();
        let reading = |at: usize| {
            let wall = match self.absurd_wall {
                Some((gap, wall)) if gap + 1 == at => wall,
                _ => (wall(at) + offset).div_euclid(MS),
            };
            Moment::from_millis(mono(at).try_into().unwrap(), wall)
        };
        readings.map(reading).collect()
    }

    fn finish(mut self, number: u64, mut unit: i64) -> World {
        let wall_error = self.rng.pick(&[0, SECOND, 120 * SECOND, 3_600 * SECOND]);
        let assumed = self.rng.pick(&[SECOND, 900 * SECOND, 3_600 * SECOND]);
        let dated = !self.rng.one_in(5);
        let mut stated = !self.rng.one_in(8);
        let mut slack = self.skew;
        let mut wall_at_receipt = None;
        let mut wild = false;
        if !dated {
            let received = self.received_at();
            let error = match self.against {
                Against::Valid => -wall_error,
                Against::Expired => wall_error,
                Against::Neither => self.span(-wall_error, wall_error),
            };
            // A device's clock that is right about so much is not right from 1970 on.
            wild = self.rng.one_in(5);
            let wall = received + self.expiry_clock + error;
            wall_at_receipt = match self.from_mono {
                Some(_) if wild => None,
                _ if wild => Some(wall + self.rng.pick(&[-4_000 * DAY, 4_000 * DAY])),
                _ => Some(wall),
            };
            if !wild && self.rng.one_in(6) {
                // As long as a wall clock is believed, or a millisecond longer.
                let wall = wall.div_euclid(MS) * MS;
                self.expiry = wall + 366 * DAY + self.rng.pick(&[0, MS]) - self.expiry_clock;
                (unit, stated) = (MS, true);
            }
            slack = slack.max(wall_error);
        }
        let said = self.said(unit, dated, stated);
        let moments = self.moments(wall_at_receipt);
        let mut readings = self.readings(&moments, slack);
        let after = readings.split_off(self.sent + 1);
        let sent = readings.pop().unwrap();
        let mut before: Vec<Moment> = readings.iter().map(|reading| reading.moment).collect();
        if self.rule == Rule::SmallBack && !before.is_empty() && self.rng.one_in(4) {
            let wall = self.rng.pick(&[i64::MIN, 0, before[0].wall_millis(), i64::MAX]);
            before.push(Moment::from_millis(u64::MAX, wall));
            self.kinds.insert(Kind::AbsurdMono);
        }
        self.name_what_happens(&said);
        let millis = |span: i64| u64::try_from(span / MS).unwrap();
        World {
            number,
            kinds: self.kinds,
            said,
            tolerances: [millis(self.skew), millis(wall_error), millis(assumed)],
            expiry: self.expiry,
            wild,
            before,
            sent,
            readings: after,
        }
    }

    fn said(&mut self, unit: i64, dated: bool, stated: bool) -> Statements {
        let cut = |at: i64, unit: i64| at.div_euclid(unit) * unit / MS;
        let mut jwt = None;
        if self.rng.one_in(if stated { 4 } else { 2 }) {
            // A backend may hand out a token that it has had for a while; without `expiresAt` and
            // `Date`, the life that a JWT states has to start with the reply.
            let had =
                if stated && dated && self.rng.one_in(2) { self.rng.within(0, DAY) } else { 0 };
            let clock = if stated { self.expiry_clock } else { self.date_clock };
            let claim = |at: i64| (at + clock).div_euclid(SECOND);
            jwt = Some((claim(self.expiry), claim(self.written - had)));
        }
        let step = self.rng.pick(&[MS, SECOND]);
        let life = self.rng.one_in(5).then(|| cut(self.expiry - self.written, step));
        Statements {
            lifetime: life.and_then(|life| u64::try_from(life).ok()),
            expires_at: stated.then(|| cut(self.expiry + self.expiry_clock, unit)),
            date: dated.then(|| cut(self.written + self.date_clock, SECOND)),
            age: (!self.rng.one_in(32)).then(|| u64::try_from(self.age / SECOND).unwrap()),
            jwt,
        }
    }

    fn readings(&self, moments: &[Moment], slack: i64) -> Vec<Reading> {
        let sent_at = self.times[self.sent];
        let received = self.sent + 1;
        let asleep = running(self.gaps.iter().map(|gap| gap.sleep));
        let ahead = running(self.gaps.iter().map(|gap| gap.step.max(0)));
        let behind = self.behind();
        let dark = self.absurd_wall.map_or(usize::MAX, |(gap, _)| gap + 1);
        let reading = |(at, moment): (usize, &Moment)| {
            let truth = self.times[at];
            let slept = asleep[at] - asleep[self.sent];
            let awake = truth - sent_at - slept;
            // The formula's 1/1024 of what a fast clock shows, that clock's own error, and how
            // the two clocks part.
            let apart = (self.wall_ppm - self.mono_ppm).max(0);
            let drift =
                part(awake, 979 + self.mono_ppm.max(0) + apart) + part(slept, self.wall_ppm);
            let stepped = ahead[at] - ahead[self.sent];
            let wobbles = self.kinds.contains(&Kind::Wobble);
            let stepped = if wobbles { stepped.min(SECOND) } else { stepped };
            let fixed = 2 * slack + 2 * SECOND + 6 * MS;
            let delay = self.received_at() - sent_at;
            let lo = delay + fixed + SECOND + self.age + drift + stepped + behind;
            let hi = self.received_at() - self.written.min(sent_at)
                + fixed
                + (asleep[at] - asleep[received]).max(0)
                + part(awake, 979 - self.mono_ppm.min(0));
            Reading { truth, moment: *moment, loose_lo: (at < dark).then_some(lo), loose_hi: hi }
        };
        moments.iter().enumerate().map(reading).collect()
    }

    fn name_what_happens(&mut self, said: &Statements) {
        let back_before = self.gaps[..self.sent].iter().any(|gap| gap.step < 0);
        let steps: Vec<i64> = self.gaps[self.sent..].iter().map(|gap| gap.step).collect();
        let whole = said.expires_at.is_some_and(|at| at.rem_euclid(1_000) == 0);
        let moves = self.gaps.iter().any(|gap| gap.sleep > 0 || gap.step != 0);
        let wobbles = self.kinds.contains(&Kind::Wobble);
        for (kind, happens) in [
            (Kind::Quiet, !moves && self.absurd_wall.is_none()),
            (Kind::Sleep, self.gaps.iter().any(|gap| gap.sleep > 0)),
            (Kind::Forward, !wobbles && steps.iter().any(|step| *step > 0)),
            (Kind::SmallBack, !wobbles && steps.iter().any(|step| (-2 * SECOND..0).contains(step))),
            (Kind::LargeBack, steps.iter().any(|step| *step < -2 * SECOND)),
            (Kind::BackBefore, back_before),
            (Kind::WallDrift, self.wall_ppm != 0),
            (Kind::NoDate, said.date.is_none()),
            (Kind::WholeSecond, whole),
            (Kind::Fraction, said.expires_at.is_some() && !whole),
            (Kind::Jwt, said.jwt.is_some()),
            (Kind::UnknownExpiry, said.expires_at.is_none() && said.lifetime.is_none()),
            (Kind::Relative, said.lifetime.is_some()),
            (Kind::UnreadableAge, said.age.is_none()),
            (Kind::AbsurdWall, self.absurd_wall.is_some()),
        ] {
            self.note(kind, happens);
        }
    }
}

/// That many millionths of a span, rounded up; nothing for a negative number of them.
fn part(span: i64, ppm: i64) -> i64 {
    scaled(span, ppm.max(0), MS * MS) + 1
}

fn scaled(span: i64, by: i64, per: i64) -> i64 {
    let scaled = (i128::from(span) * i128::from(by)).div_euclid(i128::from(per));
    scaled.try_into().unwrap()
}

/// Sums up to each reading.
fn running(gaps: impl Iterator<Item = i64>) -> Vec<i64> {
    let sum = |total: &mut i64, gap: i64| {
        *total += gap;
        Some(*total)
    };
    std::iter::once(0).chain(gaps.scan(0, sum)).collect()
}
