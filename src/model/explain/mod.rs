//! What a model has learned, and why an account has its score: coefficients, contributions,
//! reasons.

mod correlation;
mod effect;
mod measures;
mod words;

pub use correlation::{clustered, correlation};
pub use effect::{Effect, effects, level_effects};
pub use measures::{Measures, importance};
use pql_stats::intervals::Interval;
use serde::Serialize;
pub use words::{Reason, Reasons, Words, reason, said, what};

use crate::model::Model;
pub use crate::model::encoder::Raw;
use crate::model::encoder::{Part, Way};

/// A row of `pql inspect`: all per standard deviation but the columns that say raw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coefficient {
    /// Design column, `intercept` first.
    pub feature: String,
    /// Measure it belongs to; empty for the intercept.
    #[serde(skip)]
    pub measure: String,
    /// Coefficient per standard deviation.
    pub coef: f64,
    /// Its standard error; `None` where a penalty has selected columns.
    pub std_error: Option<f64>,
    /// Wald test of the same columns without penalty.
    pub z: Option<f64>,
    /// Its two-sided p.
    pub p: Option<f64>,
    /// Its 95% interval; `None` where a penalty has selected columns.
    pub interval: Option<Interval>,
    /// exp(coef).
    pub odds_ratio: f64,
    /// Coefficient per raw unit, where the column is a straight line in the raw value.
    pub coef_raw: Option<f64>,
    /// Its standard error.
    pub std_error_raw: Option<f64>,
    /// exp(`coef_raw`).
    pub odds_ratio_raw: Option<f64>,
    /// Variance inflation factor; `None` for the intercept.
    pub vif: Option<f64>,
    /// Mean of the column over the training rows, before it is standardised.
    pub mean: Option<f64>,
    /// Standard deviation of the column over the training rows.
    pub sd: Option<f64>,
    /// Share of training rows in which its feature is missing.
    pub missing: Option<f64>,
}

impl Coefficient {
    /// The numbers, in the order in which tables have them, each with the name of its column.
    #[must_use]
    pub fn numbers(&self) -> [(&'static str, Option<f64>); 14] {
        [
            ("coef", Some(self.coef)),
            ("std_error", self.std_error),
            ("z", self.z),
            ("p", self.p),
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

/// The coefficients of a model, intercept first, in the order of the design columns.
#[must_use]
pub fn coefficients(model: &Model) -> Vec<Coefficient> {
    let columns = model.preprocessor.columns();
    let std_error = model.fit.std_error();
    let error = |at: usize| std_error.as_ref().map(|errors| errors[at]);
    let tests = model.maximum_likelihood.as_ref();
    let base = |at: usize, feature: String, coef: f64| Coefficient {
        feature,
        measure: String::new(),
        coef,
        std_error: error(at),
        z: tests.map(|t| t.z[at]),
        p: tests.map(|t| t.p[at]),
        interval: error(at).map(|error| Interval::normal(coef, error)),
        odds_ratio: coef.exp(),
        coef_raw: None,
        std_error_raw: None,
        odds_ratio_raw: None,
        vif: None,
        mean: None,
        sd: None,
        missing: None,
    };
    let mut intercept = base(0, "intercept".to_owned(), model.fit.intercept);
    if let Some((raw, error)) = raw_intercept(model) {
        intercept.coef_raw = Some(raw);
        intercept.std_error_raw = error;
        intercept.odds_ratio_raw = Some(raw.exp());
    }
    let mut rows = vec![intercept];
    for (at, column) in columns.iter().enumerate() {
        let prepared = &model.preprocessor.features[column.feature];
        let coef = model.fit.coef[at];
        let raw = linear(&prepared.way, column.part).then(|| coef / column.scale.sd);
        rows.push(Coefficient {
            measure: prepared.measure.clone(),
            coef_raw: raw,
            std_error_raw: raw.and(error(at + 1)).map(|error| error / column.scale.sd),
            odds_ratio_raw: raw.map(f64::exp),
            vif: Some(model.vif[at]).filter(|v| v.is_finite()),
            mean: Some(column.scale.mean),
            sd: Some(column.scale.sd),
            missing: Some(prepared.missing_share),
            ..base(at + 1, column.name.clone(), coef)
        });
    }
    rows
}

/// Whether a design column is a straight line in its raw value.
fn linear(way: &Way, part: Part<'_>) -> bool {
    match (way, part) {
        (Way::Number(number), Part::Value) => number.linear(),
        (_, Part::Hinge(_)) => false,
        _ => true,
    }
}

/// β₀ − Σ βⱼ·meanⱼ/sdⱼ and its standard error, where all columns are straight lines.
fn raw_intercept(model: &Model) -> Option<(f64, Option<f64>)> {
    let columns = model.preprocessor.columns();
    let all = columns.iter().all(|c| linear(&model.preprocessor.features[c.feature].way, c.part));
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
