//! Evaluation of a model on the test rows.

use std::collections::BTreeSet;

use polars::prelude::*;
use pql_stats::metrics::{Evaluation, EvaluationReport, LabeledScores, evaluate};

use super::baseline::{ComparedRows, baselines, refit};
use super::learning::Learned;
use crate::dataset::rows::{Rows, rows_fingerprint};
use crate::error::{Error, Result};
use crate::io::write::time_column;
use crate::model::{Baseline, Model};
use crate::warning::Warning;

/// Test rows with held-out probabilities, and the baselines compared with these.
pub(super) struct TestEvaluation {
    pub(super) set: TestSet,
    pub(super) baselines: Vec<Baseline>,
    /// Metrics of accounts without training rows, if they are some of the accounts.
    pub(super) new_accounts: Option<Evaluation>,
}

impl TestEvaluation {
    /// Predicts the test rows by a fit that has not seen them.
    pub(super) fn compute(rows: &Rows, learned: &Learned, test: &[u32]) -> Result<Self> {
        let x = learned.preprocessor.transform(&rows.features, Some(test))?.x;
        let set = TestSet::new(rows, test, learned.probabilities(x.view()))?;
        if test.is_empty() {
            return Ok(Self { set, baselines: Vec::new(), new_accounts: None });
        }
        let compared = ComparedRows { rows, indices: test, scores: set.scores() };
        let baselines = baselines(&learned.preprocessor, &learned.data, compared)?;
        let new_accounts = evaluate_new_accounts(&learned.data.group, set.scores())?;
        Ok(Self { set, baselines, new_accounts })
    }

    /// Fits the rules of the baselines again, as the model was.
    pub(super) fn refit_baselines(&mut self, rows: &Rows, learned: &Learned) {
        refit(&mut self.baselines, &learned.preprocessor, rows, &learned.data);
    }

    /// Stores the metrics in the final model, whose threshold they use, and returns the table of
    /// test rows.
    pub(super) fn store(self, model: &mut Model, rows: &Rows) -> Result<DataFrame> {
        let Self { set, baselines, new_accounts } = self;
        if !set.indices.is_empty() {
            let local = set.cutoff.as_ref().map(|cutoff| model.zone().local_times(cutoff));
            let scores = LabeledScores { local_cutoff: local.as_deref(), ..set.scores() };
            let evaluation = EvaluationReport::compute(scores, model.threshold)?;
            if evaluation.metrics.roc_auc.is_none() {
                model.warnings.push(Warning::TestRowsOneClass);
            }
            model.test_fingerprint = Some(rows_fingerprint(rows, &set.indices));
            model.evaluation = Some(evaluation);
        }
        (model.baselines, model.new_accounts) = (baselines, new_accounts);
        set.into_table()
    }
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
    /// Collects test rows.
    ///
    /// # Errors
    /// * [`Error::NotFiniteTestRows`]: a probability is NaN
    pub(super) fn new(rows: &Rows, indices: &[u32], probability: Vec<f64>) -> Result<Self> {
        let not_finite = probability.iter().filter(|p| p.is_nan()).count();
        if not_finite > 0 {
            return Err(Error::NotFiniteTestRows { rows: not_finite });
        }
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
            local_cutoff: None,
        }
    }

    /// Returns the table `account_id, cutoff, converted, probability` with the features.
    fn into_table(self) -> Result<DataFrame> {
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
    Ok(Some(evaluate(&y, &probability, &accounts)?))
}
