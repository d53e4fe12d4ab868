//! Explains one account's score as an exact sum of contributions.

use ndarray::ArrayView2;
use polars::prelude::DataFrame;
use pql_stats::intervals::Interval;
use serde::Serialize;

use super::{Scorer, TIERS, tier};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::encoder::Inputs;
use crate::model::explain::reason;
use crate::warning::Unscored;

/// Contribution of a design column to the log-odds of an account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnContribution {
    /// Name of the design column.
    pub column: String,
    /// Standardized value: standard deviations from the mean of the training rows.
    pub x: f64,
    /// Contribution to the log-odds.
    pub contribution: f64,
}

/// Contribution of a measure to the log-odds, relative to the average training account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// The measure.
    pub measure: String,
    /// Sum of the contributions of its columns.
    pub contribution: f64,
    /// Reason for people: the value of its most important feature, the typical value and the sum.
    pub reason: String,
    /// Its columns.
    pub columns: Vec<ColumnContribution>,
}

/// One account's score. The log-odds of the probability are
/// `intercept + Σ contributions + calibration`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The probability.
    pub probability: f64,
    /// Its 95% interval; `None` after l1 and elastic net.
    pub probability_interval: Option<Interval>,
    /// Percentile in the reference distribution, from 0 to 100.
    pub percentile: f64,
    /// Tier: A, B, C or D.
    pub tier: &'static str,
    /// Whether the probability reaches the threshold.
    pub reaches_threshold: bool,
    /// Log-odds of the probability.
    pub log_odds: f64,
    /// Log-odds of the average training account.
    pub intercept: f64,
    /// Correction by isotonic calibration; `None` with another calibration.
    pub calibration: Option<f64>,
    /// Contribution of each measure, largest first.
    pub contributions: Vec<Contribution>,
}

impl Scorer<'_> {
    /// Explains the score of one row of features.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`], [`Error::NotFiniteColumn`]: a feature
    ///   is absent, of another type or infinite
    pub fn explain(&self, features: &DataFrame, row: u32) -> Result<Explanation> {
        let Model { fit, calibration, preprocessor, reference, threshold, .. } = self.model;
        let inputs = preprocessor.inputs(features, Some(&[row]))?;
        let x = self.design_row(&inputs);
        let (eta, variance) = (
            fit.log_odds_by_column(x.view())[0],
            self.variances.as_ref().map(|v| v.evaluate_rows(x.view())[0]),
        );
        if let Some(Unscored::NotFinite { column }) = self.not_finite(eta, x.column(0)) {
            return Err(Error::NotFiniteColumn { column });
        }
        let row = self.row_score(eta, variance);
        let percentile = reference.percentile(row.probability);
        let (offset, slope) = calibration.intercept_and_slope();
        let (intercept, line) = (offset + slope * fit.intercept, offset + slope * eta);
        let log_odds = calibration.log_odds(eta);
        let steps = log_odds - line;
        Ok(Explanation {
            probability: row.probability,
            probability_interval: row.interval,
            percentile,
            tier: TIERS[tier(percentile)],
            reaches_threshold: row.probability >= *threshold,
            log_odds,
            intercept,
            calibration: calibration.is_isotonic().then_some(steps),
            contributions: self.contributions(&inputs, x.view()),
        })
    }

    fn contributions(&self, inputs: &Inputs<'_>, x: ArrayView2<'_, f64>) -> Vec<Contribution> {
        let preprocessor = &self.model.preprocessor;
        let (columns, coef) = (preprocessor.columns(), &self.coef);
        let share = |index: &usize| ColumnContribution {
            column: columns[*index].name.clone(),
            x: x[[*index, 0]],
            contribution: coef[*index] * x[[*index, 0]],
        };
        let mut contributions: Vec<Contribution> = (0..self.measures.names.len())
            .map(|measure| {
                let mut sum = [0.0];
                self.measures.contributions(measure, coef, x, &mut sum);
                let feature = self.measures.largest_feature(measure, coef, |column| x[[column, 0]]);
                Contribution {
                    measure: self.measures.names[measure].clone(),
                    contribution: sum[0],
                    reason: reason(preprocessor, feature, inputs.raw(feature, 0), sum[0]),
                    columns: self.measures.columns(measure).iter().map(share).collect(),
                }
            })
            .collect();
        contributions.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        contributions
    }
}
