//! Newton's method with step halving.

use ndarray::{Axis, Slice};

use super::derivatives::{Derivatives, Problem, largest};
use super::{Logistic, Solution, inference};
use crate::error::{Error, Result};

/// Name of the solver in messages.
pub(super) const NAME: &str = "newton";

/// Largest change of a coefficient in the last full step, relative to 1 + |β|.
pub(super) const STEP: f64 = 1e-9;
/// Size of the next step, relative to 1 + |β|, below which it cannot change a digit and is skipped,
/// with its pass over the data.
pub(super) const NEGLIGIBLE: f64 = 1e-14;
/// Size of the last step, relative to 1 + |β|, below which it does not change the first twelve
/// digits of the second derivatives: with many rows it is taken without another pass over the data.
const LAST: f64 = 1e-12;
/// Minimum decrease of a step as a share of the decrease predicted by the gradient (Nocedal,
/// Wright, *Numerical Optimization*, 2nd ed., §3.1).
pub(super) const ARMIJO: f64 = 1e-4;
/// Relative rounding error of the objective: smaller decreases do not count.
pub(super) const ROUNDING: f64 = 1e-12;
/// Maximum number of halvings of a step: 2⁻⁴⁰ of a step is noise.
pub(super) const HALVINGS: usize = 40;
/// Minimum number of rows for a start from a sample: with fewer rows a pass over all of them is
/// cheaper.
const SAMPLE_FROM: usize = 32_768;
/// One in this many rows is in the sample. Each pass squares the error: from this start, three
/// passes reach convergence.
const SAMPLE_EVERY: usize = 8;
/// Stopping rule for a sample: its sampling error is larger than this precision.
const SAMPLE_STOP: StoppingRule =
    StoppingRule { gradient: 1e-4, step: f64::INFINITY, iterations: 20 };
/// A descent from a start to a minimum.
type Descend = fn(&Problem<'_>, Vec<f64>, &StoppingRule) -> Result<Solution>;

/// Conditions to stop a fit.
pub(super) struct StoppingRule {
    /// Largest gradient entry per row.
    pub(super) gradient: f64,
    /// Largest change in the last full step, relative to 1 + |β|; infinite accepts any change.
    pub(super) step: f64,
    /// Maximum number of steps.
    pub(super) iterations: usize,
}

impl StoppingRule {
    /// Creates the stopping rule of a fit.
    pub(super) fn new(settings: &Logistic) -> Self {
        Self { gradient: settings.tolerance, step: STEP, iterations: settings.max_iterations }
    }
}

/// Minimizes the objective of a sample approximately; `None` if the descent does not converge.
pub(super) fn approximate_minimum(sample: &Problem<'_>, start: Vec<f64>) -> Option<Solution> {
    descend(sample, start, &SAMPLE_STOP).ok()
}

/// Minimizes the objective.
pub(super) fn solve(problem: &Problem<'_>, settings: &Logistic) -> Result<Solution> {
    let start = settings.start.clone().unwrap_or_else(|| start_from_sample(problem, descend));
    descend(problem, start, &StoppingRule::new(settings))
}

/// Computes a start near the minimum from every 8th row, recursively; with few rows, from the mean
/// outcome.
#[expect(clippy::cast_precision_loss, reason = "8")]
pub(super) fn start_from_sample(problem: &Problem<'_>, descend: Descend) -> Vec<f64> {
    if problem.y.len() >= SAMPLE_FROM {
        let every = Slice::new(0, None, SAMPLE_EVERY.cast_signed());
        let sample = Problem {
            x: problem.x.slice_axis(Axis(0), every),
            y: problem.y.slice_axis(Axis(0), every),
            l2: problem.l2 / SAMPLE_EVERY as f64,
            l1: problem.l1 / SAMPLE_EVERY as f64,
        };
        // Ignore a sample that does not converge because of few conversions or separation.
        if let Ok(solution) = descend(&sample, start_from_sample(&sample, descend), &SAMPLE_STOP) {
            return solution.beta;
        }
    }
    start_from_mean(problem)
}

/// Returns the coefficients of the intercept-only model: the log-odds of the mean outcome, kept
/// finite.
pub(super) fn start_from_mean(problem: &Problem<'_>) -> Vec<f64> {
    let positive = problem.positive();
    let mut beta = vec![0.0; problem.width()];
    beta[0] = ((positive + 0.5) / (problem.rows() - positive + 0.5)).ln();
    beta
}

fn descend(problem: &Problem<'_>, mut beta: Vec<f64>, stop: &StoppingRule) -> Result<Solution> {
    let mut current = problem.derivatives(&beta);
    // All weights may vanish at a distant start, but never at the mean outcome.
    if !current.objective.is_finite() || inference::factor(&current.hessian(problem.l2)).is_none() {
        beta = start_from_mean(problem);
        current = problem.derivatives(&beta);
    }
    let mut small = false;
    for iterations in 0..=stop.iterations {
        let Some(factor) = inference::factor(&current.hessian(problem.l2)) else {
            return Err(failed(&current, problem, iterations));
        };
        let step = inference::newton_step(&factor, &current.gradient);
        let (gradient, size) = (current.gradient_per_row(problem), relative_size(&step, &beta));
        let last = problem.y.len() >= SAMPLE_FROM && size <= LAST;
        if gradient <= stop.gradient
            && (small || last || size <= NEGLIGIBLE || stop.step.is_infinite())
        {
            if last {
                beta.iter_mut().zip(&step).for_each(|(b, d)| *b += d);
            }
            return Ok(Solution {
                beta,
                derivatives: current,
                factor: Some(factor),
                gradient,
                iterations,
            });
        }
        if iterations == stop.iterations {
            break;
        }
        let Some((next, share)) = halve(problem, &beta, &current, &step) else {
            return Err(failed(&current, problem, iterations));
        };
        small = share >= 1.0 && size <= stop.step;
        beta.iter_mut().zip(&step).for_each(|(b, d)| *b += share * d);
        current = next;
    }
    Err(failed(&current, problem, stop.iterations))
}

/// Halves the step until the objective decreases.
///
/// The predicted decrease is that of the gradient, plus the change of the l1 part over the full
/// step (Lee, Sun, Saunders 2014, eq. 2.5).
pub(super) fn halve(
    problem: &Problem<'_>,
    beta: &[f64],
    current: &Derivatives,
    step: &[f64],
) -> Option<(Derivatives, f64)> {
    let full: Vec<f64> = beta.iter().zip(step).map(|(b, d)| b + d).collect();
    let slope = current.gradient.iter().zip(step).map(|(g, d)| g * d).sum::<f64>()
        + problem.absolute(&full)
        - problem.absolute(beta);
    let noise = ROUNDING * (1.0 + current.objective.abs());
    let mut share = 1.0;
    for _ in 0..HALVINGS {
        let next: Vec<f64> = beta.iter().zip(step).map(|(b, d)| b + share * d).collect();
        let next = problem.derivatives(&next);
        if next.objective <= current.objective + ARMIJO * share * slope + noise {
            return Some((next, share));
        }
        share *= 0.5;
    }
    None
}

/// Computes the largest change relative to 1 + |β|.
pub(super) fn relative_size(step: &[f64], beta: &[f64]) -> f64 {
    let relative_size: Vec<f64> = step.iter().zip(beta).map(|(d, b)| d / (1.0 + b.abs())).collect();
    largest(&relative_size)
}

fn failed(current: &Derivatives, problem: &Problem<'_>, iterations: usize) -> Error {
    Error::NotConverged {
        solver: NAME,
        iterations,
        gradient: current.gradient_per_row(problem),
        separated_by: Vec::new(),
    }
}
