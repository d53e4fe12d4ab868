//! A stored model on rows with outcomes: metrics, also by the values of a column and against a PQL
//! definition.

mod groups;

use groups::groups;
use pql_stats::metrics::{AgainstRule, Judged, Judgement, Part, against_rule, by_part};

use crate::dataset::rows::{Held, Rows};
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::model::Model;
use crate::model::score::Scorer;
use crate::time::Timestamp;
use crate::warning::{Notice, Warning};

/// What to evaluate.
#[derive(Debug, Clone, Copy, Default)]
pub struct EvaluationOptions<'a> {
    /// Whether rows count that the model may have learned from (no).
    pub all: bool,
    /// Columns whose values are evaluated one by one.
    pub by: &'a [String],
    /// A PQL definition to compare with the model at equal volume.
    pub definition: Option<&'a str>,
}

/// How good a model is on some rows.
#[derive(Debug, Clone)]
pub struct EvaluationReport {
    /// Rows that counted.
    pub rows: usize,
    /// Metrics over these rows.
    pub judgement: Judgement,
    /// For each column its values and their metrics.
    pub by: Vec<(String, Vec<(String, Part)>)>,
    /// The definition against the model.
    pub definition: Option<DefinitionComparison>,
}

/// A PQL definition against a model.
#[derive(Debug, Clone)]
pub struct DefinitionComparison {
    /// Name of the definition.
    pub name: String,
    /// It was found on data until then, and some rows are older: they flatter it.
    pub found_until: Option<Timestamp>,
    /// What both find among as many rows.
    pub against: AgainstRule,
}

/// Evaluates a model on rows with outcomes that it has not learned from.
///
/// # Arguments
/// * `label` – what the model is called
/// # Errors
/// * [`Error::Usage`]: a column to group by, or a definition, that the rows do not have
/// * [`Error::NoLabelledRows`]: no row is left
/// * [`Error::MissingFeature`]: a feature is absent
pub fn evaluate_model(
    model: &Model,
    label: &str,
    rows: &Rows,
    options: EvaluationOptions<'_>,
    sink: &mut Sink<'_>,
) -> Result<EvaluationReport> {
    let all = Scorer::new(model, label)?.probabilities(&rows.features)?;
    let unseen = unseen_rows(model, rows, options.all, sink)?;
    let (kept, not_finite): (Vec<u32>, Vec<u32>) =
        unseen.into_iter().partition(|row| all[*row as usize].is_finite());
    if !not_finite.is_empty() {
        sink.notify(Warning::RowsNotFinite { rows: not_finite.len() });
    }
    let probability: Vec<f64> = kept.iter().map(|row| all[*row as usize]).collect();
    let (y, group, cutoff) = (rows.outcomes(&kept), rows.accounts(&kept), rows.cutoffs(&kept));
    let judged =
        Judged { y: &y, probability: &probability, group: &group, cutoff: cutoff.as_deref() };
    let judgement = Judgement::of(judged, model.threshold)?;
    let mut by = Vec::new();
    for column in options.by {
        let groups = groups(rows, &kept, column)?;
        let parts = by_part(&y, &probability, &group, &groups.of_row);
        by.push((column.clone(), groups.names.into_iter().zip(parts).collect()));
    }
    let seed = model.config()?.model.seed;
    let find = |name: &str| {
        let held = rows.held.iter().find(|held| held.name == name);
        let problem = || format!("no definition is named `{name}`");
        held.ok_or_else(|| Error::Usage { problem: problem(), hint: None })
    };
    let held = options.definition.map(find).transpose()?;
    let definition = held.map(|held| compare_definition(held, &kept, judged, seed)).transpose()?;
    Ok(EvaluationReport { rows: kept.len(), judgement, by, definition })
}

/// Compares a definition with the model on the rows that are kept.
fn compare_definition(
    held: &Held,
    kept: &[u32],
    judged: Judged<'_>,
    seed: u64,
) -> Result<DefinitionComparison> {
    let rows: Vec<bool> = kept.iter().map(|row| held.rows[*row as usize]).collect();
    let first = judged.cutoff.and_then(|cutoff| cutoff.iter().min());
    let found_until =
        held.found_until.filter(|until| first.is_some_and(|first| first < until)).map(Timestamp);
    Ok(DefinitionComparison {
        name: held.name.clone(),
        found_until,
        against: against_rule(judged, &rows, seed)?,
    })
}

/// Returns the rows with an outcome that the model has not learned from.
fn unseen_rows(model: &Model, rows: &Rows, all: bool, sink: &mut Sink<'_>) -> Result<Vec<u32>> {
    let newer = |row: usize| match (&rows.cutoff, model.last_learned()) {
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
        return Err(Error::NoLabelledRows { old });
    }
    Ok(kept)
}
