//! How good probabilities are, from outcomes, probabilities and accounts alone.
//!
//! Rows of equal probability share their mean outcome, so that no metric depends on the order of
//! rows.

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

use accounts::Codes;
use auc::auc_of;
pub use auc::{auc_with_error, roc_auc};
pub use bins::{Bin, BrierParts, CalibrationError, reliability};
pub use curve::{FromTop, from_top};
pub use gains::{AtThreshold, Decile, TopShare, at_threshold, gains};
pub use judgement::{AtCutoff, Judged, Judgement};
pub use paired::{Difference, Paired};
pub use parts::{Part, by_part};
use ranking::Ranking;
pub use rule::{AgainstRule, Found, RuleAtCutoff, against_rule};
use serde::{Deserialize, Serialize};

use crate::calibration::{Platt, line};
use crate::error::{Error, Result};
use crate::intervals::{Estimate, Interval};

/// Percentages of the rows for which [`Evaluation::top`] has precision, recall and lift.
pub const TOP_PERCENT: [u32; 4] = [1, 5, 10, 20];

/// Metrics of probabilities against outcomes; what cannot be computed is `None`. Standard errors
/// and intervals are by account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of rows.
    pub n: u64,
    /// Number of accounts.
    pub accounts: u64,
    /// Number of rows that converted.
    pub conversions: u64,
    /// Share of rows that converted.
    pub base_rate: f64,
    /// Sum of the probabilities.
    pub expected_conversions: f64,
    /// 95% prediction interval of the conversions; `None` where accounts repeat, because the
    /// outcomes of their rows overlap.
    pub expected_conversions_interval: Option<Interval>,
    /// Area under the ROC curve.
    pub roc_auc: Option<Estimate>,
    /// Mean precision over the recalls reached (no interpolation).
    pub average_precision: Option<f64>,
    /// Mean log loss.
    pub log_loss: Estimate,
    /// Brier score: mean squared difference of probability and outcome.
    pub brier: Estimate,
    /// The parts that add up to the Brier score.
    pub brier_parts: BrierParts,
    /// Shift of all log-odds at which the expected conversions are the observed ones; 0 is
    /// perfect.
    pub calibration_in_the_large: Option<Estimate>,
    /// Slope of the outcome on the log-odds; 1 is perfect, below 1 the probabilities are too far
    /// apart.
    pub calibration_slope: Option<Estimate>,
    /// Intercept that goes with the slope.
    pub calibration_intercept: Option<Estimate>,
    /// Expected calibration error over ten bins of equal size.
    pub calibration_error: CalibrationError,
    /// Precision, recall and lift of the rows of highest probability, one entry for each of
    /// [`TOP_PERCENT`].
    pub top: Vec<TopShare>,
}

/// Compute all metrics.
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
    let ranking = Ranking::of(y, probability);
    let groups = Codes::of(group);
    let rows = || y.iter().zip(probability);
    let log_loss = groups.mean(rows().map(|(&y, &p)| calibration::log_loss(y, p)));
    let brier = groups.mean(rows().map(|(&y, p)| (p - f64::from(y)).powi(2)));
    let mut evaluation = Evaluation {
        n: y.len() as u64,
        accounts: groups.len as u64,
        conversions: ranking.positive as u64,
        base_rate: ranking.base_rate(),
        expected_conversions: sum(probability.iter().copied()),
        expected_conversions_interval: (!groups.repeated())
            .then(|| parts::expected_interval(probability)),
        roc_auc: auc_of(&ranking, y, &groups),
        average_precision: ranking.average_precision(),
        log_loss: log_loss.estimate().clamp(0.0, f64::INFINITY),
        brier: brier.estimate().clamp(0.0, 1.0),
        brier_parts: BrierParts::of(&ranking),
        calibration_error: CalibrationError::of(&ranking, y, probability, &groups),
        top: TOP_PERCENT.map(|percent| TopShare::of(&ranking, percent, y, &groups)).to_vec(),
        ..Evaluation::default()
    };
    evaluation.calibrate(y, probability, group)?;
    Ok(evaluation)
}

impl Evaluation {
    /// Returns precision, recall and lift of so many percent of the rows; `None` where it is not
    /// one of [`TOP_PERCENT`].
    #[must_use]
    pub fn top_share(&self, percent: u32) -> Option<&TopShare> {
        self.top.iter().find(|top| top.percent == percent)
    }

    /// Whether the log-odds are right on the whole, and neither too far apart nor too near each
    /// other.
    fn calibrate(&mut self, y: &[bool], probability: &[f64], group: &[u32]) -> Result<()> {
        let eta: Vec<f64> = probability.iter().map(|&p| calibration::log_odds(p)).collect();
        // One account alone says nothing about others.
        let several = self.accounts > 1;
        self.calibration_in_the_large = calibration::shift(y, &eta).map(|shift| {
            Estimate::normal(
                shift,
                several.then(|| calibration::shift_error(y, &eta, shift, &Codes::of(group))),
            )
        });
        let Some(Platt { intercept, slope, covariance }) = line(&eta, y, group)? else {
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
            Err(Error::OutOfRange { name: "a probability", found, range: "from 0 to 1" })
        }
        None => Ok(()),
    }
}

/// A sum that carries its rounding error along (Neumaier 1974), so that the order of rows does not
/// matter.
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
