//! Means over rows with standard errors by account.

use super::sum;
use crate::counts::count;
use crate::intervals::{Estimate, Interval, wilson};

/// Accounts numbered 0, 1, … without gaps.
pub(super) struct Codes {
    pub(super) code: Vec<usize>,
    pub(super) len: usize,
}

impl Codes {
    pub(super) fn of(group: &[u32]) -> Self {
        let mut known = group.to_vec();
        known.sort_unstable();
        known.dedup();
        let dense = known.last().is_none_or(|&last| last as usize + 1 == known.len());
        let code = |g: &u32| if dense { *g as usize } else { known.partition_point(|k| k < g) };
        Self { code: group.iter().map(code).collect(), len: known.len() }
    }

    /// Whether an account has more than one row.
    pub(super) fn repeated(&self) -> bool {
        self.len < self.code.len()
    }

    /// Mean of a value of every row.
    pub(super) fn mean(&self, values: impl IntoIterator<Item = f64>) -> Mean {
        Mean::of(
            self.code
                .iter()
                .zip(values)
                .map(|(&account, value)| Weighted { account, weight: 1.0, value })
                .collect(),
        )
    }
}

/// A value of an account's row.
pub(super) struct Weighted {
    pub(super) account: usize,
    /// Share of the row that counts: below 1 where a bin takes a part of a tie.
    pub(super) weight: f64,
    pub(super) value: f64,
}

/// A mean of rows, and what is known about it.
pub(super) struct Mean {
    pub(super) mean: f64,
    /// Rows that went in.
    rows: f64,
    accounts: usize,
    repeated: bool,
    /// By account; `None` with one account.
    variance: Option<f64>,
}

impl Mean {
    /// The ratio estimator: accounts are drawn, not rows, so that the number of rows is random too.
    ///
    /// # Source
    /// Cochran, *Sampling Techniques*, 3rd ed. (1977), §2.11 and §9A
    pub(super) fn of(mut items: Vec<Weighted>) -> Self {
        let rows = sum(items.iter().map(|item| item.weight));
        let mean = sum(items.iter().map(|item| item.weight * item.value)) / rows;
        // Stable, so that the sums of an account have one order.
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

    /// Standard error by account; `None` with one account.
    pub(super) fn se(&self) -> Option<f64> {
        self.variance.map(f64::sqrt)
    }

    /// Returns the mean with its standard error and 95% interval by account.
    pub(super) fn estimate(&self) -> Estimate {
        Estimate::normal(self.mean, self.se())
    }

    /// 95 % interval of a share: Wilson's, at as many independent rows as would have its variance
    /// by account.
    ///
    /// Unlike mean ∓ 1.96·se it is not a single point where none or all of the rows converted.
    /// # Source
    /// Wilson, "Probable inference, the law of succession, and statistical inference", *Journal of
    /// the American Statistical Association* 22 (1927); effective rows: Korn, Graubard,
    /// "Confidence intervals for proportions with small expected number of positive counts",
    /// *Survey Methodology* 24 (1998); both together: Dean, Pagano, *Journal of Survey
    /// Statistics and Methodology* 3 (2015)
    pub(super) fn share_interval(&self) -> Interval {
        wilson(self.mean.clamp(0.0, 1.0), self.independent_rows())
    }

    /// Independent rows whose share would have this variance; never more than there are.
    fn independent_rows(&self) -> f64 {
        if !self.repeated {
            return self.rows;
        }
        let spread = self.mean * (1.0 - self.mean);
        match self.variance {
            Some(variance) if variance > 0.0 && spread > 0.0 => {
                let effect = variance * (self.rows - 1.0) / spread;
                (self.rows / effect.max(1.0)).max(1.0)
            }
            // Nothing is known about how alike the rows of an account are: they count as one.
            _ => count(self.accounts).min(self.rows),
        }
    }
}
