//! Explains the change of an account's score since an earlier time.

use ndarray::{Array2, ArrayView1, Axis};
use polars::prelude::DataFrame;
use serde::Serialize;
use serde_json::Value;

use super::{Explanation, Scorer};
use crate::error::Result;
use crate::model::encoder::Inputs;
use crate::model::explain::{Contributions, Group, MIN_CONTRIBUTION, describe_feature};

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
    /// The change of the feature, such as `logins in the last 7 days: 2 (was 9)`.
    #[serde(skip)]
    pub sentence: String,
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

/// A row of inputs with its design columns.
struct InputRow<'a> {
    inputs: &'a Inputs<'a>,
    row: usize,
    x: ArrayView1<'a, f64>,
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
        let rows = [0, 1].map(|i| InputRow { inputs: &inputs[i], row: 0, x: x[i].column(0) });
        let families = self.contributions.families.iter();
        let mut contributions: Vec<ContributionChange> =
            families.map(|family| self.contribution_change(family, &rows)).collect();
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

    /// Finds the largest change in one direction between two rows of each account: the first one
    /// in this direction that [`Scorer::explain_change`] lists. `None` if all are negligible.
    ///
    /// # Arguments
    /// * `features` – an earlier and a current row of each account, one after the other
    /// * `raises` – for each account, whether the change raises the score
    /// # Errors
    /// * [`MissingFeature`](crate::Error::MissingFeature),
    ///   [`FeatureType`](crate::Error::FeatureType): a feature is absent or of another type
    pub(crate) fn leading_changes(
        &self,
        features: &DataFrame,
        raises: &[bool],
    ) -> Result<Vec<Option<ContributionChange>>> {
        /// Accounts whose design is in memory at once.
        const ACCOUNTS: usize = 4_096;
        let inputs = self.model.preprocessor.inputs(features, None)?;
        let mut changes = Vec::with_capacity(raises.len());
        for (chunk, raises) in raises.chunks(ACCOUNTS).enumerate() {
            let first = 2 * chunk * ACCOUNTS;
            let rows = first..first + 2 * raises.len();
            let mut x = Array2::zeros((self.contributions.coef.len(), rows.len()));
            inputs.fill(&rows, &mut x.view_mut());
            changes.extend(raises.iter().enumerate().map(|(account, raises)| {
                let rows = [2 * account, 2 * account + 1].map(|row| InputRow {
                    inputs: &inputs,
                    row: first + row,
                    x: x.index_axis(Axis(1), row),
                });
                self.leading_change(&rows, *raises)
            }));
        }
        Ok(changes)
    }

    fn leading_change(&self, rows: &[InputRow<'_>; 2], raises: bool) -> Option<ContributionChange> {
        let mut leading = (MIN_CONTRIBUTION, None);
        for family in &self.contributions.families {
            let [previous, current] = self.family_sums(&family.columns, rows);
            let size = if raises { current - previous } else { previous - current };
            if size > leading.0 {
                leading = (size, Some(family));
            }
        }
        leading.1.map(|family| self.contribution_change(family, rows))
    }

    fn family_sums(&self, columns: &[usize], rows: &[InputRow<'_>; 2]) -> [f64; 2] {
        rows.each_ref().map(|row| self.contributions.sum(columns, |column| row.x[column]))
    }

    fn contribution_change(&self, family: &Group, rows: &[InputRow<'_>; 2]) -> ContributionChange {
        let preprocessor = &self.model.preprocessor;
        let [previous, current] = self.family_sums(&family.columns, rows);
        let change = |columns: &[usize]| {
            let [previous, current] = self.family_sums(columns, rows);
            current - previous
        };
        let feature = Contributions::leading_feature(family, current > previous, change);
        let values = rows.each_ref().map(|row| {
            self.reason_templates.find(feature, |feature| row.inputs.raw(feature, row.row))
        });
        let [previous_value, current_value] = values.map(|found| found.value.into_json());
        let description = describe_feature(preprocessor, feature);
        ContributionChange {
            family: family.measures.clone(),
            difference: current - previous,
            previous_contribution: previous,
            current_contribution: current,
            feature: preprocessor.features[feature].feature.clone(),
            sentence: self.reason_templates.change(&description, &values),
            description,
            previous_value,
            current_value,
            formatted: self.reason_templates.values(&values),
        }
    }

    /// Computes the design columns of the first row.
    pub(super) fn design_row(&self, inputs: &Inputs<'_>) -> Array2<f64> {
        let mut x = Array2::zeros((self.contributions.coef.len(), 1));
        inputs.fill(&(0..1), &mut x.view_mut());
        x
    }
}
