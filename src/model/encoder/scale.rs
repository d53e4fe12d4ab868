//! Mean and standard deviation of design columns.

use pql_stats::counts::{count, share};
use serde::{Deserialize, Serialize};

/// Mean and standard deviation of a design column over the training rows (divisor n).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Mean.
    pub mean: f64,
    /// Rounding error of `mean`, subtracted after it, so that a column is centered even if its
    /// mean is a million standard deviations.
    pub mean_low: f64,
    /// Standard deviation.
    pub sd: f64,
}

impl Scale {
    pub(super) fn apply(self, value: f64) -> f64 {
        ((value - self.mean) - self.mean_low) / self.sd
    }
}

/// Computes mean and standard deviation (divisor n) in two passes; `None` for a constant column or
/// on overflow.
pub(super) fn scale(values: &[f64]) -> Option<Scale> {
    let first = *values.first()?;
    if values.iter().all(|v| *v == first) {
        return None;
    }
    let n = count(values.len());
    // Differences from the first value keep the digits of a column that is far from 0.
    let shift = sum(values.iter().map(|v| v - first)) / n;
    let mean = first + shift;
    let part = mean - first;
    let mean_low = (first - (mean - part)) + (shift - part);
    let sd = (sum(values.iter().map(|v| (v - mean - mean_low).powi(2))) / n).sqrt();
    // Subnormal numbers have too few digits.
    (sd.is_normal() && mean.is_finite()).then_some(Scale { mean, mean_low, sd })
}

/// Computes a compensated sum (Knuth, *The Art of Computer Programming* 2, §4.2.2, theorem B).
pub(super) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut error) = (0.0_f64, 0.0);
    for v in values {
        let next = sum + v;
        let part = next - sum;
        error += (sum - (next - part)) + (v - part);
        sum = next;
    }
    // After an overflow the error term is NaN.
    if sum.is_finite() { sum + error } else { sum }
}

/// Computes mean and standard deviation of a 0/1 column; `None` if it is constant.
pub(super) fn scale_from_counts(ones: usize, rows: usize) -> Option<Scale> {
    let mean = share(ones, rows);
    (ones > 0 && ones < rows).then(|| Scale {
        mean,
        mean_low: 0.0,
        sd: (mean * (1.0 - mean)).sqrt(),
    })
}

/// Counts distinct values, up to 3.
pub(super) fn count_distinct(sorted: &[f64]) -> usize {
    let mut last = None;
    sorted.iter().filter(|v| last.replace(**v) != Some(**v)).take(3).count()
}
