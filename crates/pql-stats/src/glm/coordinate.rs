//! Coordinate descent on Newton's quadratic, for penalties with an l1 part.
//!
//! Each outer step takes the second derivatives at hand and looks for the minimum of the quadratic
//! plus the penalty, one coefficient after the other; then it goes the way there, halved until the
//! objective falls, so that it always gets to the minimum. Between the passes over the rows all
//! work is on the k × k matrix ("covariance updates").
//!
//! # Source
//! Friedman, Hastie, Tibshirani, "Regularization paths for generalized linear models via coordinate
//! descent", *Journal of Statistical Software* 33 (2010); its convergence with the line search:
//! Lee, Sun, Saunders, "Proximal Newton-type methods for minimizing composite functions", *SIAM
//! Journal on Optimization* 24 (2014)

use super::derivatives::{Derivatives, Problem};
use super::newton::{NEGLIGIBLE, Stop, from_mean, from_sample, halve, relative};
use super::{Logistic, Solution, inference};
use crate::error::{Error, Result};

/// The solver's name in messages.
pub(super) const NAME: &str = "coordinate descent";

/// What the gradient of a coefficient at 0 must exceed the l1 penalty by, relative to it, to move
/// the coefficient: less is rounding.
const MARGIN: f64 = 1e-12;
/// Rounds over the coefficients that are not 0 between two over all.
const ACTIVE_ROUNDS: usize = 4;
/// Rounds over all coefficients after which the quadratic's minimum is near enough: the line search
/// takes what is there.
const ROUNDS: usize = 500;
/// Change of a coefficient, relative to 1 + |β|, that ends the rounds.
const STILL: f64 = 1e-15;
/// A start at which the rows weigh so much less than at the mean outcome has no second derivatives
/// to speak of.
const WEIGHTLESS: f64 = 1e-3;

/// Find the minimum of the objective.
pub(super) fn solve(problem: &Problem<'_>, settings: &Logistic) -> Result<Solution> {
    let start = settings.start.clone().unwrap_or_else(|| from_sample(problem, descend));
    descend(problem, start, &Stop::of(settings))
}

fn descend(problem: &Problem<'_>, mut beta: Vec<f64>, until: &Stop) -> Result<Solution> {
    let mut at = problem.at(&beta);
    let mean = problem.positive() / problem.rows();
    // Written so that NaN counts as weightless.
    if !(at.objective.is_finite()
        && at.information[0] >= WEIGHTLESS * problem.positive() * (1.0 - mean))
    {
        beta = from_mean(problem);
        at = problem.at(&beta);
    }
    let mut small = false;
    for iterations in 0..=until.iterations {
        let gradient = violation(&at.gradient, &beta, problem.l1) / problem.rows();
        let next = Quadratic::new(&at, &beta, problem).minimum();
        let step: Vec<f64> = next.iter().zip(&beta).map(|(next, b)| next - b).collect();
        let settled = small || relative(&step, &beta) <= NEGLIGIBLE;
        let known = until.step.is_infinite() || (settled && same_zeros(&next, &beta));
        if gradient <= until.gradient && (known || iterations == until.iterations) {
            return Ok(Solution { beta, at, factor: None, gradient, iterations });
        }
        let Some((there, share)) =
            (iterations < until.iterations).then(|| halve(problem, &beta, &at, &step)).flatten()
        else {
            return Err(Error::NotConverged {
                solver: NAME,
                iterations,
                gradient,
                separated_by: Vec::new(),
            });
        };
        small = share >= 1.0 && relative(&step, &beta) <= until.step;
        beta.iter_mut().zip(&step).for_each(|(b, d)| *b += share * d);
        at = there;
    }
    unreachable!("the last round returns")
}

/// Largest violation of the conditions for a minimum (Karush-Kuhn-Tucker); NaN if there is one.
///
/// The gradient is 0 for the intercept, `∓l1` for a coefficient above or below 0, and between the
/// two for one at 0.
pub(super) fn violation(gradient: &[f64], beta: &[f64], l1: f64) -> f64 {
    let of = |(g, b): (&f64, &f64)| {
        if *b == 0.0 { (g.abs() - l1).max(0.0) + 0.0 * g } else { (g + l1 * b.signum()).abs() }
    };
    let largest = |a: f64, b: f64| if b > a || b.is_nan() { b } else { a };
    gradient.iter().zip(beta).skip(1).map(of).fold(gradient[0].abs(), largest)
}

fn same_zeros(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| (*a == 0.0) == (*b == 0.0))
}

/// Trace of `A⁻¹ZᵀWZ` over the intercept and the columns whose coefficient is not 0.
#[expect(clippy::cast_precision_loss, reason = "a count of columns")]
pub(super) fn effective_df(problem: &Problem<'_>, solution: &Solution) -> f64 {
    let active = active(&solution.beta);
    // Without an l2 part each counts 1, also where they are collinear.
    match inference::factor(&among(&active, &solution.at.hessian(problem.l2))) {
        Some(factor) if problem.l2 > 0.0 => inference::trace(&factor, problem.l2),
        _ => active.len() as f64,
    }
}

/// The intercept and the columns whose coefficient is not 0.
fn active(beta: &[f64]) -> Vec<usize> {
    (0..beta.len()).filter(|&j| j == 0 || beta[j] != 0.0).collect()
}

/// The part of a square matrix that has these rows and columns.
fn among(active: &[usize], matrix: &[f64]) -> Vec<f64> {
    let k = matrix.len().isqrt();
    active.iter().flat_map(|i| active.iter().map(move |j| matrix[i * k + j])).collect()
}

/// `½ (b − β)ᵀH(b − β) + gᵀ(b − β) + l1·‖b‖₁` on the way to its minimum in b.
struct Quadratic {
    /// H, by rows.
    hessian: Vec<f64>,
    /// Gradient of the smooth part at `b`.
    gradient: Vec<f64>,
    b: Vec<f64>,
    l1: f64,
}

impl Quadratic {
    fn new(at: &Derivatives, beta: &[f64], problem: &Problem<'_>) -> Self {
        Self {
            hessian: at.hessian(problem.l2),
            gradient: at.gradient.clone(),
            b: beta.to_vec(),
            l1: problem.l1,
        }
    }

    /// Rounds over all coefficients let columns in, the linear equations of those that are in lead
    /// to their minimum.
    fn minimum(mut self) -> Vec<f64> {
        let all: Vec<usize> = (0..self.b.len()).collect();
        for _ in 0..ROUNDS {
            if self.round(&all) <= STILL {
                break;
            }
            let moving = active(&self.b);
            let _ = (0..ACTIVE_ROUNDS).find(|_| self.round(&moving) <= STILL);
            if self.settle() && self.at_rest() {
                break;
            }
        }
        self.b
    }

    /// Whether no column at 0 pulls more than the penalty holds, but for rounding.
    fn at_rest(&self) -> bool {
        let k = self.b.len();
        let curvature = (0..k).map(|j| self.hessian[j * k + j]).fold(0.0, f64::max);
        let rounding = 8.0 * f64::EPSILON * curvature * self.b.iter().map(|b| b.abs()).sum::<f64>();
        (1..k).all(|j| {
            self.b[j] != 0.0 || self.gradient[j].abs() <= self.l1 * (1.0 + MARGIN) + rounding
        })
    }

    /// Minimise by one coefficient after the other; the largest change relative to 1 + |b|.
    fn round(&mut self, columns: &[usize]) -> f64 {
        let k = self.b.len();
        let mut largest = 0.0_f64;
        for &j in columns {
            let curvature = self.hessian[j * k + j];
            let pull = curvature * self.b[j] - self.gradient[j];
            let l1 = if j == 0 { 0.0 } else { self.l1 };
            // A column of zeros has no curvature, and nothing to say.
            let next = if curvature > 0.0 && pull.abs() > l1 * (1.0 + MARGIN) {
                (pull - l1 * pull.signum()) / curvature
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

    /// Go to the minimum of the active columns: straight on for the signs at hand until a
    /// coefficient is 0, which then is no longer active, until none is. False where they are
    /// collinear.
    fn settle(&mut self) -> bool {
        let k = self.b.len();
        loop {
            let active = active(&self.b);
            let Some(factor) = inference::factor(&among(&active, &self.hessian)) else {
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

    /// Change one coefficient, and the gradient with it.
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
    fn the_violation_is_measured_from_the_kink() {
        assert_eq!(violation(&[0.5, 2.0, -4.0], &[1.0, 0.0, 0.0], 3.0), 1.0);
        assert_eq!(violation(&[0.0, -3.0, 3.0], &[1.0, 2.0, -2.0], 3.0), 0.0);
        assert_eq!(violation(&[0.0, -3.0], &[1.0, -2.0], 3.0), 6.0);
        assert!(violation(&[0.0, f64::NAN], &[1.0, 0.0], 3.0).is_nan());
    }

    #[test]
    fn one_column_is_thresholded_as_by_hand() {
        // ½·4·(b − 1)² + ½·8·(b₀ − 2)² + l1·|b|: b = 1 − l1/4, or 0.
        let minimum = |l1| {
            Quadratic {
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
    fn two_correlated_columns_are_thresholded_as_by_hand() {
        // H = [2 1; 1 2] on the columns, g = (−3, −3) at 0: 2b₁ + b₂ = 3 − l1, both equal.
        let hessian = vec![1.0, 0.0, 0.0, 0.0, 2.0, 1.0, 0.0, 1.0, 2.0];
        let found = Quadratic {
            hessian: hessian.clone(),
            gradient: vec![0.0, -3.0, -3.0],
            b: vec![0.0; 3],
            l1: 1.5,
        }
        .minimum();
        assert!(found.iter().zip([0.0, 0.5, 0.5]).all(|(a, b)| (a - b).abs() < 1e-15), "{found:?}");
        // With g = (−3, −1) only the first stays: b₁ = (3 − 1.5)/2, and |−1 + b₁| < 1.5.
        let found =
            Quadratic { hessian, gradient: vec![0.0, -3.0, -1.0], b: vec![0.0; 3], l1: 1.5 }
                .minimum();
        assert_eq!(found, [0.0, 0.75, 0.0]);
    }
}
