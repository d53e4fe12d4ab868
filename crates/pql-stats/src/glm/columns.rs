//! The log-odds of many rows and their variance, column by column.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

use super::LogisticFit;
use super::quadratic::Quadratic;

/// Sums side by side in ndarray's `dot`.
const SUMS: usize = 8;

impl LogisticFit {
    /// Compute the log-odds of each row from the columns: to the last digit those of
    /// [`LogisticFit::log_odds`].
    ///
    /// # Arguments
    /// * `x` – the columns of the rows, shape (p, n)
    /// # Panics
    /// If `x` has another number of columns than the fit.
    #[must_use]
    pub fn log_odds_by_column(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        let (p, n) = x.dim();
        assert_eq!(p, self.coef.len(), "columns of `x` and coefficients");
        let mut sums = Array2::zeros((SUMS, n));
        let whole = p - p % SUMS;
        for j in 0..whole {
            sums.row_mut(j % SUMS).scaled_add(self.coef[j], &x.row(j));
        }
        let (low, high) = sums.view().split_at(Axis(0), SUMS / 2);
        let mut total = Array1::zeros(n);
        for (low, high) in low.rows().into_iter().zip(high.rows()) {
            Zip::from(&mut total)
                .and(low)
                .and(high)
                .for_each(|total, low, high| *total += low + high);
        }
        for j in whole..p {
            total.scaled_add(self.coef[j], &x.row(j));
        }
        total.mapv_inplace(|total| self.intercept + total);
        total.to_vec()
    }

    /// The variance `(1, x)ᵀV(1, x)` of a row's log-odds, made ready for many rows; `None` without
    /// a covariance.
    ///
    /// # Arguments
    /// * `usual` – for each column the value it has in most rows, where there is one: such rows
    ///   take less time
    #[must_use]
    pub fn variances(&self, usual: &[Option<f64>]) -> Option<Quadratic> {
        let p = self.coef.len();
        let covariance = self.covariance.as_ref()?;
        Some(Quadratic::of(
            ArrayView2::from_shape((p + 1, p + 1), covariance).expect("it is stored whole"),
            usual,
        ))
    }
}
