//! One account's score as a sum of contributions.

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

/// What a design column adds to the log-odds of an account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnShare {
    /// The design column.
    pub column: String,
    /// Its value after transforms, in standard deviations from the mean of the training rows.
    pub x: f64,
    /// What it adds.
    pub contribution: f64,
}

/// What a measure adds to the log-odds of an account, against the average training account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// The measure.
    pub measure: String,
    /// Sum over its columns.
    pub contribution: f64,
    /// In words: the value of its heaviest feature, the typical value and the sum.
    pub reason: String,
    /// Its columns.
    pub columns: Vec<ColumnShare>,
}

/// One account's score: `base + Σ contributions + calibration` is the log-odds of the probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The probability.
    pub probability: f64,
    /// Its 95% interval; `None` after l1 and elastic net.
    pub probability_interval: Option<Interval>,
    /// Percent of the reference population below it.
    pub percentile: f64,
    /// A, B, C or D.
    pub tier: &'static str,
    /// Whether it reaches the threshold.
    pub reaches_threshold: bool,
    /// Log-odds of the probability.
    pub log_odds: f64,
    /// Log-odds of the average training account.
    pub base: f64,
    /// What isotonic calibration adds; `None` with another kind.
    pub calibration: Option<f64>,
    /// What each measure adds, largest first.
    pub contributions: Vec<Contribution>,
}

impl Scorer<'_> {
    /// Explain one row of features.
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
            self.variances.as_ref().map(|v| v.of_rows(x.view())[0]),
        );
        if let Some(Unscored::NotFinite { column }) = self.not_finite(eta, x.column(0)) {
            return Err(Error::NotFiniteColumn { column });
        }
        let row = self.row(eta, variance);
        let percentile = reference.percentile(row.probability);
        let (intercept, slope) = calibration.base_and_slope();
        let (base, line) = (intercept + slope * fit.intercept, intercept + slope * eta);
        let log_odds = calibration.log_odds(eta);
        let steps = log_odds - line;
        Ok(Explanation {
            probability: row.probability,
            probability_interval: row.interval,
            percentile,
            tier: TIERS[tier(percentile)],
            reaches_threshold: row.probability >= *threshold,
            log_odds,
            base,
            calibration: calibration.has_steps().then_some(steps),
            contributions: self.contributions(&inputs, x.view()),
        })
    }

    fn contributions(&self, inputs: &Inputs<'_>, x: ArrayView2<'_, f64>) -> Vec<Contribution> {
        let preprocessor = &self.model.preprocessor;
        let (columns, coef) = (preprocessor.columns(), &self.coef);
        let share = |at: &usize| ColumnShare {
            column: columns[*at].name.clone(),
            x: x[[*at, 0]],
            contribution: coef[*at] * x[[*at, 0]],
        };
        let mut contributions: Vec<Contribution> = (0..self.measures.names.len())
            .map(|measure| {
                let mut sum = [0.0];
                self.measures.contributions(measure, coef, x, &mut sum);
                let feature = self.measures.heaviest(measure, coef, |column| x[[column, 0]]);
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
