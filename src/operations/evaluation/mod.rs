//! Evaluation of a stored model on rows with outcomes.
//!
//! Metrics over all rows, by the values of a column, and compared with a PQL definition.

mod groups;

use groups::groups;
use pql_stats::metrics::{
    EqualVolumeComparison, EvaluationReport, LabeledScores, SubsetMetrics, compare_at_equal_volume,
    subset_metrics,
};

use crate::dataset::rows::{DefinitionMatches, Rows};
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::model::Model;
use crate::model::score::Scorer;
use crate::model::verdict::{Evidence, Verdict};
use crate::names::suggest;
use crate::time::Timestamp;
use crate::training::baseline::{ComparedRows, compare_baselines};
use crate::warning::{Notice, Warning};

/// Options of an evaluation.
#[derive(Debug, Clone, Copy, Default)]
pub struct EvaluationOptions<'a> {
    /// Whether to include rows that the model may have been trained on (default: no).
    pub all: bool,
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
    /// Conversions captured by both at equal volume.
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
    let all = Scorer::new(model, label)?.probabilities(&rows.features)?;
    let unseen = unseen_rows(model, rows, options.all, sink)?;
    let (kept, not_finite): (Vec<u32>, Vec<u32>) =
        unseen.into_iter().partition(|row| all[*row as usize].is_finite());
    if !not_finite.is_empty() {
        sink.notify(Warning::RowsNotFinite { rows: not_finite.len() });
    }
    let probability: Vec<f64> = kept.iter().map(|row| all[*row as usize]).collect();
    let (y, group, cutoff) = (rows.outcomes(&kept), rows.accounts(&kept), rows.cutoffs(&kept));
    let scores = LabeledScores {
        y: &y,
        probability: &probability,
        group: &group,
        cutoff: cutoff.as_deref(),
    };
    let evaluation = EvaluationReport::compute(scores, model.threshold)?;
    let compared = ComparedRows { rows, indices: &kept, scores };
    let verdict = Verdict::compute(&Evidence {
        model,
        metrics: Some(&evaluation.metrics),
        baselines: &compare_baselines(&model.baselines, compared)?,
        training: model.refit.map_or(model.training_base_rate, |refit| refit.base_rate),
        is_test_set: false,
    });
    let mut by = Vec::new();
    for column in options.by {
        let groups = groups(rows, &kept, column)?;
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
    let definition =
        matches.map(|matches| compare_definition(matches, &kept, scores, seed)).transpose()?;
    Ok(ModelEvaluation { rows: kept.len(), verdict, evaluation, by, definition })
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

/// Returns the rows with an outcome that the model was not trained on.
fn unseen_rows(model: &Model, rows: &Rows, all: bool, sink: &mut Sink<'_>) -> Result<Vec<u32>> {
    let newer = |row: usize| match (&rows.cutoff, model.last_training_cutoff()) {
        (Some(cutoff), Some(last)) if !all => cutoff[row] > last,
        _ => true,
    };
    let kept: Vec<u32> = (0..)
        .take(rows.y.len())
        .filter(|row| rows.y[*row as usize].is_some() && newer(*row as usize))
        .collect();
    let old = (0..rows.y.len()).filter(|row| !newer(*row)).count();
    if old > 0 {
        sink.notify(Notice::TrainingRowsSkipped { rows: old });
    }
    if rows.cutoff.is_none() && !all {
        sink.notify(Warning::NoCutoffs);
    }
    if kept.is_empty() {
        return Err(Error::NoLabeledRows { old });
    }
    Ok(kept)
}
