//! How good probabilities are, from outcomes, probabilities and accounts alone.
//!
//! Rows of equal probability share their mean outcome, so that no metric depends on the order of rows.

mod accounts;
mod auc;
mod bins;
mod calibration;
mod curve;
mod gains;
mod judgement;
mod paired;
mod parts;
mod ranking;
mod rule;

use serde::{Deserialize, Serialize};

use crate::calibrate::{Platt, Z_95, line};
use crate::error::{Error, Result};
use accounts::Codes;
pub use accounts::wilson;
use auc::auc_of;
pub use auc::{auc_with_error, roc_auc};
pub use bins::{Bin, reliability};
use bins::{BrierParts, CalibrationError};
pub use curve::{FromTop, from_top};
use gains::Top;
pub use gains::{AtThreshold, Decile, at_threshold, gains};
pub use judgement::{AtCutoff, Judged, Judgement};
pub use paired::{Difference, Paired};
pub use parts::{Part, by_part};
use ranking::Ranking;
pub use rule::{AgainstRule, Found, RuleAtCutoff, against_rule};

/// Metrics of probabilities against outcomes; what cannot be computed is `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of rows.
    pub n: u64,
    /// Share of rows that converted.
    pub base_rate: f64,
    /// Area under the ROC curve.
    pub roc_auc: Option<f64>,
    /// Its standard error by account.
    pub roc_auc_se: Option<f64>,
    /// Its 95 % interval by account.
    pub roc_auc_95: Option<[f64; 2]>,
    /// Mean precision over the recalls reached (no interpolation).
    pub average_precision: Option<f64>,
    /// Mean log loss.
    pub log_loss: f64,
    /// Its standard error by account.
    pub log_loss_se: Option<f64>,
    /// Mean squared difference of probability and outcome.
    pub brier: f64,
    /// Shift of all log-odds at which the expected conversions are the observed ones; 0 is perfect.
    pub calibration_in_the_large: Option<f64>,
    /// Slope of the outcome on the log-odds; 1 is perfect, below 1 the probabilities are too far apart.
    pub calibration_slope: Option<f64>,
    /// Intercept that goes with the slope.
    pub calibration_intercept: Option<f64>,
    /// Mean distance of probability and share converted over ten bins of equal size.
    pub ece_10_equal_mass: f64,
    /// Sum of the probabilities.
    pub expected_conversions: f64,
    /// Where 95 % of the conversions lie that they let expect; `None` where accounts repeat, of whose rows the outcomes overlap.
    pub expected_conversions_95: Option<[f64; 2]>,
    /// Number of rows that converted.
    pub conversions: u64,
    /// Share converted among the top 1 % of rows.
    pub precision_top_1pct: f64,
    /// Share of all conversions among the top 1 % of rows.
    pub recall_top_1pct: Option<f64>,
    /// Precision of the top 1 % divided by the base rate.
    pub lift_top_1pct: Option<f64>,
    /// Share converted among the top 5 % of rows.
    pub precision_top_5pct: f64,
    /// Share of all conversions among the top 5 % of rows.
    pub recall_top_5pct: Option<f64>,
    /// Precision of the top 5 % divided by the base rate.
    pub lift_top_5pct: Option<f64>,
    /// Share converted among the top 10 % of rows.
    pub precision_top_10pct: f64,
    /// Share of all conversions among the top 10 % of rows.
    pub recall_top_10pct: Option<f64>,
    /// Precision of the top 10 % divided by the base rate.
    pub lift_top_10pct: Option<f64>,
    /// Share converted among the top 20 % of rows.
    pub precision_top_20pct: f64,
    /// Share of all conversions among the top 20 % of rows.
    pub recall_top_20pct: Option<f64>,
    /// Precision of the top 20 % divided by the base rate.
    pub lift_top_20pct: Option<f64>,
    /// Number of accounts.
    pub accounts: u64,
    /// 95 % interval of the log loss by account.
    pub log_loss_95: Option<[f64; 2]>,
    /// Standard error of the Brier score by account.
    pub brier_se: Option<f64>,
    /// 95 % interval of the Brier score by account.
    pub brier_95: Option<[f64; 2]>,
    /// Mean squared distance of probability and share converted over the ten bins: the parts add up to the Brier score as
    /// `reliability − resolution + uncertainty + within`.
    pub brier_reliability: f64,
    /// Mean squared distance of share converted and base rate over the ten bins: the more the better.
    pub brier_resolution: f64,
    /// Brier score of the base rate.
    pub brier_uncertainty: f64,
    /// Variance of the probabilities inside of bins less twice their covariance with the outcome.
    pub brier_within: f64,
    /// 95 % interval of the calibration in the large by account.
    pub calibration_in_the_large_95: Option<[f64; 2]>,
    /// 95 % interval of the calibration slope by account.
    pub calibration_slope_95: Option<[f64; 2]>,
    /// 95 % interval of the calibration intercept by account.
    pub calibration_intercept_95: Option<[f64; 2]>,
    /// 95 % interval of the calibration error by account; the lower end allows for the error that chance alone makes.
    pub ece_10_equal_mass_95: Option<[f64; 2]>,
    /// Calibration error that chance alone makes: its mean if every row converted with its probability.
    pub ece_10_equal_mass_expected: f64,
    /// 95 % interval of the precision of the top 1 %, by account where accounts repeat.
    pub precision_top_1pct_95: [f64; 2],
    /// 95 % interval of the precision of the top 5 %, by account where accounts repeat.
    pub precision_top_5pct_95: [f64; 2],
    /// 95 % interval of the precision of the top 10 %, by account where accounts repeat.
    pub precision_top_10pct_95: [f64; 2],
    /// 95 % interval of the precision of the top 20 %, by account where accounts repeat.
    pub precision_top_20pct_95: [f64; 2],
}

/// Compute all metrics.
///
/// # Arguments
/// * `y` – outcomes
/// * `probability` – in [0, 1], one per outcome
/// * `group` – number of the account of each row, in any order
/// # Errors
/// * [`Error::Unsuitable`]: no rows, unequal lengths, or a probability outside of [0, 1]
pub fn evaluate(y: &[bool], probability: &[f64], group: &[u32]) -> Result<Evaluation> {
    check(y, probability, group)?;
    let ranking = Ranking::of(y, probability);
    let groups = Codes::of(group);
    let mut evaluation = Evaluation {
        n: y.len() as u64,
        accounts: groups.len as u64,
        base_rate: ranking.base_rate(),
        expected_conversions: sum(probability.iter().copied()),
        expected_conversions_95: (!groups.repeated()).then(|| parts::expected_range(probability)),
        conversions: ranking.positive as u64,
        ..Evaluation::default()
    };
    evaluation.rank(&ranking, y, &groups);
    evaluation.weigh(&ranking, y, probability, &groups);
    evaluation.calibrate(y, probability, group)?;
    Ok(evaluation)
}

impl Evaluation {
    /// What the order of the rows tells.
    fn rank(&mut self, ranking: &Ranking, y: &[bool], groups: &Codes) {
        let auc = auc_of(ranking, y, groups);
        self.roc_auc = auc.map(|(auc, _)| auc);
        self.roc_auc_se = auc.and_then(|(_, se)| se);
        self.roc_auc_95 = auc.and_then(|(auc, se)| se.map(|se| auc::interval(auc, se)));
        self.average_precision = ranking.average_precision();
        let top = |percent| {
            let Top { precision, recall, lift, interval } = Top::of(ranking, percent, y, groups);
            (precision, recall, lift, interval)
        };
        (self.precision_top_1pct, self.recall_top_1pct, self.lift_top_1pct, self.precision_top_1pct_95) = top(1);
        (self.precision_top_5pct, self.recall_top_5pct, self.lift_top_5pct, self.precision_top_5pct_95) = top(5);
        (self.precision_top_10pct, self.recall_top_10pct, self.lift_top_10pct, self.precision_top_10pct_95) = top(10);
        (self.precision_top_20pct, self.recall_top_20pct, self.lift_top_20pct, self.precision_top_20pct_95) = top(20);
    }

    /// How far probabilities and outcomes are apart.
    fn weigh(&mut self, ranking: &Ranking, y: &[bool], probability: &[f64], groups: &Codes) {
        let rows = || y.iter().zip(probability);
        let losses = groups.mean(rows().map(|(&y, &p)| calibration::log_loss(y, p)));
        (self.log_loss, self.log_loss_se, self.log_loss_95) = (losses.mean, losses.se(), losses.interval(0.0, f64::INFINITY));
        let squares = groups.mean(rows().map(|(&y, p)| (p - f64::from(y)).powi(2)));
        (self.brier, self.brier_se, self.brier_95) = (squares.mean, squares.se(), squares.interval(0.0, 1.0));
        let parts = BrierParts::of(ranking);
        (self.brier_reliability, self.brier_resolution) = (parts.reliability, parts.resolution);
        (self.brier_uncertainty, self.brier_within) = (parts.uncertainty, parts.within);
        let error = CalibrationError::of(ranking, y, probability, groups);
        self.ece_10_equal_mass = error.value;
        self.ece_10_equal_mass_expected = error.expected;
        self.ece_10_equal_mass_95 = error.interval;
    }

    /// Whether the log-odds are right on the whole, and neither too far apart nor too near each other.
    fn calibrate(&mut self, y: &[bool], probability: &[f64], group: &[u32]) -> Result<()> {
        let eta: Vec<f64> = probability.iter().map(|&p| calibration::log_odds(p)).collect();
        let around = |value: f64, se: f64| [value - Z_95 * se, value + Z_95 * se];
        self.calibration_in_the_large = calibration::shift(y, &eta);
        // One account alone says nothing about others.
        let several = self.accounts > 1;
        if let Some(shift) = self.calibration_in_the_large.filter(|_| several) {
            self.calibration_in_the_large_95 = Some(around(shift, calibration::shift_error(y, &eta, shift, &Codes::of(group))));
        }
        let Some(Platt { intercept, slope, covariance }) = line(&eta, y, group)? else { return Ok(()) };
        (self.calibration_slope, self.calibration_intercept) = (Some(slope), Some(intercept));
        self.calibration_intercept_95 = several.then(|| around(intercept, covariance[0].sqrt()));
        self.calibration_slope_95 = several.then(|| around(slope, covariance[3].sqrt()));
        Ok(())
    }
}

fn check(y: &[bool], probability: &[f64], group: &[u32]) -> Result<()> {
    let unsuitable = |problem: String| Err(Error::Unsuitable { problem, hint: None });
    if y.is_empty() {
        return unsuitable("there is no row to evaluate".to_owned());
    }
    if probability.len() != y.len() || group.len() != y.len() {
        return unsuitable(format!(
            "{} outcomes, {} probabilities and {} accounts: not one for one",
            y.len(),
            probability.len(),
            group.len()
        ));
    }
    match probability.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        Some(p) => unsuitable(format!("found the probability {p}, expected a number from 0 to 1")),
        None => Ok(()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
fn count(n: usize) -> f64 {
    n as f64
}

/// A sum that carries its rounding error along (Neumaier 1974), so that the order of rows does not matter.
fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut total, mut error) = (0.0_f64, 0.0);
    for v in values {
        let next = total + v;
        error += if total.abs() >= v.abs() { (total - next) + v } else { (v - next) + total };
        total = next;
    }
    total + error
}

#[cfg(test)]
mod tests;
