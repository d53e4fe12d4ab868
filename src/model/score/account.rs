//! Explains one account's score as an exact sum of contributions.

use ndarray::ArrayView1;
use polars::prelude::DataFrame;
use pql_stats::intervals::Interval;
use serde::Serialize;
use serde_json::Value;

use super::{Scorer, TIERS, tier};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::encoder::Inputs;
use crate::model::explain::{Contributions, Group};
use crate::warning::Unscored;

/// Contribution of a design column to the log-odds of an account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnContribution {
    /// Name of the design column.
    pub column: String,
    /// Standardized value: standard deviations from the mean of the training rows.
    pub x: f64,
    /// Standardized value of the typical account.
    pub typical: f64,
    /// Contribution to the log-odds.
    pub contribution: f64,
}

/// Contribution of a feature to the log-odds, relative to its typical value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureContribution {
    /// Name of the feature.
    pub feature: String,
    /// Its measure.
    pub measure: String,
    /// Sum of the contributions of its columns; 0 at the typical value.
    pub contribution: f64,
    /// Its value; null if missing.
    pub value: Value,
    /// Its typical value; null if missing is typical.
    pub typical: Value,
    /// Its value and its typical value, as a sentence.
    pub reason: String,
    /// Its columns.
    pub columns: Vec<ColumnContribution>,
}

/// Contribution of a family of measures to the log-odds, relative to the typical account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// The measures of the family, most important first.
    pub family: Vec<String>,
    /// Sum of the contributions of its features.
    pub contribution: f64,
    /// The feature that explains most of the contribution, in the same direction; `None` if the
    /// contribution is 0.
    pub feature: Option<String>,
    /// The value and the typical value of that feature, as a sentence.
    pub reason: String,
    /// The value of that feature alone.
    #[serde(skip)]
    pub(crate) value: String,
    /// Its features.
    pub features: Vec<FeatureContribution>,
}

/// One account's score. The log-odds of the probability are
/// `base + Σ contributions + calibration`.
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
    /// Log-odds of the probability of the typical account.
    pub base: f64,
    /// Difference that isotonic calibration makes, relative to the typical account; `None` with
    /// another calibration.
    pub calibration: Option<f64>,
    /// Contribution of each family, largest first.
    pub contributions: Vec<Contribution>,
    /// Values that count as other values: they are beyond the training bounds, or unseen.
    pub adjusted_values: Vec<String>,
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
        let typical = ArrayView1::from(&self.contributions.typical);
        let typical_eta = fit.log_odds_by_column(typical.insert_axis(ndarray::Axis(1)))[0];
        let (log_odds, base) = (calibration.log_odds(eta), calibration.log_odds(typical_eta));
        // The slope of an isotonic calibration is 1.
        let steps = (log_odds - base) - (eta - typical_eta);
        Ok(Explanation {
            probability: row.probability,
            probability_interval: row.interval,
            percentile,
            tier: TIERS[tier(percentile)],
            reaches_threshold: row.probability >= *threshold,
            log_odds,
            base,
            calibration: calibration.is_isotonic().then_some(steps),
            contributions: self.explain_families(&inputs, x.column(0)),
            adjusted_values: (0..preprocessor.features.len())
                .filter_map(|feature| {
                    self.reason_templates.adjustment(feature, inputs.raw(feature, 0))
                })
                .collect(),
        })
    }

    fn explain_families(&self, inputs: &Inputs<'_>, x: ArrayView1<'_, f64>) -> Vec<Contribution> {
        let mut contributions: Vec<Contribution> = self
            .contributions
            .families
            .iter()
            .map(|family| self.explain_family(family, inputs, x))
            .collect();
        contributions.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        contributions
    }

    fn explain_family(
        &self,
        family: &Group,
        inputs: &Inputs<'_>,
        x: ArrayView1<'_, f64>,
    ) -> Contribution {
        let preprocessor = &self.model.preprocessor;
        let names = preprocessor.columns();
        let column = |index: &usize| ColumnContribution {
            column: names[*index].name.clone(),
            x: x[*index],
            typical: self.contributions.typical[*index],
            contribution: self.contributions.column(*index, x[*index]),
        };
        let sum = |columns: &[usize]| self.contributions.sum(columns, |column| x[column]);
        let found = |feature| self.reason_templates.find(feature, |feature| inputs.raw(feature, 0));
        let reason = |feature: usize| self.reason_templates.reason(&found(feature));
        let features = family.features.iter().map(|(feature, columns)| FeatureContribution {
            feature: preprocessor.features[*feature].feature.clone(),
            measure: preprocessor.features[*feature].measure.clone(),
            contribution: sum(columns),
            value: inputs.raw(*feature, 0).into_json(),
            typical: preprocessor.features[*feature].typical().into_json(),
            reason: reason(*feature),
            columns: columns.iter().map(column).collect(),
        });
        let contribution = sum(&family.columns);
        let leading = Contributions::leading_feature(family, contribution > 0.0, sum);
        Contribution {
            family: family.measures.clone(),
            contribution,
            feature: (contribution != 0.0).then(|| preprocessor.features[leading].feature.clone()),
            reason: reason(leading),
            value: self.reason_templates.value(&found(leading)),
            features: features.collect(),
        }
    }
}
