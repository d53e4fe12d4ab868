//! Explanations of a model and its scores: coefficients, effects, contributions and reasons.

mod correlation;
mod direction;
mod effect;
mod families;
mod groups;
mod growth;
mod number;
mod phrase;
pub(crate) mod query;
mod reasons;
mod texts;
mod wording;

pub use correlation::cluster_order;
pub use direction::{Direction, direction};
pub use effect::{Effect, effects, level_effects};
pub use families::{Family, families};
pub use groups::{Contributions, Group, MIN_CONTRIBUTION, importance};
pub use phrase::{describe_feature, describe_measure, is_count};
use pql_stats::intervals::Interval;
pub use reasons::ReasonTemplates;
use serde::Serialize;
pub use texts::{Reason, ReasonTexts};

use crate::model::Model;
pub use crate::model::encoder::RawValue;
use crate::model::encoder::{Encoding, Term};

/// A coefficient with its inference, as `pql inspect` lists it. Numbers are per standard deviation,
/// except those named `raw`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coefficient {
    /// Design column, `intercept` first.
    pub feature: String,
    /// Measure it belongs to; empty for the intercept.
    #[serde(skip)]
    pub measure: String,
    /// Coefficient per standard deviation.
    pub coef: f64,
    /// Its standard error; `None` if a penalty selected columns.
    pub std_error: Option<f64>,
    /// Wald statistic of the same columns without penalty.
    pub z_unpenalized: Option<f64>,
    /// Its two-sided p-value.
    pub p_unpenalized: Option<f64>,
    /// Its 95% interval; `None` if a penalty selected columns.
    pub interval: Option<Interval>,
    /// exp(coef).
    pub odds_ratio: f64,
    /// Coefficient per raw unit, if the column is linear in the raw value.
    pub coef_raw: Option<f64>,
    /// Its standard error.
    pub std_error_raw: Option<f64>,
    /// exp(`coef_raw`).
    pub odds_ratio_raw: Option<f64>,
    /// Variance inflation factor; `None` for the intercept.
    pub vif: Option<f64>,
    /// Mean of the column over the training rows, before it is standardized.
    pub mean: Option<f64>,
    /// Standard deviation of the column over the training rows.
    pub sd: Option<f64>,
    /// Share of training rows in which its feature is missing.
    pub missing: Option<f64>,
}

impl Coefficient {
    /// Returns the numbers with their column names, in the order of the tables.
    #[must_use]
    pub fn numbers(&self) -> [(&'static str, Option<f64>); 14] {
        [
            ("coef", Some(self.coef)),
            ("std_error", self.std_error),
            ("z_unpenalized", self.z_unpenalized),
            ("p_unpenalized", self.p_unpenalized),
            ("low", self.interval.map(|interval| interval.low)),
            ("high", self.interval.map(|interval| interval.high)),
            ("odds_ratio", Some(self.odds_ratio)),
            ("coef_raw", self.coef_raw),
            ("std_error_raw", self.std_error_raw),
            ("odds_ratio_raw", self.odds_ratio_raw),
            ("vif", self.vif),
            ("mean", self.mean),
            ("sd", self.sd),
            ("missing", self.missing),
        ]
    }
}

/// Returns the coefficients of a model, intercept first, in the order of the design columns.
#[must_use]
pub fn coefficients(model: &Model) -> Vec<Coefficient> {
    let columns = model.preprocessor.columns();
    let std_error = model.fit.std_error();
    let error = |index: usize| std_error.as_ref().map(|errors| errors[index]);
    let tests = model.maximum_likelihood.as_ref();
    let row = |index: usize, feature: String, coef: f64| Coefficient {
        feature,
        measure: String::new(),
        coef,
        std_error: error(index),
        z_unpenalized: tests.map(|t| t.z[index]),
        p_unpenalized: tests.map(|t| t.p[index]),
        interval: error(index).map(|error| Interval::normal(coef, error)),
        odds_ratio: coef.exp(),
        coef_raw: None,
        std_error_raw: None,
        odds_ratio_raw: None,
        vif: None,
        mean: None,
        sd: None,
        missing: None,
    };
    let mut intercept = row(0, "intercept".to_owned(), model.fit.intercept);
    if let Some((raw, error)) = raw_intercept(model) {
        intercept.coef_raw = Some(raw);
        intercept.std_error_raw = error;
        intercept.odds_ratio_raw = Some(raw.exp());
    }
    let mut rows = vec![intercept];
    for (index, column) in columns.iter().enumerate() {
        let prepared = &model.preprocessor.features[column.feature];
        let coef = model.fit.coef[index];
        let raw = linear(&prepared.encoding, column.term).then(|| coef / column.scale.sd);
        rows.push(Coefficient {
            measure: prepared.measure.clone(),
            coef_raw: raw,
            std_error_raw: raw.and(error(index + 1)).map(|error| error / column.scale.sd),
            odds_ratio_raw: raw.map(f64::exp),
            vif: Some(model.vif[index]).filter(|v| v.is_finite()),
            mean: Some(column.scale.mean),
            sd: Some(column.scale.sd),
            missing: Some(prepared.missing_share),
            ..row(index + 1, column.name.clone(), coef)
        });
    }
    rows
}

/// Returns whether a design column is linear in its raw value.
fn linear(encoding: &Encoding, term: Term<'_>) -> bool {
    match (encoding, term) {
        (Encoding::Numeric(number), Term::Value) => number.is_linear(),
        (_, Term::Hinge(_)) => false,
        _ => true,
    }
}

/// Returns β₀ − Σ βⱼ·meanⱼ/sdⱼ and its standard error; `None` unless all columns are linear.
fn raw_intercept(model: &Model) -> Option<(f64, Option<f64>)> {
    let columns = model.preprocessor.columns();
    let all =
        columns.iter().all(|c| linear(&model.preprocessor.features[c.feature].encoding, c.term));
    if !all {
        return None;
    }
    let weights: Vec<f64> =
        std::iter::once(1.0).chain(columns.iter().map(|c| -c.scale.mean / c.scale.sd)).collect();
    let coef = std::iter::once(&model.fit.intercept).chain(&model.fit.coef);
    let raw = weights.iter().zip(coef).map(|(w, c)| w * c).sum();
    Some((raw, model.fit.std_error_of(&weights)))
}

#[cfg(test)]
mod tests;
