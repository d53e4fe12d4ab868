//! Means over rows with standard errors by account.

use super::sum;
use crate::counts::count;
use crate::intervals::{Estimate, Interval, wilson};

/// Accounts numbered 0, 1, … without gaps.
pub(super) struct GroupCodes {
    pub(super) code: Vec<usize>,
    pub(super) len: usize,
}

impl GroupCodes {
    pub(super) fn new(group: &[u32]) -> Self {
        let mut distinct = group.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let dense = distinct.last().is_none_or(|&last| last as usize + 1 == distinct.len());
        let code = |g: &u32| if dense { *g as usize } else { distinct.partition_point(|k| k < g) };
        Self { code: group.iter().map(code).collect(), len: distinct.len() }
    }

    /// Returns whether an account has more than one row.
    pub(super) fn repeated(&self) -> bool {
        self.len < self.code.len()
    }

    /// Returns the number of accounts with a row of an outcome.
    pub(super) fn count_with(&self, y: &[bool], outcome: bool) -> u64 {
        let mut has_row = vec![false; self.len];
        self.code.iter().zip(y).for_each(|(&code, &y)| has_row[code] |= y == outcome);
        has_row.into_iter().filter(|has| *has).count() as u64
    }

    /// Computes the mean of one value per row.
    pub(super) fn mean(&self, values: impl IntoIterator<Item = f64>) -> Mean {
        Mean::compute(
            self.code
                .iter()
                .zip(values)
                .map(|(&account, value)| Weighted { account, weight: 1.0, value })
                .collect(),
        )
    }
}

/// A weighted value of a row.
pub(super) struct Weighted {
    pub(super) account: usize,
    /// Weight of the row; below 1 for the rows of a split tie.
    pub(super) weight: f64,
    pub(super) value: f64,
}

/// A mean over rows, with its variance by account.
pub(super) struct Mean {
    pub(super) mean: f64,
    /// Sum of the weights of the rows.
    rows: f64,
    accounts: usize,
    repeated: bool,
    /// Variance by account; `None` with one account.
    variance: Option<f64>,
}

impl Mean {
    /// Computes the ratio estimator: accounts are sampled, not rows, so that the number of rows is
    /// random too.
    ///
    /// # Source
    /// Cochran, *Sampling Techniques*, 3rd ed. (1977), §2.11 and §9A
    pub(super) fn compute(mut items: Vec<Weighted>) -> Self {
        let rows = sum(items.iter().map(|item| item.weight));
        let mean = sum(items.iter().map(|item| item.weight * item.value)) / rows;
        // A stable sort, so that sums within an account have a fixed order.
        items.sort_by_key(|item| item.account);
        let by_account = || items.chunk_by(|a, b| a.account == b.account);
        let accounts = by_account().count();
        let error =
            |rows: &[Weighted]| rows.iter().map(|row| row.weight * (row.value - mean)).sum::<f64>();
        let squares = sum(by_account().map(|rows| error(rows).powi(2)));
        let variance =
            (accounts > 1).then(|| count(accounts) / count(accounts - 1) * squares / rows.powi(2));
        Self { mean, rows, accounts, repeated: accounts < items.len(), variance }
    }

    /// Returns the standard error by account; `None` with one account.
    pub(super) fn se(&self) -> Option<f64> {
        self.variance.map(f64::sqrt)
    }

    /// Returns the mean with its standard error and 95% interval by account.
    pub(super) fn estimate(&self) -> Estimate {
        Estimate::normal(self.mean, self.se())
    }

    /// Computes the 95% interval of a share: Wilson's interval at the effective number of
    /// independent rows.
    ///
    /// Unlike mean ∓ 1.96·se, it has a positive width if none or all of the rows converted.
    /// # Source
    /// Wilson, "Probable inference, the law of succession, and statistical inference", *Journal of
    /// the American Statistical Association* 22 (1927); effective rows: Korn, Graubard,
    /// "Confidence intervals for proportions with small expected number of positive counts",
    /// *Survey Methodology* 24 (1998); both together: Dean, Pagano, *Journal of Survey
    /// Statistics and Methodology* 3 (2015)
    pub(super) fn share_interval(&self) -> Interval {
        wilson(self.mean.clamp(0.0, 1.0), self.independent_rows())
    }

    /// Computes the number of independent rows with the same variance of the share, at most the
    /// number of rows.
    pub(super) fn independent_rows(&self) -> f64 {
        if !self.repeated {
            return self.rows;
        }
        let spread = self.mean * (1.0 - self.mean);
        match self.variance {
            Some(variance) if variance > 0.0 && spread > 0.0 => {
                let design_effect = variance * (self.rows - 1.0) / spread;
                (self.rows / design_effect.max(1.0)).max(1.0)
            }
            // The correlation within accounts is unknown: count each account as one row.
            _ => count(self.accounts).min(self.rows),
        }
    }
}
