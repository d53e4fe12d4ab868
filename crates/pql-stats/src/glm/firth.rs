//! Firth's penalised likelihood, which has a maximum for separated outcomes, too.
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
    CHUNK, Derivatives, Problem, gram_of_lines, largest, lines, mirror, sum_chunks, with_intercept,
};
use super::newton::{ARMIJO, HALVINGS, ROUNDING, STEP, from_mean};
use super::point::Point;
use super::{Logistic, Solution, inference};
use crate::error::{Error, Result};

/// The solver's name in messages.
pub(super) const NAME: &str = "firth";

/// A step of so few standard errors can change no digit.
const NEGLIGIBLE: f64 = 1e-15;
/// A step so long, measured by the one before, calls for exact second derivatives ...
const SLOW: f64 = 0.2;
/// ... but not before this step: the first ones are long with any.
const PATIENCE: usize = 8;
/// Most coefficients for which these are computed: their third moments are k³/2 numbers.
const EXACT_UP_TO: usize = 128;
/// Parts that the rows are dealt into for them: few, since each part has its own moments.
const PARTS: usize = 8;
/// Rounding error of a pivot, relative to the column's curvature before the others were taken out.
const PIVOT_ERROR: f64 = 16.0 * f64::EPSILON;
/// Steps on the intercept alone, far more than it takes.
const INTERCEPT_STEPS: usize = 200;

/// Find the maximum of `ℓ + ½ ln|ZᵀWZ|`, then the intercept with which the probabilities add up to
/// the conversions.
///
/// The second derivatives behind the covariance are those before the intercept is fitted again.
pub(super) fn solve(problem: &Problem<'_>, settings: &Logistic) -> Result<Solution> {
    let start = settings
        .start
        .clone()
        .and_then(|start| Place::at(problem, start))
        .or_else(|| Place::at(problem, from_mean(problem)));
    let Some(mut place) = start else {
        return Err(failed(0, f64::NAN));
    };
    let (mut previous, mut slow) = (f64::INFINITY, false);
    for iterations in 0..=settings.max_iterations {
        let (score, curvature) = place.modified(problem);
        let gradient = largest(&score) / problem.rows();
        // Away from the maximum the exact second derivatives need not be positive definite.
        let exact = if slow { inference::factor(&place.exact(problem)) } else { None };
        let Some(factor) = exact.or_else(|| inference::factor(&curvature)) else {
            return Err(failed(iterations, gradient));
        };
        let step = inference::newton_step(&factor, &score);
        let slope: f64 = score.iter().zip(&step).map(|(g, d)| g * d).sum();
        // The step's length in standard errors: convergence may be linear, so it goes on until only
        // rounding is left.
        let length = slope.abs().sqrt();
        let near = gradient <= settings.tolerance + place.rounding
            && length <= STEP + place.rounding * problem.rows().sqrt();
        let last = iterations == settings.max_iterations;
        if near && (length <= NEGLIGIBLE || length >= previous || last) {
            return Ok(place.finish(problem, gradient, iterations));
        }
        place = (!last)
            .then(|| place.step(problem, &step, slope))
            .flatten()
            .ok_or_else(|| failed(iterations, gradient))?;
        slow = slow
            || (iterations >= PATIENCE
                && length > STEP.max(SLOW * previous)
                && problem.width() <= EXACT_UP_TO);
        previous = length;
    }
    unreachable!("the last round returns")
}

fn failed(iterations: usize, gradient: f64) -> Error {
    Error::NotConverged { solver: NAME, iterations, gradient, separated_by: Vec::new() }
}

/// A point on the way.
struct Place {
    beta: Vec<f64>,
    at: Derivatives,
    /// `ZᵀWZ`, factored.
    factor: Llt<f64>,
    /// `−ℓ − ½ ln|ZᵀWZ|`.
    objective: f64,
    /// Bound on the rounding error of the determinant and the leverages: it grows as columns
    /// become collinear.
    rounding: f64,
}

impl Place {
    /// `None` where the second derivatives vanish, or columns are collinear.
    fn at(problem: &Problem<'_>, beta: Vec<f64>) -> Option<Self> {
        let at = problem.at(&beta);
        let factor = inference::factor(&at.information)?;
        let k = beta.len();
        let roots = (0..k).map(|j| factor.L()[(j, j)]);
        let objective = at.loss - roots.clone().map(f64::ln).sum::<f64>();
        let rounding = PIVOT_ERROR
            * roots
                .enumerate()
                .map(|(j, root)| at.information[j * k + j] / (root * root))
                .sum::<f64>();
        objective.is_finite().then_some(Self { beta, at, factor, objective, rounding })
    }

    /// Shorten the step by halves until the objective falls.
    fn step(&self, problem: &Problem<'_>, step: &[f64], slope: f64) -> Option<Self> {
        let noise = ROUNDING * (1.0 + self.at.loss.abs() + self.objective.abs()) + self.rounding;
        (0..HALVINGS).scan(1.0, |share, _| Some(std::mem::replace(share, *share * 0.5))).find_map(
            |share| {
                let next = self.beta.iter().zip(step).map(|(b, d)| b + share * d).collect();
                Self::at(problem, next).filter(|next| {
                    next.objective <= self.objective + ARMIJO * share * slope + noise
                })
            },
        )
    }

    /// Gradient `Σ (μ − y − h(½ − μ))z` of the objective, and `Σ (1 + h)μ(1 − μ)zzᵀ`, its
    /// derivative at fixed leverages `h`.
    ///
    /// Fixed leverages are exact where each row has a cell of its own, and near elsewhere; `ZᵀWZ`
    /// alone overshoots with few rows.
    fn modified(&self, problem: &Problem<'_>) -> (Vec<f64>, Vec<f64>) {
        let k = self.beta.len();
        let lower = self.lower();
        let mut sums = sum_chunks(problem.y.len(), CHUNK, k + k * k, |rows, buffer, sums| {
            let (x, y) = problem.part(rows);
            let z = lines(buffer, y.len(), k);
            with_intercept(x, z, k);
            let (gradient, curvature) = sums.split_at_mut(k);
            let mut white = vec![0.0; k];
            let width = z.len() / y.len();
            for (row, &y) in z.chunks_exact_mut(width).zip(y) {
                let row = &mut row[..k];
                let point = Point::at(aview1(row).dot(&aview1(&self.beta)), y);
                let leverage = point.weight * whitened(&lower, row, &mut white);
                let from_half = if y { -0.5 } else { 0.5 } - point.residual;
                let pull = point.residual - leverage * from_half;
                let root = ((1.0 + leverage) * point.weight).sqrt();
                for (g, v) in gradient.iter_mut().zip(row) {
                    *g += pull * *v;
                    *v *= root;
                }
            }
            gram_of_lines(z, k, curvature);
        });
        let mut curvature = sums.split_off(k);
        mirror(&mut curvature, k);
        (sums, curvature)
    }

    /// Second derivatives of the objective.
    ///
    /// With `v = L⁻¹z`, `ZᵀWZ = LLᵀ` and `q = vᵀv` they are `L(Σ w(1 − ½(1 − 6w)q)vvᵀ + ½ Σₘ
    /// SₘSₘᵀ)Lᵀ`, `S` the third moments `Σ w(1 − 2μ) v⊗v⊗v`: the derivatives of w by η are `w(1
    /// − 2μ)` and `w(1 − 6w)`.
    fn exact(&self, problem: &Problem<'_>) -> Vec<f64> {
        let (k, n) = (self.beta.len(), problem.y.len());
        let (lower, pairs) = (self.lower(), k * (k + 1) / 2);
        let mut sums = sum_chunks(n, n.div_ceil(PARTS), k * (k + pairs), |rows, buffer, sums| {
            let (second, third) = sums.split_at_mut(k * k);
            let (mut white, mut square) = (vec![0.0; k], vec![0.0; pairs]);
            let z = lines(buffer, 1, k);
            for row in rows {
                with_intercept(problem.part(row..row + 1).0, z, k);
                let z = &z[..k];
                let q = whitened(&lower, z, &mut white);
                let point = Point::at(aview1(z).dot(&aview1(&self.beta)), problem.y[row]);
                let from_half = if problem.y[row] { -0.5 } else { 0.5 } - point.residual;
                let bend = point.weight * (1.0 - 0.5 * (1.0 - 6.0 * point.weight) * q);
                squares(&white, &mut square);
                for (m, &v) in white.iter().enumerate() {
                    second[m * k..][..k]
                        .iter_mut()
                        .zip(&white)
                        .for_each(|(s, w)| *s += bend * v * w);
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
            .for_each(|(at, s)| *s += 0.5 * moments(at / k).dot(&moments(at % k)));
        let (inner, lower) =
            (ArrayView2::from_shape((k, k), &sums), ArrayView2::from_shape((k, k), &lower));
        let (inner, lower) = (inner.expect("k² values"), lower.expect("k² values"));
        lower.dot(&inner).dot(&lower.t()).iter().copied().collect()
    }

    /// The factor's lower triangle, by rows.
    fn lower(&self) -> Vec<f64> {
        let k = self.beta.len();
        (0..k * k).map(|at| self.factor.L()[(at / k, at % k)]).collect()
    }

    fn finish(mut self, problem: &Problem<'_>, gradient: f64, iterations: usize) -> Solution {
        self.beta[0] = intercept(problem, &self.beta);
        let at = problem.at(&self.beta);
        Solution { beta: self.beta, at, factor: Some(self.factor), gradient, iterations }
    }
}

/// `zᵀ(LLᵀ)⁻¹z`: the squared length of `L⁻¹z`, which is left in `white`.
fn whitened(lower: &[f64], z: &[f64], white: &mut [f64]) -> f64 {
    let k = z.len();
    for j in 0..k {
        let (row, known) = (&lower[j * k..][..=j], &white[..j]);
        white[j] = (z[j] - aview1(&row[..j]).dot(&aview1(known))) / row[j];
    }
    aview1(white).dot(&aview1(white))
}

/// The values of `vvᵀ` up to the diagonal, those beside it times √2, so that their dot product is
/// that of the whole matrices.
fn squares(v: &[f64], into: &mut [f64]) {
    let mut at = 0;
    for (i, a) in v.iter().enumerate() {
        into[at..][..i]
            .iter_mut()
            .zip(v)
            .for_each(|(to, b)| *to = std::f64::consts::SQRT_2 * a * b);
        into[at + i] = a * a;
        at += i + 1;
    }
}

/// The intercept with which the probabilities add up to the conversions, the other coefficients
/// staying as they are.
///
/// Newton's method inside a bracket: where the mean of σ(β₀ + xβ) is the mean outcome, some row's
/// log-odds are at most those of the mean outcome, and some row's at least.
fn intercept(problem: &Problem<'_>, beta: &[f64]) -> f64 {
    let coef = aview1(&beta[1..]);
    let shift: Vec<f64> = problem.x.rows().into_iter().map(|row| row.dot(&coef)).collect();
    let mean = from_exact_mean(problem);
    let (least, most) =
        shift.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), s| (l.min(*s), m.max(*s)));
    let (mut low, mut high) = (mean - most, mean - least);
    let mut found = beta[0].clamp(low, high);
    let mut previous = f64::INFINITY;
    for _ in 0..INTERCEPT_STEPS {
        let sums = sum_chunks(shift.len(), CHUNK, 2, |rows, _, sums| {
            for at in rows {
                let point = Point::at(found + shift[at], problem.y[at]);
                sums[0] += point.residual;
                sums[1] += point.weight;
            }
        });
        if sums[0] > 0.0 {
            high = found;
        } else {
            low = found;
        }
        let newton = found - sums[0] / sums[1];
        // A step out of the bracket comes from weights that vanish: the middle is the better guess.
        let next = if newton >= low && newton <= high { newton } else { 0.5 * (low + high) };
        let step = (next - found).abs();
        found = next;
        if step <= f64::EPSILON * found.abs() || (step <= STEP && step >= previous) {
            break;
        }
        previous = step;
    }
    found
}

/// Log-odds of the mean outcome.
fn from_exact_mean(problem: &Problem<'_>) -> f64 {
    let positive = problem.positive();
    (positive / (problem.rows() - positive)).ln()
}
