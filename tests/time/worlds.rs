//! A hundred thousand random worlds, each with a true clock that the code can't see.
//!
//! A world keeps to the contract of the module `time`: where the device sleeps, the wall clock is either
//! set back by less than a second in all, or once, by more than two, while it is awake.

use std::collections::BTreeMap;
use std::time::Duration;

use videokit_session::Moment;
use videokit_session::time::{Clock, Evidence, ExpiresAt, Lifetime, Tolerances, Validity};

const WORLDS: u64 = 100_000;
const ASSUMED: i64 = 900_000;
const WALL_ERROR: i64 = 120_000;

/// Both readings and the 1024th are cut to milliseconds: that much may the two together cut off.
const CUT: i64 = 2;

/// `SplitMix64` (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`; either end is as likely as all between.
    fn within(&mut self, low: i64, high: i64) -> i64 {
        match self.next() % 3 {
            0 => low,
            1 => high,
            _ => low + i64::try_from(self.next() % u64::try_from(high - low + 1).unwrap()).unwrap(),
        }
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.next() % u64::try_from(from.len()).unwrap()).unwrap()]
    }
}

/// The device: what is true, and what its clocks show.
struct Device {
    now: i64,
    awake: i64,
    wall: i64,
    rate: (i64, i64),
}

impl Device {
    fn reading(&self) -> Moment {
        let mono = 5_000 + self.awake * self.rate.0 / self.rate.1;
        Moment::from_millis(u64::try_from(mono).unwrap(), self.now + self.wall)
    }

    /// Time passes up to `until`, the last `asleep` of it in sleep.
    fn pass(&mut self, until: i64, asleep: i64) {
        self.awake += until - self.now - asleep;
        self.now = until;
    }
}

/// How the wall clock may be set back.
#[derive(Clone, Copy, PartialEq)]
enum Backward {
    /// No sleep in this world, so any way.
    Freely,
    /// By no more than this in all.
    Little(i64),
    /// Once, by more than two seconds; has it happened?
    Once(bool),
}

struct World {
    random: Random,
    device: Device,
    backward: Backward,
    steps: bool,
    seen: BTreeMap<&'static str, u64>,
}

impl World {
    fn new(number: u64) -> Self {
        let mut random = Random(number);
        let rate =
            random.pick(&[(1, 1), (1_025, 1_024), (1_024, 1_025), (4_001, 4_000), (9_999, 10_000)]);
        let wall = random.pick(&[0, -1_795_492_800_000, 40_000_000_000, 3_600_000]);
        let backward =
            random.pick(&[Backward::Freely, Backward::Little(990), Backward::Once(false)]);
        let steps = !random.one_in(4);
        let device = Device { now: 0, awake: 0, wall: 1_795_492_800_000 + wall, rate };
        let mut world = Self { random, device, backward, steps, seen: BTreeMap::new() };
        world.saw(rate.0 > rate.1, "monotonic clock fast");
        world.saw(rate.0 < rate.1, "monotonic clock slow");
        world
    }

    fn saw(&mut self, happened: bool, what: &'static str) {
        if happened {
            *self.seen.entry(what).or_default() += 1;
        }
    }

    /// Passes to `until`, with one disturbance at most on the way.
    fn pass(&mut self, until: i64) {
        let span = until - self.device.now;
        let mut asleep = 0;
        match self.random.next() % 4 {
            0 if self.backward != Backward::Freely => {
                asleep = self.random.within(0, span);
                self.saw(asleep > 0, "sleep");
            }
            1 if self.steps => {
                let step = self.random.pick(&[1, 900, 1_000, 1_001, 60_000, 86_400_000]);
                self.device.wall += step;
                self.saw(true, "wall clock set forward");
            }
            2 if self.steps => self.set_back(),
            _ => {}
        }
        self.device.pass(until, asleep);
    }

    fn set_back(&mut self) {
        let step = match self.backward {
            Backward::Freely => {
                self.random.pick(&[1, 999, 1_000, 1_001, 2_000, 90_000, 86_400_000])
            }
            Backward::Little(left) => {
                let step = self.random.within(0, left);
                self.backward = Backward::Little(left - step);
                step
            }
            Backward::Once(false) => {
                self.backward = Backward::Once(true);
                self.random.pick(&[2_010, 60_000, 86_400_000])
            }
            Backward::Once(true) => 0,
        };
        self.device.wall -= step;
        self.saw((1..=2_000).contains(&step), "wall clock set back a little");
        self.saw(step > 2_000, "wall clock set back a lot");
    }
}

/// What the token's reply states, and what is true.
struct Token {
    expiry: i64,
    made: i64,
    skew: i64,
    evidence: Evidence,
    plain: bool,
}

fn floor(millis: i64, to: i64) -> i64 {
    millis.div_euclid(to) * to
}

/// Makes a token between `sent` and `received`.
fn token(world: &mut World, sent: i64, received: i64) -> Token {
    let random = &mut world.random;
    let skew = random.pick(&[0, 100, 1_000, 10_000]);
    let issuer = random.within(-5_000_000, 5_000_000);
    let date_clock = issuer + random.within(-skew, skew);
    let life = random.pick(&[1_500, 5_000, 60_000, 600_000, 7_200_000]) + random.within(0, 2_000);
    let dated = !random.one_in(4);
    let aged = dated && random.one_in(4);
    let stated = aged || !random.one_in(8);
    let jwt = random.one_in(4) || !stated;
    let to = random.pick(&[1, 1_000]);
    let held = if aged { random.within(0, 30_000) } else { 0 };
    let made = if aged { sent - held } else { random.within(sent, received) };
    let expiry = made + life;
    // Without Date, the wall clock at receipt has to be right within ω.
    let (issuer, date_clock) = if dated {
        (issuer, date_clock)
    } else {
        (world.device.wall + world.random.within(-WALL_ERROR, WALL_ERROR), 0)
    };
    let mut evidence = Evidence::default();
    if stated {
        evidence = evidence.expires_at(Some(ExpiresAt::from_millis(floor(expiry + issuer, to))));
    }
    if dated {
        evidence = evidence.date(Some(floor(made + date_clock, 1_000)));
        let seconds = u64::try_from(held).unwrap().div_ceil(1_000);
        evidence = evidence.age(Duration::from_secs(seconds));
    }
    if jwt && !aged {
        let whole = |at: i64| floor(at + issuer, 1_000);
        evidence = evidence.longest(Some(whole(expiry) - whole(made)));
    }
    world.saw(skew > 0 && issuer != date_clock && dated, "clocks of the servers apart");
    world.saw(aged && held > 0, "Age");
    world.saw(!dated && stated, "no Date");
    world.saw(!stated, "no expiry stated");
    world.saw(jwt && !aged, "bound of a JWT");
    world.saw(stated && to == 1_000, "expiry in whole seconds");
    world.saw(stated && to == 1, "expiry with a fraction");
    let plain = dated && !aged && stated && !jwt;
    Token { expiry, made, skew, evidence, plain }
}

/// Plays one world. Gives what occurred in it, or what went wrong.
fn play(number: u64) -> Result<BTreeMap<&'static str, u64>, String> {
    let mut world = World::new(number);
    let mut clock = Clock::default().advanced(world.device.reading());
    let sent = world.random.within(0, 20_000);
    world.pass(sent);
    clock = clock.advanced(world.device.reading());
    let sent_at = clock.stamp();
    let delay = world.random.pick(&[0, 1, 80, 3_000, 14_000]);
    world.saw(delay > 0, "delay");
    world.pass(sent + delay);
    let token = token(&mut world, sent, sent + delay);
    if token.expiry <= world.device.now {
        return Ok(world.seen); // Dead before it came: whatever is said of it is past.
    }
    let received = world.device.reading();
    clock = clock.advanced(received);
    let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap());
    let tolerances = Tolerances::new(millis(token.skew), millis(WALL_ERROR), millis(ASSUMED));
    let lifetime = Lifetime::new(token.evidence, tolerances, (sent_at, clock.stamp()), received);

    let mut times: Vec<i64> = (0..4).map(|_| world.random.within(0, token.expiry)).collect();
    let edge = 3_000 + 2 * token.skew + delay;
    times.extend([-edge, -1, 0, 1, edge, 3 * edge].map(|offset| token.expiry + offset));
    times.sort_unstable();
    let start = world.device.now;
    for at in times.into_iter().filter(|at| *at >= start) {
        world.pass(at);
        let reading = world.device.reading();
        clock = clock.advanced(reading);
        let left = lifetime.remaining(clock.stamp());
        let alive = at < token.expiry;
        let validity = left.validity();
        let wrong = match validity {
            Validity::Valid => !alive,
            Validity::Expired => token.expiry - at > CUT,
            Validity::Unsure => false,
        };
        let unsure = edge + (at - sent) / 1_000 + 10;
        let quiet =
            !world.steps && world.backward == Backward::Freely && world.device.rate == (1, 1);
        let vague = token.plain
            && quiet
            && validity == Validity::Unsure
            && (token.expiry - at).abs() > unsure;
        if wrong || vague {
            return Err(format!(
                "world {number}: at {at}, {} ms before the true expiry: {left:?} is {validity:?}\n\
                 made {}, sent {sent}, received {start}, skew {}, {:?}\n{clock:?}",
                token.expiry - at,
                token.made,
                token.skew,
                token.evidence
            ));
        }
        world.saw(
            true,
            match validity {
                Validity::Valid => "Valid",
                Validity::Unsure => "Unsure",
                Validity::Expired => "Expired",
            },
        );
    }
    world.saw(true, "worlds played to the end");
    Ok(world.seen)
}

#[test]
fn never_valid_after_the_true_expiry_and_never_expired_before_it() {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for number in 0..WORLDS {
        match play(number) {
            Ok(occurred) => {
                for (what, n) in occurred {
                    *seen.entry(what).or_default() += n;
                }
            }
            Err(wrong) => panic!("{wrong}"),
        }
    }
    for (what, n) in &seen {
        println!("{n:>9}  {what}");
    }
    for what in [
        "Valid",
        "Unsure",
        "Expired",
        "monotonic clock fast",
        "monotonic clock slow",
        "sleep",
        "wall clock set forward",
        "wall clock set back a little",
        "wall clock set back a lot",
        "clocks of the servers apart",
        "delay",
        "Age",
        "no Date",
        "no expiry stated",
        "bound of a JWT",
        "expiry in whole seconds",
        "expiry with a fraction",
    ] {
        assert!(seen.get(what).is_some_and(|n| *n > 1_000), "{what} hardly occurred");
    }
}
