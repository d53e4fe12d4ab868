//! Evaluation of a stored model on rows with outcomes.
//!
//! Metrics over all rows, by the values of a column, and compared with a PQL definition.

mod groups;

use groups::groups;
use pql_stats::metrics::{
    EqualVolumeComparison, EvaluationReport, LabeledScores, SubsetMetrics, compare_at_equal_volume,
    subset_metrics,
};

use crate::dataset::rows::{DefinitionMatches, Rows, rows_fingerprint};
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::model::Model;
use crate::model::score::Scorer;
use crate::model::verdict::{EvaluatedRows, Evidence, Verdict};
use crate::names::suggest;
use crate::time::Timestamp;
use crate::training::baseline::{ComparedRows, compare_baselines};
use crate::training::held_out::{HeldOut, RowStatus};
use crate::warning::{Notice, Warning};

/// Options of an evaluation.
#[derive(Debug, Clone, Copy, Default)]
pub struct EvaluationOptions<'a> {
    /// Whether to include rows that the model may have been trained on (default: no).
    pub all: bool,
    /// Held-out probabilities of the test rows of the model (default: none).
    pub held_out: Option<&'a HeldOut>,
    /// Columns to group by.
    pub by: &'a [String],
    /// Name of a PQL definition to compare with the model at equal volume.
    pub definition: Option<&'a str>,
}

/// Evaluation of a model.
#[derive(Debug, Clone)]
pub struct ModelEvaluation {
    /// Number of rows.
    pub rows: usize,
    /// The verdict on the model, from these rows.
    pub verdict: Verdict,
    /// Metrics over all rows.
    pub evaluation: EvaluationReport,
    /// Groups of each column with their metrics.
    pub by: Vec<(String, Vec<(String, SubsetMetrics)>)>,
    /// Comparison with a definition.
    pub definition: Option<DefinitionComparison>,
}

/// A PQL definition compared with a model.
#[derive(Debug, Clone)]
pub struct DefinitionComparison {
    /// Name of the definition.
    pub name: String,
    /// End of the data on which the definition was discovered, if some rows are older. The result
    /// is then optimistic for the definition.
    pub found_until: Option<Timestamp>,
    /// Conversions captured by both at equal volume, without intervals if there are too few
    /// conversions for a verdict.
    pub equal_volume: EqualVolumeComparison,
}

/// Evaluates a model on rows with outcomes that it was not trained on.
///
/// # Arguments
/// * `label` – label of the model
/// # Errors
/// * [`Error::Usage`]: the rows do not have the column to group by or the definition
/// * [`Error::NoLabeledRows`]: no row is left
/// * [`Error::MissingFeature`]: a feature is absent
pub fn evaluate_model(
    model: &Model,
    label: &str,
    rows: &Rows,
    options: EvaluationOptions<'_>,
    sink: &mut Sink<'_>,
) -> Result<ModelEvaluation> {
    let fitted = Scorer::new(model, label)?.probabilities(&rows.features)?;
    let mut evaluated = evaluated_rows(model, rows, &fitted, options, sink)?;
    let all = evaluated.len();
    evaluated.retain(|row| row.probability.is_finite());
    if evaluated.len() < all {
        sink.notify(Warning::RowsNotFinite { rows: all - evaluated.len() });
    }
    let kept: Vec<u32> = evaluated.iter().map(|row| row.index).collect();
    let probability: Vec<f64> = evaluated.iter().map(|row| row.probability).collect();
    let (y, group, cutoff) = (rows.outcomes(&kept), rows.accounts(&kept), rows.cutoffs(&kept));
    let local = cutoff.as_ref().map(|cutoff| model.zone().local_times(cutoff));
    let scores = LabeledScores {
        y: &y,
        probability: &probability,
        group: &group,
        cutoff: cutoff.as_deref(),
        local_cutoff: local.as_deref(),
    };
    let evaluation = EvaluationReport::compute(scores, model.threshold)?;
    let compared = ComparedRows { rows, indices: &kept, scores };
    let verdict = verdict(model, &evaluation, compared, source(model, &evaluated))?;
    let mut by = Vec::new();
    for column in options.by {
        let groups = groups(rows, &kept, column, model.zone())?;
        let parts = subset_metrics(&y, &probability, &group, &groups.group_of_row);
        by.push((column.clone(), groups.names.into_iter().zip(parts).collect()));
    }
    let seed = model.config()?.model.seed;
    let find = |name: &str| {
        let found = rows.definitions.iter().find(|definition| definition.name == name);
        found.ok_or_else(|| {
            let known = rows.definitions.iter().map(|known| known.name.as_str());
            Error::Usage {
                problem: format!(
                    "`--definition`: found `{name}`, expected the name of a `[[definition]]`"
                ),
                hint: suggest(name, known),
            }
        })
    };
    let matches = options.definition.map(find).transpose()?;
    let mut definition =
        matches.map(|matches| compare_definition(matches, &kept, scores, seed)).transpose()?;
    if let Some(definition) = definition.as_mut().filter(|_| verdict.too_few.is_some()) {
        definition.equal_volume.remove_intervals();
    }
    Ok(ModelEvaluation { rows: kept.len(), verdict, evaluation, by, definition })
}

/// Returns the verdict from the evaluated rows: that of the model if they are its test rows with
/// their held-out probabilities, because the refitted baselines have seen them.
fn verdict(
    model: &Model,
    evaluation: &EvaluationReport,
    rows: ComparedRows<'_>,
    source: EvaluatedRows,
) -> Result<Verdict> {
    let has_same_metrics =
        model.evaluation.as_ref().is_some_and(|stored| stored.metrics == evaluation.metrics);
    if has_same_metrics && model.test_fingerprint == Some(rows_fingerprint(rows.rows, rows.indices))
    {
        return Ok(model.verdict());
    }
    Ok(Verdict::compute(&Evidence {
        model,
        metrics: Some(&evaluation.metrics),
        baselines: &compare_baselines(&model.baselines, rows)?,
        training: model.refit.map_or(model.training_base_rate, |refit| refit.base_rate),
        source,
    }))
}

/// Returns where the evaluated rows come from.
fn source(model: &Model, rows: &[EvaluatedRow]) -> EvaluatedRows {
    let any = |is: fn(RowStatus) -> bool| rows.iter().any(|row| is(row.status));
    if any(|status| matches!(status, RowStatus::Trained | RowStatus::Unknown)) {
        EvaluatedRows::MayIncludeTraining
    } else if model.refit.is_some() && any(|status| matches!(status, RowStatus::Stored(_))) {
        EvaluatedRows::IncludesTestSet
    } else {
        EvaluatedRows::Newer
    }
}

/// Compares a definition with the model on the kept rows.
fn compare_definition(
    matches: &DefinitionMatches,
    kept: &[u32],
    scores: LabeledScores<'_>,
    seed: u64,
) -> Result<DefinitionComparison> {
    let rows: Vec<bool> = kept.iter().map(|row| matches.matches[*row as usize]).collect();
    let first = scores.cutoff.and_then(|cutoff| cutoff.iter().min());
    let found_until =
        matches.found_until.filter(|until| first.is_some_and(|first| first < until)).map(Timestamp);
    Ok(DefinitionComparison {
        name: matches.name.clone(),
        found_until,
        equal_volume: compare_at_equal_volume(scores, &rows, seed)?,
    })
}

/// A row of an evaluation.
struct EvaluatedRow {
    index: u32,
    status: RowStatus,
    probability: f64,
}

/// Returns the rows with an outcome that the model was not trained on, with their probabilities. A
/// test row has the one of the fit before the final refit, which had not seen it.
fn evaluated_rows(
    model: &Model,
    rows: &Rows,
    fitted: &[f64],
    options: EvaluationOptions<'_>,
    sink: &mut Sink<'_>,
) -> Result<Vec<EvaluatedRow>> {
    let none = HeldOut::without_test_rows(model);
    let held_out = options.held_out.unwrap_or(&none);
    let (mut kept, mut trained, mut stored) = (Vec::new(), 0, 0);
    for row in (0..rows.y.len()).filter(|row| rows.y[*row].is_some()) {
        let account = &rows.names[rows.account[row] as usize];
        let cutoff = rows.cutoff.as_ref().map(|cutoff| cutoff[row]);
        let status = held_out.status(account, cutoff, fitted[row]);
        trained += usize::from(status == RowStatus::Trained);
        stored += usize::from(matches!(status, RowStatus::Stored(_)));
        let probability = status.probability(fitted[row]);
        if let Some(probability) = probability.or(options.all.then_some(fitted[row])) {
            let index = u32::try_from(row).expect("rows have u32 codes");
            kept.push(EvaluatedRow { index, status, probability });
        }
    }
    if trained > 0 && !options.all {
        sink.notify(Notice::TrainingRowsSkipped { rows: trained });
    }
    if stored > 0 && model.refit.is_some() {
        sink.notify(Notice::HeldOutRows { rows: stored });
    }
    if rows.cutoff.is_none() && !options.all {
        sink.notify(Warning::NoCutoffs);
    }
    if kept.is_empty() {
        return Err(Error::NoLabeledRows { old: trained });
    }
    Ok(kept)
}
