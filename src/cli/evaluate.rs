//! `pql evaluate`

use std::collections::BTreeMap;
use std::path::PathBuf;

use pql_stats::metrics::{AgainstRule, Part, RuleAtCutoff};
use serde::Serialize;

use super::Terminal;
use super::shared::{ModelArgs, ProjectArgs, When, definitions};
use crate::config::Config;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::card;
use crate::names::nearest;
use crate::operations::evaluation::{
    DefinitionComparison, EvaluationOptions, EvaluationReport, evaluate_model,
};
use crate::report::text::{against_definition, by_value, whole};
use crate::time::iso;
use crate::training::rows_for_model;
use crate::warning::Message;

/// Judge a model on labelled data
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Judge on a feature matrix instead of events
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// Keep rows at or before the last training cutoff too
    #[arg(long)]
    all: bool,
    /// Judge each value of a column alone: an attribute, a feature (numbers with more than 10
    /// values by quarters), or `cohort`, the calendar month of the cutoff; may be repeated
    #[arg(long, value_name = "COLUMN")]
    by: Vec<String>,
    /// Set a PQL definition against the model, at equal volume
    #[arg(long, value_name = "NAME", conflicts_with = "features")]
    definition: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Draw plots below the tables, as wide as the terminal or the variable COLUMNS says
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    plot: When,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    judged: card::Judged<'a>,
    by: BTreeMap<&'a str, Vec<OfValue<'a>>>,
    warnings: &'a [Message],
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<OfDefinition<'a>>,
}

#[derive(Serialize)]
struct OfDefinition<'a> {
    name: &'a str,
    /// It was found on data until then, and some rows are older: they flatter it.
    found_until: Option<String>,
    #[serde(flatten)]
    against: &'a AgainstRule,
    by_cutoff: Vec<OfCutoff>,
}

/// What definition and model find at one cutoff, or from one to another.
#[derive(Serialize)]
struct OfCutoff {
    first: String,
    last: String,
    rows: u64,
    conversions: u64,
    held: u64,
    rule: f64,
    model: f64,
}

impl OfCutoff {
    fn of(at: &RuleAtCutoff) -> Self {
        let RuleAtCutoff { first, last, rows, conversions, held, rule, model } = *at;
        Self { first: iso(first), last: iso(last), rows, conversions, held, rule, model }
    }
}

#[derive(Serialize)]
struct OfValue<'a> {
    value: &'a str,
    #[serde(flatten)]
    part: &'a Part,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, found) = args.model.load()?;
    let rows = rows(args, &model, &found.label, terminal)?;
    let options =
        EvaluationOptions { all: args.all, by: &args.by, definition: args.definition.as_deref() };
    let report = evaluate_model(&model, &found.label, &rows, options, &mut terminal.sink())?;
    if args.json {
        return {
            let warnings = std::mem::take(&mut terminal.warnings);
            terminal.say_json(&answer(&report, &warnings))
        };
    }
    let EvaluationReport { rows, judgement, by, definition } = &report;
    terminal.say(&format!(
        "Model {} on {rows} rows of {} accounts\n{}",
        found.label,
        judgement.evaluation.accounts,
        whole(judgement)
    ))?;
    if let Some(drawing) = args.plot.drawing(terminal.drawn) {
        for plot in [drawing.reliability(&judgement.reliability), drawing.gains(&judgement.gains)] {
            terminal.say_plot(&plot)?;
        }
    }
    by.iter().try_for_each(|(column, parts)| terminal.say(&by_value(column, parts)))?;
    let until = |of: &DefinitionComparison| of.found_until.map(|until| iso(until.0));
    definition.as_ref().map_or(Ok(()), |of| {
        terminal.say(&against_definition(&of.name, until(of).as_deref(), &of.against))
    })
}

fn answer<'a>(report: &'a EvaluationReport, warnings: &'a [Message]) -> Answer<'a> {
    let definition = report.definition.as_ref().map(|of| OfDefinition {
        name: &of.name,
        found_until: of.found_until.map(|until| iso(until.0)),
        against: &of.against,
        by_cutoff: of.against.by_cutoff.iter().map(OfCutoff::of).collect(),
    });
    let by = report.by.iter().map(|(column, parts)| {
        (column.as_str(), parts.iter().map(|(value, part)| OfValue { value, part }).collect())
    });
    Answer { judged: card::Judged::of(&report.judgement), by: by.collect(), warnings, definition }
}

/// Check that there is a definition of that name.
fn known(name: &str, config: &Config) -> Result<()> {
    let names = || config.definition.iter().map(|rule| rule.name.as_str());
    if names().any(|known| known == name) {
        return Ok(());
    }
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "there are {}",
            names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ),
    };
    let hint = if config.definition.is_empty() {
        "neither the project file nor the model has a `[[definition]]`".to_owned()
    } else {
        hint
    };
    Err(Error::Usage { problem: format!("no definition is named `{name}`"), hint: Some(hint) })
}

fn rows(args: &Args, model: &Model, label: &str, terminal: &mut Terminal<'_>) -> Result<Rows> {
    let file = args.project.load()?;
    if let Some(path) = &args.features {
        return model.read_matrix(path, file.matrix);
    }
    let config = model.project_config(&file, &mut terminal.sink())?;
    let catalogue = model.usage_features(label)?.clone();
    let log = args.project.model_log(&config, model, None, terminal)?;
    if let Some(name) = &args.definition {
        known(name, &config)?;
        definitions(&args.project, &config, &log)?;
    }
    rows_for_model(&config, log, catalogue, &mut terminal.sink())
}
