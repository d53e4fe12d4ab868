//! The fits of cross-fitting: the same rows at several strengths of the penalty, on passes over the
//! rows that all share.
//!
//! Newton's method takes a pass with k² operations a row for each step of each fit. Here steps go
//! by second derivatives of a sample of the rows, which are right to some percent: a step leaves
//! that much of the error. What it takes is gradients, of which one pass computes those of all
//! strengths, bound by memory. The next fold begins where this one ended, with the same second
//! derivatives.
//!
//! # Source
//! Kelley, *Solving Nonlinear Equations with Newton's Method* (2003), §2.3 (the chord method)

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Slice};

use super::derivatives::{Problem, hessian};
use super::newton::{self, relative};
use super::{Logistic, Penalty, Solver, inference};
use crate::error::Result;

/// Rows of the rarer outcome in a sample, for each coefficient: its second derivatives are then
/// right to a tenth.
const SAMPLED: usize = 100;
/// Every so many rows one is in the sample where they suffice for it ...
const THINNEST: usize = 16;
/// ... and a sample of more than one row in so many saves nothing.
const THICKEST: usize = 4;
/// A last step, relative to 1 + |β|: log-odds are then right to eight digits, losses to ten, far
/// below what tells strengths apart.
const LAST: f64 = 1e-8;
/// Quotient of two steps above which second derivatives are no good, and Newton's method goes on.
const CONTRACTS: f64 = 0.3;

/// Where fits of a fold ended, strength by strength, to begin those of the next.
#[derive(Default)]
pub(super) struct Fits(Vec<Near>);

#[derive(Clone)]
struct Near {
    beta: Vec<f64>,
    /// `ZᵀWZ` per row, about.
    information: Vec<f64>,
}

impl Fits {
    /// Find intercept and coefficients of a fold at each strength of the penalty, given from strong
    /// to weak.
    pub(super) fn solve<'a>(
        &mut self,
        fold: (ArrayView2<'a, f64>, ArrayView1<'a, bool>),
        base: &Logistic,
        strengths: &[f64],
    ) -> Result<Vec<Vec<f64>>> {
        let at = |alpha: f64| Logistic { alpha, start: None, ..base.clone() };
        let settings: Vec<Logistic> = strengths.iter().map(|alpha| at(*alpha)).collect();
        let problems =
            settings.iter().map(|s| s.problem(fold.0, fold.1)).collect::<Result<Vec<_>>>()?;
        let Some(every) = problems.first().and_then(|problem| thinned(base, problem)) else {
            return one_by_one(&problems, settings);
        };
        if self.0.first().is_none_or(|near| near.beta.len() != problems[0].width()) {
            self.0 = sampled(&problems, &settings, every)?;
        }
        self.approach(&problems, &settings)?;
        Ok(self.0.iter().map(|near| near.beta.clone()).collect())
    }

    /// Go on from where the fits are until they stand still.
    fn approach(&mut self, problems: &[Problem<'_>], settings: &[Logistic]) -> Result<()> {
        let mut moving: Vec<(usize, f64)> =
            (0..problems.len()).map(|at| (at, f64::INFINITY)).collect();
        while let Some(&(first, _)) = moving.first() {
            let betas: Vec<&[f64]> = moving.iter().map(|(at, _)| &self.0[*at].beta[..]).collect();
            let slopes = problems[first].slopes(&betas);
            let mut next = Vec::new();
            for ((at, last), slope) in moving.into_iter().zip(slopes) {
                let near = &mut self.0[at];
                match near.step(&problems[at], slope).filter(|size| *size <= CONTRACTS * last) {
                    Some(size) if size <= LAST => {}
                    Some(size) => next.push((at, size)),
                    None => *near = Near::exact(&problems[at], &settings[at])?,
                }
            }
            moving = next;
        }
        Ok(())
    }
}

impl Near {
    /// Newton's method from the mean outcome on.
    fn exact(problem: &Problem<'_>, settings: &Logistic) -> Result<Self> {
        let solution = settings.solve(problem)?;
        Ok(Self {
            beta: solution.beta,
            information: solution.at.information.iter().map(|v| v / problem.rows()).collect(),
        })
    }

    /// Take a step from where the objective has this gradient, its l2 part left out; answers how
    /// long it was relative to 1 + |β|.
    fn step(&mut self, problem: &Problem<'_>, mut slope: Vec<f64>) -> Option<f64> {
        slope.iter_mut().zip(&self.beta).skip(1).for_each(|(g, b)| *g += problem.l2 * b);
        let information: Vec<f64> = self.information.iter().map(|v| v * problem.rows()).collect();
        let step =
            inference::newton_step(&inference::factor(&hessian(information, problem.l2))?, &slope);
        let size = relative(&step, &self.beta);
        self.beta.iter_mut().zip(&step).for_each(|(b, d)| *b += d);
        Some(size)
    }
}

/// Every how many rows one makes a sample that is good for second derivatives; `None` where all
/// rows have to.
fn thinned(base: &Logistic, problem: &Problem<'_>) -> Option<usize> {
    let smooth = base.solver == Solver::Newton
        && base.penalty != Penalty::Firth
        && problem.l1 == 0.0
        && problem.l2 > 0.0;
    let rare = problem.y.iter().filter(|y| **y).count();
    let every = rare.min(problem.y.len() - rare) / (SAMPLED * problem.width());
    (smooth && every >= THICKEST).then_some(every.min(THINNEST))
}

/// Fit exactly, each beginning at the one before.
fn one_by_one(problems: &[Problem<'_>], settings: Vec<Logistic>) -> Result<Vec<Vec<f64>>> {
    let mut found: Vec<Vec<f64>> = Vec::new();
    for (problem, settings) in problems.iter().zip(settings) {
        found.push(Logistic { start: found.last().cloned(), ..settings }.solve(problem)?.beta);
    }
    Ok(found)
}

/// Fit a sample of the rows; where that fails, all of them.
#[expect(clippy::cast_precision_loss, reason = "at most 16")]
fn sampled(problems: &[Problem<'_>], settings: &[Logistic], every: usize) -> Result<Vec<Near>> {
    let slice = Slice::new(0, None, every.cast_signed());
    let x: Array2<f64> = problems[0].x.slice_axis(Axis(0), slice).to_owned();
    let y: Array1<bool> = problems[0].y.slice_axis(Axis(0), slice).to_owned();
    let mut found: Vec<Near> = Vec::new();
    for (problem, settings) in problems.iter().zip(settings) {
        let sample = Problem { x: x.view(), y: y.view(), l2: problem.l2 / every as f64, l1: 0.0 };
        let start =
            found.last().map_or_else(|| newton::from_mean(&sample), |near| near.beta.clone());
        found.push(match newton::about(&sample, start) {
            Some(solution) => Near {
                beta: solution.beta,
                information: solution.at.information.iter().map(|v| v / sample.rows()).collect(),
            },
            None => Near::exact(problem, settings)?,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glm::sigmoid;

    const ROWS: usize = 20_000;
    /// From strong to weak.
    const STRENGTHS: [f64; 4] = [3_000.0, 100.0, 1.0, 1e-3];

    /// Three columns and outcomes by known coefficients; each 16th row is `odd` times as large.
    fn drawn(seed: u64, odd: f64) -> (Array2<f64>, Array1<bool>) {
        let mut state = seed;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            f64::from((state >> 33) as u32) / f64::from(1_u32 << 31)
        };
        let x = Array2::from_shape_fn((ROWS, 3), |(i, _)| {
            (draw() - 0.5) * 3.4 * if i % THINNEST == 0 { odd } else { 1.0 }
        });
        let y = x
            .rows()
            .into_iter()
            .map(|row| draw() < sigmoid(-0.5 + 0.6 * row[0] - 0.3 * row[2]))
            .collect();
        (x, y)
    }

    /// Check all strengths of two folds against fits of their own; answers whether a sample was
    /// taken.
    fn are_exact(odd: f64) -> bool {
        let mut fits = Fits::default();
        for seed in [1, 2] {
            let (x, y) = drawn(seed, odd);
            let found = fits.solve((x.view(), y.view()), &Logistic::default(), &STRENGTHS).unwrap();
            for (alpha, beta) in STRENGTHS.iter().zip(found) {
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
        let (x, y) = drawn(1, odd);
        let problem = Logistic::default().problem(x.view(), y.view()).unwrap();
        thinned(&Logistic::default(), &problem).is_some()
    }

    #[test]
    fn fits_that_share_their_passes_are_those_of_their_own() {
        assert!(are_exact(1.0));
    }

    #[test]
    fn a_sample_unlike_the_other_rows_costs_time_and_nothing_else() {
        for odd in [0.0, 0.01, 100.0] {
            assert!(are_exact(odd));
        }
    }

    #[test]
    fn few_rows_and_penalties_with_corners_are_fitted_one_by_one() {
        let (x, y) = drawn(3, 1.0);
        let lasso = Logistic { penalty: Penalty::L1, ..Logistic::default() };
        assert_eq!(thinned(&lasso, &lasso.problem(x.view(), y.view()).unwrap()), None);
        let few = Slice::from(..1_000);
        let (x, y) = (x.slice_axis(Axis(0), few), y.slice_axis(Axis(0), few));
        assert_eq!(
            thinned(&Logistic::default(), &Logistic::default().problem(x, y).unwrap()),
            None
        );
    }
}
