//! A reproducible random number generator for the tests of pql-stats and pql.

/// A linear congruential generator (Knuth's MMIX) that returns the high bits.
#[derive(Debug, Clone)]
pub(crate) struct Lcg(u64);

impl Lcg {
    pub(crate) fn new(seed: u64) -> Self {
        let mut lcg = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D);
        lcg.next();
        lcg.next();
        lcg
    }

    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Draws an integer from 0 to `n` − 1.
    pub(crate) fn below(&mut self, n: i64) -> i64 {
        let wide = (u128::from(self.next()) << 31) | u128::from(self.next());
        i64::try_from((wide * u128::try_from(n).unwrap()) >> 62).unwrap()
    }

    /// Returns `true` with a probability of `percent` in 100.
    pub(crate) fn chance(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }

    /// Draws one of several items.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(i64::try_from(from.len()).unwrap())).unwrap()]
    }

    /// Shuffles items in place.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, usize::try_from(self.below(i64::try_from(i).unwrap() + 1)).unwrap());
        }
    }
}
