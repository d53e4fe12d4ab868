//! Fits the same rows at several values of alpha, with passes over the rows that all fits share.
//!
//! Newton's method needs a pass with k² operations per row for each step of each fit. Here, steps
//! use the second derivatives of a sample of the rows, which are accurate to a few percent, so that
//! each step reduces the error to a few percent. A step then needs only gradients, and one pass
//! computes those of all fits. The next fold starts from the solutions and second derivatives of
//! the previous one.
//!
//! # Source
//! Kelley, *Solving Nonlinear Equations with Newton's Method* (2003), §2.3 (the chord method)

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Slice};

use super::derivatives::{Problem, hessian};
use super::newton::{self, relative_size};
use super::{Logistic, Penalty, Solver, inference};
use crate::error::Result;

/// Sampled rows of the rarer outcome per coefficient, for second derivatives that are accurate to
/// about 10%.
const SAMPLED_PER_COEFFICIENT: usize = 100;
/// Largest sampling interval: at least one in this many rows is sampled.
const MAX_INTERVAL: usize = 16;
/// Smallest sampling interval: a larger sample saves no time.
const MIN_INTERVAL: usize = 4;
/// Size of the last step, relative to 1 + |β|: log-odds are then accurate to 8 digits and losses to
/// 10, far more than the choice of alpha needs.
const LAST: f64 = 1e-8;
/// Ratio of consecutive step sizes above which the sampled second derivatives are not accurate
/// enough, and the exact Newton method takes over.
const MAX_CONTRACTION: f64 = 0.3;

/// Solutions of the last fold, one per alpha, which are the starts for the next fold.
#[derive(Default)]
pub(super) struct FoldSolver(Vec<WarmStart>);

#[derive(Clone)]
struct WarmStart {
    beta: Vec<f64>,
    /// Approximate `ZᵀWZ` per row.
    information: Vec<f64>,
}

impl FoldSolver {
    /// Fits a fold at each alpha. Returns intercept and coefficients for each.
    ///
    /// # Arguments
    /// * `fold` – columns and outcomes
    /// * `base` – settings of the fits; `alpha` and `start` are ignored
    /// * `alphas` – in descending order
    pub(super) fn solve<'a>(
        &mut self,
        fold: (ArrayView2<'a, f64>, ArrayView1<'a, bool>),
        base: &Logistic,
        alphas: &[f64],
    ) -> Result<Vec<Vec<f64>>> {
        let settings: Vec<Logistic> = alphas
            .iter()
            .map(|alpha| Logistic { alpha: *alpha, start: None, ..base.clone() })
            .collect();
        let problems =
            settings.iter().map(|s| s.problem(fold.0, fold.1)).collect::<Result<Vec<_>>>()?;
        let Some(interval) = problems.first().and_then(|problem| sampling_interval(base, problem))
        else {
            return fit_sequentially(&problems, settings);
        };
        if self.0.first().is_none_or(|fit| fit.beta.len() != problems[0].width()) {
            self.0 = fit_sample(&problems, &settings, interval)?;
        }
        self.iterate(&problems, &settings)?;
        Ok(self.0.iter().map(|fit| fit.beta.clone()).collect())
    }

    /// Iterates from the current solutions until convergence.
    fn iterate(&mut self, problems: &[Problem<'_>], settings: &[Logistic]) -> Result<()> {
        let mut moving: Vec<(usize, f64)> =
            (0..problems.len()).map(|index| (index, f64::INFINITY)).collect();
        while let Some(&(first, _)) = moving.first() {
            let betas: Vec<&[f64]> =
                moving.iter().map(|(index, _)| &self.0[*index].beta[..]).collect();
            let gradients = problems[first].slopes(&betas);
            let mut next = Vec::new();
            for ((index, last), gradient) in moving.into_iter().zip(gradients) {
                let fit = &mut self.0[index];
                match fit
                    .step(&problems[index], gradient)
                    .filter(|size| *size <= MAX_CONTRACTION * last)
                {
                    Some(size) if size <= LAST => {}
                    Some(size) => next.push((index, size)),
                    None => *fit = WarmStart::exact(&problems[index], &settings[index])?,
                }
            }
            moving = next;
        }
        Ok(())
    }
}

impl WarmStart {
    /// Fits exactly by Newton's method from the mean outcome.
    fn exact(problem: &Problem<'_>, settings: &Logistic) -> Result<Self> {
        let solution = settings.solve(problem)?;
        Ok(Self {
            beta: solution.beta,
            information: solution
                .derivatives
                .information
                .iter()
                .map(|v| v / problem.rows())
                .collect(),
        })
    }

    /// Takes a step; `gradient` excludes the l2 part. Returns the size of the step relative to 1 +
    /// |β|; `None` if the second derivatives are not positive definite.
    fn step(&mut self, problem: &Problem<'_>, mut gradient: Vec<f64>) -> Option<f64> {
        gradient.iter_mut().zip(&self.beta).skip(1).for_each(|(g, b)| *g += problem.l2 * b);
        let information: Vec<f64> = self.information.iter().map(|v| v * problem.rows()).collect();
        let step = inference::newton_step(
            &inference::factor(&hessian(information, problem.l2))?,
            &gradient,
        );
        let size = relative_size(&step, &self.beta);
        self.beta.iter_mut().zip(&step).for_each(|(b, d)| *b += d);
        Some(size)
    }
}

/// Returns the sampling interval for second derivatives; `None` if all rows are needed.
fn sampling_interval(base: &Logistic, problem: &Problem<'_>) -> Option<usize> {
    let smooth = base.solver == Solver::Newton
        && base.penalty != Penalty::Firth
        && problem.l1 == 0.0
        && problem.l2 > 0.0;
    let rare = problem.y.iter().filter(|y| **y).count();
    let interval = rare.min(problem.y.len() - rare) / (SAMPLED_PER_COEFFICIENT * problem.width());
    (smooth && interval >= MIN_INTERVAL).then_some(interval.min(MAX_INTERVAL))
}

/// Fits each problem exactly, starting from the previous solution.
fn fit_sequentially(problems: &[Problem<'_>], settings: Vec<Logistic>) -> Result<Vec<Vec<f64>>> {
    let mut found: Vec<Vec<f64>> = Vec::new();
    for (problem, settings) in problems.iter().zip(settings) {
        found.push(Logistic { start: found.last().cloned(), ..settings }.solve(problem)?.beta);
    }
    Ok(found)
}

/// Fits a sample of the rows, or all rows if that fails.
#[expect(clippy::cast_precision_loss, reason = "at most 16")]
fn fit_sample(
    problems: &[Problem<'_>],
    settings: &[Logistic],
    interval: usize,
) -> Result<Vec<WarmStart>> {
    let slice = Slice::new(0, None, interval.cast_signed());
    let x: Array2<f64> = problems[0].x.slice_axis(Axis(0), slice).to_owned();
    let y: Array1<bool> = problems[0].y.slice_axis(Axis(0), slice).to_owned();
    let mut found: Vec<WarmStart> = Vec::new();
    for (problem, settings) in problems.iter().zip(settings) {
        let sample =
            Problem { x: x.view(), y: y.view(), l2: problem.l2 / interval as f64, l1: 0.0 };
        let start =
            found.last().map_or_else(|| newton::start_from_mean(&sample), |fit| fit.beta.clone());
        found.push(match newton::approximate_minimum(&sample, start) {
            Some(solution) => WarmStart {
                beta: solution.beta,
                information: solution
                    .derivatives
                    .information
                    .iter()
                    .map(|v| v / sample.rows())
                    .collect(),
            },
            None => WarmStart::exact(problem, settings)?,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glm::sigmoid;

    const ROWS: usize = 20_000;
    /// In descending order.
    const ALPHAS: [f64; 4] = [3_000.0, 100.0, 1.0, 1e-3];

    /// Returns three columns, and outcomes drawn from known coefficients; every 16th row is scaled
    /// by `outlier_scale`.
    fn drawn(seed: u64, outlier_scale: f64) -> (Array2<f64>, Array1<bool>) {
        let mut state = seed;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            f64::from((state >> 33) as u32) / f64::from(1_u32 << 31)
        };
        let x = Array2::from_shape_fn((ROWS, 3), |(i, _)| {
            (draw() - 0.5) * 3.4 * if i % MAX_INTERVAL == 0 { outlier_scale } else { 1.0 }
        });
        let y = x
            .rows()
            .into_iter()
            .map(|row| draw() < sigmoid(-0.5 + 0.6 * row[0] - 0.3 * row[2]))
            .collect();
        (x, y)
    }

    /// Checks all alphas of two folds against separate fits. Returns whether a sample was used.
    fn check_exact(outlier_scale: f64) -> bool {
        let mut fits = FoldSolver::default();
        for seed in [1, 2] {
            let (x, y) = drawn(seed, outlier_scale);
            let found = fits.solve((x.view(), y.view()), &Logistic::default(), &ALPHAS).unwrap();
            for (alpha, beta) in ALPHAS.iter().zip(found) {
                let fit = Logistic { alpha: *alpha, ..Logistic::default() }
                    .fit_rows(x.view(), y.view())
                    .unwrap();
                let expected = [&[fit.intercept][..], &fit.coef[..]].concat();
                let error = beta
                    .iter()
                    .zip(&expected)
                    .map(|(found, expected)| (found - expected).abs())
                    .fold(0.0, f64::max);
                assert!(error < 1e-8, "alpha {alpha}, {beta:?} is not {expected:?}");
            }
        }
        let (x, y) = drawn(1, outlier_scale);
        let problem = Logistic::default().problem(x.view(), y.view()).unwrap();
        sampling_interval(&Logistic::default(), &problem).is_some()
    }

    #[test]
    fn fits_with_shared_passes_equal_separate_fits() {
        assert!(check_exact(1.0));
    }

    #[test]
    fn an_unrepresentative_sample_does_not_change_the_fits() {
        for outlier_scale in [0.0, 0.01, 100.0] {
            assert!(check_exact(outlier_scale));
        }
    }

    #[test]
    fn few_rows_and_l1_penalties_are_fitted_without_a_sample() {
        let (x, y) = drawn(3, 1.0);
        let lasso = Logistic { penalty: Penalty::L1, ..Logistic::default() };
        assert_eq!(sampling_interval(&lasso, &lasso.problem(x.view(), y.view()).unwrap()), None);
        let few = Slice::from(..1_000);
        let (x, y) = (x.slice_axis(Axis(0), few), y.slice_axis(Axis(0), few));
        assert_eq!(
            sampling_interval(&Logistic::default(), &Logistic::default().problem(x, y).unwrap()),
            None
        );
    }
}
