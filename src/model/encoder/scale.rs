//! Mean and standard deviation of design columns.

use pql_stats::counts::{count, share};
use serde::{Deserialize, Serialize};

/// Mean and standard deviation of a design column over the training rows (divisor n).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Mean.
    pub mean: f64,
    /// What rounding took from the mean: with it the column lies around 0 also where its mean is a
    /// million standard deviations.
    pub rest: f64,
    /// Standard deviation.
    pub sd: f64,
}

impl Scale {
    pub(super) fn apply(self, value: f64) -> f64 {
        ((value - self.mean) - self.rest) / self.sd
    }
}

/// Mean and standard deviation (divisor n) by two passes; `None` for a constant column, or where
/// they overflow.
pub(super) fn scale(values: &[f64]) -> Option<Scale> {
    let first = *values.first()?;
    if values.iter().all(|v| *v == first) {
        return None;
    }
    let n = count(values.len());
    // Differences from the first value keep the digits of a column that lies far from 0.
    let shift = sum(values.iter().map(|v| v - first)) / n;
    let mean = first + shift;
    let part = mean - first;
    let rest = (first - (mean - part)) + (shift - part);
    let sd = (sum(values.iter().map(|v| (v - mean - rest).powi(2))) / n).sqrt();
    // Below the smallest normal number the digits are gone.
    (sd.is_normal() && mean.is_finite()).then_some(Scale { mean, rest, sd })
}

/// A sum that carries its rounding error along (Knuth, *The Art of Computer Programming* 2, §4.2.2,
/// theorem B).
pub(super) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut error) = (0.0_f64, 0.0);
    for v in values {
        let next = sum + v;
        let part = next - sum;
        error += (sum - (next - part)) + (v - part);
        sum = next;
    }
    // Beyond the largest number the error is none.
    if sum.is_finite() { sum + error } else { sum }
}

/// Mean and standard deviation of a 0/1 column with so many ones; `None` where it is constant.
pub(super) fn scale_of_share(ones: usize, of: usize) -> Option<Scale> {
    let mean = share(ones, of);
    (ones > 0 && ones < of).then(|| Scale { mean, rest: 0.0, sd: (mean * (1.0 - mean)).sqrt() })
}

/// How many values differ, counted to 3.
pub(super) fn distinct(sorted: &[f64]) -> usize {
    let mut last = None;
    sorted.iter().filter(|v| last.replace(**v) != Some(**v)).take(3).count()
}
