//! Evaluation of a model on the test rows.

use std::collections::BTreeSet;

use polars::prelude::*;
use pql_stats::metrics::{
    Evaluation, EvaluationReport, LabeledScores, evaluate as compute_metrics, threshold_metrics,
};

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
    let x = model.preprocessor.transform(&rows.features, Some(test))?.x;
    let set = TestSet::new(rows, test, model.probabilities(x.view()))?;
    if !test.is_empty() {
        let not_finite = set.probability.iter().filter(|p| p.is_nan()).count();
        if not_finite > 0 {
            return Err(Error::NotFiniteTestRows { rows: not_finite });
        }
        let compared = ComparedRows { rows, indices: test, scores: set.scores() };
        model.baselines = baselines(&model.preprocessor, train, compared)?;
        evaluate(model, rows, &set)?;
        model.new_accounts = evaluate_new_accounts(&train.group, set.scores())?;
    }
    set.into_table()
}

/// Computes the metrics of a model on its test set.
pub(super) fn evaluate(model: &mut Model, rows: &Rows, set: &TestSet) -> Result<()> {
    model.test_fingerprint = Some(rows_fingerprint(rows, &set.indices));
    let evaluation = EvaluationReport::compute(set.scores(), model.threshold)?;
    if evaluation.metrics.roc_auc.is_none() {
        model.warnings.push(Warning::TestRowsOneClass);
    }
    model.evaluation = Some(evaluation);
    Ok(())
}

/// Computes the metrics at the threshold of the refitted model, with the held-out probabilities.
pub(super) fn apply_threshold(
    model: &mut Model,
    rows: &Rows,
    test: &[u32],
    table: &DataFrame,
) -> Result<()> {
    let failed = |e: PolarsError| Error::table("the test rows", e);
    let probability = table.column("probability").and_then(Column::f64).map_err(failed)?;
    let probability: Vec<f64> = probability.iter().map(|p| p.unwrap_or(f64::NAN)).collect();
    if let Some(evaluation) = &mut model.evaluation {
        evaluation.at_threshold = threshold_metrics(
            &rows.outcomes(test),
            &probability,
            &rows.accounts(test),
            model.threshold,
        );
    }
    Ok(())
}

/// Rows with outcomes and held-out probabilities.
pub(super) struct TestSet {
    indices: Vec<u32>,
    names: Vec<String>,
    features: DataFrame,
    y: Vec<bool>,
    accounts: Vec<u32>,
    cutoff: Option<Vec<i64>>,
    probability: Vec<f64>,
}

impl TestSet {
    pub(super) fn new(rows: &Rows, indices: &[u32], probability: Vec<f64>) -> Result<Self> {
        let accounts = rows.accounts(indices);
        let index = IdxCa::from_slice("".into(), indices);
        Ok(Self {
            indices: indices.to_vec(),
            names: accounts.iter().map(|code| rows.names[*code as usize].to_owned()).collect(),
            features: rows.features.take(&index).map_err(|e| Error::table("the test rows", e))?,
            y: rows.outcomes(indices),
            accounts,
            cutoff: rows.cutoffs(indices),
            probability,
        })
    }

    /// Returns the rows with their outcomes and probabilities.
    pub(super) fn scores(&self) -> LabeledScores<'_> {
        LabeledScores {
            y: &self.y,
            probability: &self.probability,
            group: &self.accounts,
            cutoff: self.cutoff.as_deref(),
        }
    }

    /// Returns the table `account_id, cutoff, converted, probability` with the features.
    pub(super) fn into_table(self) -> Result<DataFrame> {
        let rows = self.y.len();
        let cutoff = (0..rows).map(|row| self.cutoff.as_ref().map(|cutoff| cutoff[row]));
        let mut columns = vec![
            Column::new("account_id".into(), self.names),
            time_column("cutoff", cutoff),
            Column::new(
                "converted".into(),
                self.y.iter().map(|y| i64::from(*y)).collect::<Vec<_>>(),
            ),
            Column::new("probability".into(), self.probability),
        ];
        let names: BTreeSet<PlSmallStr> = columns.iter().map(|c| c.name().clone()).collect();
        let features = self.features.columns().iter();
        columns.extend(features.filter(|column| !names.contains(column.name())).cloned());
        DataFrame::new(rows, columns).map_err(|e| Error::table("the test rows", e))
    }
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
    Ok(Some(compute_metrics(&y, &probability, &accounts)?))
}
