//! Inference: covariance, Wald and likelihood-ratio tests, information criteria, variance
//! inflation.

use faer::linalg::solvers::{DenseSolveCore, Llt, Solve};
use faer::{Mat, MatMut, MatRef, Side};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Slice};
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

use super::derivatives::{Problem, gram, mirror, run_faer, sum_chunks};
use super::{LogisticFit, Penalty};
use crate::chi_squared::chi_squared_tail;

/// Smallest pivot relative to the diagonal entry: below it the matrix counts as singular (rounding
/// leaves about 1e-15).
const PIVOT: f64 = 1e-13;
/// Groups per chunk.
const GROUPS_AT_ONCE: usize = 1024;
/// Rows per chunk of the correlation matrix.
const CHUNK: usize = 1024;

/// Computes the Cholesky factor of a symmetric matrix; `None` if it is not finite or not safely
/// positive definite.
pub(super) fn factor(matrix: &[f64]) -> Option<Llt<f64>> {
    let k = matrix.len().isqrt();
    if matrix.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let factor = run_faer(|| MatRef::from_row_major_slice(matrix, k, k).llt(Side::Lower)).ok()?;
    let safe = (0..k).all(|j| factor.L()[(j, j)].powi(2) > PIVOT * matrix[j * k + j]);
    safe.then_some(factor)
}

/// Computes the Newton step `−A⁻¹g`.
pub(super) fn newton_step(factor: &Llt<f64>, gradient: &[f64]) -> Vec<f64> {
    let mut step: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let k = step.len();
    run_faer(|| factor.solve_in_place(MatMut::from_column_major_slice_mut(&mut step, k, 1)));
    step
}

/// Computes the covariance for independent rows: `A⁻¹(ZᵀWZ + l2·S)A⁻¹ = A⁻¹`.
pub(super) fn by_row(factor: &Llt<f64>) -> Vec<f64> {
    by_rows(&run_faer(|| factor.inverse()))
}

/// Computes the covariance for rows that are dependent within groups.
pub(super) fn by_group(
    problem: &Problem<'_>,
    beta: &[f64],
    factor: &Llt<f64>,
    groups: &Groups,
) -> Vec<f64> {
    let k = problem.width();
    let mut inner = between_groups(problem, beta, groups, None);
    inner.iter_mut().step_by(k + 1).skip(1).for_each(|v| *v += problem.l2);
    let product = run_faer(|| {
        let inverse = factor.inverse();
        &inverse * MatRef::from_row_major_slice(&inner, k, k) * &inverse
    });
    let mut covariance = by_rows(&product);
    mirror(&mut covariance, k);
    covariance
}

/// Computes the trace of `A⁻¹ZᵀWZ = I − l2·A⁻¹S` from the factor of `A = ZᵀWZ + l2·S`.
#[expect(clippy::cast_precision_loss, reason = "a count of columns")]
pub(super) fn trace(factor: &Llt<f64>, l2: f64) -> f64 {
    let inverse = run_faer(|| factor.inverse());
    let k = inverse.nrows();
    k as f64 - l2 * (1..k).map(|j| inverse[(j, j)]).sum::<f64>()
}

/// Computes `Σ_g u_g u_gᵀ · G/(G − 1) · (n − 1)/(n − k)`, where `u_g` is the summed gradient of the
/// rows of a group, multiplied by `transform` if there is one.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
pub(super) fn between_groups(
    problem: &Problem<'_>,
    beta: &[f64],
    groups: &Groups,
    transform: Option<&Array2<f64>>,
) -> Vec<f64> {
    let k = problem.width();
    let mut inner = sum_chunks(groups.len(), GROUPS_AT_ONCE, k * k, |chunk, u, sums| {
        u.clear();
        u.resize(chunk.len() * k, 0.0);
        for (u, g) in u.chunks_exact_mut(k).zip(chunk) {
            for &row in groups.rows(g) {
                let residual = problem.residual(row, beta);
                u[0] += residual;
                u[1..].iter_mut().zip(problem.x.row(row)).for_each(|(u, x)| *u += residual * x);
            }
        }
        match transform {
            None => gram(u, k, sums),
            Some(transform) => {
                let u =
                    ArrayView2::from_shape((u.len() / k, k), u).expect("k values for each group");
                gram(u.dot(&transform.t()).as_slice().expect("a product is by rows"), k, sums);
            }
        }
    });
    mirror(&mut inner, k);
    let (n, g) = (problem.y.len(), groups.len() as f64);
    // With at least as many coefficients as rows (penalized fits), no degrees of freedom are left
    // to correct for.
    let residual_df = n.saturating_sub(k).max(1) as f64;
    let correction = g / (g - 1.0) * ((n - 1) as f64 / residual_df);
    for v in &mut inner {
        *v *= correction;
    }
    inner
}

fn by_rows(matrix: &Mat<f64>) -> Vec<f64> {
    (0..matrix.nrows()).flat_map(|i| (0..matrix.ncols()).map(move |j| matrix[(i, j)])).collect()
}

/// The rows of each group.
pub(super) struct Groups {
    /// Row indices by group.
    order: Vec<usize>,
    /// Start of each group in `order`, and the end.
    begin: Vec<usize>,
}

impl Groups {
    pub(super) fn new(group: &[u32]) -> Self {
        let mut order: Vec<usize> = (0..group.len()).collect();
        // A stable sort, which is fast if the rows are ordered by account.
        order.sort_by_key(|&row| group[row]);
        let begins = |&i: &usize| i == 0 || group[order[i]] != group[order[i - 1]];
        let begin = (0..order.len()).filter(begins).chain([order.len()]).collect();
        Self { order, begin }
    }

    pub(super) fn len(&self) -> usize {
        self.begin.len() - 1
    }

    fn rows(&self, group: usize) -> &[usize] {
        &self.order[self.begin[group]..self.begin[group + 1]]
    }

    /// Computes the standard error of a mean over rows that are dependent within groups, by the
    /// ratio estimator; `None` with one group.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
    pub(super) fn error_of_mean(
        &self,
        mean: f64,
        value: impl Fn(usize) -> f64 + Sync,
    ) -> Option<f64> {
        let squares = sum_chunks(self.len(), GROUPS_AT_ONCE, 1, |groups, _, sums| {
            for g in groups {
                sums[0] += self.rows(g).iter().map(|&row| value(row) - mean).sum::<f64>().powi(2);
            }
        });
        let (groups, rows) = (self.len() as f64, self.order.len() as f64);
        (self.len() > 1).then(|| (groups / (groups - 1.0) * squares[0]).sqrt() / rows)
    }
}

/// Two-sided tests of each coefficient against 0, intercept first.
#[derive(Debug, Clone, PartialEq)]
pub struct Wald {
    /// Coefficient divided by its standard error.
    pub z: Vec<f64>,
    /// Probability of a `z` at least as far from 0 under the normal distribution.
    pub p: Vec<f64>,
}

/// Tests each coefficient of an unpenalized fit against 0; `None` without standard errors.
#[must_use]
pub fn wald(fit: &LogisticFit) -> Option<Wald> {
    let beta = std::iter::once(fit.intercept).chain(fit.coef.iter().copied());
    let z: Vec<f64> = beta.zip(fit.std_error()?).map(|(b, se)| b / se).collect();
    // The complementary error function keeps its digits in the tail, where 1 − Φ loses them.
    let p = z.iter().map(|z| erfc(z.abs() / std::f64::consts::SQRT_2)).collect();
    Some(Wald { z, p })
}

/// Goodness of fit on the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Goodness {
    /// Log-likelihood of the intercept alone.
    pub null_log_likelihood: f64,
    /// `McFadden`'s R²: 1 minus the ratio of the log-likelihoods of the model and of the intercept
    /// alone.
    pub mcfadden_r2: f64,
    /// Likelihood-ratio statistic: twice the difference of the two log-likelihoods.
    pub likelihood_ratio: Option<f64>,
    /// P value of the likelihood-ratio test: χ² with p degrees of freedom.
    pub likelihood_ratio_p: Option<f64>,
    /// Akaike information criterion, `−2ℓ + 2k`.
    pub aic: Option<f64>,
    /// Bayesian information criterion, `−2ℓ + k·ln n`.
    pub bic: Option<f64>,
    /// Effective degrees of freedom, including the intercept.
    pub effective_df: f64,
}

/// Computes goodness of fit from the likelihood.
///
/// The likelihood ratio, AIC and BIC need maximum likelihood and independent rows: they are `None`
/// with a penalty or if accounts repeat.
///
/// # Arguments
/// * `y` – outcomes of the training rows, shape (n,)
/// * `grouped` – whether accounts have several rows
/// # Source
/// Hosmer, Lemeshow, Sturdivant, *Applied Logistic Regression*, 3rd ed. (2013), §1.3 and §5.2.5;
/// names and counts as in statsmodels
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
pub fn goodness(fit: &LogisticFit, y: ArrayView1<'_, bool>, grouped: bool) -> Goodness {
    let (n, positive) = (y.len() as f64, y.iter().filter(|&&y| y).count() as f64);
    let term = |count: f64| if count > 0.0 { count * (count / n).ln() } else { 0.0 };
    let null = term(positive) + term(n - positive);
    let likelihood = !grouped && fit.alpha == 0.0 && fit.penalty != Penalty::Firth;
    let (k, p) = (fit.coef.len() as f64 + 1.0, fit.coef.len() as f64);
    // Only rounding makes it negative.
    let ratio = likelihood.then(|| (2.0 * (fit.log_likelihood - null)).max(0.0));
    Goodness {
        null_log_likelihood: null,
        mcfadden_r2: 1.0 - fit.log_likelihood / null,
        likelihood_ratio: ratio,
        likelihood_ratio_p: ratio.filter(|_| p > 0.0).map(|ratio| chi_squared_tail(p, ratio)),
        aic: likelihood.then_some(2.0 * (k - fit.log_likelihood)),
        bic: likelihood.then(|| k * n.ln() - 2.0 * fit.log_likelihood),
        effective_df: fit.effective_df,
    }
}

/// Computes the variance inflation factor of each column: the diagonal of the inverse correlation
/// matrix.
///
/// NaN for a constant column, infinite for a column determined by others.
/// # Arguments
/// * `correlation` – from [`correlation`], shape (p, p)
/// # Source
/// Belsley, Kuh, Welsch, *Regression Diagnostics* (1980), §3.2
#[must_use]
pub fn vif(correlation: &Array2<f64>) -> Vec<f64> {
    let p = correlation.ncols();
    if p == 0 {
        return Vec::new();
    }
    let matrix = correlation.as_standard_layout();
    let matrix = matrix.as_slice().expect("its layout is the standard one");
    let Ok(eigen) =
        run_faer(|| MatRef::from_row_major_slice(matrix, p, p).self_adjoint_eigen(Side::Lower))
    else {
        return vec![f64::NAN; p];
    };
    let (vectors, values) = (eigen.U(), eigen.S());
    // Eigenvalues below `PIVOT · largest` are 0 up to rounding.
    let largest = values[p - 1];
    let inflation = |j: usize| -> f64 {
        let term = |i: usize| {
            let share: f64 = vectors[(j, i)].powi(2);
            match values[i] > PIVOT * largest {
                true => share / values[i],
                false if share > 1e-12 => f64::INFINITY,
                false => 0.0,
            }
        };
        (0..p).map(term).sum()
    };
    (0..p).map(|j| if correlation[[j, j]] == 0.0 { f64::NAN } else { inflation(j) }).collect()
}

/// Computes the Pearson correlation of each pair of columns, shape (p, p); 0 with a constant
/// column, also with itself.
///
/// # Arguments
/// * `x` – columns in any unit, shape (n, p), finite
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2⁵³")]
pub fn correlation(x: ArrayView2<'_, f64>) -> Array2<f64> {
    let (n, p) = x.dim();
    if p == 0 {
        return Array2::zeros((0, 0));
    }
    let sums = sum_chunks(n, CHUNK, p, |rows, _, sums| {
        for row in x.slice_axis(Axis(0), Slice::from(rows)).axis_iter(Axis(0)) {
            sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
        }
    });
    let mean: Vec<f64> = sums.iter().map(|sum| sum / n as f64).collect();
    let mut matrix = sum_chunks(n, CHUNK, p * p, |rows, z, sums| {
        z.clear();
        for row in x.slice_axis(Axis(0), Slice::from(rows)).axis_iter(Axis(0)) {
            z.extend(row.iter().zip(&mean).map(|(v, mean)| v - mean));
        }
        gram(z, p, sums);
    });
    mirror(&mut matrix, p);
    let deviation: Vec<f64> = (0..p).map(|j| matrix[j * p + j].sqrt()).collect();
    // A constant minus its mean is rounding.
    let constant: Vec<bool> = deviation
        .iter()
        .zip(&mean)
        .map(|(d, mean)| *d <= 1e-13 * mean.abs() * (n as f64).sqrt() || *d == 0.0)
        .collect();
    for i in 0..p {
        for j in 0..p {
            let v = &mut matrix[i * p + j];
            *v = match i == j {
                _ if constant[i] || constant[j] => 0.0,
                true => 1.0,
                false => *v / (deviation[i] * deviation[j]),
            };
        }
    }
    Array2::from_shape_vec((p, p), matrix).expect("the matrix has p² values")
}
