//! Why an account's score is another than at an earlier time.

use ndarray::Array2;
use polars::prelude::DataFrame;
use serde::Serialize;
use serde_json::Value;

use super::{Explanation, Scorer};
use crate::error::Result;
use crate::model::encoder::Inputs;
use crate::model::explain::{Raw, said, what};

/// What moved a measure's contribution to the log-odds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Move {
    /// The measure.
    pub measure: String,
    /// What it adds now less what it added then.
    pub difference: f64,
    /// What it added then.
    pub contribution_then: f64,
    /// What it adds now.
    pub contribution_now: f64,
    /// Its feature that moved it most.
    pub feature: String,
    /// What that feature is, in words.
    pub what: String,
    /// The value of that feature then; null where missing.
    pub then: Value,
    /// Its value now.
    pub now: Value,
    /// Both as people read them.
    #[serde(skip)]
    pub said: [String; 2],
}

/// Two scores of an account by one model: `Σ differences + calibration` is the difference of their
/// log-odds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moved {
    /// The earlier score.
    pub then: Explanation,
    /// Log-odds now less log-odds then.
    pub log_odds: f64,
    /// The same of what isotonic calibration adds; `None` with another kind.
    pub calibration: Option<f64>,
    /// What moved each measure, largest first.
    pub measures: Vec<Move>,
}

impl Scorer<'_> {
    /// Set one row of features against the same account's at an earlier time.
    ///
    /// # Errors
    /// * [`MissingFeature`](crate::Error::MissingFeature),
    ///   [`FeatureType`](crate::Error::FeatureType),
    ///   [`NotFiniteColumn`](crate::Error::NotFiniteColumn): a feature is absent, of another type
    ///   or infinite
    pub fn moved(&self, then: &DataFrame, now: &DataFrame) -> Result<Moved> {
        let (was, is) = (self.explain(then, 0)?, self.explain(now, 0)?);
        let preprocessor = &self.model.preprocessor;
        let inputs =
            [preprocessor.inputs(then, Some(&[0]))?, preprocessor.inputs(now, Some(&[0]))?];
        let x = inputs.each_ref().map(|inputs| self.design_row(inputs));
        let mut measures: Vec<Move> = (0..self.measures.names.len())
            .map(|measure| {
                let contributions = x.each_ref().map(|x| {
                    let mut sum = [0.0];
                    self.measures.contributions(measure, &self.coef, x.view(), &mut sum);
                    sum[0]
                });
                let feature = self
                    .measures
                    .heaviest(measure, &self.coef, |column| x[1][[column, 0]] - x[0][[column, 0]]);
                let raw = inputs.each_ref().map(|inputs| inputs.raw(feature, 0));
                let [then, now] = raw.map(value);
                Move {
                    measure: self.measures.names[measure].clone(),
                    difference: contributions[1] - contributions[0],
                    contribution_then: contributions[0],
                    contribution_now: contributions[1],
                    feature: preprocessor.features[feature].feature.clone(),
                    what: what(preprocessor, feature),
                    then,
                    now,
                    said: raw.map(said),
                }
            })
            .collect();
        measures.sort_by(|a, b| b.difference.abs().total_cmp(&a.difference.abs()));
        let calibration = was.calibration.zip(is.calibration).map(|(was, is)| is - was);
        Ok(Moved { log_odds: is.log_odds - was.log_odds, calibration, measures, then: was })
    }

    /// The design columns of the first row.
    pub(super) fn design_row(&self, inputs: &Inputs<'_>) -> Array2<f64> {
        let mut x = Array2::zeros((self.coef.len(), 1));
        inputs.fill(&(0..1), &mut x.view_mut());
        x
    }
}

fn value(raw: Raw<'_>) -> Value {
    match raw {
        Raw::Number(value) => value.into(),
        Raw::Text(value) => value.into(),
    }
}
