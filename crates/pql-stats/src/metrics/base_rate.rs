//! Base rates: the share of rows that converted, and whether two of them differ beyond chance.

use serde::{Deserialize, Serialize};

use super::accounts::GroupCodes;
use crate::chi_squared::chi_squared_tail;

/// The share of rows that converted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BaseRate {
    /// The share, from 0 to 1.
    pub rate: f64,
    /// Number of independent rows with the same variance by account, at most the number of rows.
    pub independent_rows: f64,
}

impl BaseRate {
    /// Computes the base rate of at least one row.
    ///
    /// # Arguments
    /// * `group` – number of the account of each row, in any order
    /// # Panics
    /// If the lengths differ.
    #[must_use]
    pub fn compute(y: &[bool], group: &[u32]) -> Self {
        assert_eq!(y.len(), group.len(), "outcomes and accounts");
        Self::from_groups(y, &GroupCodes::new(group))
    }

    pub(super) fn from_groups(y: &[bool], groups: &GroupCodes) -> Self {
        let mean = groups.mean(y.iter().map(|&y| f64::from(y)));
        Self { rate: mean.mean.clamp(0.0, 1.0), independent_rows: mean.independent_rows() }
    }

    /// Computes the two-sided p-value of equal base rates: Pearson's χ² of the 2×2 table of
    /// independent rows; 1 if nothing or everything converted in both.
    ///
    /// # Source
    /// Rao, Scott, "A simple method for the analysis of clustered binary data", *Biometrics* 48
    /// (1992): counts are divided by the design effect before Pearson's test
    #[must_use]
    pub fn p_value(&self, other: &Self) -> f64 {
        let [n, m] = [self.independent_rows, other.independent_rows];
        let pooled = (n * self.rate + m * other.rate) / (n + m);
        let variance = pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m);
        if variance > 0.0 {
            chi_squared_tail(1.0, (self.rate - other.rate).powi(2) / variance)
        } else {
            1.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(converted: usize, rows: usize) -> BaseRate {
        let y: Vec<bool> = (0..rows).map(|row| row < converted).collect();
        let group: Vec<u32> = (0..).take(rows).collect();
        BaseRate::compute(&y, &group)
    }

    #[test]
    fn independent_rows_give_pearsons_test() {
        // scipy.stats.chi2_contingency([[90, 87], [7, 38]], correction=False)
        let p = rate(90, 177).p_value(&rate(7, 45));
        assert!((p - 2.026_933_544_567_3e-5).abs() < 1e-15, "{p:e}");
        // scipy.stats.chi2_contingency([[20, 980], [0, 20]], correction=False)
        let p = rate(20, 1_000).p_value(&rate(0, 20));
        assert!((p - 0.522_986_375_782_071).abs() < 1e-12, "{p}");
        assert!((rate(0, 20).p_value(&rate(0, 30)) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn rows_of_one_account_count_once() {
        let y: Vec<bool> = (0..40).map(|row| row < 20).collect();
        let pairs: Vec<u32> = (0..40).map(|row| row / 2).collect();
        let twice = BaseRate::compute(&y, &pairs);
        assert!((twice.independent_rows - 20.0).abs() < 2.0, "{twice:?}");
        let other = rate(30, 40);
        assert!(twice.p_value(&other) > rate(20, 40).p_value(&other));
    }
}
