//! Coordinate descent on Newton's quadratic model, for penalties with an l1 part.
//!
//! Each outer step minimizes the quadratic model plus the penalty, one coefficient at a time, and
//! then halves the step until the objective decreases, which ensures convergence. Between passes
//! over the rows, all work is on the k × k matrix ("covariance updates").
//!
//! # Source
//! Friedman, Hastie, Tibshirani, "Regularization paths for generalized linear models via coordinate
//! descent", *Journal of Statistical Software* 33 (2010); its convergence with the line search:
//! Lee, Sun, Saunders, "Proximal Newton-type methods for minimizing composite functions", *SIAM
//! Journal on Optimization* 24 (2014)

use super::derivatives::{Derivatives, Problem};
use super::newton::{
    NEGLIGIBLE, StoppingRule, halve, relative_size, start_from_mean, start_from_sample,
};
use super::{Logistic, Solution, inference};
use crate::error::{Error, Result};

/// Name of the solver in messages.
pub(super) const NAME: &str = "coordinate descent";

/// Relative margin by which the gradient of a zero coefficient must exceed the l1 penalty to move
/// it: less is rounding.
const MARGIN: f64 = 1e-12;
/// Sweeps over the nonzero coefficients between two sweeps over all coefficients.
const ACTIVE_SWEEPS: usize = 4;
/// Maximum number of sweeps over all coefficients; the line search accepts an approximate minimum.
const MAX_SWEEPS: usize = 500;
/// Largest change of a coefficient, relative to 1 + |β|, at which the sweeps end.
const CONVERGED: f64 = 1e-15;
/// Smallest total weight of the rows at the start, relative to their weight at the mean outcome:
/// below it the second derivatives are useless.
const WEIGHTLESS: f64 = 1e-3;

/// Minimizes the objective.
pub(super) fn solve(problem: &Problem<'_>, settings: &Logistic) -> Result<Solution> {
    let start = settings.start.clone().unwrap_or_else(|| start_from_sample(problem, descend));
    descend(problem, start, &StoppingRule::new(settings))
}

fn descend(problem: &Problem<'_>, mut beta: Vec<f64>, stop: &StoppingRule) -> Result<Solution> {
    let mut current = problem.derivatives(&beta);
    let mean = problem.positive() / problem.rows();
    // NaN counts as weightless.
    if !(current.objective.is_finite()
        && current.information[0] >= WEIGHTLESS * problem.positive() * (1.0 - mean))
    {
        beta = start_from_mean(problem);
        current = problem.derivatives(&beta);
    }
    let mut small = false;
    for iterations in 0..=stop.iterations {
        let gradient = violation(&current.gradient, &beta, problem.l1) / problem.rows();
        let target = QuadraticModel::new(&current, &beta, problem).minimum();
        let step: Vec<f64> = target.iter().zip(&beta).map(|(target, b)| target - b).collect();
        let negligible = small || relative_size(&step, &beta) <= NEGLIGIBLE;
        let converged = stop.step.is_infinite() || (negligible && same_zeros(&target, &beta));
        if gradient <= stop.gradient && (converged || iterations == stop.iterations) {
            return Ok(Solution { beta, derivatives: current, factor: None, gradient, iterations });
        }
        let Some((next, share)) = (iterations < stop.iterations)
            .then(|| halve(problem, &beta, &current, &step))
            .flatten()
        else {
            return Err(Error::NotConverged {
                solver: NAME,
                iterations,
                gradient,
                separated_by: Vec::new(),
            });
        };
        small = share >= 1.0 && relative_size(&step, &beta) <= stop.step;
        beta.iter_mut().zip(&step).for_each(|(b, d)| *b += share * d);
        current = next;
    }
    unreachable!("the last iteration returns")
}

/// Computes the largest violation of the optimality conditions (Karush-Kuhn-Tucker); NaN if the
/// gradient has NaN.
///
/// At the minimum, the gradient is 0 for the intercept, `∓l1` for a positive or negative
/// coefficient, and between the two for a zero coefficient.
pub(super) fn violation(gradient: &[f64], beta: &[f64], l1: f64) -> f64 {
    let deviation = |(g, b): (&f64, &f64)| {
        if *b == 0.0 { (g.abs() - l1).max(0.0) + 0.0 * g } else { (g + l1 * b.signum()).abs() }
    };
    let largest = |a: f64, b: f64| if b > a || b.is_nan() { b } else { a };
    gradient.iter().zip(beta).skip(1).map(deviation).fold(gradient[0].abs(), largest)
}

fn same_zeros(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| (*a == 0.0) == (*b == 0.0))
}

/// Computes the trace of `A⁻¹ZᵀWZ` over the intercept and the columns with nonzero coefficients.
#[expect(clippy::cast_precision_loss, reason = "a count of columns")]
pub(super) fn effective_df(problem: &Problem<'_>, solution: &Solution) -> f64 {
    let active = active(&solution.beta);
    // Without an l2 part each column counts 1, even if columns are collinear.
    match inference::factor(&submatrix(&active, &solution.derivatives.hessian(problem.l2))) {
        Some(factor) if problem.l2 > 0.0 => inference::trace(&factor, problem.l2),
        _ => active.len() as f64,
    }
}

/// Returns the intercept and the columns with nonzero coefficients.
fn active(beta: &[f64]) -> Vec<usize> {
    (0..beta.len()).filter(|&j| j == 0 || beta[j] != 0.0).collect()
}

/// Extracts rows and columns of a square matrix.
fn submatrix(active: &[usize], matrix: &[f64]) -> Vec<f64> {
    let k = matrix.len().isqrt();
    active.iter().flat_map(|i| active.iter().map(move |j| matrix[i * k + j])).collect()
}

/// The quadratic model `½ (b − β)ᵀH(b − β) + gᵀ(b − β) + l1·‖b‖₁`, and the current b.
struct QuadraticModel {
    /// H, by rows.
    hessian: Vec<f64>,
    /// Gradient of the smooth part at `b`.
    gradient: Vec<f64>,
    b: Vec<f64>,
    l1: f64,
}

impl QuadraticModel {
    fn new(derivatives: &Derivatives, beta: &[f64], problem: &Problem<'_>) -> Self {
        Self {
            hessian: derivatives.hessian(problem.l2),
            gradient: derivatives.gradient.clone(),
            b: beta.to_vec(),
            l1: problem.l1,
        }
    }

    /// Computes the minimum: sweeps over all coefficients activate columns, and linear equations
    /// give the minimum of the active columns.
    fn minimum(mut self) -> Vec<f64> {
        let all: Vec<usize> = (0..self.b.len()).collect();
        for _ in 0..MAX_SWEEPS {
            if self.sweep(&all) <= CONVERGED {
                break;
            }
            let moving = active(&self.b);
            let _ = (0..ACTIVE_SWEEPS).find(|_| self.sweep(&moving) <= CONVERGED);
            if self.solve_active() && self.is_optimal() {
                break;
            }
        }
        self.b
    }

    /// Returns whether the gradient of every zero coefficient is within the penalty, up to
    /// rounding.
    fn is_optimal(&self) -> bool {
        let k = self.b.len();
        let curvature = (0..k).map(|j| self.hessian[j * k + j]).fold(0.0, f64::max);
        let rounding = 8.0 * f64::EPSILON * curvature * self.b.iter().map(|b| b.abs()).sum::<f64>();
        (1..k).all(|j| {
            self.b[j] != 0.0 || self.gradient[j].abs() <= self.l1 * (1.0 + MARGIN) + rounding
        })
    }

    /// Minimizes one coefficient after the other. Returns the largest change relative to 1 + |b|.
    fn sweep(&mut self, columns: &[usize]) -> f64 {
        let k = self.b.len();
        let mut largest = 0.0_f64;
        for &j in columns {
            let curvature = self.hessian[j * k + j];
            let score = curvature * self.b[j] - self.gradient[j];
            let l1 = if j == 0 { 0.0 } else { self.l1 };
            // A column of zeros has no curvature.
            let next = if curvature > 0.0 && score.abs() > l1 * (1.0 + MARGIN) {
                (score - l1 * score.signum()) / curvature
            } else {
                0.0
            };
            let change = next - self.b[j];
            if change != 0.0 {
                largest = largest.max(change.abs() / (1.0 + next.abs()));
                self.set(j, next, k);
            }
        }
        largest
    }

    /// Solves for the minimum of the active columns with fixed signs. A coefficient that reaches 0
    /// becomes inactive, and the rest is solved again. Returns `false` if the active columns are
    /// collinear.
    fn solve_active(&mut self) -> bool {
        let k = self.b.len();
        loop {
            let active = active(&self.b);
            let Some(factor) = inference::factor(&submatrix(&active, &self.hessian)) else {
                return false;
            };
            let slope = |j: &usize| {
                self.gradient[*j] + if *j == 0 { 0.0 } else { self.l1 * self.b[*j].signum() }
            };
            let step =
                inference::newton_step(&factor, &active.iter().map(slope).collect::<Vec<_>>());
            let crossing = active
                .iter()
                .zip(&step)
                .skip(1)
                .filter(|(j, d)| (self.b[**j] + **d) * self.b[**j] <= 0.0);
            let first =
                crossing.map(|(j, d)| (-self.b[*j] / d, *j)).min_by(|a, b| a.0.total_cmp(&b.0));
            let share = first.map_or(1.0, |(share, _)| share);
            for (&j, d) in active.iter().zip(&step) {
                let next = if first.is_some_and(|(_, leaving)| leaving == j) {
                    0.0
                } else {
                    self.b[j] + share * d
                };
                self.set(j, next, k);
            }
            if first.is_none() {
                return true;
            }
        }
    }

    /// Sets a coefficient, and updates the gradient.
    fn set(&mut self, j: usize, next: f64, k: usize) {
        let change = next - self.b[j];
        self.b[j] = next;
        self.gradient
            .iter_mut()
            .zip(&self.hessian[j * k..][..k])
            .for_each(|(g, h)| *g += change * h);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violation_of_the_optimality_conditions_is_zero_at_the_minimum() {
        assert_eq!(violation(&[0.5, 2.0, -4.0], &[1.0, 0.0, 0.0], 3.0), 1.0);
        assert_eq!(violation(&[0.0, -3.0, 3.0], &[1.0, 2.0, -2.0], 3.0), 0.0);
        assert_eq!(violation(&[0.0, -3.0], &[1.0, -2.0], 3.0), 6.0);
        assert!(violation(&[0.0, f64::NAN], &[1.0, 0.0], 3.0).is_nan());
    }

    #[test]
    fn soft_thresholding_of_one_column_matches_the_closed_form() {
        // ½·4·(b − 1)² + ½·8·(b₀ − 2)² + l1·|b|: b = 1 − l1/4, or 0.
        let minimum = |l1| {
            QuadraticModel {
                hessian: vec![8.0, 0.0, 0.0, 4.0],
                gradient: vec![-16.0, -4.0],
                b: vec![0.0; 2],
                l1,
            }
            .minimum()
        };
        assert_eq!(minimum(1.0), [2.0, 0.75]);
        assert_eq!(minimum(3.0), [2.0, 0.25]);
        assert_eq!(minimum(4.0), [2.0, 0.0]);
        assert_eq!(minimum(9.0), [2.0, 0.0]);
    }

    #[test]
    fn soft_thresholding_of_two_correlated_columns_matches_the_closed_form() {
        // H = [2 1; 1 2] on the columns, g = (−3, −3) at 0: 2b₁ + b₂ = 3 − l1, both equal.
        let hessian = vec![1.0, 0.0, 0.0, 0.0, 2.0, 1.0, 0.0, 1.0, 2.0];
        let found = QuadraticModel {
            hessian: hessian.clone(),
            gradient: vec![0.0, -3.0, -3.0],
            b: vec![0.0; 3],
            l1: 1.5,
        }
        .minimum();
        assert!(found.iter().zip([0.0, 0.5, 0.5]).all(|(a, b)| (a - b).abs() < 1e-15), "{found:?}");
        // With g = (−3, −1) only the first stays: b₁ = (3 − 1.5)/2, and |−1 + b₁| < 1.5.
        let found =
            QuadraticModel { hessian, gradient: vec![0.0, -3.0, -1.0], b: vec![0.0; 3], l1: 1.5 }
                .minimum();
        assert_eq!(found, [0.0, 0.75, 0.0]);
    }
}
