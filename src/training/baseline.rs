//! Baselines of a model: the base rate, the best single feature and the best PQL definition, chosen
//! on the training rows.

use ndarray::{Array2, ArrayView1, Axis};
use pql_stats::calibration::probability;
use pql_stats::counts::{count, share};
use pql_stats::glm::{Logistic, LogisticFit};
use pql_stats::metrics::{LabeledScores, PairedProbabilities};

use rayon::prelude::*;

use super::cross::TrainingData;
use crate::dataset::rows::{DefinitionMatches, Rows};
use crate::error::Result;
use crate::model::encoder::{FeatureEncoder, Preprocessor};
use crate::model::verdict::BASE_RATE;
use crate::model::{Baseline, BaselineRule};

/// Rows with outcomes on which a model and its baselines are compared.
#[derive(Clone, Copy)]
pub(crate) struct ComparedRows<'a> {
    /// All rows.
    pub(crate) rows: &'a Rows,
    /// Indices of the compared rows.
    pub(crate) indices: &'a [u32],
    /// Their outcomes, and the probabilities of the model.
    pub(crate) scores: LabeledScores<'a>,
}

/// Fits the baselines on the training rows.
pub(super) fn fit_rules(
    preprocessor: &Preprocessor,
    rows: &Rows,
    train: &TrainingData,
) -> Vec<(String, BaselineRule)> {
    let mut rules = vec![(BASE_RATE.to_owned(), BaselineRule::BaseRate)];
    if let Some((encoder, fit)) = best_feature(preprocessor, train) {
        rules.push((format!("`{}` alone", encoder.feature), feature_rule(encoder, &fit)));
    }
    if let Some((definition, fit)) = best_definition(rows, train) {
        rules.push((
            format!("the definition `{}`", definition.name),
            definition_rule(&definition.name, &fit),
        ));
    }
    rules
}

/// Fits the baselines on the training rows and compares a model with them on the test rows.
pub(super) fn baselines(
    preprocessor: &Preprocessor,
    train: &TrainingData,
    test: ComparedRows<'_>,
) -> Result<Vec<Baseline>> {
    let rules = fit_rules(preprocessor, test.rows, train).into_iter();
    let compared = rules.map(|(name, rule)| compare(name, rule, test));
    Ok(compared.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

impl BaselineRule {
    /// Returns whether another rule is of the same kind: the base rate, a feature or a definition.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Compares a model with its stored baselines on other rows, without those whose feature or
/// definition the rows do not have.
///
/// # Errors
/// * [`FeatureType`](crate::Error::FeatureType): the feature of a baseline has another type
pub(crate) fn compare_baselines(
    baselines: &[Baseline],
    rows: ComparedRows<'_>,
) -> Result<Vec<Baseline>> {
    let compared = baselines
        .iter()
        .map(|baseline| compare(baseline.name.clone(), baseline.rule.clone(), rows));
    Ok(compared.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Fits the rules of the baselines again on more rows, as the model is. A rule whose feature was
/// dropped stays as it is.
pub(super) fn refit(
    baselines: &mut [Baseline],
    preprocessor: &Preprocessor,
    rows: &Rows,
    train: &TrainingData,
) {
    for baseline in baselines {
        let refitted = match &baseline.rule {
            BaselineRule::BaseRate => None,
            BaselineRule::Feature { encoder, .. } => {
                let index =
                    preprocessor.features.iter().position(|other| other.feature == encoder.feature);
                index.and_then(|index| {
                    let fit = fit_feature(preprocessor, index, train)?;
                    Some(feature_rule(&preprocessor.features[index], &fit))
                })
            }
            BaselineRule::Definition { definition, .. } => rows
                .definitions
                .iter()
                .find(|other| other.name == *definition)
                .and_then(|matches| fit_definition(matches, train))
                .map(|fit| definition_rule(definition, &fit)),
        };
        if let Some(rule) = refitted {
            baseline.rule = rule;
        }
    }
}

fn feature_rule(encoder: &FeatureEncoder, fit: &LogisticFit) -> BaselineRule {
    BaselineRule::Feature {
        encoder: Box::new(encoder.clone()),
        intercept: fit.intercept,
        coef: fit.coef.clone(),
    }
}

fn definition_rule(definition: &str, fit: &LogisticFit) -> BaselineRule {
    BaselineRule::Definition {
        definition: definition.to_owned(),
        matching: probability(fit.intercept + fit.coef[0]),
        other: probability(fit.intercept),
    }
}

/// Compares a model with a baseline; `None` if the rows lack its feature or definition.
fn compare(name: String, rule: BaselineRule, rows: ComparedRows<'_>) -> Result<Option<Baseline>> {
    let Some(predicted) = predict(&rule, rows.rows, rows.indices)? else { return Ok(None) };
    compare_predicted(name, rule, &predicted, rows.scores).map(Some)
}

/// Compares a model with the predictions of a baseline.
pub(super) fn compare_predicted(
    name: String,
    rule: BaselineRule,
    predicted: &[f64],
    scores: LabeledScores<'_>,
) -> Result<Baseline> {
    let paired = PairedProbabilities {
        y: scores.y,
        group: scores.group,
        probability: scores.probability,
        other: predicted,
    };
    Ok(Baseline { name, rule, difference: paired.log_loss()? })
}

/// Predicts rows with a baseline; `None` if the rows lack its feature or definition.
pub(super) fn predict(
    rule: &BaselineRule,
    rows: &Rows,
    indices: &[u32],
) -> Result<Option<Vec<f64>>> {
    Ok(Some(match rule {
        BaselineRule::BaseRate => {
            let positive = rows.outcomes(indices).into_iter().filter(|y| *y).count();
            vec![share(positive, indices.len()); indices.len()]
        }
        BaselineRule::Feature { encoder, intercept, coef } => {
            if rows.features.column(&encoder.feature).is_err() {
                return Ok(None);
            }
            let preprocessor = Preprocessor { features: vec![encoder.as_ref().clone()] };
            let x = preprocessor.transform(&rows.features, Some(indices))?.x;
            x.rows()
                .into_iter()
                .map(|row| probability(intercept + row.dot(&ArrayView1::from(coef.as_slice()))))
                .collect()
        }
        BaselineRule::Definition { definition, matching, other } => {
            let found = rows.definitions.iter().find(|found| found.name == *definition);
            let Some(found) = found else { return Ok(None) };
            let matches = |row: &u32| found.matches[*row as usize];
            indices.iter().map(|row| if matches(row) { *matching } else { *other }).collect()
        }
    }))
}

/// Fits a logistic regression on the columns of one feature; `None` if the fit fails.
fn fit_feature(
    preprocessor: &Preprocessor,
    feature: usize,
    train: &TrainingData,
) -> Option<LogisticFit> {
    let columns = preprocessor.columns();
    let own: Vec<usize> =
        (0..columns.len()).filter(|column| columns[*column].feature == feature).collect();
    // A penalty of 1 is negligible, but keeps the fit finite if the feature separates the outcomes.
    Logistic::default().fit_rows(train.x.select(Axis(1), &own).view(), train.y.view()).ok()
}

/// Finds the feature whose design columns fit the training rows best by Akaike's information
/// criterion.
fn best_feature<'a>(
    preprocessor: &'a Preprocessor,
    train: &TrainingData,
) -> Option<(&'a FeatureEncoder, LogisticFit)> {
    let fits: Vec<Option<LogisticFit>> = (0..preprocessor.features.len())
        .into_par_iter()
        .map(|index| fit_feature(preprocessor, index, train))
        .collect();
    let mut best: Option<(f64, &FeatureEncoder, LogisticFit)> = None;
    for (encoder, fit) in preprocessor.features.iter().zip(fits) {
        let Some(fit) = fit else { continue };
        let criterion = fit.log_likelihood - count(fit.coef.len());
        if best.as_ref().is_none_or(|(greatest, ..)| criterion > *greatest) {
            best = Some((criterion, encoder, fit));
        }
    }
    best.map(|(_, encoder, fit)| (encoder, fit))
}

/// Fits the conversion rates of rows that match a definition and of other rows; `None` if the fit
/// fails.
fn fit_definition(definition: &DefinitionMatches, train: &TrainingData) -> Option<LogisticFit> {
    let matches = Array2::from_shape_fn((train.rows.len(), 1), |(row, _)| {
        f64::from(u8::from(definition.matches[train.rows[row] as usize]))
    });
    Logistic::default().fit_rows(matches.view(), train.y.view()).ok()
}

/// Finds the definition that fits the training rows best; `None` if none separates them.
fn best_definition<'a>(
    rows: &'a Rows,
    train: &TrainingData,
) -> Option<(&'a DefinitionMatches, LogisticFit)> {
    let mut best: Option<(&DefinitionMatches, LogisticFit)> = None;
    for definition in &rows.definitions {
        let Some(fit) = fit_definition(definition, train) else { continue };
        if best.as_ref().is_none_or(|(_, other)| fit.log_likelihood > other.log_likelihood) {
            best = Some((definition, fit));
        }
    }
    best.filter(|(_, fit)| fit.coef[0] != 0.0)
}
