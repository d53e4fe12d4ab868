//! Log-odds of many rows, computed column by column, and their variance.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

use super::LogisticFit;
use super::quadratic::QuadraticForm;

/// Number of partial sums in ndarray's `dot`.
const SUMS: usize = 8;

impl LogisticFit {
    /// Computes the log-odds of each row from the columns; the result equals
    /// [`LogisticFit::log_odds`] to the last digit.
    ///
    /// # Arguments
    /// * `x` – columns of the rows, shape (p, n)
    /// # Panics
    /// If `x` has another number of columns than the fit.
    #[must_use]
    pub fn log_odds_by_column(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        let (p, n) = x.dim();
        assert_eq!(p, self.coef.len(), "columns of `x` and coefficients");
        let mut sums = Array2::zeros((SUMS, n));
        let full_blocks = p - p % SUMS;
        for j in 0..full_blocks {
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
        for j in full_blocks..p {
            total.scaled_add(self.coef[j], &x.row(j));
        }
        total.mapv_inplace(|total| self.intercept + total);
        total.to_vec()
    }

    /// Prepares the variance `(1, x)ᵀV(1, x)` of the log-odds for many rows; `None` without a
    /// covariance.
    ///
    /// # Arguments
    /// * `modal_values` – value of each column in most rows, which saves time; `None` for other
    ///   columns
    #[must_use]
    pub fn variances(&self, modal_values: &[Option<f64>]) -> Option<QuadraticForm> {
        let p = self.coef.len();
        let covariance = self.covariance.as_ref()?;
        Some(QuadraticForm::new(
            ArrayView2::from_shape((p + 1, p + 1), covariance)
                .expect("the covariance has (p + 1)² values"),
            modal_values,
        ))
    }

    /// Returns rows r with `(1, x)ᵀV(1, x) = Σ (r·(1, x))²`, which is never negative; `None` without
    /// a covariance.
    ///
    /// The first entries of each row are 0. There are fewer than p + 1 rows if the covariance is
    /// singular.
    #[must_use]
    pub fn covariance_factor(&self) -> Option<Vec<Vec<f64>>> {
        /// Pivot, relative to the diagonal entry, up to which a row is only rounding error.
        const NEGLIGIBLE: f64 = 1e-15;
        let k = self.coef.len() + 1;
        let mut rest = self.covariance.clone()?;
        let mut rows = Vec::new();
        for i in 0..k {
            let (pivot, diagonal) = (rest[i * k + i], self.covariance.as_ref()?[i * k + i]);
            if pivot <= NEGLIGIBLE * diagonal {
                continue;
            }
            let mut row = vec![0.0; k];
            for j in i..k {
                row[j] = rest[i * k + j] / pivot.sqrt();
            }
            for a in i + 1..k {
                for b in a..k {
                    rest[a * k + b] -= row[a] * row[b];
                }
            }
            rows.push(row);
        }
        Some(rows)
    }
}
