//! What a model has to beat: the base rate, the best single feature and the best PQL definition,
//! chosen on training rows.

use ndarray::{Array2, Axis};
use pql_stats::glm::{Logistic, LogisticFit};
use pql_stats::metrics::{Judged, Paired};

use super::cross::Data;
use crate::dataset::rows::{Held, Rows};
use crate::error::Result;
use crate::model::Baseline;
use crate::model::encoder::Preprocessor;

/// Set a model against its baselines on the test rows.
///
/// # Arguments
/// * `x` – design of the test rows
pub(super) fn baselines(
    preprocessor: &Preprocessor,
    train: &Data,
    x: &Array2<f64>,
    test: Judged<'_>,
) -> Result<Vec<Baseline>> {
    let positive = train.y.iter().filter(|y| **y).count();
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    let base_rate = positive as f64 / train.y.len() as f64;
    let mut baselines = vec![against(
        "the base rate of the training rows".to_owned(),
        &vec![base_rate; test.y.len()],
        test,
    )?];
    if let Some((feature, columns, fit)) = best_feature(preprocessor, train) {
        let probability = fit
            .log_odds(x.select(Axis(1), &columns).view())
            .mapv(pql_stats::calibration::probability);
        baselines.push(against(format!("`{feature}` alone"), &probability.to_vec(), test)?);
    }
    Ok(baselines)
}

fn against(name: String, probability: &[f64], test: Judged<'_>) -> Result<Baseline> {
    let paired =
        Paired { y: test.y, group: test.group, probability: test.probability, other: probability };
    Ok(Baseline { name, difference: paired.log_loss()? })
}

/// The feature whose own columns, as they are in the design, fit the training rows best by Akaike's
/// criterion.
fn best_feature<'a>(
    preprocessor: &'a Preprocessor,
    train: &Data,
) -> Option<(&'a str, Vec<usize>, LogisticFit)> {
    let columns = preprocessor.columns();
    let mut best: Option<(f64, &str, Vec<usize>, LogisticFit)> = None;
    for (at, prepared) in preprocessor.features.iter().enumerate() {
        let own: Vec<usize> =
            (0..columns.len()).filter(|column| columns[*column].feature == at).collect();
        // A penalty of 1 is next to none, but keeps the fit finite where the feature separates the
        // outcomes.
        let Ok(fit) =
            Logistic::default().fit_rows(train.x.select(Axis(1), &own).view(), train.y.view())
        else {
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "a count of columns")]
        let criterion = fit.log_likelihood - own.len() as f64;
        if best.as_ref().is_none_or(|(greatest, ..)| criterion > *greatest) {
            best = Some((criterion, &prepared.feature, own, fit));
        }
    }
    best.map(|(_, feature, columns, fit)| (feature, columns, fit))
}

/// The definition that tells the training rows apart best, on the test rows; `None` where it holds
/// for all of them or for none.
pub(super) fn best_definition(
    rows: &Rows,
    train: &Data,
    test: &[u32],
    judged: Judged<'_>,
) -> Result<Option<Baseline>> {
    let column = |held: &Held, of: &[u32]| {
        Array2::from_shape_fn((of.len(), 1), |(at, _)| {
            f64::from(u8::from(held.rows[of[at] as usize]))
        })
    };
    let mut best: Option<(&Held, LogisticFit)> = None;
    for held in &rows.held {
        let Ok(fit) =
            Logistic::default().fit_rows(column(held, &train.rows).view(), train.y.view())
        else {
            continue;
        };
        if best.as_ref().is_none_or(|(_, other)| fit.log_likelihood > other.log_likelihood) {
            best = Some((held, fit));
        }
    }
    let Some((held, fit)) = best.filter(|(_, fit)| fit.coef[0] != 0.0) else { return Ok(None) };
    let probability =
        fit.log_odds(column(held, test).view()).mapv(pql_stats::calibration::probability);
    against(format!("the definition `{}` alone", held.name), &probability.to_vec(), judged)
        .map(Some)
}
