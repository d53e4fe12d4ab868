//! Logistic regression: [`Logistic`] is what to fit, [`LogisticFit`] what came out.

mod derivatives;
mod inference;
mod lbfgs;
mod newton;

use faer::linalg::solvers::Llt;
use linfa::DatasetBase;
use linfa::dataset::AsSingleTargets;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Zip};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use derivatives::{Derivatives, Problem};
pub use inference::{Wald, vif, wald};

/// What keeps the coefficients small; the intercept is never penalised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Penalty {
    /// Maximum likelihood; `alpha` is ignored.
    None,
    /// `alpha/2 · ‖β‖²`.
    L2,
}

/// How the minimum is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Solver {
    /// Newton's method with step halving.
    Newton,
    /// The limited-memory BFGS of linfa-logistic.
    Lbfgs,
}

/// A logistic regression to be fitted: objective, solver, and when the solver may stop.
///
/// The objective is `Σ [ln(1 + exp ηᵢ) − yᵢ ηᵢ] + alpha/2 · ‖β‖²`, `η = β₀ + xβ`, not divided by the number of rows.
#[derive(Debug, Clone)]
pub struct Logistic {
    /// Kind of penalty.
    pub penalty: Penalty,
    /// Strength of the penalty, at least 0.
    pub alpha: f64,
    /// Solver.
    pub solver: Solver,
    /// Newton: the largest absolute gradient entry per row at which it may stop.
    pub tolerance: f64,
    /// Newton: steps after which it gives up.
    pub max_iterations: usize,
    /// Coefficients to start from, intercept first.
    pub start: Option<Vec<f64>>,
}

impl Default for Logistic {
    fn default() -> Self {
        Self { penalty: Penalty::L2, alpha: 1.0, solver: Solver::Newton, tolerance: 1e-10, max_iterations: 100, start: None }
    }
}

/// A logistic regression at the minimum of its objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogisticFit {
    /// Log-odds where all columns are 0.
    pub intercept: f64,
    /// Change of the log-odds per unit of each column.
    pub coef: Vec<f64>,
    /// Covariance of intercept and coefficients: (p + 1)² values by rows, intercept first.
    pub covariance: Vec<f64>,
    /// Largest absolute entry of the gradient at the answer, divided by the number of rows.
    pub gradient: f64,
    /// Newton steps taken; 0 for lbfgs, which does not tell.
    pub iterations: usize,
    /// Log-likelihood, without the penalty.
    pub log_likelihood: f64,
    /// Strength of the penalty in force; 0 without one.
    pub alpha: f64,
    /// Number of rows.
    pub rows: usize,
}

impl LogisticFit {
    /// Compute the log-odds `β₀ + xβ` of each row.
    ///
    /// # Panics
    /// If `x` has another number of columns than the fit.
    #[must_use]
    pub fn log_odds(&self, x: ArrayView2<'_, f64>) -> Array1<f64> {
        assert_eq!(x.ncols(), self.coef.len(), "columns of `x` and coefficients");
        let coef = ArrayView1::from(&self.coef[..]);
        Zip::from(x.rows()).par_map_collect(|row| self.intercept + row.dot(&coef))
    }

    /// Give the standard errors, intercept first.
    #[must_use]
    pub fn std_error(&self) -> Vec<f64> {
        self.covariance.iter().step_by(self.coef.len() + 2).map(|v| v.sqrt()).collect()
    }
}

impl<T: AsSingleTargets<Elem = bool>> Fit<Array2<f64>, T, Error> for Logistic {
    type Object = LogisticFit;

    /// Fit a linfa dataset; the same as [`Logistic::fit_rows`] of its records and targets.
    fn fit(&self, dataset: &DatasetBase<Array2<f64>, T>) -> Result<LogisticFit> {
        self.fit_rows(dataset.records().view(), dataset.targets().as_single_targets())
    }
}

impl Logistic {
    /// Fit, each row being independent of the others.
    ///
    /// The covariance is `A⁻¹(ZᵀWZ + alpha·S)A⁻¹` at the answer, `A = ZᵀWZ + alpha·S`, `Z` the columns with a leading 1, `S` the
    /// identity with 0 for the intercept.
    /// # Arguments
    /// * `x` – standardised columns, shape (n, p), finite, without intercept
    /// * `y` – outcomes, shape (n,)
    /// # Errors
    /// * [`Error::OneClass`]: all outcomes are equal
    /// * [`Error::Unsuitable`]: no rows, unequal lengths, a value, `alpha` or `start` that is not finite or does not fit
    /// * [`Error::NotConverged`]: no minimum was reached, as with separated outcomes or collinear columns without a penalty
    /// # Source
    /// Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed. (2009), §4.4.1
    pub fn fit_rows(&self, x: ArrayView2<'_, f64>, y: ArrayView1<'_, bool>) -> Result<LogisticFit> {
        let problem = self.problem(x.view(), y.view())?;
        let solution = self.solve(&problem)?;
        let covariance = inference::by_row(&solution);
        Ok(finish(&problem, solution, covariance))
    }

    /// Fit, rows of one group being dependent on each other.
    ///
    /// Coefficients are those of [`Logistic::fit_rows`]; in the covariance `ZᵀWZ` between the two `A⁻¹` is replaced by the sum over
    /// groups of the outer products of their summed gradients, times `G/(G − 1) · (n − 1)/(n − k)`, k counting the intercept.
    /// Where no group repeats the covariance is that of [`Logistic::fit_rows`].
    /// # Arguments
    /// * `x`, `y` – as in [`Logistic::fit_rows`]
    /// * `group` – number of the group of each row (an account), shape (n,), in any order
    /// # Errors
    /// * those of [`Logistic::fit_rows`]
    /// * [`Error::Unsuitable`]: all rows are of one group
    /// # Source
    /// Liang, Zeger, "Longitudinal data analysis using generalized linear models", *Biometrika* 73 (1986); factors as in statsmodels
    pub fn fit_groups(&self, x: ArrayView2<'_, f64>, y: ArrayView1<'_, bool>, group: &[u32]) -> Result<LogisticFit> {
        let problem = self.problem(x.view(), y.view())?;
        same_length("group", group.len(), x.nrows())?;
        let groups = inference::Groups::of(group);
        if groups.len() == 1 {
            return Err(unsuitable("all rows are of one account: standard errors by account need at least two".to_owned()));
        }
        let solution = self.solve(&problem)?;
        let repeated = groups.len() < group.len();
        let covariance = if repeated { inference::by_group(&problem, &solution, &groups) } else { inference::by_row(&solution) };
        Ok(finish(&problem, solution, covariance))
    }

    /// Check everything that can be wrong with the numbers, once.
    fn problem<'a>(&self, x: ArrayView2<'a, f64>, y: ArrayView1<'a, bool>) -> Result<Problem<'a>> {
        same_length("y", y.len(), x.nrows())?;
        if y.is_empty() {
            return Err(unsuitable("there is no row to fit".to_owned()));
        }
        let alpha = match self.penalty {
            Penalty::None => 0.0,
            Penalty::L2 => self.alpha,
        };
        if !(alpha.is_finite() && alpha >= 0.0) {
            return Err(unsuitable(format!("the penalty is {alpha}, expected a number of at least 0")));
        }
        if let Some(start) = &self.start {
            same_length("start", start.len(), x.ncols() + 1)?;
            if start.iter().any(|b| !b.is_finite()) {
                return Err(unsuitable("`start` holds a value that is not finite".to_owned()));
            }
        }
        if !all_finite(x) {
            return Err(unsuitable("the columns hold a value that is not finite".to_owned()));
        }
        let converted = y[0];
        if y.iter().all(|&v| v == converted) {
            return Err(Error::OneClass { rows: y.len(), converted });
        }
        Ok(Problem { x, y, alpha })
    }

    fn solve(&self, problem: &Problem<'_>) -> Result<Solution> {
        match self.solver {
            Solver::Newton => newton::solve(problem, self),
            Solver::Lbfgs => lbfgs::solve(problem, self.start.as_deref()),
        }
    }
}

/// Where a solver ended, with the derivatives there.
struct Solution {
    /// Intercept and coefficients.
    beta: Vec<f64>,
    at: Derivatives,
    /// Second derivatives there, factored.
    factor: Llt<f64>,
    iterations: usize,
}

fn finish(problem: &Problem<'_>, solution: Solution, covariance: Vec<f64>) -> LogisticFit {
    let Solution { mut beta, at, iterations, .. } = solution;
    LogisticFit {
        coef: beta.split_off(1),
        intercept: beta[0],
        covariance,
        gradient: at.gradient_per_row(problem),
        iterations,
        log_likelihood: -at.loss,
        alpha: problem.alpha,
        rows: problem.y.len(),
    }
}

fn all_finite(x: ArrayView2<'_, f64>) -> bool {
    /// Values a thread looks at before the next check of whether another found a bad one.
    const BLOCK: usize = 1 << 16;
    // `v·0` is 0 for finite values and NaN for all others, and adds up without a branch.
    let finite = |values: &[f64]| values.iter().map(|v| v * 0.0).sum::<f64>() == 0.0;
    match x.as_slice_memory_order() {
        Some(values) => values.par_chunks(BLOCK).all(finite),
        None => x.iter().all(|v| v.is_finite()),
    }
}

fn same_length(name: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(unsuitable(format!("`{name}` has {found} values, expected {expected}"))) }
}

fn unsuitable(problem: String) -> Error {
    Error::Unsuitable { problem, hint: None }
}

impl From<linfa::Error> for Error {
    fn from(source: linfa::Error) -> Self {
        unsuitable(source.to_string())
    }
}

/// Compute the probability `1/(1 + exp(−η))`, without overflow for any η.
#[must_use]
pub fn sigmoid(eta: f64) -> f64 {
    let e = (-eta.abs()).exp();
    if eta >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

#[cfg(test)]
mod tests;
