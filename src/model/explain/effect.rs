//! How the odds change with one feature, all else equal.

use pql_stats::intervals::Interval;

use crate::model::Model;
use crate::model::encoder::{OTHER, Part, Way};

/// Odds at a value of a feature, divided by those at its typical value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// The quotient.
    pub odds_ratio: f64,
    /// Its 95% interval; `None` where a penalty has selected columns.
    pub interval: Option<Interval>,
}

/// Compute the effect of a feature at raw values, against the median of the training rows; none of
/// a text.
///
/// The odds are those reported, but for the steps of an isotonic calibration.
/// # Arguments
/// * `feature` – index in `model.preprocessor.features`
#[must_use]
pub fn effects(model: &Model, feature: usize, values: &[f64]) -> Vec<Effect> {
    let Way::Number(number) = &model.preprocessor.features[feature].way else { return Vec::new() };
    let column = |part: Part<'_>, raw: f64| part.of(number.treat(Some(raw)), false);
    values
        .iter()
        .map(|value| {
            effect(model, feature, |part| (column(part, *value), column(part, number.typical)))
        })
        .collect()
}

/// Compute the effect of each level of a text against the most frequent one, which comes first;
/// none of a number.
///
/// # Arguments
/// * `feature` – index in `model.preprocessor.features`
#[must_use]
pub fn level_effects(model: &Model, feature: usize) -> Vec<(&str, Effect)> {
    let Way::Text(text) = &model.preprocessor.features[feature].way else { return Vec::new() };
    let typical = text.level(Some(&text.typical)).counts_as;
    let is = |part: Part<'_>, level: &str| f64::from(u8::from(part == Part::Level(level)));
    let known = text.levels.iter().map(|(level, _)| level.as_str());
    let levels = std::iter::once(text.base.as_str()).chain(known).chain(text.other.map(|_| OTHER));
    let mut levels: Vec<&str> = levels.collect();
    levels.sort_by_key(|level| *level != typical);
    levels
        .into_iter()
        .map(|level| (level, effect(model, feature, |part| (is(part, level), is(part, typical)))))
        .collect()
}

/// The effect of a change in the design columns of one feature: what each is, before it is
/// standardised, and what it is typically.
fn effect(model: &Model, feature: usize, values: impl Fn(Part<'_>) -> (f64, f64)) -> Effect {
    let slope = model.calibration.base_and_slope().1;
    let columns = model.preprocessor.columns();
    let mut weights = vec![0.0; columns.len() + 1];
    for (at, column) in columns.iter().enumerate().filter(|(_, column)| column.feature == feature) {
        let (value, typical) = values(column.part);
        weights[at + 1] = slope * (value - typical) / column.scale.sd;
    }
    let log: f64 =
        weights[1..].iter().zip(&model.fit.coef).map(|(weight, coef)| weight * coef).sum();
    let interval = model
        .fit
        .std_error_of(&weights)
        .map(|std_error| Interval::normal(log, std_error).map(f64::exp));
    Effect { odds_ratio: log.exp(), interval }
}
