//! The variance of the log-odds of many rows.

use ndarray::{ArrayView2, Axis, Slice};

use super::LogisticFit;

/// Columns whose products are taken together: what lies above the diagonal of the covariance stands below it, too, and is passed over.
const PANEL: usize = 16;

impl LogisticFit {
    /// Compute the variance `(1, x)ᵀV(1, x)` of each row's log-odds; `None` without a covariance.
    ///
    /// The variance of a row does not depend on the rows beside it.
    /// # Panics
    /// If `x` has another number of columns than the fit.
    #[must_use]
    pub fn variances(&self, x: ArrayView2<'_, f64>) -> Option<Vec<f64>> {
        let covariance = self.covariance.as_ref()?;
        let p = self.coef.len();
        assert_eq!(x.ncols(), p, "columns of `x` and coefficients");
        let covariance = ArrayView2::from_shape((p + 1, p + 1), covariance).expect("it is stored whole");
        let intercept = covariance.slice_axis(Axis(1), Slice::from(1..));
        let mut sums = vec![covariance[[0, 0]]; x.nrows()];
        for from in (0..p).step_by(PANEL) {
            let to = p.min(from + PANEL);
            // Below the diagonal twice, for what stands above it.
            let mut panel =
                covariance.slice_axis(Axis(0), Slice::from(from + 1..)).slice_axis(Axis(1), Slice::from(from + 1..to + 1)).to_owned();
            panel.slice_axis_mut(Axis(0), Slice::from(to - from..)).mapv_inplace(|v| 2.0 * v);
            let mut products = x.slice_axis(Axis(1), Slice::from(from..)).dot(&panel);
            products += &intercept.slice_axis(Axis(0), Slice::from(..1)).slice_axis(Axis(1), Slice::from(from..to)).mapv(|v| 2.0 * v);
            for ((sum, products), x) in sums.iter_mut().zip(products.rows()).zip(x.rows()) {
                *sum += products.iter().zip(x.iter().skip(from)).map(|(product, x)| product * x).sum::<f64>();
            }
        }
        Some(sums.into_iter().map(|sum| sum.max(0.0)).collect())
    }
}
