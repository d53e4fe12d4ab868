//! Logistic regression: [`Logistic`] is what to fit, [`LogisticFit`] what came out.
//!
//! `newton` and `lbfgs` (linfa-logistic) fit without penalty and with l2, `coordinate` with an l1
//! part, `firth` separated outcomes. `inference` says how sure a fit is and how good, `path`
//! chooses the strength of the penalty on rows that a fit did not see.

mod columns;
mod cone;
mod coordinate;
#[expect(
    clippy::inline_always,
    reason = "only what is inlined into `wide` is compiled for wide registers"
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
    reason = "only what is inlined into `wide` is compiled for wide registers"
)]
mod point;
#[expect(clippy::inline_always, reason = "only what is inlined is compiled for wide registers")]
mod quadratic;
mod refine;
mod separation;

use derivatives::{Derivatives, Problem};
use faer::linalg::solvers::Llt;
pub use inference::{Goodness, Wald, goodness, vif, wald};
use linfa::DatasetBase;
use linfa::dataset::AsSingleTargets;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Zip};
pub use path::{
    CrossFit, Fold, Folds, Path, PathPoint, Rule, cross_fit, extension, fits_along, grid,
};
pub use quadratic::{Quadratic, load};
use rayon::prelude::*;
use refine::{Covariance, Refined};
pub use separation::{Kind, Separation, separation};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What keeps the coefficients small; the intercept is never penalised.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Penalty {
    /// Maximum likelihood; `alpha` is ignored.
    None,
    /// `alpha/2 · ‖β‖²`.
    L2,
    /// `alpha · ‖β‖₁`, which leaves some coefficients at exactly 0.
    L1,
    /// `alpha · (½(1 − l1_ratio)·‖β‖² + l1_ratio·‖β‖₁)`.
    ElasticNet {
        /// Share of the l1 part, from 0 to 1.
        l1_ratio: f64,
    },
    /// Half the log-determinant of the information, for separated outcomes; `alpha` is ignored.
    Firth,
}

impl Penalty {
    /// Share of the l1 part, from 0 to 1.
    fn l1_ratio(self) -> f64 {
        match self {
            Penalty::None | Penalty::L2 | Penalty::Firth => 0.0,
            Penalty::L1 => 1.0,
            Penalty::ElasticNet { l1_ratio } => l1_ratio,
        }
    }

    /// Whether there is an `alpha`.
    fn has_strength(self) -> bool {
        !matches!(self, Penalty::None | Penalty::Firth)
    }
}

/// How the minimum is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Solver {
    /// Newton's method with step halving; with an l1 part coordinate descent on its quadratic.
    Newton,
    /// The limited-memory BFGS of linfa-logistic, without penalty or with l2.
    Lbfgs,
}

/// A logistic regression to be fitted: objective, solver, and when the solver may stop.
///
/// The objective is `Σ [ln(1 + exp ηᵢ) − yᵢ ηᵢ]`, `η = β₀ + xβ`, plus the [`Penalty`], not divided
/// by the number of rows.
#[derive(Debug, Clone)]
pub struct Logistic {
    /// Kind of penalty.
    pub penalty: Penalty,
    /// Strength of the penalty, at least 0.
    pub alpha: f64,
    /// Solver.
    pub solver: Solver,
    /// Newton: the largest absolute gradient entry per row at which it may stop; with an l1 part
    /// the largest violation of the conditions for a minimum per row.
    pub tolerance: f64,
    /// Newton: steps after which it gives up.
    pub max_iterations: usize,
    /// Coefficients to start from, intercept first.
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

/// A logistic regression at the minimum of its objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogisticFit {
    /// Log-odds where all columns are 0.
    pub intercept: f64,
    /// Change of the log-odds per unit of each column.
    pub coef: Vec<f64>,
    /// Covariance of intercept and coefficients: (p + 1)² values by rows, intercept first. `None`
    /// where an l1 part has selected columns, after which no inference from the same rows is
    /// valid.
    pub covariance: Option<Vec<f64>>,
    /// R with the covariance `RᵀR`, (p + 1)² values by rows, where columns nearly determine each
    /// other: `‖Rw‖²` keeps the digits that `wᵀVw` then loses.
    pub root: Option<Vec<f64>>,
    /// Largest absolute entry of the gradient at the answer, with an l1 part the largest violation
    /// of the conditions for a minimum, divided by the number of rows.
    pub gradient: f64,
    /// Newton steps taken; 0 for lbfgs, which does not tell.
    pub iterations: usize,
    /// Log-likelihood, without the penalty.
    pub log_likelihood: f64,
    /// Effective degrees of freedom, the intercept counted: the trace of `A⁻¹ZᵀWZ`, with an l1
    /// part over the columns left in.
    pub effective_df: f64,
    /// Kind of penalty.
    pub penalty: Penalty,
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

    /// Compute the standard error of `Σ wᵢ·βᵢ`, intercept first; `None` without a covariance.
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

    /// Give the standard errors, intercept first; `None` without a covariance.
    #[must_use]
    pub fn std_error(&self) -> Option<Vec<f64>> {
        let covariance = self.covariance.as_ref()?;
        Some(covariance.iter().step_by(self.coef.len() + 2).map(|v| v.sqrt()).collect())
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
    /// The covariance is `A⁻¹(ZᵀWZ + alpha·S)A⁻¹` at the answer, `A = ZᵀWZ + alpha·S`, `Z` the
    /// columns with a leading 1, `S` the identity with 0 for the intercept; with Firth's
    /// penalty it is the inverse information at its estimate, before the intercept is
    /// fitted again by maximum likelihood with the other coefficients as offset; with an l1 part
    /// there is none.
    ///
    /// # Arguments
    /// * `x` – standardised columns, shape (n, p), finite, without intercept
    /// * `y` – outcomes, shape (n,)
    /// # Errors
    /// * [`Error::OneClass`]: all outcomes are equal
    /// * [`Error::NoRows`], [`Error::LengthMismatch`], [`Error::NotFinite`], [`Error::OutOfRange`]:
    ///   no rows, unequal lengths, a value, `alpha`, `l1_ratio` or `start` that is not finite or
    ///   does not fit, a solver that does not know the penalty
    /// * [`Error::NotConverged`]: no minimum was reached, as with separated outcomes or collinear
    ///   columns without a penalty
    /// # Source
    /// Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed. (2009), §4.4.1
    pub fn fit_rows(&self, x: ArrayView2<'_, f64>, y: ArrayView1<'_, bool>) -> Result<LogisticFit> {
        self.fit_problem(&self.problem(x.view(), y.view())?, None)
    }

    /// Fit, rows of one group being dependent on each other.
    ///
    /// Coefficients are those of [`Logistic::fit_rows`]; in the covariance `ZᵀWZ` between the two
    /// `A⁻¹` is replaced by the sum over groups of the outer products of their summed
    /// gradients, times `G/(G − 1) · (n − 1)/(n − k)`, k counting the intercept. Where no group
    /// repeats, and with Firth's penalty, the covariance is that of [`Logistic::fit_rows`]. #
    /// Arguments
    /// * `x`, `y` – as in [`Logistic::fit_rows`]
    /// * `group` – number of the group of each row (an account), shape (n,), in any order
    /// # Errors
    /// * those of [`Logistic::fit_rows`]
    /// * [`Error::OneGroup`]
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
        let groups = inference::Groups::of(group);
        if groups.len() == 1 {
            return Err(Error::OneGroup);
        }
        let by_group = groups.len() < group.len() && self.penalty != Penalty::Firth;
        self.fit_problem(&problem, by_group.then_some(&groups))
    }

    /// Check everything that can be wrong with the numbers, once.
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
                return Err(Error::NotFinite { name: "the start values" });
            }
        }
        let converted = y[0];
        if y.iter().all(|&v| v == converted) {
            return Err(Error::OneClass { rows: y.len(), converted });
        }
        Ok(Problem { x, y, l2: alpha * (1.0 - l1_ratio), l1: alpha * l1_ratio })
    }

    /// Check the penalty and that the solver knows it.
    fn check(&self, alpha: f64) -> Result<()> {
        if !(alpha.is_finite() && alpha >= 0.0) {
            return Err(Error::OutOfRange {
                name: "the penalty",
                found: alpha,
                range: "of at least 0",
            });
        }
        let l1_ratio = self.penalty.l1_ratio();
        if !(0.0..=1.0).contains(&l1_ratio) {
            return Err(Error::OutOfRange {
                name: "the share of l1",
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

    /// Strength of the penalty in force.
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
        // No solver gets to a minimum with such a value: the gradient is NaN. So it is only looked
        // for where one was missed.
        solution.map_err(|error| {
            if all_finite(problem.x) { error } else { Error::NotFinite { name: "the columns" } }
        })
    }

    /// Solve, and say how sure the answer is.
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
            log_likelihood: -solution.at.loss,
            effective_df,
            penalty: self.penalty,
            alpha: self.strength(),
            rows: problem.y.len(),
        }
    }
}

/// Where a solver ended, with the derivatives there.
struct Solution {
    /// Intercept and coefficients.
    beta: Vec<f64>,
    at: Derivatives,
    /// Second derivatives behind the covariance, factored; `None` where columns were selected.
    factor: Option<Llt<f64>>,
    /// What [`LogisticFit::gradient`] says.
    gradient: f64,
    iterations: usize,
}

impl Solution {
    /// Gain the digits that nearly collinear columns have taken.
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
    /// Values a thread looks at before the next check of whether another found a bad one.
    const BLOCK: usize = 1 << 16;
    // `v·0` is 0 for finite values and NaN for all others, and adds up without a branch.
    let finite = |values: &[f64]| values.iter().map(|v| v * 0.0).sum::<f64>() == 0.0;
    match x.as_slice_memory_order() {
        Some(values) => values.par_chunks(BLOCK).all(finite),
        None => x.iter().all(|v| v.is_finite()),
    }
}

fn same_length(name: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::LengthMismatch { name, found, expected }) }
}

/// Compute the probability `1/(1 + exp(−η))`, without overflow for any η.
#[must_use]
pub fn sigmoid(eta: f64) -> f64 {
    let e = (-eta.abs()).exp();
    if eta >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

#[cfg(test)]
mod tests;
