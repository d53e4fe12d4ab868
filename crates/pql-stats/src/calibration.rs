//! Calibration: maps the log-odds of a fit to calibrated probabilities.

use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::counts::count;
use crate::error::{Error, Result};
use crate::glm::{Logistic, LogisticFit, Penalty, sigmoid};
use crate::intervals::{Interval, Z_95};

/// Smallest probability; the largest is 1 minus this value.
pub const SMALLEST: f64 = 1e-9;

/// Calibration of the log-odds of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Calibration {
    /// No calibration.
    None,
    /// Platt scaling: a line.
    Platt(Platt),
    /// Isotonic regression: an increasing, piecewise linear function.
    Isotonic(Isotonic),
}

/// Platt scaling: the line `intercept + slope·η`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Platt {
    /// Calibrated log-odds if η is 0.
    pub intercept: f64,
    /// Change of the calibrated log-odds per unit of η.
    pub slope: f64,
    /// Covariance of intercept and slope, by rows of the matrix; by account if accounts repeat.
    pub covariance: [f64; 4],
}

/// Isotonic calibration: probabilities linear between knots of η, constant beyond them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Isotonic {
    /// η of each knot, ascending.
    pub log_odds: Vec<f64>,
    /// Probability at each knot, ascending.
    pub probability: Vec<f64>,
}

impl Calibration {
    /// Fits the line `a + bη` by maximum likelihood; `None` unless it exists with `b > 0`.
    ///
    /// # Arguments
    /// * `eta` – cross-fitted log-odds, finite
    /// * `y` – outcomes
    /// * `group` – account number of each row, in any order
    /// # Errors
    /// * [`Error::NoRows`], [`Error::LengthMismatch`], [`Error::NotFinite`]: no rows, unequal
    ///   lengths, or log-odds that are not finite
    /// # Source
    /// Platt, "Probabilistic outputs for support vector machines", *Advances in Large Margin
    /// Classifiers* (1999), without its smoothed targets, so that the calibrated probabilities
    /// sum to the conversions
    pub fn platt(eta: &[f64], y: &[bool], group: &[u32]) -> Result<Option<Platt>> {
        Ok(fit_line(eta, y, group)?.filter(|platt| platt.slope > 0.0))
    }

    /// Fits an isotonic regression by pooling adjacent violators, with a knot at the mean η of each
    /// block.
    ///
    /// Probabilities are clipped to [1/(n + 2), 1 − 1/(n + 2)], which is the resolution of n rows.
    /// # Panics
    /// If there is no row, the lengths differ or log-odds are not finite.
    /// # Source
    /// Zadrozny, Elkan, "Transforming classifier scores into accurate multiclass probability
    /// estimates", *KDD* (2002); Ayer et al., "An empirical distribution function for sampling
    /// with incomplete information", *Annals of Mathematical Statistics* 26 (1955)
    #[must_use]
    pub fn isotonic(eta: &[f64], y: &[bool]) -> Isotonic {
        assert!(!eta.is_empty() && eta.len() == y.len(), "log-odds and outcomes");
        assert!(eta.iter().all(|eta| eta.is_finite()), "log-odds are finite");
        let margin = 1.0 / (count(eta.len()) + 2.0);
        let blocks = pool_adjacent_violators(eta, y);
        Isotonic {
            log_odds: blocks.iter().map(|block| block.eta / count(block.rows)).collect(),
            probability: blocks
                .iter()
                .map(|block| {
                    (count(block.positive) / count(block.rows)).clamp(margin, 1.0 - margin)
                })
                .collect(),
        }
    }

    /// Returns the linear part of the calibration: intercept and slope; (0, 1) for isotonic
    /// calibration, whose correction is added to it.
    #[must_use]
    pub fn intercept_and_slope(&self) -> (f64, f64) {
        match self {
            Self::Platt(platt) => (platt.intercept, platt.slope),
            Self::None | Self::Isotonic(_) => (0.0, 1.0),
        }
    }

    /// Returns whether the calibration is isotonic, and adds a correction to its linear part.
    #[must_use]
    pub fn is_isotonic(&self) -> bool {
        matches!(self, Self::Isotonic(_))
    }

    /// Computes the calibrated log-odds; NaN if `eta` is not finite.
    #[must_use]
    pub fn log_odds(&self, eta: f64) -> f64 {
        match self {
            _ if !eta.is_finite() => f64::NAN,
            Self::None => eta,
            Self::Platt(platt) => platt.intercept + platt.slope * eta,
            Self::Isotonic(isotonic) => {
                let p = isotonic.interpolate(eta);
                (p / (1.0 - p)).ln()
            }
        }
    }

    /// Computes the calibrated probability, between [`SMALLEST`] and 1 − [`SMALLEST`]; NaN if `eta`
    /// is not finite.
    #[must_use]
    pub fn probability(&self, eta: f64) -> f64 {
        match self {
            Self::Isotonic(isotonic) if eta.is_finite() => {
                isotonic.interpolate(eta).clamp(SMALLEST, 1.0 - SMALLEST)
            }
            _ => probability(self.log_odds(eta)),
        }
    }

    /// Computes the 95% interval of the calibrated probability: the uncertainty of the estimate,
    /// not of the outcome.
    ///
    /// With a line L = a + bη, it is σ(L ∓ 1.96·se), se² = b²·`variance` + (1, η)·C·(1, η)ᵀ, where
    /// C is the covariance of (a, b). With isotonic calibration, the ends η ∓ 1.96·√`variance` are
    /// calibrated, without the uncertainty of the calibration itself.
    ///
    /// # Arguments
    /// * `eta` – log-odds of the fit
    /// * `variance` – variance of the log-odds, at least 0
    #[must_use]
    pub fn interval(&self, eta: f64, variance: f64) -> Interval {
        // Rounding may make a variance slightly negative; NaN stays NaN.
        let root = |variance: f64| variance.clamp(0.0, f64::INFINITY).sqrt();
        if let Self::Platt(platt) = self {
            let center = self.log_odds(eta);
            let half = Z_95 * root(platt.slope.powi(2) * variance + platt.variance(eta));
            return Interval { low: probability(center - half), high: probability(center + half) };
        }
        let half = Z_95 * root(variance);
        Interval { low: self.probability(eta - half), high: self.probability(eta + half) }
    }
}

impl Platt {
    /// Computes the variance of `a + bη`: (1, η)·C·(1, η)ᵀ.
    fn variance(&self, eta: f64) -> f64 {
        let [a, ab, _, b] = self.covariance;
        a + eta * (2.0 * ab + eta * b)
    }
}

impl Isotonic {
    /// Computes the probability by linear interpolation between knots.
    fn interpolate(&self, eta: f64) -> f64 {
        let above = self.log_odds.partition_point(|knot| *knot <= eta);
        let last = self.log_odds.len() - 1;
        if above == 0 || above > last {
            return self.probability[above.min(last)];
        }
        let (from, to) = (self.log_odds[above - 1], self.log_odds[above]);
        let (low, high) = (self.probability[above - 1], self.probability[above]);
        low + (high - low) * ((eta - from) / (to - from))
    }
}

/// Fits the line `a + bη` by maximum likelihood, with any slope; `None` if it does not exist: equal
/// outcomes, equal η, or separated outcomes.
///
/// If all rows belong to one account, they count as independent.
pub(crate) fn fit_line(eta: &[f64], y: &[bool], group: &[u32]) -> Result<Option<Platt>> {
    /// Relative spread of the log-odds below which they count as equal.
    const FLAT: f64 = 1e-12;
    let n = count(eta.len());
    let mean = eta.iter().sum::<f64>() / n;
    let deviation = (eta.iter().map(|eta| (eta - mean).powi(2)).sum::<f64>() / n).sqrt();
    if deviation <= FLAT * (1.0 + mean.abs()) {
        return Ok(None);
    }
    // Standardize, so that the second derivatives are well scaled for any log-odds.
    let x: Vec<f64> = eta.iter().map(|eta| (eta - mean) / deviation).collect();
    let x = Array2::from_shape_vec((x.len(), 1), x).expect("a column of all values");
    let logistic = Logistic { penalty: Penalty::None, ..Logistic::default() };
    let y = ArrayView1::from(y);
    let several_accounts = group.iter().any(|g| *g != group[0]);
    let fit = if several_accounts {
        logistic.fit_groups(x.view(), y, group)
    } else {
        logistic.fit_rows(x.view(), y)
    };
    match fit {
        Ok(fit) => Ok(Some(unstandardized(&fit, mean, deviation))),
        Err(Error::NotConverged { .. } | Error::OneClass { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Converts a fit on (η − mean)/deviation to a line in η.
fn unstandardized(fit: &LogisticFit, mean: f64, deviation: f64) -> Platt {
    let slope = fit.coef[0] / deviation;
    let shift = mean / deviation;
    let [a, ab, b] = [0, 1, 3].map(|i| fit.covariance.as_ref().expect("an unpenalized fit")[i]);
    let covariance = (ab - shift * b) / deviation;
    Platt {
        intercept: fit.intercept - slope * mean,
        slope,
        covariance: [
            a - shift * (2.0 * ab - shift * b),
            covariance,
            covariance,
            b / deviation.powi(2),
        ],
    }
}

/// A block of rows with the same calibrated probability.
struct Block {
    rows: usize,
    positive: usize,
    /// Sum of η.
    eta: f64,
}

/// Pools adjacent violators. Returns blocks in ascending order of η, with increasing shares of
/// positive rows.
fn pool_adjacent_violators(eta: &[f64], y: &[bool]) -> Vec<Block> {
    let mut order: Vec<usize> = (0..eta.len()).collect();
    order.sort_unstable_by(|&a, &b| eta[a].total_cmp(&eta[b]));
    let mut blocks: Vec<Block> = Vec::new();
    #[expect(clippy::float_cmp, reason = "a tie is exact")]
    for tie in order.chunk_by(|&a, &b| eta[a] == eta[b]) {
        let positive = tie.iter().filter(|&&row| y[row]).count();
        let mut block = Block { rows: tie.len(), positive, eta: eta[tie[0]] * count(tie.len()) };
        while let Some(before) = blocks.pop_if(|before| before.at_least(&block)) {
            block.rows += before.rows;
            block.positive += before.positive;
            block.eta += before.eta;
        }
        blocks.push(block);
    }
    blocks
}

impl Block {
    /// Returns whether its share of positive rows is at least that of another block, in exact
    /// integer arithmetic.
    fn at_least(&self, other: &Self) -> bool {
        self.positive as u128 * other.rows as u128 >= other.positive as u128 * self.rows as u128
    }
}

/// Computes σ(η), clamped to [`SMALLEST`] and 1 − [`SMALLEST`]; NaN if `eta` is not finite.
#[must_use]
pub fn probability(eta: f64) -> f64 {
    if eta.is_finite() { sigmoid(eta).clamp(SMALLEST, 1.0 - SMALLEST) } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    /// Two values of η with 1 of 4 and 2 of 3 positive rows: the line goes through both log-odds.
    const ETA: [f64; 7] = [-1.0, -1.0, -1.0, -1.0, 3.0, 3.0, 3.0];
    const Y: [bool; 7] = [true, false, false, false, true, true, false];
    const EACH: [u32; 7] = [0, 1, 2, 3, 4, 5, 6];

    #[test]
    fn the_line_goes_through_two_points() {
        let platt = Calibration::platt(&ETA, &Y, &EACH).unwrap().unwrap();
        let (low, high) = ((1.0_f64 / 3.0).ln(), 2.0_f64.ln());
        near(platt.slope, (high - low) / 4.0);
        near(platt.intercept, low + platt.slope);
        // The variance of a log-odds of k of n is 1/k + 1/(n − k), and the two points are
        // independent.
        near(platt.variance(-1.0), 1.0 + 1.0 / 3.0);
        near(platt.variance(3.0), 0.5 + 1.0);
        let calibration = Calibration::Platt(platt.clone());
        near(calibration.probability(-1.0), 0.25);
        near(calibration.log_odds(3.0), high);
        let half = Z_95 * (platt.slope.powi(2) * 0.3 + 1.5).sqrt();
        let Interval { low: from, high: to } = calibration.interval(3.0, 0.3);
        near(from, sigmoid(high - half));
        near(to, sigmoid(high + half));
    }

    #[test]
    fn repeated_accounts_change_only_the_covariance() {
        let single = Calibration::platt(&ETA, &Y, &EACH).unwrap().unwrap();
        let repeated = Calibration::platt(&ETA, &Y, &[0, 0, 1, 1, 2, 2, 3]).unwrap().unwrap();
        assert_eq!((single.intercept, single.slope), (repeated.intercept, repeated.slope));
        assert_ne!(single.covariance, repeated.covariance);
    }

    #[test]
    fn no_platt_scaling_for_negative_flat_or_separated_log_odds() {
        let falling: Vec<f64> = ETA.iter().map(|eta| -eta).collect();
        assert_eq!(Calibration::platt(&falling, &Y, &EACH).unwrap(), None);
        assert!(fit_line(&falling, &Y, &EACH).unwrap().unwrap().slope < 0.0);
        assert_eq!(Calibration::platt(&[0.3; 7], &Y, &EACH).unwrap(), None);
        assert_eq!(Calibration::platt(&ETA, &[true; 7], &EACH).unwrap(), None);
        assert_eq!(
            Calibration::platt(&[0.0, 1.0, 2.0, 3.0], &[false, false, true, true], &EACH[..4])
                .unwrap(),
            None
        );
        assert!(Calibration::platt(&[0.0, f64::NAN], &[true, false], &EACH[..2]).is_err());
        assert!(Calibration::platt(&[], &[], &[]).is_err());
    }

    #[test]
    fn isotonic_pools_violators_and_has_knots_at_block_means() {
        // Shares by η: 0, then 1 and 0 pooled to 1/2, then 1.
        let isotonic = Calibration::isotonic(&[2.0, 0.0, 1.0, 5.0], &[false, false, true, true]);
        assert_eq!(isotonic.log_odds, [0.0, 1.5, 5.0]);
        assert_eq!(isotonic.probability, [1.0 / 6.0, 0.5, 5.0 / 6.0]);
        let calibration = Calibration::Isotonic(isotonic);
        near(calibration.probability(0.75), 1.0 / 3.0);
        near(calibration.probability(-9.0), 1.0 / 6.0);
        near(calibration.probability(9.0), 5.0 / 6.0);
        near(calibration.log_odds(1.5), 0.0);
        near(sigmoid(calibration.log_odds(3.0)), calibration.probability(3.0));
        let Interval { low, high } = calibration.interval(1.5, (1.5 / Z_95).powi(2));
        near(low, 1.0 / 6.0);
        near(high, 0.5 + (1.5 / 3.5) / 3.0);
    }

    #[test]
    fn ties_and_equal_shares_form_one_block() {
        let isotonic = Calibration::isotonic(&[1.0, 1.0, 2.0, 2.0], &[true, false, false, true]);
        assert_eq!((isotonic.log_odds, isotonic.probability), (vec![1.5], vec![0.5]));
        let none = Calibration::isotonic(&[1.0, 2.0], &[false, false]);
        assert_eq!(none.probability, [0.25]);
        near(Calibration::Isotonic(none).probability(7.0), 0.25);
    }

    #[test]
    fn no_calibration_gives_the_clamped_sigmoid() {
        near(Calibration::None.probability(0.0), 0.5);
        assert_eq!(Calibration::None.probability(800.0), 1.0 - SMALLEST);
        assert_eq!(Calibration::None.probability(-800.0), SMALLEST);
        let Interval { low, high } = Calibration::None.interval(0.0, 1.0);
        near(low, sigmoid(-Z_95));
        near(high, sigmoid(Z_95));
    }

    #[test]
    fn log_odds_that_are_not_finite_give_nan() {
        let platt = Calibration::Platt(Calibration::platt(&ETA, &Y, &EACH).unwrap().unwrap());
        let isotonic = Calibration::Isotonic(Calibration::isotonic(&ETA, &Y));
        for calibration in [Calibration::None, platt, isotonic] {
            for eta in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert!(
                    calibration.probability(eta).is_nan() && calibration.log_odds(eta).is_nan()
                );
                assert!(calibration.interval(eta, 1.0).low.is_nan());
            }
            let Interval { low, high } = calibration.interval(0.5, f64::NAN);
            assert!(low.is_nan() && high.is_nan());
            let Interval { low, high } = calibration.interval(0.5, 0.0);
            assert!(low <= high && low.is_finite() && high.is_finite());
        }
    }
}
