//! One account's score as a sum of contributions.

use polars::prelude::DataFrame;
use serde::Serialize;

use super::{Scorer, tier};
use crate::error::{Error, Result};
use crate::explain::reason;
use crate::model::Model;

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
    /// Lower end of its 95 % interval; `None` after l1 and elastic net.
    pub probability_low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub probability_high: Option<f64>,
    /// Percent of the reference population below it.
    pub percentile: f64,
    /// A, B, C or D.
    pub tier: &'static str,
    /// Whether it reaches the threshold.
    pub qualified: bool,
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
    /// * [`Error::Unsuitable`]: a feature is absent, of another type or not finite
    pub fn explain(&self, features: &DataFrame, row: u32) -> Result<Explanation> {
        let Model { fit, calibration, preprocessor, reference, threshold, .. } = self.model;
        let design = preprocessor.transform(features, Some(&[row]))?.x;
        let x = design.row(0).to_vec();
        let columns = preprocessor.columns();
        if let Some((at, _)) = x.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(Error::Unsuitable { problem: format!("`{}` is not finite", columns[at].name), hint: None });
        }
        let eta = fit.log_odds(design.view())[0];
        let (intercept, slope) = calibration.base_and_slope();
        let (base, line) = (intercept + slope * fit.intercept, intercept + slope * eta);
        let probability = calibration.probability(eta);
        let interval = fit.variance(&x).map(|variance| calibration.interval(eta, variance));
        let percentile = reference.percentile(probability);
        let log_odds = calibration.log_odds(eta);
        let steps = log_odds - line;
        Ok(Explanation {
            probability,
            probability_low: interval.map(|i| i.0),
            probability_high: interval.map(|i| i.1),
            percentile,
            tier: tier(percentile),
            qualified: probability >= *threshold,
            log_odds,
            base,
            calibration: calibration.has_steps().then_some(steps),
            contributions: self.contributions(features, row, &x)?,
        })
    }

    fn contributions(&self, features: &DataFrame, row: u32, x: &[f64]) -> Result<Vec<Contribution>> {
        let preprocessor = &self.model.preprocessor;
        let raw = self.raw_columns(features, Some(&[row]))?;
        let mut sums = Vec::new();
        self.measures.contributions(&self.coef, x.iter().copied(), &mut sums);
        let columns = preprocessor.columns();
        let share = |at: usize| ColumnShare { column: columns[at].name.clone(), x: x[at], contribution: self.coef[at] * x[at] };
        let mut contributions: Vec<Contribution> = (0..sums.len())
            .map(|measure| {
                let feature = self.measures.heaviest(measure, &self.coef, x);
                Contribution {
                    measure: self.measures.names[measure].clone(),
                    contribution: sums[measure],
                    reason: reason(preprocessor, feature, &raw[feature].at(0), sums[measure]),
                    columns: self.measures.columns(measure).map(share).collect(),
                }
            })
            .collect();
        contributions.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        Ok(contributions)
    }
}
