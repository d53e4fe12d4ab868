//! Baselines of a model: the base rate, the best single feature and the best PQL definition, chosen
//! on the training rows.

use ndarray::{Array2, Axis};
use pql_stats::glm::{Logistic, LogisticFit};
use pql_stats::metrics::{LabeledScores, PairedProbabilities};

use super::cross::TrainingData;
use crate::dataset::rows::{DefinitionMatches, Rows};
use crate::error::Result;
use crate::model::Baseline;
use crate::model::encoder::Preprocessor;

/// Compares a model with its baselines on the test rows.
///
/// # Arguments
/// * `x` – design matrix of the test rows
pub(super) fn baselines(
    preprocessor: &Preprocessor,
    train: &TrainingData,
    x: &Array2<f64>,
    test: LabeledScores<'_>,
) -> Result<Vec<Baseline>> {
    let positive = train.y.iter().filter(|y| **y).count();
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    let base_rate = positive as f64 / train.y.len() as f64;
    let mut baselines =
        vec![compare("the base rate".to_owned(), &vec![base_rate; test.y.len()], test)?];
    if let Some((feature, columns, fit)) = best_feature(preprocessor, train) {
        let probability = fit
            .log_odds(x.select(Axis(1), &columns).view())
            .mapv(pql_stats::calibration::probability);
        baselines.push(compare(format!("`{feature}` alone"), &probability.to_vec(), test)?);
    }
    Ok(baselines)
}

fn compare(name: String, probability: &[f64], test: LabeledScores<'_>) -> Result<Baseline> {
    let paired = PairedProbabilities {
        y: test.y,
        group: test.group,
        probability: test.probability,
        other: probability,
    };
    Ok(Baseline { name, difference: paired.log_loss()? })
}

/// Finds the feature whose design columns fit the training rows best by Akaike's information
/// criterion.
fn best_feature<'a>(
    preprocessor: &'a Preprocessor,
    train: &TrainingData,
) -> Option<(&'a str, Vec<usize>, LogisticFit)> {
    let columns = preprocessor.columns();
    let mut best: Option<(f64, &str, Vec<usize>, LogisticFit)> = None;
    for (index, encoder) in preprocessor.features.iter().enumerate() {
        let own: Vec<usize> =
            (0..columns.len()).filter(|column| columns[*column].feature == index).collect();
        // A penalty of 1 is negligible, but keeps the fit finite if the feature separates the
        // outcomes.
        let Ok(fit) =
            Logistic::default().fit_rows(train.x.select(Axis(1), &own).view(), train.y.view())
        else {
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "a count of columns")]
        let criterion = fit.log_likelihood - own.len() as f64;
        if best.as_ref().is_none_or(|(greatest, ..)| criterion > *greatest) {
            best = Some((criterion, &encoder.feature, own, fit));
        }
    }
    best.map(|(_, feature, columns, fit)| (feature, columns, fit))
}

/// Compares the model with the definition that fits the training rows best; `None` if no definition
/// separates the training rows.
pub(super) fn best_definition(
    rows: &Rows,
    train: &TrainingData,
    test: &[u32],
    scores: LabeledScores<'_>,
) -> Result<Option<Baseline>> {
    let column = |definition: &DefinitionMatches, rows: &[u32]| {
        Array2::from_shape_fn((rows.len(), 1), |(i, _)| {
            f64::from(u8::from(definition.matches[rows[i] as usize]))
        })
    };
    let mut best: Option<(&DefinitionMatches, LogisticFit)> = None;
    for definition in &rows.definitions {
        let Ok(fit) =
            Logistic::default().fit_rows(column(definition, &train.rows).view(), train.y.view())
        else {
            continue;
        };
        if best.as_ref().is_none_or(|(_, other)| fit.log_likelihood > other.log_likelihood) {
            best = Some((definition, fit));
        }
    }
    let Some((definition, fit)) = best.filter(|(_, fit)| fit.coef[0] != 0.0) else {
        return Ok(None);
    };
    let probability =
        fit.log_odds(column(definition, test).view()).mapv(pql_stats::calibration::probability);
    compare(format!("the definition `{}`", definition.name), &probability.to_vec(), scores)
        .map(Some)
}
