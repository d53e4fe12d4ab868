//! Logistic regression: [`Logistic`] has the settings, [`LogisticFit`] is the result.
//!
//! `newton` and `lbfgs` (linfa-logistic) fit without penalty or with l2, `coordinate` with l1 or
//! elastic net, and `firth` with separated outcomes. `inference` computes standard errors, tests
//! and goodness of fit. `path` chooses alpha by cross-validation.

mod columns;
mod cone;
mod coordinate;
#[expect(
    clippy::inline_always,
    reason = "only code inlined into `with_simd` is compiled for wide registers"
)]
mod derivatives;
mod firth;
mod fold;
mod inference;
mod lbfgs;
mod newton;
mod path;
#[expect(
    clippy::inline_always,
    reason = "only code inlined into `with_simd` is compiled for wide registers"
)]
mod point;
#[expect(clippy::inline_always, reason = "only inlined code is compiled for wide registers")]
mod quadratic;
mod refine;
mod separation;

use derivatives::{Derivatives, Problem};
use faer::linalg::solvers::Llt;
pub use inference::{Goodness, Wald, correlation, goodness, vif, wald};
use linfa::DatasetBase;
use linfa::dataset::AsSingleTargets;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Zip};
pub use path::{
    AlphaSelection, CrossFit, Fold, Folds, PathPoint, RegularizationPath, alpha_grid,
    coefficient_path, cross_fit, extended_grid,
};
pub use quadratic::{QuadraticForm, load};
use rayon::prelude::*;
use refine::{Covariance, Refined};
pub use separation::{Separation, SeparationKind, separation};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Penalty on the coefficients; the intercept is never penalized.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Penalty {
    /// No penalty: maximum likelihood; `alpha` is ignored.
    None,
    /// `alpha/2 · ‖β‖²`.
    L2,
    /// `alpha · ‖β‖₁`, which sets some coefficients to exactly 0.
    L1,
    /// `alpha · (½(1 − l1_ratio)·‖β‖² + l1_ratio·‖β‖₁)`.
    ElasticNet {
        /// Share of the l1 part, from 0 to 1.
        l1_ratio: f64,
    },
    /// Firth's penalty: half the log-determinant of the information, for separated outcomes;
    /// `alpha` is ignored.
    Firth,
}

impl Penalty {
    /// Returns the share of the l1 part, from 0 to 1.
    fn l1_ratio(self) -> f64 {
        match self {
            Penalty::None | Penalty::L2 | Penalty::Firth => 0.0,
            Penalty::L1 => 1.0,
            Penalty::ElasticNet { l1_ratio } => l1_ratio,
        }
    }

    /// Returns whether `alpha` applies.
    fn has_strength(self) -> bool {
        !matches!(self, Penalty::None | Penalty::Firth)
    }
}

/// Method to find the minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Solver {
    /// Newton's method with step halving; with an l1 part, coordinate descent on its quadratic
    /// model.
    Newton,
    /// The limited-memory BFGS of linfa-logistic, without penalty or with l2.
    Lbfgs,
}

/// Settings of a logistic regression: objective, solver and stopping rule.
///
/// The objective is `Σ [ln(1 + exp ηᵢ) − yᵢ ηᵢ]`, `η = β₀ + xβ`, plus the [`Penalty`], not divided
/// by the number of rows.
#[derive(Debug, Clone)]
pub struct Logistic {
    /// The penalty.
    pub penalty: Penalty,
    /// Regularization strength, at least 0.
    pub alpha: f64,
    /// Solver.
    pub solver: Solver,
    /// Newton: largest absolute gradient entry per row at convergence; with an l1 part, largest
    /// violation of the optimality conditions per row.
    pub tolerance: f64,
    /// Newton: maximum number of steps.
    pub max_iterations: usize,
    /// Initial coefficients, intercept first.
    pub start: Option<Vec<f64>>,
}

impl Default for Logistic {
    fn default() -> Self {
        Self {
            penalty: Penalty::L2,
            alpha: 1.0,
            solver: Solver::Newton,
            tolerance: 1e-10,
            max_iterations: 100,
            start: None,
        }
    }
}

/// A fitted logistic regression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogisticFit {
    /// Log-odds if all columns are 0.
    pub intercept: f64,
    /// Change of the log-odds per unit of each column.
    pub coef: Vec<f64>,
    /// Covariance of intercept and coefficients: (p + 1)² values by rows, intercept first. `None`
    /// with an l1 part: inference on the same rows is invalid after selection.
    pub covariance: Option<Vec<f64>>,
    /// R with the covariance `RᵀR`, (p + 1)² values by rows, for nearly collinear columns: `‖Rw‖²`
    /// keeps digits that `wᵀVw` loses.
    pub root: Option<Vec<f64>>,
    /// Largest absolute gradient entry per row at the solution; with an l1 part, largest violation
    /// of the optimality conditions per row.
    pub gradient: f64,
    /// Number of Newton steps; 0 for lbfgs, which does not report them.
    pub iterations: usize,
    /// Log-likelihood, without the penalty.
    pub log_likelihood: f64,
    /// Effective degrees of freedom including the intercept: the trace of `A⁻¹ZᵀWZ`, with an l1
    /// part over the columns with nonzero coefficients.
    pub effective_df: f64,
    /// The penalty.
    pub penalty: Penalty,
    /// Regularization strength; 0 without a penalty.
    pub alpha: f64,
    /// Number of rows.
    pub rows: usize,
}

impl LogisticFit {
    /// Computes the log-odds `β₀ + xβ` of each row.
    ///
    /// # Panics
    /// If `x` has another number of columns than the fit.
    #[must_use]
    pub fn log_odds(&self, x: ArrayView2<'_, f64>) -> Array1<f64> {
        assert_eq!(x.ncols(), self.coef.len(), "columns of `x` and coefficients");
        let coef = ArrayView1::from(&self.coef[..]);
        Zip::from(x.rows()).par_map_collect(|row| self.intercept + row.dot(&coef))
    }

    /// Computes the standard error of `Σ wᵢ·βᵢ`, intercept first; `None` without a covariance.
    #[must_use]
    pub fn std_error_of(&self, weights: &[f64]) -> Option<f64> {
        let products = |matrix: &[f64]| -> Vec<f64> {
            matrix.chunks_exact(weights.len()).map(|row| dot(row, weights)).collect()
        };
        match &self.root {
            Some(root) => Some(products(root).iter().map(|v| v * v).sum::<f64>().sqrt()),
            None => self
                .covariance
                .as_ref()
                .map(|covariance| dot(&products(covariance), weights).max(0.0).sqrt()),
        }
    }

    /// Returns the standard errors, intercept first; `None` without a covariance.
    #[must_use]
    pub fn std_error(&self) -> Option<Vec<f64>> {
        let covariance = self.covariance.as_ref()?;
        Some(covariance.iter().step_by(self.coef.len() + 2).map(|v| v.sqrt()).collect())
    }
}

impl<T: AsSingleTargets<Elem = bool>> Fit<Array2<f64>, T, Error> for Logistic {
    type Object = LogisticFit;

    /// Fits a linfa dataset; equivalent to [`Logistic::fit_rows`] of its records and targets.
    fn fit(&self, dataset: &DatasetBase<Array2<f64>, T>) -> Result<LogisticFit> {
        self.fit_rows(dataset.records().view(), dataset.targets().as_single_targets())
    }
}

impl Logistic {
    /// Fits independent rows.
    ///
    /// The covariance is `A⁻¹(ZᵀWZ + alpha·S)A⁻¹` at the solution, with `A = ZᵀWZ + alpha·S`, `Z`
    /// the columns with a leading 1, and `S` the identity with 0 for the intercept. With Firth's
    /// penalty it is the inverse information, before the intercept is refitted by maximum
    /// likelihood with the other coefficients as offset. With an l1 part there is no covariance.
    ///
    /// # Arguments
    /// * `x` – standardized columns, shape (n, p), finite, without intercept
    /// * `y` – outcomes, shape (n,)
    /// # Errors
    /// * [`Error::OneClass`]: all outcomes are equal
    /// * [`Error::NoRows`], [`Error::LengthMismatch`]: no rows, or unequal lengths
    /// * [`Error::NotFinite`], [`Error::OutOfRange`]: invalid values of `x`, `start`, `alpha` or
    ///   `l1_ratio`
    /// * [`Error::UnsupportedPenalty`]: the solver does not support the penalty
    /// * [`Error::NotConverged`]: the solver did not reach a minimum, for example with separated
    ///   outcomes or collinear columns without a penalty
    /// # Source
    /// Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed. (2009), §4.4.1
    pub fn fit_rows(&self, x: ArrayView2<'_, f64>, y: ArrayView1<'_, bool>) -> Result<LogisticFit> {
        self.fit_problem(&self.problem(x.view(), y.view())?, None)
    }

    /// Fits rows that are dependent within groups.
    ///
    /// The coefficients are those of [`Logistic::fit_rows`]. In the covariance, `ZᵀWZ` between the
    /// two `A⁻¹` is replaced by the sum over groups of the outer products of their summed
    /// gradients, times `G/(G − 1) · (n − 1)/(n − k)`, where k includes the intercept. If no group
    /// repeats, and with Firth's penalty, the covariance is that of [`Logistic::fit_rows`].
    /// # Arguments
    /// * `x`, `y` – as in [`Logistic::fit_rows`]
    /// * `group` – group number of each row (an account), shape (n,), in any order
    /// # Errors
    /// * those of [`Logistic::fit_rows`]
    /// * [`Error::OneGroup`]: all rows are in one group
    /// # Source
    /// Liang, Zeger, "Longitudinal data analysis using generalized linear models", *Biometrika* 73
    /// (1986); factors as in statsmodels
    pub fn fit_groups(
        &self,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, bool>,
        group: &[u32],
    ) -> Result<LogisticFit> {
        let problem = self.problem(x.view(), y.view())?;
        same_length("group", group.len(), x.nrows())?;
        let groups = inference::Groups::new(group);
        if groups.len() == 1 {
            return Err(Error::OneGroup);
        }
        let by_group = groups.len() < group.len() && self.penalty != Penalty::Firth;
        self.fit_problem(&problem, by_group.then_some(&groups))
    }

    /// Checks the input once, and returns the problem to solve.
    fn problem<'a>(&self, x: ArrayView2<'a, f64>, y: ArrayView1<'a, bool>) -> Result<Problem<'a>> {
        same_length("y", y.len(), x.nrows())?;
        if y.is_empty() {
            return Err(Error::NoRows { purpose: "fit" });
        }
        let (alpha, l1_ratio) = (self.strength(), self.penalty.l1_ratio());
        self.check(alpha)?;
        if let Some(start) = &self.start {
            same_length("start", start.len(), x.ncols() + 1)?;
            if start.iter().any(|b| !b.is_finite()) {
                return Err(Error::NotFinite { name: "`start`" });
            }
        }
        let converted = y[0];
        if y.iter().all(|&v| v == converted) {
            return Err(Error::OneClass { rows: y.len(), converted });
        }
        Ok(Problem { x, y, l2: alpha * (1.0 - l1_ratio), l1: alpha * l1_ratio })
    }

    /// Checks the penalty, and that the solver supports it.
    fn check(&self, alpha: f64) -> Result<()> {
        if !(alpha.is_finite() && alpha >= 0.0) {
            return Err(Error::OutOfRange {
                name: "`alpha`",
                found: alpha,
                range: "of at least 0",
            });
        }
        let l1_ratio = self.penalty.l1_ratio();
        if !(0.0..=1.0).contains(&l1_ratio) {
            return Err(Error::OutOfRange {
                name: "`l1_ratio`",
                found: l1_ratio,
                range: "from 0 to 1",
            });
        }
        match self.penalty {
            Penalty::L1 | Penalty::ElasticNet { .. } | Penalty::Firth
                if self.solver == Solver::Lbfgs =>
            {
                Err(Error::UnsupportedPenalty)
            }
            _ => Ok(()),
        }
    }

    /// Returns the regularization strength; 0 without a penalty.
    fn strength(&self) -> f64 {
        if self.penalty.has_strength() { self.alpha } else { 0.0 }
    }

    fn solve(&self, problem: &Problem<'_>) -> Result<Solution> {
        let solution = match (self.penalty, self.solver) {
            (Penalty::Firth, _) => firth::solve(problem, self),
            _ if problem.l1 > 0.0 => coordinate::solve(problem, self),
            (_, Solver::Newton) => newton::solve(problem, self),
            (_, Solver::Lbfgs) => lbfgs::solve(problem, self.start.as_deref()),
        };
        // A value that is not finite makes the gradient NaN, and no solver converges: check only
        // after a failure.
        solution.map_err(|error| {
            if all_finite(problem.x) { error } else { Error::NotFinite { name: "`x`" } }
        })
    }

    /// Solves the problem, and computes the covariance.
    fn fit_problem(
        &self,
        problem: &Problem<'_>,
        groups: Option<&inference::Groups>,
    ) -> Result<LogisticFit> {
        let mut solution = self.solve(problem)?;
        let refined = if self.penalty == Penalty::Firth { None } else { solution.refine(problem) };
        let covariance = solution.factor.as_ref().map(|factor| match (refined, groups) {
            (Some(refined), Some(groups)) => refined.by_group(problem, &solution.beta, groups),
            (Some(refined), None) => refined.by_row(),
            (None, Some(groups)) => {
                inference::by_group(problem, &solution.beta, factor, groups).into()
            }
            (None, None) => inference::by_row(factor).into(),
        });
        Ok(self.finish(problem, solution, covariance))
    }

    fn finish(
        &self,
        problem: &Problem<'_>,
        mut solution: Solution,
        covariance: Option<Covariance>,
    ) -> LogisticFit {
        let effective_df = match &solution.factor {
            Some(factor) => inference::trace(factor, problem.l2),
            None => coordinate::effective_df(problem, &solution),
        };
        let (values, root) = covariance
            .map_or((None, None), |covariance| (Some(covariance.values), covariance.root));
        LogisticFit {
            coef: solution.beta.split_off(1),
            intercept: solution.beta[0],
            covariance: values,
            root,
            gradient: solution.gradient,
            iterations: solution.iterations,
            log_likelihood: -solution.derivatives.loss,
            effective_df,
            penalty: self.penalty,
            alpha: self.strength(),
            rows: problem.y.len(),
        }
    }
}

/// The solution of a solver, with the derivatives at the solution.
struct Solution {
    /// Intercept and coefficients.
    beta: Vec<f64>,
    derivatives: Derivatives,
    /// Factored second derivatives for the covariance; `None` if columns were selected.
    factor: Option<Llt<f64>>,
    /// See [`LogisticFit::gradient`].
    gradient: f64,
    iterations: usize,
}

impl Solution {
    /// Refines the solution for nearly collinear columns.
    fn refine(&mut self, problem: &Problem<'_>) -> Option<Refined> {
        let (k, factor) = (problem.width(), self.factor.as_ref()?);
        let lower = Array2::from_shape_fn((k, k), |(i, j)| factor.L()[(i, j)]);
        refine::refine(problem, &mut self.beta, lower.view())
    }
}

impl From<Vec<f64>> for Covariance {
    fn from(values: Vec<f64>) -> Self {
        Self { values, root: None }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn all_finite(x: ArrayView2<'_, f64>) -> bool {
    /// Values per block; other threads stop after the block in which one finds a value that is not
    /// finite.
    const BLOCK: usize = 1 << 16;
    // `v·0` is 0 for finite values and NaN for all others, so that the sum needs no branch.
    let finite = |values: &[f64]| values.iter().map(|v| v * 0.0).sum::<f64>() == 0.0;
    match x.as_slice_memory_order() {
        Some(values) => values.par_chunks(BLOCK).all(finite),
        None => x.iter().all(|v| v.is_finite()),
    }
}

fn same_length(name: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::LengthMismatch { name, found, expected }) }
}

/// Computes the probability `1/(1 + exp(−η))`, without overflow for any η.
#[must_use]
pub fn sigmoid(eta: f64) -> f64 {
    let e = (-eta.abs()).exp();
    if eta >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

#[cfg(test)]
mod tests;
