//! Evaluation of a model on the test rows.

use std::collections::BTreeSet;

use polars::prelude::*;
use pql_stats::metrics::{Evaluation, EvaluationReport, LabeledScores, evaluate};

use super::baseline::{ComparedRows, baselines};
use super::cross::TrainingData;
use crate::dataset::rows::{Rows, rows_fingerprint};
use crate::error::{Error, Result};
use crate::io::write::time_column;
use crate::model::Model;
use crate::warning::Warning;

/// Evaluates a model on the test rows, and returns the table of test rows.
pub(super) fn evaluate_on_test_rows(
    model: &mut Model,
    rows: &Rows,
    train: &TrainingData,
    test: &[u32],
) -> Result<DataFrame> {
    let failed = |e: PolarsError| Error::table("the test rows", e);
    let index = IdxCa::from_slice("".into(), test);
    let features = rows.features.take(&index).map_err(failed)?;
    let x = model.preprocessor.transform(&features, None)?.x;
    let probability = model.probabilities(x.view());
    let y = rows.outcomes(test);
    let accounts = rows.accounts(test);
    if !test.is_empty() {
        let not_finite = probability.iter().filter(|p| p.is_nan()).count();
        if not_finite > 0 {
            return Err(Error::NotFiniteTestRows { rows: not_finite });
        }
        let cutoff = rows.cutoffs(test);
        let scores = LabeledScores {
            y: &y,
            probability: &probability,
            group: &accounts,
            cutoff: cutoff.as_deref(),
        };
        let compared = ComparedRows { rows, indices: test, scores };
        model.baselines = baselines(&model.preprocessor, train, compared)?;
        model.test_fingerprint = Some(rows_fingerprint(rows, test));
        let evaluation = EvaluationReport::compute(scores, model.threshold)?;
        if evaluation.metrics.roc_auc.is_none() {
            model.warnings.push(Warning::TestRowsOneClass);
        }
        model.evaluation = Some(evaluation);
        model.new_accounts = evaluate_new_accounts(&train.group, scores)?;
    }
    let cutoff = test.iter().map(|r| rows.cutoff.as_ref().map(|c| c[*r as usize]));
    let mut columns = vec![
        Column::new(
            "account_id".into(),
            test.iter()
                .map(|r| &rows.names[rows.account[*r as usize] as usize])
                .collect::<Vec<_>>(),
        ),
        time_column("cutoff", cutoff),
        Column::new("converted".into(), y.iter().map(|y| i64::from(*y)).collect::<Vec<_>>()),
        Column::new("probability".into(), probability),
    ];
    let names: BTreeSet<PlSmallStr> = columns.iter().map(|c| c.name().clone()).collect();
    columns.extend(features.columns().iter().filter(|c| !names.contains(c.name())).cloned());
    DataFrame::new(test.len(), columns).map_err(failed)
}

/// Computes the metrics on the test rows of accounts without training rows; `None` if no or all
/// test rows are of such accounts.
fn evaluate_new_accounts(trained: &[u32], scores: LabeledScores<'_>) -> Result<Option<Evaluation>> {
    let known: BTreeSet<u32> = trained.iter().copied().collect();
    let new: Vec<usize> =
        (0..scores.y.len()).filter(|row| !known.contains(&scores.group[*row])).collect();
    if new.is_empty() || new.len() == scores.y.len() {
        return Ok(None);
    }
    let y: Vec<bool> = new.iter().map(|row| scores.y[*row]).collect();
    let probability: Vec<f64> = new.iter().map(|row| scores.probability[*row]).collect();
    let accounts: Vec<u32> = new.iter().map(|row| scores.group[*row]).collect();
    Ok(Some(evaluate(&y, &probability, &accounts)?))
}
