//! Chooses alpha by cross-validation: cross-fitting over a grid, and the regularization path.
//!
//! # Source
//! Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed. (2009), §7.10. The
//! standard error is that of the paired difference, by account: at low base rates, the spread of
//! the loss itself mostly reflects the number of conversions

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::derivatives::{CHUNK, Problem, largest, sum_chunks};
use super::fold::FoldSolver;
use super::inference::Groups;
use super::point::Point;
use super::{Logistic, Penalty, same_length};
use crate::counts::count;
use crate::error::{Error, Result};

/// Number of values in a grid.
const GRID: u32 = 20;
/// Smallest and largest l2 alpha as a multiple of n·ȳ(1 − ȳ), the total weight of the rows at the
/// mean outcome.
const L2_RANGE: [f64; 2] = [1e-4, 1e2];
/// Smallest l1 alpha as a share of the alpha at which all coefficients are 0.
const L1_WEAKEST: f64 = 1e-4;
/// Factor by which an extended grid exceeds the path.
const EXTENSION: f64 = 100.0;

/// One fold: rows to fit on, and held-out rows.
#[derive(Debug, Clone)]
pub struct Fold {
    /// Standardized columns of the rows to fit on.
    pub x: Array2<f64>,
    /// Outcomes of the rows to fit on.
    pub y: Array1<bool>,
    /// The same columns of the held-out rows.
    pub x_out: Array2<f64>,
    /// Indices of the held-out rows among the training rows.
    pub out: Vec<usize>,
}

/// All folds: each training row is held out once, together with all rows of its account.
#[derive(Clone, Copy)]
pub struct Folds<'a, E = Error> {
    /// Number of training rows.
    pub rows: usize,
    /// Number of folds.
    pub count: usize,
    /// Computes the fold with this number; called once per fold, in order.
    pub fold: &'a dyn Fn(usize) -> std::result::Result<Fold, E>,
}

/// Cross-fitted log-odds of the training rows for several values of alpha.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossFit {
    /// Values of alpha.
    pub alphas: Vec<f64>,
    /// For each alpha, the log-odds of the training rows, in order.
    pub log_odds: Vec<Vec<f64>>,
    /// For each alpha, the mean number of nonzero coefficients over the folds, without the
    /// intercept.
    pub nonzero: Vec<f64>,
}

/// Fits each fold at each alpha, and computes the log-odds of the held-out rows.
///
/// Within a fold, the fits go from large to small alpha, each starting from the previous one. Alpha
/// is scaled by the fold's share of the rows, because the objective is a sum over rows.
/// # Arguments
/// * `base` – settings of the fits; `alpha` and `start` are ignored
/// * `alphas` – in any order; one arbitrary value with [`Penalty::None`] and [`Penalty::Firth`]
/// # Errors
/// * those of [`Logistic::fit_rows`] and of `folds.fold`
/// * [`Error::HeldOutTwice`], [`Error::NotHeldOut`]: a row is not held out exactly once
pub fn cross_fit<E: From<Error>>(
    base: &Logistic,
    alphas: &[f64],
    folds: &Folds<'_, E>,
) -> std::result::Result<CrossFit, E> {
    let mut order: Vec<usize> = (0..alphas.len()).collect();
    order.sort_by(|&a, &b| alphas[b].total_cmp(&alphas[a]));
    let mut log_odds = vec![vec![f64::NAN; folds.rows]; alphas.len()];
    let mut nonzero = vec![0.0; alphas.len()];
    let mut held_out = vec![false; folds.rows];
    let mut fits = FoldSolver::default();
    for fold in 0..folds.count {
        let fold = (folds.fold)(fold)?;
        same_length("out", fold.out.len(), fold.x_out.nrows())?;
        for &row in &fold.out {
            match held_out.get_mut(row) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(Error::HeldOutTwice { row, rows: folds.rows }.into()),
            }
        }
        let share = count(fold.x.nrows()) / count(folds.rows);
        let fold_alphas: Vec<f64> = order.iter().map(|&index| alphas[index] * share).collect();
        let betas = fits.solve((fold.x.view(), fold.y.view()), base, &fold_alphas)?;
        let coef =
            Array2::from_shape_fn((fold.x.ncols(), betas.len()), |(j, fit)| betas[fit][j + 1]);
        let eta = fold.x_out.dot(&coef);
        for ((&index, beta), eta) in order.iter().zip(&betas).zip(eta.columns()) {
            fold.out.iter().zip(eta).for_each(|(row, eta)| log_odds[index][*row] = beta[0] + eta);
            nonzero[index] +=
                count(beta[1..].iter().filter(|b| **b != 0.0).count()) / count(folds.count);
        }
    }
    match held_out.iter().position(|seen| !seen) {
        Some(row) => Err(Error::NotHeldOut { row, rows: folds.rows }.into()),
        None => Ok(CrossFit { alphas: alphas.to_vec(), log_odds, nonzero }),
    }
}

/// Fits the same rows at each alpha, to a precision of about 1e-8. Returns intercept and
/// coefficients for each.
///
/// # Arguments
/// * `base` – settings of the fits; `alpha` and `start` are ignored
/// * `alphas` – in descending order
/// * `x`, `y` – as in [`Logistic::fit_rows`]
/// # Errors
/// Those of [`Logistic::fit_rows`]
pub fn coefficient_path<'a>(
    base: &Logistic,
    alphas: &[f64],
    x: ArrayView2<'a, f64>,
    y: ArrayView1<'a, bool>,
) -> Result<Vec<Vec<f64>>> {
    FoldSolver::default().solve((x, y), base, alphas)
}

/// Computes the values of alpha to try, in descending order; only 0 without a penalty.
///
/// 20 values, evenly spaced on the logarithmic scale. With l2, from 100 down to 1e-4 times n·ȳ(1 −
/// ȳ). With an l1 part, from the smallest alpha at which all coefficients are 0, maxⱼ |xⱼᵀ(y − ȳ)|
/// / `l1_ratio`, down to 1e-4 of it.
///
/// # Arguments
/// * `x`, `y` – as in [`Logistic::fit_rows`]
#[must_use]
pub fn alpha_grid<'a>(
    penalty: Penalty,
    x: ArrayView2<'a, f64>,
    y: ArrayView1<'a, bool>,
) -> Vec<f64> {
    if !penalty.has_strength() {
        return vec![0.0];
    }
    let problem = Problem { x, y, l2: 0.0, l1: 0.0 };
    let mean = problem.positive() / problem.rows();
    let strongest = if penalty.l1_ratio() > 0.0 {
        max_abs_score(&problem, mean) / penalty.l1_ratio()
    } else {
        0.0
    };
    let [weak, strong] = if strongest > 0.0 {
        [L1_WEAKEST * strongest, strongest]
    } else {
        // Also if no column is informative, so that any alpha will do.
        L2_RANGE.map(|r| r * problem.positive() * (1.0 - mean))
    };
    let last = f64::from(GRID - 1);
    let inside = (1..GRID - 1)
        .map(|i| (strong.ln() + (weak.ln() - strong.ln()) * f64::from(i) / last).exp());
    std::iter::once(strong).chain(inside).chain([weak]).collect()
}

/// Computes the largest `|xⱼᵀ(y − ȳ)|`.
fn max_abs_score(problem: &Problem<'_>, mean: f64) -> f64 {
    let sums = sum_chunks(problem.y.len(), CHUNK, problem.x.ncols(), |rows, _, sums| {
        let (x, y) = problem.slice_rows(rows);
        for (row, &y) in x.rows().into_iter().zip(y) {
            let residual = f64::from(u8::from(y)) - mean;
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += residual * x);
        }
    });
    largest(&sums)
}

/// Rule to choose alpha on a regularization path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlphaSelection {
    /// The alpha with the smallest held-out loss.
    Min,
    /// The largest alpha whose loss exceeds the smallest by at most one standard error of the
    /// difference.
    OneSe,
}

/// A regularization path: the held-out loss at each alpha, and the chosen alpha.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegularizationPath {
    /// One point per alpha, in descending order of alpha.
    pub points: Vec<PathPoint>,
    /// Index of the chosen point.
    pub chosen: usize,
}

/// A point of a regularization path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathPoint {
    /// Regularization strength.
    pub alpha: f64,
    /// Mean log loss of the held-out rows of all folds.
    pub log_loss: f64,
    /// Difference to the smallest loss of the path.
    pub excess: f64,
    /// Standard error of this difference, by account; `None` with one account.
    pub excess_std_error: Option<f64>,
    /// Mean number of nonzero coefficients over the folds, without the intercept.
    pub nonzero: f64,
}

impl RegularizationPath {
    /// Returns the index of the smallest loss; of equal ones, the largest alpha.
    fn minimum(&self) -> usize {
        let losses = self.points.iter().map(|point| point.log_loss);
        losses.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).expect("a path has a point").0
    }
}

impl CrossFit {
    /// Adds another cross-fit of the same rows; alpha is then in descending order.
    #[must_use]
    pub fn merge(self, other: CrossFit) -> Self {
        let points = |fit: CrossFit| fit.alphas.into_iter().zip(fit.log_odds).zip(fit.nonzero);
        let mut all: Vec<_> = points(self).chain(points(other)).collect();
        all.sort_by(|a, b| b.0.0.total_cmp(&a.0.0));
        let (fits, nonzero): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let (alphas, log_odds) = fits.into_iter().unzip();
        Self { alphas, log_odds, nonzero }
    }

    /// Computes the held-out loss at each alpha, and chooses one.
    ///
    /// # Arguments
    /// * `y` – outcomes of the training rows
    /// * `group` – number of the account of each training row
    /// # Panics
    /// If there is no alpha, or the lengths differ.
    #[must_use]
    pub fn path(&self, y: &[bool], group: &[u32], selection: AlphaSelection) -> RegularizationPath {
        assert!(
            self.log_odds.iter().all(|eta| eta.len() == y.len()) && y.len() == group.len(),
            "rows of the folds, outcomes, accounts"
        );
        let mut order: Vec<usize> = (0..self.alphas.len()).collect();
        order.sort_by(|&a, &b| self.alphas[b].total_cmp(&self.alphas[a]));
        let loss = |index: usize, row: usize| Point::new(self.log_odds[index][row], y[row]).loss;
        let mean = |value: &(dyn Fn(usize) -> f64 + Sync)| {
            sum_chunks(y.len(), CHUNK, 1, |rows, _, sums| {
                rows.for_each(|row| sums[0] += value(row));
            })[0]
                / count(y.len())
        };
        let point = |&index: &usize| PathPoint {
            alpha: self.alphas[index],
            log_loss: mean(&|row| loss(index, row)),
            excess: 0.0,
            excess_std_error: None,
            nonzero: self.nonzero[index],
        };
        let mut path = RegularizationPath { points: order.iter().map(point).collect(), chosen: 0 };
        let minimum = path.minimum();
        let groups = Groups::new(group);
        for (point, &index) in path.points.iter_mut().zip(&order) {
            let difference = |row: usize| loss(index, row) - loss(order[minimum], row);
            point.excess = mean(&difference);
            point.excess_std_error = groups.error_of_mean(point.excess, difference);
        }
        path.chosen = match selection {
            AlphaSelection::Min => minimum,
            AlphaSelection::OneSe => {
                let within_one_se =
                    |point: &PathPoint| point.excess <= point.excess_std_error.unwrap_or(0.0);
                path.points.iter().position(within_one_se).expect("the minimum exceeds itself by 0")
            }
        };
        path
    }
}

/// Computes values of alpha up to two decades beyond a path, with its spacing, in descending order;
/// `None` unless the smallest loss is at an end of the path. Extend a path only once.
///
/// With an l1 part, the path is not extended to larger values: all coefficients are 0 there.
#[must_use]
pub fn extended_grid(penalty: Penalty, path: &RegularizationPath) -> Option<Vec<f64>> {
    let points = &path.points;
    let [first, second, .., before, last] = &points[..] else { return None };
    let minimum = path.minimum();
    let beyond = |end: &PathPoint, inner: &PathPoint| -> Vec<f64> {
        let ratio = end.alpha / inner.alpha;
        let steps = std::iter::successors(Some(ratio), |factor| Some(factor * ratio));
        // Stop at the step nearest to two decades.
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

    /// Returns twelve rows of six accounts, with two columns.
    fn rows() -> (Array2<f64>, Array1<bool>, Vec<u32>) {
        let x = Array2::from_shape_fn((12, 2), |(i, j)| {
            f64::from(u8::try_from((7 * i + 5 * j * i + j) % 11).unwrap()) / 3.0 - 1.7
        });
        let y =
            array![true, false, true, false, false, true, false, false, true, false, true, false];
        (x, y, (0..12).map(|i| i / 2).collect())
    }

    /// Assigns accounts to three folds in turn.
    #[expect(clippy::unnecessary_wraps, reason = "the signature that `Folds` needs")]
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
    fn held_out_log_odds_equal_those_of_a_fit_without_the_account() {
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
        assert_eq!(lasso.nonzero, [0.0, 2.0]);
    }

    #[test]
    fn coefficient_path_equals_separate_fits() {
        let (x, y, _) = rows();
        for penalty in [Penalty::L2, Penalty::L1] {
            let base = Logistic { penalty, ..Logistic::default() };
            let alphas = [5.0, 0.5, 0.1];
            for (alpha, found) in alphas
                .into_iter()
                .zip(coefficient_path(&base, &alphas, x.view(), y.view()).unwrap())
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
    fn penalties_without_alpha_have_a_path_of_one_point() {
        let (x, y, _) = rows();
        // Keep one column, which does not separate any fold.
        let one_column = |number| {
            fold(number).map(|f| Fold {
                x: f.x.select(Axis(1), &[1]),
                x_out: f.x_out.select(Axis(1), &[1]),
                ..f
            })
        };
        for penalty in [Penalty::None, Penalty::Firth] {
            let alphas = alpha_grid(penalty, x.view(), y.view());
            assert_eq!(alphas, [0.0]);
            let found = cross_fit(
                &Logistic { penalty, ..Logistic::default() },
                &alphas,
                &Folds { fold: &one_column, ..FOLDS },
            )
            .unwrap();
            assert!(found.log_odds[0].iter().all(|eta| eta.is_finite()));
            let path = found.path(&y.to_vec(), &rows().2, AlphaSelection::OneSe);
            assert_eq!((path.chosen, extended_grid(penalty, &path)), (0, None));
        }
    }

    #[test]
    fn rows_held_out_twice_or_never_are_errors() {
        let base = Logistic::default();
        for folds in
            [Folds { count: 2, ..FOLDS }, Folds { rows: 13, ..FOLDS }, Folds { rows: 11, ..FOLDS }]
        {
            assert!(cross_fit(&base, &[1.0], &folds).is_err());
        }
        assert!(cross_fit(&base, &[1.0], &Folds { fold: &|_| fold(0), ..FOLDS }).is_err());
    }

    /// Returns four accounts with two rows each, with losses that follow from known probabilities.
    fn fit_with_known_losses() -> (CrossFit, Vec<bool>, Vec<u32>) {
        let y = vec![true, false, true, false, true, false, false, false];
        // Probability of the observed outcome.
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
            CrossFit { alphas: vec![10.0, 1.0, 0.1], log_odds, nonzero: vec![0.0; 3] },
            y,
            vec![7, 7, 2, 2, 9, 9, 4, 4],
        )
    }

    #[test]
    fn losses_and_standard_errors_of_the_differences_match_a_hand_calculation() {
        let (fit, y, group) = fit_with_known_losses();
        let path = fit.path(&y, &group, AlphaSelection::Min);
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
        near(path.points[0].excess_std_error.unwrap(), (4.0 / 3.0 * by_account).sqrt() / 8.0);
        assert_eq!((path.points[2].excess, path.points[2].excess_std_error), (0.0, Some(0.0)));
    }

    #[test]
    fn one_se_chooses_the_largest_alpha_within_one_standard_error() {
        let (fit, y, group) = fit_with_known_losses();
        let path = fit.path(&y, &group, AlphaSelection::OneSe);
        let near_enough: Vec<bool> =
            path.points.iter().map(|p| p.excess <= p.excess_std_error.unwrap()).collect();
        assert_eq!(near_enough, [false, true, true]);
        assert_eq!(path.chosen, 1);
        // With one account there is no standard error, and the minimum is chosen.
        assert_eq!(fit.path(&y, &[1; 8], AlphaSelection::OneSe).chosen, 2);
        // The points are in descending order of alpha for any input order.
        let turned = CrossFit {
            alphas: vec![0.1, 10.0, 1.0],
            log_odds: [2, 0, 1].map(|i| fit.log_odds[i].clone()).to_vec(),
            ..fit.clone()
        };
        assert_eq!(turned.path(&y, &group, AlphaSelection::OneSe), path);
        // Of equal losses the largest alpha is chosen.
        let same = CrossFit { log_odds: vec![fit.log_odds[1].clone(); 3], ..fit };
        assert_eq!(
            (
                same.path(&y, &group, AlphaSelection::Min).chosen,
                same.path(&y, &group, AlphaSelection::OneSe).chosen
            ),
            (0, 0)
        );
    }

    #[test]
    fn alpha_grid_spans_the_range_of_each_penalty() {
        let (x, y, _) = rows();
        let l2 = alpha_grid(Penalty::L2, x.view(), y.view());
        let weight = 12.0 * (5.0 / 12.0) * (7.0 / 12.0);
        assert_eq!(l2.len(), 20);
        near(l2[0], 100.0 * weight);
        near(l2[19], 1e-4 * weight);
        assert!(l2.windows(2).all(|w| ((w[1] / w[0]).ln() - 1e-6_f64.ln() / 19.0).abs() < 1e-12));
        let max_abs_score = |j: usize| {
            x.column(j)
                .iter()
                .zip(&y)
                .map(|(x, y)| x * (f64::from(u8::from(*y)) - 5.0 / 12.0))
                .sum::<f64>()
                .abs()
        };
        let net = alpha_grid(Penalty::ElasticNet { l1_ratio: 0.25 }, x.view(), y.view());
        near(net[0], max_abs_score(0).max(max_abs_score(1)) / 0.25);
        near(net[19], 1e-4 * net[0]);
        assert_eq!(alpha_grid(Penalty::ElasticNet { l1_ratio: 0.0 }, x.view(), y.view()), l2);
        // Columns without information.
        assert_eq!(alpha_grid(Penalty::L1, Array2::zeros((12, 1)).view(), y.view()), l2);
    }

    #[test]
    fn a_minimum_at_an_end_of_the_path_extends_it_by_two_decades() {
        let (x, y, _) = rows();
        let path = |alphas: &[f64], minimum: usize| {
            let point = |(index, alpha): (usize, &f64)| {
                let log_loss = if index == minimum { 0.4 } else { 0.5 };
                PathPoint {
                    alpha: *alpha,
                    log_loss,
                    excess: 0.0,
                    excess_std_error: None,
                    nonzero: 0.0,
                }
            };
            RegularizationPath { points: alphas.iter().enumerate().map(point).collect(), chosen: 5 }
        };
        for penalty in [Penalty::L2, Penalty::L1] {
            let alphas = alpha_grid(penalty, x.view(), y.view());
            let ratio = alphas[1] / alphas[0];
            assert_eq!(extended_grid(penalty, &path(&alphas, 7)), None);
            let weaker = extended_grid(penalty, &path(&alphas, 19)).unwrap();
            near(weaker[0], alphas[19] * ratio);
            let last = weaker[weaker.len() - 1] / alphas[19];
            assert!(
                (last.ln() - 0.01_f64.ln()).abs() <= 0.5 * ratio.ln().abs()
                    && weaker.is_sorted_by(|a, b| a > b),
                "{last}"
            );
            match extended_grid(penalty, &path(&alphas, 0)) {
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
    fn merging_cross_fits_equals_one_cross_fit_of_all_alphas() {
        let (first, second) = (
            cross_fit(&Logistic::default(), &[1.0, 9.0], &FOLDS),
            cross_fit(&Logistic::default(), &[3.0, 0.1], &FOLDS),
        );
        let all_at_once = cross_fit(&Logistic::default(), &[9.0, 3.0, 1.0, 0.1], &FOLDS).unwrap();
        let joined = first.unwrap().merge(second.unwrap());
        assert_eq!(joined.alphas, all_at_once.alphas);
        joined
            .log_odds
            .concat()
            .iter()
            .zip(&all_at_once.log_odds.concat())
            .for_each(|(a, b)| near(*a, *b));
        assert!(joined.log_odds[0].iter().all(|eta| (0.0..=1.0).contains(&sigmoid(*eta))));
    }
}
