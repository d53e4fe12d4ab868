//! How strong the penalty should be: cross-fitting over a grid of strengths, and the choice on it.
//!
//! # Source
//! Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed. (2009), §7.10; the
//! standard error is that of the paired difference, by account, since at low base rates the spread
//! of the loss itself is the number of conversions

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::derivatives::{CHUNK, Problem, largest, sum_chunks};
use super::fold::Fits;
use super::inference::Groups;
use super::point::Point;
use super::{Logistic, Penalty, same_length};
use crate::counts::count;
use crate::error::{Error, Result};

/// Values of a grid.
const GRID: u32 = 20;
/// Weakest and strongest l2 penalty as a multiple of n·ȳ(1 − ȳ), what the mean row's weight adds up
/// to.
const L2_RANGE: [f64; 2] = [1e-4, 1e2];
/// Weakest l1 penalty as a share of the one that leaves no column.
const L1_WEAKEST: f64 = 1e-4;
/// How far an extension goes beyond the grid, as a factor.
const EXTENSION: f64 = 100.0;

/// One fold: rows to fit on and rows to judge by.
#[derive(Debug, Clone)]
pub struct Fold {
    /// Standardised columns of the rows to fit on.
    pub x: Array2<f64>,
    /// Their outcomes.
    pub y: Array1<bool>,
    /// The same columns of the rows held out.
    pub x_out: Array2<f64>,
    /// Where these stand among the training rows.
    pub out: Vec<usize>,
}

/// All folds: each training row is held out once, together with the other rows of its account.
#[derive(Clone, Copy)]
pub struct Folds<'a, E = Error> {
    /// Number of training rows.
    pub rows: usize,
    /// Number of folds.
    pub count: usize,
    /// Makes the fold of a number below `count`; asked for once, in order.
    pub fold: &'a dyn Fn(usize) -> std::result::Result<Fold, E>,
}

/// Log-odds of every training row by fits that did not see its account, for each of some strengths
/// of the penalty.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossFit {
    /// Strengths of the penalty.
    pub alphas: Vec<f64>,
    /// For each strength the log-odds of the training rows, in their order.
    pub log_odds: Vec<Vec<f64>>,
    /// For each strength the number of coefficients that are not 0, the intercept left out, on
    /// average over the folds.
    pub non_zero: Vec<f64>,
}

/// Fit each fold at each strength and compute the log-odds of the rows held out.
///
/// Inside a fold the fits go from strong to weak, each starting at the one before. A fold's penalty
/// is alpha times its share of the rows, since it stands against a sum over them.
/// # Arguments
/// * `base` – what to fit; its `alpha` and `start` are not looked at
/// * `alphas` – strengths in any order; with [`Penalty::None`] and [`Penalty::Firth`] only their
///   number counts: give one
/// # Errors
/// * those of [`Logistic::fit_rows`] and of `folds.fold`
/// * [`Error::HeldOutTwice`],
///   [`Error::NotHeldOut`]
pub fn cross_fit<E: From<Error>>(
    base: &Logistic,
    alphas: &[f64],
    folds: &Folds<'_, E>,
) -> std::result::Result<CrossFit, E> {
    let mut order: Vec<usize> = (0..alphas.len()).collect();
    order.sort_by(|&a, &b| alphas[b].total_cmp(&alphas[a]));
    let mut log_odds = vec![vec![f64::NAN; folds.rows]; alphas.len()];
    let mut non_zero = vec![0.0; alphas.len()];
    let mut held_out = vec![false; folds.rows];
    let mut fits = Fits::default();
    for fold in 0..folds.count {
        let fold = (folds.fold)(fold)?;
        same_length("out", fold.out.len(), fold.x_out.nrows())?;
        for &at in &fold.out {
            match held_out.get_mut(at) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(Error::HeldOutTwice { row: at, rows: folds.rows }.into()),
            }
        }
        let share = count(fold.x.nrows()) / count(folds.rows);
        let strengths: Vec<f64> = order.iter().map(|&at| alphas[at] * share).collect();
        let betas = fits.solve((fold.x.view(), fold.y.view()), base, &strengths)?;
        let coef = Array2::from_shape_fn((fold.x.ncols(), betas.len()), |(j, at)| betas[at][j + 1]);
        let eta = fold.x_out.dot(&coef);
        for ((&at, beta), eta) in order.iter().zip(&betas).zip(eta.columns()) {
            fold.out.iter().zip(eta).for_each(|(row, eta)| log_odds[at][*row] = beta[0] + eta);
            non_zero[at] +=
                count(beta[1..].iter().filter(|b| **b != 0.0).count()) / count(folds.count);
        }
    }
    match held_out.iter().position(|seen| !seen) {
        Some(row) => Err(Error::NotHeldOut { row, rows: folds.rows }.into()),
        None => Ok(CrossFit { alphas: alphas.to_vec(), log_odds, non_zero }),
    }
}

/// Fit the same rows at each strength, right to about 1e-8; answers intercept and coefficients for
/// each.
///
/// # Arguments
/// * `base` – what to fit; its `alpha` and `start` are not looked at
/// * `alphas` – strengths from strong to weak
/// * `x`, `y` – as in [`Logistic::fit_rows`]
/// # Errors
/// Those of [`Logistic::fit_rows`]
pub fn fits_along<'a>(
    base: &Logistic,
    alphas: &[f64],
    x: ArrayView2<'a, f64>,
    y: ArrayView1<'a, bool>,
) -> Result<Vec<Vec<f64>>> {
    Fits::default().solve((x, y), base, alphas)
}

/// Give the strengths of the penalty to try, from strong to weak; 0 alone where there is none.
///
/// For l2 20 values from 100 down to 1e-4 times n·ȳ(1 − ȳ), with an l1 part from the smallest that
/// leaves no column, maxⱼ |xⱼᵀ(y − ȳ)| / `l1_ratio`, down to 1e-4 of it; evenly spaced on the
/// logarithmic scale.
///
/// # Arguments
/// * `x`, `y` – as in [`Logistic::fit_rows`]
#[must_use]
pub fn grid<'a>(penalty: Penalty, x: ArrayView2<'a, f64>, y: ArrayView1<'a, bool>) -> Vec<f64> {
    if !penalty.has_strength() {
        return vec![0.0];
    }
    let problem = Problem { x, y, l2: 0.0, l1: 0.0 };
    let mean = problem.positive() / problem.rows();
    let strongest =
        if penalty.l1_ratio() > 0.0 { pull(&problem, mean) / penalty.l1_ratio() } else { 0.0 };
    let [weak, strong] = if strongest > 0.0 {
        [L1_WEAKEST * strongest, strongest]
    } else {
        // Also where no column says anything, so that any strength will do.
        L2_RANGE.map(|r| r * problem.positive() * (1.0 - mean))
    };
    let last = f64::from(GRID - 1);
    let inside = (1..GRID - 1)
        .map(|i| (strong.ln() + (weak.ln() - strong.ln()) * f64::from(i) / last).exp());
    std::iter::once(strong).chain(inside).chain([weak]).collect()
}

/// Largest `|xⱼᵀ(y − ȳ)|`.
fn pull(problem: &Problem<'_>, mean: f64) -> f64 {
    let sums = sum_chunks(problem.y.len(), CHUNK, problem.x.ncols(), |rows, _, sums| {
        let (x, y) = problem.part(rows);
        for (row, &y) in x.rows().into_iter().zip(y) {
            let residual = f64::from(u8::from(y)) - mean;
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += residual * x);
        }
    });
    largest(&sums)
}

/// How alpha is chosen on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// At the smallest held-out loss.
    Min,
    /// The largest alpha whose loss exceeds the smallest by at most one standard error of the
    /// difference.
    OneSe,
}

/// The held-out loss at each strength of the penalty, and the choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Path {
    /// A point for each strength, from strong to weak.
    pub points: Vec<PathPoint>,
    /// Which one is taken.
    pub chosen: usize,
}

/// A strength of the penalty and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathPoint {
    /// Strength of the penalty.
    pub alpha: f64,
    /// Mean log loss of the rows held out, all folds together.
    pub log_loss: f64,
    /// What it exceeds the smallest by.
    pub excess: f64,
    /// Standard error of this difference, by account; `None` with one account.
    pub excess_se: Option<f64>,
    /// Number of coefficients that are not 0, the intercept left out, on average over the folds.
    pub non_zero: f64,
}

impl Path {
    /// Which point has the smallest loss; of equal ones the strongest penalty.
    fn minimum(&self) -> usize {
        let losses = self.points.iter().map(|point| point.log_loss);
        losses.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).expect("a path has a point").0
    }
}

impl CrossFit {
    /// Add the strengths of another cross-fit of the same rows; all then stand from strong to weak.
    #[must_use]
    pub fn with(self, other: CrossFit) -> Self {
        let points = |fit: CrossFit| fit.alphas.into_iter().zip(fit.log_odds).zip(fit.non_zero);
        let mut all: Vec<_> = points(self).chain(points(other)).collect();
        all.sort_by(|a, b| b.0.0.total_cmp(&a.0.0));
        let (fits, non_zero): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let (alphas, log_odds) = fits.into_iter().unzip();
        Self { alphas, log_odds, non_zero }
    }

    /// Judge each strength by the log loss of the rows held out, and choose one.
    ///
    /// # Arguments
    /// * `y` – outcomes of the training rows
    /// * `group` – number of the account of each training row
    /// # Panics
    /// If there is no strength, or the lengths differ.
    #[must_use]
    pub fn path(&self, y: &[bool], group: &[u32], rule: Rule) -> Path {
        assert!(
            self.log_odds.iter().all(|eta| eta.len() == y.len()) && y.len() == group.len(),
            "rows of the folds, outcomes, accounts"
        );
        let mut order: Vec<usize> = (0..self.alphas.len()).collect();
        order.sort_by(|&a, &b| self.alphas[b].total_cmp(&self.alphas[a]));
        let loss = |at: usize, row: usize| Point::at(self.log_odds[at][row], y[row]).loss;
        let mean = |value: &(dyn Fn(usize) -> f64 + Sync)| {
            sum_chunks(y.len(), CHUNK, 1, |rows, _, sums| {
                rows.for_each(|row| sums[0] += value(row));
            })[0]
                / count(y.len())
        };
        let point = |&at: &usize| PathPoint {
            alpha: self.alphas[at],
            log_loss: mean(&|row| loss(at, row)),
            excess: 0.0,
            excess_se: None,
            non_zero: self.non_zero[at],
        };
        let mut path = Path { points: order.iter().map(point).collect(), chosen: 0 };
        let minimum = path.minimum();
        let groups = Groups::of(group);
        for (point, &at) in path.points.iter_mut().zip(&order) {
            let difference = |row: usize| loss(at, row) - loss(order[minimum], row);
            point.excess = mean(&difference);
            point.excess_se = groups.error_of_mean(point.excess, difference);
        }
        path.chosen = match rule {
            Rule::Min => minimum,
            Rule::OneSe => {
                let near = |point: &PathPoint| point.excess <= point.excess_se.unwrap_or(0.0);
                path.points.iter().position(near).expect("the minimum exceeds itself by 0")
            }
        };
        path
    }
}

/// Give strengths two decades beyond a path, at its spacing, where its smallest loss is at an end;
/// from strong to weak.
///
/// With an l1 part there is nothing beyond the strong end: all coefficients are 0 there. To be
/// asked for once.
#[must_use]
pub fn extension(penalty: Penalty, path: &Path) -> Option<Vec<f64>> {
    let points = &path.points;
    let [first, second, .., before, last] = &points[..] else { return None };
    let minimum = path.minimum();
    let beyond = |end: &PathPoint, inner: &PathPoint| -> Vec<f64> {
        let ratio = end.alpha / inner.alpha;
        let steps = std::iter::successors(Some(ratio), |factor| Some(factor * ratio));
        // A last step that does not bring a whole one nearer to the two decades is left out.
        let limit = EXTENSION * ratio.max(1.0 / ratio).sqrt();
        steps
            .take_while(|factor| factor.max(1.0 / factor) < limit)
            .map(|factor| end.alpha * factor)
            .collect()
    };
    if minimum == 0 && penalty.l1_ratio() == 0.0 {
        let mut stronger = beyond(first, second);
        stronger.reverse();
        Some(stronger)
    } else if minimum == points.len() - 1 {
        Some(beyond(last, before))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, array};

    use super::*;
    use crate::glm::sigmoid;

    fn near(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 1e-12 * (1.0 + expected.abs()),
            "{found} is not {expected}"
        );
    }

    /// Twelve rows of six accounts, two columns.
    fn rows() -> (Array2<f64>, Array1<bool>, Vec<u32>) {
        let x = Array2::from_shape_fn((12, 2), |(i, j)| {
            f64::from(u8::try_from((7 * i + 5 * j * i + j) % 11).unwrap()) / 3.0 - 1.7
        });
        let y =
            array![true, false, true, false, false, true, false, false, true, false, true, false];
        (x, y, (0..12).map(|i| i / 2).collect())
    }

    /// Accounts dealt to three folds in turn.
    #[expect(clippy::unnecessary_wraps, reason = "what `Folds` asks for")]
    fn fold(number: usize) -> Result<Fold> {
        let (x, y, group) = rows();
        let (out, inside): (Vec<usize>, Vec<usize>) =
            (0..12).partition(|i| group[*i] as usize % 3 == number);
        Ok(Fold {
            x: x.select(Axis(0), &inside),
            y: y.select(Axis(0), &inside),
            x_out: x.select(Axis(0), &out),
            out,
        })
    }

    const FOLDS: Folds<'_> = Folds { rows: 12, count: 3, fold: &fold };

    #[test]
    fn each_row_has_the_log_odds_of_the_fit_without_its_account() {
        let alphas = [0.3, 30.0, 3.0];
        for penalty in [Penalty::L2, Penalty::ElasticNet { l1_ratio: 0.5 }] {
            let base = Logistic { penalty, ..Logistic::default() };
            let found = cross_fit(&base, &alphas, &FOLDS).unwrap();
            assert_eq!(found.alphas, alphas);
            for number in 0..3 {
                let Fold { x, y, x_out, out } = fold(number).unwrap();
                for (alpha, eta) in alphas.iter().zip(&found.log_odds) {
                    // Eight of the twelve rows are in each fold.
                    let cold = Logistic { alpha: alpha * 8.0 / 12.0, ..base.clone() }
                        .fit_rows(x.view(), y.view())
                        .unwrap();
                    out.iter()
                        .zip(&cold.log_odds(x_out.view()))
                        .for_each(|(row, expected)| near(eta[*row], *expected));
                }
            }
        }
        let lasso = cross_fit(
            &Logistic { penalty: Penalty::L1, ..Logistic::default() },
            &[50.0, 0.01],
            &FOLDS,
        )
        .unwrap();
        assert_eq!(lasso.non_zero, [0.0, 2.0]);
    }

    #[test]
    fn fits_along_a_path_are_those_of_each_strength_alone() {
        let (x, y, _) = rows();
        for penalty in [Penalty::L2, Penalty::L1] {
            let base = Logistic { penalty, ..Logistic::default() };
            let alphas = [5.0, 0.5, 0.1];
            for (alpha, found) in
                alphas.into_iter().zip(fits_along(&base, &alphas, x.view(), y.view()).unwrap())
            {
                let alone =
                    Logistic { alpha, ..base.clone() }.fit_rows(x.view(), y.view()).unwrap();
                std::iter::once(alone.intercept)
                    .chain(alone.coef)
                    .zip(found)
                    .for_each(|(a, b)| assert!((a - b).abs() < 1e-8, "{a} {b}"));
            }
        }
    }

    #[test]
    fn penalties_without_strength_are_cross_fitted_once() {
        let (x, y, _) = rows();
        // One column, by which no fold is separated.
        let one = |number| {
            fold(number).map(|f| Fold {
                x: f.x.select(Axis(1), &[1]),
                x_out: f.x_out.select(Axis(1), &[1]),
                ..f
            })
        };
        for penalty in [Penalty::None, Penalty::Firth] {
            let alphas = grid(penalty, x.view(), y.view());
            assert_eq!(alphas, [0.0]);
            let found = cross_fit(
                &Logistic { penalty, ..Logistic::default() },
                &alphas,
                &Folds { fold: &one, ..FOLDS },
            )
            .unwrap();
            assert!(found.log_odds[0].iter().all(|eta| eta.is_finite()));
            let path = found.path(&y.to_vec(), &rows().2, Rule::OneSe);
            assert_eq!((path.chosen, extension(penalty, &path)), (0, None));
        }
    }

    #[test]
    fn rows_held_out_twice_or_never_are_refused() {
        let base = Logistic::default();
        for folds in
            [Folds { count: 2, ..FOLDS }, Folds { rows: 13, ..FOLDS }, Folds { rows: 11, ..FOLDS }]
        {
            assert!(cross_fit(&base, &[1.0], &folds).is_err());
        }
        assert!(cross_fit(&base, &[1.0], &Folds { fold: &|_| fold(0), ..FOLDS }).is_err());
    }

    /// Four accounts of two rows each; their losses are known from the probabilities.
    fn judged() -> (CrossFit, Vec<bool>, Vec<u32>) {
        let y = vec![true, false, true, false, true, false, false, false];
        // The probability given to what happened.
        let right = [
            [0.5; 8],
            [0.9, 0.9, 0.6, 0.6, 0.6, 0.6, 0.6, 0.3],
            [0.8, 0.8, 0.7, 0.6, 0.6, 0.6, 0.6, 0.35],
        ];
        let logit = |p: f64| (p / (1.0 - p)).ln();
        let eta = |right: &[f64; 8]| {
            right.iter().zip(&y).map(|(p, y)| if *y { logit(*p) } else { -logit(*p) }).collect()
        };
        let log_odds: Vec<Vec<f64>> = right.iter().map(eta).collect();
        (
            CrossFit { alphas: vec![10.0, 1.0, 0.1], log_odds, non_zero: vec![0.0; 3] },
            y,
            vec![7, 7, 2, 2, 9, 9, 4, 4],
        )
    }

    #[test]
    fn losses_and_the_error_of_their_paired_difference_are_as_by_hand() {
        let (fit, y, group) = judged();
        let path = fit.path(&y, &group, Rule::Min);
        assert_eq!(path.chosen, 2);
        let loss = |right: &[f64]| right.iter().map(|p: &f64| -p.ln()).collect::<Vec<_>>();
        let (a, b) = (loss(&[0.5; 8]), loss(&[0.8, 0.8, 0.7, 0.6, 0.6, 0.6, 0.6, 0.35]));
        let mean = |v: &[f64]| v.iter().sum::<f64>() / 8.0;
        near(path.points[0].log_loss, 2.0_f64.ln());
        near(path.points[2].log_loss, mean(&b));
        let difference: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        near(path.points[0].excess, mean(&difference));
        let by_account: f64 =
            difference.chunks(2).map(|d| (d[0] + d[1] - 2.0 * mean(&difference)).powi(2)).sum();
        near(path.points[0].excess_se.unwrap(), (4.0 / 3.0 * by_account).sqrt() / 8.0);
        assert_eq!((path.points[2].excess, path.points[2].excess_se), (0.0, Some(0.0)));
    }

    #[test]
    fn one_standard_error_takes_the_strongest_penalty_that_is_near_enough() {
        let (fit, y, group) = judged();
        let path = fit.path(&y, &group, Rule::OneSe);
        let near_enough: Vec<bool> =
            path.points.iter().map(|p| p.excess <= p.excess_se.unwrap()).collect();
        assert_eq!(near_enough, [false, true, true]);
        assert_eq!(path.chosen, 1);
        // With one account there is no error: the minimum itself.
        assert_eq!(fit.path(&y, &[1; 8], Rule::OneSe).chosen, 2);
        // In any order the points stand from strong to weak.
        let turned = CrossFit {
            alphas: vec![0.1, 10.0, 1.0],
            log_odds: [2, 0, 1].map(|i| fit.log_odds[i].clone()).to_vec(),
            ..fit.clone()
        };
        assert_eq!(turned.path(&y, &group, Rule::OneSe), path);
        // Of equal losses the strongest.
        let same = CrossFit { log_odds: vec![fit.log_odds[1].clone(); 3], ..fit };
        assert_eq!(
            (same.path(&y, &group, Rule::Min).chosen, same.path(&y, &group, Rule::OneSe).chosen),
            (0, 0)
        );
    }

    #[test]
    fn the_grid_spans_what_the_penalty_can_do() {
        let (x, y, _) = rows();
        let l2 = grid(Penalty::L2, x.view(), y.view());
        let weight = 12.0 * (5.0 / 12.0) * (7.0 / 12.0);
        assert_eq!(l2.len(), 20);
        near(l2[0], 100.0 * weight);
        near(l2[19], 1e-4 * weight);
        assert!(l2.windows(2).all(|w| ((w[1] / w[0]).ln() - 1e-6_f64.ln() / 19.0).abs() < 1e-12));
        let pull = |j: usize| {
            x.column(j)
                .iter()
                .zip(&y)
                .map(|(x, y)| x * (f64::from(u8::from(*y)) - 5.0 / 12.0))
                .sum::<f64>()
                .abs()
        };
        let net = grid(Penalty::ElasticNet { l1_ratio: 0.25 }, x.view(), y.view());
        near(net[0], pull(0).max(pull(1)) / 0.25);
        near(net[19], 1e-4 * net[0]);
        assert_eq!(grid(Penalty::ElasticNet { l1_ratio: 0.0 }, x.view(), y.view()), l2);
        // Columns that say nothing.
        assert_eq!(grid(Penalty::L1, Array2::zeros((12, 1)).view(), y.view()), l2);
    }

    #[test]
    fn a_minimum_at_an_end_asks_for_two_decades_more() {
        let (x, y, _) = rows();
        let path = |alphas: &[f64], minimum: usize| {
            let point = |(at, alpha): (usize, &f64)| {
                let log_loss = if at == minimum { 0.4 } else { 0.5 };
                PathPoint { alpha: *alpha, log_loss, excess: 0.0, excess_se: None, non_zero: 0.0 }
            };
            Path { points: alphas.iter().enumerate().map(point).collect(), chosen: 5 }
        };
        for penalty in [Penalty::L2, Penalty::L1] {
            let alphas = grid(penalty, x.view(), y.view());
            let ratio = alphas[1] / alphas[0];
            assert_eq!(extension(penalty, &path(&alphas, 7)), None);
            let weaker = extension(penalty, &path(&alphas, 19)).unwrap();
            near(weaker[0], alphas[19] * ratio);
            let last = weaker[weaker.len() - 1] / alphas[19];
            assert!(
                (last.ln() - 0.01_f64.ln()).abs() <= 0.5 * ratio.ln().abs()
                    && weaker.is_sorted_by(|a, b| a > b),
                "{last}"
            );
            match extension(penalty, &path(&alphas, 0)) {
                None => assert_eq!(penalty, Penalty::L1),
                Some(stronger) => {
                    near(stronger[stronger.len() - 1], alphas[0] / ratio);
                    assert_eq!(stronger.len(), weaker.len());
                    assert!(stronger.is_sorted_by(|a, b| a > b));
                }
            }
        }
    }

    #[test]
    fn an_extension_joins_the_path() {
        let (first, second) = (
            cross_fit(&Logistic::default(), &[1.0, 9.0], &FOLDS),
            cross_fit(&Logistic::default(), &[3.0, 0.1], &FOLDS),
        );
        let whole = cross_fit(&Logistic::default(), &[9.0, 3.0, 1.0, 0.1], &FOLDS).unwrap();
        let joined = first.unwrap().with(second.unwrap());
        assert_eq!(joined.alphas, whole.alphas);
        joined
            .log_odds
            .concat()
            .iter()
            .zip(&whole.log_odds.concat())
            .for_each(|(a, b)| near(*a, *b));
        assert!(joined.log_odds[0].iter().all(|eta| (0.0..=1.0).contains(&sigmoid(*eta))));
    }
}
