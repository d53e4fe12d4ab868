//! Firth's penalized likelihood, which has a finite maximum even for separated outcomes.
//!
//! # Source
//! Firth, "Bias reduction of maximum likelihood estimates", *Biometrika* 80 (1993); Heinze,
//! Schemper, "A solution to the problem of separation in logistic regression", *Statistics in
//! Medicine* 21 (2002); the intercept: Puhr, Heinze, Nold, Lusa, Geroldinger, "Firth's logistic
//! regression with rare events: accurate effect estimates and predictions?", *Statistics in
//! Medicine* 36 (2017)

use faer::linalg::solvers::Llt;
use ndarray::{ArrayView2, aview1};

use super::derivatives::{
    CHUNK, Derivatives, Problem, copy_with_intercept, gram_of_padded, largest, mirror, padded_rows,
    sum_chunks,
};
use super::newton::{ARMIJO, HALVINGS, ROUNDING, STEP, start_from_mean};
use super::point::Point;
use super::{Logistic, Solution, inference};
use crate::error::{Error, Result};

/// Name of the solver in messages.
pub(super) const NAME: &str = "firth";

/// Length of a step, in standard errors, below which no digit changes.
const NEGLIGIBLE: f64 = 1e-15;
/// Ratio of consecutive step lengths above which convergence is slow, and exact second derivatives
/// are used.
const SLOW: f64 = 0.2;
/// First iteration at which slow convergence is detected: the first steps are always long.
const PATIENCE: usize = 8;
/// Maximum number of coefficients for exact second derivatives: the third moments are k³/2 numbers.
const EXACT_UP_TO: usize = 128;
/// Number of row chunks for the third moments: few, because each chunk has its own moments.
const MOMENT_CHUNKS: usize = 8;
/// Rounding error of a pivot, relative to the curvature of the column before elimination of the
/// others.
const PIVOT_ERROR: f64 = 16.0 * f64::EPSILON;
/// Maximum number of steps on the intercept alone, far more than needed.
const INTERCEPT_STEPS: usize = 200;

/// Maximizes `ℓ + ½ ln|ZᵀWZ|`, then refits the intercept so that the probabilities sum to the
/// conversions.
///
/// The covariance uses the second derivatives before the intercept is refitted.
pub(super) fn solve(problem: &Problem<'_>, settings: &Logistic) -> Result<Solution> {
    let start = settings
        .start
        .clone()
        .and_then(|start| Iterate::new(problem, start))
        .or_else(|| Iterate::new(problem, start_from_mean(problem)));
    let Some(mut iterate) = start else {
        return Err(failed(0, f64::NAN));
    };
    let (mut previous, mut slow) = (f64::INFINITY, false);
    for iterations in 0..=settings.max_iterations {
        let (score, curvature) = iterate.score_and_curvature(problem);
        let gradient = largest(&score) / problem.rows();
        // Far from the maximum the exact second derivatives may be indefinite.
        let exact = if slow { inference::factor(&iterate.exact(problem)) } else { None };
        let Some(factor) = exact.or_else(|| inference::factor(&curvature)) else {
            return Err(failed(iterations, gradient));
        };
        let step = inference::newton_step(&factor, &score);
        let slope: f64 = score.iter().zip(&step).map(|(g, d)| g * d).sum();
        // The length of the step in standard errors. Convergence may be linear, so iterate until
        // only rounding is left.
        let length = slope.abs().sqrt();
        let converged = gradient <= settings.tolerance + iterate.rounding
            && length <= STEP + iterate.rounding * problem.rows().sqrt();
        let last = iterations == settings.max_iterations;
        if converged && (length <= NEGLIGIBLE || length >= previous || last) {
            return Ok(iterate.finish(problem, gradient, iterations));
        }
        iterate = (!last)
            .then(|| iterate.step(problem, &step, slope))
            .flatten()
            .ok_or_else(|| failed(iterations, gradient))?;
        slow = slow
            || (iterations >= PATIENCE
                && length > STEP.max(SLOW * previous)
                && problem.width() <= EXACT_UP_TO);
        previous = length;
    }
    unreachable!("the last iteration returns")
}

fn failed(iterations: usize, gradient: f64) -> Error {
    Error::NotConverged { solver: NAME, iterations, gradient, separated_by: Vec::new() }
}

/// The state of an iteration.
struct Iterate {
    beta: Vec<f64>,
    derivatives: Derivatives,
    /// Cholesky factor of `ZᵀWZ`.
    factor: Llt<f64>,
    /// `−ℓ − ½ ln|ZᵀWZ|`.
    objective: f64,
    /// Bound on the rounding error of the determinant and the leverages, which grows with
    /// collinearity.
    rounding: f64,
}

impl Iterate {
    /// Evaluates the objective at `beta`; `None` if the second derivatives vanish or columns are
    /// collinear.
    fn new(problem: &Problem<'_>, beta: Vec<f64>) -> Option<Self> {
        let derivatives = problem.derivatives(&beta);
        let factor = inference::factor(&derivatives.information)?;
        let k = beta.len();
        let roots = (0..k).map(|j| factor.L()[(j, j)]);
        let objective = derivatives.loss - roots.clone().map(f64::ln).sum::<f64>();
        let rounding = PIVOT_ERROR
            * roots
                .enumerate()
                .map(|(j, root)| derivatives.information[j * k + j] / (root * root))
                .sum::<f64>();
        objective.is_finite().then_some(Self { beta, derivatives, factor, objective, rounding })
    }

    /// Halves the step until the objective decreases.
    fn step(&self, problem: &Problem<'_>, step: &[f64], slope: f64) -> Option<Self> {
        let noise =
            ROUNDING * (1.0 + self.derivatives.loss.abs() + self.objective.abs()) + self.rounding;
        (0..HALVINGS).scan(1.0, |share, _| Some(std::mem::replace(share, *share * 0.5))).find_map(
            |share| {
                let next = self.beta.iter().zip(step).map(|(b, d)| b + share * d).collect();
                Self::new(problem, next).filter(|next| {
                    next.objective <= self.objective + ARMIJO * share * slope + noise
                })
            },
        )
    }

    /// Computes the gradient `Σ (μ − y − h(½ − μ))z` of the objective, and `Σ (1 + h)μ(1 − μ)zzᵀ`,
    /// its derivative at fixed leverages `h`.
    ///
    /// Fixed leverages are exact if each row has its own cell, and approximate otherwise; `ZᵀWZ`
    /// alone overshoots with few rows.
    fn score_and_curvature(&self, problem: &Problem<'_>) -> (Vec<f64>, Vec<f64>) {
        let k = self.beta.len();
        let lower = self.lower();
        let mut sums = sum_chunks(problem.y.len(), CHUNK, k + k * k, |rows, buffer, sums| {
            let (x, y) = problem.slice_rows(rows);
            let z = padded_rows(buffer, y.len(), k);
            copy_with_intercept(x, z, k);
            let (gradient, curvature) = sums.split_at_mut(k);
            let mut white = vec![0.0; k];
            let width = z.len() / y.len();
            for (row, &y) in z.chunks_exact_mut(width).zip(y) {
                let row = &mut row[..k];
                let point = Point::new(aview1(row).dot(&aview1(&self.beta)), y);
                let leverage = point.weight * whitened(&lower, row, &mut white);
                let from_half = if y { -0.5 } else { 0.5 } - point.residual;
                let score = point.residual - leverage * from_half;
                let root = ((1.0 + leverage) * point.weight).sqrt();
                for (g, v) in gradient.iter_mut().zip(row) {
                    *g += score * *v;
                    *v *= root;
                }
            }
            gram_of_padded(z, k, curvature);
        });
        let mut curvature = sums.split_off(k);
        mirror(&mut curvature, k);
        (sums, curvature)
    }

    /// Computes the second derivatives of the objective.
    ///
    /// With `v = L⁻¹z`, `ZᵀWZ = LLᵀ` and `q = vᵀv` they are `L(Σ w(1 − ½(1 − 6w)q)vvᵀ + ½ Σₘ
    /// SₘSₘᵀ)Lᵀ`, where `S` are the third moments `Σ w(1 − 2μ) v⊗v⊗v`. The derivatives of w by η
    /// are `w(1 − 2μ)` and `w(1 − 6w)`.
    fn exact(&self, problem: &Problem<'_>) -> Vec<f64> {
        let (k, n) = (self.beta.len(), problem.y.len());
        let (lower, pairs) = (self.lower(), k * (k + 1) / 2);
        let mut sums =
            sum_chunks(n, n.div_ceil(MOMENT_CHUNKS), k * (k + pairs), |rows, buffer, sums| {
                let (second, third) = sums.split_at_mut(k * k);
                let (mut white, mut square) = (vec![0.0; k], vec![0.0; pairs]);
                let z = padded_rows(buffer, 1, k);
                for row in rows {
                    copy_with_intercept(problem.slice_rows(row..row + 1).0, z, k);
                    let z = &z[..k];
                    let q = whitened(&lower, z, &mut white);
                    let point = Point::new(aview1(z).dot(&aview1(&self.beta)), problem.y[row]);
                    let from_half = if problem.y[row] { -0.5 } else { 0.5 } - point.residual;
                    let weight = point.weight * (1.0 - 0.5 * (1.0 - 6.0 * point.weight) * q);
                    squares(&white, &mut square);
                    for (m, &v) in white.iter().enumerate() {
                        second[m * k..][..k]
                            .iter_mut()
                            .zip(&white)
                            .for_each(|(s, w)| *s += weight * v * w);
                        let skew = 2.0 * point.weight * from_half * v;
                        third[m * pairs..][..pairs]
                            .iter_mut()
                            .zip(&square)
                            .for_each(|(s, w)| *s += skew * w);
                    }
                }
            });
        let third = sums.split_off(k * k);
        let moments = |m: usize| aview1(&third[m * pairs..][..pairs]);
        sums.iter_mut()
            .enumerate()
            .for_each(|(index, s)| *s += 0.5 * moments(index / k).dot(&moments(index % k)));
        let (inner, lower) =
            (ArrayView2::from_shape((k, k), &sums), ArrayView2::from_shape((k, k), &lower));
        let (inner, lower) = (inner.expect("k² values"), lower.expect("k² values"));
        lower.dot(&inner).dot(&lower.t()).iter().copied().collect()
    }

    /// Returns the lower triangle of the factor, by rows.
    fn lower(&self) -> Vec<f64> {
        let k = self.beta.len();
        (0..k * k).map(|index| self.factor.L()[(index / k, index % k)]).collect()
    }

    fn finish(mut self, problem: &Problem<'_>, gradient: f64, iterations: usize) -> Solution {
        self.beta[0] = intercept(problem, &self.beta);
        let derivatives = problem.derivatives(&self.beta);
        Solution { beta: self.beta, derivatives, factor: Some(self.factor), gradient, iterations }
    }
}

/// Computes `zᵀ(LLᵀ)⁻¹z`, the squared length of `L⁻¹z`; writes `L⁻¹z` to `white`.
fn whitened(lower: &[f64], z: &[f64], white: &mut [f64]) -> f64 {
    let k = z.len();
    for j in 0..k {
        let (row, known) = (&lower[j * k..][..=j], &white[..j]);
        white[j] = (z[j] - aview1(&row[..j]).dot(&aview1(known))) / row[j];
    }
    aview1(white).dot(&aview1(white))
}

/// Computes the lower triangle of `vvᵀ`, with off-diagonal entries times √2, so that dot products
/// equal those of the full matrices.
fn squares(v: &[f64], into: &mut [f64]) {
    let mut start = 0;
    for (i, a) in v.iter().enumerate() {
        into[start..][..i]
            .iter_mut()
            .zip(v)
            .for_each(|(to, b)| *to = std::f64::consts::SQRT_2 * a * b);
        into[start + i] = a * a;
        start += i + 1;
    }
}

/// Fits the intercept so that the probabilities sum to the conversions, with the other coefficients
/// fixed.
///
/// Newton's method inside a bracket: at the solution, the log-odds of the mean outcome are between
/// the smallest and the largest log-odds of a row.
fn intercept(problem: &Problem<'_>, beta: &[f64]) -> f64 {
    let coef = aview1(&beta[1..]);
    let shift: Vec<f64> = problem.x.rows().into_iter().map(|row| row.dot(&coef)).collect();
    let mean = mean_log_odds(problem);
    let (least, most) =
        shift.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), s| (l.min(*s), m.max(*s)));
    let (mut low, mut high) = (mean - most, mean - least);
    let mut estimate = beta[0].clamp(low, high);
    let mut previous = f64::INFINITY;
    for _ in 0..INTERCEPT_STEPS {
        let sums = sum_chunks(shift.len(), CHUNK, 2, |rows, _, sums| {
            for row in rows {
                let point = Point::new(estimate + shift[row], problem.y[row]);
                sums[0] += point.residual;
                sums[1] += point.weight;
            }
        });
        if sums[0] > 0.0 {
            high = estimate;
        } else {
            low = estimate;
        }
        let newton = estimate - sums[0] / sums[1];
        // A step out of the bracket is caused by vanishing weights: bisect instead.
        let next = if newton >= low && newton <= high { newton } else { 0.5 * (low + high) };
        let step = (next - estimate).abs();
        estimate = next;
        if step <= f64::EPSILON * estimate.abs() || (step <= STEP && step >= previous) {
            break;
        }
        previous = step;
    }
    estimate
}

/// Computes the log-odds of the mean outcome.
fn mean_log_odds(problem: &Problem<'_>) -> f64 {
    let positive = problem.positive();
    (positive / (problem.rows() - positive)).ln()
}
