//! Newton's method with step halving.

use ndarray::{Axis, Slice};

use super::derivatives::{Derivatives, Problem, largest};
use super::{Logistic, Solution, inference};
use crate::error::{Error, Result};

/// The solver's name in messages.
pub(super) const NAME: &str = "newton";

/// Largest change of a coefficient, relative to 1 + |β|, by the last full step.
pub(super) const STEP: f64 = 1e-9;
/// A step still to come that is smaller, relative to 1 + |β|, cannot change a digit: it is left out
/// with its pass over the data.
pub(super) const NEGLIGIBLE: f64 = 1e-14;
/// A last step that is smaller, relative to 1 + |β|, does not change the second derivatives in
/// their first twelve digits: with many rows it is taken without another pass over them.
const LAST: f64 = 1e-12;
/// Share of the decrease promised by the gradient that a step has to bring (Nocedal, Wright,
/// *Numerical Optimization*, 2nd ed., §3.1).
pub(super) const ARMIJO: f64 = 1e-4;
/// Rounding error of the objective, relative: a decrease below it is none.
pub(super) const ROUNDING: f64 = 1e-12;
/// Halvings of a step after which there is no way down: 2⁻⁴⁰ of a step is noise.
pub(super) const HALVINGS: usize = 40;
/// From so many rows on the start is sought on a sample: below, a pass over all rows costs less
/// than it saves.
const SAMPLE_FROM: usize = 32_768;
/// Every so many rows one is in the sample: errors become squares with each pass, and from this one
/// three passes lead to the last.
const SAMPLE_EVERY: usize = 8;
/// When a sample has told what it can: its own sampling error is larger.
const ABOUT: Stop = Stop { gradient: 1e-4, step: f64::INFINITY, iterations: 20 };
/// A way to a minimum from a start.
type Descend = fn(&Problem<'_>, Vec<f64>, &Stop) -> Result<Solution>;

/// When to stop.
pub(super) struct Stop {
    /// Largest gradient entry per row.
    pub(super) gradient: f64,
    /// Largest change, relative to 1 + |β|, by the last full step; infinite: any.
    pub(super) step: f64,
    /// Steps after which to give up.
    pub(super) iterations: usize,
}

impl Stop {
    /// When a fit may stop.
    pub(super) fn of(settings: &Logistic) -> Self {
        Self { gradient: settings.tolerance, step: STEP, iterations: settings.max_iterations }
    }
}

/// Find where the minimum of a sample's objective is, about; `None` where there seems to be none.
pub(super) fn about(sample: &Problem<'_>, start: Vec<f64>) -> Option<Solution> {
    descend(sample, start, &ABOUT).ok()
}

/// Find the minimum of the objective.
pub(super) fn solve(problem: &Problem<'_>, settings: &Logistic) -> Result<Solution> {
    let start = settings.start.clone().unwrap_or_else(|| from_sample(problem, descend));
    descend(problem, start, &Stop::of(settings))
}

/// A start near the minimum from every 8th row, and for that one from every 8th of these; with few
/// rows from the mean outcome alone.
#[expect(clippy::cast_precision_loss, reason = "8")]
pub(super) fn from_sample(problem: &Problem<'_>, descend: Descend) -> Vec<f64> {
    if problem.y.len() >= SAMPLE_FROM {
        let every = Slice::new(0, None, SAMPLE_EVERY.cast_signed());
        let sample = Problem {
            x: problem.x.slice_axis(Axis(0), every),
            y: problem.y.slice_axis(Axis(0), every),
            l2: problem.l2 / SAMPLE_EVERY as f64,
            l1: problem.l1 / SAMPLE_EVERY as f64,
        };
        // A sample that does not converge, for want of conversions or by separation, says nothing.
        if let Ok(solution) = descend(&sample, from_sample(&sample, descend), &ABOUT) {
            return solution.beta;
        }
    }
    from_mean(problem)
}

/// The intercept alone: the log-odds of the mean outcome, held off infinity.
pub(super) fn from_mean(problem: &Problem<'_>) -> Vec<f64> {
    let positive = problem.positive();
    let mut beta = vec![0.0; problem.width()];
    beta[0] = ((positive + 0.5) / (problem.rows() - positive + 0.5)).ln();
    beta
}

fn descend(problem: &Problem<'_>, mut beta: Vec<f64>, until: &Stop) -> Result<Solution> {
    let mut at = problem.at(&beta);
    // A start far off may be where all weights vanish; the mean outcome never is.
    if !at.objective.is_finite() || inference::factor(&at.hessian(problem.l2)).is_none() {
        beta = from_mean(problem);
        at = problem.at(&beta);
    }
    let mut small = false;
    for iterations in 0..=until.iterations {
        let Some(factor) = inference::factor(&at.hessian(problem.l2)) else {
            return Err(failed(&at, problem, iterations));
        };
        let step = inference::newton_step(&factor, &at.gradient);
        let (gradient, size) = (at.gradient_per_row(problem), relative(&step, &beta));
        let last = problem.y.len() >= SAMPLE_FROM && size <= LAST;
        if gradient <= until.gradient
            && (small || last || size <= NEGLIGIBLE || until.step.is_infinite())
        {
            if last {
                beta.iter_mut().zip(&step).for_each(|(b, d)| *b += d);
            }
            return Ok(Solution { beta, at, factor: Some(factor), gradient, iterations });
        }
        if iterations == until.iterations {
            break;
        }
        let Some((next, share)) = halve(problem, &beta, &at, &step) else {
            return Err(failed(&at, problem, iterations));
        };
        small = share >= 1.0 && size <= until.step;
        beta.iter_mut().zip(&step).for_each(|(b, d)| *b += share * d);
        at = next;
    }
    Err(failed(&at, problem, until.iterations))
}

/// Shorten the step by halves until the objective falls.
///
/// The slope it should fall by is the gradient's, plus what the whole step changes in the l1 part
/// (Lee, Sun, Saunders 2014, eq. 2.5).
pub(super) fn halve(
    problem: &Problem<'_>,
    beta: &[f64],
    at: &Derivatives,
    step: &[f64],
) -> Option<(Derivatives, f64)> {
    let whole: Vec<f64> = beta.iter().zip(step).map(|(b, d)| b + d).collect();
    let slope = at.gradient.iter().zip(step).map(|(g, d)| g * d).sum::<f64>()
        + problem.absolute(&whole)
        - problem.absolute(beta);
    let noise = ROUNDING * (1.0 + at.objective.abs());
    let mut share = 1.0;
    for _ in 0..HALVINGS {
        let next: Vec<f64> = beta.iter().zip(step).map(|(b, d)| b + share * d).collect();
        let next = problem.at(&next);
        if next.objective <= at.objective + ARMIJO * share * slope + noise {
            return Some((next, share));
        }
        share *= 0.5;
    }
    None
}

/// Largest change relative to 1 + |β|.
pub(super) fn relative(step: &[f64], beta: &[f64]) -> f64 {
    let relative: Vec<f64> = step.iter().zip(beta).map(|(d, b)| d / (1.0 + b.abs())).collect();
    largest(&relative)
}

fn failed(at: &Derivatives, problem: &Problem<'_>, iterations: usize) -> Error {
    Error::NotConverged {
        solver: NAME,
        iterations,
        gradient: at.gradient_per_row(problem),
        separated_by: Vec::new(),
    }
}
