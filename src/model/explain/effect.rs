//! Change of the odds with one feature, all else equal.

use pql_stats::intervals::Interval;

use crate::model::Model;
use crate::model::encoder::{Encoding, OTHER, Term};

/// Odds ratio of a value of a feature, relative to its typical value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// Odds at the value divided by the odds at the typical value.
    pub odds_ratio: f64,
    /// Its 95% interval; `None` if a penalty selected columns.
    pub interval: Option<Interval>,
}

/// Computes the effect of a numeric feature at raw values, relative to its typical value; empty for
/// a text.
///
/// The odds include the calibration, except the steps of an isotonic one.
/// # Arguments
/// * `feature` – index in `model.preprocessor.features`
#[must_use]
pub fn effects(model: &Model, feature: usize, values: &[f64]) -> Vec<Effect> {
    let Encoding::Numeric(number) = &model.preprocessor.features[feature].encoding else {
        return Vec::new();
    };
    let column =
        |term: Term<'_>, raw: Option<f64>| term.evaluate(number.transform(raw), raw.is_none());
    values
        .iter()
        .map(|value| {
            effect(model, feature, |part| {
                (column(part, Some(*value)), column(part, number.typical))
            })
        })
        .collect()
}

/// Computes the effect of each level of a text relative to the most frequent one, which comes
/// first; empty for a number.
///
/// # Arguments
/// * `feature` – index in `model.preprocessor.features`
#[must_use]
pub fn level_effects(model: &Model, feature: usize) -> Vec<(&str, Effect)> {
    let Encoding::Categorical(text) = &model.preprocessor.features[feature].encoding else {
        return Vec::new();
    };
    let typical = text.level(Some(&text.mode)).name;
    let indicator = |term: Term<'_>, level: &str| f64::from(u8::from(term == Term::Level(level)));
    let known = text.levels.iter().map(|(level, _)| level.as_str());
    let levels = std::iter::once(text.reference_level.as_str())
        .chain(known)
        .chain(text.other.map(|_| OTHER));
    let mut levels: Vec<&str> = levels.collect();
    levels.sort_by_key(|level| *level != typical);
    levels
        .into_iter()
        .map(|level| {
            (
                level,
                effect(model, feature, |term| (indicator(term, level), indicator(term, typical))),
            )
        })
        .collect()
}

/// Computes the effect of a change in the design columns of one feature.
///
/// # Arguments
/// * `values` – value and typical value of a column, before standardization
fn effect(model: &Model, feature: usize, values: impl Fn(Term<'_>) -> (f64, f64)) -> Effect {
    let slope = model.calibration.intercept_and_slope().1;
    let columns = model.preprocessor.columns();
    let mut weights = vec![0.0; columns.len() + 1];
    for (index, column) in
        columns.iter().enumerate().filter(|(_, column)| column.feature == feature)
    {
        let (value, typical) = values(column.term);
        weights[index + 1] = slope * (value - typical) / column.scale.sd;
    }
    let log: f64 =
        weights[1..].iter().zip(&model.fit.coef).map(|(weight, coef)| weight * coef).sum();
    let interval = model
        .fit
        .std_error_of(&weights)
        .map(|std_error| Interval::normal(log, std_error).map(f64::exp));
    Effect { odds_ratio: log.exp(), interval }
}
