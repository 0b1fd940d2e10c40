//! Chance from a seed, so that a number is a world.

/// The chance of these tests: `SplitMix64` (Steele, Lea and Flood, 2014).
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn within(&mut self, low: i64, high: i64) -> i64 {
        let span = high.abs_diff(low) + 1;
        low + i64::try_from(self.next() % span).unwrap()
    }

    /// As `within`, but at either end as often as between.
    pub(crate) fn edge(&mut self, low: i64, high: i64) -> i64 {
        match self.within(0, 3) {
            0 => low,
            1 => high,
            _ => self.within(low, high),
        }
    }

    pub(crate) fn one_in(&mut self, n: i64) -> bool {
        self.within(1, n) == 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.next()).unwrap() % from.len()]
    }

    pub(crate) fn index(&mut self, from: usize, to: usize) -> usize {
        from + usize::try_from(self.next()).unwrap() % (to - from)
    }
}
