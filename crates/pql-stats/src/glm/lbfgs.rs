//! The limited-memory BFGS of linfa-logistic, its answer checked.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Zip, aview1};

use super::derivatives::Problem;
use super::{Solution, inference};
use crate::error::{Error, Result};

/// The solver's name in messages.
pub(super) const NAME: &str = "lbfgs";

/// Gradient per row that linfa-logistic is asked for: at its default its line search stalls from
/// 100,000 rows on.
const TOLERANCE: f64 = 1e-8;
/// Gradient per row above which it has not converged.
const CONVERGED: f64 = 1e-7;
/// Iterations it may use.
const ITERATIONS: u64 = 10_000;
/// Largest change of a row's log-odds that Newton's next step may bring: separated rows, whose
/// gradient vanishes though there is no minimum, would move by about 1, rows at a minimum by less
/// than 1e-4.
const ADRIFT: f64 = 1e-2;

/// Find the minimum of the objective.
pub(super) fn solve(problem: &Problem<'_>, start: Option<&[f64]>) -> Result<Solution> {
    let zeros = vec![0.0; problem.width()];
    let start = start.unwrap_or(&zeros);
    let beta = minimize(problem, start).ok_or_else(|| failed(problem, start))?;
    let at = problem.at(&beta);
    let gradient = at.gradient_per_row(problem);
    match inference::factor(&at.hessian(problem.l2)) {
        Some(factor)
            if gradient <= CONVERGED
                && !adrift(problem, &inference::newton_step(&factor, &at.gradient)) =>
        {
            Ok(Solution { beta, at, factor: Some(factor), gradient, iterations: 0 })
        }
        _ => Err(Error::NotConverged {
            solver: NAME,
            iterations: 0,
            gradient,
            separated_by: Vec::new(),
        }),
    }
}

/// Whether Newton's next step would still move a row's log-odds.
fn adrift(problem: &Problem<'_>, step: &[f64]) -> bool {
    let (intercept, coef) = (step[0], aview1(&step[1..]));
    let moved =
        Zip::from(problem.x.rows()).par_map_collect(|row| (intercept + row.dot(&coef)).abs());
    // Written so that NaN counts as moved.
    !moved.iter().all(|&m| m <= ADRIFT)
}

fn failed(problem: &Problem<'_>, beta: &[f64]) -> Error {
    Error::NotConverged {
        solver: NAME,
        iterations: 0,
        gradient: problem.at(beta).gradient_per_row(problem),
        separated_by: Vec::new(),
    }
}

/// Run linfa-logistic; intercept first, `true` positive.
#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2⁵³")]
fn minimize(problem: &Problem<'_>, start: &[f64]) -> Option<Vec<f64>> {
    let n = problem.y.len();
    // The majority class is positive there: with `true` in the minority all signs are the other way
    // round.
    let positive = problem.y.iter().filter(|&&y| y).count();
    // Of two classes of equal size the first seen is.
    let guess = if 2 * positive == n { problem.y[0] } else { 2 * positive > n };
    let (intercept, coef) = start.split_first()?;
    let ask = |sign: f64| {
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
    let fitted = ask(sign_of(guess))?;
    let sign = sign_of(fitted.labels().pos.class);
    Some(
        std::iter::once(fitted.intercept())
            .chain(fitted.params().iter().copied())
            .map(|b| sign * b)
            .collect(),
    )
}
