//! Random numbers of one account. Each account has its own stream, so that the result does not
//! depend on other accounts or on threads.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, Poisson, StandardNormal};

use crate::time::{DAY, SECOND};

/// Random number generator of one account.
pub(super) struct AccountRng(ChaCha8Rng);

impl AccountRng {
    /// Creates the generator of an account.
    pub(super) fn new(seed: u64, account: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(account);
        Self(rng)
    }

    /// Draws a number in [0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// Draws `true` with a probability.
    pub(super) fn bernoulli(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Draws a number in [`low`, `high`).
    pub(super) fn uniform_between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Draws a time in [`low`, `high`), in whole seconds. All times are in µs.
    pub(super) fn time_between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low / SECOND..high / SECOND) * SECOND
    }

    /// Draws an exponential number.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        let unit: f64 = Exp1.sample(&mut self.0);
        mean * unit
    }

    /// Draws an exponential time span in whole seconds, µs.
    pub(super) fn exponential_span(&mut self, mean_days: f64) -> i64 {
        whole_seconds(self.exponential(mean_days))
    }

    /// Draws a log-normal number.
    pub(super) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Draws a standard normal number.
    pub(super) fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Draws a Poisson number; 0 if the mean is 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    pub(super) fn poisson(&mut self, mean: f64) -> u32 {
        Poisson::new(mean).map_or(0, |poisson| poisson.sample(&mut self.0) as u32)
    }

    /// Draws an index with probability proportional to its weight. At least one weight is above 0.
    pub(super) fn weighted_index(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.uniform() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (index, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
            last = index;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }
}

/// Converts days to whole seconds, in µs.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "spans of a few years"
)]
pub(super) fn whole_seconds(days: f64) -> i64 {
    (days * (DAY / SECOND) as f64) as i64 * SECOND
}
