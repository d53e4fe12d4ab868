//! Metrics of probabilities, with standard errors and intervals by account.
//!
//! Rows of equal probability share their mean outcome, so that no metric depends on the order of
//! the rows.

mod accounts;
mod auc;
mod base_rate;
mod bins;
mod calibration;
mod curve;
mod equal_volume;
mod gains;
mod paired;
mod ranking;
mod report;
mod subsets;

use accounts::GroupCodes;
use auc::auc_estimate;
pub use auc::{auc_with_error, roc_auc, roc_auc_sorted};
pub use base_rate::BaseRate;
pub use bins::{Bin, BrierParts, CalibrationError, reliability};
pub use curve::{GainsPoint, gains_curve};
pub use equal_volume::{
    CapturedConversions, EqualVolumeAtCutoff, EqualVolumeComparison, compare_at_equal_volume,
};
pub use gains::{Decile, ThresholdMetrics, TopShare, gains, threshold_metrics};
pub use paired::{Difference, PairedProbabilities};
use ranking::Ranking;
pub use report::{CutoffMetrics, EvaluationReport, LabeledScores};
use serde::{Deserialize, Serialize};
pub use subsets::{SubsetMetrics, subset_metrics};

use crate::calibration::{Platt, fit_line};
use crate::error::{Error, Result};
use crate::intervals::{Estimate, Interval};

/// Percentages of the rows in [`Evaluation::top`].
pub const TOP_PERCENT: [u32; 4] = [1, 5, 10, 20];

/// Metrics of probabilities; `None` if a metric cannot be computed. Standard errors and intervals
/// are by account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of rows.
    pub n: u64,
    /// Number of accounts.
    pub accounts: u64,
    /// Number of rows that converted.
    pub conversions: u64,
    /// Number of accounts with a row that converted.
    pub converting_accounts: u64,
    /// Number of accounts with a row that did not convert.
    pub other_accounts: u64,
    /// Share of rows that converted.
    pub base_rate: f64,
    /// Number of independent rows with the same variance of the base rate, at most `n`.
    pub independent_rows: f64,
    /// Sum of the probabilities.
    pub expected_conversions: f64,
    /// 95% prediction interval of the conversions; `None` if accounts repeat, because the
    /// outcomes of their rows overlap.
    pub expected_conversions_interval: Option<Interval>,
    /// Area under the ROC curve.
    pub roc_auc: Option<Estimate>,
    /// Average precision: the mean precision over the recalls (no interpolation).
    pub average_precision: Option<f64>,
    /// Mean log loss.
    pub log_loss: Estimate,
    /// Log loss minus that of the base rate of these rows for each of them; below 0 the
    /// probabilities are better.
    pub log_loss_difference: Difference,
    /// Brier score: mean squared difference of probability and outcome.
    pub brier: Estimate,
    /// Decomposition of the Brier score.
    pub brier_parts: BrierParts,
    /// Shift of all log-odds at which the expected conversions equal the observed ones; 0 is
    /// perfect.
    pub calibration_in_the_large: Option<Estimate>,
    /// Slope of the outcome on the log-odds; 1 is perfect, below 1 the probabilities are too
    /// extreme.
    pub calibration_slope: Option<Estimate>,
    /// Intercept of the same regression.
    pub calibration_intercept: Option<Estimate>,
    /// Expected calibration error over ten bins of equal size.
    pub calibration_error: CalibrationError,
    /// Precision, recall and lift of the rows with the highest probabilities, one entry for each
    /// of [`TOP_PERCENT`].
    pub top: Vec<TopShare>,
}

/// Computes all metrics.
///
/// # Arguments
/// * `y` – outcomes
/// * `probability` – in [0, 1], one per outcome
/// * `group` – number of the account of each row, in any order
/// # Errors
/// * [`Error::NoRows`], [`Error::LengthMismatch`], [`Error::OutOfRange`]: no rows, unequal lengths,
///   or a probability outside of [0, 1]
pub fn evaluate(y: &[bool], probability: &[f64], group: &[u32]) -> Result<Evaluation> {
    check(y, probability, group)?;
    let ranking = Ranking::new(y, probability);
    let groups = GroupCodes::new(group);
    let rows = || y.iter().zip(probability);
    let log_loss = groups.mean(rows().map(|(&y, &p)| calibration::log_loss(y, p)));
    let base_rate = BaseRate::from_groups(y, &groups);
    // The loss is lowest at the base rate, so its estimation changes the variance only in second
    // order.
    let gain = groups.mean(rows().map(|(&y, &p)| {
        calibration::log_loss(y, p) - calibration::log_loss(y, ranking.base_rate())
    }));
    let brier = groups.mean(rows().map(|(&y, p)| (p - f64::from(y)).powi(2)));
    let mut evaluation = Evaluation {
        n: y.len() as u64,
        accounts: groups.len as u64,
        conversions: ranking.positive as u64,
        converting_accounts: groups.count_with(y, true),
        other_accounts: groups.count_with(y, false),
        base_rate: ranking.base_rate(),
        independent_rows: base_rate.independent_rows,
        expected_conversions: sum(probability.iter().copied()),
        expected_conversions_interval: (!groups.repeated())
            .then(|| subsets::expected_interval(probability)),
        roc_auc: auc_estimate(&ranking, y, &groups),
        average_precision: ranking.average_precision(),
        log_loss: log_loss.estimate().clamp(0.0, f64::INFINITY),
        log_loss_difference: Difference::new(gain.mean, gain.se()),
        brier: brier.estimate().clamp(0.0, 1.0),
        brier_parts: BrierParts::compute(&ranking),
        calibration_error: CalibrationError::compute(&ranking, y, probability, &groups),
        top: TOP_PERCENT.map(|percent| TopShare::compute(&ranking, percent, y, &groups)).to_vec(),
        ..Evaluation::default()
    };
    evaluation.calibrate(y, probability, group)?;
    Ok(evaluation)
}

impl Evaluation {
    /// Returns the base rate with its precision.
    #[must_use]
    pub fn base_rate(&self) -> BaseRate {
        BaseRate { rate: self.base_rate, independent_rows: self.independent_rows }
    }

    /// Returns precision, recall and lift of the top percentage of the rows; `None` if it is not
    /// one of [`TOP_PERCENT`].
    #[must_use]
    pub fn top_share(&self, percent: u32) -> Option<&TopShare> {
        self.top.iter().find(|top| top.percent == percent)
    }

    /// Computes the calibration metrics.
    fn calibrate(&mut self, y: &[bool], probability: &[f64], group: &[u32]) -> Result<()> {
        let eta: Vec<f64> = probability.iter().map(|&p| calibration::log_odds(p)).collect();
        // Standard errors need at least two accounts.
        let several = self.accounts > 1;
        self.calibration_in_the_large = calibration::shift(y, &eta).map(|shift| {
            Estimate::normal(
                shift,
                several.then(|| calibration::shift_error(y, &eta, shift, &GroupCodes::new(group))),
            )
        });
        let Some(Platt { intercept, slope, covariance }) = fit_line(&eta, y, group)? else {
            return Ok(());
        };
        let estimate = |value: f64, variance: f64| {
            Some(Estimate::normal(value, several.then(|| variance.sqrt())))
        };
        self.calibration_intercept = estimate(intercept, covariance[0]);
        self.calibration_slope = estimate(slope, covariance[3]);
        Ok(())
    }
}

fn check(y: &[bool], probability: &[f64], group: &[u32]) -> Result<()> {
    if y.is_empty() {
        return Err(Error::NoRows { purpose: "evaluate" });
    }
    for (name, found) in [("probability", probability.len()), ("group", group.len())] {
        if found != y.len() {
            return Err(Error::LengthMismatch { name, found, expected: y.len() });
        }
    }
    match probability.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        Some(&found) => {
            Err(Error::OutOfRange { name: "`probability`", found, range: "from 0 to 1" })
        }
        None => Ok(()),
    }
}

/// Computes a compensated sum (Neumaier 1974), which does not depend on the order of the rows.
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
