//! The limited-memory BFGS of linfa-logistic, with a check of its result.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Zip, aview1};

use super::derivatives::Problem;
use super::{Solution, inference};
use crate::error::{Error, Result};

/// Name of the solver in messages.
pub(super) const NAME: &str = "lbfgs";

/// Gradient tolerance per row for linfa-logistic: with its default, the line search stalls from
/// 100,000 rows on.
const TOLERANCE: f64 = 1e-8;
/// Largest gradient per row at convergence.
const CONVERGED: f64 = 1e-7;
/// Maximum number of iterations.
const ITERATIONS: u64 = 10_000;
/// Largest change of a row's log-odds by the next Newton step. With separated outcomes, where the
/// gradient vanishes without a minimum, the change is about 1; at a minimum it is below 1e-4.
const MAX_CHANGE: f64 = 1e-2;

/// Minimizes the objective.
pub(super) fn solve(problem: &Problem<'_>, start: Option<&[f64]>) -> Result<Solution> {
    let zeros = vec![0.0; problem.width()];
    let start = start.unwrap_or(&zeros);
    let beta = minimize(problem, start).ok_or_else(|| failed(problem, start))?;
    let derivatives = problem.derivatives(&beta);
    let gradient = derivatives.gradient_per_row(problem);
    match inference::factor(&derivatives.hessian(problem.l2)) {
        Some(factor)
            if gradient <= CONVERGED
                && !changes_log_odds(
                    problem,
                    &inference::newton_step(&factor, &derivatives.gradient),
                ) =>
        {
            Ok(Solution { beta, derivatives, factor: Some(factor), gradient, iterations: 0 })
        }
        _ => Err(Error::NotConverged {
            solver: NAME,
            iterations: 0,
            gradient,
            separated_by: Vec::new(),
        }),
    }
}

/// Returns whether the next Newton step would still change the log-odds of a row.
fn changes_log_odds(problem: &Problem<'_>, step: &[f64]) -> bool {
    let (intercept, coef) = (step[0], aview1(&step[1..]));
    let moved =
        Zip::from(problem.x.rows()).par_map_collect(|row| (intercept + row.dot(&coef)).abs());
    // NaN counts as a change.
    !moved.iter().all(|&m| m <= MAX_CHANGE)
}

fn failed(problem: &Problem<'_>, beta: &[f64]) -> Error {
    Error::NotConverged {
        solver: NAME,
        iterations: 0,
        gradient: problem.derivatives(beta).gradient_per_row(problem),
        separated_by: Vec::new(),
    }
}

/// Runs linfa-logistic. Returns the coefficients, intercept first, with `true` as the positive
/// class.
#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2⁵³")]
fn minimize(problem: &Problem<'_>, start: &[f64]) -> Option<Vec<f64>> {
    let n = problem.y.len();
    // In linfa-logistic the majority class is positive: if `true` is the minority, all signs are
    // reversed.
    let positive = problem.y.iter().filter(|&&y| y).count();
    // If both classes have equal size, the first row decides.
    let guess = if 2 * positive == n { problem.y[0] } else { 2 * positive > n };
    let (intercept, coef) = start.split_first()?;
    let fit = |sign: f64| {
        let start: Array1<f64> = coef.iter().chain([intercept]).map(|b| sign * b).collect();
        LogisticRegression::default()
            .alpha(problem.l2)
            .with_intercept(true)
            .gradient_tolerance(n as f64 * TOLERANCE)
            .max_iterations(ITERATIONS)
            .initial_params(start)
            .fit(&DatasetBase::new(problem.x, problem.y))
            .ok()
    };
    let sign_of = |positive: bool| if positive { 1.0 } else { -1.0 };
    let fitted = fit(sign_of(guess))?;
    let sign = sign_of(fitted.labels().pos.class);
    Some(
        std::iter::once(fitted.intercept())
            .chain(fitted.params().iter().copied())
            .map(|b| sign * b)
            .collect(),
    )
}
