//! Random draws of one account: a stream of its own, so that no account depends on another or on
//! threads.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, Poisson, StandardNormal};

use crate::time::{DAY, SECOND};

/// The random numbers of one account.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    /// Begin the stream of an account.
    pub(super) fn new(seed: u64, account: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(account);
        Self(rng)
    }

    /// A number in [0, 1).
    pub(super) fn share(&mut self) -> f64 {
        self.0.random()
    }

    /// Whether what happens with this probability happens.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// A number from `low` to below `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    /// A whole second from `low` to below `high`, both µs and themselves whole seconds.
    pub(super) fn instant(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low / SECOND..high / SECOND) * SECOND
    }

    /// An exponential number.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        let unit: f64 = Exp1.sample(&mut self.0);
        mean * unit
    }

    /// An exponential span in whole seconds, µs.
    pub(super) fn span(&mut self, mean_days: f64) -> i64 {
        whole_seconds(self.exponential(mean_days))
    }

    /// A log-normal number.
    pub(super) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// A standard normal number.
    pub(super) fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// A Poisson number; 0 where the mean is.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    pub(super) fn poisson(&mut self, mean: f64) -> u32 {
        Poisson::new(mean).map_or(0, |poisson| poisson.sample(&mut self.0) as u32)
    }

    /// The index of one of some weights, of which at least one is above 0.
    pub(super) fn pick(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.share() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (at, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
            last = at;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }
}

/// Days as whole seconds, µs.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "spans of some years"
)]
pub(super) fn whole_seconds(days: f64) -> i64 {
    (days * (DAY / SECOND) as f64) as i64 * SECOND
}
