//! Confidence intervals.

use serde::{Deserialize, Serialize};

/// 97.5% quantile of the standard normal distribution: half the width of a 95% interval in standard
/// errors.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// An interval; a 95% interval unless stated otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end, at least `low`.
    pub high: f64,
}

impl Interval {
    /// Computes the 95% interval of a normally distributed estimate: value ∓ 1.96 standard errors.
    #[must_use]
    pub fn normal(value: f64, std_error: f64) -> Self {
        Self { low: value - Z_95 * std_error, high: value + Z_95 * std_error }
    }

    /// Returns whether the interval contains a value; both ends are included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Clamps the interval to the smallest and the largest possible value.
    #[must_use]
    pub fn clamp(self, smallest: f64, largest: f64) -> Self {
        Self { low: self.low.max(smallest), high: self.high.min(largest) }
    }

    /// Applies an increasing function to both ends.
    #[must_use]
    pub fn map(self, increasing: impl Fn(f64) -> f64) -> Self {
        Self { low: increasing(self.low), high: increasing(self.high) }
    }
}

/// An estimate with its standard error and 95% interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimated value.
    pub value: f64,
    /// Standard error; `None` if it cannot be estimated.
    pub std_error: Option<f64>,
    /// 95% interval; `None` if it cannot be estimated.
    pub interval: Option<Interval>,
}

impl Estimate {
    /// Creates an estimate, with the interval of a normal distribution if there is a standard
    /// error.
    #[must_use]
    pub fn normal(value: f64, std_error: Option<f64>) -> Self {
        Self {
            value,
            std_error,
            interval: std_error.map(|std_error| Interval::normal(value, std_error)),
        }
    }

    /// Clamps the interval to the smallest and the largest possible value.
    #[must_use]
    pub fn clamp(self, smallest: f64, largest: f64) -> Self {
        Self { interval: self.interval.map(|interval| interval.clamp(smallest, largest)), ..self }
    }
}

/// Computes Wilson's 95% interval of a share.
///
/// # Arguments
/// * `share` – from 0 to 1
/// * `n` – number of independent rows, above 0
/// # Source
/// Wilson, "Probable inference, the law of succession, and statistical inference", *Journal of the
/// American Statistical Association* 22 (1927)
#[must_use]
pub fn wilson(share: f64, n: f64) -> Interval {
    let z = Z_95 * Z_95 / n;
    let middle = (share + z / 2.0) / (1.0 + z);
    let half = (z * (share * (1.0 - share) + z / 4.0)).sqrt() / (1.0 + z);
    // For a share of 0 or 1, the end equals the share up to rounding: make it exact.
    Interval {
        low: if share == 0.0 { 0.0 } else { (middle - half).max(0.0) },
        high: if share == 1.0 { 1.0 } else { (middle + half).min(1.0) },
    }
}
