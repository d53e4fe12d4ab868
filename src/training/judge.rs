//! The model on the test rows.

use std::collections::BTreeSet;

use polars::prelude::*;
use pql_stats::metrics::{Evaluation, Judged, Judgement, evaluate};

use super::baseline::{baselines, best_definition};
use super::cross::Data;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::write::time_column;
use crate::model::Model;
use crate::warning::Warning;

/// Judge the model on the test rows, and put them in a table.
pub(super) fn judge(
    model: &mut Model,
    rows: &Rows,
    train: &Data,
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
        let judged = Judged {
            y: &y,
            probability: &probability,
            group: &accounts,
            cutoff: cutoff.as_deref(),
        };
        model.baselines = baselines(&model.preprocessor, train, &x, judged)?;
        model.baselines.extend(best_definition(rows, train, test, judged)?);
        let judgement = Judgement::of(judged, model.threshold)?;
        if judgement.evaluation.roc_auc.is_none() {
            model.warnings.push(Warning::TestRowsOneClass);
        }
        model.judgement = Some(judgement);
        model.new_accounts = judged_new(&train.group, judged)?;
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
    let taken: BTreeSet<PlSmallStr> = columns.iter().map(|c| c.name().clone()).collect();
    columns.extend(features.columns().iter().filter(|c| !taken.contains(c.name())).cloned());
    DataFrame::new(test.len(), columns).map_err(failed)
}

/// Metrics on the test rows of accounts without training rows, where these are some of the test
/// rows and not all.
fn judged_new(trained: &[u32], judged: Judged<'_>) -> Result<Option<Evaluation>> {
    let known: BTreeSet<u32> = trained.iter().copied().collect();
    let new: Vec<usize> =
        (0..judged.y.len()).filter(|at| !known.contains(&judged.group[*at])).collect();
    if new.is_empty() || new.len() == judged.y.len() {
        return Ok(None);
    }
    let y: Vec<bool> = new.iter().map(|at| judged.y[*at]).collect();
    let probability: Vec<f64> = new.iter().map(|at| judged.probability[*at]).collect();
    let accounts: Vec<u32> = new.iter().map(|at| judged.group[*at]).collect();
    Ok(Some(evaluate(&y, &probability, &accounts)?))
}
