//! `pql evaluate`

use std::collections::BTreeMap;

use pql_stats::metrics::{EqualVolumeAtCutoff, EqualVolumeComparison, SubsetMetrics};
use serde::Serialize;

use super::Terminal;
use super::output::{OutputArgs, OutputFormat, limit_formats};
use super::shared::{MatrixArgs, ModelArgs, PlotArgs, ProjectArgs, definitions};
use crate::config::Config;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::card;
use crate::model::score::Scorer;
use crate::model::verdict::VerdictCard;
use crate::names::suggest;
use crate::operations::evaluation::{
    DefinitionComparison, EvaluationOptions, ModelEvaluation, evaluate_model,
};
use crate::report::format::counted;
use crate::report::text::plot::Plotter;
use crate::report::text::{
    by_value, definition_comparison, evaluation_report, verdict as verdict_lines,
};
use crate::time::{Zone, iso};
use crate::training::held_out::HeldOut;
use crate::training::rows_for_model;
use crate::warning::Message;

/// Evaluate a model on labeled data
///
/// Uses rows whose outcome is known and on which the model was not trained: newer rows, and the
/// stored test rows with their probabilities from before the final refit.
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, FORMATS)))]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    matrix: MatrixArgs,
    /// Include rows that the model was trained on
    #[arg(long, help_heading = "Input")]
    all: bool,
    #[command(flatten)]
    model: ModelArgs,
    /// Also evaluate each value of a column separately; repeatable
    ///
    /// An attribute, a feature (numbers with more than 10 values by quartile), or `cohort`, the
    /// calendar month of the cutoff.
    #[arg(long, value_name = "COLUMN", help_heading = "Output")]
    by: Vec<String>,
    /// Compare a PQL definition with the model at equal volume
    #[arg(long, value_name = "NAME", conflicts_with = "features", help_heading = "Output")]
    definition: Option<String>,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    output: OutputArgs,
}

const FORMATS: &[OutputFormat] = &[OutputFormat::Table, OutputFormat::Json];

/// The JSON output.
#[derive(Serialize)]
struct EvaluateOutput<'a> {
    verdict: VerdictCard,
    #[serde(flatten)]
    metrics: card::EvaluationCard<'a>,
    by: BTreeMap<&'a str, Vec<ValueMetrics<'a>>>,
    warnings: &'a [Message],
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<DefinitionOutput<'a>>,
}

/// A definition compared with the model.
#[derive(Serialize)]
struct DefinitionOutput<'a> {
    name: &'a str,
    /// End of the data on which the definition was discovered, if some rows are older.
    found_until: Option<String>,
    #[serde(flatten)]
    equal_volume: &'a EqualVolumeComparison,
    by_cutoff: Vec<CutoffOutput>,
}

/// Conversions captured by the definition and the model at one cutoff or a range of cutoffs.
#[derive(Serialize)]
struct CutoffOutput {
    first: String,
    last: String,
    rows: u64,
    conversions: u64,
    matched: u64,
    baseline: f64,
    model: f64,
}

impl CutoffOutput {
    fn new(counts: &EqualVolumeAtCutoff) -> Self {
        let EqualVolumeAtCutoff { first, last, rows, conversions, matched, baseline, model } =
            *counts;
        Self { first: iso(first), last: iso(last), rows, conversions, matched, baseline, model }
    }
}

/// Metrics of the rows with one value of a column.
#[derive(Serialize)]
struct ValueMetrics<'a> {
    value: &'a str,
    #[serde(flatten)]
    metrics: &'a SubsetMetrics,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = args.output.resolve(FORMATS, &terminal.files)?;
    let (model, location) = args.model.load(terminal)?;
    let rows = rows(args, &model, &location.label, terminal)?;
    let held_out = HeldOut::load(&location.path, &model, &Scorer::new(&model, &location.label)?)?;
    let options = EvaluationOptions {
        all: args.all,
        held_out: Some(&held_out),
        by: &args.by,
        definition: args.definition.as_deref(),
    };
    let evaluation = evaluate_model(&model, &location.label, &rows, options, &mut terminal.sink())?;
    if output.format == OutputFormat::Json {
        let warnings = std::mem::take(&mut terminal.warnings);
        return output.write_json(&json(&evaluation, &warnings), terminal);
    }
    let drawing = args.plot.drawing(output.is_on_terminal(terminal));
    let title = (location.label.as_str(), model.zone());
    output.write(&table(&evaluation, title, drawing.as_ref()), terminal)
}

/// Returns the metrics as tables, with plots if there is a `drawing`.
///
/// # Arguments
/// * `(label, zone)` – name of the model and zone of the days
fn table(
    evaluation: &ModelEvaluation,
    (label, zone): (&str, Zone),
    drawing: Option<&Plotter>,
) -> String {
    let ModelEvaluation { rows, verdict, evaluation, by, definition } = evaluation;
    let mut text = format!(
        "Model {label} on {} of {}\n{}\n\n{}",
        counted(*rows as u64, "row"),
        counted(evaluation.metrics.accounts, "account"),
        verdict_lines(verdict).join("\n"),
        evaluation_report(evaluation, zone)
    );
    if let Some(drawing) = drawing {
        let plots =
            [drawing.reliability(&evaluation.reliability), drawing.gains(&evaluation.gains)];
        for plot in plots.iter().filter(|plot| !plot.is_empty()) {
            text += &format!("\n\n{plot}");
        }
    }
    for (column, parts) in by {
        text += &format!("\n{}", by_value(column, parts));
    }
    if let Some(DefinitionComparison { name, found_until, equal_volume }) = definition {
        text += &format!("\n{}", definition_comparison(name, *found_until, equal_volume, zone));
    }
    text
}

/// Collects the JSON output.
fn json<'a>(evaluation: &'a ModelEvaluation, warnings: &'a [Message]) -> EvaluateOutput<'a> {
    let definition = evaluation.definition.as_ref().map(|definition| DefinitionOutput {
        name: &definition.name,
        found_until: definition.found_until.map(|until| iso(until.0)),
        equal_volume: &definition.equal_volume,
        by_cutoff: definition.equal_volume.by_cutoff.iter().map(CutoffOutput::new).collect(),
    });
    let by = evaluation.by.iter().map(|(column, values)| {
        let values = values.iter().map(|(value, metrics)| ValueMetrics { value, metrics });
        (column.as_str(), values.collect())
    });
    EvaluateOutput {
        verdict: VerdictCard::from(&evaluation.verdict),
        metrics: card::EvaluationCard::new(&evaluation.evaluation),
        by: by.collect(),
        warnings,
        definition,
    }
}

/// Checks that a definition of that name exists.
fn check_definition(name: &str, config: &Config) -> Result<()> {
    let names = || config.definition.iter().map(|definition| definition.name.as_str());
    if names().any(|known| known == name) {
        return Ok(());
    }
    let hint = suggest(name, names()).unwrap_or_else(|| {
        "neither the project file nor the model has a `[[definition]]`".to_owned()
    });
    Err(Error::Usage { problem: format!("unknown definition `{name}`"), hint: Some(hint) })
}

/// Returns the rows to evaluate: those of the matrix or of the log.
fn rows(args: &Args, model: &Model, label: &str, terminal: &mut Terminal<'_>) -> Result<Rows> {
    let file = args.project.load(&terminal.files)?;
    if let Some(path) = args.matrix.path(&terminal.files)? {
        return model.read_matrix(path, file.matrix, &mut terminal.sink());
    }
    let config = model.project_config(&file, &mut terminal.sink())?;
    let catalog = model.usage_features(label)?.clone();
    let log = args.project.model_log(&config, model, None, terminal)?;
    if let Some(name) = &args.definition {
        check_definition(name, &config)?;
        definitions(&args.project, &config, &log)?;
    }
    rows_for_model(&config, log, catalog, &mut terminal.sink())
}
