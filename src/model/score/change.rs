//! Explains the change of an account's score since an earlier time.

use ndarray::Array2;
use polars::prelude::DataFrame;
use serde::Serialize;
use serde_json::Value;

use super::{Explanation, Scorer};
use crate::error::Result;
use crate::model::encoder::Inputs;
use crate::model::explain::{Contributions, RawValue, describe_feature};

/// The change of a family's contribution to the log-odds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContributionChange {
    /// The measures of the family, most important first.
    pub family: Vec<String>,
    /// Current contribution minus previous contribution.
    pub difference: f64,
    /// Contribution at the earlier time.
    pub previous_contribution: f64,
    /// Contribution now.
    pub current_contribution: f64,
    /// The feature that explains most of the change, in the same direction.
    pub feature: String,
    /// Description of that feature.
    pub description: String,
    /// Value of that feature at the earlier time; null if missing.
    pub previous_value: Value,
    /// Value of that feature now; null if missing.
    pub current_value: Value,
    /// Previous and current value, formatted for people.
    #[serde(skip)]
    pub formatted: [String; 2],
}

/// Two scores of an account by one model: their log-odds differ by `Σ differences + calibration`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreChange {
    /// The earlier score.
    pub previous: Explanation,
    /// Current log-odds minus previous log-odds.
    pub log_odds: f64,
    /// Change of the isotonic correction; `None` with another calibration.
    pub calibration: Option<f64>,
    /// Change of each family's contribution, largest first.
    pub contributions: Vec<ContributionChange>,
}

impl Scorer<'_> {
    /// Explains the change between two rows of features of one account.
    ///
    /// # Errors
    /// * [`MissingFeature`](crate::Error::MissingFeature),
    ///   [`FeatureType`](crate::Error::FeatureType),
    ///   [`NotFiniteColumn`](crate::Error::NotFiniteColumn): a feature is absent, of another type
    ///   or infinite
    pub fn explain_change(&self, previous: &DataFrame, current: &DataFrame) -> Result<ScoreChange> {
        let (before, after) = (self.explain(previous, 0)?, self.explain(current, 0)?);
        let preprocessor = &self.model.preprocessor;
        let inputs =
            [preprocessor.inputs(previous, Some(&[0]))?, preprocessor.inputs(current, Some(&[0]))?];
        let x = inputs.each_ref().map(|inputs| self.design_row(inputs));
        let sums = |columns: &[usize]| {
            x.each_ref().map(|x| self.contributions.sum(columns, |column| x[[column, 0]]))
        };
        let mut contributions: Vec<ContributionChange> = self
            .contributions
            .families
            .iter()
            .map(|family| {
                let [previous, current] = sums(&family.columns);
                let change = |columns: &[usize]| {
                    let [previous, current] = sums(columns);
                    current - previous
                };
                let feature = Contributions::leading_feature(family, current > previous, change);
                let raw = inputs.each_ref().map(|inputs| inputs.raw(feature, 0));
                let [previous_value, current_value] = raw.map(RawValue::into_json);
                ContributionChange {
                    family: family.measures.clone(),
                    difference: current - previous,
                    previous_contribution: previous,
                    current_contribution: current,
                    feature: preprocessor.features[feature].feature.clone(),
                    description: describe_feature(preprocessor, feature),
                    previous_value,
                    current_value,
                    formatted: self.reason_templates.values(feature, raw),
                }
            })
            .collect();
        contributions.sort_by(|a, b| b.difference.abs().total_cmp(&a.difference.abs()));
        let calibration =
            before.calibration.zip(after.calibration).map(|(before, after)| after - before);
        Ok(ScoreChange {
            log_odds: after.log_odds - before.log_odds,
            calibration,
            contributions,
            previous: before,
        })
    }

    /// Computes the design columns of the first row.
    pub(super) fn design_row(&self, inputs: &Inputs<'_>) -> Array2<f64> {
        let mut x = Array2::zeros((self.contributions.coef.len(), 1));
        inputs.fill(&(0..1), &mut x.view_mut());
        x
    }
}
